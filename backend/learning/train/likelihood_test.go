package train_test

import (
	"math"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
	"synergos.app/desktop/backend/learning/train"
)

func fit(t *testing.T, m *model.Model, data train.Data, l2 float64) tensor.Params {
	t.Helper()
	p, err := train.MaximumLikelihood(m, data, l2)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// One yes-no column: without a penalty the fit reproduces the two frequencies,
// 1 of 4 at x = 0 and 3 of 4 at x = 1, so b = -ln 3 and w = 2 ln 3.
func TestLikelihoodByHand(t *testing.T) {
	m := newModel(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 1, 2)
	data := train.Data{X: []float32{0, 0, 0, 0, 1, 1, 1, 1}, Y: []float32{0, 0, 0, 1, 1, 1, 1, 0}, N: 8, D: 1}
	p := fit(t, m, data, 0)
	if w, b := p[0].Data[0], p[1].Data[0]; math.Abs(float64(w)-2*math.Log(3)) > 1e-6 || math.Abs(float64(b)+math.Log(3)) > 1e-6 {
		t.Errorf("w %v, b %v", w, b)
	}
	// A huge penalty leaves the intercept free: the share of class 1.
	data.Y[4], data.Y[5] = 0, 0 // now 2 of 8
	p = fit(t, m, data, 1e9)
	if w, b := p[0].Data[0], p[1].Data[0]; math.Abs(float64(w)) > 1e-6 || math.Abs(float64(b)+math.Log(3)) > 1e-6 {
		t.Errorf("penalised: w %v, b %v", w, b)
	}
}

// y = 1 + 2x with noise that sums to zero: XᵀX of the centred x is 2, Xᵀy is 4;
// ridge 2 halves the slope, and the intercept follows the means.
func TestRidgeByHand(t *testing.T) {
	m := newModel(t, fed.ModelSpec{Family: model.Linear}, fed.TaskRegress, 1, 0)
	data := train.Data{X: []float32{1, 2, 3}, Y: []float32{3, 5, 7}, N: 3, D: 1}
	for l2, want := range map[float64][2]float64{0: {2, 1}, 2: {1, 3}} {
		p := fit(t, m, data, l2)
		if w, b := float64(p[0].Data[0]), float64(p[1].Data[0]); math.Abs(w-want[0]) > 1e-6 || math.Abs(b-want[1]) > 1e-6 {
			t.Errorf("l2 %v: w %v, b %v, want %v", l2, w, b, want)
		}
	}
}

// At the optimum the gradient of Σ loss + l2/2 |w|² is zero, whatever method
// found it. Softmax with 3 classes goes by Newton, with 103 columns by L-BFGS.
func TestLikelihoodGradientIsZero(t *testing.T) {
	for _, c := range []struct {
		name              string
		task              string
		family            string
		n, d, classes     int
		tolerance, l2, in float64
	}{
		{"binary", fed.TaskClassify, model.Logistic, 200, 4, 2, 1e-3, 0.7, 1},
		{"softmax by Newton", fed.TaskClassify, model.Logistic, 200, 4, 3, 1e-3, 0.7, 1},
		{"softmax by Newton, no penalty", fed.TaskClassify, model.Logistic, 200, 2, 3, 1e-3, 0, 1},
		{"softmax by L-BFGS", fed.TaskClassify, model.Logistic, 60, 103, 5, 1e-2, 2, 1},
		{"linear", fed.TaskRegress, model.Linear, 100, 6, 4, 1e-3, 0.5, 0.5},
	} {
		classes := c.classes
		if c.task == fed.TaskRegress {
			classes = 0
		}
		m := newModel(t, fed.ModelSpec{Family: c.family}, c.task, c.d, classes)
		data := blobs(6, c.n, c.d, c.classes)
		p := fit(t, m, data, c.l2)
		g := m.Zeros()
		m.NewWorkspace().Gradient(p, data.X, data.Y, data.N, nil, g)
		g.Scale(float64(data.N) * c.in) // from the mean to the sum; linear: half the square
		tensor.Params{g[0]}.Axpy(c.l2, tensor.Params{p[0]})
		if n := g.Norm(); n > c.tolerance {
			t.Errorf("%s: gradient norm %v", c.name, n)
		}
		if tensor.Hash(p) != tensor.Hash(fit(t, m, data, c.l2)) {
			t.Errorf("%s: not deterministic", c.name)
		}
	}
}

func TestLikelihoodRefuses(t *testing.T) {
	binary := newModel(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 1, 2)
	three := newModel(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 1, 3)
	line := newModel(t, fed.ModelSpec{Family: model.Linear}, fed.TaskRegress, 2, 0)
	net := newModel(t, mlp(), fed.TaskClassify, 1, 2)
	split := train.Data{X: []float32{-2, -1, 1, 2}, Y: []float32{0, 0, 1, 1}, N: 4, D: 1}
	for name, c := range map[string]struct {
		m    *model.Model
		data train.Data
		l2   float64
	}{
		"separated":       {binary, split, 0},
		"class missing":   {three, split, 1},
		"one class":       {binary, train.Data{X: []float32{1, 2}, Y: []float32{1, 1}, N: 2, D: 1}, 1},
		"repeated column": {line, train.Data{X: []float32{1, 1, 2, 2, 3, 3}, Y: []float32{1, 2, 4}, N: 3, D: 2}, 0},
		"constant column": {line, train.Data{X: []float32{1, 5, 2, 5, 3, 5}, Y: []float32{1, 2, 4}, N: 3, D: 2}, 0},
		"no rows":         {binary, train.Data{D: 1}, 1},
		"negative l2":     {binary, split, -1},
		"NaN l2":          {binary, split, math.NaN()},
		"layers":          {net, split, 1},
		"other columns":   {line, split, 1},
	} {
		if p, err := train.MaximumLikelihood(c.m, c.data, c.l2); err == nil || fed.KindOf(err) != fed.Invalid || fed.HintOf(err) == "" {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	for name, l2 := range map[string]float64{"separated": 1e-3, "barely penalised": 1e-6} {
		if _, err := train.MaximumLikelihood(binary, split, l2); err != nil {
			t.Errorf("%s with a penalty: %v", name, err)
		}
	}
}
