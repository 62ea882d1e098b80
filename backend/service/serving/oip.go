package serving

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"

	"synergos.app/desktop/backend/fed"
)

// oipRequest is the JSON body of an inference request of the Open Inference
// Protocol v2.
type oipRequest struct {
	ID      string          `json:"id"`
	Inputs  json.RawMessage `json:"inputs"`
	Outputs []struct {
		Name string `json:"name"`
	} `json:"outputs"`
}

// oipTensor is one input.
type oipTensor struct {
	Name     string          `json:"name"`
	Shape    []json.Number   `json:"shape"`
	Datatype string          `json:"datatype"`
	Data     json.RawMessage `json:"data"`
}

// oipAnswer is the body of an answer.
type oipAnswer struct {
	Model      string            `json:"model_name"`
	Version    string            `json:"model_version"`
	ID         string            `json:"id"`
	Parameters map[string]string `json:"parameters"`
	Outputs    []oipOutput       `json:"outputs"`
}

type oipOutput struct {
	Name     string `json:"name"`
	Shape    []int  `json:"shape"`
	Datatype string `json:"datatype"`
	Data     any    `json:"data"`
}

func invalid(format string, args ...any) error {
	return fed.Errorf(fed.Invalid, "See the model's metadata for its inputs.", format, args...)
}

// maxRank bounds the dimensions of an input: [n], [n,1] or [n,d].
const maxRank = 2

// featuresName is the single input of an all-numeric model.
const featuresName = "features"

// decodeInfer reads an inference request into rows. Nothing is allocated from a
// number in the request before that number was compared with the bytes that
// follow it.
func (p *Predictor) decodeInfer(body []byte, lim Limits) (req oipRequest, rows []map[string]any, err error) {
	if err := decodeStrict(body, &req); err != nil {
		return req, nil, invalid("the body is not an inference request in JSON: %s", jsonReason(err))
	}
	if len(req.ID) > 256 {
		return req, nil, invalid("the id is longer than 256 bytes")
	}
	seen := map[string]bool{}
	n := -1
	count := 0
	err = eachElement(req.Inputs, "inputs", func(dec *json.Decoder) error {
		if count++; count > lim.Inputs {
			return invalid("there are more than %d inputs", lim.Inputs)
		}
		var t oipTensor
		if err := dec.Decode(&t); err != nil {
			return invalid("input %d cannot be read: %s", count, jsonReason(err))
		}
		if seen[t.Name] {
			return invalid("the input %.100q is given twice", t.Name)
		}
		seen[t.Name] = true
		made, err := p.tensor(t, rows, n, lim)
		if err != nil {
			return err
		}
		rows, n = made, len(made)
		return nil
	})
	if err != nil {
		return req, nil, err
	}
	return req, rows, p.complete(seen, n)
}

// complete checks that every input that is needed was given.
func (p *Predictor) complete(seen map[string]bool, n int) error {
	if n < 0 {
		return invalid("there is no input")
	}
	if seen[featuresName] && p.fields[featuresName] == nil {
		return nil
	}
	for _, c := range p.order {
		if c.Required && !seen[c.Name] {
			return invalid("the input %q is missing", c.Name)
		}
	}
	return nil
}

// tensor adds one input to the rows, which it makes at the first one (n < 0).
func (p *Predictor) tensor(t oipTensor, rows []map[string]any, n int, lim Limits) ([]map[string]any, error) {
	columns, err := p.columnsOf(t)
	if err != nil {
		return nil, err
	}
	count, got, err := checkShape(t, len(columns), lim)
	if err != nil {
		return nil, err
	}
	if n >= 0 && got != n {
		return nil, invalid("the input %q has %d rows, another one has %d", t.Name, got, n)
	}
	values, err := decodeData(t, count)
	if err != nil {
		return nil, err
	}
	if n < 0 {
		rows = make([]map[string]any, got)
		for i := range rows {
			rows[i] = make(map[string]any, len(p.order))
		}
	}
	for i, v := range values {
		if v != nil {
			rows[i/len(columns)][columns[i%len(columns)].Name] = v
		}
	}
	return rows, nil
}

