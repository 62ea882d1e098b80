package demo

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// train waits until every run has finished at every party, with one result and
// one coordinator.
func train(ctx context.Context, s *story) (string, error) {
	for _, run := range s.experiment.Runs {
		detail, err := s.finished(ctx, s.first(), run.ID)
		if err != nil {
			return "", err
		}
		if err := s.checkRun(detail); err != nil {
			return "", err
		}
		for _, p := range s.parties {
			got, err := s.finished(ctx, p, run.ID)
			if err != nil {
				return "", err
			}
			if err := sameRun(p, got.Run, detail.Run); err != nil {
				return "", err
			}
			if p.name == detail.Run.Coordinator {
				detail.Run.Why = election(got)
			}
		}
		if detail.Run.Why == "" {
			return "", wrong(s.first(), "see the steps of GET /runs/{id} at the coordinator", "expected %s to say why it led run %d; it says nothing", detail.Run.Coordinator, run.Number)
		}
		s.runs = append(s.runs, detail)
		s.report.Runs = append(s.report.Runs, runRow(detail))
	}
	r := s.runs[0].Run
	return fmt.Sprintf("%s %d rounds each, one result at all four", r.Why, r.Round), nil
}

// election is why a run's coordinator led it, from its own history of the run.
func election(d view.RunDetail) string {
	why := d.Run.Why
	for _, step := range d.Steps {
		if step.Kind == "led" {
			why = step.Text
		}
	}
	return why
}

// finished waits until a run has finished at p. Training gets the wait anew
// while rounds go on.
func (s *story) finished(ctx context.Context, p *party, id string) (view.RunDetail, error) {
	var got view.RunDetail
	for before := -1; ; before = got.Run.Round {
		err := s.await(ctx, p, "the run to finish", func(ctx context.Context) (err error) {
			if got, err = get[view.RunDetail](ctx, p.client, "/runs/"+id); err != nil {
				return err
			}
			switch r := got.Run; r.State {
			case "finished":
				return nil
			case "failed", "cancelled":
				return recordError(fmt.Sprintf("run %d is %s (%s)", r.Number, r.State, r.EndReason), r.Problem)
			default:
				return notYet("run %d is %s, round %d of %d: %s", r.Number, r.State, r.Round, r.Rounds, r.Sentence)
			}
		})
		if err == nil || ctx.Err() != nil || fed.KindOf(err) != fed.Timeout || got.Run.Round <= before {
			return got, err
		}
	}
}

// checkRun holds a finished run against what a run must be.
func (s *story) checkRun(d view.RunDetail) error {
	a, r := s.first(), d.Run
	lead, known := s.named(r.Coordinator)
	switch {
	case !known || lead.identity.PartyID != r.CoordinatorID:
		return wrong(a, "see GET /runs/{id}", "expected one of the four to lead run %d; it names %q", r.Number, r.Coordinator)
	case r.Round != s.rounds || len(closedRounds(d)) < s.rounds:
		return wrong(a, "see GET /runs/{id}", "expected %d closed rounds in run %d; it has %d, of which %d are listed", s.rounds, r.Number, r.Round, len(closedRounds(d)))
	case r.ParamsHash == "":
		return wrong(a, "see GET /runs/{id}", "expected run %d to name its result", r.Number)
	case len(d.Results) != len(s.parties):
		return wrong(a, "see GET /runs/{id}", "expected test figures of %d hospitals in run %d; there are %d", len(s.parties), r.Number, len(d.Results))
	}
	for _, res := range d.Results {
		if acc, ok := res.Test["accuracy"]; !ok || !acc.Finite() || res.TestExamples == 0 || res.TrainExamples == 0 {
			return wrong(a, "see GET /runs/{id}", "expected the accuracy on the test rows of %s in run %d", res.Party, r.Number)
		}
	}
	return nil
}

// closedRounds are the rounds in which updates were averaged.
func closedRounds(d view.RunDetail) []view.Round {
	return slices.DeleteFunc(slices.Clone(d.Rounds), func(r view.Round) bool { return r.N < 1 || len(r.Parties) == 0 })
}

// sameRun checks that p ended a run as the first party did.
func sameRun(p *party, got, want view.Run) error {
	for _, x := range []struct{ what, got, want string }{
		{"the result", got.ParamsHash, want.ParamsHash},
		{"the configuration", got.ConfigHash, want.ConfigHash},
		{"the coordinator", got.CoordinatorID, want.CoordinatorID},
	} {
		if x.got != x.want {
			return wrong(p, "compare GET /runs/{id} at both parties", "expected %s of run %d to be %s as at the first party; it is %s", x.what, want.Number, x.want, x.got)
		}
	}
	return nil
}

// measure waits until every party holds the same contributions of every run.
func measure(ctx context.Context, s *story) (string, error) {
	for i := range s.runs {
		var first view.Contribution
		for _, p := range s.parties {
			got, err := s.contribution(ctx, p, s.runs[i].Run.ID)
			if err != nil {
				return "", err
			}
			if p == s.first() {
				first = got
			}
			if err := s.checkContribution(p, got, first); err != nil {
				return "", err
			}
		}
		s.report.Runs[i].setContribution(first)
	}
	return "Shapley values with intervals on the held-out rows of all, beside them on the others' only; they add up to the gain", nil
}

