package node

import (
	"context"
	"fmt"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/registry"
	"synergos.app/desktop/backend/service/serving"
)

// RegisterModel makes an immutable version of a finished run's result.
func (n *Node) RegisterModel(ctx context.Context, runID, name string) (view.ModelVersion, error) {
	r, ok := n.tracker.Run(fed.RunID(runID))
	if !ok || r.End == nil || r.End.State != "finished" {
		return view.ModelVersion{}, fed.Errorf(fed.Invalid, "Wait until the run has finished.", "only a finished run has a result to register")
	}
	in, err := n.buildInput(ctx, r, name)
	if err != nil {
		return view.ModelVersion{}, err
	}
	v, err := n.registry.Register(ctx, in)
	if err != nil {
		return view.ModelVersion{}, err
	}
	if err := n.appendPendingNow(ctx); err != nil {
		return view.ModelVersion{}, err
	}
	if w, ok := n.registry.Version(v.ContentID); ok {
		v = w
	}
	return n.versionView(v), nil
}

func (n *Node) buildInput(ctx context.Context, r experiment.Run, name string) (registry.BuildInput, error) {
	prep, doc, err := n.aligns.preparation(r.Project, r.Preparation)
	if err != nil {
		return registry.BuildInput{}, err
	}
	params, err := n.store.Get(r.End.Params)
	if err != nil {
		return registry.BuildInput{}, fed.Errorf(fed.Unavailable, "Wait until the result has arrived from the coordinator.", "the result of the run is not on this computer: %w", err)
	}
	figures, err := registry.FiguresOf(r.Config.Task, len(prep.Classes), r.End.Results)
	if err != nil {
		return registry.BuildInput{}, fmt.Errorf("work out the figures of the run: %w", err)
	}
	p, _ := n.projects.Get(r.Project)
	in := registry.BuildInput{
		Model: name, Run: r.Run, End: *r.End, CreatedMs: r.EndedMs, Params: params, Pipeline: doc.Preparation, Features: prep.Inputs(),
		Fields: fieldsOf(prep), Classes: prep.Classes, Metrics: figures, Contribution: map[string]fed.Number{},
		Privacy: "No noise was added (no differential privacy). The coordinator and the parties of the run saw each party's updates.",
		Card:    registry.CardInput{Title: p.Name, IntendedUse: p.Purpose, Contact: n.nameOf(string(p.Admin))},
		Score:   serving.Score(n.decodePipeline),
	}
	for _, m := range r.Members {
		s, _ := p.Standing(m.Party)
		in.Parties = append(in.Parties, registry.LineageParty{Party: m.Party, Name: m.Name, Card: s.Accept.Card, Title: s.Accept.Title, Rows: s.Accept.RowBand})
	}
	if sc, ok := n.ledger.Score(r.ID); ok {
		for _, t := range sc.Standing.Parties {
			in.Contribution[t.Party] = t.Phi
		}
	}
	return in, nil
}
