package node

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/discover"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// peerBook knows who is paired, who is seen and who is online.
type peerBook struct {
	n       *Node
	writing sync.Mutex // one change of a row at a time, from reading it to the disk
	mu      sync.Mutex
	rows    map[fed.DeviceID]query.Peer
	seen    map[fed.DeviceID]discover.PeerSeen
	retry   map[fed.DeviceID]backoff
	mdns    *discover.MDNS
	dialer  Dialer
	wakeup  chan struct{}
	pairs   map[string]*transport.Pairing
	invites map[fed.Digest]string // links, while the app runs
}

type backoff struct {
	wait  time.Duration
	after time.Time
}

func openPeers(ctx context.Context, n *Node) (*peerBook, error) {
	rows, err := n.db.ListPeers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read peers: %w", err)
	}
	b := &peerBook{
		n: n, rows: map[fed.DeviceID]query.Peer{}, seen: map[fed.DeviceID]discover.PeerSeen{}, retry: map[fed.DeviceID]backoff{},
		wakeup: make(chan struct{}, 1), pairs: map[string]*transport.Pairing{}, invites: map[fed.Digest]string{},
	}
	for _, r := range rows {
		b.rows[fed.DeviceID(r.Device)] = r
	}
	n.grants = &grants{n: n, all: map[fed.Digest]map[fed.PartyID]bool{}}
	return b, nil
}

// Lookup implements transport.PeerTable.
func (b *peerBook) Lookup(device fed.DeviceID) (fed.PartyID, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.rows[device]
	return fed.PartyID(r.Party), ok && r.RevokedMs == 0
}

// paired reports whether a party has a device that is not revoked, or is this one.
func (b *peerBook) paired(p fed.PartyID) bool {
	_, ok := b.orgKey(p)
	return ok
}

