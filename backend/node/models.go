package node

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/registry"
	"synergos.app/desktop/backend/service/serving"
)

// pipeline adapts the agreed preparation to serving.
type pipeline struct {
	enc    *dataset.RowEncoder
	fields []serving.Field
	class  []string
}

func (p pipeline) Encode(row map[string]any) ([]float32, []string, error) {
	x, notices, err := p.enc.Encode(row)
	if err != nil {
		return nil, nil, err
	}
	var warn []string
	for _, w := range notices {
		warn = append(warn, w.Text)
	}
	return x, warn, nil
}

func (p pipeline) Fields() []serving.Field { return p.fields }
func (p pipeline) Classes() []string       { return p.class }

// decodePipeline reads pipeline.json. own returns this party's scaler where the
// project scales per party; nil refuses such versions.
func (n *Node) decodePipeline(own func(*dataset.Preparation) (*dataset.Scaler, error)) serving.Decode {
	return func(raw []byte) (serving.Pipeline, error) {
		prep, err := dataset.ParsePreparation(raw)
		if err != nil {
			return nil, err
		}
		var sc *dataset.Scaler
		if prep.Scaling == "per_party" {
			if own == nil {
				return nil, fed.Errorf(fed.Unavailable, "Serve it from the model's page.", "this version scales with each party's own figures")
			}
			if sc, err = own(prep); err != nil {
				return nil, err
			}
		}
		enc, err := prep.Encoder(sc)
		if err != nil {
			return nil, err
		}
		p := pipeline{enc: enc, class: prep.Classes}
		for _, f := range fieldsOf(prep) {
			p.fields = append(p.fields, serving.Field{Name: f.Name, Kind: f.Kind, Values: f.Values, Low: f.Low, High: f.High, Typical: f.Typical})
		}
		return p, nil
	}
}

// fieldsOf lists the raw columns that a prediction takes.
func fieldsOf(prep *dataset.Preparation) []registry.Field {
	out := []registry.Field{}
	for _, c := range prep.Columns {
		f := registry.Field{Name: c.Name, Kind: "number", Type: string(c.Type), Low: c.Low, High: c.High}
		if c.Type == dataset.Category {
			f.Kind, f.Values, f.Typical = "category", c.Categories, c.FillCategory
		} else if c.Fill.Finite() {
			f.Typical = strconv.FormatFloat(float64(c.Fill), 'g', 4, 64)
		}
		out = append(out, f)
	}
	return out
}

// ownScaler fits this party's scaler from its training rows in a project.
func (n *Node) ownScaler(id fed.ProjectID) func(*dataset.Preparation) (*dataset.Scaler, error) {
	return func(prep *dataset.Preparation) (*dataset.Scaler, error) {
		p, err := n.project(string(id))
		if err != nil {
			return nil, err
		}
		t, err := n.aligns.table(n.ctx, p)
		if err != nil {
			return nil, err
		}
		local := dataset.Local{}
		name := n.aligns.myName(p)
		if p.Alignment != nil {
			local.Rename = p.Alignment.Renames[name]
		}
		rows, err := dataset.Split(t, prep, p.Config, name, local)
		if err != nil {
			return nil, err
		}
		return prep.FitLocal(t, rows.Train, local)
	}
}

