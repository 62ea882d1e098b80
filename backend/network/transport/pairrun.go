package transport

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/wire"
)

// errSaidNo and errExpired end a pairing without anybody's fault.
var (
	errSaidNo  = fed.Errorf(fed.Permission, "Start again if this was a mistake.", "the pairing was refused")
	errExpired = fed.Errorf(fed.Timeout, "Start the pairing again.", "nobody decided in time")
)

// servePair takes a stranger's request, the only thing that it can ask for. What
// has been asked too often is turned away before the upgrade.
func (h *Host) servePair(w http.ResponseWriter, r *http.Request, who Session) {
	ip, at := source(who.Addr), h.o.Clock()
	h.mu.Lock()
	full := h.crowdedLocked(who.Addr, true)
	h.mu.Unlock()
	if full || h.wrong.full(ip, at) {
		h.turnAway(w, http.StatusTooManyRequests, PairLimited, who)
		return
	}
	who.Party = "" // until the pairing is done, the ledger names no party
	if l := h.upgrade(w, r, wire.OnPair, who); l != nil && !h.spawn(func() { h.pairWith(l, who) }) {
		l.close()
	}
}

// pairWith reads the opening, judges it and runs the rest.
func (h *Host) pairWith(l *link, who Session) {
	stop := context.AfterFunc(h.ctx, l.close)
	defer stop()
	p, m, reason, err := h.opening(l, who)
	if err != nil {
		h.refuse(reason, who, err.Error())
		_ = l.sayError(h.ctx, 0, wire.KindPairOpen, err) // it may not listen any more
		l.linger()
		return
	}
	p.run(func() error { return p.respond(m) })
}

func (h *Host) opening(l *link, who Session) (*Pairing, wire.PairOpen, Reason, error) {
	fail := func(r Reason, err error) (*Pairing, wire.PairOpen, Reason, error) {
		return nil, wire.PairOpen{}, r, err
	}
	e, err := l.read(h.o.Timers.Hello)
	if err != nil {
		return fail(PairMalformed, err)
	}
	m, ok := e.Msg.(wire.PairOpen)
	if !ok {
		return fail(PairMalformed, errPairStep(e.Msg))
	}
	p, err := h.newPairing(l, m.Mode, who.Addr, true)
	if err != nil {
		return fail(PairMalformed, err)
	}
	if err := p.meet(m.Statement, m.Addrs); err != nil {
		return fail(BadStatement, err)
	}
	if m.Mode == wire.ModeInvite {
		err = p.checkInvite(m, source(who.Addr))
		if err != nil {
			return fail(PairProof, err)
		}
	} else if !h.asked.take(source(who.Addr), h.o.Clock()) {
		return fail(PairLimited, errTooOften())
	}
	if !h.admit(p) {
		return fail(PairLimited, errTooOften())
	}
	return p, m, "", nil
}

func errTooOften() error {
	return fed.Errorf(fed.Busy, "Wait some minutes and try again.", "too many pairing requests")
}

func errPairStep(m wire.Message) error {
	return fed.Errorf(fed.Invalid, "Update the app on both sides.", "%s is out of place in a pairing", m.Kind())
}

