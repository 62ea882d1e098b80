package party

import (
	"context"
	"errors"
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
	stopped   string // why nobody leads, "" while somebody may
	job       *job
	live      Live
	stopLead  context.CancelFunc
	leadDone  chan struct{}
	absent    map[fed.PartyID]bool
}

type outgoing struct {
	msg round.Msg
	ref fed.BlobRef
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
		changed: make(chan struct{}), live: Live{State: "idle"}, wall: time.Now().Round(0),
	}
	s.machine, err = round.New(round.Config{Self: ports.Self, Stands: ports.Stands, Timers: ports.Timers}, *saved, ports.Draw, ports.Now())
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
	now := time.Now()
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

func (s *Session) send(o round.Outgoing) {
	ch, ok := s.outbox[o.To]
	if !ok {
		return
	}
	m := outgoing{msg: o.Msg}
	if r, ok := o.Msg.(round.Round); ok && r.Acc.Digest != "" {
		m.ref = s.ref(r.Acc.Digest)
	}
	select {
	case ch <- m:
	default: // a slow peer loses messages, as the register expects
	}
}

func (s *Session) post(ctx context.Context, to fed.PartyID, box <-chan outgoing) {
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-box:
			if !ok {
				return
			}
			if err := s.ports.Net.SendGrid(ctx, to, s.run.ID, m.msg, m.ref); err != nil && ctx.Err() == nil {
				s.ports.Log.Debug("grid message not sent", "run", s.run.ID, "to", to.Short(), "error", err.Error())
			}
		}
	}
}

func (s *Session) ref(d fed.Digest) fed.BlobRef {
	s.mu.Lock()
	r, ok := s.refs[d]
	s.mu.Unlock()
	if ok {
		return r
	}
	r, err := s.ports.Blobs.Ref(d)
	if err != nil {
		return fed.BlobRef{Digest: d}
	}
	s.mu.Lock()
	s.refs[d] = r
	s.mu.Unlock()
	return r
}

// Over says that the run has ended: Run then ends without a goodbye, which would
// make the others elect a successor.
func (s *Session) Over() { s.over.Store(true) }

// Deliver takes a message of another member's register. ref cites the blob of a
// Round's checkpoint.
func (s *Session) Deliver(from fed.PartyID, msg round.Msg, ref fed.BlobRef) error {
	if _, ok := s.run.Member(from); !ok {
		return fed.Errorf(fed.Permission, "", "party %s is not a member of this run", from.Short())
	}
	if r, ok := msg.(round.Round); ok && ref.Digest == r.Acc.Digest && ref.Digest != "" {
		s.mu.Lock()
		if len(s.refs) < 4096 {
			s.refs[ref.Digest] = ref
		}
		s.mu.Unlock()
	}
	return s.input(round.Received{From: from, Msg: msg})
}

// DeliverUpdate takes a member's update; it is for the coordinator only.
func (s *Session) DeliverUpdate(from fed.PartyID, u fed.Update) error {
	if _, ok := s.run.Member(from); !ok {
		return fed.Errorf(fed.Permission, "", "party %s is not a member of this run", from.Short())
	}
	select {
	case s.updates <- fed.Incoming{From: from, Update: u}:
		return nil
	default:
		return fed.Errorf(fed.Busy, "Send it again in a moment.", "the coordinator has too many updates waiting")
	}
}

func (s *Session) input(in round.Input) error {
	select {
	case s.inputs <- in:
		return nil
	default:
		return fed.Errorf(fed.Busy, "Try again in a moment.", "the grid is overloaded")
	}
}

// Pause stops this grid after the round that is under way, by a person's act.
func (s *Session) Pause() error { return s.input(round.Pause{}) }

// Resume lets a paused grid go on.
func (s *Session) Resume() error { return s.input(round.Resume{}) }

// TakeOver lets this party stand for coordinator at once.
func (s *Session) TakeOver() error { return s.input(round.TakeOver{}) }

// Return says that this party is back after its app was closed.
func (s *Session) Return() {
	if err := s.input(round.Return{}); err != nil {
		s.ports.Log.Warn("return not told", "run", s.run.ID)
	}
}

// fetch gets the blob of a checkpoint from the coordinator.
func (s *Session) fetch(ctx context.Context, d fed.Digest) {
	from := s.machine.Coordinator()
	s.mu.Lock()
	ref, known := s.refs[d]
	busy := s.fetching[d]
	if known && !busy {
		s.fetching[d] = true
	}
	s.mu.Unlock()
	if !known || busy || from == "" {
		return
	}
	s.setLive(Live{State: "download"})
	s.work.Go(func() {
		err := s.get(ctx, from, ref)
		s.mu.Lock()
		delete(s.fetching, d)
		s.mu.Unlock()
		if err != nil {
			if ctx.Err() == nil {
				s.ports.Log.Warn("checkpoint not fetched", "run", s.run.ID, "error", err.Error())
			}
			return
		}
		select {
		case s.inputs <- round.Stored{Digest: d}:
		case <-ctx.Done():
		}
	})
}

