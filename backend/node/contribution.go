package node

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/contribution"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/reward"
)

const honesty = "Measured by rebuilding the model from every combination of the parties' updates and scoring it on held-out rows (Shapley value, exact). " +
	"The interval covers the choice of rows, not the luck of training. Every scorer signs its scores and every member recomputes the arithmetic; " +
	"that updates were trained on real rows, and that a party scored its own rows honestly, cannot be proven."

// rowsText says on which rows a run is measured.
var rowsText = map[contribution.Basis]string{
	contribution.Pooled: "%d held-out rows of all parties together, each party's own among them",
	contribution.Peers:  "%d held-out rows of all parties; each party is judged on the others' rows",
}

// The reasons why a run has no figures.
const (
	reasonOff     = "off"
	reasonTooMany = "too_many"
	reasonTooFew  = "too_few" // nobody else scored, or nobody holds rows out
	reasonPending = "pending"
)

// Contribution returns who helped how much in a run.
func (n *Node) Contribution(_ context.Context, runID string) (view.Contribution, error) {
	r, ok := n.tracker.Run(fed.RunID(runID))
	if !ok {
		return view.Contribution{}, fed.Errorf(fed.NotFound, "Reload the list.", "there is no such run here")
	}
	return n.contributionView(r, true), nil
}

func (n *Node) contributionView(r experiment.Run, rounds bool) view.Contribution {
	scored := n.ledger.Rounds(r.ID)
	v := view.Contribution{
		RunID: string(r.ID), State: "none", Method: reward.Method, Honesty: honesty,
		Parties: []view.PartyContribution{}, Rounds: []view.RoundContribution{}, Total: nan, Remainder: nan, Disputes: n.disputes(r),
	}
	n.setTerms(&v, r)
	grant, granted := n.ledger.Grant(r.ID)
	v.Why = grant.Why
	score, closed := n.ledger.Score(r.ID)
	if !closed {
		score = soFar(scored)
	}
	v.Through, v.Scored, v.Unscored = score.Through, score.Standing.Rounds, len(score.Unscored)
	for _, s := range scored {
		v.Unsigned += len(s.Unsigned)
	}
	switch {
	case granted:
		v.State = "done"
	case len(scored) > 0:
		v.State = "scoring"
	}
	if score.Standing.Rounds == 0 {
		v.Reason = whyUnscored(r)
	}
	if v.State == "none" {
		return v
	}
	st := score.Standing
	if st.Rounds > 0 {
		v.Rows = fmt.Sprintf(rowsText[contribution.Basis(v.Basis)], score.Rows)
		v.Coarse, v.Total, v.Remainder = score.Rows < contribution.CoarseRows, st.Gain, st.Remainder
	}
	v.Parties = partiesOf(r, score, grant)
	if rounds {
		v.Rounds = timeline(scored, v.Parties)
	}
	return v
}

// setTerms fills in what the ledger's terms say, before its first entry what the
// project's rules do.
func (n *Node) setTerms(v *view.Contribution, r experiment.Run) {
	t, ok := n.ledger.Terms(r.ID)
	if !ok {
		p, _ := n.projects.Get(r.Project)
		t.Basis, t.PoolCents, t.Currency = contribution.Basis(p.Policy.Basis), p.Policy.PoolCents, p.Policy.Currency
	}
	v.Basis, v.PoolCents, v.Currency = string(t.Basis), t.PoolCents, t.Currency
}

// whyUnscored says why a run has no scored round.
func whyUnscored(r experiment.Run) string {
	switch {
	case r.Config.Contribution == "none":
		return reasonOff
	case slices.ContainsFunc(r.Rounds, func(rec fed.RoundRecord) bool { return !reward.Exact(rec) }):
		return reasonTooMany
	case r.End != nil:
		return reasonTooFew
	}
	return reasonPending
}

// soFar adds up the rounds while a run is still going; intervals come at its end.
func soFar(scored []reward.Round) reward.Score {
	var (
		rs  []contribution.RoundScore
		out reward.Score
	)
	for _, s := range scored {
		rs = append(rs, s.Score)
		out.Rows = max(out.Rows, s.Rows)
	}
	out.Standing = contribution.Sum(rs)
	return out
}

// partiesOf returns the lines of a run: by rank, and without a scored round by name.
func partiesOf(r experiment.Run, score reward.Score, grant reward.Grant) []view.PartyContribution {
	st := score.Standing
	tied := map[string][]string{}
	for _, g := range st.Groups {
		for _, name := range g {
			tied[name] = slices.DeleteFunc(slices.Clone(g), func(x string) bool { return x == name })
		}
	}
	out := []view.PartyContribution{}
	for _, m := range r.Members {
		c := view.PartyContribution{
			PartyID: string(m.Party), Party: m.Name, Value: nan, SE: nan, Low: nan, High: nan, Share: nan, Peers: nan, WithoutIt: nan,
			Tied: []string{}, Of: st.Rounds, Cents: grant.Cents[m.Name],
		}
		if w, ok := score.Without[m.Name]; ok {
			c.WithoutIt = w
		}
		if t := tied[m.Name]; t != nil {
			c.Tied = t
		}
		if i := slices.IndexFunc(st.Parties, func(p contribution.PartyTotal) bool { return p.Party == m.Name }); i >= 0 {
			p := st.Parties[i]
			c.Value, c.SE, c.Low, c.High, c.Share, c.Peers, c.Rank, c.Present = p.Phi, p.SE, p.Low, p.High, p.Share, p.Peers, p.Rank, p.Present
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b view.PartyContribution) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(b.Value, a.Value))
	})
	return out
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

// disputes returns the doubts about a run's ledger: what competed with its entries,
// and members that found it wrong.
func (n *Node) disputes(r experiment.Run) []view.Dispute {
	out := []view.Dispute{}
	for _, f := range n.ledger.Forks(r.ID) {
		kind := "cut_off"
		if f.Lie() {
			kind = "two"
		}
		out = append(out, view.Dispute{RunID: string(r.ID), Kind: kind, K: f.Kept.K, By: r.NameOf(f.Other.By), Kept: r.NameOf(f.Kept.By)})
	}
	chain, beside := n.ledger.Entries(r.ID)
	for _, e := range beside {
		var c reward.Countersign
		if _, member := r.Member(e.By); !member || e.Kind != reward.KindCountersign || json.Unmarshal(e.Body, &c) != nil || c.OK {
			continue
		}
		if i := slices.IndexFunc(chain, func(x reward.Entry) bool { return x.Hash == e.Prev }); i >= 0 {
			out = append(out, view.Dispute{RunID: string(r.ID), Kind: "verdict", K: chain[i].K, By: r.NameOf(e.By), Kept: r.NameOf(chain[i].By), Text: c.Text})
		}
	}
	return out
}
