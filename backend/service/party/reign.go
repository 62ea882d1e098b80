package party

import (
	"context"
	"errors"
	"fmt"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
)

func (s *Session) led(ctx context.Context, e round.Led) {
	s.mu.Lock()
	s.leader, s.term, s.stopped = e.Party, e.Term, ""
	s.mandate = s.machine.Persistent().Mandate
	rank, n := 0, len(s.run.Members)
	if m, ok := s.run.Member(e.Party); ok {
		rank = m.Rank + 1
	}
	s.explain = fmt.Sprintf("%s coordinates: number %d of %d on the list of parties, elected by a majority (election %d).", s.run.NameOf(e.Party), rank, n, e.Term)
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
			s.mu.Lock()
			defer s.mu.Unlock()
			if done() { // what came true in the same moment is true
				return nil
			}
			return ErrDeposed
		}
	}
}
