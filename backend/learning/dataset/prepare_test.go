package dataset

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

// three parties with different columns, types and spellings.
func parties(t testing.TB) (map[string]*Table, fed.RunConfig) {
	t.Helper()
	var a, b, c [][]string
	for i := range 80 {
		y := i * 7 % 3
		age, bp := strconv.Itoa(30+i%40), strconv.Itoa(100+(i*13)%50)
		site := []string{"x", "y", "y", "z"}[i%4]
		a = append(a, []string{age, bp, site, strconv.Itoa(y)})
		b = append(b, []string{strconv.FormatFloat(float64(y), 'f', 1, 64), age + ".5", site})
		c = append(c, []string{age, site, strconv.Itoa(y), "?"})
	}
	out := map[string]*Table{}
	for name, d := range map[string]struct {
		header string
		rows   [][]string
	}{"alpha": {"age,bp,site,target", a}, "beta": {"target,age,site", b}, "gamma": {"age,site,target,bp", c}} {
		table, err := FromRows(name, strings.Split(d.header, ","), d.rows)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = table
	}
	return out, fed.RunConfig{Version: 1, Task: fed.TaskClassify, Target: "target", Labels: map[string]string{"0.0": "no", "1": "yes", "2": "yes"}, Test: fed.TestSplit{Fraction: .25, Seed: 3}}
}

func offersOf(t testing.TB, tables map[string]*Table, cfg fed.RunConfig) map[string]*Offer {
	t.Helper()
	out := map[string]*Offer{}
	for name, table := range tables {
		o, err := MakeOffer(table, cfg, 10)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = o
	}
	return out
}

func prepared(t testing.TB, tables map[string]*Table, cfg fed.RunConfig) (*Preparation, map[string]*Rows) {
	t.Helper()
	a, err := Propose(offersOf(t, tables, cfg), cfg)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := a.Draft()
	if err != nil {
		t.Fatal(err)
	}
	stats, rows := map[string]*Stats{}, map[string]*Rows{}
	for name, table := range tables {
		if rows[name], err = Split(table, draft, cfg, name, Local{}); err != nil {
			t.Fatal(err)
		}
		if stats[name], err = LocalStats(table, draft, rows[name].Train, Local{}, 10); err != nil {
			t.Fatal(err)
		}
	}
	p, _, err := draft.Finish(stats)
	if err != nil {
		t.Fatal(err)
	}
	return p, rows
}

