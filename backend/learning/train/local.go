package train

import (
	"context"
	"fmt"
	"math/rand/v2"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
)

// Local trains m on data from start for one round: spec.Epochs passes or exactly
// spec.Steps steps over batches that rng shuffles. Batch 0, or above the rows,
// is all rows; the last batch of a pass may be smaller. A step takes the mean
// loss's gradient, adds the proximal term's, clips its norm, adds weight decay
// and hands it to the optimiser. progress (may be nil) is called after every
// step on the calling goroutine.
//
// Errors: *[ErrDiverged]; ctx's error, checked before every step; kind Invalid for
// an impossible spec, data that do not fit or have no rows; kind Incompatible
// for params of another model. start is not changed.
func Local(ctx context.Context, m *model.Model, start tensor.Params, data Data, spec fed.TrainSpec, prox Prox,
	rng *rand.Rand, progress func(done, total int)) (Result, error) {
	if err := checkLocal(m, start, data, spec, prox); err != nil {
		return Result{}, err
	}
	t := newTrainer(m, start, data, spec, prox, rng)
	total := t.steps()
	var loss, rows float64
	for step := range total {
		if err := ctx.Err(); err != nil {
			return Result{}, fmt.Errorf("local training at step %d of %d: %w", step+1, total, err)
		}
		l, n := t.step()
		if l-l != 0 {
			return Result{}, &ErrDiverged{Step: step + 1, Loss: l}
		}
		loss += l * float64(n)
		rows += float64(n)
		if progress != nil {
			progress(step+1, total)
		}
	}
	if !t.params.Finite() {
		return Result{}, &ErrDiverged{Step: total, Loss: loss / rows}
	}
	return Result{Params: t.params, Delta: tensor.Sub(t.params, start), Steps: total, Loss: loss / rows}, nil
}

func checkLocal(m *model.Model, start tensor.Params, data Data, spec fed.TrainSpec, prox Prox) error {
	if err := ValidSpec(spec); err != nil {
		return err
	}
	if !(prox.Mu >= 0 && prox.Mu <= 1e6) {
		return fed.Errorf(fed.Invalid, "use 0 or a positive number, such as 0.01", "FedProx with mu %v", prox.Mu)
	}
	if err := m.Check(start); err != nil {
		return err
	}
	if !start.Finite() {
		return fed.Errorf(fed.Invalid, "start from the last good checkpoint", "training from params that are not finite")
	}
	if data.N < 1 {
		return fed.Errorf(fed.Invalid, "choose a dataset with training rows", "training on no rows")
	}
	return data.Check(m)
}

// trainer is the state of one local training.
type trainer struct {
	data    Data
	spec    fed.TrainSpec
	mu      float64
	rng     *rand.Rand
	work    *model.Workspace
	start   tensor.Params
	params  tensor.Params
	grad    tensor.Params
	update  optimizer
	batches sampler
	x, y    []float32
}

func newTrainer(m *model.Model, start tensor.Params, data Data, spec fed.TrainSpec, prox Prox, rng *rand.Rand) *trainer {
	size := spec.Batch
	if size == 0 || size > data.N {
		size = data.N
	}
	return &trainer{
		data: data, spec: spec, mu: prox.Mu, rng: rng, work: m.NewWorkspace(),
		start: start, params: start.Clone(), grad: start.ZerosLike(), update: newOptimizer(spec, start),
		batches: newSampler(data.N, size, rng),
		x:       make([]float32, size*data.D), y: make([]float32, size),
	}
}

// steps returns how many optimiser steps the spec asks for.
func (t *trainer) steps() int {
	if t.spec.Steps > 0 {
		return t.spec.Steps
	}
	size := t.batches.size
	return t.spec.Epochs * ((t.data.N + size - 1) / size)
}

// step takes one optimiser step unless the loss is not finite. It returns the
// batch's mean loss before the step and its rows.
func (t *trainer) step() (loss float64, n int) {
	n = t.gather(t.batches.next())
	loss = t.work.Gradient(t.params, t.x[:n*t.data.D], t.y[:n], n, t.rng, t.grad)
	if loss-loss != 0 {
		return loss, n
	}
	if t.mu > 0 {
		addProximal(t.grad, t.params, t.start, t.mu)
	}
	if t.spec.Clip > 0 {
		if norm := t.grad.Norm(); norm > t.spec.Clip {
			t.grad.Scale(t.spec.Clip / norm)
		}
	}
	if t.spec.WeightDecay > 0 {
		t.grad.Axpy(t.spec.WeightDecay, t.params)
	}
	t.update.step(t.params, t.grad)
	return loss, n
}

// gather copies the rows of a batch side by side.
func (t *trainer) gather(rows []int) int {
	d := t.data.D
	for i, r := range rows {
		copy(t.x[i*d:(i+1)*d], t.data.X[r*d:(r+1)*d])
		t.y[i] = t.data.Y[r]
	}
	return len(rows)
}

func addProximal(g, p, start tensor.Params, mu float64) {
	for i := range g {
		for j := range g[i].Data {
			g[i].Data[j] += float32(mu * (float64(p[i].Data[j]) - float64(start[i].Data[j])))
		}
	}
}

// sampler deals batches from permutations of the rows, shuffled anew when one is
// used up. A batch never spans two permutations.
type sampler struct {
	order []int
	at    int
	size  int
	rng   *rand.Rand
}

func newSampler(n, size int, rng *rand.Rand) sampler {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return sampler{order: order, at: n, size: size, rng: rng}
}

// next returns the row numbers of the next batch, valid until the next call.
func (s *sampler) next() []int {
	if s.at == len(s.order) {
		s.at = 0
		for i := len(s.order) - 1; i > 0; i-- {
			j := s.rng.IntN(i + 1)
			s.order[i], s.order[j] = s.order[j], s.order[i]
		}
	}
	from := s.at
	s.at = min(s.at+s.size, len(s.order))
	return s.order[from:s.at]
}
