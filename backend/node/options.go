// Package node is the assembly of one party: it opens identity, storage, network
// and services, owns every goroutine that lives longer than a call, and offers the
// methods behind the local API. It holds no mathematics and no protocol.
//
// The type to start from is [Node]. All methods are safe for concurrent use.
// Order of every change: save, then send, then tell.
package node

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/transport"
)

// Network carries messages between this party and the others: transport.Host, or
// its in-memory twin.
type Network interface {
	transport.Network
	Close() error
}

// Dialer is what a network on real sockets offers beside.
type Dialer interface {
	Connect(ctx context.Context, device fed.DeviceID, addrs []string) error
	Disconnect(device fed.DeviceID, reason string)
	Addrs() []string
	Refusals() map[transport.Reason]uint64
}

// Publisher takes fresh records for the screens; it must not block.
type Publisher func(kind, subject string, data any)

// Options say how a node is opened.
type Options struct {
	// Home holds everything of this party. The caller has locked it.
	Home string
	// Name of the party when the home is new; "" asks the user on first start.
	Name string
	// Self is this party when the caller made it; nil loads it from Home.
	Self *identity.Self
	// Network builds the network when the node starts, in place of the product's (TLS
	// on Listen, mDNS when Discover is on).
	Network func(n *Node) (Network, error)
	// Tap sees every WebSocket message before encryption; for capture tests.
	Tap func(dir transport.Direction, peer fed.DeviceID, b []byte)
	// Epoch is random per start and shown in the status; "" draws one.
	Epoch  string
	Listen string // host:port of the peer listener; "" is ":0" on every interface
	// Loopback keeps the peer listener and discovery on this machine, for demos
	// and tests.
	Loopback bool
	Discover bool
	// DataRoots are the folders that a browser user may pick files from.
	DataRoots []string
	Timers    round.Timers
	// MinDeadline bounds a round's computed deadline from below.
	MinDeadline time.Duration
	// Volatile gives up durability, for rehearsals whose home is thrown away.
	Volatile bool
	Publish  Publisher
	Log      *slog.Logger
	Now      func() time.Time // with its monotonic part, as time.Now gives it
	Version  string
	Window   bool
	// Tutorial starts the guided federation; nil when this node is itself virtual.
	Tutorial TutorialHost
}

// TutorialHost runs virtual parties beside a node, for its tutorial.
type TutorialHost interface {
	// Join starts virtual parties that pair with n and follow its invitations; stop
	// ends them.
	Join(ctx context.Context, n *Node) (stop func(), err error)
	// Clear removes what virtual parties of the past have left on the disk.
	Clear() error
}

func (o *Options) fill() {
	if o.Publish == nil {
		o.Publish = func(string, string, any) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timers == (round.Timers{}) {
		o.Timers = round.Default()
	}
	if o.MinDeadline == 0 {
		o.MinDeadline = time.Minute
	}
	if o.Listen == "" {
		o.Listen = ":0"
		if o.Loopback {
			o.Listen = "127.0.0.1:0"
		}
	}
	if o.Epoch == "" {
		o.Epoch = newHex()[:16]
	}
}

func draw() float64 { return rand.Float64() }