func (s *Session) get(ctx context.Context, from fed.PartyID, ref fed.BlobRef) error {
	if s.ports.Blobs.Has(ref.Digest) {
		return nil
	}
	if from == s.ports.Self {
		return fed.Errorf(fed.NotFound, "", "checkpoint %s is not here", ref.Digest.Short())
	}
	return s.ports.Net.Fetch(ctx, from, ref)
}

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

func (s *Session) led(ctx context.Context, e round.Led) {
	s.mu.Lock()
	s.leader, s.term, s.stopped = e.Party, e.Term, ""
	rank, n := 0, len(s.run.Members)
	if m, ok := s.run.Member(e.Party); ok {
		rank = m.Rank + 1
	}
	s.explain = fmt.Sprintf("%s coordinates: rank %d of %d, chosen by a majority in term %d.", s.run.NameOf(e.Party), rank, n, e.Term)
	text := s.explain
	s.wakeLocked()
	s.mu.Unlock()
	s.endLead()
	s.tell(Event{Kind: EventLed, Text: text})
	if e.Party != s.ports.Self {
		return
	}
	lctx, cancel := context.WithCancel(ctx)
	acc := s.machine.Persistent().Acc
	done := make(chan struct{})
	s.mu.Lock()
	before := s.leadDone
	s.stopLead, s.leadDone = cancel, done
	s.mu.Unlock()
	s.work.Go(func() {
		defer close(done)
		defer cancel()
		if before != nil {
			<-before // one reign at a time takes updates
		}
		s.ports.Lead(lctx, s, acc)
	})
}

// leaderless notes that p leads no longer; why is shown until somebody does.
func (s *Session) leaderless(p fed.PartyID, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leader == p {
		s.leader = ""
	}
	s.stopped = why
}

func (s *Session) endLead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopLead != nil {
		s.stopLead()
	}
	s.stopLead = nil
}

func (s *Session) away(e round.Away) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.absent[e.Party] = e.Absent
	if e.Absent && s.leader == e.Party {
		s.leader = ""
	}
	s.wakeLocked()
}

// Absent reports whether a member left politely and is not back.
func (s *Session) Absent(p fed.PartyID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.absent[p]
}

func (s *Session) commit(c fed.Checkpoint) {
	s.mu.Lock()
	s.committed = c
	s.wakeLocked()
	s.mu.Unlock()
	s.tell(Event{Kind: EventCommitted, Checkpoint: c, Text: fmt.Sprintf("Round %d is committed.", c.Round)})
}

func (s *Session) hold(held bool) {
	s.mu.Lock()
	s.held = held
	s.wakeLocked()
	s.mu.Unlock()
	text := "Resumed."
	if held {
		text = "Paused by a person."
	}
	s.tell(Event{Kind: EventHeld, Text: text})
}

func (s *Session) wakeLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
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
	Stopped   string // why the run cannot go on now: too few voters answer
	Live      Live
}

// State returns what the session knows now.
func (s *Session) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{Run: s.run, Leader: s.leader, Term: s.term, Explain: s.explain, Committed: s.committed, Held: s.held, Stopped: s.stopped, Live: s.live}
}

// Updates delivers what members send while this party coordinates.
func (s *Session) Updates() <-chan fed.Incoming { return s.updates }

// Self returns this party.
func (s *Session) Self() fed.PartyID { return s.ports.Self }

// ErrDeposed says that the reign ended before the checkpoint was committed.
var ErrDeposed = errors.New("party: no longer coordinator")

// Commit proposes a checkpoint whose blob is stored here and waits until a
// majority holds it.
func (s *Session) Commit(ctx context.Context, c fed.Checkpoint) error {
	select {
	case s.inputs <- round.Propose{Checkpoint: c}:
	case <-ctx.Done():
		return ErrDeposed
	}
	return s.await(ctx, func() bool { return s.committed.Digest == c.Digest && s.committed.Round == c.Round })
}

// Ready waits until whatever this coordinator inherited is committed under it, in
// its own term, and nobody holds the run, and returns it; a zero checkpoint starts
// from nothing.
func (s *Session) Ready(ctx context.Context, acc fed.Checkpoint) (fed.Checkpoint, error) {
	err := s.await(ctx, func() bool { return !s.held && (acc.Digest == "" || !acc.Newer(s.committed)) })
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.committed, err
}

// Unheld waits until no person holds the run.
func (s *Session) Unheld(ctx context.Context) error {
	return s.await(ctx, func() bool { return !s.held })
}

func (s *Session) await(ctx context.Context, done func() bool) error {
	for {
		s.mu.Lock()
		ok, ch := done(), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return ErrDeposed
		}
	}
}
