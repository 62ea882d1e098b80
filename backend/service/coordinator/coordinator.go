// Package coordinator leads a run while this party is the centre of its star: it
// opens rounds by committing checkpoints, gathers and admits updates, aggregates
// them in a fixed order, has every round scored off the training path, and closes
// the run with its results.
//
// The type to start from is [Lead]. It keeps no state of its own that matters:
// what is committed lives in the register (package party), what has happened in
// the book. A successor goes on from there.
package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/tensor"
)

// Grid is the register of the run as its coordinator uses it. Ready, Commit and
// Unheld return an error when the reign ended.
type Grid interface {
	Ready(ctx context.Context, acc fed.Checkpoint) (fed.Checkpoint, error)
	Commit(ctx context.Context, c fed.Checkpoint) error
	Unheld(ctx context.Context) error
	Updates() <-chan fed.Incoming
	Absent(p fed.PartyID) bool
}

// Members reaches the members of the run; asking oneself is answered locally.
type Members interface {
	Fetch(ctx context.Context, from fed.PartyID, ref fed.BlobRef) error
	Evaluate(ctx context.Context, to fed.PartyID, ask fed.EvalAsk) (fed.EvalReply, error)
	Score(ctx context.Context, to fed.PartyID, ask fed.ScoreAsk) (fed.ScoreReply, error)
	Online(p fed.PartyID) bool
}

// Blobs keeps params and updates.
type Blobs interface {
	PutBytes(ctx context.Context, b []byte) (fed.BlobRef, error)
	Get(ctx context.Context, d fed.Digest) ([]byte, error)
	Ref(d fed.Digest) (fed.BlobRef, error)
	Has(d fed.Digest) bool
}

// Book records what is committed, signed and replicated to all members.
type Book interface {
	Rounds(run fed.RunID) []fed.RoundRecord // so far, by N
	Round(ctx context.Context, run fed.Run, r fed.RoundRecord) error
	End(ctx context.Context, run fed.Run, e fed.RunEnd) error
}

// Drafts keep the record of a round from before it is proposed until the book has it:
// who stops after the commit writes it later.
type Drafts interface {
	Keep(ctx context.Context, run fed.Run, r fed.RoundRecord) error
	Kept(run fed.RunID) (fed.RoundRecord, bool)
}

// Ledger turns scores into contributions and, at the end, rewards.
type Ledger interface {
	// Unscored returns the recorded rounds that are not scored yet.
	Unscored(run fed.Run) []fed.ScoreAsk
	Scored(ctx context.Context, run fed.Run, ask fed.ScoreAsk, replies map[fed.PartyID]fed.ScoreReply) error
	// Closed returns the round through which an earlier coordinator has ended the
	// ledger, or false.
	Closed(run fed.Run) (through int, ok bool)
	// Close ends the ledger of a run that delivers the model after round through.
	Close(ctx context.Context, run fed.Run, through int) error
}

// Learner knows the run's model and strategy.
type Learner interface {
	Init(run fed.Run) (tensor.Params, error)
	// Check refuses sums that cannot be those of rows of this run.
	Check(run fed.Run, s fed.Sums) error
	// Admit checks updates against the base and returns what to aggregate; the
	// rejected ones with the reason, by name.
	Admit(run fed.Run, base tensor.Params, in []Candidate) (admitted []Candidate, rejected map[string]string)
	// Aggregate returns the next params and each admitted update's weight.
	Aggregate(run fed.Run, base tensor.Params, admitted []Candidate) (tensor.Params, []float64, error)
}

// Candidate is an update with its delta decoded.
type Candidate struct {
	Member fed.RunMember
	Update fed.Update
	Delta  tensor.Params
}

// Lane is what the coordinator knows of a party in the open round.
type Lane struct {
	Party fed.PartyID
	State string // train, done, late, absent, offline, score
	Note  string
}

// Ports are what Lead needs.
type Ports struct {
	Self    fed.PartyID
	Term    uint64      // of this reign
	Mandate fed.Mandate // of this reign: it goes into the book with what is written there
	Verify  fed.Verifier
	Grid    Grid
	Members Members
	Blobs   Blobs
	Book    Book
	Drafts  Drafts
	Ledger  Ledger
	Learner Learner
	Now     func() time.Time
	Log     *slog.Logger
	Tell    func(lanes []Lane) // must not block
	Refused func(why string)   // counts what was not taken
	Alarm   func(text string)  // tells a person, who must see it
	// MinDeadline bounds a round from below when the run does not name one.
	MinDeadline time.Duration
}

