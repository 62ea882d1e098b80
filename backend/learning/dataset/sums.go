package dataset

import (
	"fmt"
	"math"
	"sort"

	"synergos.app/desktop/backend/fed"
)

// Stats are what one party adds to the agreed figures: sums over its training
// rows. Both lists are aligned with Preparation.Columns: exactly one of Moments
// and Counts is used per column.
type Stats struct {
	Columns []ColumnStats `json:"columns"`
}

// ColumnStats are the sums of one column. Fewer than the floor of present cells
// give zeros; so does a category below the floor, and a number of two or three values
// of which one is below it.
type ColumnStats struct {
	Count  int64   `json:"count"`
	Sum    float64 `json:"sum"`
	SumSq  float64 `json:"sumSq"`
	Counts []int64 `json:"counts,omitempty"` // by category code
}

// LocalStats sums the columns of a draft over rows, which must be the party's
// training rows. floor is the small-cell floor; below 10 it is 10.
//
// Unlike the figures of [Disclose] the sums are of the values as they are, not
// clipped, because the shared scaling must be that of the pooled rows. So the floor
// hides small counts, not magnitudes: a single value that outweighs all the others
// together shows in the sum of squares. Who reads a party's sums, the coordinator
// alone, is a matter of the project; an owner whose column has such a value corrects
// it in the file or leaves the column out.
func LocalStats(t *Table, draft *Preparation, rows []int, local Local, floor int) (*Stats, error) {
	s := &Stats{Columns: make([]ColumnStats, len(draft.Columns))}
	for i := range draft.Columns {
		pc := &draft.Columns[i]
		c := local.own(t, pc.Name)
		if c == nil {
			if !pc.Type.Numeric() {
				s.Columns[i].Counts = make([]int64, len(pc.Categories))
			}
			continue
		}
		var err error
		if s.Columns[i], err = columnStats(pc, c, rows, int64(max(floor, DefaultFloor))); err != nil {
			return nil, err
		}
	}
	return s, s.Valid(draft)
}

func columnStats(pc *PreparedColumn, c *Column, rows []int, floor int64) (ColumnStats, error) {
	if pc.Type.Numeric() {
		return numberStats(c, rows, floor)
	}
	index := pc.index()
	out := ColumnStats{Counts: make([]int64, len(pc.Categories))}
	for _, r := range rows {
		if s, ok := c.Text(r); ok {
			if k := lookup(index, s); k >= 0 {
				out.Counts[k]++
			}
		}
	}
	for k, n := range out.Counts {
		if n < floor {
			out.Counts[k] = 0
		}
		out.Count += out.Counts[k]
	}
	return out, nil
}

func numberStats(c *Column, rows []int, floor int64) (ColumnStats, error) {
	var out ColumnStats
	for _, r := range rows {
		if c.missing.get(r) {
			continue
		}
		v, ok := c.Number(r)
		if !ok {
			s, _ := c.Text(r)
			return out, fed.Errorf(fed.Invalid, "correct the cell, or agree the column as a category",
				"column %q, row %d: %q is not a number", c.Name, r+1, clip(s, 40))
		}
		out.Count++
		out.Sum += v
		out.SumSq += v * v
	}
	if out.Count < floor || fewValues(c, rows, floor) {
		return ColumnStats{}, nil
	}
	return out, nil
}

// fewValues reports whether the column has two or three values, one of them in fewer
// rows than the floor: count, sum and sum of squares are three equations that give the
// counts of three values away.
func fewValues(c *Column, rows []int, floor int64) bool {
	counts := make(map[float64]int64, 4)
	for _, r := range rows {
		if v, ok := c.Number(r); ok {
			if counts[v]++; len(counts) > 3 {
				return false
			}
		}
	}
	for _, n := range counts {
		if len(counts) > 1 && n < floor {
			return true
		}
	}
	return false
}

const maxCount = 1 << 40

// Of returns the sums for the column asked from those of the same column with other
// categories: one that was not counted has no rows that are told.
func (c ColumnStats) Of(counted, asked PreparedColumn) ColumnStats {
	if asked.Type.Numeric() {
		return c
	}
	out := ColumnStats{Counts: make([]int64, len(asked.Categories))}
	for k, s := range asked.Categories {
		if i := counted.code(s); i >= 0 && i < len(c.Counts) {
			out.Counts[k] = c.Counts[i]
			out.Count += c.Counts[i]
		}
	}
	return out
}