func (s *story) contribution(ctx context.Context, p *party, run string) (view.Contribution, error) {
	var got view.Contribution
	err := s.await(ctx, p, "the contributions", func(ctx context.Context) (err error) {
		if got, err = get[view.Contribution](ctx, p.client, "/runs/"+run+"/contribution"); err == nil && got.State != "done" {
			err = notYet("state %q", got.State)
		}
		return err
	})
	return got, err
}

// figure is how far two floats may differ that were added in another order.
const figure = 1e-9

// checkContribution holds one party's contributions against the first party's
// and against their own sums.
func (s *story) checkContribution(p *party, got, first view.Contribution) error {
	if len(got.Parties) != len(s.parties) {
		return wrong(p, "see GET /runs/{id}/contribution", "expected the contributions of %d parties; there are %d", len(s.parties), len(got.Parties))
	}
	sum := float64(got.Remainder)
	for _, c := range got.Parties {
		if !c.Value.Finite() || !c.Low.Finite() || !c.High.Finite() || c.Low > c.Value || c.High < c.Value {
			return wrong(p, "see GET /runs/{id}/contribution", "expected a value within its interval for %s; it is %v within %v to %v", c.Party, c.Value, c.Low, c.High)
		}
		i := slices.IndexFunc(first.Parties, func(f view.PartyContribution) bool { return f.PartyID == c.PartyID })
		if i < 0 || math.Abs(float64(first.Parties[i].Value-c.Value)) > figure {
			return wrong(p, "compare GET /runs/{id}/contribution at both parties", "expected the value of %s to be that of the first party", c.Party)
		}
		sum += float64(c.Value)
	}
	if d := math.Abs(sum - float64(got.Total)); !(d <= figure) {
		return wrong(p, "see GET /runs/{id}/contribution", "expected values and remainder to add up to %v; they add up to %v", got.Total, sum)
	}
	if got.Basis == "pooled" && !(math.Abs(float64(got.Remainder)) <= figure) {
		return wrong(p, "see GET /runs/{id}/contribution", "expected no remainder on the rows of all; it is %v", got.Remainder)
	}
	if got.Scored == 0 || got.Through < got.Scored || got.Basis != first.Basis || got.Through != first.Through {
		return wrong(p, "see GET /runs/{id}/contribution", "expected scored rounds up to the delivered model, as at the first party; %d count up to round %d, %s", got.Scored, got.Through, got.Basis)
	}
	if got.Unsigned > 0 || len(got.Disputes) > 0 {
		return wrong(p, "see GET /runs/{id}/contribution", "expected every table to be signed and no dispute; %d are unsigned, %d disputes", got.Unsigned, len(got.Disputes))
	}
	return nil
}

// reward checks that each run's pool was split to the cent, that every party
// recomputed and countersigned it, and that receivers sign for their grants.
func reward(ctx context.Context, s *story) (string, error) {
	for _, d := range s.runs {
		for _, p := range s.parties {
			if err := s.awaitGrant(ctx, p, d.Run.ID); err != nil {
				return "", err
			}
		}
	}
	if err := s.countersigned(ctx); err != nil {
		return "", err
	}
	if err := s.receipts(ctx); err != nil {
		return "", err
	}
	err := each(s.parties, func(p *party) error {
		checks, err := post[struct{ Items []view.Check }](ctx, p.client, "/ledger/verify", obj{"projectId": s.project.ID})
		if err != nil {
			return err
		}
		if len(checks.Items) == 0 {
			return wrong(p, "see POST /ledger/verify", "expected the checks of the ledger; there are none")
		}
		for _, c := range checks.Items {
			if !c.OK {
				return wrong(p, "the ledger was changed, or a figure does not follow from the updates", "%s: %s", c.Name, c.Text)
			}
		}
		if p == s.first() {
			s.report.Checks = checks.Items
		}
		return nil
	})
	return fmt.Sprintf("%s split to the cent in each run; the ledger is verified at all four and countersigned", money(poolCents)), err
}

