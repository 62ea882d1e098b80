package contribution

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

func scores(name string, v []float64) Scores { return Scores{Scorer: name, Rows: 100, V: v} }

// With one evaluator the values add up to what the round gained, on either basis.
func TestCombineEvaluator(t *testing.T) {
	v := []float64{0, 40, 60, 70, 80, 75, 85, 90}
	for _, basis := range []Basis{Pooled, Peers} {
		r, err := Combine([]string{"A", "B", "C"}, []Scores{scores("", v)}, basis)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "evaluator", r.Phi, []float64{95. / 6, 185. / 6, 260. / 6}, 1e-12)
		near(t, "evaluator, on the others' rows", r.Peers, r.Phi, 1e-12)
		near(t, "without", r.Without, []float64{85, 75, 70}, 1e-12)
		if r.Gain != 90 || math.Abs(r.Remainder) > 1e-12 || !math.IsNaN(r.SE[0]) {
			t.Errorf("%s: gain %v, remainder %v, error %v", basis, r.Gain, r.Remainder, r.SE)
		}
	}
}

// An update that helps its own party's rows only, by hand: A gains 3 on its 100
// rows and nothing on B's 300. In the pooled game A is worth 3/4; the others' rows
// say 0.
func TestPooledCountsOwnRows(t *testing.T) {
	a, b := scores("A", []float64{0, 3, 0, 3}), scores("B", []float64{0, 0, 1, 1})
	b.Rows = 300
	for basis, want := range map[Basis]Result{
		Pooled: {Phi: []float64{.75, .75}, Gain: 1.5, Remainder: 0},
		Peers:  {Phi: []float64{0, 0}, Gain: 1.5, Remainder: 1.5},
	} {
		r, err := Combine([]string{"A", "B"}, []Scores{a, b}, basis)
		if err != nil {
			t.Fatal(err)
		}
		near(t, string(basis), r.Phi, want.Phi, 1e-12)
		near(t, "peers", r.Peers, []float64{0, 0}, 1e-12)
		if math.Abs(r.Gain-want.Gain) > 1e-12 || math.Abs(r.Remainder-want.Remainder) > 1e-12 {
			t.Errorf("%s: gain %v, remainder %v", basis, r.Gain, r.Remainder)
		}
	}
}

// min(rows, 5 x lower median), adding up to 1.
func TestScorerWeights(t *testing.T) {
	near(t, "equal", ScorerWeights([]int{7, 7}), []float64{.5, .5}, 1e-15)
	near(t, "rows", ScorerWeights([]int{100, 200, 100}), []float64{.25, .5, .25}, 1e-15)
	near(t, "claimed", ScorerWeights([]int{100, 1 << 40}), []float64{1. / 6, 5. / 6}, 1e-15)
	near(t, "four", ScorerWeights([]int{1 << 40, 10, 20, 30}), []float64{100. / 160, 10. / 160, 20. / 160, 30. / 160}, 1e-15)
}

// drawScores draws what every party's rows say of every coalition.
func drawScores(t *rapid.T) (names []string, all []Scores) {
	a := rapid.IntRange(2, 6).Draw(t, "parties")
	for i := range a {
		v := rapid.SliceOfN(rapid.Float64Range(-16, 16), 1<<a, 1<<a).Draw(t, "table")
		v[0] = 0
		s := scores(string(rune('A'+i)), v)
		s.Rows = rapid.IntRange(1, 5000).Draw(t, "rows")
		names, all = append(names, s.Scorer), append(all, s)
	}
	return names, all
}

func combined(t *rapid.T, names []string, all []Scores, basis Basis) Result {
	r, err := Combine(names, all, basis)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Efficiency: with basis pooled the values add up to v(A) - v(nobody); with peers
// every party's own game is efficient, and the remainder is what is left of the
// pooled gain.
func TestEfficiency(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names, all := drawScores(t)
		pooled, peers := combined(t, names, all, Pooled), combined(t, names, all, Peers)
		if d := sum(pooled.Phi) - pooled.Gain; math.Abs(d) > 1e-12 || math.Abs(pooled.Remainder) > 1e-12 {
			t.Fatalf("pooled values are off the gain by %g, remainder %g", d, pooled.Remainder)
		}
		if d := sum(peers.Phi) + peers.Remainder - peers.Gain; math.Abs(d) > 1e-12 || peers.Gain != pooled.Gain {
			t.Fatalf("peers' values and remainder are off the gain by %g", d)
		}
		c := newCombiner(names, all)
		for i := range names {
			own := slices.Clone(c.median(i, -1))
			if d := sum(Shapley(own)) - own[len(own)-1]; math.Abs(d) > 1e-11 {
				t.Fatalf("the game of %s is off its gain by %g", names[i], d)
			}
		}
	})
}

