package datafile

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
)

// reader is one load under way.
type reader struct {
	opt     Options
	rep     *Report
	scan    *scanner
	dialect dialect
	build   *dataset.Builder
	names   []string
	text    dataset.Record // of utf8, used again
	latin   int            // cells read as Windows-1252
	unicode bool           // a cell with valid multi-byte UTF-8 was seen
}

// Read reads CSV text (or gzip of it) from src. name is the file's base name for
// messages, size its bytes for progress (0: unknown). Errors are as of [Load].
func Read(ctx context.Context, src io.Reader, name string, size int64, opt Options) (*dataset.Table, *Report, error) {
	r := &reader{opt: opt.withDefaults(), rep: &Report{File: name, Size: size}}
	count := &counter{ctx: ctx, r: src, total: size, progress: opt.Progress}
	text, _, err := decode(count, r.rep, r.opt)
	if err != nil {
		return nil, nil, r.broken(err)
	}
	if err := r.begin(text); err != nil {
		return nil, nil, err
	}
	if err := r.rows(); err != nil {
		return nil, nil, err
	}
	if size == 0 {
		r.rep.Size = count.done
	}
	return r.finish()
}

// begin sniffs the dialect and reads the header.
func (r *reader) begin(text *bufio.Reader) error {
	first, fields, err := r.start(text, text, 256<<10)
	if err != nil {
		return err
	}
	if first.Len() == 1 && fields == 1 {
		return fed.Errorf(fed.Invalid, "separate the columns by comma, semicolon, tab or bar; a table needs a label and at least one feature",
			"%s has one column, or its columns are separated by something unusual", r.rep.File)
	}
	if err := r.header(first); err != nil {
		return err
	}
	r.build.DecimalComma = r.dialect.decimalComma
	if r.dialect.decimalComma {
		r.note(dataset.Info, "numbers are written with a decimal comma", "they are read as numbers", "nothing, if that is right")
	}
	return nil
}

// start sniffs the dialect of text and reads its first record from src, which passes
// text on, through a buffer of so many bytes. fields is 1 when nothing divides it.
func (r *reader) start(text *bufio.Reader, src io.Reader, buffer int) (first dataset.Record, fields int, err error) {
	sample, err := text.Peek(sampleBytes)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return first, 0, r.broken(err)
	}
	if len(bytes.TrimSpace(sample)) == 0 && err != nil {
		return first, 0, fed.Errorf(fed.Invalid, "export the data again", "%s is empty", r.rep.File)
	}
	r.dialect, fields = sniff(sample, err != nil, r.opt.Delimiter, r.opt.MaxColumns)
	r.scan = newScanner(src, r.dialect, r.opt.MaxCell, r.opt.MaxColumns, buffer)
	r.rep.Delimiter = delimiterNames[r.dialect.delim]
	if first, err = r.scan.next(); err != nil {
		return first, 0, r.broken(err)
	}
	return first, fields, nil
}

func (r *reader) note(severity, text, why, remedy string) {
	r.rep.Findings = append(r.rep.Findings, dataset.Finding{Severity: severity, Text: text, Why: why, Remedy: remedy})
}

func (r *reader) header(first dataset.Record) error {
	if err := r.nameColumns(first); err != nil {
		return err
	}
	at := make(map[string]int, len(r.names))
	for i, name := range r.names {
		if before, twice := at[name]; twice {
			return fed.Errorf(fed.Invalid, "give every column its own name", "%s: columns %d and %d are both called %q", r.rep.File, before+1, i+1, name)
		}
		at[name] = i
	}
	r.build = dataset.NewBuilder(r.rep.File, r.names)
	if !r.rep.Header {
		r.note(dataset.Warning, "the first line looks like data, so the columns are called column_1, column_2 ...",
			"other parties match columns by their names", "add a header line to the file")
		return r.add(first)
	}
	return nil
}

// nameColumns works out whether the first record names the columns, and the names.
func (r *reader) nameColumns(first dataset.Record) error {
	r.rep.Header = r.opt.Header == HeaderYes || r.opt.Header == HeaderAuto && looksLikeHeader(first)
	r.names = make([]string, first.Len())
	for i := range r.names {
		var err error
		if r.names[i], err = r.columnName(first.Cell(i), i); err != nil {
			return err
		}
	}
	r.rep.Columns = len(r.names)
	return nil
}

