package node

import (
	"context"
	"slices"
	"strings"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/book"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/project"
)

// CreateExperiment freezes the runs of a question and queues them here.
func (n *Node) CreateExperiment(ctx context.Context, in view.ExperimentCreate) (view.Experiment, error) {
	p, err := n.project(in.ProjectID)
	if err != nil {
		return view.Experiment{}, err
	}
	if !n.takesPart(n.me(), p.ID) {
		return view.Experiment{}, fed.Errorf(fed.Permission, "Accept the project first.", "this party does not take part in the project")
	}
	if p.Alignment == nil {
		return view.Experiment{}, fed.Errorf(fed.Invalid, "Compare the columns on the project's page first.", "the parties have not agreed on their columns yet")
	}
	doc, err := n.experimentDoc(in, p)
	if err != nil {
		return view.Experiment{}, err
	}
	runs, err := experiment.Freeze(p.ID, doc, p.Alignment.Digest, p.RunMembers())
	if err != nil {
		return view.Experiment{}, err
	}
	for _, r := range runs {
		if _, err := n.modelOf(r); err != nil {
			return view.Experiment{}, err
		}
	}
	entries := []book.Entry{{Kind: fed.DocExperiment, Subject: string(doc.ID), Body: doc}}
	for _, r := range runs {
		entries = append(entries, book.Entry{Kind: fed.DocRun, Subject: string(r.ID), Body: r})
	}
	if _, err := n.book.AppendAll(ctx, fed.ScopeProject(p.ID), entries); err != nil {
		return view.Experiment{}, err
	}
	n.queue.Wake()
	return n.Experiment(ctx, string(doc.ID))
}

// experimentDoc makes an experiment of a project and refuses one of which a run would
// be refused by the members: it cannot change what the project agreed.
func (n *Node) experimentDoc(in view.ExperimentCreate, p project.Project) (fed.ExperimentDoc, error) {
	cfg := in.Config
	if cfg.Version == 0 {
		cfg.Version = 1
	}
	nonce := newHex()
	doc := fed.ExperimentDoc{
		ID: fed.NewExperimentID(p.ID, n.me(), nonce), Nonce: nonce, Name: strings.TrimSpace(in.Name), Note: in.Note, Config: cfg, Space: map[string]fed.Dimension{},
		Method: in.Method, Trials: in.Trials,
	}
	if doc.Method == "" {
		doc.Method = "single"
	}
	for k, d := range in.Space {
		doc.Space[k] = fed.Dimension{Type: d.Type, Value: d.Value}
	}
	trials, err := experiment.Expand(doc)
	if err != nil {
		return doc, err
	}
	for _, t := range trials {
		if err := experiment.Agrees(n.sheetOf(p), t.Config).Err(fed.Invalid); err != nil {
			return doc, err
		}
	}
	return doc, nil
}

// modelOf returns the model that a run's preparation and configuration make.
func (n *Node) modelOf(run fed.Run) (*model.Model, error) {
	prep, _, err := n.aligns.preparation(run.Project, run.Preparation)
	if err != nil {
		return nil, err
	}
	return model.New(run.Config.Model, run.Config.Task, prep.Inputs(), len(prep.Classes))
}

// Experiments returns the experiments of a project, or all.
func (n *Node) Experiments(_ context.Context, projectID string) ([]view.Experiment, error) {
	out := []view.Experiment{}
	for _, e := range n.tracker.Experiments() {
		if projectID == "" && !n.past(e.Project) || string(e.Project) == projectID {
			out = append(out, n.experimentView(e))
		}
	}
	return out, nil
}

// Experiment returns one.
func (n *Node) Experiment(_ context.Context, id string) (view.Experiment, error) {
	e, ok := n.tracker.Experiment(fed.ExperimentID(id))
	if !ok {
		return view.Experiment{}, fed.Errorf(fed.NotFound, "Reload the list.", "there is no such experiment here")
	}
	return n.experimentView(e), nil
}

// ExperimentConfig returns the configuration document of an experiment.
func (n *Node) ExperimentConfig(_ context.Context, id string) (fed.RunConfig, error) {
	e, ok := n.tracker.Experiment(fed.ExperimentID(id))
	if !ok {
		return fed.RunConfig{}, fed.Errorf(fed.NotFound, "Reload the list.", "there is no such experiment here")
	}
	return e.Config, nil
}

func (n *Node) experimentView(e experiment.Experiment) view.Experiment {
	p, _ := n.projects.Get(e.Project)
	v := view.Experiment{
		ID: string(e.ID), ProjectID: string(e.Project), Project: p.Name, Name: e.Name, Note: e.Note, Config: e.Config, Method: e.Method,
		Trials: e.Trials, Objective: "validation loss", Mine: e.By == n.me(), CreatedAt: at(e.CreatedMs), Space: map[string]view.Dimension{},
		Runs: []view.Run{},
	}
	for k, d := range e.Space {
		v.Space[k] = view.Dimension{Type: d.Type, Value: d.Value}
	}
	for _, r := range n.tracker.Runs(func(r experiment.Run) bool { return r.Experiment == e.ID }) {
		v.Runs = append(v.Runs, n.runView(r))
	}
	slices.SortFunc(v.Runs, func(a, b view.Run) int { return a.Number - b.Number })
	v.State = experimentState(v.Runs)
	return v
}

// experimentState sums up the states of an experiment's runs.
func experimentState(runs []view.Run) string {
	count := map[string]int{}
	for _, r := range runs {
		count[r.State]++
	}
	switch {
	case count["running"]+count["preparing"]+count["finishing"] > 0:
		return "running"
	case count["queued"] > 0:
		return "queued"
	case count["paused"] > 0:
		return "paused"
	case count["finished"] > 0:
		return "finished"
	case count["failed"] > 0:
		return "failed"
	case count["cancelled"] > 0:
		return "cancelled"
	}
	return "queued"
}

// CancelExperiment cancels all its runs that have not ended.
func (n *Node) CancelExperiment(ctx context.Context, id string) error {
	e, ok := n.tracker.Experiment(fed.ExperimentID(id))
	if !ok {
		return fed.Errorf(fed.NotFound, "Reload the list.", "there is no such experiment here")
	}
	for _, r := range n.tracker.Runs(func(r experiment.Run) bool { return r.Experiment == e.ID && r.End == nil }) {
		if _, err := n.CancelRun(ctx, string(r.ID), "the experiment was cancelled"); err != nil {
			if now, ok := n.tracker.Run(r.ID); ok && now.End != nil {
				continue // it ended while the others were cancelled
			}
			return err
		}
	}
	return nil
}

func (n *Node) experimentChanged(id string) {
	if e, ok := n.tracker.Experiment(fed.ExperimentID(id)); ok {
		n.publish("experiment", id, n.experimentView(e))
	}
}
