package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
)

// maxRowValues bounds the values of one row in the row forms.
const maxRowValues = 4096

// rowForm is the body of POST /invocations and /predict: exactly one of the
// fields with rows.
type rowForm struct {
	Rows      json.RawMessage `json:"rows"`
	Split     json.RawMessage `json:"dataframe_split"`
	Records   json.RawMessage `json:"dataframe_records"`
	Instances json.RawMessage `json:"instances"`
	Inputs    json.RawMessage `json:"inputs"`
	Params    struct {
		Method string `json:"predict_method"`
	} `json:"params"`
}

// rowReader turns the row forms into rows.
type rowReader struct {
	p    *Predictor
	max  int
	rows []map[string]any
}

func (r *rowReader) add(row map[string]any) error {
	if len(r.rows) == r.max {
		return invalid("there are more than %d rows", r.max)
	}
	r.rows = append(r.rows, row)
	return nil
}

// decodePredict reads {"rows": [{...}]}.
func (p *Predictor) decodePredict(body []byte, lim Limits) ([]map[string]any, error) {
	var f rowForm
	if err := decodeStrict(body, &f); err != nil {
		return nil, invalid("the body is not JSON: %s", jsonReason(err))
	}
	if f.Rows == nil {
		return nil, invalid(`the body has no "rows"`)
	}
	r := rowReader{p: p, max: lim.Rows}
	err := r.list(f.Rows, "rows")
	return r.rows, err
}

// decodeInvocation reads one of the four JSON forms.
func (p *Predictor) decodeInvocation(body []byte, lim Limits) (rowForm, []map[string]any, error) {
	var f rowForm
	if err := decodeStrict(body, &f); err != nil {
		return f, nil, invalid("the body is not JSON: %s", jsonReason(err))
	}
	r := rowReader{p: p, max: lim.Rows}
	given := 0
	var read func() error
	for name, raw := range map[string]json.RawMessage{"dataframe_split": f.Split, "dataframe_records": f.Records, "instances": f.Instances, "inputs": f.Inputs} {
		if raw == nil {
			continue
		}
		given++
		switch {
		case name == "dataframe_split":
			read = func() error { return r.split(raw) }
		case name == "inputs" && bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")):
			read = func() error { return r.columns(raw) }
		default:
			read = func() error { return r.list(raw, name) }
		}
	}
	if given != 1 {
		return f, nil, invalid("the body needs exactly one of dataframe_split, dataframe_records, instances and inputs")
	}
	err := read()
	return f, r.rows, err
}

// list reads [{column: value}, ...] or [[value, ...], ...] in the order of the
// columns.
func (r *rowReader) list(raw []byte, name string) error {
	return eachElement(raw, name, func(dec *json.Decoder) error {
		tok, err := dec.Token()
		if err != nil {
			return invalid("%s cannot be read: %s", name, jsonReason(err))
		}
		var row map[string]any
		switch tok {
		case json.Delim('{'):
			row, err = object(dec, name)
		case json.Delim('['):
			row, err = r.positional(dec, name)
		default:
			err = invalid("%s must hold objects, or lists in the order of the columns", name)
		}
		if err != nil {
			return err
		}
		return r.add(row)
	})
}

// object reads the rest of {column: value, ...}.
func object(dec *json.Decoder, name string) (map[string]any, error) {
	row := map[string]any{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, invalid("%s cannot be read: %s", name, jsonReason(err))
		}
		k, _ := key.(string)
		if row[k], err = scalar(dec, name); err != nil {
			return nil, err
		}
		if len(row) > maxRowValues {
			return nil, invalid("a row of %s has more than %d values", name, maxRowValues)
		}
	}
	_, err := dec.Token()
	return row, err
}

func (r *rowReader) positional(dec *json.Decoder, name string) (map[string]any, error) {
	row := make(map[string]any, len(r.p.order))
	for i := 0; dec.More(); i++ {
		v, err := scalar(dec, name)
		if err != nil {
			return nil, err
		}
		if i >= len(r.p.order) {
			return nil, invalid("a row of %s has more than %d values", name, len(r.p.order))
		}
		row[r.p.order[i].Name] = v
	}
	if len(row) != len(r.p.order) {
		return nil, invalid("a row of %s has %d values, expected %d", name, len(row), len(r.p.order))
	}
	_, err := dec.Token()
	return row, err
}

