package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/wire"
)

// PairState is how far a pairing is.
type PairState string

// The states: waiting for the other side's part of the protocol or, for an invite,
// for this side's approval; comparing codes; this side said yes; and the ends.
const (
	PairWaiting   PairState = "waiting"
	PairCompare   PairState = "compare"
	PairConfirmed PairState = "confirmed"
	PairDone      PairState = "done"
	PairRefused   PairState = "refused"
	PairFailed    PairState = "failed"
	PairExpired   PairState = "expired"
)

// Ended reports whether nothing more will happen.
func (s PairState) Ended() bool {
	return s == PairDone || s == PairRefused || s == PairFailed || s == PairExpired
}

// PairingView is what a person sees of a pairing. Name, Party and Device are proven
// to belong together, but only the code or the invite proves who they are.
type PairingView struct {
	ID          string
	Mode        string // wire.ModeInvite or wire.ModeCode
	Incoming    bool
	State       PairState
	Code        string // six digits; "" for an invite
	Device      fed.DeviceID
	Party       fed.PartyID
	Name        string
	Fingerprint string // of the device, in groups of four
	Addr        string
	Federation  string
	Confirmed   bool // by this side
	At          time.Time
	Err         error
}

// Paired is the other side after both agreed.
type Paired struct {
	Party     fed.PartyID
	Device    fed.DeviceID
	Statement identity.Statement
	Signed    identity.Signed
	Addrs     []string // as the other side claims, the one that worked first
	Mode      string
	Incoming  bool
	Invite    fed.Digest // hash of the secret, "" without an invite
}

// Pairing is one attempt of two people to pair their apps. It is safe for
// concurrent use.
type Pairing struct {
	h      *Host
	link   *link
	device fed.DeviceID
	binder []byte // TLS exporter
	signed identity.Signed
	peer   identity.Statement
	addrs  []string
	invite fed.Digest
	decide chan bool
	done   chan struct{}
	last   atomic.Bool // this side spoke last, so the other one closes first

	mu   sync.Mutex // guards what follows
	view PairingView
}

func (h *Host) newPairing(l *link, mode, addr string, incoming bool) (*Pairing, error) {
	t, ok := l.ws.NetConn().(*tls.Conn)
	if !ok {
		return nil, fmt.Errorf("pairing without TLS")
	}
	binder, err := identity.Exporter(t.ConnectionState())
	if err != nil {
		return nil, err
	}
	p := &Pairing{h: h, link: l, device: l.device, binder: binder, decide: make(chan bool, 1), done: make(chan struct{})}
	p.view = PairingView{
		ID: randomID(), Mode: mode, Incoming: incoming, State: PairWaiting, Device: l.device,
		Fingerprint: fed.Fingerprint(string(l.device)), Addr: addr, At: h.o.Clock(),
	}
	return p, nil
}

// View returns what to show now.
func (p *Pairing) View() PairingView {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.view
}

// Confirm tells this side's decision: the code is the same, or the invited party is
// approved. Only the first call counts; it returns fed.Invalid while there is
// nothing to decide.
func (p *Pairing) Confirm(yes bool) error {
	v := p.View()
	ready := v.State == PairCompare || v.State == PairWaiting && v.Mode == wire.ModeInvite && v.Incoming
	if yes && !ready {
		return fed.Errorf(fed.Invalid, "Wait for the code.", "there is nothing to confirm in this pairing now")
	}
	select {
	case p.decide <- yes:
	default:
	}
	return nil
}

// Wait returns nil when both sides agreed, else why not.
func (p *Pairing) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.View().Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// change alters the view and tells it.
func (p *Pairing) change(f func(*PairingView)) {
	p.mu.Lock()
	f(&p.view)
	p.mu.Unlock()
	p.h.o.OnPairing(p)
}

// Pairings returns the attempts under way, oldest first.
func (h *Host) Pairings() []*Pairing {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]*Pairing, 0, len(h.pairings))
	for _, p := range h.pairings {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *Pairing) int { return a.View().At.Compare(b.View().At) })
	return out
}

// crowdedLocked reports whether too many pairings wait for one more of an address:
// in all, or of those that came from there.
func (h *Host) crowdedLocked(addr string, incoming bool) bool {
	from, n := source(addr), 0
	for _, p := range h.pairings {
		if v := p.View(); v.Incoming && source(v.Addr) == from {
			n++
		}
	}
	return len(h.pairings) >= h.o.Limits.PairPending || incoming && n >= h.o.Limits.PairFrom
}

