package coordinator

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/tensor"
)

var background = context.Background()

// Everybody answers: rounds close without waiting, are recorded in order, scored
// and closed before the end is told.
func TestRunFromStartToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 2)
		if took := d.lead(background, fed.Checkpoint{}); took != 0 {
			t.Errorf("a run in which all answer at once took %v", took)
		}
		if len(d.commits) != 3 {
			t.Fatalf("commits %+v", d.commits)
		}
		for i, c := range d.commits {
			r := d.record(i)
			if c.Round != i || c.Term != 7 || r.Digest != c.Digest || r.Parent != c.Parent || r.Coordinator != id("A") || r.Result != "closed" || r.Mandate.Ballot != mandate.Ballot || i > 0 && c.Parent != d.commits[i-1].Digest {
				t.Errorf("round %d: %+v, %+v", i, c, r)
			}
		}
		want := []fed.RoundParty{}
		for _, n := range []string{"A", "B", "C"} {
			u := d.update(n, d.commits[0])
			delta, _, err := tensor.DecodeSafetensors(d.away.all[u.Blob.Digest])
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, fed.RoundParty{Party: id(n), Name: n, Examples: 100, Weight: 100, Loss: 0.5, Update: u.Blob, Norm: fed.Number(delta.Norm()), Claim: sign(n, u)})
		}
		if diff := cmp.Diff(want, d.record(1).In); diff != "" {
			t.Error(diff)
		}
		if r := d.record(1); len(r.Valid) != 3 || r.Valid["B"].Examples != 10 || len(r.Absent) != 0 {
			t.Errorf("record %+v", r)
		}
		e := d.end()
		if e.State != "finished" || e.Reason != "completed" || e.Rounds != 2 || len(e.Results) != 3 || e.Results[2].Name != "C" || e.Results[2].Train != 50 || len(e.Last) != 3 || e.Params != e.ParamsRef.Digest || e.Mandate == nil || e.Mandate.Ballot != mandate.Ballot {
			t.Errorf("end %+v", e)
		}
		if got := d.steps[len(d.steps)-2:]; !slices.Equal(got, []string{fmt.Sprintf("close through %d", e.Best), "end"}) || len(d.scored[1]) != 3 || len(d.scored[2]) != 3 {
			t.Errorf("steps %v", d.steps)
		}
		if len(d.lanes) != 3 || d.lanes[0].State != "done" {
			t.Errorf("lanes %+v", d.lanes)
		}
	})
}

// Round 0 is the seed's own start, and a round is the weighted mean of the updates.
func TestAggregateByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 1)
		d.answer = func(c fed.Checkpoint) {
			for i, n := range []string{"A", "B", "C"} {
				u := d.updateOf(c, d.params(float32(i+1), 0, 0))
				u.Examples = []int64{100, 200, 100_000}[i] // C's weight is cut to 5 medians: 1000
				d.send(n, u)
			}
		}
		d.lead(background, fed.Checkpoint{})
		got, _, err := tensor.DecodeSafetensors(d.blobs.all[d.commits[1].Digest])
		if err != nil {
			t.Fatal(err)
		}
		want := float32((100*1 + 200*2 + 1000*3) / 1300.0)
		if v := got.AppendFlat(nil); v[0] != want || v[1] != 0 || v[2] != 0 {
			t.Errorf("params %v, want %v", v, want)
		}
		if in := d.record(1).In; in[0].Weight != 100 || in[2].Weight != 1000 || in[2].Examples != 100_000 {
			t.Errorf("weights %+v", in)
		}
	})
}

// Late is a fact of the state: at the deadline a quorum closes the round, and the
// record names who was absent. Who left politely is not waited for at all.
func TestAbsentParty(t *testing.T) {
	for _, polite := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, 1)
			d.answer = func(c fed.Checkpoint) { d.send("A", d.update("A", c)); d.send("B", d.update("B", c)) }
			d.absent[id("C")] = polite
			took := d.lead(background, fed.Checkpoint{})
			r, why, want := d.record(1), "absent", time.Minute
			if polite {
				why, want = "left for now", 0
			}
			if took != want || r.Result != "short" || r.Absent["C"] != why || !slices.Equal(names(r), []string{"A", "B"}) {
				t.Errorf("polite %v: after %v: %+v", polite, took, r)
			}
			if d.lanes[2].State != "absent" || d.lanes[2].Note != why {
				t.Errorf("lanes %+v", d.lanes)
			}
		})
	}
}

