package node

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
)

// Compare sets runs side by side: what differs, what is equal, figures and curves.
func (n *Node) Compare(_ context.Context, ids []string) (view.Comparison, error) {
	out := view.Comparison{Runs: []view.Run{}, Differs: []view.ComparisonRow{}, Same: []view.ComparisonRow{}, Metrics: []view.ComparisonRow{}, Series: []view.ComparisonSeries{}}
	var configs, metrics []map[string]string
	for _, id := range ids {
		r, ok := n.tracker.Run(fed.RunID(id))
		if !ok {
			return out, fed.Errorf(fed.NotFound, "Choose runs from the list.", "one of the runs is not known here")
		}
		v := n.runView(r)
		out.Runs = append(out.Runs, v)
		out.Series = append(out.Series, view.ComparisonSeries{RunID: id, Series: slices.DeleteFunc(series(r), func(s view.Series) bool { return s.Party != "" })})
		configs = append(configs, settingsOf(r))
		metrics = append(metrics, figuresOf(v))
	}
	for _, row := range table(configs) {
		if allEqual(row.Values) {
			out.Same = append(out.Same, row)
		} else {
			out.Differs = append(out.Differs, row)
		}
	}
	out.Metrics = append(out.Metrics, table(metrics)...)
	return out, nil
}

// figuresOf writes the figures of a finished run: those on test rows. A run that has
// not finished has figures on other rows only, which stand beside none of them.
func figuresOf(v view.Run) map[string]string {
	m := map[string]string{}
	if v.State != "finished" {
		return m
	}
	for k, x := range v.Metrics {
		m[k] = strconv.FormatFloat(float64(x), 'g', 5, 64)
	}
	return m
}

// settingsOf lists everything that was frozen with a run by dotted names: its whole
// configuration, the agreed preparation and its parties.
func settingsOf(r experiment.Run) map[string]string {
	names := make([]string, len(r.Members))
	for i, m := range r.Members {
		names[i] = m.Name
	}
	out := flatConfig(r.Config)
	out["data.preparation"], out["parties"] = r.Preparation.Short(), list(names)
	return out
}

func table(cols []map[string]string) []view.ComparisonRow {
	keys := map[string]bool{}
	for _, c := range cols {
		for k := range c {
			keys[k] = true
		}
	}
	out := []view.ComparisonRow{}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		row := view.ComparisonRow{Key: k}
		for _, c := range cols {
			row.Values = append(row.Values, c[k])
		}
		out = append(out, row)
	}
	return out
}

func allEqual(xs []string) bool {
	for _, x := range xs {
		if x != xs[0] {
			return false
		}
	}
	return true
}
