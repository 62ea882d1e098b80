package model

import (
	"math"
	"math/rand/v2"

	"synergos.app/desktop/backend/learning/tensor"
)

// layer is one step of a stack. p and g are the layer's own params and their
// gradients; in is [n, width in], out [n, width out]; din is nil when nobody
// reads it. s is the layer's scratch, kept from forward to backward.
type layer interface {
	kind() string
	tensors() []named
	gain() float64 // variance gain wanted from the weights before this layer
	init(p tensor.Params, gain float64, rng *rand.Rand)
	forward(p tensor.Params, in, out []float32, n int, s *scratch)
	backward(p, g tensor.Params, in, out, dout, din []float32, n int, s *scratch)
}

type named struct {
	name  string
	shape []int
}

// scratch is what a layer remembers between forward and backward.
type scratch struct {
	rng  *rand.Rand // nil: no dropout
	keep []float32
}

// room returns the scratch resized to n numbers.
func (s *scratch) room(n int) []float32 {
	if cap(s.keep) < n {
		s.keep = make([]float32, n)
	}
	s.keep = s.keep[:n]
	return s.keep
}

// plain is the part of a layer that has no params.
type plain struct{}

func (plain) tensors() []named                        { return nil }
func (plain) gain() float64                           { return 1 }
func (plain) init(tensor.Params, float64, *rand.Rand) {}

// dense is y = x Wᵀ + b with W [out, in] and b [out].
type dense struct {
	in, out int
	bias    bool
}

func (dense) kind() string  { return "Linear" }
func (dense) gain() float64 { return 1 }

func (l dense) tensors() []named {
	t := []named{{"weight", []int{l.out, l.in}}}
	if l.bias {
		t = append(t, named{"bias", []int{l.out}})
	}
	return t
}

// init draws the weights: normal with variance gain/in before a rectifier
// (gain 2, He), uniform with variance 2/(in+out) otherwise (Glorot).
func (l dense) init(p tensor.Params, gain float64, rng *rand.Rand) {
	w := p[0].Data
	if gain > 1 {
		sd := math.Sqrt(gain / float64(l.in))
		for i := range w {
			w[i] = float32(sd * rng.NormFloat64())
		}
		return
	}
	limit := math.Sqrt(6 / float64(l.in+l.out))
	for i := range w {
		w[i] = float32(limit * (2*rng.Float64() - 1))
	}
}

func (l dense) forward(p tensor.Params, in, out []float32, n int, _ *scratch) {
	var beta float32
	if l.bias {
		beta = 1
		for i := range n {
			copy(out[i*l.out:], p[1].Data)
		}
	}
	tensor.Gemm(1, mat(in, n, l.in), mat(p[0].Data, l.out, l.in).Transposed(), beta, mat(out, n, l.out))
}

func (l dense) backward(p, g tensor.Params, in, _, dout, din []float32, n int, _ *scratch) {
	tensor.Gemm(1, mat(dout, n, l.out).Transposed(), mat(in, n, l.in), 0, mat(g[0].Data, l.out, l.in))
	if l.bias {
		db := g[1].Data
		clear(db)
		for i := range n {
			for j, v := range dout[i*l.out : (i+1)*l.out] {
				db[j] += v
			}
		}
	}
	if din != nil {
		tensor.Gemm(1, mat(dout, n, l.out), mat(p[0].Data, l.out, l.in), 0, mat(din, n, l.in))
	}
}

func mat(data []float32, rows, cols int) tensor.Matrix {
	return tensor.Matrix{Rows: rows, Cols: cols, Data: data}
}

// relu is max(x, 0), or slope*x below 0 when leaky (Maas et al. 2013).
type relu struct {
	plain
	slope float32
	leaky bool
}

func (l relu) kind() string {
	if l.leaky {
		return "LeakyReLU"
	}
	return "ReLU"
}

func (l relu) gain() float64 { return 2 / (1 + float64(l.slope)*float64(l.slope)) }

func (l relu) forward(_ tensor.Params, in, out []float32, _ int, _ *scratch) {
	for i, v := range in {
		if v < 0 {
			v *= l.slope
		}
		out[i] = v
	}
}

func (l relu) backward(_, _ tensor.Params, in, _, dout, din []float32, _ int, _ *scratch) {
	if din == nil {
		return
	}
	for i, v := range in {
		d := dout[i]
		if v <= 0 {
			d *= l.slope
		}
		din[i] = d
	}
}

// pointwise applies f to every number; df is its derivative at x, where y is f(x).
type pointwise struct {
	plain
	name string
	wide float64
	f    func(x float64) float64
	df   func(x, y float64) float64
}

func (l *pointwise) kind() string  { return l.name }
func (l *pointwise) gain() float64 { return l.wide }

func (l *pointwise) forward(_ tensor.Params, in, out []float32, _ int, _ *scratch) {
	for i, v := range in {
		out[i] = float32(l.f(float64(v)))
	}
}

func (l *pointwise) backward(_, _ tensor.Params, in, out, dout, din []float32, _ int, _ *scratch) {
	if din == nil {
		return
	}
	for i, v := range in {
		din[i] = dout[i] * float32(l.df(float64(v), float64(out[i])))
	}
}

var (
	sigmoidLayer = &pointwise{name: "Sigmoid", wide: 1, f: sigmoid, df: func(_, y float64) float64 { return y * (1 - y) }}
	tanhLayer    = &pointwise{name: "Tanh", wide: 1, f: math.Tanh, df: func(_, y float64) float64 { return 1 - y*y }}
	// geluLayer is x Φ(x), exact (Hendrycks and Gimpel 2016).
	geluLayer = &pointwise{name: "GELU", wide: 2,
		f:  func(x float64) float64 { return x * normalCDF(x) },
		df: func(x, _ float64) float64 { return normalCDF(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi) },
	}
)

func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// sigmoid is 1/(1+e^-x) without overflow.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// dropout zeroes the share p of the numbers in training and scales the others by
// 1/(1-p) (Srivastava et al. 2014); its scratch is the factors.
type dropout struct {
	plain
	p float64
}

func (dropout) kind() string { return "Dropout" }

func (l dropout) forward(_ tensor.Params, in, out []float32, _ int, s *scratch) {
	if s.rng == nil || l.p == 0 {
		s.keep = s.keep[:0]
		copy(out, in)
		return
	}
	keep, scale := s.room(len(in)), float32(1/(1-l.p))
	for i, v := range in {
		keep[i] = 0
		if s.rng.Float64() >= l.p {
			keep[i] = scale
		}
		out[i] = v * keep[i]
	}
}

func (dropout) backward(_, _ tensor.Params, _, _, dout, din []float32, _ int, s *scratch) {
	if din == nil {
		return
	}
	if len(s.keep) == 0 {
		copy(din, dout)
		return
	}
	for i, k := range s.keep {
		din[i] = dout[i] * k
	}
}
