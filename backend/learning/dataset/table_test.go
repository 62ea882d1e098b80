package dataset

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

func rows(t testing.TB, header string, lines ...string) *Table {
	t.Helper()
	var cells [][]string
	for _, l := range lines {
		cells = append(cells, strings.Split(l, ","))
	}
	table, err := FromRows("t.csv", strings.Split(header, ","), cells)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func column(t testing.TB, cells ...string) *Column {
	t.Helper()
	return rows(t, "c", cells...).Columns[0]
}

func TestCells(t *testing.T) {
	for s, want := range map[string]struct {
		v    float64
		kind cellKind
	}{
		"1": {1, cellNumber}, "-2.50": {-2.5, cellNumber}, ".7": {.7, cellNumber}, "5.": {5, cellNumber}, "+3": {3, cellNumber},
		"0.1": {.1, cellNumber}, "1e3": {1000, cellNumber}, "0.123456789012345678": {0.123456789012345678, cellNumber},
		"123456789012345": {123456789012345, cellNumber}, "1234567890123456": {0, cellText},
		"007": {0, cellText}, "0": {0, cellNumber}, "-0.5": {-.5, cellNumber}, "1e999": {0, cellNonFinite},
		"0x10": {0, cellText}, "1_000": {0, cellText}, "1,5": {0, cellText}, "--1": {0, cellText}, "-": {0, cellText}, ".": {0, cellText}, "1.2.3": {0, cellText},
		"": {0, cellMissing}, "?": {0, cellMissing}, "NA": {0, cellMissing}, "n/a": {0, cellMissing}, "NULL": {0, cellMissing}, "None": {0, cellMissing},
		"NaN": {0, cellNonFinite}, "-Inf": {0, cellNonFinite}, "infinity": {0, cellNonFinite}, "info": {0, cellText}, "-nan": {0, cellNonFinite},
	} {
		if v, kind := readCell([]byte(s)); v != want.v || kind != want.kind {
			t.Errorf("%q reads %v, kind %d; want %v, %d", s, v, kind, want.v, want.kind)
		}
	}
}

func TestTypes(t *testing.T) {
	texts := make([]string, 30)
	for i := range texts {
		texts[i] = strings.Repeat("word ", 1+i) + "end"
	}
	for name, c := range map[string]struct {
		cells []string
		want  Type
	}{
		"int": {[]string{"1", "2.0", "?"}, Int}, "float": {[]string{"1", "2.5"}, Float}, "category": {[]string{"a", "b", "a"}, Category},
		"mixed": {[]string{"1", "x", "2.0"}, Category}, "bool": {[]string{"TRUE", "false", ""}, Bool}, "date": {[]string{"2020-02-29", "01.03.2020"}, Date},
		"ambiguous date": {[]string{"01/02/2020", "03/04/2020"}, Category}, "text": {texts, Text}, "all missing": {[]string{"", "NA"}, Float}, "codes": {[]string{"01", "02"}, Category},
	} {
		if got := column(t, c.cells...).Type; got != c.want {
			t.Errorf("%s is read as %s, want %s", name, got, c.want)
		}
	}
	c := column(t, "1.0", "1", "x", "2.50", "?")
	if diff := cmp.Diff([]string{"1", "x", "2.5"}, c.dict); diff != "" || !c.Missing(4) || c.MissingCount() != 1 {
		t.Error("codes must have one spelling:", diff)
	}
	if s, _ := column(t, "29.02.2020", "2020-03-01").Text(0); s != "2020-02-29" {
		t.Errorf("date reads %q", s)
	}
}

func TestRetype(t *testing.T) {
	table := rows(t, "a,b", "1,x", "2,y", "?,x")
	next, err := table.Retype("a", Category)
	if err != nil || next.Column("a").Type != Category || table.Column("a").Type != Int {
		t.Fatal("retype must make a new table", err)
	}
	if back, err := next.Retype("a", Int); err != nil || !cmp.Equal(back.Preview(3), table.Preview(3)) {
		t.Error("a retype must be undone by another", err)
	}
	_, err = table.Retype("b", Float)
	if fed.KindOf(err) != fed.Invalid || !strings.Contains(err.Error(), `column "b", row 1: "x"`) {
		t.Errorf("wrong cell: %v", err)
	}
	if _, err := table.Retype("c", Int); fed.KindOf(err) != fed.NotFound {
		t.Errorf("absent column: %v", err)
	}
	if z, err := rows(t, "a", "007", "12").Retype("a", Int); err != nil || z.Columns[0].values[0] != 7 {
		t.Errorf("a person may read codes as numbers: %v", err)
	}
}

// TestBuilderKeepsCells: whatever is appended comes back in its one spelling,
// in any order of numbers and texts.
func TestBuilderKeepsCells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.OneOf(rapid.StringMatching(`-?[0-9]{1,6}(\.[0-9]{1,4})?`), rapid.StringMatching(`[a-z]{1,5}`), rapid.SampledFrom([]string{"", "?", "NA", "true", "2020-01-01"}))
		cells := rapid.SliceOfN(cell, 1, 40).Draw(t, "cells")
		b := NewBuilder("t", []string{"c"})
		for _, s := range cells {
			b.Append(Record{Text: []byte(s), Spans: [][2]int32{{0, int32(len(s))}}})
		}
		c := b.Table().Columns[0]
		for i, s := range cells {
			got, ok := c.Text(i)
			_, kind := readCell([]byte(s))
			if missing := kind == cellMissing || kind == cellNonFinite; ok == missing {
				t.Fatalf("cell %d %q: present %v", i, s, ok)
			}
			if ok && got != canonical(s) {
				t.Fatalf("cell %d %q reads %q as %s", i, s, got, c.Type)
			}
		}
	})
}