// scalar reads one value that is not a list or an object.
func scalar(dec *json.Decoder, name string) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, invalid("%s cannot be read: %s", name, jsonReason(err))
	}
	if _, ok := tok.(json.Delim); ok {
		return nil, invalid("%s holds a list or an object where a single value belongs", name)
	}
	return tok, nil
}

// split reads {"columns": [...], "data": [[...]], "index": ...}.
func (r *rowReader) split(raw []byte) error {
	var f struct {
		Columns json.RawMessage `json:"columns"`
		Data    json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return invalid("dataframe_split cannot be read: %s", jsonReason(err))
	}
	names, err := columnNames(f.Columns)
	if err != nil {
		return err
	}
	return eachElement(f.Data, "dataframe_split.data", func(dec *json.Decoder) error {
		if tok, err := dec.Token(); err != nil || tok != json.Delim('[') {
			return invalid("dataframe_split.data must hold lists")
		}
		row := make(map[string]any, len(names))
		i := 0
		for ; dec.More(); i++ {
			v, err := scalar(dec, "dataframe_split.data")
			if err != nil {
				return err
			}
			if i < len(names) {
				row[names[i]] = v
			}
		}
		if i != len(names) {
			return invalid("a row of dataframe_split.data has %d values for %d columns", i, len(names))
		}
		if _, err := dec.Token(); err != nil {
			return invalid("dataframe_split.data cannot be read: %s", jsonReason(err))
		}
		return r.add(row)
	})
}

func columnNames(raw []byte) ([]string, error) {
	var names []string
	seen := map[string]bool{}
	err := eachElement(raw, "dataframe_split.columns", func(dec *json.Decoder) error {
		tok, err := dec.Token()
		name, ok := tok.(string)
		if err != nil || !ok || seen[name] || len(names) == maxRowValues {
			return invalid("dataframe_split.columns must hold at most %d names, each once", maxRowValues)
		}
		seen[name] = true
		names = append(names, name)
		return nil
	})
	return names, err
}

// columns reads {column: [value, ...], ...}.
func (r *rowReader) columns(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	_, _ = dec.Token() // the brace
	for first := true; dec.More(); first = false {
		key, err := dec.Token()
		name, _ := key.(string)
		if err != nil {
			return invalid("inputs cannot be read: %s", jsonReason(err))
		}
		i := 0
		var list json.RawMessage
		if err := dec.Decode(&list); err != nil {
			return invalid("inputs cannot be read: %s", jsonReason(err))
		}
		err = eachElement(list, "a column of inputs", func(dec *json.Decoder) error {
			v, err := scalar(dec, "inputs")
			if err == nil && first {
				err = r.add(map[string]any{})
			}
			if err == nil && i >= len(r.rows) {
				err = invalid("the columns of inputs differ in length")
			}
			if err != nil {
				return err
			}
			r.rows[i][name] = v
			i++
			if len(r.rows[0]) > maxRowValues {
				return invalid("inputs has more than %d columns", maxRowValues)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if i != len(r.rows) {
			return invalid("the columns of inputs differ in length")
		}
	}
	return nil
}

// decodeCSV reads a CSV body with a header.
func (p *Predictor) decodeCSV(ctx context.Context, open Open, body []byte, lim Limits) ([]map[string]any, error) {
	t, err := open(ctx, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	c, err := newCSVRows(p, t, false)
	if err != nil {
		return nil, err
	}
	r := rowReader{p: p, max: lim.Rows}
	for {
		row, err := c.next()
		if errors.Is(err, io.EOF) {
			return r.rows, nil
		}
		if err == nil && len(c.record) > len(c.names) {
			err = invalid("row %d has more values than the header has columns", len(r.rows)+1)
		}
		if err == nil {
			err = r.add(row)
		}
		if err != nil {
			return nil, err
		}
	}
}
