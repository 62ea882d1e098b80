package tensor_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"synergos.app/desktop/backend/learning/tensor"
)

func random(rng *rand.Rand, rows, cols int) tensor.Matrix {
	m := tensor.Matrix{Rows: rows, Cols: cols, Data: make([]float32, rows*cols)}
	for i := range m.Data {
		m.Data[i] = float32(rng.NormFloat64())
	}
	return m
}

func at(m tensor.Matrix, i, j int) float64 {
	if m.T {
		i, j = j, i
	}
	return float64(m.Data[i*m.Cols+j])
}

// Shapes lie below, on and above the panels the product is cut into.
func TestGemmEqualsTheNaiveProduct(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range [][3]int{{1, 1, 1}, {3, 5, 7}, {64, 192, 4}, {65, 193, 33}, {130, 10, 70}, {2, 400, 9}} {
		for mode := range 4 {
			t.Run(fmt.Sprint(s, mode), func(t *testing.T) { checkGemm(t, rng, s[0], s[1], s[2], mode&1 > 0, mode&2 > 0) })
		}
	}
}

func checkGemm(t *testing.T, rng *rand.Rand, m, n, k int, ta, tb bool) {
	a, b, c := random(rng, m, k), random(rng, k, n), random(rng, m, n)
	if ta {
		a = random(rng, k, m).Transposed()
	}
	if tb {
		b = random(rng, n, k).Transposed()
	}
	const alpha, beta = 0.5, -2
	want := make([]float64, m*n)
	for i := range m {
		for j := range n {
			want[i*n+j] = beta * at(c, i, j)
			for l := range k {
				want[i*n+j] += alpha * at(a, i, l) * at(b, l, j)
			}
		}
	}
	tensor.Gemm(alpha, a, b, beta, c)
	for i, w := range want {
		// k float32 products of size 1 round to within k ulps.
		if math.Abs(float64(c.Data[i])-w) > 1e-6*float64(k+10) {
			t.Fatalf("c[%d,%d] = %v, want %v", i/n, i%n, c.Data[i], w)
		}
	}
}

func TestGemmAllocatesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x, w, y := random(rng, 10, 784), random(rng, 200, 784), random(rng, 10, 200)
	if n := testing.AllocsPerRun(5, func() { tensor.Gemm(1, x, w.Transposed(), 0, y) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestGemmRefusesShapesThatDoNotFit(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	rng := rand.New(rand.NewPCG(1, 2))
	tensor.Gemm(1, random(rng, 2, 3), random(rng, 2, 3), 0, random(rng, 2, 3))
}
