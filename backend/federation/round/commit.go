package round

import (
	"errors"

	"synergos.app/desktop/backend/fed"
)

// Why an update is not accepted; the caller counts by these.
var (
	ErrNotLeading   = errors.New("this party does not coordinate")
	ErrNotCommitted = errors.New("the checkpoint is not committed in this term yet")
	ErrWrongBase    = errors.New("the update starts from another checkpoint")
	ErrWrongRound   = errors.New("the update belongs to another round")
)

// AcceptsUpdate reports whether an update of round r, trained from base, belongs
// to the open round: nil, or one of the errors above. Round r starts from the
// checkpoint of round r-1 and yields that of round r.
func (m *Machine) AcceptsUpdate(base fed.Digest, r int) error {
	acc := m.p.Acc
	switch {
	case m.state != Coordinator:
		return ErrNotLeading
	case base != acc.Digest || base == "":
		return ErrWrongBase
	case m.committed != acc || acc.Term != m.p.Term:
		return ErrNotCommitted
	case r != acc.Round+1:
		return ErrWrongRound
	}
	return nil
}

// mayPropose says whether a new checkpoint or epoch may be opened: one at a time,
// after the last one is committed in this term.
func (m *Machine) mayPropose() error {
	if m.state != Coordinator {
		return fed.Errorf(fed.Permission, "ask the coordinator", "only the coordinator proposes: %w", ErrNotLeading)
	}
	if !m.accCommitted && m.p.Acc.Digest != "" {
		return fed.Errorf(fed.Busy, "wait until a majority has stored it", "round %d is still open: %w", m.p.Acc.Round, ErrNotCommitted)
	}
	return nil
}

func (m *Machine) propose(c fed.Checkpoint) error {
	if err := m.mayPropose(); err != nil {
		return err
	}
	c.Term = m.p.Term
	want := m.p.Acc.Round + 1
	if m.p.Acc.Digest == "" {
		want = 0
	}
	if err := checkCheckpoint(c); err != nil || c.Digest == "" {
		return fed.Errorf(fed.Invalid, "propose a stored checkpoint", "the proposed checkpoint is malformed: %w", err)
	}
	if c.Round != want || c.Parent != m.p.Acc.Digest {
		return fed.Errorf(fed.Invalid, "aggregate the open round again", "checkpoint of round %d does not follow round %d: %w", c.Round, m.p.Acc.Round, ErrWrongBase)
	}
	m.p.Acc, m.dirty = c, true
	m.openAcc()
	return nil
}

// openAcc starts counting who holds Acc and sends it to all.
func (m *Machine) openAcc() {
	m.accCommitted = false
	m.has = map[fed.PartyID]bool{m.cfg.Self: true}
	m.broadcast()
	m.tryCommit()
}

func (m *Machine) broadcast() {
	m.sent = m.now
	msg := Round{
		Members: m.p.Members, Term: m.p.Term, Acc: m.p.Acc,
		Committed: m.committed, CommittedEpoch: m.comEpoch, Hold: m.p.Hold,
	}
	for _, p := range m.everybody() {
		msg.Empty, msg.Mandate = m.has[p], fed.Mandate{}
		if !m.shown[p] {
			msg.Mandate = m.p.Mandate
		}
		m.send(p, msg)
	}
}

// tryCommit commits Acc once a majority of the voters, this party included,
// holds exactly it.
func (m *Machine) tryCommit() {
	if m.accCommitted || m.p.Acc.Digest == "" {
		return
	}
	n := 0
	for _, v := range m.p.Voters {
		if m.has[v] {
			n++
		}
	}
	if n < m.majority() {
		return
	}
	m.accCommitted = true
	m.learn(m.p.Acc, m.p.Epoch)
	m.tellEpoch()
	m.broadcast()
	m.leaving = nil
	m.open()
	if !m.p.Has(m.cfg.Self) {
		m.removed = true
		m.sendPresence(true) // nobody waits for its lease
		m.stepDown(Paused, Removed)
	}
}

// learn notes that c was committed in epoch.
func (m *Machine) learn(c fed.Checkpoint, epoch uint64) {
	if c.Digest == "" || c == m.committed && epoch == m.comEpoch {
		return
	}
	m.committed, m.comEpoch = c, epoch
	if c.Round > m.p.CommittedRound {
		m.p.CommittedRound, m.dirty = c.Round, true
		m.tell(Committed{Checkpoint: c})
	}
}

// tellEpoch says, once, that the committed epoch took effect.
func (m *Machine) tellEpoch() {
	if m.toldEpoch != m.p.Epoch {
		m.toldEpoch = m.p.Epoch
		m.tell(Changed{Members: m.p.Members})
	}
}

