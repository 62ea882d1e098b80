package model

import (
	"math"
	"math/rand/v2"

	"synergos.app/desktop/backend/learning/tensor"
)

// normEpsilon keeps the variance of a constant row away from 0.
const normEpsilon = 1e-5

// layerNorm scales each row to mean 0 and variance 1, then by weight [width] and
// bias [width] (Ba, Kiros and Hinton 2016). Its scratch is the normalised rows
// [n, width] followed by 1/sd [n].
type layerNorm struct{ width int }

func (layerNorm) kind() string  { return "LayerNorm" }
func (layerNorm) gain() float64 { return 1 }

func (l layerNorm) tensors() []named {
	return []named{{"weight", []int{l.width}}, {"bias", []int{l.width}}}
}

func (layerNorm) init(p tensor.Params, _ float64, _ *rand.Rand) {
	for i := range p[0].Data {
		p[0].Data[i] = 1
	}
}

func (l layerNorm) forward(p tensor.Params, in, out []float32, n int, s *scratch) {
	w, keep := l.width, s.room(n*l.width+n)
	weight, bias := p[0].Data, p[1].Data
	for i := range n {
		row, norm := in[i*w:(i+1)*w], keep[i*w:(i+1)*w]
		mean, scale := moments(row)
		for j, v := range row {
			norm[j] = float32((float64(v) - mean) * scale)
			out[i*w+j] = norm[j]*weight[j] + bias[j]
		}
		keep[n*w+i] = float32(scale)
	}
}

// moments returns the mean of row and one over its standard deviation.
func moments(row []float32) (mean, scale float64) {
	for _, v := range row {
		mean += float64(v)
	}
	mean /= float64(len(row))
	var ss float64
	for _, v := range row {
		d := float64(v) - mean
		ss += d * d
	}
	return mean, 1 / math.Sqrt(ss/float64(len(row))+normEpsilon)
}

func (l layerNorm) backward(p, g tensor.Params, _, _, dout, din []float32, n int, s *scratch) {
	w, weight := l.width, p[0].Data
	dweight, dbias := g[0].Data, g[1].Data
	clear(dweight)
	clear(dbias)
	for i := range n {
		d, norm := dout[i*w:(i+1)*w], s.keep[i*w:(i+1)*w]
		var sum, along float64 // of the gradient at the normalised row, and along it
		for j, v := range d {
			dweight[j] += v * norm[j]
			dbias[j] += v
			h := float64(v) * float64(weight[j])
			sum += h
			along += h * float64(norm[j])
		}
		if din == nil {
			continue
		}
		sum /= float64(w)
		along /= float64(w)
		scale := float64(s.keep[n*w+i])
		for j, v := range d {
			din[i*w+j] = float32((float64(v)*float64(weight[j]) - sum - float64(norm[j])*along) * scale)
		}
	}
}
