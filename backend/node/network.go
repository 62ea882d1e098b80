package node

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/storage/blob"
)

// openNetwork makes the network, installs the handler, and begins to listen and to
// look for peers.
func (n *Node) openNetwork() error {
	build := n.opts.Network
	if build == nil {
		build = (*Node).openHost
	}
	raw, err := build(n)
	if err != nil {
		return err
	}
	n.net = citing{raw, n}
	raw.Handle(n.handle)
	if h, ok := raw.(*transport.Host); ok {
		return n.listen(h)
	}
	return nil
}

func (n *Node) openHost() (Network, error) {
	return transport.New(n.TransportOptions())
}

// TransportOptions are what this node's network needs; rehearsals build an
// in-memory network from the same.
func (n *Node) TransportOptions() transport.Options {
	return transport.Options{
		Self: n.identity(), Statement: func() identity.Signed { return n.identity().Signed() }, Peers: n.peers, Egress: n.egress, Blobs: blobStore{n.store}, Invites: invites{n},
		MayFetch: n.grants.allow, Permit: n.peers.permit, Queries: []string{askOpen, askStart, askDrop, askLive},
		Adopt: n.peers.adopt, Revocations: n.withdrawn, OnRevocation: n.withdraw,
		OnEvent: n.peers.event, OnPairing: n.peers.pairing, OnPaired: n.peers.savePaired,
		Tap: n.opts.Tap, Clock: n.opts.Now, Log: n.opts.Log.With(slog.String("room", "network")), Software: "synergos " + n.opts.Version,
	}
}

// gridKinds are what an observer does not send: it reads, and takes no part.
var gridKinds = map[wire.Kind]bool{
	wire.KindPrevote: true, wire.KindVote: true, wire.KindAck: true, wire.KindUpdate: true, wire.KindControl: true, wire.KindAlign: true,
	wire.KindScore: true, wire.KindEval: true, wire.KindQuery: true, wire.KindRound: true,
}

// leadKinds are what only a party that may lead sends.
var leadKinds = map[wire.Kind]bool{wire.KindRound: true, wire.KindPrevote: true, wire.KindVote: true, wire.KindScore: true, wire.KindEval: true}

// permit checks a peer's role against the kind of a message.
func (b *peerBook) permit(p fed.PartyID, k wire.Kind) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.rows {
		if fed.PartyID(r.Party) != p || r.RevokedMs != 0 {
			continue
		}
		switch r.Role {
		case identity.RoleObserver:
			return !gridKinds[k]
		case identity.RoleParticipant:
			return !leadKinds[k]
		}
		return true
	}
	return false
}

// blobStore adapts the store to the network's interface.
type blobStore struct{ s *blob.Store }

func (b blobStore) Has(d fed.Digest) bool                     { return b.s.Has(d) }
func (b blobStore) Leaves(d fed.Digest) ([]fed.Digest, error) { return b.s.Leaves(d) }

