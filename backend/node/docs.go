package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/node/view"
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
			n.ledgerFollow(paid)
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

// post sends the gossip's messages over the network.
type post struct{ n *Node }

func (p post) Heads(ctx context.Context, to fed.PartyID, heads []fed.Head) error {
	return p.n.net.Send(ctx, to, wire.DocVector{Heads: heads})
}

func (p post) Want(ctx context.Context, to fed.PartyID, heads []fed.Head) error {
	return p.n.net.Send(ctx, to, wire.DocWant{Heads: heads})
}

func (p post) Doc(ctx context.Context, to fed.PartyID, d fed.Doc) error {
	return p.n.net.Send(ctx, to, wire.Doc{Doc: d})
}

func (n *Node) newGossip() *book.Gossip {
	return &book.Gossip{
		Book: n.book, Post: post{n}, Now: time.Now, Again: max(2*n.opts.Timers.Heartbeat, 2*time.Second),
		Reads: func(p fed.PartyID, scope string, _ fed.PartyID) bool { return n.mayRead(p, scope) }, Welcome: n.welcomes,
	}
}

// greet tells a peer how far this party's copies reach.
func (n *Node) greet(ctx context.Context, p fed.PartyID) {
	if err := n.gossip.Greet(ctx, p); err != nil {
		n.opts.Log.Debug("heads not sent", "to", p.Short(), "error", err.Error())
	}
}

// catchUp compares one project's documents with its members that are online, after
// its roster or an answer has changed: there may be new readers and new authors. Each
// author's are asked of itself, or of the admin, or of whoever is there.
func (n *Node) catchUp(ctx context.Context, p project.Project) {
	scope, ask := fed.ScopeProject(p.ID), map[fed.PartyID][]fed.PartyID{}
	var there []fed.PartyID
	for _, q := range n.peers.online() {
		if !n.mayRead(q, scope) {
			continue
		}
		there = append(there, q)
		if err := n.gossip.GreetScope(ctx, q, scope); err != nil {
			n.opts.Log.Debug("heads not sent", "to", q.Short(), "error", err.Error())
		}
	}
	if len(there) == 0 || !n.mayRead(n.me(), scope) {
		return
	}
	for _, m := range p.Members {
		from := there[0]
		for _, q := range []fed.PartyID{p.Admin, m.Party} {
			if slices.Contains(there, q) {
				from = q
			}
		}
		ask[from] = append(ask[from], m.Party)
	}
	for from, authors := range ask {
		if err := n.gossip.Catch(ctx, from, scope, authors); err != nil {
			n.opts.Log.Debug("documents not asked for", "of", from.Short(), "error", err.Error())
		}
	}
}

// receive takes a document of a peer.
func (n *Node) receive(ctx context.Context, from fed.PartyID, d fed.Doc) error {
	if err := n.welcome(from, d); err != nil {
		n.counts.refuse("document: " + err.Error())
		return err
	}
	isNew, err := n.gossip.Take(ctx, from, d)
	var fork *book.ForkError
	switch {
	case isNew && d.Author == n.me():
		n.tookBack()
	case errors.Is(err, book.ErrQuota):
		n.counts.refuse("document: its author has filled its place")
	case errors.As(err, &fork):
		n.counts.refuse("document: fork")
		n.forked(fork)
	case err != nil:
		n.counts.refuse("document: " + fed.KindOf(err).String())
	}
	return err
}

// forked tells this party's people of a fork, once, and proves it to the others.
func (n *Node) forked(f *book.ForkError) {
	n.then(func(ctx context.Context) {
		name := n.nameOf(string(f.Mine.Author))
		e := view.InboxEntry{
			ID: "fork-" + string(fed.DigestOf([]byte(f.Mine.Scope + " " + string(f.Mine.Author))))[:32], Kind: "notice", Subject: string(f.Mine.Author), From: name, Href: "/peers",
			Title: fmt.Sprintf("%s has written two different things in one place", name),
			Text:  "What it wrote before still counts; nothing that it writes there from now on is taken. Ask it whether its folder was copied to a second computer.",
		}
		if f.Mine.Author == n.me() {
			e.Title = "This party was used on two computers, or its folder was put back from an old copy"
			e.Text = "The others keep what it wrote before, and take nothing that it writes there from now on. Use one computer for this party, and start new projects with it."
		}
		n.inbox.ask(ctx, e)
		for _, p := range n.peers.online() {
			if err := n.gossip.Prove(ctx, p, f); err != nil {
				n.opts.Log.Debug("fork not proved", "to", p.Short(), "error", err.Error())
			}
		}
	})
}

// welcomes reports whether an author's documents of a scope would be taken from a
// peer. What this party wrote itself is always taken back; of a project that is not
// known here the founder's own chain comes first.
func (n *Node) welcomes(from fed.PartyID, scope string, author fed.PartyID) bool {
	if author == n.me() {
		return true
	}
	if scope == fed.ScopeFederation {
		return n.peers.paired(author) && !n.peers.virtual(string(author))
	}
	if id, ok := fed.ProjectOf(scope); ok {
		if _, known := n.projects.Get(id); !known {
			return author == from && n.peers.paired(from)
		}
		return n.projects.Listed(id, author)
	}
	a, b, ok := fed.DirectOf(scope)
	return ok && (a == n.me() || b == n.me()) && (a == author || b == author) && a != b
}

// welcome decides whether a document is taken as far as this party knows.
func (n *Node) welcome(from fed.PartyID, d fed.Doc) error {
	if id, ok := fed.ProjectOf(d.Scope); ok && d.Author != n.me() {
		if _, known := n.projects.Get(id); !known {
			return n.welcomeProject(from, d)
		}
	}
	if !n.welcomes(from, d.Scope, d.Author) {
		return fed.Errorf(fed.Permission, "", "not a member of this scope")
	}
	return nil
}

// welcomeProject admits the founding document of a project from a paired party
// that signed it itself.
func (n *Node) welcomeProject(from fed.PartyID, d fed.Doc) error {
	if d.Kind != fed.DocProject || !n.welcomes(from, d.Scope, d.Author) {
		return fed.Errorf(fed.Unavailable, "Send the project's own document first.", "the project is not known here")
	}
	_, err := project.Read(d)
	return err
}

// compare repairs what was lost: every half minute, and at once when a session
// begins, peers compare how far their copies reach.
func (n *Node) compare() {
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
			n.retryLedgers()
			n.keepVersions()
			n.keepResults()
			n.grids.drafts.recallAll(n.ctx)
		}
	}
}