func TestPreparation(t *testing.T) {
	tables, cfg := parties(t)
	p, rows := prepared(t, tables, cfg)
	if diff := cmp.Diff([]string{"age", "bp", "site=y", "site=z"}, p.Features); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff([]string{"no", "yes"}, p.Classes); diff != "" {
		t.Error(diff)
	}
	// The federated figures are those of all training rows together.
	var ages []float64
	for name, r := range rows {
		for _, i := range r.Train {
			v, _ := tables[name].Column("age").Number(i)
			ages = append(ages, v)
		}
	}
	mean, sd := meanSD(ages)
	age := p.Column("age")
	if math.Abs(float64(age.Mean)-mean) > 1e-9 || math.Abs(float64(age.SD)-sd) > 1e-9 || age.Type != Float || age.Fill != age.Mean {
		t.Errorf("age %+v, pooled mean %v sd %v", age, mean, sd)
	}
	if site := p.Column("site"); site.FillCategory != "y" || len(site.Categories) != 3 {
		t.Errorf("site %+v", site)
	}
	// beta has no bp and gamma's cells are all missing: both are filled, which is
	// 0 after scaling.
	for _, name := range []string{"beta", "gamma"} {
		x, err := p.Apply(tables[name], []int{0, 1}, Local{})
		if err != nil || x[1] != 0 || x[5] != 0 || len(x) != 8 {
			t.Errorf("%s: %v %v", name, x, err)
		}
	}
	x, err := p.Apply(tables["alpha"], []int{1, 3}, Local{})
	if err != nil {
		t.Fatal(err)
	}
	want := []float32{float32((31 - mean) / sd), x[1], 1, 0, float32((33 - mean) / sd), x[5], 0, 1}
	if diff := cmp.Diff(want, x); diff != "" {
		t.Error(diff)
	}
	y, err := p.Labels(tables["beta"], []int{0, 1, 2}, Local{})
	if diff := cmp.Diff([]float32{0, 1, 1}, y); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestPreparationTravels(t *testing.T) {
	tables, cfg := parties(t)
	p, _ := prepared(t, tables, cfg)
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	q, err := ParsePreparation(b)
	if err != nil {
		t.Fatal(err)
	}
	d1, _ := p.Digest()
	d2, _ := q.Digest()
	if d1 != d2 || !d1.Valid() || d1 != fed.DigestOf(b) {
		t.Errorf("digests %s and %s", d1, d2)
	}
	for name := range tables {
		if strings.Contains(string(b), name) {
			t.Errorf("the preparation names the party %s", name)
		}
	}
	// every change of a field is refused or changes the digest
	for from, to := range map[string]string{
		`"version":1`: `"version":2`, `"scaling":"federated"`: `"scaling":"sideways"`, `"features":["age"`: `"features":["ages"`,
		`"fillCategory":"y"`: `"fillCategory":"q"`, `"classes":["no","yes"]`: `"classes":["no"]`, `"name":"age"`: `"name":"zage"`,
		`"target":"target"`: `"target":"age"`, `"task":"classify"`: `"task":"cluster"`, `"categories":["x","y","z"]`: `"categories":["y","x","z"]`, `"type":"float"`: `"type":"text"`,
		`"missing":"impute"`: `"missing":"impute","extra":1`,
	} {
		bad := strings.Replace(string(b), from, to, 1)
		if bad == string(b) {
			t.Fatalf("%s is not in %s", from, b)
		}
		if _, err := ParsePreparation([]byte(bad)); fed.KindOf(err) != fed.Invalid {
			t.Errorf("%s was accepted: %v", to, err)
		}
	}
	if _, err := ParsePreparation(append(b, " {}"...)); err == nil {
		t.Error("text after the end was accepted")
	}
	if _, err := ParsePreparation([]byte(strings.Replace(string(b), `"sd":`, `"sd":-`, 1))); err == nil {
		t.Error("a negative deviation was accepted")
	}
}

// TestEncodeIsApply: a row given by name becomes the same numbers as in a table.
func TestEncodeIsApply(t *testing.T) {
	tables, cfg := parties(t)
	p, _ := prepared(t, tables, cfg)
	e, err := p.Encoder(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, table := range tables {
		for i := range table.Rows() {
			row := map[string]any{}
			for _, c := range table.Columns {
				if s, ok := c.Text(i); ok {
					row[c.Name] = s
				} else {
					row[c.Name] = nil
				}
			}
			got, _, err := e.Encode(row)
			if err != nil {
				t.Fatal(err)
			}
			want, err := p.Apply(table, []int{i}, Local{})
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Fatal(name, i, diff, err)
			}
		}
	}
}

func TestEncode(t *testing.T) {
	tables, cfg := parties(t)
	p, _ := prepared(t, tables, cfg)
	e, _ := p.Encoder(nil)
	kinds := func(row map[string]any) string {
		_, notices, err := e.Encode(row)
		if err != nil {
			return err.Error()
		}
		var out []string
		for _, n := range notices {
			out = append(out, n.Column+":"+n.Kind)
		}
		return strings.Join(out, " ")
	}
	for _, c := range []struct {
		row  map[string]any
		want string
	}{
		{map[string]any{"age": 50.0, "bp": 120, "site": "y"}, ""},
		{map[string]any{"age": "50", "bp": json.Number("120"), "site": "y", "target": 1}, ""},
		{map[string]any{"age": nil, "site": "?"}, "age:missing bp:missing site:missing"},
		{map[string]any{"age": 500.0, "bp": 120.0, "site": "w", "colour": 1}, "age:range site:unseen colour:unknown"},
		{map[string]any{"age": "old", "bp": 120.0, "site": "x"}, `column "age" holds a text and must hold a number`},
		{map[string]any{"age": []any{}, "bp": 120.0, "site": "x"}, `column "age" holds a list and must hold a number`},
		{map[string]any{"age": 50.0, "bp": 120.0, "site": map[string]any{}}, `column "site" holds a JSON object and must hold one of x, y, z`},
		{map[string]any{"age": math.Inf(1), "bp": 120.0, "site": "x"}, `column "age" holds an infinity and must hold a number`},
		{map[string]any{"age": 1e300, "bp": 120.0, "site": "x"}, `column "age": the number is too large`},
	} {
		if got := kinds(c.row); got != c.want {
			t.Errorf("%v gives %q, want %q", c.row, got, c.want)
		}
	}
	x, _, _ := e.Encode(map[string]any{"age": 50.0, "bp": 120.0, "site": "w"})
	if x[2] != 0 || x[3] != 0 {
		t.Errorf("an unseen category must be all zeros: %v", x)
	}
}

// TestStatsMerge: the figures do not depend on how rows are dealt to parties
// (up to rounding), and hostile sums are refused.
func TestStatsMerge(t *testing.T) {
	p := &Preparation{Version: 1, Draft: true, Task: fed.TaskRegress, Target: "y", Scaling: ScaleFederated, Missing: "impute",
		Columns: []PreparedColumn{{Name: "x", Type: Float, Low: nan, High: nan, Mean: nan, SD: nan, Fill: nan}}, Features: []string{"x"}}
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e3, 1e3), 30, 60).Draw(t, "values")
		cut := rapid.IntRange(0, len(values)).Draw(t, "cut")
		sums := func(v []float64) *Stats {
			s := &Stats{Columns: make([]ColumnStats, 1)}
			for _, x := range v {
				s.Columns[0].Count++
				s.Columns[0].Sum += x
				s.Columns[0].SumSq += x * x
			}
			return s
		}
		q, _, err := p.Finish(map[string]*Stats{"a": sums(values[:cut]), "b": sums(values[cut:])})
		if err != nil {
			t.Fatal(err)
		}
		mean, sd := meanSD(values)
		if c := q.Column("x"); math.Abs(float64(c.Mean)-mean) > 1e-9*1e3 || sd > 1e-3 && math.Abs(float64(c.SD)-sd) > 1e-6*sd+1e-6 {
			t.Fatalf("mean %v sd %v, want %v %v", c.Mean, c.SD, mean, sd)
		}
	})
	for name, c := range map[string]ColumnStats{
		"negative": {Count: -1}, "nan": {Count: 10, Sum: math.NaN()}, "no rows": {Sum: 1}, "impossible": {Count: 10, Sum: 100, SumSq: 10},
		"categories": {Count: 10, Counts: []int64{10}}, "huge": {Count: 1 << 50},
	} {
		if _, _, err := p.Finish(map[string]*Stats{"evil": {Columns: []ColumnStats{c}}}); fed.KindOf(err) != fed.Invalid || !strings.HasPrefix(err.Error(), "evil") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStatsFloor: sums over fewer rows than the floor, rare categories and a
// small two-valued count stay at home.
func TestStatsFloor(t *testing.T) {
	var lines []string
	for i := range 40 {
		rare, few, flag := "a", "", "0"
		if i < 5 {
			rare, few, flag = "b", strconv.Itoa(i), "1"
		}
		lines = append(lines, fmt.Sprintf("%s,%s,%s,%d", rare, few, flag, i%2))
	}
	table := rows(t, "rare,few,flag,y", lines...)
	num := func(n string) PreparedColumn {
		return PreparedColumn{Name: n, Type: Int, Low: nan, High: nan, Mean: nan, SD: nan, Fill: nan}
	}
	p := &Preparation{Version: 1, Draft: true, Columns: []PreparedColumn{num("few"), num("flag"), {Name: "rare", Type: Category, Categories: []string{"a", "b"}}}}
	all := make([]int, 40)
	for i := range all {
		all[i] = i
	}
	s, err := LocalStats(table, p, all, Local{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := []ColumnStats{{}, {}, {Count: 35, Counts: []int64{35, 0}}}
	if diff := cmp.Diff(want, s.Columns); diff != "" {
		t.Error(diff)
	}
}

func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(10, 120).Draw(t, "rows")
		var cells [][]string
		for range n {
			cells = append(cells, []string{rapid.SampledFrom([]string{"1", "2", "?"}).Draw(t, "x"), rapid.SampledFrom([]string{"0", "1", "1", "1", "2", ""}).Draw(t, "y")})
		}
		table, err := FromRows("t", []string{"x", "y"}, cells)
		if err != nil {
			t.Fatal(err)
		}
		missing := rapid.SampledFrom([]string{"impute", "drop_rows"}).Draw(t, "missing")
		cfg := fed.RunConfig{Task: fed.TaskClassify, Target: "y", Missing: missing, Test: fed.TestSplit{Fraction: rapid.Float64Range(0, .9).Draw(t, "fraction"), Seed: rapid.Uint64().Draw(t, "seed")}}
		p := &Preparation{Target: "y", Task: fed.TaskClassify, Classes: []string{"0", "1"}, Missing: missing, Columns: []PreparedColumn{{Name: "x", Type: Int}}}
		r, err := Split(table, p, cfg, "a", Local{})
		if err != nil {
			if len(table.Column("y").texts()) > 1 && missing == "impute" {
				t.Fatal(err)
			}
			return
		}
		again, _ := Split(table, p, cfg, "a", Local{})
		if !cmp.Equal(r, again) {
			t.Fatal("a split must replay")
		}
		seen := map[int]bool{}
		for _, part := range [][]int{r.Train, r.Valid, r.Test} {
			for i, row := range part {
				y, ok := table.Column("y").Text(row)
				if seen[row] || !ok || y == "2" || i > 0 && part[i-1] >= row || missing == "drop_rows" && !table.Column("x").Empty() && table.Column("x").Missing(row) {
					t.Fatalf("row %d does not belong in %v", row, part)
				}
				seen[row] = true
			}
		}
		if len(seen)+r.Report.NoLabel+r.Report.MissingFeature != n {
			t.Fatalf("%d rows used of %d, report %+v", len(seen), n, r.Report)
		}
		for k, y := range []string{"0", "1"} {
			has := false
			for row := range seen {
				s, _ := table.Column("y").Text(row)
				has = has || s == y
			}
			if has && r.Report.TrainClasses[k] == 0 {
				t.Fatalf("class %s has no training row", y)
			}
		}
	})
}

