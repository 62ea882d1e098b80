package reward

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
)

// apart lets a member write what only it sees, and hands it to the others when f
// is done.
func (w *world) apart(name string, f func(*member)) (docs []fed.Doc) {
	w.cut[name] = true
	f(w.by[name])
	w.cut[name] = false
	docs, w.by[name].kept = w.by[name].kept, nil
	return docs
}

func (w *world) tell(docs []fed.Doc) {
	for _, m := range w.by {
		for _, d := range docs {
			m.Apply(d)
		}
	}
}

// agreed returns the one chain that all members see.
func (w *world) agreed(t *testing.T) []Entry {
	t.Helper()
	for _, m := range w.by {
		if diff := cmp.Diff(w.by["C"].chain(), m.chain()); diff != "" {
			t.Fatalf("%s sees another ledger:\n%s", m.name, diff)
		}
	}
	return w.by["C"].chain()
}

// A coordinator that was cut off wrote after the same entry as its successor: all
// settle on the later reign, and see what was left behind.
func TestForkSettlesOnTheLaterReign(t *testing.T) {
	w := newWorld(t)
	w.by["A"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	alone := w.apart("A", func(a *member) {
		a.score(2, gains{"A": 9, "B": 0, "C": 0})
		a.score(3, gains{"A": 9, "B": 0, "C": 0})
		a.score(4, gains{"A": 9, "B": 0, "C": 0})
	})
	w.by["B"].score(2, gains{"A": 0.1, "B": 0.2, "C": 0})
	w.tell(w.docs)
	w.tell(alone)
	chain := w.agreed(t)
	if last := chain[len(chain)-1]; last.By != w.by["B"].Party() || last.K != 3 {
		t.Fatalf("the last entry is the %d. by %s", last.K, last.By.Short())
	}
	forks := w.by["C"].Forks(w.run.ID)
	if len(forks) != 1 || forks[0].Lie() || forks[0].Kept.By != w.by["B"].Party() || forks[0].Other.By != w.by["A"].Party() || forks[0].Other.K != 3 {
		t.Errorf("forks %+v", forks)
	}
	if err := w.by["B"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	for _, m := range w.by {
		if err := m.Answer(ctx, w.run); err != nil {
			t.Fatal(err)
		}
	}
	for _, by := range []string{"A", "B", "C"} {
		if v, ok := w.by["A"].verdict(by); !ok || !v.OK {
			t.Errorf("%s found %+v", by, v)
		}
	}
}

// A member that never led cannot extend or replace the ledger, however much it
// writes.
func TestOnlyLeadersExtend(t *testing.T) {
	w := closed(t)
	want := w.by["C"].chain()
	w.terms["C"] = 9 // as C would have it
	forged := w.apart("C", func(c *member) {
		c.runs = map[fed.RunID]*branches{}
		for n := 1; n < 9; n++ {
			c.score(n, gains{"A": 0, "B": 0, "C": 9})
		}
		if err := c.Close(ctx, w.run); err != nil {
			t.Fatal(err)
		}
	})
	delete(w.terms, "C")
	w.tell(w.docs)
	w.tell(forged)
	if diff := cmp.Diff(want, w.by["A"].chain()); diff != "" || len(w.by["A"].Forks(w.run.ID)) != 0 {
		t.Errorf("C moved the ledger:\n%s", diff)
	}
}

// A leader that signs a second ledger does not replace the one that members have
// countersigned; both are shown, and whoever is told the second one first disputes
// nothing that it has not found right itself.
func TestCountersignedLedgerStands(t *testing.T) {
	w := newWorld(t)
	w.by["A"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	second := w.apart("A", func(a *member) {
		before := a.runs
		a.runs = map[fed.RunID]*branches{}
		for n := 1; n < 6; n++ {
			a.score(n, gains{"A": 9, "B": 0, "C": 0})
		}
		if err := a.Close(ctx, w.run); err != nil {
			t.Fatal(err)
		}
		a.runs = before
	})
	w.rounds = w.rounds[:1]
	if err := w.by["A"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	want := w.by["C"].chain()
	if err := w.by["C"].Answer(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	w.tell(second)
	if diff := cmp.Diff(want, w.agreed(t)); diff != "" {
		t.Fatalf("the longer ledger replaced the countersigned one:\n%s", diff)
	}
	forks := w.by["B"].Forks(w.run.ID)
	if len(forks) != 1 || !forks[0].Lie() || forks[0].Kept.Hash != want[1].Hash || forks[0].Kept.By != w.by["A"].Party() {
		t.Errorf("forks %+v", forks)
	}
}

// Before anybody countersigned, the second ledger of a leader may win; a member
// that found the first one right then says so, and never countersigns twice.
func TestReplacedLedgerIsDisputed(t *testing.T) {
	w := newWorld(t)
	w.by["A"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	if err := w.by["A"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	w.cut["C"] = true
	if err := w.by["C"].Answer(ctx, w.run); err != nil { // only C knows
		t.Fatal(err)
	}
	first := w.by["C"].chain()
	later := w.apart("B", func(b *member) {
		b.runs = map[fed.RunID]*branches{}
		b.score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
		if err := b.Close(ctx, w.run); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"A", "B"} {
			w.by[name].signsHead(w, b.chain())
		}
	})
	w.tell(w.docs)
	w.tell(later)
	w.tell(w.by["A"].kept)
	if chain := w.by["C"].chain(); cmp.Equal(first, chain) || chain[0].By != w.by["B"].Party() {
		t.Fatal("two countersignatures do not outweigh one")
	}
	if err := w.by["C"].Answer(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	if v, ok := w.by["C"].verdict("C"); !ok || v.OK {
		t.Errorf("C found the second ledger %+v", v)
	}
}

// signsHead has m find a ledger right that it has not looked at.
func (m *member) signsHead(w *world, chain []Entry) {
	last := chain[len(chain)-1]
	e, err := m.Ledger.sign(w.run.ID, 0, last.Term, last.Hash, KindCountersign, Countersign{OK: true})
	if err != nil {
		m.t.Fatal(err)
	}
	raw, err := json.Marshal(e)
	if err != nil {
		m.t.Fatal(err)
	}
	m.kept = append(m.kept, fed.Doc{Scope: fed.ScopeProject(w.run.Project), Author: m.Party(), Kind: fed.DocLedger, Body: raw})
	w.by["B"].kept = append(w.by["B"].kept, m.kept[len(m.kept)-1])
}

// An earlier coordinator cannot write on after a later one.
func TestEarlierReignDoesNotGoOn(t *testing.T) {
	w := newWorld(t)
	w.by["A"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	w.by["B"].score(2, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	n := len(w.by["C"].chain())
	w.by["A"].score(3, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	if got := len(w.by["C"].chain()); got != n {
		t.Errorf("%d entries, then %d", n, got)
	}
}
