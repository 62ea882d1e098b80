package coordinator

import (
	"fmt"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/strategy"
	"synergos.app/desktop/backend/learning/metric"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
)

// Learning is the Learner of the product: the model families and strategies that
// a run's configuration names. Model returns the model that the run's preparation
// and configuration make.
type Learning struct {
	Model func(run fed.Run) (*model.Model, error)
}

// Init returns the params that every run of this seed starts from.
func (l Learning) Init(run fed.Run) (tensor.Params, error) {
	m, err := l.Model(run)
	if err != nil {
		return nil, err
	}
	return m.Init(fed.Rand(run.Config.Seed, 0, "", "init")), nil
}

// Check refuses sums of a peer that cannot be sums of this run.
func (l Learning) Check(run fed.Run, s fed.Sums) error {
	m, err := l.Model(run)
	if err != nil {
		return err
	}
	return metric.Valid(s, m.Classes())
}

// Admit applies the gate of package strategy, and refuses updates that are not
// for this model or come with impossible sums.
func (l Learning) Admit(run fed.Run, base tensor.Params, in []Candidate) ([]Candidate, map[string]string) {
	rejected, byName := map[string]string{}, map[string]Candidate{}
	var ups []strategy.Update
	for _, c := range in {
		if c.Update.Valid.Examples > 0 {
			if err := l.Check(run, c.Update.Valid); err != nil {
				rejected[c.Member.Name] = "sent figures that cannot be right"
				continue
			}
		}
		byName[c.Member.Name] = c
		ups = append(ups, strategy.Update{Party: c.Member.Name, Examples: c.Update.Examples, Delta: c.Delta})
	}
	admitted, verdicts := strategy.Gate(base, ups)
	for _, v := range verdicts {
		if v.Outcome != strategy.Admitted {
			rejected[v.Party] = v.Detail
		}
	}
	out := make([]Candidate, len(admitted))
	for i, u := range admitted {
		out[i] = byName[u.Party]
	}
	return out, rejected
}

// Aggregate applies the run's strategy.
func (l Learning) Aggregate(run fed.Run, base tensor.Params, admitted []Candidate) (tensor.Params, []float64, error) {
	s, err := strategy.New(run.Config.Strategy)
	if err != nil {
		return nil, nil, err
	}
	examples := map[string]int64{}
	for _, c := range admitted {
		examples[c.Member.Name] = c.Update.Examples
	}
	w := strategy.Weights(examples)
	ups := make([]strategy.Weighted, len(admitted))
	weights := make([]float64, len(admitted))
	for i, c := range admitted {
		weights[i] = w[c.Member.Name]
		ups[i] = strategy.Weighted{Party: c.Member.Name, Weight: weights[i], Delta: c.Delta}
	}
	next, err := s.Aggregate(base, ups)
	if fed.KindOf(err) == fed.Internal && err != nil { // finite updates whose sum is not
		return nil, nil, diverged(err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.Name(), err)
	}
	return next, weights, nil
}
