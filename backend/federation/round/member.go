package round

import (
	"slices"

	"synergos.app/desktop/backend/fed"
)

const (
	maxVoters   = 7
	maxMembers  = 4096
	maxIDLength = 128
)

// Members is one version of who belongs to a grid. Its slices are never changed
// in place.
type Members struct {
	Epoch uint64
	// Voters elect and commit; their order is their rank, the first stands first.
	Voters []fed.PartyID
	// Learners receive checkpoints and train, but do not vote.
	Learners []fed.PartyID
}

// Elect returns the members of a fresh grid from the parties in rank order: up to
// seven vote, the rest are learners.
func Elect(parties []fed.PartyID) Members {
	n := min(len(parties), maxVoters)
	return Members{Epoch: 1, Voters: slices.Clone(parties[:n:n]), Learners: slices.Clone(parties[n:])}
}

// IsVoter reports whether p votes.
func (m Members) IsVoter(p fed.PartyID) bool { return slices.Contains(m.Voters, p) }

// Has reports whether p belongs to the grid, voting or not.
func (m Members) Has(p fed.PartyID) bool {
	return m.IsVoter(p) || slices.Contains(m.Learners, p)
}

// With returns the next epoch in which p votes, at the lowest rank.
func (m Members) With(p fed.PartyID) Members {
	rest := slices.DeleteFunc(slices.Clone(m.Learners), func(q fed.PartyID) bool { return p == q })
	return Members{m.Epoch + 1, append(slices.Clone(m.Voters), p), rest}
}

// Without returns the next epoch in which p does not belong to the grid.
func (m Members) Without(p fed.PartyID) Members {
	is := func(q fed.PartyID) bool { return p == q }
	return Members{m.Epoch + 1, slices.DeleteFunc(slices.Clone(m.Voters), is), slices.DeleteFunc(slices.Clone(m.Learners), is)}
}

// Validate refuses empty, oversized or repeated member lists, with kind Invalid.
func (m Members) Validate() error {
	if len(m.Voters) < 1 || len(m.Voters) > maxVoters || len(m.Learners) > maxMembers {
		return fed.Errorf(fed.Invalid, "let one to seven parties vote", "a grid with %d voters and %d learners is not possible", len(m.Voters), len(m.Learners))
	}
	seen := make(map[fed.PartyID]bool, len(m.Voters)+len(m.Learners))
	for _, list := range [...][]fed.PartyID{m.Voters, m.Learners} {
		for _, p := range list {
			if p == "" || len(p) > maxIDLength || seen[p] {
				return fed.Errorf(fed.Invalid, "name every party once", "the member list names %q twice or not at all", p.Short())
			}
			seen[p] = true
		}
	}
	return nil
}

// same reports whether next is m.
func (m Members) same(next Members) bool {
	return m.Epoch == next.Epoch && slices.Equal(m.Voters, next.Voters) && slices.Equal(m.Learners, next.Learners)
}

// oneStep reports whether next differs from m by at most one voter.
func (m Members) oneStep(next Members) bool {
	changed := 0
	for _, v := range m.Voters {
		if !next.IsVoter(v) {
			changed++
		}
	}
	for _, v := range next.Voters {
		if !m.IsVoter(v) {
			changed++
		}
	}
	return changed <= 1
}

// change opens a membership change: the same checkpoint, one epoch later. Only a
// coordinator that committed in its own term may, one voter at a time (the 2015
// correction of Raft's single-server change).
func (m *Machine) change(next Members) error {
	if err := m.mayPropose(); err != nil {
		return err
	}
	if err := m.mayChange(next); err != nil {
		return err
	}
	if m.p.Acc.Digest == "" {
		return fed.Errorf(fed.Busy, "commit the first checkpoint before", "the members cannot change before round 0")
	}
	if next.Epoch != m.p.Epoch+1 || !m.p.oneStep(next) {
		return fed.Errorf(fed.Invalid, "add or remove one voter at a time", "epoch %d does not follow epoch %d by one voter", next.Epoch, m.p.Epoch)
	}
	m.leaving = nil
	for _, p := range slices.Concat(m.p.Voters, m.p.Learners) {
		if !next.Has(p) {
			m.leaving = append(m.leaving, p)
		}
	}
	for _, v := range next.Voters {
		if !m.p.IsVoter(v) {
			m.acked[v] = m.now // a lease of grace
		}
	}
	m.p.Members, m.dirty = next, true
	m.openAcc()
	return nil
}

// force goes on without the other of two parties. The caller has verified the
// admin's signature. With two voters every committed checkpoint is held by both,
// so the one that stays has them all; with more voters that is not so, and the
// ordinary change is the way.
func (m *Machine) force(next Members) error {
	if err := m.mayChange(next); err != nil {
		return err
	}
	if len(m.p.Voters) != 2 || next.Epoch != m.p.Epoch+1 || len(next.Voters) != 1 || next.Voters[0] != m.cfg.Self || !m.p.IsVoter(m.cfg.Self) {
		return fed.Errorf(fed.Invalid, "wait for a majority, or let it remove the party", "only one of exactly two voters can go on alone, in epoch %d", m.p.Epoch+1)
	}
	if !m.mayStand() {
		return fed.Errorf(fed.Permission, "let the other party go on", "this party cannot coordinate, so it cannot go on alone")
	}
	m.p.Members, m.dirty = next, true
	m.accCommitted, m.pending = false, nil
	m.stepDown(Paused, Forced)
	m.startPrevote(false)
	return nil
}

func (m *Machine) mayChange(next Members) error {
	if !m.cfg.Changes {
		return fed.Errorf(fed.Invalid, "start another run", "the members of this grid do not change")
	}
	return next.Validate()
}

// ousted notes that a member's committed epoch does not contain this party.
func (m *Machine) ousted(out bool, epoch uint64) {
	newer := epoch > m.p.Epoch || epoch == m.p.Epoch && !m.p.Has(m.cfg.Self)
	if !out || !newer || m.removed {
		return
	}
	m.removed = true
	m.stepDown(Paused, Removed)
	m.tell(Ousted{Epoch: epoch, Mine: m.p.Epoch})
}
