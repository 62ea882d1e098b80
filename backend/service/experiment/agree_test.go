package experiment

import (
	"math"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
)

// agreed is what the parties of the tests read and accepted.
func agreed() Sheet {
	c := config()
	c.Labels = map[string]string{"0": "no", "1": "yes"}
	c.Drop, c.Categorical = []string{"id", "ward"}, []string{"cp"}
	c.Test = fed.TestSplit{Fraction: 0.2, Seed: 3}
	return Sheet{Config: c, Floor: 10}
}

func TestRunAsAgreed(t *testing.T) {
	for what, change := range map[string]func(*fed.RunConfig){
		"nothing changed": func(*fed.RunConfig) {}, "the defaults spelled out": func(c *fed.RunConfig) { c.Missing, c.Scaling, c.Contribution = "impute", "federated", "shapley" },
		"another order of columns": func(c *fed.RunConfig) { c.Drop = []string{"ward", "id"} },
		"another seed":             func(c *fed.RunConfig) { c.Seed = 99 },
		"validation":               func(c *fed.RunConfig) { c.Validation = &fed.Validation{Fraction: MaxValidation} },
		"most rounds":              func(c *fed.RunConfig) { c.Rounds = MaxRounds },
		"most epochs":              func(c *fed.RunConfig) { c.Train.Epochs = MaxEpochs },
		"most steps":               func(c *fed.RunConfig) { c.Train.Epochs, c.Train.Steps = 0, MaxSteps },
		"ten steps of one row":     func(c *fed.RunConfig) { c.Train.Epochs, c.Train.Steps, c.Train.Batch = 0, 10, 1 },
		"one step of ten rows":     func(c *fed.RunConfig) { c.Train.Epochs, c.Train.Steps, c.Train.Batch = 0, 1, 10 },
		"a network": func(c *fed.RunConfig) {
			c.Model = fed.ModelSpec{Family: "layers", Layers: []fed.LayerSpec{{Type: "Linear", Out: MaxWidth}, {Type: "Linear"}}}
		},
		"another way to learn": func(c *fed.RunConfig) {
			c.Train.Optimizer, c.Train.LR, c.Strategy = "adam", 0.5, fed.StrategySpec{Name: "fedprox", Mu: 1}
		},
	} {
		c := agreed().Config
		change(&c)
		if d := Agrees(agreed(), c); len(d) > 0 {
			t.Errorf("%s: %v", what, d)
		}
	}
}

