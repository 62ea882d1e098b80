package transport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/wire"
)

// state waits until a pairing of p is in one of the states.
func (p *peer) state(t *testing.T, want ...transport.PairState) *transport.Pairing {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case v := <-p.pairings:
			for _, w := range want {
				if v.View().State == w {
					return v
				}
			}
		case <-late:
			t.Fatalf("no pairing came to %v", want)
		}
	}
}

func ended(t *testing.T, p *transport.Pairing) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return p.Wait(ctx)
}

// pair lets a use a link of b, who approves.
func pair(t *testing.T, a, b *peer, link string) {
	t.Helper()
	mine, err := a.PairByInvite(context.Background(), link)
	if err != nil {
		t.Fatal(err)
	}
	theirs := b.state(t, transport.PairWaiting)
	if err := theirs.Confirm(true); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(ended(t, mine), ended(t, theirs)); err != nil {
		t.Fatal(err)
	}
}

func TestPairByInvite(t *testing.T) {
	a, b := start(t, 0, nil), start(t, 1, nil)
	v, err := b.NewInvite("Lung study")
	if err != nil {
		t.Fatal(err)
	}
	mine, err := a.PairByInvite(context.Background(), v.Link())
	if err != nil {
		t.Fatal(err)
	}
	theirs := b.state(t, transport.PairWaiting)
	view := theirs.View()
	if !view.Incoming || view.Mode != wire.ModeInvite || view.Name != "Clinic A" || view.Party != a.Self() || view.Federation != "Lung study" ||
		view.Fingerprint != fed.Fingerprint(string(a.self.Device())) {
		t.Fatalf("%+v", view)
	}
	if len(b.Pairings()) != 1 || len(b.paired) != 0 {
		t.Fatal("trust came before the approval")
	}
	if err := theirs.Confirm(true); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(ended(t, mine), ended(t, theirs)); err != nil {
		t.Fatal(err)
	}
	if p := a.paired[0]; p.Party != b.Self() || p.Device != b.self.Device() || p.Statement.Name != "Clinic B" || p.Addrs[0] != b.addr() || p.Incoming {
		t.Fatalf("%+v", p)
	}
	if p := b.paired[0]; p.Party != a.Self() || p.Addrs[0] != a.addr() || !p.Incoming || p.Invite != v.Hash() {
		t.Fatalf("%+v", p)
	}
	if err := a.connect(b); err != nil { // known at once
		t.Fatal(err)
	}
	if len(a.Pairings())+len(b.Pairings()) != 0 {
		t.Fatal("ended pairings are still listed")
	}
	stored, err := b.invites.Get(v.Hash())
	if err != nil || stored.UsedBy != a.self.Device() {
		t.Fatalf("%+v, %v", stored, err)
	}
	// single use
	c := start(t, 2, nil)
	again, err := c.PairByInvite(context.Background(), v.Link())
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, ended(t, again), fed.Permission)
	if len(c.paired) != 0 {
		t.Fatal("an invite was used twice")
	}
}

func TestInviterSaysNo(t *testing.T) {
	a, b := start(t, 0, nil), start(t, 1, nil)
	v, _ := b.NewInvite("")
	mine, err := a.PairByInvite(context.Background(), v.Link())
	if err != nil {
		t.Fatal(err)
	}
	theirs := b.state(t, transport.PairWaiting)
	if err := theirs.Confirm(false); err != nil {
		t.Fatal(err)
	}
	wantKind(t, ended(t, mine), fed.Permission)
	wantKind(t, ended(t, theirs), fed.Permission)
	if mine.View().State != transport.PairRefused || theirs.View().State != transport.PairRefused || len(a.paired)+len(b.paired) != 0 {
		t.Fatalf("%+v, %+v", mine.View(), theirs.View())
	}
}

