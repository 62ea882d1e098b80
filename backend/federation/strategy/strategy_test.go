package strategy

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/tensor"
)

func params(a, b []float32) tensor.Params {
	return tensor.Params{{Name: "w", Shape: []int{len(a)}, Data: a}, {Name: "b", Shape: []int{len(b)}, Data: b}}
}

// drawn returns a case of base params and updates of n parties.
func drawn(t *rapid.T) (tensor.Params, []Weighted) {
	size := rapid.SampledFrom([]int{1, 3, 511, 512, 513, 1030}).Draw(t, "size")
	r := fed.Rand(rapid.Uint64().Draw(t, "seed"), 1, "x", "test")
	fill := func() tensor.Params {
		p := tensor.Params{tensor.New("w", size), tensor.New("b", 2)}
		for i := range p {
			for j := range p[i].Data {
				p[i].Data[j] = float32(r.NormFloat64() * math.Exp(4*r.NormFloat64()))
			}
		}
		return p
	}
	n := rapid.IntRange(1, 9).Draw(t, "n")
	updates := make([]Weighted, n)
	for i := range updates {
		updates[i] = Weighted{fmt.Sprintf("party-%d", i), float64(rapid.IntRange(1, 5000).Draw(t, "w")), fill()}
	}
	return fill(), updates
}

func bitsOf(p tensor.Params) []uint32 {
	var b []uint32
	for _, v := range p.AppendFlat(nil) {
		b = append(b, math.Float32bits(v))
	}
	return b
}

// Aggregation does not depend on the order of arrival, bit for bit.
func TestAggregatePermutation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, updates := drawn(t)
		want, err := Aggregate(base, updates)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Aggregate(base, rapid.Permutation(updates).Draw(t, "order"))
		if err != nil || !slices.Equal(bitsOf(want), bitsOf(got)) {
			t.Fatalf("another order gives other params (%v)", err)
		}
	})
}

// Equal updates give that update, whatever they weigh.
func TestAggregateIdempotence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, updates := drawn(t)
		for i := range updates {
			updates[i].Delta = updates[0].Delta
		}
		got, err := Aggregate(base, updates)
		if err != nil {
			t.Fatal(err)
		}
		for i := range base {
			for j, b := range base[i].Data {
				want := float64(b) + float64(updates[0].Delta[i].Data[j])
				// One float32 rounding of a float64 mean.
				if e := math.Abs(float64(got[i].Data[j]) - want); e > 1e-7*(math.Abs(want)+1e-12*math.Abs(float64(b))) {
					t.Fatalf("number %d of %s: %v, want %v", j, base[i].Name, got[i].Data[j], want)
				}
			}
		}
	})
}

// The blocked kernel equals a plain loop.
func TestAggregateFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, updates := drawn(t)
		got, err := Aggregate(base, updates)
		if err != nil {
			t.Fatal(err)
		}
		total := 0.0
		for _, u := range updates {
			total += u.Weight
		}
		for i := range base {
			for j := range base[i].Data {
				sum := 0.0
				for _, u := range updates {
					sum += float64(u.Weight * float64(u.Delta[i].Data[j]))
				}
				if want := float32(float64(base[i].Data[j]) + sum/total); got[i].Data[j] != want {
					t.Fatalf("number %d of %s is %v, want %v", j, base[i].Name, got[i].Data[j], want)
				}
			}
		}
	})
}

