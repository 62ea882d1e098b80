package dataset

import (
	"bytes"
	"math"
	"slices"
	"unicode/utf8"

	"synergos.app/desktop/backend/fed"
)

// Limits of a dictionary: beyond them new texts share one entry.
const (
	maxDistinct  = 100_000
	maxDictBytes = 16 << 20
	maxKeptText  = 4 << 10 // longer texts are kept to this many bytes
)

// Builder collects rows of raw cells into a Table. Each column is read as
// numbers until a cell is none; then the column becomes texts, the numbers so
// far in their one spelling. Whether texts are categories, dates, truth values
// or free text is decided at the end.
type Builder struct {
	// DecimalComma reads "3,5" as 3.5.
	DecimalComma bool

	name string
	cols []colBuilder
	rows int
}

type colBuilder struct {
	Column
	texts     bool
	fraction  bool // a value with a fraction was seen
	index     map[string]int32
	dictBytes int
}

// NewBuilder starts a table with these column names.
func NewBuilder(name string, columns []string) *Builder {
	b := &Builder{name: name, cols: make([]colBuilder, len(columns))}
	for i, c := range columns {
		b.cols[i].Name = c
	}
	return b
}

// Rows returns the number of rows so far.
func (b *Builder) Rows() int { return b.rows }

// Expect makes room for that many rows in all, so that columns need not grow
// while they are read. It is a hint: more and fewer rows are right too.
func (b *Builder) Expect(rows int) {
	for i := range b.cols {
		if c := &b.cols[i]; c.texts {
			c.codes = slices.Grow(c.codes, max(rows-len(c.codes), 0))
		} else {
			c.values = slices.Grow(c.values, max(rows-len(c.values), 0))
		}
	}
}

// Record is one row of raw cells: parts of one text. It holds no pointer per
// cell, which would be written millions of times under the collector's eyes.
type Record struct {
	Text  []byte
	Spans [][2]int32 // [columns] from and to in Text
}

// Len returns the number of cells.
func (r Record) Len() int { return len(r.Spans) }

// Cell returns cell i, a part of Text.
func (r Record) Cell(i int) []byte { return r.Text[r.Spans[i][0]:r.Spans[i][1]] }

// Add puts a cell behind the others and its text behind Text.
func (r *Record) Add(cell []byte) {
	from := int32(len(r.Text))
	r.Text = append(r.Text, cell...)
	r.Spans = append(r.Spans, [2]int32{from, int32(len(r.Text))})
}

// Append adds one row of [columns] cells; the record is not kept. It panics when
// the number of cells is wrong: the reader counts them.
func (b *Builder) Append(row Record) {
	if row.Len() != len(b.cols) {
		panic("dataset: Append: wrong number of cells")
	}
	for i := range b.cols {
		cell := row.Cell(i)
		if n := len(cell); n > 0 && (cell[0] <= ' ' || cell[0] >= utf8.RuneSelf || cell[n-1] <= ' ' || cell[n-1] >= utf8.RuneSelf) {
			cell = bytes.TrimSpace(cell)
		}
		if b.DecimalComma {
			cell = pointForComma(cell)
		}
		b.cols[i].add(b.rows, cell)
	}
	b.rows++
}

func pointForComma(cell []byte) []byte {
	i := bytes.IndexByte(cell, ',')
	if i < 0 || bytes.IndexByte(cell, '.') >= 0 {
		return cell
	}
	out := bytes.Clone(cell)
	out[i] = '.'
	if _, kind := readCell(out); kind != cellNumber {
		return cell
	}
	return out
}

func (c *colBuilder) add(row int, cell []byte) {
	if c.texts {
		c.addText(row, cell)
		return
	}
	v, kind := readCell(cell)
	switch kind {
	case cellNumber:
		if !c.fraction && v != math.Trunc(v) {
			c.fraction = true
		}
		c.values = append(c.values, v)
	case cellText:
		c.becomeTexts()
		c.addText(row, cell)
	default:
		c.skip(row, kind)
		c.values = append(c.values, math.NaN())
	}
}

func (c *colBuilder) skip(row int, kind cellKind) {
	c.missing.set(row)
	c.nmiss++
	if kind == cellNonFinite {
		c.NonFinite++
	}
}

func (c *colBuilder) becomeTexts() {
	c.texts = true
	c.index = make(map[string]int32)
	c.codes = make([]int32, len(c.values), max(cap(c.values), 1))
	for i, v := range c.values {
		c.codes[i] = -1
		if !c.missing.get(i) {
			c.codes[i] = c.code([]byte(NumberText(v)))
		}
	}
	c.values = nil
}

func (c *colBuilder) addText(row int, cell []byte) {
	if k, ok := c.index[string(cell)]; ok {
		c.codes = append(c.codes, k)
		return
	}
	if _, kind := readCell(cell); kind == cellMissing || kind == cellNonFinite {
		c.skip(row, kind)
		c.codes = append(c.codes, -1)
		return
	}
	c.codes = append(c.codes, c.code(cell))
}

// code returns the code of a cell's canonical text. The index also remembers the
// raw spelling, so that a cell is made canonical once per spelling.
func (c *colBuilder) code(cell []byte) int32 {
	if len(cell) > maxKeptText {
		cell = cell[:maxKeptText]
	}
	raw := string(bytes.ToValidUTF8(cell, []byte("\uFFFD")))
	text := canonical(raw)
	k, ok := c.index[text]
	full := len(c.index) >= 2*maxDistinct || c.dictBytes > maxDictBytes
	if !ok && (full || len(c.dict) >= maxDistinct) {
		c.Truncated = true
		text, raw = "…", "…"
		k, ok = c.index[text]
	}
	if !ok {
		k = int32(len(c.dict))
		c.dict = append(c.dict, text)
		c.index[text] = k
		c.dictBytes += len(text)
	}
	if raw != text && !full {
		c.index[raw] = k
		c.dictBytes += len(raw)
	}
	return k
}

