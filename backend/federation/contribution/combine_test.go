package contribution

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
)

func scores(name string, v []float64) Scores { return Scores{Scorer: name, Rows: 100, V: v} }

// With one evaluator the values add up to what the round gained.
func TestCombineEvaluator(t *testing.T) {
	v := []float64{0, 40, 60, 70, 80, 75, 85, 90}
	r, err := Combine([]string{"A", "B", "C"}, []Scores{scores("", v)})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "evaluator", r.Phi, []float64{95. / 6, 185. / 6, 260. / 6}, 1e-12)
	if r.Gain != 90 || math.Abs(r.Remainder) > 1e-12 || !math.IsNaN(r.SE[0]) {
		t.Errorf("gain %v, remainder %v, error %v", r.Gain, r.Remainder, r.SE)
	}
}

// "party i's contribution uses only the scores of the others; v(S) is the median
// over those scorers, computed before the Shapley sum".
func TestCombinePeersOnly(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	names := []string{"A", "B", "C", "D"}
	var all []Scores
	for _, n := range names {
		all = append(all, scores(n, randomTable(4, r)))
	}
	got, err := Combine(names, all)
	if err != nil {
		t.Fatal(err)
	}
	sumPhi := 0.0
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
		sumPhi += got.Phi[i]
	}
	if d := got.Gain - sumPhi - got.Remainder; math.Abs(d) > 1e-12 {
		t.Errorf("gain, values and remainder are off by %g", d)
	}

	// Whatever A claims about itself, A's figure does not move.
	for s := range all[0].V[1:] {
		all[0].V[s+1] += 1e6
	}
	lied, err := Combine(names, all)
	if err != nil || lied.Phi[0] != got.Phi[0] {
		t.Errorf("A moved its own figure from %v to %v (%v)", got.Phi[0], lied.Phi[0], err)
	}
}

// Scorers that agree make the peers' figure the evaluator's.
func TestCombineAgreeing(t *testing.T) {
	v := randomTable(3, rand.New(rand.NewPCG(9, 9)))
	r, err := Combine([]string{"A", "B", "C"}, []Scores{scores("A", v), scores("B", v), scores("X", v)})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "agreeing", r.Phi, Shapley(v), 1e-12)
	if math.Abs(r.Remainder) > 1e-12 {
		t.Errorf("remainder %v", r.Remainder)
	}
}

func TestCombineRefuses(t *testing.T) {
	v := []float64{0, 1, 2, 4}
	ok := []Scores{scores("A", v), scores("B", v)}
	if _, err := Combine([]string{"A", "B"}, ok); err != nil {
		t.Fatal(err)
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
		if _, err := Combine(tc.players, tc.scorers); err == nil || fed.KindOf(err) != fed.Invalid || fed.HintOf(err) == "" {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// A round's record: excluded parties have exactly 0 and a reason.
func TestRecord(t *testing.T) {
	r, err := Combine([]string{"B", "D"}, []Scores{scores("", []float64{0, 1, 2, 4})})
	if err != nil {
		t.Fatal(err)
	}
	rec := r.Record(3, .5, math.NaN(), map[string]string{"C": "late", "A": "zero update"})
	if len(rec.Parties) != 4 || rec.Round != 3 || rec.Gain != 4 || rec.Method != MethodExact {
		t.Fatalf("%+v", rec)
	}
	for i, want := range []PartyScore{
		{Party: "A", Reason: "zero update"}, {Party: "B", Admitted: true, Phi: 1.5},
		{Party: "C", Reason: "late"}, {Party: "D", Admitted: true, Phi: 2.5},
	} {
		if got := rec.Parties[i]; got.Party != want.Party || got.Reason != want.Reason || got.Phi != want.Phi || got.Admitted != want.Admitted {
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
	one, err := Combine(names, []Scores{l.Scores})
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
