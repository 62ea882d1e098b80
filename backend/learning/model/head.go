package model

import (
	"math"

	"synergos.app/desktop/backend/fed"
)

// head is the loss on the outputs of the stack and what they mean.
type head interface {
	// loss returns the loss of one row and writes its derivative by the outputs,
	// times scale, to d.
	loss(z []float32, y float32, scale float64, d []float32) float64
	// probabilities writes the class probabilities [classes].
	probabilities(z []float32, out []float32)
	judge(z []float32, y float32) Row
}

func headOf(task string, outputs int) head {
	switch {
	case task == fed.TaskRegress:
		return squaredError{}
	case outputs == 1:
		return sigmoidEntropy{}
	}
	return softmaxEntropy{}
}

// finite replaces what is not a number of ordinary size by the largest float32.
func finite(v float64) float64 {
	if v-v != 0 {
		return math.Copysign(math.MaxFloat32, v)
	}
	return v
}

// badLoss is loss, or its bound when a prediction was not finite.
func badLoss(loss float64) float64 {
	if loss-loss != 0 {
		return math.MaxFloat32
	}
	return loss
}

// squaredError is (z-y)².
type squaredError struct{}

func (squaredError) loss(z []float32, y float32, scale float64, d []float32) float64 {
	r := float64(z[0]) - float64(y)
	d[0] = float32(2 * r * scale)
	return r * r
}

func (squaredError) probabilities(z, out []float32) { copy(out, z) }

func (squaredError) judge(z []float32, y float32) Row {
	v := finite(float64(z[0]))
	r := v - float64(y)
	return Row{Loss: r * r, Value: v}
}

// sigmoidEntropy is the cross-entropy of one logit: log(1+e^z) - y z.
type sigmoidEntropy struct{}

func (sigmoidEntropy) loss(z []float32, y float32, scale float64, d []float32) float64 {
	v, t := float64(z[0]), float64(y)
	d[0] = float32((sigmoid(v) - t) * scale)
	return max(v, 0) + math.Log1p(math.Exp(-math.Abs(v))) - t*v
}

func (sigmoidEntropy) probabilities(z, out []float32) {
	p := sigmoid(float64(z[0]))
	out[0], out[1] = float32(1-p), float32(p)
}

func (h sigmoidEntropy) judge(z []float32, y float32) Row {
	var unused [1]float32
	r := Row{Loss: badLoss(h.loss(z, y, 0, unused[:])), Positive: sigmoid(float64(z[0]))}
	if r.Positive != r.Positive {
		r.Positive = 0
	}
	if r.Positive > 0.5 {
		r.Predicted = 1
	}
	return r
}

// softmaxEntropy is the cross-entropy of one logit per class: log Σ e^z - z_y.
type softmaxEntropy struct{}

// logSum returns log Σ e^z.
func logSum(z []float32) float64 {
	top := math.Inf(-1)
	for _, v := range z {
		top = max(top, float64(v))
	}
	var s float64
	for _, v := range z {
		s += math.Exp(float64(v) - top)
	}
	return top + math.Log(s)
}

func (softmaxEntropy) loss(z []float32, y float32, scale float64, d []float32) float64 {
	l, truth := logSum(z), int(y)
	for j, v := range z {
		p := math.Exp(float64(v) - l)
		if j == truth {
			p--
		}
		d[j] = float32(p * scale)
	}
	return l - float64(z[truth])
}

func (softmaxEntropy) probabilities(z, out []float32) {
	l := logSum(z)
	for j, v := range z {
		out[j] = float32(math.Exp(float64(v) - l))
	}
}

func (softmaxEntropy) judge(z []float32, y float32) Row {
	l := logSum(z)
	r := Row{Loss: badLoss(l - float64(z[int(y)]))}
	for j, v := range z {
		if v > z[r.Predicted] {
			r.Predicted = j
		}
	}
	if len(z) == 2 {
		if p := math.Exp(float64(z[1]) - l); p == p {
			r.Positive = p
		}
	}
	return r
}
