package dataset

import (
	"math"
	"sort"

	"synergos.app/desktop/backend/fed"
)

// Local is what a party adds to the agreed preparation and keeps to itself: how
// its own columns are called, and with per-party scaling its own scaler.
type Local struct {
	// Rename maps the party's column name to the shared one.
	Rename map[string]string `json:"rename,omitempty"`
	Scaler *Scaler           `json:"scaler,omitempty"`
}

// own returns the party's column for a shared name, nil when it has none.
func (l Local) own(t *Table, shared string) *Column {
	if c := t.Column(shared); c != nil {
		if _, renamed := l.Rename[shared]; !renamed {
			return c
		}
	}
	for from, to := range l.Rename {
		if to == shared {
			return t.Column(from)
		}
	}
	return nil
}

// OwnName returns the party's name of the column that has a shared name, "" when it
// has none.
func (l Local) OwnName(t *Table, shared string) string {
	if c := l.own(t, shared); c != nil {
		return c.Name
	}
	return ""
}

// Rows are the row numbers of one party, ascending and disjoint.
type Rows struct {
	Train  []int
	Valid  []int
	Test   []int
	Report SplitReport
}

// SplitReport says what became of every row.
type SplitReport struct {
	Rows           int       `json:"rows"`
	Train          int       `json:"train"`
	Valid          int       `json:"valid"`
	Test           int       `json:"test"`
	NoLabel        int       `json:"noLabel"`        // left out: label missing or not in the label map
	MissingFeature int       `json:"missingFeature"` // left out by missing = drop_rows
	TrainClasses   []int     `json:"trainClasses"`   // [classes]
	Findings       []Finding `json:"findings,omitempty"`
}

// Split divides the rows of a party, seeded by cfg.Test.Seed and the party's
// name in the run, stratified by class. prep (a draft is enough) names target,
// classes and features. Every class keeps a row for training. A party with fewer than
// [DefaultFloor] rows to validate on validates nothing and trains on them. Returns an Invalid
// error when the target or the split column is absent or no row can train.
func Split(t *Table, prep *Preparation, cfg fed.RunConfig, party string, local Local) (*Rows, error) {
	label := local.own(t, prep.Target)
	if label == nil {
		return nil, fed.Errorf(fed.Invalid, "choose the label column of this file", "%s has no column for the target %q", t.Name, prep.Target)
	}
	out := &Rows{Report: SplitReport{Rows: t.rows}}
	strata := out.usable(t, prep, label, local)
	var rest [][]int
	var err error
	if cfg.Test.Column != "" {
		rest, out.Test, err = splitByColumn(t, cfg.Test, strata, local)
	} else {
		rest, out.Test, err = holdOut(strata, cfg.Test.Fraction, cfg.Test.Seed, party, "split/test")
	}
	if err != nil {
		return nil, err
	}
	kept, valid, err := holdOut(rest, cfg.HoldOut(), cfg.Test.Seed, party, "split/validation")
	if err != nil {
		return nil, err
	}
	if len(valid) >= DefaultFloor {
		rest, out.Valid = kept, valid
	} // else nothing would be told of so few: they train
	for _, rows := range rest {
		out.Report.TrainClasses = append(out.Report.TrainClasses, len(rows))
	}
	out.Train = merged(rest)
	return out, out.check(t, prep)
}

// usable returns the rows that have what training needs, by class.
func (r *Rows) usable(t *Table, prep *Preparation, label *Column, local Local) [][]int {
	strata := make([][]int, max(len(prep.Classes), 1))
	labels := prep.labels()
	var needed []*Column
	if prep.Missing == "drop_rows" {
		for i := range prep.Columns {
			if c := local.own(t, prep.Columns[i].Name); c != nil && !c.Empty() {
				needed = append(needed, c)
			}
		}
	}
rows:
	for i := range t.rows {
		y, ok := prep.label(label, labels, i)
		if !ok {
			r.Report.NoLabel++
			continue
		}
		for _, c := range needed {
			if c.missing.get(i) {
				r.Report.MissingFeature++
				continue rows
			}
		}
		k := 0
		if len(prep.Classes) > 0 {
			k = int(y)
		}
		strata[k] = append(strata[k], i)
	}
	return strata
}

func splitByColumn(t *Table, by fed.TestSplit, strata [][]int, local Local) (rest [][]int, test []int, err error) {
	c := local.own(t, by.Column)
	if c == nil {
		return nil, nil, fed.Errorf(fed.Invalid, "choose a column of this file, or a seeded test share", "%s has no split column %q", t.Name, by.Column)
	}
	want := canonical(by.Value)
	rest = make([][]int, len(strata))
	for k, rows := range strata {
		for _, i := range rows {
			if s, _ := c.Text(i); s == want {
				test = append(test, i)
			} else {
				rest[k] = append(rest[k], i)
			}
		}
	}
	return rest, merged([][]int{test}), nil
}

// holdOut takes a rounded share of each stratum, never its last row.
func holdOut(strata [][]int, fraction float64, seed uint64, party, purpose string) (rest [][]int, held []int, err error) {
	if !(fraction >= 0 && fraction < 1) {
		return nil, nil, fed.Errorf(fed.Invalid, "choose a share from 0 to below 1", "a held-out share of %v is not possible", fraction)
	}
	rng := fed.Rand(seed, 0, party, purpose)
	rest = make([][]int, len(strata))
	for k, rows := range strata {
		n := min(int(math.Floor(fraction*float64(len(rows))+.5)), len(rows)-1)
		order := append([]int(nil), rows...)
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		n = max(n, 0)
		held = append(held, order[:n]...)
		rest[k] = merged([][]int{order[n:]})
	}
	return rest, merged([][]int{held}), nil
}

func (r *Rows) check(t *Table, prep *Preparation) error {
	rep := &r.Report
	rep.Train, rep.Valid, rep.Test = len(r.Train), len(r.Valid), len(r.Test)
	if rep.Train == 0 {
		return fed.Errorf(fed.Invalid, "check the column to predict, the classes of the project, and the missing cells of the file",
			"%s has no row to train on: of %s %d have no label, %d miss a feature and %d are test rows", t.Name, fed.Count(rep.Rows, "row"), rep.NoLabel, rep.MissingFeature, rep.Test)
	}
	present := 0
	for _, n := range rep.TrainClasses {
		if n > 0 {
			present++
		}
	}
	if len(prep.Classes) > 1 && present == 1 {
		rep.Findings = append(rep.Findings, Finding{Severity: Warning, Column: prep.Target, Text: "the label has one class here",
			Why: "this party can train in the federation, but a model of its own is impossible", Remedy: "read its own scores with care"})
	}
	if rep.NoLabel > 0 {
		rep.Findings = append(rep.Findings, Finding{Severity: Warning, Column: prep.Target, Text: counted(rep.NoLabel, "row", "is", "are") + " left out because the label is missing or unknown",
			Why: "only rows with a known label can be used for training and test", Remedy: "complete the label in the file, or write it as one of the classes of the project"})
	}
	if rep.MissingFeature > 0 {
		rep.Findings = append(rep.Findings, Finding{Severity: Info, Text: counted(rep.MissingFeature, "row", "is", "are") + " left out because a feature is missing",
			Why: "the project drops incomplete rows", Remedy: "complete the cells in the file to keep them"})
	}
	return nil
}

func merged(parts [][]int) []int {
	var out []int
	for _, p := range parts {
		out = append(out, p...)
	}
	sort.Ints(out)
	return out
}
