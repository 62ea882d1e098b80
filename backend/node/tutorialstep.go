package node

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"

	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/project"
	"synergos.app/desktop/backend/service/registry"
)

// Ticks that nothing else remembers are settings: the dataset that was looked at,
// and the project whose model answered.
const (
	tickLooked = "tutorial.looked"
	tickServed = "tutorial.served"
)

// tick remembers that something happened in the tutorial and tells the screens.
func (n *Node) tick(ctx context.Context, key, value, kind, subject string) {
	if n.settings.get(key) == value {
		return
	}
	if err := n.settings.put(ctx, key, value); err != nil {
		n.opts.Log.Error("step of the tutorial not saved", "error", err.Error())
		return
	}
	n.publish(kind, subject, nil)
}

// Tutorial returns its steps, each ticked from what really happened in it.
func (n *Node) Tutorial(context.Context) (view.Tutorial, error) {
	v := view.Tutorial{State: "none", Steps: []view.TutorialStep{}}
	if n.opts.Tutorial == nil {
		return v, nil
	}
	s := n.lookAtTutorial()
	v.Steps = s.steps()
	if s.run != nil {
		v.RunID = string(s.run.ID)
	}
	if n.tutorialOn() {
		v.State = "done"
		if slices.ContainsFunc(v.Steps, func(x view.TutorialStep) bool { return !x.Done }) {
			v.State = "running"
		}
	}
	return v, nil
}

// tutorialFacts is what has happened in the tutorial that goes on: the newest of
// each kind, nil for what is not there yet.
type tutorialFacts struct {
	data           string
	virtual        []string // parties
	project        *project.Project
	run            *experiment.Run
	model          *registry.Model
	looked, served bool
}

func (n *Node) lookAtTutorial() tutorialFacts {
	var f tutorialFacts
	if !n.tutorialOn() {
		return f
	}
	for _, id := range n.tutorialData() {
		f.data, f.looked = id, n.settings.get(tickLooked) == id
	}
	n.peers.mu.Lock()
	for _, r := range n.peers.rows {
		if r.Source == fromTutorial && r.RevokedMs == 0 {
			f.virtual = append(f.virtual, r.Party)
		}
	}
	n.peers.mu.Unlock()
	slices.Sort(f.virtual)
	for _, p := range n.projects.All() {
		if n.isPractice(p) && !n.archived(p) && (f.project == nil || better(p, *f.project)) {
			f.project = &p
		}
	}
	if f.project == nil {
		return f
	}
	in := func(r experiment.Run) bool { return r.Project == f.project.ID }
	for _, r := range n.tracker.Runs(in) {
		if f.run == nil || finished(r) && !finished(*f.run) {
			f.run = &r
		}
	}
	for _, m := range n.registry.Models() {
		if m.Project == f.project.ID && (f.model == nil || m.Production > 0 && f.model.Production == 0) {
			f.model = &m
		}
	}
	f.served = n.settings.get(tickServed) == string(f.project.ID)
	return f
}

// better prefers the project that got further, then the newer one.
func better(a, b project.Project) bool {
	far := func(p project.Project) int { return fromBool(len(p.Accepted()) > 1) + fromBool(p.Alignment != nil) }
	return cmp.Or(far(a)-far(b), cmp.Compare(a.CreatedMs, b.CreatedMs)) > 0
}

func finished(r experiment.Run) bool { return r.End != nil && r.End.State == "finished" }

// steps are the six steps, with links to where each goes on.
func (f tutorialFacts) steps() []view.TutorialStep {
	data, create := "/data", "/projects/new"
	if f.data != "" {
		data = "/data/" + f.data
		create += "?" + url.Values{"dataset": {f.data}, "parties": {strings.Join(f.virtual, ",")}}.Encode()
	}
	made, align, train := create, "/projects", "/projects"
	promote, serve := "/runs", "/serving"
	if p := f.project; p != nil {
		made = "/projects/" + string(p.ID)
		align, train = made+"?tab=alignment", made+"/new-experiment"
	}
	if f.run != nil {
		train = "/runs/" + string(f.run.ID)
		promote = train
	}
	if m := f.model; m != nil {
		number := 1
		for _, v := range m.Versions {
			number = max(number, v.Number)
		}
		promote, serve = versionHref(m.ID(), number), "/serving/"+m.ID()
	}
	return []view.TutorialStep{
		{ID: "data", Title: "Look at the data", Text: "Your party holds the synthetic records of Riverside Hospital: see the columns, what is missing, and what others would see.", Done: f.looked, Href: data},
		{ID: "project", Title: "Start a project", Text: "Give it a name. The three virtual hospitals are ticked already and accept by themselves.", Done: f.project != nil && len(f.project.Accepted()) > 1, Href: made},
		{ID: "align", Title: "Compare the columns", Text: "Lakeview says cholesterol where you say chol: confirm that they are the same.", Done: f.project != nil && f.project.Alignment != nil, Href: align},
		{ID: "train", Title: "Train together", Text: "Name an experiment, start it and watch the rounds. No row leaves its hospital.", Done: f.run != nil && finished(*f.run), Href: train},
		{ID: "promote", Title: "Move the model to production", Text: "Keep the result as a model, then ask for production. The virtual hospitals approve.", Done: f.model != nil && f.model.Production > 0, Href: promote},
		{ID: "serve", Title: "Serve it", Text: "Flip the switch, then press Predict.", Done: f.served, Href: serve},
	}
}