func TestSplitByColumn(t *testing.T) {
	table := rows(t, "x,y,part", "1,0,test", "2,1,train", "3,0,train", "4,1,train", "5,0,train")
	p := &Preparation{Target: "y", Task: fed.TaskClassify, Classes: []string{"0", "1"}, Missing: "impute"}
	cfg := fed.RunConfig{Test: fed.TestSplit{Column: "part", Value: "test"}, Validation: &fed.Validation{}}
	r, err := Split(table, p, cfg, "a", Local{})
	if diff := cmp.Diff([][]int{{1, 2, 3, 4}, {0}}, [][]int{r.Train, r.Test}); diff != "" || err != nil || r.Valid != nil {
		t.Error(diff, err)
	}
	cfg.Test.Column = "absent"
	if _, err := Split(table, p, cfg, "a", Local{}); fed.KindOf(err) != fed.Invalid || fed.HintOf(err) == "" {
		t.Errorf("absent split column: %v", err)
	}
	p.Target = "absent"
	if _, err := Split(table, p, cfg, "a", Local{}); fed.KindOf(err) != fed.Invalid {
		t.Errorf("absent target: %v", err)
	}
}

func FuzzPreparation(f *testing.F) {
	tables, cfg := parties(f)
	p, _ := prepared(f, tables, cfg)
	b, err := p.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1,"draft":true,"task":"regress","target":"y","scaling":"none","missing":"impute","columns":[],"features":[]}`))
	f.Add([]byte(`{"version":1,"columns":[{"name":"a","type":"category","categories":["1","1.0"]}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePreparation(b)
		if err != nil {
			return
		}
		c, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		q, err := ParsePreparation(c)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := q.Marshal(); err != nil || string(c) != string(d) {
			t.Fatalf("%s and %s: %v", c, d, err)
		}
		if e, err := q.Encoder(nil); err == nil {
			if x, _, err := e.Encode(map[string]any{}); err == nil && len(x) != q.Inputs() {
				t.Fatalf("%d values for %d inputs", len(x), q.Inputs())
			}
		}
	})
}

