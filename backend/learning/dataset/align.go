package dataset

import (
	"fmt"
	"sort"

	"synergos.app/desktop/backend/fed"
)

// Statuses of a cell of the alignment table.
const (
	StatusSame     = "same"     // the party has the column under the shared name
	StatusMatched  = "matched"  // under another name; see the match
	StatusFilled   = "filled"   // not at all: the agreed value fills it
	StatusConflict = "conflict" // with another type
)

// Alignment is the table of the project's columns against its parties, made by
// the coordinator from the offers. It is worked out again from the offers at
// every confirmation, so a value is never changed in place.
type Alignment struct {
	Parties  []string          `json:"parties"` // sorted; the order of the cells
	Columns  []AlignedColumn   `json:"columns"` // sorted by shared name
	Matches  []Match           `json:"matches"`
	Findings []Finding         `json:"findings"`
	Config   fed.RunConfig     `json:"config"`
	Offers   map[string]*Offer `json:"offers"`
}

// AlignedColumn is one column of the union.
type AlignedColumn struct {
	Name  string        `json:"name"`
	Type  Type          `json:"type"`
	Role  string        `json:"role"` // feature, label, split, id, drop
	Cells []AlignedCell `json:"cells"`
}

// AlignedCell is how one party has a column.
type AlignedCell struct {
	Status string `json:"status"` // same, matched, filled, conflict
	Name   string `json:"name"`   // what the party calls it, "" when filled
	Note   string `json:"note"`
}

// Propose aligns the parties' offers: the sorted union of their columns with
// likely matches of differently named ones. offers is by party name. Returns an
// Invalid error when there is no offer or one is not valid.
func Propose(offers map[string]*Offer, cfg fed.RunConfig) (*Alignment, error) {
	if len(offers) == 0 {
		return nil, fed.Errorf(fed.Invalid, "wait until a party has joined", "there is no offer to align")
	}
	for name, o := range offers {
		if o == nil {
			return nil, fed.Errorf(fed.Invalid, "compare the columns again", "%s made no offer", name)
		}
		if err := o.Validate(); err != nil {
			return nil, fed.Errorf(fed.Invalid, fed.HintOf(err), "%s: %w", name, err)
		}
	}
	a := &Alignment{Config: cfg, Offers: offers}
	a.Matches = proposeMatches(offers, cfg)
	a.build()
	return a, nil
}

// Pending returns how many matches wait for a person.
func (a *Alignment) Pending() int {
	n := 0
	for _, m := range a.Matches {
		if !m.Confirmed {
			n++
		}
	}
	return n
}

// Confirm returns the alignment with exactly these matches, the others declined.
// A person may name matches that were not proposed. Returns an Invalid error for
// a match that names an unknown party or column, or a shared column that the
// party already has.
func (a *Alignment) Confirm(matches []Match) (*Alignment, error) {
	next := &Alignment{Config: a.Config, Offers: a.Offers}
	from, to := map[[2]string]bool{}, map[[2]string]bool{}
	for _, m := range matches {
		if err := a.checkMatch(m, matches); err != nil {
			return nil, err
		}
		if from[[2]string{m.Party, m.From}] || to[[2]string{m.Party, m.To}] {
			return nil, fed.Errorf(fed.Invalid, "match every column once", "%s: column %q or %q is matched twice", m.Party, m.From, m.To)
		}
		from[[2]string{m.Party, m.From}], to[[2]string{m.Party, m.To}] = true, true
		m.Confirmed = true
		next.Matches = append(next.Matches, m)
	}
	sortMatches(next.Matches)
	next.build()
	return next, nil
}

