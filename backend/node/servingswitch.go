package node

import (
	"context"
	"errors"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/registry"
	"synergos.app/desktop/backend/service/serving"
)

// SwitchServing turns serving of a model on or off, or changes how it is served. What
// cannot be done leaves a model that is served as it was.
func (n *Node) SwitchServing(ctx context.Context, model string, sw view.ServingSwitch) (view.Serving, error) {
	m, err := n.model(model)
	if err != nil {
		return view.Serving{}, err
	}
	if _, err := parseAllow(sw.Allow); err != nil {
		return view.Serving{}, err
	}
	s := n.servings
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.of(m.ID())
	s.all[m.ID()] = d
	token, err := s.flip(ctx, m, d, sw)
	d.last = nil
	if d.server == nil {
		d.last = err
	}
	n.then(func(ctx context.Context) {
		n.servings.follow(ctx)
		n.publish("serving", m.ID(), nil)
		n.statusChanged()
	})
	if err != nil {
		return view.Serving{}, err
	}
	v := n.servingView(ctx, m, d)
	v.Token = token
	return v, nil
}

// flip changes a switch and saves it; it returns the token when one was made.
func (s *servings) flip(ctx context.Context, m registry.Model, d *deployment, sw view.ServingSwitch) (token string, err error) {
	was, served := d.saved, d.server != nil
	next := was
	next.On, next.Number, next.Exposed, next.Allow = sw.On, sw.Number, sw.Expose, sw.Allow
	if sw.Port != 0 {
		next.Port = sw.Port
	}
	if sw.Number == 0 && (sw.Accept || !was.On || was.Number != 0) {
		next.Serves = "" // who switches it on agrees to what is in production now
	}
	d.saved = next
	if !sw.On {
		return "", errors.Join(s.stop(ctx, d), s.save(ctx, m.ID(), d))
	}
	if served && next.Port == was.Port && next.Exposed == was.Exposed && slices.Equal(next.Allow, was.Allow) {
		if err := s.change(ctx, m, d); err != nil {
			d.saved = was
			return "", err
		}
		return "", s.save(ctx, m.ID(), d)
	}
	if err := s.stop(ctx, d); err != nil {
		return "", err
	}
	if d.hash == "" {
		if token, d.hash, d.saved.Hint, err = serving.NewToken(nil); err != nil {
			return "", err
		}
	}
	err = s.start(ctx, m, d)
	var taken *serving.PortError
	if errors.As(err, &taken) && sw.Port == 0 { // nobody asked for that port: take the free one
		d.saved.Port = taken.Free
		err = s.start(ctx, m, d)
	}
	if err == nil {
		return token, s.save(ctx, m.ID(), d)
	}
	d.saved = was
	if token != "" { // nobody has seen it, so the next attempt makes another
		d.hash = ""
	}
	if served {
		return "", errors.Join(err, s.start(ctx, m, d))
	}
	d.saved.On = false
	return "", errors.Join(err, s.save(ctx, m.ID(), d))
}

// NewServingToken replaces the token; the old one is refused at once.
func (n *Node) NewServingToken(ctx context.Context, model string) (view.Serving, error) {
	m, err := n.model(model)
	if err != nil {
		return view.Serving{}, err
	}
	s := n.servings
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.all[m.ID()]
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
	if err := s.save(ctx, m.ID(), d); err != nil {
		return view.Serving{}, err
	}
	v := n.servingView(ctx, m, d)
	v.Token = token
	return v, nil
}
