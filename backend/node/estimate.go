package node

import (
	"context"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
)

// Estimate says what an experiment would cost, and what is wrong with it.
func (n *Node) Estimate(ctx context.Context, in view.ExperimentCreate) (view.Estimate, error) {
	out := view.Estimate{Problems: []view.Finding{}, SecondsPerRound: nan, TotalSeconds: nan}
	p, err := n.project(in.ProjectID)
	if err != nil {
		return out, err
	}
	wrong := func(err error) (view.Estimate, error) {
		out.Problems = append(out.Problems, view.Finding{Severity: "error", Text: err.Error(), Remedy: fed.HintOf(err)})
		return out, nil
	}
	doc, err := n.experimentDoc(in, p)
	if err != nil {
		return wrong(err)
	}
	trials, err := experiment.Expand(doc)
	if err != nil {
		return wrong(err)
	}
	prep, _, err := n.aligns.preparation(p.ID, "")
	if err != nil {
		return wrong(err)
	}
	out.Runs = len(trials)
	rows := n.largestShare(p.ID)
	speed := n.declaredCompute().SamplesPerS
	var seconds float64
	for _, t := range trials {
		m, err := model.New(t.Config.Model, t.Config.Task, prep.Inputs(), len(prep.Classes))
		if err != nil {
			return wrong(err)
		}
		perRound := bytesPerRound(m, len(p.Accepted()))
		out.Parameters, out.BytesPerRound = max(out.Parameters, m.Parameters()), max(out.BytesPerRound, perRound)
		out.TotalBytes += perRound * int64(t.Config.Rounds)
		s := roundSeconds(t.Config, m, rows, float64(speed))
		out.SecondsPerRound = fed.Number(max(s, zeroNaN(float64(out.SecondsPerRound))))
		seconds += s * float64(t.Config.Rounds)
	}
	out.TotalSeconds = fed.Number(seconds)
	return out, nil
}

func zeroNaN(f float64) float64 {
	if f != f {
		return 0
	}
	return f
}

// bytesPerRound is what one party sends and receives: the params, its update, and
// everybody's updates to score.
func bytesPerRound(m *model.Model, parties int) int64 {
	size := int64(len(tensor.EncodeSafetensors(m.Zeros(), nil)))
	return size*int64(2+parties) + 8<<10
}

// roundSeconds guesses the time of a round from rows, those of the party that has
// most, the speed measured on this computer, and a tenth of a second for the rest. A
// slower party takes longer.
func roundSeconds(c fed.RunConfig, m *model.Model, rows int64, samplesPerSecond float64) float64 {
	samples := float64(c.Train.Steps * c.Train.Batch)
	if c.Train.Epochs > 0 {
		samples = float64(c.Train.Epochs) * float64(rows)
	}
	if !(samplesPerSecond > 0) {
		samplesPerSecond = 1e5
	}
	return 0.1 + samples*max(1, float64(m.Parameters())/500)/samplesPerSecond
}

func (n *Node) largestShare(id fed.ProjectID) int64 {
	p, _ := n.projects.Get(id)
	most := int64(100)
	if p.Alignment != nil {
		for _, r := range p.Alignment.Rows {
			most = max(most, r)
		}
	}
	return most
}
