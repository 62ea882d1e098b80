package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// poolCents is the reward pool of every run: 1,000.00.
const (
	poolCents = 100_000
	currency  = "EUR"
)

// muGrid are the two configurations: FedProx with mu 0 is FedAvg exactly (Li et
// al. 2020, section 3.2).
var muGrid = []float64{0, .1}

// config is the run configuration that the project starts from: the heart
// settings of the FLamby benchmark (du Terrail et al. 2022), on all columns.
func (s *story) config(p view.Profile) fed.RunConfig {
	c := fed.RunConfig{
		Version: 1, Task: fed.TaskClassify, Target: target,
		Labels:  map[string]string{"0": "no", "1": "yes", "2": "yes", "3": "yes", "4": "yes"},
		Missing: "impute", Scaling: "federated", Test: fed.TestSplit{Fraction: .34, Seed: 43},
		Model:    fed.ModelSpec{Family: "logistic"},
		Train:    fed.TrainSpec{Optimizer: "sgd", LR: .01, Batch: 4, Steps: 100},
		Strategy: fed.StrategySpec{Name: "fedprox"}, Rounds: s.rounds, Seed: 43,
	}
	for _, name := range []string{"cp", "restecg"} {
		if slices.ContainsFunc(p.Columns, func(col view.Column) bool { return col.Name == name }) {
			c.Categorical = append(c.Categorical, name)
		}
	}
	return c
}

func createProject(ctx context.Context, s *story) (string, error) {
	a := s.first()
	var invited []string
	for _, p := range s.others() {
		invited = append(invited, p.identity.PartyID)
	}
	created, err := post[view.Project](ctx, a.client, "/projects", obj{
		"name": "Heart disease", "purpose": "Recognise coronary heart disease from routine examinations",
		"datasetId": a.dataset.ID, "invite": invited, "config": s.config(a.profile),
		"policy": obj{"poolCents": poolCents, "currency": currency, "production": "majority", "mode": "open"},
	})
	if err != nil {
		return "", at(a, err)
	}
	s.project = created
	err = each(s.others(), func(p *party) error {
		return s.await(ctx, p, "the invitation", func(ctx context.Context) error {
			got, err := get[view.Project](ctx, p.client, "/projects/"+created.ID)
			if err == nil && got.AdminID != a.identity.PartyID {
				err = notYet("a project administered by %q", got.Admin)
			}
			return err
		})
	})
	return fmt.Sprintf("%q: three invitations arrived; a pool of %s for each run", created.Name, money(poolCents)), err
}

// acceptProject lets each party read its sheet and accept exactly that sheet.
func acceptProject(ctx context.Context, s *story) (string, error) {
	path := "/projects/" + s.project.ID
	err := each(s.parties, func(p *party) error {
		got, err := get[view.Project](ctx, p.client, path)
		if err != nil || accepted(got, p.identity.PartyID) {
			return err // the admin's own acceptance may come with the creation
		}
		sheet, err := get[view.ConsentSheet](ctx, p.client, path+"/consent?dataset="+p.dataset.ID)
		if err != nil {
			return err
		}
		if sheet.Digest == "" || len(sheet.Leaves) == 0 || len(sheet.Stays) == 0 || len(sheet.Sees) == 0 {
			return wrong(p, "see GET /projects/{id}/consent", "expected a sheet that says what leaves, what stays and who sees it; it has %d, %d and %d lines", len(sheet.Leaves), len(sheet.Stays), len(sheet.Sees))
		}
		s.keepSheet(sheet)
		_, err = post[view.Project](ctx, p.client, path+"/accept", obj{"datasetId": p.dataset.ID, "digest": sheet.Digest, "limits": obj{"maxRuns": 20}})
		return err
	})
	if err != nil {
		return "", err
	}
	err = each(s.parties, func(p *party) error {
		return s.await(ctx, p, "all four to have accepted", func(ctx context.Context) error {
			got, err := get[view.Project](ctx, p.client, path)
			if err != nil {
				return err
			}
			var missing []string
			for _, q := range s.parties {
				if !accepted(got, q.identity.PartyID) {
					missing = append(missing, q.name)
				}
			}
			if len(missing) > 0 {
				return notYet("without %s", joined(missing))
			}
			return nil
		})
	})
	return "each accepted the digest of the sheet it was shown", err
}

// keepSheet puts what leaves into the report, once: the sheets say the same.
func (s *story) keepSheet(sheet view.ConsentSheet) {
	if s.report.Leaves != nil {
		return
	}
	for _, line := range sheet.Leaves {
		s.report.Leaves = append(s.report.Leaves, LeaveRow{What: line.What, How: line.How, Who: line.Who})
	}
	s.report.Stays = sheet.Stays
}

