package party

import (
	"context"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
)

type outgoing struct {
	msg round.Msg
	ref fed.BlobRef
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
