package dataset

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

// made builds a table whose columns have the given counts per value; rows are
// dealt column by column, missing last.
func made(t interface{ Fatal(...any) }, names []string, counts [][]int, missing []int, numeric []bool) *Table {
	n := 0
	for j := range counts {
		m := missing[j]
		for _, k := range counts[j] {
			m += k
		}
		n = max(n, m)
	}
	cells := make([][]string, n)
	for i := range cells {
		cells[i] = make([]string, len(names))
	}
	for j := range counts {
		i := 0
		for v, k := range counts[j] {
			for range k {
				cells[i][j] = "value" + strconv.Itoa(v)
				if numeric[j] {
					cells[i][j] = strconv.Itoa(v)
				}
				i++
			}
		}
	}
	table, err := FromRows("t", names, cells)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestNoSmallCellLeaves: no category below the floor is named, every published
// count is at least the floor and a rounded one.
func TestNoSmallCellLeaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(10, 15).Draw(t, "k")
		counts := rapid.SliceOfN(rapid.IntRange(0, 40), 1, 8).Draw(t, "counts")
		numeric := rapid.Bool().Draw(t, "numeric")
		table := made(t, []string{"c", "pad"}, [][]int{counts, {60}}, []int{rapid.IntRange(0, 15).Draw(t, "missing"), 0}, []bool{numeric, false})
		d := Disclose(NewProfile(table, "", nil), DiscloseOptions{Levels: map[string]Level{"c": LevelFull}, Floor: k, ExactRows: rapid.Bool().Draw(t, "exact")})
		if len(d.Columns) != 1 {
			t.Fatalf("columns %+v", d.Columns)
		}
		if cells := d.Columns[0].Categories; len(cells) == 1 {
			t.Fatalf("one cell alone: %+v", cells)
		}
		for _, cell := range d.Columns[0].Categories {
			n, err := strconv.Atoi(cell.Count)
			if err != nil || n%d.Columns[0].Rounding != 0 || d.Columns[0].Rounding < 10 {
				t.Fatalf("published count %q", cell.Count)
			}
			if cell.Name == "other values" {
				continue
			}
			v, err := strconv.Atoi(strings.TrimPrefix(cell.Name, "value"))
			if err != nil || counts[v] < k {
				t.Fatalf("value %q with %d rows is named", cell.Name, counts[v])
			}
		}
		b, err := json.Marshal(d)
		if err != nil || strings.Contains(string(b), "NaN") {
			t.Fatal(err)
		}
	})
}

// TestSmallCountsCannotBeComputed plays the attacker of the whole release, who
// knows the rules: it tries every number of rows and of missing cells against the
// row count or band, the published counts and the missing bands of all columns.
// A number of missing cells below the floor must stay possible from 0 to floor-1.
func TestSmallCountsCannotBeComputed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cols := rapid.IntRange(1, 4).Draw(t, "columns")
		n := rapid.IntRange(20, 400).Draw(t, "rows")
		cells := make([][]string, n)
		for i := range cells {
			cells[i] = make([]string, cols)
		}
		names := make([]string, cols)
		levels := map[string]Level{}
		for j := range names {
			names[j] = fmt.Sprintf("c%d", j)
			levels[names[j]] = LevelFull
			missing := rapid.SampledFrom([]int{0, 1, 3, 9, 10, 12, n / 4}).Draw(t, "missing")
			first := rapid.IntRange(0, n).Draw(t, "first")
			second := rapid.IntRange(0, 12).Draw(t, "second")
			for i := missing; i < n; i++ {
				switch {
				case i < first:
					cells[i][j] = "a"
				case i < first+second:
					cells[i][j] = "b"
				default:
					cells[i][j] = "c"
				}
			}
		}
		table, err := FromRows("t", names, cells)
		if err != nil {
			t.Fatal(err)
		}
		exact := rapid.Bool().Draw(t, "exact")
		d := Disclose(NewProfile(table, "", nil), DiscloseOptions{Levels: levels, ExactRows: exact})
		attack(t, table, d)
	})
}

// interval of whole numbers, both ends included.
type interval struct{ lo, hi int }

func attack(t *rapid.T, table *Table, d *Disclosure) {
	k := d.Floor
	rows := interval{d.Rows, d.Rows}
	if d.Rows == 0 {
		rows = publicBand(d.RowBand)
	}
	// published totals of present cells, each count within its rounding
	totals := make([]interval, len(d.Columns))
	for i, c := range d.Columns {
		base := c.Rounding
		for _, cell := range c.Categories {
			v, _ := strconv.Atoi(cell.Count)
			totals[i].lo += v - base/2
			totals[i].hi += v + base/2 - 1
		}
	}
	// which numbers of missing cells agree with everything, over all numbers of
	// rows that agree with every column
	possible := make([]map[int]bool, len(d.Columns))
	for i := range possible {
		possible[i] = map[int]bool{}
	}
	for n := rows.lo; n <= rows.hi; n++ {
		fit := make([][]int, len(d.Columns))
		for i, c := range d.Columns {
			for m := 0; m <= n; m++ {
				counted := c.Rounding == 0 || n-m >= totals[i].lo && n-m <= totals[i].hi
				if counted && missingBand(m, n, k) == c.MissingBand {
					fit[i] = append(fit[i], m)
				}
			}
		}
		if slices.ContainsFunc(fit, func(m []int) bool { return len(m) == 0 }) {
			continue
		}
		for i := range fit {
			for _, m := range fit[i] {
				possible[i][m] = true
			}
		}
	}
	for i, c := range d.Columns {
		if m := table.Column(c.Name).MissingCount(); !possible[i][m] {
			t.Fatalf("the attack is wrong: column %s has %d missing cells", c.Name, m)
		}
		for m := 0; m < k && c.MissingBand == "<10 rows"; m++ {
			if !possible[i][m] {
				t.Fatalf("column %s cannot have %d missing cells, by rows %v and %+v", c.Name, m, rows, d.Columns)
			}
		}
	}
}

