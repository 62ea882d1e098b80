package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/registry"
	"synergos.app/desktop/backend/service/reward"
	"synergos.app/desktop/backend/service/serving"
)

// openRest opens registry and serving.
func (n *Node) openRest(ctx context.Context) (err error) {
	n.registry = registry.New(registry.Ports{
		Book: n.book, Blobs: n.blobs(), Keys: n.keys(), Score: serving.Score(n.decodePipeline),
		Project: n.membersOf, Name: func(p fed.PartyID) string { return n.nameOf(string(p)) }, Now: n.opts.Now,
	})
	n.servings, err = openServings(ctx, n)
	return err
}

func (n *Node) startRest() {
	sweepParts(n.opts.Home)
	n.servings.follow(n.ctx)
	n.work.Go(n.upkeep)
	if n.opts.Tutorial != nil {
		n.work.Go(n.resumeTutorial)
	}
}

func (n *Node) closeRest() error {
	var errs []error
	n.tutorialMu.Lock()
	n.stopTutorial()
	n.tutorialMu.Unlock()
	if n.servings != nil {
		errs = append(errs, n.servings.closeAll())
	}
	return errors.Join(errs...)
}

// membersOf tells the registry who decides in a project.
func (n *Node) membersOf(id fed.ProjectID) (fed.PartyID, []fed.PartyID, fed.Policy, bool) {
	p, ok := n.projects.Get(id)
	var out []fed.PartyID
	for _, s := range p.Accepted() {
		out = append(out, s.Party)
	}
	return p.Admin, out, p.Policy, ok
}

// applyRest applies a document to the reductions of registry and catalog.
func (n *Node) applyRest(d fed.Doc) {
	n.registry.Apply(d)
	n.onCatalogDoc(d)
}

// followRest is what a new document leads to there.
func (n *Node) followRest(ctx context.Context, d fed.Doc) {
	switch d.Kind {
	case fed.DocVersion, fed.DocNumber, fed.DocStageAsk, fed.DocStageVote, fed.DocStageBack, fed.DocStageDone:
		n.registryFollow(ctx, d)
	case fed.DocAccept, fed.DocProject:
		n.appendPending(ctx)
	}
	n.catalogFollow(ctx, d)
}

// ledgerFollow checks and countersigns a ledger that has been closed.
func (n *Node) ledgerFollow(id fed.RunID) {
	n.publish("reward", string(id), nil)
	n.publish("contribution", string(id), nil)
	r, ok := n.tracker.Run(id)
	if !ok || !n.takesPart(n.me(), r.Project) {
		return
	}
	n.errands.run("ledger "+string(id), func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := n.ledger.Answer(ctx, r.Run); err != nil {
			n.opts.Log.Info("ledger not checked yet", "run", id, "error", err.Error())
		}
	})
}

// retryLedgers checks what could not be checked when it arrived.
func (n *Node) retryLedgers() {
	for _, id := range n.ledger.Runs() {
		chain, beside := n.ledger.Entries(id)
		closed := len(chain) > 0 && chain[len(chain)-1].Kind == reward.KindClose
		signed := closed && slices.ContainsFunc(beside, func(e reward.Entry) bool {
			return e.Kind == reward.KindCountersign && e.By == n.me() && e.Prev == chain[len(chain)-1].Hash
		})
		if closed && !signed {
			n.ledgerFollow(id)
		}
	}
}

// sharedBlob reports whether a blob belongs to what a member of a project may
// read: files of versions, score tables, results, and the updates and checkpoints of
// recorded rounds.
func (n *Node) sharedBlob(p fed.PartyID, d fed.Digest) bool {
	for _, m := range n.registry.Models() {
		if !n.takesPart(p, m.Project) {
			continue
		}
		for _, v := range m.Versions {
			if slices.ContainsFunc(v.Files, func(f registry.FileRef) bool { return f.Blob.Digest == d }) {
				return true
			}
		}
	}
	for _, r := range n.tracker.Runs(func(r experiment.Run) bool { return n.hasSay(p, r.Run) == nil }) {
		if r.End != nil && r.End.Params == d || slices.ContainsFunc(r.Rounds, func(rec fed.RoundRecord) bool { return citesBlob(rec, d) }) {
			return true
		}
		for _, t := range n.ledger.Rounds(r.ID) {
			if t.Tables.Digest == d {
				return true
			}
		}
	}
	return false
}

// citesBlob reports whether a record names a blob: every member scores, and any may
// have to coordinate.
func citesBlob(rec fed.RoundRecord, d fed.Digest) bool {
	return rec.Digest == d || slices.ContainsFunc(rec.In, func(in fed.RoundParty) bool { return in.Update.Digest == d })
}

// consentFor names the consent under which a frame leaves, "" for what pairing
// itself covers.
func (n *Node) consentFor(f transport.Frame) string {
	id := fed.ProjectID(f.Subject)
	if p, ok := fed.ProjectOf(f.Subject); ok {
		id = p
	} else if n.tracker != nil {
		if r, ok := n.tracker.Run(fed.RunID(f.Subject)); ok {
			id = r.Project
		}
	}
	n.consentMu.Lock()
	defer n.consentMu.Unlock()
	return n.consentIDs[id]
}
