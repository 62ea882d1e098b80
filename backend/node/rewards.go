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

// Rewards returns shares, money and the ledger, of one project or all.
func (n *Node) Rewards(_ context.Context, projectID string) (view.Rewards, error) {
	v := view.Rewards{Runs: []view.Contribution{}, Entries: []view.LedgerEntry{}, Disputes: []view.Dispute{}, Chain: view.Check{Name: "Reward ledger", OK: true, Text: "No entries yet."}}
	totals := map[string]*total{}
	bad, entries := "", 0
	for _, r := range n.ledgerRuns(projectID) {
		c := n.contributionView(r, false)
		if c.State != "none" || c.Reason == reasonTooMany {
			v.Runs = append(v.Runs, c)
		}
		v.Disputes = append(v.Disputes, c.Disputes...)
		v.Unsigned += c.Unsigned
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
		v.Chain.Text = fed.Count(entries, "entry") + ", each signed and linked to the one before."
	}
	if bad != "" {
		v.Chain.OK, v.Chain.Text = false, sentence(bad)
	}
	v.Totals = shares(totals)
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

// total is a party's line under way: the sum of its contribution shares stands in
// for the share of the money when there is none.
type total struct {
	view.RewardTotal
	contribution float64
}

func (n *Node) addTotals(totals map[string]*total, r experiment.Run, c view.Contribution) {
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
			t = &total{RewardTotal: view.RewardTotal{ProjectID: string(r.Project), Project: p.Name, PartyID: x.PartyID, Party: x.Party, Me: x.PartyID == string(n.me()), Currency: grant.Currency}}
			totals[key] = t
		}
		t.Runs++
		t.Cents += x.Cents
		if x.Share.Finite() {
			t.contribution += float64(x.Share)
		}
		for _, e := range beside {
			var rc reward.Receipt
			if e.Kind == reward.KindReceipt && string(e.By) == x.PartyID && json.Unmarshal(e.Body, &rc) == nil {
				t.Receipts += rc.Cents
			}
		}
	}
}

// shares returns the totals with each party's share of its project's money, or of
// the contributions when the project divided none.
func shares(totals map[string]*total) []view.RewardTotal {
	money, contributions := map[string]int64{}, map[string]float64{}
	for _, t := range totals {
		money[t.ProjectID] += t.Cents
		contributions[t.ProjectID] += t.contribution
	}
	out := []view.RewardTotal{}
	for _, k := range slices.Sorted(maps.Keys(totals)) {
		t := totals[k]
		switch sum := contributions[t.ProjectID]; {
		case money[t.ProjectID] > 0:
			t.Share = fed.Number(float64(t.Cents) / float64(money[t.ProjectID]))
		case sum > 0:
			t.Share = fed.Number(t.contribution / sum)
		}
		out = append(out, t.RewardTotal)
	}
	return out
}

func (n *Node) ledgerEntry(r experiment.Run, e reward.Entry, ok bool) view.LedgerEntry {
	p, _ := n.projects.Get(r.Project)
	return view.LedgerEntry{
		K: e.K, RunID: string(r.ID), Project: p.Name, Kind: e.Kind, Text: entryText(e), By: r.NameOf(e.By), At: at(n.ledger.TimeMs(r.ID, e.Hash)),
		Hash: string(e.Hash), Verified: ok && (e.K > 0 || n.keys().Verify(e.Key, reward.Domain, []byte(e.Hash), e.Sig)),
	}
}

// grantText begins the line of a grant.
var grantText = map[string]string{
	reward.WhyContribution: "Rewards, in proportion to the contributions:",
	reward.WhyUnscored:     "Rewards, equal among those who took part, since no round was scored:",
	reward.WhyNobody:       "Rewards, equal among those who took part, since nobody's contribution is above zero:",
	reward.WhyNoPool:       "No money is divided:",
}

// entryText is an entry in words.
func entryText(e reward.Entry) string {
	switch e.Kind {
	case reward.KindTerms:
		return said(e, func(t reward.Terms) string {
			return fmt.Sprintf("The rules: %s, on %s. The pool is %s.", t.Method, t.Rows, fed.Money(t.PoolCents, t.Currency))
		})
	case reward.KindRound:
		return said(e, func(r reward.Round) string {
			return fmt.Sprintf("Round %d: together the updates lowered the loss by %s per row.", r.Score.Round, contribution.Digits(r.Score.Gain))
		})
	case reward.KindScore:
		return said(e, func(s reward.Score) string {
			return fmt.Sprintf("The contributions over the run, with intervals, up to round %d of the delivered model.", s.Through)
		})
	case reward.KindGrant:
		return said(e, grantLine)
	case reward.KindClose:
		return "The ledger of the run is closed."
	case reward.KindCountersign:
		return said(e, countersignLine)
	case reward.KindReceipt:
		return said(e, func(r reward.Receipt) string {
			return fmt.Sprintf("The reward of %s is acknowledged.", fed.Money(r.Cents, ""))
		})
	}
	return e.Kind
}

// said reads the body of an entry, which another party wrote, and says it.
func said[T any](e reward.Entry, in func(T) string) string {
	var body T
	if json.Unmarshal(e.Body, &body) != nil {
		return "This entry cannot be read."
	}
	return in(body)
}

func grantLine(g reward.Grant) string {
	shares := []string{}
	for _, name := range slices.Sorted(maps.Keys(g.Cents)) {
		shares = append(shares, name+" "+fed.Money(g.Cents[name], g.Currency))
	}
	return sentence(grantText[g.Why] + " " + list(shares))
}

func countersignLine(c reward.Countersign) string {
	if c.OK {
		return "Recomputed: every figure is equal."
	}
	return "Disputed: " + sentence(c.Text)
}

// VerifyLedger recomputes every run of a project: chain, signatures, figures, money.
func (n *Node) VerifyLedger(ctx context.Context, projectID string) ([]view.Check, error) {
	out := []view.Check{}
	for _, r := range n.ledgerRuns(projectID) {
		if chain, _ := n.ledger.Entries(r.ID); len(chain) == 0 {
			continue
		}
		c := view.Check{Name: n.runName(r), OK: true, Text: "Order, signatures, contributions and rewards were recomputed: all are equal."}
		if err := n.ledger.Check(ctx, r.Run); err != nil {
			c.OK, c.Text = false, sentence(err.Error())
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
