package reward

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"

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
		"the rows":                     {lie(KindScore, func(b map[string]any) { b["rows"] = 1e6 }), "score"},
		"the grant":                    {lie(KindGrant, func(b map[string]any) { b["cents"] = map[string]any{"A": 10_000} }), "rewards"},
		"the pool":                     {lie(KindGrant, func(b map[string]any) { b["pool"] = 1 }), "rewards"},
		"the terms":                    {lie(KindTerms, func(b map[string]any) { b["configHash"] = string(fed.DigestOf(nil)) }), "terms"},
		"the rules":                    {lie(KindTerms, func(b map[string]any) { b["poolCents"] = 1 }), "terms"},
		"the basis":                    {lie(KindTerms, func(b map[string]any) { b["basis"] = "peers" }), "terms"},
		"a figure on the others' rows": {lie(KindRound, func(b map[string]any) { part(b, 0)["peers"] = 0.31 }), "round 1"},
		"a silenced scorer":            {lie(KindRound, func(b map[string]any) { b["scorers"] = []string{"A", "B"} }), "round 1"},
		"a blamed scorer":              {lie(KindRound, func(b map[string]any) { b["unsigned"] = []string{"C"} }), "round 1"},
		"the delivered round":          {lie(KindScore, func(b map[string]any) { b["through"] = 1 }), "score"},
		"an unscored round":            {lie(KindScore, func(b map[string]any) { b["unscored"] = []int{1} }), "score"},
		"the reason":                   {lie(KindGrant, func(b map[string]any) { b["why"] = WhyNobody }), "rewards"},
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
		signed, err := a.sign(w.run.ID, i+1, e.Term, prev, e.Kind, body)
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
	t.Scores["C"].Table[1] += 1e-6 // and with it goes its signature
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

// A ledger may give way to another while it is checked: what was found of it is said
// of no other.
func TestLedgerThatGivesWayIsNotAnswered(t *testing.T) {
	for name, after := range map[string][]byte{"with tables that cannot be read": []byte("no tables"), "with its tables": nil} {
		w := closed(t)
		b, rid := w.by["B"], w.terms["A"]
		slow := New(b.Ports)
		slow.Fetch = func(ctx context.Context, from fed.PartyID, ref fed.BlobRef) error {
			err := b.fetch(ctx, from, ref)
			if after != nil {
				b.blobs[ref.Digest] = after
			}
			delete(w.terms, "A") // its reign turns out never to have been
			return err
		}
		for _, d := range w.docs {
			slow.Apply(d)
		}
		if err := slow.Answer(ctx, w.run); fed.KindOf(err) != fed.Unavailable || len(b.said(KindCountersign)) != 0 {
			t.Errorf("%s: %v", name, err)
		}
		w.terms["A"] = rid
	}
	empty := newWorld(t).by["A"]
	if err := empty.Check(ctx, empty.world.run); fed.KindOf(err) != fed.Unavailable {
		t.Errorf("no ledger: %v", err)
	}
	if err := empty.Acknowledge(ctx, empty.world.run); fed.KindOf(err) != fed.NotFound {
		t.Errorf("a receipt of no ledger: %v", err)
	}
}

// damaged is a store whose files do not hash to their names.
type damaged struct{ *member }

func (d damaged) Has(fed.Digest) bool { return true }

func (damaged) Get(_ context.Context, d fed.Digest) ([]byte, error) {
	return nil, fed.Errorf(fed.Corrupt, "", "blob %s is damaged", d.Short())
}

// The terms that a run began with hold, whatever the project says later; terms that
// it never had are disputed.
func TestLaterPolicyDoesNotChangeARun(t *testing.T) {
	w := newWorld(t)
	w.by["A"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	w.policies = append(w.policies, fed.Policy{PoolCents: 5, Currency: "USD", Basis: "peers"})
	if err := w.by["A"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	if g, ok := w.by["B"].Grant(w.run.ID); !ok || g.Pool != 10_000 || g.Currency != "EUR" {
		t.Errorf("grant %+v", g)
	}
	if err := w.by["B"].Check(ctx, w.run); err != nil {
		t.Error(err)
	}
	w.policies = w.policies[1:]
	if err := w.by["B"].Check(ctx, w.run); fed.KindOf(err) != fed.Corrupt || !strings.Contains(err.Error(), "rules of the project") {
		t.Errorf("terms that the project never had: %v", err)
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
