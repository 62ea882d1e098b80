package dataset

import (
	"strings"

	"synergos.app/desktop/backend/fed"
)

// Draft returns the agreed preparation without figures. Returns an Invalid error
// while matches wait for a person, while types conflict, or when a party has no
// label.
func (a *Alignment) Draft() (*Preparation, error) {
	if n := a.Pending(); n > 0 {
		return nil, fed.Errorf(fed.Invalid, "confirm or decline them first", "%d matches of columns wait for a person", n)
	}
	for _, f := range a.Findings {
		if f.Severity == Fault {
			return nil, fed.Errorf(fed.Invalid, f.Remedy, "column %q: %s", f.Column, f.Text)
		}
	}
	cfg := a.Config
	p := &Preparation{Version: 1, Draft: true, Task: cfg.Task, Target: cfg.Target, Scaling: cfg.Scaling, Missing: cfg.Missing,
		LabelMap: canonicalLabels(cfg.Labels), Classes: Classes(cfg, a.labelValues())}
	if p.Scaling == "" {
		p.Scaling = ScaleFederated
	}
	if p.Missing == "" {
		p.Missing = "impute"
	}
	if cfg.Task == fed.TaskClassify && len(p.Classes) < 2 {
		return nil, fed.Errorf(fed.Invalid, "choose another target, or invite parties with enough rows of another class", "the target %q has fewer than two classes that may be named", cfg.Target)
	}
	for _, c := range a.Columns {
		if c.Role == RoleFeature {
			p.Columns = append(p.Columns, a.prepared(c))
		}
	}
	if len(p.Columns) == 0 {
		return nil, fed.Errorf(fed.Invalid, "drop fewer columns", "no column is left to learn from")
	}
	p.Features = p.deriveFeatures()
	return p, p.Validate()
}

func (a *Alignment) labelValues() []string {
	seen := map[string]bool{}
	var out []string
	for _, party := range a.Parties {
		for _, s := range a.Offers[party].Labels {
			if !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
	}
	return out
}

// prepared is the draft of one feature column: dictionary or usual range from
// the offers, the range widened by half on both sides because the offers tell
// percentiles.
func (a *Alignment) prepared(c AlignedColumn) PreparedColumn {
	out := PreparedColumn{Name: c.Name, Type: c.Type, Low: nan, High: nan, Mean: nan, SD: nan, Fill: nan}
	values := map[string]bool{}
	for i, cell := range c.Cells {
		o := a.Offers[a.Parties[i]].column(cell.Name)
		if cell.Status == StatusFilled || o == nil {
			out.Nullable = true
			continue
		}
		out.Nullable = out.Nullable || !strings.HasPrefix(o.Missing, "<") || !strings.HasSuffix(o.Missing, "rows")
		for _, s := range o.Categories {
			values[s] = true
		}
		if o.Low.Finite() {
			if !out.Low.Finite() || o.Low < out.Low {
				out.Low = o.Low
			}
			if !out.High.Finite() || o.High > out.High {
				out.High = o.High
			}
		}
	}
	if out.Type.Numeric() {
		if half := (out.High - out.Low) / 2; half.Finite() && out.Type != Bool {
			out.Low, out.High = out.Low-half, out.High+half
		}
		return out
	}
	out.Low, out.High = nan, nan
	for s := range values {
		out.Categories = append(out.Categories, s)
	}
	sortValues(out.Categories)
	out.Categories = head(out.Categories, maxCategories)
	return out
}

// Seen returns the range that the parties told of, from percentile to percentile: the
// usual range without what it was widened by. NaN where it is unknown.
func (c *PreparedColumn) Seen() (low, high fed.Number) {
	if c.Type == Bool {
		return c.Low, c.High
	}
	quarter := (c.High - c.Low) / 4
	return c.Low + quarter, c.High - quarter
}
