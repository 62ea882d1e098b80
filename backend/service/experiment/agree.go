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
// Text completes "the run ..."; Hint says what to do.
type Difference struct {
	Field string
	Text  string
	Hint  string
}

// Differences are all such points; none means that the run is as agreed.
type Differences []Difference

// Err returns nil without differences, else an error of the given kind that names
// all of them.
func (d Differences) Err(kind fed.Kind) error {
	if len(d) == 0 {
		return nil
	}
	var texts, hints []string
	for _, x := range d {
		texts = append(texts, x.Text)
		if x.Hint != "" && !slices.Contains(hints, x.Hint) {
			hints = append(hints, x.Hint)
		}
	}
	return fed.Errorf(kind, strings.Join(hints, " "), "the run is not what the parties of the project agreed: it %s", strings.Join(texts, "; it "))
}

// Agrees compares a run's configuration with what its project agreed. The party
// that makes a run asks it early, and every other member asks it again before it
// trains, evaluates or scores: a run's maker can write any configuration. What a
// member reads its rows by must be as agreed to the letter; how a model learns from
// them is free within bounds.
func Agrees(s Sheet, c fed.RunConfig) Differences {
	var out Differences
	add := func(field, hint, format string, args ...any) {
		out = append(out, Difference{Field: field, Text: fmt.Sprintf(format, args...), Hint: hint})
	}
	sameRows(s.Config, c, add)
	withinBounds(c, max(s.Floor, 1), add)
	if len(out) == 0 {
		if err := Check(c); err != nil {
			add("configuration", cmp.Or(fed.HintOf(err), asAgreed), "cannot be trained: %v", err)
		}
	}
	return out
}

type adder func(field, hint, format string, args ...any)

// asAgreed is what to do about rows and columns: what a project reads never changes.
const asAgreed = "Start from the project's configuration, or make a new project."

// sameRows compares what decides which rows and columns are read, and how.
func sameRows(agreed, c fed.RunConfig, add adder) {
	if c.Task != agreed.Task {
		add("task", asAgreed, "has another task: %s instead of %s", name(c.Task), name(agreed.Task))
	}
	if c.Target != agreed.Target {
		add("target", asAgreed, "predicts another column: %s instead of %s", name(c.Target), name(agreed.Target))
	}
	if !maps.Equal(c.Labels, agreed.Labels) {
		add("labels", asAgreed, "gives the values of the target other classes")
	}
	if !sameNames(c.Drop, agreed.Drop) {
		add("drop", asAgreed, "leaves out other columns")
	}
	if !sameNames(c.Categorical, agreed.Categorical) {
		add("categorical", asAgreed, "reads other columns as categories")
	}
	if cmp.Or(c.Missing, "impute") != cmp.Or(agreed.Missing, "impute") {
		add("missing", asAgreed, "treats missing values in another way")
	}
	if cmp.Or(c.Scaling, "federated") != cmp.Or(agreed.Scaling, "federated") {
		add("scaling", asAgreed, "scales the columns in another way")
	}
	if c.Test != agreed.Test {
		add("test", asAgreed, "takes other test rows: %s instead of %s", split(c.Test), split(agreed.Test))
	}
}

// withinBounds checks what a run may choose for itself.
func withinBounds(c fed.RunConfig, floor int, add adder) {
	if c.Test.Column == "" && !(c.Test.Fraction >= 0 && c.Test.Fraction <= MaxTest) {
		add("test", fmt.Sprintf("Keep at most %.0f %% of the rows for the test.", 100*MaxTest), "keeps more than %.0f %% of the rows for the test", 100*MaxTest)
	}
	if h := c.HoldOut(); !(h >= 0 && h <= MaxValidation) {
		add("validation", fmt.Sprintf("Hold out at most %.0f %% of the training rows.", 100*MaxValidation), "holds out more than %.0f %% of the training rows", 100*MaxValidation)
	}
	if c.Rounds > MaxRounds {
		add("rounds", "Use at most "+fed.Count(MaxRounds, "round")+".", "has more than %s", fed.Count(MaxRounds, "round"))
	}
	if c.Train.Epochs > MaxEpochs {
		add("epochs", "Pass over the rows at most "+fed.Count(MaxEpochs, "time")+" in a round.", "passes more than %d times over the rows in a round", MaxEpochs)
	}
	if c.Train.Steps > MaxSteps {
		add("steps", "Use at most "+fed.Count(MaxSteps, "step")+" in a round.", "has more than %s in a round", fed.Count(MaxSteps, "step"))
	}
	if s := c.Train.Steps; s > 0 && s < floor && s*min(c.Train.Batch, floor) < floor {
		add("steps", "Use more steps, or more rows a step.", "would learn from fewer than %s in a round", fed.Count(floor, "row"))
	}
	if c.Contribution != "" && c.Contribution != "shapley" && c.Contribution != "none" {
		add("contribution", "Measure contributions with Shapley values, or not at all.", "measures contributions in a way that is not known")
	}
	withinSize(c, add)
}

// withinSize bounds the model: one with many more numbers than rows learns rows by
// heart.
func withinSize(c fed.RunConfig, add adder) {
	families := map[string][]string{fed.TaskClassify: {"logistic", "layers"}, fed.TaskRegress: {"linear", "layers"}}
	if !slices.Contains(families[c.Task], c.Model.Family) {
		add("model", "Choose another kind of model.", "trains a kind of model that does not fit the task: %s", name(c.Model.Family))
	}
	if len(c.Model.Layers) > MaxLayers {
		add("model", "Use at most "+fed.Count(MaxLayers, "layer")+".", "trains a model of more than %d layers", MaxLayers)
		return
	}
	for _, l := range c.Model.Layers {
		if l.Out > MaxWidth {
			add("model", "Use layers of at most "+fed.Count(MaxWidth, "output")+".", "trains a model with a layer of more than %s", fed.Count(MaxWidth, "output"))
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
