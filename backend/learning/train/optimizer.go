package train

import (
	"math"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/tensor"
)

// optimizer moves params against a gradient. Its state lives for one local
// training.
type optimizer interface {
	step(p, g tensor.Params)
}

func newOptimizer(spec fed.TrainSpec, like tensor.Params) optimizer {
	if spec.Optimizer == "adam" {
		return &adam{lr: spec.LR, first: like.ZerosLike(), second: like.ZerosLike(), pow1: 1, pow2: 1}
	}
	s := &sgd{lr: float32(spec.LR), momentum: float32(spec.Momentum)}
	if spec.Momentum > 0 {
		s.velocity = like.ZerosLike()
	}
	return s
}

// sgd is v = momentum*v + g, p -= lr*v.
type sgd struct {
	lr, momentum float32
	velocity     tensor.Params
}

func (s *sgd) step(p, g tensor.Params) {
	for i := range p {
		w, d := p[i].Data, g[i].Data
		if s.velocity != nil {
			v := s.velocity[i].Data
			for j := range v {
				v[j] = float32(s.momentum*v[j]) + d[j]
			}
			d = v
		}
		for j, v := range d {
			w[j] -= float32(s.lr * v)
		}
	}
}

// Constants of Kingma and Ba 2015.
const (
	adamBeta1   = 0.9
	adamBeta2   = 0.999
	adamEpsilon = 1e-8
)

// adam is Adam (Kingma and Ba 2015, Algorithm 1) with bias correction.
type adam struct {
	lr            float64
	first, second tensor.Params
	pow1, pow2    float64
}

func (a *adam) step(p, g tensor.Params) {
	a.pow1 *= adamBeta1
	a.pow2 *= adamBeta2
	rate := float32(a.lr / (1 - a.pow1))
	correct := float32(1 / (1 - a.pow2))
	for i := range p {
		w, m, v := p[i].Data, a.first[i].Data, a.second[i].Data
		for j, d := range g[i].Data {
			m[j] = float32(adamBeta1*m[j]) + float32((1-adamBeta1)*d)
			v[j] = float32(adamBeta2*v[j]) + float32((1-adamBeta2)*d*d)
			root := float32(math.Sqrt(float64(v[j] * correct)))
			w[j] -= rate * m[j] / (root + adamEpsilon)
		}
	}
}
