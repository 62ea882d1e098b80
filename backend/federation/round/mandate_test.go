package round

import (
	"testing"

	"synergos.app/desktop/backend/fed"
)

// proofLab is a grid of three whose members never change, coordinated by A with
// round 0 committed.
func proofLab(t *testing.T) *lab {
	t.Helper()
	l := newLab(t, 0, "A", "B", "C")
	l.fixed = true
	for n := range l.m {
		l.restart(n)
	}
	l.step("A", Tick{})
	l.settle()
	must(t, l.propose("A", named("a0")))
	l.settle()
	return l
}

// refusal returns why an output refused a message, "" if it did not.
func refusal(out Output) string {
	for _, e := range out.Tell {
		if r, ok := e.(Refused); ok {
			return r.Why
		}
	}
	return ""
}

// "Who coordinates is proven by signed votes": a member with less than that leads
// nobody, whatever term it names.
func TestLeadIsProven(t *testing.T) {
	l := proofLab(t)
	acc := fed.Checkpoint{Term: 9, Round: 0, Digest: named("a0")}
	b := fed.Ballot{Run: testRun, Epoch: 1, Term: 9, Candidate: "C", Acc: fed.Checkpoint{Term: 1, Digest: named("a0")}}
	early := b
	early.Acc = acc
	stolen := b
	stolen.Candidate = "A"
	elsewhere := b
	elsewhere.Run = "another run"
	later := b
	later.Epoch = 2
	altered := mandateOf(b, "A", "C")
	altered.Acc.Round, altered.Acc.Digest, altered.Acc.Parent = 1, named("c1"), named("a0")
	for name, c := range map[string]struct {
		x   fed.Mandate
		why string
	}{
		"nothing":               {fed.Mandate{}, "no mandate to coordinate"},
		"its own vote":          {mandateOf(b, "C"), "mandate not proven"},
		"its own vote twice":    {mandateOf(b, "C", "C"), "mandate not proven"},
		"a stranger's vote":     {mandateOf(b, "C", "X"), "mandate not proven"},
		"more votes than exist": {mandateOf(b, "A", "B", "C", "X"), "mandate not proven"},
		"another's mandate":     {mandateOf(stolen, "A", "B"), "mandate not proven"},
		"another run's":         {mandateOf(elsewhere, "A", "C"), "mandate not proven"},
		"another epoch's":       {mandateOf(later, "A", "C"), "mandate not proven"},
		"another checkpoint":    {altered, "mandate not proven"},
		"made when elected":     {mandateOf(early, "A", "C"), "checkpoint of term 9 in the election of term 9"},
		"an empty vote":         {fed.Mandate{Ballot: b, Votes: []fed.Signature{signed("C", b), {}}}, "mandate not proven"},
	} {
		before := l.disk["B"]
		out := l.step("B", Received{"C", Round{Members: l.members, Term: 9, Acc: acc, Mandate: c.x}})
		if refusal(out) != c.why || out.Save != nil || len(out.Fetch) != 0 || l.m["B"].Coordinator() != "A" || l.m["B"].p.Term != before.Term {
			t.Errorf("%s: refused for %q, led by %s, %+v", name, refusal(out), l.m["B"].Coordinator(), out)
		}
		for _, o := range out.Send {
			if a, ok := o.Msg.(Ack); !ok || !a.Refused || a.Term != before.Term {
				t.Errorf("%s: answered %+v", name, o)
			}
		}
	}
	if out := l.step("B", Received{"C", Round{Members: l.members, Term: 9, Acc: acc, Mandate: mandateOf(b, "A", "C")}}); refusal(out) != "" || l.m["B"].Coordinator() != "C" {
		t.Errorf("a true mandate: %+v", out)
	}
	if out := l.step("B", Received{"A", Round{Members: l.members, Term: 9, Acc: acc, Mandate: mandateOf(stolen, "A", "B")}}); refusal(out) != "another party has the mandate of this term" {
		t.Errorf("a second mandate of one term: %+v", out)
	}
}

