package round

import (
	"testing"
	"time"

	"pgregory.net/rapid"
	"synergos.app/desktop/backend/fed"
)

var lawParties = []fed.PartyID{"A", "B", "C", "D"}

func drawCheckpoint(t *rapid.T, term uint64) fed.Checkpoint {
	r := rapid.IntRange(-1, 4).Draw(t, "round")
	if r < 0 {
		return fed.Checkpoint{}
	}
	c := fed.Checkpoint{Term: min(term, rapid.Uint64Range(0, 6).Draw(t, "accTerm")), Round: r, Digest: digest(16*r + rapid.IntRange(0, 2).Draw(t, "digest"))}
	if r > 0 {
		c.Parent = digest(16 * (r - 1))
	}
	return c
}

func drawMembers(t *rapid.T) Members {
	n := rapid.IntRange(1, 4).Draw(t, "voters")
	m := Elect(lawParties[:n])
	m.Epoch = rapid.Uint64Range(0, 4).Draw(t, "epoch")
	return m
}

// drawVote is somebody's signature of the ballot that is open at m, or of another.
func drawVote(t *rapid.T, m *Machine) fed.Signature {
	b := m.ballot()
	if rapid.IntRange(0, 4).Draw(t, "ballot") == 0 {
		b.Term++
	}
	return signed(rapid.SampledFrom(lawParties).Draw(t, "voter"), b)
}

func drawHold(t *rapid.T) Hold {
	return Hold{rapid.Uint64Range(0, 3).Draw(t, "decision"), rapid.Bool().Draw(t, "held")}
}

func drawMsg(t *rapid.T, m *Machine) Msg {
	term := rapid.Uint64Range(0, 7).Draw(t, "term")
	yes := rapid.Bool()
	switch rapid.IntRange(0, 6).Draw(t, "kind") {
	case 0:
		return Prevote{Epoch: 1, Term: term, Acc: drawCheckpoint(t, term), TakeOver: yes.Draw(t, "takeOver")}
	case 1:
		return PrevoteReply{Epoch: 1, Term: term, For: rapid.Uint64Range(0, 7).Draw(t, "for"), Granted: yes.Draw(t, "granted"), Out: yes.Draw(t, "out")}
	case 2:
		return Vote{Epoch: 1, Term: term, Acc: drawCheckpoint(t, term)}
	case 3:
		return VoteReply{Epoch: 1, Term: term, Granted: yes.Draw(t, "granted"), Out: yes.Draw(t, "out"), Vote: drawVote(t, m)}
	case 4:
		acc := drawCheckpoint(t, term)
		if acc.Digest != "" && rapid.IntRange(0, 3).Draw(t, "fit") > 0 {
			acc.Term = term
		}
		r := Round{Members: drawMembers(t), Term: term, Acc: acc, Committed: drawCheckpoint(t, term), CommittedEpoch: 1, Hold: drawHold(t)}
		if term > 0 && rapid.IntRange(0, 3).Draw(t, "proof") > 0 {
			b := fed.Ballot{Run: testRun, Epoch: m.p.Epoch, Term: term, Candidate: rapid.SampledFrom(lawParties[1:]).Draw(t, "candidate")}
			r.Mandate = mandateOf(b, rapid.SliceOfNDistinct(rapid.SampledFrom(lawParties), 1, 4, rapid.ID[fed.PartyID]).Draw(t, "voters")...)
		}
		return r
	case 5:
		return Ack{Epoch: 1, Term: term, Acc: drawCheckpoint(t, term), Refused: yes.Draw(t, "refused"), Out: yes.Draw(t, "out"), Hold: drawHold(t)}
	}
	return Presence{Term: term, Absent: yes.Draw(t, "absent")}
}

func drawInput(t *rapid.T, m *Machine) Input {
	switch rapid.IntRange(0, 14).Draw(t, "input") {
	case 0, 1:
		return Tick{}
	case 2:
		return Stored{digest(16*rapid.IntRange(0, 4).Draw(t, "round") + rapid.IntRange(0, 2).Draw(t, "digest"))}
	case 3:
		return Propose{drawCheckpoint(t, 7)}
	case 4:
		return Change{m.p.With(rapid.SampledFrom(lawParties).Draw(t, "who"))}
	case 5:
		return Force{m.p.Without(rapid.SampledFrom(lawParties).Draw(t, "who"))}
	case 6:
		return rapid.SampledFrom([]Input{TakeOver{}, Woke{}, Pause{}, Resume{}, Leave{}, Return{}}).Draw(t, "button")
	}
	return Received{rapid.SampledFrom(lawParties[1:]).Draw(t, "from"), drawMsg(t, m)}
}