// meet verifies that the statement is about the device that TLS proved.
func (p *Pairing) meet(s wire.Signed, addrs []string) error {
	st, err := identity.VerifyStatement(identity.Signed(s), p.h.o.Clock())
	if err != nil {
		return err
	}
	if st.Device != p.device || st.Party == p.h.Self() {
		return fed.Errorf(fed.Permission, "Do not pair with it.", "the other side shows the statement of another device")
	}
	p.peer, p.signed = st, identity.Signed(s)
	for _, a := range addrs {
		if identity.ValidAddr(a) && len(p.addrs) < wire.MaxAddrs {
			p.addrs = append(p.addrs, a)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.view.Party, p.view.Name = st.Party, st.Name
	return nil
}

// checkInvite judges secret and proof; every wrong one counts against the address
// and, if the invite exists, against the invite.
func (p *Pairing) checkInvite(m wire.PairOpen, ip string) error {
	bad := fed.Errorf(fed.Permission, "Ask for a new invite link.", "this invite is unknown, used, expired or was tried too often")
	hash := fed.DigestOf(m.Secret)
	if p.h.o.Invites == nil {
		return bad
	}
	v, err := p.h.o.Invites.Get(hash)
	if err != nil {
		p.h.wrong.take(ip, p.h.o.Clock())
		return bad
	}
	usable := v.UsedBy == "" && v.Tries < p.h.o.Limits.InviteTries && !p.h.o.Clock().After(v.Expires)
	if usable && identity.CheckProof(m.Proof, m.Secret, p.binder, p.device, p.h.o.Self.Device()) {
		p.invite = hash
		p.mu.Lock()
		p.view.Federation = v.Federation
		p.mu.Unlock()
		return nil
	}
	p.h.wrong.take(ip, p.h.o.Clock())
	return errors.Join(bad, p.h.o.Invites.Fail(hash))
}

// run plays one side and brings the pairing to its end.
func (p *Pairing) run(play func() error) {
	stop := context.AfterFunc(p.h.ctx, p.link.close)
	err := play()
	stop()
	p.h.dismiss(p)
	state := PairDone
	switch {
	case errors.Is(err, errSaidNo):
		state = PairRefused
	case errors.Is(err, errExpired):
		state = PairExpired
	case err != nil:
		state = PairFailed
	}
	p.change(func(v *PairingView) { v.State, v.Err = state, err })
	close(p.done)
	if p.last.Load() {
		p.link.linger()
	}
	p.link.close()
}

// goodbye is how long the other side has to close first.
const goodbye = 2 * time.Second

// linger lets the last words arrive: it waits a moment for the other side to close.
func (l *link) linger() {
	for range 8 {
		if _, err := l.read(goodbye); err != nil {
			break
		}
	}
	l.close()
}

// initiate is the side that dialled; nonce is nil for an invite.
func (p *Pairing) initiate(nonce []byte) error {
	m, err := p.hear(p.h.o.Timers.Hello)
	if err != nil {
		return err
	}
	a, ok := m.(wire.PairAnswer)
	if !ok || (nonce == nil) != (len(a.Nonce) == 0) {
		return errPairStep(m)
	}
	if err := p.meet(a.Statement, a.Addrs); err != nil {
		return err
	}
	if nonce == nil {
		p.change(func(v *PairingView) { v.State, v.Confirmed = PairConfirmed, true })
		p.decide <- true // the link was this side's decision
		return p.agree()
	}
	if err := p.say(wire.PairReveal{Nonce: nonce}); err != nil {
		return err
	}
	return p.compare(identity.Exchange{
		Exporter: p.binder, Initiator: p.h.o.Self.Device(), Responder: p.device, InitiatorNonce: nonce, ResponderNonce: a.Nonce,
	})
}

// respond is the side that was dialled.
func (p *Pairing) respond(open wire.PairOpen) error {
	a := wire.PairAnswer{Statement: wire.Signed(p.h.o.Statement()), Addrs: p.h.Addrs()}
	if open.Mode == wire.ModeInvite {
		p.h.o.OnPairing(p)
		if err := p.say(a); err != nil {
			return err
		}
		return p.agree()
	}
	a.Nonce = identity.Nonce()
	if err := p.say(a); err != nil {
		return err
	}
	m, err := p.hear(p.h.o.Timers.Hello)
	if err != nil {
		return err
	}
	r, ok := m.(wire.PairReveal)
	if !ok {
		return errPairStep(m)
	}
	if !identity.Opens(open.Commit, r.Nonce) {
		p.h.refuse(PairProof, Session{Device: p.device}, "commitment")
		return fed.Errorf(fed.Permission, "Do not pair on this network: somebody may be in the middle.", "the other side did not keep to its commitment")
	}
	return p.compare(identity.Exchange{
		Exporter: p.binder, Initiator: p.device, Responder: p.h.o.Self.Device(), InitiatorNonce: r.Nonce, ResponderNonce: a.Nonce,
	})
}

func (p *Pairing) compare(e identity.Exchange) error {
	p.change(func(v *PairingView) { v.State, v.Code = PairCompare, e.Code() })
	return p.agree()
}

// agree waits for both decisions. The side that says yes last saves first, so that
// the other one finds itself known when it hears the yes.
func (p *Pairing) agree() error {
	ctx, cancel := context.WithTimeout(p.h.ctx, p.h.o.Timers.Pair)
	defer cancel()
	heard := make(chan error, 1)
	var reader sync.WaitGroup
	reader.Go(func() { heard <- p.hearConfirm() })
	defer reader.Wait()
	defer func() { p.link.ws.SetReadDeadline(now().Add(goodbye)) }()
	mine, theirs := false, false
	for {
		select {
		case <-ctx.Done():
			return errExpired
		case err := <-heard:
			if err != nil {
				return err
			}
			if mine {
				return p.save()
			}
			theirs = true
		case yes := <-p.decide:
			if !yes {
				return errors.Join(errSaidNo, p.say(wire.PairConfirm{Same: false}))
			}
			mine = true
			p.change(func(v *PairingView) { v.State, v.Confirmed = PairConfirmed, true })
			if theirs {
				if err := p.save(); err != nil {
					return errors.Join(err, p.say(wire.PairConfirm{Same: false}))
				}
				return p.say(wire.PairConfirm{Same: true})
			}
			if err := p.say(wire.PairConfirm{Same: true}); err != nil {
				return err
			}
		}
	}
}

// save spends the invite and keeps the other side.
func (p *Pairing) save() error {
	if p.invite != "" {
		if err := p.h.o.Invites.Use(p.invite, p.device); err != nil {
			return err
		}
	}
	if p.h.o.OnPaired == nil {
		return nil
	}
	v := p.View()
	return p.h.o.OnPaired(Paired{
		Party: p.peer.Party, Device: p.device, Statement: p.peer, Signed: p.signed, Addrs: slices.Compact(p.addrs),
		Mode: v.Mode, Incoming: v.Incoming, Invite: p.invite,
	})
}

// hearConfirm waits for the other person.
func (p *Pairing) hearConfirm() error {
	m, err := p.hear(p.h.o.Timers.Pair + goodbye) // agree gives up first
	if err != nil {
		return err
	}
	c, ok := m.(wire.PairConfirm)
	switch {
	case !ok:
		return errPairStep(m)
	case !c.Same:
		return errSaidNo
	}
	return nil
}

// hear returns the next message of the other side; its refusal is an error.
func (p *Pairing) hear(wait time.Duration) (wire.Message, error) {
	e, err := p.link.read(wait)
	p.last.Store(false)
	if err != nil {
		if reason := reasonOf(err); reason == Oversized || reason == Malformed {
			p.h.refuse(PairMalformed, Session{Device: p.device}, err.Error())
		}
		return nil, p.h.noAnswer(err)
	}
	if m, ok := e.Msg.(wire.Error); ok {
		return nil, Remote(m)
	}
	return e.Msg, nil
}

func (p *Pairing) say(m wire.Message) error {
	p.last.Store(true)
	return p.link.say(p.h.ctx, wire.Envelope{Msg: m}, "")
}
