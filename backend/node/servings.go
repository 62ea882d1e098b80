package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/service/registry"
	"synergos.app/desktop/backend/service/serving"
	"synergos.app/desktop/backend/storage/datafile"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// servings are the switches of this computer, by the id of the model.
type servings struct {
	n   *Node
	mu  sync.Mutex
	all map[string]*deployment

	certify   sync.Mutex
	certified *identity.Authority // nil: nothing was opened to other computers yet

	tried lately // what was loaded for the form or a file while nothing is served
}

// deployment is one switch with its saved part.
type deployment struct {
	saved  savedServing
	hash   string
	server *serving.Server // nil: off, or it could not be started
	use    *serving.Stats  // of all servers that the switch has had
	kept   string          // use as it is saved
	last   error           // why it does not do what it should
	told   string          // the same, as the inbox has it
}

type savedServing struct {
	On      bool     `json:"on"`
	Port    int      `json:"port"`
	Number  int      `json:"number"`           // pinned; 0 follows production
	Serves  string   `json:"serves,omitempty"` // content id of what it answers with, which this party agreed to
	Hint    string   `json:"hint"`
	Exposed bool     `json:"exposed"`         // to other computers
	Allow   []string `json:"allow,omitempty"` // who of them; none: all
}

func openServings(ctx context.Context, n *Node) (*servings, error) {
	s := &servings{n: n, all: map[string]*deployment{}}
	rows, err := n.db.ListServing(ctx)
	if err != nil {
		return nil, fmt.Errorf("read serving: %w", err)
	}
	for _, r := range rows {
		d := s.of(r.Model)
		d.hash = r.TokenHash
		if err := json.Unmarshal([]byte(r.Body), &d.saved); err != nil {
			return nil, fmt.Errorf("read serving of %s: %w", r.Model, err)
		}
		s.all[r.Model] = d
	}
	use, err := n.db.ListServingUse(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the use of models: %w", err)
	}
	for _, r := range use {
		d := s.all[r.Model]
		if d == nil {
			continue
		}
		restored, err := serving.RestoreStats([]byte(r.Body))
		if err != nil {
			n.opts.Log.Warn("use of a model not read", "model", r.Model, "error", err.Error())
			continue
		}
		d.use, d.kept = restored, r.Body
	}
	return s, nil
}

// of returns the switch of a model, a new one when it was never touched, which the
// caller keeps if it is to last.
func (s *servings) of(model string) *deployment {
	if d := s.all[model]; d != nil {
		return d
	}
	return &deployment{use: serving.NewStats()}
}

func (s *servings) closeAll() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var errs []error
	for model, d := range s.all {
		if d.server != nil {
			errs = append(errs, d.server.Stop(ctx))
		}
		errs = append(errs, s.keepUse(ctx, model, d))
	}
	return errors.Join(errs...)
}

// keepUse saves the counters of a switch if they have changed.
func (s *servings) keepUse(ctx context.Context, model string, d *deployment) error {
	raw, err := d.use.Save()
	if err != nil || string(raw) == d.kept {
		return err
	}
	if err := s.n.db.PutServingUse(ctx, query.PutServingUseParams{Model: model, Body: string(raw)}); err != nil {
		return fmt.Errorf("save the use of a model: %w", err)
	}
	d.kept = string(raw)
	return nil
}

func (s *servings) on(model string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[model].answers()
}

func (s *servings) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := 0
	for _, d := range s.all {
		k += fromBool(d.answers())
	}
	return k
}

func (d *deployment) answers() bool {
	return d != nil && d.server != nil && d.server.Status().State == serving.StateOn
}