// Lead leads run until it has ended or ctx, and with it the reign, has. acc is the
// checkpoint that was inherited, zero at the start.
func Lead(ctx context.Context, run fed.Run, acc fed.Checkpoint, p Ports) {
	l := &lead{run: run, Ports: p, lanes: map[fed.PartyID]Lane{}, asked: map[int]bool{}, patience: patience{failed: map[fed.PartyID]int{}}}
	err := l.run1(ctx, acc)
	if err == nil || ctx.Err() != nil {
		return
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{reason: "internal", err: err}
	}
	p.Log.Error("run failed", "run", run.ID, "reason", f.reason, "error", err.Error())
	end := fed.RunEnd{Run: run.ID, State: "failed", Reason: f.reason, Problem: f.err.Error(), Hint: fed.HintOf(f.err), At: f.at, Rounds: l.done, Mandate: &p.Mandate}
	if err := p.Book.End(ctx, run, end); err != nil {
		p.Log.Error("end of run not recorded", "run", run.ID, "error", err.Error())
	}
}

// failure ends a run; reason is one of the run's end reasons.
type failure struct {
	reason string
	err    error
	at     map[string]string // names of members with their own reasons, if it is theirs
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

type lead struct {
	Ports
	run      fed.Run
	done     int
	took     []time.Duration
	lanes    map[fed.PartyID]Lane
	scores   scorer
	asked    map[int]bool // rounds handed to the scorer
	patience patience
}

func (l *lead) run1(ctx context.Context, acc fed.Checkpoint) error {
	c, err := l.Grid.Ready(ctx, acc)
	if err != nil {
		return nil
	}
	if c.Digest == "" {
		if c, err = l.start(ctx); err != nil {
			return err
		}
	}
	if err := l.remember(ctx, c); err != nil {
		return err
	}
	l.scores.start(ctx, l)
	defer l.scores.wait()
	l.haveScored()
	for c.Round < l.run.Config.Rounds {
		l.done = c.Round
		if c, err = l.round(ctx, c); err != nil {
			return err
		}
	}
	l.done = c.Round
	return l.finish(ctx, c)
}

// start commits the initial params as round 0.
func (l *lead) start(ctx context.Context) (fed.Checkpoint, error) {
	params, err := l.Learner.Init(l.run)
	if err != nil {
		return fed.Checkpoint{}, &failure{reason: "incompatible", err: err}
	}
	ref, err := l.Blobs.PutBytes(ctx, tensor.EncodeSafetensors(params, nil))
	if err != nil {
		return fed.Checkpoint{}, fmt.Errorf("keep initial params: %w", err)
	}
	c := fed.Checkpoint{Term: l.Term, Round: 0, Digest: ref.Digest}
	return c, l.Grid.Commit(ctx, c)
}

// remember records a committed round whose record its coordinator did not get to
// write: in full when that was this party, else that it was committed.
func (l *lead) remember(ctx context.Context, c fed.Checkpoint) error {
	for _, r := range l.Book.Rounds(l.run.ID) {
		if r.N == c.Round {
			return nil
		}
	}
	if r, ok := l.Drafts.Kept(l.run.ID); ok && r.N == c.Round && r.Digest == c.Digest {
		return l.Book.Round(ctx, l.run, r)
	}
	return l.Book.Round(ctx, l.run, fed.RoundRecord{
		Run: l.run.ID, N: c.Round, Term: c.Term, Digest: c.Digest, Parent: c.Parent, Coordinator: l.Self,
		In: []fed.RoundParty{}, Absent: map[string]string{}, Valid: map[string]fed.Sums{}, Result: "closed", Mandate: l.Mandate,
	})
}

func (l *lead) lane(p fed.PartyID, state, note string) {
	l.lanes[p] = Lane{Party: p, State: state, Note: note}
	out := make([]Lane, 0, len(l.lanes))
	for _, m := range l.run.Members {
		if x, ok := l.lanes[m.Party]; ok {
			out = append(out, x)
		}
	}
	l.Tell(out)
}
