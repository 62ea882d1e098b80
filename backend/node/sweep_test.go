package node

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Of what a run leaves, its result, its tables and the files of its version stay when
// it is over; of a run that is not, everything does.
func TestSweep(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	ctx := t.Context()
	a := l.Hospital[0]
	cfg := CohortConfig(2)
	project := l.Project(cfg, nil)
	run := a.Queue(project, cfg)
	l.OneTruth(project, run)
	l.countersigned(a, project, 1)
	v := must(a.RegisterModel(ctx, run, "heart"))(t)
	r, _ := a.tracker.Run(fed.RunID(run))
	junk := must(a.store.PutBytes(ctx, []byte("nothing needs this")))(t)
	fresh := func() fed.BlobRef { return must(a.store.PutBytes(ctx, []byte("written a moment ago")))(t) }
	age := func(by time.Duration) {
		then := time.Now().Add(-by)
		must(0, filepath.WalkDir(filepath.Join(a.opts.Home, "blobs"), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			return os.Chtimes(path, then, then)
		}))(t)
	}

	a.sweepBlobs()
	same(t, "within the hour", a.store.Has(junk.Digest), true)

	same(t, "the run is over", a.over(r), true)
	age(48 * time.Hour)
	kept := fresh()
	a.sweepBlobs()
	same(t, "what nothing needs", a.store.Has(junk.Digest), false)
	same(t, "what was just written", a.store.Has(kept.Digest), true)
	same(t, "result", a.store.Has(r.End.Params), true)
	for _, rec := range r.Rounds {
		same(t, "params of a round", a.store.Has(rec.Digest), rec.Digest == r.End.Params)
		for _, in := range rec.In {
			same(t, "an update", a.store.Has(in.Update.Digest), false)
		}
	}
	for _, rec := range a.ledger.Rounds(r.ID) {
		same(t, "tables", a.store.Has(rec.Tables.Digest), true)
	}
	for _, c := range must(a.Version(ctx, v.ModelID, v.Number))(t).Checks {
		same(t, c.Name, c.OK, true)
	}
	for _, c := range must(a.VerifyLedger(ctx, project))(t) {
		same(t, c.Name, c.OK, true)
	}
	l.OneTruth(project, a.Queue(project, cfg)) // and it goes on from there

	// What came since an open run was queued is spared: its open round has no record.
	for _, h := range l.Hospital[1:] {
		h.stop()
	}
	waiting, _ := a.tracker.Run(fed.RunID(a.Queue(project, cfg)))
	later := must(a.store.PutBytes(ctx, []byte("an update that is not recorded yet")))(t)
	_, before := a.neededBlobs()
	same(t, "all is needed since", before, at(waiting.QueuedMs))
	_, _, err := a.store.Sweep(before, func(fed.Digest) bool { return false })
	same(t, "swept", line(err, a.store.Has(later.Digest)), "<nil> true")
}
