package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/registry"
)

// versionOf returns the version that a run's result was registered as, the one that
// came first when there are several: a version whose params are another's is none of
// the run's, whatever it says of itself.
func (n *Node) versionOf(r experiment.Run) (registry.Version, bool) {
	var found registry.Version
	if r.End == nil {
		return found, false
	}
	for _, m := range n.registry.Models() {
		for _, v := range m.Versions {
			theirs := m.Project == r.Project && v.Manifest.Run == r.ID && slices.ContainsFunc(v.Manifest.Files, func(f registry.File) bool {
				return f.Path == registry.FileParams && (f.SHA256 == r.End.Params || f.SHA256 == r.End.ParamsRef.Digest)
			})
			draft := fromBool(v.Number == 0) - fromBool(found.Number == 0)
			if theirs && (found.ContentID == "" || cmp.Or(draft, cmp.Compare(v.AtMs, found.AtMs)) < 0) {
				found = v
			}
		}
	}
	return found, found.ContentID != ""
}

// registered returns the name, "heart, version 2", of a run's version with its page, "" when it was
// not registered.
func (n *Node) registered(r experiment.Run) (name, href string) {
	v, ok := n.versionOf(r)
	if !ok {
		return "", ""
	}
	return fmt.Sprintf("%s, version %d", v.Model, v.Number), versionHref(registry.ModelID(v.Project, v.Model), v.Number)
}

// Models returns all models.
func (n *Node) Models(context.Context) ([]view.Model, error) {
	out := []view.Model{}
	for _, m := range n.shownModels() {
		out = append(out, n.modelView(m))
	}
	return out, nil
}

// Model returns one by its id, or by its name where only one project has it.
func (n *Node) Model(_ context.Context, id string) (view.Model, error) {
	m, err := n.model(id)
	if err != nil {
		return view.Model{}, err
	}
	return n.modelView(m), nil
}

func (n *Node) model(id string) (registry.Model, error) {
	project, name := registry.SplitModelID(id)
	ms := n.shown(n.registry.Named(name))
	if project != "" {
		ms = slices.DeleteFunc(ms, func(m registry.Model) bool { return m.Project != project })
	}
	switch len(ms) {
	case 0:
		return registry.Model{}, fed.Errorf(fed.NotFound, "Reload the list of models.", "there is no model %.200q here", id)
	case 1:
		return ms[0], nil
	}
	var ids []string
	for _, m := range ms[:min(len(ms), 5)] {
		ids = append(ids, m.ID())
	}
	return registry.Model{}, fed.Errorf(fed.Invalid, "Say which one: "+strings.Join(ids, ", "), "%d projects have a model %q", len(ms), name)
}

func (n *Node) modelView(m registry.Model) view.Model {
	p, _ := n.projects.Get(m.Project)
	v := view.Model{ID: m.ID(), Name: m.Name, ProjectID: string(m.Project), Project: p.Name, Production: m.Production, Serving: n.servings.on(m.ID()), Tutorial: n.isPractice(p), Versions: []view.ModelVersion{}}
	for _, x := range m.Versions {
		v.Versions = append(v.Versions, n.versionView(x))
	}
	return v
}

func (n *Node) versionView(v registry.Version) view.ModelVersion {
	return view.ModelVersion{
		Model: v.Model, ModelID: registry.ModelID(v.Project, v.Model), Number: v.Number, ContentID: v.ContentID, Stage: v.Stage, RunID: string(v.Manifest.Run), Round: v.Manifest.Round,
		Task: v.Manifest.Task, Family: v.Manifest.Family, Bytes: v.Bytes, Metrics: v.Manifest.Metrics, By: n.nameOf(string(v.By)),
		CreatedAt: at(v.AtMs), State: v.State, Sentence: v.Sentence,
	}
}

func (n *Node) version(id string, number int) (registry.Model, registry.Version, error) {
	m, err := n.model(id)
	if err != nil {
		return m, registry.Version{}, err
	}
	for _, v := range m.Versions {
		if v.Number == number {
			return m, v, nil
		}
	}
	return m, registry.Version{}, fed.Errorf(fed.NotFound, "Reload the model's page.", "model %q has no version %d here", m.Name, number)
}
