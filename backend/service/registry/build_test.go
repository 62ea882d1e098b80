package registry

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/metric"
)

var update = flag.Bool("update", false, "write testdata anew")

// testdata/heart is the folder that package serving loads in its own test.
func TestFolderIsTheGoldenOne(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta")
	m, files, err := Build(w.input(1))
	must(t, err)
	dir := filepath.Join("testdata", "heart")
	if *update {
		must(t, os.MkdirAll(dir, 0o755))
		for path, raw := range files {
			must(t, os.WriteFile(filepath.Join(dir, path), raw, 0o644))
		}
	}
	for path, raw := range files {
		want, err := os.ReadFile(filepath.Join(dir, path))
		must(t, err)
		if !bytes.Equal(raw, want) {
			t.Errorf("%s differs:\n%s", path, cmp.Diff(string(want), string(raw)))
		}
	}
	if len(m.Files) != 9 || !bytes.Equal(files[FileParams], w.input(1).Params) {
		t.Errorf("files %v", m.Files)
	}
	id, err := ContentID(m)
	must(t, err)
	if id != "sha256:"+string(fed.DigestOf(files[FileManifest])) || !ValidContentID(id) {
		t.Errorf("content id %s", id)
	}
}

// Two machines that build the same input get the same id; anything changed in
// what a version is gives another one.
func TestContentIDNamesEverything(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta")
	id := func(change func(*BuildInput)) string {
		in := w.input(1)
		change(&in)
		m, _, err := Build(in)
		must(t, err)
		s, err := ContentID(m)
		must(t, err)
		return s
	}
	base := id(func(*BuildInput) {})
	if again := id(func(in *BuildInput) { slices.Reverse(in.Parties) }); again != base {
		t.Error("the order in which parties are given has a say")
	}
	seen := map[string]string{base: "nothing changed"}
	for name, change := range map[string]func(*BuildInput){
		"a flipped byte of the params": func(in *BuildInput) {
			in.Params = bytes.Clone(in.Params)
			in.Params[len(in.Params)-1] ^= 1
			in.End.Params = fed.DigestOf(in.Params)
		},
		"a renamed column": func(in *BuildInput) {
			in.Pipeline = bytes.ReplaceAll(in.Pipeline, []byte("vessels"), []byte("vassels"))
			in.Fields[2].Name = "vassels"
		},
		"swapped classes":    func(in *BuildInput) { in.Classes = []string{"disease", "healthy"} },
		"another model name": func(in *BuildInput) { in.Model = "heart2" },
		"another metric":     func(in *BuildInput) { in.Metrics.Pooled["auc"] = .91 },
		"another parent":     func(in *BuildInput) { in.Parents = []string{"sha256:" + string(fed.DigestOf(nil))} },
		"another card":       func(in *BuildInput) { in.Card.Limits = "none known" },
		"another time":       func(in *BuildInput) { in.CreatedMs++ },
	} {
		got := id(change)
		if seen[got] != "" {
			t.Errorf("%s has the id of %s", name, seen[got])
		}
		seen[got] = name
	}
}

