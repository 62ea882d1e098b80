package demo

import (
	"context"
	"fmt"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// modelName is the name under which the better run's model is kept.
const modelName = "heart"

func versionPath(number int) string {
	return fmt.Sprintf("/models/%s/versions/%d", modelName, number)
}

// register keeps the better model and waits until all parties hold the version.
func register(ctx context.Context, s *story) (string, error) {
	a, best := s.first(), s.runs[s.best].Run
	if _, err := post[view.ModelVersion](ctx, a.client, "/models", obj{"runId": best.ID, "name": modelName}); err != nil {
		return "", at(a, err)
	}
	err := s.await(ctx, a, "a numbered version", func(ctx context.Context) error {
		m, err := get[view.Model](ctx, a.client, "/models/"+modelName)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(m.Versions, func(v view.ModelVersion) bool { return v.RunID == best.ID && v.Number > 0 })
		if i < 0 {
			return notYet("%d versions, none of the run with a number", len(m.Versions))
		}
		s.version = m.Versions[i]
		return nil
	})
	if err != nil {
		return "", err
	}
	if err := each(s.parties, func(p *party) error { return s.holds(ctx, p) }); err != nil {
		return "", err
	}
	s.report.Model = ModelRow{Name: modelName, Number: s.version.Number, ContentID: s.version.ContentID, Run: best.Number, Bytes: s.version.Bytes}
	return fmt.Sprintf("%s, version %d, %d bytes, the same at all four", modelName, s.version.Number, s.version.Bytes), nil
}

// holds waits until p has the whole version and every check of it passes.
func (s *story) holds(ctx context.Context, p *party) error {
	return s.await(ctx, p, "the version to arrive", func(ctx context.Context) error {
		v, err := get[view.VersionDetail](ctx, p.client, versionPath(s.version.Number))
		switch {
		case err != nil:
			return err
		case v.Version.State != "ready":
			return notYet("state %q: %s", v.Version.State, v.Version.Sentence)
		case v.Version.ContentID != s.version.ContentID:
			return wrong(p, "compare the version at both parties", "expected the content %s; it is %s", s.version.ContentID, v.Version.ContentID)
		case len(v.Checks) == 0 || len(v.Files) == 0:
			return wrong(p, "see GET "+versionPath(s.version.Number), "expected files and their checks; there are %d files and %d checks", len(v.Files), len(v.Checks))
		}
		for _, c := range v.Checks {
			if !c.OK {
				return wrong(p, "the version was damaged or changed", "%s: %s", c.Name, c.Text)
			}
		}
		return nil
	})
}

// promoteTo is the step that asks for a stage, gets the votes of the others and
// waits until every party has applied it.
func promoteTo(stage string) func(context.Context, *story) (string, error) {
	return func(ctx context.Context, s *story) (string, error) {
		a := s.first()
		asked, err := post[view.StageRequest](ctx, a.client, "/stage-requests", obj{"model": modelName, "number": s.version.Number, "to": stage, "reason": "better than each hospital alone"})
		if err != nil {
			return "", at(a, err)
		}
		end, err := s.vote(ctx, asked.ID, stage)
		if err != nil {
			return "", err
		}
		err = each(s.parties, func(p *party) error {
			return s.await(ctx, p, "the stage "+stage, func(ctx context.Context) error {
				v, err := get[view.VersionDetail](ctx, p.client, versionPath(s.version.Number))
				if err == nil && v.Version.Stage != stage {
					err = notYet("stage %q", v.Version.Stage)
				}
				return err
			})
		})
		if err != nil {
			return "", err
		}
		var yes []string
		for _, v := range end.Votes {
			if v.Yes {
				yes = append(yes, v.Party)
			}
		}
		s.report.Model.Stage = stage
		s.report.Model.Stages = append(s.report.Model.Stages, StageRow{Stage: stage, Needed: end.Needed, Yes: yes})
		return fmt.Sprintf("approved by %s (%d needed)", joined(yes), end.Needed), nil
	}
}

// vote says yes wherever the request waits for an answer, until it is applied.
func (s *story) vote(ctx context.Context, id, stage string) (view.StageRequest, error) {
	a := s.first()
	var mine view.StageRequest
	err := s.await(ctx, a, "the approval for "+stage, func(ctx context.Context) error {
		for _, p := range s.parties {
			r, found, err := stageRequest(ctx, p, id)
			if err != nil {
				return at(p, err)
			}
			if p == a {
				mine = r
			}
			if found && r.State == "proposed" && r.MyVote == "none" {
				if err := sayYes(ctx, p, id); err != nil {
					return err
				}
			}
		}
		switch mine.State {
		case "applied":
			return nil
		case "rejected", "withdrawn", "expired":
			return wrong(a, "see GET /stage-requests", "expected the request to be applied; it is %s: %s", mine.State, mine.Sentence)
		}
		return notYet("%s, %d of %d votes: %s", mine.State, len(mine.Votes), mine.Needed, mine.Sentence)
	})
	return mine, err
}

// sayYes votes; that the request was decided in between is no failure.
func sayYes(ctx context.Context, p *party, id string) error {
	_, err := post[view.StageRequest](ctx, p.client, "/stage-requests/"+id+"/vote", obj{"yes": true, "reason": "tried on our own rows"})
	if fed.KindOf(err) == fed.Exists {
		return notYet("%s: %s", p.name, err)
	}
	return at(p, err)
}

func stageRequest(ctx context.Context, p *party, id string) (view.StageRequest, bool, error) {
	all, err := list[view.StageRequest](ctx, p.client, "/stage-requests")
	if err != nil {
		return view.StageRequest{}, false, err
	}
	i := slices.IndexFunc(all, func(r view.StageRequest) bool { return r.ID == id })
	if i < 0 {
		return view.StageRequest{}, false, nil
	}
	return all[i], true, nil
}
