package node

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/contribution"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/reward"
)

const honesty = "Measured by rebuilding the model from every combination of the parties' updates and scoring it on the other parties' held-out rows (Shapley value, exact). " +
	"The interval covers the choice of rows, not the luck of training. The arithmetic can be recomputed by every member; that updates were trained on real rows cannot be proven."

// Contribution returns who helped how much in a run.
func (n *Node) Contribution(_ context.Context, runID string) (view.Contribution, error) {
	r, ok := n.tracker.Run(fed.RunID(runID))
	if !ok {
		return view.Contribution{}, fed.Errorf(fed.NotFound, "Reload the list.", "there is no such run here")
	}
	return n.contributionView(r, true), nil
}

func (n *Node) contributionView(r experiment.Run, rounds bool) view.Contribution {
	v := view.Contribution{
		RunID: string(r.ID), State: "none", Method: "Per-round model-reconstruction Shapley, exact", Honesty: honesty,
		Parties: []view.PartyContribution{}, Rounds: []view.RoundContribution{}, Total: nan, Remainder: nan,
	}
	scored := n.ledger.Rounds(r.ID)
	if len(scored) == 0 {
		return v
	}
	v.State = "scoring"
	st, rows := soFar(scored), scored[0].Rows
	without := map[string]fed.Number{}
	if s, ok := n.ledger.Score(r.ID); ok {
		v.State, st, rows, without = "done", s.Standing, s.Rows, s.Without
	}
	v.Rows = fmt.Sprintf("%d held-out rows of all parties; each party is judged on the others' rows", rows)
	v.Coarse, v.Total, v.Remainder = rows < contribution.CoarseRows, st.Gain, st.Remainder
	grant, _ := n.ledger.Grant(r.ID)
	tied := map[string][]string{}
	for _, g := range st.Groups {
		for _, name := range g {
			tied[name] = slices.DeleteFunc(slices.Clone(g), func(x string) bool { return x == name })
		}
	}
	for _, p := range st.Parties {
		w, ok := without[p.Party]
		if !ok {
			w = nan
		}
		c := view.PartyContribution{
			Party: p.Party, Value: p.Phi, SE: p.SE, Low: p.Low, High: p.High, Share: p.Share, Rank: p.Rank, Tied: tied[p.Party],
			Present: p.Present, Of: st.Rounds, Cents: grant.Cents[p.Party], WithoutIt: w,
		}
		if c.Tied == nil {
			c.Tied = []string{}
		}
		for _, m := range r.Members {
			if m.Name == p.Party {
				c.PartyID = string(m.Party)
			}
		}
		v.Parties = append(v.Parties, c)
	}
	if rounds {
		v.Rounds = timeline(scored, v.Parties)
	}
	return v
}

// soFar adds up the rounds while a run is still going; intervals come at its end.
func soFar(scored []reward.Round) contribution.Standing {
	var rs []contribution.RoundScore
	for _, s := range scored {
		rs = append(rs, s.Score)
	}
	return contribution.Sum(rs)
}

func timeline(scored []reward.Round, parties []view.PartyContribution) []view.RoundContribution {
	out := []view.RoundContribution{}
	for _, s := range scored {
		rc := view.RoundContribution{Round: s.Score.Round, Excluded: []string{}}
		byName := map[string]contribution.PartyScore{}
		for _, p := range s.Score.Parties {
			byName[p.Party] = p
			if !p.Admitted {
				rc.Excluded = append(rc.Excluded, fmt.Sprintf("%s (%s)", p.Party, p.Reason))
			}
		}
		for _, p := range parties {
			rc.Values = append(rc.Values, byName[p.Party].Phi)
			rc.SE = append(rc.SE, byName[p.Party].SE)
		}
		out = append(out, rc)
	}
	return out
}

// Rewards returns shares, money and the ledger, of one project or all.
func (n *Node) Rewards(_ context.Context, projectID string) (view.Rewards, error) {
	v := view.Rewards{Totals: []view.RewardTotal{}, Runs: []view.Contribution{}, Entries: []view.LedgerEntry{}, Chain: view.Check{Name: "reward ledger", OK: true, Text: "no entries yet"}}
	totals := map[string]*view.RewardTotal{}
	bad, entries := "", 0
	for _, r := range n.ledgerRuns(projectID) {
		c := n.contributionView(r, false)
		if c.State != "none" {
			v.Runs = append(v.Runs, c)
		}
		n.addTotals(totals, r, c)
		chain, beside := n.ledger.Entries(r.ID)
		err := reward.VerifyChain(r.Project, r.ID, chain, n.keys().Verify)
		if err != nil && bad == "" {
			bad = err.Error()
		}
		entries += len(chain) + len(beside)
		for _, e := range slices.Concat(chain, beside) {
			v.Entries = append(v.Entries, n.ledgerEntry(r, e, err == nil))
		}
	}
	if entries > 0 {
		v.Chain.Text = fmt.Sprintf("%d entries, signed and chained", entries)
	}
	if bad != "" {
		v.Chain.OK, v.Chain.Text = false, bad
	}
	for _, k := range slices.Sorted(maps.Keys(totals)) {
		v.Totals = append(v.Totals, *totals[k])
	}
	shares(v.Totals)
	slices.SortStableFunc(v.Entries, func(a, b view.LedgerEntry) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.K, a.K)) })
	v.Entries = v.Entries[:min(len(v.Entries), 500)]
	return v, nil
}

