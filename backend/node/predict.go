package node

import (
	"context"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/registry"
	"synergos.app/desktop/backend/service/serving"
)

// lately keeps the version that was loaded last while it was not served, so that a
// form that is filled in again and again, and a file after it, read it once.
type lately struct {
	mu      sync.Mutex
	content string
	at      time.Time
	loaded  *serving.Predictor
}

// latelyFor bounds how long it is kept: its scaling may be of rows that have changed.
const latelyFor = 10 * time.Minute

func (l *lately) get(content string, now time.Time, load func() (*serving.Predictor, error)) (*serving.Predictor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.content == content && now.Sub(l.at) < latelyFor {
		return l.loaded, nil
	}
	p, err := load()
	if err == nil {
		l.content, l.at, l.loaded = content, now, p
	}
	return p, err
}

// predictor returns the served version, or loads the one that would be served.
func (n *Node) predictor(ctx context.Context, m registry.Model) (*serving.Predictor, int, error) {
	s := n.servings
	s.mu.Lock()
	d := s.of(m.ID())
	if d.server != nil {
		if p := d.server.Predictor(); p != nil {
			defer s.mu.Unlock()
			return p, d.server.Status().Number, nil
		}
	}
	reg, _, err := s.due(m, d)
	s.mu.Unlock()
	if err != nil {
		return nil, 0, err
	}
	p, err := s.tried.get(reg.ContentID, n.opts.Now(), func() (*serving.Predictor, error) {
		v, err := s.load(ctx, reg)
		if err != nil {
			return nil, err
		}
		return serving.Load(v.Files, n.decodePipeline)
	})
	return p, reg.Number, err
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
