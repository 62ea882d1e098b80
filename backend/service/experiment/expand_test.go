package experiment

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gowebpki/jcs"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

func dim(kind string, values ...any) fed.Dimension { return fed.Dimension{Type: kind, Value: values} }

// lifecycle.md 4.2: the cartesian product; the dimensions by name, the last one
// fastest, the values as listed.
func TestGridOrder(t *testing.T) {
	e := question("grid")
	e.Method, e.Space = "grid", map[string]fed.Dimension{
		"strategy": dim("choice", "fedavg"), "lr": dim("choice", 0.2, 0.1), "batch": dim("choice", 8.0, 16.0), "hidden": dim("choice", 0.0, 5.0),
	}
	ts, err := Expand(e)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range ts {
		got = append(got, fmt.Sprintf("%d %s %v %s", x.Config.Train.Batch, x.Config.Model.Family, x.Config.Train.LR, x.Config.Strategy.Name))
	}
	want := []string{
		"8 logistic 0.2 fedavg", "8 logistic 0.1 fedavg", "8 layers 0.2 fedavg", "8 layers 0.1 fedavg",
		"16 logistic 0.2 fedavg", "16 logistic 0.1 fedavg", "16 layers 0.2 fedavg", "16 layers 0.1 fedavg",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s := ts[7].Settings; s["batch"] != "16" || s["hidden"] != "5" || s["lr"] != "0.1" || s["strategy"] != "fedavg" {
		t.Errorf("settings %v", s)
	}
	if l := ts[7].Config.Model.Layers; len(l) != 3 || l[0].Out != 5 || len(e.Config.Model.Layers) != 0 {
		t.Errorf("layers %+v", l)
	}
}

// A trial owns its configuration.
func TestTrialsShareNothing(t *testing.T) {
	e := question("grid")
	e.Config.Drop, e.Config.Labels = []string{"id"}, map[string]string{"0": "no"}
	e.Method, e.Space = "grid", map[string]fed.Dimension{"lr": dim("choice", 0.2, 0.1)}
	ts, err := Expand(e)
	if err != nil {
		t.Fatal(err)
	}
	ts[0].Config.Drop[0], ts[0].Config.Labels["0"] = "x", "x"
	if ts[1].Config.Drop[0] != "id" || e.Config.Drop[0] != "id" || ts[1].Config.Labels["0"] != "no" || e.Config.Labels["0"] != "no" {
		t.Error("a change of one trial shows in another")
	}
}

func TestSettingsSayWhatWasSet(t *testing.T) {
	for v, want := range map[float64]string{123456789: "123456789", 1 << 20: "1048576", 0.1: "0.1", 1e-5: "1e-05", 0.123456789: "0.123457"} {
		if got := text(v); got != want {
			t.Errorf("%v is shown as %q, want %q", v, got, want)
		}
	}
}

func TestRandomIsSeeded(t *testing.T) {
	e := question("random")
	e.Method, e.Trials = "random", 20
	e.Space = map[string]fed.Dimension{"lr": dim("loguniform", 1e-4, 1.0), "batch": dim("randint", 1.0, 65.0), "optimizer": dim("choice", "sgd", "adam")}
	first, err := Expand(e)
	if err != nil || len(first) != 20 {
		t.Fatal(len(first), err)
	}
	if again, _ := Expand(e); !cmp.Equal(first, again) {
		t.Error("the same seed draws other settings")
	}
	small, both := 0, map[string]int{}
	for _, x := range first {
		if x.Config.Train.LR < 1e-2 {
			small++
		}
		both[x.Config.Train.Optimizer]++
	}
	if small < 4 || small > 16 || len(both) != 2 {
		t.Errorf("%d of 20 learning rates lie in the lower half of the logarithmic range, optimizers %v", small, both)
	}
	e.Config.Seed++
	if other, _ := Expand(e); cmp.Equal(first, other) {
		t.Error("another seed draws the same settings")
	}
}

// Every sample lies in its range, integers are whole with an exclusive upper
// bound, stepped ones are multiples of the step.
func TestSamplesStayInRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(samplers[1:]).Draw(t, "kind")
		whole := strings.HasSuffix(kind, "int")
		bound := func(label string) float64 {
			if whole {
				return float64(rapid.IntRange(1, 100).Draw(t, label))
			}
			return rapid.Float64Range(0.001, 100).Draw(t, label)
		}
		lo, hi := bound("lo"), bound("hi")
		if !(lo < hi) {
			t.Skip("no range")
		}
		d := dim(kind, lo, hi)
		q := 0.0
		if strings.HasPrefix(kind, "q") {
			q = bound("step")
			d.Value = append(d.Value, q)
		}
		if err := checkDimension("x", d); err != nil {
			t.Fatal(err)
		}
		v := sampleDimension(d, rapid.Float64Range(0, math.Nextafter(1, 0)).Draw(t, "u")).(float64)
		if v < lo*(1-1e-12) || v > hi*(1+1e-12) || whole && (v >= hi || v != math.Trunc(v)) {
			t.Fatalf("%v gave %v", d, v)
		}
		if kind == "qrandint" && math.Ceil(lo/q)*q < hi && math.Mod(v, q) != 0 {
			t.Fatalf("%v gave %v, no multiple of the step", d, v)
		}
	})
}

