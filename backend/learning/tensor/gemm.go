package tensor

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// Matrix is a row-major view of Rows x Cols numbers, read transposed by [Gemm]
// when T is set. Data has at least Rows*Cols numbers.
type Matrix struct {
	Rows, Cols int
	Data       []float32
	T          bool
}

var implementation gonum.Implementation

// A product is cut into panels small enough that gonum computes each on the
// calling goroutine: this room starts none, and a batch of training rows is too
// small to gain from it.
const (
	panelRows = 64
	panelCols = 192
)

// Gemm computes c = alpha*op(a)*op(b) + beta*c, where op transposes the views
// that say T; c is never transposed. It panics when the shapes do not fit. With
// beta 0 what c held is ignored. The sums run in a fixed order, so the result
// depends on the arguments alone.
//
// It is the one place where the learning room multiplies matrices: kernels for
// one processor go behind it.
func Gemm(alpha float32, a, b Matrix, beta float32, c Matrix) {
	m, k := a.dims()
	k2, n := b.dims()
	if k != k2 || c.T || c.Rows != m || c.Cols != n {
		panic("tensor: Gemm shapes do not fit")
	}
	for i := 0; i < m; i += panelRows {
		rows := min(panelRows, m-i)
		for j := 0; j < n; j += panelCols {
			cols := min(panelCols, n-j)
			implementation.Sgemm(a.op(), b.op(), rows, cols, k,
				alpha, a.from(i, a.T), max(1, a.Cols), b.from(j, !b.T), max(1, b.Cols),
				beta, c.Data[i*n+j:], n)
		}
	}
}

// from returns the data from row i on, or from column i on.
func (m Matrix) from(i int, column bool) []float32 {
	if column {
		return m.Data[i:]
	}
	return m.Data[i*m.Cols:]
}

func (m Matrix) dims() (rows, cols int) {
	if m.T {
		return m.Cols, m.Rows
	}
	return m.Rows, m.Cols
}

func (m Matrix) op() blas.Transpose {
	if m.T {
		return blas.Trans
	}
	return blas.NoTrans
}

// Transposed returns the view of m that reads it transposed.
func (m Matrix) Transposed() Matrix {
	m.T = !m.T
	return m
}
