package transport

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire"
)

// request sends m and waits for the message that answers it.
func (s *session) request(ctx context.Context, m wire.Message) (wire.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, s.h.o.Timers.Request)
	defer cancel()
	id, ch, err := s.expect()
	if err != nil {
		return nil, err
	}
	defer s.unexpect(id)
	if err := s.send(ctx, wire.Envelope{ID: id, About: Subject(m), Msg: m}); err != nil {
		return nil, err
	}
	select {
	case r := <-ch:
		if e, ok := r.(wire.Error); ok {
			return nil, Remote(e)
		}
		return r, nil
	case <-s.ctx.Done():
		return nil, s.gone()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the answer of party %s to %s: %w", s.party.Short(), m.Kind(), ctx.Err())
	}
}

func (s *session) expect() (uint64, chan wire.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) >= maxWaiting {
		return 0, nil, fed.Errorf(fed.Busy, "Try again in a moment.", "too many questions to party %s are open", s.party.Short())
	}
	s.nextID++
	ch := make(chan wire.Message, 1)
	s.waiting[s.nextID] = ch
	return s.nextID, ch, nil
}

func (s *session) unexpect(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, id)
}

// answered hands an answer to who waits for it; one that comes too late is
// dropped.
func (s *session) answered(e wire.Envelope) {
	s.mu.Lock()
	ch := s.waiting[e.Re]
	delete(s.waiting, e.Re)
	s.mu.Unlock()
	if ch != nil {
		ch <- e.Msg
	}
}

// ask handles a request beside others, up to a limit.
func (s *session) ask(wg *sync.WaitGroup, e wire.Envelope) {
	select {
	case s.places <- struct{}{}:
	default:
		s.h.refuse(TooManyAsked, s.info, string(e.Msg.Kind()))
		s.answerError(e, e.Msg.Kind(), fed.Errorf(fed.Busy, "Try again in a moment.", "too many requests at once"))
		return
	}
	wg.Go(func() {
		defer func() { <-s.places }()
		s.handleOne(e)
	})
}

// handleOne calls the handler and sends what it says. Errors are never answered,
// so that two programs cannot quarrel forever.
func (s *session) handleOne(e wire.Envelope) {
	kind := e.Msg.Kind()
	var reply wire.Message
	err := s.permitted(e.Msg)
	if err == nil {
		reply, err = s.h.handle(s.ctx, s.party, e.Msg)
	}
	switch {
	case kind == wire.KindError || s.ctx.Err() != nil:
	case err != nil:
		s.answerError(e, kind, err)
	case reply != nil:
		about := Subject(reply)
		if about == "" {
			about = e.About
		}
		s.reply(wire.Envelope{Re: e.ID, About: about, Msg: reply})
	case e.ID != 0:
		s.answerError(e, kind, fed.Errorf(fed.Invalid, "", "message %s has no answer", kind))
	}
}

func (s *session) permitted(m wire.Message) error {
	if err := Permitted(s.h.o.Permit, s.h.o.Queries, s.party, m); err != nil {
		s.h.refuse(NotPermitted, s.info, string(m.Kind()))
		return err
	}
	return nil
}

// Permitted checks the role of a party (permit nil allows all) and the list of
// queries. It returns fed.Permission.
func Permitted(permit func(fed.PartyID, wire.Kind) bool, queries []string, from fed.PartyID, m wire.Message) error {
	if permit != nil && !permit(from, m.Kind()) {
		return fed.Errorf(fed.Permission, "Ask the admin of the federation for a role that allows it.", "message %s is not allowed in this role", m.Kind())
	}
	q, ok := m.(wire.Query)
	if !ok {
		return nil
	}
	if slices.Contains(queries, q.Name) {
		return nil
	}
	return fed.Errorf(fed.Permission, "Update the app on both sides.", "the question %q is not answered here", q.Name)
}

func (s *session) answerError(e wire.Envelope, kind wire.Kind, err error) {
	s.reply(wire.Envelope{Re: e.ID, About: e.About, Msg: ErrorMessage(kind, err)})
}

// reply sends what the peer waits for; if that fails the session has ended or
// ends, except for a reply out of bounds, of which the log tells.
func (s *session) reply(e wire.Envelope) {
	err := s.send(s.ctx, e)
	if err == nil || s.ctx.Err() != nil {
		return
	}
	s.h.o.Log.Warn("answer not sent", "kind", string(e.Msg.Kind()), "error", err.Error())
	if _, ok := e.Msg.(wire.Error); !ok && e.Re != 0 {
		s.reply(wire.Envelope{Re: e.Re, Msg: ErrorMessage(e.Msg.Kind(), fed.Errorf(fed.KindOf(err), "", "the answer could not be sent"))})
	}
}
