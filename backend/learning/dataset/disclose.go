package dataset

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// Level is how much of a column its owner shows to others.
type Level string

// The levels: nothing (not even the name), type and missing band, or suppressed
// statistics as well.
const (
	LevelNone   Level = "none"
	LevelCoarse Level = "coarse"
	LevelFull   Level = "full"
)

// DefaultFloor is the least count that leaves.
const DefaultFloor = 10

// Disclosure is the statistics of a table that may leave: no count below the
// floor can be read from it or computed from it.
type Disclosure struct {
	Floor   int               `json:"floor"`
	RowBand string            `json:"rowBand"`
	Rows    int               `json:"rows"` // 0 unless the owner shares the exact count
	Columns []DisclosedColumn `json:"columns"`
	Hidden  []string          `json:"hidden"` // what is suppressed and why, for the owner; not part of a card
}

// DisclosedColumn is one column as others see it. Figures are NaN (null) when
// they do not leave.
type DisclosedColumn struct {
	Name        string     `json:"name"`
	Type        Type       `json:"type"`
	Level       Level      `json:"level"`
	MissingBand string     `json:"missingBand"`
	Mean        fed.Number `json:"mean"`
	SD          fed.Number `json:"sd"`
	P01         fed.Number `json:"p01"`
	Q25         fed.Number `json:"q25"`
	Median      fed.Number `json:"median"`
	Q75         fed.Number `json:"q75"`
	P99         fed.Number `json:"p99"`
	Categories  []Cell     `json:"categories"` // few-valued columns and the class balance
	Histogram   []Cell     `json:"histogram"`  // many-valued numbers
	Rounding    int        `json:"rounding"`   // counts are multiples of this; 0: none are told
}

// Cell is a named count, rounded.
type Cell struct {
	Name  string `json:"name"`
	Count string `json:"count"`
}

// DiscloseOptions are the owner's choices. The zero value has floor 10, a row
// band and no shared column.
type DiscloseOptions struct {
	Levels    map[string]Level
	Floor     int // below 10 it is 10
	ExactRows bool
}

// Disclose derives what may leave from a profile made by [NewProfile] (one read
// back from JSON has lost the exact counts and discloses bands only). Columns
// not in the levels, free text, identifiers and dates are never shown in full.
func Disclose(p *Profile, opt DiscloseOptions) *Disclosure {
	d := &Disclosure{Floor: max(opt.Floor, DefaultFloor), RowBand: RowBand(p.Rows)}
	var tables []*released
	if opt.ExactRows && p.Rows >= d.Floor {
		d.Rows = p.Rows
	}
	for i := range p.Columns {
		c := &p.Columns[i]
		level, why := allowed(c, opt.Levels[c.Name])
		if why != "" {
			d.hide("%s: %s", c.Name, why)
		}
		if level == LevelNone {
			continue
		}
		out := blankColumn(c, level, p.Rows, d.Floor)
		d.Columns = append(d.Columns, out)
		if level == LevelFull {
			tables = append(tables, d.release(c, len(d.Columns)-1))
		}
	}
	lo, hi := bandRange(p.Rows)
	for _, c := range d.Columns {
		lo = max(lo, rowsOfBand(c.MissingBand, d.Floor))
	}
	if d.Rows > 0 {
		lo, hi = p.Rows, p.Rows
	}
	protect(tables, lo, hi, d.Floor)
	for _, t := range tables {
		t.publish(d)
	}
	return d
}

func (d *Disclosure) hide(format string, args ...any) {
	d.Hidden = append(d.Hidden, fmt.Sprintf(format, args...))
}

// allowed lowers the owner's level where the kind of column forbids it.
func allowed(c *ColumnProfile, want Level) (Level, string) {
	switch {
	case want != LevelCoarse && want != LevelFull:
		return LevelNone, ""
	case c.Identifier != "":
		return LevelNone, "a direct identifier never leaves"
	case want == LevelFull && c.Type == Text:
		return LevelCoarse, "free text never leaves"
	case want == LevelFull && c.IDLike:
		return LevelCoarse, "values that identify rows never leave"
	case want == LevelFull && c.Type == Date:
		return LevelCoarse, "dates of single rows never leave"
	}
	return want, ""
}

func blankColumn(c *ColumnProfile, level Level, rows, k int) DisclosedColumn {
	return DisclosedColumn{Name: c.Name, Type: c.Type, Level: level, MissingBand: missingBand(c.Missing, rows, k),
		Mean: nan, SD: nan, P01: nan, Q25: nan, Median: nan, Q75: nan, P99: nan}
}

// rowBands are lower bounds; a band ends before the next.
var rowBands = []int{0, 50, 100, 250, 1000, 10_000, 100_000, 1_000_000}
var rowBandNames = []string{"<50", "50-99", "100-249", "250-999", "1k-9k", "10k-99k", "100k-999k", "1M+"}