func TestAggregateByHand(t *testing.T) {
	base := params([]float32{1, 2}, []float32{3})
	got, err := FedProx(.1).Aggregate(base, []Weighted{
		{"b", 3, params([]float32{4, 0}, []float32{-4})},
		{"a", 1, params([]float32{0, 8}, []float32{4})},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []float32{4, 4, 1}; !slices.Equal(got.AppendFlat(nil), want) {
		t.Errorf("got %v, want %v", got.AppendFlat(nil), want)
	}
	if !slices.Equal(base.AppendFlat(nil), []float32{1, 2, 3}) {
		t.Error("base was changed")
	}
}

func TestAggregateRefuses(t *testing.T) {
	base := params([]float32{1, 2}, []float32{3})
	ok := Weighted{"a", 1, base.Clone()}
	huge := params([]float32{math.MaxFloat32, 0}, []float32{0})
	tests := []struct {
		name    string
		updates []Weighted
		kind    fed.Kind
	}{
		{"nothing", nil, fed.Invalid},
		{"no weight", []Weighted{{"a", 0, base}}, fed.Invalid},
		{"negative weight", []Weighted{ok, {"b", -1, base}}, fed.Invalid},
		{"weight not a number", []Weighted{{"b", math.NaN(), base}}, fed.Invalid},
		{"infinite weight", []Weighted{{"b", math.Inf(1), base}}, fed.Invalid},
		{"twice", []Weighted{ok, ok}, fed.Invalid},
		{"another shape", []Weighted{ok, {"b", 1, params([]float32{1}, []float32{3})}}, fed.Incompatible},
		{"overflow", []Weighted{{"a", 1, huge}, {"b", 1, huge}}, fed.Internal},
	}
	for _, tc := range tests {
		b := base
		if tc.name == "overflow" {
			b = huge
		}
		if _, err := Aggregate(b, tc.updates); err == nil || fed.KindOf(err) != tc.kind {
			t.Errorf("%s: %v, want kind %s", tc.name, err, tc.kind)
		}
	}
}

func TestNew(t *testing.T) {
	for _, tc := range []struct {
		spec fed.StrategySpec
		ok   bool
		mu   float64
	}{
		{fed.StrategySpec{Name: "fedavg"}, true, 0},
		{fed.StrategySpec{Name: "fedprox", Mu: .01}, true, .01},
		{fed.StrategySpec{Name: "fedprox"}, true, 0},
		{fed.StrategySpec{Name: "fedavg", Mu: .1}, true, 0},
		{fed.StrategySpec{Name: "fedprox", Mu: -1}, false, 0},
		{fed.StrategySpec{Name: "fedprox", Mu: math.NaN()}, false, 0},
		{fed.StrategySpec{Name: "fedprox", Mu: math.Inf(1)}, false, 0},
		{fed.StrategySpec{Name: "krum"}, false, 0},
	} {
		s, err := New(tc.spec)
		if (err == nil) != tc.ok {
			t.Errorf("%+v: %v", tc.spec, err)
			continue
		}
		if tc.ok && (s.Name() != tc.spec.Name || s.Proximal() != tc.mu) {
			t.Errorf("%+v gives %s with mu %v", tc.spec, s.Name(), s.Proximal())
		}
	}
	if got := FedAvg().Select([]string{"c", "a", "b", "a"}); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("selected %v", got)
	}
}

// w_i = min(n_i, 5*median_j n_j).
func TestWeights(t *testing.T) {
	got := Weights(map[string]int64{"a": 100, "b": 100, "c": 30, "d": 100_000, "e": 0, "f": -5})
	want := map[string]float64{"a": 100, "b": 100, "c": 30, "d": 500, "e": 0, "f": 0}
	for p, w := range want {
		if got[p] != w {
			t.Errorf("%s weighs %v, want %v", p, got[p], w)
		}
	}
	if w := Weights(map[string]int64{"a": 10, "b": 30}); w["a"] != 10 || w["b"] != 30 {
		t.Errorf("two parties weigh %v", w)
	}
	if w := Weights(nil); len(w) != 0 {
		t.Errorf("nobody weighs %v", w)
	}
}

// "100 x declared size moves a weight no further than the cap".
func TestWeightsAreCapped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SliceOfN(rapid.Int64Range(1, 10_000), 3, 20).Draw(t, "n")
		honest := map[string]int64{}
		for i, v := range n {
			honest[fmt.Sprint(i)] = v
		}
		honest["liar"] = rapid.Int64Range(1, 1<<40).Draw(t, "lie")
		w := Weights(honest)
		var counts []float64
		for _, v := range honest {
			counts = append(counts, float64(v))
		}
		middle := median(counts)
		for p, x := range w {
			if x > 5*middle || x > float64(honest[p]) || x <= 0 {
				t.Fatalf("%s weighs %v, median %v", p, x, middle)
			}
		}
	})
}

