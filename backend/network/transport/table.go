package transport

import (
	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/wire"
)

// dialledByMe reports who dialled, as the smaller and larger device see alike.
func (s *session) dialler(me fed.DeviceID) fed.DeviceID {
	if s.info.Dialled {
		return me
	}
	return s.device
}

// wins decides between a live session and a new one with the same party, so that
// both ends decide alike when both dialled at once: the one that the smaller device
// dialled stays. A peer that was started anew, or dials again, has lost the old one.
func (h *Host) wins(fresh, old *session) bool {
	me := h.o.Self.Device()
	switch {
	case fresh.device != old.device:
		return false // another computer of that organisation
	case fresh.instance != old.instance, fresh.dialler(me) == old.dialler(me):
		return true
	}
	return fresh.dialler(me) < old.dialler(me)
}

// enter makes s the session with its party; false if another one stays, which is
// then asked for a sign of life.
func (h *Host) enter(s *session) bool {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return false
	}
	old := h.sessions[s.party]
	if old != nil && !h.wins(s, old) {
		h.wg.Go(old.probe)
		h.mu.Unlock()
		return false
	}
	h.sessions[s.party] = s
	h.mu.Unlock()
	if old != nil {
		old.mu.Lock()
		old.replaced = true
		old.mu.Unlock()
		old.end(Duplicate, "replaced by a newer connection")
	}
	return true
}

// forget removes an ended session and tells it.
func (h *Host) forget(s *session) {
	h.mu.Lock()
	if h.sessions[s.party] == s {
		delete(h.sessions, s.party)
	}
	h.mu.Unlock()
	s.mu.Lock()
	replaced, reason, detail := s.replaced, s.reason, s.detail
	s.mu.Unlock()
	if !replaced {
		h.o.Log.Info("peer disconnected", "party", s.party.Short(), "reason", string(reason))
		h.o.OnEvent(Event{Kind: Disconnected, Session: s.snapshot(), Reason: reason, Detail: detail})
	}
}

// start tells that s is up and runs it on its own goroutine. The peer table is asked
// once more: the device may have been revoked while it said hello.
func (h *Host) start(s *session, m wire.Hello, st identity.Statement) error {
	if p, allowed := h.o.Peers.Lookup(s.device); !allowed || p != s.party {
		h.abandon(s)
		return errStranger(s.device)
	}
	h.spread(m.Revocations)
	h.o.Log.Info("peer connected", "party", s.party.Short(), "dialled", s.info.Dialled)
	h.o.OnEvent(Event{Kind: Connected, Session: s.snapshot(), Statement: st, Signed: identity.Signed(m.Statement), Addrs: m.Addrs})
	if !h.spawn(s.run) {
		s.end(Closed, "")
		h.forget(s)
		return errClosed()
	}
	return nil
}

// abandon removes a session that nobody was told of.
func (h *Host) abandon(s *session) {
	s.mu.Lock()
	s.replaced = true
	s.mu.Unlock()
	s.end(Closed, "")
	h.forget(s)
}

func errClosed() error {
	return fed.Errorf(fed.Unavailable, "", "the network of this app is closed")
}

func errStranger(d fed.DeviceID) error {
	return fed.Errorf(fed.Permission, "Pair with it first.", "device %s is not paired with this app", d.Short())
}
