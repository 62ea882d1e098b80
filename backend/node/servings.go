package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/registry"
	"synergos.app/desktop/backend/service/serving"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// servings are the switches of this computer, one per model.
type servings struct {
	n   *Node
	mu  sync.Mutex
	all map[string]*deployment
}

// deployment is one switch with its saved part.
type deployment struct {
	saved  savedServing
	hash   string
	server *serving.Server
	last   error
}

type savedServing struct {
	On      bool   `json:"on"`
	Port    int    `json:"port"`
	Number  int    `json:"number"` // pinned; 0 follows production
	Hint    string `json:"hint"`
	Exposed bool   `json:"exposed"`
}

func openServings(ctx context.Context, n *Node) (*servings, error) {
	rows, err := n.db.ListServing(ctx)
	if err != nil {
		return nil, fmt.Errorf("read serving: %w", err)
	}
	s := &servings{n: n, all: map[string]*deployment{}}
	for _, r := range rows {
		d := &deployment{hash: r.TokenHash}
		if err := json.Unmarshal([]byte(r.Body), &d.saved); err != nil {
			return nil, fmt.Errorf("read serving of %s: %w", r.Model, err)
		}
		s.all[r.Model] = d
	}
	return s, nil
}

// resume switches on what was on when the app ended.
func (s *servings) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, d := range s.all {
		if d.saved.On {
			if err := s.start(s.n.ctx, name, d); err != nil {
				d.last = err
				s.n.opts.Log.Warn("serving not resumed", "model", name, "error", err.Error())
			}
		}
	}
}

func (s *servings) closeAll() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var errs []error
	for _, d := range s.all {
		if d.server != nil {
			errs = append(errs, d.server.Stop(ctx))
		}
	}
	return errors.Join(errs...)
}

func (s *servings) on(model string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.all[model]
	return d != nil && d.server != nil && d.server.Status().State == "on"
}

func (s *servings) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := 0
	for _, d := range s.all {
		k += fromBool(d.server != nil && d.server.Status().State == "on")
	}
	return k
}

// pick returns the version that a switch serves.
func (s *servings) pick(m registry.Model, number int) (registry.Version, error) {
	if number == 0 {
		if v, ok := s.n.registry.Production(m.Project, m.Name); ok {
			return v, nil
		}
		return registry.Version{}, fed.Errorf(fed.Invalid, "Move a version to production first, or choose one to serve.", "model %q has no production version", m.Name)
	}
	_, v, err := s.n.version(m.Name, number)
	if err == nil && v.Stage == "archived" {
		err = fed.Errorf(fed.Invalid, "Choose another version.", "version %d is archived", number)
	}
	return v, err
}

func (s *servings) load(ctx context.Context, name string, number int) (serving.Version, registry.Version, error) {
	m, err := s.n.model(name)
	if err != nil {
		return serving.Version{}, registry.Version{}, err
	}
	v, err := s.pick(m, number)
	if err != nil {
		return serving.Version{}, v, err
	}
	files, err := s.n.registry.Files(ctx, v.ContentID)
	return serving.Version{Number: v.Number, Stage: v.Stage, Files: files}, v, err
}

// start opens the listener of a switch; the caller holds the lock.
func (s *servings) start(ctx context.Context, name string, d *deployment) error {
	v, reg, err := s.load(ctx, name, d.saved.Number)
	if err != nil {
		return err
	}
	srv, err := serving.New(serving.Config{
		Model: name, Port: d.saved.Port, TokenHash: d.hash, Product: s.n.opts.Version, Decode: s.n.decodePipeline(s.n.ownScaler(reg.Project)), Now: s.n.opts.Now,
	})
	if err != nil {
		return err
	}
	if err := srv.Start(ctx, v); err != nil {
		return err
	}
	d.server, d.last = srv, nil
	d.saved.Port = srv.Status().Port
	return nil
}

func (s *servings) save(ctx context.Context, name string, d *deployment) error {
	err := s.n.db.PutServing(ctx, query.PutServingParams{Model: name, Body: toJSON(d.saved), TokenHash: d.hash})
	if err != nil {
		return fmt.Errorf("save serving: %w", err)
	}
	return nil
}

// follow switches deployments that follow production to its new version.
func (s *servings) follow(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, d := range s.all {
		if d.server == nil || d.saved.Number != 0 {
			continue
		}
		v, reg, err := s.load(ctx, name, 0)
		if err == nil && reg.ContentID != d.server.Status().ContentID {
			err = d.server.Switch(ctx, v)
		}
		if err != nil {
			s.n.opts.Log.Warn("serving did not follow production", "model", name, "error", err.Error())
		}
		s.n.publish("serving", name, nil)
	}
}