// RowBand names the band of a row count.
func RowBand(rows int) string {
	i := sort.SearchInts(rowBands, rows+1) - 1
	return rowBandNames[max(i, 0)]
}

func bandRange(rows int) (lo, hi int) {
	i := sort.SearchInts(rowBands, rows+1) - 1
	if i+1 >= len(rowBands) {
		return rowBands[i], math.MaxInt32
	}
	return rowBands[i], rowBands[i+1] - 1
}

// missingBand tells the share of missing cells. A count of missing or of present
// cells below the floor shows only as being so.
func missingBand(missing, rows, k int) string {
	switch s := share(missing, rows); {
	case rows < 2*k:
		return "not shown"
	case missing < k:
		return fmt.Sprintf("<%d rows", k)
	case rows-missing < k:
		return "nearly all"
	case s < .05:
		return "<5 %"
	case s < .2:
		return "5-20 %"
	case s < .5:
		return "20-50 %"
	}
	return ">50 %"
}

// rowsOfBand is the least number of rows that a missing band allows: the band
// stands for at least k missing cells.
func rowsOfBand(band string, k int) int {
	switch band {
	case "<5 %":
		return 20*k + 1
	case "5-20 %":
		return 5*k + 1
	case "not shown":
		return 0
	}
	return 2 * k
}

// sparse reports whether a column has fewer present cells than the floor.
func sparse(c *Column, k int) bool { return c.Len()-c.nmiss < k }

// released is a one-way table on its way out: exact counts, all at least k.
type released struct {
	column  int // index in Disclosure.Columns
	cells   []cellCount
	merged  bool // some cells were merged: the values cannot be told apart
	missing int
	base    int // counts are rounded to this; 0: withheld
	many    *ColumnProfile
	few     *ColumnProfile
}

// release builds the table of a column at level full: few-valued columns by
// value, many-valued numbers by bins between the outer percentiles.
func (d *Disclosure) release(c *ColumnProfile, column int) *released {
	r := &released{column: column, missing: c.Missing, base: 10}
	switch present := sum(c.table); {
	case present < 2*d.Floor:
		r.base = 0
		d.hide("%s: fewer than %d values, so no statistics", c.Name, 2*d.Floor)
	case c.Type.Numeric() && len(c.table) > maxBins:
		r.many = c
		r.cells, r.merged = mergeOrdered(numberBins(c, d.Floor), d.Floor)
	case c.Type.Numeric():
		r.few = c
		r.cells, r.merged = mergeNamed(c.table, d.Floor)
	default:
		r.cells, r.merged = mergeNamed(c.table, d.Floor)
	}
	if r.merged {
		d.hide("%s: values with fewer than %d rows are merged with others", c.Name, d.Floor)
	}
	if len(r.cells) < 2 {
		r.base = 0
	}
	return r
}

func sum(cells []cellCount) int {
	n := 0
	for _, c := range cells {
		n += c.n
	}
	return n
}

// mergeNamed keeps categories of at least k rows and merges the rest; when the
// rest is below k the smallest kept category joins it (secondary suppression).
func mergeNamed(cells []cellCount, k int) ([]cellCount, bool) {
	var kept, small []cellCount
	for _, c := range cells {
		if c.n < k {
			small = append(small, c)
		} else {
			kept = append(kept, c)
		}
	}
	if len(small) == 0 {
		return kept, false
	}
	rest := sum(small)
	if rest < k || len(small) == 1 {
		at := 0
		for i, c := range kept {
			if c.n < kept[at].n {
				at = i
			}
		}
		if len(kept) > 0 {
			rest += kept[at].n
			kept = append(kept[:at:at], kept[at+1:]...)
		}
	}
	if rest < k {
		return nil, true
	}
	return append(kept, cellCount{name: "other values", n: rest}), true
}

// mergeOrdered merges neighbours until every cell has at least k rows. Names
// become ranges.
func mergeOrdered(cells []cellCount, k int) ([]cellCount, bool) {
	var out []cellCount
	var first string
	run, merged := cellCount{}, false
	for _, c := range cells {
		if run.n == 0 {
			first = c.name
		} else {
			merged = true
		}
		run.n += c.n
		run.name, run.value = c.name, c.value
		if first != c.name {
			run.name = joinRange(first, c.name)
		}
		if run.n >= k {
			out = append(out, run)
			run = cellCount{}
		}
	}
	if run.n > 0 && len(out) > 0 {
		last := &out[len(out)-1]
		last.n += run.n
		last.name = joinRange(last.name, run.name)
		merged = true
	}
	return out, merged
}

const rangeWord = " to "

// joinRange names the union of two neighbouring cells by its outer ends.
func joinRange(a, b string) string {
	return firstOf(a) + rangeWord + lastOf(b)
}

func firstOf(s string) string {
	first, _, _ := strings.Cut(s, rangeWord)
	return first
}

