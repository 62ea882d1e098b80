package contribution

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
	"synergos.app/desktop/backend/fed"
)

func claims(cost []int64, phi []float64) []Claim {
	out := make([]Claim, len(phi))
	for i := range out {
		out[i] = Claim{Party: fmt.Sprintf("p%02d", i), Cost: cost[i], Phi: phi[i], Present: true}
	}
	return out
}

// The vectors of the specification.
func TestSplitVectors(t *testing.T) {
	three := []float64{95. / 6, 185. / 6, 260. / 6}
	cost := []int64{12_000, 8_000, 0}
	for _, tc := range []struct {
		pool int64
		c    []Claim
		want []int64
	}{
		{100_000, claims(cost, three), []int64{26_074, 35_407, 38_519}},
		{10_000, claims(cost, three), []int64{6_000, 4_000, 0}},
		{100, claims(make([]int64, 3), []float64{-1, 0, -5}), []int64{34, 33, 33}},
		{0, claims(cost, three), []int64{0, 0, 0}},
		{0, claims(make([]int64, 3), three), []int64{0, 0, 0}},
		{20_000, claims(cost, three), cost},
		{7, []Claim{{Party: "b"}, {Party: "a", Present: true}}, []int64{0, 7}},
		{7, []Claim{{Party: "b"}, {Party: "a"}}, []int64{3, 4}},
		{3, claims([]int64{0, 0}, []float64{5e-324, math.MaxFloat64}), []int64{0, 3}},
	} {
		got, err := Split(tc.pool, tc.c)
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%d cents give %v (%v), want %v", tc.pool, got, err, tc.want)
		}
	}
}

func drawClaims(t *rapid.T) (int64, []Claim) {
	n := rapid.IntRange(1, 9).Draw(t, "n")
	phi := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(-2, 5), rapid.SampledFrom([]float64{0, 1, 1, .25})), n, n).Draw(t, "phi")
	cost := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 9_999_999), rapid.SampledFrom([]int64{0, 0, 500})), n, n).Draw(t, "cost")
	c := claims(cost, phi)
	for i := range c {
		c[i].Present = rapid.Bool().Draw(t, "present")
	}
	return rapid.Int64Range(0, 50_000_000).Draw(t, "pool"), c
}

// R10: the sum is the pool; payments are not negative; equal claims differ by a
// cent at most; cost is covered when the pool covers all; phi 0 gets its cost only.
// 100 times 100 cases.
func TestSplitLaws(t *testing.T) {
	for range 100 {
		rapid.Check(t, splitLaws)
		if t.Failed() {
			return
		}
	}
}

func splitLaws(t *rapid.T) {
	pool, c := drawClaims(t)
	pay, err := Split(pool, c)
	if err != nil {
		t.Fatal(err)
	}
	var total, costs int64
	best := 0.0
	for i := range c {
		total += pay[i]
		costs += c[i].Cost
		best = max(best, c[i].Phi)
	}
	if total != pool {
		t.Fatalf("%v adds up to %d, not %d", pay, total, pool)
	}
	for i := range c {
		if pay[i] < 0 || pool >= costs && pay[i] < c[i].Cost {
			t.Fatalf("%+v is paid %d of %d", c[i], pay[i], pool)
		}
		if best > 0 && c[i].Phi <= 0 && pay[i] > c[i].Cost+1 {
			t.Fatalf("%+v without contribution is paid %d", c[i], pay[i])
		}
		for j := range c {
			equal := c[i].Phi == c[j].Phi && c[i].Cost == c[j].Cost && (c[i].Present == c[j].Present || best > 0)
			if equal && max(pay[i]-pay[j], pay[j]-pay[i]) > 1 {
				t.Fatalf("equal claims are paid %d and %d", pay[i], pay[j])
			}
			if c[i].Cost == c[j].Cost && best > 0 && c[i].Phi > c[j].Phi && pay[i] < pay[j]-1 {
				t.Fatalf("more contribution is paid less: %d and %d", pay[i], pay[j])
			}
		}
	}
}

// R10: the order of claims does not matter, nor does the unit of the utility.
func TestSplitEquivariance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool, c := drawClaims(t)
		pay, err := Split(pool, c)
		if err != nil {
			t.Fatal(err)
		}
		by := map[string]int64{}
		for i := range c {
			by[c[i].Party] = pay[i]
		}
		other := rapid.Permutation(c).Draw(t, "order")
		for i := range other {
			other[i].Phi *= 8 // exact in binary
		}
		again, err := Split(pool, other)
		if err != nil {
			t.Fatal(err)
		}
		for i := range other {
			if again[i] != by[other[i].Party] {
				t.Fatalf("%s is paid %d and %d", other[i].Party, again[i], by[other[i].Party])
			}
		}
	})
}

func TestSplitRefuses(t *testing.T) {
	ok := Claim{Party: "a", Phi: 1}
	for i, tc := range []struct {
		pool int64
		c    []Claim
	}{
		{-1, []Claim{ok}}, {1, nil}, {1, []Claim{ok, ok}},
		{1, []Claim{{Party: "a", Cost: -1}}}, {1, []Claim{{Party: "a", Phi: math.NaN()}}}, {1, []Claim{{Party: "a", Phi: math.Inf(1)}}},
	} {
		if _, err := Split(tc.pool, tc.c); err == nil || fed.KindOf(err) != fed.Invalid {
			t.Errorf("case %d: %v", i, err)
		}
	}
	huge := []Claim{{Party: "a", Cost: math.MaxInt64}, {Party: "b", Cost: math.MaxInt64}}
	if pay, err := Split(math.MaxInt64, huge); err != nil || pay[0]+pay[1] != math.MaxInt64 {
		t.Errorf("large amounts: %v, %v", pay, err)
	}
}
