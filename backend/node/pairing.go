package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/storage/sqlite"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// host is what pairing needs of a network on real sockets.
type host interface {
	StartSAS(ctx context.Context, addrs ...string) (*transport.Pairing, error)
	PairByInvite(ctx context.Context, link string) (*transport.Pairing, error)
	NewInvite(federation string) (identity.Invite, error)
}

func (n *Node) host() (host, error) {
	if h, ok := n.peers.dialer.(host); ok {
		return h, nil
	}
	return nil, fed.Errorf(fed.Unavailable, "Start the app normally.", "there is no network in a rehearsal")
}

// pairing takes every change of a pairing; it must not block.
func (b *peerBook) pairing(p *transport.Pairing) {
	v := pairingView(p.View())
	b.mu.Lock()
	b.pairs[v.ID] = p
	b.forgetPairs()
	b.mu.Unlock()
	b.n.publish("pairing", v.ID, v)
	b.n.then(func(ctx context.Context) { b.pairingFollow(ctx, v) })
}

// maxPairs bounds the pairings that a person can look at; those under way are
// bounded by the network.
const maxPairs = 50

// forgetPairs drops the oldest pairings that have ended. The caller holds mu.
func (b *peerBook) forgetPairs() {
	var ended []transport.PairingView
	for _, p := range b.pairs {
		if v := p.View(); v.State.Ended() {
			ended = append(ended, v)
		}
	}
	slices.SortFunc(ended, func(x, y transport.PairingView) int { return x.At.Compare(y.At) })
	for _, v := range ended[:max(min(len(b.pairs)-maxPairs, len(ended)), 0)] {
		delete(b.pairs, v.ID)
	}
}

func (b *peerBook) pairingFollow(ctx context.Context, v view.Pairing) {
	switch v.State {
	case "compare":
		if !v.Incoming {
			return
		}
		text := fmt.Sprintf("It calls itself “%s”. Compare the six digits with the person there.", v.Name)
		if v.Mode == "invite" {
			text = fmt.Sprintf("“%s” used your invite link. Approve it if you expect it.", v.Name)
		}
		b.n.inbox.ask(ctx, view.InboxEntry{ID: "pairing-" + v.ID, Kind: "pairing", Subject: v.ID, From: v.Name, Title: "A computer wants to pair", Text: text, Href: "/peers"})
	case "done", "refused", "failed", "expired":
		b.n.inbox.answered(ctx, "pairing", v.ID)
		b.changed(fed.DeviceID(v.DeviceID))
	}
}

// savePaired saves the other side after both people agreed.
func (b *peerBook) savePaired(p transport.Paired) error {
	how := "Six-digit code, compared by two people"
	source := "code"
	if p.Mode == "invite" {
		how, source = "Invite link, approved by a person", "invite"
	}
	return b.add(b.n.ctx, p.Statement, p.Signed, p.Addrs, source, how)
}

// Pair starts comparing codes with a device seen on the network.
func (n *Node) Pair(ctx context.Context, deviceID string) (view.Pairing, error) {
	n.peers.mu.Lock()
	seen, ok := n.peers.seen[fed.DeviceID(deviceID)]
	n.peers.mu.Unlock()
	if !ok {
		return view.Pairing{}, fed.Errorf(fed.NotFound, "Wait until it appears, type its address, or use an invite link.", "this computer is not seen on the network now")
	}
	return n.startCode(ctx, addrStrings(seen.Addrs))
}

// PairAddress starts comparing codes with whoever answers at host:port.
func (n *Node) PairAddress(ctx context.Context, address string) (view.Pairing, error) {
	if !identity.ValidAddr(address) {
		return view.Pairing{}, fed.Errorf(fed.Invalid, "Write it like 192.168.1.20:47100; the other computer shows its own on the Peers page.", "%q is not an address with a port", address)
	}
	return n.startCode(ctx, []string{address})
}

func (n *Node) startCode(ctx context.Context, addrs []string) (view.Pairing, error) {
	h, err := n.host()
	if err != nil {
		return view.Pairing{}, err
	}
	p, err := h.StartSAS(ctx, addrs...)
	if err != nil {
		return view.Pairing{}, err
	}
	n.peers.pairing(p)
	return pairingView(p.View()), nil
}

// Pairing returns one attempt.
func (n *Node) Pairing(_ context.Context, id string) (view.Pairing, error) {
	p, err := n.pairingOf(id)
	if err != nil {
		return view.Pairing{}, err
	}
	return pairingView(p.View()), nil
}

func (n *Node) pairingOf(id string) (*transport.Pairing, error) {
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	p, ok := n.peers.pairs[id]
	if !ok {
		return nil, fed.Errorf(fed.NotFound, "Start pairing again.", "there is no such pairing")
	}
	return p, nil
}

