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

func TestScoredRecordsExactContributions(t *testing.T) {
	w := newWorld(t)
	w.rounds = []fed.RoundRecord{{N: 1, Absent: map[string]string{"C": "left for now"}}}
	w.by["A"].score(1, gains{"A": 0.3, "B": -0.1})
	r := w.by["B"].Rounds(w.run.ID)
	if len(r) != 1 || r[0].Rows != 600 || r[0].Score.Round != 1 || len(r[0].Score.Parties) != 3 {
		t.Fatalf("rounds %+v", r)
	}
	for i, want := range []float64{0.3, -0.1, 0} {
		p := r[0].Score.Parties[i]
		if math.Abs(float64(p.Phi)-want) > 1e-12 || p.Admitted != (i < 2) || len(p.Replicates) != 0 {
			t.Errorf("%s: %+v, want %v", p.Party, p, want)
		}
	}
	if c := r[0].Score.Parties[2]; c.Phi != 0 || c.Reason != "left for now" {
		t.Errorf("the absent party: %+v", c)
	}
	if math.Abs(float64(r[0].Score.Gain)-0.2) > 1e-12 {
		t.Errorf("gain %v", r[0].Score.Gain)
	}
}

// One scorer that sends nonsense, or no replicates, takes nothing from the others.
func TestOneBadScorerDoesNotStopTheRound(t *testing.T) {
	g := gains{"A": 0.3, "B": 0.2, "C": 0.1}
	for name, spoil := range map[string]func(*fed.ScoreReply){
		"short table":           func(r *fed.ScoreReply) { r.Table = r.Table[:7] },
		"gain of nobody":        func(r *fed.ScoreReply) { r.Table[0] = 1 },
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
		all[w.by["C"].Party()] = bad
		if err := w.by["A"].Scored(ctx, w.run, ask(w, 1, g), all); err != nil {
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
	if err := w.by["A"].Scored(ctx, w.run, ask(w, 1, gains{"A": 1}), nil); fed.KindOf(err) != fed.Invalid || len(w.by["A"].Rounds(w.run.ID)) != 0 {
		t.Errorf("no scorer: %v", err)
	}
	only := map[fed.PartyID]fed.ScoreReply{w.by["A"].Party(): replies(w, 1, gains{"A": 1})[w.by["A"].Party()]}
	if err := w.by["A"].Scored(ctx, w.run, ask(w, 1, gains{"A": 1}), only); fed.KindOf(err) != fed.Invalid {
		t.Errorf("scored by itself only: %v", err)
	}
}

// Every member recomputes the figures from the tables, fetching them first.
func TestEveryMemberAgrees(t *testing.T) {
	w := closed(t)
	for _, by := range []string{"A", "B", "C"} {
		for range 2 { // the second time says nothing
			if err := w.by[by].Answer(ctx, w.run); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, by := range []string{"A", "B", "C"} {
		if v, ok := w.by["C"].verdict(by); !ok || !v.OK {
			t.Errorf("%s found %+v", by, v)
		}
	}
	if n := len(w.by["C"].said(KindCountersign)); n != 3 {
		t.Errorf("%d countersigns", n)
	}
	s, ok := w.by["B"].Score(w.run.ID)
	if !ok || s.Rows != 600 || s.Standing.Rounds != 2 || s.Standing.Parties[2].Party != "C" || math.Abs(float64(s.Standing.Parties[0].Phi)-0.4) > 1e-12 {
		t.Errorf("score %+v", s)
	}
	for name, want := range map[string]float64{"A": 0.3 + 0.2, "B": 0.4 + 0.1, "C": 0.5 + 0.3} { // the others' sums, by hand
		if math.Abs(float64(s.Without[name])-want) > 1e-12 {
			t.Errorf("without %s the others gain %v, want %v", name, s.Without[name], want)
		}
	}
}

// Whatever a lying coordinator writes, the others say that it does not follow.
func TestLiesAreDisputed(t *testing.T) {
	lie := func(kind string, f func(body map[string]any)) func(*world) {
		return func(w *world) { w.rewrite(kind, f) }
	}
	part := func(body map[string]any, i int) map[string]any {
		return body["score"].(map[string]any)["parties"].([]any)[i].(map[string]any)
	}
	for name, c := range map[string]struct {
		tell func(*world)
		text string
	}{
		"a table":        {func(w *world) { w.flipTable() }, "round 1"},
		"a contribution": {lie(KindRound, func(b map[string]any) { part(b, 0)["phi"] = 0.31 }), "round 1"},
		"an interval":    {lie(KindRound, func(b map[string]any) { part(b, 2)["high"] = -0.01 }), "round 1"},
		"a gain":         {lie(KindRound, func(b map[string]any) { b["score"].(map[string]any)["gain"] = 7.0 }), "round 1"},
		"a party":        {lie(KindRound, func(b map[string]any) { part(b, 0)["party"] = "Z" }), "round 1"},
		"a missing party": {lie(KindRound, func(b map[string]any) {
			s := b["score"].(map[string]any)
			s["parties"] = s["parties"].([]any)[:2]
		}), "round 1"},
		"the score": {lie(KindScore, func(b map[string]any) {
			b["standing"].(map[string]any)["parties"].([]any)[0].(map[string]any)["share"] = 0.9
		}), "score"},
		"the rows":  {lie(KindScore, func(b map[string]any) { b["rows"] = 1e6 }), "score"},
		"the grant": {lie(KindGrant, func(b map[string]any) { b["cents"] = map[string]any{"A": 10_000} }), "rewards"},
		"the pool":  {lie(KindGrant, func(b map[string]any) { b["pool"] = 1 }), "rewards"},
		"the terms": {lie(KindTerms, func(b map[string]any) { b["configHash"] = string(fed.DigestOf(nil)) }), "terms"},
	} {
		w := closed(t)
		c.tell(w)
		if err := w.by["B"].Answer(ctx, w.run); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v, ok := w.by["B"].verdict("B")
		if !ok || v.OK || !strings.Contains(v.Text, c.text) {
			t.Errorf("%s: countersigned %v with %+v", name, ok, v)
		}
	}
}

// rewrite has A sign the chain again with the body of the first entry of a kind
// changed, in a world where nobody has seen the true one.
func (w *world) rewrite(kind string, f func(body map[string]any)) {
	a, b := w.by["A"], w.by["B"]
	chain, prev, done := a.chain(), Genesis(w.run.Project, w.run.ID), false
	b.runs = map[fed.RunID]*branches{}
	for i, e := range chain {
		var body map[string]any
		if err := json.Unmarshal(e.Body, &body); err != nil {
			a.t.Fatal(err)
		}
		if e.Kind == kind && !done {
			f(body)
			done = true
		}
		signed, err := a.sign(w.run.ID, i+1, prev, e.Kind, body)
		if err != nil {
			a.t.Fatal(err)
		}
		prev = signed.Hash
		raw, err := json.Marshal(signed)
		if err != nil {
			a.t.Fatal(err)
		}
		b.Apply(fed.Doc{Scope: fed.ScopeProject(w.run.Project), Author: a.Party(), Kind: fed.DocLedger, Body: raw})
	}
}

// flipTable gives B tables of round 1 in which one number differs.
func (w *world) flipTable() {
	ref := w.by["A"].Rounds(w.run.ID)[0].Tables
	var t tables
	if err := json.Unmarshal(w.by["A"].blobs[ref.Digest], &t); err != nil {
		w.by["A"].t.Fatal(err)
	}
	for _, s := range t.Scores { // the median of three moves only if two of them do
		s.Table[1] += 1e-6
	}
	raw, err := json.Marshal(t)
	if err != nil {
		w.by["A"].t.Fatal(err)
	}
	w.by["B"].blobs[ref.Digest] = raw
}

// Tables out of reach, or damaged on this disk, are no verdict: it is tried again.
func TestMissingTablesAreNoVerdict(t *testing.T) {
	w := closed(t)
	gone := w.by["A"].blobs
	w.by["A"].blobs = map[fed.Digest][]byte{}
	if err := w.by["B"].Answer(ctx, w.run); fed.KindOf(err) != fed.Unavailable || len(w.by["B"].said(KindCountersign)) != 0 {
		t.Errorf("out of reach: %v", err)
	}
	w.by["A"].blobs = gone
	broken := New(w.by["B"].Ports)
	broken.Blobs = damaged{w.by["B"]}
	for _, d := range w.docs {
		broken.Apply(d)
	}
	if err := broken.Answer(ctx, w.run); fed.KindOf(err) != fed.Unavailable || len(w.by["B"].said(KindCountersign)) != 0 {
		t.Errorf("damaged: %v", err)
	}
	if err := w.by["B"].Answer(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	if v, ok := w.by["B"].verdict("B"); !ok || !v.OK {
		t.Errorf("in reach again: %+v", v)
	}
}

// damaged is a store whose files do not hash to their names.
type damaged struct{ *member }

func (d damaged) Has(fed.Digest) bool { return true }

func (damaged) Get(_ context.Context, d fed.Digest) ([]byte, error) {
	return nil, fed.Errorf(fed.Corrupt, "", "blob %s is damaged", d.Short())
}

// The terms that a run began with hold, whatever the project says later.
func TestLaterPolicyDoesNotChangeARun(t *testing.T) {
	w := newWorld(t)
	w.by["A"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	w.policy.PoolCents, w.policy.Currency = 5, "USD"
	if err := w.by["A"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	w.policy.PoolCents = 77
	if g, ok := w.by["B"].Grant(w.run.ID); !ok || g.Pool != 10_000 || g.Currency != "EUR" {
		t.Errorf("grant %+v", g)
	}
	if err := w.by["B"].Check(ctx, w.run); err != nil {
		t.Error(err)
	}
}

func TestGrantSumsToThePool(t *testing.T) {
	for name, c := range map[string]struct {
		pool   int64
		rounds []gains
		want   map[string]int64
	}{
		"in proportion": {10_000, []gains{{"A": 0.3, "B": 0.2, "C": 0.1}}, map[string]int64{"A": 5000, "B": 3333, "C": 1667}},
		"odd cents":     {100, []gains{{"A": 0.2, "B": 0.2, "C": 0.2}}, map[string]int64{"A": 34, "B": 33, "C": 33}},
		"none":          {0, []gains{{"A": 0.3, "B": 0.2, "C": 0.1}}, map[string]int64{"A": 0, "B": 0, "C": 0}},
		// C harms: its whole interval lies below 0.
		"harm": {1000, []gains{{"A": 0.3, "B": 0.1, "C": -0.5}}, map[string]int64{"A": 750, "B": 250, "C": 0}},
		// One good round does not make up for harm over the run.
		"two rounds": {1000, []gains{{"A": 0.3, "B": 0.1, "C": 0.1}, {"A": 0.3, "B": 0.3, "C": -0.9}}, map[string]int64{"A": 600, "B": 400, "C": 0}},
		"absent":     {1000, []gains{{"A": 0.3, "B": 0.3}}, map[string]int64{"A": 500, "B": 500, "C": 0}},
		"no rounds":  {1000, nil, map[string]int64{"A": 334, "B": 333, "C": 333}},
	} {
		w := newWorld(t)
		w.policy.PoolCents = c.pool
		for i, g := range c.rounds {
			w.by["A"].score(i+1, g)
		}
		if _, ok := w.by["A"].Grant(w.run.ID); ok {
			t.Errorf("%s: granted before the end", name)
		}
		if err := w.by["A"].Close(ctx, w.run); err != nil {
			t.Fatal(err)
		}
		g, ok := w.by["C"].Grant(w.run.ID)
		sum := int64(0)
		for _, v := range g.Cents {
			sum += v
		}
		if diff := cmp.Diff(c.want, g.Cents); !ok || sum != c.pool || diff != "" {
			t.Errorf("%s: sum %d of %d\n%s", name, sum, c.pool, diff)
		}
		if err := w.by["C"].Check(ctx, w.run); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A round counts once, also when two coordinators scored it one after the other.
func TestRoundCountsOnce(t *testing.T) {
	w := newWorld(t)
	w.by["A"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	w.by["B"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	if err := w.by["B"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	s, _ := w.by["C"].Score(w.run.ID)
	if s.Standing.Rounds != 1 || math.Abs(float64(s.Standing.Parties[0].Phi)-0.3) > 1e-12 || math.Abs(float64(s.Without["C"])-0.5) > 1e-12 {
		t.Errorf("score %+v", s)
	}
	if err := w.by["C"].Check(ctx, w.run); err != nil {
		t.Error(err)
	}
}

func TestReceiptOnce(t *testing.T) {
	w := newWorld(t)
	if err := w.by["B"].Acknowledge(ctx, w.run); fed.KindOf(err) != fed.NotFound {
		t.Errorf("before the grant: %v", err)
	}
	w.by["A"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	if err := w.by["A"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	if err := w.by["B"].Acknowledge(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	if err := w.by["B"].Acknowledge(ctx, w.run); fed.KindOf(err) != fed.Exists {
		t.Errorf("twice: %v", err)
	}
	got := w.by["A"].said(KindReceipt)
	var r Receipt
	if len(got) != 1 || got[0].By != w.by["B"].Party() || json.Unmarshal(got[0].Body, &r) != nil || r.Cents != 3333 {
		t.Errorf("receipts %+v", got)
	}
	if !verify(got[0].Key, Domain, []byte(got[0].Hash), got[0].Sig) {
		t.Error("the receipt is not signed")
	}
}
