package dataset

import (
	"math"
	"sort"

	"synergos.app/desktop/backend/fed"
)

// Scaler standardises derived features: (x - Mean) / SD, both [d].
type Scaler struct {
	Mean []float64 `json:"mean"`
	SD   []float64 `json:"sd"`
}

// Validate returns an Invalid error unless the scaler has d finite entries with
// deviations above 0.
func (s *Scaler) Validate(d int) error {
	if len(s.Mean) != d || len(s.SD) != d {
		return fed.Errorf(fed.Invalid, "fit the scaler of this party again", "the scaler has %d entries and the preparation %d features", len(s.Mean), d)
	}
	for i := range s.Mean {
		if math.IsNaN(s.Mean[i]) || math.IsInf(s.Mean[i], 0) || !(s.SD[i] > 0) || math.IsInf(s.SD[i], 0) {
			return fed.Errorf(fed.Invalid, "fit the scaler of this party again", "entry %d of the scaler is not a number", i+1)
		}
	}
	return nil
}

// FitLocal fits the party's own scaler for per-party scaling: mean and unbiased
// standard deviation of each derived feature over rows, which must be the
// party's training rows. A feature without spread has deviation 1.
func (p *Preparation) FitLocal(t *Table, rows []int, local Local) (*Scaler, error) {
	d := p.Inputs()
	s := &Scaler{Mean: make([]float64, d), SD: make([]float64, d)}
	if len(rows) == 0 {
		return nil, fed.Errorf(fed.Invalid, "give the party training rows", "a scaler cannot be fitted to no row")
	}
	x, err := p.raw(t, rows, local)
	if err != nil {
		return nil, err
	}
	column := make([]float64, len(rows))
	for j := range d {
		for i := range rows {
			column[i] = x[i*d+j]
		}
		s.Mean[j], s.SD[j] = meanSD(column)
		if !(s.SD[j] > 1e-12*math.Abs(s.Mean[j])) {
			s.SD[j] = 1
		}
	}
	return s, s.Validate(d)
}

// scaler returns the scaler that applies, nil for none.
func (p *Preparation) scaler(own *Scaler) (*Scaler, error) {
	d := p.Inputs()
	switch {
	case p.Draft:
		return nil, fed.Errorf(fed.Invalid, "finish comparing the columns first", "the preparation is a draft without figures")
	case p.Scaling == ScaleNone:
		return nil, nil
	case p.Scaling == ScalePerParty && own == nil:
		return nil, fed.Errorf(fed.Invalid, "fit this party's scaler on its training rows first", "the project scales per party and this party has no scaler")
	case p.Scaling == ScalePerParty:
		return own, own.Validate(d)
	}
	s := &Scaler{Mean: make([]float64, 0, d), SD: make([]float64, 0, d)}
	for i := range p.Columns {
		c := &p.Columns[i]
		if c.Type.Numeric() {
			s.Mean, s.SD = append(s.Mean, float64(c.Mean)), append(s.SD, float64(c.SD))
			continue
		}
		for range c.width() {
			s.Mean, s.SD = append(s.Mean, 0), append(s.SD, 1)
		}
	}
	return s, nil
}

// Apply prepares rows of a table: X is [n, d] row-major, new. A column that the
// party lacks is filled in every row. Returns an Invalid error that names the
// column when its cells are not what was agreed.
func (p *Preparation) Apply(t *Table, rows []int, local Local) ([]float32, error) {
	s, err := p.scaler(local.Scaler)
	if err != nil {
		return nil, err
	}
	x, err := p.raw(t, rows, local)
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(x))
	d := p.Inputs()
	for i, v := range x {
		if s != nil {
			v = (v - s.Mean[i%d]) / s.SD[i%d]
		}
		if out[i] = float32(v); math.IsInf(float64(out[i]), 0) {
			return nil, fed.Errorf(fed.Invalid, "check the units of the column", "feature %q, row %d: the prepared value is too large", p.Features[i%d], rows[i/d]+1)
		}
	}
	return out, nil
}

// raw fills and encodes without scaling: [n, d] in float64.
func (p *Preparation) raw(t *Table, rows []int, local Local) ([]float64, error) {
	d := p.Inputs()
	x := make([]float64, len(rows)*d)
	at := 0
	for i := range p.Columns {
		pc := &p.Columns[i]
		c := local.own(t, pc.Name)
		var err error
		if pc.Type.Numeric() {
			err = pc.numbers(c, rows, x[min(at, len(x)):], d)
		} else {
			pc.oneHot(c, rows, x[min(at, len(x)):], d)
		}
		if err != nil {
			return nil, err
		}
		at += pc.width()
	}
	return x, nil
}

// numbers writes the column at x[0], x[d], x[2d] ...
func (pc *PreparedColumn) numbers(c *Column, rows []int, x []float64, d int) error {
	for i, r := range rows {
		v := float64(pc.Fill)
		if c != nil && !c.missing.get(r) {
			n, ok := c.Number(r)
			if !ok {
				s, _ := c.Text(r)
				return fed.Errorf(fed.Invalid, "correct the cell, or agree the column as a category",
					"column %q, row %d: %q is not a number", c.Name, r+1, clip(s, 40))
			}
			v = n
		}
		x[i*d] = v
	}
	return nil
}

// oneHot writes the indicator of every category but the first; an unseen one is
// all zeros.
func (pc *PreparedColumn) oneHot(c *Column, rows []int, x []float64, d int) {
	index := pc.index()
	fill := pc.code(pc.FillCategory)
	var byCode []int
	if c != nil && !c.Type.Numeric() {
		byCode = make([]int, len(c.dict))
		for k, s := range c.dict {
			byCode[k] = lookup(index, s)
		}
	}
	for i, r := range rows {
		k := fill
		switch {
		case c == nil || c.missing.get(r):
		case byCode != nil:
			k = byCode[c.codes[r]]
		default:
			s, _ := c.Text(r)
			k = lookup(index, s)
		}
		if k > 0 {
			x[i*d+k-1] = 1
		}
	}
}

func (pc *PreparedColumn) index() map[string]int {
	index := make(map[string]int, len(pc.Categories))
	for k, s := range pc.Categories {
		index[s] = k
	}
	return index
}

func lookup(index map[string]int, s string) int {
	if k, ok := index[s]; ok {
		return k
	}
	return -1
}

// code returns the code of a canonical value, -1 when unseen.
func (pc *PreparedColumn) code(s string) int {
	k := sort.Search(len(pc.Categories), func(i int) bool { return !lessValue(pc.Categories[i], s) })
	if k < len(pc.Categories) && pc.Categories[k] == s {
		return k
	}
	return -1
}

// Labels returns the targets of rows: the class index, or the number of a
// regression; [n], new. Returns an Invalid error for a row without label.
func (p *Preparation) Labels(t *Table, rows []int, local Local) ([]float32, error) {
	c := local.own(t, p.Target)
	if c == nil {
		return nil, fed.Errorf(fed.Invalid, "choose the label column of this file", "%s has no column for the target %q", t.Name, p.Target)
	}
	m := p.labels()
	y := make([]float32, len(rows))
	for i, r := range rows {
		v, ok := p.label(c, m, r)
		if !ok {
			return nil, fed.Errorf(fed.Invalid, "leave the row out, or write its label as one of the classes of the project", "row %d has no label that the project knows", r+1)
		}
		y[i] = float32(v)
	}
	return y, nil
}