// Below the quorum the deadline does not close a round.
func TestQuorumIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 1)
		d.answer = func(c fed.Checkpoint) {
			d.send("B", d.update("B", c))
			go func() {
				time.Sleep(10 * time.Minute)
				d.send("C", d.update("C", c))
			}()
		}
		if took := d.lead(background, fed.Checkpoint{}); took != 10*time.Minute || d.record(1).Absent["A"] != "absent" {
			t.Errorf("after %v: %+v", took, d.record(1))
		}
	})
}

// What belongs to another round, run or party is dropped; a repeated update counts
// once.
func TestForeignUpdatesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 2)
		d.answer = func(c fed.Checkpoint) {
			old := d.update("C", d.commits[0])
			ahead := d.update("C", c)
			ahead.Round++
			other := d.update("C", c)
			other.Run = fed.RunID(strings.Repeat("f", 32))
			elsewhere := d.update("C", c)
			elsewhere.Base = fed.DigestOf(nil)
			if c.Round == 1 {
				d.send("C", old)
			}
			for _, u := range []fed.Update{ahead, other, elsewhere} {
				d.send("C", u)
			}
			d.send("X", d.update("C", c))
			for range 3 {
				d.send("A", d.update("A", c))
				d.send("B", d.update("B", c))
			}
		}
		if took := d.lead(background, fed.Checkpoint{}); took != 2*time.Minute {
			t.Errorf("took %v", took)
		}
		for n := 1; n <= 2; n++ {
			if r := d.record(n); !slices.Equal(names(r), []string{"A", "B"}) || r.Absent["C"] != "absent" || len(r.Absent) != 1 {
				t.Errorf("round %d: %+v", n, r)
			}
		}
	})
}

// One party's bad update is rejected by name, and the round goes on without it.
func TestBadUpdateIsNamed(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		spoil func(d *desk, u *fed.Update)
		why   string
		valid bool // its sums still count
	}{
		"not a number": {func(d *desk, u *fed.Update) { u.Blob = d.away.put(tensor.EncodeSafetensors(d.params(nan, 0, 0), nil)) }, "not finite", true},
		"wrong shape": {func(d *desk, u *fed.Update) {
			u.Blob = d.away.put(tensor.EncodeSafetensors(tensor.Params{tensor.New("w", 9)}, nil))
		}, "called", true},
		"nothing":         {func(d *desk, u *fed.Update) { u.Blob = d.away.put(tensor.EncodeSafetensors(d.params(0, 0, 0), nil)) }, "nothing was learned", true},
		"huge":            {func(d *desk, u *fed.Update) { u.Blob = d.away.put(tensor.EncodeSafetensors(d.params(1e6, 0, 0), nil)) }, "norm", true},
		"no file":         {func(d *desk, u *fed.Update) { u.Blob = d.away.put([]byte("garbage")) }, "cannot be read", false},
		"not signed":      {func(d *desk, u *fed.Update) { u.Claim = sign("B", *u) }, "did not sign", false},
		"signed for less": {func(d *desk, u *fed.Update) { u.Claim = sign("C", *u); u.Examples++ }, "did not sign", false},
		"no examples":     {func(d *desk, u *fed.Update) { u.Examples = 0 }, "out of form", false},
		"endless":         {func(d *desk, u *fed.Update) { u.Examples = math.MaxInt64 }, "out of form", false},
		"no blob":         {func(d *desk, u *fed.Update) { u.Blob.Digest = "x" }, "out of form", false},
		"too large":       {func(d *desk, u *fed.Update) { u.Blob.Size = 1 << 34 }, "out of form", false},
		"negative loss":   {func(d *desk, u *fed.Update) { u.Valid.Loss = -1e300 }, "cannot be right", false},
		"forged counts":   {func(d *desk, u *fed.Update) { u.Valid.Correct = 1 << 40 }, "cannot be right", false},
		"its own reason": {func(d *desk, u *fed.Update) {
			*u = fed.Update{Run: runID, Round: u.Round, Base: u.Base, Problem: "its consent has expired"}
		}, "its consent has expired", false},
		"a long reason": {func(d *desk, u *fed.Update) {
			*u = fed.Update{Run: runID, Round: u.Round, Base: u.Base, Problem: strings.Repeat("ä", 9000)}
		}, strings.Repeat("ä", 200) + "…", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, 1)
			d.answer = func(c2 fed.Checkpoint) {
				bad := d.update("C", c2)
				c.spoil(d, &bad)
				d.send("C", bad)
				d.send("A", d.update("A", c2))
				d.send("B", d.update("B", c2))
			}
			took := d.lead(background, fed.Checkpoint{})
			r := d.record(1)
			if took != 0 || !slices.Equal(names(r), []string{"A", "B"}) || r.Result != "short" || !strings.Contains(r.Absent["C"], c.why) || len(r.Absent["C"]) > 500 {
				t.Errorf("%s: after %v in %v, absent %v", name, took, names(r), r.Absent)
			}
			if _, ok := r.Valid["C"]; ok != c.valid {
				t.Errorf("%s: validation sums recorded %v", name, ok)
			}
			if d.end().State != "finished" {
				t.Errorf("%s: %+v", name, d.end())
			}
		})
	}
}

