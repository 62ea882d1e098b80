package node

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/node/view"
)

// The oldest entries go by age and by size; the rest stays one chain that can be
// verified, over a restart too, and a change of what is left is still found.
func TestEgressIsPruned(t *testing.T) {
	start := time.Now()
	var days atomic.Int64 // the node's own upkeep looks at the clock, too
	now := func() time.Time { return start.Add(time.Duration(days.Load()) * 24 * time.Hour) }
	home := t.TempDir()
	d := openDataNode(t, home, func(o *Options) { o.Now = now })
	ctx := t.Context()
	send := func(k int) {
		for range k {
			must(d.egress.Record(ctx, transport.Frame{Peer: "SOMEBODY", Kind: "doc", Purpose: "test", Subject: "s", Bytes: 100, SHA256: "aa"}))(t)
		}
	}
	sound := func(entries string) {
		t.Helper()
		c := must(d.VerifyActivity(ctx))(t)
		same(t, "chain", line(c.OK, c.Text), "true All "+entries+" entries are unchanged.")
		same(t, "shown", strings.HasPrefix(must(d.Activity(ctx, view.ActivityQuery{}))(t).Chain.Text, entries+" entries"), true)
	}
	send(10)
	days.Add(300)
	send(5)
	must(0, d.pruneEgress(ctx))(t)
	sound("15")
	days.Add(101)
	must(0, d.pruneEgress(ctx))(t)
	sound("5")
	gone := must(d.Activity(ctx, view.ActivityQuery{}))(t).Removed
	same(t, "removed", line(gone.Frames, gone.Bytes, now().Sub(*gone.Until) > 400*24*time.Hour), "10 1000 true")
	same(t, "exported lines", strings.Count(string(must(d.ExportActivity(ctx))(t)), "\n"), 6)

	must(0, d.Close(ctx))(t)
	d = openDataNode(t, home, func(o *Options) { o.Now = now })
	send(3)
	sound("8")
	size := must(d.db.EgressSize(ctx))(t)
	must(0, d.egress.prune(ctx, now().Add(-1000*24*time.Hour), size/2))(t)
	sound("4")
	must(0, d.egress.prune(ctx, now().Add(time.Hour), 0))(t)
	sound("1") // the next entry is chained to the last
	send(2)
	sound("3")
	same(t, "removed in all", must(d.Activity(ctx, view.ActivityQuery{}))(t).Removed.Frames, int64(17))
	must(0, d.db.DeleteEgress(ctx, d.egress.gone.Seq+1))(t)
	same(t, "an entry that was taken by hand", must(d.VerifyActivity(ctx))(t).OK, false)
}

// Totals name receivers by id, so that the filter finds them, whatever they are called.
func TestActivityOfOneReceiver(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	ctx := t.Context()
	for _, peer := range []string{"ONE", "ONE", "TWO"} {
		must(d.egress.Record(ctx, transport.Frame{Peer: fed.PartyID(peer), Kind: "doc", Purpose: "test", Bytes: 1}))(t)
	}
	for _, total := range must(d.Activity(ctx, view.ActivityQuery{}))(t).Totals {
		got := must(d.Activity(ctx, view.ActivityQuery{To: total.ToID}))(t)
		same(t, "frames to "+total.ToID, int64(len(got.Items)), total.Frames)
	}
}
