package party

import (
	"context"
	"errors"
	"fmt"
	"time"

	"synergos.app/desktop/backend/fed"
)

// job is the local work on one checkpoint.
type job struct {
	base   fed.Digest
	cancel context.CancelFunc // ends all of it
	stop   context.CancelFunc // ends the delivery only
	done   chan struct{}
}

// open starts the local work on a checkpoint, or sends again what was saved for it.
// A checkpoint that is open is committed, under its coordinator's term.
func (s *Session) open(ctx context.Context, c fed.Checkpoint, coordinator fed.PartyID) {
	s.mu.Lock()
	s.committed = c
	old := s.job
	s.wakeLocked()
	s.mu.Unlock()
	if old != nil {
		old.stop() // its coordinator may be gone; what it finishes goes to the new one
		if old.base != c.Digest {
			old.cancel()
		}
	}
	if c.Round >= s.run.Config.Rounds {
		s.setLive(Live{State: "idle"})
		return
	}
	s.begin(ctx, old, c, coordinator)
}

// begin starts a job that goes on where old, of the same or an earlier checkpoint,
// ends.
func (s *Session) begin(ctx context.Context, old *job, c fed.Checkpoint, coordinator fed.PartyID) {
	jctx, cancel := context.WithCancel(ctx)
	dctx, stop := context.WithCancel(jctx)
	j := &job{base: c.Digest, cancel: cancel, stop: stop, done: make(chan struct{})}
	if old != nil && old.base == c.Digest {
		j.cancel = func() { cancel(); old.cancel() }
	}
	s.mu.Lock()
	s.job = j
	s.mu.Unlock()
	s.work.Go(func() {
		defer close(j.done)
		defer cancel()
		defer stop()
		if old != nil {
			<-old.done // the same work ends and is then sent to the new coordinator
		}
		if jctx.Err() == nil {
			s.serve(jctx, dctx, c, coordinator)
		}
	})
}

// serve trains until ctx ends and delivers until dctx does.
func (s *Session) serve(ctx, dctx context.Context, c fed.Checkpoint, coordinator fed.PartyID) {
	u, err := s.update(ctx, c)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		s.ports.Log.Warn("local training failed", "run", s.run.ID, "round", c.Round+1, "error", err.Error())
		s.setLive(Live{State: "idle", Round: c.Round + 1, Problem: err.Error()})
		u = &fed.Update{Run: s.run.ID, Round: c.Round + 1, Base: c.Digest, Problem: Sentence(err)}
	}
	u.Term = c.Term
	s.setLive(Live{State: "upload", Round: c.Round + 1, Progress: 1, Examples: u.Examples})
	s.deliver(dctx, coordinator, *u)
	s.setLive(Live{State: "idle", Round: c.Round + 1, Progress: 1, Examples: u.Examples})
}

// Sentence says to the other members why this party sends no update.
func Sentence(err error) string {
	var e *fed.Error
	if errors.As(err, &e) {
		return e.Text
	}
	return "training failed on its computer"
}

// deliver hands the update to the coordinator, again and again until it is taken:
// the coordinator knows repeated ones by (round, base).
func (s *Session) deliver(ctx context.Context, to fed.PartyID, u fed.Update) {
	wait := max(s.ports.Timers.Heartbeat/4, 5*time.Millisecond)
	for ctx.Err() == nil {
		var err error
		if to == s.ports.Self {
			err = s.DeliverUpdate(to, u)
		} else {
			err = s.ports.Net.SendUpdate(ctx, to, u)
		}
		if err == nil || fed.KindOf(err) == fed.Permission || fed.KindOf(err) == fed.Invalid {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, s.ports.Timers.Lease)
	}
}

// update returns the saved update for a checkpoint, or trains and saves one. There is
// one of each round: what is committed is final, so that who has a party train round n
// from two params is not asking for the run that was agreed.
func (s *Session) update(ctx context.Context, c fed.Checkpoint) (*fed.Update, error) {
	n := c.Round + 1
	saved, err := s.ports.Store.LoadUpdate(ctx, s.run.ID, n)
	switch {
	case err != nil:
		return nil, fmt.Errorf("load update: %w", err)
	case saved == nil:
	case saved.Base != c.Digest:
		return nil, fed.Errorf(fed.Permission, "Leave the run: its coordinator does not follow the rules.", "this party has trained round %d already, from other params", n)
	case s.ports.Blobs.Has(saved.Blob.Digest):
		return saved, nil
	}
	params, err := s.ports.Blobs.Get(ctx, c.Digest)
	if err != nil {
		return nil, fmt.Errorf("load checkpoint: %w", err)
	}
	s.setLive(Live{State: "train", Round: n})
	t, err := s.ports.Trainer.Train(ctx, s.run, params, n, func(done, total int) {
		s.setLive(Live{State: "train", Round: n, Progress: float64(done) / float64(max(total, 1))})
	})
	if err != nil {
		return nil, err
	}
	ref, err := s.ports.Blobs.PutBytes(ctx, t.Delta)
	if err != nil {
		return nil, fmt.Errorf("keep update: %w", err)
	}
	u := fed.Update{Run: s.run.ID, Round: n, Base: c.Digest, Blob: ref, Examples: t.Examples, Loss: fed.Number(t.Loss), Valid: t.Valid}
	if u, err = u.Plain(); err != nil {
		return nil, fmt.Errorf("round %d: %w", n, err)
	}
	u.Claim = s.ports.Sign(fed.ClaimDomain, u.Claimed().SigningBytes())
	if err := s.ports.Store.SaveUpdate(ctx, u); err != nil {
		return nil, fmt.Errorf("save update: %w", err)
	}
	return &u, nil
}

func (s *Session) setLive(l Live) {
	s.mu.Lock()
	same := s.live.State == l.State && s.live.Round == l.Round && l.Progress-s.live.Progress < 0.05 && l.Progress >= s.live.Progress
	if !same {
		s.live = l
	}
	s.mu.Unlock()
	if !same {
		s.tell(Event{Kind: EventWork})
	}
}