// A connection that breaks between an update and its blob does not cost the round:
// the party will not send it again.
func TestFetchIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 1)
		failures := 0
		d.fetch = func(from fed.PartyID) error {
			if from == id("C") && failures < 3 {
				failures++
				return fed.Errorf(fed.Unavailable, "", "the connection was lost")
			}
			return nil
		}
		if took := d.lead(background, fed.Checkpoint{}); took < 200*time.Millisecond || took > 5*time.Second || len(d.record(1).In) != 3 {
			t.Errorf("after %v and %d failures: %+v", took, failures, d.record(1))
		}
	})
}

func TestRoundWithoutUpdatesFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 3)
		d.answer = func(c fed.Checkpoint) {
			for _, n := range []string{"A", "B", "C"} {
				if c.Round == 0 {
					d.send(n, d.update(n, c))
				} else {
					d.send(n, fed.Update{Run: runID, Round: c.Round + 1, Base: c.Digest, Problem: "no rows at " + n})
				}
			}
		}
		d.lead(background, fed.Checkpoint{})
		e := d.end()
		if e.State != "failed" || e.Reason != "quorum_lost" || e.Rounds != 1 || e.Hint == "" || !strings.Contains(e.Problem, "round 2") || !strings.Contains(e.Problem, "B: no rows at B") || len(e.At) != 3 || e.At["C"] != "no rows at C" {
			t.Errorf("end %+v", e)
		}
	})
}

// Updates that are finite each, and a sum that is not, end the run as diverged.
func TestDivergedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 5)
		d.answer = func(c fed.Checkpoint) {
			for _, n := range []string{"A", "B", "C"} {
				d.send(n, d.updateOf(c, d.params(3e38, 0, 0)))
			}
		}
		d.lead(background, fed.Checkpoint{})
		if e := d.end(); e.State != "failed" || e.Reason != "diverged" || e.Rounds != 1 || e.Hint == "" {
			t.Errorf("end %+v", e)
		}
		if len(d.commits) != 2 {
			t.Errorf("%d commits", len(d.commits))
		}
	})
}

// The end of a reign is not the end of the run.
func TestEndOfReignIsNotTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 3)
		ctx, cancel := context.WithCancel(background)
		d.answer = func(c fed.Checkpoint) {
			if c.Round == 1 {
				cancel()
				return
			}
			for _, n := range []string{"A", "B", "C"} {
				d.send(n, d.update(n, c))
			}
		}
		d.lead(ctx, fed.Checkpoint{})
		if len(d.ends) != 0 || len(d.commits) != 2 {
			t.Errorf("ends %+v after %d commits", d.ends, len(d.commits))
		}
	})
}

// A successor goes on from what it inherited, with the same numbers as if nothing
// had happened; the record that its predecessor did not write is written.
func TestSuccessorGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := newDesk(t, 4)
		whole.lead(background, fed.Checkpoint{})

		d := newDesk(t, 4)
		acc := whole.commits[2]
		acc.Term = 7
		d.blobs.put(whole.blobs.all[acc.Digest])
		for _, b := range whole.away.all {
			d.blobs.put(b) // gathered by its predecessor
		}
		d.records = append(d.records, whole.record(0), whole.record(1))
		d.lead(background, acc)
		if len(d.commits) != 2 || d.commits[0].Round != 3 || d.commits[1].Digest != whole.commits[4].Digest {
			t.Errorf("commits %+v", d.commits)
		}
		if r := d.record(2); r.Digest != acc.Digest || r.Coordinator != id("A") || len(r.In) != 0 {
			t.Errorf("the missing record became %+v", r)
		}
		if e := d.end(); e.State != "finished" || e.Rounds != 4 {
			t.Errorf("end %+v", e)
		}
	})
}

