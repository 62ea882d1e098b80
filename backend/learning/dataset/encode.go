package dataset

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// Notice is something that a caller should know about one prepared row.
type Notice struct {
	Column string `json:"column"`
	Kind   string `json:"kind"` // missing, unseen, range, unknown
	Text   string `json:"text"`
}

// RowEncoder prepares single rows for prediction. It is safe for concurrent use.
type RowEncoder struct {
	prep    *Preparation
	scaler  *Scaler
	indexes []map[string]int // [columns], nil for numbers
}

// Encoder returns an encoder of raw named rows. own is this party's scaler when
// the project scales per party, else nil.
func (p *Preparation) Encoder(own *Scaler) (*RowEncoder, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	s, err := p.scaler(own)
	if err != nil {
		return nil, err
	}
	e := &RowEncoder{prep: p, scaler: s, indexes: make([]map[string]int, len(p.Columns))}
	for i := range p.Columns {
		if !p.Columns[i].Type.Numeric() {
			e.indexes[i] = p.Columns[i].index()
		}
	}
	return e, nil
}

// Encode prepares one row: x is [d], new. Values may be nil (missing), numbers,
// bools, or texts (a missing word is missing, a numeric text a number). A missing
// cell is filled, an unseen category is all zeros, a value outside the usual
// range is used; each gives a notice. Returns an Invalid error that names column,
// kind of value and what is allowed when the kind is wrong.
func (e *RowEncoder) Encode(row map[string]any) (x []float32, notices []Notice, err error) {
	d := e.prep.Inputs()
	x = make([]float32, d)
	at := 0
	for i := range e.prep.Columns {
		c := &e.prep.Columns[i]
		value, given := row[c.Name]
		var n *Notice
		if c.Type.Numeric() {
			n, err = e.number(c, value, given, x, at)
		} else {
			n, err = e.category(c, e.indexes[i], value, given, x[at:at+c.width()], at)
		}
		if err != nil {
			return nil, nil, err
		}
		if n != nil {
			n.Column = c.Name
			notices = append(notices, *n)
		}
		at += c.width()
	}
	return x, append(notices, e.unknown(row)...), nil
}

