package sim_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset/cohort"
	"synergos.app/desktop/backend/sim"
)

// heart returns the files of a published data set, or skips.
func heart(t *testing.T, folder, pattern string) []sim.Party {
	t.Helper()
	root := os.Getenv("SYNERGOS_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "data")
	}
	var out []sim.Party
	for _, name := range []string{"cleveland", "hungarian", "switzerland", "va"} {
		p := sim.Party{Name: name, Path: filepath.Join(root, folder, fmt.Sprintf(pattern, name))}
		if _, err := os.Stat(p.Path); err != nil {
			t.Skipf("the data set %s is not here; set SYNERGOS_DATA", folder)
		}
		out = append(out, p)
	}
	return out
}

// synthetic writes the built-in cohort into files.
func synthetic(t *testing.T) []sim.Party {
	t.Helper()
	var out []sim.Party
	for _, f := range cohort.All(1) {
		p := filepath.Join(t.TempDir(), f.Name)
		if err := os.WriteFile(p, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
		out = append(out, sim.Party{Name: f.Hospital, Path: p})
	}
	return out
}

func fedHeart() fed.RunConfig {
	return fed.RunConfig{
		Version: 1, Task: fed.TaskClassify, Target: "target", Labels: map[string]string{"0": "no", "1": "yes"}, Categorical: []string{"cp", "restecg"},
		Missing: "impute", Scaling: "per_party", Test: fed.TestSplit{Column: "split", Value: "test"}, Model: fed.ModelSpec{Family: "logistic"},
		Train: fed.TrainSpec{Optimizer: "sgd", LR: 0.005, Batch: 4, Steps: 100}, Strategy: fed.StrategySpec{Name: "fedavg"}, Rounds: 15, Seed: 42,
	}
}

func cohortConfig(rounds int) fed.RunConfig {
	return fed.RunConfig{
		Version: 1, Task: fed.TaskClassify, Target: "target", Labels: map[string]string{"0": "no", "1": "yes", "2": "yes", "3": "yes", "4": "yes"},
		Categorical: []string{"cp", "restecg"}, Missing: "impute", Scaling: "federated", Test: fed.TestSplit{Fraction: 0.34, Seed: 43},
		Validation: &fed.Validation{Fraction: 0.2}, Model: fed.ModelSpec{Family: "logistic"},
		Train: fed.TrainSpec{Optimizer: "sgd", LR: 0.02, Batch: 8, Epochs: 1}, Strategy: fed.StrategySpec{Name: "fedavg"}, Rounds: rounds, Seed: 42,
	}
}

func simulate(t *testing.T, cfg fed.RunConfig, parties []sim.Party, opts sim.Options) *sim.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	r, err := sim.Simulate(ctx, cfg, parties, opts, nil)
	if err != nil {
		t.Fatalf("simulate: %v\n%s", err, fed.HintOf(err))
	}
	return r
}

// The published split of Fed-Heart-Disease (FLamby, NeurIPS 2022): a pooled
// logistic regression is right on 202 of the 254 test rows; FedAvg over 15 rounds of
// 100 local steps at batch 4 reaches .72 as the mean over the hospitals.
func TestPublishedHeartSplit(t *testing.T) {
	t.Parallel()
	r := simulate(t, fedHeart(), heart(t, "fed-heart", "%s.csv"), sim.Options{})
	if got := float64(r.PooledTraining.PooledTest["accuracy"]); math.Abs(got-.795) > .003 {
		t.Errorf("pooled training: accuracy %.4f on the union of the test sets, want .795 +- .003", got)
	}
	if got := float64(r.ClientMean["accuracy"]); got < .72 {
		t.Errorf("FedAvg: client mean accuracy %.4f, want at least .72", got)
	}
	want := map[string][2]int64{"cleveland": {199, 104}, "hungarian": {172, 89}, "switzerland": {30, 16}, "va": {85, 45}}
	for _, p := range r.Parties {
		if w := want[p.Party]; p.TrainExamples != w[0] || p.TestExamples != w[1] {
			t.Errorf("%s: %d training and %d test rows, want %v", p.Party, p.TrainExamples, p.TestExamples, w)
		}
	}
}

