// Package discover finds other computers of the product: on the local network
// by multicast DNS ([MDNS]) and from addresses that are known already ([List]);
// [Merge] makes one stream of several finders.
//
// What it finds are hints from anybody on the network, never identity: only the
// pinned TLS key of the transport is. It neither dials nor trusts, and what it
// announces names no organisation, user, project or host.
//
// Start with [Finder]. Every finder owns the goroutines it starts and has ended
// them when Run returns (the mDNS library's readers end as soon as the sockets
// that Run closed say so). Service: _synergos._tcp of RFC 6763 over RFC 6762.
package discover

import (
	"context"
	"net/netip"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Bounds of what is believed of a network.
const (
	MaxPeers = 512 // peers of one finder
	MaxAddrs = 16  // addresses of one peer
)

// Event is a [PeerSeen] or a [PeerGone].
type Event interface {
	// Device returns the device that the event is about.
	Device() fed.DeviceID
}

// PeerSeen says where a device may be reached, as far as its source knows. A
// later one of the same device replaces it.
type PeerSeen struct {
	DeviceID fed.DeviceID
	Addrs    []netip.AddrPort // at most MaxAddrs, in the order to be tried; not to be changed
	LastSeen time.Time        // zero if it is only configured
	Source   string           // "mdns", the name of a List, or several joined by commas
}

// Device implements Event.
func (p PeerSeen) Device() fed.DeviceID { return p.DeviceID }

// PeerGone says that a device was not seen for long enough or was removed.
type PeerGone struct {
	DeviceID fed.DeviceID
	LastSeen time.Time
	Source   string
}

// Device implements Event.
func (p PeerGone) Device() fed.DeviceID { return p.DeviceID }

// Finder is a stream of peers.
type Finder interface {
	// Run looks for peers until ctx ends and then returns nil. It may be called
	// once.
	Run(ctx context.Context) error
	// Events is for one reader and is closed when Run returns. A slow reader is
	// not waited for: of each device it gets the newest event.
	Events() <-chan Event
}