// Null player: who changes nothing in any coalition has 0 in both games, exactly
// with peers and up to rounding when pooled.
func TestNullPlayer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names, all := drawScores(t)
		null := rapid.IntRange(0, len(names)-1).Draw(t, "null")
		for _, s := range all {
			for k := range s.V {
				s.V[k] = s.V[k&^(1<<null)]
			}
		}
		r := combined(t, names, all, Pooled)
		if r.Phi[null] != 0 || r.Peers[null] != 0 || combined(t, names, all, Peers).Phi[null] != 0 {
			t.Fatalf("the null player has %v and %v", r.Phi[null], r.Peers[null])
		}
	})
}

// Symmetry: when all rows say the same of a round with two parties exchanged, and
// the two have equally many rows that say the same of each other, both have the
// same value in both games.
func TestSymmetry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names, all := drawScores(t)
		swap := func(k int) int { return k&^3 | k&1<<1 | k&2>>1 }
		for j, s := range all[1:] {
			if j == 0 { // B's rows are A's with the two exchanged
				s.V, all[1].Rows = make([]float64, len(s.V)), all[0].Rows
				all[1].V = s.V
				for k := range s.V {
					s.V[k] = all[0].V[swap(k)]
				}
				continue
			}
			for k := range s.V {
				s.V[k] = s.V[min(k, swap(k))]
			}
		}
		r := combined(t, names, all, Pooled)
		if math.Abs(r.Phi[0]-r.Phi[1]) > 1e-12 || math.Abs(r.Peers[0]-r.Peers[1]) > 1e-12 {
			t.Fatalf("values %v, on the others' rows %v", r.Phi, r.Peers)
		}
	})
}

// "party i's contribution uses only the scores of the others; v(S) is the median
// over those scorers, computed before the Shapley sum".
func TestPeersOnly(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	names := []string{"A", "B", "C", "D"}
	var all []Scores
	for _, n := range names {
		all = append(all, scores(n, randomTable(4, r)))
	}
	got, err := Combine(names, all, Peers)
	if err != nil {
		t.Fatal(err)
	}
	for i := range names {
		others := slices.Delete(slices.Clone(all), i, i+1)
		v := table(4, func(s Set) float64 {
			x := []float64{others[0].V[s], others[1].V[s], others[2].V[s]}
			slices.Sort(x)
			return x[1]
		})
		if want := Shapley(v)[i]; math.Abs(got.Phi[i]-want) > 1e-12 {
			t.Errorf("%s has %v, want %v", names[i], got.Phi[i], want)
		}
	}
}

// One scorer's lies: on the others' rows it cannot move its own figure, and from
// four parties on every value of a coalition stays within what the honest others
// found; in the pooled game it moves a figure by no more than its weight times the
// lie.
func TestOneLiar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names, all := drawScores(t)
		honest := combined(t, names, all, Pooled)
		lied := slices.Clone(all)
		lied[0].V = rapid.SliceOfN(rapid.Float64Range(-16, 16), len(all[0].V), len(all[0].V)).Draw(t, "lie")
		lied[0].V[0] = 0
		r := combined(t, names, lied, Pooled)
		if r.Peers[0] != honest.Peers[0] {
			t.Fatalf("A moved its own figure on the others' rows from %v to %v", honest.Peers[0], r.Peers[0])
		}
		rows := make([]int, len(all))
		for j, s := range all {
			rows[j] = s.Rows
		}
		most := 2 * 32 * ScorerWeights(rows)[0] // two values of a marginal, each off by 32 at most
		for i := range names {
			if d := math.Abs(r.Phi[i] - honest.Phi[i]); d > most+1e-12 {
				t.Fatalf("A moved %s by %v, more than %v", names[i], d, most)
			}
		}
		if len(names) < 4 {
			return
		}
		c := newCombiner(names, lied)
		for i := 1; i < len(names); i++ {
			for k, v := range c.median(i, -1) {
				low, high := math.Inf(1), math.Inf(-1)
				for j := 1; j < len(all); j++ {
					if j != i {
						low, high = min(low, all[j].V[k]), max(high, all[j].V[k])
					}
				}
				if v < low || v > high {
					t.Fatalf("for %s coalition %b has %v, outside %v to %v", names[i], k, v, low, high)
				}
			}
		}
	})
}

