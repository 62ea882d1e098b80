package memnet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/transport/nettest"
	"synergos.app/desktop/backend/network/wire"
)

func partyOf(i int) fed.PartyID {
	return fed.PartyID(fed.KeyDigest(fmt.Appendf(nil, "party %d", i)))
}

func deviceOf(i int) fed.DeviceID {
	return fed.DeviceID(fed.KeyDigest(fmt.Appendf(nil, "device %d", i)))
}

func TestConformance(t *testing.T) {
	nettest.Run(t, func(t *testing.T, n int, handler func(int) transport.Handler) *nettest.Rig {
		net := New()
		t.Cleanup(func() { net.Close() })
		r := &nettest.Rig{
			Cut:  func(i, j int) { net.Cut(partyOf(i), partyOf(j)) },
			Heal: func(i, j int) { net.Heal(partyOf(i), partyOf(j)) },
		}
		for i := range n {
			m := nettest.Member{Blobs: &nettest.Blobs{}, Ledger: &nettest.Ledger{}}
			d, err := net.Join(partyOf(i), deviceOf(i), Options{Blobs: m.Blobs, Egress: m.Ledger, Queries: []string{"echo"}})
			if err != nil {
				t.Fatal(err)
			}
			if handler != nil {
				d.Handle(handler(i))
			}
			m.Net = d
			r.Members = append(r.Members, m)
		}
		return r
	})
}

func TestTapSeesWhatTheLedgerSays(t *testing.T) {
	net := New()
	defer net.Close()
	var tapped int64
	net.Tap(func(from, to fed.PartyID, b []byte) {
		if from == partyOf(0) {
			tapped += int64(len(b))
		}
	})
	ledger := &nettest.Ledger{}
	a, _ := net.Join(partyOf(0), deviceOf(0), Options{Egress: ledger})
	if _, err := net.Join(partyOf(1), deviceOf(1), Options{}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := a.Send(context.Background(), partyOf(1), wire.Presence{Grid: nettest.Grid}); err != nil {
			t.Fatal(err)
		}
	}
	if tapped == 0 || ledger.Bytes(partyOf(1)) != tapped {
		t.Fatalf("ledger %d, tap %d", ledger.Bytes(partyOf(1)), tapped)
	}
	ledger.Refuse(func(transport.Frame) error { return errors.New("full disk") })
	if err := a.Send(context.Background(), partyOf(1), wire.Presence{Grid: nettest.Grid}); err == nil {
		t.Fatal("a frame left without a line")
	}
	ledger.Refuse(nil)
	ledger.Blank()
	if err := a.Send(context.Background(), partyOf(1), wire.Presence{Grid: nettest.Grid}); err == nil {
		t.Fatal("a frame left without an id")
	}
}

func TestEventsAndLeaving(t *testing.T) {
	net := New()
	defer net.Close()
	var mu sync.Mutex
	var seen []string
	note := func(e transport.Event) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, string(e.Kind)+" "+e.Session.Name)
	}
	if _, err := net.Join(partyOf(0), deviceOf(0), Options{Name: "A", OnEvent: note}); err != nil {
		t.Fatal(err)
	}
	b, _ := net.Join(partyOf(1), deviceOf(1), Options{Name: "B"})
	if _, err := net.Join(partyOf(1), deviceOf(1), Options{}); fed.KindOf(err) != fed.Exists {
		t.Fatalf("joined twice: %v", err)
	}
	net.Cut(partyOf(0), partyOf(1))
	net.Cut(partyOf(0), partyOf(1))
	net.Heal(partyOf(0), partyOf(1))
	b.Leave()
	want := []string{"connected B", "disconnected B", "connected B", "disconnected B"}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Fatalf("got %v, want %v", seen, want)
	}
}

// A receiver hears all senders in the order in which they spoke.
func TestDeliveryIsInGlobalOrder(t *testing.T) {
	net := New()
	defer net.Close()
	got := make(chan fed.PartyID, 300)
	r, _ := net.Join(partyOf(0), deviceOf(0), Options{})
	r.Handle(func(_ context.Context, from fed.PartyID, _ wire.Message) (wire.Message, error) {
		got <- from
		return nil, nil
	})
	var nodes []*Node
	for i := 1; i <= 3; i++ {
		d, _ := net.Join(partyOf(i), deviceOf(i), Options{})
		nodes = append(nodes, d)
	}
	for i := range 300 {
		if err := nodes[i*i%3].Send(context.Background(), partyOf(0), wire.Presence{Grid: nettest.Grid}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		select {
		case from := <-got:
			if from != nodes[i*i%3].Self() {
				t.Fatalf("message %d came from %s", i, from.Short())
			}
		case <-time.After(10 * time.Second):
			t.Fatal("nothing came")
		}
	}
}