// due is the version that a switch has to serve. One that follows production goes
// on with what this party agreed to when the parties have decided on another without
// its yes; that one's number is offered then.
func (s *servings) due(m registry.Model, d *deployment) (v registry.Version, offered int, err error) {
	if d.saved.Number != 0 {
		_, v, err = s.n.version(m.ID(), d.saved.Number)
		if err == nil && v.Stage == registry.StageArchived {
			err = fed.Errorf(fed.Invalid, "Choose another version.", "version %d of %q is archived", v.Number, m.Name)
		}
		return v, 0, err
	}
	production, ok := s.n.registry.Production(m.Project, m.Name)
	if !ok {
		return v, 0, fed.Errorf(fed.Invalid, "Move a version to production first, or choose one to serve.", "model %q has no production version", m.Name)
	}
	old := slices.IndexFunc(m.Versions, func(v registry.Version) bool { return v.ContentID == d.saved.Serves })
	if old < 0 || m.Versions[old].ContentID == production.ContentID || s.n.agreed(m, production) {
		return production, 0, nil
	}
	return m.Versions[old], production.Number, nil
}

// agreed reports whether this party proposed that a version goes to production, or
// said yes to it.
func (n *Node) agreed(m registry.Model, v registry.Version) bool {
	for _, t := range slices.Backward(n.registry.History(m.Project, m.Name)) {
		if t.State != "" || t.ContentID != v.ContentID || t.To != registry.StageProduction {
			continue
		}
		q, ok := n.registry.Request(t.Request)
		return t.By == n.me() || ok && q.VoteOf(n.me()) == "yes"
	}
	return false
}

// load reads a version of a model.
func (s *servings) load(ctx context.Context, v registry.Version) (serving.Version, error) {
	files, err := s.n.registry.Files(ctx, v.ContentID)
	return serving.Version{Number: v.Number, Stage: v.Stage, Files: files}, err
}

// start opens the listener of a switch; the caller holds the lock.
func (s *servings) start(ctx context.Context, m registry.Model, d *deployment) error {
	reg, _, err := s.due(m, d)
	if err != nil {
		return err
	}
	v, err := s.load(ctx, reg)
	if err != nil {
		return err
	}
	cfg := serving.Config{
		Model: m.Name, Project: m.Project, Port: d.saved.Port, TokenHash: d.hash, Product: s.n.opts.Version, Stats: d.use,
		Decode: s.n.decodePipeline, Open: openSent, Now: s.n.opts.Now,
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
	d.server = srv
	d.saved.Port, d.saved.Serves = srv.Status().Port, reg.ContentID
	return nil
}

// openSent reads rows that a request brings in CSV.
func openSent(ctx context.Context, in io.Reader) (serving.Table, error) {
	return datafile.OpenRows(ctx, in, "the body", 0, datafile.Options{MaxBytes: serving.DefaultLimits().Body})
}

// change puts the version that is due in the place of the served one, while the
// listener goes on; the caller holds the lock.
func (s *servings) change(ctx context.Context, m registry.Model, d *deployment) error {
	reg, _, err := s.due(m, d)
	if err != nil {
		return err
	}
	if reg.ContentID == d.server.Status().ContentID {
		d.server.Relabel(reg.Stage)
		return nil
	}
	v, err := s.load(ctx, reg)
	if err == nil {
		err = d.server.Switch(ctx, v)
	}
	if err == nil {
		d.saved.Serves = reg.ContentID
	}
	return err
}

// stop closes the listener of a switch; the caller holds the lock.
func (s *servings) stop(ctx context.Context, d *deployment) error {
	if d.server == nil {
		return nil
	}
	err := d.server.Stop(ctx)
	d.server = nil
	return err
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

// forget switches a model off and drops its port, token and counters.
func (s *servings) forget(ctx context.Context, model string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.all[model]
	if d == nil {
		return nil
	}
	if err := s.stop(ctx, d); err != nil {
		return fmt.Errorf("stop serving %s: %w", model, err)
	}
	if err := s.n.db.DeleteServingUse(ctx, model); err != nil {
		return fmt.Errorf("forget the use of %s: %w", model, err)
	}
	*d = deployment{use: serving.NewStats()}
	return s.save(ctx, model, d)
}
