// Package experiment turns a question into runs: it expands a space of settings
// into frozen configurations, keeps the queue of the runs that this party started,
// and follows every run of its projects through the documents of the book.
//
// Start with [Expand] (pure), [Tracker] (what is known of all runs) and [Queue]
// (what this party starts next, and why it waits).
package experiment

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/gowebpki/jcs"

	"synergos.app/desktop/backend/fed"
)

// MaxTrials bounds an experiment.
const MaxTrials = 10_000

// Trial is one configuration of an experiment with the settings that the space
// chose for it, as text.
type Trial struct {
	Config   fed.RunConfig
	Settings map[string]string
}

// Expand returns the configurations of an experiment in order. Grid takes the
// cartesian product of choice dimensions in alphabetical order of their names;
// random draws Trials settings from a generator seeded by the configuration's
// seed. Errors are of kind Invalid and name the dimension.
func Expand(e fed.ExperimentDoc) ([]Trial, error) {
	names := slices.Sorted(maps.Keys(e.Space))
	for _, n := range names {
		if err := checkDimension(n, e.Space[n]); err != nil {
			return nil, err
		}
	}
	switch e.Method {
	case "", "single":
		return trials(e.Config, names, [][]any{nil})
	case "grid":
		points, err := product(e.Space, names)
		if err != nil {
			return nil, err
		}
		return trials(e.Config, names, points)
	case "random":
		return trials(e.Config, names, draw(e, names))
	}
	return nil, fed.Errorf(fed.Invalid, "Use single, grid or random.", "search method %q is not known", e.Method)
}

func product(space map[string]fed.Dimension, names []string) ([][]any, error) {
	points := [][]any{{}}
	for _, n := range names {
		d := space[n]
		if d.Type != "choice" {
			return nil, fed.Errorf(fed.Invalid, "List its values, or use random search.", "grid search needs listed values for %q", n)
		}
		if len(points)*len(d.Value) > MaxTrials {
			return nil, fed.Errorf(fed.Invalid, "List fewer values.", "the grid has more than %d configurations", MaxTrials)
		}
		var next [][]any
		for _, p := range points {
			for _, v := range d.Value {
				next = append(next, append(slices.Clone(p), v))
			}
		}
		points = next
	}
	return points, nil
}

func draw(e fed.ExperimentDoc, names []string) [][]any {
	rng := fed.Rand(e.Config.Seed, 0, "", "search")
	points := make([][]any, min(max(e.Trials, 1), MaxTrials))
	for i := range points {
		for _, n := range names {
			points[i] = append(points[i], sampleDimension(e.Space[n], rng.Float64()))
		}
	}
	return points
}

func trials(base fed.RunConfig, names []string, points [][]any) ([]Trial, error) {
	var out []Trial
	for _, p := range points {
		t := Trial{Config: clone(base), Settings: map[string]string{}}
		for i, v := range p {
			if err := set(&t.Config, names[i], v); err != nil {
				return nil, err
			}
			t.Settings[names[i]] = text(v)
		}
		if err := Check(t.Config); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func clone(c fed.RunConfig) fed.RunConfig {
	raw, err := json.Marshal(c)
	if err != nil {
		return c
	}
	var out fed.RunConfig
	if json.Unmarshal(raw, &out) != nil {
		return c
	}
	return out
}

func text(v any) string {
	if f, ok := v.(float64); ok {
		if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return strconv.FormatFloat(f, 'f', -1, 64) // a seed of nine digits keeps them
		}
		return strconv.FormatFloat(f, 'g', 6, 64)
	}
	return fmt.Sprint(v)
}

// set changes one setting by the name that the space uses.
func set(c *fed.RunConfig, name string, v any) error {
	bad := fed.Errorf(fed.Invalid, "Correct the value.", "%q cannot be %v", name, v)
	if name == "strategy" || name == "optimizer" {
		s, ok := v.(string)
		if !ok {
			return bad
		}
		if name == "strategy" {
			c.Strategy.Name = s
		} else {
			c.Train.Optimizer = s
		}
		return nil
	}
	f, ok := v.(float64)
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		return bad
	}
	whole := f == math.Trunc(f) && f >= 0 && f < 1<<31
	switch {
	case name == "lr":
		c.Train.LR = f
	case name == "mu":
		c.Strategy.Mu = f
	case name == "weightDecay":
		c.Train.WeightDecay = f
	case name == "momentum":
		c.Train.Momentum = f
	case !whole:
		return bad
	case name == "batch":
		c.Train.Batch = int(f)
	case name == "epochs":
		c.Train.Epochs, c.Train.Steps = int(f), 0
	case name == "steps":
		c.Train.Steps, c.Train.Epochs = int(f), 0
	case name == "rounds":
		c.Rounds = int(f)
	case name == "seed":
		c.Seed = uint64(f)
	case name == "hidden":
		hidden(c, int(f))
	default:
		return fed.Errorf(fed.Invalid, "Use lr, batch, epochs, steps, rounds, mu, weightDecay, momentum, seed, hidden, strategy or optimizer.", "a search cannot change %q", name)
	}
	return nil
}