func accepted(p view.Project, partyID string) bool {
	return slices.ContainsFunc(p.Parties, func(q view.ProjectParty) bool { return q.PartyID == partyID && q.State == "accepted" })
}

// align gathers the columns, confirms the proposed matches as a person would,
// and waits until all parties hold one agreed preparation.
func align(ctx context.Context, s *story) (string, error) {
	a := s.first()
	path := "/projects/" + s.project.ID + "/alignment"
	if _, err := post[view.Alignment](ctx, a.client, path, nil); err != nil {
		return "", at(a, err)
	}
	var agreed view.Alignment
	confirmed := 0
	err := s.await(ctx, a, "the agreed columns", func(ctx context.Context) (err error) {
		if agreed, err = get[view.Alignment](ctx, a.client, path); err != nil {
			return err
		}
		switch {
		case agreed.State == "agreed":
			return nil
		case agreed.State == "confirm" && agreed.CanConfirm:
			confirmed = len(agreed.Matches)
			if err := confirm(ctx, a, path, agreed.Matches); err != nil {
				return err
			}
		}
		return notYet("state %q: %s%s", agreed.State, agreed.Sentence, faults(agreed))
	})
	if err != nil {
		return "", err
	}
	if len(agreed.Features) == 0 || len(agreed.Scaling) == 0 || agreed.Digest == "" {
		return "", wrong(a, "see GET /projects/{id}/alignment", "expected agreed features, scaling and a digest; there are %d features and %d scaled columns", len(agreed.Features), len(agreed.Scaling))
	}
	err = each(s.others(), func(p *party) error {
		return s.await(ctx, p, "the same columns", func(ctx context.Context) error {
			got, err := get[view.Alignment](ctx, p.client, path)
			if err == nil && (got.State != "agreed" || got.Digest != agreed.Digest) {
				err = notYet("state %q", got.State)
			}
			return err
		})
	})
	s.keepAlignment(agreed, confirmed)
	return fmt.Sprintf("%d columns became %d inputs; %d matches confirmed; scaled by figures of all four", len(agreed.Columns), len(agreed.Features), confirmed), err
}

// faults are the errors that an alignment shows.
func faults(a view.Alignment) (text string) {
	for _, f := range a.Issues {
		if f.Severity == "error" {
			text += "; " + f.Text
		}
	}
	return text
}

// confirm answers yes to every proposed match.
func confirm(ctx context.Context, p *party, path string, matches []view.ColumnMatch) error {
	yes := make([]view.ColumnMatch, len(matches))
	for i, m := range matches {
		m.Confirmed = true
		yes[i] = m
	}
	_, err := post[view.Alignment](ctx, p.client, path+"/confirm", obj{"matches": yes})
	return err
}

func (s *story) keepAlignment(a view.Alignment, confirmed int) {
	s.report.Alignment = AlignmentRow{Columns: len(a.Columns), Features: a.Features, Confirmed: confirmed, Digest: a.Digest}
	for _, col := range a.Columns {
		for i, cell := range col.Cells {
			if cell.State != "same" && i < len(a.Parties) {
				s.report.Alignment.Notes = append(s.report.Alignment.Notes, strings.TrimSpace(fmt.Sprintf("%s at %s: %s %s", col.Name, a.Parties[i], cell.State, cell.Note)))
			}
		}
	}
}

// createExperiment queues the grid and waits until every party knows its runs.
func createExperiment(ctx context.Context, s *story) (string, error) {
	a := s.first()
	made, err := post[view.Experiment](ctx, a.client, "/experiments", obj{
		"projectId": s.project.ID, "name": "FedAvg against FedProx", "note": "Does holding the parties together help?",
		"config": s.config(a.profile), "method": "grid",
		"space": obj{"mu": obj{"_type": "choice", "_value": muGrid}},
	})
	if err != nil {
		return "", at(a, err)
	}
	err = each(s.parties, func(p *party) error {
		return s.await(ctx, p, fmt.Sprintf("the %d runs of the experiment", len(muGrid)), func(ctx context.Context) error {
			got, err := get[view.Experiment](ctx, p.client, "/experiments/"+made.ID)
			if err != nil {
				return err
			}
			if len(got.Runs) != len(muGrid) {
				return notYet("%d runs", len(got.Runs))
			}
			if p == a {
				s.experiment = got
			}
			return nil
		})
	})
	if err != nil {
		return "", err
	}
	slices.SortFunc(s.experiment.Runs, func(x, y view.Run) int { return x.Number - y.Number })
	return "logistic regression; FedProx with mu 0 (that is FedAvg) and mu 0.1", nil
}