// Who stops between the commit of a round and its record still knows who took part,
// also after a restart; what was kept of a round that was not committed is not written.
func TestWhoTookPartIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := newDesk(t, 4)
		whole.lead(background, fed.Checkpoint{})
		for name, change := range map[string]func(r *fed.RoundRecord){
			"its round":         func(*fed.RoundRecord) {},
			"another round":     func(r *fed.RoundRecord) { r.N = 1 },
			"another committed": func(r *fed.RoundRecord) { r.Digest = whole.commits[1].Digest },
		} {
			d := newDesk(t, 4)
			acc := whole.commits[2]
			acc.Term = 7
			d.blobs.put(whole.blobs.all[acc.Digest])
			for _, b := range whole.away.all {
				d.blobs.put(b)
			}
			d.records = append(d.records, whole.record(0), whole.record(1))
			d.draft = whole.record(2)
			change(&d.draft)
			d.lead(background, acc)
			want := 0
			if name == "its round" {
				want = 3
			}
			if r := d.record(2); r.Digest != acc.Digest || len(r.In) != want {
				t.Errorf("%s: %d took part in round %d of params %s", name, len(r.In), r.N, r.Digest.Short())
			}
		}
		if whole.draft.N != 4 || len(whole.draft.In) != 3 {
			t.Errorf("kept of the last round: %d of round %d", len(whole.draft.In), whole.draft.N)
		}
	})
}

// The bits of the result do not depend on the order in which updates arrive.
func TestArrivalOrderDoesNotMatter(t *testing.T) {
	run := func(t *testing.T, orders [][]string) (out []fed.Digest) {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, len(orders))
			d.answer = func(c fed.Checkpoint) {
				for i, n := range orders[c.Round] {
					u := d.update(n, c)
					u.Examples = int64(100 + 37*(n[0]-'A'))
					go func() { // one after the other, some later than a look
						time.Sleep(time.Duration(i) * 150 * time.Millisecond)
						d.send(n, u)
					}()
				}
			}
			d.lead(background, fed.Checkpoint{})
			for _, c := range d.commits {
				out = append(out, c.Digest)
			}
			out = append(out, d.end().Params)
		})
		return out
	}
	abc := []string{"A", "B", "C"}
	want := run(t, [][]string{abc, abc, abc})
	rapid.Check(t, func(r *rapid.T) {
		var orders [][]string
		for range 3 {
			orders = append(orders, rapid.Permutation(abc).Draw(r, "order"))
		}
		if diff := cmp.Diff(want, run(t, orders)); diff != "" {
			r.Fatalf("%v:\n%s", orders, diff)
		}
	})
}

// O4: the best round by validation loss is the result, not the last.
func TestBestRoundIsTheResult(t *testing.T) {
	for _, c := range []struct {
		holdOut bool
		best    int
	}{{true, 2}, {false, 4}} { // nothing is chosen on test rows
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, 4)
			if !c.holdOut {
				d.run.Config.Validation = nil
			}
			loss := []float64{0.01, 0.5, 0.3, 0.4, 0.9} // of the params of each round; those of the start never win
			d.answer = func(cp fed.Checkpoint) {
				for _, n := range []string{"A", "B", "C"} {
					u := d.update(n, cp)
					u.Valid = d.sums(10, loss[cp.Round])
					d.send(n, u)
				}
			}
			var tested fed.Digest
			d.eval = func(_ string, ask fed.EvalAsk) (fed.EvalReply, error) {
				if ask.Part == "test" {
					d.mu.Lock()
					tested = ask.Params.Digest
					d.mu.Unlock()
				}
				return fed.EvalReply{Sums: d.sums(10, loss[4]), Train: 1}, nil
			}
			d.lead(background, fed.Checkpoint{})
			if e := d.end(); e.Best != c.best || e.Params != d.commits[c.best].Digest || tested != e.Params || e.Rounds != 4 {
				t.Errorf("hold out %v: %+v, tested %s", c.holdOut, e, tested.Short())
			}
		})
	}
}

