// Package tensor holds dense float32 arrays, the named ordered params of a
// model, their arithmetic, their safetensors encoding and matrix
// multiplication.
//
// It is not an autograd or a broadcasting library: package model knows what the
// numbers mean. Start with [Params]. Everything is pure: nothing here starts a
// goroutine of its own, and a Params belongs to one caller at a time. Operations
// on two Params panic when their names or shapes differ, which between our own
// functions is a programmer's error; params that come from a peer or a file go
// through [Same] first.
package tensor

import (
	"math"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// Tensor is a named dense array. Data is row-major and holds exactly the product
// of Shape numbers; a scalar has an empty Shape and one number.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// Params are the numbers of a model: named tensors in a fixed order.
type Params []Tensor

// New returns a zero tensor. It panics if a dimension is negative or the size
// overflows.
func New(name string, shape ...int) Tensor {
	n, ok := sizeOf(shape)
	if !ok {
		panic("tensor: impossible shape of " + name)
	}
	return Tensor{Name: name, Shape: slices.Clone(shape), Data: alloc(n)}
}

// sizeOf returns the product of shape, or false when a dimension is negative or
// four times the product overflows an int.
func sizeOf(shape []int) (int, bool) {
	n := 1
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		if d > 0 && n > math.MaxInt/4/d {
			return 0, false
		}
		n *= d
	}
	return n, true
}

// Len returns how many numbers p holds.
func (p Params) Len() int {
	n := 0
	for i := range p {
		n += len(p[i].Data)
	}
	return n
}

// Clone returns a copy of p that shares nothing with it.
func (p Params) Clone() Params {
	q := p.ZerosLike()
	q.CopyFrom(p)
	return q
}

// ZerosLike returns zeros under the names and shapes of p.
func (p Params) ZerosLike() Params {
	q := make(Params, len(p))
	for i := range p {
		q[i] = Tensor{Name: p[i].Name, Shape: slices.Clone(p[i].Shape), Data: alloc(len(p[i].Data))}
	}
	return q
}

// Find returns the tensor called name; its Data aliases p.
func (p Params) Find(name string) (Tensor, bool) {
	for i := range p {
		if p[i].Name == name {
			return p[i], true
		}
	}
	return Tensor{}, false
}

// Finite reports whether no number of p is NaN or infinite.
func (p Params) Finite() bool {
	for i := range p {
		for _, v := range p[i].Data {
			if v-v != 0 {
				return false
			}
		}
	}
	return true
}

// AppendFlat appends all numbers of p in order to dst and returns it.
func (p Params) AppendFlat(dst []float32) []float32 {
	dst = slices.Grow(dst, p.Len())
	for i := range p {
		dst = append(dst, p[i].Data...)
	}
	return dst
}

// SetFlat copies v, in the order of [Params.AppendFlat], into p. It panics
// unless len(v) is p.Len().
func (p Params) SetFlat(v []float32) {
	if len(v) != p.Len() {
		panic("tensor: SetFlat with the wrong length")
	}
	for i := range p {
		v = v[copy(p[i].Data, v):]
	}
}

// Same returns nil if a and b have the same names and shapes in the same order
// and each holds the numbers its shape says. Otherwise the error is of kind
// Incompatible and names the first tensor that differs.
func Same(a, b Params) error {
	for i := range min(len(a), len(b)) {
		if a[i].Name != b[i].Name {
			return mismatch("tensor %d is called %q, expected %q", i, b[i].Name, a[i].Name)
		}
		if !slices.Equal(a[i].Shape, b[i].Shape) {
			return mismatch("tensor %q has shape %v, expected %v", a[i].Name, b[i].Shape, a[i].Shape)
		}
		n, ok := sizeOf(a[i].Shape)
		if !ok || len(a[i].Data) != n || len(b[i].Data) != n {
			return mismatch("tensor %q of shape %v holds %d numbers, expected %d", a[i].Name, a[i].Shape, len(b[i].Data), n)
		}
	}
	switch {
	case len(a) > len(b):
		return mismatch("tensor %q is missing", a[len(b)].Name)
	case len(b) > len(a):
		return mismatch("tensor %q is not part of the model", b[len(a)].Name)
	}
	return nil
}

func mismatch(format string, args ...any) error {
	return fed.Errorf(fed.Incompatible, "use params of a run with the same model and the same columns", format, args...)
}

// alloc returns n zeros that begin at a multiple of 16 bytes. The vector kernels
// add up in another order when they do not, and Go aligns only allocations of 32
// bytes and more so far; without this, params of fewer than eight numbers would not
// replay bit for bit.
func alloc(n int) []float32 { return make([]float32, n, max(n, 8)) }