// Table finishes the table. The builder must not be used afterwards.
func (b *Builder) Table() *Table {
	cols := make([]*Column, len(b.cols))
	for i := range b.cols {
		cols[i] = b.cols[i].finish()
		b.cols[i] = colBuilder{}
	}
	return newTable(b.name, b.rows, cols)
}

func (c *colBuilder) finish() *Column {
	out := c.Column
	switch {
	case !c.texts && (c.fraction || c.nmiss == len(c.values)):
		out.Type = Float
	case !c.texts:
		out.Type = Int
	default:
		out.Type = textType(&out)
		if out.Type.Numeric() {
			out.toNumbers()
		}
	}
	return &out
}

// textType decides what a column of texts is from its distinct values.
func textType(c *Column) Type {
	dates, truths, length := 0, 0, 0
	for _, s := range c.dict {
		if _, _, ok := readDate(s); ok {
			dates++
		}
		if s == "true" || s == "false" {
			truths++
		}
		length += len(s)
	}
	present := len(c.codes) - c.nmiss
	switch {
	case len(c.dict) == 0:
		return Float
	case dates == len(c.dict):
		return Date
	case truths == len(c.dict):
		return Bool
	case c.Truncated || len(c.dict) > 1000 || length > 60*len(c.dict):
		return Text
	case len(c.dict) > 20 && 2*len(c.dict) > present:
		return Text
	}
	return Category
}

// toNumbers turns dates and truth words into values, by dictionary entry.
func (c *Column) toNumbers() {
	by := make([]float64, len(c.dict))
	for k, s := range c.dict {
		if c.Type == Date {
			by[k], _, _ = readDate(s)
		} else {
			by[k], _ = textNumber(s)
		}
	}
	c.values = make([]float64, len(c.codes))
	for i, k := range c.codes {
		c.values[i] = math.NaN()
		if k >= 0 {
			c.values[i] = by[k]
		}
	}
	c.codes, c.dict = nil, nil
}

// FromRows builds a table from texts: header is [columns], each row [columns].
// Returns an Invalid error when a row has another length.
func FromRows(name string, header []string, rows [][]string) (*Table, error) {
	b := NewBuilder(name, header)
	var cells Record
	for r, row := range rows {
		if len(row) != len(header) {
			return nil, fed.Errorf(fed.Invalid, "give every row one cell per column",
				"%s: row %d has %d cells and there are %d columns", name, r+1, len(row), len(header))
		}
		cells.Text, cells.Spans = cells.Text[:0], cells.Spans[:0]
		for _, s := range row {
			cells.Add([]byte(s))
		}
		b.Append(cells)
	}
	return b.Table(), nil
}

// Retype returns a table in which one column is read as another type; the other
// columns are shared. Returns a NotFound or Invalid error that names the column,
// and for a cell that cannot be read so, its row and text.
func (t *Table) Retype(column string, to Type) (*Table, error) {
	c := t.Column(column)
	if c == nil {
		return nil, fed.Errorf(fed.NotFound, "choose one of the file's columns", "%s has no column %q", t.Name, column)
	}
	if !to.Valid() {
		return nil, fed.Errorf(fed.Invalid, "choose int, float, category, text, date or bool", "column %q: %q is not a type", column, to)
	}
	if c.Type == to {
		return t, nil
	}
	next, err := c.retype(to)
	if err != nil {
		return nil, err
	}
	cols := append([]*Column(nil), t.Columns...)
	cols[t.byName[column]] = next
	return newTable(t.Name, t.rows, cols), nil
}

func (c *Column) retype(to Type) (*Column, error) {
	out := &Column{Name: c.Name, Type: to, NonFinite: c.NonFinite, Truncated: c.Truncated, missing: c.missing, nmiss: c.nmiss}
	if !to.Numeric() {
		out.codes, out.dict = c.asCodes()
		return out, nil
	}
	if c.Truncated {
		return nil, fed.Errorf(fed.Invalid, "leave the column as text", "column %q holds too many different texts to be read as %s", c.Name, to)
	}
	out.values = make([]float64, c.Len())
	for i := range out.values {
		out.values[i] = math.NaN()
		if c.missing.get(i) {
			continue
		}
		v, ok := c.as(to, i)
		if !ok {
			s, _ := c.Text(i)
			return nil, fed.Errorf(fed.Invalid, "correct the cell, or read the column as category",
				"column %q, row %d: %q cannot be read as %s", c.Name, i+1, clip(s, 40), to)
		}
		out.values[i] = v
	}
	return out, nil
}

func (c *Column) as(to Type, i int) (float64, bool) {
	v, ok := c.Number(i)
	switch to {
	case Int:
		return v, ok && v == math.Trunc(v)
	case Bool:
		return v, ok && (v == 0 || v == 1)
	case Date:
		if c.Type.Numeric() {
			return v, ok
		}
		s, _ := c.Text(i)
		v, _, ok = readDate(s)
		return v, ok
	}
	return v, ok
}

func (c *Column) asCodes() (codes []int32, dict []string) {
	if !c.Type.Numeric() {
		return c.codes, c.dict
	}
	codes = make([]int32, len(c.values))
	index := make(map[float64]int32)
	for i, v := range c.values {
		if codes[i] = -1; c.missing.get(i) {
			continue
		}
		k, ok := index[v]
		if !ok {
			k = int32(len(dict))
			index[v] = k
			dict = append(dict, valueText(c.Type, v))
		}
		codes[i] = k
	}
	return codes, dict
}

// clip shortens s to n bytes for a message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