// SwitchServing turns serving of a model on or off.
func (n *Node) SwitchServing(ctx context.Context, model string, sw view.ServingSwitch) (view.Serving, error) {
	if sw.Expose {
		return view.Serving{}, fed.Errorf(fed.Invalid, "Serve on this computer only, and reach it from others through an SSH tunnel.", "serving to other computers needs a certificate, which this version cannot manage yet")
	}
	if _, err := n.model(model); err != nil {
		return view.Serving{}, err
	}
	s := n.servings
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.all[model]
	if d == nil {
		d = &deployment{}
		s.all[model] = d
	}
	token, err := s.flip(ctx, model, d, sw)
	n.then(func(ctx context.Context) {
		n.publish("serving", model, nil)
		n.statusChanged()
	})
	if err != nil {
		d.last = err
		return view.Serving{}, err
	}
	v := n.servingView(ctx, model, d)
	v.Token = token
	return v, nil
}

// flip changes a switch and saves it; it returns the token when one was made.
func (s *servings) flip(ctx context.Context, model string, d *deployment, sw view.ServingSwitch) (token string, err error) {
	if d.server != nil {
		if err := d.server.Stop(ctx); err != nil {
			return "", err
		}
		d.server = nil
	}
	d.saved.On, d.saved.Number, d.last = sw.On, sw.Number, nil
	if sw.Port != 0 {
		d.saved.Port = sw.Port
	}
	if !sw.On {
		return "", s.save(ctx, model, d)
	}
	if d.hash == "" {
		if token, d.hash, d.saved.Hint, err = serving.NewToken(nil); err != nil {
			return "", err
		}
	}
	err = s.start(ctx, model, d)
	var taken *serving.PortError
	if errors.As(err, &taken) && sw.Port == 0 { // nobody asked for that port: take the free one
		d.saved.Port = taken.Free
		err = s.start(ctx, model, d)
	}
	if err != nil {
		d.saved.On = false
		if token != "" { // nobody has seen it, so the next attempt makes another
			d.hash, d.saved.Hint = "", ""
		}
		return "", errors.Join(err, s.save(ctx, model, d))
	}
	return token, s.save(ctx, model, d)
}

// NewServingToken replaces the token; the old one is refused at once.
func (n *Node) NewServingToken(ctx context.Context, model string) (view.Serving, error) {
	s := n.servings
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.all[model]
	if d == nil {
		return view.Serving{}, fed.Errorf(fed.NotFound, "Switch serving on first.", "model %q is not served here", model)
	}
	token, hash, hint, err := serving.NewToken(nil)
	if err != nil {
		return view.Serving{}, err
	}
	d.hash, d.saved.Hint = hash, hint
	if d.server != nil {
		if err := d.server.SetTokenHash(hash); err != nil {
			return view.Serving{}, err
		}
	}
	if err := s.save(ctx, model, d); err != nil {
		return view.Serving{}, err
	}
	v := n.servingView(ctx, model, d)
	v.Token = token
	return v, nil
}

// ServingList returns the switch of every model.
func (n *Node) ServingList(ctx context.Context) ([]view.Serving, error) {
	n.servings.mu.Lock()
	defer n.servings.mu.Unlock()
	out := []view.Serving{}
	for _, m := range n.shownModels() {
		d := n.servings.all[m.Name]
		if d == nil {
			d = &deployment{}
		}
		out = append(out, n.servingView(ctx, m.Name, d))
	}
	slices.SortFunc(out, func(a, b view.Serving) int { return cmp.Compare(a.Model, b.Model) })
	return out, nil
}

// Serving returns one switch.
func (n *Node) Serving(ctx context.Context, model string) (view.Serving, error) {
	if _, err := n.model(model); err != nil {
		return view.Serving{}, err
	}
	n.servings.mu.Lock()
	defer n.servings.mu.Unlock()
	d := n.servings.all[model]
	if d == nil {
		d = &deployment{}
	}
	return n.servingView(ctx, model, d), nil
}

func (n *Node) servingView(ctx context.Context, model string, d *deployment) view.Serving {
	v := view.Serving{
		Model: model, State: "off", Follow: d.saved.Number == 0, Number: d.saved.Number, Port: d.saved.Port, TokenHint: d.saved.Hint,
		Problem: problem(d.last), Inputs: []view.InputField{}, Classes: []string{}, P50Ms: nan, P95Ms: nan, Recent: []view.RequestLog{}, Available: []view.ModelVersion{},
	}
	if d.last != nil {
		v.State = "error"
	}
	m, err := n.model(model)
	if err != nil {
		return v
	}
	for _, x := range m.Versions {
		if x.State == "ready" && x.Stage != "archived" && x.Number > 0 {
			v.Available = append(v.Available, n.versionView(x))
		}
	}
	if d.server == nil {
		n.fieldsFor(ctx, &v, m, d.saved.Number)
		return v
	}
	st := d.server.Status()
	v.State, v.Number, v.Stage, v.ContentID, v.Address, v.Port = st.State, st.Number, st.Stage, st.ContentID, st.Address, st.Port
	if st.Problem != nil {
		v.Problem = problem(st.Problem)
	}
	v.Requests, v.Failures, v.Rows, v.P50Ms, v.P95Ms, v.Bytes = st.Requests, st.Failures, st.Rows, st.P50Ms, st.P95Ms, int64(st.Info.Bytes)
	v.Curl, v.Python = serving.Snippets(st)
	v.Classes = append(v.Classes, st.Info.Classes...)
	for _, f := range st.Info.Fields {
		v.Inputs = append(v.Inputs, inputView(f.Name, f.Kind, f.Values, f.Low, f.High, f.Typical, f.Required, f.Unit))
	}
	for _, r := range st.Recent[:min(len(st.Recent), 50)] {
		v.Recent = append(v.Recent, view.RequestLog{At: r.At.UTC(), ID: r.ID, Path: r.Path, Rows: r.Rows, Status: r.Status, Ms: fed.Number(r.Ms)})
	}
	return v
}

