package datafile_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/unicode"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/learning/dataset/cohort"
	"synergos.app/desktop/backend/storage/datafile"
)

func read(text string, opt datafile.Options) (*dataset.Table, *datafile.Report, error) {
	return datafile.Read(context.Background(), strings.NewReader(text), "ward.csv", int64(len(text)), opt)
}

func mustRead(t *testing.T, text string) (*dataset.Table, *datafile.Report) {
	t.Helper()
	table, rep, err := read(text, datafile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return table, rep
}

// TestWays reads one table however it is written.
func TestWays(t *testing.T) {
	want := [][]string{{"63", "Zürich", "1.5"}, {"41", "São Paulo", ""}, {"50", "Zürich", "2"}}
	plain := "age,city,dose\n63,Zürich,1.5\n41,São Paulo,?\n50,Zürich,2.0\n"
	utf16 := func(e unicode.Endianness) string {
		s, err := unicode.UTF16(e, unicode.UseBOM).NewEncoder().String(plain)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	latin := strings.NewReplacer("ü", "\xfc", "ã", "\xe3").Replace(plain)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(plain))
	_ = z.Close()
	for name, c := range map[string]struct{ text, delimiter, encoding string }{
		"plain":         {plain, "comma", "UTF-8"},
		"no last line":  {strings.TrimSuffix(plain, "\n"), "comma", "UTF-8"},
		"crlf":          {strings.ReplaceAll(plain, "\n", "\r\n"), "comma", "UTF-8"},
		"old mac":       {strings.ReplaceAll(plain, "\n", "\r"), "comma", "UTF-8"},
		"blank lines":   {strings.ReplaceAll(plain, "\n", "\n\n"), "comma", "UTF-8"},
		"bom":           {"\ufeff" + plain, "comma", "UTF-8"},
		"utf-16 le":     {utf16(unicode.LittleEndian), "comma", "UTF-16"},
		"utf-16 be":     {utf16(unicode.BigEndian), "comma", "UTF-16"},
		"latin":         {latin, "comma", "Windows-1252"},
		"semicolon":     {strings.ReplaceAll(plain, ",", ";"), "semicolon", "UTF-8"},
		"tab":           {strings.ReplaceAll(plain, ",", "\t"), "tab", "UTF-8"},
		"bar":           {strings.ReplaceAll(plain, ",", "|"), "bar", "UTF-8"},
		"decimal comma": {"age;city;dose\n63;Zürich;1,5\n41;São Paulo;\n50;Zürich;2,0\n", "semicolon", "UTF-8"},
		"quoted":        {"\"age\",\"city\",\"dose\"\n\"63\",\"Zürich\",1.5\n41,\"São Paulo\",\"NA\"\n50,\"Zürich\",\"2.0\"\r\n", "comma", "UTF-8"},
		"last comma":    {strings.ReplaceAll(strings.ReplaceAll(plain, "\n", ",\n"), "dose,", "dose"), "comma", "UTF-8"},
		"gzip":          {zipped.String(), "comma", "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			table, rep := mustRead(t, c.text)
			if diff := cmp.Diff(want, table.Preview(9)); diff != "" {
				t.Error(diff)
			}
			if rep.Delimiter != c.delimiter || rep.Encoding != c.encoding || rep.Compressed != (name == "gzip") || !rep.Header {
				t.Errorf("report %+v", rep)
			}
		})
	}
}

func TestQuotedCells(t *testing.T) {
	table, rep := mustRead(t, "id,note\n1,\"two\nlines, and \"\"quotes\"\"\"\n2,5'10\" tall\n3,\"x\" \n4,\"bad\"x\n"+strings.Repeat("5,fine\n", 20))
	want := [][]string{{"1", "two\nlines, and \"quotes\""}, {"2", "5'10\" tall"}, {"3", "x"}, {"5", "fine"}}
	if diff := cmp.Diff(want, table.Preview(4)); diff != "" {
		t.Error(diff)
	}
	if rep.BadRows != 1 || rep.Bad[0].Line != 6 || rep.Bad[0].Row != 4 {
		t.Errorf("bad rows %+v", rep.Bad)
	}
	table, _ = mustRead(t, "a,b,c\n'1','x,y','z'\n'2','w','v'\n'3','w','v'\n")
	if diff := cmp.Diff([]string{"1", "x,y", "z"}, table.Preview(1)[0]); diff != "" {
		t.Error("single quotes:", diff)
	}
}

