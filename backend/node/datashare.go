package node

import (
	"context"
	"fmt"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
)

// role returns a column's role: the owner's, else the profile's. The target alone
// is the label.
func (s saved) role(c *dataset.ColumnProfile) string {
	if s.Profile != nil && c.Name == s.Profile.Target {
		return dataset.RoleLabel
	}
	if r := s.Roles[c.Name]; r != "" && r != dataset.RoleLabel {
		return r
	}
	if c.Role == dataset.RoleLabel {
		return dataset.RoleFeature
	}
	return c.Role
}

// levels returns what others see of each column: the owner's choice, else type and
// missing band of what a model can use, and nothing of the rest.
func (s saved) levels() map[string]dataset.Level {
	out := map[string]dataset.Level{}
	if s.Profile == nil {
		return out
	}
	for i := range s.Profile.Columns {
		c := &s.Profile.Columns[i]
		switch l := dataset.Level(s.Levels[c.Name]); {
		case l != "":
			out[c.Name] = l
		case c.Identifier != "" || s.role(c) == dataset.RoleID || s.leftOut(c):
			out[c.Name] = dataset.LevelNone
		default:
			out[c.Name] = dataset.LevelCoarse
		}
	}
	return out
}

// leftOut reports whether no model uses a column: free text, and what the owner
// drops. A column of one value, which the profile proposes to drop, is of use where
// other parties have other values.
func (s saved) leftOut(c *dataset.ColumnProfile) bool {
	return s.role(c) == dataset.RoleDrop && (s.Roles[c.Name] == dataset.RoleDrop || c.Type == dataset.Text)
}

// wideTable is the number of columns above which a card names only the target and
// the columns that have a level of the owner's.
const wideTable = 1000

// cardLevels returns the levels for a card, and what is left out because there is
// too much.
func (s saved) cardLevels() (map[string]dataset.Level, []string) {
	levels := s.levels()
	if len(levels) <= wideTable {
		return levels, nil
	}
	for name, l := range levels {
		if l != dataset.LevelNone && s.Levels[name] == "" && name != s.Profile.Target {
			levels[name] = dataset.LevelNone
		}
	}
	return levels, []string{fmt.Sprintf("a card of more than %d columns names those only whose level you set; projects use the others all the same", wideTable)}
}

// apart returns the columns that are no part of any project, in file order: their
// owner left them out or keeps them as identifiers, or shows nobody their names. A
// target or split column keeps its place where the project, by its configuration,
// has told the name already.
func (s saved) apart(cfg fed.RunConfig) []string {
	if s.Profile == nil {
		return nil
	}
	levels := s.levels()
	var out []string
	for i := range s.Profile.Columns {
		c := &s.Profile.Columns[i]
		told := c.Name == cfg.Target || c.Name == cfg.Test.Column
		if s.role(c) == dataset.RoleID || s.leftOut(c) || levels[c.Name] == dataset.LevelNone && !told {
			out = append(out, c.Name)
		}
	}
	return out
}

// projectTable returns the part of a dataset's table that a project may use and
// learn the names of.
func (b *dataBook) projectTable(ctx context.Context, id fed.DatasetID, cfg fed.RunConfig) (*dataset.Table, error) {
	t, err := b.table(ctx, id)
	if err != nil {
		return nil, err
	}
	o, err := b.find(string(id))
	if err != nil {
		return nil, err
	}
	s, _ := b.snap(o)
	return t.Without(s.apart(cfg)...), nil
}

// useWords are the two uses that keep a column out of projects, as the page calls them.
var useWords = map[string]string{dataset.RoleID: "Identifier", dataset.RoleDrop: "Not used"}

// whyApart says of each column that is no part of any project why, for its owner.
func (s saved) whyApart() []string {
	var out []string
	for _, name := range s.apart(fed.RunConfig{}) {
		why := "you show nobody its name"
		if c := s.Profile.Column(name); s.role(c) == dataset.RoleID || s.leftOut(c) {
			why = fmt.Sprintf("it is used as “%s”", useWords[s.role(c)])
		}
		out = append(out, fmt.Sprintf("%s: part of no project, because %s", name, why))
	}
	return out
}

// contradictions finds columns that are to be used but not to be named.
func (s saved) contradictions() []dataset.Finding {
	var out []dataset.Finding
	for _, name := range s.apart(fed.RunConfig{}) {
		if s.Levels[name] != string(dataset.LevelNone) {
			continue
		}
		f := dataset.Finding{
			Severity: dataset.Warning, Column: name, Text: "others see nothing of this column, so it is part of no project",
			Why: "the members of a project tell each other the names of the columns that they train on", Remedy: "show it as coarse if models should use it",
		}
		switch s.role(s.Profile.Column(name)) {
		case dataset.RoleFeature:
		case dataset.RoleLabel, dataset.RoleSplit:
			f.Text = "others see nothing of this column, so only a project that names it already can use it"
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}

// projectProposal is the proposal without the names that do not leave: a project's
// configuration goes to all its members.
func (s saved) projectProposal() fed.RunConfig {
	cfg := s.proposal()
	if s.Levels[cfg.Test.Column] == string(dataset.LevelNone) {
		cfg.Test = fed.TestSplit{Fraction: .2, Seed: 1}
	}
	apart := setOf(s.apart(cfg))
	hidden := func(name string) bool { return apart[name] }
	cfg.Drop, cfg.Categorical = slices.DeleteFunc(cfg.Drop, hidden), slices.DeleteFunc(cfg.Categorical, hidden)
	return cfg
}

// proposal returns the configuration that a project of a dataset starts from.
func (b *dataBook) proposal(id string) (fed.RunConfig, error) {
	o, err := b.find(id)
	if err != nil {
		return fed.RunConfig{}, err
	}
	s, _ := b.snap(o)
	if err := s.usable(); err != nil {
		return fed.RunConfig{}, err
	}
	return s.projectProposal(), nil
}

// projectColumns returns the names of the columns that a project may use.
func (b *dataBook) projectColumns(id string, cfg fed.RunConfig) ([]string, error) {
	o, err := b.find(id)
	if err != nil {
		return nil, err
	}
	s, _ := b.snap(o)
	if err := s.usable(); err != nil {
		return nil, err
	}
	return s.columnsFor(cfg), nil
}

func (s saved) columnsFor(cfg fed.RunConfig) []string {
	apart, out := setOf(s.apart(cfg)), []string{}
	for _, c := range s.Columns {
		if !apart[c] {
			out = append(out, c)
		}
	}
	return out
}

func setOf(names []string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, name := range names {
		out[name] = true
	}
	return out
}
