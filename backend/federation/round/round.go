// Package round is the checkpoint register of a grid: who coordinates, and which
// round checkpoint is committed.
//
// It is Raft's terms and votes (Ongaro and Ousterhout 2014; PreVote, check-quorum
// and single-server membership change: Ongaro's thesis 2014, sections 9.6, 6.2
// and 4.1) with the log reduced to its newest entry: the checkpoint of the newest
// round. Broadcasting the params is the replication.
//
// [Machine] is the type to start from: a pure state machine with one method,
// [Machine.Step]. It reads no clock, disk or socket and starts no goroutine; the
// caller owns it from one goroutine, passes the time in and obeys the order of
// [Output]: save, then send, then tell. It is not about training: what a task
// contains, where blobs live and how frames are encoded is the caller's business.
//
// Safety: one vote per term and majorities give one coordinator per term; a
// committed checkpoint sits on a majority, any later winner meets that majority
// and so holds a checkpoint at least as new by (term, round, epoch). All committed
// checkpoints therefore lie on one chain. Voters may crash; they do not lie.
package round

import (
	"slices"
	"time"

	"synergos.app/desktop/backend/fed"
)

// State is what a machine is doing.
type State uint8

// The states. Paused is a follower that found no majority: it still answers and
// tries again.
const (
	Follower State = iota
	PreCandidate
	Candidate
	Coordinator
	Paused
)

var stateNames = [...]string{"follower", "pre-candidate", "candidate", "coordinator", "paused"}

// String returns the state in words.
func (s State) String() string {
	if int(s) >= len(stateNames) {
		return "unknown"
	}
	return stateNames[s]
}

// Machine is the register of one grid at one party. It is owned by one goroutine.
type Machine struct {
	cfg    Config
	p      Persistent
	draw   func() float64 // [0, 1)
	mutant mutant         // tests only

	now   time.Time
	out   Output
	dirty bool

	state       State
	coordinator fed.PartyID                   // "" when unknown
	reign       uint64                        // the term in which this party last won
	votes       map[fed.PartyID]fed.Signature // candidate: what was granted
	since       time.Time                     // when coordinator was first heard, or state was entered
	heard       time.Time                     // last message of the coordinator; zero: none
	due         time.Time                     // election timer
	jitter      time.Duration
	lost        bool // the coordinator's silence was told

	ballotEnd time.Time // candidates
	takeOver  bool
	grants    map[fed.PartyID]bool
	answered  map[fed.PartyID]bool
	sent      time.Time // last broadcast

	acked   map[fed.PartyID]time.Time // coordinator: last ACK of this term
	has     map[fed.PartyID]bool      // coordinator: ACKed exactly Acc
	shown   map[fed.PartyID]bool      // coordinator: knows the mandate of this term
	leaving []fed.PartyID             // coordinator: removed by an open change, still told

	accCommitted bool
	committed    fed.Checkpoint // newest known committed, with its epoch
	comEpoch     uint64
	opened       fed.Checkpoint // Open was told for it
	toldEpoch    uint64
	stopped      Stopped // as last told since a coordinator was known
	pending      *pending

	last    map[fed.PartyID]time.Time
	absent  map[fed.PartyID]bool
	left    bool
	removed bool
}

type pending struct {
	from fed.PartyID
	msg  Round
}

// New builds a machine from what is on disk. It starts as a follower: who
// coordinated before a restart is not believed. draw returns uniform numbers in
// [0, 1) and spreads the elections.
func New(cfg Config, p Persistent, draw func() float64, now time.Time) (*Machine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	m := &Machine{
		cfg: cfg, p: p, draw: draw, now: now, since: now,
		last: map[fed.PartyID]time.Time{}, absent: map[fed.PartyID]bool{},
	}
	m.rearm()
	return m, nil
}

// State returns what the machine is doing.
func (m *Machine) State() State { return m.state }

// Persistent returns the record as it was last handed out to be saved.
func (m *Machine) Persistent() Persistent { return m.p }

// Coordinator returns who coordinates as far as this party knows, "" for nobody.
// Blobs named by Output.Fetch are fetched from there.
func (m *Machine) Coordinator() fed.PartyID { return m.coordinator }

// Committed returns the newest checkpoint known to be committed since the machine
// was built; its Digest is empty when there is none yet.
func (m *Machine) Committed() fed.Checkpoint { return m.committed }