func TestRunNotAsAgreed(t *testing.T) {
	layers := func(n, width int) fed.ModelSpec {
		m := fed.ModelSpec{Family: "layers"}
		for range n {
			m.Layers = append(m.Layers, fed.LayerSpec{Type: "Linear", Out: width})
		}
		return m
	}
	for what, c := range map[string]struct {
		field, text string
		change      func(*fed.RunConfig)
	}{
		"task":                  {"task", "regress", func(c *fed.RunConfig) { c.Task, c.Model.Family = "regress", "linear" }},
		"target":                {"target", "diagnosis", func(c *fed.RunConfig) { c.Target = "diagnosis" }},
		"a long target":         {"target", "…", func(c *fed.RunConfig) { c.Target = strings.Repeat("x", 1000) }},
		"labels":                {"labels", "classes", func(c *fed.RunConfig) { c.Labels = map[string]string{"0": "no", "1": "yes", "2": "yes"} }},
		"no labels":             {"labels", "classes", func(c *fed.RunConfig) { c.Labels = nil }},
		"a column back":         {"drop", "columns", func(c *fed.RunConfig) { c.Drop = []string{"ward"} }},
		"a column less":         {"drop", "columns", func(c *fed.RunConfig) { c.Drop = append(c.Drop, "age") }},
		"a category":            {"categorical", "categories", func(c *fed.RunConfig) { c.Categorical = append(c.Categorical, "age") }},
		"missing":               {"missing", "missing", func(c *fed.RunConfig) { c.Missing = "drop_rows" }},
		"scaling":               {"scaling", "scales", func(c *fed.RunConfig) { c.Scaling = "per_party" }},
		"test share":            {"test", "21 % drawn", func(c *fed.RunConfig) { c.Test.Fraction = 0.21 }},
		"test seed":             {"test", "seed 4", func(c *fed.RunConfig) { c.Test.Seed = 4 }},
		"no test":               {"test", "none instead", func(c *fed.RunConfig) { c.Test.Fraction = 0 }},
		"test by any column":    {"test", "“diagnosis” is “rare”", func(c *fed.RunConfig) { c.Test = fed.TestSplit{Column: "diagnosis", Value: "rare"} }},
		"column beside a share": {"test", "“diagnosis”", func(c *fed.RunConfig) { c.Test.Column = "diagnosis" }},
		"validation":            {"validation", "50 %", func(c *fed.RunConfig) { c.Validation = &fed.Validation{Fraction: 0.51} }},
		"validation below 0":    {"validation", "50 %", func(c *fed.RunConfig) { c.Validation = &fed.Validation{Fraction: -0.1} }},
		"validation of no size": {"validation", "50 %", func(c *fed.RunConfig) { c.Validation = &fed.Validation{Fraction: math.NaN()} }},
		"rounds":                {"rounds", "1,000 rounds", func(c *fed.RunConfig) { c.Rounds = MaxRounds + 1 }},
		"epochs":                {"epochs", "100", func(c *fed.RunConfig) { c.Train.Epochs = MaxEpochs + 1 }},
		"steps":                 {"steps", "100,000 steps", func(c *fed.RunConfig) { c.Train.Epochs, c.Train.Steps = 0, MaxSteps+1 }},
		"one row":               {"steps", "fewer than 10 rows", func(c *fed.RunConfig) { c.Train.Epochs, c.Train.Steps, c.Train.Batch = 0, 1, 1 }},
		"nine rows":             {"steps", "fewer than 10 rows", func(c *fed.RunConfig) { c.Train.Epochs, c.Train.Steps, c.Train.Batch = 0, 3, 3 }},
		"family":                {"model", "linear", func(c *fed.RunConfig) { c.Model.Family = "linear" }},
		"unknown family":        {"model", "lookup", func(c *fed.RunConfig) { c.Model.Family = "lookup" }},
		"layers":                {"model", "32 layers", func(c *fed.RunConfig) { c.Model = layers(MaxLayers+1, 4) }},
		"width":                 {"model", "4,096 outputs", func(c *fed.RunConfig) { c.Model = layers(2, MaxWidth+1) }},
		"contribution":          {"contribution", "contributions", func(c *fed.RunConfig) { c.Contribution = "leave-one-out" }},
		"what no run can use":   {"configuration", "learning rate", func(c *fed.RunConfig) { c.Train.LR = 0 }},
		"no rounds":             {"configuration", "rounds", func(c *fed.RunConfig) { c.Rounds = 0 }},
		"version":               {"configuration", "version", func(c *fed.RunConfig) { c.Version = 2 }},
		"local work left out":   {"configuration", "epochs or local steps", func(c *fed.RunConfig) { c.Train.Epochs = 0 }},
	} {
		cfg := agreed().Config
		c.change(&cfg)
		d := Agrees(agreed(), cfg)
		if len(d) != 1 || d[0].Field != c.field || !strings.Contains(d[0].Text, c.text) {
			t.Errorf("%s: got %q, want %s with %q", what, d, c.field, c.text)
		}
		if err := d.Err(fed.Permission); fed.KindOf(err) != fed.Permission || fed.HintOf(err) == "" || len(err.Error()) > 400 {
			t.Errorf("%s: refused with %v", what, err)
		}
	}
	if err := (Differences{}).Err(fed.Permission); err != nil {
		t.Error(err)
	}
}

// A project that would hold out nearly everything is refused though its runs are as
// agreed, and every difference is named at once.
func TestAgreedBeyondBounds(t *testing.T) {
	s := agreed()
	s.Config.Test.Fraction = 0.9
	c := s.Config
	c.Validation = &fed.Validation{Fraction: 0.9}
	d := Agrees(s, c)
	if len(d) != 2 || d[0].Field != "test" || d[1].Field != "validation" {
		t.Fatalf("got %v", d)
	}
	err := d.Err(fed.Invalid)
	if text := err.Error(); !strings.Contains(text, d[0].Text) || !strings.Contains(text, d[1].Text) {
		t.Error(text)
	}
	if hint := fed.HintOf(err); hint != "Keep at most 50 % of the rows for the test. Hold out at most 50 % of the training rows." {
		t.Error(hint)
	}
}
