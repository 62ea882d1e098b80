package node

import (
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/reward"
)

// overAfter is how long the files of a run are kept after its end when its ledger was
// never closed.
const overAfter = 30 * 24 * time.Hour

// sweepBlobs removes the files that nothing needs any more: at the start and once a
// day. Kept are the files of versions, the results of runs, the tables of the ledger,
// and all that belongs to a run that is not over: what its records cite, and whatever
// has come since it was queued, for a round that is open has no record yet. While a
// run is in progress here nothing is removed.
func (n *Node) sweepBlobs() {
	if n.grids.running() > 0 {
		return
	}
	keep, before := n.neededBlobs()
	files, bytes, err := n.store.Sweep(before, func(d fed.Digest) bool { return keep[d] || n.registry.Used(d) })
	if err != nil {
		n.opts.Log.Warn("files not swept", "error", err.Error())
	}
	if files > 0 {
		n.opts.Log.Info("files that nothing needs removed", "files", files, "bytes", bytes)
	}
}

// neededBlobs returns what runs and ledger need, and since when everything is needed.
func (n *Node) neededBlobs() (keep map[fed.Digest]bool, before time.Time) {
	keep, before = map[fed.Digest]bool{}, n.opts.Now()
	for _, r := range n.tracker.Runs(func(experiment.Run) bool { return true }) {
		if r.End != nil {
			keep[r.End.Params], keep[r.End.ParamsRef.Digest] = true, true
		}
		for _, t := range n.ledger.Rounds(r.ID) {
			keep[t.Tables.Digest] = true
		}
		if n.over(r) {
			continue
		}
		if since := at(r.QueuedMs); r.End == nil && since.Before(before) {
			before = since
		}
		for _, rec := range r.Rounds {
			keep[rec.Digest], keep[rec.Parent] = true, true
			for _, in := range rec.In {
				keep[in.Update.Digest] = true
			}
		}
	}
	return keep, before
}

// over reports whether nobody can need the rounds of a run any more: it has ended, and
// its ledger is closed or will not be.
func (n *Node) over(r experiment.Run) bool {
	if r.End == nil {
		return false
	}
	chain, _ := n.ledger.Entries(r.ID)
	closed := len(chain) > 0 && chain[len(chain)-1].Kind == reward.KindClose
	return closed || n.opts.Now().Sub(at(r.EndedMs)) > overAfter
}
