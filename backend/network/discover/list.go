package discover

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
)

// List is a Finder of peers whose addresses are known: typed in, brought by an
// invite link or remembered from the last connection. It may be changed at any
// time by any goroutine.
type List struct {
	source string
	out    *outbox

	mu    sync.Mutex
	peers map[fed.DeviceID]PeerSeen
}

// NewList returns an empty list; source names it in its events.
func NewList(source string) *List {
	return &List{source: source, out: newOutbox(), peers: map[fed.DeviceID]PeerSeen{}}
}

// Set adds a device or replaces its addresses. lastSeen may be zero. It returns
// fed.Invalid if id, an address or the number of them cannot be right.
func (l *List) Set(id fed.DeviceID, addrs []netip.AddrPort, lastSeen time.Time) error {
	if !fed.ValidKeyID(string(id)) {
		return fed.Errorf(fed.Invalid, "Copy the device id again from the other computer.", "this is not a device id")
	}
	if len(addrs) == 0 || len(addrs) > MaxAddrs {
		return fed.Errorf(fed.Invalid, "Give 1 to 16 addresses.", "%d addresses for device %s", len(addrs), id.Short())
	}
	for _, a := range addrs {
		if !a.IsValid() || a.Port() == 0 || !dialable(a.Addr()) {
			return fed.Errorf(fed.Invalid, "Give an address such as 192.168.1.20:7420.", "%s is not an address that can be dialled", a)
		}
	}
	p := PeerSeen{DeviceID: id, Addrs: slices.Clone(addrs), LastSeen: lastSeen, Source: l.source}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.peers[id]; !known && len(l.peers) >= MaxPeers {
		return fed.Errorf(fed.Invalid, "Remove devices that are no longer used.", "the list of known devices is full (%d)", MaxPeers)
	}
	l.peers[id] = p
	l.out.put(p)
	return nil
}

// Remove forgets a device.
func (l *List) Remove(id fed.DeviceID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p, known := l.peers[id]; known {
		delete(l.peers, id)
		l.out.put(PeerGone{DeviceID: id, LastSeen: p.LastSeen, Source: l.source})
	}
}

// Run implements Finder.
func (l *List) Run(ctx context.Context) error {
	l.out.run(ctx)
	return nil
}

// Events implements Finder.
func (l *List) Events() <-chan Event { return l.out.ch }
