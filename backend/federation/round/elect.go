package round

import (
	"time"

	"synergos.app/desktop/backend/fed"
)

func (m *Machine) receive(in Received) {
	if in.From == m.cfg.Self || in.From == "" {
		m.refuse(in.From, "own message")
		return
	}
	if err := check(in.Msg); err != nil {
		m.refuse(in.From, err.Error())
		return
	}
	if termOf(in.Msg) > m.p.Term+maxLeap {
		m.refuse(in.From, "term out of range")
		return
	}
	if len(m.last) < maxMembers || m.p.Has(in.From) {
		m.last[in.From] = m.now
	}
	switch msg := in.Msg.(type) {
	case Prevote:
		m.prevoteAsked(in.From, msg)
	case PrevoteReply:
		m.prevoteAnswered(in.From, msg)
	case Vote:
		m.voteAsked(in.From, msg)
	case VoteReply:
		m.voteAnswered(in.From, msg)
	case Round:
		m.roundReceived(in.From, msg)
	case Ack:
		m.ackReceived(in.From, msg)
	case Presence:
		m.presence(in.From, msg)
	}
}

func (m *Machine) refuse(from fed.PartyID, why string) {
	m.tell(Refused{From: from, Why: why})
}

// older reports whether the candidate's checkpoint is behind this party's, or is
// another one in the same place: a coordinator proposes once in a round, so that one
// of the two was never proposed.
func (m *Machine) older(acc fed.Checkpoint, epoch uint64) bool {
	if m.mutant&roundOnly != 0 {
		return acc.Round < m.p.Acc.Round
	}
	theirs, mine := at(acc, epoch), at(m.p.Acc, m.p.Epoch)
	return theirs.less(mine) || theirs == mine && acc.Digest != m.p.Acc.Digest
}

// excluded reports whether p is known not to belong to the committed epoch.
func (m *Machine) excluded(p fed.PartyID) bool {
	return m.accCommitted && !m.p.Has(p)
}

func (m *Machine) prevoteAsked(from fed.PartyID, q Prevote) {
	why := m.prevoteRefusal(q)
	m.send(from, PrevoteReply{
		Epoch: m.p.Epoch, Term: m.p.Term, For: q.Term,
		Granted: why == NotRefused, Why: why, Out: m.excluded(from),
	})
}

func (m *Machine) prevoteRefusal(q Prevote) Refusal {
	switch {
	case m.cfg.Forgot:
		return ForgotVotes
	case q.Term <= m.p.Term:
		return StaleTerm
	case m.older(q.Acc, q.Epoch):
		return OlderCheckpoint
	case m.state == Coordinator:
		return Leading
	case m.leased() && !q.TakeOver:
		return LeaseHeld
	}
	return NotRefused
}

// leased reports whether a coordinator was heard within the lease.
func (m *Machine) leased() bool {
	return !m.heard.IsZero() && m.now.Sub(m.heard) <= m.cfg.Lease
}

func (m *Machine) takeOverNow() error {
	switch {
	case m.state == Coordinator:
		return fed.Errorf(fed.Exists, "nothing to do", "this party coordinates already")
	case m.left:
		return fed.Errorf(fed.Invalid, "return to the run first", "a party that left cannot coordinate")
	case !m.mayStand():
		return fed.Errorf(fed.Permission, "ask a party that may coordinate", "this party votes but cannot coordinate")
	}
	m.startPrevote(true)
	return nil
}

func (m *Machine) startPrevote(takeOver bool) {
	m.enter(PreCandidate)
	m.startBallot()
	m.takeOver = takeOver
	m.askVoters()
	m.countPrevotes()
}

func (m *Machine) startBallot() {
	m.grants, m.answered = map[fed.PartyID]bool{}, map[fed.PartyID]bool{}
	if m.p.IsVoter(m.cfg.Self) {
		m.grants[m.cfg.Self], m.answered[m.cfg.Self] = true, true
	}
	m.ballotEnd = m.now.Add(m.cfg.Ballot)
}

// askVoters sends the open question to the voters that have not answered it.
func (m *Machine) askVoters() {
	m.sent = m.now
	for _, v := range m.p.Voters {
		if m.answered[v] {
			continue
		}
		if m.state == PreCandidate {
			m.send(v, Prevote{Epoch: m.p.Epoch, Term: m.p.Term + 1, Acc: m.p.Acc, TakeOver: m.takeOver})
		} else {
			m.send(v, Vote{Epoch: m.p.Epoch, Term: m.p.Term, Acc: m.p.Acc})
		}
	}
}

func (m *Machine) tickBallot() {
	if !m.now.Before(m.ballotEnd) {
		m.giveUp()
		return
	}
	if m.now.Sub(m.sent) >= m.cfg.Heartbeat {
		m.askVoters()
	}
}