// columnsOf returns the columns that an input fills: one, or all of them for
// "features" of an all-numeric model.
func (p *Predictor) columnsOf(t oipTensor) ([]*column, error) {
	if c := p.fields[t.Name]; c != nil {
		if !c.takes(t.Datatype) {
			return nil, invalid("the input %q has the datatype %.20q, expected %s", t.Name, t.Datatype, c.datatype())
		}
		return []*column{c}, nil
	}
	if t.Name != featuresName || !p.allNumeric() {
		return nil, invalid("the input %.100q is not one of the model", t.Name)
	}
	if t.Datatype == "BYTES" || !p.order[0].takes(t.Datatype) {
		return nil, invalid("the input %q has the datatype %.20q, expected FP64 or FP32", featuresName, t.Datatype)
	}
	return p.order, nil
}

func (p *Predictor) allNumeric() bool {
	for _, c := range p.order {
		if c.Kind != Number || c.Type == "date" {
			return false
		}
	}
	return true
}

// datatype is what the metadata says of a column.
func (c *column) datatype() string {
	switch {
	case c.Kind == Category || c.Type == "date":
		return "BYTES"
	case c.Type == "bool":
		return "BOOL"
	case c.Type == "int":
		return "INT64"
	}
	return "FP64"
}

// takes reports whether a column can be sent in a datatype: numbers in any that
// holds numbers, categories as texts or, since many are codes, as integers.
func (c *column) takes(datatype string) bool {
	switch datatype {
	case "BYTES":
		return c.datatype() == "BYTES"
	case "FP32", "FP64":
		return c.Kind == Number && c.Type != "date"
	case "BOOL":
		return c.truths() || c.Kind == Category
	case "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64":
		return c.Type != "date"
	}
	return false
}

// checkShape returns the elements and rows of an input whose rows have width
// columns: [n], [n,1] or [n,width].
func checkShape(t oipTensor, width int, lim Limits) (count, rows int, err error) {
	if len(t.Shape) == 0 || len(t.Shape) > maxRank {
		return 0, 0, invalid("the input %q has %d dimensions, expected 1 or 2", t.Name, len(t.Shape))
	}
	var dims [maxRank]int64
	for i, d := range t.Shape {
		v, err := strconv.ParseInt(d.String(), 10, 64)
		if err != nil || v < 0 || v > math.MaxInt32 {
			return 0, 0, invalid("the input %q has an impossible shape", t.Name)
		}
		dims[i] = v
	}
	if len(t.Shape) == 1 {
		dims[1] = 1
	}
	if dims[1] != int64(width) {
		return 0, 0, invalid("the input %q has rows of %d values, expected %d", t.Name, dims[1], width)
	}
	if dims[0] > int64(lim.Rows) {
		return 0, 0, invalid("the input %q has %d rows, more than the limit of %d", t.Name, dims[0], lim.Rows)
	}
	product := dims[0] * dims[1] // both below 2^31
	if product > int64(len(t.Data)) {
		return 0, 0, invalid("the input %q has the shape of %d values but fewer follow", t.Name, product)
	}
	return int(product), int(dims[0]), nil
}

// decodeData reads count values, nested or flat, in row-major order.
func decodeData(t oipTensor, count int) ([]any, error) {
	if len(t.Data) == 0 {
		return nil, invalid("the input %q has no data", t.Name)
	}
	dec := json.NewDecoder(bytes.NewReader(t.Data))
	dec.UseNumber()
	out := make([]any, 0, count)
	depth := 0
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil, invalid("the data of the input %q cannot be read: %s", t.Name, jsonReason(err))
		}
		switch x := tok.(type) {
		case json.Delim:
			switch x {
			case '[':
				depth++
			case ']':
				depth--
			}
			if x == '{' || depth > maxRank {
				return nil, invalid("the data of the input %q must be a list of values or of lists", t.Name)
			}
		default:
			v, err := element(t, tok)
			if err != nil {
				return nil, err
			}
			if len(out) == count {
				return nil, invalid("the input %q has more values than its shape says", t.Name)
			}
			out = append(out, v)
		}
		if depth == 0 {
			break
		}
	}
	if len(out) != count {
		return nil, invalid("the input %q has %d values, its shape says %d", t.Name, len(out), count)
	}
	return out, nil
}

// ranges of the integer datatypes.
var ranges = map[string][2]float64{
	"INT8": {-1 << 7, 1<<7 - 1}, "INT16": {-1 << 15, 1<<15 - 1}, "INT32": {-1 << 31, 1<<31 - 1}, "INT64": {-1 << 63, 1 << 63},
	"UINT8": {0, 1<<8 - 1}, "UINT16": {0, 1<<16 - 1}, "UINT32": {0, 1<<32 - 1}, "UINT64": {0, 1 << 64},
}