func (a *Alignment) checkMatch(m Match, all []Match) error {
	o := a.Offers[m.Party]
	switch {
	case o == nil:
		return fed.Errorf(fed.Invalid, "choose a party of the project", "%q is not a party of this alignment", clip(m.Party, 40))
	case o.column(m.From) == nil:
		return fed.Errorf(fed.Invalid, "choose a column that the party offers", "%s has no column %q", m.Party, clip(m.From, 40))
	case m.From == m.To || !goodName(m.To):
		return fed.Errorf(fed.Invalid, "choose another shared column", "%s: column %q cannot be matched with %q", m.Party, m.From, clip(m.To, 40))
	}
	if o.column(m.To) != nil {
		for _, other := range all {
			if other.Party == m.Party && other.From == m.To {
				return nil
			}
		}
		return fed.Errorf(fed.Invalid, "choose another shared column", "%s has a column %q of its own", m.Party, m.To)
	}
	for _, p := range a.Offers {
		if p.column(m.To) != nil {
			return nil
		}
	}
	if m.To == a.Config.Target {
		return nil
	}
	return fed.Errorf(fed.Invalid, "choose a column that another party has", "no party has a column %q", clip(m.To, 40))
}

func (o *Offer) column(name string) *OfferColumn {
	i := sort.Search(len(o.Columns), func(i int) bool { return o.Columns[i].Name >= name })
	if i < len(o.Columns) && o.Columns[i].Name == name {
		return &o.Columns[i]
	}
	return nil
}

// Rename returns the confirmed renames of a party: its name to the shared one.
// This goes to that party only, never into the preparation.
func (a *Alignment) Rename(party string) map[string]string {
	out := make(map[string]string)
	for _, m := range a.Matches {
		if m.Party == party && m.Confirmed {
			out[m.From] = m.To
		}
	}
	return out
}

// Coverage returns how many of the feature columns a party has.
func (a *Alignment) Coverage(party string) (have, of int) {
	at := sort.SearchStrings(a.Parties, party)
	for _, c := range a.Columns {
		if c.Role != RoleFeature || at >= len(a.Parties) || a.Parties[at] != party {
			continue
		}
		of++
		if s := c.Cells[at].Status; s == StatusSame || s == StatusMatched {
			have++
		}
	}
	return have, of
}

// build works out parties, columns and findings from offers and matches.
func (a *Alignment) build() {
	a.Parties, a.Columns, a.Findings = nil, nil, nil
	for name := range a.Offers {
		a.Parties = append(a.Parties, name)
	}
	sort.Strings(a.Parties)
	shared := make(map[[2]string]Match, len(a.Matches))
	for _, m := range a.Matches {
		shared[[2]string{m.Party, m.From}] = m
	}
	have := make(map[string][]*OfferColumn)
	for at, party := range a.Parties {
		for i := range a.Offers[party].Columns {
			c := &a.Offers[party].Columns[i]
			name := c.Name
			if m, ok := shared[[2]string{party, name}]; ok {
				name = m.To
			}
			if have[name] == nil {
				have[name] = make([]*OfferColumn, len(a.Parties))
			}
			have[name][at] = c
		}
	}
	if have[a.Config.Target] == nil {
		have[a.Config.Target] = make([]*OfferColumn, len(a.Parties))
	}
	for name, cells := range have {
		a.Columns = append(a.Columns, a.column(name, cells, shared))
	}
	sort.Slice(a.Columns, func(i, j int) bool { return a.Columns[i].Name < a.Columns[j].Name })
	a.find()
}

// column works out type, role and cells of one shared column.
func (a *Alignment) column(name string, cells []*OfferColumn, shared map[[2]string]Match) AlignedColumn {
	out := AlignedColumn{Name: name, Role: a.role(name, cells), Cells: make([]AlignedCell, len(cells))}
	out.Type = sharedType(cells, contains(a.Config.Categorical, name))
	for i, c := range cells {
		cell := &out.Cells[i]
		if c == nil {
			*cell = AlignedCell{Status: StatusFilled, Note: fmt.Sprintf("%s has no such column; the agreed value fills it", a.Parties[i])}
			if out.Role != RoleFeature {
				cell.Note = fmt.Sprintf("%s has no such column", a.Parties[i])
			}
			continue
		}
		*cell = AlignedCell{Status: StatusSame, Name: c.Name}
		if c.Name != name {
			cell.Status = StatusMatched
			cell.Note = "likely the same; a person has to confirm it"
			if m := shared[[2]string{a.Parties[i], c.Name}]; m.Confirmed {
				cell.Note = "confirmed"
			}
		}
		if out.Role == RoleFeature && !fits(c, out.Type) {
			cell.Status = StatusConflict
			cell.Note = fmt.Sprintf("%s reads it as %s, the project as %s", a.Parties[i], c.Type, out.Type)
		}
	}
	return out
}

