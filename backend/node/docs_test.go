package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/node/view"
)

// notices returns the inbox entries of a party whose title holds some words.
func (h *Hospital) notices(words string) (out []view.InboxEntry) {
	h.t.Helper()
	for _, e := range must(h.Inbox(h.t.Context()))(h.t) {
		if strings.Contains(e.Title, words) {
			out = append(out, e)
		}
	}
	return out
}

// A party that says two things in one place is found out by all, told once each, and
// heard no more in that scope; everything else goes on.
func TestAForkIsFoundOutByAll(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(2)
	project := l.Project(cfg, nil)
	mark, third, liar := l.Hospital[0], l.Hospital[1], l.Hospital[2]
	ctx := t.Context()
	card := must(liar.PublishCard(ctx, liar.Data))(t).ID
	for _, h := range l.Hospital {
		Eventually(t, "the card at "+h.Name, func() bool { _, err := h.CatalogCard(ctx, card); return err == nil })
	}
	all := allDocs(liar.Node)
	twice := all[slices.IndexFunc(all, func(d fed.Doc) bool { return d.Kind == fed.DocCard })]
	twice.Body = []byte(`{"another":"story"}`)
	twice.Sig = liar.identity().Sign(fed.DocDomain, twice.SigningBytes())
	s := &siege{t: t, project: project, liar: liar, mark: mark}
	s.document("a second story in one place", "document: fork", twice)
	for _, h := range l.Hospital {
		words := liar.Name + " has written two different things"
		if h == liar {
			words = "This party was used on two computers"
		}
		Eventually(t, h.Name+" to be told", func() bool { return len(h.notices(words)) == 1 })
	}
	s.document("the same once more", "document: corrupt", twice)
	_, err := liar.PublishCard(ctx, liar.Data)
	refused(t, "a new version of the card", err, fed.Corrupt)
	if e := must(mark.CatalogCard(ctx, card))(t); e.Card.Version != 1 {
		t.Errorf("version %d of the card, want what came first", e.Card.Version)
	}
	third.reopen()
	l.together(l.Hospital...)
	same(t, "told at "+third.Name, len(third.notices("two different things")), 1)
	_, err = liar.PublishCard(ctx, liar.Data)
	refused(t, "a new version of the card", err, fed.Corrupt)
	l.OneTruth(project, mark.Queue(project, cfg))
}

// When nothing is new, nothing but one greeting a period is sent to each peer, also
// after the roster has changed and with a party that was removed.
func TestGossipComesToRest(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	a, b, c := l.Hospital[0], l.Hospital[1], l.Hospital[2]
	project := l.Project(CohortConfig(2), nil)
	l.OneTruth(project, a.Queue(project, CohortConfig(2)))
	p, _ := a.projects.Get(fed.ProjectID(project))
	doc := p.ProjectDoc
	doc.Members = slices.DeleteFunc(slices.Clone(doc.Members), func(m fed.Member) bool { return m.Party == c.me() })
	doc.Revision++
	must(a.book.Append(t.Context(), fed.ScopeProject(p.ID), fed.DocProject, project, doc))(t)
	Eventually(t, "the removal to arrive", func() bool { return !b.takesPart(c.me(), p.ID) })
	sent := func() (docs int64) {
		for _, h := range l.Hospital {
			for _, r := range must(h.db.EgressTotals(t.Context()))(t) {
				if k := wire.Kind(r.Kind); k == wire.KindDoc || k == wire.KindDocWant {
					docs += r.Frames
				}
			}
		}
		return docs
	}
	period := 15 * a.opts.Timers.Heartbeat
	rest := func(d time.Duration) {
		from := time.Now()
		Eventually(t, "a few periods", func() bool { return time.Since(from) > d })
	}
	rest(2 * period)
	before := sent()
	rest(3 * period)
	if after := sent(); after != before {
		t.Errorf("%d documents and questions for documents were sent while nothing was new", after-before)
	}
}

// A folder that was put back from an old copy is noticed: what the party wrote since
// comes back before it writes on, so that its chain does not fork, and it has no vote
// in runs that it may have voted in.
func TestAFolderPutBackFromAnOldCopy(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(4)
	project := l.Project(cfg, nil)
	ctx := t.Context()
	a, b := l.Hospital[0], l.Hospital[1]
	must(b.PublishCard(ctx, b.Data))(t)
	old := b.copyHome()
	// Since then it has published and withdrawn, begun a run, and left nothing of that
	// in the copy.
	for _, h := range l.Hospital {
		if h != b {
			defer h.brake(2)()
		}
	}
	run := fed.RunID(b.Queue(project, cfg))
	a.round(string(run), 2)
	if err := b.WithdrawCard(ctx, b.Data); err != nil {
		t.Fatal(err)
	}
	var last fed.Doc
	for _, d := range allDocs(b.Node) {
		if d.Author == b.me() && d.Scope == fed.ScopeFederation && d.Seq > last.Seq {
			last = d
		}
	}
	for _, h := range []*Hospital{a, l.Hospital[2]} {
		Eventually(t, "what it wrote at "+h.Name, func() bool { return h.heads(b.me()) == b.heads(b.me()) })
	}
	was := b.heads(b.me())
	b.stop()
	b.opts.Home = old
	b.start()
	d := must(b.book.Append(ctx, fed.ScopeFederation, fed.DocCardGone, "nothing", 1))(t) // at once
	if d.Seq != last.Seq+1 || d.Prev != last.Hash() {
		t.Errorf("it wrote on at %d, after %d documents", d.Seq, last.Seq)
	}
	for _, h := range l.Hospital {
		Eventually(t, "all that it wrote at "+h.Name, func() bool { return h.heads(b.me()) > was })
		same(t, "forks at "+h.Name, h.counted("document: fork"), 0)
	}
	Eventually(t, "a notice", func() bool { return len(b.notices("put back from an old copy")) == 1 })
	Eventually(t, "its place without a vote", func() bool { x := b.grids.get(run); return x != nil && b.grids.voteless(run) })
}

// heads is how many documents of an author a party holds.
func (h *Hospital) heads(author fed.PartyID) uint64 {
	n := uint64(0)
	for _, x := range h.book.Vector(func(_ string, by fed.PartyID) bool { return by == author }) {
		n += x.Seq
	}
	return n
}

func (g *grids) voteless(id fed.RunID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.noVote[id]
}