func lastOf(s string) string {
	_, last, ok := strings.Cut(s, rangeWord)
	if !ok {
		return s
	}
	return last
}

// outer returns bounds below and above which at least k rows and at least one
// per cent lie, rounded to a grid: they stand for minimum and maximum.
func outer(sorted []float64, k int) (lo, hi, grid float64) {
	n := len(sorted)
	i := max(k-1, int(math.Ceil(.01*float64(n)))-1)
	lo, hi = sorted[i], sorted[n-1-i]
	if !(hi > lo) || math.IsInf(hi-lo, 0) {
		return significant(lo, 3), significant(hi, 3), 0
	}
	grid = math.Pow(10, math.Floor(math.Log10((hi-lo)/10)))
	return onGrid(lo, grid), onGrid(hi, grid), grid
}

// onGrid rounds to a multiple of grid, or to three digits when there is none.
func onGrid(v, grid float64) float64 {
	if grid == 0 {
		return significant(v, 3)
	}
	return significant(math.Round(v/grid)*grid, 12)
}

// significant rounds to so many significant digits.
func significant(v float64, digits int) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	s, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	return s
}

// numberBins counts many-valued numbers in ten bins on rounded edges between
// the outer bounds; the outer bins are open.
func numberBins(c *ColumnProfile, k int) []cellCount {
	lo, hi, _ := outer(c.sorted, k)
	width := significant((hi-lo)/10, 1)
	if !(width > 0) || math.IsInf(width, 0) {
		return nil
	}
	lo = math.Floor(lo/width) * width
	out := make([]cellCount, 10)
	for i := range out {
		from, to := lo+float64(i)*width, lo+float64(i+1)*width
		out[i].name = NumberText(significant(from, 9)) + rangeWord + NumberText(significant(to, 9))
		out[i].value = significant(from+width/2, 9)
	}
	out[0].name = "below" + rangeWord + lastOf(out[0].name)
	out[9].name = firstOf(out[9].name) + rangeWord + "above"
	for _, v := range c.sorted {
		i := math.Floor((v - lo) / width)
		out[int(math.Max(0, math.Min(9, i)))].n++
	}
	return out
}

// publish writes the table and the figures that go with it.
func (r *released) publish(d *Disclosure) {
	c := &d.Columns[r.column]
	if r.base == 0 {
		if len(r.cells) > 1 {
			d.hide("%s: the counts together with the number of rows would tell how many cells are missing, so they are withheld", c.Name)
		}
		if r.many != nil {
			r.figures(c, d.Floor)
		}
		return
	}
	cells := make([]Cell, len(r.cells))
	for i, x := range r.cells {
		cells[i] = Cell{Name: x.name, Count: strconv.Itoa(roundTo(x.n, r.base))}
	}
	c.Rounding = r.base
	if r.many != nil {
		c.Histogram = cells
		r.figures(c, d.Floor)
		return
	}
	c.Categories = cells
	if r.few != nil && !r.merged {
		r.fromTable(c)
	}
}

// figures publishes those of many-valued numbers, rounded; the outer quantiles
// have at least k rows beyond them. Mean and deviation are those of the values
// clipped to them (winsorised): an extreme value cannot be read off the others.
func (r *released) figures(c *DisclosedColumn, k int) {
	s := r.many.sorted
	lo, hi, grid := outer(s, k)
	c.P01, c.P99 = fed.Number(lo), fed.Number(hi)
	three := func(v float64) fed.Number { return fed.Number(onGrid(v, grid/10)) }
	mean, sd := meanSD(clipped(s, lo, hi))
	c.Mean, c.SD = three(mean), three(sd)
	c.Median = three(quantile(s, .5))
	if len(s) >= 4*k {
		c.Q25, c.Q75 = three(quantile(s, .25)), three(quantile(s, .75))
	}
}

// clipped returns the values, those beyond lo and hi replaced by the bound.
func clipped(values []float64, lo, hi float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = min(max(v, lo), hi)
	}
	return out
}

// fromTable derives the figures of few-valued numbers from the published counts
// alone, so that they add nothing to them.
func (r *released) fromTable(c *DisclosedColumn) {
	var x []float64
	scale := 1
	for total := sum(r.cells); total/scale > 10_000; {
		scale *= 10
	}
	for _, cell := range r.cells {
		for range max(roundTo(cell.n, r.base)/scale, 1) {
			x = append(x, cell.value)
		}
	}
	mean, sd := meanSD(x)
	c.Mean, c.SD = fed.Number(significant(mean, 3)), fed.Number(significant(sd, 3))
	c.P01, c.P99 = fed.Number(x[0]), fed.Number(x[len(x)-1])
	c.Q25, c.Median, c.Q75 = fed.Number(quantile(x, .25)), fed.Number(quantile(x, .5)), fed.Number(quantile(x, .75))
}

// roundTo rounds half up to a multiple of base.
func roundTo(n, base int) int { return (n + base/2) / base * base }