// Step takes one input at time now, which must not fall, and returns what to do
// about it, in the order of [Output].
func (m *Machine) Step(now time.Time, in Input) Output {
	m.now, m.out, m.dirty = now, Output{}, false
	m.expire()
	switch in := in.(type) {
	case Tick:
		m.tick()
	case Received:
		m.receive(in)
	case Stored:
		m.stored(in.Digest)
	case Propose:
		m.out.Err = m.propose(in.Checkpoint)
	case Change:
		m.out.Err = m.change(in.Members)
	case Force:
		m.out.Err = m.force(in.Members)
	case TakeOver:
		m.out.Err = m.takeOverNow()
	case Woke:
		m.woke()
	case Pause:
		m.hold(true)
	case Resume:
		m.hold(false)
	case Leave:
		m.leave()
	case Return:
		m.comeBack()
	}
	return m.finish()
}

func (m *Machine) finish() Output {
	if m.dirty {
		saved := m.mutant.disk(m.p)
		m.out.Save = &saved
	}
	return m.out
}

// expire ends a reign that lost its majority before anything else is done, so
// that a process that was frozen does not act on a stale belief.
func (m *Machine) expire() {
	if m.state != Coordinator {
		return
	}
	alive := 0
	for _, v := range m.p.Voters {
		if v == m.cfg.Self || m.now.Sub(m.acked[v]) <= m.cfg.Lease {
			alive++
		}
	}
	if alive < m.majority() {
		m.stepDown(Paused, NoMajority)
		m.tellStopped(alive)
	}
}

// tellStopped says that too few voters answer, once per figure.
func (m *Machine) tellStopped(answering int) {
	s := Stopped{Answering: answering, Voters: len(m.p.Voters)}
	if s != m.stopped {
		m.stopped = s
		m.tell(s)
	}
}

func (m *Machine) tick() {
	switch m.state {
	case Coordinator:
		if m.now.Sub(m.sent) >= m.cfg.Heartbeat {
			m.broadcast()
		}
	case PreCandidate, Candidate:
		m.tickBallot()
	default:
		m.tickFollower()
	}
}

func (m *Machine) tickFollower() {
	if m.coordinator != "" && !m.lost && m.now.Sub(m.heard) > m.cfg.Lease {
		m.lost = true
		m.tell(Lost{Party: m.coordinator, Heard: m.heard})
	}
	if m.mayStand() && !m.now.Before(m.due) {
		m.startPrevote(false)
	}
}

func (m *Machine) mayStand() bool {
	return m.cfg.Stands && !m.cfg.Forgot && !m.left && !m.removed && (m.p.IsVoter(m.cfg.Self) || m.neededToLeave())
}

// neededToLeave reports whether this party accepted an epoch without itself that
// is not known to be committed. It may be the only one that holds it, so it still
// stands, without counting its own vote (Ongaro's thesis 2014, section 4.2.2).
func (m *Machine) neededToLeave() bool {
	return !m.p.Has(m.cfg.Self) && m.p.Acc.Digest != "" && !m.accCommitted
}

func (m *Machine) enter(s State) {
	if m.state != s {
		m.state, m.since = s, m.now
	}
}

// stepDown leaves whatever was going on for s, which is Follower or Paused.
func (m *Machine) stepDown(s State, why Reason) {
	if m.state == Coordinator {
		m.coordinator = ""
		m.acked, m.has, m.shown, m.leaving = nil, nil, nil, nil
		m.tell(SteppedDown{Term: m.reign, Why: why})
	}
	m.grants, m.answered, m.votes, m.takeOver = nil, nil, nil, false
	m.enter(s)
	m.rearm()
}

// adopt takes over a newer term; nobody has been voted for in it.
func (m *Machine) adopt(term uint64) {
	if term <= m.p.Term {
		return
	}
	m.p.Term, m.p.VotedFor, m.p.VotedAcc, m.dirty = term, "", fed.Checkpoint{}, true
	m.stepDown(Follower, NewerTerm)
	m.coordinator, m.lost = "", false
}

func (m *Machine) tell(e Event) { m.out.Tell = append(m.out.Tell, e) }

func (m *Machine) send(to fed.PartyID, msg Msg) {
	if to != m.cfg.Self {
		m.out.Send = append(m.out.Send, Outgoing{To: to, Msg: msg})
	}
}

func (m *Machine) woke() {
	if m.state == Coordinator {
		m.stepDown(Paused, WokeUp)
		return
	}
	if m.state == PreCandidate || m.state == Candidate {
		m.stepDown(Follower, WokeUp)
		return
	}
	m.rearm()
}

func (m *Machine) everybody() []fed.PartyID {
	if len(m.p.Learners) == 0 && len(m.leaving) == 0 {
		return m.p.Voters
	}
	return slices.Concat(m.p.Voters, m.p.Learners, m.leaving)
}
