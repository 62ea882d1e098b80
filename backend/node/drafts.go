package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// drafts keeps the records of the rounds that this party proposed as a coordinator and
// that are not in the book, one of each run, on disk.
type drafts struct {
	n *Node

	mu  sync.Mutex
	all map[fed.RunID]fed.RoundRecord
}

func openDrafts(ctx context.Context, n *Node) (*drafts, error) {
	rows, err := n.db.ListRoundDrafts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read drafts of rounds: %w", err)
	}
	d := &drafts{n: n, all: map[fed.RunID]fed.RoundRecord{}}
	for _, row := range rows {
		var r fed.RoundRecord
		if err := json.Unmarshal([]byte(row.Body), &r); err != nil {
			return nil, fmt.Errorf("read the draft of a round of run %s: %w", row.Run, err)
		}
		d.all[fed.RunID(row.Run)] = r
	}
	return d, nil
}

// Keep implements coordinator.Drafts.
func (d *drafts) Keep(ctx context.Context, run fed.Run, r fed.RoundRecord) error {
	body, err := stored(r)
	if err != nil {
		return err
	}
	if err := d.n.db.PutRoundDraft(ctx, query.PutRoundDraftParams{Run: string(run.ID), Body: body}); err != nil {
		return fmt.Errorf("keep the draft of a round: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all[run.ID] = r
	return nil
}

// Kept implements coordinator.Drafts.
func (d *drafts) Kept(run fed.RunID) (fed.RoundRecord, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.all[run]
	return r, ok
}

// drop forgets a draft that is in the book now.
func (d *drafts) drop(ctx context.Context, run fed.RunID, r fed.RoundRecord) {
	if kept, ok := d.Kept(run); !ok || kept.N != r.N || kept.Digest != r.Digest {
		return
	}
	if err := d.n.db.DropRoundDraft(context.WithoutCancel(ctx), string(run)); err != nil {
		d.n.opts.Log.Warn("draft of a round not dropped", "run", run, "error", err.Error())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.all, run)
}

// recall writes what this party knows of a round that it proposed, when a successor's
// record shows that it was committed and does not say who took part.
func (d *drafts) recall(ctx context.Context, r experiment.Run) {
	kept, ok := d.Kept(r.ID)
	if !ok {
		return
	}
	rec, ok := recordOf(r, kept.N)
	if !ok || rec.Digest != kept.Digest || len(rec.In) > 0 || !d.n.takesPart(d.n.me(), r.Project) {
		return
	}
	if err := (runBook{d.n}).Round(ctx, r.Run, kept); err != nil {
		d.n.opts.Log.Warn("record of a round not written", "run", r.ID, "round", kept.N, "error", err.Error())
	}
}

// recallAll looks at all runs of which there is a draft: what shows that its round was
// committed may have come just before the program ended.
func (d *drafts) recallAll(ctx context.Context) {
	d.mu.Lock()
	runs := slices.Sorted(maps.Keys(d.all))
	d.mu.Unlock()
	for _, id := range runs {
		if r, ok := d.n.tracker.Run(id); ok {
			d.recall(ctx, r)
		}
	}
}
