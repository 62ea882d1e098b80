package round

import (
	"fmt"

	"synergos.app/desktop/backend/fed"
)

// ballot is what this candidate asks to be signed.
func (m *Machine) ballot() fed.Ballot {
	return fed.Ballot{Run: m.cfg.Run, Epoch: m.p.Epoch, Term: m.p.Term, Candidate: m.cfg.Self, Acc: m.p.Acc}
}

// keepMandate keeps the mandate of the newest term; one of an older term never
// takes its place.
func (m *Machine) keepMandate(x fed.Mandate) {
	if x.Term > m.p.Mandate.Term {
		m.p.Mandate, m.dirty = x, true
	}
}

// proven reports whether the sender of r coordinates in its term: its mandate comes
// with r, or was shown before, perhaps before a restart. A party that does not know
// it asks for it by refusing.
func (m *Machine) proven(from fed.PartyID, r Round) bool {
	known := m.p.Mandate
	if known.Term == r.Term {
		if known.Candidate != from {
			m.refuse(from, "another party has the mandate of this term")
		}
		return known.Candidate == from
	}
	if len(r.Mandate.Votes) == 0 {
		m.refuse(from, "no mandate to coordinate")
		m.send(from, Ack{Epoch: m.p.Epoch, Term: m.p.Term, Refused: true})
		return false
	}
	if err := m.checkProof(from, r.Mandate); err != nil {
		m.refuse(from, "mandate not proven")
		return false
	}
	m.keepMandate(r.Mandate)
	return true
}

func (m *Machine) checkProof(from fed.PartyID, x fed.Mandate) error {
	switch {
	case x.Run != m.cfg.Run || x.Candidate != from:
		return fmt.Errorf("mandate of another run or party")
	case m.cfg.Changes:
		body := x.SigningBytes()
		for _, v := range x.Votes {
			if _, ok := m.cfg.Verify(fed.BallotDomain, body, v); !ok {
				return fmt.Errorf("a vote is not signed")
			}
		}
		return nil
	case x.Epoch != m.p.Epoch:
		return fmt.Errorf("mandate of another epoch")
	}
	return x.Check(m.p.Voters, m.cfg.Verify)
}

// checkMandate refuses what no machine sends. A mandate without votes is none.
func checkMandate(x fed.Mandate, term uint64) error {
	if len(x.Votes) == 0 {
		if x.Ballot != (fed.Ballot{}) {
			return fmt.Errorf("mandate of term %d has no votes", x.Term)
		}
		return nil
	}
	if len(x.Votes) > maxVoters || x.Term != term || x.Term == 0 {
		return fmt.Errorf("mandate of term %d in term %d with %d votes", x.Term, term, len(x.Votes))
	}
	return checkBallot(x.Term, x.Acc)
}
