package node

import (
	"encoding/json"
	"slices"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/reward"
)

// writesAfter has a party write an entry of its own after another one of a run's ledger.
func (h *Hospital) writesAfter(run fed.Run, after reward.Entry, kind string) {
	h.t.Helper()
	body, err := json.Marshal(map[string]any{"by": h.Name, "kind": kind})
	if err != nil {
		h.t.Fatal(err)
	}
	hash, err := reward.Chain(after.Hash, after.Term, body)
	if err != nil {
		h.t.Fatal(err)
	}
	e := reward.Entry{
		Run: run.ID, K: after.K + 1, Term: after.Term, Prev: after.Hash, Hash: hash, Kind: kind, Body: body,
		By: h.me(), Key: h.keys().PublicKey(), Sig: h.keys().Sign(reward.Domain, []byte(hash)),
	}
	if _, err := h.book.Append(h.t.Context(), fed.ScopeProject(run.Project), fed.DocLedger, string(run.ID), e); err != nil {
		h.t.Fatal(err)
	}
}

// Neither a member that never led nor the coordinator itself replaces a ledger that
// the members have countersigned; what the latter tries is shown at all of them.
func TestSecondLedgerIsShown(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(2)
	project := l.Project(cfg, nil)
	run := l.Hospital[0].Queue(project, cfg)
	d := l.OneTruth(project, run)
	id := fed.RunID(run)
	r, _ := l.Hospital[0].tracker.Run(id)
	i := slices.IndexFunc(l.Hospital, func(h *Hospital) bool { return h.id() == d.Run.CoordinatorID })
	lead, other := l.Hospital[i], l.Hospital[(i+1)%3]
	chain, _ := lead.ledger.Entries(id)
	want, _ := lead.Contribution(t.Context(), run)
	if want.State != "done" || want.Basis != "pooled" || want.Through != d.Run.BestRound || want.Scored == 0 || want.Why != reward.WhyContribution || len(want.Disputes) != 0 || want.Unsigned != 0 {
		t.Errorf("contribution %+v", want)
	}
	other.writesAfter(r.Run, chain[0], reward.KindRound)
	lead.writesAfter(r.Run, chain[0], reward.KindClose)
	for _, h := range l.Hospital {
		Eventually(t, "the dispute at "+h.Name, func() bool { return len(must(h.Rewards(t.Context(), project))(t).Disputes) > 0 })
		got := must(h.Contribution(t.Context(), run))(t)
		if len(got.Disputes) != 1 || got.Disputes[0].Kind != "two" || got.Disputes[0].K != 2 || got.Disputes[0].By != lead.Name {
			t.Errorf("%s: %+v", h.Name, got.Disputes)
		}
		for j, p := range got.Parties {
			if p.Cents != want.Parties[j].Cents || p.Party != want.Parties[j].Party {
				t.Errorf("%s: %s has %d cents, want %d", h.Name, p.Party, p.Cents, want.Parties[j].Cents)
			}
		}
		for _, c := range must(h.VerifyLedger(t.Context(), project))(t) {
			if !c.OK {
				t.Errorf("%s: %s", h.Name, c.Text)
			}
		}
	}
}

// Shares are those of the money, and of the contributions where a project divides
// none.
func TestSharesWithoutMoney(t *testing.T) {
	line := func(project, party string, cents int64, shares float64) *total {
		return &total{RewardTotal: view.RewardTotal{ProjectID: project, PartyID: party, Cents: cents}, contribution: shares}
	}
	got := shares(map[string]*total{
		"p1a": line("p1", "a", 750, 0.2), "p1b": line("p1", "b", 250, 0.8),
		"p2a": line("p2", "a", 0, 1.2), "p2b": line("p2", "b", 0, 0.8), "p3a": line("p3", "a", 0, 0),
	})
	for i, want := range []fed.Number{0.75, 0.25, 0.6, 0.4, 0} {
		if d := got[i].Share - want; d > 1e-12 || d < -1e-12 {
			t.Errorf("%s of %s has a share of %v, want %v", got[i].PartyID, got[i].ProjectID, got[i].Share, want)
		}
	}
}

// What a sheet and a run say of money and of parties that are too many.
func TestRewardsInWords(t *testing.T) {
	for want, p := range map[string]fed.Policy{
		"A pool of 12.50 EUR per finished run is divided by measured contribution. Contributions are measured on the held-out rows of all parties, each party's own among them. Synergos records who is owed what; it moves no money.": {PoolCents: 1250, Currency: "EUR", Basis: "pooled"},
		"No money is divided; contributions are measured and shown as shares. Each party's contribution is measured on the other parties' held-out rows.":                                                                              {Currency: "EUR", Basis: "peers"},
	} {
		if got := rewardSentence(p); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	many := make([]fed.RoundParty, 13)
	for want, r := range map[string]fed.Run{reasonOff: {Config: fed.RunConfig{Contribution: "none"}}, reasonPending: {}} {
		if got := whyUnscored(experimentRun(r, nil, nil)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := whyUnscored(experimentRun(fed.Run{}, many, nil)); got != reasonTooMany {
		t.Errorf("13 parties: %s", got)
	}
	if got := whyUnscored(experimentRun(fed.Run{}, many[:12], &fed.RunEnd{})); got != reasonTooFew {
		t.Errorf("ended without a score: %s", got)
	}
}

func experimentRun(r fed.Run, in []fed.RoundParty, end *fed.RunEnd) experiment.Run {
	return experiment.Run{Run: r, Rounds: []fed.RoundRecord{{N: 1, In: in}}, End: end}
}

// What another party wrote may be anything.
func TestEntriesInWords(t *testing.T) {
	for want, e := range map[string]reward.Entry{
		"This entry cannot be read.":              {Kind: reward.KindTerms, Body: []byte(`[1]`)},
		"The reward of 1,305.05 is acknowledged.": {Kind: reward.KindReceipt, Body: []byte(`{"cents":130505}`)},
		"Recomputed: every figure is equal.":      {Kind: reward.KindCountersign, Body: []byte(`{"ok":true}`)},
		"Disputed: The gain is another.":          {Kind: reward.KindCountersign, Body: []byte(`{"text":"the gain is another"}`)},
	} {
		same(t, want, entryText(e), want)
	}
	for _, kind := range []string{reward.KindTerms, reward.KindRound, reward.KindScore, reward.KindGrant, reward.KindCountersign, reward.KindReceipt} {
		same(t, kind, entryText(reward.Entry{Kind: kind}), "This entry cannot be read.")
	}
}
