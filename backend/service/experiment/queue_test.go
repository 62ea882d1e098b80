package experiment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
)

// desk is a queue with what it needs, played by the test.
type desk struct {
	*Queue
	t      *testing.T
	runs   []fed.Run
	cancel context.CancelFunc
	done   chan error

	mu     sync.Mutex
	opened []string // "<run> <seconds since the start>"
	answer map[fed.RunID]error
	saved  map[fed.RunID]string
	ends   map[fed.RunID]fed.RunEnd
	endErr error
	block  bool
	asking func() // called while a grid is opened
	limit  int
	told   int
	began  time.Time
}

// newDesk makes a queue of n runs of this party, the first one oldest, and of one
// run of another party.
func newDesk(t *testing.T, n int) *desk {
	d := &desk{t: t, answer: map[fed.RunID]error{}, saved: map[fed.RunID]string{}, ends: map[fed.RunID]fed.RunEnd{}, limit: 2, began: time.Now()}
	tr := newTracker()
	for i := range n + 1 {
		author := "A"
		if i == n {
			author = "B"
		}
		e := questionBy(author, fmt.Sprint(i))
		r := frozen(t, e)
		tr.Apply(doc(t, author, 2*i+1, fed.DocExperiment, e))
		if tr.Apply(doc(t, author, 2*i+2, fed.DocRun, r)) == "" {
			t.Fatal("run not taken")
		}
		d.runs = append(d.runs, r)
	}
	d.Queue = d.queue(tr)
	return d
}

func (d *desk) queue(tr *Tracker) *Queue {
	return &Queue{
		Self: id("A"), Tracker: tr, Grids: d, States: d, Ender: d, Limit: func() int { d.mu.Lock(); defer d.mu.Unlock(); return d.limit },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Tell: func(fed.RunID) { d.mu.Lock(); defer d.mu.Unlock(); d.told++ }, Retry: 10 * time.Second,
	}
}

func (d *desk) start() {
	d.t.Helper()
	if err := d.Load(context.Background()); err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel, d.done = cancel, make(chan error, 1)
	go func() { d.done <- d.Run(ctx) }()
	synctest.Wait()
}

func (d *desk) stop() {
	d.t.Helper()
	d.cancel()
	if err := <-d.done; err != nil {
		d.t.Error(err)
	}
}

func (d *desk) number(r fed.RunID) int {
	return slices.IndexFunc(d.runs, func(x fed.Run) bool { return x.ID == r })
}

func (d *desk) OpenGrid(ctx context.Context, run fed.Run) error {
	d.mu.Lock()
	if d.saved[run.ID] != "preparing" {
		d.t.Errorf("run %d asks around while %q is on disk", d.number(run.ID), d.saved[run.ID])
	}
	d.opened = append(d.opened, fmt.Sprintf("%d at %v", d.number(run.ID), time.Since(d.began)))
	block, err, asking := d.block, d.answer[run.ID], d.asking
	d.mu.Unlock()
	if asking != nil {
		asking()
	}
	if block {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (d *desk) SaveState(_ context.Context, run fed.Run, state, _ string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saved[run.ID] = state
	return nil
}

func (d *desk) LoadStates(context.Context) (map[fed.RunID]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[fed.RunID]string{}
	for k, v := range d.saved {
		out[k] = v
	}
	return out, nil
}

func (d *desk) EndRun(_ context.Context, run fed.Run, end fed.RunEnd) error {
	d.mu.Lock()
	err := d.endErr
	if err == nil {
		d.ends[run.ID] = end
	}
	d.mu.Unlock()
	if err == nil {
		d.Tracker.Apply(doc(d.t, "A", 1000, fed.DocRunEnd, end))
	}
	return err
}

// finish has a run end, as its coordinator would.
func (d *desk) finish(i int) {
	m := mandate(d.runs[i], "A", 1, fed.Checkpoint{})
	if d.Tracker.Apply(doc(d.t, "A", 1000, fed.DocRunEnd, fed.RunEnd{Run: d.runs[i].ID, State: "finished", Rounds: config().Rounds, Mandate: &m})) == "" {
		d.t.Fatal("the end was not taken")
	}
	d.Wake()
	synctest.Wait()
}

func (d *desk) want(opened ...string) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if diff := cmp.Diff(opened, d.opened); diff != "" {
		d.t.Errorf("grids opened:\n%s", diff)
	}
}

func (d *desk) state(i int, want string) {
	d.t.Helper()
	if got, _ := d.State(d.runs[i].ID); got != want {
		d.t.Errorf("run %d is %q, want %q", i, got, want)
	}
}

// Two at once, the oldest first, the next when one ends; other parties' runs are
// theirs to start.
func TestQueueKeepsItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 4)
		d.start()
		d.want("0 at 0s", "1 at 0s")
		d.state(0, "running")
		d.state(2, "")
		rest(time.Minute)
		d.want("0 at 0s", "1 at 0s")
		d.finish(1)
		d.want("0 at 0s", "1 at 0s", "2 at 1m0s")
		d.finish(0)
		d.finish(2)
		rest(time.Hour)
		d.want("0 at 0s", "1 at 0s", "2 at 1m0s", "3 at 1m0s")
		if d.told == 0 || d.saved[d.runs[3].ID] != "running" {
			t.Error("a state was not told or saved")
		}
		d.stop()
	})
}

