package discover

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"

	"synergos.app/desktop/backend/fed"
)

// ether is a network without loss: a query reaches every zone served on it.
type ether struct {
	mu    sync.Mutex
	zones []*served
	extra []*mdns.ServiceEntry // what a hostile computer answers
}

type served struct {
	zone  mdns.Zone
	owner *fakeRadio
}

// fakeRadio is one computer's access to an ether.
type fakeRadio struct {
	*ether
	start time.Time

	ifaces   []iface
	serveErr error
	queryErr func(iface, family) error
	blocked  bool
	asked    []asked
}

type asked struct {
	at    time.Duration
	iface string
	f     family
	quiet bool
}

func (r *fakeRadio) interfaces() ([]iface, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ifaces), nil
}

func (r *fakeRadio) hearsItself() bool { return true }

func (r *fakeRadio) serve(i iface, z mdns.Zone) (func(), error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.serveErr != nil {
		return nil, r.serveErr
	}
	s := &served{z, r}
	r.zones = append(r.zones, s)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.zones = slices.DeleteFunc(r.zones, func(o *served) bool { return o == s })
	}, nil
}

func (r *fakeRadio) query(_ context.Context, i iface, f family, name string, window time.Duration) ([]*mdns.ServiceEntry, error) {
	r.mu.Lock()
	bits, _ := unstamp(name)
	r.asked = append(r.asked, asked{time.Since(r.start), i.Name, f, bits&quietBit != 0})
	zones, out, blocked := slices.Clone(r.zones), slices.Clone(r.extra), r.blocked
	var err error
	if r.queryErr != nil {
		err = r.queryErr(i, f)
	}
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if !blocked {
		for _, s := range zones {
			if e := entryOf(s.zone.Records(dns.Question{Name: name, Qtype: dns.TypePTR, Qclass: dns.ClassINET})); e != nil {
				out = append(out, e)
			}
		}
	}
	time.Sleep(window)
	return out, nil
}

func entryOf(rrs []dns.RR) *mdns.ServiceEntry {
	if len(rrs) == 0 {
		return nil
	}
	e := &mdns.ServiceEntry{}
	for _, rr := range rrs {
		switch r := rr.(type) {
		case *dns.PTR:
			e.Name = r.Ptr
		case *dns.TXT:
			e.InfoFields = r.Txt
		}
	}
	return e
}

func (r *fakeRadio) times() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []time.Duration
	for _, a := range r.asked {
		out = append(out, a.at)
	}
	return out
}

func eth(name string, index int, prefix ...string) iface {
	i := iface{Interface: net.Interface{Name: name, Index: index, Flags: net.FlagUp | net.FlagMulticast}}
	for _, p := range prefix {
		i.prefixes = append(i.prefixes, netip.MustParsePrefix(p))
	}
	return i
}

// node is one computer on an ether, inside a synctest bubble.
type node struct {
	*MDNS
	radio *fakeRadio
	stop  func()
}

func (e *ether) join(t *testing.T, n int, change func(*Config, *fakeRadio)) *node {
	t.Helper()
	r := &fakeRadio{ether: e, start: time.Now(), ifaces: []iface{eth("eth0", 2, fmt.Sprintf("10.0.%d.%d/8", n/250, n%250+1))}}
	cfg := Default(device(n), uint16(7000+n))
	cfg.Random = locked(rand.New(rand.NewPCG(uint64(n), 1)))
	if change != nil {
		change(&cfg, r)
	}
	m, err := newMDNS(cfg, r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &node{m, r, stop}
}

func locked(r *rand.Rand) func() float64 {
	var mu sync.Mutex
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return r.Float64()
	}
}