// A successor that never held the best params keeps the last, and says so.
func TestBestRoundThatIsNotHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 3)
		d.answer = func(c fed.Checkpoint) {
			if c.Round == 2 {
				d.blobs.mu.Lock()
				delete(d.blobs.all, d.commits[1].Digest)
				d.blobs.mu.Unlock()
			}
			for _, n := range []string{"A", "B", "C"} {
				u := d.update(n, c)
				u.Valid = d.sums(10, []float64{9, 0.1, 0.5}[c.Round])
				d.send(n, u)
			}
		}
		d.lead(background, fed.Checkpoint{})
		if e := d.end(); e.Best != 3 || e.Params != d.commits[3].Digest {
			t.Errorf("end %+v", e)
		}
	})
}

func TestBest(t *testing.T) {
	valid := func(loss float64) map[string]fed.Sums {
		return map[string]fed.Sums{"A": {Examples: 10, Loss: 10 * loss}}
	}
	record := func(n int, sums map[string]fed.Sums) fed.RoundRecord { return fed.RoundRecord{N: n, Valid: sums} }
	for name, c := range map[string]struct {
		rounds []fed.RoundRecord // the sums are those of the params before
		last   map[string]fed.Sums
		n      int
		want   int
	}{
		"last":             {[]fed.RoundRecord{record(1, valid(9)), record(2, valid(2)), record(3, valid(1))}, valid(0.5), 3, 3},
		"middle":           {[]fed.RoundRecord{record(1, valid(9)), record(2, valid(2)), record(3, valid(1))}, valid(3), 3, 2},
		"earliest of ties": {[]fed.RoundRecord{record(1, valid(9)), record(2, valid(1)), record(3, valid(1))}, valid(1), 3, 1},
		"never the start":  {[]fed.RoundRecord{record(1, valid(0)), record(2, valid(2))}, valid(3), 2, 1},
		"no sums":          {[]fed.RoundRecord{record(1, nil), record(2, nil)}, nil, 2, 2},
		"no last sums":     {[]fed.RoundRecord{record(1, valid(9)), record(2, valid(2))}, nil, 2, 1},
		"not a number":     {[]fed.RoundRecord{record(1, nil), record(2, valid(math.NaN()))}, valid(3), 2, 2},
		"pooled by rows": {[]fed.RoundRecord{record(1, nil), record(2, map[string]fed.Sums{"A": {Examples: 1, Loss: 5}, "B": {Examples: 99, Loss: 10}})},
			map[string]fed.Sums{"A": {Examples: 1, Loss: 0}, "B": {Examples: 99, Loss: 20}}, 2, 1},
		"the same parties": {[]fed.RoundRecord{record(1, nil), record(2, map[string]fed.Sums{"A": {Examples: 10, Loss: 1}}), record(3, map[string]fed.Sums{"A": {Examples: 10, Loss: 5}, "B": {Examples: 10, Loss: 50}})},
			map[string]fed.Sums{"A": {Examples: 10, Loss: 6}, "B": {Examples: 10, Loss: 50}}, 3, 2},
		"others besides": {[]fed.RoundRecord{record(1, nil), record(2, map[string]fed.Sums{"A": {Examples: 10, Loss: 1}, "B": {Examples: 10, Loss: 90}}), record(3, valid(0.4))}, valid(0.3), 3, 1},
		"most parties":   {[]fed.RoundRecord{record(1, nil), record(2, valid(0)), record(3, map[string]fed.Sums{"A": {Examples: 10, Loss: 5}, "B": {Examples: 10, Loss: 5}})}, nil, 3, 2},
		"after the last": {[]fed.RoundRecord{record(1, nil), record(2, valid(2)), record(3, valid(0))}, valid(3), 2, 1},
	} {
		if got := Best(c.rounds, c.last, c.n); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// Members that do not answer, or send impossible sums, are left out of the results.
func TestResultsOfWhoAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 1)
		d.eval = func(name string, ask fed.EvalAsk) (fed.EvalReply, error) {
			r := fed.EvalReply{Sums: d.sums(10, 1), Train: 5}
			switch {
			case name == "B" && ask.Part == "test":
				return r, errors.New("gone")
			case name == "C":
				r.Alone = &fed.Sums{Examples: 10, Loss: -1}
			}
			return r, nil
		}
		d.lead(background, fed.Checkpoint{})
		e := d.end()
		if len(e.Results) != 1 || e.Results[0].Name != "A" || len(e.Last) != 2 {
			t.Errorf("end %+v", e)
		}
	})
}