// The four original files differ in columns, missing cells and prevalence; one
// configuration aligns and trains them all.
func TestOriginalHeartFiles(t *testing.T) {
	t.Parallel()
	cfg := cohortConfig(6)
	r := simulate(t, cfg, heart(t, "heart", "processed.%s.data"), sim.Options{})
	if len(r.Parties) != 4 || len(r.Rounds) != 6 {
		t.Fatalf("%d parties and %d rounds", len(r.Parties), len(r.Rounds))
	}
	first, last := float64(r.Rounds[0].Loss), float64(r.Rounds[5].Loss)
	if !(last < first) {
		t.Errorf("validation loss went from %.4f to %.4f", first, last)
	}
	if got := float64(r.PooledTest["auc"]); got < .8 {
		t.Errorf("AUC %.3f on the union of the test sets, want at least .8", got)
	}
	var cents int64
	for _, p := range r.Parties {
		cents += p.Contribution.Cents
	}
	if cents != 100_000 {
		t.Errorf("rewards add up to %d cents, the pool is 100000", cents)
	}
}

// The same seed gives the same params and contributions, twice; another seed does
// not. mu moves the weights.
func TestRehearsalRepeats(t *testing.T) {
	t.Parallel()
	parties := synthetic(t)
	a, b := simulate(t, cohortConfig(3), parties, sim.Options{}), simulate(t, cohortConfig(3), parties, sim.Options{})
	if a.ParamsHash != b.ParamsHash || a.ConfigHash != b.ConfigHash {
		t.Errorf("two rehearsals of one configuration: params %s and %s", a.ParamsHash, b.ParamsHash)
	}
	for i := range a.Parties {
		if a.Parties[i].Contribution != b.Parties[i].Contribution {
			t.Errorf("%s: contributions %v and %v", a.Parties[i].Party, a.Parties[i].Contribution, b.Parties[i].Contribution)
		}
	}
	other := cohortConfig(3)
	other.Seed = 7
	if c := simulate(t, other, parties, sim.Options{}); c.ParamsHash == a.ParamsHash {
		t.Error("another seed gave the same params")
	}
	prox := cohortConfig(3)
	prox.Strategy = fed.StrategySpec{Name: "fedprox", Mu: 1}
	if c := simulate(t, prox, parties, sim.Options{}); c.ParamsHash == a.ParamsHash {
		t.Error("mu did not move the weights")
	}
}

// A network and Adam work through the same line as a regression does.
func TestLayersWithAdam(t *testing.T) {
	t.Parallel()
	cfg := cohortConfig(3)
	cfg.Model = fed.ModelSpec{Family: "layers", Layers: []fed.LayerSpec{{Type: "Linear", Out: 8}, {Type: "ReLU"}, {Type: "Linear"}}}
	cfg.Train = fed.TrainSpec{Optimizer: "adam", LR: 0.01, Batch: 16, Epochs: 2}
	r := simulate(t, cfg, synthetic(t), sim.Options{})
	if first, last := float64(r.Rounds[0].Loss), float64(r.Rounds[2].Loss); !(last < first) {
		t.Errorf("validation loss went from %.4f to %.4f", first, last)
	}
}

