package experiment

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// Bounds of what a run may ask of a member, whatever its project says. They bound
// what updates and sums can tell of single rows, and how long a member works for
// one run.
const (
	MaxTest       = 0.5     // share of the rows that are test rows
	MaxValidation = 0.5     // share of the others that are held out
	MaxRounds     = 1_000   // per run: as many updates and sums leave
	MaxEpochs     = 100     // per round
	MaxSteps      = 100_000 // per round
	MaxLayers     = 32
	MaxWidth      = 4_096 // outputs of a layer
)

// Sheet is what the members of a project agreed on: the configuration that they
// read, and the least number of rows that anything told may speak of.
type Sheet struct {
	Config fed.RunConfig
	Floor  int
}

// Difference is one point in which a run asks for something else than was agreed.
// Text completes "the run ...".
type Difference struct {
	Field string
	Text  string
}

// Differences are all such points; none means that the run is as agreed.
type Differences []Difference

// Err returns nil without differences, else an error of the given kind that names
// all of them.
func (d Differences) Err(kind fed.Kind) error {
	if len(d) == 0 {
		return nil
	}
	texts := make([]string, len(d))
	for i, x := range d {
		texts[i] = x.Text
	}
	return fed.Errorf(kind, "Start from the project's configuration, or make a new project.", "the run is not what the parties of the project agreed: it %s", strings.Join(texts, "; it "))
}

// Agrees compares a run's configuration with what its project agreed. The party
// that makes a run asks it early, and every other member asks it again before it
// trains, evaluates or scores: a run's maker can write any configuration. What a
// member reads its rows by must be as agreed to the letter; how a model learns from
// them is free within bounds.
func Agrees(s Sheet, c fed.RunConfig) Differences {
	var out Differences
	add := func(field, format string, args ...any) {
		out = append(out, Difference{Field: field, Text: fmt.Sprintf(format, args...)})
	}
	sameRows(s.Config, c, add)
	withinBounds(c, max(s.Floor, 1), add)
	if len(out) == 0 {
		if err := Check(c); err != nil {
			add("configuration", "cannot be trained: %v", err)
		}
	}
	return out
}

type adder func(field, format string, args ...any)

// sameRows compares what decides which rows and columns are read, and how.
func sameRows(agreed, c fed.RunConfig, add adder) {
	if c.Task != agreed.Task {
		add("task", "has another task: %s instead of %s", name(c.Task), name(agreed.Task))
	}
	if c.Target != agreed.Target {
		add("target", "predicts another column: %s instead of %s", name(c.Target), name(agreed.Target))
	}
	if !maps.Equal(c.Labels, agreed.Labels) {
		add("labels", "gives the values of the target other classes")
	}
	if !sameNames(c.Drop, agreed.Drop) {
		add("drop", "leaves out other columns")
	}
	if !sameNames(c.Categorical, agreed.Categorical) {
		add("categorical", "reads other columns as categories")
	}
	if cmp.Or(c.Missing, "impute") != cmp.Or(agreed.Missing, "impute") {
		add("missing", "treats missing values in another way")
	}
	if cmp.Or(c.Scaling, "federated") != cmp.Or(agreed.Scaling, "federated") {
		add("scaling", "scales the columns in another way")
	}
	if c.Test != agreed.Test {
		add("test", "takes other test rows: %s instead of %s", split(c.Test), split(agreed.Test))
	}
}

// withinBounds checks what a run may choose for itself.
func withinBounds(c fed.RunConfig, floor int, add adder) {
	if c.Test.Column == "" && !(c.Test.Fraction >= 0 && c.Test.Fraction <= MaxTest) {
		add("test", "keeps more than %.0f %% of the rows for the test", 100*MaxTest)
	}
	if h := c.HoldOut(); !(h >= 0 && h <= MaxValidation) {
		add("validation", "holds out more than %.0f %% of the training rows", 100*MaxValidation)
	}
	if c.Rounds > MaxRounds {
		add("rounds", "has more than %d rounds", MaxRounds)
	}
	if c.Train.Epochs > MaxEpochs {
		add("epochs", "passes more than %d times over the rows in a round", MaxEpochs)
	}
	if c.Train.Steps > MaxSteps {
		add("steps", "has more than %d steps in a round", MaxSteps)
	}
	if s := c.Train.Steps; s > 0 && s < floor && s*min(c.Train.Batch, floor) < floor {
		add("steps", "would learn from fewer than %d rows in a round", floor)
	}
	if c.Contribution != "" && c.Contribution != "shapley" && c.Contribution != "none" {
		add("contribution", "measures contributions in a way that is not known")
	}
	withinSize(c, add)
}

// withinSize bounds the model: one with many more numbers than rows learns rows by
// heart.
func withinSize(c fed.RunConfig, add adder) {
	families := map[string][]string{fed.TaskClassify: {"logistic", "layers"}, fed.TaskRegress: {"linear", "layers"}}
	if !slices.Contains(families[c.Task], c.Model.Family) {
		add("model", "trains a kind of model that does not fit the task: %s", name(c.Model.Family))
	}
	if len(c.Model.Layers) > MaxLayers {
		add("model", "trains a model of more than %d layers", MaxLayers)
		return
	}
	for _, l := range c.Model.Layers {
		if l.Out > MaxWidth {
			add("model", "trains a model with a layer of more than %d outputs", MaxWidth)
			return
		}
	}
}

func sameNames(a, b []string) bool {
	x, y := slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(x), slices.Compact(y))
}

// name shows a text of another party, which may be long.
func name(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return fmt.Sprintf("“%s”", s)
}

// split says in words which rows are test rows.
func split(t fed.TestSplit) string {
	switch {
	case t.Column != "":
		return fmt.Sprintf("those where %s is %s", name(t.Column), name(t.Value))
	case t.Fraction == 0:
		return "none"
	}
	return fmt.Sprintf("%.4g %% drawn with seed %d", 100*t.Fraction, t.Seed)
}
