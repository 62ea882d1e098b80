package tensor

import "math"

// CopyFrom copies the numbers of q into p.
func (p Params) CopyFrom(q Params) {
	each2(p, q, func(a, b []float32) { copy(a, b) })
}

// Add adds q to p, number by number.
func (p Params) Add(q Params) {
	each2(p, q, func(a, b []float32) {
		for i, v := range b {
			a[i] += v
		}
	})
}

// Axpy adds alpha*q to p. Each number is computed in float64 and rounded once.
func (p Params) Axpy(alpha float64, q Params) {
	each2(p, q, func(a, b []float32) {
		for i, v := range b {
			a[i] = float32(float64(a[i]) + float64(alpha*float64(v)))
		}
	})
}

// Scale multiplies p by alpha. Each number is computed in float64 and rounded
// once.
func (p Params) Scale(alpha float64) {
	for i := range p {
		d := p[i].Data
		for j, v := range d {
			d[j] = float32(alpha * float64(v))
		}
	}
}

// Fill sets every number of p to v.
func (p Params) Fill(v float32) {
	for i := range p {
		d := p[i].Data
		for j := range d {
			d[j] = v
		}
	}
}

// Sub returns a - b as new params.
func Sub(a, b Params) Params {
	d := a.Clone()
	each2(d, b, func(x, y []float32) {
		for i, v := range y {
			x[i] -= v
		}
	})
	return d
}

// Dot returns the inner product of a and b, accumulated in float64 in order.
func Dot(a, b Params) float64 {
	var s float64
	each2(a, b, func(x, y []float32) {
		for i, v := range x {
			s += float64(float64(v) * float64(y[i]))
		}
	})
	return s
}

// Norm returns the Euclidean norm of p, accumulated in float64 in order.
func (p Params) Norm() float64 {
	var s float64
	for i := range p {
		for _, v := range p[i].Data {
			s += float64(float64(v) * float64(v))
		}
	}
	return math.Sqrt(s)
}

func each2(a, b Params, f func(x, y []float32)) {
	if len(a) != len(b) {
		panic("tensor: params with a different number of tensors")
	}
	for i := range a {
		if len(a[i].Data) != len(b[i].Data) || a[i].Name != b[i].Name {
			panic("tensor: params differ at " + a[i].Name)
		}
		f(a[i].Data, b[i].Data)
	}
}
