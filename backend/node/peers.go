package node

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

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
}

func openPeers(ctx context.Context, n *Node) (*peerBook, error) {
	rows, err := n.db.ListPeers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read peers: %w", err)
	}
	b := &peerBook{
		n: n, rows: map[fed.DeviceID]query.Peer{}, seen: map[fed.DeviceID]discover.PeerSeen{}, retry: map[fed.DeviceID]backoff{},
		wakeup: make(chan struct{}, 1), pairs: map[string]*transport.Pairing{},
	}
	for _, r := range rows {
		b.rows[fed.DeviceID(r.Device)] = r
	}
	n.grants = &grants{n: n, all: map[fed.Digest]map[grant]bool{}}
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

// any reports whether there is a peer that is not revoked.
func (b *peerBook) any() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.rows {
		if r.RevokedMs == 0 {
			return true
		}
	}
	return false
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

// adopt enters a computer that nobody here knows and that shows a valid statement of
// a paired organisation: its key vouches for the new computer as for the one that
// was paired. A person is told.
func (b *peerBook) adopt(st identity.Statement, signed identity.Signed) bool {
	ctx := b.n.ctx
	if key, ok := b.orgKey(st.Party); !ok || st.Party == b.n.me() || !slices.Equal(key, st.OrgKey) {
		return false
	}
	b.mu.Lock()
	newest, devices := uint64(0), 0
	for _, r := range b.rows {
		if fed.PartyID(r.Party) != st.Party {
			continue
		}
		devices++
		var s identity.Signed
		if json.Unmarshal(r.Statement, &s) != nil {
			continue
		}
		if old, err := identity.VerifyStatement(s, b.n.opts.Now()); err == nil {
			newest = max(newest, old.Counter)
		}
	}
	b.mu.Unlock()
	if st.Counter <= newest || devices >= maxDevices {
		b.n.counts.refuse("connection: an old statement about a new computer")
		return false
	}
	if err := b.add(ctx, st, signed, nil, "statement", "new computer of a paired party"); err != nil {
		b.n.opts.Log.Error("new computer of a peer not saved", "error", err.Error())
		return false
	}
	b.n.then(func(ctx context.Context) {
		b.n.inbox.ask(ctx, view.InboxEntry{
			ID: "device-" + string(st.Device), Kind: "notice", Href: "/peers", Title: st.Name + " uses a new computer",
			Text: "Its organisation's key vouches for it. If you doubt that, ask them by telephone, and end the pairing under Peers.",
		})
	})
	return true
}

// maxDevices bounds the computers of one party.
const maxDevices = 16
