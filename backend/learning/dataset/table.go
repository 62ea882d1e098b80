// Package dataset turns a table of one party into what a model can learn from,
// and decides what of it others may know.
//
// Start with [Table] (columns in memory, built by a [Builder]), then
//
//   - [NewProfile] describes it for its owner, with findings and a proposal;
//   - [Disclose] derives the statistics that may leave, with small cells suppressed;
//   - [MakeOffer], [Propose] and [Alignment.Confirm] agree on columns between parties;
//   - [LocalStats] and [Preparation.Finish] fit the agreed [Preparation] from federated
//     sums, and [Preparation.Apply] and [Preparation.Encode] execute it;
//   - [Split] divides rows into training, validation and test.
//
// The package is pure: no file, clock, goroutine or global random number. Values
// are safe for concurrent reading once built; nothing here locks.
package dataset

import (
	"math"
	"strconv"
)

// Type is how the cells of a column are read.
type Type string

// The types. Int, Float, Bool and Date hold numbers (a bool is 0 or 1, a date is
// days since 1970-01-01); Category and Text hold codes into a dictionary. Text
// is free text: it never becomes a feature and never leaves.
const (
	Int      Type = "int"
	Float    Type = "float"
	Category Type = "category"
	Text     Type = "text"
	Date     Type = "date"
	Bool     Type = "bool"
)

// Numeric reports whether cells of the type are numbers.
func (t Type) Numeric() bool { return t == Int || t == Float || t == Bool || t == Date }

// Valid reports whether t is one of the types.
func (t Type) Valid() bool { return t.Numeric() || t == Category || t == Text }

// Severities of a finding.
const (
	Info    = "info"
	Warning = "warning"
	Fault   = "error"
)

// Finding is something that was noticed about a table: where, why it matters
// and what to do about it.
type Finding struct {
	Severity string `json:"severity"` // info, warning, error
	Column   string `json:"column,omitempty"`
	Row      int    `json:"row,omitempty"` // from 1, the header not counted; 0: not about one row
	Text     string `json:"text"`
	Why      string `json:"why"`
	Remedy   string `json:"remedy"`
}

// Column is one column of a table. Exactly one of values and codes is in use,
// by Type.Numeric.
type Column struct {
	Name string
	Type Type
	// NonFinite counts cells that held NaN or an infinity and were read as missing.
	NonFinite int
	// Truncated says that the dictionary stopped growing: the column has more
	// distinct texts than are kept, and the rest share one entry.
	Truncated bool

	values  []float64 // [rows]; NaN where missing
	codes   []int32   // [rows]; -1 where missing
	dict    []string  // canonical texts by code
	missing bits
	nmiss   int
}

// Table is a table in memory. It is not changed after it is built.
type Table struct {
	Name    string
	Columns []*Column

	rows   int
	byName map[string]int
}

// Rows returns the number of rows.
func (t *Table) Rows() int { return t.rows }

// Column returns the column of that name, or nil.
func (t *Table) Column(name string) *Column {
	if i, ok := t.byName[name]; ok {
		return t.Columns[i]
	}
	return nil
}

// Without returns the table without the columns of these names; it shares the
// others with t. Names that t does not have are passed over.
func (t *Table) Without(names ...string) *Table {
	gone := nameSet(names)
	kept := make([]*Column, 0, len(t.Columns))
	for _, c := range t.Columns {
		if !gone[c.Name] {
			kept = append(kept, c)
		}
	}
	return newTable(t.Name, t.rows, kept)
}

// Names returns the column names in file order.
func (t *Table) Names() []string {
	out := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		out[i] = c.Name
	}
	return out
}

// Preview returns the first n rows as text, "" where a cell is missing.
func (t *Table) Preview(n int) [][]string {
	out := make([][]string, min(n, t.rows))
	for r := range out {
		out[r] = make([]string, len(t.Columns))
		for i, c := range t.Columns {
			out[r][i], _ = c.Text(r)
		}
	}
	return out
}

func newTable(name string, rows int, cols []*Column) *Table {
	t := &Table{Name: name, Columns: cols, rows: rows, byName: make(map[string]int, len(cols))}
	for i, c := range cols {
		t.byName[c.Name] = i
	}
	return t
}

// Len returns the number of rows.
func (c *Column) Len() int {
	if c.codes != nil {
		return len(c.codes)
	}
	return len(c.values)
}

// MissingCount returns how many cells are missing.
func (c *Column) MissingCount() int { return c.nmiss }

// Empty reports whether every cell is missing.
func (c *Column) Empty() bool { return c.nmiss == c.Len() }

// Missing reports whether cell i is missing.
func (c *Column) Missing(i int) bool { return c.missing.get(i) }

// Number returns cell i as a number; false when it is missing or not a number.
// A category whose text is a number or a truth word has that value.
func (c *Column) Number(i int) (float64, bool) {
	if c.missing.get(i) {
		return 0, false
	}
	if c.Type.Numeric() {
		return c.values[i], true
	}
	return textNumber(c.dict[c.codes[i]])
}

// Text returns cell i as canonical text; false when it is missing. Numbers have
// one spelling ("0.0" reads "0"), so that codes compare across files.
func (c *Column) Text(i int) (string, bool) {
	if c.missing.get(i) {
		return "", false
	}
	if !c.Type.Numeric() {
		return c.dict[c.codes[i]], true
	}
	return valueText(c.Type, c.values[i]), true
}

// Distinct returns the number of distinct present values; for a truncated
// column a lower bound.
func (c *Column) Distinct() int {
	if !c.Type.Numeric() {
		return c.usedCodes()
	}
	seen := make(map[float64]struct{})
	for i, v := range c.values {
		if !c.missing.get(i) {
			seen[v] = struct{}{}
		}
	}
	return len(seen)
}

func (c *Column) usedCodes() int {
	used := make([]bool, len(c.dict))
	n := 0
	for _, k := range c.codes {
		if k >= 0 && !used[k] {
			used[k] = true
			n++
		}
	}
	return n
}

func valueText(t Type, v float64) string {
	switch t {
	case Bool:
		return strconv.FormatBool(v != 0)
	case Date:
		return dateText(v)
	}
	return NumberText(v)
}

// NumberText is the one spelling of a number, in dictionaries and in answers.
func NumberText(v float64) string {
	if v == 0 {
		return "0"
	}
	if math.Abs(v) < 1e15 && math.Abs(v) >= 1e-6 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// bits is a growing bitmap.
type bits []uint64

func (b bits) get(i int) bool {
	return i>>6 < len(b) && b[i>>6]&(1<<(i&63)) != 0
}

func (b *bits) set(i int) {
	for i>>6 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[i>>6] |= 1 << (i & 63)
}