func (r *reader) columnName(cell []byte, i int) (string, error) {
	if !r.rep.Header {
		return fmt.Sprintf("column_%d", i+1), nil
	}
	cell, converted := toUTF8(cell)
	if converted {
		r.latin++
	}
	name := strings.TrimSpace(string(cell))
	switch {
	case name == "":
		r.note(dataset.Info, fmt.Sprintf("column %d has no name and is called column_%d", i+1, i+1), "other parties match columns by their names",
			"name it in the file, or drop it if it only numbers the rows")
		return fmt.Sprintf("column_%d", i+1), nil
	case len(name) > 200:
		return "", fed.Errorf(fed.Invalid, "check the delimiter, or shorten the name", "%s: the name of column %d has more than 200 bytes", r.rep.File, i+1)
	case strings.IndexFunc(name, unicode.IsControl) >= 0:
		return "", fed.Errorf(fed.Invalid, "correct the header line", "%s: the name of column %d has a line break or another control character", r.rep.File, i+1)
	}
	return name, nil
}

// rows reads everything after the header.
func (r *reader) rows() error {
	for {
		row, err := r.scan.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errStray):
			err = r.bad("there is text after a closing quote")
		case errors.Is(err, errManyFields):
			err = r.bad(fmt.Sprintf("has more than %d cells and there are %d columns", r.opt.MaxColumns, len(r.names)))
		case err != nil:
			return r.broken(err)
		case row.Len() == len(r.names)+1 && len(bytes.TrimSpace(row.Cell(len(r.names)))) == 0:
			row.Spans = row.Spans[:len(r.names)] // a delimiter at the end of every line
			err = r.add(row)
		case row.Len() != len(r.names):
			err = r.bad(fmt.Sprintf("has %d cells and there are %d columns", row.Len(), len(r.names)))
		default:
			err = r.add(row)
		}
		if err != nil {
			return err
		}
	}
}

func (r *reader) add(row dataset.Record) error {
	if !r.scan.ascii {
		row = r.utf8(row)
	}
	n := r.build.Rows() + 1
	if n > r.opt.MaxRows || int64(n)*int64(len(r.names)) > r.opt.MaxCells {
		return fed.Errorf(fed.Invalid, "use a sample of the rows, or keep only the columns that matter",
			"%s has more than %d rows of %d columns, which is more than fits in memory", r.rep.File, n-1, len(r.names))
	}
	r.build.Append(row)
	if n == sampleRows {
		r.expect()
	}
	return nil
}

// utf8 returns the record with cells that are not UTF-8 read as Windows-1252.
func (r *reader) utf8(row dataset.Record) dataset.Record {
	out := dataset.Record{Text: r.text.Text[:0], Spans: r.text.Spans[:0]}
	for i := range row.Len() {
		cell, converted := toUTF8(row.Cell(i))
		if converted {
			r.latin++
		} else if !isASCII(cell) {
			r.unicode = true
		}
		out.Add(cell)
	}
	r.text = out
	return out
}

// sampleRows is after how many rows the rest of the file is estimated.
const sampleRows = 500

// expect makes room for as many rows as the file has if they go on as they began.
func (r *reader) expect() {
	if r.rep.Compressed || r.rep.Encoding == "UTF-16" {
		return // the size of the file is not that of its text
	}
	rows := r.rep.Size / (r.scan.taken()/sampleRows + 1)
	rows += rows / 32
	r.build.Expect(int(min(rows, int64(r.opt.MaxRows), r.opt.MaxCells/int64(len(r.names)))))
}

// bad counts a row that is left out, and gives up when they are too many.
func (r *reader) bad(text string) error {
	r.rep.BadRows++
	row := r.build.Rows() + r.rep.BadRows
	if len(r.rep.Bad) < 20 {
		r.rep.Bad = append(r.rep.Bad, BadRow{Row: row, Line: r.scan.start, Text: text})
	}
	if row%10_000 == 0 {
		return r.tooManyBad()
	}
	return nil
}

