package node

import (
	"cmp"
	"context"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/registry"
	"synergos.app/desktop/backend/service/serving"
)

// ServingList returns the switch of every model.
func (n *Node) ServingList(ctx context.Context) ([]view.Serving, error) {
	n.servings.mu.Lock()
	defer n.servings.mu.Unlock()
	out := []view.Serving{}
	for _, m := range n.shownModels() {
		out = append(out, n.servingView(ctx, m, n.servings.of(m.ID())))
	}
	slices.SortFunc(out, func(a, b view.Serving) int { return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// Serving returns one switch.
func (n *Node) Serving(ctx context.Context, model string) (view.Serving, error) {
	m, err := n.model(model)
	if err != nil {
		return view.Serving{}, err
	}
	n.servings.mu.Lock()
	defer n.servings.mu.Unlock()
	return n.servingView(ctx, m, n.servings.of(m.ID())), nil
}

func (n *Node) servingView(ctx context.Context, m registry.Model, d *deployment) view.Serving {
	p, _ := n.projects.Get(m.Project)
	v := view.Serving{
		ID: m.ID(), Model: m.Name, ProjectID: string(m.Project), Project: p.Name, State: "off", Follow: d.saved.Number == 0, Number: d.saved.Number, Port: d.saved.Port, TokenHint: d.saved.Hint,
		Exposed: d.saved.Exposed, Allow: append([]string{}, d.saved.Allow...), Addresses: []string{},
		Problem: problem(d.last), Inputs: []view.InputField{}, Classes: []string{}, P50Ms: nan, P95Ms: nan, Recent: []view.RequestLog{}, Available: []view.ModelVersion{},
	}
	if d.last != nil {
		v.State = "error"
	}
	for _, x := range m.Versions {
		if x.State == "ready" && x.Stage != "archived" && x.Number > 0 {
			v.Available = append(v.Available, n.versionView(x))
		}
	}
	if d.server == nil {
		var st serving.Status
		d.use.Fill(&st)
		used(&v, st)
		n.fieldsFor(ctx, &v, m, d)
		return v
	}
	st := d.server.Status()
	v.State, v.Number, v.Stage, v.ContentID, v.Address, v.Port = st.State, st.Number, st.Stage, st.ContentID, st.Address, st.Port
	if st.Problem != nil {
		v.Problem = problem(st.Problem)
	}
	used(&v, st)
	if _, offered, err := n.servings.due(m, d); err == nil {
		v.Offered = offered
	}
	if st.Exposed {
		v.Addresses = reachable(st.Port)
		if a, err := n.servings.authority(); err == nil {
			v.Fingerprint = a.Fingerprint()
		}
		if len(v.Addresses) > 0 {
			st.Address = v.Addresses[0]
		}
	}
	v.Curl, v.Python = serving.Snippets(st)
	v.Classes = append(v.Classes, st.Info.Classes...)
	for _, f := range st.Info.Fields {
		v.Inputs = append(v.Inputs, inputView(f.Name, f.Kind, f.Values, f.Low, f.High, f.Typical, f.Required, f.Unit))
	}
	return v
}

// used fills in the counters, which outlive what they count.
func used(v *view.Serving, st serving.Status) {
	v.Requests, v.Failures, v.Rows, v.P50Ms, v.P95Ms, v.Bytes = st.Requests, st.Failures, st.Rows, st.P50Ms, st.P95Ms, st.Info.Bytes
	for _, r := range st.Recent[:min(len(st.Recent), 50)] {
		v.Recent = append(v.Recent, view.RequestLog{At: r.At.UTC(), ID: r.ID, Path: r.Path, Rows: r.Rows, Status: r.Status, Ms: fed.Number(r.Ms)})
	}
}

// fieldsFor shows the form of what would be served.
func (n *Node) fieldsFor(ctx context.Context, v *view.Serving, m registry.Model, d *deployment) {
	x, _, err := n.servings.due(m, d)
	if err != nil {
		return
	}
	v.Stage, v.ContentID, v.Number = x.Stage, x.ContentID, x.Number
	sig, err := n.registry.Signature(ctx, x.ContentID)
	if err != nil {
		return
	}
	v.Classes = append(v.Classes, sig.Classes...)
	for _, f := range sig.Inputs {
		v.Inputs = append(v.Inputs, inputView(f.Name, f.Kind, f.Values, f.Low, f.High, f.Typical, f.Required, f.Unit))
	}
}
