package serving

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strconv"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// csvRows reads rows of a CSV file one by one. The file may be divided by commas,
// semicolons, tabs or bars, and have decimal commas where it is not by commas.
type csvRows struct {
	p            *Predictor
	meter        *meter
	csv          *csv.Reader
	decimalComma bool
	header       []string // names, without blanks around them
	record       []string // the last one read; reused
	end          int64    // of the last record, in bytes
}

// maxRecord bounds one row of a CSV file, in bytes; sniffed is how much of the file
// decides how it is written.
const (
	maxRecord = 1 << 20
	sniffed   = 64 << 10
)

// meter stops a row that does not end, and keeps the bytes of the rows that have
// not been taken yet.
type meter struct {
	r    io.Reader
	left int
	keep bool
	kept []byte
	at   int64 // offset of kept in the file
}

var errLongRecord = errors.New("a row is longer than 1 MiB")

func (m *meter) Read(b []byte) (int, error) {
	if m.left <= 0 {
		return 0, errLongRecord
	}
	n, err := m.r.Read(b[:min(len(b), m.left)])
	m.left -= n
	if m.keep {
		m.kept = append(m.kept, b[:n]...)
	}
	return n, err
}

// take returns the kept bytes up to an offset, until the next Read, and drops them.
func (m *meter) take(end int64) []byte {
	n := min(max(end-m.at, 0), int64(len(m.kept)))
	out := bytes.Clone(m.kept[:n])
	m.kept = m.kept[:copy(m.kept, m.kept[n:])]
	m.at += n
	return out
}

// newCSVRows reads the header and checks that it has the columns that the model
// needs. With keep the bytes of each row can be had from raw.
func newCSVRows(p *Predictor, in io.Reader, keep bool) (*csvRows, error) {
	b := bufio.NewReaderSize(in, sniffed)
	sample, err := b.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, csvError(err, "the header")
	}
	if err := plainText(sample); err != nil {
		return nil, err
	}
	m := &meter{r: b, left: maxRecord, keep: keep}
	c := &csvRows{p: p, meter: m, csv: csv.NewReader(m)}
	c.csv.ReuseRecord, c.csv.FieldsPerRecord, c.csv.Comma = true, -1, p.divider(sample)
	c.decimalComma = c.csv.Comma != ',' && decimalCommas(sample, c.csv.Comma)
	head, err := c.csv.Read()
	if err != nil {
		return nil, csvError(err, "the header")
	}
	c.end = c.csv.InputOffset()
	if len(head) > maxRowValues {
		return nil, invalid("the file has more than %d columns", maxRowValues)
	}
	seen := map[string]bool{}
	for i, name := range head {
		name = strings.Clone(columnName(i, name))
		if seen[name] && p.fields[name] != nil {
			return nil, invalid("the column %q stands twice in the header", name)
		}
		seen[name] = true
		c.header = append(c.header, name)
	}
	for _, f := range p.order {
		if f.Required && !seen[f.Name] {
			return nil, invalid("the column %q is missing", f.Name)
		}
	}
	return c, nil
}

// columnName is a name of the header without what surrounds it.
func columnName(i int, name string) string {
	if i == 0 {
		name = strings.TrimPrefix(name, "\ufeff")
	}
	return strings.TrimSpace(name)
}

// plainText refuses files that are no text of one byte a letter.
func plainText(sample []byte) error {
	for _, f := range []struct{ start, what string }{
		{"PAR1", "a Parquet file"}, {"PK\x03\x04", "a workbook or an archive"}, {"\x1f\x8b", "a compressed file"},
		{"\xff\xfe", "a text in UTF-16"}, {"\xfe\xff", "a text in UTF-16"},
	} {
		if bytes.HasPrefix(sample, []byte(f.start)) {
			return fed.Errorf(fed.Invalid, "Save the table as CSV in UTF-8.", "the file is %s", f.what)
		}
	}
	return nil
}

// dividers are what may stand between the cells of a file.
var dividers = []rune{',', ';', '\t', '|'}

// divider is the one by which the header names most of the model's columns.
func (p *Predictor) divider(sample []byte) rune {
	best, most := ',', 0
	for _, d := range dividers {
		r := csv.NewReader(bytes.NewReader(sample))
		r.Comma, r.FieldsPerRecord = d, -1
		head, _ := r.Read() // a header that cannot be read names no column
		found := 0
		for i, name := range head {
			if p.fields[columnName(i, name)] != nil {
				found++
			}
		}
		if found > most {
			best, most = d, found
		}
	}
	return best
}

// decimalCommas reports whether the numbers of a file are written 3,5 and none 3.5.
func decimalCommas(sample []byte, divider rune) bool {
	r := csv.NewReader(bytes.NewReader(sample))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = divider, -1, true
	commas := 0
	for {
		record, err := r.Read()
		if err != nil {
			return commas > 0
		}
		for _, cell := range record {
			_, err := strconv.ParseFloat(strings.TrimSpace(cell), 64)
			if err == nil && strings.Contains(cell, ".") {
				return false
			}
			if _, ok := withPoint(cell); ok {
				commas++
			}
		}
	}
}

// withPoint reads a number with one decimal comma.
func withPoint(cell string) (string, bool) {
	s := strings.TrimSpace(cell)
	if strings.Count(s, ",") != 1 || len(s) > 40 {
		return "", false
	}
	s = strings.Replace(s, ",", ".", 1)
	_, err := strconv.ParseFloat(s, 64)
	return s, err == nil
}

func csvError(err error, what string) error {
	var bad *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return invalid("%s is missing", what)
	case errors.Is(err, errLongRecord):
		return invalid("a row is longer than %d bytes; is a quote not closed?", maxRecord)
	case errors.As(err, &bad):
		return invalid("line %d is not CSV: check its quotes", bad.Line)
	}
	return fed.Errorf(fed.Unavailable, "Check that the file can be read.", "the rows cannot be read: %w", err)
}

// next returns the next row, io.EOF after the last. Cells beyond the header are left
// to the caller, in record.
func (c *csvRows) next() (map[string]any, error) {
	c.meter.left = maxRecord
	record, err := c.csv.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, csvError(err, "the row")
	}
	c.record, c.end = record, c.csv.InputOffset()
	row := make(map[string]any, len(c.p.order))
	for i, cell := range record[:min(len(record), len(c.header))] {
		name := c.header[i]
		if f := c.p.fields[name]; f != nil {
			row[name] = f.raw(cell, c.decimalComma)
		}
	}
	return row, nil
}

// raw returns the bytes of what was read last, its line end included. It is called
// once after the header and after each row.
func (c *csvRows) raw() []byte { return c.meter.take(c.end) }

// raw reads a cell into a number, nil for missing, or the text as it is, which
// reading the row then judges. Cells and JSON values thus meet the same rules.
func (c *column) raw(cell string, decimalComma bool) any {
	if s, ok := withPoint(cell); ok && decimalComma && c.Kind == Number {
		cell = s
	}
	v, why := c.cell(cell)
	if why != nil {
		return strings.Clone(cell)
	}
	if s, ok := v.(string); ok {
		return strings.Clone(s)
	}
	return v
}
