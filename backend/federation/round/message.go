package round

import (
	"fmt"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Msg is a message between two machines of one grid. The wire adds the grid.
type Msg interface{ msg() }

// Prevote asks "would you vote for me in Term?" and binds nobody.
type Prevote struct {
	Epoch    uint64
	Term     uint64 // the sender's term plus one
	Acc      fed.Checkpoint
	TakeOver bool // a person asked: do not wait for the lease
}

// PrevoteReply answers Prevote.
type PrevoteReply struct {
	Epoch   uint64
	Term    uint64 // the voter's own
	For     uint64 // the term that was asked about
	Granted bool
	Why     Refusal
	Out     bool // the asker does not belong to the voter's committed epoch
}

// Vote asks for the one vote of Term.
type Vote struct {
	Epoch uint64
	Term  uint64
	Acc   fed.Checkpoint
}

// VoteReply answers Vote; Term is the voter's own. A vote that is granted is signed.
type VoteReply struct {
	Epoch   uint64
	Term    uint64
	Granted bool
	Why     Refusal
	Out     bool
	Vote    fed.Signature // of the candidate's ballot
}

// Round is what a coordinator sends: its checkpoint, and what it knows to be
// committed. Empty marks a heartbeat to a party that already holds Acc; the wire
// adds the blob reference and the task to the others.
type Round struct {
	Members
	Term      uint64
	Acc       fed.Checkpoint
	Committed fed.Checkpoint
	// CommittedEpoch is the epoch in which Committed was committed.
	CommittedEpoch uint64
	Hold           Hold
	Empty          bool
	// Mandate proves that the sender coordinates in Term; without votes to a party
	// that has shown that it knows it.
	Mandate fed.Mandate
}

// Ack answers Round with what the party holds. It counts toward a commit only if
// Acc and Epoch are exactly the coordinator's.
type Ack struct {
	Epoch   uint64
	Term    uint64
	Acc     fed.Checkpoint
	Refused bool // Term is newer than the Round's, or its mandate is not known
	NoVote  bool // does not count: the party's disk went back in time
	Hold    Hold
	Out     bool
}

// Hold is what persons decided about the pause of a grid. Seq counts the decisions:
// of two, the later stands everywhere, and of two at once the pause.
type Hold struct {
	Seq  uint64
	Held bool
}

func (h Hold) less(o Hold) bool { return h.Seq < o.Seq || h.Seq == o.Seq && !h.Held && o.Held }

// Presence says that a party leaves politely, or is back.
type Presence struct {
	Term   uint64
	Absent bool
}

func (Prevote) msg()      {}
func (PrevoteReply) msg() {}
func (Vote) msg()         {}
func (VoteReply) msg()    {}
func (Round) msg()        {}
func (Ack) msg()          {}
func (Presence) msg()     {}

// Refusal says why a vote was not given.
type Refusal uint8

// The refusals.
const (
	NotRefused Refusal = iota
	StaleTerm
	OlderCheckpoint
	LeaseHeld
	Leading
	VotedAlready
	ForgotVotes
)

var refusalNames = [...]string{"", "stale term", "older checkpoint", "a coordinator is alive", "coordinates itself", "voted for another", "forgot its votes"}

// String returns the refusal in words.
func (r Refusal) String() string {
	if int(r) >= len(refusalNames) {
		return "unknown"
	}
	return refusalNames[r]
}

// Input is something that happened.
type Input interface{ input() }

type (
	// Tick says that time passed; see [Machine.Next].
	Tick struct{}
	// Received is a message of an authenticated party whose role the caller checked
	// for this kind; From is never taken from the message itself.
	Received struct {
		From fed.PartyID
		Msg  Msg
	}
	// Stored says that a fetched blob is verified and fsynced.
	Stored struct{ Digest fed.Digest }
	// Propose is a new checkpoint, of the coordinator only: the round after Acc,
	// its blob already stored here. Term is filled in by the machine.
	Propose struct{ Checkpoint fed.Checkpoint }
	// Change is the next epoch, of the coordinator only.
	Change struct{ Members Members }
	// Force is an epoch signed by the admin with which one of two parties goes on
	// alone. The caller verified the signature.
	Force struct{ Members Members }
	// TakeOver skips the wait for an election, never the votes.
	TakeOver struct{}
	// Woke says that the wall clock ran ahead of the monotonic clock by more than
	// the lease: the computer slept.
	Woke struct{}
	// Pause stops opening rounds; the coordinator tells all.
	Pause struct{}
	// Resume ends Pause.
	Resume struct{}
	// Leave says goodbye to all: a coordinator hands over at once.
	Leave struct{}
	// Return ends Leave.
	Return struct{}
)

func (Tick) input()     {}
func (Received) input() {}
func (Stored) input()   {}
func (Propose) input()  {}
func (Change) input()   {}
func (Force) input()    {}
func (TakeOver) input() {}
func (Woke) input()     {}
func (Pause) input()    {}
func (Resume) input()   {}
func (Leave) input()    {}
func (Return) input()   {}

// Output is what to do, in this order. A caller that cannot save must drop the
// machine, and with it everything else of the output.
type Output struct {
	Save *Persistent // to disk, synced, before anything is sent
	Send []Outgoing
	Tell []Event
	// Fetch names blobs to get from the coordinator; naming one again is harmless.
	Fetch []fed.Digest
	Err   error // why a local input was refused
}

// Outgoing is a message to one party. It may be lost.
type Outgoing struct {
	To  fed.PartyID
	Msg Msg
}

// Event is a fact for the services and the screen.
type Event interface{ event() }

type (
	// Led says who coordinates from now on. Votes names who voted for it, in rank
	// order, if this party is the one.
	Led struct {
		Party fed.PartyID
		Term  uint64
		Votes []fed.PartyID
	}
	// Lost says that the coordinator has been silent for a lease.
	Lost struct {
		Party fed.PartyID
		Heard time.Time
	}
	// SteppedDown says that this party no longer coordinates.
	SteppedDown struct {
		Term uint64
		Why  Reason
	}
	// Stopped says that too few voters answer: "paused: 1 of 2 voters".
	Stopped struct{ Answering, Voters int }
	// Committed says that a round is committed: show, export, score and reward it.
	Committed struct{ Checkpoint fed.Checkpoint }
	// Open says that the round after Checkpoint is open under Coordinator: train on
	// it, or send again the update saved for (round, base digest).
	Open struct {
		Checkpoint  fed.Checkpoint
		Coordinator fed.PartyID
	}
	// Held says that a person paused or resumed the run.
	Held struct{ Held bool }
	// Changed says that an epoch took effect.
	Changed struct{ Members Members }
	// Ousted says that the grid went on without this party, which keeps its data
	// and must join again.
	Ousted struct{ Epoch, Mine uint64 }
	// Away says that a party left politely or came back.
	Away struct {
		Party  fed.PartyID
		Absent bool
	}
	// Refused says that a message was not acted upon, for counting.
	Refused struct {
		From fed.PartyID
		Why  string
	}
)

func (Led) event()         {}
func (Lost) event()        {}
func (SteppedDown) event() {}
func (Stopped) event()     {}
func (Committed) event()   {}
func (Open) event()        {}
func (Held) event()        {}
func (Changed) event()     {}
func (Ousted) event()      {}
func (Away) event()        {}
func (Refused) event()     {}

// Reason says why a reign or a candidacy ended.
type Reason uint8

// The reasons.
const (
	NewerTerm Reason = iota
	NoMajority
	WokeUp
	LeftPolitely
	Removed
	Forced
	NoVotes
)

var reasonNames = [...]string{"a newer term exists", "no majority answered within the lease", "the computer was asleep", "it left", "it was removed from the grid", "the admin let it go on alone", "not enough votes"}

// String returns the reason in words.
func (r Reason) String() string {
	if int(r) >= len(reasonNames) {
		return "unknown"
	}
	return reasonNames[r]
}

const (
	maxTerm  = 1 << 48
	maxRound = 1 << 30
	// maxLeap bounds by how much one message may raise a term or a count of
	// decisions, so that a peer that lies cannot use them up.
	maxLeap = 1 << 20
)

func checkCheckpoint(c fed.Checkpoint) error {
	switch {
	case c.Term > maxTerm || c.Round < 0 || c.Round > maxRound:
		return fmt.Errorf("term %d or round %d out of range", c.Term, c.Round)
	case c.Digest == "" && (c != fed.Checkpoint{}):
		return fmt.Errorf("round %d has no digest", c.Round)
	case c.Digest != "" && !c.Digest.Valid():
		return fmt.Errorf("digest of round %d is malformed", c.Round)
	case c.Parent != "" && !c.Parent.Valid():
		return fmt.Errorf("parent of round %d is malformed", c.Round)
	case c.Digest != "" && (c.Parent == "") != (c.Round == 0):
		return fmt.Errorf("round %d does not fit its parent", c.Round)
	}
	return nil
}

// check refuses what no machine sends.
func check(msg Msg) error {
	switch msg := msg.(type) {
	case Prevote:
		return checkBallot(msg.Term, msg.Acc)
	case Vote:
		return checkBallot(msg.Term, msg.Acc)
	case PrevoteReply:
		return checkTerm(msg.Term, fed.Checkpoint{})
	case VoteReply:
		return checkTerm(msg.Term, fed.Checkpoint{})
	case Presence:
		return checkTerm(msg.Term, fed.Checkpoint{})
	case Ack:
		if msg.Hold.Seq > maxTerm {
			return fmt.Errorf("decision %d out of range", msg.Hold.Seq)
		}
		return checkTerm(msg.Term, msg.Acc)
	case Round:
		if msg.Hold.Seq > maxTerm {
			return fmt.Errorf("decision %d out of range", msg.Hold.Seq)
		}
		if err := checkCheckpoint(msg.Committed); err != nil {
			return err
		}
		if err := msg.Members.Validate(); err != nil {
			return err
		}
		if err := checkMandate(msg.Mandate, msg.Term); err != nil {
			return err
		}
		return checkTerm(msg.Term, msg.Acc)
	}
	return fmt.Errorf("unknown message %T", msg)
}

// termOf returns the term that a message would raise this party's to.
func termOf(msg Msg) uint64 {
	switch msg := msg.(type) {
	case Prevote:
		return msg.Term
	case PrevoteReply:
		return msg.Term
	case Vote:
		return msg.Term
	case VoteReply:
		return msg.Term
	case Round:
		return msg.Term
	case Ack:
		return msg.Term
	case Presence:
		return msg.Term
	}
	return 0
}

// checkBallot refuses a candidate for a term with a checkpoint that was made in it:
// nobody coordinates before being elected.
func checkBallot(term uint64, acc fed.Checkpoint) error {
	if acc.Digest != "" && acc.Term >= term {
		return fmt.Errorf("checkpoint of term %d in the election of term %d", acc.Term, term)
	}
	return checkTerm(term, acc)
}

func checkTerm(term uint64, acc fed.Checkpoint) error {
	if term > maxTerm {
		return fmt.Errorf("term %d out of range", term)
	}
	if acc.Term > term {
		return fmt.Errorf("checkpoint of term %d in term %d", acc.Term, term)
	}
	return checkCheckpoint(acc)
}
