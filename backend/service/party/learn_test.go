package party

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/contribution"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
	"synergos.app/desktop/backend/learning/train"
)

var ctx = context.Background()

// sample draws n rows of two columns whose sum decides the class, one in five of
// them mislabelled.
func sample(seed uint64, n int) train.Data {
	rng := rand.New(rand.NewPCG(seed, 7))
	d := train.Data{N: n, D: 2}
	for range n {
		a, b := rng.NormFloat64(), rng.NormFloat64()
		d.X = append(d.X, float32(a), float32(b))
		y := float32(0)
		if (a+b > 0) != (rng.IntN(5) == 0) {
			y = 1
		}
		d.Y = append(d.Y, y)
	}
	return d
}

// bench is one party's learning on rows in memory.
type bench struct {
	Learning
	rows *Rows
	run  fed.Run
}

func newBench(t *testing.T, party string) *bench {
	t.Helper()
	m, err := model.New(fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{run: threeParties(3), rows: &Rows{Model: m, Name: party, Secret: []byte("secret of " + party), Train: sample(1, 60), Valid: sample(2, 40), Test: sample(3, 50)}}
	b.run.ConfigHash = fed.DigestOf([]byte("configuration"))
	b.run.Config = fed.RunConfig{Version: 1, Task: fed.TaskClassify, Rounds: 3, Seed: 5, Validation: &fed.Validation{Fraction: 0.4}, Strategy: fed.StrategySpec{Name: "fedavg"}, Train: fed.TrainSpec{Optimizer: "sgd", LR: 0.5, Batch: 10, Epochs: 2}}
	b.Learning = Learning{Rows: func(context.Context, fed.Run) (*Rows, error) { return b.rows, nil }, Blobs: newBlobs()}
	return b
}

func (b *bench) params(w0, w1, bias float32) tensor.Params {
	p := b.rows.Model.Zeros()
	p.SetFlat([]float32{w0, w1, bias})
	return p
}

func (b *bench) put(t *testing.T, p tensor.Params) fed.BlobRef {
	t.Helper()
	ref, err := b.Blobs.PutBytes(ctx, tensor.EncodeSafetensors(p, nil))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func (b *bench) train(t *testing.T) (Trained, tensor.Params) {
	t.Helper()
	out, err := b.Train(ctx, b.run, tensor.EncodeSafetensors(b.params(0, 0, 0), nil), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	delta, _, err := tensor.DecodeSafetensors(out.Delta)
	if err != nil {
		t.Fatal(err)
	}
	return out, delta
}

func TestTrainReturnsDeltaAndSumsOfTheBase(t *testing.T) {
	b := newBench(t, "A")
	out, delta := b.train(t)
	if out.Examples != 60 || delta.Norm() == 0 || !(out.Loss > 0) {
		t.Errorf("trained %+v, norm %v", out, delta.Norm())
	}
	if want := train.Evaluate(b.rows.Model, b.params(0, 0, 0), b.rows.Valid); !cmp.Equal(want, out.Valid) {
		t.Errorf("the sums are not those of the base on the validation rows: %+v", out.Valid)
	}
	if again, _ := b.train(t); !cmp.Equal(out, again) {
		t.Error("the same round trains to other bits")
	}
	b.rows.Valid = train.Data{D: 2}
	if out, _ := b.train(t); out.Valid.Examples != 0 {
		t.Errorf("a party with too few validation rows draws the curve on %d test rows, and the round is chosen by it", out.Valid.Examples)
	}
	b.run.Config.Validation = nil
	if out, _ := b.train(t); out.Valid.Examples != 50 {
		t.Errorf("where nothing is held out the sums are over %d rows, not the test rows", out.Valid.Examples)
	}
	b.rows.Name = "B"
	if other, _ := b.train(t); cmp.Equal(out.Delta, other.Delta) {
		t.Error("two parties draw the same batches")
	}
}

// Li et al. 2020: the proximal term keeps the local params near the base.
func TestProximalTermMovesTheUpdate(t *testing.T) {
	norm := func(s fed.StrategySpec) float64 {
		b := newBench(t, "A")
		b.run.Config.Strategy = s
		_, delta := b.train(t)
		return delta.Norm()
	}
	avg, zero := norm(fed.StrategySpec{Name: "fedavg"}), norm(fed.StrategySpec{Name: "fedprox"})
	little, much := norm(fed.StrategySpec{Name: "fedprox", Mu: 0.1}), norm(fed.StrategySpec{Name: "fedprox", Mu: 1})
	if avg != zero || !(much < little && little < zero) {
		t.Errorf("norms: fedavg %v, mu 0 %v, mu 0.1 %v, mu 1 %v", avg, zero, little, much)
	}
}

func TestTrainRefusesParamsOfAPeer(t *testing.T) {
	b := newBench(t, "A")
	for name, c := range map[string]struct {
		raw  []byte
		kind fed.Kind
	}{
		"garbage":     {[]byte("garbage"), fed.Corrupt},
		"other shape": {tensor.EncodeSafetensors(tensor.Params{tensor.New("w", 9)}, nil), fed.Incompatible},
		"not finite":  {tensor.EncodeSafetensors(b.params(float32(math.NaN()), 0, 0), nil), fed.Corrupt},
	} {
		if _, err := b.Train(ctx, b.run, c.raw, 1, nil); fed.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.Rows = func(context.Context, fed.Run) (*Rows, error) {
		return nil, fed.Errorf(fed.Permission, "", "its consent has expired")
	}
	if _, err := b.Train(ctx, b.run, nil, 1, nil); fed.KindOf(err) != fed.Permission {
		t.Errorf("without consent: %v", err)
	}
}

func TestTrainEndsWithItsContext(t *testing.T) {
	b := newBench(t, "A")
	cctx, cancel := context.WithCancel(ctx)
	steps := 0
	_, err := b.Train(cctx, b.run, tensor.EncodeSafetensors(b.params(0, 0, 0), nil), 1, func(done, total int) {
		if steps++; done == 2 {
			cancel()
		}
	})
	if err == nil || steps != 2 {
		t.Errorf("after %d of 12 steps: %v", steps, err)
	}
}

func TestEvaluateReturnsSumsOfTheAskedRows(t *testing.T) {
	b := newBench(t, "A")
	p := b.params(1, 1, 0)
	ask := fed.EvalAsk{Run: runID, Params: b.put(t, p)}
	for part, rows := range map[string]train.Data{"valid": b.rows.Valid, "test": b.rows.Test} {
		ask.Part = part
		got, err := b.Evaluate(ctx, b.run, ask)
		want := fed.EvalReply{Sums: train.Evaluate(b.rows.Model, p, rows), Train: 60}
		if err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: %v\n%s", part, err, cmp.Diff(want, got))
		}
	}
	ask.Part = "train"
	if _, err := b.Evaluate(ctx, b.run, ask); fed.KindOf(err) != fed.Invalid {
		t.Errorf("training rows: %v", err)
	}
	ask.Part, ask.Params.Digest = "test", fed.DigestOf(nil)
	if _, err := b.Evaluate(ctx, b.run, ask); fed.KindOf(err) != fed.NotFound {
		t.Errorf("unknown params: %v", err)
	}
}

// The baseline is the exact fit on training and validation rows, on the test rows.
func TestAlone(t *testing.T) {
	b := newBench(t, "A")
	ask := fed.EvalAsk{Run: runID, Params: b.put(t, b.params(1, 1, 0)), Part: "test", Alone: true}
	got, err := b.Evaluate(ctx, b.run, ask)
	if err != nil || got.Alone == nil {
		t.Fatal(got.Alone, err)
	}
	all := train.Data{X: slices.Concat(b.rows.Train.X, b.rows.Valid.X), Y: slices.Concat(b.rows.Train.Y, b.rows.Valid.Y), N: 100, D: 2}
	p, err := train.MaximumLikelihood(b.rows.Model, all, AloneRidge)
	if err != nil {
		t.Fatal(err)
	}
	if want := train.Evaluate(b.rows.Model, p, b.rows.Test); !cmp.Equal(want, *got.Alone) {
		t.Errorf("baseline:\n%s", cmp.Diff(want, *got.Alone))
	}
	for i := range b.rows.Train.Y {
		b.rows.Train.Y[i] = 1
	}
	for i := range b.rows.Valid.Y {
		b.rows.Valid.Y[i] = 1
	}
	if got, err := b.Evaluate(ctx, b.run, ask); err != nil || got.Alone != nil || got.Sums.Examples != 50 {
		t.Errorf("rows of one class: baseline %v, %v", got.Alone, err)
	}
}

// Families without an exact fit, and labels that lack a class of the federation,
// train as long as the run.
func TestFitTrainsWhereThereIsNoExactFit(t *testing.T) {
	m, err := model.New(fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	cfg := newBench(t, "A").run.Config
	p, err := Fit(ctx, m, sample(1, 60), cfg, "A") // no row of class 2
	if err != nil || p == nil {
		t.Fatal(p, err)
	}
	if s := train.Evaluate(m, p, sample(3, 200)); s.Correct < 140 { // 80 % are right at best
		t.Errorf("%d of 200 right", s.Correct)
	}
	cfg.Train.LR, cfg.Train.WeightDecay = 100, 10 // each step multiplies by -999
	if p, err := Fit(ctx, m, sample(1, 60), cfg, "A"); err != nil || p != nil {
		t.Errorf("a baseline that diverges: %v, %v", p, err)
	}
	if p, err := Fit(ctx, m, train.Data{D: 2}, cfg, "A"); err != nil || p != nil {
		t.Errorf("a baseline of no rows: %v, %v", p, err)
	}
}

// A round of two updates, scored on A's rows.
func scored(t *testing.T, b *bench, n int) (fed.ScoreReply, []float64) {
	t.Helper()
	base := b.params(0, 0, 0)
	deltas := []contribution.Member{{Party: "A", Weight: 60, Delta: b.params(1, 1, 0)}, {Party: "B", Weight: 20, Delta: b.params(-1, 0, 1)}}
	ask := fed.ScoreAsk{Run: runID, Round: n, Base: b.put(t, base)}
	for _, d := range deltas {
		ask.In = append(ask.In, fed.RoundParty{Name: d.Party, Weight: fed.Number(d.Weight), Update: b.put(t, d.Delta)})
	}
	got, err := b.Score(ctx, b.run, ask)
	if err != nil {
		t.Fatal(err)
	}
	var want []float64
	theta := base.Clone()
	mean := func(s contribution.Set) float64 {
		contribution.Rebuild(theta, base, deltas, s)
		sum := 0.0
		for _, l := range train.RowLosses(b.rows.Model, theta, b.rows.heldOut(b.run.Config), contribution.LossCap) {
			sum += l
		}
		return sum / float64(b.rows.heldOut(b.run.Config).N)
	}
	for s := range contribution.Set(4) {
		want = append(want, mean(0)-mean(s))
	}
	return got, want
}

func TestScoreIsTheGainOfEveryCoalition(t *testing.T) {
	got, want := scored(t, newBench(t, "A"), 1)
	if got.Rows != 40 || len(got.Table) != 4 || got.Table[0] != 0 || len(got.Replicates) != contribution.DefaultReplicates {
		t.Fatalf("%d rows, table %v, %d replicates", got.Rows, got.Table, len(got.Replicates))
	}
	for s := range want {
		if math.Abs(got.Table[s]-want[s]) > 1e-12 { // another order of the same sum
			t.Errorf("coalition %b gains %v, want %v", s, got.Table[s], want[s])
		}
	}
	for b, r := range got.Replicates {
		if len(r) != 4 || r[0] != 0 {
			t.Fatalf("replicate %d is %v", b, r)
		}
	}
}

// Replicate b means the same rows in every round, and nobody else can tell which.
func TestReplicatesFollowTheSecret(t *testing.T) {
	first, _ := scored(t, newBench(t, "A"), 1)
	if second, _ := scored(t, newBench(t, "A"), 2); !cmp.Equal(first, second) {
		t.Error("another round resampled other rows")
	}
	other := newBench(t, "A")
	other.rows.Secret = []byte("of another dataset")
	if got, _ := scored(t, other, 1); !cmp.Equal(first.Table, got.Table) || cmp.Equal(first.Replicates, got.Replicates) {
		t.Error("the replicates do not depend on the secret, or the table does")
	}
	next := newBench(t, "A")
	next.run.ConfigHash = fed.DigestOf([]byte("another"))
	if got, _ := scored(t, next, 1); cmp.Equal(first.Replicates, got.Replicates) {
		t.Error("another run resampled the same rows")
	}
}

func TestScoreRefuses(t *testing.T) {
	b := newBench(t, "A")
	base := b.put(t, b.params(0, 0, 0))
	in := fed.RoundParty{Name: "A", Weight: 1, Update: b.put(t, b.params(1, 0, 0))}
	bad := in
	bad.Update = b.put(t, b.params(float32(math.Inf(1)), 0, 0))
	gone := in
	gone.Update.Digest = fed.DigestOf([]byte("gone"))
	for name, c := range map[string]struct {
		in   []fed.RoundParty
		kind fed.Kind
	}{
		"nobody":       {nil, fed.Invalid},
		"too many":     {slices.Repeat([]fed.RoundParty{in}, contribution.MaxExact+1), fed.Invalid},
		"not finite":   {[]fed.RoundParty{bad}, fed.Corrupt},
		"missing blob": {[]fed.RoundParty{gone}, fed.NotFound},
	} {
		if _, err := b.Score(ctx, b.run, fed.ScoreAsk{Run: runID, Base: base, In: c.in}); fed.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.rows.Valid, b.rows.Test = train.Data{D: 2}, train.Data{D: 2}
	if _, err := b.Score(ctx, b.run, fed.ScoreAsk{Run: runID, Base: base, In: []fed.RoundParty{in}}); fed.KindOf(err) != fed.Invalid {
		t.Errorf("without held-out rows: %v", err)
	}
}

// A reply stays within one message, whatever the number of parties and however long
// its numbers are.
func TestScoreFitsAMessage(t *testing.T) {
	b := newBench(t, "A")
	base := b.put(t, b.params(0, 0, 0))
	for _, n := range []int{1, 7, contribution.MaxExact} {
		var in []fed.RoundParty
		for i := range n {
			in = append(in, fed.RoundParty{Name: string(rune('A' + i)), Weight: 1, Update: b.put(t, b.params(float32(i), 1, 0))})
		}
		got, err := b.Score(ctx, b.run, fed.ScoreAsk{Run: runID, Base: base, In: in})
		if err != nil || len(got.Table) != 1<<n || len(got.Replicates) < 2 {
			t.Fatalf("%d parties: table of %d, %d replicates, %v", n, len(got.Table), len(got.Replicates), err)
		}
		for i := range got.Table[1:] {
			got.Table[i+1] = -1.2345678901234567e-5
		}
		for _, row := range got.Replicates {
			for i := range row[1:] {
				row[i+1] = -1.2345678e-5
			}
		}
		got.Key, got.Sig = make([]byte, 44), make([]byte, 64)
		if raw, err := json.Marshal(got); err != nil || len(raw) > replyBytes+1000 {
			t.Errorf("%d parties: a reply of %d bytes, %v", n, len(raw), err)
		}
	}
}
