package reward

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
)

func TestGrantSumsToThePool(t *testing.T) {
	for name, c := range map[string]struct {
		pool   int64
		rounds []gains
		why    string
		want   map[string]int64
	}{
		"in proportion": {10_000, []gains{{"A": 0.3, "B": 0.2, "C": 0.1}}, WhyContribution, map[string]int64{"A": 5000, "B": 3333, "C": 1667}},
		"odd cents":     {100, []gains{{"A": 0.2, "B": 0.2, "C": 0.2}}, WhyContribution, map[string]int64{"A": 34, "B": 33, "C": 33}},
		"no pool":       {0, []gains{{"A": 0.3, "B": 0.2, "C": 0.1}}, WhyNoPool, map[string]int64{"A": 0, "B": 0, "C": 0}},
		// C harms: its whole interval lies below 0.
		"harm": {1000, []gains{{"A": 0.3, "B": 0.1, "C": -0.5}}, WhyContribution, map[string]int64{"A": 750, "B": 250, "C": 0}},
		// One good round does not make up for harm over the run.
		"two rounds": {1000, []gains{{"A": 0.3, "B": 0.1, "C": 0.1}, {"A": 0.3, "B": 0.3, "C": -0.9}}, WhyContribution, map[string]int64{"A": 600, "B": 400, "C": 0}},
		"absent":     {1000, []gains{{"A": 0.3, "B": 0.3}}, WhyContribution, map[string]int64{"A": 500, "B": 500, "C": 0}},
		"all harm":   {1000, []gains{{"A": -0.3, "B": -0.3}}, WhyNobody, map[string]int64{"A": 500, "B": 500, "C": 0}},
		"no rounds":  {1000, nil, WhyUnscored, map[string]int64{"A": 334, "B": 333, "C": 333}},
	} {
		w := newWorld(t)
		w.policies[0].PoolCents = c.pool
		for i, g := range c.rounds {
			w.by["A"].score(i+1, g)
		}
		if _, ok := w.by["A"].Grant(w.run.ID); ok {
			t.Errorf("%s: granted before the end", name)
		}
		if err := w.by["A"].Close(ctx, w.run); err != nil {
			t.Fatal(err)
		}
		g, ok := w.by["C"].Grant(w.run.ID)
		sum := int64(0)
		for _, v := range g.Cents {
			sum += v
		}
		if diff := cmp.Diff(c.want, g.Cents); !ok || sum != c.pool || diff != "" || g.Why != c.why {
			t.Errorf("%s: sum %d of %d, because %s\n%s", name, sum, c.pool, g.Why, diff)
		}
		if err := w.by["C"].Check(ctx, w.run); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Money follows the rounds up to the delivered model: what came after is in no
// model that anybody uses.
func TestGrantEndsWithTheDeliveredModel(t *testing.T) {
	w := newWorld(t)
	w.best = 1
	w.by["A"].score(1, gains{"A": 0.3, "B": 0.1, "C": 0})
	w.by["A"].score(2, gains{"A": 0, "B": 0, "C": 5})
	if err := w.by["A"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	g, _ := w.by["B"].Grant(w.run.ID)
	if diff := cmp.Diff(map[string]int64{"A": 7500, "B": 2500, "C": 0}, g.Cents); diff != "" || g.Through != 1 {
		t.Errorf("through %d\n%s", g.Through, diff)
	}
	s, _ := w.by["B"].Score(w.run.ID)
	if s.Through != 1 || s.Standing.Rounds != 1 || math.Abs(float64(s.Standing.Gain)-0.4) > 1e-12 {
		t.Errorf("score %+v", s)
	}
	if err := w.by["B"].Check(ctx, w.run); err != nil {
		t.Error(err)
	}
	w.best = 2 // the end of the run says another round than the ledger
	if err := w.by["B"].Check(ctx, w.run); fed.KindOf(err) != fed.Corrupt {
		t.Errorf("another delivered round: %v", err)
	}
	w.running = true
	if err := w.by["B"].Check(ctx, w.run); fed.KindOf(err) != fed.Unavailable {
		t.Errorf("before the end is known: %v", err)
	}
}

// Rounds that nobody scored are named, and who took part in one is paid when none
// was scored.
func TestUnscoredRounds(t *testing.T) {
	w := newWorld(t)
	w.best = 1
	ask(w, 1, gains{"A": 1, "C": 1}) // recorded, never scored
	ask(w, 2, gains{"B": 1})         // after the delivered model
	if err := w.by["A"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	s, _ := w.by["B"].Score(w.run.ID)
	g, _ := w.by["B"].Grant(w.run.ID)
	if diff := cmp.Diff([]int{1}, s.Unscored); diff != "" || g.Why != WhyUnscored {
		t.Errorf("because %s\n%s", g.Why, diff)
	}
	if diff := cmp.Diff(map[string]int64{"A": 5000, "B": 0, "C": 5000}, g.Cents); diff != "" {
		t.Error(diff)
	}
	if err := w.by["B"].Check(ctx, w.run); err != nil {
		t.Error(err)
	}
}

// Records of an earlier coordinator reach the members in any order: a ledger is right
// or not yet checked, never wrong, because of those that are on the way.
func TestRecordsOnTheWay(t *testing.T) {
	w := newWorld(t)
	w.by["A"].score(2, gains{"A": 0.3, "B": 0.1, "C": 0})
	if err := w.by["A"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	s, _ := w.by["B"].Score(w.run.ID)
	if diff := cmp.Diff([]int{1}, s.Unscored); diff != "" {
		t.Error(diff)
	}
	for range 2 {
		if err := w.by["B"].Check(ctx, w.run); err != nil {
			t.Errorf("with %d records: %v", len(w.rounds), err)
		}
		ask(w, 1, gains{"A": 1, "C": 1}) // arrives after the closing
	}

	w = newWorld(t)
	w.best = 1
	ask(w, 1, gains{"A": 1, "C": 1})
	if err := w.by["A"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	records := w.rounds
	w.rounds = nil
	if err := w.by["B"].Check(ctx, w.run); fed.KindOf(err) != fed.Unavailable {
		t.Errorf("before the record is here of who took part: %v", err)
	}
	w.rounds = records
	if err := w.by["B"].Check(ctx, w.run); err != nil {
		t.Error(err)
	}
}

// With more than 12 updates a round cannot be scored exactly: it is not asked for,
// and the money is shared equally.
func TestTooManyUpdates(t *testing.T) {
	w := newWorld(t)
	ask(w, 1, gains{"A": 1})
	for range 12 {
		w.rounds[0].In = append(w.rounds[0].In, w.rounds[0].In[0])
	}
	if Exact(w.rounds[0]) || len(w.by["A"].Unscored(w.run)) != 0 {
		t.Error("13 updates are asked to be scored")
	}
	w.rounds[0].In = w.rounds[0].In[:12]
	if !Exact(w.rounds[0]) || len(w.by["A"].Unscored(w.run)) != 1 {
		t.Error("12 updates are not asked to be scored")
	}
}

// The basis of the project decides what is paid: what an update does for the rows
// of its own party counts when pooled, and not among peers.
func TestBasis(t *testing.T) {
	own := func(w *world) {
		a := ask(w, 1, gains{"A": 1, "B": 1, "C": 1})
		all := map[fed.PartyID]fed.ScoreReply{}
		for _, name := range []string{"A", "B", "C"} {
			g := gains{"A": 0, "B": 0.2, "C": 0.2}
			if name == "A" {
				g = gains{"A": 1.2, "B": 0.2, "C": 0.2}
			}
			r := fed.ScoreReply{Rows: 100, Table: table(g, 0, rand.New(rand.NewPCG(1, 1)))}
			all[w.by[name].Party()] = w.by[name].signs(a, r)
		}
		if err := w.by["A"].pen().Scored(ctx, w.run, a, all); err != nil {
			t.Fatal(err)
		}
		if err := w.by["A"].Close(ctx, w.run); err != nil {
			t.Fatal(err)
		}
	}
	for basis, want := range map[string]struct {
		cents     map[string]int64
		remainder float64
	}{
		"pooled": {map[string]int64{"A": 5000, "B": 2500, "C": 2500}, 0},
		"peers":  {map[string]int64{"A": 0, "B": 5000, "C": 5000}, 0.4},
	} {
		w := newWorld(t)
		w.policies[0].Basis = basis
		own(w)
		g, _ := w.by["B"].Grant(w.run.ID)
		if diff := cmp.Diff(want.cents, g.Cents); diff != "" {
			t.Errorf("%s: %s", basis, diff)
		}
		s, _ := w.by["B"].Score(w.run.ID)
		if math.Abs(float64(s.Standing.Remainder)-want.remainder) > 1e-12 || math.Abs(float64(s.Standing.Gain)-0.8) > 1e-12 {
			t.Errorf("%s: remainder %v of %v", basis, s.Standing.Remainder, s.Standing.Gain)
		}
		for _, p := range s.Standing.Parties {
			if p.Party == "A" && math.Abs(float64(p.Peers)) > 1e-12 {
				t.Errorf("%s: on the others' rows A has %v", basis, p.Peers)
			}
		}
		if terms, ok := w.by["B"].Terms(w.run.ID); !ok || string(terms.Basis) != basis {
			t.Errorf("terms %+v", terms)
		}
		if err := w.by["C"].Check(ctx, w.run); err != nil {
			t.Errorf("%s: %v", basis, err)
		}
	}
}

// A round counts once, also when two coordinators scored it one after the other.
func TestRoundCountsOnce(t *testing.T) {
	w := newWorld(t)
	w.by["A"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	w.by["B"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	if err := w.by["B"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	s, _ := w.by["C"].Score(w.run.ID)
	if s.Standing.Rounds != 1 || math.Abs(float64(s.Standing.Parties[0].Phi)-0.3) > 1e-12 || math.Abs(float64(s.Without["C"])-0.5) > 1e-12 {
		t.Errorf("score %+v", s)
	}
	if err := w.by["C"].Check(ctx, w.run); err != nil {
		t.Error(err)
	}
}

// A closing that was cut short is finished by whoever coordinates next: what it
// wrote stands, and nothing is scored after it.
func TestInterruptedClosing(t *testing.T) {
	for kind, name := range map[string]string{KindScore: "B", KindGrant: "A"} {
		w := newWorld(t)
		w.best = 1
		w.by["A"].score(1, gains{"A": 0.3, "B": 0.1, "C": 0})
		ask(w, 2, gains{"A": 1, "B": 1, "C": 1})
		if err := w.by["A"].Close(ctx, w.run); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(w.docs, func(d fed.Doc) bool { return kindOfDoc(t, d) == kind })
		docs := w.docs[:i+1]
		for _, m := range w.by {
			m.runs = map[fed.RunID]*branches{}
		}
		w.tell(docs)
		next := w.by[name]
		if n, begun := next.Through(w.run); !begun || n != 1 || len(next.Unscored(w.run)) != 0 {
			t.Fatalf("%s: through %d, begun %v, %d rounds to score", kind, n, begun, len(next.Unscored(w.run)))
		}
		if err := next.pen().Close(ctx, w.run, 2); err != nil { // it would count to the second
			t.Fatal(err)
		}
		var kinds []string
		for _, e := range w.by["C"].chain() {
			kinds = append(kinds, e.Kind)
		}
		if diff := cmp.Diff([]string{KindTerms, KindRound, KindScore, KindGrant, KindClose}, kinds); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
		if err := w.by["C"].Check(ctx, w.run); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func kindOfDoc(t *testing.T, d fed.Doc) string {
	t.Helper()
	var e Entry
	if err := json.Unmarshal(d.Body, &e); err != nil {
		t.Fatal(err)
	}
	return e.Kind
}