func TestInviteEnds(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	late := func(o *transport.Options) { o.Clock = func() time.Time { return at.Add(72*time.Hour + time.Second) } }
	inviter := start(t, 1, func(o *transport.Options) { o.Clock = func() time.Time { return at } })
	v, _ := inviter.NewInvite("")
	a := start(t, 0, late)
	_, err := a.PairByInvite(context.Background(), v.Link())
	wantKind(t, err, fed.Permission)
	// a joiner whose clock is wrong is told by the inviter
	b := start(t, 2, late)
	stored, _ := inviter.invites.Get(v.Hash())
	b.invites.Add(stored)
	v.Inviter, v.Addrs = b.self.Device(), []string{b.addr()}
	c := start(t, 3, func(o *transport.Options) { o.Clock = func() time.Time { return at } })
	p, err := c.PairByInvite(context.Background(), v.Link())
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, ended(t, p), fed.Permission)
	b.refused(transport.PairProof)
}

// open sends a PairOpen by hand and returns what comes back.
func opening(t *testing.T, self *identity.Self, p *peer, make func(binder []byte) wire.PairOpen) (*raw, wire.Message) {
	t.Helper()
	r := mustRaw(t, self, p, "/v1/pair", nil)
	binder, err := identity.Exporter(r.ws.NetConn().(*tls.Conn).ConnectionState())
	if err != nil {
		t.Fatal(err)
	}
	m := make(binder)
	m.Statement = wire.Signed(self.Signed())
	r.send(wire.OnPair, wire.Envelope{Msg: m})
	e, err := r.read(wire.OnPair)
	if err != nil {
		t.Fatal(err)
	}
	return r, e.Msg
}

func proofOf(v identity.Invite, self *identity.Self, p *peer) func([]byte) wire.PairOpen {
	return func(binder []byte) wire.PairOpen {
		return wire.PairOpen{Mode: wire.ModeInvite, Secret: v.Secret, Proof: identity.Proof(v.Secret, binder, self.Device(), p.self.Device())}
	}
}

// A proof that was good on one connection is worth nothing on another.
func TestReplayedProofIsRefused(t *testing.T) {
	b := start(t, 1, nil)
	v, _ := b.NewInvite("")
	c, mallory := selfOf(t, 2), selfOf(t, 3)
	var seen wire.PairOpen
	r, m := opening(t, c, b, func(binder []byte) wire.PairOpen {
		seen = proofOf(v, c, b)(binder)
		return seen
	})
	if m.Kind() != wire.KindPairAnswer {
		t.Fatalf("the good proof was refused: %+v", m)
	}
	r.ws.Close()
	for _, self := range []*identity.Self{c, mallory} {
		_, m := opening(t, self, b, func([]byte) wire.PairOpen { return seen })
		if e, ok := m.(wire.Error); !ok || e.Code != fed.Permission {
			t.Fatalf("a replay got %+v", m)
		}
	}
	if stored, _ := b.invites.Get(v.Hash()); stored.Tries != 2 {
		t.Fatalf("%d tries were counted, want 2", stored.Tries)
	}
	b.refused(transport.PairProof)
}

func TestInviteTriesAreLimited(t *testing.T) {
	b := start(t, 1, nil)
	v, _ := b.NewInvite("")
	c := selfOf(t, 2)
	wrong := func([]byte) wire.PairOpen {
		return wire.PairOpen{Mode: wire.ModeInvite, Secret: v.Secret, Proof: make([]byte, 32)}
	}
	for range 5 {
		if _, m := opening(t, c, b, wrong); m.Kind() != wire.KindError {
			t.Fatalf("%+v", m)
		}
	}
	// the invite is burnt, and the address has to wait before it may even ask
	if stored, _ := b.invites.Get(v.Hash()); stored.Tries != 5 {
		t.Fatalf("%d tries", stored.Tries)
	}
	if _, resp, err := dialRaw(t, c, b, "/v1/pair", nil); err == nil || status(resp) != 429 {
		t.Fatalf("%v", resp)
	}
	fresh := start(t, 3, nil) // another inviter with the same book: only the invite counts
	stored, _ := b.invites.Get(v.Hash())
	fresh.invites.Add(stored)
	if _, m := opening(t, c, fresh, proofOf(v, c, fresh)); m.Kind() != wire.KindError {
		t.Fatalf("a burnt invite was taken: %+v", m)
	}
}

