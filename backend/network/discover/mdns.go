package discover

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/mdns"
)

// MDNS is the Finder of the local network. It asks on each interface and for
// each IP family by itself, because one that fails must not silence the others,
// and answers on each interface while it is discoverable.
type MDNS struct {
	cfg   Config
	radio radio
	zone  *zone
	out   *outbox

	discoverable, slow, running atomic.Bool
	newcomer, changed           chan struct{} // capacity 1

	mu      sync.Mutex
	peers   *table
	refused map[string]uint64
	links   []*link
	addrs   []netip.Addr // announced last
	listErr error
}

// NewMDNS returns a finder that does nothing until Run. It returns fed.Invalid
// if cfg cannot be used.
func NewMDNS(cfg Config) (*MDNS, error) { return newMDNS(cfg, newLAN(cfg.IncludeLoopback)) }

func newMDNS(cfg Config, r radio) (*MDNS, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m := &MDNS{
		cfg: cfg, radio: r, out: newOutbox(), peers: newTable(), refused: map[string]uint64{},
		newcomer: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}
	m.zone = newZone(cfg.Now, m.refuse, func() { signal(m.newcomer) })
	m.discoverable.Store(cfg.Discoverable)
	return m, nil
}

// SetDiscoverable switches the answers to others on or off. We go on looking
// for others either way; a query tells that somebody looks, not who.
func (m *MDNS) SetDiscoverable(on bool) {
	m.discoverable.Store(on)
	signal(m.changed)
}

// SetSlow chooses the slow period, for a computer on battery.
func (m *MDNS) SetSlow(on bool) { m.slow.Store(on) }

// Events implements Finder.
func (m *MDNS) Events() <-chan Event { return m.out.ch }

// Run implements Finder. Whatever fails on the network shows in Status and is
// tried again.
func (m *MDNS) Run(ctx context.Context) error {
	var pump sync.WaitGroup
	pump.Go(func() { m.out.run(ctx) })
	m.running.Store(true)
	m.relist(ctx)
	m.loop(ctx)
	m.running.Store(false)
	for _, l := range m.links {
		l.close()
	}
	pump.Wait()
	return nil
}

// loop keeps the links in step with the interfaces, lets peers expire and looks
// round soon after a newcomer was heard. It alone changes links.
func (m *MDNS) loop(ctx context.Context) {
	relist := time.NewTicker(m.cfg.Relist)
	defer relist.Stop()
	expire := time.NewTicker(max(m.cfg.Period/3, time.Millisecond))
	defer expire.Stop()
	react := time.NewTimer(time.Hour)
	react.Stop()
	defer react.Stop()
	waiting, last := false, m.cfg.Now().Add(-m.cfg.ReactGap)
	for {
		select {
		case <-ctx.Done():
			return
		case <-relist.C:
			m.relist(ctx)
		case <-m.changed:
			m.announce()
		case <-expire.C:
			m.expire()
		case <-m.newcomer:
			if !waiting {
				waiting = true
				react.Reset(max(m.reactDelay(), m.cfg.ReactGap-m.cfg.Now().Sub(last)))
			}
		case <-react.C:
			waiting, last = false, m.cfg.Now()
			m.kick()
		}
	}
}

// reactDelay spreads the queries of all who heard the newcomer over 20 to 80 ms.
func (m *MDNS) reactDelay() time.Duration {
	return time.Duration((20 + 60*m.cfg.Random()) * float64(time.Millisecond))
}

func (m *MDNS) kick() {
	for _, l := range m.links {
		for _, p := range l.pairs {
			signal(p.kick)
		}
	}
}

// relist opens links for new interfaces and those whose rest after an error is
// over, closes those of vanished ones and tells the present addresses.
func (m *MDNS) relist(ctx context.Context) {
	found, err := m.radio.interfaces()
	m.mu.Lock()
	m.listErr = err
	if err == nil {
		m.addrs = announced(found)
	}
	m.mu.Unlock()
	if err != nil {
		return
	}
	m.announce()
	var kept []*link
	for _, l := range m.links {
		at := slices.IndexFunc(found, l.serves)
		if at < 0 || l.due(m.cfg.Now()) {
			l.close()
			continue
		}
		kept = append(kept, l)
		found = slices.Delete(found, at, at+1)
	}
	for _, i := range found {
		kept = append(kept, m.open(ctx, i))
	}
	m.mu.Lock()
	m.links = kept
	m.mu.Unlock()
}

// announce gives the zone what may be told now.
func (m *MDNS) announce() {
	m.mu.Lock()
	a := Announcement{ID: m.cfg.Self, Port: m.cfg.Port, Addrs: m.addrs}
	m.mu.Unlock()
	var s *mdns.MDNSService
	if m.discoverable.Load() && len(a.Addrs) > 0 {
		var err error
		if s, err = newService(a); err != nil {
			m.refuse("service")
		}
	}
	m.zone.announce(s)
}

func (m *MDNS) expire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, gone := range m.peers.expire(m.cfg.Now(), m.cfg.ttl(m.slow.Load())) {
		m.out.put(gone)
	}
}

// admit believes, or refuses and counts, one answer heard on an interface.
func (m *MDNS) admit(i iface, e *mdns.ServiceEntry) {
	defer func() {
		if recover() != nil {
			m.refuse("panic")
		}
	}()
	name, ok := cutSuffixFold(e.Name, "."+question)
	if !ok {
		return // another service of the network; not ours to judge
	}
	a, err := ParseTXT(e.InfoFields)
	switch {
	case err != nil:
		m.refuse("txt")
	case !strings.EqualFold(name, instance(a.ID)):
		m.refuse("name")
	case a.ID == m.cfg.Self:
	default:
		m.see(a, m.reachable(i, a))
	}
}

// reachable returns the addresses that make sense from here: link-local ones
// with the zone of the interface that brought them, loopback only in tests.
func (m *MDNS) reachable(i iface, a Announcement) []netip.AddrPort {
	var out []netip.AddrPort
	for _, addr := range a.Addrs {
		if addr.IsLoopback() && !m.cfg.IncludeLoopback {
			continue
		}
		if addr.Is6() && addr.IsLinkLocalUnicast() {
			addr = addr.WithZone(i.Name)
		}
		out = append(out, netip.AddrPortFrom(addr, a.Port))
	}
	return out
}

func (m *MDNS) see(a Announcement, addrs []netip.AddrPort) {
	if len(addrs) == 0 {
		m.refuse("address")
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	tell, full := m.peers.sight(m.cfg.Now(), m.cfg.ttl(m.slow.Load()), a.ID, addrs)
	if full {
		m.refused["too many"]++
	}
	if tell {
		m.out.put(m.peers.get(a.ID))
	}
}

func (m *MDNS) refuse(reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[reason]++
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) < len(suffix) || !strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return "", false
	}
	return s[:len(s)-len(suffix)], true
}
