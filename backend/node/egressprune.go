package node

import (
	"context"
	"fmt"
	"time"

	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// rowSize is about what an entry takes on the disk, in bytes, as EgressSize adds it up.
func rowSize(r query.Egress) int64 {
	return int64(len(r.Peer)+len(r.Kind)+len(r.Purpose)+len(r.Subject)+len(r.Digest)+len(r.Consent)+len(r.Hash)) + 40
}

// pruneEgress takes the oldest entries off the ledger that are older or more than
// the settings say. The hash of the last one taken stays, so that the rest of the
// chain can still be verified, and the page says how many went.
func (n *Node) pruneEgress(ctx context.Context) error {
	days, megabytes := n.settings.number("activity.days"), n.settings.number("activity.megabytes")
	return n.egress.prune(ctx, n.opts.Now().Add(-time.Duration(days)*24*time.Hour), int64(megabytes)<<20)
}

func (e *egressBook) prune(ctx context.Context, oldest time.Time, most int64) error {
	e.whole.Lock()
	defer e.whole.Unlock()
	e.mu.Lock()
	last, gone := e.last.Seq, e.gone
	e.mu.Unlock()
	size, err := e.db.EgressSize(ctx)
	if err != nil {
		return fmt.Errorf("measure the egress ledger: %w", err)
	}
	before := gone.Seq
	err = e.n.eachEgress(ctx, func(r query.Egress) bool {
		if r.Seq == last || r.TimeMs >= ms(oldest) && size <= most { // the next entry is chained to the last one
			return false
		}
		size -= rowSize(r)
		gone = query.EgressPruned{ID: 1, Seq: r.Seq, Hash: r.Hash, TimeMs: r.TimeMs, Frames: gone.Frames + 1, Bytes: gone.Bytes + r.Bytes}
		return true
	})
	if err != nil || gone.Seq == before {
		return err
	}
	err = e.db.Tx(ctx, func(q *query.Queries) error {
		if err := q.DeleteEgress(ctx, gone.Seq); err != nil {
			return err
		}
		return q.PutEgressPruned(ctx, query.PutEgressPrunedParams{Seq: gone.Seq, Hash: gone.Hash, TimeMs: gone.TimeMs, Frames: gone.Frames, Bytes: gone.Bytes})
	})
	if err != nil {
		return fmt.Errorf("shorten the egress ledger: %w", err)
	}
	e.mu.Lock()
	e.gone = gone
	e.mu.Unlock()
	e.n.publish("activity", "", nil)
	return nil
}

// removed is what the page says of entries that were taken off.
func (e *egressBook) removed() view.EgressRemoved {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := view.EgressRemoved{Frames: e.gone.Frames, Bytes: e.gone.Bytes}
	if e.gone.Frames > 0 {
		t := at(e.gone.TimeMs)
		v.Until = &t
	}
	return v
}