func TestInvitePinsTheInviter(t *testing.T) {
	a, b, c := start(t, 0, nil), start(t, 1, nil), start(t, 2, nil)
	v, _ := b.NewInvite("")
	v.Addrs = []string{c.addr()} // somebody else answers there
	_, err := a.PairByInvite(context.Background(), v.Link())
	wantKind(t, err, fed.Permission)
	if a.total(transport.Out) != 0 {
		t.Fatal("the secret was shown to a stranger")
	}
}

func TestPairByCode(t *testing.T) {
	a, b := start(t, 0, nil), start(t, 1, nil)
	mine, err := a.StartSAS(context.Background(), b.addr())
	if err != nil {
		t.Fatal(err)
	}
	theirs := b.state(t, transport.PairCompare)
	a.state(t, transport.PairCompare)
	x, y := mine.View(), theirs.View()
	if len(x.Code) != 6 || x.Code != y.Code || x.Name != "Clinic B" || y.Name != "Clinic A" || x.Incoming || !y.Incoming {
		t.Fatalf("%+v, %+v", x, y)
	}
	if err := mine.Confirm(true); err != nil {
		t.Fatal(err)
	}
	a.state(t, transport.PairConfirmed)
	if len(a.paired)+len(b.paired) != 0 {
		t.Fatal("trust came before both agreed")
	}
	if err := theirs.Confirm(true); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(ended(t, mine), ended(t, theirs)); err != nil {
		t.Fatal(err)
	}
	if a.paired[0].Party != b.Self() || b.paired[0].Party != a.Self() {
		t.Fatalf("%+v, %+v", a.paired, b.paired)
	}
	if err := b.connect(a); err != nil {
		t.Fatal(err)
	}
}

func TestDifferentCodeIsRefusedByThePerson(t *testing.T) {
	a, b := start(t, 0, nil), start(t, 1, nil)
	mine, err := a.StartSAS(context.Background(), b.addr())
	if err != nil {
		t.Fatal(err)
	}
	theirs := b.state(t, transport.PairCompare)
	a.state(t, transport.PairCompare)
	if err := mine.Confirm(true); err != nil {
		t.Fatal(err)
	}
	theirs.Confirm(false)
	wantKind(t, ended(t, mine), fed.Permission)
	wantKind(t, ended(t, theirs), fed.Permission)
	if len(a.paired)+len(b.paired) != 0 {
		t.Fatal("trust came from a refusal")
	}
}

// Somebody in the middle has two connections and so two codes.
func TestManInTheMiddleShowsDifferentCodes(t *testing.T) {
	a, m1, b := start(t, 0, nil), start(t, 2, nil), start(t, 1, nil)
	left, err := a.StartSAS(context.Background(), m1.addr())
	if err != nil {
		t.Fatal(err)
	}
	right, err := m1.StartSAS(context.Background(), b.addr())
	if err != nil {
		t.Fatal(err)
	}
	a.state(t, transport.PairCompare)
	b.state(t, transport.PairCompare)
	if left.View().Code == right.View().Code {
		t.Fatal("equal codes: one in a million, or broken")
	}
}

// Whoever changes the nonce after having seen the other one is caught.
func TestBrokenCommitmentIsRefused(t *testing.T) {
	b := start(t, 1, nil)
	c := selfOf(t, 2)
	nonce := identity.Nonce()
	r, m := opening(t, c, b, func([]byte) wire.PairOpen {
		return wire.PairOpen{Mode: wire.ModeCode, Commit: identity.Commit(nonce)}
	})
	if m.Kind() != wire.KindPairAnswer {
		t.Fatalf("%+v", m)
	}
	r.send(wire.OnPair, wire.Envelope{Msg: wire.PairReveal{Nonce: identity.Nonce()}})
	p := b.state(t, transport.PairFailed)
	wantKind(t, p.View().Err, fed.Permission)
	if p.View().Code != "" {
		t.Fatal("a code was shown")
	}
	b.refused(transport.PairProof)
}

