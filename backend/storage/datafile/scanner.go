package datafile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"synergos.app/desktop/backend/learning/dataset"
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
	delims    uint64 // the delimiter in each of eight bytes
	quote     byte
	eol       byte // '\n', or '\r' in files of old Macs
	maxCell   int
	maxFields int

	buf   []byte // unread input is buf[pos:end]
	pos   int
	end   int
	eof   bool
	total int64 // bytes of input so far
	line  int   // of the next byte, from 1
	start int   // line where the current record began

	spans  [][2]int32 // cells of the current record
	record []byte     // unescaped text of records with quotes
	ascii  bool       // the current record has no byte above 127

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
	return &scanner{r: r, delim: d.delim, delims: uint64(d.delim) * 0x0101010101010101, quote: d.quote, eol: d.eol, maxCell: maxCell, maxFields: maxFields,
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
	s.total += int64(n)
	if errors.Is(err, io.EOF) {
		s.eof = true
		return false, nil
	}
	return n > 0, err
}

// taken returns how many bytes of the input are behind the scanner.
func (s *scanner) taken() int64 { return s.total - int64(s.end-s.pos) }

// next returns the cells of the next record that is not a blank line. errStray
// and errManyFields leave the scanner behind the record; other errors end the
// text. io.EOF is its end.
func (s *scanner) next() (dataset.Record, error) {
	for {
		text, err := s.read()
		if err != nil {
			return dataset.Record{}, err
		}
		r := dataset.Record{Text: text, Spans: s.spans}
		if r.Len() == 1 && len(bytes.TrimSpace(r.Cell(0))) == 0 {
			continue
		}
		return r, nil
	}
}

// read returns the text of the next record; its cells are spans of it. It takes
// the plain path when a whole line without quotes fits the buffer.
func (s *scanner) read() ([]byte, error) {
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
func (s *scanner) plain(line []byte) ([]byte, error) {
	if n := len(line); s.eol == '\n' && n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if s.anyZero && bytes.IndexByte(line, 0) >= 0 {
		return nil, errZeroByte
	}
	s.ascii = !s.anyHigh || isASCII(line)
	s.spans = s.spans[:0]
	from := 0
	for i, n := 0, len(line); ; i += 8 {
		var hits uint64 // a bit for each delimiter in the next eight bytes
		if i+8 <= n {
			hits = equalBytes(binary.LittleEndian.Uint64(line[i:]), s.delims)
		} else {
			for k := i; k < n; k++ {
				if line[k] == s.delim {
					hits |= 0x80 << (8 * (k - i))
				}
			}
		}
		for ; hits != 0; hits &= hits - 1 {
			to := i + bits.TrailingZeros64(hits)/8
			s.spans = append(s.spans, [2]int32{int32(from), int32(to)})
			from = to + 1
		}
		if i+8 >= n {
			s.spans = append(s.spans, [2]int32{int32(from), int32(n)})
			return line, s.bounded(n)
		}
	}
}

// bounded checks the cells of a line of n bytes.
func (s *scanner) bounded(n int) error {
	if n > s.maxCell {
		for i, cell := range s.spans {
			if int(cell[1]-cell[0]) > s.maxCell {
				return &longCell{s.start, i + 1}
			}
		}
	}
	if len(s.spans) > s.maxFields {
		return errManyFields
	}
	return nil
}

// equalBytes sets the top bit of each byte of word that equals that of pattern,
// and no other bit.
func equalBytes(word, pattern uint64) uint64 {
	const low7 = 0x7f7f7f7f7f7f7f7f
	x := word ^ pattern
	return ^((x&low7 + low7) | x | low7)
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
func (s *scanner) quoted() ([]byte, error) {
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
		s.spans = append(s.spans, [2]int32{int32(from), int32(len(s.record))})
	}
	if fault != nil {
		return nil, fault
	}
	s.ascii = !s.anyHigh || isASCII(s.record)
	return s.record, nil
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