// Scorers that agree make the peers' figure the evaluator's.
func TestCombineAgreeing(t *testing.T) {
	v := randomTable(3, rand.New(rand.NewPCG(9, 9)))
	r, err := Combine([]string{"A", "B", "C"}, []Scores{scores("A", v), scores("B", v), scores("X", v)}, Peers)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "agreeing", r.Phi, Shapley(v), 1e-12)
	if math.Abs(r.Remainder) > 1e-12 {
		t.Errorf("remainder %v", r.Remainder)
	}
}

// The error is the deviation over replicates of the same figure, in either game.
func TestReplicatesFollowTheBasis(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	names := []string{"A", "B", "C"}
	var all []Scores
	for j, n := range names {
		s := scores(n, randomTable(3, rng))
		s.Rows = 50 * (j + 1)
		for range 5 {
			s.Replicates = append(s.Replicates, randomTable(3, rng))
		}
		all = append(all, s)
	}
	for _, basis := range []Basis{Pooled, Peers} {
		r, err := Combine(names, all, basis)
		if err != nil {
			t.Fatal(err)
		}
		for b := range 5 {
			one := slices.Clone(all)
			for j := range one {
				one[j].V, one[j].Replicates = all[j].Replicates[b], nil
			}
			want, err := Combine(names, one, basis)
			if err != nil {
				t.Fatal(err)
			}
			for i := range names {
				if math.Abs(r.Replicates[i][b]-want.Phi[i]) > 1e-12 {
					t.Errorf("%s, %s, replicate %d: %v, want %v", basis, names[i], b, r.Replicates[i][b], want.Phi[i])
				}
			}
		}
		if math.Abs(r.SE[1]-deviation(r.Replicates[1])) > 0 {
			t.Errorf("%s: error %v", basis, r.SE)
		}
	}
}