// Scoring is off the training path: a member that cannot score, and one that takes
// its time, do not stop a round; the run waits for it at the end.
func TestScoring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 2)
		var asked []string
		d.score = func(name string, ask fed.ScoreAsk) (fed.ScoreReply, error) {
			d.mu.Lock()
			asked = append(asked, fmt.Sprintf("%d%s%d%v", ask.Round, name, len(ask.In), ask.Base.Size > 0))
			d.mu.Unlock()
			if name == "C" {
				return fed.ScoreReply{}, fed.Errorf(fed.Invalid, "", "no rows")
			}
			time.Sleep(5 * time.Second)
			return fed.ScoreReply{Rows: 10}, nil
		}
		if took := d.lead(background, fed.Checkpoint{}); took != 10*time.Second || d.record(2).DurationMs != 0 {
			t.Errorf("took %v, round 2 %d ms", took, d.record(2).DurationMs)
		}
		if slices.Sort(asked); !slices.Equal(asked, []string{"1A3true", "1B3true", "1C3true", "2A3true", "2B3true", "2C3true"}) {
			t.Errorf("asked %v", asked)
		}
		if len(d.scored[1]) != 2 || len(d.scored[2]) != 2 || d.end().State != "finished" {
			t.Errorf("scored %v", d.scored)
		}
	})
}

func TestNoScoringWhenNotWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 2)
		d.run.Config.Contribution = "none"
		d.lead(background, fed.Checkpoint{})
		if len(d.scored) != 0 || d.end().State != "finished" {
			t.Errorf("scored %v", d.scored)
		}
	})
}

// grid.md 6: the run's own deadline, or three times the median of recent rounds,
// and never below this federation's least.
func TestDeadline(t *testing.T) {
	s := time.Second
	for _, c := range []struct {
		own  int
		took []time.Duration
		want time.Duration
	}{
		{30, []time.Duration{s}, 30 * s}, {0, nil, 200 * s}, {0, []time.Duration{s}, 20 * s}, {0, []time.Duration{30 * s}, 90 * s},
		{0, []time.Duration{10 * s, 30 * s, 1000 * s}, 90 * s},
	} {
		l := &lead{run: fed.Run{Config: fed.RunConfig{DeadlineSeconds: c.own}}, Ports: Ports{MinDeadline: 20 * s}}
		if got := l.policy().DeadlineAfter(c.took); got != c.want {
			t.Errorf("own %d after %v: %v, want %v", c.own, c.took, got, c.want)
		}
	}
}

// The deadline covers the way of an update, too: one that is still being transferred
// is late, is counted and left out, and its party is in the next round again.
func TestSlowTransferIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 2)
		var fetched atomic.Int32
		d.fetch = func(from fed.PartyID) error {
			if from == id("C") && fetched.Add(1) == 1 {
				time.Sleep(3 * time.Hour)
			}
			return nil
		}
		if took := d.lead(background, fed.Checkpoint{}); took != time.Minute {
			t.Errorf("took %v", took)
		}
		r := d.record(1)
		if !slices.Equal(names(r), []string{"A", "B"}) || !strings.Contains(r.Absent["C"], "late") || r.Result != "short" || !slices.Contains(d.refused, "update: late") {
			t.Errorf("%+v, refused %v", r, d.refused)
		}
		if r := d.record(2); len(r.In) != 3 {
			t.Errorf("round 2: %+v", r)
		}
		time.Sleep(3 * time.Hour) // what was given up ends
	})
}

// Below the quorum a transfer is waited for beyond the deadline.
func TestSlowTransferMakesTheQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 1)
		d.answer = func(c fed.Checkpoint) { d.send("A", d.update("A", c)); d.send("C", d.update("C", c)) }
		d.fetch = func(from fed.PartyID) error {
			if from == id("C") {
				time.Sleep(2 * time.Minute)
			}
			return nil
		}
		if took := d.lead(background, fed.Checkpoint{}); took != 2*time.Minute || !slices.Equal(names(d.record(1)), []string{"A", "C"}) {
			t.Errorf("after %v: %+v", took, d.record(1))
		}
	})
}

