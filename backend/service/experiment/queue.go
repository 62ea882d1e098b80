package experiment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Grids opens the grid of a run at all its members, or says why not, by a
// [MemberError] if it is for one of them: an error of kind Busy or Unavailable is tried
// again, any other ends the run.
type Grids interface {
	OpenGrid(ctx context.Context, run fed.Run) error
}

// MemberError says at which member of a run something failed.
type MemberError struct {
	Name string
	Err  error
}

// Error implements error.
func (e *MemberError) Error() string { return fmt.Sprintf("%s cannot join: %v", e.Name, e.Err) }

// Unwrap returns the member's own error.
func (e *MemberError) Unwrap() error { return e.Err }

// States keeps what this party decided about its runs.
type States interface {
	SaveState(ctx context.Context, run fed.Run, state, sentence string) error
	LoadStates(ctx context.Context) (map[fed.RunID]string, error)
}

// Ender records the end of a run that never started.
type Ender interface {
	EndRun(ctx context.Context, run fed.Run, end fed.RunEnd) error
}

// Queue starts this party's runs, a few side by side, oldest first. Only Run
// starts grids; the other methods are safe for concurrent use.
type Queue struct {
	Self    fed.PartyID
	Tracker *Tracker
	Grids   Grids
	States  States
	Ender   Ender
	Limit   func() int // grids at once
	Log     *slog.Logger
	Tell    func(run fed.RunID)
	// Retry is the first pause after a refusal; it doubles up to 16 times that.
	Retry time.Duration

	mu     sync.Mutex
	state  map[fed.RunID]string // queued, preparing, running, paused
	why    map[fed.RunID]string
	pause  map[fed.RunID]time.Duration
	after  map[fed.RunID]time.Time
	wakeup chan struct{}
}

// Load reads what was decided before a restart.
func (q *Queue) Load(ctx context.Context) error {
	s, err := q.States.LoadStates(ctx)
	if err != nil {
		return err
	}
	for id, state := range s {
		if state == "preparing" { // it was asking around when the app ended
			s[id] = "queued"
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.state, q.why, q.pause, q.after = s, map[fed.RunID]string{}, map[fed.RunID]time.Duration{}, map[fed.RunID]time.Time{}
	q.wakeup = make(chan struct{}, 1)
	return nil
}

// Wake has the queue look again: a run was added or ended.
func (q *Queue) Wake() {
	select {
	case q.wakeup <- struct{}{}:
	default:
	}
}

// State returns a run's place in the queue and the sentence that explains it; ""
// when the queue knows nothing of it.
func (q *Queue) State(id fed.RunID) (state, sentence string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.state[id], q.why[id]
}

// Set moves a run between queued and paused by a person's wish.
func (q *Queue) Set(ctx context.Context, run fed.Run, state, sentence string) error {
	if err := q.States.SaveState(ctx, run, state, sentence); err != nil {
		return err
	}
	q.mu.Lock()
	q.state[run.ID], q.why[run.ID] = state, sentence
	delete(q.after, run.ID)
	q.mu.Unlock()
	q.Tell(run.ID)
	q.Wake()
	return nil
}

// Run starts grids until ctx ends.
func (q *Queue) Run(ctx context.Context) error {
	tick := time.NewTicker(max(q.Retry/2, 10*time.Millisecond))
	defer tick.Stop()
	for {
		for q.next(ctx) {
		}
		select {
		case <-ctx.Done():
			return nil
		case <-q.wakeup:
		case <-tick.C:
		}
	}
}

// next starts the oldest run that may start and reports whether it tried one.
func (q *Queue) next(ctx context.Context) bool {
	open := q.Tracker.Runs(func(r Run) bool { return r.By == q.Self && r.End == nil })
	active := 0
	var pick *Run
	q.mu.Lock()
	for i := len(open) - 1; i >= 0; i-- {
		r := open[i]
		switch s := q.state[r.ID]; {
		case s == "running" || s == "preparing" || len(r.Rounds) > 0:
			active++
		case s == "paused" || time.Now().Before(q.after[r.ID]):
		case pick == nil:
			pick = &r
		}
	}
	q.mu.Unlock()
	if pick == nil || active >= q.Limit() || ctx.Err() != nil {
		return false
	}
	q.start(ctx, *pick)
	return true
}

func (q *Queue) start(ctx context.Context, r Run) {
	q.note(ctx, r.Run, "preparing", "Asking all parties to join.")
	err := q.Grids.OpenGrid(ctx, r.Run)
	switch {
	case err == nil:
		q.note(ctx, r.Run, "running", "")
	case ctx.Err() != nil:
		q.note(context.WithoutCancel(ctx), r.Run, "queued", "")
	case fed.KindOf(err) == fed.Busy || fed.KindOf(err) == fed.Unavailable || fed.KindOf(err) == fed.Timeout:
		q.later(r.ID)
		q.note(ctx, r.Run, "queued", err.Error())
	default:
		q.refuse(ctx, r.Run, err)
	}
}

func (q *Queue) later(id fed.RunID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := min(max(2*q.pause[id], q.Retry), 16*q.Retry)
	q.pause[id], q.after[id] = p, time.Now().Add(p)
}

func (q *Queue) refuse(ctx context.Context, run fed.Run, err error) {
	if r, ok := q.Tracker.Run(run.ID); ok && r.End != nil { // by a person, while the members were asked
		q.note(ctx, run, r.End.State, r.End.Problem)
		return
	}
	reason := "incompatible"
	if fed.KindOf(err) == fed.Permission {
		reason = "consent_denied"
	}
	end := fed.RunEnd{Run: run.ID, State: "failed", Reason: reason, Problem: err.Error(), Hint: fed.HintOf(err)}
	var m *MemberError
	if errors.As(err, &m) {
		end.At = map[string]string{m.Name: m.Err.Error()}
	}
	if e := q.Ender.EndRun(ctx, run, end); e != nil {
		q.Log.Error("end of run not recorded", "run", run.ID, "error", e.Error())
		q.later(run.ID)
	}
	q.note(ctx, run, "failed", err.Error())
}

func (q *Queue) note(ctx context.Context, run fed.Run, state, sentence string) {
	if err := q.States.SaveState(ctx, run, state, sentence); err != nil {
		q.Log.Error("run state not saved", "run", run.ID, "error", err.Error())
	}
	q.mu.Lock()
	q.state[run.ID], q.why[run.ID] = state, sentence
	q.mu.Unlock()
	q.Tell(run.ID)
}
