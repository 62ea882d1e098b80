package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/registry"
	"synergos.app/desktop/backend/service/serving"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// servings are the switches of this computer, by the id of the model.
type servings struct {
	n   *Node
	mu  sync.Mutex
	all map[string]*deployment

	certify   sync.Mutex
	certified *identity.Authority // nil: nothing was opened to other computers yet
}

// deployment is one switch with its saved part.
type deployment struct {
	saved  savedServing
	hash   string
	server *serving.Server
	last   error
}

type savedServing struct {
	On      bool     `json:"on"`
	Port    int      `json:"port"`
	Number  int      `json:"number"` // pinned; 0 follows production
	Hint    string   `json:"hint"`
	Exposed bool     `json:"exposed"`         // to other computers
	Allow   []string `json:"allow,omitempty"` // who of them; none: all
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
	_, v, err := s.n.version(m.ID(), number)
	if err == nil && v.Stage == "archived" {
		err = fed.Errorf(fed.Invalid, "Choose another version.", "version %d is archived", number)
	}
	return v, err
}

func (s *servings) load(ctx context.Context, model string, number int) (serving.Version, registry.Version, error) {
	m, err := s.n.model(model)
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
func (s *servings) start(ctx context.Context, model string, d *deployment) error {
	v, reg, err := s.load(ctx, model, d.saved.Number)
	if err != nil {
		return err
	}
	cfg := serving.Config{
		Model: reg.Model, Project: reg.Project, Port: d.saved.Port, TokenHash: d.hash, Product: s.n.opts.Version, Decode: s.n.decodePipeline, Now: s.n.opts.Now,
	}
	if d.saved.Exposed {
		if err := s.expose(&cfg, d.saved); err != nil {
			return err
		}
	}
	srv, err := serving.New(cfg)
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

func (s *servings) save(ctx context.Context, model string, d *deployment) error {
	body, err := stored(d.saved)
	if err == nil {
		err = s.n.db.PutServing(ctx, query.PutServingParams{Model: model, Body: body, TokenHash: d.hash})
	}
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
	m, err := n.model(model)
	if err != nil {
		return view.Serving{}, err
	}
	model = m.ID()
	if _, err := parseAllow(sw.Allow); err != nil {
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
	v := n.servingView(ctx, m, d)
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
	d.saved.On, d.saved.Number, d.saved.Exposed, d.saved.Allow, d.last = sw.On, sw.Number, sw.Expose, sw.Allow, nil
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
	m, err := n.model(model)
	if err != nil {
		return view.Serving{}, err
	}
	model = m.ID()
	s := n.servings
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.all[model]
	if d == nil {
		return view.Serving{}, fed.Errorf(fed.NotFound, "Switch serving on first.", "model %q is not served here", m.Name)
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
	v := n.servingView(ctx, m, d)
	v.Token = token
	return v, nil
}

// ServingList returns the switch of every model.
func (n *Node) ServingList(ctx context.Context) ([]view.Serving, error) {
	n.servings.mu.Lock()
	defer n.servings.mu.Unlock()
	out := []view.Serving{}
	for _, m := range n.shownModels() {
		d := n.servings.all[m.ID()]
		if d == nil {
			d = &deployment{}
		}
		out = append(out, n.servingView(ctx, m, d))
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
	d := n.servings.all[m.ID()]
	if d == nil {
		d = &deployment{}
	}
	return n.servingView(ctx, m, d), nil
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
		n.fieldsFor(ctx, &v, m, d.saved.Number)
		return v
	}
	st := d.server.Status()
	v.State, v.Number, v.Stage, v.ContentID, v.Address, v.Port = st.State, st.Number, st.Stage, st.ContentID, st.Address, st.Port
	if st.Problem != nil {
		v.Problem = problem(st.Problem)
	}
	v.Requests, v.Failures, v.Rows, v.P50Ms, v.P95Ms, v.Bytes = st.Requests, st.Failures, st.Rows, st.P50Ms, st.P95Ms, int64(st.Info.Bytes)
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
func (n *Node) predictor(ctx context.Context, m registry.Model) (*serving.Predictor, int, error) {
	s := n.servings
	s.mu.Lock()
	d := s.all[m.ID()]
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
	v, _, err := s.load(ctx, m.ID(), number)
	if err != nil {
		return nil, 0, err
	}
	p, err := serving.Load(v.Files, n.decodePipeline)
	return p, v.Number, err
}

// TryPrediction answers the form on the Serving page, served or not.
func (n *Node) TryPrediction(ctx context.Context, model string, rows []map[string]any) (view.Prediction, error) {
	m, err := n.model(model)
	if err != nil {
		return view.Prediction{}, err
	}
	p, number, err := n.predictor(ctx, m)
	if err != nil {
		return view.Prediction{}, err
	}
	res, err := p.Predict(ctx, rows, serving.Reject)
	if err != nil {
		return view.Prediction{}, err
	}
	info := p.Info()
	out := view.Prediction{Model: m.Name, Version: number, Rows: []view.PredictedRow{}}
	for _, r := range res {
		v := view.PredictedRow{Label: r.Label, Value: fed.Number(r.Value), Probability: map[string]fed.Number{}, Threshold: fed.Number(info.Threshold), Warnings: r.Warnings}
		for i, c := range info.Classes {
			if i < len(r.Probability) {
				v.Probability[c] = fed.Number(r.Probability[i])
			}
		}
		out.Rows = append(out.Rows, v)
	}
	if n.practice(m.Project) && n.servings.on(m.ID()) {
		n.tick(ctx, tickServed, string(m.Project), "serving", m.ID())
	}
	return out, nil
}
