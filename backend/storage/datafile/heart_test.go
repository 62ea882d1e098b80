package datafile_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/storage/datafile"
)

var hospitals = []string{"cleveland", "hungarian", "switzerland", "va"}

// dataFolder is the folder of public data files; the test skips without it.
func dataFolder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SYNERGOS_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the public data files are not here; set SYNERGOS_DATA to their folder")
	}
	return dir
}

func load(t *testing.T, path string) (*dataset.Table, *datafile.Report) {
	t.Helper()
	table, rep, err := datafile.Load(context.Background(), path, datafile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return table, rep
}

func heartConfig() fed.RunConfig {
	return fed.RunConfig{Version: 1, Task: fed.TaskClassify, Target: "target",
		Labels:      map[string]string{"0": "no", "1": "yes", "2": "yes", "3": "yes", "4": "yes"},
		Categorical: []string{"cp", "restecg"}, Test: fed.TestSplit{Fraction: .2, Seed: 7}}
}

// TestHeartFilesLoad checks rows, types and missing cells against the counts of
// a plain text count of the files ("?" or empty).
func TestHeartFilesLoad(t *testing.T) {
	dir := dataFolder(t)
	want := map[string]struct {
		rows    int
		missing map[string]int
		classes [2]int
	}{
		"cleveland":   {303, map[string]int{"ca": 4, "thal": 2, "age": 0}, [2]int{164, 139}},
		"hungarian":   {294, map[string]int{"trestbps": 1, "chol": 23, "fbs": 8, "slope": 190, "ca": 291, "thal": 266}, [2]int{188, 106}},
		"switzerland": {123, map[string]int{"fbs": 75, "oldpeak": 6, "ca": 118, "thal": 52, "chol": 0}, [2]int{8, 115}},
		"va":          {200, map[string]int{"trestbps": 56, "thalach": 53, "ca": 198, "thal": 166}, [2]int{51, 149}},
	}
	for _, h := range hospitals {
		table, rep := load(t, filepath.Join(dir, "heart", "processed."+h+".data"))
		w := want[h]
		if table.Rows() != w.rows || len(table.Columns) != 14 || rep.BadRows != 0 || rep.Delimiter != "comma" || !rep.Header {
			t.Errorf("%s: %d rows, %d columns, %d bad, report %+v", h, table.Rows(), len(table.Columns), rep.BadRows, rep)
		}
		for col, n := range w.missing {
			if got := table.Column(col).MissingCount(); got != n {
				t.Errorf("%s: %s has %d missing cells, want %d", h, col, got, n)
			}
		}
		p := dataset.NewProfile(table, "", heartConfig().Labels)
		if p.Target != "target" || p.Task != fed.TaskClassify || len(p.ClassCounts) != 2 || [2]int(p.ClassCounts) != w.classes {
			t.Errorf("%s: target %q, task %q, classes %v %v", h, p.Target, p.Task, p.Classes, p.ClassCounts)
		}
		if c := p.Column("oldpeak"); c.Type != dataset.Float || c.Histogram == nil {
			t.Errorf("%s: oldpeak is %s", h, c.Type)
		}
		if c := table.Column("cp"); c.Type != dataset.Int {
			t.Errorf("%s: cp is %s", h, c.Type)
		}
	}
}

// align offers, proposes and drafts, the rest of what parties do together.
func align(t *testing.T, tables map[string]*dataset.Table, cfg fed.RunConfig) (*dataset.Preparation, map[string]*dataset.Rows) {
	t.Helper()
	offers := map[string]*dataset.Offer{}
	for name, table := range tables {
		o, err := dataset.MakeOffer(table, cfg, 10)
		if err != nil {
			t.Fatal(err)
		}
		b, err := o.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if offers[name], err = dataset.ParseOffer(b); err != nil {
			t.Fatal(err)
		}
	}
	a, err := dataset.Propose(offers, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Matches) > 0 {
		t.Fatalf("matches proposed between equal names: %+v", a.Matches)
	}
	draft, err := a.Draft()
	if err != nil {
		t.Fatal(err)
	}
	stats, rows := map[string]*dataset.Stats{}, map[string]*dataset.Rows{}
	for name, table := range tables {
		if rows[name], err = dataset.Split(table, draft, cfg, name, dataset.Local{}); err != nil {
			t.Fatal(err)
		}
		if stats[name], err = dataset.LocalStats(table, draft, rows[name].Train, dataset.Local{}, 10); err != nil {
			t.Fatal(err)
		}
	}
	prep, _, err := draft.Finish(stats)
	if err != nil {
		t.Fatal(err)
	}
	return prep, rows
}

// TestHeartFilesAlign is the whole way of the four hospitals, whose missing
// columns differ, to inputs of one shape.
func TestHeartFilesAlign(t *testing.T) {
	dir := dataFolder(t)
	tables := map[string]*dataset.Table{}
	for _, h := range hospitals {
		tables[h], _ = load(t, filepath.Join(dir, "heart", "processed."+h+".data"))
	}
	prep, rows := align(t, tables, heartConfig())
	t.Log(prep.Features)
	if prep.Inputs() != 16 {
		t.Errorf("%d inputs, want 11 numbers and 3 + 2 indicators", prep.Inputs())
	}
	if got := prep.Column("chol").Mean; !got.Finite() || got < 150 || got > 250 {
		t.Errorf("federated mean of chol %v", got)
	}
	for _, h := range hospitals {
		r := rows[h]
		if r.Report.NoLabel != 0 || r.Report.Train+r.Report.Valid+r.Report.Test != tables[h].Rows() {
			t.Errorf("%s: %+v", h, r.Report)
		}
		x, err := prep.Apply(tables[h], r.Train, dataset.Local{})
		if err != nil {
			t.Fatal(err)
		}
		y, err := prep.Labels(tables[h], r.Train, dataset.Local{})
		if err != nil {
			t.Fatal(err)
		}
		if len(x) != len(r.Train)*prep.Inputs() || len(y) != len(r.Train) {
			t.Errorf("%s: shapes %d and %d for %d rows", h, len(x), len(y), len(r.Train))
		}
		for i, v := range x {
			if math.IsNaN(float64(v)) || math.Abs(float64(v)) > 20 {
				t.Fatalf("%s: row %d, %s is %v", h, i/prep.Inputs(), prep.Features[i%prep.Inputs()], v)
			}
		}
	}
}

// TestFedHeartPublishedSplit reproduces the published preparation: 13 features
// and the train/test counts of FLamby's Fed-Heart-Disease.
func TestFedHeartPublishedSplit(t *testing.T) {
	dir := dataFolder(t)
	tables := map[string]*dataset.Table{}
	for _, h := range hospitals {
		tables[h], _ = load(t, filepath.Join(dir, "fed-heart", h+".csv"))
		if p := dataset.NewProfile(tables[h], "", nil); p.Proposal.Test.Column != "split" || p.Proposal.Test.Value != "test" {
			t.Errorf("%s: proposed test split %+v", h, p.Proposal.Test)
		}
	}
	cfg := fed.RunConfig{Version: 1, Task: fed.TaskClassify, Target: "target", Categorical: []string{"cp", "restecg"}, Scaling: dataset.ScalePerParty,
		Missing: "drop_rows", Test: fed.TestSplit{Column: "split", Value: "test"}, Validation: &fed.Validation{}}
	prep, rows := align(t, tables, cfg)
	if prep.Inputs() != 13 {
		t.Fatalf("features %v", prep.Features)
	}
	want := map[string][2]int{"cleveland": {199, 104}, "hungarian": {172, 89}, "switzerland": {30, 16}, "va": {85, 45}}
	for _, h := range hospitals {
		r := rows[h]
		if [2]int{len(r.Train), len(r.Test)} != want[h] || len(r.Valid) != 0 {
			t.Errorf("%s: split %d/%d/%d", h, len(r.Train), len(r.Valid), len(r.Test))
		}
		scaler, err := prep.FitLocal(tables[h], r.Train, dataset.Local{})
		if err != nil {
			t.Fatal(err)
		}
		x, err := prep.Apply(tables[h], r.Train, dataset.Local{Scaler: scaler})
		if err != nil {
			t.Fatal(err)
		}
		checkStandard(t, h, x, prep.Inputs())
		if _, err := prep.Apply(tables[h], r.Train, dataset.Local{}); fed.KindOf(err) != fed.Invalid {
			t.Errorf("%s: without a scaler: %v", h, err)
		}
	}
}

// checkStandard wants mean 0 and unbiased variance 1, or 0 where a feature is
// constant (chol in Switzerland), within float32 rounding.
func checkStandard(t *testing.T, h string, x []float32, d int) {
	t.Helper()
	n := len(x) / d
	for j := range d {
		var sum, sq float64
		for i := range n {
			v := float64(x[i*d+j])
			sum += v
			sq += v * v
		}
		variance := sq / float64(n-1)
		if math.Abs(sum) > 1e-4 || math.Abs(variance-1) > 1e-4 && variance != 0 {
			t.Errorf("%s: feature %d has sum %v and variance %v", h, j, sum, variance)
		}
	}
}