// TestRefusals wants of every broken file a sentence with what is wrong, where,
// and a hint.
func TestRefusals(t *testing.T) {
	wide := strings.Repeat("c,", 100_000) + "c\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "is empty"},
		"only space":        {" \n\n", "is empty"},
		"only header":       {"a,b\n", "no row"},
		"one column":        {"a\n1\n2\n", "one column"},
		"duplicate header":  {"age,sex,age\n1,2,3\n", `columns 1 and 3 are both called "age"`},
		"unclosed quote":    {"a,b\n1,2\n3,\"x\n4,5\n", "opened in line 3, column 2"},
		"zero byte":         {"a,b\n1,2\n\x003,4\n", "zero byte"},
		"zero byte later":   {"a,b\n" + strings.Repeat("1,2\n", 40_000) + "1,\x00\n", "line 40002"},
		"too many columns":  {wide, "more than 10000 columns"},
		"too many, bars":    {strings.ReplaceAll(wide, ",", "|"), "more than 10000 columns"},
		"wrong field count": {"a,b\n1,2\n1,2,3\n1\n", "the first in line 3: it has 3 cells and there are 2 columns"},
		"stray header":      {"\"a\"x,b\n1,2\n", "text after a closing quote in line 1"},
		"long cell":         {"a,b\n1," + strings.Repeat("x", 1<<20+1) + "\n", "line 2, column 2 is longer"},
		"long quoted cell":  {"a,b\n1,\"" + strings.Repeat("x", 1<<20+1) + "\"\n", "opened in line 2"},
		"long name":         {strings.Repeat("n", 201) + ",b\n1,2\n", "name of column 1"},
		"name with break":   {"\"a\nb\",c\n1,2\n", "control character"},
		"excel":             {"PK\x03\x04 and more", "Excel"},
		"parquet":           {"PAR1....", "Parquet"},
		"broken gzip":       {"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00nonsense", "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(c.text, datafile.Options{})
			if fed.KindOf(err) != fed.Invalid || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "ward.csv") || fed.HintOf(err) == "" {
				t.Errorf("error %v, hint %q", err, fed.HintOf(err))
			}
		})
	}
}

func TestWideHeaderIsCheap(t *testing.T) {
	text := strings.Repeat("column,", 100_000) + "c\n"
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, _ = read(text, datafile.Options{})
		}
	})
	if r.AllocedBytesPerOp() > 8<<20 {
		t.Errorf("refusing 100,000 columns allocates %d bytes", r.AllocedBytesPerOp())
	}
}

func TestLimits(t *testing.T) {
	text := "a,b\n" + strings.Repeat("1,2\n", 100)
	for name, opt := range map[string]datafile.Options{
		"rows":  {MaxRows: 99},
		"cells": {MaxCells: 199},
		"bytes": {MaxBytes: 50},
	} {
		if _, _, err := read(text, opt); fed.KindOf(err) != fed.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := read(text, datafile.Options{MaxRows: 100, MaxCells: 200}); err != nil {
		t.Error(err)
	}
}

func TestBadRowsAreCounted(t *testing.T) {
	table, rep := mustRead(t, "a,b\n"+strings.Repeat("1,2\n", 30)+"1,2,3\n"+strings.Repeat("4,5\n", 5)+"6\n7,inf\n8,NaN\n")
	if table.Rows() != 37 || rep.Rows != 37 || rep.BadRows != 2 || rep.Bad[0].Row != 31 || rep.Bad[1].Line != 38 {
		t.Errorf("report %+v", rep)
	}
	if c := table.Column("b"); c.Type != dataset.Int || c.NonFinite != 2 || c.MissingCount() != 2 {
		t.Errorf("b: %s, %d not finite, %d missing", c.Type, c.NonFinite, c.MissingCount())
	}
	if len(rep.Findings) != 3 {
		t.Errorf("findings %+v", rep.Findings)
	}
}

func TestHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		opt    datafile.Options
		header bool
		names  []string
		rows   int
	}{
		"auto":       {"a,b\n1,2\n", datafile.Options{}, true, []string{"a", "b"}, 1},
		"none":       {"1.5,2\n3,4\n", datafile.Options{}, false, []string{"column_1", "column_2"}, 2},
		"numbers":    {"1,2,3\n7,8,9\n", datafile.Options{}, true, []string{"1", "2", "3"}, 1},
		"forced":     {"1.5,2\n3,4\n", datafile.Options{Header: datafile.HeaderYes}, true, []string{"1.5", "2"}, 1},
		"refused":    {"a,b\n1,2\n", datafile.Options{Header: datafile.HeaderNo}, false, []string{"column_1", "column_2"}, 2},
		"empty name": {",b\n1,2\n", datafile.Options{}, true, []string{"column_1", "b"}, 1},
	} {
		table, rep, err := read(c.text, c.opt)
		if err != nil {
			t.Fatal(name, err)
		}
		if diff := cmp.Diff(c.names, table.Names()); diff != "" || rep.Header != c.header || table.Rows() != c.rows {
			t.Errorf("%s: %s header %v rows %d", name, diff, rep.Header, table.Rows())
		}
	}
}

