package fed_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

func TestHistogramByHand(t *testing.T) {
	for want, h := range map[string]fed.Histogram{
		"null": nil, "[0]": {}, "[1]": {0}, "[1,7]": {7}, "[5,-2,3,1]": {0, 0, 3, 1, 0}, "[4,2,-2,9]": {2, 0, 0, 9},
	} {
		raw, err := json.Marshal(h)
		if err != nil || string(raw) != want {
			t.Errorf("%v is written as %s, want %s: %v", h, raw, want, err)
		}
		var back fed.Histogram
		if err := json.Unmarshal([]byte(want), &back); err != nil || cmp.Diff(h, back) != "" {
			t.Errorf("%s is read as %#v: %v", want, back, err)
		}
	}
	if _, err := json.Marshal(fed.Histogram{1, -1}); err == nil {
		t.Error("a negative count was written")
	}
}

// One histogram has one form: nothing else is read, and no length is believed.
func TestHistogramOutOfForm(t *testing.T) {
	for _, raw := range []string{
		"[]", "[-1]", "[65537]", "[9223372036854775807]", "[2,0]", "[2,1,0]", "[2,-1]", "[2,-2]", "[3,-1,-1,2]", "[2,1,1,1]", "[2,-3,1]", "[2,-2,1]",
		"[2,-9223372036854775808,1]", "[1.5]", `["1"]`, "{}", "[2,1e3]",
	} {
		var h fed.Histogram
		if err := json.Unmarshal([]byte(raw), &h); err == nil {
			t.Errorf("%s was read as %v", raw, h)
		}
	}
}

func TestHistogramLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.Custom(func(t *rapid.T) int64 {
			if rapid.IntRange(0, 3).Draw(t, "empty") > 0 {
				return 0
			}
			return rapid.Int64Range(1, 1<<53).Draw(t, "count")
		})
		h := fed.Histogram(rapid.SliceOfN(count, 0, 60).Draw(t, "counts"))
		raw, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		var back fed.Histogram
		if err := json.Unmarshal(raw, &back); err != nil || !slices.Equal(h, back) {
			t.Fatalf("%v came back as %v through %s: %v", h, back, raw, err)
		}
		k := rapid.IntRange(0, 70).Draw(t, "k")
		c := h.Coarse(k)
		half := len(h) / 2
		if len(c) != len(h) || sum(c[:half]) != sum(h[:half]) || sum(c[half:]) != sum(h[half:]) {
			t.Fatalf("%v by %d is %v", h, k, c)
		}
		if filled := len(slices.DeleteFunc(slices.Clone(c), func(n int64) bool { return n == 0 })); k > 1 && filled > 2*(len(h)/2/k+2) {
			t.Fatalf("%v by %d has %d bins: %v", h, k, filled, c)
		}
	})
}

func sum(h fed.Histogram) (s int64) {
	for _, n := range h {
		s += n
	}
	return s
}

// Negative zero becomes zero, and what is no number is refused, wherever bits are
// signed.
func TestPlain(t *testing.T) {
	negative := math.Copysign(0, -1)
	if f, err := fed.Plain(negative); err != nil || math.Float64bits(f) != 0 {
		t.Errorf("negative zero became %v, %v", f, err)
	}
	u := fed.Update{Round: 3, Loss: fed.Number(negative), Valid: fed.Sums{Loss: negative, Target: negative}}
	if p, err := u.Plain(); err != nil || math.Signbit(float64(p.Loss)) || math.Signbit(p.Valid.Loss) || math.Signbit(p.Valid.Target) {
		t.Errorf("update %+v, %v", p, err)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, e1 := fed.Plain(bad)
		_, e2 := fed.Update{Loss: fed.Number(bad)}.Plain()
		_, e3 := fed.Update{Valid: fed.Sums{Residual2: bad}}.Plain()
		_, e4 := fed.EvalReply{Alone: &fed.Sums{TargetSq: bad}}.Plain()
		for i, err := range []error{e1, e2, e3, e4} {
			if fed.KindOf(err) != fed.Invalid || fed.HintOf(err) == "" {
				t.Errorf("%v, case %d: %v", bad, i, err)
			}
		}
	}
	if raw, _ := json.Marshal(fed.Number(negative)); string(raw) != "0" {
		t.Errorf("negative zero is written as %s", raw)
	}
}
