package node

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
)

var nan = fed.Number(math.NaN())

// Run returns the live view of a run.
func (n *Node) Run(ctx context.Context, id string) (view.RunDetail, error) {
	r, ok := n.tracker.Run(fed.RunID(id))
	if !ok {
		return view.RunDetail{}, fed.Errorf(fed.NotFound, "Reload the list.", "there is no such run here")
	}
	v := view.RunDetail{
		Run: n.runView(r), Config: r.Config, Parties: n.partiesOf(r.ID), Series: series(r), Rounds: roundViews(r), Results: []view.PartyResult{}, Failed: []view.FailedParty{},
		Pooled: view.PartyResult{Test: view.MetricSet{}, Alone: view.MetricSet{}, Central: view.MetricSet{}}, ClientMean: view.MetricSet{},
	}
	if r.End != nil {
		n.results(&v, r)
		v.Failed = failedAt(r)
	}
	steps, err := n.steps(ctx, r)
	if err != nil {
		return v, err
	}
	v.Steps = steps
	live := r.End == nil && v.Run.State != "cancelled" // what this party left has ended for it
	x := n.grids.get(r.ID)
	open, held := x != nil, x == nil || x.session.State().Held
	v.CanPause = live && v.Run.State != "paused" && (open || v.Run.Mine)
	v.CanResume = live && held && v.Run.State == "paused"
	v.CanCancel = live && (v.Run.Mine || v.Run.CoordinatorID == string(n.me()))
	v.CanRegister = r.End != nil && r.End.State == "finished" && v.Run.Version == "" && n.store.Has(r.End.Params)
	return v, nil
}

// failedAt lists the members at which a run failed, by name.
func failedAt(r experiment.Run) []view.FailedParty {
	out := []view.FailedParty{}
	for _, m := range r.Members {
		if why := r.End.At[m.Name]; why != "" && r.End.State == "failed" {
			out = append(out, view.FailedParty{Party: m.Name, Why: why})
		}
	}
	return out
}

// results fills in the figures of a finished run.
func (n *Node) results(v *view.RunDetail, r experiment.Run) {
	var mean = map[string][]float64{}
	for _, x := range r.End.Results {
		p := view.PartyResult{
			PartyID: string(x.Party), Party: x.Name, TrainExamples: x.Train, TestExamples: x.Test.Examples,
			Test: finish(r, x.Test), Alone: view.MetricSet{}, Central: view.MetricSet{}, BytesIn: x.BytesIn, BytesOut: x.BytesOut,
		}
		if x.Alone != nil {
			p.Alone = finish(r, *x.Alone)
		}
		for k, m := range p.Test {
			mean[k] = append(mean[k], float64(m))
		}
		v.Results = append(v.Results, p)
		v.Pooled.TrainExamples += x.Train
		v.Pooled.TestExamples += x.Test.Examples
		v.Pooled.BytesIn += x.BytesIn
		v.Pooled.BytesOut += x.BytesOut
	}
	v.Pooled.Party, v.Pooled.Test = "All parties", pooled(r, testSums(r.End))
	for k, xs := range mean {
		if len(xs) == len(r.End.Results) { // a figure that some party leaves undefined has no mean
			v.ClientMean[k] = fed.Number(average(xs))
		}
	}
}

func average(xs []float64) float64 {
	s := 0.0
	for _, x := range xs {
		s += x
	}
	return s / float64(len(xs))
}

// validOf returns the validation sums of the params after round k: they travel
// with the updates of round k+1, or with the end of the run.
func validOf(r experiment.Run, k int) map[string]fed.Sums {
	for _, rec := range r.Rounds {
		if rec.N == k+1 {
			return rec.Valid
		}
	}
	if r.End != nil && k == r.End.Rounds {
		return r.End.Last
	}
	return nil
}

var curveNames = []string{"logLoss", "accuracy", "auc", "mse", "r2", "mae"}

