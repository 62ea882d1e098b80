package sim

import (
	"context"
	"fmt"
	"math"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/learning/metric"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/train"
	"synergos.app/desktop/backend/node"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/party"
	"synergos.app/desktop/backend/storage/datafile"
)

// Report is what `simulate --json` prints.
type Report struct {
	ParamsHash     string         `json:"paramsHash"`
	ConfigHash     string         `json:"configHash"`
	Seconds        fed.Number     `json:"seconds"`
	Coordinator    string         `json:"coordinator"`
	BestRound      int            `json:"bestRound"`
	Rounds         []ReportRound  `json:"rounds"`
	PooledTest     fed.Metrics    `json:"pooledTest"` // the federated model on the union of the test sets
	ClientMean     fed.Metrics    `json:"clientMean"` // mean over parties
	PooledTraining PooledTraining `json:"pooledTraining"`
	Parties        []ReportParty  `json:"parties"`
	Contribution   ReportTotal    `json:"contribution"`
}

// ReportRound is one round's validation figures.
type ReportRound struct {
	N       int         `json:"n"`
	Loss    fed.Number  `json:"loss"`
	Metrics fed.Metrics `json:"metrics"`
}

// PooledTraining is the model of one party that holds all rows, scaled together.
type PooledTraining struct {
	PooledTest fed.Metrics `json:"pooledTest"`
	ClientMean fed.Metrics `json:"clientMean"`
}

// ReportParty is one party's part.
type ReportParty struct {
	Party         string             `json:"party"`
	TrainExamples int64              `json:"trainExamples"`
	TestExamples  int64              `json:"testExamples"`
	Test          fed.Metrics        `json:"test"`
	Alone         fed.Metrics        `json:"alone"`
	Central       fed.Metrics        `json:"central"`
	Contribution  ReportContribution `json:"contribution"`
	BytesIn       int64              `json:"bytesIn"`
	BytesOut      int64              `json:"bytesOut"`
}

// ReportContribution is a contribution with its 95 % interval, in nats per row.
type ReportContribution struct {
	Value fed.Number `json:"value"`
	SE    fed.Number `json:"se"`
	Low   fed.Number `json:"low"`
	High  fed.Number `json:"high"`
	Cents int64      `json:"cents"`
}

// ReportTotal says how the contributions add up.
type ReportTotal struct {
	Total     fed.Number `json:"total"`
	Remainder fed.Number `json:"remainder"`
}

// Simulate rehearses one run: the parties in the order of their ranks, the first
// leads if it can.
func Simulate(ctx context.Context, cfg fed.RunConfig, parties []Party, opts Options, round func(view.Run)) (*Report, error) {
	began := time.Now()
	r, err := Open(ctx, parties, opts)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close(context.WithoutCancel(ctx)) }()
	data, err := r.Load(ctx, parties)
	if err != nil {
		return nil, err
	}
	p, err := r.Gather(ctx, cfg, data)
	if err != nil {
		return nil, err
	}
	d, err := r.Train(ctx, p.ID, cfg, round)
	if err != nil {
		return nil, err
	}
	out := report(d)
	c, err := r.Nodes[0].Contribution(ctx, d.Run.ID)
	if err != nil {
		return nil, err
	}
	contribute(out, c)
	if err := r.central(ctx, out, p.ID, cfg, parties); err != nil {
		return nil, err
	}
	out.Seconds = fed.Number(math.Round(time.Since(began).Seconds()*1000) / 1000)
	return out, nil
}

func report(d view.RunDetail) *Report {
	out := &Report{
		ParamsHash: d.Run.ParamsHash, ConfigHash: d.Run.ConfigHash, Coordinator: d.Run.Coordinator, BestRound: d.Run.BestRound,
		Rounds: []ReportRound{}, PooledTest: d.Pooled.Test, ClientMean: d.ClientMean, Parties: []ReportParty{},
	}
	for _, x := range d.Rounds {
		if x.N > 0 {
			out.Rounds = append(out.Rounds, ReportRound{N: x.N, Loss: x.Loss, Metrics: x.Metrics})
		}
	}
	for _, x := range d.Results {
		out.Parties = append(out.Parties, ReportParty{
			Party: x.Party, TrainExamples: x.TrainExamples, TestExamples: x.TestExamples, Test: x.Test, Alone: x.Alone, BytesIn: x.BytesIn, BytesOut: x.BytesOut,
		})
	}
	return out
}

