package contribution

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/tensor"
)

// table builds the utility table of a game given by a function of the members.
func table(a int, v func(s Set) float64) []float64 {
	t := make([]float64, 1<<a)
	for s := 1; s < len(t); s++ {
		t[s] = v(Set(s))
	}
	return t
}

func sum(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s
}

func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Abs(got[i]-want[i]) > tolerance {
			t.Errorf("%s: player %d has %.9f, want %.9f", what, i, got[i], want[i])
		}
	}
}

func randomTable(a int, r *rand.Rand) []float64 {
	return table(a, func(Set) float64 { return 10 * r.NormFloat64() })
}

// R1: efficiency, symmetry, null player, linearity and strict desirability on 200
// random games of up to 8 players, 1e-12 relative.
func TestShapleyAxioms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		a := 2 + r.IntN(7)
		v := randomTable(a, r)
		scale := 0.0
		for _, x := range v {
			scale = max(scale, math.Abs(x))
		}
		tolerance := 1e-12 * scale
		phi := Shapley(v)
		if d := sum(phi) - v[len(v)-1]; math.Abs(d) > tolerance {
			t.Errorf("a=%d: values add up to v(A) plus %g", a, d)
		}

		w, f := randomTable(a, r), r.NormFloat64()
		mixed := table(a, func(s Set) float64 { return v[s] + f*w[s] })
		want := slices.Clone(phi)
		for i, x := range Shapley(w) {
			want[i] += f * x
		}
		near(t, "linearity", Shapley(mixed), want, 40*tolerance)

		i, j := r.IntN(a), r.IntN(a)
		null := table(a, func(s Set) float64 { return v[s&^(1<<i)] })
		if x := Shapley(null)[i]; x != 0 {
			t.Errorf("a null player has %g", x)
		}
		same := table(a, func(s Set) float64 { return v[symmetric(s, i, j)] })
		if p := Shapley(same); math.Abs(p[i]-p[j]) > tolerance {
			t.Errorf("symmetric players have %g and %g", p[i], p[j])
		}
		if i == j {
			continue
		}
		// i adds strictly more than j to some coalition and never less.
		better := slices.Clone(same)
		better[1<<i] += 1 + scale
		if p := Shapley(better); p[i] <= p[j] {
			t.Errorf("the more desirable player has %g, the other %g", p[i], p[j])
		}
	}
}

// symmetric maps s to the coalition in which i stands for whichever of i and j is
// alone in it.
func symmetric(s Set, i, j int) Set {
	if s.Has(j) && !s.Has(i) {
		return s&^(1<<j) | 1<<i
	}
	return s
}

// R2: games with published or hand-computed values.
func TestShapleyReference(t *testing.T) {
	glove := table(3, func(s Set) float64 {
		if s.Has(0) && s.Len() > 1 {
			return 1
		}
		return 0
	})
	near(t, "glove", Shapley(glove), []float64{2. / 3, 1. / 6, 1. / 6}, 1e-15)

	cost := []float64{8, 11, 13}
	airport := table(3, func(s Set) float64 {
		m := 0.0
		for i, c := range cost {
			if s.Has(i) {
				m = max(m, c)
			}
		}
		return m
	})
	near(t, "airport", Shapley(airport), []float64{8. / 3, 25. / 6, 37. / 6}, 1e-14)

	votes := []int{4, 3, 2, 1}
	voting := table(4, func(s Set) float64 {
		n := 0
		for i, v := range votes {
			if s.Has(i) {
				n += v
			}
		}
		if n >= 6 {
			return 1
		}
		return 0
	})
	near(t, "votes", Shapley(voting), []float64{5. / 12, 1. / 4, 1. / 4, 1. / 12}, 1e-15)

	// v by bitmask: {1} 40, {2} 60, {12} 70, {3} 80, {13} 75, {23} 85, all 90.
	near(t, "three", Shapley([]float64{0, 40, 60, 70, 80, 75, 85, 90}), []float64{95. / 6, 185. / 6, 260. / 6}, 1e-13)

	for _, n := range []int{2, 4, 6, 8} {
		majority := table(n, func(s Set) float64 {
			if 2*s.Len() > n {
				return 1
			}
			return 0
		})
		near(t, "majority", Shapley(majority), slices.Repeat([]float64{1 / float64(n)}, n), 1e-14)
		b := choose(n-1, n/2) / math.Exp2(float64(n-1))
		near(t, "majority, Banzhaf", Banzhaf(majority), slices.Repeat([]float64{b}, n), 1e-14)
	}
}

func choose(n, k int) float64 {
	c := 1.0
	for i := range k {
		c = c * float64(n-i) / float64(i+1)
	}
	return c
}

