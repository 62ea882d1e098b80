package datafile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxRecord bounds one record in bytes.
const maxRecord = 64 << 20

// scanner splits CSV text into records with bounded memory. Cells are views into
// one buffer, valid until the next call. Quotes follow RFC 4180: a cell that
// starts with a quote ends at the next lone one; inside, two quotes are one and
// line breaks belong to the cell.
type scanner struct {
	r         io.Reader
	delim     byte
	quote     byte
	eol       byte // '\n', or '\r' in files of old Macs
	maxCell   int
	maxFields int

	buf   []byte // unread input is buf[pos:end]
	pos   int
	end   int
	eof   bool
	line  int // of the next byte, from 1
	start int // line where the current record began

	cells  [][]byte
	spans  [][2]int
	record []byte // unescaped cells of records with quotes
	ascii  bool   // the current record has no byte above 127

	// What has been in the input so far: as long as it has not, lines need no
	// look of their own.
	anyQuote, anyZero, anyHigh bool
}

// What can be wrong with a record or the text.
var (
	errManyFields = errors.New("too many columns")
	errZeroByte   = errors.New("zero byte")
	errStray      = errors.New("text after a closing quote")
)

// longCell says which cell is too long.
type longCell struct{ line, column int }

func (e *longCell) Error() string {
	return fmt.Sprintf("line %d, column %d: too long", e.line, e.column)
}

// openQuote says where a quote was opened that never closes.
type openQuote struct{ line, column int }

func (e *openQuote) Error() string {
	return fmt.Sprintf("line %d, column %d: quote never closed", e.line, e.column)
}

func newScanner(r io.Reader, d dialect, maxCell, maxFields, buffer int) *scanner {
	return &scanner{r: r, delim: d.delim, quote: d.quote, eol: d.eol, maxCell: maxCell, maxFields: maxFields,
		buf: make([]byte, buffer), line: 1}
}

// fill reads more input behind end after moving the unread part to the front of
// the buffer, which doubles when it is full. It reports whether there was more.
func (s *scanner) fill() (bool, error) {
	if s.eof {
		return false, nil
	}
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.end])
		s.end -= s.pos
		s.pos = 0
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	n, err := io.ReadAtLeast(s.r, s.buf[s.end:], 1)
	fresh := s.buf[s.end : s.end+n]
	s.anyQuote = s.anyQuote || bytes.IndexByte(fresh, s.quote) >= 0
	s.anyZero = s.anyZero || bytes.IndexByte(fresh, 0) >= 0
	s.anyHigh = s.anyHigh || !isASCII(fresh)
	s.end += n
	if errors.Is(err, io.EOF) {
		s.eof = true
		return false, nil
	}
	return n > 0, err
}

// next returns the cells of the next record that is not a blank line. errStray
// and errManyFields leave the scanner behind the record; other errors end the
// text. io.EOF is its end.
func (s *scanner) next() ([][]byte, error) {
	for {
		cells, err := s.read()
		if err == nil && len(cells) == 1 && len(bytes.TrimSpace(cells[0])) == 0 {
			continue
		}
		return cells, err
	}
}

// read takes the plain path when a whole line without quotes fits the buffer.
func (s *scanner) read() ([][]byte, error) {
	s.start = s.line
	limit := 2*s.maxCell + 64*s.maxFields
	for scanned := 0; ; {
		window := s.buf[s.pos+scanned : s.end]
		i := bytes.IndexByte(window, s.eol)
		if i >= 0 {
			window = window[:i]
		}
		if s.anyQuote && bytes.IndexByte(window, s.quote) >= 0 || scanned > limit {
			return s.quoted()
		}
		if i >= 0 {
			line := s.buf[s.pos : s.pos+scanned+i]
			s.pos += scanned + i + 1
			s.line++
			return s.plain(line)
		}
		scanned = s.end - s.pos
		more, err := s.fill()
		switch {
		case err != nil:
			return nil, err
		case !more && scanned == 0:
			return nil, io.EOF
		case !more:
			line := s.buf[s.pos:s.end]
			s.pos = s.end
			return s.plain(line)
		}
	}
}