// orgKey returns the organisation key of a paired party, or of this one.
func (b *peerBook) orgKey(p fed.PartyID) ([]byte, bool) {
	if p == b.n.me() {
		return b.n.identity().PublicKey(), true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.rows {
		if fed.PartyID(r.Party) == p && r.RevokedMs == 0 {
			return r.OrgKey, true
		}
	}
	return nil, false
}

// online returns the parties with a live session.
func (b *peerBook) online() []fed.PartyID {
	if b.n.net == nil {
		return nil
	}
	var out []fed.PartyID
	for _, s := range b.n.net.Sessions() {
		out = append(out, s.Party)
	}
	return out
}

func (b *peerBook) isOnline(p fed.PartyID) bool {
	return p == b.n.me() || slices.Contains(b.online(), p)
}

// nameOf returns what a person calls a party or device.
func (n *Node) nameOf(id string) string {
	if id == string(n.me()) {
		return n.identity().Name()
	}
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	for _, r := range n.peers.rows {
		if r.Party == id || r.Device == id {
			return r.Name
		}
	}
	return fed.PartyID(id).Short()
}

func addrsOf(r query.Peer) []string {
	var out []string
	if json.Unmarshal([]byte(r.Addrs), &out) != nil {
		return nil
	}
	return out
}

// add saves a peer whose statement has been verified.
func (b *peerBook) add(ctx context.Context, st identity.Statement, signed identity.Signed, addrs []string, source, how string) error {
	r := peerRow(st, signed, addrs, source, how, ms(b.n.opts.Now()))
	_, err := b.change(ctx, st.Device, func(old query.Peer, known bool) (query.Peer, bool) {
		if known && old.RevokedMs == 0 {
			r.PairedMs, r.Source, r.How = old.PairedMs, old.Source, old.How
		}
		return r, true
	})
	if err != nil {
		return err
	}
	b.wake()
	b.changed(st.Device)
	return nil
}

// peerRow is what is kept about a device whose statement has been verified.
func peerRow(st identity.Statement, signed identity.Signed, addrs []string, source, how string, now int64) query.Peer {
	role := identity.RoleParticipant
	if len(st.Roles) > 0 {
		role = st.Roles[0]
	}
	return query.Peer{
		Device: string(st.Device), Party: string(st.Party), Name: st.Name, OrgKey: st.OrgKey, Statement: []byte(toJSON(signed)), Role: role,
		Source: source, How: how, Addrs: toJSON(clip(addrs, 16)), PairedMs: now, SeenMs: now,
	}
}

// change replaces a device's row, on the disk first. Changes come one after the
// other, so that none brings back what another has just ended. f gets the row and
// whether there is one, and returns the new row and whether to keep it.
func (b *peerBook) change(ctx context.Context, d fed.DeviceID, f func(old query.Peer, known bool) (query.Peer, bool)) (changed bool, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	old, known := b.rows[d]
	b.mu.Unlock()
	r, keep := f(old, known)
	if !keep {
		return false, nil
	}
	if err := b.n.db.PutPeer(ctx, query.PutPeerParams(r)); err != nil {
		return false, fmt.Errorf("save peer: %w", err)
	}
	b.mu.Lock()
	b.rows[d] = r
	delete(b.retry, d)
	b.mu.Unlock()
	return true, nil
}

// Acquaint pairs with another node in this process without people: for rehearsals,
// and for the tutorial, whose parties are marked for good.
func (n *Node) Acquaint(ctx context.Context, other *Node) error {
	self, source, how := other.identity(), "rehearsal", "virtual party in this process"
	if n.opts.Tutorial != nil {
		source, how = fromTutorial, "virtual party of the tutorial, inside this app"
	}
	var addrs []string
	if d := other.peers.dialer; d != nil {
		addrs = d.Addrs()
	}
	if err := n.peers.add(ctx, self.Statement(), self.Signed(), addrs, source, how); err != nil {
		return err
	}
	n.then(func(ctx context.Context) { n.greet(ctx, self.Party()) })
	return nil
}

func clip(s []string, n int) []string {
	if s == nil {
		return []string{}
	}
	return s[:min(len(s), n)]
}

func (b *peerBook) wake() {
	select {
	case b.wakeup <- struct{}{}:
	default:
	}
}

func (b *peerBook) changed(d fed.DeviceID) {
	b.n.publish("peer", string(d), nil)
	b.n.statusChanged()
}

// event takes what happens to connections; it must not block.
func (b *peerBook) event(e transport.Event) {
	if e.Kind == transport.Refused {
		b.n.counts.refuse("connection: " + string(e.Reason))
		return
	}
	b.n.then(func(ctx context.Context) {
		if e.Kind == transport.Connected {
			b.connected(ctx, e)
			b.n.greet(ctx, e.Session.Party)
		}
		b.wake()
		b.changed(e.Session.Device)
	})
}

// connected remembers where a peer was reached, and its newest statement.
func (b *peerBook) connected(ctx context.Context, e transport.Event) {
	_, err := b.change(ctx, e.Session.Device, func(r query.Peer, known bool) (query.Peer, bool) {
		r.SeenMs = ms(b.n.opts.Now())
		if e.Statement.Name != "" {
			r.Name, r.Statement = e.Statement.Name, []byte(toJSON(e.Signed))
		}
		if len(e.Addrs) > 0 {
			r.Addrs = toJSON(clip(e.Addrs, 16))
		}
		return r, known
	})
	if err != nil {
		b.n.opts.Log.Error("peer not saved", "error", err.Error())
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
	now := time.Now()
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

// Revoke blocks a device: its sessions end at once and it cannot come back.
func (n *Node) Revoke(ctx context.Context, deviceID string) error {
	d := fed.DeviceID(deviceID)
	known, err := n.peers.change(ctx, d, func(r query.Peer, known bool) (query.Peer, bool) {
		r.RevokedMs = ms(n.opts.Now())
		return r, known
	})
	if err != nil {
		return err
	}
	if !known {
		return fed.Errorf(fed.NotFound, "Reload the list.", "this device is not paired")
	}
	if n.peers.dialer != nil {
		n.peers.dialer.Disconnect(d, "revoked")
	}
	n.peers.changed(d)
	return nil
}

// Peers returns everybody known, seen or asking.
func (n *Node) Peers(ctx context.Context) (view.PeerList, error) {
	id, err := n.Identity(ctx)
	if err != nil {
		return view.PeerList{}, err
	}
	inv, err := n.inviteViews(ctx)
	if err != nil {
		return view.PeerList{}, err
	}
	return view.PeerList{Items: n.peerViews(), Pairings: n.pairingViews(), Invites: inv, Discovery: n.discovery(), Identity: id}, nil
}

func (n *Node) peerViews() []view.Peer {
	sessions := map[fed.DeviceID]transport.Session{}
	if n.net != nil {
		for _, s := range n.net.Sessions() {
			sessions[s.Device] = s
		}
	}
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	out := []view.Peer{}
	for d, r := range n.peers.rows {
		if r.Source == fromTutorial && r.RevokedMs != 0 {
			continue // of a tutorial that has ended
		}
		out = append(out, peerView(d, r, sessions, n.peers.seen[d]))
	}
	for d, s := range n.peers.seen {
		if _, known := n.peers.rows[d]; known || d == n.identity().Device() {
			continue
		}
		seen := s.LastSeen.UTC()
		out = append(out, view.Peer{
			DeviceID: string(d), State: "seen", Role: "none", Fingerprint: fed.Fingerprint(string(d)), Addresses: addrStrings(s.Addrs),
			Source: s.Source, LastSeen: &seen, RTTMs: nan, How: "not paired",
		})
	}
	slices.SortFunc(out, func(a, b view.Peer) int {
		return cmp.Or(cmp.Compare(stateOrder[a.State], stateOrder[b.State]), cmp.Compare(a.Name, b.Name), cmp.Compare(a.DeviceID, b.DeviceID))
	})
	return out
}

var stateOrder = map[string]int{"paired": 0, "pending": 1, "seen": 2, "revoked": 3}

func peerView(d fed.DeviceID, r query.Peer, sessions map[fed.DeviceID]transport.Session, seen discover.PeerSeen) view.Peer {
	last := at(r.SeenMs)
	v := view.Peer{
		DeviceID: r.Device, PartyID: r.Party, Name: r.Name, State: "paired", Role: r.Role, Fingerprint: fed.Fingerprint(r.Party),
		Addresses: clip(addrsOf(r), 16), Source: r.Source, LastSeen: &last, RTTMs: nan, How: r.How,
	}
	if r.RevokedMs != 0 {
		v.State = "revoked"
	}
	if s, ok := sessions[d]; ok {
		now := time.Now().UTC()
		v.Online, v.LastSeen, v.Version, v.BytesIn, v.BytesOut = true, &now, s.Version, s.BytesIn, s.BytesOut
		if s.RTT > 0 {
			v.RTTMs = fed.Number(float64(s.RTT.Microseconds()) / 1000)
		}
		if s.Addr != "" && !slices.Contains(v.Addresses, s.Addr) {
			v.Addresses = append([]string{s.Addr}, v.Addresses...)
		}
	}
	if len(seen.Addrs) > 0 && len(v.Addresses) == 0 {
		v.Addresses = addrStrings(seen.Addrs)
	}
	return v
}

func addrStrings(as []netip.AddrPort) []string {
	out := []string{}
	for _, a := range as {
		out = append(out, a.String())
	}
	return out
}

// discovery says how looking for others goes.
func (n *Node) discovery() view.Discovery {
	n.peers.mu.Lock()
	m := n.peers.mdns
	n.peers.mu.Unlock()
	if m == nil {
		return view.Discovery{State: "off", Sentence: "Not looking on the local network.", Hint: "Type an address or use an invite link.", Interfaces: []string{}}
	}
	st := m.Status()
	v := view.Discovery{State: "on", Sentence: st.Text, Hint: st.Hint, Interfaces: []string{}}
	if st.State == "blocked" || st.State == "no_network" {
		v.State = "blocked"
	}
	names := map[string]bool{}
	for _, p := range st.Pairs {
		names[p.Interface] = true
	}
	v.Interfaces = append(v.Interfaces, slices.Sorted(maps.Keys(names))...)
	return v
}

// Identity returns this party.
func (n *Node) Identity(context.Context) (view.Identity, error) {
	self := n.identity()
	v := view.Identity{
		Party: self.Name(), PartyID: string(self.Party()), DeviceID: string(self.Device()), Fingerprint: fed.Fingerprint(string(self.Party())),
		Addresses: []string{}, Home: n.opts.Home, Discovery: n.discovery().State,
		KeyStore: "In this party's folder, readable by this user account only. Keep the folder on an encrypted disk.",
	}
	if n.peers.dialer != nil {
		v.Addresses = clip(n.peers.dialer.Addrs(), 16)
	}
	return v, nil
}