func TestBuildRefuses(t *testing.T) {
	w := newWorld(t, "Alpha")
	for name, c := range map[string]struct {
		change func(*BuildInput)
		kind   fed.Kind
	}{
		"a name with a slash":   {func(in *BuildInput) { in.Model = "a/b" }, fed.Invalid},
		"a run that failed":     {func(in *BuildInput) { in.End.State = "failed" }, fed.Invalid},
		"other params":          {func(in *BuildInput) { in.Params = append(in.Params, 0) }, fed.Corrupt},
		"params of another d":   {func(in *BuildInput) { in.Features = 5 }, fed.Incompatible},
		"a pipeline that isn't": {func(in *BuildInput) { in.Pipeline = []byte("{") }, fed.Invalid},
		"nobody's data":         {func(in *BuildInput) { in.Parties = nil }, fed.Invalid},
		"an unknown family":     {func(in *BuildInput) { in.Run.Config.Model.Family = "forest" }, fed.Invalid},
	} {
		in := w.input(1)
		c.change(&in)
		_, _, err := Build(in)
		if err == nil || fed.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExampleRowsAreSyntheticAndInRange(t *testing.T) {
	w := newWorld(t, "Alpha")
	in := w.input(1)
	rows := exampleRows(in.Fields)
	if len(rows) < 5 || len(rows) > 20 {
		t.Fatalf("%d rows", len(rows))
	}
	seen, missing := map[any]bool{}, 0
	for i, row := range rows {
		age, ok := row["age"].(float64)
		if !ok || age < 29 || age > 77 {
			t.Errorf("row %d: a required column has %v", i, row["age"])
		}
		for _, f := range in.Fields[1:] {
			v, ok := row[f.Name]
			if !ok {
				missing++
				continue
			}
			if !slices.Contains(f.Values, v.(string)) {
				t.Errorf("row %d: %s has %v", i, f.Name, v)
			}
			seen[f.Name+v.(string)] = true
		}
	}
	if len(seen) != 5 || missing == 0 || rows[0]["age"] != 54.0 {
		t.Errorf("categories %v, %d missing, first %v", seen, missing, rows[0])
	}
}

func TestCardIsFilledIn(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta")
	in := w.input(1)
	in.Card = CardInput{IntendedUse: "Screening in trials.", Contact: "Dr. Ada"}
	_, files, err := Build(in)
	must(t, err)
	card := string(files[FileCard])
	for _, want := range []string{"## Intended use\n\nScreening in trials.", "## Limits\n\nMeasured on held-out rows", "## Contact\n\nDr. Ada", "| Alpha | Alpha / records | 100-199 |",
		"20 rounds of averaging (FedAvg)", "went through its training rows once,", "The model is that of round 17, which had the lowest validation loss.", "| All test rows | 16 | 0.8125 | 0.9 |", "| Alpha | 0.5 |", "A row is called disease from a probability of 0.5"} {
		if !strings.Contains(card, want) {
			t.Errorf("the card lacks %q:\n%s", want, card)
		}
	}
	var l Lineage
	must(t, json.Unmarshal(files[FileLineage], &l))
	if l.Seed != "9223372036854775813" || l.Round != 17 || len(l.Parties) != 2 {
		t.Errorf("lineage %+v", l)
	}
}

// Without validation rows no round was chosen.
func TestCardClaimsNoChoiceWithoutValidation(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta")
	in := w.input(1)
	in.Run.Config.Validation, in.Run.Config.Train.Epochs = nil, 3
	in.End.Best = in.End.Rounds
	_, files, err := Build(in)
	must(t, err)
	card := string(files[FileCard])
	for _, want := range []string{"The model is that of round 20, the last one.", "went through its training rows 3 times,"} {
		if !strings.Contains(card, want) {
			t.Errorf("the card lacks %q:\n%s", want, card)
		}
	}
}

func TestFiguresOf(t *testing.T) {
	sums := func(n, correct int64, loss float64) fed.Sums {
		s := metric.New(2)
		s.Examples, s.Correct, s.Loss, s.Confusion = n, correct, loss, []int64{correct, n - correct, 0, 0}
		s.Scores[0] = n
		return s
	}
	alone := sums(10, 5, 10)
	m, err := FiguresOf(fed.TaskClassify, 2, []fed.RunResult{{Name: "Alpha", Train: 90, Test: sums(10, 9, 2), Alone: &alone}, {Name: "Beta", Train: 30, Test: sums(30, 15, 30)}})
	must(t, err)
	if m.Pooled["accuracy"] != .6 || m.Macro["accuracy"] != .7 || m.Worst["accuracy"] != .5 || m.Worst["logLoss"] != 1 || m.Pooled["logLoss"] != .8 {
		t.Errorf("%+v", m)
	}
	if (*m.Parties[0].Alone)["accuracy"] != .5 || m.Parties[1].Alone != nil || m.Parties[0].Test != 10 {
		t.Errorf("%+v", m.Parties)
	}
	shy := sums(30, 15, 30)
	shy.Confusion, shy.Scores = nil, nil // tells nothing per class
	m, err = FiguresOf(fed.TaskClassify, 2, []fed.RunResult{{Name: "Alpha", Test: sums(10, 9, 2), Alone: &fed.Sums{}}, {Name: "Beta", Test: shy}})
	must(t, err)
	if _, mean := m.Macro["balancedAccuracy"]; mean || m.Worst["balancedAccuracy"] != .9 || m.Macro["accuracy"] != .7 || m.Parties[0].Alone != nil {
		t.Errorf("a figure that one party leaves undefined: %+v", m)
	}
}