// ledgerRuns returns the runs of one project, or of all real ones.
func (n *Node) ledgerRuns(projectID string) []experiment.Run {
	return n.tracker.Runs(func(r experiment.Run) bool {
		return projectID == "" && !n.practice(r.Project) || string(r.Project) == projectID
	})
}

func (n *Node) addTotals(totals map[string]*view.RewardTotal, r experiment.Run, c view.Contribution) {
	grant, ok := n.ledger.Grant(r.ID)
	if !ok {
		return
	}
	p, _ := n.projects.Get(r.Project)
	_, beside := n.ledger.Entries(r.ID)
	for _, x := range c.Parties {
		key := string(r.Project) + x.PartyID
		t := totals[key]
		if t == nil {
			t = &view.RewardTotal{ProjectID: string(r.Project), Project: p.Name, PartyID: x.PartyID, Party: x.Party, Me: x.PartyID == string(n.me()), Currency: grant.Currency}
			totals[key] = t
		}
		t.Runs++
		t.Cents += x.Cents
		for _, e := range beside {
			var rc reward.Receipt
			if e.Kind == reward.KindReceipt && string(e.By) == x.PartyID && json.Unmarshal(e.Body, &rc) == nil {
				t.Receipts += rc.Cents
			}
		}
	}
}

// shares fills in each party's share of its project's money.
func shares(ts []view.RewardTotal) {
	sum := map[string]int64{}
	for _, t := range ts {
		sum[t.ProjectID] += t.Cents
	}
	for i := range ts {
		if s := sum[ts[i].ProjectID]; s > 0 {
			ts[i].Share = fed.Number(float64(ts[i].Cents) / float64(s))
		}
	}
}

func (n *Node) ledgerEntry(r experiment.Run, e reward.Entry, ok bool) view.LedgerEntry {
	p, _ := n.projects.Get(r.Project)
	return view.LedgerEntry{
		K: e.K, RunID: string(r.ID), Project: p.Name, Kind: e.Kind, Text: entryText(e), By: r.NameOf(e.By), At: at(n.ledger.TimeMs(r.ID, e.Hash)),
		Hash: string(e.Hash), Verified: ok && (e.K > 0 || n.keys().Verify(e.Key, reward.Domain, []byte(e.Hash), e.Sig)),
	}
}

// entryText is an entry in words.
func entryText(e reward.Entry) string {
	switch e.Kind {
	case reward.KindTerms:
		var t reward.Terms
		_ = json.Unmarshal(e.Body, &t)
		return fmt.Sprintf("Rules: %s; pool %.2f %s", t.Method, float64(t.PoolCents)/100, t.Currency)
	case reward.KindRound:
		var r reward.Round
		_ = json.Unmarshal(e.Body, &r)
		return fmt.Sprintf("Round %d scored: the updates together gained %s nats per row", r.Score.Round, contribution.Digits(r.Score.Gain))
	case reward.KindScore:
		return "Contributions over the run, with intervals"
	case reward.KindGrant:
		var g reward.Grant
		_ = json.Unmarshal(e.Body, &g)
		text := "Rewards:"
		for _, name := range slices.Sorted(maps.Keys(g.Cents)) {
			text += fmt.Sprintf(" %s %.2f %s;", name, float64(g.Cents[name])/100, g.Currency)
		}
		return text
	case reward.KindClose:
		return "The ledger of the run is closed"
	case reward.KindCountersign:
		var c reward.Countersign
		_ = json.Unmarshal(e.Body, &c)
		if c.OK {
			return "Countersigned: recomputed and equal"
		}
		return "Disputed: " + c.Text
	case reward.KindReceipt:
		var r reward.Receipt
		_ = json.Unmarshal(e.Body, &r)
		return fmt.Sprintf("Receipt for %.2f", float64(r.Cents)/100)
	}
	return e.Kind
}

// VerifyLedger recomputes every run of a project: chain, signatures, figures, money.
func (n *Node) VerifyLedger(ctx context.Context, projectID string) ([]view.Check, error) {
	out := []view.Check{}
	for _, r := range n.ledgerRuns(projectID) {
		if chain, _ := n.ledger.Entries(r.ID); len(chain) == 0 {
			continue
		}
		c := view.Check{Name: fmt.Sprintf("run %s", string(r.ID)[:8]), OK: true, Text: "chain, signatures, contributions and rewards recomputed and equal"}
		if err := n.ledger.Check(ctx, r.Run); err != nil {
			c.OK, c.Text = false, err.Error()
		}
		out = append(out, c)
	}
	return out, nil
}

// AcknowledgeReward signs that this party received what a run granted it.
func (n *Node) AcknowledgeReward(ctx context.Context, runID string) (view.Rewards, error) {
	r, ok := n.tracker.Run(fed.RunID(runID))
	if !ok {
		return view.Rewards{}, fed.Errorf(fed.NotFound, "Reload the list.", "there is no such run here")
	}
	if err := n.ledger.Acknowledge(ctx, r.Run); err != nil {
		return view.Rewards{}, err
	}
	return n.Rewards(ctx, string(r.Project))
}

// ExportLedger returns the ledger of a project as JSON lines that verify offline:
// each entry carries its author's key and signature.
func (n *Node) ExportLedger(_ context.Context, projectID string) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	for _, r := range n.ledgerRuns(projectID) {
		chain, beside := n.ledger.Entries(r.ID)
		for _, e := range slices.Concat(chain, beside) {
			if err := enc.Encode(e); err != nil {
				return nil, fmt.Errorf("write ledger: %w", err)
			}
		}
	}
	return buf.Bytes(), nil
}
