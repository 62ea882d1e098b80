package datafile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"synergos.app/desktop/backend/fed"
)

const sampleBytes = 64 << 10

// counter counts bytes of the file, reports progress and ends when ctx does.
type counter struct {
	ctx      context.Context
	r        io.Reader
	done     int64
	total    int64
	told     int64
	progress func(done, total int64)
}

func (c *counter) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.done += int64(n)
	if c.progress != nil && (c.done-c.told >= 1<<20 || err != nil) {
		c.told = c.done
		c.progress(c.done, max(c.total, c.done))
	}
	return n, err
}

var errTooLarge = errors.New("the text is larger than allowed")

// capped ends a stream that decompresses to more than it may.
type capped struct {
	r    io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooLarge
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// foreign formats that people pick by mistake.
var foreign = []struct {
	magic, name, hint string
}{
	{"PAR1", "a Parquet file", "export it as CSV"},
	{"PK\x03\x04", "an Excel workbook or ZIP archive", "in the spreadsheet choose Save as, CSV UTF-8; or unpack the archive"},
	{"\xd0\xcf\x11\xe0", "an old Excel workbook", "in the spreadsheet choose Save as, CSV UTF-8"},
	{"%PDF", "a PDF document", "choose the data as a CSV file"},
	{"SQLite format 3\x00", "an SQLite database", "export the table as CSV"},
	{"\x28\xb5\x2f\xfd", "compressed with zstd", "decompress it, or compress it with gzip"},
	{"\x89PNG", "an image", "choose a CSV file"},
	{"\x89HDF", "an HDF5 file", "export the table as CSV"},
}

// decode returns the text of src as UTF-8 (cells that are not valid UTF-8 are
// handled later) and notes compression and encoding in rep; marked says that it
// began with a byte order mark.
func decode(src io.Reader, rep *Report, opt Options) (out *bufio.Reader, marked bool, err error) {
	br := bufio.NewReaderSize(src, sampleBytes)
	head, err := br.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	if bytes.HasPrefix(head, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, false, fed.Errorf(fed.Invalid, "copy the file again", "%s is a damaged gzip file", rep.File)
		}
		rep.Compressed = true
		br = bufio.NewReaderSize(z, sampleBytes)
	}
	head, err = br.Peek(sampleBytes)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return nil, false, err
	}
	for _, f := range foreign {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return nil, false, fed.Errorf(fed.Invalid, f.hint, "%s is %s, not CSV", rep.File, f.name)
		}
	}
	var text io.Reader = br
	rep.Encoding = "UTF-8"
	switch {
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		_, _ = br.Discard(3)
		marked = true
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		rep.Encoding, marked = "UTF-16", true
		text = transform.NewReader(br, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder())
	case bytes.IndexByte(head, 0) >= 0:
		return nil, false, errBinary(rep.File, 0)
	}
	return bufio.NewReaderSize(&capped{text, opt.MaxBytes}, sampleBytes), marked, nil
}

func errBinary(file string, line int) error {
	hint := "choose a CSV file; a UTF-16 file needs its byte order mark, so better save it as CSV UTF-8"
	if line == 0 {
		return fed.Errorf(fed.Invalid, hint, "%s holds zero bytes, so it is not a text file", file)
	}
	return fed.Errorf(fed.Invalid, hint, "%s, line %d holds a zero byte, so it is not a text file", file, line)
}

// toUTF8 returns a cell as UTF-8; what is not, is read as Windows-1252.
func toUTF8(cell []byte) (out []byte, converted bool) {
	for _, c := range cell {
		if c >= utf8.RuneSelf {
			if utf8.Valid(cell) {
				return cell, false
			}
			out, err := charmap.Windows1252.NewDecoder().Bytes(cell)
			if err != nil {
				return bytes.ToValidUTF8(cell, []byte("\uFFFD")), true
			}
			return out, true
		}
	}
	return cell, false
}