// ConfirmPairing is this side's decision.
func (n *Node) ConfirmPairing(_ context.Context, id string, same bool) (view.Pairing, error) {
	p, err := n.pairingOf(id)
	if err != nil {
		return view.Pairing{}, err
	}
	if err := p.Confirm(same); err != nil {
		return view.Pairing{}, err
	}
	return pairingView(p.View()), nil
}

// CreateInvite makes an invite link; its secret is shown now and never again.
func (n *Node) CreateInvite(context.Context) (view.Invite, error) {
	h, err := n.host()
	if err != nil {
		return view.Invite{}, err
	}
	inv, err := h.NewInvite(n.identity().Name())
	if err != nil {
		return view.Invite{}, err
	}
	n.publish("pairing", "", nil)
	return view.Invite{ID: string(inv.Hash()), Link: inv.Link(), Expires: inv.Expires.UTC()}, nil
}

// AcceptInvite uses an invite link.
func (n *Node) AcceptInvite(ctx context.Context, link string) (view.Pairing, error) {
	h, err := n.host()
	if err != nil {
		return view.Pairing{}, err
	}
	p, err := h.PairByInvite(ctx, link)
	if err != nil {
		return view.Pairing{}, err
	}
	n.peers.pairing(p)
	return pairingView(p.View()), nil
}

// WithdrawInvite makes an invite link useless.
func (n *Node) WithdrawInvite(ctx context.Context, id string) error {
	k, err := n.db.DeleteInvite(ctx, id)
	if err != nil {
		return fmt.Errorf("delete invite: %w", err)
	}
	if k == 0 {
		return fed.Errorf(fed.NotFound, "Reload the list.", "there is no such invite")
	}
	n.publish("pairing", "", nil)
	return nil
}

func (n *Node) inviteViews(ctx context.Context) ([]view.Invite, error) {
	rows, err := n.db.ListInvites(ctx)
	if err != nil {
		return nil, fmt.Errorf("read invites: %w", err)
	}
	out := []view.Invite{}
	for _, r := range rows {
		if at(r.ExpiresMs).After(n.opts.Now()) {
			out = append(out, view.Invite{ID: r.Hash, Expires: at(r.ExpiresMs), Used: r.UsedBy != "", Tries: int(r.Tries)})
		}
	}
	return out, nil
}

func (n *Node) pairingViews() []view.Pairing {
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	out := []view.Pairing{}
	for _, p := range n.peers.pairs {
		out = append(out, pairingView(p.View()))
	}
	slices.SortFunc(out, func(a, b view.Pairing) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID))
	})
	return out[:min(len(out), maxPairs)]
}

// invites keeps invitations in SQLite.
type invites struct{ n *Node }

func (v invites) Add(i transport.Invitation) error {
	return v.n.db.PutInvite(v.n.ctx, query.PutInviteParams{Hash: string(i.Hash), Federation: i.Federation, ExpiresMs: ms(i.Expires)})
}

func (v invites) Get(hash fed.Digest) (transport.Invitation, error) {
	r, err := v.n.db.GetInvite(v.n.ctx, string(hash))
	if sqlite.NoRows(err) {
		return transport.Invitation{}, fed.Errorf(fed.NotFound, "Ask for a new invite link.", "this invite is not known here")
	}
	return transport.Invitation{Hash: hash, Federation: r.Federation, Expires: at(r.ExpiresMs), Tries: int(r.Tries), UsedBy: fed.DeviceID(r.UsedBy)}, err
}

func (v invites) Fail(hash fed.Digest) error { return v.n.db.CountInviteTry(v.n.ctx, string(hash)) }

func (v invites) Use(hash fed.Digest, device fed.DeviceID) error {
	k, err := v.n.db.UseInvite(v.n.ctx, query.UseInviteParams{UsedBy: string(device), Hash: string(hash)})
	if err == nil && k == 0 {
		return fed.Errorf(fed.Exists, "Ask for a new invite link.", "this invite has been used already")
	}
	return err
}

func pairingView(p transport.PairingView) view.Pairing {
	state := string(p.State)
	if p.State == transport.PairWaiting && p.Incoming && p.Mode == "invite" {
		state = "compare" // it waits for this person
	}
	return view.Pairing{
		ID: p.ID, Mode: p.Mode, Incoming: p.Incoming, State: state, Code: p.Code, Name: p.Name, DeviceID: string(p.Device),
		PartyID: string(p.Party), Fingerprint: p.Fingerprint, Confirmed: p.Confirmed, At: p.At.UTC(), Problem: problem(p.Err),
	}
}
