package dataset

import (
	"math"
	"sort"

	"synergos.app/desktop/backend/fed"
)

// maxBins is the most bars a histogram has.
const maxBins = 20

// Profile is what the owner of a table sees of it. It never leaves the computer;
// [Disclose] makes what may.
type Profile struct {
	Name          string          `json:"name"`
	Rows          int             `json:"rows"`
	Target        string          `json:"target"`
	Task          string          `json:"task"`
	Classes       []string        `json:"classes"`
	ClassCounts   []int           `json:"classCounts"` // [classes]
	MissingLabels int             `json:"missingLabels"`
	Columns       []ColumnProfile `json:"columns"` // in file order
	Duplicates    int             `json:"duplicates"`
	Findings      []Finding       `json:"findings"`
	Proposal      fed.RunConfig   `json:"proposal"`
}

// ColumnProfile describes one column. The figures are NaN when the column has no
// numbers.
type ColumnProfile struct {
	Name         string     `json:"name"`
	Type         Type       `json:"type"`
	Role         string     `json:"role"` // feature, label, id, split, drop
	Missing      int        `json:"missing"`
	MissingShare fed.Number `json:"missingShare"`
	NonFinite    int        `json:"nonFinite"`
	Distinct     int        `json:"distinct"`
	Mean         fed.Number `json:"mean"`
	SD           fed.Number `json:"sd"` // unbiased
	Min          fed.Number `json:"min"`
	P01          fed.Number `json:"p01"`
	Q25          fed.Number `json:"q25"`
	Median       fed.Number `json:"median"`
	Q75          fed.Number `json:"q75"`
	P99          fed.Number `json:"p99"`
	Max          fed.Number `json:"max"`
	Histogram    []Bin      `json:"histogram"`
	Constant     bool       `json:"constant"`
	IDLike       bool       `json:"idLike"`
	Identifier   string     `json:"identifier"` // email, phone, name, national id; empty: none
	Leak         fed.Number `json:"leak"`       // how well the column alone gives the label: AUC, accuracy or |r|

	table  []cellCount // exact counts by value when discrete; for Disclose
	sorted []float64   // present numbers ascending; for Disclose
}

// Bin is one bar of a histogram. Counts is by class, or one figure when there is
// no class label. Low and High bound a numeric bar: [Low, High), the last closed.
type Bin struct {
	Label  string     `json:"label"`
	Low    fed.Number `json:"low"`
	High   fed.Number `json:"high"`
	Counts []int      `json:"counts"`
}

type cellCount struct {
	name  string
	value float64 // when the column is numeric
	n     int
}

// Column returns the profile of a column, or nil.
func (p *Profile) Column(name string) *ColumnProfile {
	for i := range p.Columns {
		if p.Columns[i].Name == name {
			return &p.Columns[i]
		}
	}
	return nil
}

// NewProfile describes t. With target "" the proposed target is taken; labels
// maps raw label values to class names as in fed.RunConfig and may be nil.
func NewProfile(t *Table, target string, labels map[string]string) *Profile {
	p := &Profile{Name: t.Name, Rows: t.rows, Target: target}
	if p.Target == "" {
		p.Target = ProposeTarget(t)
	}
	label := t.Column(p.Target)
	if label == nil {
		p.Target = ""
	}
	p.Task = proposeTask(label, labels)
	y := classCodes(label, p, labels)
	for _, c := range t.Columns {
		p.Columns = append(p.Columns, profileColumn(c, label, y, p))
	}
	p.Duplicates = t.duplicates()
	p.Proposal = propose(t, p, labels)
	p.Findings = findings(t, p, labels)
	return p
}

// classCodes returns each row's class, -1 where the label is missing or has no
// class, and fills the profile's class fields. All rows are class 0 when the
// task has no classes.
func classCodes(label *Column, p *Profile, labels map[string]string) []int32 {
	y := make([]int32, p.Rows)
	if label == nil || p.Task != fed.TaskClassify {
		if label != nil {
			p.MissingLabels = label.nmiss
		}
		return y
	}
	m := newLabelMap(labels, label.texts())
	p.Classes = m.classes
	p.ClassCounts = make([]int, len(m.classes))
	for i := range y {
		y[i] = -1
		if s, ok := label.Text(i); ok {
			y[i] = int32(m.code(s))
		}
		if y[i] < 0 {
			p.MissingLabels++
		} else {
			p.ClassCounts[y[i]]++
		}
	}
	return y
}