func (r *reader) tooManyBad() error {
	all := r.build.Rows() + r.rep.BadRows
	if r.rep.BadRows == 0 || float64(r.rep.BadRows) <= r.opt.MaxBadRows*float64(all) {
		return nil
	}
	b := r.rep.Bad[0]
	return fed.Errorf(fed.Invalid, "correct the rows, or check delimiter and quotes of the file",
		"%s: %d of %d rows cannot be read, the first in line %d: it %s", r.rep.File, r.rep.BadRows, all, b.Line, b.Text)
}

func (r *reader) finish() (*dataset.Table, *Report, error) {
	if err := r.tooManyBad(); err != nil {
		return nil, nil, err
	}
	r.rep.Rows = r.build.Rows()
	if r.rep.Rows == 0 {
		return nil, nil, fed.Errorf(fed.Invalid, "export the data again with its rows", "%s has a header line and no row", r.rep.File)
	}
	t := r.build.Table()
	for _, b := range r.rep.Bad {
		r.rep.Findings = append(r.rep.Findings, dataset.Finding{Severity: dataset.Warning, Row: b.Row, Text: fmt.Sprintf("line %d: the row %s", b.Line, b.Text),
			Why: "its cells cannot be assigned to columns", Remedy: "it is left out; correct it in the file"})
	}
	if r.rep.BadRows > len(r.rep.Bad) {
		r.note(dataset.Warning, fed.Count(r.rep.BadRows, "row")+" in all cannot be read", "their cells cannot be assigned to columns", "they are left out; correct them in the file")
	}
	r.encodingNote()
	for _, c := range t.Columns {
		if c.NonFinite > 0 {
			r.rep.Findings = append(r.rep.Findings, dataset.Finding{Severity: dataset.Info, Column: c.Name,
				Text: fmt.Sprintf("%s NaN, an infinity or a number too large", fed.Count(c.NonFinite, "cell")+fed.OneOr(c.NonFinite, " holds", " hold")), Why: "such a cell is no measurement", Remedy: "it is read as missing"})
		}
	}
	return t, r.rep, nil
}

func (r *reader) encodingNote() {
	switch {
	case r.latin == 0:
	case r.unicode:
		r.note(dataset.Warning, fmt.Sprintf("%s not UTF-8 while others are", fed.Count(r.latin, "cell")+fed.OneOr(r.latin, " is", " are")), "letters may be wrong and categories split", "save the file as CSV UTF-8")
	default:
		r.rep.Encoding = "Windows-1252"
		r.note(dataset.Info, "the file is not UTF-8 and was read as Windows-1252", "letters with accents may be wrong", "save the file as CSV UTF-8 if they are")
	}
}

// broken turns what ended the text into a sentence.
func (r *reader) broken(err error) error {
	var open *openQuote
	var long *longCell
	var own *fed.Error
	var deflate flate.CorruptInputError
	file := r.rep.File
	line := 0
	if r.scan != nil {
		line = r.scan.start
	}
	switch {
	case errors.As(err, &own), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.EOF):
		return fed.Errorf(fed.Invalid, "export the data again", "%s is empty", file)
	case errors.As(err, &open):
		return fed.Errorf(fed.Invalid, "close the quote in that line, or double it if it belongs to the text",
			"%s: the quote opened in line %d, column %d is never closed", file, open.line, open.column)
	case errors.As(err, &long):
		return fed.Errorf(fed.Invalid, "check the delimiter; long texts do not belong in a table",
			"%s: the cell in line %d, column %d is longer than %d bytes", file, long.line, long.column, r.opt.MaxCell)
	case errors.Is(err, errZeroByte):
		return errBinary(file, line)
	case errors.Is(err, errManyFields):
		return fed.Errorf(fed.Invalid, "keep the columns that matter, or check the delimiter", "%s has more than %d columns", file, r.opt.MaxColumns)
	case errors.Is(err, errStray):
		return fed.Errorf(fed.Invalid, "correct the quotes of the header line", "%s: there is text after a closing quote in line %d", file, r.scan.start)
	case errors.Is(err, errTooLarge):
		return fed.Errorf(fed.Invalid, "use a part of the data", "%s has more than %d bytes of text", file, r.opt.MaxBytes)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &deflate):
		return fed.Errorf(fed.Invalid, "copy the file again", "%s is a damaged or cut-off gzip file", file)
	}
	return fed.Errorf(fed.Unavailable, "check the disk or network folder", "%s cannot be read beyond line %d", file, max(line, 1))
}