// settle lets a duration pass and everything due come to rest.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (n *node) knows() []fed.DeviceID {
	n.mu.Lock()
	defer n.mu.Unlock()
	var ids []fed.DeviceID
	for id := range n.peers.peers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func TestScheduleIsTheOneOfTheDesign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(ether).join(t, 1, nil)
		settle(200 * time.Second)
		n.stop()
		got := n.radio.times()
		want := []time.Duration{0, 400 * time.Millisecond, time.Second, 3 * time.Second, 7 * time.Second}
		if diff := cmp.Diff(want, got[:5]); diff != "" {
			t.Fatal(diff)
		}
		for i := 5; i < len(got); i++ {
			if pause := got[i] - got[i-1]; pause < 12*time.Second || pause > 18*time.Second {
				t.Errorf("pause %d is %v", i, pause)
			}
		}
		for i, a := range n.radio.asked {
			if a.quiet != (i >= 5) {
				t.Errorf("query %d quiet: %v", i, a.quiet)
			}
		}
		if len(got) < 5+193/18 {
			t.Errorf("only %d queries", len(got))
		}
	})
}

func TestBatteryPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(ether).join(t, 1, nil)
		n.SetSlow(true)
		settle(7 * time.Second)
		settle(10 * time.Minute)
		n.stop()
		got := n.radio.times()
		for i := 5; i < len(got); i++ {
			if pause := got[i] - got[i-1]; pause < 48*time.Second || pause > 72*time.Second {
				t.Errorf("pause %d is %v", i, pause)
			}
		}
	})
}

func TestTwentyFindNineteenInASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(ether)
		var nodes []*node
		for i := range 20 {
			nodes = append(nodes, e.join(t, i, nil))
		}
		settle(time.Second)
		for i, n := range nodes {
			if got := len(n.knows()); got != 19 {
				t.Errorf("node %d knows %d", i, got)
			}
		}
		for _, n := range nodes {
			n.stop()
		}
	})
}

func TestNewcomerIsFoundWithoutWaitingForAPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(ether)
		a, b := e.join(t, 1, nil), e.join(t, 2, nil)
		settle(10 * time.Second)
		c := e.join(t, 3, nil)
		before := len(a.radio.times())
		settle(100 * time.Millisecond)
		if got := len(a.radio.times()) - before; got != 1 {
			t.Fatalf("%d queries within 100 ms of the newcomer's, want 1", got)
		}
		settle(500 * time.Millisecond)
		if !slices.Contains(a.knows(), device(3)) || !slices.Contains(b.knows(), device(3)) || len(c.knows()) != 2 {
			t.Fatal("not everybody knows everybody")
		}
		a.stop()
		b.stop()
		c.stop()
	})
}

func TestReactionsDoNotBreedReactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(ether)
		var nodes []*node
		for i := range 30 {
			nodes = append(nodes, e.join(t, i, nil))
		}
		settle(time.Minute)
		count := func() (n int) {
			for _, x := range nodes {
				n += len(x.radio.times())
			}
			return n
		}
		before := count()
		settle(5 * time.Minute)
		// 300 s / 12 s at most, for each node: nothing but the periods.
		if got := count() - before; got > 30*25 || got < 30*300/18-30 {
			t.Errorf("%d queries in 5 quiet minutes of 30 nodes", got)
		}
		for _, n := range nodes {
			n.stop()
		}
	})
}

func TestPeerIsGoneAfterThreeMissedPeriods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(ether)
		a, b := e.join(t, 1, nil), e.join(t, 2, nil)
		seen, ok := (<-a.Events()).(PeerSeen)
		if !ok || seen.DeviceID != device(2) || seen.Source != "mdns" || len(seen.Addrs) != 1 || seen.Addrs[0] != netip.MustParseAddrPort("10.0.0.3:7002") {
			t.Fatalf("first event %+v", seen)
		}
		b.stop()
		stopped := time.Now()
		for {
			if _, gone := (<-a.Events()).(PeerGone); gone {
				break
			}
		}
		if after := time.Since(stopped); after < 36*time.Second || after > 60*time.Second {
			t.Fatalf("gone after %v", after)
		}
		if len(a.knows()) != 0 {
			t.Fatal("still known")
		}
		a.stop()
		if _, open := <-a.Events(); open {
			t.Fatal("events go on after Run")
		}
	})
}

func TestUndiscoverableSeesButIsNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(ether)
		a := e.join(t, 1, func(c *Config, _ *fakeRadio) { c.Discoverable = false })
		b := e.join(t, 2, nil)
		settle(9 * time.Second)
		if len(a.knows()) != 1 || len(b.knows()) != 0 {
			t.Fatalf("a knows %v, b knows %v", a.knows(), b.knows())
		}
		if s := a.Status(); s.State != Looking || s.Hint == "" || s.Discoverable {
			t.Fatalf("status %+v", s)
		}
		a.SetDiscoverable(true)
		settle(20 * time.Second)
		if len(b.knows()) != 1 {
			t.Fatal("switched on and not seen")
		}
		a.stop()
		b.stop()
	})
}

func TestBlockedMulticastIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(ether).join(t, 1, func(_ *Config, r *fakeRadio) { r.blocked = true })
		settle(2 * time.Second)
		s := n.Status()
		if s.State != Blocked || s.Text != "This network does not let computers find each other." || !strings.Contains(s.Hint, "invite link") || !s.Pairs[0].Blocked {
			t.Fatalf("status %+v", s)
		}
		n.radio.mu.Lock()
		n.radio.blocked = false
		n.radio.mu.Unlock()
		settle(2 * time.Second)
		if s := n.Status(); s.State != Looking || s.Pairs[0].LastHeard.IsZero() || s.Pairs[0].Hint != "" {
			t.Fatalf("after the repair: %+v", s)
		}
		n.stop()
		if s := n.Status(); s.State != Stopped {
			t.Fatalf("after Run: %+v", s)
		}
	})
}

func TestFailingFamilyIsSwitchedOffAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("network is unreachable")
		n := new(ether).join(t, 1, func(_ *Config, r *fakeRadio) {
			r.ifaces = []iface{eth("eth0", 2, "10.0.0.1/8", "fd00::1/64")}
			r.queryErr = func(_ iface, f family) error {
				if f == 4 {
					return broken
				}
				return nil
			}
		})
		settle(10 * time.Second)
		s := n.Status()
		if s.State != Looking || len(s.Pairs) != 2 {
			t.Fatalf("status %+v", s)
		}
		if p := s.Pairs[0]; p.On || p.Family != 4 || p.Error != broken.Error() || p.Hint == "" || p.Queries != 1 {
			t.Fatalf("IPv4 %+v", p)
		}
		if p := s.Pairs[1]; !p.On || p.Queries != 5 || p.LastHeard.IsZero() {
			t.Fatalf("IPv6 %+v", p)
		}
		n.radio.mu.Lock()
		n.radio.queryErr = nil
		n.radio.mu.Unlock()
		settle(time.Minute)
		if p := n.Status().Pairs[0]; !p.On || p.Error != "" {
			t.Fatalf("IPv4 after the repair %+v", p)
		}
		n.stop()
	})
}

func TestFailingServerIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(ether).join(t, 1, func(_ *Config, r *fakeRadio) { r.serveErr = errors.New("no multicast listeners could be started") })
		settle(time.Second)
		if s := n.Status(); s.State != Blocked || s.Pairs[0].On || s.Pairs[0].Error == "" || len(n.radio.times()) != 0 {
			t.Fatalf("status %+v", s)
		}
		n.radio.mu.Lock()
		n.radio.serveErr = nil
		n.radio.mu.Unlock()
		settle(71 * time.Second)
		if s := n.Status(); s.State != Looking {
			t.Fatalf("after the repair %+v", s)
		}
		n.stop()
	})
}

func TestInterfacesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(ether)
		other := e.join(t, 2, nil)
		n := e.join(t, 1, func(_ *Config, r *fakeRadio) { r.ifaces = nil })
		settle(time.Second)
		if s := n.Status(); s.State != NoNetwork || s.Hint == "" {
			t.Fatalf("status %+v", s)
		}
		n.radio.mu.Lock()
		n.radio.ifaces = []iface{eth("wlan0", 3, "10.0.0.7/8")}
		n.radio.mu.Unlock()
		settle(10 * time.Second)
		if len(n.knows()) != 1 || !slices.Contains(other.knows(), device(1)) {
			t.Fatal("a new interface was not used within 10 s")
		}
		n.radio.mu.Lock()
		n.radio.ifaces = []iface{eth("wlan0", 3, "10.0.0.7/8", "fd00::7/64")}
		n.radio.mu.Unlock()
		settle(10 * time.Second)
		if s := n.Status(); len(s.Pairs) != 2 {
			t.Fatalf("a new family was not used: %+v", s)
		}
		n.radio.mu.Lock()
		n.radio.ifaces = nil
		n.radio.mu.Unlock()
		settle(10 * time.Second)
		e.mu.Lock()
		left := len(e.zones)
		e.mu.Unlock()
		if s := n.Status(); s.State != NoNetwork || left != 1 {
			t.Fatalf("%d servers left, status %+v", left, s)
		}
		n.stop()
		other.stop()
	})
}

func TestHostileAnswersAreRefusedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entry := func(name string, txt ...string) *mdns.ServiceEntry {
			return &mdns.ServiceEntry{Name: name, InfoFields: txt, Port: 22, Addr: net.IPv4(6, 6, 6, 6)}
		}
		told := func(n int, list ...string) []string {
			return Announcement{ID: device(n), Port: 1, Addrs: addrs(list...)}.TXT()
		}
		named := func(n int) string { return instance(device(n)) + "." + question }
		e := &ether{extra: []*mdns.ServiceEntry{
			entry("printer._ipp._tcp.local.", told(5, "10.0.0.5")...),
			entry(named(5)),
			entry(named(5), append(told(5, "10.0.0.5"), "org=x")...),
			entry(named(5), told(6, "10.0.0.5")...),
			entry("a.b"+named(5), told(5, "10.0.0.5")...),
			entry(named(5), told(5, "127.0.0.1", "::1")...),
			entry(named(1), told(1, "10.6.6.6")...), // pretends to be us
			entry(strings.ToLower(named(7)), told(7, "127.0.0.1", "10.0.0.7", "fe80::7")...),
			{},
		}}
		n := e.join(t, 1, nil)
		settle(300 * time.Millisecond) // no answer counts before the window is over
		if len(n.knows()) != 0 {
			t.Fatal("an entry was read before the query had returned")
		}
		settle(300 * time.Millisecond)
		n.stop()
		want := map[string]uint64{"txt": 2, "name": 2, "address": 1}
		if diff := cmp.Diff(want, n.Status().Refused); diff != "" {
			t.Error(diff)
		}
		if got := n.knows(); len(got) != 1 || got[0] != device(7) {
			t.Fatalf("knows %v", got)
		}
		if diff := cmp.Diff(at("10.0.0.7:1", "[fe80::7%eth0]:1"), n.peers.get(device(7)).Addrs, cmpAddr); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestFloodOfInventedPeersIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(ether)
		for i := range 2000 {
			a := Announcement{ID: device(i + 10), Port: 1, Addrs: addrs("10.0.0.5")}
			e.extra = append(e.extra, &mdns.ServiceEntry{Name: instance(a.ID) + "." + question, InfoFields: a.TXT()})
		}
		n := e.join(t, 1, nil)
		settle(600 * time.Millisecond)
		s := n.Status()
		n.stop()
		if s.Peers != MaxPeers || s.Refused["too many"] != 2000-MaxPeers {
			t.Fatalf("%d peers, refused %v", s.Peers, s.Refused)
		}
	})
}