func (b blobStore) Open(d fed.Digest) (transport.BlobFile, error) {
	f, err := b.s.Open(d)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (b blobStore) Partial(ref fed.BlobRef) (transport.Partial, error) {
	p, err := b.s.Partial(ref)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// grants says which party may fetch which blob: those to whom it was cited, as long
// as they take part in the project that it was cited for.
type grants struct {
	mu  sync.Mutex
	all map[fed.Digest]map[grant]bool
	n   *Node
}

type grant struct {
	party   fed.PartyID
	project fed.ProjectID
}

const maxGrants = 1 << 16

func (g *grants) give(p fed.PartyID, id fed.ProjectID, cited ...fed.Digest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.all) >= maxGrants {
		clear(g.all) // a party that still needs one is cited it again
	}
	for _, d := range cited {
		if d == "" {
			continue
		}
		if g.all[d] == nil {
			g.all[d] = map[grant]bool{}
		}
		g.all[d][grant{p, id}] = true
	}
}

// allow decides about a fetch; a refusal is counted.
func (g *grants) allow(p fed.PartyID, d fed.Digest) bool {
	if g.cited(p, d) || g.n.sharedBlob(p, d) {
		return true
	}
	g.n.counts.refuse("blob: permission")
	return false
}

func (g *grants) cited(p fed.PartyID, d fed.Digest) bool {
	g.mu.Lock()
	var projects []fed.ProjectID
	for x := range g.all[d] {
		if x.party == p {
			projects = append(projects, x.project)
		}
	}
	g.mu.Unlock()
	return slices.ContainsFunc(projects, func(id fed.ProjectID) bool { return g.n.takesPart(p, id) })
}

// citing remembers which blobs are cited to whom.
type citing struct {
	Network
	n *Node
}

func (c citing) Send(ctx context.Context, to fed.PartyID, m wire.Message) error {
	if err := c.cite(to, m); err != nil {
		return err
	}
	return c.Network.Send(ctx, to, m)
}

func (c citing) Request(ctx context.Context, to fed.PartyID, m wire.Message) (wire.Message, error) {
	if err := c.cite(to, m); err != nil {
		return nil, err
	}
	reply, err := c.Network.Request(ctx, to, m)
	if s, ok := reply.(wire.ScoreReply); ok {
		c.n.grids.heardBytes(s.Grid, int64(len(s.Body)))
	}
	return reply, err
}

// cite grants the blobs that a message names to its receiver, who must take part in
// what the message is about.
func (c citing) cite(to fed.PartyID, m wire.Message) error {
	if err := c.n.mayGet(to, m); err != nil {
		return err
	}
	var cited []fed.Digest
	switch m := m.(type) {
	case wire.Round:
		cited = append(cited, m.Blob.Digest)
	case wire.Update:
		cited = append(cited, m.Blob.Digest)
	case wire.Eval:
		cited = append(cited, m.Params.Digest)
	case wire.Score:
		cited = append(cited, m.Base.Digest)
		for _, in := range m.In {
			cited = append(cited, in.Update.Digest)
		}
	}
	if len(cited) > 0 {
		id, _ := runIn(m)
		r, _ := c.n.tracker.Run(id)
		c.n.grants.give(to, r.Project, cited...)
	}
	return nil
}

// handle takes every message of an authenticated party.
func (n *Node) handle(ctx context.Context, from fed.PartyID, msg wire.Message) (wire.Message, error) {
	reply, err := n.take(ctx, from, msg)
	n.count(msg.Kind(), err)
	return reply, err
}

// count counts what was refused for a reason that lies with the sender. Documents
// count by themselves.
func (n *Node) count(kind wire.Kind, err error) {
	if err == nil || kind == wire.KindDoc {
		return
	}
	switch k := fed.KindOf(err); k {
	case fed.Timeout, fed.Internal, fed.Busy: // here lies the reason
	default:
		n.counts.refuse(string(kind) + ": " + k.String())
	}
}

func (n *Node) take(ctx context.Context, from fed.PartyID, msg wire.Message) (wire.Message, error) {
	switch m := msg.(type) {
	case wire.Doc:
		n.grids.heardBytes(fed.RunID(m.Subject), int64(len(m.Body)+len(m.Sig)+len(m.Key)))
		return nil, n.receive(ctx, from, m.Doc)
	case wire.DocVector:
		return nil, n.gossip.Heard(ctx, from, m.Heads)
	case wire.Error:
		n.counts.refuse("refused there: " + m.Code.String())
		return nil, nil
	case wire.Answer:
		return nil, nil // to a question that was only told, such as live state
	case wire.DocWant:
		return nil, n.gossip.Asked(ctx, from, m.Heads)
	case wire.Update:
		return wire.Answer{Body: []byte("{}")}, n.takeUpdate(from, m)
	case wire.Control:
		return nil, n.takeControl(from, m)
	case wire.Align:
		body, err := n.aligns.answer(ctx, from, m)
		return wire.Answer{Body: body}, err
	case wire.Eval:
		r, err := n.grids.evaluate(ctx, from, m.EvalAsk)
		return wire.EvalReply{EvalReply: r}, err
	case wire.Score:
		return n.answerScore(ctx, from, m)
	case wire.Query:
		body, err := n.grids.answer(ctx, from, m)
		return wire.Answer{Body: body}, err
	}
	if run, gm, ref, ok := fromWire(msg); ok {
		if !n.book.Whole() {
			return nil, nil // no vote before it is clear what was voted; the register expects losses
		}
		x, err := n.grids.heard(from, run, gm)
		if x == nil || err != nil {
			return nil, err // a grid that is not open here; the register expects losses
		}
		n.grids.heardBytes(run, ref.Size)
		return nil, x.session.Deliver(from, gm, ref)
	}
	return nil, fed.Errorf(fed.Invalid, "Update the app on both sides.", "message %q is not handled", msg.Kind())
}

func (n *Node) answerScore(ctx context.Context, from fed.PartyID, m wire.Score) (wire.Message, error) {
	r, err := n.grids.score(ctx, from, m.ScoreAsk)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write scores: %w", err)
	}
	return wire.ScoreReply{Grid: m.Run, Round: m.Round, Body: raw}, nil
}

// takeUpdate checks an update's signature and hands it to the coordinator here.
func (n *Node) takeUpdate(from fed.PartyID, m wire.Update) error {
	x := n.grids.get(m.Run)
	if x == nil {
		return fed.Errorf(fed.Unavailable, "Send it again in a moment.", "the grid is not open here")
	}
	key, ok := n.peers.orgKey(from)
	if !ok || !n.keys().Verify(key, wire.UpdateDomain, m.SigningBytes(), m.Sig) {
		return fed.Errorf(fed.Permission, "", "the update is not signed by its sender")
	}
	if err := n.hasSay(from, x.run); err != nil {
		return err
	}
	n.grids.heardBytes(m.Run, m.Blob.Size)
	return x.session.DeliverUpdate(from, m.Update)
}

func (n *Node) takeControl(from fed.PartyID, m wire.Control) error {
	x := n.grids.get(m.Grid)
	if x == nil {
		return fed.Errorf(fed.NotFound, "", "the grid is not open here")
	}
	if err := n.hasSay(from, x.run); err != nil {
		return err
	}
	return n.grids.act(x, from, m.Action, m.Reason)
}
