package round

import (
	"time"

	"synergos.app/desktop/backend/fed"
)

// Config is what a machine is told once: who it is and its timers.
type Config struct {
	Self fed.PartyID
	// Stands says whether this party may coordinate: it can be reached and its
	// role allows it. One that does not stand still votes.
	Stands bool
	// Forgot is set by the caller when the disk is known to have gone back in time
	// (a restored backup): the machine then neither votes nor acknowledges until
	// the party was removed, admitted again and built anew, because it may have
	// forgotten a promise.
	Forgot bool
	// Changes says that the members may change while the grid stands. The votes of a
	// mandate are then those of its epoch's voters, which this party may not know:
	// their signatures are checked, not their number. Without it the members are
	// those of the record for good.
	Changes bool
	// Run is the grid's run. Sign signs a ballot as this party.
	Run    fed.RunID
	Sign   func(fed.Ballot) fed.Signature
	Verify fed.Verifier
	Timers
}

// Timers are the durations of the register. Use [Default] and change from there.
type Timers struct {
	// Heartbeat is the pause between two messages of the coordinator to a party,
	// and between two sendings of an unanswered ballot.
	Heartbeat time.Duration
	// Lease is how long a coordinator counts as alive after it was heard, and how
	// long it may go on without having heard a majority.
	Lease time.Duration
	// RankStep is added to the election timeout per rank, Jitter is the upper end
	// of the random part.
	RankStep, Jitter time.Duration
	// FreshStep replaces lease and RankStep when nobody can be alive: in a fresh
	// grid and after a polite leave.
	FreshStep time.Duration
	// Ballot is how long votes are collected before the attempt is given up.
	Ballot time.Duration
}

// Default returns the timers of the product: heartbeat 2 s, lease 30 s, 10 s per
// rank, 5 s random.
func Default() Timers {
	return Timers{
		Heartbeat: 2 * time.Second, Lease: 30 * time.Second, RankStep: 10 * time.Second,
		Jitter: 5 * time.Second, FreshStep: 500 * time.Millisecond, Ballot: 5 * time.Second,
	}
}

// Divided returns the timers n times shorter, for tests and rehearsals.
func (t Timers) Divided(n int) Timers {
	d := time.Duration(max(n, 1))
	return Timers{t.Heartbeat / d, t.Lease / d, t.RankStep / d, t.Jitter / d, t.FreshStep / d, t.Ballot / d}
}

// Validate refuses timers under which a healthy grid could not keep a
// coordinator, with kind Invalid.
func (t Timers) Validate() error {
	switch {
	case t.Heartbeat <= 0 || t.Jitter <= 0 || t.FreshStep <= 0 || t.Ballot <= 0 || t.RankStep < 0:
		return fed.Errorf(fed.Invalid, "use the default timers", "a timer of the grid is not positive")
	case t.Lease < 3*t.Heartbeat:
		return fed.Errorf(fed.Invalid, "make the lease at least three heartbeats", "lease %v is too short for heartbeat %v", t.Lease, t.Heartbeat)
	case t.Ballot > t.Lease:
		return fed.Errorf(fed.Invalid, "make the ballot shorter than the lease", "ballot %v is longer than lease %v", t.Ballot, t.Lease)
	}
	return nil
}

// Validate refuses a configuration without a party or with bad timers.
func (c Config) Validate() error {
	if c.Self == "" {
		return fed.Errorf(fed.Invalid, "give the party's identifier", "a grid needs to know its own party")
	}
	if c.Sign == nil || c.Verify == nil {
		return fed.Errorf(fed.Invalid, "give the party's keys", "a grid needs to sign and to verify votes")
	}
	return c.Timers.Validate()
}

// Persistent is what must be on disk before anything else leaves the machine. One
// record per grid.
type Persistent struct {
	Members  // of Acc: the newest accepted ones count, committed or not
	Term     uint64
	VotedFor fed.PartyID // in Term; "" for nobody
	// VotedAcc is the checkpoint of the ballot that was signed for VotedFor: there is
	// one ballot of a term.
	VotedAcc fed.Checkpoint
	Acc      fed.Checkpoint
	// CommittedRound is the newest round known to be committed, -1 for none.
	CommittedRound int
	// Hold is the newest decision of a person that is known here.
	Hold Hold
	// Mandate is the newest term's that was shown here, without votes for none.
	Mandate fed.Mandate
}

// Fresh returns the record of a grid in which nothing has happened yet.
func Fresh(members Members) Persistent {
	return Persistent{Members: members, CommittedRound: -1}
}

// Validate refuses a record that no machine wrote, with kind Corrupt.
func (p Persistent) Validate() error {
	if err := p.Members.Validate(); err != nil {
		return err
	}
	if err := checkCheckpoint(p.Acc); err != nil {
		return fed.Errorf(fed.Corrupt, "restore the application's database", "saved checkpoint: %w", err)
	}
	if err := checkMandate(p.Mandate, p.Mandate.Term); err != nil {
		return fed.Errorf(fed.Corrupt, "restore the application's database", "saved mandate: %w", err)
	}
	if p.Acc.Term > p.Term || p.Term > maxTerm || p.Hold.Seq > maxTerm || p.CommittedRound < -1 {
		return fed.Errorf(fed.Corrupt, "restore the application's database", "saved grid has checkpoint term %d above its term %d", p.Acc.Term, p.Term)
	}
	return nil
}

// position orders checkpoints; the epoch separates a membership change from the
// checkpoint it repeats.
type position struct {
	term  uint64
	round int
	epoch uint64
}

func at(c fed.Checkpoint, epoch uint64) position { return position{c.Term, c.Round, epoch} }

func (p position) less(o position) bool {
	if p.term != o.term {
		return p.term < o.term
	}
	if p.round != o.round {
		return p.round < o.round
	}
	return p.epoch < o.epoch
}
