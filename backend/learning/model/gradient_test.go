package model_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
)

// Every layer type stands between two Linear layers, so that its gradient by
// its params and by its input both show in the numbers compared.
func TestGradientEqualsFiniteDifferences(t *testing.T) {
	between := func(l ...fed.LayerSpec) fed.ModelSpec {
		return layers(append(append([]fed.LayerSpec{lin(6)}, l...), lin(0))...)
	}
	for _, c := range []struct {
		name    string
		spec    fed.ModelSpec
		task    string
		classes int
	}{
		{"logistic binary", fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 2},
		{"logistic softmax", fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 4},
		{"linear", fed.ModelSpec{Family: model.Linear}, fed.TaskRegress, 0},
		{"Linear", between(), fed.TaskClassify, 3},
		{"Linear no bias", between(fed.LayerSpec{Type: "Linear", Out: 4, NoBias: true}), fed.TaskClassify, 3},
		{"two logits", layers(lin(2)), fed.TaskClassify, 2},
		{"ReLU", between(fed.LayerSpec{Type: "ReLU"}), fed.TaskClassify, 3},
		{"LeakyReLU", between(fed.LayerSpec{Type: "LeakyReLU", Slope: 0.3}), fed.TaskClassify, 2},
		{"Sigmoid", between(fed.LayerSpec{Type: "Sigmoid"}), fed.TaskClassify, 3},
		{"Tanh", between(fed.LayerSpec{Type: "Tanh"}), fed.TaskRegress, 0},
		{"GELU", between(fed.LayerSpec{Type: "GELU"}), fed.TaskClassify, 3},
		{"Dropout", between(fed.LayerSpec{Type: "Dropout", P: 0.4}), fed.TaskClassify, 3},
		{"LayerNorm", between(fed.LayerSpec{Type: "LayerNorm"}), fed.TaskClassify, 3},
		{"LayerNorm first", layers(fed.LayerSpec{Type: "LayerNorm"}, lin(0)), fed.TaskClassify, 3},
		{"value behind Tanh", layers(lin(0), fed.LayerSpec{Type: "Tanh"}), fed.TaskRegress, 0},
		{"all", between(fed.LayerSpec{Type: "GELU"}, fed.LayerSpec{Type: "LayerNorm"}, lin(5), fed.LayerSpec{Type: "Tanh"}, fed.LayerSpec{Type: "Dropout", P: 0.2}), fed.TaskClassify, 2},
	} {
		t.Run(c.name, func(t *testing.T) { checkGradient(t, build(t, c.spec, c.task, 5, c.classes)) })
	}
}

func checkGradient(t *testing.T, m *model.Model) {
	const n = 7
	rng := newRand()
	p := m.Init(rng)
	for i := range p { // away from zeros and ones, where mistakes can hide
		for j := range p[i].Data {
			p[i].Data[j] += float32(0.3 * rng.NormFloat64())
		}
	}
	x, y := batch(rng, m, n)
	w, g, unused := m.NewWorkspace(), m.Zeros(), m.Zeros()
	g.Fill(99) // Gradient overwrites
	dropRand := func() *rand.Rand { return rand.New(rand.NewPCG(5, 6)) }
	w.Gradient(p, x, y, n, dropRand(), g)
	const h = 1.0 / 256
	for i := range p {
		for j, v := range p[i].Data {
			loss := func(at float32) float64 {
				p[i].Data[j] = at
				return w.Gradient(p, x, y, n, dropRand(), unused)
			}
			want := (loss(v+h) - loss(v-h)) / (2 * h)
			p[i].Data[j] = v
			// float32 logits leave about 1e-7/h of noise, the difference itself h².
			if got := float64(g[i].Data[j]); math.Abs(got-want) > 3e-4*(1+math.Abs(want)) {
				t.Fatalf("%s[%d]: gradient %v, finite difference %v", p[i].Name, j, got, want)
			}
		}
	}
}

func batch(rng *rand.Rand, m *model.Model, n int) (x, y []float32) {
	x, y = make([]float32, n*m.Features()), make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	for i := range y {
		if m.Classes() == 0 {
			y[i] = float32(rng.NormFloat64())
			continue
		}
		y[i] = float32(rng.IntN(m.Classes()))
	}
	return x, y
}

// The loss that Gradient returns is the mean of the losses that Judge gives.
func TestGradientLossIsTheMeanOfTheRows(t *testing.T) {
	m := build(t, layers(lin(6), fed.LayerSpec{Type: "Tanh"}, lin(0)), fed.TaskClassify, 5, 3)
	rng := newRand()
	p := m.Init(rng)
	x, y := batch(rng, m, 9)
	got := m.NewWorkspace().Gradient(p, x, y, 9, nil, m.Zeros())
	z := m.Forward(p, x, 9)
	var want float64
	for i := range 9 {
		want += m.Judge(z[i*3:(i+1)*3], y[i]).Loss / 9
	}
	if math.Abs(got-want) > 1e-12 {
		t.Errorf("loss %v, want %v", got, want)
	}
}

func TestDropoutKeepsTheMeanAndOnlyTrains(t *testing.T) {
	m := build(t, layers(fed.LayerSpec{Type: "Dropout", P: 0.25}, lin(0)), fed.TaskRegress, 1000, 0)
	p := m.Zeros()
	p[0].Data = append(p[0].Data[:0], ones(1000)...)
	x := ones(1000)
	if z := m.Forward(p, x, 1); z[0] != 1000 {
		t.Errorf("without a generator something is dropped: %v", z[0])
	}
	g := m.Zeros()
	loss := m.NewWorkspace().Gradient(p, x, []float32{0}, 1, newRand(), g)
	sum := math.Sqrt(loss)
	// Mean 1000, standard deviation sqrt(1000 * 1/3) = 18.
	if sum == 1000 || math.Abs(sum-1000) > 90 {
		t.Errorf("the kept numbers add up to %v, want about 1000", sum)
	}
	dropped := 0
	for _, d := range g[0].Data {
		if d == 0 {
			dropped++
		}
	}
	if want := 1000 - int(math.Round(sum*0.75)); dropped != want {
		t.Errorf("%d weights without gradient, want %d", dropped, want)
	}
}

func ones(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

func TestGradientAllocatesNothingAfterWarmUp(t *testing.T) {
	m := build(t, layers(lin(64), fed.LayerSpec{Type: "ReLU"}, fed.LayerSpec{Type: "Dropout", P: 0.1}, fed.LayerSpec{Type: "LayerNorm"}, lin(0)), fed.TaskClassify, 100, 10)
	rng := newRand()
	p, g, w := m.Init(rng), m.Zeros(), m.NewWorkspace()
	x, y := batch(rng, m, 32)
	w.Gradient(p, x, y, 32, rng, g)
	if n := testing.AllocsPerRun(10, func() { w.Gradient(p, x, y, 32, rng, g) }); n != 0 {
		t.Errorf("%v allocations per step", n)
	}
}

func BenchmarkGradientMLP(b *testing.B) {
	m, err := model.New(layers(lin(200), fed.LayerSpec{Type: "ReLU"}, lin(200), fed.LayerSpec{Type: "ReLU"}, lin(0)), fed.TaskClassify, 784, 10)
	if err != nil {
		b.Fatal(err)
	}
	rng := newRand()
	p := m.Init(rng)
	x, y := batch(rng, m, 32)
	w, g := m.NewWorkspace(), m.Zeros()
	b.ReportAllocs()
	for b.Loop() {
		w.Gradient(p, x, y, 32, rng, g)
	}
	b.ReportMetric(32*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}
