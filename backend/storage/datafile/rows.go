package datafile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"unicode/utf8"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
)

// Rows reads a CSV file row by row, for who keeps none of it. Compression, encoding,
// delimiter, quotes, header and names are worked out as [Load] does, so that a file
// means the same to both. It is not safe for concurrent use.
type Rows struct {
	r     *reader
	file  *counter
	text  *echo
	first *dataset.Record // a row in the place of a header, until Next returns it
	raw   []byte          // of the last record
	begun int64           // bytes of the file before its text
	at    int64           // bytes of the text behind raw
}

// OpenRows reads the beginning of src: CSV text, or gzip of it. name is what the
// messages call it, size its bytes for progress (0: unknown). Errors are as of
// [Load]. A column that stands twice in the header is left to the caller.
func OpenRows(ctx context.Context, src io.Reader, name string, size int64, opt Options) (*Rows, error) {
	r := &reader{opt: opt.withDefaults(), rep: &Report{File: name, Size: size}}
	rows := &Rows{r: r, file: &counter{ctx: ctx, r: src, total: size, progress: opt.Progress}}
	text, marked, err := decode(rows.file, r.rep, r.opt)
	if err != nil {
		return nil, r.broken(err)
	}
	rows.text = &echo{r: text}
	first, _, err := r.start(text, rows.text, sampleBytes)
	if err == nil {
		err = r.nameColumns(first)
	}
	if err != nil {
		return nil, err
	}
	rows.take()
	switch {
	case !r.rep.Header:
		rows.first = &first
	case marked:
		rows.raw = append([]byte("\ufeff"), rows.raw...)
	}
	if marked {
		rows.begun = int64(len("\ufeff"))
	}
	return rows, nil
}

// Names returns the names of the columns; inFile says that they stand in its first
// line, and not that they are called column_1, column_2 ... for want of one.
func (s *Rows) Names() (names []string, inFile bool) { return s.r.names, s.r.rep.Header }

// Dialect returns how cells are written, and whether 3,5 is a number.
func (s *Rows) Dialect() (delimiter, quote byte, decimalComma bool) {
	return s.r.dialect.delim, s.r.dialect.quote, s.r.dialect.decimalComma
}

// Next returns the cells of the next row, which may be fewer or more than the names;
// io.EOF after the last. Errors are as of [Load]; one row that cannot be read ends
// the file, since a caller cannot leave it out.
func (s *Rows) Next() ([]string, error) {
	if s.first != nil {
		row := *s.first
		s.first = nil
		return s.cells(row), nil
	}
	row, err := s.r.scan.next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case errors.Is(err, errStray):
		return nil, fed.Errorf(fed.Invalid, "correct the quotes of that line", "%s: there is text after a closing quote in line %d", s.r.rep.File, s.r.scan.start)
	case err != nil:
		return nil, s.r.broken(err)
	}
	s.take()
	return s.cells(row), nil
}

// cells returns the cells of the record that the scanner stands behind, in UTF-8.
func (s *Rows) cells(row dataset.Record) []string {
	if !s.r.scan.ascii {
		row = s.r.utf8(row)
	}
	text, out := string(row.Text), make([]string, row.Len())
	for i, at := range row.Spans {
		out[i] = text[at[0]:at[1]]
	}
	return out
}

// take makes raw the text of the record that the scanner stands behind.
func (s *Rows) take() {
	end := s.r.scan.taken()
	s.raw, s.at = s.text.take(end-s.at), end
}

// Raw returns the header or the row that was read last as it stands in the file, in
// UTF-8, with its line end and blank lines before it; nothing for a header that the
// file does not have. It is valid until the next call of Next.
func (s *Rows) Raw() []byte {
	if s.first != nil {
		return nil
	}
	return s.r.dialect.toUTF8(s.raw)
}

// toUTF8 converts each piece of a line that toUTF8 converts as a cell.
func (d dialect) toUTF8(line []byte) []byte {
	if utf8.Valid(line) {
		return line
	}
	var out []byte
	for len(line) > 0 {
		n := 1 + bytes.IndexAny(line, string([]byte{d.delim, d.quote, d.eol}))
		if n == 0 {
			n = len(line)
		}
		piece, _ := toUTF8(line[:n])
		out, line = append(out, piece...), line[n:]
	}
	return out
}

// Taken returns how many bytes of the file are behind the last row. Of a file whose
// size is not that of its text it is what was read so far.
func (s *Rows) Taken() int64 {
	if s.r.rep.Compressed || s.r.rep.Encoding == "UTF-16" {
		return s.file.done
	}
	return s.begun + s.r.scan.taken()
}

// echo keeps what was read through it until it is taken.
type echo struct {
	r    io.Reader
	kept []byte
	from int // of kept, what was taken
}

func (e *echo) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.kept = append(e.kept[:copy(e.kept, e.kept[e.from:])], p[:n]...)
	e.from = 0
	return n, err
}

// take returns the next n bytes, until the next Read.
func (e *echo) take(n int64) []byte {
	out := e.kept[e.from : e.from+int(n)]
	e.from += int(n)
	return out
}
