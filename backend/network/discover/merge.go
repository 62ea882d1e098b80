package discover

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"synergos.app/desktop/backend/fed"
)

// Merged is a Finder that runs other finders and reports each device once, with
// the addresses of all of them.
type Merged struct {
	self    fed.DeviceID
	finders []Finder
	out     *outbox

	mu    sync.Mutex
	known map[fed.DeviceID][]*PeerSeen // by finder; nil where it does not know the device
}

// Merge returns a Finder that runs finders, most trusted first, and never
// reports self. It is the only reader of their events.
func Merge(self fed.DeviceID, finders ...Finder) *Merged {
	return &Merged{self: self, finders: finders, out: newOutbox(), known: map[fed.DeviceID][]*PeerSeen{}}
}

// Run implements Finder. It returns the errors of its finders; one that fails
// does not stop the others.
func (m *Merged) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	errs := make([]error, len(m.finders))
	var finders, pump sync.WaitGroup
	for i, f := range m.finders {
		finders.Go(func() { errs[i] = f.Run(ctx) })
		finders.Go(func() { m.follow(i, f) })
	}
	pump.Go(func() { m.out.run(ctx) })
	<-ctx.Done()
	finders.Wait()
	cancel()
	pump.Wait()
	return errors.Join(errs...)
}

// follow applies the events of finder i; when they end, it knows nobody.
func (m *Merged) follow(i int, f Finder) {
	for e := range f.Events() {
		m.apply(i, e)
	}
	m.mu.Lock()
	ids := slices.Collect(maps.Keys(m.known))
	m.mu.Unlock()
	for _, id := range ids {
		m.apply(i, PeerGone{DeviceID: id})
	}
}

func (m *Merged) apply(i int, e Event) {
	id := e.Device()
	if id == m.self {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := combine(m.known[id])
	by := m.known[id]
	if by == nil {
		by = make([]*PeerSeen, len(m.finders))
	}
	by[i] = nil
	if seen, ok := e.(PeerSeen); ok {
		by[i] = &seen
	}
	after := combine(by)
	if after != nil {
		m.known[id] = by
	} else {
		delete(m.known, id)
	}
	m.report(before, after)
}

// report tells a change; what stayed as it was is not told.
func (m *Merged) report(before, after *PeerSeen) {
	switch {
	case after == nil && before == nil:
	case after == nil:
		m.out.put(PeerGone{DeviceID: before.DeviceID, LastSeen: before.LastSeen, Source: before.Source})
	case before == nil || !before.LastSeen.Equal(after.LastSeen) || before.Source != after.Source || !slices.Equal(before.Addrs, after.Addrs):
		m.out.put(*after)
	}
}

// combine joins what the finders know of one device. Their addresses take
// turns, so that a liar with many cannot crowd out the others.
func combine(by []*PeerSeen) *PeerSeen {
	var all *PeerSeen
	var sources []string
	var lists [][]netip.AddrPort
	for _, p := range by {
		if p == nil {
			continue
		}
		if all == nil {
			all = &PeerSeen{DeviceID: p.DeviceID}
		}
		if p.LastSeen.After(all.LastSeen) {
			all.LastSeen = p.LastSeen
		}
		sources = append(sources, p.Source)
		lists = append(lists, p.Addrs)
	}
	if all != nil {
		all.Source = strings.Join(sources, ",")
		all.Addrs = interleave(lists)
	}
	return all
}

func interleave(lists [][]netip.AddrPort) []netip.AddrPort {
	var out []netip.AddrPort
	for rank := range MaxAddrs {
		for _, l := range lists {
			if rank < len(l) && len(out) < MaxAddrs && !slices.Contains(out, l[rank]) {
				out = append(out, l[rank])
			}
		}
	}
	return out
}

// Peers returns the devices known now, ordered by id.
func (m *Merged) Peers() []PeerSeen {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]PeerSeen, 0, len(m.known))
	for _, id := range slices.Sorted(maps.Keys(m.known)) {
		out = append(out, *combine(m.known[id]))
	}
	return out
}

// Events implements Finder.
func (m *Merged) Events() <-chan Event { return m.out.ch }