// Valid returns an Invalid error unless s fits the preparation and could be the
// sums of real rows.
func (s *Stats) Valid(p *Preparation) error {
	bad := func(name, why string) error {
		return fed.Errorf(fed.Invalid, "compare the columns again", "the sums of column %q are not valid: %s", name, why)
	}
	if len(s.Columns) != len(p.Columns) {
		return fed.Errorf(fed.Invalid, "compare the columns again", "the sums have %d columns and the preparation %d", len(s.Columns), len(p.Columns))
	}
	for i, c := range s.Columns {
		pc := &p.Columns[i]
		if c.Count < 0 || c.Count > maxCount || !finite(c.Sum) || !finite(c.SumSq) {
			return bad(pc.Name, "a figure is negative, too large or no number")
		}
		var err string
		if pc.Type.Numeric() {
			err = c.checkNumber()
		} else {
			err = c.checkCounts(len(pc.Categories))
		}
		if err != "" {
			return bad(pc.Name, err)
		}
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func (c ColumnStats) checkNumber() string {
	n := float64(c.Count)
	switch {
	case len(c.Counts) > 0:
		return "a number has no category counts"
	case c.Count == 0 && (c.Sum != 0 || c.SumSq != 0):
		return "a sum without rows"
	case c.SumSq < 0 || c.Count > 0 && c.Sum/n*c.Sum > c.SumSq*(1+1e-9)+1e-9:
		return "the sum of squares is smaller than the mean allows"
	}
	return ""
}

func (c ColumnStats) checkCounts(categories int) string {
	if len(c.Counts) != categories || c.Sum != 0 || c.SumSq != 0 {
		return fmt.Sprintf("there must be %d category counts and no sums", categories)
	}
	var total int64
	for _, n := range c.Counts {
		if n < 0 || n > maxCount {
			return "a count is negative or too large"
		}
		total += n
	}
	if total != c.Count {
		return "the category counts do not add up"
	}
	return ""
}

// Marshal returns the canonical JSON of s.
func (s *Stats) Marshal() ([]byte, error) { return canonicalJSON(s) }

// ParseStats reads sums that came from a peer and checks them against p.
func ParseStats(b []byte, p *Preparation) (*Stats, error) {
	s := new(Stats)
	if err := strictJSON(b, s); err != nil {
		return nil, fed.Errorf(fed.Invalid, "compare the columns again", "the sums cannot be read: %w", err)
	}
	return s, s.Valid(p)
}

// Finish adds the parties' sums to a draft, in the order of their names, and
// returns the preparation with its figures. A column of which no party has enough
// values is left out, with a finding. Returns an Invalid error that names the
// party whose sums do not fit.
func (p *Preparation) Finish(stats map[string]*Stats) (*Preparation, []Finding, error) {
	names := make([]string, 0, len(stats))
	for name := range stats {
		names = append(names, name)
	}
	sort.Strings(names)
	total := make([]ColumnStats, len(p.Columns))
	for _, name := range names {
		if stats[name] == nil {
			return nil, nil, fed.Errorf(fed.Invalid, "wait for the party", "%s has not sent its sums", name)
		}
		if err := stats[name].Valid(p); err != nil {
			return nil, nil, fed.Errorf(fed.Invalid, fed.HintOf(err), "%s: %w", name, err)
		}
		for i := range total {
			total[i].add(stats[name].Columns[i])
		}
	}
	out := *p
	out.Draft, out.Columns = false, nil
	var found []Finding
	for i := range p.Columns {
		c := p.Columns[i]
		if why := c.finish(total[i]); why != "" {
			found = append(found, Finding{Severity: Warning, Column: c.Name, Text: why, Why: "it would carry nothing", Remedy: "the column is left out of the features"})
			continue
		}
		out.Columns = append(out.Columns, c)
	}
	out.Features = out.deriveFeatures()
	return &out, found, out.Validate()
}

func (c *ColumnStats) add(o ColumnStats) {
	c.Count += o.Count
	c.Sum += o.Sum
	c.SumSq += o.SumSq
	if c.Counts == nil {
		c.Counts = make([]int64, len(o.Counts))
	}
	for k, n := range o.Counts {
		c.Counts[k] += n
	}
}

// finish sets the figures, or says why the column has none.
func (c *PreparedColumn) finish(s ColumnStats) string {
	if s.Count == 0 {
		return "no party has enough values of this column"
	}
	if !c.Type.Numeric() {
		c.Categories = append([]string(nil), c.Categories...)
		best := 0
		for k, n := range s.Counts {
			if n > s.Counts[best] {
				best = k
			}
		}
		c.FillCategory = c.Categories[best]
		if len(c.Categories) < 2 {
			return "it has one value in all parties"
		}
		return ""
	}
	n := float64(s.Count)
	mean := s.Sum / n
	sd := 1.0
	if variance := (s.SumSq - n*mean*mean) / (n - 1); s.Count > 1 && variance > 1e-12*mean*mean {
		sd = math.Sqrt(variance)
	}
	if !finite(mean) || !finite(sd) || sd == 0 {
		return "its sums are too large to be used"
	}
	c.Mean, c.SD, c.Fill = fed.Number(mean), fed.Number(sd), fed.Number(mean)
	return ""
}