// Busy, Unavailable and Timeout are tried again after a pause that doubles up to
// 16 times, and do not hold up the runs behind.
func TestQueueTriesAgain(t *testing.T) {
	for _, kind := range []fed.Kind{fed.Busy, fed.Unavailable, fed.Timeout} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, 2)
			d.answer[d.runs[0].ID] = fed.Errorf(kind, "Wait.", "B has no place")
			d.start()
			d.want("0 at 0s", "1 at 0s")
			if s, why := d.State(d.runs[0].ID); s != "queued" || why != "B has no place" {
				t.Errorf("the refused run is %q because %q", s, why)
			}
			rest(671 * time.Second)
			want := []string{"0 at 0s", "1 at 0s"}
			for _, at := range []int{10, 30, 70, 150, 310, 470, 630} { // 10, 20, 40, 80, 160, 160 ...
				want = append(want, fmt.Sprintf("0 at %v", time.Duration(at)*time.Second))
			}
			d.want(want...)
			d.mu.Lock()
			delete(d.answer, d.runs[0].ID)
			d.mu.Unlock()
			rest(160 * time.Second)
			d.state(0, "running")
			d.stop()
		})
	}
}

// Any other refusal ends the run with its reason and is never tried again.
func TestRefusalEndsTheRun(t *testing.T) {
	for kind, reason := range map[fed.Kind]string{fed.Permission: "consent_denied", fed.Invalid: "incompatible", fed.Incompatible: "incompatible", fed.Corrupt: "incompatible"} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, 1)
			d.answer[d.runs[0].ID] = &MemberError{"B", fed.Errorf(kind, "Ask B.", "it says no")}
			d.start()
			rest(time.Hour)
			d.want("0 at 0s")
			want := fed.RunEnd{Run: d.runs[0].ID, State: "failed", Reason: reason, Problem: "B cannot join: it says no", Hint: "Ask B.", At: map[string]string{"B": "it says no"}}
			if diff := cmp.Diff(want, d.ends[d.runs[0].ID]); diff != "" {
				t.Errorf("%v:\n%s", kind, diff)
			}
			d.state(0, "failed")
			d.stop()
		})
	}
}

// A run that a person cancels while its members are asked is cancelled, whatever they
// answer.
func TestCancelledWhileAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 1)
		d.answer[d.runs[0].ID] = fed.Errorf(fed.Permission, "", "no consent")
		d.asking = func() {
			d.Tracker.Apply(doc(t, "A", 1000, fed.DocRunEnd, fed.RunEnd{Run: d.runs[0].ID, State: "cancelled", Reason: "user"}))
		}
		d.start()
		if len(d.ends) != 0 {
			t.Errorf("it was ended once more: %v", d.ends)
		}
		d.state(0, "cancelled")
		d.stop()
	})
}

// An end that could not be recorded is not forgotten.
func TestUnrecordedEndIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 1)
		d.answer[d.runs[0].ID], d.endErr = fed.Errorf(fed.Permission, "", "no"), errors.New("disk full")
		d.start()
		d.mu.Lock()
		d.endErr = nil
		d.mu.Unlock()
		rest(16 * time.Second)
		if d.ends[d.runs[0].ID].Reason != "consent_denied" {
			t.Errorf("ends: %v after %v", d.ends, d.opened)
		}
		d.stop()
	})
}

func TestPausedRunWaitsForAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 2)
		d.saved[d.runs[0].ID] = "paused"
		d.start()
		rest(time.Hour)
		d.want("1 at 0s")
		if err := d.Set(context.Background(), d.runs[0], "queued", ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		d.want("1 at 0s", "0 at 1h0m0s")
		d.stop()
	})
}

// After a restart: what was asking around asks again, what runs keeps its place,
// what a person paused stays paused.
func TestQueueAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 4)
		for i, s := range []string{"running", "preparing", "paused", "queued"} {
			d.saved[d.runs[i].ID] = s
		}
		d.start()
		rest(time.Minute)
		d.want("1 at 0s") // one place is taken by run 0
		d.state(2, "paused")
		d.finish(0)
		d.want("1 at 0s", "3 at 1m0s")
		d.stop()
	})
}

// The end of the app while it asks around is no refusal.
func TestQueueEndsWhileAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 2)
		d.block = true
		d.start()
		d.state(0, "preparing")
		d.stop()
		d.state(0, "queued")
		if len(d.ends) != 0 || d.saved[d.runs[0].ID] != "queued" || strings.Join(d.opened, ",") != "0 at 0s" {
			t.Errorf("ends %v, saved %v, opened %v", d.ends, d.saved, d.opened)
		}
	})
}

// rest lets time pass and everything settle.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