func FuzzOffer(f *testing.F) {
	tables, cfg := parties(f)
	mine := offersOf(f, tables, cfg)
	for _, o := range mine {
		b, err := o.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"version":1,"columns":[{"name":"a","type":"category","role":"feature","categories":["2","10"],"low":null,"high":null}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := ParseOffer(b)
		if err != nil {
			return
		}
		a, err := Propose(map[string]*Offer{"alpha": mine["alpha"], "evil": o}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if a, err = a.Confirm(a.Matches); err != nil {
			t.Fatal(err)
		}
		if p, err := a.Draft(); err == nil {
			if _, err := p.Marshal(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Too few rows to validate on train, so that a small party is not left out.
func TestSplitWithoutValidation(t *testing.T) {
	p := &Preparation{Target: "y", Task: fed.TaskClassify, Classes: []string{"0", "1"}, Missing: "impute"}
	for n, valid := range map[int]int{80: 0, 120: 12} {
		lines := make([]string, n)
		for i := range lines {
			lines[i] = fmt.Sprintf("%d,%d", i, i%2)
		}
		r, err := Split(rows(t, "x,y", lines...), p, fed.RunConfig{Validation: &fed.Validation{Fraction: .1}}, "a", Local{})
		if err != nil || len(r.Valid) != valid || len(r.Train) != n-valid {
			t.Errorf("%d rows: %d train, %d validate, want %d: %v", n, len(r.Train), len(r.Valid), valid, err)
		}
		if err == nil && r.Floor(DefaultFloor) != nil {
			t.Errorf("%d rows: %v", n, r.Floor(DefaultFloor))
		}
	}
}