func TestExpandRefuses(t *testing.T) {
	many := make([]any, 101)
	for i := range many {
		many[i] = float64(i + 1)
	}
	for what, c := range map[string]struct {
		method string
		space  map[string]fed.Dimension
		names  string
	}{
		"method":            {"tpe", nil, "tpe"},
		"sampler":           {"random", map[string]fed.Dimension{"lr": dim("normal", 0.0, 1.0)}, "normal"},
		"setting":           {"grid", map[string]fed.Dimension{"target": dim("choice", 1.0)}, "target"},
		"no values":         {"grid", map[string]fed.Dimension{"lr": dim("choice")}, "lr"},
		"range in a grid":   {"grid", map[string]fed.Dimension{"lr": dim("uniform", 0.1, 1.0)}, "lr"},
		"one bound":         {"random", map[string]fed.Dimension{"lr": dim("uniform", 0.1)}, "lr"},
		"four bounds":       {"random", map[string]fed.Dimension{"lr": dim("quniform", 0.1, 1.0, 0.1, 0.1)}, "lr"},
		"reversed":          {"random", map[string]fed.Dimension{"lr": dim("uniform", 1.0, 0.1)}, "lr"},
		"not a number":      {"random", map[string]fed.Dimension{"lr": dim("uniform", math.NaN(), 1.0)}, "lr"},
		"text bound":        {"random", map[string]fed.Dimension{"lr": dim("uniform", "0", 1.0)}, "lr"},
		"log of 0":          {"random", map[string]fed.Dimension{"lr": dim("loguniform", 0.0, 1.0)}, "lr"},
		"negative step":     {"random", map[string]fed.Dimension{"lr": dim("quniform", 0.0, 1.0, -0.5)}, "lr"},
		"text as number":    {"grid", map[string]fed.Dimension{"lr": dim("choice", "fast")}, "lr"},
		"number as text":    {"grid", map[string]fed.Dimension{"optimizer": dim("choice", 1.0)}, "optimizer"},
		"list as number":    {"grid", map[string]fed.Dimension{"lr": dim("choice", []any{1.0})}, "lr"},
		"half a row":        {"grid", map[string]fed.Dimension{"batch": dim("choice", 1.5)}, "batch"},
		"negative count":    {"grid", map[string]fed.Dimension{"rounds": dim("choice", -1.0)}, "rounds"},
		"huge count":        {"grid", map[string]fed.Dimension{"epochs": dim("choice", 1e18)}, "epochs"},
		"impossible value":  {"grid", map[string]fed.Dimension{"lr": dim("choice", 0.0)}, "learning rate"},
		"unknown strategy":  {"grid", map[string]fed.Dimension{"strategy": dim("choice", "scaffold")}, "scaffold"},
		"too many":          {"grid", map[string]fed.Dimension{"seed": dim("choice", many...), "rounds": dim("choice", many...)}, "10000"},
		"bad though single": {"single", map[string]fed.Dimension{"lr": dim("normal", 0.0, 1.0)}, "normal"},
	} {
		e := question("x")
		e.Method, e.Space, e.Trials = c.method, c.space, 3
		_, err := Expand(e)
		wantInvalid(t, what, err, c.names)
	}
}