// A candidate cannot name a checkpoint that nobody proposed, neither of its own term
// nor in the place of the one that a voter holds.
func TestForgedCheckpointGetsNoVote(t *testing.T) {
	for name, c := range map[string]struct {
		term uint64
		acc  fed.Checkpoint
		why  Refusal
	}{
		"of its own term": {2, fed.Checkpoint{Term: 2, Digest: named("c0")}, NotRefused},
		"in its place":    {2, fed.Checkpoint{Term: 1, Digest: named("c0")}, OlderCheckpoint},
	} {
		l := proofLab(t)
		out := l.step("B", Received{"C", Prevote{Epoch: 1, Term: c.term, Acc: c.acc, TakeOver: true}})
		if c.why == NotRefused {
			if refusal(out) == "" || len(out.Send) != 0 {
				t.Errorf("%s: asked before the election: %+v", name, out)
			}
		} else if r, ok := out.Send[0].Msg.(PrevoteReply); !ok || r.Granted || r.Why != c.why {
			t.Errorf("%s: asked before the election: %+v", name, out)
		}
		out = l.step("B", Received{"C", Vote{Epoch: 1, Term: c.term, Acc: c.acc}})
		if c.why == NotRefused {
			if refusal(out) == "" || len(out.Send) != 0 || l.m["B"].p.Term != 1 {
				t.Errorf("%s: %+v", name, out)
			}
		} else if r, ok := out.Send[0].Msg.(VoteReply); !ok || r.Granted || r.Why != c.why || len(r.Vote.Sig) != 0 {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

// A vote that its voter did not sign elects nobody.
func TestVotesAreSigned(t *testing.T) {
	l := proofLab(t)
	l.step("C", TakeOver{})
	l.deliver("C", "B")
	l.deliver("B", "C")
	if l.m["C"].State() != Candidate {
		t.Fatalf("C is %s", l.m["C"].State())
	}
	open := l.m["C"].ballot()
	other := open
	other.Term--
	for name, v := range map[string]fed.Signature{"none": {}, "another voter's": signed("A", open), "of another ballot": signed("B", other)} {
		if out := l.step("C", Received{"B", VoteReply{Epoch: 1, Term: open.Term, Granted: true, Vote: v}}); refusal(out) == "" || l.m["C"].State() != Candidate {
			t.Errorf("%s: %s, %+v", name, l.m["C"].State(), out)
		}
	}
	l.step("C", Received{"B", VoteReply{Epoch: 1, Term: open.Term, Granted: true, Vote: signed("B", open)}})
	if m := l.disk["C"].Mandate; l.m["C"].State() != Coordinator || m.Check(l.members.Voters, verify) != nil || m.Ballot != open {
		t.Errorf("C is %s with %+v", l.m["C"].State(), m)
	}
}

// A voter signs one ballot of a term, also after a restart: the same candidate asked
// with another checkpoint would have two mandates.
func TestOneBallotOfATerm(t *testing.T) {
	l := proofLab(t)
	ask := Vote{Epoch: 1, Term: 9, Acc: l.m["B"].p.Acc}
	other := ask
	other.Acc = fed.Checkpoint{Term: 1, Round: 1, Digest: named("b1"), Parent: named("a0")}
	for range 2 {
		if !granted(l.step("B", Received{"C", ask})) {
			t.Error("the same ballot was not signed again")
		}
		if granted(l.step("B", Received{"C", other})) {
			t.Error("two ballots of one term")
		}
		l.restart("B")
	}
}

// The coordinator shows its mandate until a party has answered under it; a party
// that was started again goes on from its disk, and one that lost its memory is
// shown it once more.
func TestMandateIsShownUntilKnown(t *testing.T) {
	l := proofLab(t)
	shows := func() bool {
		t.Helper()
		l.now += l.timers.Heartbeat
		for _, o := range l.step("A", Tick{}).Send {
			if r, ok := o.Msg.(Round); ok && o.To == "B" {
				return len(r.Mandate.Votes) > 0
			}
		}
		t.Fatal("no heartbeat")
		return false
	}
	if shows() {
		t.Error("the mandate is shown to who knows it")
	}
	l.drop("", "")
	l.restart("B")
	if shows() || l.m["B"].Coordinator() != "" {
		t.Error("who coordinated before a restart is believed, or the mandate shown again")
	}
	l.settle()
	if l.m["B"].Coordinator() != "A" {
		t.Error("the mandate on the disk does not count after a restart")
	}
	l.disk["B"] = Fresh(l.members)
	l.restart("B")
	if shows() {
		t.Error("the mandate is shown before anybody asked")
	}
	l.settle()
	if l.m["B"].Coordinator() != "" {
		t.Error("B follows without a mandate")
	}
	if !shows() {
		t.Error("who has lost its memory is not shown the mandate")
	}
	l.settle()
	if l.m["B"].Coordinator() != "A" || l.disk["B"].Mandate.Term != 1 {
		t.Errorf("B is led by %q with %+v", l.m["B"].Coordinator(), l.disk["B"].Mandate)
	}
}

// After a polite leave the next coordinator has a mandate of its own; the old one
// is no longer obeyed.
func TestTakeoverNeedsItsOwnMandate(t *testing.T) {
	l := proofLab(t)
	old := l.disk["A"].Mandate
	l.step("A", Leave{})
	l.settle()
	l.now += l.timers.FreshStep * 3
	l.step("B", Tick{})
	l.settle()
	m := l.disk["C"].Mandate
	if l.m["C"].Coordinator() != "B" || m.Term != 2 || m.Candidate != "B" || m.Check(l.members.Voters, verify) != nil {
		t.Fatalf("C is led by %q with %+v", l.m["C"].Coordinator(), m)
	}
	l.step("C", Received{"A", Round{Members: l.members, Term: 1, Acc: l.disk["A"].Acc, Mandate: old}})
	if l.m["C"].Coordinator() != "B" || l.disk["C"].Mandate.Term != 2 {
		t.Error("the mandate of an older term took the place of the newest")
	}
}

// Where members do not change, nobody can bring in others, not even who leads.
func TestMembersAreThoseOfTheRun(t *testing.T) {
	l := proofLab(t)
	acc := l.disk["B"].Acc
	for _, m := range []Members{l.members.Without("C"), l.members.With("X"), {Epoch: 1, Voters: []fed.PartyID{"A"}}} {
		out := l.step("B", Received{"A", Round{Members: m, Term: 1, Acc: acc}})
		if refusal(out) != "members other than the run's" || l.disk["B"].Epoch != 1 || len(l.disk["B"].Voters) != 3 {
			t.Errorf("%+v: %+v", m, out)
		}
	}
	if out := l.step("A", Change{l.members.Without("C")}); fed.KindOf(out.Err) != fed.Invalid || out.Save != nil {
		t.Errorf("changed: %+v", out)
	}
}