func TestCancelAndProgress(t *testing.T) {
	text := "a,b\n" + strings.Repeat("1,2\n", 1<<20)
	ctx, cancel := context.WithCancel(context.Background())
	var last int64
	_, _, err := datafile.Read(ctx, strings.NewReader(text), "big.csv", int64(len(text)), datafile.Options{Progress: func(done, total int64) {
		if done < last || total != int64(len(text)) {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		if last = done; done > 2<<20 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || last == 0 || last > 3<<20 {
		t.Errorf("error %v after %d bytes", err, last)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret-folder", "rows.csv")
	_, _, err := datafile.Load(context.Background(), path, datafile.Options{})
	if fed.KindOf(err) != fed.NotFound || strings.Contains(err.Error(), "secret-folder") {
		t.Errorf("absent: %v", err)
	}
	if _, _, err := datafile.Load(context.Background(), dir, datafile.Options{}); fed.KindOf(err) != fed.Invalid {
		t.Errorf("folder: %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a,b\n1,2\n")
	_, rep := load(t, path)
	if rep.Size != 8 || rep.File != "rows.csv" || rep.Modified.IsZero() {
		t.Errorf("report %+v", rep)
	}
	if changed, err := datafile.Changed(path, rep.Size, rep.Modified); changed || err != nil {
		t.Errorf("unchanged file: %v %v", changed, err)
	}
	if changed, _ := datafile.Changed(path, rep.Size, rep.Modified.Add(-time.Second)); !changed {
		t.Error("another time is a change")
	}
	checkFingerprint(t, path, write)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := datafile.Changed(path, rep.Size, rep.Modified); fed.KindOf(err) != fed.NotFound {
		t.Errorf("gone: %v", err)
	}
}

func checkFingerprint(t *testing.T, path string, write func(string)) {
	t.Helper()
	print := func(key string) fed.Digest {
		d, err := datafile.KeyedFingerprint(context.Background(), []byte(key), path)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	k1, k2 := strings.Repeat("k", 32), strings.Repeat("l", 32)
	first := print(k1)
	if !first.Valid() || first != print(k1) || first == print(k2) {
		t.Error("the fingerprint must depend on the key and nothing random")
	}
	write("a,b\n1,3\n")
	if first == print(k1) {
		t.Error("the fingerprint must depend on the bytes")
	}
	if _, err := datafile.KeyedFingerprint(context.Background(), []byte("short"), path); err == nil {
		t.Error("a short key must be refused")
	}
}

// TestCohortAligns: the sample hospitals load, and their differently named
// column is proposed for a person, never taken by itself.
func TestCohortAligns(t *testing.T) {
	cfg := fed.RunConfig{Version: 1, Task: fed.TaskClassify, Target: "target", Categorical: []string{"cp", "restecg"}, Test: fed.TestSplit{Fraction: .2}}
	offers := map[string]*dataset.Offer{}
	tables := map[string]*dataset.Table{}
	for _, f := range cohort.All(1) {
		table, rep, err := datafile.Read(context.Background(), bytes.NewReader(f.Data), f.Name, int64(len(f.Data)), datafile.Options{})
		if err != nil || rep.BadRows != 0 {
			t.Fatal(err, rep)
		}
		tables[f.Hospital] = table
		if offers[f.Hospital], err = dataset.MakeOffer(table, cfg, 10); err != nil {
			t.Fatal(err)
		}
	}
	a, err := dataset.Propose(offers, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Matches) != 1 || a.Matches[0].Party != "lakeview" || a.Matches[0].From != "cholesterol" || a.Matches[0].To != "chol" || a.Matches[0].Confirmed {
		t.Fatalf("matches %+v", a.Matches)
	}
	if _, err := a.Draft(); fed.KindOf(err) != fed.Invalid {
		t.Errorf("a draft before a person confirmed: %v", err)
	}
	b, err := a.Confirm(a.Matches)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := b.Draft()
	if err != nil {
		t.Fatal(err)
	}
	if have, of := b.Coverage("lakeview"); have != 9 || of != 10 {
		t.Errorf("lakeview has %d of %d", have, of)
	}
	if c, _ := a.Confirm(nil); len(c.Matches) != 0 {
		t.Error("a declined match stays")
	} else if d, err := c.Draft(); err != nil || d.Column("cholesterol") == nil || draft.Column("cholesterol") != nil {
		t.Error("a declined match must leave two columns, a confirmed one must not")
	}
	local := dataset.Local{Rename: b.Rename("lakeview")}
	rows, err := dataset.Split(tables["lakeview"], draft, cfg, "lakeview", local)
	if err != nil {
		t.Fatal(err)
	}
	stats, err := dataset.LocalStats(tables["lakeview"], draft, rows.Train, local, 10)
	if err != nil || stats.Columns[indexOf(draft, "chol")].Count < 100 || stats.Columns[indexOf(draft, "fbs")].Count != 0 {
		t.Errorf("sums %+v, %v", stats, err)
	}
}

func indexOf(p *dataset.Preparation, name string) int {
	for i := range p.Columns {
		if p.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// FuzzRead must not panic, and what it accepts has the rows that it reports.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "a;b\n\"x\"\"y\";3\n", "a,b\n\"open", "\xef\xbb\xbfa\tb\r\n1\t\r\n", "\x1f\x8b", "1|2\n?|NA\n", "a,b\n1,\xff\n", "\xff\xfea\x00,\x00b\x00\n\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		opt := datafile.Options{MaxBytes: 1 << 16, MaxCell: 1 << 10, MaxColumns: 50}
		table, rep, err := datafile.Read(context.Background(), bytes.NewReader(b), "f.csv", int64(len(b)), opt)
		if err != nil {
			var own *fed.Error
			if !errors.As(err, &own) || own.Hint == "" {
				t.Fatalf("error without hint: %v", err)
			}
			return
		}
		if table.Rows() != rep.Rows || len(table.Columns) != rep.Columns || rep.Columns > 50 || rep.Rows == 0 {
			t.Fatalf("report %+v for %d x %d", rep, table.Rows(), len(table.Columns))
		}
		dataset.NewProfile(table, "", nil)
	})
}

func wideCSV(rows int) []byte {
	var b bytes.Buffer
	b.WriteString("c0")
	for j := 1; j < 30; j++ {
		fmt.Fprintf(&b, ",c%d", j)
	}
	for i := range rows {
		for j := range 30 {
			sep := byte(',')
			if j == 0 {
				sep = '\n'
			}
			b.WriteByte(sep)
			fmt.Fprintf(&b, "%.5f", float64((i*31+j*17)%9973)/97)
		}
	}
	return b.Bytes()
}

func BenchmarkRead(b *testing.B) {
	text := wideCSV(20_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, _, err := datafile.Read(context.Background(), bytes.NewReader(text), "w.csv", int64(len(text)), datafile.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodingCSV is the comparison: the standard library's reader and
// number parser, into columns.
func BenchmarkEncodingCSV(b *testing.B) {
	text := wideCSV(20_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r := csv.NewReader(bytes.NewReader(text))
		r.ReuseRecord = true
		columns := make([][]float64, 30)
		for {
			cells, err := r.Read()
			if err != nil {
				break
			}
			for j, c := range cells {
				if v, err := strconv.ParseFloat(c, 64); err == nil {
					columns[j] = append(columns[j], v)
				}
			}
		}
	}
}