// fieldsFor shows the form of what would be served.
func (n *Node) fieldsFor(ctx context.Context, v *view.Serving, m registry.Model, number int) {
	x, err := n.servings.pick(m, number)
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

// predictor returns the served version, or loads the one that would be served.
func (n *Node) predictor(ctx context.Context, model string) (*serving.Predictor, int, error) {
	s := n.servings
	s.mu.Lock()
	d := s.all[model]
	s.mu.Unlock()
	number := 0
	if d != nil {
		if d.server != nil {
			if p := d.server.Predictor(); p != nil {
				return p, d.server.Status().Number, nil
			}
		}
		number = d.saved.Number
	}
	v, reg, err := s.load(ctx, model, number)
	if err != nil {
		return nil, 0, err
	}
	p, err := serving.Load(v.Files, n.decodePipeline(n.ownScaler(reg.Project)))
	return p, v.Number, err
}

// TryPrediction answers the form on the Serving page, served or not.
func (n *Node) TryPrediction(ctx context.Context, model string, rows []map[string]any) (view.Prediction, error) {
	p, number, err := n.predictor(ctx, model)
	if err != nil {
		return view.Prediction{}, err
	}
	res, err := p.Predict(ctx, rows, serving.Reject)
	if err != nil {
		return view.Prediction{}, err
	}
	info := p.Info()
	out := view.Prediction{Model: model, Version: number, Rows: []view.PredictedRow{}}
	for _, r := range res {
		v := view.PredictedRow{Label: r.Label, Value: fed.Number(r.Value), Probability: map[string]fed.Number{}, Threshold: fed.Number(info.Threshold), Warnings: r.Warnings}
		for i, c := range info.Classes {
			if i < len(r.Probability) {
				v.Probability[c] = fed.Number(r.Probability[i])
			}
		}
		out.Rows = append(out.Rows, v)
	}
	if m, err := n.model(model); err == nil && n.practice(m.Project) && n.servings.on(model) {
		n.tick(ctx, tickServed, string(m.Project), "serving", model)
	}
	return out, nil
}

// StartBatch scores a CSV file into another one.
func (n *Node) StartBatch(ctx context.Context, model, path, output string) (view.Operation, error) {
	p, number, err := n.predictor(ctx, model)
	if err != nil {
		return view.Operation{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return view.Operation{}, fed.Errorf(fed.NotFound, "Choose the file again.", "the file %s cannot be read: %w", filepath.Base(path), errors.Unwrap(err))
	}
	if output == "" {
		base := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		output = filepath.Join(n.opts.Home, "exports", fmt.Sprintf("%s-%s-%s.csv", base, model, n.opts.Now().Format("20060102-150405")))
	}
	return n.ops.start("batch", "Scoring "+filepath.Base(path), model, func(ctx context.Context, pr progress) (string, error) {
		return output, scoreFile(ctx, path, output, p, number, func(rows int64) { pr("scoring", rows, 0, "rows") })
	}), errIf(info.IsDir(), "Choose a CSV file.", "%s is a folder", filepath.Base(path))
}

func errIf(bad bool, hint, format string, args ...any) error {
	if bad {
		return fed.Errorf(fed.Invalid, hint, format, args...)
	}
	return nil
}

// scoreFile writes beside the final name first, so that no half file is left.
func scoreFile(ctx context.Context, path, output string, p *serving.Predictor, number int, report func(int64)) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := os.MkdirAll(filepath.Dir(output), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(output+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	rejected, err := os.OpenFile(rejectedName(output), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return errors.Join(err, out.Close())
	}
	_, err = serving.Batch(ctx, in, out, rejected, p, serving.BatchOptions{Number: number, Progress: report})
	err = errors.Join(err, out.Sync(), out.Close(), rejected.Close())
	if err != nil {
		return errors.Join(err, os.Remove(output+".part"))
	}
	return os.Rename(output+".part", output)
}

func rejectedName(output string) string {
	return strings.TrimSuffix(output, filepath.Ext(output)) + "-rejected.csv"
}