// The fast sum equals the definition over all orders.
func TestShapleyEqualsOrders(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	const a = 5
	v := randomTable(a, r)
	want := make([]float64, a)
	n := 0
	var walk func(s Set)
	walk = func(s Set) {
		if s.Len() == a {
			n++
			return
		}
		for i := range a {
			if !s.Has(i) {
				from := n
				walk(s | 1<<i)
				want[i] += float64(n-from) * (v[s|1<<i] - v[s])
			}
		}
	}
	walk(0)
	for i := range want {
		want[i] /= float64(n)
	}
	near(t, "orders", Shapley(v), want, 1e-12)
}

func TestCoalitions(t *testing.T) {
	for a := 1; a <= MaxExact; a++ {
		sets, err := Coalitions(a)
		if err != nil || len(sets) != 1<<a || sets[0] != 0 || sets[len(sets)-1] != All(a) {
			t.Errorf("a=%d: %d coalitions, %v", a, len(sets), err)
		}
	}
	for _, a := range []int{-1, 0, MaxExact + 1} {
		if _, err := Coalitions(a); fed.KindOf(err) != fed.Invalid || err == nil {
			t.Errorf("a=%d: %v", a, err)
		}
	}
}

// theta_S = theta + sum over S of (w_i/w_S)*D_i: weights renormalised inside S.
func TestRebuild(t *testing.T) {
	of := func(v ...float32) tensor.Params {
		return tensor.Params{{Name: "w", Shape: []int{len(v)}, Data: v}}
	}
	base := of(1, 1, 1)
	members := []Member{{"a", 1, of(4, 0, 0)}, {"b", 3, of(0, 8, 0)}, {"c", 100, of(0, 0, 2)}}
	for _, tc := range []struct {
		s    Set
		want []float32
	}{
		{0, []float32{1, 1, 1}},
		{0b001, []float32{5, 1, 1}},
		{0b010, []float32{1, 9, 1}},
		{0b011, []float32{2, 7, 1}},
		{0b100, []float32{1, 1, 3}},
	} {
		dst := base.ZerosLike()
		Rebuild(dst, base, members, tc.s)
		if got := dst.AppendFlat(nil); !slices.Equal(got, tc.want) {
			t.Errorf("coalition %b gives %v, want %v", tc.s, got, tc.want)
		}
	}
	long := tensor.Params{tensor.New("w", 1500)}
	delta := long.Clone()
	for i := range delta[0].Data {
		delta[0].Data[i] = float32(i)
	}
	dst := long.ZerosLike()
	Rebuild(dst, long, []Member{{"a", 2, delta}}, 1)
	if !slices.Equal(dst[0].Data, delta[0].Data) {
		t.Error("blocks of a long tensor are not all rebuilt")
	}
}

// relative returns the relative l2 error.
func relative(got, want []float64) float64 {
	d, n := 0.0, 0.0
	for i := range want {
		d += (got[i] - want[i]) * (got[i] - want[i])
		n += want[i] * want[i]
	}
	return math.Sqrt(d / n)
}

// members turns a coalition of a sampler into a set.
func members(in []bool) Set {
	var s Set
	for i, yes := range in {
		if yes {
			s |= 1 << i
		}
	}
	return s
}

// learningGame is a game with falling returns, parties that help each other and
// parties that are of no use, as federated utilities are.
func learningGame(n int, r *rand.Rand) []float64 {
	w, pair := make([]float64, n), make([][]float64, n)
	for i := range w {
		w[i] = math.Exp(.8 * r.NormFloat64())
		pair[i] = make([]float64, i)
		for j := range pair[i] {
			pair[i][j] = .6 * r.NormFloat64() / float64(n)
		}
	}
	total, bonus, v := make([]float64, 1<<n), make([]float64, 1<<n), make([]float64, 1<<n)
	for s := 1; s < len(v); s++ {
		i := bits.Len(uint(s)) - 1
		rest := s &^ (1 << i)
		total[s] = total[rest] + w[i]
		bonus[s] = bonus[rest]
		for x := uint(rest); x != 0; x &= x - 1 {
			bonus[s] += pair[i][bits.TrailingZeros(x)]
		}
		v[s] = math.Log1p(total[s]) + bonus[s]
	}
	return v
}

