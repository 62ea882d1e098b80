package node

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/service/experiment"
)

// A question about a round is answered once: the same again gets the same, also after
// the app was started again, and another gets nothing.
func TestAnsweredOnce(t *testing.T) {
	t.Parallel()
	h := openHospital(t, "Lakeview", nil)
	x := &grid{run: fed.Run{ID: fed.RunID(newHex())}, answering: make(chan struct{}, 1)}
	worked := int64(0)
	ask := func(n int, purpose, what string) (fed.EvalReply, error) {
		return answered(t.Context(), h.grids, x, n, purpose, what, func() (fed.EvalReply, error) {
			worked++
			return fed.EvalReply{Train: worked}, nil
		})
	}
	first := must(ask(1, aboutTest, "a"))(t)
	same(t, "again", must(ask(1, aboutTest, "a"))(t).Train, first.Train)
	h.reopen()
	same(t, "after a restart", must(ask(1, aboutTest, "a"))(t).Train, first.Train)
	_, err := ask(1, aboutTest, "b")
	refused(t, "another question", err, fed.Permission)
	same(t, "another purpose", must(ask(1, aboutValid, "b"))(t).Train, int64(2))
	same(t, "another round", must(ask(2, aboutTest, "b"))(t).Train, int64(3))
	same(t, "work", worked, int64(3))

	x.answering <- struct{}{} // one at a time
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = answered(ctx, h.grids, x, 3, aboutTest, "a", func() (int, error) { return 1, nil })
	refused(t, "two at once", err, fed.Busy)
}

// A coordinator that is what it says it is still gets no more than the run needs: one
// answer about each recorded round, and sums of what the run has made when it is done.
func TestCoordinatorAsksTooMuch(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(4)
	project := l.Project(cfg, nil)
	release := l.Hospital[0].brake(2)
	run := l.Hospital[0].Queue(project, cfg)
	lead, others := l.coordinator(run)
	lead.round(run, 2)
	mark := others[0]
	if mark == l.Hospital[0] { // it holds the brake
		mark = others[1]
	}
	mark.round(run, 2)
	s := &siege{t: t, project: project, run: run, lead: lead, liar: lead, mark: mark}
	r, _ := lead.tracker.Run(fed.RunID(run))
	rec := r.Rounds[1]
	ask := fed.ScoreAsk{Run: r.ID, Round: 1, Base: must(lead.store.Ref(rec.Parent))(t), In: rec.In}
	answer := func() []byte {
		m := must(lead.net.Request(t.Context(), mark.me(), wire.Score{ScoreAsk: ask}))(t)
		return m.(wire.ScoreReply).Body
	}
	if first := answer(); !bytes.Equal(first, answer()) {
		t.Error("the same question has two answers")
	}
	last := must(lead.store.Ref(r.Rounds[2].Digest))(t)
	change := func(f func(*fed.ScoreAsk)) wire.Score {
		a := ask
		a.In = slices.Clone(ask.In)
		f(&a)
		return wire.Score{ScoreAsk: a}
	}
	s.refusal("other weights", "score: permission", change(func(a *fed.ScoreAsk) { a.In[0].Weight *= 2 }))
	s.refusal("one update alone", "score: permission", change(func(a *fed.ScoreAsk) { a.In = a.In[:1] }))
	s.refusal("another base", "score: permission", change(func(a *fed.ScoreAsk) { a.Base = last }))
	s.refusal("an update as a base", "score: permission", change(func(a *fed.ScoreAsk) { a.Base = a.In[0].Update }))
	s.refusal("a round to come", "score: unavailable", change(func(a *fed.ScoreAsk) { a.Round = 4 }))
	s.refusal("test rows in mid-run", "eval: unavailable", wire.Eval{EvalAsk: fed.EvalAsk{Run: r.ID, Round: 2, Params: last, Part: "test"}})
	release()
	l.OneTruth(project, run)
}

// One party's answers are admitted by what its own book says of the run.
func TestMayEvaluate(t *testing.T) {
	a, b, c := fed.DigestOf([]byte("a")), fed.DigestOf([]byte("b")), fed.DigestOf([]byte("c"))
	r := experiment.Run{Run: fed.Run{Config: fed.RunConfig{Rounds: 2}}, Rounds: []fed.RoundRecord{{N: 0, Digest: a}, {N: 1, Digest: b, Parent: a}}}
	done := fed.Checkpoint{Round: 2, Digest: c, Parent: b}
	for name, x := range map[string]struct {
		committed fed.Checkpoint
		part      string
		round     int
		params    fed.Digest
		want      fed.Kind
	}{
		"the curve's last point": {done, "valid", 2, c, 0}, "the best round": {done, "test", 1, b, 0}, "the last round": {done, "test", 2, c, 0},
		"in mid-run": {fed.Checkpoint{Round: 1, Digest: b}, "test", 1, b, fed.Unavailable}, "held-out rows of another round": {done, "valid", 1, b, fed.Permission},
		"a round that the run has not": {fed.Checkpoint{Round: 5, Digest: c, Parent: b}, "test", 5, c, fed.Permission}, "the start": {done, "test", 0, a, fed.Permission},
		"others' params": {done, "test", 1, fed.DigestOf([]byte("x")), fed.Permission}, "a record on its way": {done, "test", 2, b, fed.Unavailable},
	} {
		err := mayEvaluate(r, x.committed, fed.EvalAsk{Part: x.part, Round: x.round, Params: fed.BlobRef{Digest: x.params}})
		if (err == nil) != (x.want == 0) || err != nil && fed.KindOf(err) != x.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