func TestGate(t *testing.T) {
	base := params([]float32{0, 0}, []float32{0})
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	of := func(a, b, c float32) tensor.Params { return params([]float32{a, b}, []float32{c}) }
	renamed := of(1, 1, 1)
	renamed[1].Name = "c"
	updates := []Update{
		{"ok2", 5, of(0, 2, 0)}, {"ok1", 5, of(1, 0, 0)}, {"ok3", 5, of(0, 0, -1)},
		{"edge", 5, of(10, 0, 0)}, // exactly ten medians
		{"big", 5, of(11, 0, 0)}, {"tiny", 5, of(.0009, 0, 0)}, {"zero", 5, of(0, 0, 0)},
		{"nan", 5, of(0, nan, 0)}, {"inf", 5, of(inf, 0, 0)}, {"empty", 0, of(1, 1, 1)}, {"less", -3, of(1, 1, 1)},
		{"shape", 5, params([]float32{1}, []float32{1})}, {"name", 5, renamed}, {"none", 5, nil},
		{"short", 5, tensor.Params{{Name: "w", Shape: []int{2}, Data: []float32{1}}, {Name: "b", Shape: []int{1}, Data: []float32{1}}}},
		{"ok4", 5, of(1, 0, 0)}, {"ok5", 5, of(1, 0, 0)},
	}
	want := map[string]Outcome{
		"ok1": Admitted, "ok2": Admitted, "ok3": Admitted, "ok4": Admitted, "ok5": Admitted, "edge": Admitted,
		"big": TooLarge, "tiny": Tiny, "zero": Zero, "nan": NotFinite, "inf": NotFinite,
		"empty": NoExamples, "less": NoExamples, "shape": WrongShape, "name": WrongShape, "none": WrongShape, "short": WrongShape,
	}
	admitted, verdicts := Gate(base, updates)
	if len(verdicts) != len(updates) || !slices.IsSortedFunc(verdicts, func(a, b Verdict) int {
		if a.Party < b.Party {
			return -1
		}
		return 1
	}) {
		t.Fatalf("verdicts are not one per party by name: %v", verdicts)
	}
	n := 0
	for _, v := range verdicts {
		if v.Outcome != want[v.Party] {
			t.Errorf("%s is %v, want %v", v.Party, v.Outcome, want[v.Party])
		}
		if (v.Detail == "") != (v.Outcome == Admitted) {
			t.Errorf("%s: detail %q", v.Party, v.Detail)
		}
		if v.Outcome == Admitted {
			if admitted[n].Party != v.Party {
				t.Errorf("admitted %d is %s, want %s", n, admitted[n].Party, v.Party)
			}
			n++
		}
	}
	if n != len(admitted) {
		t.Errorf("%d admitted, want %d", len(admitted), n)
	}
}

// A majority of zero updates does not make the honest ones too large.
func TestGateAgainstZeros(t *testing.T) {
	base := params([]float32{0}, []float32{0})
	zero := params([]float32{0}, []float32{0})
	admitted, _ := Gate(base, []Update{{"a", 1, zero}, {"b", 1, zero}, {"c", 1, params([]float32{1}, []float32{1})}})
	if len(admitted) != 1 || admitted[0].Party != "c" {
		t.Errorf("admitted %v", admitted)
	}
	if admitted, _ := Gate(base, []Update{{"a", 1, zero}}); len(admitted) != 0 {
		t.Error("a zero update was admitted")
	}
}

func TestPolicy(t *testing.T) {
	s := time.Second
	var p Policy
	for n, want := range map[int]int{1: 1, 2: 2, 3: 2, 4: 3, 5: 4, 6: 4, 7: 5, 100: 67} {
		if got := p.QuorumOf(n); got != want {
			t.Errorf("quorum of %d is %d, want %d", n, got, want)
		}
	}
	if (Policy{Quorum: 9}).QuorumOf(4) != 4 || PolicyOf(fed.RunConfig{Quorum: 1}).QuorumOf(4) != 1 {
		t.Error("a configured quorum is not kept")
	}
	for _, tc := range []struct {
		p      Policy
		rounds []time.Duration
		want   time.Duration
	}{
		{p, nil, 10 * time.Minute},
		{p, []time.Duration{s, 2 * s}, time.Minute},
		{p, []time.Duration{90 * s, 30 * s, 400 * s}, 270 * s},
		{p, []time.Duration{30 * s, 90 * s}, 180 * s},
		{p, append([]time.Duration{9999 * s, 9999 * s, 9999 * s}, slices.Repeat([]time.Duration{40 * s}, 10)...), 120 * s},
		{Policy{Least: 2 * s}, []time.Duration{s}, 3 * s},
		{PolicyOf(fed.RunConfig{DeadlineSeconds: 7}), []time.Duration{90 * s}, 7 * s},
	} {
		if got := tc.p.DeadlineAfter(tc.rounds); got != tc.want {
			t.Errorf("deadline after %v is %v, want %v", tc.rounds, got, tc.want)
		}
	}
	for _, tc := range []struct {
		n, answered int
		elapsed     time.Duration
		want        Decision
	}{
		{3, 3, 0, Close}, {3, 2, s, Wait}, {3, 2, 60 * s, Close}, {3, 1, 60 * s, Short}, {0, 0, 60 * s, Short},
	} {
		if got := p.Decide(tc.n, tc.answered, tc.elapsed, 60*s); got != tc.want {
			t.Errorf("%+v decided %d", tc, got)
		}
	}
}

func TestAttendance(t *testing.T) {
	got := Attendance([]string{"a", "b", "c"}, map[string]time.Duration{"a": 5, "b": 11, "x": 1}, 10)
	if len(got) != 3 || got["a"] != Present || got["b"] != Late || got["c"] != Absent {
		t.Errorf("attendance %v", got)
	}
	if Late.String() != "late" || TooLarge.String() != "too large" {
		t.Error("words changed")
	}
}
