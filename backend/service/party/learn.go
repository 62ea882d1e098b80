package party

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/contribution"
	"synergos.app/desktop/backend/learning/metric"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
	"synergos.app/desktop/backend/learning/train"
)

// Rows are this party's rows for one run, prepared as agreed.
type Rows struct {
	Model              *model.Model
	Train, Valid, Test train.Data
	Name               string // of this party in the run
	Secret             []byte // of the dataset: seeds what others must not replay
	Floor              int    // least rows that anything told speaks of
}

// told are the sums of params on data as others may read them.
func (r *Rows) told(p tensor.Params, data train.Data) fed.Sums {
	return metric.Disclose(train.Evaluate(r.Model, p, data), r.Model.Classes(), r.Floor)
}

// heldOut are the rows for curves and scores: validation rows, or the test rows when
// the run holds none out from training. A party that has too few for a validation of
// its own has none: where the curve chooses the round, it is not drawn on test rows.
func (r *Rows) heldOut(cfg fed.RunConfig) train.Data {
	if cfg.HoldOut() > 0 {
		return r.Valid
	}
	return r.Test
}

// Learning does local training, evaluation and scoring. Rows opens the party's
// data under its consent.
type Learning struct {
	Rows  func(ctx context.Context, run fed.Run) (*Rows, error)
	Blobs Blobs
}

// Train implements Trainer.
func (l Learning) Train(ctx context.Context, run fed.Run, params []byte, n int, progress func(done, total int)) (Trained, error) {
	r, err := l.Rows(ctx, run)
	if err != nil {
		return Trained{}, err
	}
	start, err := read(r.Model, params)
	if err != nil {
		return Trained{}, err
	}
	mu := 0.0
	if run.Config.Strategy.Name == "fedprox" {
		mu = run.Config.Strategy.Mu
	}
	res, err := train.Local(ctx, r.Model, start, r.Train, run.Config.Train, train.Prox{Mu: mu}, fed.Rand(run.Config.Seed, n, r.Name, "train"), progress)
	if err != nil {
		return Trained{}, fmt.Errorf("train: %w", err)
	}
	t := Trained{Delta: tensor.EncodeSafetensors(res.Delta, nil), Examples: int64(r.Train.N), Loss: res.Loss}
	if h := r.heldOut(run.Config); h.N > 0 {
		t.Valid = r.told(start, h)
	}
	return t, nil
}

func read(m *model.Model, raw []byte) (tensor.Params, error) {
	p, _, err := tensor.DecodeSafetensors(raw)
	if err != nil {
		return nil, fmt.Errorf("read params: %w", err)
	}
	if err := m.Check(p); err != nil {
		return nil, fmt.Errorf("read params: %w", err)
	}
	if !p.Finite() {
		return nil, fed.Errorf(fed.Corrupt, "", "the params hold numbers that are not finite")
	}
	return p, nil
}

// Evaluate answers EvalAsk; the params' blob must be here.
func (l Learning) Evaluate(ctx context.Context, run fed.Run, ask fed.EvalAsk) (fed.EvalReply, error) {
	r, err := l.Rows(ctx, run)
	if err != nil {
		return fed.EvalReply{}, err
	}
	data, ok := map[string]train.Data{"valid": r.heldOut(run.Config), "test": r.Test}[ask.Part]
	if !ok {
		return fed.EvalReply{}, fed.Errorf(fed.Invalid, "", "part %q of the rows is not known", ask.Part)
	}
	raw, err := l.Blobs.Get(ctx, ask.Params.Digest)
	if err != nil {
		return fed.EvalReply{}, fmt.Errorf("load params: %w", err)
	}
	p, err := read(r.Model, raw)
	if err != nil {
		return fed.EvalReply{}, err
	}
	out := fed.EvalReply{Train: int64(r.Train.N)}
	if data.N == 0 {
		return out, nil
	}
	out.Sums = r.told(p, data)
	if ask.Alone {
		out.Alone, err = Alone(ctx, r, run)
	}
	return out, err
}

// AloneRidge is the ridge of the baselines that have an exact fit: the customary
// C = 1.
const AloneRidge = 1.0

// Alone returns the sums, on the test rows, of the model that this party would
// have without the others, trained on all its rows but the test rows: the exact
// fit where the family has one, else the same training for as many steps. It is nil
// when the label has one class only there.
func Alone(ctx context.Context, r *Rows, run fed.Run) (*fed.Sums, error) {
	all := train.Data{
		X: slices.Concat(r.Train.X, r.Valid.X), Y: slices.Concat(r.Train.Y, r.Valid.Y), N: r.Train.N + r.Valid.N, D: r.Train.D,
	}
	p, err := Fit(ctx, r.Model, all, run.Config, r.Name)
	if err != nil || p == nil {
		return nil, err
	}
	s := r.told(p, r.Test)
	return &s, nil
}

