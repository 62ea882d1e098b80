package train_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/metric"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
	"synergos.app/desktop/backend/learning/train"
)

func newModel(t testing.TB, spec fed.ModelSpec, task string, features, classes int) *model.Model {
	t.Helper()
	m, err := model.New(spec, task, features, classes)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mlp() fed.ModelSpec {
	return fed.ModelSpec{Family: model.Layers, Layers: []fed.LayerSpec{
		{Type: "Linear", Out: 8}, {Type: "ReLU"}, {Type: "Dropout", P: 0.2}, {Type: "Linear"},
	}}
}

// blobs draws n rows of d columns; class c stands around c in every column.
func blobs(seed uint64, n, d, classes int) train.Data {
	rng := rand.New(rand.NewPCG(seed, 1))
	data := train.Data{X: make([]float32, n*d), Y: make([]float32, n), N: n, D: d}
	for i := range n {
		c := rng.IntN(classes)
		data.Y[i] = float32(c)
		for j := range d {
			data.X[i*d+j] = float32(float64(c) + rng.NormFloat64())
		}
	}
	return data
}

func local(t testing.TB, m *model.Model, start tensor.Params, data train.Data, spec fed.TrainSpec, mu float64) train.Result {
	t.Helper()
	r, err := train.Local(context.Background(), m, start, data, spec, train.Prox{Mu: mu}, fed.Rand(1, 2, "a", "train"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Full-batch steps of a line w x + b on the points (1, 2) and (3, 4), from 0:
// gradient of the mean squared error at (0, 0) is (-14, -6).
func TestOptimizersByHand(t *testing.T) {
	m := newModel(t, fed.ModelSpec{Family: model.Linear}, fed.TaskRegress, 1, 0)
	data := train.Data{X: []float32{1, 3}, Y: []float32{2, 4}, N: 2, D: 1}
	// After one step of 0.01: w .14, b .06; the residuals are -1.8 and -3.52,
	// the second gradient (-1.8 - 3*3.52, -1.8 - 3.52) = (-12.36, -5.32).
	for _, c := range []struct {
		name string
		spec fed.TrainSpec
		mu   float64
		want []float64
	}{
		{"one step", fed.TrainSpec{Optimizer: "sgd", LR: 0.01, Steps: 1}, 0, []float64{.14, .06}},
		{"two steps", fed.TrainSpec{Optimizer: "sgd", LR: 0.01, Steps: 2}, 0, []float64{.2636, .1132}},
		{"batch above the rows", fed.TrainSpec{Optimizer: "sgd", LR: 0.01, Steps: 2, Batch: 99}, 0, []float64{.2636, .1132}},
		{"momentum", fed.TrainSpec{Optimizer: "sgd", LR: 0.01, Steps: 2, Momentum: 0.5}, 0, []float64{.3336, .1432}},
		{"weight decay", fed.TrainSpec{Optimizer: "sgd", LR: 0.01, Steps: 2, WeightDecay: 1}, 0, []float64{.2622, .1126}},
		{"proximal", fed.TrainSpec{Optimizer: "sgd", LR: 0.01, Steps: 2}, 1, []float64{.2622, .1126}},
		{"clip", fed.TrainSpec{Optimizer: "sgd", LR: 0.01, Steps: 1, Clip: 1}, 0, []float64{.14 / math.Sqrt(232), .06 / math.Sqrt(232)}},
		{"clip above the norm", fed.TrainSpec{Optimizer: "sgd", LR: 0.01, Steps: 1, Clip: 16}, 0, []float64{.14, .06}},
		{"adam", fed.TrainSpec{Optimizer: "adam", LR: 0.01, Steps: 1}, 0, []float64{.01, .01}},
	} {
		r := local(t, m, m.Zeros(), data, c.spec, c.mu)
		for i, v := range r.Params.AppendFlat(nil) {
			if math.Abs(float64(v)-c.want[i]) > 1e-6 {
				t.Errorf("%s: params %v, want %v", c.name, r.Params.AppendFlat(nil), c.want)
			}
		}
		if r.Steps != c.spec.Steps {
			t.Errorf("%s: %d steps", c.name, r.Steps)
		}
	}
	if r := local(t, m, m.Zeros(), data, fed.TrainSpec{Optimizer: "sgd", LR: 0.01, Steps: 1}, 0); r.Loss != 10 {
		t.Errorf("loss before the first step %v, want 10", r.Loss)
	}
}

// Adam's second step by Algorithm 1, in float64.
func TestAdamSecondStep(t *testing.T) {
	m := newModel(t, fed.ModelSpec{Family: model.Linear}, fed.TaskRegress, 1, 0)
	data := train.Data{X: []float32{1, 3}, Y: []float32{2, 4}, N: 2, D: 1}
	r := local(t, m, m.Zeros(), data, fed.TrainSpec{Optimizer: "adam", LR: 0.01, Steps: 2}, 0)
	grad := func(w, b float64) [2]float64 {
		r1, r2 := w+b-2, 3*w+b-4
		return [2]float64{r1 + 3*r2, r1 + r2}
	}
	g1 := grad(0, 0)
	g2 := grad(.01, .01)
	for i, got := range r.Params.AppendFlat(nil) {
		mHat := (0.9*0.1*g1[i] + 0.1*g2[i]) / (1 - 0.81)
		vHat := (0.999*0.001*g1[i]*g1[i] + 0.001*g2[i]*g2[i]) / (1 - 0.999*0.999)
		if want := .01 - .01*mHat/math.Sqrt(vHat); math.Abs(float64(got)-want) > 1e-6 {
			t.Errorf("param %d = %v, want %v", i, got, want)
		}
	}
}

func TestLocalIsDeterministic(t *testing.T) {
	m := newModel(t, mlp(), fed.TaskClassify, 5, 3)
	data, start := blobs(1, 50, 5, 3), m.Init(fed.Rand(1, 0, "", "init"))
	before := tensor.Hash(start)
	spec := fed.TrainSpec{Optimizer: "adam", LR: 0.01, Batch: 8, Epochs: 3, WeightDecay: 1e-3, Clip: 1}
	a, b := local(t, m, start, data, spec, 0.1), local(t, m, start, data, spec, 0.1)
	if tensor.Hash(a.Params) != tensor.Hash(b.Params) || a.Loss != b.Loss {
		t.Error("the same arguments give other params")
	}
	other, err := train.Local(context.Background(), m, start, data, spec, train.Prox{Mu: 0.1}, fed.Rand(1, 2, "b", "train"), nil)
	if err != nil || tensor.Hash(other.Params) == tensor.Hash(a.Params) {
		t.Errorf("another generator gives the same params (%v)", err)
	}
	if tensor.Hash(start) != before {
		t.Error("training changed the params it started from")
	}
	if diff := cmp.Diff(tensor.Sub(a.Params, start), a.Delta); diff != "" {
		t.Error(diff)
	}
}

func TestProximalTermHoldsTheParams(t *testing.T) {
	m := newModel(t, mlp(), fed.TaskClassify, 5, 2)
	data, start := blobs(2, 60, 5, 2), m.Init(fed.Rand(3, 0, "", "init"))
	spec := fed.TrainSpec{Optimizer: "sgd", LR: 0.05, Batch: 10, Epochs: 5}
	free, loose, tight := local(t, m, start, data, spec, 0), local(t, m, start, data, spec, 0.1), local(t, m, start, data, spec, 5)
	if !(tight.Delta.Norm() < 0.5*free.Delta.Norm() && loose.Delta.Norm() < free.Delta.Norm()) {
		t.Errorf("moves: mu 0 %v, mu 0.1 %v, mu 5 %v", free.Delta.Norm(), loose.Delta.Norm(), tight.Delta.Norm())
	}
	// From params where the term is zero on the first step, mu = 0 is FedAvg.
	one := spec
	one.Epochs, one.Steps = 0, 1
	if tensor.Hash(local(t, m, start, data, one, 0).Params) != tensor.Hash(local(t, m, start, data, one, 5).Params) {
		t.Error("the proximal term acts where the params have not moved")
	}
}

func TestStepsAndEpochs(t *testing.T) {
	m := newModel(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 2, 2)
	data := blobs(3, 10, 2, 2)
	for _, c := range []struct {
		spec fed.TrainSpec
		want int
	}{
		{fed.TrainSpec{Epochs: 3, Batch: 4}, 9},
		{fed.TrainSpec{Epochs: 3, Batch: 5}, 6},
		{fed.TrainSpec{Epochs: 3}, 3},
		{fed.TrainSpec{Epochs: 2, Batch: 1000}, 2},
		{fed.TrainSpec{Steps: 7, Batch: 4}, 7},
	} {
		c.spec.Optimizer, c.spec.LR = "sgd", 0.01
		var calls, last int
		r, err := train.Local(context.Background(), m, m.Zeros(), data, c.spec, train.Prox{}, fed.Rand(1, 1, "a", "train"), func(done, total int) {
			calls++
			last = done
			if total != c.want {
				t.Errorf("%+v: total %d", c.spec, total)
			}
		})
		if err != nil || r.Steps != c.want || calls != c.want || last != c.want {
			t.Errorf("%+v: %d steps, %d calls, last %d, %v; want %d", c.spec, r.Steps, calls, last, err, c.want)
		}
	}
}

// With one row per batch and a rate so small that params hardly move, a pass
// over all rows sums every row's gradient once.
func TestEveryPassSeesEveryRowOnce(t *testing.T) {
	m := newModel(t, fed.ModelSpec{Family: model.Linear}, fed.TaskRegress, 1, 0)
	data := train.Data{X: []float32{1, 0, 0, 0, 0}, Y: []float32{1, 10, 100, 1000, 10000}, N: 5, D: 1}
	for _, spec := range []fed.TrainSpec{{Epochs: 1, Batch: 1}, {Steps: 5, Batch: 1}, {Steps: 10, Batch: 1}} {
		spec.Optimizer, spec.LR = "sgd", 1e-9
		r := local(t, m, m.Zeros(), data, spec, 0)
		passes := float64(r.Steps) / 5
		if got := float64(r.Params[1].Data[0]) / 2e-9 / passes; math.Abs(got-11111) > 0.1 {
			t.Errorf("%+v: the rows of a pass add up to %v, want 11111", spec, got)
		}
	}
}

func TestDivergenceIsTyped(t *testing.T) {
	m := newModel(t, fed.ModelSpec{Family: model.Linear}, fed.TaskRegress, 1, 0)
	data := train.Data{X: []float32{1e6, 2e6}, Y: []float32{1, 2}, N: 2, D: 1}
	_, err := train.Local(context.Background(), m, m.Zeros(), data, fed.TrainSpec{Optimizer: "sgd", LR: 10, Steps: 50}, train.Prox{}, fed.Rand(1, 1, "a", "train"), nil)
	var d *train.ErrDiverged
	if !errors.As(err, &d) || d.Step < 2 || d.Step > 10 || !math.IsNaN(d.Loss) && !math.IsInf(d.Loss, 0) {
		t.Fatalf("got %v (%+v)", err, d)
	}
	if fed.KindOf(err) != fed.Invalid || fed.HintOf(err) == "" {
		t.Errorf("kind %v, hint %q", fed.KindOf(err), fed.HintOf(err))
	}
	// The last step's params are checked too: no later loss would show them.
	_, err = train.Local(context.Background(), m, m.Zeros(), train.Data{X: []float32{1e30}, Y: []float32{-1e30}, N: 1, D: 1},
		fed.TrainSpec{Optimizer: "sgd", LR: 1, Steps: 1}, train.Prox{}, fed.Rand(1, 1, "a", "train"), nil)
	if !errors.As(err, &d) || d.Step != 1 {
		t.Errorf("params that are not finite are returned: %v", err)
	}
}

func TestCancelStopsBetweenBatches(t *testing.T) {
	m := newModel(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 2, 2)
	ctx, cancel := context.WithCancel(context.Background())
	steps := 0
	_, err := train.Local(ctx, m, m.Zeros(), blobs(3, 10, 2, 2), fed.TrainSpec{Optimizer: "sgd", LR: 0.01, Steps: 1000, Batch: 2}, train.Prox{}, fed.Rand(1, 1, "a", "train"),
		func(done, _ int) {
			steps = done
			if done == 3 {
				cancel()
			}
		})
	if !errors.Is(err, context.Canceled) || steps != 3 {
		t.Errorf("%v after %d steps", err, steps)
	}
}

func TestLocalRefuses(t *testing.T) {
	m := newModel(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 2, 2)
	good := fed.TrainSpec{Optimizer: "sgd", LR: 0.1, Epochs: 1}
	nan := float32(math.NaN())
	bad := m.Zeros()
	bad[0].Data[0] = nan
	for name, c := range map[string]struct {
		start tensor.Params
		data  train.Data
		spec  func(*fed.TrainSpec)
		mu    float64
		kind  fed.Kind
	}{
		"optimizer":       {spec: func(s *fed.TrainSpec) { s.Optimizer = "lion" }},
		"zero rate":       {spec: func(s *fed.TrainSpec) { s.LR = 0 }},
		"NaN rate":        {spec: func(s *fed.TrainSpec) { s.LR = math.NaN() }},
		"negative batch":  {spec: func(s *fed.TrainSpec) { s.Batch = -1 }},
		"neither":         {spec: func(s *fed.TrainSpec) { s.Epochs = 0 }},
		"both":            {spec: func(s *fed.TrainSpec) { s.Steps = 3 }},
		"too many epochs": {spec: func(s *fed.TrainSpec) { s.Epochs = math.MaxInt }},
		"negative steps":  {spec: func(s *fed.TrainSpec) { s.Epochs, s.Steps = 0, -1 }},
		"momentum":        {spec: func(s *fed.TrainSpec) { s.Momentum = 1 }},
		"weight decay":    {spec: func(s *fed.TrainSpec) { s.WeightDecay = -1 }},
		"clip":            {spec: func(s *fed.TrainSpec) { s.Clip = math.Inf(1) }},
		"negative mu":     {mu: -1},
		"NaN mu":          {mu: math.NaN()},
		"other params":    {start: tensor.Params{tensor.New("weight", 1, 3)}, kind: fed.Incompatible},
		"params of NaN":   {start: bad},
		"no rows":         {data: train.Data{D: 2}},
		"other columns":   {data: blobs(1, 5, 3, 2)},
		"short X":         {data: train.Data{X: []float32{1}, Y: []float32{1}, N: 1, D: 2}},
		"NaN cell":        {data: train.Data{X: []float32{1, nan}, Y: []float32{1}, N: 1, D: 2}},
		"class 2 of 2":    {data: train.Data{X: []float32{1, 1}, Y: []float32{2}, N: 1, D: 2}},
		"half a class":    {data: train.Data{X: []float32{1, 1}, Y: []float32{.5}, N: 1, D: 2}},
		"infinite target": {data: train.Data{X: []float32{1, 1}, Y: []float32{float32(math.Inf(1))}, N: 1, D: 2}},
		"class 2^40":      {data: train.Data{X: []float32{1, 1}, Y: []float32{1 << 40}, N: 1, D: 2}},
		"negative class":  {data: train.Data{X: []float32{1, 1}, Y: []float32{-1}, N: 1, D: 2}},
	} {
		spec, data, start, kind := good, blobs(1, 5, 2, 2), m.Zeros(), fed.Invalid
		if c.spec != nil {
			c.spec(&spec)
		}
		if c.data.D != 0 {
			data = c.data
		}
		if c.start != nil {
			start = c.start
		}
		if c.kind != 0 {
			kind = c.kind
		}
		_, err := train.Local(context.Background(), m, start, data, spec, train.Prox{Mu: c.mu}, fed.Rand(1, 1, "a", "train"), nil)
		if err == nil || fed.KindOf(err) != kind || fed.HintOf(err) == "" {
			t.Errorf("%s: %v (%v)", name, err, fed.KindOf(err))
		}
	}
}

func TestEvaluate(t *testing.T) {
	m := newModel(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 1, 2)
	p := m.Zeros()
	p[0].Data[0] = float32(math.Log(3))
	s := train.Evaluate(m, p, train.Data{X: []float32{1, 1, -1, -1}, Y: []float32{1, 0, 0, 1}, N: 4, D: 1})
	if s.Examples != 4 || s.Correct != 2 || math.Abs(s.Loss-2*math.Log(4./3)-2*math.Log(4)) > 1e-6 {
		t.Errorf("%+v", s)
	}
	if diff := cmp.Diff([]int64{1, 1, 1, 1}, s.Confusion); diff != "" {
		t.Error(diff)
	}
	if err := metric.Valid(s, 2); err != nil {
		t.Error(err)
	}
	line := newModel(t, fed.ModelSpec{Family: model.Linear}, fed.TaskRegress, 1, 0)
	s = train.Evaluate(line, line.Zeros(), train.Data{X: []float32{1, 1}, Y: []float32{3, -4}, N: 2, D: 1})
	if diff := cmp.Diff(fed.Sums{Examples: 2, Loss: 25, Residual2: 25, Absolute: 7, Target: -1, TargetSq: 25}, s); diff != "" {
		t.Error(diff)
	}
}

// Sums of parts, cut anywhere, are the sums of the whole, across the chunks that
// Evaluate works in.
func TestEvaluatePartsMergeToTheWhole(t *testing.T) {
	m := newModel(t, mlp(), fed.TaskClassify, 4, 3)
	p, data := m.Init(fed.Rand(5, 0, "", "init")), blobs(4, 700, 4, 3)
	whole := train.Evaluate(m, p, data)
	const cut = 301
	a := train.Evaluate(m, p, train.Data{X: data.X[:cut*4], Y: data.Y[:cut], N: cut, D: 4})
	b := train.Evaluate(m, p, train.Data{X: data.X[cut*4:], Y: data.Y[cut:], N: 700 - cut, D: 4})
	got, err := metric.Merge(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(got.Loss-whole.Loss) > 1e-9*whole.Loss {
		t.Errorf("loss %v, want %v", got.Loss, whole.Loss)
	}
	got.Loss = whole.Loss
	if diff := cmp.Diff(whole, got); diff != "" {
		t.Error(diff)
	}
}

func TestRowLosses(t *testing.T) {
	m := newModel(t, fed.ModelSpec{Family: model.Linear}, fed.TaskRegress, 1, 0)
	data := train.Data{X: []float32{0, 0, 0}, Y: []float32{1, 2, 3}, N: 3, D: 1}
	for limit, want := range map[float64][]float64{0: {1, 4, 9}, 5: {1, 4, 5}} {
		if diff := cmp.Diff(want, train.RowLosses(m, m.Zeros(), data, limit)); diff != "" {
			t.Errorf("limit %v: %s", limit, diff)
		}
	}
}

// A broken model costs much, but no NaN leaves the package.
func TestEvaluateStaysFinite(t *testing.T) {
	m := newModel(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 2, 3)
	p := m.Zeros()
	p.Fill(math.MaxFloat32)
	p[0].Data[0] = -math.MaxFloat32
	data := blobs(5, 20, 2, 3)
	s := train.Evaluate(m, p, data)
	if err := metric.Valid(s, 3); err != nil || s.Loss < 1e30 {
		t.Errorf("%v: %+v", err, s)
	}
}

func BenchmarkLocalMLP(b *testing.B) {
	m := newModel(b, fed.ModelSpec{Family: model.Layers, Layers: []fed.LayerSpec{{Type: "Linear", Out: 200}, {Type: "ReLU"}, {Type: "Linear", Out: 200}, {Type: "ReLU"}, {Type: "Linear"}}}, fed.TaskClassify, 784, 10)
	data, start := blobs(1, 1000, 784, 10), m.Init(fed.Rand(1, 0, "", "init"))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n += 32 * local(b, m, start, data, fed.TrainSpec{Optimizer: "sgd", LR: 1e-3, Batch: 32, Steps: 30}, 0).Steps
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "samples/s")
}
