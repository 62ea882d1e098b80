package node

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

func TestFlatConfigNamesEverySetting(t *testing.T) {
	c := CohortConfig(3)
	c.Model = fed.ModelSpec{Family: "layers", Layers: []fed.LayerSpec{{Type: "Linear", Out: 8, NoBias: true}, {Type: "Dropout", P: 0.25}, {Type: "Linear"}}}
	c.Train.Momentum, c.Strategy, c.Seed, c.DeadlineSeconds, c.Quorum, c.Contribution = 0.9, fed.StrategySpec{Name: "fedprox", Mu: 0.01}, 1<<53-1, 60, 2, "none"
	want := map[string]string{
		"version": "1", "task": "classify", "target": "target", "labels.0": "no", "labels.1": "yes", "labels.2": "yes", "labels.3": "yes", "labels.4": "yes",
		"categorical": "cp, restecg", "missing": "impute", "scaling": "federated", "test.fraction": "0.34", "test.seed": "43", "validation.fraction": "0.2",
		"model.family": "layers", "model.layers.1.type": "Linear", "model.layers.1.out": "8", "model.layers.1.noBias": "true", "model.layers.2.type": "Dropout",
		"model.layers.2.p": "0.25", "model.layers.3.type": "Linear", "train.optimizer": "sgd", "train.lr": "0.02", "train.batch": "8", "train.epochs": "1",
		"train.momentum": "0.9", "strategy.name": "fedprox", "strategy.mu": "0.01", "rounds": "3", "seed": "9007199254740991", "deadlineSeconds": "60",
		"quorum": "2", "contribution": "none",
	}
	if d := cmp.Diff(want, flatConfig(c)); d != "" {
		t.Error(d)
	}
}

func TestDifferencesToTheProject(t *testing.T) {
	project := CohortConfig(3)
	c := CohortConfig(9)          // rounds are the experiment's own
	c.Scaling, c.Missing = "", "" // the words for what the project spells out
	if d := differences(c, project); len(d) != 0 {
		t.Errorf("defaults and own settings differ: %v", d)
	}
	c.Target, c.Drop, c.Test = "sick", []string{"age", "sex"}, fed.TestSplit{Column: "split", Value: "test"}
	c.Labels = map[string]string{"0": "no"}
	want := []view.ConfigDifference{
		{Key: "drop", Given: "age, sex"}, {Key: "labels.1", Agreed: "yes"}, {Key: "labels.2", Agreed: "yes"}, {Key: "labels.3", Agreed: "yes"}, {Key: "labels.4", Agreed: "yes"},
		{Key: "target", Given: "sick", Agreed: "target"}, {Key: "test.column", Given: "split"}, {Key: "test.fraction", Agreed: "0.34"}, {Key: "test.seed", Agreed: "43"},
		{Key: "test.value", Given: "test"},
	}
	if d := cmp.Diff(want, differences(c, project)); d != "" {
		t.Error(d)
	}
	if got := withAgreed(c, project); got.Rounds != 9 || len(differences(got, project)) != 0 {
		t.Errorf("with what was agreed: %+v", got)
	}
}

// What the app exports it reads again, and the run is frozen with the same hash.
func TestSettingsComeBackAsTheyWent(t *testing.T) {
	t.Parallel()
	l := NewLab(t, "Lakeview", "Hillcrest")
	a, ctx := l.Hospital[0], t.Context()
	cfg := CohortConfig(1)
	project := l.Project(cfg, nil)
	cfg.Model = fed.ModelSpec{Family: "layers", Layers: []fed.LayerSpec{{Type: "Linear", Out: 4}, {Type: "LeakyReLU", Slope: 0.1}, {Type: "Linear"}}}
	cfg.Train = fed.TrainSpec{Optimizer: "adam", LR: 0.0007, Batch: 16, Steps: 3, WeightDecay: 1e-5}
	cfg.Strategy, cfg.Seed, cfg.Quorum = fed.StrategySpec{Name: "fedprox", Mu: 0.125}, 1<<53-1, 2
	first := must(a.CreateExperiment(ctx, view.ExperimentCreate{ProjectID: project, Name: "First", Config: cfg}))(t)
	exported := must(json.MarshalIndent(must(a.ExperimentConfig(ctx, first.ID))(t), "", "  "))(t)
	in := must(a.ReadConfig(ctx, project, string(exported)))(t)
	if len(in.Differences) != 0 {
		t.Errorf("the document of the project itself differs: %v", in.Differences)
	}
	second := must(a.CreateExperiment(ctx, view.ExperimentCreate{ProjectID: project, Name: "Second", Config: in.Config}))(t)
	same(t, "hash of the settings", second.Runs[0].ConfigHash, first.Runs[0].ConfigHash)

	other := must(a.ReadConfig(ctx, project, strings.Replace(string(exported), `"target": "target"`, `"target": "sick"`, 1)))(t)
	if d := cmp.Diff([]view.ConfigDifference{{Key: "target", Given: "sick", Agreed: "target"}}, other.Differences); d != "" || other.Config.Target != "target" {
		t.Errorf("target %q\n%s", other.Config.Target, d)
	}
	for wrong, want := range map[string]string{
		strings.Replace(string(exported), `"lr"`, `"rate"`, 1):                                   "train.rate is not a known setting; train.lr is missing",
		strings.Replace(string(exported), `"rounds": 1`, `"rounds": 0`, 1):                       "0 rounds are not possible",
		strings.Replace(string(exported), `"optimizer": "adam"`, `"optimizer": "quick"`, 1):      `optimizer "quick" is not known`,
		strings.Replace(string(exported), `"batch": 16`, `"batch": 16, "momentum": "strong"`, 1): "train.momentum should be a number, but is a text",
	} {
		if _, err := a.ReadConfig(ctx, project, wrong); err == nil || err.Error() != want || fed.HintOf(err) == "" || fed.KindOf(err) != fed.Invalid {
			t.Errorf("got %v (%s), want %s", err, fed.HintOf(err), want)
		}
	}
	if _, err := a.ReadConfig(ctx, strings.Repeat("0", 32), string(exported)); fed.KindOf(err) != fed.NotFound {
		t.Errorf("a project that is not there: %v", err)
	}
}
