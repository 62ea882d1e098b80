// Package memnet is the in-memory twin of package transport: any number of nodes in
// one process, without sockets or keys. Every message passes through the encoder and
// decoder of package wire, so that bounds and conversions are the real ones.
//
// Start with [New]. Messages reach a node one after the other in the order in which
// they were sent to it, whoever sent them; requests are handled concurrently. Links
// can be cut and healed. A Net owns its goroutines; Close waits for them.
package memnet

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/wire"
)

// maxInbox bounds the messages that wait for a node.
const maxInbox = 4096

// Options of a node; all may be nil.
type Options struct {
	Name     string
	Blobs    transport.BlobStore
	Egress   transport.Egress
	MayFetch func(fed.PartyID, fed.Digest) bool
	Permit   func(fed.PartyID, wire.Kind) bool
	Queries  []string
	OnEvent  func(transport.Event)
}

// Net is a network of virtual nodes, each connected with all others.
type Net struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex // guards what follows
	nodes map[fed.PartyID]*Node
	cut   map[[2]fed.PartyID]bool
	tap   func(from, to fed.PartyID, b []byte)
}

// New returns an empty network.
func New() *Net {
	n := &Net{nodes: map[fed.PartyID]*Node{}, cut: map[[2]fed.PartyID]bool{}}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// Tap lets f see every frame; it must not block.
func (n *Net) Tap(f func(from, to fed.PartyID, b []byte)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tap = f
}

// Close ends all nodes and waits for their goroutines.
func (n *Net) Close() error {
	n.cancel()
	n.mu.Lock()
	all := n.nodes
	n.nodes = map[fed.PartyID]*Node{}
	n.mu.Unlock()
	for _, d := range all {
		d.cancel()
	}
	n.wg.Wait()
	return nil
}

func pair(a, b fed.PartyID) [2]fed.PartyID {
	if a > b {
		a, b = b, a
	}
	return [2]fed.PartyID{a, b}
}

// Cut breaks the link between two parties.
func (n *Net) Cut(a, b fed.PartyID) { n.set(a, b, true) }

// Heal restores it.
func (n *Net) Heal(a, b fed.PartyID) { n.set(a, b, false) }

func (n *Net) set(a, b fed.PartyID, cut bool) {
	n.mu.Lock()
	was := n.cut[pair(a, b)]
	n.cut[pair(a, b)] = cut
	x, y := n.nodes[a], n.nodes[b]
	if cut && x != nil && y != nil {
		x.breakLink(b)
		y.breakLink(a)
	}
	n.mu.Unlock()
	if x != nil && y != nil && was != cut {
		x.told(y, !cut)
		y.told(x, !cut)
	}
}

// Node is one virtual party; it implements transport.Network.
type Node struct {
	net    *Net
	party  fed.PartyID
	device fed.DeviceID
	o      Options
	ctx    context.Context
	cancel context.CancelFunc
	inbox  chan parcel
	since  time.Time

	mu      sync.Mutex // guards what follows
	handler transport.Handler
	links   map[fed.PartyID]*pipe
	flights map[fed.Digest]chan struct{}
}

// pipe is one direction-less link: its context ends when it is cut.
type pipe struct {
	ctx     context.Context
	cancel  context.CancelFunc
	in, out int64
}

type parcel struct {
	from fed.PartyID
	msg  wire.Message
}

var _ transport.Network = (*Node)(nil)

// Join adds a node. It returns fed.Exists for a party that is there already.
func (n *Net) Join(party fed.PartyID, device fed.DeviceID, o Options) (*Node, error) {
	d := &Node{
		net: n, party: party, device: device, o: o, inbox: make(chan parcel, maxInbox), since: time.Now(),
		links: map[fed.PartyID]*pipe{}, flights: map[fed.Digest]chan struct{}{},
		handler: func(context.Context, fed.PartyID, wire.Message) (wire.Message, error) {
			return nil, fed.Errorf(fed.Unavailable, "Try again in a moment.", "the other side is still starting")
		},
	}
	d.ctx, d.cancel = context.WithCancel(n.ctx)
	n.mu.Lock()
	if n.nodes[party] != nil || n.ctx.Err() != nil {
		n.mu.Unlock()
		d.cancel()
		return nil, fed.Errorf(fed.Exists, "", "party %s is in the network already, or it is closed", party.Short())
	}
	var others []*Node
	for _, o := range n.nodes {
		if !n.cut[pair(o.party, party)] {
			others = append(others, o)
		}
	}
	n.nodes[party] = d
	n.wg.Go(d.deliver)
	n.mu.Unlock()
	slices.SortFunc(others, func(a, b *Node) int { return strings.Compare(string(a.party), string(b.party)) })
	for _, o := range others {
		d.told(o, true)
		o.told(d, true)
	}
	return d, nil
}

// Leave removes a node as if its program had ended.
func (d *Node) Leave() {
	d.net.mu.Lock()
	if d.net.nodes[d.party] == d {
		delete(d.net.nodes, d.party)
	}
	var others []*Node
	for _, o := range d.net.nodes {
		if !d.net.cut[pair(o.party, d.party)] {
			others = append(others, o)
		}
	}
	d.net.mu.Unlock()
	d.cancel()
	for _, o := range others {
		o.breakLink(d.party)
		o.told(d, false)
	}
}

func (d *Node) told(o *Node, up bool) {
	if d.o.OnEvent == nil {
		return
	}
	e := transport.Event{Kind: transport.Connected, Session: d.describe(o)}
	if !up {
		e.Kind, e.Reason = transport.Disconnected, transport.Lost
	}
	d.o.OnEvent(e)
}

func (d *Node) describe(o *Node) transport.Session {
	s := transport.Session{Party: o.party, Device: o.device, Name: o.o.Name, Addr: "memory", Since: o.since, Version: "1.0 memory"}
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.links[o.party]; p != nil {
		s.BytesIn, s.BytesOut = p.in, p.out
	}
	return s
}

// Self implements transport.Network.
func (d *Node) Self() fed.PartyID { return d.party }

// Handle implements transport.Network.
func (d *Node) Handle(h transport.Handler) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.handler = h
}

// Sessions implements transport.Network.
func (d *Node) Sessions() []transport.Session {
	var out []transport.Session
	for _, o := range d.net.reachable(d) {
		out = append(out, d.describe(o))
	}
	return out
}

func (n *Net) reachable(d *Node) []*Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []*Node
	if n.nodes[d.party] != d {
		return nil
	}
	for _, o := range n.nodes {
		if o != d && !n.cut[pair(o.party, d.party)] {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b *Node) int { return strings.Compare(string(a.party), string(b.party)) })
	return out
}

// peer returns a connected node and the state of the link to it.
func (d *Node) peer(to fed.PartyID) (*Node, *pipe, error) {
	for _, o := range d.net.reachable(d) {
		if o.party == to {
			return o, d.pipe(to), nil
		}
	}
	return nil, nil, fed.Errorf(fed.Unavailable, "Wait until it is online, or check its address.", "party %s is not connected", to.Short())
}

func (d *Node) pipe(to fed.PartyID) *pipe {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.links[to]
	if p == nil || p.ctx.Err() != nil {
		q := &pipe{}
		if p != nil {
			q.in, q.out = p.in, p.out
		}
		q.ctx, q.cancel = context.WithCancel(d.ctx)
		p = q
		d.links[to] = p
	}
	return p
}

func (d *Node) breakLink(to fed.PartyID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.links[to]; p != nil {
		p.cancel()
	}
}