// A training that has finished stays finished, whatever is wrong with its ledger; a
// person is told.
func TestLedgerThatCannotBeClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 2)
		d.closing = fed.Errorf(fed.Unavailable, "", "the rules of the project are not known here")
		d.lead(background, fed.Checkpoint{})
		if e := d.end(); e.State != "finished" || len(e.Results) != 3 || len(d.alarms) != 1 || !strings.Contains(d.alarms[0], "rules of the project") {
			t.Errorf("end %+v, alarms %v", e, d.alarms)
		}
	})
}

// What an earlier coordinator closed the ledger for is the result, so that money and
// model belong together.
func TestResultIsWhatTheLedgerWasClosedFor(t *testing.T) {
	for _, c := range []struct{ here, want, alarms int }{{1, 2, 0}, {0, 4, 1}} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, 4)
			d.through = 2
			d.score = func(string, fed.ScoreAsk) (fed.ScoreReply, error) {
				d.mu.Lock()
				defer d.mu.Unlock()
				if len(d.commits) == 5 && c.here == 0 {
					d.blobs.mu.Lock()
					delete(d.blobs.all, d.commits[2].Digest)
					d.blobs.mu.Unlock()
				}
				return fed.ScoreReply{Rows: 10}, nil
			}
			d.eval = func(_ string, ask fed.EvalAsk) (fed.EvalReply, error) {
				if ask.Part == "valid" {
					time.Sleep(time.Second) // behind the scoring
				}
				return fed.EvalReply{Sums: d.sums(10, 0.1), Train: 1}, nil
			}
			d.lead(background, fed.Checkpoint{})
			if e := d.end(); e.Best != c.want || e.Params != d.commits[c.want].Digest || len(d.alarms) != c.alarms {
				t.Errorf("end %+v, alarms %v", e, d.alarms)
			}
		})
	}
}

// A member that is always busy, or never answers, does not hold up the end of a long
// run: after two times in vain it is not asked for scores any more.
func TestBusyMemberDoesNotHoldTheEnd(t *testing.T) {
	for name, busy := range map[string]func(ctx context.Context) error{
		"busy": func(context.Context) error { return fed.Errorf(fed.Busy, "", "busy") },
		"silent": func(ctx context.Context) error {
			<-ctx.Done()
			return fed.Errorf(fed.Timeout, "", "no answer: %w", ctx.Err())
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, 200)
			asked := 0
			d.scoreIn = func(ctx context.Context, name string, _ fed.ScoreAsk) (fed.ScoreReply, error) {
				if name != "C" {
					return fed.ScoreReply{Rows: 10}, nil
				}
				d.mu.Lock()
				asked++
				d.mu.Unlock()
				return fed.ScoreReply{}, busy(ctx)
			}
			took := d.lead(background, fed.Checkpoint{})
			if took > 10*time.Minute || asked > 5 || d.end().State != "finished" || len(d.scored) != 200 || len(d.scored[9]) != 2 {
				t.Errorf("%s: asked %d times, after %v, %d rounds scored", name, asked, took, len(d.scored))
			}
		})
	}
}

// What a party has alone may train longer than a question waits: the party is in the
// result all the same, as long as it is there.
func TestSlowBaselineStaysInTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 2)
		var ready time.Time
		d.eval = func(name string, ask fed.EvalAsk) (fed.EvalReply, error) {
			out := fed.EvalReply{Sums: d.sums(10, 0.1), Train: 1}
			if name != "C" || !ask.Alone {
				return out, nil
			}
			d.mu.Lock()
			if ready.IsZero() {
				ready = time.Now().Add(25 * time.Second)
			}
			d.mu.Unlock()
			select {
			case <-time.After(3 * time.Second):
				return fed.EvalReply{}, fed.Errorf(fed.Timeout, "", "no answer in time")
			case <-time.After(time.Until(ready)):
				return out, nil
			}
		}
		d.lead(background, fed.Checkpoint{})
		if e := d.end(); e.State != "finished" || len(e.Results) != 3 {
			t.Errorf("%s with %d results", e.State, len(e.Results))
		}
	})
}

// A member that answers again is asked again.
func TestPatience(t *testing.T) {
	p := patience{failed: map[fed.PartyID]int{}}
	want := []int{4, 1, 0}
	for i, n := range want {
		if got := p.tries("C"); got != n {
			t.Errorf("after %d times in vain: %d tries, want %d", i, got, n)
		}
		p.note("C", false)
	}
	p.note("C", true)
	if got := p.tries("C"); got != 4 {
		t.Errorf("after an answer: %d tries", got)
	}
}