func (a *Alignment) role(name string, cells []*OfferColumn) string {
	switch {
	case name == a.Config.Target:
		return RoleLabel
	case name == a.Config.Test.Column:
		return RoleSplit
	case contains(a.Config.Drop, name):
		return RoleDrop
	}
	for _, c := range cells {
		if c != nil && c.Role == RoleID {
			return RoleID
		}
	}
	return RoleFeature
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// sharedType is the narrowest type that holds what most parties have; parties
// with too few values do not count unless there are no others.
func sharedType(cells []*OfferColumn, asCategory bool) Type {
	if asCategory {
		return Category
	}
	votes := map[Type]int{}
	for _, c := range cells {
		if c != nil && !c.Sparse {
			votes[c.Type]++
		}
	}
	if len(votes) == 0 {
		for _, c := range cells {
			if c != nil {
				votes[c.Type]++
			}
		}
	}
	numbers := votes[Int] + votes[Float] + votes[Bool]
	switch {
	case votes[Date] > numbers && votes[Date] > votes[Category]:
		return Date
	case votes[Category] > numbers:
		return Category
	case votes[Float] > 0:
		return Float
	case votes[Int] > 0:
		return Int
	case votes[Bool] > 0:
		return Bool
	case votes[Category] > 0:
		return Category
	}
	return Float
}

// fits reports whether an offered column can be read as the shared type. Columns
// with too few values are numbers when they are empty, and fit everything then.
func fits(c *OfferColumn, to Type) bool {
	switch to {
	case Category:
		return c.Type == Category || c.Type == Bool || c.Sparse && c.Type.Numeric()
	case Date:
		return c.Type == Date || c.Sparse && c.Type == Float
	}
	return c.Type.Numeric() && c.Type != Date
}

// find collects what a person should know before confirming.
func (a *Alignment) find() {
	add := func(sev, column, text, why, remedy string) {
		a.Findings = append(a.Findings, Finding{Severity: sev, Column: column, Text: text, Why: why, Remedy: remedy})
	}
	for _, c := range a.Columns {
		for i, cell := range c.Cells {
			switch {
			case c.Role == RoleLabel && cell.Status == StatusFilled:
				add(Fault, c.Name, fmt.Sprintf("%s has no column for what is to be predicted", a.Parties[i]), "it cannot train without outcomes", "match one of its columns, or leave the party out")
			case cell.Status == StatusConflict:
				add(Fault, c.Name, cell.Note, "the values cannot be compared", "mark the column as a category, or drop it")
			}
		}
		if c.Role == RoleID {
			add(Info, c.Name, "it identifies rows or is free text", "a model would learn rows by heart", "it is left out of the inputs")
		}
		if n := hiddenIn(a.Offers, a.Matches, c.Name); n > 0 && c.Role == RoleFeature {
			add(Info, c.Name, fewRows(n), "such values do not leave their party", "rows with one count as not seen in training, unless another party names the value")
		}
	}
	for _, party := range a.Parties {
		if u := a.Offers[party].Unmapped; u != "" {
			add(Warning, a.Config.Target, fmt.Sprintf("%s has rows (%s) whose outcome belongs to no class", party, u), "they cannot be used", "correct the value in the file")
		}
		if a.Config.Task == fed.TaskClassify && len(a.Offers[party].Labels) == 1 {
			add(Warning, a.Config.Target, fmt.Sprintf("%s shows one class only", party), "a model of its own is impossible there", "read its own scores with care")
		}
	}
	a.findSpellings()
}

func hiddenIn(offers map[string]*Offer, matches []Match, name string) int {
	n := 0
	for party, o := range offers {
		own := name
		for _, m := range matches {
			if m.Party == party && m.To == name {
				own = m.From
			}
		}
		if c := o.column(own); c != nil && c.Hidden {
			n++
		}
	}
	return n
}

func fewRows(parties int) string {
	if parties == 1 {
		return "1 party has values that are found in too few rows to be named"
	}
	return fmt.Sprintf("%d parties have values that are found in too few rows to be named", parties)
}
