package transport_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/transport/nettest"
	"synergos.app/desktop/backend/network/wire"
)

// What the ledger of one side says was sent is what the other side received: HELLO,
// pings, messages and blobs, byte for byte.
func TestLedgerEqualsTheBytesOnTheWire(t *testing.T) {
	a, b := start(t, 0, nil), start(t, 1, nil) // one ping each: then silence
	ref := b.blobs.Put(nettest.Content(5*wire.LeafSize+7, 1))
	back := a.blobs.Put(nettest.Content(2*wire.LeafSize, 2))
	join(t, a, b)
	for range 50 {
		if err := a.Send(context.Background(), b.Self(), wire.Presence{Grid: nettest.Grid}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Request(context.Background(), b.Self(), wire.Query{Name: "echo"}); err == nil {
		t.Fatal("no handler, yet an answer")
	}
	if err := errors.Join(a.Fetch(context.Background(), b.Self(), ref, nil), b.Fetch(context.Background(), a.Self(), back, nil)); err != nil {
		t.Fatal(err)
	}
	for _, d := range []struct{ from, to *peer }{{a, b}, {b, a}} {
		eventually(t, func() bool {
			lines, sent, got := d.from.ledger.Bytes(d.to.Self()), d.from.total(transport.Out), d.to.total(transport.In)
			return lines > 0 && lines == sent && sent == got
		})
	}
	for _, k := range []wire.Kind{wire.KindHello, wire.KindPing, wire.KindPong, wire.KindBlobGet, wire.KindBlobData, wire.KindPresence} {
		if a.ledger.Count(k) == 0 {
			t.Fatalf("no line of kind %s", k)
		}
	}
	for _, f := range a.ledger.Frames() {
		if f.Peer != b.Self() || f.Device != b.self.Device() || f.Purpose == "" || !f.SHA256.Valid() {
			t.Fatalf("line %+v", f)
		}
		if f.Kind == wire.KindPresence && f.Subject != string(nettest.Grid) || f.Kind == wire.KindBlobData && f.Subject != string(back.Digest) {
			t.Fatalf("line %+v names the wrong subject", f)
		}
	}
}

func (p *peer) total(d transport.Direction) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tapped[d]
}

// Without a line nothing leaves, whatever it is.
func TestNothingLeavesWithoutALine(t *testing.T) {
	for _, spoil := range []func(*nettest.Ledger){
		func(l *nettest.Ledger) { l.Refuse(func(transport.Frame) error { return errors.New("disk full") }) },
		(*nettest.Ledger).Blank,
	} {
		a, b := start(t, 0, nil), start(t, 1, nil)
		meet(a, b)
		spoil(a.ledger)
		if err := a.connect(b); err == nil {
			t.Fatal("HELLO left without a line")
		}
		if _, err := a.StartSAS(context.Background(), b.addr()); err == nil {
			t.Fatal("a pairing request left without a line")
		}
		if n := a.total(transport.Out); n != 0 {
			t.Fatalf("%d bytes left", n)
		}
		b.NewInvite("")
		if err := b.connect(a); err == nil {
			t.Fatal("HELLO_OK left without a line")
		}
		if n := a.total(transport.Out); n != 0 {
			t.Fatalf("%d bytes left", n)
		}
	}
}

// A ledger that fails in the middle stops messages and blobs, not the session.
func TestLedgerFailureIsToldToTheSender(t *testing.T) {
	a, b := start(t, 0, nil), start(t, 1, nil)
	ref := b.blobs.Put(nettest.Content(3*wire.LeafSize, 1))
	join(t, a, b)
	var mu sync.Mutex
	fail := true
	b.ledger.Refuse(func(f transport.Frame) error {
		mu.Lock()
		defer mu.Unlock()
		if fail && (f.Kind == wire.KindPresence || f.Kind == wire.KindBlobData) {
			return fed.Errorf(fed.Unavailable, "Free some space.", "the disk is full")
		}
		return nil
	})
	wantKind(t, b.Send(context.Background(), a.Self(), wire.Presence{Grid: nettest.Grid}), fed.Unavailable)
	wantKind(t, a.Fetch(context.Background(), b.Self(), ref, nil), fed.Unavailable)
	mu.Lock()
	fail = false
	mu.Unlock()
	if err := a.Fetch(context.Background(), b.Self(), ref, nil); err != nil {
		t.Fatal(err)
	}
}

// Planted words never occur in what leaves, unless a message carries them.
func TestTapSeesEverything(t *testing.T) {
	a, b := start(t, 0, nil), start(t, 1, nil)
	join(t, a, b)
	if err := a.Send(context.Background(), b.Self(), wire.Control{Grid: nettest.Grid, Action: "pause", Reason: "planted words"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, f := range a.frames {
			if len(f) > 13 && string(f[len(f)-13:]) == "planted words" {
				return true
			}
		}
		return false
	})
}
