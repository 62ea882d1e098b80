package transport_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/transport/nettest"
	"synergos.app/desktop/backend/network/wire"
)

// table is a PeerTable.
type table struct {
	mu      sync.Mutex
	allowed map[fed.DeviceID]fed.PartyID
	revoked map[fed.DeviceID]bool
}

func (t *table) Lookup(d fed.DeviceID) (fed.PartyID, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.allowed[d]
	return p, ok && !t.revoked[d]
}

func (t *table) allow(s *identity.Self) { t.put(s.Device(), s.Party()) }

func (t *table) put(d fed.DeviceID, p fed.PartyID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.allowed[d] = p
	delete(t.revoked, d)
}

func (t *table) revoke(d fed.DeviceID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revoked[d] = true
}

// peer is a host with what a test looks at.
type peer struct {
	*transport.Host
	t        *testing.T
	self     *identity.Self
	table    *table
	blobs    *nettest.Blobs
	ledger   *nettest.Ledger
	invites  *transport.MemInvites
	pairings chan *transport.Pairing

	mu     sync.Mutex
	cond   *sync.Cond
	events []transport.Event
	paired []transport.Paired
	tapped map[transport.Direction]int64
	frames [][]byte // sent
}

// identities are made once: keys are cheap but not free under the race detector.
var (
	idMu sync.Mutex
	ids  []*identity.Self
)

func selfOf(t testing.TB, i int) *identity.Self {
	idMu.Lock()
	defer idMu.Unlock()
	for len(ids) <= i {
		s, err := identity.Create("Clinic " + string(rune('A'+len(ids))))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s)
	}
	return ids[i]
}

// start makes a host that listens on loopback; change may alter its options.
func start(t *testing.T, i int, change func(*transport.Options)) *peer {
	t.Helper()
	p := &peer{
		t: t, self: selfOf(t, i), table: &table{allowed: map[fed.DeviceID]fed.PartyID{}, revoked: map[fed.DeviceID]bool{}},
		blobs: &nettest.Blobs{}, ledger: &nettest.Ledger{}, invites: &transport.MemInvites{}, pairings: make(chan *transport.Pairing, 64),
		tapped: map[transport.Direction]int64{},
	}
	p.cond = sync.NewCond(&p.mu)
	o := transport.Options{
		Self: p.self, Peers: p.table, Egress: p.ledger, Blobs: p.blobs, Invites: p.invites, Queries: []string{"echo"}, Software: "test",
		OnEvent: p.note, OnPaired: p.keep, OnPairing: func(v *transport.Pairing) { p.pairings <- v },
		Tap: func(dir transport.Direction, _ fed.DeviceID, b []byte) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.tapped[dir] += int64(len(b))
			if dir == transport.Out {
				p.frames = append(p.frames, append([]byte(nil), b...))
			}
			if dir == transport.Out && !p.ledger.Has(b) {
				t.Errorf("a frame of %d bytes left without a line", len(b))
			}
		},
		Limits: transport.Limits{OpenFrom: 64},
	}
	if change != nil {
		change(&o)
	}
	h, err := transport.New(o)
	if err != nil {
		t.Fatal(err)
	}
	p.Host = h
	if err := h.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return p
}

func (p *peer) note(e transport.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
	p.cond.Broadcast()
}

func (p *peer) keep(v transport.Paired) error {
	p.table.put(v.Device, v.Party)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paired = append(p.paired, v)
	return nil
}

// event waits for the first event that ok takes.
func (p *peer) event(what string, ok func(transport.Event) bool) transport.Event {
	p.t.Helper()
	late := time.AfterFunc(20*time.Second, p.cond.Broadcast)
	defer late.Stop()
	deadline := time.Now().Add(20 * time.Second)
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for _, e := range p.events {
			if ok(e) {
				return e
			}
		}
		if !time.Now().Before(deadline) {
			p.t.Fatalf("no event %s among %d", what, len(p.events))
		}
		p.cond.Wait()
	}
}

func (p *peer) refused(r transport.Reason) transport.Event {
	p.t.Helper()
	return p.event("refused "+string(r), func(e transport.Event) bool { return e.Kind == transport.Refused && e.Reason == r })
}

func (p *peer) forgetEvents() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = nil
}

func (p *peer) addr() string { return p.Addr().String() }

// meet makes a and b know each other.
func meet(a, b *peer) {
	a.table.allow(b.self)
	b.table.allow(a.self)
}

func (p *peer) connect(q *peer) error {
	return p.Connect(context.Background(), q.self.Device(), []string{q.addr()})
}

// join connects a to b and waits until both have the session.
func join(t *testing.T, a, b *peer) {
	t.Helper()
	meet(a, b)
	if err := a.connect(b); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return b.has(a) && a.has(b) })
}

func (p *peer) has(q *peer) bool {
	for _, s := range p.Sessions() {
		if s.Party == q.Self() {
			return true
		}
	}
	return false
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("it does not come about")
		}
		<-tick.C
	}
}

func wantKind(t *testing.T, err error, k fed.Kind) {
	t.Helper()
	if err == nil || fed.KindOf(err) != k {
		t.Fatalf("error %v of kind %v, want kind %v", err, fed.KindOf(err), k)
	}
}

func TestConformance(t *testing.T) {
	nettest.Run(t, func(t *testing.T, n int, handler func(int) transport.Handler) *nettest.Rig {
		r := &nettest.Rig{}
		var peers []*peer
		for i := range n {
			p := start(t, i, nil)
			if handler != nil {
				p.Handle(handler(i))
			}
			peers = append(peers, p)
			r.Members = append(r.Members, nettest.Member{Net: p.Host, Blobs: p.blobs, Ledger: p.ledger})
			for j := range i {
				if (i+j)%2 == 0 {
					join(t, peers[j], p)
				} else {
					join(t, p, peers[j])
				}
			}
		}
		r.Cut = func(i, j int) {
			peers[i].Disconnect(peers[j].self.Device(), "cut")
			peers[j].Disconnect(peers[i].self.Device(), "cut")
			eventually(t, func() bool { return !peers[i].has(peers[j]) && !peers[j].has(peers[i]) })
		}
		r.Heal = func(i, j int) { join(t, peers[i], peers[j]) }
		return r
	})
}

var _ = wire.Major
