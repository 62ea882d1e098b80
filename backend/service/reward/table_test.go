package reward

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
)

// One scorer that sends nonsense, or no replicates, takes nothing from the others.
func TestOneBadScorerDoesNotStopTheRound(t *testing.T) {
	g := gains{"A": 0.3, "B": 0.2, "C": 0.1}
	for name, spoil := range map[string]func(*fed.ScoreReply){
		"short table":           func(r *fed.ScoreReply) { r.Table = r.Table[:7] },
		"gain of nobody":        func(r *fed.ScoreReply) { r.Table[0] = 1 },
		"beyond the cap":        func(r *fed.ScoreReply) { r.Table[3] = 16.1 },
		"far below the cap":     func(r *fed.ScoreReply) { r.Replicates[3][3] = -17 },
		"not finite":            func(r *fed.ScoreReply) { r.Table[3] = math.NaN() },
		"no rows":               func(r *fed.ScoreReply) { r.Rows = 0 },
		"negative rows":         func(r *fed.ScoreReply) { r.Rows = -1 },
		"endless rows":          func(r *fed.ScoreReply) { r.Rows = math.MaxInt64 },
		"short replicate":       func(r *fed.ScoreReply) { r.Replicates[9] = r.Replicates[9][:1] },
		"replicate of nobody":   func(r *fed.ScoreReply) { r.Replicates[9] = slices.Repeat([]float32{1}, 8) },
		"infinite replicate":    func(r *fed.ScoreReply) { r.Replicates[9] = []float32{0, float32(math.Inf(1)), 0, 0, 0, 0, 0, 0} },
		"no replicates":         func(r *fed.ScoreReply) { r.Replicates = nil },
		"too many replicates":   func(r *fed.ScoreReply) { r.Replicates = slices.Repeat(r.Replicates, 21) },
		"one replicate too few": func(r *fed.ScoreReply) { r.Replicates = r.Replicates[1:] },
	} {
		w := newWorld(t)
		all := replies(w, 1, g)
		bad := all[w.by["C"].Party()]
		spoil(&bad)
		all[w.by["C"].Party()] = w.by["C"].signs(ask(w, 1, g), bad)
		if err := w.by["A"].pen().Scored(ctx, w.run, ask(w, 1, g), all); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r := w.by["A"].Rounds(w.run.ID)
		if len(r) != 1 || r[0].Rows != 300 || !r[0].Score.Parties[0].SE.Finite() {
			t.Errorf("%s: %d rounds, %+v", name, len(r), r)
		}
	}
}

func TestRoundWithoutScorersIsNotScored(t *testing.T) {
	w := newWorld(t)
	if err := w.by["A"].pen().Scored(ctx, w.run, ask(w, 1, gains{"A": 1}), nil); fed.KindOf(err) != fed.Invalid || len(w.by["A"].Rounds(w.run.ID)) != 0 {
		t.Errorf("no scorer: %v", err)
	}
	only := map[fed.PartyID]fed.ScoreReply{w.by["A"].Party(): replies(w, 1, gains{"A": 1})[w.by["A"].Party()]}
	if err := w.by["A"].pen().Scored(ctx, w.run, ask(w, 1, gains{"A": 1}), only); fed.KindOf(err) != fed.Invalid {
		t.Errorf("scored by itself only: %v", err)
	}
}