// texts returns the distinct present values in label order.
func (c *Column) texts() []string {
	codes, dict := c.asCodes()
	used := make([]bool, len(dict))
	for _, k := range codes {
		if k >= 0 {
			used[k] = true
		}
	}
	var out []string
	for k, s := range dict {
		if used[k] {
			out = append(out, s)
		}
	}
	sortValues(out)
	return out
}

// sortValues sorts numbers by value before texts by code point.
func sortValues(s []string) {
	sort.Slice(s, func(i, j int) bool { return lessValue(s[i], s[j]) })
}

func lessValue(a, b string) bool {
	x, okx := textNumber(a)
	y, oky := textNumber(b)
	switch {
	case okx && oky && x != y:
		return x < y
	case okx != oky:
		return okx
	}
	return a < b
}

func profileColumn(c, label *Column, y []int32, p *Profile) ColumnProfile {
	out := ColumnProfile{Name: c.Name, Type: c.Type, Role: "feature", Missing: c.nmiss, NonFinite: c.NonFinite,
		MissingShare: fed.Number(share(c.nmiss, p.Rows)), Mean: nan, SD: nan, Min: nan, P01: nan, Q25: nan, Median: nan,
		Q75: nan, P99: nan, Max: nan, Leak: nan}
	out.table = c.counts()
	out.Distinct = len(out.table)
	if c.Type.Numeric() {
		out.numbers(c)
	}
	out.Constant = out.Distinct <= 1
	out.IDLike = idLike(c, out.Distinct)
	out.Identifier = identifier(c)
	classes := max(len(p.Classes), 1)
	if c.Type.Numeric() && len(out.table) > maxBins {
		out.Histogram = c.bins(out.sorted, y, classes)
	} else {
		out.Histogram = c.bars(out.table, y, classes)
	}
	switch {
	case c == label:
		out.Role = "label"
	case splitColumn(c):
		out.Role = "split"
	case out.IDLike || out.Identifier != "":
		out.Role = "id"
	case c.Type == Text || out.Constant:
		out.Role = "drop"
	}
	if label != nil && c != label {
		out.Leak = fed.Number(leak(c, label, y, p))
	}
	return out
}

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// counts returns how often each present value occurs, in value order.
func (c *Column) counts() []cellCount {
	if c.Type.Numeric() {
		return c.numberCounts()
	}
	n := make([]int, len(c.dict))
	for _, k := range c.codes {
		if k >= 0 {
			n[k]++
		}
	}
	var out []cellCount
	for k, s := range c.dict {
		if n[k] > 0 {
			out = append(out, cellCount{name: s, n: n[k]})
		}
	}
	sort.Slice(out, func(i, j int) bool { return lessValue(out[i].name, out[j].name) })
	return out
}

func (c *Column) numberCounts() []cellCount {
	sorted := c.present()
	var out []cellCount
	for i, v := range sorted {
		if i == 0 || v != sorted[i-1] {
			out = append(out, cellCount{value: v, name: valueText(c.Type, v)})
		}
		out[len(out)-1].n++
	}
	return out
}

// present returns the present numbers in ascending order.
func (c *Column) present() []float64 {
	out := make([]float64, 0, len(c.values)-c.nmiss)
	for i, v := range c.values {
		if !c.missing.get(i) {
			out = append(out, v)
		}
	}
	sort.Float64s(out)
	return out
}

func (p *ColumnProfile) numbers(c *Column) {
	s := c.present()
	p.sorted = s
	if len(s) == 0 {
		return
	}
	mean, sd := meanSD(s)
	p.Mean, p.SD = fed.Number(mean), fed.Number(sd)
	p.Min, p.Max = fed.Number(s[0]), fed.Number(s[len(s)-1])
	for _, q := range []struct {
		at  float64
		out *fed.Number
	}{{.01, &p.P01}, {.25, &p.Q25}, {.5, &p.Median}, {.75, &p.Q75}, {.99, &p.P99}} {
		*q.out = fed.Number(quantile(s, q.at))
	}
}