// Fit trains a baseline on data alone; nil when its label has one class only.
func Fit(ctx context.Context, m *model.Model, data train.Data, cfg fed.RunConfig, name string) (tensor.Params, error) {
	if m.Classes() > 0 && !hasTwo(data.Y) {
		return nil, nil
	}
	if family := m.Spec().Family; family != model.Layers && hasAll(data.Y, m.Classes()) {
		p, err := train.MaximumLikelihood(m, data, AloneRidge)
		if err == nil || fed.KindOf(err) != fed.Invalid {
			return p, err
		}
	}
	spec := cfg.Train
	spec.Steps, spec.Epochs = cfg.Train.Steps*cfg.Rounds, cfg.Train.Epochs*cfg.Rounds
	res, err := train.Local(ctx, m, m.Init(fed.Rand(cfg.Seed, 0, "", "init")), data, spec, train.Prox{}, fed.Rand(cfg.Seed, 0, name, "alone"), nil)
	var diverged *train.ErrDiverged
	if errors.As(err, &diverged) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("train alone: %w", err)
	}
	return res.Params, nil
}

func hasTwo(y []float32) bool {
	for _, v := range y {
		if v != y[0] {
			return true
		}
	}
	return false
}

func hasAll(y []float32, classes int) bool {
	seen := make([]bool, classes)
	for _, v := range y {
		if classes > 0 {
			seen[int(v)] = true
		}
	}
	for _, s := range seen {
		if !s {
			return false
		}
	}
	return true
}

// A ScoreReply must fit one message: so many bytes, with numbers as long as JSON
// writes them.
const (
	replyBytes     = 240_000
	tableBytes     = 26 // -0.000012345678901234567 and a comma
	replicateBytes = 16 // -0.000012345678 and a comma
)

// replicates returns how many resamples of a table of that many updates fit.
func replicates(updates int) int {
	fit := (replyBytes>>updates - tableBytes) / replicateBytes
	return min(contribution.DefaultReplicates, fit)
}

// Score answers ScoreAsk on the held-out rows; all blobs must be here. Without such
// rows it is Invalid. The answer is still to be signed.
func (l Learning) Score(ctx context.Context, run fed.Run, ask fed.ScoreAsk) (fed.ScoreReply, error) {
	r, err := l.Rows(ctx, run)
	if err != nil {
		return fed.ScoreReply{}, err
	}
	data := r.heldOut(run.Config)
	if data.N == 0 {
		return fed.ScoreReply{}, fed.Errorf(fed.Invalid, "Hold out a larger share of the rows.", "there are no held-out rows to score on")
	}
	base, members, err := l.coalition(ctx, r.Model, ask)
	if err != nil {
		return fed.ScoreReply{}, err
	}
	limit := 0.0
	if run.Config.Task == fed.TaskClassify {
		limit = contribution.LossCap
	}
	theta := base.Clone()
	local, err := contribution.LocalUtilities(contribution.Evaluation{
		Scorer: r.Name, Players: len(members), Rows: data.N, Cap: limit,
		Losses: func(s contribution.Set) ([]float64, error) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			contribution.Rebuild(theta, base, members, s)
			return train.RowLosses(r.Model, theta, data, limit), nil
		},
		Replicates: replicates(len(members)),
		Rand:       secretRand(run, r),
	})
	if err != nil {
		return fed.ScoreReply{}, fmt.Errorf("score round %d: %w", ask.Round, err)
	}
	out := fed.ScoreReply{Rows: int64(data.N), Table: local.V}
	for _, rep := range local.Replicates {
		row := make([]float32, len(rep))
		for i, v := range rep {
			row[i] = float32(v)
		}
		out.Replicates = append(out.Replicates, row)
	}
	return out.Normal()
}

// secretRand resamples the same rows in every round of a run, but nobody else can
// tell which: the seed is mixed with the dataset's secret.
func secretRand(run fed.Run, r *Rows) *rand.Rand {
	return fed.Rand(run.Config.Seed, 0, string(fed.DigestOf(append([]byte(run.ConfigHash), r.Secret...))), "bootstrap")
}

func (l Learning) coalition(ctx context.Context, m *model.Model, ask fed.ScoreAsk) (tensor.Params, []contribution.Member, error) {
	if len(ask.In) == 0 || len(ask.In) > contribution.MaxExact {
		return nil, nil, fed.Errorf(fed.Invalid, "", "%d updates cannot be scored exactly", len(ask.In))
	}
	get := func(d fed.Digest) (tensor.Params, error) {
		raw, err := l.Blobs.Get(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("load update: %w", err)
		}
		return read(m, raw)
	}
	base, err := get(ask.Base.Digest)
	if err != nil {
		return nil, nil, err
	}
	var members []contribution.Member
	for _, in := range ask.In {
		delta, err := get(in.Update.Digest)
		if err != nil {
			return nil, nil, err
		}
		members = append(members, contribution.Member{Party: in.Name, Weight: float64(in.Weight), Delta: delta})
	}
	return base, members, nil
}