func TestCombineRefuses(t *testing.T) {
	v := []float64{0, 1, 2, 4}
	ok := []Scores{scores("A", v), scores("B", v)}
	if _, err := Combine([]string{"A", "B"}, ok, Peers); err != nil {
		t.Fatal(err)
	}
	if _, err := Combine([]string{"A", "B"}, ok, "other"); fed.KindOf(err) != fed.Invalid {
		t.Errorf("another basis: %v", err)
	}
	with := func(f func(*Scores)) []Scores {
		s := scores("B", slices.Clone(v))
		f(&s)
		return []Scores{ok[0], s}
	}
	many := slices.Repeat([]string{"p"}, MaxExact+1)
	tests := []struct {
		name    string
		players []string
		scorers []Scores
	}{
		{"nobody", nil, ok},
		{"too many", many, ok},
		{"no scorer", []string{"A", "B"}, nil},
		{"only itself", []string{"A"}, []Scores{scores("A", []float64{0, 1})}},
		{"twice", []string{"A", "B"}, []Scores{ok[0], ok[0]}},
		{"short", []string{"A", "B"}, with(func(s *Scores) { s.V = s.V[:2] })},
		{"nobody has a value", []string{"A", "B"}, with(func(s *Scores) { s.V[0] = 1 })},
		{"not a number", []string{"A", "B"}, with(func(s *Scores) { s.V[3] = math.NaN() })},
		{"infinite", []string{"A", "B"}, with(func(s *Scores) { s.V[3] = math.Inf(1) })},
		{"replicates", []string{"A", "B"}, with(func(s *Scores) { s.Replicates = [][]float64{v} })},
		{"no rows", []string{"A", "B"}, with(func(s *Scores) { s.Rows = 0 })},
	}
	for _, tc := range tests {
		if _, err := Combine(tc.players, tc.scorers, Pooled); err == nil || fed.KindOf(err) != fed.Invalid || fed.HintOf(err) == "" {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// A round's record: excluded parties have exactly 0 and a reason.
func TestRecord(t *testing.T) {
	r, err := Combine([]string{"B", "D"}, []Scores{scores("", []float64{0, 1, 2, 4})}, Pooled)
	if err != nil {
		t.Fatal(err)
	}
	rec := r.Record(3, .5, math.NaN(), map[string]string{"C": "late", "A": "zero update"})
	if len(rec.Parties) != 4 || rec.Round != 3 || rec.Gain != 4 || rec.Basis != Pooled || rec.Method != MethodExact {
		t.Fatalf("%+v", rec)
	}
	for i, want := range []PartyScore{
		{Party: "A", Reason: "zero update"}, {Party: "B", Admitted: true, Phi: 1.5, Peers: 1.5},
		{Party: "C", Reason: "late"}, {Party: "D", Admitted: true, Phi: 2.5, Peers: 2.5},
	} {
		if got := rec.Parties[i]; got.Party != want.Party || got.Reason != want.Reason || got.Phi != want.Phi || got.Peers != want.Peers || got.Admitted != want.Admitted {
			t.Errorf("line %d is %+v", i, got)
		}
	}
	b, err := json.Marshal(rec)
	if err != nil || strings.Contains(string(b), "NaN") {
		t.Errorf("%s, %v", b, err)
	}
	if none := (Result{}).Record(1, 0, 0, nil); none.Method != MethodNone {
		t.Errorf("a round without updates: %+v", none)
	}
}

// Equal rows in every round make the interval of the sum right: it equals that of
// one round with the summed utilities.
func TestSumOfRounds(t *testing.T) {
	p := newPopulation(3, 200, rand.New(rand.NewPCG(4, 4)))
	l := evaluate(t, "", p, upTo(200), 100)
	names := []string{"A", "B", "C"}
	one, err := Combine(names, []Scores{l.Scores}, Pooled)
	if err != nil {
		t.Fatal(err)
	}
	rec := one.Record(1, 0, 0, nil)
	absent := RoundScore{Round: 3, Parties: []PartyScore{{Party: "D", Reason: "absent"}}}
	st := Sum([]RoundScore{rec, rec, absent})
	if st.Rounds != 3 || len(st.Parties) != 4 || math.Abs(float64(st.Gain)-2*one.Gain) > 1e-12 {
		t.Fatalf("%+v", st)
	}
	for _, got := range st.Parties {
		i := slices.Index(names, got.Party)
		if i < 0 {
			if got.Phi != 0 || got.Present != 0 || got.SE != 0 || got.Share != 0 {
				t.Errorf("an absent party has %+v", got)
			}
			continue
		}
		if math.Abs(float64(got.Phi)-2*one.Phi[i]) > 1e-12 || math.Abs(float64(got.SE)-2*one.SE[i]) > 1e-12 || got.Present != 2 {
			t.Errorf("%+v, want twice %v and %v", got, one.Phi[i], one.SE[i])
		}
		if got.Low >= got.Phi || got.High <= got.Phi {
			t.Errorf("interval of %+v", got)
		}
	}
}

// "Tied groups: sort by phi, cut only between neighbours that are not tied", by
// the paired difference.
func TestTiedGroups(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	shared := make([]float64, 200)
	for b := range shared {
		shared[b] = r.NormFloat64()
	}
	line := func(name string, phi, noise float64) PartyScore {
		p := PartyScore{Party: name, Admitted: true, Phi: fed.Number(phi)}
		for _, s := range shared {
			p.Replicates = append(p.Replicates, phi+s+noise*r.NormFloat64())
		}
		return p
	}
	st := Sum([]RoundScore{{Round: 1, Parties: []PartyScore{
		// All intervals overlap widely: the shared rows move all alike. Only the
		// paired difference tells B from A and C from D.
		line("A", 1.0, .01), line("B", 2.0, .01), line("C", 3.0, .5), line("D", 3.3, .5), line("E", 3.6, .5),
		{Party: "F", Reason: "absent"},
	}}})
	// A's own interval contains 0, so it is not told from the absent F.
	want := [][]string{{"E", "D", "C"}, {"B"}, {"A", "F"}}
	if !slices.EqualFunc(st.Groups, want, slices.Equal[[]string]) {
		t.Fatalf("groups %v, want %v", st.Groups, want)
	}
	for _, p := range st.Parties {
		if !slices.Contains(st.Groups[p.Rank-1], p.Party) {
			t.Errorf("%s has rank %d", p.Party, p.Rank)
		}
	}
	if a, b := st.Parties[0], st.Parties[4]; a.Low > b.High {
		t.Error("the example is too easy: the intervals do not overlap")
	}
}

func TestDigits(t *testing.T) {
	for in, want := range map[fed.Number]string{.0123456: "0.0123", 1234.5: "1.23e+03", 0: "0", fed.Number(math.Inf(1)): "-"} {
		if got := Digits(in); got != want {
			t.Errorf("%v shows as %s, want %s", float64(in), got, want)
		}
	}
}
