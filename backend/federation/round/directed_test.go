package round

import (
	"errors"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
)

// start elects A of the named parties and commits round 0, "a0", everywhere.
func start(t testing.TB, mu mutant, names ...fed.PartyID) *lab {
	t.Helper()
	l := newLab(t, mu, names...)
	l.step(names[0], Tick{})
	l.settle()
	if err := l.propose(names[0], named("a0")); err != nil {
		t.Fatal(err)
	}
	l.settle()
	for _, n := range names {
		if l.m[n].Committed().Digest != named("a0") {
			t.Fatalf("%s does not know round 0 to be committed:\n%s", n, l.out.String())
		}
	}
	return l
}

// figure8 plays figure 8 of the Raft paper and returns which checkpoints of round
// 1 were committed, in order. A proposes b1 and reaches only B; E, elected by C
// and D, proposes e1 and reaches nobody; A tries to lead again and to bring its
// old b1 to C; E, elected by C and D, brings e1 to all.
func figure8(t *testing.T, mu mutant) (committed []string) {
	l := start(t, mu, "A", "B", "C", "D", "E")
	note := func(n fed.PartyID) {
		if c := l.m[n].Committed(); c.Round == 1 {
			committed = append(committed, name(c.Digest))
		}
	}
	lead := func(n fed.PartyID, with ...fed.PartyID) {
		for range 2 { // the first attempt may only show a newer term
			if l.m[n].State() != Coordinator {
				l.step(n, TakeOver{})
				l.settle(append(with, n)...)
			}
		}
	}
	must(t, l.propose("A", named("b1")))
	l.deliver("A", "B")
	l.step("B", Stored{named("b1")})
	l.drop("", "")
	l.restart("A")

	lead("E", "C", "D")
	must(t, l.propose("E", named("e1")))
	l.drop("", "")
	l.restart("E")

	lead("A", "B", "C")
	note("A")
	l.restart("A")

	lead("E", "C", "D")
	note("E")
	return committed
}

