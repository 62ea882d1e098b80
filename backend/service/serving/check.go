package serving

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
)

// Mode is what happens to a value that a column does not take.
type Mode string

// The modes. Reject refuses the row; Warn takes an unknown category as unseen and
// anything else as missing, with a warning; Coerce is Warn that first tries to
// read texts as numbers and truth values as 0 and 1.
const (
	Reject Mode = "reject"
	Warn   Mode = "warn"
	Coerce Mode = "coerce"
)

func (m Mode) valid() bool { return m == Reject || m == Warn || m == Coerce }

// FieldError is one refused value. It never holds the value itself.
type FieldError struct {
	Row    int    `json:"row"` // from 0
	Column string `json:"column"`
	Reason string `json:"reason"` // the class of the value and what is allowed
	class  string // missing, type, unseen, range: for counters
}

// maxFieldErrors bounds what one answer explains.
const maxFieldErrors = 100

// InputError says which values were refused. It unwraps to an error of kind
// Invalid.
type InputError struct {
	Fields []FieldError // at most 100
	More   int          // refused values beyond them
}

func (e *InputError) add(f FieldError) {
	if len(e.Fields) < maxFieldErrors {
		e.Fields = append(e.Fields, f)
		return
	}
	e.More++
}

// Error implements error.
func (e *InputError) Error() string {
	if len(e.Fields) == 0 {
		return "the rows were refused"
	}
	f := e.Fields[0]
	text := fmt.Sprintf("row %d: %s", f.Row, f.Reason)
	if f.Column != "" {
		text = fmt.Sprintf("row %d, column %q: %s", f.Row, f.Column, f.Reason)
	}
	if n := len(e.Fields) + e.More - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	return text
}

// Unwrap returns the sentence with its kind.
func (e *InputError) Unwrap() error {
	return &fed.Error{Kind: fed.Invalid, Text: e.Error(), Hint: "Correct the values that are named."}
}

// column is a field with what looking values up needs.
type column struct {
	Field
	own     string // what this party calls it, where that is no name of the model
	filled  bool   // this party's data does not have it
	known   map[string]bool
	allowed string
}

func newColumn(f Field) *column {
	c := &column{Field: f, known: make(map[string]bool, len(f.Values)), allowed: "a number"}
	switch {
	case f.Kind == Category && len(f.Values) == 0:
		c.allowed = "a text"
	case f.Kind == Category:
		c.allowed = "one of " + list(f.Values)
	case f.Type == "bool":
		c.allowed = "true, false, 1 or 0"
	case f.Type == "date":
		c.allowed = "a date such as 2024-01-31"
	}
	for _, v := range f.Values {
		c.known[v] = true
	}
	return c
}

// list names at most twelve values.
func list(values []string) string {
	const most = 12
	if len(values) > most {
		return strings.Join(values[:most], ", ") + fmt.Sprintf(" and %d more", len(values)-most)
	}
	return strings.Join(values, ", ")
}

// refusal is why a column does not take a value.
type refusal struct{ class, what string }

func (c *column) reason(r refusal) string { return r.what + "; allowed is " + c.allowed }

// admit reads a row into what the preparation takes: float64 for numbers (or a
// text for a date), string for categories, nothing for missing values.
func (p *Predictor) admit(row map[string]any, mode Mode) (clean map[string]any, warnings []string, refused []FieldError) {
	clean = make(map[string]any, len(p.order))
	for _, c := range p.order {
		v, why := c.read(c.in(row), mode == Coerce)
		switch {
		case why == nil:
		case why.class == "unseen" && mode != Reject:
			why = nil // the preparation has a code for it and says so
		case why.class == "missing" || mode == Reject || mode == "":
		default:
			warnings = append(warnings, fmt.Sprintf("column %q: %s; it was taken as missing", c.Name, c.reason(*why)))
			v, why = nil, nil
		}
		if why == nil && v == nil && c.Required {
			why = &refusal{"missing", "no value"}
		}
		if why != nil {
			refused = append(refused, FieldError{Column: c.Name, Reason: c.reason(*why), class: why.class})
		} else if v != nil {
			clean[c.Name] = v
		}
	}
	return clean, append(warnings, p.unused(row)...), refused
}