// admit adds p unless too many wait.
func (h *Host) admit(p *Pairing) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.crowdedLocked(p.view.Addr, p.view.Incoming) {
		return false
	}
	h.pairings[p.view.ID] = p
	return true
}

func (h *Host) dismiss(p *Pairing) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.pairings, p.view.ID)
}

// NewInvite makes an invite link for one party, valid for 72 hours. Only the hash
// of its secret is kept.
func (h *Host) NewInvite(federation string) (identity.Invite, error) {
	if h.o.Invites == nil {
		return identity.Invite{}, fed.Errorf(fed.Unavailable, "", "this app makes no invites")
	}
	addrs := h.Addrs()
	if len(addrs) == 0 {
		return identity.Invite{}, fed.Errorf(fed.Unavailable, "Connect to a network first.", "this app listens on no address that an invite could name")
	}
	v := identity.NewInvite(h.o.Self.Device(), addrs, federation, h.o.Clock().Add(h.o.Timers.Invite))
	if _, err := identity.ParseInvite(v.Link()); err != nil {
		return identity.Invite{}, fmt.Errorf("make an invite: %w", err)
	}
	if err := h.o.Invites.Add(Invitation{Hash: v.Hash(), Federation: federation, Expires: v.Expires}); err != nil {
		return identity.Invite{}, fmt.Errorf("keep an invite: %w", err)
	}
	return v, nil
}

// PairByInvite uses a link: it dials the inviter, whose key the link pins, proves
// the secret and returns; the pairing is done when the inviter has approved.
func (h *Host) PairByInvite(ctx context.Context, link string) (*Pairing, error) {
	v, err := identity.ParseInvite(link)
	if err != nil {
		return nil, err
	}
	if h.o.Clock().After(v.Expires) {
		return nil, fed.Errorf(fed.Permission, "Ask for a new invite link.", "the invite ended on %s", v.Expires.Format(time.RFC1123))
	}
	return h.openPairing(ctx, only(v.Inviter), v.Addrs, wire.ModeInvite, func(p *Pairing) (wire.PairOpen, []byte) {
		p.view.Federation = v.Federation
		proof := identity.Proof(v.Secret, p.binder, h.o.Self.Device(), v.Inviter)
		return wire.PairOpen{Mode: wire.ModeInvite, Secret: v.Secret, Proof: proof}, nil
	})
}

// StartSAS asks whoever answers at one of addrs to compare six-digit codes. The
// pairing shows the code as soon as its state is PairCompare.
func (h *Host) StartSAS(ctx context.Context, addrs ...string) (*Pairing, error) {
	stranger := func(d fed.DeviceID) bool {
		party, allowed := h.o.Peers.Lookup(d)
		return d != h.o.Self.Device() && (allowed || party == "")
	}
	return h.openPairing(ctx, stranger, addrs, wire.ModeCode, func(*Pairing) (wire.PairOpen, []byte) {
		nonce := identity.Nonce()
		return wire.PairOpen{Mode: wire.ModeCode, Commit: identity.Commit(nonce)}, nonce
	})
}

// openPairing dials, sends the opening and leaves the rest to a goroutine.
func (h *Host) openPairing(ctx context.Context, allow func(fed.DeviceID) bool, addrs []string, mode string, open func(*Pairing) (wire.PairOpen, []byte)) (*Pairing, error) {
	ctx, cancel := context.WithTimeout(ctx, h.o.Timers.Dial+h.o.Timers.Hello)
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)()
	l, addr, err := h.dial(ctx, allow, addrs, pathPair, nil)
	if err != nil {
		return nil, err
	}
	p, err := h.newPairing(l, mode, addr, false)
	if err != nil {
		l.close()
		return nil, err
	}
	p.addrs = []string{addr}
	m, nonce := open(p)
	m.Statement, m.Addrs = wire.Signed(h.o.Statement()), h.Addrs()
	if !h.admit(p) {
		l.close()
		return nil, fed.Errorf(fed.Busy, "Finish or refuse the pairings that are waiting.", "too many pairings are under way")
	}
	if err := l.say(ctx, wire.Envelope{Msg: m}, ""); err != nil {
		h.dismiss(p)
		l.close()
		return nil, h.noAnswer(err)
	}
	p.h.o.OnPairing(p)
	if !h.spawn(func() { p.run(func() error { return p.initiate(nonce) }) }) {
		h.dismiss(p)
		l.close()
		return nil, errClosed()
	}
	return p, nil
}