func TestCheckNamesTheSetting(t *testing.T) {
	if err := Check(config()); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(*fed.RunConfig){
		"version": func(c *fed.RunConfig) { c.Version = 2 }, "task": func(c *fed.RunConfig) { c.Task = "rank" },
		"target": func(c *fed.RunConfig) { c.Target = "" }, "rounds": func(c *fed.RunConfig) { c.Rounds = 10_001 },
		"learning rate": func(c *fed.RunConfig) { c.Train.LR = math.NaN() }, "batch": func(c *fed.RunConfig) { c.Train.Batch = 0 },
		"epochs or": func(c *fed.RunConfig) { c.Train.Steps = 1 }, "local work": func(c *fed.RunConfig) { c.Train.Epochs = 10_001 },
		"optimizer": func(c *fed.RunConfig) { c.Train.Optimizer = "lion" }, "strategy": func(c *fed.RunConfig) { c.Strategy.Name = "" },
		"mu": func(c *fed.RunConfig) { c.Strategy = fed.StrategySpec{Name: "fedprox", Mu: math.NaN()} }, "family": func(c *fed.RunConfig) { c.Model.Family = "tree" },
		"validation": func(c *fed.RunConfig) { c.Validation = &fed.Validation{Fraction: 0.95} }, "test": func(c *fed.RunConfig) { c.Test.Fraction = math.NaN() },
		"missing": func(c *fed.RunConfig) { c.Missing = "guess" }, "scaling": func(c *fed.RunConfig) { c.Scaling = "log" },
		"contribution": func(c *fed.RunConfig) { c.Contribution = "banzhaf" }, "quorum": func(c *fed.RunConfig) { c.Quorum = -1 },
		"seconds": func(c *fed.RunConfig) { c.DeadlineSeconds = math.MaxInt },
	} {
		c := config()
		f(&c)
		wantInvalid(t, name, Check(c), name)
	}
}

// The hash of a run is that of the canonical JSON (RFC 8785) of its configuration.
func TestFreeze(t *testing.T) {
	e := question("grid")
	e.Method, e.Space = "grid", map[string]fed.Dimension{"lr": dim("choice", 0.2, 0.1), "seed": dim("choice", 1.0, 2.0)}
	runs, err := Freeze(project, e, fed.DigestOf([]byte("preparation")), members())
	if err != nil || len(runs) != 4 {
		t.Fatal(len(runs), err)
	}
	seen := map[fed.Digest]bool{}
	for i, r := range runs {
		if r.Number != i+1 || r.ID != fed.NewRunID(e.ID, i+1) || r.Project != project || r.Experiment != e.ID || r.Preparation != fed.DigestOf([]byte("preparation")) || !slices.Equal(r.Members, members()) {
			t.Errorf("run %d: %+v", i, r)
		}
		seen[r.ConfigHash] = true
	}
	raw := `{"version":1,"task":"classify","target":"num","test":{"fraction":0.2},"model":{"family":"logistic"},` +
		`"train":{"optimizer":"sgd","lr":0.20,"batch":8,"epochs":1},"strategy":{"name":"fedavg"},"rounds":3,"seed":1}`
	canon, err := jcs.Transform([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if runs[0].ConfigHash != fed.DigestOf(canon) || len(seen) != 4 {
		t.Errorf("hash %s is not that of\n%s, or %d hashes for 4 configurations", runs[0].ConfigHash, canon, len(seen))
	}
	e.Config.Quorum = 4
	_, err = Freeze(project, e, "", members())
	wantInvalid(t, "quorum of 4 of 3 parties", err, "4", "3")
}
