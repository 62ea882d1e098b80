package serving

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
)

// Table is a CSV file that is read row by row, as training reads files.
type Table interface {
	// Names returns the names of the columns; inFile says that the file has a header.
	Names() (names []string, inFile bool)
	// Next returns the cells of the next row, which may be fewer or more than the
	// names; io.EOF after the last.
	Next() ([]string, error)
	// Raw returns the header or the row that was read last as it stands in the file, in
	// UTF-8, with its line end; nothing for a header that it does not have. It is valid
	// until the next call of Next.
	Raw() []byte
	// Taken returns how many bytes of the file are behind the last row.
	Taken() int64
	// Dialect returns how cells are written, and whether 3,5 is a number.
	Dialect() (delimiter, quote byte, decimalComma bool)
}

// csvRows reads the rows of a table by the names that the model gives its columns.
type csvRows struct {
	p            *Predictor
	table        Table
	decimalComma bool
	names        []string  // as the file has them
	columns      []*column // [names], nil where the model has none
	record       []string  // the last one read
}

// newCSVRows finds the model's columns among those of the file. A whole table has to
// have all of them, but for those that this party never had: one that is left out by
// mistake would be filled in every row.
func newCSVRows(p *Predictor, t Table, whole bool) (*csvRows, error) {
	c := &csvRows{p: p, table: t}
	_, _, c.decimalComma = t.Dialect()
	names, inFile := t.Names()
	c.names = names
	if err := c.find(); err != nil {
		return nil, err
	}
	return c, c.complete(whole, inFile)
}

// find looks up the columns of the file, under the model's names and this party's own.
func (c *csvRows) find() error {
	from := map[string]string{}
	for _, own := range c.names {
		col := c.p.fields[c.p.shared(own)]
		c.columns = append(c.columns, col)
		if col == nil {
			continue
		}
		before, twice := from[col.Name]
		switch {
		case twice && before == own:
			return invalid("the column %q stands twice in the header", own)
		case twice:
			return fed.Errorf(fed.Invalid, "Leave one of the two columns out of the file.",
				"the columns %q and %q are both the model's column %q", before, own, col.Name)
		}
		from[col.Name] = own
	}
	return nil
}

// complete refuses a file without the columns that it needs. What is not a whole table
// may leave columns out, as a row in JSON may, but not all of them.
func (c *csvRows) complete(whole, inFile bool) error {
	var lacks []string
	none := true
	for _, f := range c.p.order {
		switch {
		case slices.Contains(c.columns, f):
			none = false
		case whole && !f.filled || f.Required:
			lacks = append(lacks, f.title())
		}
	}
	if none && len(lacks) == 0 {
		for _, f := range c.p.order {
			lacks = append(lacks, f.title())
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	hint := "Name the columns in the first line as the model does, and add those that are missing; cells may stay empty and are filled in then."
	text := fmt.Sprintf("the column %s of the model is missing", lacks[0])
	if len(lacks) > 1 {
		text = fmt.Sprintf("%d columns of the model are missing: %s", len(lacks), list(lacks))
	}
	if !inFile {
		text += "; the first line of the file looks like data"
	}
	return fed.Errorf(fed.Invalid, hint, "%s", text)
}

// title names a column in a message.
func (c *column) title() string {
	if c.own != "" {
		return fmt.Sprintf("%q (here also %q)", c.Name, c.own)
	}
	return strconv.Quote(c.Name)
}

// next returns the next row, io.EOF after the last. Cells beyond the header are left
// to the caller, in record.
func (c *csvRows) next() (map[string]any, error) {
	record, err := c.table.Next()
	if err != nil {
		return nil, err
	}
	c.record = record
	row := make(map[string]any, len(c.p.order))
	for i, cell := range record[:min(len(record), len(c.columns))] {
		if f := c.columns[i]; f != nil {
			row[f.Name] = f.raw(cell, c.decimalComma)
		}
	}
	return row, nil
}

// raw reads a cell into a number, nil for missing, or the text as it is, which
// reading the row then judges. Cells and JSON values thus meet the same rules.
func (c *column) raw(cell string, decimalComma bool) any {
	if decimalComma && strings.Contains(cell, ",") {
		cell = c.withPoint(cell)
	}
	v, why := c.cell(cell)
	if why != nil {
		return cell
	}
	return v
}

// withPoint reads a number with a decimal comma; other cells stay as they are.
func (c *column) withPoint(cell string) string {
	if c.Kind == Category {
		return asTrained(cell)
	}
	s := strings.Replace(strings.TrimSpace(cell), ",", ".", 1)
	if _, err := strconv.ParseFloat(s, 64); err != nil || len(s) > 40 {
		return cell
	}
	return s
}

// asTrained returns the category that training makes of a cell in a file with decimal
// commas.
func asTrained(cell string) string {
	b := dataset.NewBuilder("", []string{""})
	b.DecimalComma = true
	var row dataset.Record
	row.Add([]byte(cell))
	b.Append(row)
	if s, ok := b.Table().Columns[0].Text(0); ok {
		return s
	}
	return cell
}