// awaitGrant waits until the run's grants at p add up to the pool.
func (s *story) awaitGrant(ctx context.Context, p *party, run string) error {
	return s.await(ctx, p, fmt.Sprintf("grants that add up to %s", money(poolCents)), func(ctx context.Context) error {
		got, err := get[view.Rewards](ctx, p.client, "/rewards?project="+s.project.ID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(got.Runs, func(c view.Contribution) bool { return c.RunID == run })
		if i < 0 {
			return notYet("%d other runs", len(got.Runs))
		}
		var sum int64
		for _, c := range got.Runs[i].Parties {
			sum += c.Cents
		}
		if sum != poolCents {
			return notYet("grants of %s in total", money(sum))
		}
		if p == s.first() {
			s.keepGrants(run, got.Runs[i])
		}
		return nil
	})
}

func (s *story) keepGrants(run string, c view.Contribution) {
	i := slices.IndexFunc(s.report.Runs, func(r RunRow) bool { return r.ID == run })
	for j := range s.report.Runs[i].Parties {
		row := &s.report.Runs[i].Parties[j]
		if k := slices.IndexFunc(c.Parties, func(q view.PartyContribution) bool { return q.Party == row.Name }); k >= 0 {
			row.Cents = c.Parties[k].Cents
		}
	}
	s.report.Runs[i].PoolCents, s.report.Runs[i].Split, s.report.Currency = poolCents, splitText[c.Why], currency
}

// countersigned waits until every party but the coordinator has signed, at every
// party, that it recomputed each run.
func (s *story) countersigned(ctx context.Context) error {
	return each(s.parties, func(p *party) error {
		return s.await(ctx, p, "the countersignatures of the other three for each run", func(ctx context.Context) error {
			got, err := get[view.Rewards](ctx, p.client, "/rewards?project="+s.project.ID)
			if err != nil {
				return err
			}
			if !got.Chain.OK {
				return wrong(p, "the ledger was changed", "%s", got.Chain.Text)
			}
			if e, disputed := dispute(got.Entries); disputed {
				return wrong(p, "see GET /rewards", "expected the other three to agree with the figures; %s says: %s", e.By, e.Text)
			}
			for _, d := range s.runs {
				by := signers(got.Entries, d.Run.ID, "countersign")
				delete(by, d.Run.Coordinator)
				if len(by) < len(s.parties)-1 {
					return notYet("run %d has %d", d.Run.Number, len(by))
				}
			}
			return nil
		})
	})
}

// dispute finds a countersignature of a party that came to other figures.
func dispute(entries []view.LedgerEntry) (view.LedgerEntry, bool) {
	i := slices.IndexFunc(entries, func(e view.LedgerEntry) bool {
		return e.Kind == "countersign" && strings.HasPrefix(e.Text, "Disputed")
	})
	if i < 0 {
		return view.LedgerEntry{}, false
	}
	return entries[i], true
}

// signers are the names of the parties that signed an entry of the kind.
func signers(entries []view.LedgerEntry, run, kind string) map[string]bool {
	by := map[string]bool{}
	for _, e := range entries {
		if e.RunID == run && e.Kind == kind && e.Verified {
			by[e.By] = true
		}
	}
	return by
}

// receipts lets every receiver sign for its grant and waits until the first party
// has the receipts.
func (s *story) receipts(ctx context.Context) error {
	want := map[string]int{}
	for _, row := range s.report.Runs {
		for _, r := range row.Parties {
			p, ok := s.named(r.Name)
			if !ok || r.Cents == 0 {
				continue
			}
			if _, err := post[view.Rewards](ctx, p.client, "/rewards/"+row.ID+"/receipt", nil); err != nil {
				return at(p, err)
			}
			want[row.ID]++
		}
	}
	a := s.first()
	return s.await(ctx, a, "the signed receipts", func(ctx context.Context) error {
		got, err := get[view.Rewards](ctx, a.client, "/rewards?project="+s.project.ID)
		if err != nil {
			return err
		}
		for run, n := range want {
			if have := len(signers(got.Entries, run, "receipt")); have < n {
				return notYet("%d of %d of a run", have, n)
			}
		}
		return nil
	})
}

// compare reads the runs side by side and picks the better one.
func compare(ctx context.Context, s *story) (string, error) {
	a := s.first()
	ids := s.runs[0].Run.ID
	for i, d := range s.runs {
		if i > 0 {
			ids += "," + d.Run.ID
		}
		if better(d.Run.Metrics, s.runs[s.best].Run.Metrics) {
			s.best = i
		}
	}
	got, err := get[view.Comparison](ctx, a.client, "/comparison?"+url.Values{"runs": {ids}}.Encode())
	if err != nil {
		return "", at(a, err)
	}
	if len(got.Runs) != len(s.runs) || !slices.ContainsFunc(got.Differs, func(r view.ComparisonRow) bool { return r.Key == "strategy.mu" }) || len(got.Metrics) == 0 {
		return "", wrong(a, "see GET /comparison", "expected %d runs that differ in mu, with their figures; there are %d runs and %d settings that differ", len(s.runs), len(got.Runs), len(got.Differs))
	}
	best := s.runs[s.best].Run
	s.report.Best = best.Number
	key, value := score(best.Metrics)
	return fmt.Sprintf("run %d is better: %s %.3f on the test rows of all four", best.Number, strings.ToUpper(key), value), nil
}

// score is the figure that runs are ranked by: AUC, else accuracy.
func score(m fed.Metrics) (string, float64) {
	for _, key := range []string{"auc", "accuracy"} {
		if v, ok := m[key]; ok && v.Finite() {
			return key, float64(v)
		}
	}
	return "no figure", math.Inf(-1)
}

func better(a, b fed.Metrics) bool {
	_, x := score(a)
	_, y := score(b)
	return x > y
}
