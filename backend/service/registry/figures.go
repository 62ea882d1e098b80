package registry

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/metric"
)

// lowIsGood names the figures of which the larger is the worse.
var lowIsGood = map[string]bool{"logLoss": true, "brier": true, "mse": true, "mae": true, "rmse": true}

// FiguresOf finishes the results of a run for a task with classes classes (0 for
// a regression): pooled by merging the sums, macro as the mean over parties, and
// the worst party, figure by figure. A figure that some party leaves undefined has no
// mean.
func FiguresOf(task string, classes int, results []fed.RunResult) (MetricsFile, error) {
	out := MetricsFile{Macro: fed.Metrics{}, Worst: fed.Metrics{}, Parties: []PartyMetrics{}}
	pooled := metric.New(classes)
	for _, r := range results {
		var err error
		if pooled, err = metric.Merge(pooled, r.Test); err != nil {
			return MetricsFile{}, fmt.Errorf("pool the results of %s: %w", r.Name, err)
		}
		p := PartyMetrics{Party: r.Party, Name: r.Name, Train: r.Train, Test: r.Test.Examples, Metrics: metric.Finish(task, classes, r.Test)}
		if r.Alone != nil && r.Alone.Examples > 0 {
			alone := metric.Finish(task, classes, *r.Alone)
			p.Alone = &alone
		}
		out.Parties = append(out.Parties, p)
	}
	out.Pooled = metric.Finish(task, classes, pooled)
	for _, name := range slices.Sorted(maps.Keys(out.Pooled)) {
		mean, worst, n := spread(name, out.Parties)
		if n > 0 {
			out.Worst[name] = fed.Number(worst)
		}
		if n == len(out.Parties) {
			out.Macro[name] = fed.Number(mean)
		}
	}
	return out, nil
}

// spread returns the mean and the worst of a figure over the n parties that have it.
func spread(name string, parties []PartyMetrics) (mean, worst float64, n int) {
	for _, p := range parties {
		v, has := p.Metrics[name]
		if !has || !v.Finite() {
			continue
		}
		switch {
		case n == 0:
			worst = float64(v)
		case lowIsGood[name]:
			worst = math.Max(worst, float64(v))
		default:
			worst = math.Min(worst, float64(v))
		}
		mean += float64(v)
		n++
	}
	return mean / float64(n), worst, n
}