func contribute(out *Report, c view.Contribution) {
	out.Contribution = ReportTotal{Total: c.Total, Remainder: c.Remainder}
	for i := range out.Parties {
		for _, x := range c.Parties {
			if x.Party == out.Parties[i].Party {
				out.Parties[i].Contribution = ReportContribution{Value: x.Value, SE: x.SE, Low: x.Low, High: x.High, Cents: x.Cents}
			}
		}
	}
}

// central trains the baseline that only a rehearsal can: one party with all rows.
// Under per-party scaling that party, too, scales with its own figures.
func (r *Rehearsal) central(ctx context.Context, out *Report, project string, cfg fed.RunConfig, parties []Party) error {
	prep, renames, err := r.Nodes[0].AgreedPreparation(project)
	if err != nil {
		return err
	}
	m, err := model.New(cfg.Model, cfg.Task, prep.Inputs(), len(prep.Classes))
	if err != nil {
		return err
	}
	var all train.Data
	tests := make([]train.Data, len(parties))
	for i, p := range parties {
		rows, err := pooledRows(ctx, p, prep, cfg, renames[p.Name])
		if err != nil {
			return err
		}
		all = join2(join2(all, rows.Train), rows.Valid)
		tests[i] = rows.Test
	}
	if prep.Scaling == "per_party" {
		rescale(all, append([]train.Data{all}, tests...))
	}
	params, err := party.Fit(ctx, m, all, cfg, "pooled")
	if err != nil || params == nil {
		return err
	}
	var sum fed.Sums
	means := map[string][]float64{}
	for i, p := range parties {
		s := train.Evaluate(m, params, tests[i])
		if sum, err = metric.Merge(sum, s); err != nil {
			return err
		}
		figures := metric.Finish(cfg.Task, m.Classes(), s)
		for k, v := range figures {
			means[k] = append(means[k], float64(v))
		}
		for j := range out.Parties {
			if out.Parties[j].Party == p.Name {
				out.Parties[j].Central = figures
			}
		}
	}
	out.PooledTraining = PooledTraining{PooledTest: metric.Finish(cfg.Task, m.Classes(), sum), ClientMean: fed.Metrics{}}
	for k, v := range means {
		if len(v) == len(parties) {
			out.PooledTraining.ClientMean[k] = fed.Number(mean(v))
		}
	}
	return nil
}

func mean(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s / float64(len(v))
}

// pooledRows prepares a party's rows; under per-party scaling they stay unscaled.
func pooledRows(ctx context.Context, p Party, prep *dataset.Preparation, cfg fed.RunConfig, rename map[string]string) (*party.Rows, error) {
	t, _, err := datafile.Load(ctx, p.Path, datafile.Options{})
	if err != nil {
		return nil, fmt.Errorf("party %s: %w", p.Name, err)
	}
	out := &party.Rows{Name: p.Name}
	r := node.Recipe{Preparation: prep, Config: cfg, Party: p.Name, Rename: rename, Scaler: identityScaler(prep.Inputs())}
	rows, err := r.Split(t)
	if err != nil {
		return nil, err
	}
	return out, r.Fill(out, t, rows)
}

func identityScaler(d int) *dataset.Scaler {
	s := &dataset.Scaler{Mean: make([]float64, d), SD: make([]float64, d)}
	for i := range s.SD {
		s.SD[i] = 1
	}
	return s
}

func join2(a, b train.Data) train.Data {
	return train.Data{X: append(a.X, b.X...), Y: append(a.Y, b.Y...), N: a.N + b.N, D: b.D}
}

// rescale standardises all by the mean and unbiased deviation of base's columns.
func rescale(base train.Data, all []train.Data) {
	d := base.D
	mu, sd := make([]float64, d), make([]float64, d)
	for j := range d {
		for i := range base.N {
			mu[j] += float64(base.X[i*d+j]) / float64(base.N)
		}
		for i := range base.N {
			e := float64(base.X[i*d+j]) - mu[j]
			sd[j] += e * e / float64(base.N-1)
		}
		if sd[j] = math.Sqrt(sd[j]); sd[j] == 0 {
			sd[j] = 1
		}
	}
	for _, x := range all {
		for i := range x.N {
			for j := range d {
				x.X[i*d+j] = float32((float64(x.X[i*d+j]) - mu[j]) / sd[j])
			}
		}
	}
}