// unused warns about columns that the model does not take.
func (p *Predictor) unused(row map[string]any) []string {
	var names []string
	for name := range row {
		if !p.uses(row, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []string
	for i, name := range names {
		if i == 10 {
			return append(out, fmt.Sprintf("%d more columns are not used", len(names)-i))
		}
		out = append(out, fmt.Sprintf("the column %.100q is not used", name))
	}
	return out
}

// read returns what the preparation takes for v; nil is missing. For an unseen
// category it returns both the value and the refusal.
func (c *column) read(v any, coerce bool) (any, *refusal) {
	switch x := v.(type) {
	case nil:
		return nil, nil
	case string:
		return c.text(x, coerce)
	case bool:
		return c.truth(x, coerce)
	case json.Number:
		f, err := x.Float64()
		if err != nil {
			return nil, &refusal{"range", "a number that is too large"}
		}
		return c.number(f)
	case []any:
		return nil, &refusal{"type", "a list"}
	case map[string]any:
		return nil, &refusal{"type", "an object"}
	}
	if f, ok := dataset.AsFloat(v); ok {
		return c.number(f)
	}
	return nil, &refusal{"type", "a value of another kind"}
}

func (c *column) number(f float64) (any, *refusal) {
	switch {
	case math.IsNaN(f):
		return nil, nil
	case math.IsInf(f, 0):
		return nil, &refusal{"range", "an infinity"}
	case c.Kind == Category:
		return c.category(dataset.NumberText(f))
	case c.Type == "bool" && f != 0 && f != 1:
		return nil, &refusal{"range", "another number"}
	}
	return f, nil
}

func (c *column) truth(b, coerce bool) (any, *refusal) {
	f := map[bool]float64{true: 1}[b]
	switch {
	case c.Kind == Category && c.known[strconv.FormatBool(b)]:
		return strconv.FormatBool(b), nil
	case c.Kind == Category && c.known[dataset.NumberText(f)]:
		return dataset.NumberText(f), nil
	case c.Kind == Category:
		return strconv.FormatBool(b), &refusal{"unseen", "a truth value that was not seen in training"}
	case c.truths() || coerce:
		return f, nil
	}
	return nil, &refusal{"type", "a truth value"}
}

func (c *column) text(s string, coerce bool) (any, *refusal) {
	if c.Kind == Category {
		return c.category(s)
	}
	s = strings.TrimSpace(s)
	if c.Type == "date" {
		if s == "" {
			return nil, nil
		}
		return s, nil // the preparation knows the forms
	}
	if b, ok := truthWord(s); ok && c.truths() {
		return c.truth(b, coerce)
	}
	if !coerce {
		return nil, &refusal{"type", "a text"}
	}
	return c.cell(s)
}

// truths reports whether the column takes truth values as 1 and 0: of whole numbers,
// another party may have only those two, written as words.
func (c *column) truths() bool { return c.Kind == Number && (c.Type == "bool" || c.Type == "int") }

// truthWord reads true and false in any case.
func truthWord(s string) (value, ok bool) {
	low := strings.ToLower(s)
	return low == "true", low == "true" || low == "false"
}

// category looks a text up: as it is, then in the one spelling of numbers and
// truth words.
func (c *column) category(s string) (any, *refusal) {
	s = strings.TrimSpace(s)
	if c.known[s] {
		return s, nil
	}
	if s == "" {
		return nil, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && c.known[dataset.NumberText(f)] {
		return dataset.NumberText(f), nil
	}
	if low := strings.ToLower(s); (low == "true" || low == "false") && c.known[low] {
		return low, nil
	}
	if len(c.Values) == 0 {
		return s, nil
	}
	return s, &refusal{"unseen", "a category that was not seen in training"}
}

// cell reads a cell of a CSV file or a text that stands for a number.
func (c *column) cell(s string) (any, *refusal) {
	s = strings.TrimSpace(s)
	if c.Kind == Category {
		if !c.known[s] && missingWord(s) {
			return nil, nil
		}
		return c.category(s)
	}
	if missingWord(s) {
		return nil, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return c.number(f)
	}
	if c.Type == "date" {
		return s, nil
	}
	if b, ok := truthWord(s); ok {
		return c.truth(b, false)
	}
	return nil, &refusal{"type", "a text"}
}

// missingWord recognises the words for a missing cell, in any case.
func missingWord(s string) bool {
	if len(s) > 5 {
		return false
	}
	switch strings.ToLower(s) {
	case "", "?", "na", "n/a", "#n/a", "nan", "null", "none":
		return true
	}
	return false
}