// "On winning: set acc.term = my term and send the checkpoint again".
func TestFigure8(t *testing.T) {
	if got := figure8(t, 0); len(got) != 1 || got[0] != "e1" {
		t.Errorf("committed %v, want e1 only", got)
	}
	if got := figure8(t, noRepropose); len(got) != 2 || got[0] != "b1" || got[1] != "e1" {
		t.Errorf("without re-proposing: %v, the scenario wants b1 overwritten by e1", got)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// doubleVote crashes a voter just after it voted and lets it vote again.
func doubleVote(t *testing.T, mu mutant) bool {
	l := start(t, mu, "A", "B", "C")
	ask := Vote{Epoch: 1, Term: 9, Acc: l.m["C"].p.Acc}
	first := l.step("C", Received{"A", ask})
	l.restart("C")
	second := l.step("C", Received{"B", ask})
	return granted(first) && granted(second)
}

func granted(o Output) bool {
	for _, s := range o.Send {
		if r, ok := s.Msg.(VoteReply); ok && r.Granted {
			return true
		}
	}
	return false
}

// "VOTE: granted iff I voted for nobody else in this term; saved first".
func TestVoteSurvivesACrash(t *testing.T) {
	if doubleVote(t, 0) {
		t.Error("two votes in one term")
	}
	if !doubleVote(t, voteNotPersisted) {
		t.Error("the scenario does not notice a vote that is not persisted")
	}
}

// staleWins asks for a vote with a checkpoint of a higher round but an older term.
func staleWins(t *testing.T, mu mutant) bool {
	l := start(t, mu, "A", "B", "C")
	l.m["C"].p.Term, l.m["C"].p.Acc.Term = 5, 5
	return granted(l.step("C", Received{"B", Vote{Epoch: 1, Term: 6, Acc: fed.Checkpoint{Term: 4, Round: 3, Digest: named("b3"), Parent: named("b2")}}}))
}

// "the candidate's acc >= mine by (term, round)".
func TestCheckpointsCompareByTermFirst(t *testing.T) {
	if staleWins(t, 0) {
		t.Error("a vote for an older term's checkpoint")
	}
	if !staleWins(t, roundOnly) {
		t.Error("the scenario does not notice a comparison by round only")
	}
}

// "ROUND: refused if term < own".
func TestTermFence(t *testing.T) {
	for _, mu := range []mutant{0, noTermFence} {
		l := start(t, mu, "A", "B", "C")
		must(t, l.propose("A", named("a1")))
		l.step("B", Received{"C", Vote{Epoch: 1, Term: 7, Acc: l.m["C"].p.Acc}})
		l.deliver("A", "B")
		l.step("B", Stored{named("a1")})
		if stale := l.m["B"].p.Acc.Digest == named("a1"); stale != (mu != 0) {
			t.Errorf("mutant %d: the round of a deposed coordinator was accepted: %t", mu, stale)
		}
	}
}

// A blob that arrives after the term ended is not accepted either.
func TestTermFenceOnStored(t *testing.T) {
	l := start(t, 0, "A", "B", "C")
	must(t, l.propose("A", named("a1")))
	l.deliver("A", "B")
	l.step("B", Received{"C", Vote{Epoch: 1, Term: 7, Acc: l.m["C"].p.Acc}})
	if out := l.step("B", Stored{named("a1")}); out.Save != nil || len(out.Send) != 0 {
		t.Errorf("stored a round of an ended term: %+v", out)
	}
}

// "UPDATE is accepted iff base hash = current acc", after it is committed in the
// coordinator's own term.
func TestAcceptsUpdate(t *testing.T) {
	l := start(t, 0, "A", "B", "C")
	check := func(n fed.PartyID, base string, round int, want error) {
		t.Helper()
		if err := l.m[n].AcceptsUpdate(named(base), round); !errors.Is(err, want) {
			t.Errorf("%s on base %s round %d: %v, want %v", n, base, round, err, want)
		}
	}
	check("A", "a0", 1, nil)
	check("A", "a0", 2, ErrWrongRound)
	check("A", "b0", 1, ErrWrongBase)
	check("B", "a0", 1, ErrNotLeading)
	must(t, l.propose("A", named("a1")))
	check("A", "a0", 1, ErrWrongBase)
	check("A", "a1", 2, ErrNotCommitted)
	l.settle()
	check("A", "a1", 2, nil)
	l.elect("B", "C")
	check("B", "a1", 2, ErrNotCommitted)
	l.settle("B", "C")
	check("B", "a1", 2, nil)
}

// "checked before use": what no machine sends is refused and counted.
func TestMalformedMessages(t *testing.T) {
	l := start(t, 0, "A", "B", "C")
	good := fed.Checkpoint{Term: 2, Round: 1, Digest: named("b1"), Parent: named("a0")}
	bad := []Msg{
		nil,
		Prevote{Term: maxTerm + 1},
		Vote{Term: 1, Acc: good},
		Vote{Term: 3, Acc: fed.Checkpoint{Round: -1, Digest: named("b1"), Parent: named("a0")}},
		Vote{Term: 3, Acc: fed.Checkpoint{Round: 1, Digest: "xyz", Parent: named("a0")}},
		Vote{Term: 3, Acc: fed.Checkpoint{Round: 1, Digest: named("b1")}},
		Vote{Term: 3, Acc: fed.Checkpoint{Round: 1, Digest: named("b1"), Parent: "p"}},
		Vote{Term: 3, Acc: fed.Checkpoint{Round: 3}},
		Round{Term: 3, Acc: good, Members: l.members},
		Round{Term: 2, Acc: good},
		Round{Term: 2, Acc: good, Members: Members{Epoch: 1, Voters: []fed.PartyID{"A", "A"}}},
		Round{Term: 2, Acc: good, Members: l.members, Committed: fed.Checkpoint{Round: 9}},
		Round{Term: 2, Acc: good, Members: l.members, Mandate: mandateOf(fed.Ballot{Run: testRun, Epoch: 1, Term: 3, Candidate: "C"}, "A", "C")},
		Round{Term: 2, Acc: good, Members: l.members, Mandate: mandateOf(fed.Ballot{Run: testRun, Epoch: 1, Term: 2, Candidate: "C"}, "A", "B", "C", "D", "E", "F", "G", "H")},
		Round{Term: 2, Acc: good, Members: l.members, Mandate: fed.Mandate{Ballot: fed.Ballot{Term: 2}}},
		Ack{Term: 2, Hold: Hold{Seq: maxTerm + 1}}, Round{Term: 2, Acc: good, Members: l.members, Hold: Hold{Seq: maxTerm + 1}}, Vote{Term: 2 + maxLeap, Acc: good},
		Ack{Term: 2 + maxLeap}, Ack{Term: maxTerm + 1}, PrevoteReply{Term: maxTerm + 1}, VoteReply{Term: maxTerm + 1}, Presence{Term: maxTerm + 1},
	}
	before := l.disk["B"]
	for _, m := range bad {
		out := l.step("B", Received{"C", m})
		if len(out.Tell) != 1 || out.Save != nil || len(out.Send) != 0 {
			t.Errorf("%#v: %+v", m, out)
			continue
		}
		if _, ok := out.Tell[0].(Refused); !ok {
			t.Errorf("%#v tells %v", m, out.Tell[0])
		}
	}
	if l.disk["B"].Term != before.Term || l.disk["B"].Acc != before.Acc {
		t.Error("a malformed message changed the record")
	}
	if out := l.step("B", Received{"B", Vote{Term: 9}}); len(out.Send) != 0 {
		t.Error("answered its own message")
	}
}

func TestConfigIsChecked(t *testing.T) {
	tm := Default()
	must(t, tm.Validate())
	must(t, tm.Divided(100).Validate())
	for i, change := range []func(*Timers){
		func(t *Timers) { t.Heartbeat = 0 },
		func(t *Timers) { t.Lease = t.Heartbeat },
		func(t *Timers) { t.Ballot = 2 * t.Lease },
		func(t *Timers) { t.RankStep = -1 },
	} {
		tm := Default()
		change(&tm)
		if err := tm.Validate(); fed.KindOf(err) != fed.Invalid {
			t.Errorf("case %d: %v", i, err)
		}
	}
	draw := func() float64 { return 0 }
	ok := Fresh(Elect([]fed.PartyID{"A"}))
	for i, change := range []func(*Config){func(c *Config) { c.Self = "" }, func(c *Config) { c.Sign = nil }, func(c *Config) { c.Verify = nil }} {
		cfg := keysOf("A")
		cfg.Timers = tm
		change(&cfg)
		if _, err := New(cfg, ok, draw, origin); fed.KindOf(err) != fed.Invalid {
			t.Errorf("configuration %d: %v", i, err)
		}
	}
	for i, p := range []Persistent{
		{CommittedRound: -1},
		{Members: ok.Members, Term: 1, Acc: fed.Checkpoint{Term: 2, Digest: named("a0")}},
		{Members: ok.Members, CommittedRound: -2},
		{Members: ok.Members, Acc: fed.Checkpoint{Digest: "x"}},
		{Members: ok.Members, Mandate: fed.Mandate{Ballot: fed.Ballot{Term: 1}}},
		{Members: ok.Members, Mandate: fed.Mandate{Votes: make([]fed.Signature, 1)}},
	} {
		cfg := keysOf("A")
		cfg.Timers = tm
		if _, err := New(cfg, p, draw, origin); err == nil {
			t.Errorf("record %d was accepted", i)
		}
	}
}

// "Above 7 parties, 5 or 7 vote, the rest are learners."
func TestElectMembers(t *testing.T) {
	var names []fed.PartyID
	for i := range 10 {
		names = append(names, party(i))
	}
	m := Elect(names)
	must(t, m.Validate())
	if len(m.Voters) != 7 || len(m.Learners) != 3 || !m.Has("J") || m.IsVoter("J") {
		t.Errorf("%+v", m)
	}
	if n := m.Without("A").With("J"); n.Epoch != 3 || !n.IsVoter("J") || n.Has("A") || len(n.Learners) != 2 {
		t.Errorf("%+v", n)
	}
}

// Learners follow and are told, but their ACK commits nothing.
func TestLearnersDoNotCommit(t *testing.T) {
	var names []fed.PartyID
	for i := range 9 {
		names = append(names, party(i))
	}
	l := start(t, 0, names...)
	must(t, l.propose("A", named("a1")))
	l.settle("A", "B", "C", "H", "I")
	if l.m["A"].Committed().Round != 0 {
		t.Error("three of seven voters and two learners committed a round")
	}
	if l.m["H"].p.Acc.Digest != named("a1") {
		t.Error("a learner did not follow")
	}
	l.now += l.timers.Heartbeat
	l.step("A", Tick{})
	l.settle("A", "B", "C", "D")
	if l.m["A"].Committed().Round != 1 {
		t.Error("four of seven voters did not commit")
	}
}

func TestExplain(t *testing.T) {
	l := start(t, 0, "A", "B")
	name := func(p fed.PartyID) string { return "party " + string(p) }
	says := func(n fed.PartyID, want string) {
		t.Helper()
		got := strings.Join(l.m[n].Explain(origin.Add(l.now)).Sentences(name), "; ")
		if !strings.Contains(got, want) {
			t.Errorf("%s at %v says %q, want %q", n, l.now, got, want)
		}
	}
	says("A", "party A leads since 12:00 (term 1, rank 1)")
	says("B", "party A leads since 12:00 (term 1, rank 1)")
	must(t, l.propose("A", named("a1")))
	l.drop("", "")
	l.now += 14 * l.timers.Heartbeat / 2
	says("A", "waiting for party B, last heard 14 s ago")
	l.now += l.timers.Lease
	l.step("A", Tick{})
	says("A", "paused: 1 of 2 voters")
	l.step("B", Leave{})
	l.settle()
	says("A", "party B left and has not returned")
	l.step("A", Pause{})
	says("A", "no new round is opened")
	l.restart("B")
	says("B", "waiting for a coordinator")
}