// R4: sampling error on 20 seeded games.
func TestSamplingError(t *testing.T) {
	for _, tc := range []struct {
		n, budget, games int
		limit            float64
		method           string
	}{
		{10, 500, 20, .10, Stratified},
		{20, 2000, 20, .12, Stratified},
		{10, 200, 20, .35, Antithetic},
	} {
		games := tc.games
		if testing.Short() && tc.n > 12 {
			games = 3
		}
		total := 0.0
		for g := range games {
			r := rand.New(rand.NewPCG(uint64(g), 4))
			v := learningGame(tc.n, r)
			want := Shapley(v)
			e, err := Sample(tc.n, tc.budget, func(in []bool) (float64, error) { return v[members(in)], nil }, r)
			if err != nil {
				t.Fatal(err)
			}
			if e.Used > tc.budget || e.Method != tc.method {
				t.Errorf("used %d of %d utilities by %s", e.Used, tc.budget, e.Method)
			}
			if d := sum(e.Phi) + e.Remainder - v[All(tc.n)]; math.Abs(d) > 1e-9 {
				t.Errorf("the remainder is off by %g", d)
			}
			total += relative(e.Phi, want)
		}
		got := total / float64(games)
		t.Logf("n=%d, %d utilities, %s: mean relative error %.3f", tc.n, tc.budget, tc.method, got)
		if got > tc.limit {
			t.Errorf("n=%d with %d utilities: mean relative error %.3f above %.2f", tc.n, tc.budget, got, tc.limit)
		}
	}
}

// R3: the airport game of 100 players. Littlechild and Owen 1973: each step of the
// runway is paid equally by those who need it.
func TestAirport100(t *testing.T) {
	sizes := []int{8, 12, 6, 14, 8, 9, 13, 10, 10, 10}
	value := []float64{.01, .020869565, .033369565, .046883079, .063549745, .082780515, .106036329, .139369662, .189369662, .289369662}
	var cost, want []float64
	for g, n := range sizes {
		for range n {
			cost = append(cost, float64(g+1))
			want = append(want, value[g])
		}
	}
	users, paid := 100.0, 0.0
	for g, n := range sizes {
		if paid += 1 / users; math.Abs(paid-value[g]) > 1e-8 {
			t.Errorf("group %d: closed form %.9f, reference %.9f", g, paid, value[g])
		}
		users -= float64(n)
	}
	game := func(in []bool) (float64, error) {
		m := 0.0
		for i, yes := range in {
			if yes {
				m = max(m, cost[i])
			}
		}
		return m, nil
	}
	e, err := Sample(100, 40_000, game, rand.New(rand.NewPCG(3, 3)))
	if err != nil {
		t.Fatal(err)
	}
	group := make([]float64, len(sizes))
	for i, k := 0, 0; k < len(sizes); k++ {
		group[k] = sum(e.Phi[i:i+sizes[k]]) / float64(sizes[k])
		i += sizes[k]
	}
	t.Logf("%s, %d used, remainder %.2g: groups %.4f", e.Method, e.Used, e.Remainder, group)
	near(t, e.Method, group, value, .01)
	within := 0
	for i := range want {
		if math.Abs(e.Phi[i]-want[i]) <= 3*e.SE[i] {
			within++
		}
	}
	if within < 97 {
		t.Errorf("only %d of 100 players within three standard errors", within)
	}
	// Orders are exactly efficient, however few.
	e, err = Sample(100, 4000, game, rand.New(rand.NewPCG(3, 3)))
	if err != nil || e.Method != Antithetic || math.Abs(e.Remainder) > 1e-9 {
		t.Errorf("%s leaves %g: %v", e.Method, e.Remainder, err)
	}
}

func TestSampleSmall(t *testing.T) {
	v := []float64{0, 40, 60, 70, 80, 75, 85, 90}
	value := func(in []bool) (float64, error) { return v[members(in)], nil }
	e, err := Sample(3, 3000, value, rand.New(rand.NewPCG(1, 2)))
	if err != nil || e.Used > 7 {
		t.Fatalf("used %d of 7 coalitions, %v", e.Used, err)
	}
	near(t, "three", e.Phi, []float64{95. / 6, 185. / 6, 260. / 6}, .5)
	again, _ := Sample(3, 3000, value, rand.New(rand.NewPCG(1, 2)))
	if !slices.Equal(e.Phi, again.Phi) {
		t.Error("one seed gives two results")
	}
	for _, tc := range [][2]int{{1, 100}, {5, 9}, {maxPlayers + 1, 1 << 20}} {
		if _, err := Sample(tc[0], tc[1], value, nil); err == nil || fed.KindOf(err) != fed.Invalid {
			t.Errorf("%v: %v", tc, err)
		}
	}
	bad := func([]bool) (float64, error) { return math.NaN(), nil }
	if _, err := Sample(3, 30, bad, rand.New(rand.NewPCG(1, 2))); err == nil {
		t.Error("a value that is not a number was accepted")
	}
}
