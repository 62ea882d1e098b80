package discover

import (
	"net/netip"
	"time"

	"synergos.app/desktop/backend/fed"
)

// refreshEvery is how often a device that only is still there is reported.
const refreshEvery = 5 * time.Second

// table remembers who was seen and when. Who and what came first keeps its
// place as long as it is seen again: a flood of inventions can fill what is
// free, not push anybody out. It is not safe for use by several goroutines.
type table struct {
	peers map[fed.DeviceID]*sighting
}

type sighting struct {
	addrs []seenAddr // oldest first
	seen  time.Time
	told  time.Time
}

type seenAddr struct {
	addr netip.AddrPort
	seen time.Time
}

func newTable() *table { return &table{peers: map[fed.DeviceID]*sighting{}} }

// sight records that id was seen at addrs. tell says whether that is news;
// refused that there is no room for another device.
func (t *table) sight(now time.Time, ttl time.Duration, id fed.DeviceID, addrs []netip.AddrPort) (tell, refused bool) {
	s := t.peers[id]
	if s == nil {
		if len(t.peers) >= MaxPeers {
			return false, true
		}
		s = &sighting{}
		t.peers[id] = s
	}
	changed := s.dropOlder(now.Add(-ttl))
	for _, a := range addrs {
		changed = s.see(now, a) || changed
	}
	s.seen = now
	if tell = changed || now.Sub(s.told) >= refreshEvery; tell {
		s.told = now
	}
	return tell, false
}

func (s *sighting) dropOlder(limit time.Time) (changed bool) {
	kept := s.addrs[:0]
	for _, a := range s.addrs {
		if a.seen.After(limit) {
			kept = append(kept, a)
		}
	}
	changed = len(kept) != len(s.addrs)
	s.addrs = kept
	return changed
}

func (s *sighting) see(now time.Time, a netip.AddrPort) (added bool) {
	for i := range s.addrs {
		if s.addrs[i].addr == a {
			s.addrs[i].seen = now
			return false
		}
	}
	if len(s.addrs) >= MaxAddrs {
		return false
	}
	s.addrs = append(s.addrs, seenAddr{a, now})
	return true
}

// get returns what is known of id.
func (t *table) get(id fed.DeviceID) PeerSeen {
	s := t.peers[id]
	p := PeerSeen{DeviceID: id, LastSeen: s.seen, Source: "mdns"}
	for _, a := range s.addrs {
		p.Addrs = append(p.Addrs, a.addr)
	}
	return p
}

// expire forgets and returns the devices not seen for ttl.
func (t *table) expire(now time.Time, ttl time.Duration) []PeerGone {
	var gone []PeerGone
	for id, s := range t.peers {
		if now.Sub(s.seen) >= ttl {
			gone = append(gone, PeerGone{DeviceID: id, LastSeen: s.seen, Source: "mdns"})
			delete(t.peers, id)
		}
	}
	return gone
}
