package node

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/discover"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

type backoff struct {
	wait  time.Duration
	after time.Time
}

func (b *peerBook) wake() {
	select {
	case b.wakeup <- struct{}{}:
	default:
	}
}

// listen opens the peer port, discovery and the goroutine that keeps connections.
func (n *Node) listen(h *transport.Host) error {
	if err := h.Listen(n.opts.Listen); err != nil {
		return fed.Errorf(fed.Unavailable, "End the program that uses the port, or choose another with --peer-listen.", "the port for peers cannot be opened: %w", err)
	}
	n.peers.dialer = h
	if n.opts.Discover {
		if err := n.discover(h); err != nil {
			n.opts.Log.Warn("discovery not started", "error", err.Error())
		}
	}
	n.work.Go(n.peers.keep)
	return nil
}

func (n *Node) discover(h *transport.Host) error {
	tcp, ok := h.Addr().(*net.TCPAddr)
	if !ok {
		return nil
	}
	cfg := discover.Default(n.identity().Device(), uint16(tcp.Port))
	cfg.IncludeLoopback = n.opts.Loopback
	cfg.Discoverable = n.settings.get("network.discoverable") == "true"
	m, err := discover.NewMDNS(cfg)
	if err != nil {
		return err
	}
	n.peers.mu.Lock()
	n.peers.mdns = m
	n.peers.mu.Unlock()
	n.work.Go(func() {
		if err := m.Run(n.ctx); err != nil {
			n.opts.Log.Warn("discovery ended", "error", err.Error())
		}
	})
	n.work.Go(func() {
		for e := range m.Events() {
			n.peers.found(e)
		}
	})
	return nil
}

// applySettings makes changed settings act.
func (n *Node) applySettings() {
	n.peers.mu.Lock()
	m := n.peers.mdns
	n.peers.mu.Unlock()
	if m != nil {
		m.SetDiscoverable(n.settings.get("network.discoverable") == "true")
	}
	n.queue.Wake()
}

func (b *peerBook) found(e discover.Event) {
	b.mu.Lock()
	switch e := e.(type) {
	case discover.PeerSeen:
		b.seen[e.DeviceID] = e
		delete(b.retry, e.DeviceID)
	case discover.PeerGone:
		delete(b.seen, e.DeviceID)
	}
	b.mu.Unlock()
	b.wake()
	b.changed(e.Device())
}

// keep dials every paired device that is not connected, with growing pauses.
func (b *peerBook) keep() {
	pause := max(b.n.opts.Timers.Heartbeat, 200*time.Millisecond)
	t := time.NewTicker(pause)
	defer t.Stop()
	var dials sync.WaitGroup
	defer dials.Wait()
	for {
		for device, addrs := range b.due(pause) {
			dials.Go(func() { b.dial(device, addrs) })
		}
		select {
		case <-b.n.ctx.Done():
			return
		case <-b.wakeup:
		case <-t.C:
		}
	}
}

// due returns the devices to dial now, with their addresses, and defers the next
// try of each.
func (b *peerBook) due(pause time.Duration) map[fed.DeviceID][]string {
	connected := map[fed.DeviceID]bool{}
	for _, s := range b.n.net.Sessions() {
		connected[s.Device] = true
	}
	out := map[fed.DeviceID][]string{}
	now := b.n.opts.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for d, r := range b.rows {
		wait := b.retry[d]
		addrs := b.addresses(d, r)
		if r.RevokedMs != 0 || connected[d] || now.Before(wait.after) || len(addrs) == 0 {
			continue
		}
		wait.wait = min(max(2*wait.wait, pause), time.Minute)
		wait.after = now.Add(wait.wait)
		b.retry[d] = wait
		out[d] = addrs
	}
	return out
}

// addresses lists where a device may be reached: seen on the network first.
func (b *peerBook) addresses(d fed.DeviceID, r query.Peer) []string {
	var out []string
	for _, a := range b.seen[d].Addrs {
		out = append(out, a.String())
	}
	for _, a := range addrsOf(r) {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out[:min(len(out), 16)]
}

func (b *peerBook) dial(d fed.DeviceID, addrs []string) {
	ctx, cancel := context.WithTimeout(b.n.ctx, 30*time.Second)
	defer cancel()
	if err := b.dialer.Connect(ctx, d, addrs); err != nil && b.n.ctx.Err() == nil {
		b.n.opts.Log.Debug("peer not reached", "device", d.Short(), "error", err.Error())
	}
}
