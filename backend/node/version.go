package node

import (
	"context"
	"fmt"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/registry"
)

// Version returns the page of one version.
func (n *Node) Version(ctx context.Context, model string, number int) (view.VersionDetail, error) {
	m, x, err := n.version(model, number)
	if err != nil {
		return view.VersionDetail{}, err
	}
	v := view.VersionDetail{
		Version: n.versionView(x), Files: []view.VersionFile{}, Results: []view.PartyResult{}, Lineage: n.lineage(ctx, x), History: []view.Transition{},
		Requests: []view.StageRequest{}, Inputs: []view.InputField{}, Classes: []string{}, Checks: []view.Check{},
	}
	for _, f := range x.Files {
		v.Files = append(v.Files, view.VersionFile{Path: f.Path, Bytes: f.Blob.Size, Digest: string(f.Blob.Digest)})
	}
	if r, ok := n.tracker.Run(x.Manifest.Run); ok && r.End != nil {
		var d view.RunDetail
		d.ClientMean = view.MetricSet{}
		n.results(&d, r)
		v.Results = append(v.Results, d.Results...)
	}
	for _, t := range n.registry.History(m.Project, m.Name) {
		if t.ContentID == x.ContentID || t.Archived == x.ContentID {
			v.History = append(v.History, n.transitionView(t))
		}
	}
	for _, q := range n.registry.Requests(m.Project, m.Name) {
		if q.ContentID == x.ContentID && q.Open() {
			v.Requests = append(v.Requests, n.requestView(q))
		}
	}
	if sig, err := n.registry.Signature(ctx, x.ContentID); err == nil {
		v.Classes = append(v.Classes, sig.Classes...)
		for _, f := range sig.Inputs {
			v.Inputs = append(v.Inputs, inputView(f.Name, f.Kind, f.Values, f.Low, f.High, f.Typical, f.Required, f.Unit))
		}
	}
	if card, err := n.registry.Card(ctx, x.ContentID); err == nil {
		v.Card = card
	}
	for _, c := range n.registry.Verify(ctx, x.ContentID) {
		v.Checks = append(v.Checks, view.Check{Name: c.Name, OK: c.OK, Text: c.Text})
	}
	return v, nil
}

func inputView(name, kind string, values []string, low, high fed.Number, typical string, required bool, unit string) view.InputField {
	if values == nil {
		values = []string{}
	}
	return view.InputField{Name: name, Type: kind, Values: values, Low: low, High: high, Typical: typical, Required: required, Unit: unit}
}

// versionHref is the page of a version.
func versionHref(model string, number int) string {
	return fmt.Sprintf("/models/%s/%d", model, number)
}

// lineage is file -> card -> alignment -> run -> version -> deployment.
func (n *Node) lineage(ctx context.Context, v registry.Version) []view.LineageItem {
	out := []view.LineageItem{}
	l, err := n.registry.Lineage(ctx, v.ContentID)
	if err != nil {
		return out
	}
	for _, p := range l.Parties {
		item := view.LineageItem{Kind: "card", ID: p.Card, Title: p.Title, Text: p.Name + ", " + p.Rows + " rows"}
		if p.Card != "" {
			item.Href = "/catalog/" + p.Card
		}
		out = append(out, item)
	}
	out = append(out,
		view.LineageItem{Kind: "alignment", ID: string(l.Alignment), Title: "Agreed columns and scaling", Text: l.Alignment.Short(), Href: "/projects/" + string(l.Project)},
		view.LineageItem{Kind: "run", ID: string(l.Run), Title: n.runTitle(l.Run), Text: fed.Count(l.Rounds, "round") + ", " + strategyName(l.Strategy), Href: "/runs/" + string(l.Run)},
		view.LineageItem{Kind: "checkpoint", ID: string(l.Params), Title: fmt.Sprintf("The model after round %d", l.Round), Text: l.Params.Short(), Href: "/runs/" + string(l.Run)},
		view.LineageItem{Kind: "version", ID: v.ContentID, Title: fmt.Sprintf("%s, version %d", v.Model, v.Number), Text: stageName(v.Stage), Href: versionHref(registry.ModelID(v.Project, v.Model), v.Number)},
	)
	if id := registry.ModelID(v.Project, v.Model); n.servings.on(id) {
		out = append(out, view.LineageItem{Kind: "deployment", ID: id, Title: "Served on this computer", Href: "/serving/" + id})
	}
	return out
}
