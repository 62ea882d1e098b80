package node

import (
	"context"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
)

// The tutorial is a federation with virtual parties in this process. They speak the
// real protocol over real sockets on this computer, hold synthetic data, and follow
// this party's invitations; what is made with them is marked and can be ended.

// Tutorial returns its steps, each ticked from what really happened.
func (n *Node) Tutorial(ctx context.Context) (view.Tutorial, error) {
	v := view.Tutorial{State: "none", Steps: []view.TutorialStep{}}
	if n.opts.Tutorial == nil {
		return v, nil
	}
	v.Steps = n.tutorialSteps(ctx)
	if n.settings.get("tutorial") == "on" {
		v.State = "running"
		done := true
		for _, s := range v.Steps {
			done = done && s.Done
		}
		if done {
			v.State = "done"
		}
	}
	for _, r := range n.tracker.Runs(nil) {
		v.RunID = string(r.ID)
		break
	}
	return v, nil
}

func (n *Node) tutorialSteps(ctx context.Context) []view.TutorialStep {
	data, _ := n.Datasets(ctx)
	ready := false
	for _, d := range data {
		ready = ready || d.State == "ready"
	}
	joined, aligned, finished, production := false, false, false, false
	for _, p := range n.projects.All() {
		joined = joined || len(p.Accepted()) > 1
		aligned = aligned || p.Alignment != nil
	}
	for _, r := range n.tracker.Runs(func(r experiment.Run) bool { return r.End != nil && r.End.State == "finished" }) {
		_ = r
		finished = true
	}
	for _, m := range n.registry.Models() {
		production = production || m.Production > 0
	}
	return []view.TutorialStep{
		{ID: "data", Title: "Look at the data", Text: "Open the sample: its columns, what is missing, and what others would see.", Done: ready, Href: "/data"},
		{ID: "project", Title: "Start a project", Text: "Invite the virtual hospitals; they accept by themselves.", Done: joined, Href: "/projects"},
		{ID: "align", Title: "Align the columns", Text: "One hospital names a column differently: confirm the match.", Done: aligned, Href: "/projects"},
		{ID: "train", Title: "Train together", Text: "Start an experiment and watch the rounds.", Done: finished, Href: "/runs"},
		{ID: "promote", Title: "Move the model to production", Text: "Register the result, then ask the others to approve it.", Done: production, Href: "/models"},
		{ID: "serve", Title: "Serve it", Text: "Flip the switch and fill in the form.", Done: n.servings.count() > 0, Href: "/serving"},
	}
}

// StartTutorial starts the virtual parties and adds the sample data.
func (n *Node) StartTutorial(ctx context.Context) (view.Tutorial, error) {
	if n.opts.Tutorial == nil {
		return view.Tutorial{}, fed.Errorf(fed.Unavailable, "Start the app normally.", "the tutorial is not available here")
	}
	if err := n.joinTutorial(); err != nil {
		return view.Tutorial{}, err
	}
	if err := n.settings.put(ctx, "tutorial", "on"); err != nil {
		return view.Tutorial{}, err
	}
	if data, err := n.Datasets(ctx); err == nil && len(data) == 0 {
		if _, err := n.AddSample(ctx, "riverside"); err != nil {
			return view.Tutorial{}, err
		}
	}
	return n.Tutorial(ctx)
}

func (n *Node) joinTutorial() error {
	n.tutorialMu.Lock()
	defer n.tutorialMu.Unlock()
	if n.endTutorial != nil {
		return nil
	}
	stop, err := n.opts.Tutorial.Join(n.ctx, n)
	n.endTutorial = stop
	return err
}

// EndTutorial stops the virtual parties; what was made stays until it is archived.
func (n *Node) EndTutorial(ctx context.Context) error {
	n.tutorialMu.Lock()
	defer n.tutorialMu.Unlock()
	if n.endTutorial != nil {
		n.endTutorial()
		n.endTutorial = nil
	}
	return n.settings.put(ctx, "tutorial", "")
}