// giveUp ends an attempt: paused when too few voters answer at all, else a
// follower that tries again later.
func (m *Machine) giveUp() {
	n, next := len(m.answered), Follower
	if n < m.majority() {
		next = Paused
		m.coordinator = ""
		m.tellStopped(n)
	}
	m.stepDown(next, NoVotes)
	m.retry()
}

func (m *Machine) countPrevotes() {
	if len(m.grants) >= m.majority() {
		m.startVote()
	}
}

func (m *Machine) prevoteAnswered(from fed.PartyID, r PrevoteReply) {
	m.ousted(r.Out, r.Epoch)
	if r.Term > m.p.Term && !r.Granted {
		m.adopt(r.Term)
		return
	}
	if m.state != PreCandidate || r.For != m.p.Term+1 || !m.p.IsVoter(from) {
		return
	}
	m.answered[from] = true
	if r.Granted {
		m.grants[from] = true
		m.countPrevotes()
	}
}

// startVote opens a new term. The vote for oneself is saved like any other.
func (m *Machine) startVote() {
	m.p.Term++
	m.p.VotedFor, m.p.VotedAcc, m.dirty = m.cfg.Self, m.p.Acc, true
	m.coordinator = ""
	m.enter(Candidate)
	m.startBallot()
	m.votes = map[fed.PartyID]fed.Signature{m.cfg.Self: m.cfg.Sign(m.ballot())}
	m.askVoters()
	m.countVotes()
}

func (m *Machine) countVotes() {
	if len(m.grants) >= m.majority() {
		m.win()
	}
}

func (m *Machine) voteAsked(from fed.PartyID, q Vote) {
	m.adopt(q.Term)
	why := m.voteRefusal(from, q)
	reply := VoteReply{Epoch: m.p.Epoch, Term: m.p.Term, Granted: why == NotRefused, Why: why, Out: m.excluded(from)}
	if reply.Granted {
		if m.p.VotedFor != from {
			m.p.VotedFor, m.p.VotedAcc, m.dirty = from, q.Acc, true
		}
		m.rearm()
		reply.Vote = m.cfg.Sign(fed.Ballot{Run: m.cfg.Run, Epoch: q.Epoch, Term: q.Term, Candidate: from, Acc: q.Acc})
	}
	m.send(from, reply)
}

func (m *Machine) voteRefusal(from fed.PartyID, q Vote) Refusal {
	switch {
	case m.cfg.Forgot:
		return ForgotVotes
	case q.Term < m.p.Term:
		return StaleTerm
	case m.p.VotedFor != "" && (m.p.VotedFor != from || m.p.VotedAcc != q.Acc):
		return VotedAlready
	case m.older(q.Acc, q.Epoch):
		return OlderCheckpoint
	}
	return NotRefused
}

func (m *Machine) voteAnswered(from fed.PartyID, r VoteReply) {
	m.ousted(r.Out, r.Epoch)
	if r.Term > m.p.Term {
		m.adopt(r.Term)
		return
	}
	if m.state != Candidate || r.Term != m.p.Term || !m.p.IsVoter(from) {
		return
	}
	if r.Granted {
		if who, ok := m.cfg.Verify(fed.BallotDomain, m.ballot().SigningBytes(), r.Vote); !ok || who != from {
			m.refuse(from, "vote that is not signed by its voter")
			return
		}
		m.votes[from], m.grants[from] = r.Vote, true
	}
	m.answered[from] = true
	m.countVotes()
}

// win makes this party the coordinator and proposes its checkpoint again under
// the new term: an older one must never be committed by counting its copies
// (Raft, figure 8).
func (m *Machine) win() {
	m.enter(Coordinator)
	m.coordinator, m.lost, m.pending = m.cfg.Self, false, nil
	m.heard, m.reign = m.now, m.p.Term
	m.acked, m.shown = map[fed.PartyID]time.Time{}, map[fed.PartyID]bool{}
	mandate := fed.Mandate{Ballot: m.ballot()}
	var votes []fed.PartyID
	for _, v := range m.p.Voters {
		if m.grants[v] {
			m.acked[v] = m.now
			votes = append(votes, v)
			mandate.Votes = append(mandate.Votes, m.votes[v])
		}
	}
	m.keepMandate(mandate)
	m.grants, m.answered, m.votes, m.stopped = nil, nil, nil, Stopped{}
	m.tell(Led{Party: m.cfg.Self, Term: m.p.Term, Votes: votes})
	if m.p.Acc.Digest != "" && m.mutant&noRepropose == 0 {
		m.p.Acc.Term, m.dirty = m.p.Term, true
	}
	m.openAcc()
}