func TestCodeAttemptsAreLimited(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := make(chan time.Time, 1)
	clock <- at
	move := func(d time.Duration) { clock <- (<-clock).Add(d) }
	b := start(t, 1, func(o *transport.Options) {
		o.Clock = func() time.Time { v := <-clock; clock <- v; return v }
	})
	ask := func() wire.Message {
		r, m := opening(t, selfOf(t, 2), b, func([]byte) wire.PairOpen {
			return wire.PairOpen{Mode: wire.ModeCode, Commit: identity.Commit(identity.Nonce())}
		})
		r.ws.Close()
		return m
	}
	for i, step := range []struct {
		wait time.Duration
		ok   bool
	}{{0, true}, {59 * time.Second, false}, {time.Second, true}, {time.Minute, true}, {time.Minute, false}, {7 * time.Minute, true}} {
		move(step.wait)
		if m := ask(); (m.Kind() == wire.KindPairAnswer) != step.ok {
			t.Fatalf("request %d got %+v", i, m)
		}
	}
	b.refused(transport.PairLimited)
}

func TestPendingRequestsAreLimited(t *testing.T) {
	b := start(t, 1, func(o *transport.Options) { o.Limits.PairPending = 2 })
	v, _ := b.NewInvite("")
	for i := range 2 {
		self := selfOf(t, 2+i)
		if _, m := opening(t, self, b, proofOf(v, self, b)); m.Kind() != wire.KindPairAnswer {
			t.Fatalf("%+v", m)
		}
	}
	_, resp, err := dialRaw(t, selfOf(t, 4), b, "/v1/pair", nil)
	if err == nil || status(resp) != 429 {
		t.Fatalf("%v", resp)
	}
	b.refused(transport.PairLimited)
	a := start(t, 0, nil)
	_, err = a.StartSAS(context.Background(), b.addr())
	wantKind(t, err, fed.Busy)
	// two pending on one invite: only one can be approved
	p := b.Pairings()
	p[0].Confirm(true)
	p[1].Confirm(true)
}

func TestNobodyDecides(t *testing.T) {
	short := func(o *transport.Options) { o.Timers.Pair = 100 * time.Millisecond }
	a, b := start(t, 0, nil), start(t, 1, short)
	mine, err := a.StartSAS(context.Background(), b.addr())
	if err != nil {
		t.Fatal(err)
	}
	theirs := b.state(t, transport.PairExpired)
	wantKind(t, theirs.View().Err, fed.Timeout)
	if ended(t, mine) == nil {
		t.Fatal("one side believes in the pairing")
	}
	if err := mine.Confirm(true); err == nil {
		t.Fatal("an ended pairing was confirmed")
	}
}

func TestPairSocketTakesNothingElse(t *testing.T) {
	b := start(t, 1, nil)
	c := selfOf(t, 2)
	for _, m := range []wire.Message{wire.Query{Name: "echo"}, helloOf(c), wire.DocWant{}} {
		r := mustRaw(t, c, b, "/v1/pair", nil)
		r.send(wire.OnControl, wire.Envelope{Msg: m})
		if e := r.until(wire.OnPair, wire.KindError).(wire.Error); e.Code != fed.Invalid {
			t.Fatalf("%+v", e)
		}
	}
	b.refused(transport.PairMalformed)
}

func TestPairingWithOneself(t *testing.T) {
	a := start(t, 0, nil)
	v, _ := a.NewInvite("")
	if _, err := a.PairByInvite(context.Background(), v.Link()); err == nil {
		t.Fatal("paired with itself")
	}
}

func TestSavingFailsThePairing(t *testing.T) {
	a := start(t, 0, nil)
	b := start(t, 1, func(o *transport.Options) {
		o.OnPaired = func(transport.Paired) error { return fed.Errorf(fed.Unavailable, "", "disk full") }
	})
	v, _ := b.NewInvite("")
	mine, err := a.PairByInvite(context.Background(), v.Link())
	if err != nil {
		t.Fatal(err)
	}
	theirs := b.state(t, transport.PairWaiting)
	eventually(t, func() bool { return mine.View().State == transport.PairConfirmed })
	theirs.Confirm(true)
	wantKind(t, ended(t, theirs), fed.Unavailable)
	if !strings.Contains(theirs.View().Err.Error(), "disk full") {
		t.Fatal(theirs.View().Err)
	}
}