func TestProfile(t *testing.T) {
	table := rows(t, "age,sex,outcome", "30,f,no", "40,m,yes", "50,f,yes", "?,m,no", "40,m,yes")
	p := NewProfile(table, "", nil)
	if p.Target != "outcome" || p.Task != fed.TaskClassify || !cmp.Equal(p.Classes, []string{"no", "yes"}) || !cmp.Equal(p.ClassCounts, []int{2, 3}) {
		t.Errorf("target %q, classes %v %v", p.Target, p.Classes, p.ClassCounts)
	}
	age := p.Column("age")
	// 30 40 50 40: mean 40, squares 100+0+100+0 over 3.
	if age.Mean != 40 || math.Abs(float64(age.SD)-math.Sqrt(200./3)) > 1e-12 || age.Median != 40 || age.Q25 != 37.5 || age.Missing != 1 || age.Distinct != 3 {
		t.Errorf("age %+v", age)
	}
	if diff := cmp.Diff([]int{1, 0}, age.Histogram[0].Counts); diff != "" {
		t.Error("bar of 30:", diff)
	}
	if p.Duplicates != 1 {
		t.Errorf("%d duplicates, want 1: (40, m, yes) twice", p.Duplicates)
	}
}

// TestFindings plants one fault per column and wants each to be found.
func TestFindings(t *testing.T) {
	var lines []string
	for i := range 60 {
		y := i % 2
		lines = append(lines, strings.Join([]string{
			NumberText(float64(1000 + i)),                 // counts up
			"user" + NumberText(float64(i)) + "@mail.org", // email
			"5", // constant
			NumberText(float64(10*y) + float64(i%7)/10), // leak
			NumberText(float64(i * i % 41)),             // fine
			NumberText(float64(i % 4)),                  // codes
			NumberText(float64(y)),
		}, ","))
	}
	table := rows(t, "row,contact,site,late,bp,cp,target", lines...)
	p := NewProfile(table, "", nil)
	for column, want := range map[string]string{"row": "identifier", "contact": "direct identifiers (email)", "site": "one value", "late": "alone predicts"} {
		found := false
		for _, f := range p.Findings {
			found = found || f.Column == column && strings.Contains(f.Text, want) && f.Why != "" && f.Remedy != ""
		}
		if !found {
			t.Errorf("%s: no finding %q in %+v", column, want, p.Findings)
		}
	}
	for _, f := range p.Findings {
		if f.Column == "bp" || f.Column == "cp" {
			t.Errorf("a harmless column has a finding: %+v", f)
		}
	}
	if diff := cmp.Diff([]string{"row", "contact", "site", "late"}, p.Proposal.Drop); diff != "" {
		t.Error("proposed drop list:", diff)
	}
	if diff := cmp.Diff([]string{"cp"}, p.Proposal.Categorical); diff != "" {
		t.Error("proposed categories:", diff)
	}
	one := NewProfile(rows(t, "a,target", "1,0", "2,0"), "target", map[string]string{"0": "no", "1": "yes"})
	if one.Findings[0].Text != "all rows have the same outcome" {
		t.Errorf("one class: %+v", one.Findings)
	}
}

func TestAUC(t *testing.T) {
	// Scores 1..6 of positives {2,4,6,7,8} against negatives; by hand: of 25
	// pairs the positive is higher in 15 and equal in 2: (15 + 1)/25.
	var lines []string
	for _, v := range []string{"2", "4", "6", "7", "8"} {
		lines = append(lines, v+",1")
	}
	for _, v := range []string{"1", "2", "5", "7", "9"} {
		lines = append(lines, v+",0")
	}
	p := NewProfile(rows(t, "x,target", lines...), "", nil)
	pairs := 0.0
	for _, a := range []float64{2, 4, 6, 7, 8} {
		for _, b := range []float64{1, 2, 5, 7, 9} {
			switch {
			case a > b:
				pairs++
			case a == b:
				pairs += .5
			}
		}
	}
	if got := float64(p.Column("x").Leak); math.Abs(got-pairs/25) > 1e-12 {
		t.Errorf("AUC %v, the pairs give %v", got, pairs/25)
	}
}

func TestWithout(t *testing.T) {
	all := rows(t, "a,b,c", "1,x,2", "3,y,4")
	some := all.Without("b", "nothing")
	if diff := cmp.Diff([]string{"a", "c"}, some.Names()); diff != "" || some.Rows() != 2 || some.Column("b") != nil {
		t.Errorf("%s, %d rows", diff, some.Rows())
	}
	if v, ok := some.Column("c").Number(1); !ok || v != 4 || all.Column("b") == nil {
		t.Errorf("column c reads %v, %v; the first table has %v", v, ok, all.Names())
	}
}