// open tells, once, that the next round may start from Acc.
func (m *Machine) open() {
	if !m.accCommitted || m.p.Hold.Held || m.opened == m.p.Acc || m.coordinator == "" || m.left || m.p.Acc.Term != m.p.Term {
		return
	}
	m.opened = m.p.Acc
	m.tell(Open{Checkpoint: m.p.Acc, Coordinator: m.coordinator})
}

func (m *Machine) roundReceived(from fed.PartyID, r Round) {
	if r.Term < m.p.Term && m.mutant&noTermFence == 0 {
		m.send(from, Ack{Epoch: m.p.Epoch, Term: m.p.Term, Refused: true, Out: m.excluded(from)})
		return
	}
	if r.Acc.Digest != "" && r.Acc.Term != r.Term && m.mutant&noRepropose == 0 {
		m.refuse(from, "checkpoint of another term")
		return
	}
	if m.state == Coordinator && r.Term == m.p.Term {
		m.refuse(from, "a second coordinator in one term")
		return
	}
	if !m.cfg.Changes && !m.p.Members.same(r.Members) {
		m.refuse(from, "members other than the run's")
		return
	}
	if !m.proven(from, r) {
		return
	}
	m.follow(from, r)
	m.accept(from, r)
	m.settle(r)
}

// follow notes who coordinates.
func (m *Machine) follow(from fed.PartyID, r Round) {
	m.adopt(r.Term)
	if m.state != Follower {
		m.stepDown(Follower, NewerTerm)
	}
	if m.coordinator != from {
		m.coordinator, m.since, m.stopped = from, m.now, Stopped{}
		m.tell(Led{Party: from, Term: r.Term})
	}
	m.heard, m.lost = m.now, false
	m.setAbsent(from, false)
	m.decided(from, r.Hold)
	m.extend()
}

// accept takes the checkpoint of r over, at once when its bytes are here, after
// they are stored otherwise.
func (m *Machine) accept(from fed.PartyID, r Round) {
	if m.left {
		return
	}
	switch {
	case r.Acc == m.p.Acc && r.Epoch == m.p.Epoch, r.Acc.Digest == "":
	case r.Acc.Term == m.p.Acc.Term && at(r.Acc, r.Epoch).less(at(m.p.Acc, m.p.Epoch)):
		// An older message of this term, overtaken on the way. What was accepted in
		// an older term gives way whatever its round.
	case r.Acc.Digest == m.p.Acc.Digest:
		m.take(r)
	default:
		m.pending = &pending{from, r}
		m.out.Fetch = append(m.out.Fetch, r.Acc.Digest)
	}
	m.ack(from, r.Term)
}

func (m *Machine) take(r Round) {
	m.p.Acc, m.p.Members, m.dirty = r.Acc, r.Members, true
	m.accCommitted, m.pending = false, nil
	if m.removed && m.p.Has(m.cfg.Self) {
		m.removed = false
	}
}

func (m *Machine) ack(to fed.PartyID, term uint64) {
	if m.mutant&noTermFence == 0 {
		term = m.p.Term
	}
	m.send(to, Ack{Epoch: m.p.Epoch, Term: term, Acc: m.p.Acc, NoVote: m.cfg.Forgot, Hold: m.p.Hold})
}

// settle notes what the coordinator knows to be committed.
func (m *Machine) settle(r Round) {
	m.learn(r.Committed, r.CommittedEpoch)
	if r.Committed.Digest != "" && r.Committed == m.p.Acc && r.CommittedEpoch == m.p.Epoch {
		m.accCommitted = true
		m.tellEpoch()
		m.open()
		if !m.p.Has(m.cfg.Self) && !m.removed {
			m.removed = true
			m.tell(Ousted{Epoch: m.p.Epoch, Mine: m.p.Epoch})
		}
	}
}

// stored accepts the pending checkpoint, unless a newer term came in between.
func (m *Machine) stored(d fed.Digest) {
	w := m.pending
	if w == nil || w.msg.Acc.Digest != d || m.left {
		return
	}
	m.pending = nil
	if w.msg.Term != m.p.Term && m.mutant&noTermFence == 0 || m.state == Coordinator {
		return
	}
	m.take(w.msg)
	m.ack(w.from, w.msg.Term)
	m.settle(w.msg)
}

func (m *Machine) ackReceived(from fed.PartyID, a Ack) {
	m.ousted(a.Out, a.Epoch)
	if a.Term > m.p.Term {
		m.adopt(a.Term)
		return
	}
	if m.state != Coordinator {
		return
	}
	if a.Term < m.p.Term || a.Refused {
		delete(m.shown, from) // it may have lost its memory
		return
	}
	m.shown[from] = m.p.Has(from)
	m.setAbsent(from, false)
	m.decided(from, a.Hold)
	if a.NoVote {
		return
	}
	m.acked[from] = m.now
	if a.Acc == m.p.Acc && a.Epoch == m.p.Epoch {
		m.has[from] = true
		m.tryCommit()
	}
}