func publicBand(name string) interval {
	for i, b := range rowBandNames {
		if b == name {
			lo, hi := bandRange(rowBands[i])
			return interval{lo, hi}
		}
	}
	panic(name)
}

func TestDiscloseLevels(t *testing.T) {
	var cells [][]string
	for i := range 120 {
		cells = append(cells, []string{strconv.Itoa(40 + i%37), "person" + strconv.Itoa(i) + "@mail.org", strconv.Itoa(i % 2), strconv.Itoa(90000 + i*i), "a long note of the ward round, number " + strconv.Itoa(i*7919)})
	}
	table, err := FromRows("t", []string{"age", "contact", "sex", "patient_id", "note"}, cells)
	if err != nil {
		t.Fatal(err)
	}
	p := NewProfile(table, "sex", nil)
	all := map[string]Level{"age": LevelFull, "contact": LevelFull, "sex": LevelFull, "patient_id": LevelFull, "note": LevelFull}
	d := Disclose(p, DiscloseOptions{Levels: all})
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"mail.org", "ward", "90000", "\"rows\":120"} {
		if strings.Contains(string(b), secret) {
			t.Errorf("%q leaves in %s", secret, b)
		}
	}
	if d.RowBand != "100-249" || len(d.Columns) != 4 || len(d.Hidden) != 4 {
		t.Errorf("%+v", d)
	}
	age := d.Columns[0]
	if age.Name != "age" || age.P01 < 40 || age.P99 > 76 || len(age.Histogram) < 2 || !age.Mean.Finite() {
		t.Errorf("age %+v", age)
	}
	if none := Disclose(p, DiscloseOptions{}); len(none.Columns) != 0 {
		t.Errorf("without a level nothing leaves: %+v", none.Columns)
	}
	coarse := Disclose(p, DiscloseOptions{Levels: map[string]Level{"age": LevelCoarse}})
	if c := coarse.Columns[0]; c.Mean.Finite() || c.Histogram != nil || c.Type != Int || c.MissingBand != "<10 rows" {
		t.Errorf("coarse %+v", c)
	}
}

func TestRowBand(t *testing.T) {
	for n, want := range map[int]string{0: "<50", 49: "<50", 50: "50-99", 99: "50-99", 100: "100-249", 999: "250-999", 1000: "1k-9k", 2_000_000: "1M+"} {
		if got := RowBand(n); got != want {
			t.Errorf("%d rows are in band %q, want %q", n, got, want)
		}
	}
}

// TestOneExtremeValueDoesNotShow: the card of 300 rows is the same whatever the
// largest of them is, so nothing of it can be read from mean, deviation or any other
// figure; nor from an offer.
func TestOneExtremeValueDoesNotShow(t *testing.T) {
	leaves := func(extreme string) (*Disclosure, string) {
		cells := make([][]string, 300)
		for i := range cells {
			cells[i] = []string{strconv.Itoa(180 + i*7%90), strconv.Itoa(i % 2)}
		}
		cells[17][0] = extreme
		table, err := FromRows("t", []string{"chol", "outcome"}, cells)
		if err != nil {
			t.Fatal(err)
		}
		d := Disclose(NewProfile(table, "outcome", nil), DiscloseOptions{Levels: map[string]Level{"chol": LevelFull}, ExactRows: true})
		offer, err := MakeOffer(table, fed.RunConfig{Task: fed.TaskClassify, Target: "outcome"}, 10)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(map[string]any{"card": d, "offer": offer})
		if err != nil {
			t.Fatal(err)
		}
		return d, string(b)
	}
	d, with := leaves("987654321")
	if _, other := leaves("270"); with != other {
		t.Errorf("the extreme value changes what leaves:\n%s\n%s", with, other)
	}
	c := d.Columns[0]
	for what, v := range map[string]fed.Number{"mean": c.Mean, "sd": c.SD, "p99": c.P99} {
		if !v.Finite() || v > 300 {
			t.Errorf("%s is %v", what, v)
		}
	}
	if c.Mean < 200 || c.Mean > 250 || c.SD < 20 || c.SD > 30 {
		t.Errorf("mean %v, sd %v: the figures of the other rows are 224 and 26", c.Mean, c.SD)
	}
}
