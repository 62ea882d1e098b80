package datafile_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/storage/datafile"
)

func openRows(text string) (*datafile.Rows, error) {
	return datafile.OpenRows(context.Background(), strings.NewReader(text), "ward.csv", int64(len(text)), datafile.Options{})
}

// allRows returns the cells of a file and its text as it comes row by row.
func allRows(t *testing.T, text string) (names []string, cells [][]string, raw string) {
	t.Helper()
	rows, err := openRows(text)
	if err != nil {
		t.Fatal(err)
	}
	names, inFile := rows.Names()
	raw = string(rows.Raw())
	if inFile != (raw != "") {
		t.Errorf("a header %v: %q", inFile, raw)
	}
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		cells, raw = append(cells, row), raw+string(rows.Raw())
	}
	if rows.Taken() != int64(len(text)) {
		t.Errorf("%d bytes taken of %d", rows.Taken(), len(text))
	}
	return names, cells, raw
}

// TestRowsAreThoseOfLoad reads files of all kinds row by row and as a table.
func TestRowsAreThoseOfLoad(t *testing.T) {
	plain := "age,city,dose\n63,Zürich,1.5\n41,São Paulo,7\n50,Zürich,2.25\n"
	latin := strings.NewReplacer("ü", "\xfc", "ã", "\xe3").Replace(plain)
	utf16 := "\xff\xfea\x00,\x00b\x00\n\x001\x00,\x00\xfc\x00\n\x00"
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(plain))
	_ = z.Close()
	long := "id,note\n" + strings.Repeat("7,\"several\nlines\"\n8,plain\n", 20_000) // more than a buffer
	for name, c := range map[string]struct{ text, raw string }{
		"plain":             {plain, plain},
		"no last line":      {strings.TrimSuffix(plain, "\n"), strings.TrimSuffix(plain, "\n")},
		"lines of Windows":  {strings.ReplaceAll(plain, "\n", "\r\n"), strings.ReplaceAll(plain, "\n", "\r\n")},
		"old Mac":           {strings.ReplaceAll(plain, "\n", "\r"), strings.ReplaceAll(plain, "\n", "\r")},
		"blank lines":       {strings.ReplaceAll(plain, "\n", "\n\n"), strings.TrimSuffix(strings.ReplaceAll(plain, "\n", "\n\n"), "\n")},
		"a mark":            {"\ufeff" + plain, "\ufeff" + plain},
		"a mark and quotes": {"\ufeff\"age\",\"sex\"\n\"63\",\"f, m\"\n", "\ufeff\"age\",\"sex\"\n\"63\",\"f, m\"\n"},
		"Windows-1252":      {latin, plain},
		"Latin and UTF-8":   {"a,b\nü,\"\xfc,\xfc\"\n", "a,b\nü,\"ü,ü\"\n"},
		"UTF-16":            {utf16, "\ufeffa,b\n1,ü\n"},
		"gzip":              {zipped.String(), plain},
		"single quotes":     {"'a','b','c'\n'1','x,y','it''s'\n'2','w','v'\n", "'a','b','c'\n'1','x,y','it''s'\n'2','w','v'\n"},
		"no header":         {"1,2\n3,4\n", "1,2\n3,4\n"},
		"no name":           {",b\n3,4\n", ",b\n3,4\n"},
		"long":              {long, long},
	} {
		t.Run(name, func(t *testing.T) {
			table, _ := mustRead(t, c.text)
			names, cells, raw := allRows(t, c.text)
			if diff := cmp.Diff(table.Names(), names); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(table.Preview(1<<20), cells); diff != "" {
				t.Error(diff)
			}
			if raw != c.raw {
				t.Errorf("the text %.200q, want %.200q", raw, c.raw)
			}
		})
	}
}

// TestRowsOfOneColumn reads what no table could be learned from.
func TestRowsOfOneColumn(t *testing.T) {
	names, cells, _ := allRows(t, "age\n50\n60\n")
	if fmt.Sprint(names, cells) != "[age] [[50] [60]]" {
		t.Error(names, cells)
	}
}

// TestDecimalCommas never guesses the point: a file that has one decimal point reads
// no comma as one.
func TestDecimalCommas(t *testing.T) {
	for text, want := range map[string]bool{
		"age;x\n50,5;1\n": true, "age;x\n50,5;1.5\n": false, "age;x\n50;1\n": false, "age\tx\n1,5\ta,b\n": true, "age,x\n1,5\n": false,
	} {
		rows, err := openRows(text)
		if err != nil {
			t.Fatal(err)
		}
		if delimiter, quote, got := rows.Dialect(); got != want || delimiter != text[3] || quote != '"' {
			t.Errorf("%q: %c %c %v", text, delimiter, quote, got)
		}
	}
}

// TestRowsRefuse wants a sentence with what is wrong, where, and a hint.
func TestRowsRefuse(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "ward.csv is empty",
		"PK\x03\x04":            "Excel workbook",
		"a,b\n1,\"x\"y\n":       "text after a closing quote in line 2",
		"a,b\n1,\"x\n":          "opened in line 2, column 2",
		"a,b\n1,\x00\n":         "zero byte",
		"\"a\nb\",c\n1,2\n":     "control character",
		"\x1f\x8b\x08\x00broke": "damaged",
	} {
		rows, err := openRows(text)
		for err == nil {
			_, err = rows.Next()
		}
		if fed.KindOf(err) != fed.Invalid || !strings.Contains(err.Error(), want) || fed.HintOf(err) == "" {
			t.Errorf("%q: %v (%s)", text, err, fed.HintOf(err))
		}
	}
}

// FuzzRows wants of any bytes the names and rows that Read has, or a sentence.
func FuzzRows(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "a;b\n\"x\"\"y\";3\n", "a,b\n\"open", "\xef\xbb\xbfa\tb\r\n1\t\r\n", "\x1f\x8b", "1|2\n?|NA\n", "a,b\n1,\xff\n", "\xff\xfea\x00,\x00b\x00\n\x00", "\n\na,b\r\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		opt := datafile.Options{MaxBytes: 1 << 16, MaxCell: 1 << 10, MaxColumns: 50}
		table, rep, wrong := datafile.Read(context.Background(), bytes.NewReader(b), "f.csv", int64(len(b)), opt)
		rows, err := datafile.OpenRows(context.Background(), bytes.NewReader(b), "f.csv", int64(len(b)), opt)
		n := 0
		for err == nil {
			var row []string
			if row, err = rows.Next(); err == nil {
				n++
				if raw := rows.Raw(); len(row) == 0 || !utf8.Valid(raw) {
					t.Fatalf("%q of %q", row, raw)
				}
			}
		}
		if !errors.Is(err, io.EOF) {
			if fed.HintOf(err) == "" {
				t.Fatalf("error without hint: %v", err)
			}
			return
		}
		if names, inFile := rows.Names(); wrong == nil && (n != rep.Rows+rep.BadRows || inFile != rep.Header || !slices.Equal(names, table.Names())) {
			t.Fatalf("%d rows of %q, want %d and %d of %q", n, names, rep.Rows, rep.BadRows, table.Names())
		}
	})
}