// RegisterModel makes an immutable version of a finished run's result.
func (n *Node) RegisterModel(ctx context.Context, runID, name string) (view.ModelVersion, error) {
	r, ok := n.tracker.Run(fed.RunID(runID))
	if !ok || r.End == nil || r.End.State != "finished" {
		return view.ModelVersion{}, fed.Errorf(fed.Invalid, "Wait until the run has finished.", "only a finished run has a result to register")
	}
	if err := n.unmixedName(name, r.Project); err != nil {
		return view.ModelVersion{}, err
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
	p, _ := n.projects.Get(r.Project)
	in := registry.BuildInput{
		Model: name, Run: r.Run, End: *r.End, CreatedMs: r.EndedMs, Params: params, Pipeline: doc.Preparation, Features: prep.Inputs(),
		Fields: fieldsOf(prep), Classes: prep.Classes, Metrics: n.metricsFile(r), Contribution: map[string]fed.Number{},
		Privacy: "no differential privacy; updates visible to the coordinator and the scorers",
		Card:    registry.CardInput{Title: p.Name, IntendedUse: p.Purpose, Contact: n.nameOf(string(p.Admin))},
		Score:   serving.Score(n.decodePipeline(nil)),
	}
	if prep.Scaling == "per_party" {
		in.Score = nil
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

func (n *Node) metricsFile(r experiment.Run) registry.MetricsFile {
	var d view.RunDetail
	d.ClientMean, d.Pooled.Test = view.MetricSet{}, view.MetricSet{}
	n.results(&d, r)
	out := registry.MetricsFile{Pooled: d.Pooled.Test, Macro: d.ClientMean, Worst: fed.Metrics{}}
	for _, p := range d.Results {
		x := registry.PartyMetrics{Party: fed.PartyID(p.PartyID), Name: p.Party, Train: p.TrainExamples, Test: p.TestExamples, Metrics: p.Test}
		if len(p.Alone) > 0 {
			alone := p.Alone
			x.Alone = &alone
		}
		out.Parties = append(out.Parties, x)
		for k, v := range p.Test {
			if w, ok := out.Worst[k]; !ok || (v < w) == higherIsBetter(k) {
				out.Worst[k] = v
			}
		}
	}
	return out
}

func higherIsBetter(metric string) bool {
	return !slices.Contains([]string{"logLoss", "brier", "mse", "mae", "rmse"}, metric)
}

// appendPending appends what this party owes as the admin of projects.
func (n *Node) appendPending(ctx context.Context) {
	if err := n.appendPendingNow(ctx); err != nil {
		n.opts.Log.Error("registry record not written", "error", err.Error())
	}
}

func (n *Node) appendPendingNow(ctx context.Context) error {
	n.pendingMu.Lock()
	defer n.pendingMu.Unlock()
	for {
		acts := n.registry.Pending(n.me())
		if len(acts) == 0 {
			return nil
		}
		for _, a := range acts {
			if _, err := n.book.Append(ctx, a.Scope, a.Kind, a.Subject, a.Body); err != nil {
				return err
			}
		}
	}
}

// registryFollow is what a new registry document leads to.
func (n *Node) registryFollow(ctx context.Context, d fed.Doc) {
	n.appendPending(ctx)
	if d.Kind == fed.DocVersion {
		n.fetchVersion(ctx, d.Subject)
	}
	for _, q := range n.registry.Waiting(n.me()) {
		n.inbox.ask(ctx, view.InboxEntry{
			ID: "stage-" + q.ID, Kind: "stage", Subject: q.ID, From: n.nameOf(string(q.By)), Href: "/models/" + q.Model,
			Title: fmt.Sprintf("Move %s version %d to %s?", q.Model, q.Number, q.To), Text: q.Reason,
		})
	}
	if d.Kind == fed.DocStageDone {
		n.servings.follow(ctx)
	}
	n.publish("model", d.Subject, nil)
	n.publish("stage", d.Subject, nil)
	n.statusChanged()
}

// fetchVersion gets the files of a version that are not here from those who
// signed it.
func (n *Node) fetchVersion(ctx context.Context, contentID string) {
	refs, holders := n.registry.Missing(contentID)
	for _, ref := range refs {
		for _, h := range holders {
			if h == n.me() || !n.peers.isOnline(h) {
				continue
			}
			fctx, cancel := context.WithTimeout(ctx, time.Minute)
			err := n.fetch(fctx, h, ref)
			cancel()
			if err == nil {
				break
			}
			n.opts.Log.Info("file of a version not fetched", "error", err.Error())
		}
	}
}

// fetchMissing tries again for all versions.
func (n *Node) fetchMissing(ctx context.Context) {
	for _, m := range n.registry.Models() {
		for _, v := range m.Versions {
			if refs, _ := n.registry.Missing(v.ContentID); len(refs) > 0 {
				n.fetchVersion(ctx, v.ContentID)
				n.publish("model", v.ContentID, nil)
			}
		}
	}
}

// versionOf returns "model@number" of a run that was registered.
func (n *Node) versionOf(id fed.RunID) string {
	for _, m := range n.registry.Models() {
		for _, v := range m.Versions {
			if v.Manifest.Run == id {
				return fmt.Sprintf("%s@%d", v.Model, v.Number)
			}
		}
	}
	return ""
}

// Models returns all models.
func (n *Node) Models(context.Context) ([]view.Model, error) {
	out := []view.Model{}
	for _, m := range n.shownModels() {
		out = append(out, n.modelView(m))
	}
	return out, nil
}

// Model returns one by name.
func (n *Node) Model(_ context.Context, name string) (view.Model, error) {
	m, err := n.model(name)
	if err != nil {
		return view.Model{}, err
	}
	return n.modelView(m), nil
}

func (n *Node) model(name string) (registry.Model, error) {
	ms := n.shown(n.registry.Named(name))
	if len(ms) == 0 {
		return registry.Model{}, fed.Errorf(fed.NotFound, "Reload the list of models.", "there is no model %q here", name)
	}
	return ms[len(ms)-1], nil
}

func (n *Node) modelView(m registry.Model) view.Model {
	p, _ := n.projects.Get(m.Project)
	v := view.Model{Name: m.Name, ProjectID: string(m.Project), Project: p.Name, Production: m.Production, Serving: n.servings.on(m.Name), Tutorial: n.isPractice(p), Versions: []view.ModelVersion{}}
	for _, x := range m.Versions {
		v.Versions = append(v.Versions, n.versionView(x))
	}
	return v
}

func (n *Node) versionView(v registry.Version) view.ModelVersion {
	return view.ModelVersion{
		Model: v.Model, Number: v.Number, ContentID: v.ContentID, Stage: v.Stage, RunID: string(v.Manifest.Run), Round: v.Manifest.Round,
		Task: v.Manifest.Task, Family: v.Manifest.Family, Bytes: v.Bytes, Metrics: v.Manifest.Metrics, By: n.nameOf(string(v.By)),
		CreatedAt: at(v.AtMs), State: v.State, Sentence: v.Sentence,
	}
}

func (n *Node) version(name string, number int) (registry.Model, registry.Version, error) {
	m, err := n.model(name)
	if err != nil {
		return m, registry.Version{}, err
	}
	for _, v := range m.Versions {
		if v.Number == number {
			return m, v, nil
		}
	}
	return m, registry.Version{}, fed.Errorf(fed.NotFound, "Reload the model's page.", "model %q has no version %d here", name, number)
}

// Version returns the page of one version.
func (n *Node) Version(ctx context.Context, name string, number int) (view.VersionDetail, error) {
	m, x, err := n.version(name, number)
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
		view.LineageItem{Kind: "run", ID: string(l.Run), Title: "Run " + string(l.Run[:8]), Text: fmt.Sprintf("%d rounds of %s, seed %s", l.Rounds, l.Strategy, l.Seed), Href: "/runs/" + string(l.Run)},
		view.LineageItem{Kind: "checkpoint", ID: string(l.Params), Title: fmt.Sprintf("Params after round %d", l.Round), Text: l.Params.Short(), Href: "/runs/" + string(l.Run)},
		view.LineageItem{Kind: "version", ID: v.ContentID, Title: fmt.Sprintf("%s version %d", v.Model, v.Number), Text: v.Stage, Href: fmt.Sprintf("/models/%s/%d", v.Model, v.Number)},
	)
	if n.servings.on(v.Model) {
		out = append(out, view.LineageItem{Kind: "deployment", ID: v.Model, Title: "Served on this computer", Href: "/serving/" + v.Model})
	}
	return out
}

func (n *Node) transitionView(t registry.Transition) view.Transition {
	v := view.Transition{At: at(t.AtMs), From: t.From, To: t.To, By: n.nameOf(string(t.By)), Reason: t.Reason, Votes: n.votes(t.Votes), Hash: string(t.Hash)}
	if t.State != "" {
		v.Reason += " (" + t.State + ": " + t.Problem + ")"
	}
	return v
}

func (n *Node) votes(vs []registry.Vote) []view.Vote {
	out := []view.Vote{}
	for _, x := range vs {
		out = append(out, view.Vote{Party: n.nameOf(string(x.Party)), Yes: x.Yes, Reason: x.Reason, At: at(x.AtMs)})
	}
	return out
}

func (n *Node) requestView(q registry.StageRequest) view.StageRequest {
	v := view.StageRequest{
		ID: q.ID, Model: q.Model, Number: q.Number, ContentID: q.ContentID, From: q.From, To: q.To, Reason: q.Reason, By: n.nameOf(string(q.By)),
		At: at(q.AtMs), Expires: at(q.ExpiresMs), State: q.State, Votes: n.votes(q.Votes), Needed: q.Needed, Voters: []string{}, MyVote: q.VoteOf(n.me()), Sentence: q.Sentence,
	}
	for _, p := range q.Voters {
		v.Voters = append(v.Voters, n.nameOf(string(p)))
	}
	return v
}

// StageRequests returns the requests of all models, newest first.
func (n *Node) StageRequests(context.Context) ([]view.StageRequest, error) {
	out := []view.StageRequest{}
	for _, m := range n.shownModels() {
		for _, q := range n.registry.Requests(m.Project, m.Name) {
			out = append(out, n.requestView(q))
		}
	}
	slices.SortStableFunc(out, func(a, b view.StageRequest) int { return b.At.Compare(a.At) })
	return out, nil
}

// RequestStage proposes a stage for a version.
func (n *Node) RequestStage(ctx context.Context, name string, number int, to, reason string) (view.StageRequest, error) {
	_, v, err := n.version(name, number)
	if err != nil {
		return view.StageRequest{}, err
	}
	q, err := n.registry.Ask(ctx, v.ContentID, to, reason)
	if err != nil {
		return view.StageRequest{}, err
	}
	if err := n.appendPendingNow(ctx); err != nil {
		return view.StageRequest{}, err
	}
	return n.stageRequest(q.ID)
}

func (n *Node) stageRequest(id string) (view.StageRequest, error) {
	q, ok := n.registry.Request(id)
	if !ok {
		return view.StageRequest{}, fed.Errorf(fed.NotFound, "Reload the model's page.", "there is no such request here")
	}
	return n.requestView(q), nil
}

// VoteStage answers a request.
func (n *Node) VoteStage(ctx context.Context, id string, yes bool, reason string) (view.StageRequest, error) {
	if err := n.registry.Vote(ctx, id, yes, reason); err != nil {
		return view.StageRequest{}, err
	}
	n.inbox.answered(ctx, "stage", id)
	if err := n.appendPendingNow(ctx); err != nil {
		return view.StageRequest{}, err
	}
	return n.stageRequest(id)
}

// WithdrawStage takes this party's own request back.
func (n *Node) WithdrawStage(ctx context.Context, id string) (view.StageRequest, error) {
	if err := n.registry.Withdraw(ctx, id, "withdrawn"); err != nil {
		return view.StageRequest{}, err
	}
	return n.stageRequest(id)
}

// ExportVersion returns the folder of a version as a zip file.
func (n *Node) ExportVersion(ctx context.Context, name string, number int) ([]byte, error) {
	_, v, err := n.version(name, number)
	if err != nil {
		return nil, err
	}
	files, err := n.registry.Files(ctx, v.ContentID)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(path)
		if err == nil {
			_, err = w.Write(files[path])
		}
		if err != nil {
			return nil, fmt.Errorf("write zip: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("write zip: %w", err)
	}
	return buf.Bytes(), nil
}