// unknown notes given columns that the model does not use.
func (e *RowEncoder) unknown(row map[string]any) []Notice {
	var names []string
	for name := range row {
		if e.prep.Column(name) == nil && name != e.prep.Target {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	out := make([]Notice, 0, min(len(names), 20))
	for _, name := range head(names, 20) {
		out = append(out, Notice{Column: clip(name, maxName), Kind: "unknown", Text: "the model does not use this column"})
	}
	return out
}

func (e *RowEncoder) scale(v float64, at int) (float32, bool) {
	if e.scaler != nil {
		v = (v - e.scaler.Mean[at]) / e.scaler.SD[at]
	}
	f := float32(v)
	return f, !math.IsInf(float64(f), 0) && !math.IsNaN(v)
}

func (e *RowEncoder) number(c *PreparedColumn, value any, given bool, x []float32, at int) (*Notice, error) {
	v, missing, err := readNumber(c, value)
	if err != nil {
		return nil, err
	}
	var n *Notice
	switch {
	case missing:
		v = float64(c.Fill)
		n = missingNotice(given, NumberText(significant(v, 4)))
	case c.Low.Finite() && v < float64(c.Low) || c.High.Finite() && v > float64(c.High):
		n = &Notice{Kind: "range", Text: fmt.Sprintf("%s is outside the usual range %s to %s", NumberText(v), NumberText(float64(c.Low)), NumberText(float64(c.High)))}
	}
	f, ok := e.scale(v, at)
	if !ok {
		return nil, fed.Errorf(fed.Invalid, "check the unit of the value", "column %q: the number is too large", c.Name)
	}
	x[at] = f
	return n, nil
}

func missingNotice(given bool, fill string) *Notice {
	if given {
		return &Notice{Kind: "missing", Text: "is missing and was filled with " + fill}
	}
	return &Notice{Kind: "missing", Text: "was not given and was filled with " + fill}
}

// readNumber reads what JSON, a form or a CSV cell may hold.
func readNumber(c *PreparedColumn, value any) (v float64, missing bool, err error) {
	allowed := "a number"
	if c.Type == Bool {
		allowed = "true, false, 1 or 0"
	}
	wrong := func(kind string) error {
		return fed.Errorf(fed.Invalid, "give "+allowed+", or leave the value out", "column %q holds %s and must hold %s", c.Name, kind, allowed)
	}
	switch x := value.(type) {
	case nil:
		return 0, true, nil
	case bool:
		if c.Type != Bool && c.Type != Int {
			return 0, false, wrong("a truth value")
		}
		return map[bool]float64{true: 1}[x], false, nil
	case json.Number:
		return readText(c, string(x), wrong)
	case string:
		return readText(c, x, wrong)
	}
	v, ok := AsFloat(value)
	switch {
	case !ok:
		return 0, false, wrong("a " + kindOf(value))
	case math.IsNaN(v):
		return 0, true, nil
	case math.IsInf(v, 0):
		return 0, false, wrong("an infinity")
	case c.Type == Bool && v != 0 && v != 1:
		return 0, false, wrong("another number")
	}
	return v, false, nil
}

func readText(c *PreparedColumn, s string, wrong func(string) error) (float64, bool, error) {
	s = strings.TrimSpace(s)
	switch _, kind := readCell([]byte(s)); {
	case kind == cellMissing || kind == cellNonFinite:
		return 0, true, nil
	case c.Type == Date:
		if v, _, ok := readDate(s); ok {
			return v, false, nil
		}
	}
	v, ok := textNumber(canonical(s))
	if !ok {
		return 0, false, wrong("a text")
	}
	if c.Type == Bool && v != 0 && v != 1 {
		return 0, false, wrong("another number")
	}
	return v, false, nil
}

// AsFloat returns a value of one of the number types that JSON, Arrow and Go callers
// give as a float64; false for anything else.
func AsFloat(value any) (float64, bool) {
	switch x := value.(type) {
	case float64:
		return x, true
	case float32:
		return float64(x), true
	case int:
		return float64(x), true
	case int32:
		return float64(x), true
	case int64:
		return float64(x), true
	case uint64:
		return float64(x), true
	}
	return 0, false
}

func kindOf(value any) string {
	switch value.(type) {
	case map[string]any:
		return "JSON object"
	case []any:
		return "list"
	}
	return "value of another kind"
}

func (e *RowEncoder) category(c *PreparedColumn, index map[string]int, value any, given bool, x []float32, at int) (*Notice, error) {
	s, missing, ok := categoryText(value)
	if !ok {
		return nil, fed.Errorf(fed.Invalid, "give one of the values, or leave it out", "column %q holds a %s and must hold one of %s",
			c.Name, kindOf(value), strings.Join(head(c.Categories, 12), ", "))
	}
	var n *Notice
	k := lookup(index, s)
	switch {
	case missing:
		k = lookup(index, c.FillCategory)
		n = missingNotice(given, c.FillCategory)
	case k < 0:
		n = &Notice{Kind: "unseen", Text: fmt.Sprintf("%q was not seen in training; known are %s", clip(s, 40), strings.Join(head(c.Categories, 12), ", "))}
	}
	for j := range x {
		var v float64
		if j == k-1 {
			v = 1
		}
		var fine bool
		if x[j], fine = e.scale(v, at+j); !fine {
			return nil, fed.Errorf(fed.Invalid, "fit the scaler again", "column %q cannot be scaled", c.Name)
		}
	}
	return n, nil
}

func categoryText(value any) (s string, missing, ok bool) {
	switch x := value.(type) {
	case nil:
		return "", true, true
	case bool:
		return valueText(Bool, map[bool]float64{true: 1}[x]), false, true
	case json.Number:
		s = string(x)
	case string:
		s = x
	default:
		v, number := AsFloat(value)
		if !number {
			return "", false, false
		}
		s = NumberText(v)
	}
	s = strings.TrimSpace(s)
	_, kind := readCell([]byte(s))
	return canonical(s), kind == cellMissing || kind == cellNonFinite, true
}
