package node

import (
	"context"
	"errors"
	"testing"
	"time"

	"synergos.app/desktop/backend/node/view"
)

// What has ended is forgotten beyond a bound, the oldest first; what goes on stays.
func TestEndedOperationsAreForgotten(t *testing.T) {
	t.Parallel()
	d := openDataNode(t, t.TempDir(), nil)
	ctx, let := t.Context(), make(chan struct{})
	wait := func(ctx context.Context, _ progress) (string, error) {
		select {
		case <-let:
			return "", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	long := d.ops.start("reading", "Read a large file", "", wait)
	first := d.ops.start("reading", "Read a small file", "", func(context.Context, progress) (string, error) { return "", errors.New("no") })
	done := func(id string) bool { v, err := d.Operation(ctx, id); return err != nil || v.EndedAt != nil }
	d.until("the first to end", func() bool { return done(first.ID) })
	for range maxOperations {
		v := d.ops.start("reading", "Read a small file", "", func(context.Context, progress) (string, error) { return "", nil })
		d.until("one more to end", func() bool { return done(v.ID) })
	}
	d.ops.mu.Lock()
	kept, listed := len(d.ops.all), len(d.ops.list)
	d.ops.mu.Unlock()
	same(t, "kept", [2]int{kept, listed}, [2]int{maxOperations, maxOperations})
	if _, err := d.Operation(ctx, first.ID); err == nil {
		t.Error("the oldest that ended is still kept")
	}
	same(t, "what goes on", must(d.Operation(ctx, long.ID))(t).State, "running")
	same(t, "phase", must(d.CancelOperation(ctx, long.ID))(t).Phase, "Stopping")
	d.until("it to stop", func() bool { return must(d.Operation(ctx, long.ID))(t).State == "cancelled" })
}

// How long work still takes is told by the injected clock.
func TestTimeLeft(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000).UTC()
	n := &Node{opts: Options{Now: func() time.Time { return now }, Publish: func(string, string, any) {}}}
	o := &operations{n: n}
	op := &operation{view: view.Operation{StartedAt: now}}
	now = now.Add(10 * time.Second)
	o.report(op, "Reading the file", 1, 4, "bytes")
	same(t, "left", op.view.EtaMs, int64(30_000))
}