// A table that its scorer did not sign for exactly this round does not count, and
// every member sees whose it was.
func TestUnsignedTablesDoNotCount(t *testing.T) {
	g := gains{"A": 0.3, "B": 0.2, "C": 0.1}
	for name, forge := range map[string]func(*world, fed.ScoreReply) fed.ScoreReply{
		"a changed value": func(_ *world, r fed.ScoreReply) fed.ScoreReply { r.Table[3] += 1e-15; return r },
		"other rows":      func(_ *world, r fed.ScoreReply) fed.ScoreReply { r.Rows++; return r },
		"a changed resample": func(_ *world, r fed.ScoreReply) fed.ScoreReply {
			r.Replicates[7][5] = -r.Replicates[7][5]
			return r
		},
		"no signature":  func(_ *world, r fed.ScoreReply) fed.ScoreReply { r.Key, r.Sig = nil, nil; return r },
		"another's key": func(w *world, r fed.ScoreReply) fed.ScoreReply { return w.by["B"].signs(ask(w, 1, g), r) },
		"another round": func(w *world, r fed.ScoreReply) fed.ScoreReply {
			a := ask(w, 1, g)
			a.Round = 2
			return w.by["C"].signs(a, r)
		},
		"other weights": func(w *world, r fed.ScoreReply) fed.ScoreReply {
			a := ask(w, 1, g)
			a.In = slices.Clone(a.In)
			a.In[0].Weight = 5
			return w.by["C"].signs(a, r)
		},
		"another update": func(w *world, r fed.ScoreReply) fed.ScoreReply {
			a := ask(w, 1, g)
			a.In = slices.Clone(a.In)
			a.In[0].Update.Digest = fed.DigestOf([]byte("other"))
			return w.by["C"].signs(a, r)
		},
	} {
		w := newWorld(t)
		all := replies(w, 1, g)
		c := w.by["C"].Party()
		all[c] = forge(w, all[c])
		if err := w.by["A"].pen().Scored(ctx, w.run, ask(w, 1, g), all); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r := w.by["B"].Rounds(w.run.ID)[0]
		if diff := cmp.Diff([]string{"A", "B"}, r.Scorers); diff != "" || !slices.Equal(r.Unsigned, []string{"C"}) || r.Rows != 300 {
			t.Errorf("%s: unsigned %v, %d rows\n%s", name, r.Unsigned, r.Rows, diff)
		}
		if err := w.by["A"].Close(ctx, w.run); err != nil {
			t.Fatal(err)
		}
		if err := w.by["B"].Check(ctx, w.run); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A coordinator that makes up a scorer's table cannot sign it: no member counts it.
func TestMadeUpTablesAreDisputed(t *testing.T) {
	g := gains{"A": 0.3, "B": 0.2, "C": 0.1}
	w := newWorld(t)
	lie := replies(w, 1, gains{"A": 5, "B": 0, "C": 0})
	for p, r := range lie {
		lie[p] = w.by["A"].signs(ask(w, 1, g), r)
	}
	if err := w.by["A"].pen().Scored(ctx, w.run, ask(w, 1, g), lie); fed.KindOf(err) != fed.Invalid {
		t.Errorf("scored with its own signature only: %v", err)
	}
}

// What a scorer signed survives the canonical JSON of the tables: -0, small and
// large numbers.
func TestTablesRoundTrip(t *testing.T) {
	g := gains{"A": 0.3, "B": 0.2, "C": 0.1}
	w := newWorld(t)
	all := replies(w, 1, g)
	for name, m := range w.by {
		r := all[m.Party()]
		r.Table[1], r.Table[2], r.Table[4] = math.Copysign(0, -1), 5e-324, 1./3
		r.Replicates[0][1], r.Replicates[0][2] = float32(math.Copysign(0, -1)), 1e-45
		all[w.by[name].Party()] = m.signs(ask(w, 1, g), r)
	}
	if err := w.by["A"].pen().Scored(ctx, w.run, ask(w, 1, g), all); err != nil {
		t.Fatal(err)
	}
	if err := w.by["A"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	r := w.by["B"].Rounds(w.run.ID)[0]
	if len(r.Scorers) != 3 {
		t.Errorf("scorers %v", r.Scorers)
	}
	if err := w.by["B"].Check(ctx, w.run); err != nil {
		t.Error(err)
	}
	if raw := w.by["B"].blobs[r.Tables.Digest]; strings.Contains(string(raw), "-0,") || !json.Valid(raw) {
		t.Error("the tables hold a -0")
	}
}

// Tables of a regression are bounded too, so that their sums stay numbers.
func TestRegressionIsBounded(t *testing.T) {
	g := gains{"A": 0.3, "B": 0.2, "C": 0.1}
	w := newWorld(t)
	w.run.Config.Task = fed.TaskRegress
	all := replies(w, 1, g)
	c := all[w.by["C"].Party()]
	c.Table[3] = math.MaxFloat64
	all[w.by["C"].Party()] = w.by["C"].signs(ask(w, 1, g), c)
	b := all[w.by["B"].Party()]
	b.Table[3] = 400
	all[w.by["B"].Party()] = w.by["B"].signs(ask(w, 1, g), b)
	if err := w.by["A"].pen().Scored(ctx, w.run, ask(w, 1, g), all); err != nil {
		t.Fatal(err)
	}
	if r := w.by["A"].Rounds(w.run.ID)[0]; !slices.Equal(r.Scorers, []string{"A", "B"}) {
		t.Errorf("scorers %v", r.Scorers)
	}
}

// A blob that claims to be endless is not fetched.
func TestEndlessTablesAreNotFetched(t *testing.T) {
	w := closed(t)
	fetched := false
	w.by["B"].Fetch = func(context.Context, fed.PartyID, fed.BlobRef) error { fetched = true; return nil }
	w.rewrite(KindRound, func(b map[string]any) { b["tables"].(map[string]any)["size"] = 1 << 40 })
	if err := w.by["B"].Check(ctx, w.run); fed.KindOf(err) != fed.Corrupt || fetched {
		t.Errorf("fetched %v, %v", fetched, err)
	}
}
