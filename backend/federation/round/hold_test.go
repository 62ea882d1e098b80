package round

import (
	"testing"

	"synergos.app/desktop/backend/fed"
)

// beat lets the coordinator send a heartbeat, and delivers what follows among the
// named parties.
func (l *lab) beat(lead fed.PartyID, among ...fed.PartyID) {
	l.t.Helper()
	l.now += l.timers.Heartbeat
	l.step(lead, Tick{})
	l.settle(among...)
}

func (l *lab) held(want bool, names ...fed.PartyID) {
	l.t.Helper()
	for _, n := range names {
		if got := l.m[n].p.Hold.Held; got != want || l.disk[n].Hold != l.m[n].p.Hold {
			l.t.Errorf("%s holds the run: %t, on its disk %+v, want %t", n, got, l.disk[n].Hold, want)
		}
	}
}

// A person's pause is known to all, outlives the restart of all, also under
// another coordinator, and ends when somebody resumes.
func TestPauseOutlivesRestarts(t *testing.T) {
	l := start(t, 0, "A", "B", "C")
	l.step("C", Pause{}) // who does not lead
	l.beat("A")
	l.beat("A") // its heartbeat tells the rest
	l.held(true, "A", "B", "C")
	must(t, l.propose("A", named("a1")))
	l.settle()
	for n := range l.m {
		l.restart(n)
	}
	l.held(true, "A", "B", "C")
	l.elect("B", "C")
	l.out.Reset()
	l.settle()
	if l.m["B"].Committed().Round != 1 {
		t.Fatal("the inherited round is not committed")
	}
	for n, m := range l.m {
		if m.opened.Digest != "" {
			t.Errorf("%s opens a round of a paused run", n)
		}
	}
	l.step("A", Resume{})
	l.beat("B")
	l.beat("B")
	l.held(false, "A", "B", "C")
	if l.m["C"].opened.Digest != named("a1") {
		t.Error("the resumed run does not open")
	}
}

// Who was away while the others paused and resumed does not pause them again; nor
// do two who decide at once disagree.
func TestStalePauseChangesNothing(t *testing.T) {
	l := start(t, 0, "A", "B", "C")
	l.step("A", Pause{})
	l.settle()
	l.restart("C") // away, with the pause on its disk
	l.step("A", Resume{})
	l.settle("A", "B")
	l.beat("A")
	l.held(false, "A", "B", "C")

	l.step("B", Pause{})
	l.step("B", Resume{})
	l.step("A", Pause{}) // overtaken by B's two decisions
	l.drop("", "")
	l.beat("A")
	l.beat("A")
	l.held(false, "A", "B", "C")
	l.step("B", Pause{})
	l.step("C", Pause{})
	l.step("C", Resume{})
	l.step("A", Pause{})
	l.drop("", "")
	l.beat("A")
	l.beat("A")
	if a, b, c := l.disk["A"].Hold, l.disk["B"].Hold, l.disk["C"].Hold; a != b || b != c {
		t.Errorf("decisions differ: %+v, %+v, %+v", a, b, c)
	}
}

// A peer cannot use up the numbers of decisions.
func TestDecisionsLeap(t *testing.T) {
	l := start(t, 0, "A", "B", "C")
	acc := l.m["A"].p.Acc
	if out := l.step("A", Received{"C", Ack{Epoch: 1, Term: 1, Acc: acc, Hold: Hold{Seq: maxLeap + 1, Held: true}}}); refusal(out) == "" {
		t.Errorf("a leap was taken: %+v", out)
	}
	l.held(false, "A", "B")
}
