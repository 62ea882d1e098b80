package model

import (
	"math/rand/v2"

	"synergos.app/desktop/backend/learning/tensor"
)

// Workspace holds what passes between the layers of a model for one batch. It
// grows to the largest batch it has seen and then allocates nothing. It belongs
// to one goroutine.
type Workspace struct {
	m     *Model
	out   [][]float32 // per layer, [n, width]
	down  [2][]float32
	state []scratch
}

// NewWorkspace returns an empty workspace of m.
func (m *Model) NewWorkspace() *Workspace {
	return &Workspace{m: m, out: make([][]float32, len(m.stack)), state: make([]scratch, len(m.stack))}
}

// Forward returns the logits or values [n, k] of rows x [n, d], without dropout.
// The result belongs to the workspace and lasts until its next call. It panics
// when p or x do not fit the model.
func (w *Workspace) Forward(p tensor.Params, x []float32, n int) []float32 {
	return w.forward(p, x, n, nil)
}

func (w *Workspace) forward(p tensor.Params, x []float32, n int, rng *rand.Rand) []float32 {
	if len(x) != n*w.m.features || len(p) != len(w.m.template) {
		panic("model: rows or params that do not fit the model")
	}
	for i := range w.m.stack {
		l := &w.m.stack[i]
		w.out[i] = resize(w.out[i], n*l.out)
		w.state[i].rng = rng
		l.forward(p[l.first:l.last], x, w.out[i], n, &w.state[i])
		x = w.out[i]
	}
	return x
}

// Gradient returns the mean loss of rows x [n, d] with targets y [n] (class
// indices or values) and writes its gradient by every param to g, which has the
// names and shapes of p and is overwritten. Dropout draws from rng; with a nil
// rng nothing is dropped. n is at least 1. It panics when an argument does not
// fit the model or a class index is not one.
func (w *Workspace) Gradient(p tensor.Params, x, y []float32, n int, rng *rand.Rand, g tensor.Params) float64 {
	z := w.forward(p, x, n, rng)
	k := w.m.outputs
	dout := w.dside(0, n*k)
	var loss float64
	for i := range n {
		loss += w.m.head.loss(z[i*k:(i+1)*k], y[i], 1/float64(n), dout[i*k:(i+1)*k])
	}
	side := 0
	for i := len(w.m.stack) - 1; i >= 0; i-- {
		l := &w.m.stack[i]
		in := x
		var din []float32
		if i > 0 {
			in = w.out[i-1]
			side = 1 - side
			din = w.dside(side, n*l.in)
		}
		l.backward(p[l.first:l.last], g[l.first:l.last], in, w.out[i], dout, din, n, &w.state[i])
		dout = din
	}
	return loss / float64(n)
}

// dside returns one of the two buffers for gradients by layer outputs.
func (w *Workspace) dside(side, n int) []float32 {
	w.down[side] = resize(w.down[side], n)
	return w.down[side]
}

func resize(b []float32, n int) []float32 {
	if cap(b) < n {
		return make([]float32, n)
	}
	return b[:n]
}
