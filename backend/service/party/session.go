package party

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
)

// Session is this party's place in the grid of one run.
type Session struct {
	run   fed.Run
	ports Ports

	inputs  chan round.Input
	updates chan fed.Incoming
	machine *round.Machine // owned by Run
	outbox  map[fed.PartyID]chan outgoing
	work    sync.WaitGroup
	posts   sync.WaitGroup
	wall    time.Time
	over    atomic.Bool

	mu        sync.Mutex // guards what follows
	refs      map[fed.Digest]fed.BlobRef
	fetching  map[fed.Digest]bool
	committed fed.Checkpoint
	changed   chan struct{} // closed and replaced at each commit or change of lead
	leader    fed.PartyID
	term      uint64
	explain   string
	held      bool
	mandate   fed.Mandate // newest that is known here
	stopped   string      // why nobody leads, "" while somebody may
	job       *job
	live      Live
	stopLead  context.CancelFunc
	leadDone  chan struct{}
	absent    map[fed.PartyID]bool
}

// Live is what this party is doing right now.
type Live struct {
	State    string  // idle, download, train, upload
	Round    int     // being worked on
	Progress float64 // 0..1
	Examples int64
	Problem  string
}

// Open reads the run's saved register, or starts a fresh one.
func Open(ctx context.Context, run fed.Run, ports Ports) (*Session, error) {
	saved, err := ports.Store.LoadGrid(ctx, run.ID)
	if err != nil {
		return nil, fmt.Errorf("open grid: %w", err)
	}
	if saved == nil {
		p := round.Fresh(round.Elect(byRank(run)))
		saved = &p
	}
	s := &Session{
		run: run, ports: ports, inputs: make(chan round.Input, 1024), updates: make(chan fed.Incoming, 256),
		outbox: map[fed.PartyID]chan outgoing{}, refs: map[fed.Digest]fed.BlobRef{}, fetching: map[fed.Digest]bool{}, absent: map[fed.PartyID]bool{},
		changed: make(chan struct{}), live: Live{State: "idle"}, wall: ports.Now().Round(0), held: saved.Hold.Held, mandate: saved.Mandate,
	}
	cfg := round.Config{
		Self: ports.Self, Stands: ports.Stands, Forgot: ports.Forgot, Timers: ports.Timers, Run: run.ID, Verify: ports.Verify,
		Sign: func(b fed.Ballot) fed.Signature { return ports.Sign(fed.BallotDomain, b.SigningBytes()) },
	}
	s.machine, err = round.New(cfg, *saved, ports.Draw, ports.Now())
	if err != nil {
		return nil, fmt.Errorf("open grid: %w", err)
	}
	return s, nil
}

func byRank(run fed.Run) []fed.PartyID {
	out := make([]fed.PartyID, len(run.Members))
	for _, m := range run.Members {
		out[m.Rank] = m.Party
	}
	return out
}