// Whatever arrives, true or not: the record stays valid, terms never fall, a vote
// is never changed within its term, the accepted checkpoint never falls by (term,
// round, epoch) except for an ended term's, and what is sent was saved first.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := origin
		cfg := keysOf("A")
		cfg.Stands, cfg.Changes, cfg.Timers = rapid.Bool().Draw(t, "stands"), rapid.Bool().Draw(t, "changes"), Default()
		m, err := New(cfg, Fresh(Elect(lawParties[:rapid.IntRange(1, 4).Draw(t, "k")])), func() float64 { return .5 }, now)
		if err != nil {
			t.Fatal(err)
		}
		disk := m.Persistent()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			before := m.Persistent()
			now = now.Add(time.Duration(rapid.IntRange(0, 45).Draw(t, "seconds")) * time.Second)
			out := m.Step(now, drawInput(t, m))
			if out.Save != nil {
				disk = *out.Save
			}
			checkLaws(t, m, before, disk, out)
			m.Explain(now).Sentences(func(p fed.PartyID) string { return string(p) })
			if m.Next().IsZero() {
				t.Fatal("no next tick")
			}
		}
	})
}

func checkLaws(t *rapid.T, m *Machine, before, disk Persistent, out Output) {
	after := m.Persistent()
	switch {
	case after.Validate() != nil:
		t.Fatalf("record: %v", after.Validate())
	case after.Term < before.Term:
		t.Fatalf("term fell from %d to %d", before.Term, after.Term)
	case after.Term == before.Term && before.VotedFor != "" && after.VotedFor != before.VotedFor:
		t.Fatalf("the vote of term %d changed from %s to %s", after.Term, before.VotedFor, after.VotedFor)
	case after.Acc != before.Acc && !at(before.Acc, before.Epoch).less(at(after.Acc, after.Epoch)):
		t.Fatalf("acc fell from %+v to %+v", before.Acc, after.Acc)
	case after.Mandate.Term < before.Mandate.Term || after.Mandate.Term == before.Mandate.Term && after.Mandate.Ballot != before.Mandate.Ballot:
		t.Fatalf("the mandate of term %d gave way to that of term %d", before.Mandate.Term, after.Mandate.Term)
	case m.Coordinator() != "" && (after.Mandate.Candidate != m.Coordinator() || after.Mandate.Term != after.Term):
		t.Fatalf("%s coordinates in term %d under the mandate of %s in term %d", m.Coordinator(), after.Term, after.Mandate.Candidate, after.Mandate.Term)
	case !m.cfg.Changes && m.Coordinator() != "" && after.Mandate.Check(after.Voters, verify) != nil:
		t.Fatalf("%s coordinates: %v", m.Coordinator(), after.Mandate.Check(after.Voters, verify))
	case after.Hold.less(before.Hold):
		t.Fatalf("decision %+v gave way to %+v", before.Hold, after.Hold)
	case after.CommittedRound < before.CommittedRound:
		t.Fatalf("committed round fell to %d", after.CommittedRound)
	case m.State() == Coordinator && (after.VotedFor != "A" || m.Coordinator() != "A"):
		t.Fatalf("coordinates in term %d after voting for %q", after.Term, after.VotedFor)
	case disk.Term != after.Term || disk.VotedFor != after.VotedFor || disk.Acc != after.Acc || disk.Epoch != after.Epoch || disk.CommittedRound != after.CommittedRound || disk.Mandate.Term != after.Mandate.Term || disk.Hold != after.Hold:
		t.Fatalf("the disk has %+v, the machine %+v", disk, after)
	}
	for _, o := range out.Send {
		if o.To == "A" || check(o.Msg) != nil {
			t.Fatalf("sends %+v to %s: %v", o.Msg, o.To, check(o.Msg))
		}
	}
}