// No row, label or identifier of any file ever leaves a machine: every frame of a
// federation is searched for planted values, and so is the log. The negative
// control plants a value that must be found.
func TestNothingLeaves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var parties []sim.Party
	secrets := []string{}
	for i, f := range cohort.All(2) {
		raw, planted := plant(t, f.Data, i)
		secrets = append(secrets, planted...)
		p := filepath.Join(dir, fmt.Sprintf("patients-of-ward-%d.csv", i))
		if err := os.WriteFile(p, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, filepath.Base(p))
		parties = append(parties, sim.Party{Name: f.Hospital, Path: p})
	}
	secrets = append(secrets, dir)
	var (
		mu     sync.Mutex
		frames int
		found  = map[string]bool{}
		log    bytes.Buffer
	)
	search := func(b []byte) {
		for _, s := range append(secrets, "riverside") {
			if bytes.Contains(b, []byte(s)) {
				found[s] = true
			}
		}
	}
	cfg := cohortConfig(2)
	cfg.Drop = []string{"patient"}
	simulate(t, cfg, parties, sim.Options{
		Tap: func(_, _ fed.PartyID, b []byte) {
			mu.Lock()
			defer mu.Unlock()
			frames++
			search(b)
		},
		Log: slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	mu.Lock()
	defer mu.Unlock()
	if frames < 100 {
		t.Fatalf("only %d frames were seen", frames)
	}
	if !found["riverside"] {
		t.Error("the party's own name was not found in any frame: the search does not see")
	}
	delete(found, "riverside")
	for s := range found {
		t.Errorf("%q was found in a frame", s)
	}
	for _, s := range secrets {
		if strings.Contains(log.String(), s) {
			t.Errorf("%q was found in the log", s)
		}
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// plant adds a column of identifiers and puts rare values into a column, and
// returns what must never be seen elsewhere.
func plant(t *testing.T, raw []byte, hospital int) ([]byte, []string) {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for i := range rows {
		cell := "patient"
		if i > 0 {
			cell = fmt.Sprintf("MRN-%d-%06d", hospital, 700001+13*i)
			secrets = append(secrets, cell)
		}
		rows[i] = append(rows[i], cell)
	}
	for j, name := range rows[0] {
		if name == "trestbps" {
			rare := fmt.Sprintf("%d.%d", 187+hospital, 7310517+hospital)
			rows[3][j] = rare
			secrets = append(secrets, rare)
		}
	}
	var buf bytes.Buffer
	if err := csv.NewWriter(&buf).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), secrets
}

// The report has the names that scripts rely on.
func TestReportNames(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(simulate(t, cohortConfig(2), synthetic(t)[:2], sim.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"paramsHash", "seconds", "rounds", "pooledTest", "clientMean", "pooledTraining", "parties"} {
		if got[k] == nil {
			t.Errorf("the report lacks %q", k)
		}
	}
	for _, k := range []string{`"accuracy"`, `"auc"`, `"logLoss"`, `"trainExamples"`, `"testExamples"`, `"alone"`, `"contribution"`, `"value"`, `"se"`, `"low"`, `"high"`, `"bytesIn"`, `"bytesOut"`} {
		if !bytes.Contains(raw, []byte(k)) {
			t.Errorf("the report lacks %s", k)
		}
	}
}

// Mistakes of a person get a sentence, not a stack.
func TestSimulateRefuses(t *testing.T) {
	t.Parallel()
	parties := synthetic(t)
	bad := filepath.Join(t.TempDir(), "bad.csv")
	if err := os.WriteFile(bad, []byte("a,a\n1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := cohortConfig(2)
	wrong.Target = "no-such-column"
	slow := cohortConfig(2)
	slow.Train.LR = -1
	for name, c := range map[string]struct {
		cfg     fed.RunConfig
		parties []sim.Party
	}{
		"one party":     {cohortConfig(2), parties[:1]},
		"same name":     {cohortConfig(2), []sim.Party{parties[0], {Name: parties[0].Name, Path: parties[1].Path}}},
		"bad file":      {cohortConfig(2), []sim.Party{parties[0], {Name: "x", Path: bad}}},
		"missing file":  {cohortConfig(2), []sim.Party{parties[0], {Name: "x", Path: bad + ".none"}}},
		"wrong target":  {wrong, parties},
		"learning rate": {slow, parties},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := sim.Simulate(ctx, c.cfg, c.parties, sim.Options{}, nil)
		cancel()
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if fed.HintOf(err) == "" {
			t.Errorf("%s: %v has no hint", name, err)
		}
	}
}