// hidden makes the model a network with one hidden layer of n units; 0 keeps the
// linear family.
func hidden(c *fed.RunConfig, n int) {
	if n == 0 {
		return
	}
	c.Model = fed.ModelSpec{Family: "layers", Layers: []fed.LayerSpec{{Type: "Linear", Out: n}, {Type: "ReLU"}, {Type: "Linear"}}}
}

// Check refuses a configuration that no run could use, naming the setting.
func Check(c fed.RunConfig) error {
	bad := func(hint, format string, args ...any) error { return fed.Errorf(fed.Invalid, hint, format, args...) }
	switch {
	case c.Version != 1:
		return bad("Use version 1.", "configuration version %d is not known", c.Version)
	case c.Task != fed.TaskClassify && c.Task != fed.TaskRegress:
		return bad("Use classify or regress.", "task %q is not known", c.Task)
	case c.Target == "":
		return bad("Choose the column to predict.", "the configuration names no target column")
	case c.Seed > 1<<53-1 || c.Test.Seed > 1<<53-1:
		return bad("Use a smaller whole number.", "a seed is larger than %d, which not every program can read", 1<<53-1)
	case c.Rounds < 1 || c.Rounds > 10_000:
		return bad("Use 1 to 10,000.", "%d rounds are not possible", c.Rounds)
	case !(c.Train.LR > 0) || c.Train.LR > 100:
		return bad("Use a number above 0, for example 0.01.", "learning rate %v is not possible", c.Train.LR)
	case c.Train.Batch < 1 || c.Train.Batch > 1<<20:
		return bad("Use 1 to 1,048,576.", "batch size %d is not possible", c.Train.Batch)
	case c.Train.Epochs < 0 || c.Train.Steps < 0 || (c.Train.Epochs == 0) == (c.Train.Steps == 0):
		return bad("Set epochs or steps, and leave the other out.", "the configuration must name local epochs or local steps, one of the two")
	case c.Train.Epochs > 10_000 || c.Train.Steps > 10_000_000:
		return bad("Use fewer.", "the local work of a round is too long")
	case c.Train.Optimizer != "sgd" && c.Train.Optimizer != "adam":
		return bad("Use sgd or adam.", "optimizer %q is not known", c.Train.Optimizer)
	case c.Strategy.Name != "fedavg" && c.Strategy.Name != "fedprox":
		return bad("Use fedavg or fedprox.", "strategy %q is not known", c.Strategy.Name)
	case !(c.Strategy.Mu >= 0) || c.Strategy.Mu > 1e6:
		return bad("Use 0 or a small positive number.", "mu %v is not possible", c.Strategy.Mu)
	case c.Model.Family != "logistic" && c.Model.Family != "linear" && c.Model.Family != "layers":
		return bad("Use logistic, linear or layers.", "model family %q is not known", c.Model.Family)
	case c.DeadlineSeconds < 0 || c.DeadlineSeconds > 7*24*3600:
		return bad("Use up to 604,800, which is a week, or 0 for automatic.", "a round of %d seconds is not possible", c.DeadlineSeconds)
	case c.Quorum < 0:
		return bad("Use 1 up to the number of parties, or 0 for automatic.", "a quorum of %d is not possible", c.Quorum)
	case c.Validation != nil && (!(c.Validation.Fraction >= 0) || c.Validation.Fraction > 0.9):
		return bad("Use a share from 0 to 0.9.", "validation share %v is not possible", c.Validation.Fraction)
	case c.Test.Column == "" && (!(c.Test.Fraction >= 0) || c.Test.Fraction > 0.9):
		return bad("Use a share from 0 to 0.9.", "test share %v is not possible", c.Test.Fraction)
	}
	return checkOr(c)
}

func checkOr(c fed.RunConfig) error {
	for _, f := range []struct {
		name, value string
		ok          []string
	}{
		{"missing", c.Missing, []string{"", "impute", "drop_rows"}},
		{"scaling", c.Scaling, []string{"", "federated", "per_party", "none"}},
		{"contribution", c.Contribution, []string{"", "shapley", "none"}},
	} {
		if !slices.Contains(f.ok, f.value) {
			return fed.Errorf(fed.Invalid, fmt.Sprintf("Use one of %v.", f.ok[1:]), "%s %q is not known", f.name, f.value)
		}
	}
	return nil
}

// Freeze makes the runs of an experiment: canonical configuration, its hash, the
// members by name.
func Freeze(p fed.ProjectID, e fed.ExperimentDoc, prep fed.Digest, members []fed.RunMember) ([]fed.Run, error) {
	ts, err := Expand(e)
	if err != nil {
		return nil, err
	}
	var out []fed.Run
	for i, t := range ts {
		if q := t.Config.Quorum; q > len(members) {
			return nil, fed.Errorf(fed.Invalid, "Use at most the number of parties, or 0 for automatic.", "a quorum of %d cannot be met by %d parties", q, len(members))
		}
		raw, err := canonical(t.Config)
		if err != nil {
			return nil, fmt.Errorf("freeze configuration: %w", err)
		}
		out = append(out, fed.Run{
			ID: fed.NewRunID(e.ID, i+1), Project: p, Experiment: e.ID, Number: i + 1, Config: t.Config, ConfigHash: fed.DigestOf(raw),
			Preparation: prep, Members: members, Settings: t.Settings,
		})
	}
	return out, nil
}

func canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(raw)
}