// plain splits a line without quotes.
func (s *scanner) plain(line []byte) ([][]byte, error) {
	if n := len(line); s.eol == '\n' && n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if s.anyZero && bytes.IndexByte(line, 0) >= 0 {
		return nil, errZeroByte
	}
	s.ascii = !s.anyHigh || isASCII(line)
	s.cells = s.cells[:0]
	for {
		i := bytes.IndexByte(line, s.delim)
		cell := line
		if i >= 0 {
			cell = line[:i]
		}
		if len(cell) > s.maxCell {
			return nil, &longCell{s.start, len(s.cells) + 1}
		}
		if len(s.cells) >= s.maxFields {
			return nil, errManyFields
		}
		s.cells = append(s.cells, cell)
		if i < 0 {
			return s.cells, nil
		}
		line = line[i+1:]
	}
}

func isASCII(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= 128 {
			return false
		}
	}
	return true
}

// quoted reads a record byte by byte.
func (s *scanner) quoted() ([][]byte, error) {
	s.record, s.spans = s.record[:0], s.spans[:0]
	var fault error
	for last := false; !last; {
		from := len(s.record)
		var err error
		last, err = s.cell(from)
		switch {
		case errors.Is(err, errStray):
			fault = err
		case err != nil:
			return nil, err
		}
		if len(s.spans) == s.maxFields {
			fault = errManyFields
			s.record = s.record[:from]
			continue
		}
		s.spans = append(s.spans, [2]int{from, len(s.record)})
	}
	if fault != nil {
		return nil, fault
	}
	s.ascii = !s.anyHigh || isASCII(s.record)
	s.cells = s.cells[:0]
	for _, sp := range s.spans {
		s.cells = append(s.cells, s.record[sp[0]:sp[1]])
	}
	return s.cells, nil
}

// peek returns the next byte; false at the end of the text.
func (s *scanner) peek() (byte, bool, error) {
	if s.pos == s.end {
		if more, err := s.fill(); err != nil || !more {
			return 0, false, err
		}
	}
	return s.buf[s.pos], true, nil
}

// cell appends one cell to record, which has from bytes, and steps over what
// ends it; last says that the record ends with it.
func (s *scanner) cell(from int) (last bool, err error) {
	c, ok, err := s.peek()
	if err != nil || !ok {
		return true, err
	}
	quoted := c == s.quote
	if quoted {
		if err := s.inQuotes(from); err != nil {
			return true, err
		}
	}
	var fault error
	for {
		c, ok, err := s.peek()
		switch {
		case err != nil:
			return true, err
		case !ok:
			return true, fault
		case c == s.delim:
			s.pos++
			return false, fault
		case c == s.eol:
			s.pos++
			s.line++
			if n := len(s.record); !quoted && c == '\n' && n > from && s.record[n-1] == '\r' {
				s.record = s.record[:n-1]
			}
			return true, fault
		case c == 0:
			return true, errZeroByte
		}
		s.pos++
		if quoted && c != ' ' && c != '\r' {
			fault = errStray
		}
		if !quoted {
			if err := s.keep(c, from); err != nil {
				return true, err
			}
		}
	}
}

// inQuotes reads from an opening quote to behind the closing one.
func (s *scanner) inQuotes(from int) error {
	opened := openQuote{s.line, len(s.spans) + 1}
	s.pos++
	for {
		c, ok, err := s.peek()
		switch {
		case err != nil:
			return err
		case !ok:
			return &opened
		case c == 0:
			return errZeroByte
		}
		s.pos++
		if c == s.eol {
			s.line++
		}
		if c == s.quote {
			c, ok, err = s.peek()
			if err != nil {
				return err
			}
			if !ok || c != s.quote {
				return nil
			}
			s.pos++
		}
		if s.keep(c, from) != nil {
			return &opened
		}
	}
}

func (s *scanner) keep(c byte, from int) error {
	s.record = append(s.record, c)
	if len(s.record)-from > s.maxCell || len(s.record) > maxRecord {
		return &longCell{s.line, len(s.spans) + 1}
	}
	return nil
}