// meanSD returns the mean and the unbiased standard deviation of x (0 for one
// value), in two passes.
func meanSD(x []float64) (mean, sd float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	var ss float64
	for _, v := range x {
		ss += (v - mean) * (v - mean)
	}
	if len(x) < 2 {
		return mean, 0
	}
	return mean, math.Sqrt(ss / float64(len(x)-1))
}

// quantile interpolates linearly between the order statistics of sorted x
// (Hyndman and Fan 1996, definition 7).
func quantile(x []float64, q float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	h := q * float64(len(x)-1)
	i := int(h)
	if i+1 >= len(x) {
		return x[len(x)-1]
	}
	return x[i] + (h-float64(i))*(x[i+1]-x[i])
}

// bins is the histogram of many-valued numbers: equal widths from min to max.
func (c *Column) bins(sorted []float64, y []int32, classes int) []Bin {
	lo, hi := sorted[0], sorted[len(sorted)-1]
	width := (hi - lo) / maxBins
	if math.IsInf(width, 0) || width == 0 {
		return nil
	}
	out := make([]Bin, maxBins)
	for i := range out {
		out[i] = Bin{Low: fed.Number(lo + float64(i)*width), High: fed.Number(lo + float64(i+1)*width), Counts: make([]int, classes)}
	}
	out[maxBins-1].High = fed.Number(hi)
	for i, v := range c.values {
		if !c.missing.get(i) && y[i] >= 0 {
			k := min(int((v-lo)/width), maxBins-1)
			out[k].Counts[y[i]]++
		}
	}
	return out
}

// bars is the histogram of few-valued columns: the most frequent values in value
// order and, when there are more than maxBins, one bar for the rest.
func (c *Column) bars(table []cellCount, y []int32, classes int) []Bin {
	kept := append([]cellCount(nil), table...)
	if len(kept) > maxBins {
		sort.SliceStable(kept, func(i, j int) bool { return kept[i].n > kept[j].n })
		kept = kept[:maxBins-1]
		sort.Slice(kept, func(i, j int) bool { return lessValue(kept[i].name, kept[j].name) })
	}
	out := make([]Bin, len(kept), len(kept)+1)
	at := make(map[string]int, len(kept))
	for i, k := range kept {
		out[i] = Bin{Label: k.name, Low: nan, High: nan, Counts: make([]int, classes)}
		if c.Type.Numeric() {
			out[i].Low, out[i].High = fed.Number(k.value), fed.Number(k.value)
		}
		at[k.name] = i
	}
	if len(kept) < len(table) {
		out = append(out, Bin{Label: "other values", Low: nan, High: nan, Counts: make([]int, classes)})
	}
	for i := range y {
		s, ok := c.Text(i)
		if !ok || y[i] < 0 {
			continue
		}
		k, ok := at[s]
		if !ok {
			k = len(out) - 1
		}
		out[k].Counts[y[i]]++
	}
	return out
}

// duplicates counts rows equal to an earlier row in every cell; 0 when a column
// is truncated, because then equality is not known.
func (t *Table) duplicates() int {
	if len(t.Columns) < 2 {
		return 0
	}
	for _, c := range t.Columns {
		if c.Truncated {
			return 0
		}
	}
	seen := make(map[uint64][]int32, t.rows)
	n := 0
	for r := range t.rows {
		h := t.rowHash(r)
		if t.hasEqual(seen[h], r) {
			n++
			continue
		}
		seen[h] = append(seen[h], int32(r))
	}
	return n
}

func (t *Table) rowHash(r int) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range t.Columns {
		h = (h ^ c.cellBits(r)) * 0x9E3779B97F4A7C15
		h ^= h >> 29
	}
	return h
}

func (c *Column) cellBits(r int) uint64 {
	switch {
	case c.missing.get(r):
		return 0x9E3779B97F4A7C15
	case c.Type.Numeric():
		return math.Float64bits(c.values[r] + 0)
	}
	return uint64(c.codes[r])
}

func (t *Table) hasEqual(rows []int32, r int) bool {
	for _, o := range rows {
		equal := true
		for _, c := range t.Columns {
			if c.cellBits(int(o)) != c.cellBits(r) {
				equal = false
				break
			}
		}
		if equal {
			return true
		}
	}
	return false
}
