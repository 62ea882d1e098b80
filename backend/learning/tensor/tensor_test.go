package tensor_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/tensor"
)

func params(a, b []float32) tensor.Params {
	return tensor.Params{
		{Name: "weight", Shape: []int{1, len(a)}, Data: a},
		{Name: "bias", Shape: []int{len(b)}, Data: b},
	}
}

func TestArithmetic(t *testing.T) {
	a := params([]float32{1, 2}, []float32{3})
	b := params([]float32{10, 20}, []float32{30})
	sum, axpy, scaled := a.Clone(), a.Clone(), a.Clone()
	sum.Add(b)
	axpy.Axpy(-0.5, b)
	scaled.Scale(2)
	for _, c := range []struct {
		name string
		got  tensor.Params
		want []float32
	}{
		{"add", sum, []float32{11, 22, 33}},
		{"axpy", axpy, []float32{-4, -8, -12}},
		{"scale", scaled, []float32{2, 4, 6}},
		{"sub", tensor.Sub(b, a), []float32{9, 18, 27}},
		{"zeros", a.ZerosLike(), []float32{0, 0, 0}},
		{"operands are kept", a, []float32{1, 2, 3}},
	} {
		if diff := cmp.Diff(c.want, c.got.AppendFlat(nil)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	if d := tensor.Dot(a, b); d != 140 {
		t.Errorf("dot = %v, want 140", d)
	}
	if n := params([]float32{2, 3}, []float32{6}).Norm(); n != 7 {
		t.Errorf("norm = %v, want 7", n)
	}
}

// A float32 accumulator would lose the ones beside 2^24.
func TestNormAccumulatesInFloat64(t *testing.T) {
	big := params([]float32{4096, 1}, []float32{1})
	if got, want := tensor.Dot(big, big), 4096.0*4096+2; got != want {
		t.Errorf("dot = %v, want %v", got, want)
	}
}

func TestSetFlat(t *testing.T) {
	p := params([]float32{0, 0}, []float32{0})
	p.SetFlat([]float32{7, 8, 9})
	if diff := cmp.Diff(params([]float32{7, 8}, []float32{9}), p); diff != "" {
		t.Error(diff)
	}
}

func TestSameNamesTheTensor(t *testing.T) {
	good := params([]float32{1, 2}, []float32{3})
	short := good.Clone()
	short[1].Data = nil
	renamed := good.Clone()
	renamed[0].Name = "w"
	for _, c := range []struct {
		name string
		p    tensor.Params
		want string
	}{
		{"shape", params([]float32{1, 2, 3}, []float32{3}), `"weight" has shape [1 3], expected [1 2]`},
		{"missing", good[:1], `"bias" is missing`},
		{"extra", append(good.Clone(), tensor.New("more", 1)), `"more" is not part`},
		{"data", short, `"bias" of shape [1] holds 0 numbers`},
		{"name", renamed, `called "w", expected "weight"`},
	} {
		err := tensor.Same(good, c.p)
		if fed.KindOf(err) != fed.Incompatible || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if err := tensor.Same(good, good.Clone()); err != nil {
		t.Error(err)
	}
}

func TestFinite(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if params([]float32{1, float32(v)}, nil).Finite() {
			t.Errorf("%v counts as finite", v)
		}
	}
	if !params([]float32{math.MaxFloat32, -math.MaxFloat32}, []float32{0}).Finite() {
		t.Error("the largest float32 is finite")
	}
}

func TestNewRefusesImpossibleShapes(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	tensor.New("w", math.MaxInt/2, 3)
}