// series returns the validation curves, pooled and per party.
func series(r experiment.Run) []view.Series {
	byKey := map[[2]string]*view.Series{}
	add := func(name, party string, k int, v fed.Number) {
		key := [2]string{name, party}
		if byKey[key] == nil {
			byKey[key] = &view.Series{Name: name, Party: party, Rounds: []int{}, Values: []fed.Number{}}
		}
		byKey[key].Rounds = append(byKey[key].Rounds, k)
		byKey[key].Values = append(byKey[key].Values, v)
	}
	for k := 0; k <= len(r.Rounds); k++ {
		sums := validOf(r, k)
		if len(sums) == 0 {
			continue
		}
		all := pooled(r, sums)
		for _, name := range curveNames {
			if v, ok := all[name]; ok {
				add("valid."+name, "", k, v)
			}
		}
		for _, party := range slices.Sorted(maps.Keys(sums)) {
			one := finish(r, sums[party])
			for _, name := range curveNames {
				if v, ok := one[name]; ok {
					add("valid."+name, party, k, v)
				}
			}
		}
	}
	for _, rec := range r.Rounds {
		total, rows := 0.0, int64(0)
		for _, in := range rec.In {
			total += float64(in.Loss) * float64(in.Examples)
			rows += in.Examples
		}
		if rows > 0 {
			add("train.loss", "", rec.N, fed.Number(total/float64(rows)))
		}
	}
	out := []view.Series{}
	keys := slices.SortedFunc(maps.Keys(byKey), func(a, b [2]string) int {
		return slices.Compare(a[:], b[:])
	})
	for _, k := range keys {
		out = append(out, *byKey[k])
	}
	return out
}

func roundViews(r experiment.Run) []view.Round {
	out := []view.Round{}
	for _, rec := range r.Rounds {
		v := view.Round{
			N: rec.N, Digest: string(rec.Digest), Term: fmt.Sprint(rec.Term), Coordinator: r.NameOf(rec.Coordinator), DurationMs: rec.DurationMs,
			Parties: []string{}, Absent: []string{}, Metrics: pooled(r, validOf(r, rec.N)), Loss: nan, Result: rec.Result,
		}
		for _, in := range rec.In {
			v.Parties = append(v.Parties, in.Name)
		}
		for _, name := range slices.Sorted(maps.Keys(rec.Absent)) {
			v.Absent = append(v.Absent, fmt.Sprintf("%s (%s)", name, rec.Absent[name]))
		}
		if l, ok := v.Metrics["logLoss"]; ok {
			v.Loss = l
		} else if l, ok := v.Metrics["mse"]; ok {
			v.Loss = l
		}
		out = append(out, v)
	}
	return out
}

// steps is the run's history as this party saw it.
func (n *Node) steps(ctx context.Context, r experiment.Run) ([]view.RunStep, error) {
	rows, err := n.db.ListRunEvents(ctx, string(r.ID))
	if err != nil {
		return nil, fmt.Errorf("read the run's history: %w", err)
	}
	out := []view.RunStep{{At: at(r.QueuedMs), Kind: "queued", Text: fmt.Sprintf("%s queued the run.", n.nameOf(string(r.By)))}}
	for _, e := range rows {
		out = append(out, view.RunStep{At: at(e.TimeMs), Kind: e.Kind, Text: e.Text})
	}
	for i, rec := range r.Rounds {
		if len(rec.Absent) > 0 {
			out = append(out, view.RunStep{At: at(r.ClosedMs[i]), Kind: "short", Text: fmt.Sprintf("Round %d closed without %s.", rec.N, list(slices.Sorted(maps.Keys(rec.Absent))))})
		}
	}
	if r.End != nil {
		out = append(out, view.RunStep{At: at(r.EndedMs), Kind: r.End.State, Text: ended(r.End)})
	}
	slices.SortStableFunc(out, func(a, b view.RunStep) int { return a.At.Compare(b.At) })
	return out, nil
}
