package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/service/book"
	"synergos.app/desktop/backend/service/project"
)

// onDoc applies a saved document to every reduction. During the replay at start
// that is all; afterwards it queues what follows from it.
func (n *Node) onDoc(d fed.Doc) {
	p := n.projects.Apply(d)
	run, paid := fed.RunID(""), fed.RunID("")
	if n.projects.Speaks(d) {
		run, paid = n.tracker.Apply(d), n.ledger.Apply(d)
		n.applyRest(d)
	} else if n.live {
		n.counts.refuse(d.Kind + ": its author takes no part")
	}
	if !n.live {
		return
	}
	n.then(func(ctx context.Context) {
		if d.Author == n.me() {
			n.spread(ctx, d)
		}
		if p != "" {
			n.projectFollow(ctx, p, d)
		}
		if run != "" {
			n.runFollow(ctx, run, d)
		}
		if paid != "" {
			n.ledgerFollow(ctx, paid)
		}
		if d.Kind == fed.DocExperiment {
			n.experimentChanged(d.Subject)
		}
		n.followRest(ctx, d)
	})
}

// mayRead reports whether a party may receive the documents of a scope.
func (n *Node) mayRead(p fed.PartyID, scope string) bool {
	if scope == fed.ScopeFederation {
		return n.peers.paired(p) && !n.peers.virtual(string(p))
	}
	if id, ok := fed.ProjectOf(scope); ok {
		return n.projects.Reads(id, p)
	}
	a, b, ok := fed.DirectOf(scope)
	return ok && (a == p || b == p)
}

// spread sends one of this party's documents to all who may read it and are
// online; the others get it when they come.
func (n *Node) spread(ctx context.Context, d fed.Doc) {
	for _, p := range n.peers.online() {
		if !n.mayRead(p, d.Scope) {
			continue
		}
		if err := n.net.Send(ctx, p, wire.Doc{Doc: d}); err != nil {
			n.opts.Log.Debug("document not sent", "kind", d.Kind, "to", p.Short(), "error", err.Error())
		}
	}
}

// greet tells a peer how far this party's copies reach.
func (n *Node) greet(ctx context.Context, p fed.PartyID) {
	heads := n.book.Vector(func(scope string) bool { return n.mayRead(p, scope) })
	if err := n.net.Send(ctx, p, wire.DocVector{Heads: heads}); err != nil {
		n.opts.Log.Debug("vector not sent", "to", p.Short(), "error", err.Error())
	}
}

// maxBatch bounds how many documents answer one vector; the next vector gets more.
const maxBatch = 200

// answerVector sends what the peer lacks.
func (n *Node) answerVector(ctx context.Context, from fed.PartyID, have []fed.Head) error {
	docs := n.book.Missing(have, func(scope string) bool { return n.mayRead(from, scope) }, maxBatch)
	// The documents that found a scope go first, so that the others are welcome.
	slices.SortStableFunc(docs, func(a, b fed.Doc) int { return founding(a) - founding(b) })
	for _, d := range docs {
		if err := n.net.Send(ctx, from, wire.Doc{Doc: d}); err != nil {
			return err
		}
	}
	return nil
}

func founding(d fed.Doc) int {
	if d.Kind == fed.DocProject {
		return 0
	}
	return 1
}

// receive takes a document of a peer.
func (n *Node) receive(ctx context.Context, from fed.PartyID, d fed.Doc) error {
	if err := n.welcome(from, d); err != nil {
		n.counts.refuse("document: " + err.Error())
		return err
	}
	_, err := n.book.Receive(ctx, d)
	if errors.Is(err, book.ErrGap) {
		n.greet(ctx, from)
		return nil
	}
	if err != nil {
		n.counts.refuse("document: " + fed.KindOf(err).String())
	}
	return err
}

// welcome decides whether an author may write in a scope as far as this party
// knows.
func (n *Node) welcome(from fed.PartyID, d fed.Doc) error {
	no := fed.Errorf(fed.Permission, "", "not a member of this scope")
	if d.Scope == fed.ScopeFederation {
		if n.peers.paired(d.Author) && !n.peers.virtual(string(d.Author)) {
			return nil
		}
		return no
	}
	if id, ok := fed.ProjectOf(d.Scope); ok {
		p, known := n.projects.Get(id)
		if !known {
			return n.welcomeProject(from, d)
		}
		if _, member := p.Standing(d.Author); member {
			return nil
		}
		return no
	}
	a, b, ok := fed.DirectOf(d.Scope)
	if ok && (a == n.me() || b == n.me()) && (a == d.Author || b == d.Author) && a != b {
		return nil
	}
	return no
}

// welcomeProject admits the founding document of a project from a paired party
// that signed it itself.
func (n *Node) welcomeProject(from fed.PartyID, d fed.Doc) error {
	if d.Kind != fed.DocProject || d.Author != from || !n.peers.paired(from) {
		return fed.Errorf(fed.Unavailable, "Send the project's own document first.", "the project is not known here")
	}
	_, err := project.Read(d)
	return err
}

// gossip repairs what was lost: every half minute, and at once when a session
// begins, peers compare how far their copies reach.
func (n *Node) gossip() {
	every := 15 * n.opts.Timers.Heartbeat
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
			for _, p := range n.peers.online() {
				n.greet(n.ctx, p)
			}
			n.retryLedgers(n.ctx)
			n.fetchMissing(n.ctx)
			n.keepResults(n.ctx)
		}
	}
}