// element checks one value against the datatype; nil is missing.
func element(t oipTensor, tok json.Token) (any, error) {
	bad := func() (any, error) {
		return nil, invalid("the input %q holds a value that is not of the datatype %s", t.Name, t.Datatype)
	}
	switch x := tok.(type) {
	case nil:
		return nil, nil
	case string:
		if t.Datatype != "BYTES" {
			return bad()
		}
		return x, nil
	case bool:
		if t.Datatype != "BOOL" {
			return bad()
		}
		return x, nil
	case json.Number:
		f, err := x.Float64()
		if err != nil {
			return nil, invalid("the input %q holds a number that is too large", t.Name)
		}
		switch r, whole := ranges[t.Datatype]; {
		case whole && (f != math.Trunc(f) || f < r[0] || f > r[1]), t.Datatype == "BYTES", t.Datatype == "BOOL" && f != 0 && f != 1:
			return bad()
		case t.Datatype == "FP32" && math.Abs(f) > math.MaxFloat32:
			return nil, invalid("the input %q holds a number that is too large", t.Name)
		}
		return f, nil
	}
	return bad()
}

// encodeInfer builds the answer with the outputs that were asked for, or all.
func (p *Predictor) encodeInfer(req oipRequest, id string, number int, res []Result) (oipAnswer, error) {
	a := oipAnswer{Model: p.info.Model, Version: strconv.Itoa(number), ID: id, Parameters: map[string]string{"content_id": p.info.ContentID}, Outputs: []oipOutput{}}
	names := p.outputNames()
	if len(req.Outputs) > 0 {
		names = nil
		for _, o := range req.Outputs {
			names = append(names, o.Name)
		}
	}
	seen := map[string]bool{}
	for _, name := range names {
		o, ok := p.output(name, res)
		if !ok || seen[name] {
			return a, invalid("the output %.100q is not one of the model, or asked for twice", name)
		}
		seen[name] = true
		a.Outputs = append(a.Outputs, o)
	}
	return a, nil
}

func (p *Predictor) outputNames() []string {
	if p.info.Task == fed.TaskRegress {
		return []string{"value"}
	}
	return []string{"probability", "label"}
}

func (p *Predictor) output(name string, res []Result) (oipOutput, bool) {
	n, regress := len(res), p.info.Task == fed.TaskRegress
	switch {
	case name == "value" && regress:
		v := make([]float32, n)
		for i, r := range res {
			v[i] = float32(r.Value)
		}
		return oipOutput{Name: name, Shape: []int{n, 1}, Datatype: "FP32", Data: v}, true
	case name == "probability" && !regress:
		v := make([]float32, 0, n*len(p.info.Classes))
		for _, r := range res {
			v = append(v, r.Probability...)
		}
		return oipOutput{Name: name, Shape: []int{n, len(p.info.Classes)}, Datatype: "FP32", Data: v}, true
	case name == "label" && !regress:
		v := make([]string, n)
		for i, r := range res {
			v[i] = r.Label
		}
		return oipOutput{Name: name, Shape: []int{n, 1}, Datatype: "BYTES", Data: v}, true
	}
	return oipOutput{}, false
}

// metadata describes the model: GET /v2/models/{m}.
func (p *Predictor) metadata(name string, number int) map[string]any {
	type io struct {
		Name     string `json:"name"`
		Datatype string `json:"datatype"`
		Shape    []int  `json:"shape"`
	}
	inputs := []io{}
	for _, c := range p.order {
		inputs = append(inputs, io{c.Name, c.datatype(), []int{-1, 1}})
	}
	outputs := []io{}
	for _, name := range p.outputNames() {
		switch name {
		case "probability":
			outputs = append(outputs, io{name, "FP32", []int{-1, len(p.info.Classes)}})
		case "label":
			outputs = append(outputs, io{name, "BYTES", []int{-1, 1}})
		default:
			outputs = append(outputs, io{name, "FP32", []int{-1, 1}})
		}
	}
	return map[string]any{"name": name, "versions": []string{strconv.Itoa(number)}, "platform": "synergos_native", "inputs": inputs, "outputs": outputs}
}