// Run owns the session until ctx ends, then says goodbye politely, and returns
// when all its goroutines have ended. The error is why the session failed, if it
// did: its record could not be saved.
func (s *Session) Run(ctx context.Context) error {
	wctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer s.work.Wait()
	defer s.posts.Wait()
	defer cancel()
	for _, m := range s.run.Members {
		if m.Party != s.ports.Self {
			box := make(chan outgoing, 64)
			s.outbox[m.Party] = box
			s.posts.Go(func() { s.post(wctx, m.Party, box) })
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var in round.Input
		select {
		case <-ctx.Done():
			s.endLead()
			if s.over.Load() {
				return nil // nobody has to take over a run that has ended
			}
			err := s.step(wctx, round.Leave{})
			s.flush()
			return err
		case in = <-s.inputs:
		case <-timer.C:
			in = round.Tick{}
			if s.slept() {
				in = round.Woke{}
			}
		}
		if err := s.step(wctx, in); err != nil {
			s.endLead()
			s.tell(Event{Kind: EventFailed, Text: err.Error()})
			return err
		}
		timer.Reset(max(s.machine.Next().Sub(s.ports.Now()), time.Millisecond))
	}
}

// slept reports whether the wall clock ran ahead of the monotonic one by more
// than the lease since the last tick.
func (s *Session) slept() bool {
	now := s.ports.Now()
	gap := now.Round(0).Sub(s.wall)
	s.wall = now.Round(0)
	return gap > s.ports.Timers.Lease+2*max(s.ports.Timers.Heartbeat, time.Second)+s.ports.Timers.RankStep
}

// flush gives the last messages a moment to leave. Nothing is sent after it.
func (s *Session) flush() {
	for _, ch := range s.outbox {
		close(ch)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.posts.Wait()
	}()
	timeout := time.NewTimer(time.Second)
	defer timeout.Stop()
	select {
	case <-done:
	case <-timeout.C: // Run ends them
	}
}

// step obeys the order of the register: save, then send, then tell.
func (s *Session) step(ctx context.Context, in round.Input) error {
	out := s.machine.Step(s.ports.Now(), in)
	if out.Save != nil {
		if err := s.ports.Store.SaveGrid(ctx, s.run.ID, *out.Save); err != nil {
			return fmt.Errorf("save grid: %w", err)
		}
	}
	for _, o := range out.Send {
		s.send(o)
	}
	for _, e := range out.Tell {
		s.note(ctx, e)
	}
	for _, d := range out.Fetch {
		s.fetch(ctx, d)
	}
	if out.Err != nil {
		s.ports.Log.Info("grid input refused", "run", s.run.ID, "reason", out.Err.Error())
	}
	return nil
}

// Over says that the run has ended: Run then ends without a goodbye, which would
// make the others elect a successor.
func (s *Session) Over() { s.over.Store(true) }

// note turns the register's events into work and telling.
func (s *Session) note(ctx context.Context, e round.Event) {
	switch e := e.(type) {
	case round.Led:
		s.led(ctx, e)
	case round.SteppedDown:
		s.endLead()
		s.leaderless(s.ports.Self, "")
		s.tell(Event{Kind: EventStopped, Text: "This computer no longer coordinates: " + e.Why.String() + "."})
	case round.Lost:
		s.tell(Event{Kind: EventLost, Text: fmt.Sprintf("%s stopped answering.", s.run.NameOf(e.Party))})
	case round.Stopped:
		text := fmt.Sprintf("Paused: %d of %d voters answer.", e.Answering, e.Voters)
		s.leaderless(s.State().Leader, text)
		s.tell(Event{Kind: EventStopped, Text: text})
	case round.Committed:
		s.commit(e.Checkpoint)
	case round.Open:
		s.open(ctx, e.Checkpoint, e.Coordinator)
	case round.Held:
		s.hold(e.Held)
	case round.Away:
		s.away(e)
		text := "%s left for now."
		if !e.Absent {
			text = "%s is back."
		}
		s.tell(Event{Kind: EventAway, Text: fmt.Sprintf(text, s.run.NameOf(e.Party))})
	case round.Refused:
		s.tell(Event{Kind: EventRefused, Text: e.Why})
	}
}

func (s *Session) tell(e Event) {
	e.Run = s.run.ID
	s.ports.Tell(e)
}

// State is a copy of what the session knows.
type State struct {
	Run       fed.Run
	Leader    fed.PartyID
	Term      uint64
	Explain   string
	Committed fed.Checkpoint
	Held      bool
	Mandate   fed.Mandate // of the newest term that is proven here
	Stopped   string      // why the run cannot go on now: too few voters answer
	Live      Live
}

// State returns what the session knows now.
func (s *Session) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{Run: s.run, Leader: s.leader, Term: s.term, Explain: s.explain, Committed: s.committed, Held: s.held, Mandate: s.mandate, Stopped: s.stopped, Live: s.live}
}
