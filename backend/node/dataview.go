package node

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/learning/dataset/cohort"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/catalog"
)

// view returns a dataset as the screens show it.
func (b *dataBook) view(ctx context.Context, o *owned) view.Dataset {
	s, revision := b.snap(o)
	v := view.Dataset{
		ID: string(o.id), Name: s.Name, File: filepath.Base(s.Path), Path: s.Path, Rows: s.Rows, Columns: len(s.Columns), Bytes: s.Bytes,
		State: s.State, Problem: s.Problem, BadRows: s.BadRows, UsedIn: b.usedIn(ctx, o.id), AddedAt: at(o.addedMs), Revision: revision,
		Sample: s.Sample, OperationID: s.Operation,
	}
	if s.Profile != nil {
		v.Target, v.Task = s.Profile.Target, s.Profile.Task
	}
	if s.State == dataReady {
		v.State, v.Problem = s.onDisk()
	}
	if e, ok := b.cards.Card(catalog.CardID(b.n.me(), s.Nonce)); ok && !e.Withdrawn {
		v.CardVersion = e.Card.Version
		v.CardStale = s.Declared != s.declares() || v.State == "changed"
	}
	return v
}

// onDisk compares the file with what was read of it.
func (s saved) onDisk() (string, *view.Problem) {
	info, err := os.Stat(s.Path)
	switch {
	case err != nil:
		return "missing", &view.Problem{Kind: fed.NotFound.String(), Text: "The file is not where it was.", Hint: "Find the file, or forget the dataset."}
	case info.Size() != s.Bytes || info.ModTime().UnixNano() != s.ModifiedNs:
		return "changed", &view.Problem{Kind: fed.Incompatible.String(), Text: "The file has changed since it was read.", Hint: "Read it again, then publish a new version of its card."}
	}
	return dataReady, nil
}

// usedIn names the projects in which a dataset is consented to be used.
func (b *dataBook) usedIn(ctx context.Context, id fed.DatasetID) []string {
	out := []string{}
	rows, err := b.n.db.ListConsents(ctx)
	if err != nil || b.n.projects == nil {
		return out
	}
	for _, r := range rows {
		p, known := b.n.projects.Get(fed.ProjectID(r.Project))
		if r.Dataset != string(id) || r.EndedMs != 0 || r.UntilMs <= ms(b.n.opts.Now()) || !known || slices.Contains(out, p.Name) {
			continue
		}
		if me, _ := p.Standing(b.n.me()); me.State == "accepted" {
			out = append(out, p.Name)
		}
	}
	return out
}

// Profile returns what is known of a dataset. The preview is read from the file and
// stays on this computer.
func (n *Node) Profile(ctx context.Context, id string) (view.Profile, error) {
	o, err := n.data.find(id)
	if err != nil {
		return view.Profile{}, err
	}
	s, _ := n.data.snap(o)
	if s.Profile == nil {
		if err := s.usable(); err != nil {
			return view.Profile{}, err
		}
		return view.Profile{}, fed.Errorf(fed.NotFound, "Read it again.", "%s has no profile", s.Name)
	}
	v := n.data.profileView(ctx, o)
	v.Preview = n.data.preview(ctx, o)
	if s.Tutorial {
		n.tick(ctx, tickLooked, id, "dataset", id)
	}
	return v, nil
}

const (
	previewRows  = 20
	previewBytes = 64 << 20 // larger files are previewed only while they are in memory
)

func (b *dataBook) preview(ctx context.Context, o *owned) [][]string {
	s, _ := b.snap(o)
	info, err := os.Stat(s.Path)
	if err != nil || s.State != dataReady || info.Size() > previewBytes && b.kept(o.id, s.Path, info) == nil {
		return [][]string{}
	}
	t, err := b.table(ctx, o.id)
	if err != nil {
		return [][]string{}
	}
	return t.Preview(previewRows)
}

func (b *dataBook) profileView(ctx context.Context, o *owned) view.Profile {
	s, _ := b.snap(o)
	p := s.Profile
	v := view.Profile{
		Dataset: b.view(ctx, o), Columns: make([]view.Column, len(p.Columns)), Classes: orEmpty(p.Classes), ClassCount: orEmpty(p.ClassCounts),
		Duplicates: p.Duplicates, Findings: []view.Finding{}, Proposal: s.proposal(), Preview: [][]string{},
	}
	levels := s.levels()
	for i := range p.Columns {
		c := &p.Columns[i]
		v.Columns[i] = view.Column{
			Name: c.Name, Type: string(c.Type), Role: s.role(c), Level: string(levels[c.Name]), Missing: c.Missing, Distinct: c.Distinct,
			Mean: c.Mean, SD: c.SD, Min: c.Min, Q25: c.Q25, Median: c.Median, Q75: c.Q75, Max: c.Max, Histogram: make([]view.HistogramBin, len(c.Histogram)),
		}
		for k, h := range c.Histogram {
			v.Columns[i].Histogram[k] = view.HistogramBin{Label: h.Label, Low: h.Low, High: h.High, Counts: orEmpty(h.Counts)}
		}
	}
	for _, f := range slices.Concat(s.Notes, p.Findings, s.contradictions()) {
		v.Findings = append(v.Findings, findingView(f))
	}
	return v
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// proposal is the profile's run configuration with the owner's roles and types.
func (s saved) proposal() fed.RunConfig {
	cfg := s.Profile.Proposal
	cfg.Drop, cfg.Categorical = slices.Clone(cfg.Drop), slices.Clone(cfg.Categorical)
	remove := func(list []string, name string) []string {
		return slices.DeleteFunc(list, func(x string) bool { return x == name })
	}
	for i := range s.Profile.Columns {
		c := &s.Profile.Columns[i]
		role := s.role(c)
		switch s.Types[c.Name] {
		case "":
		case string(dataset.Category):
			cfg.Categorical = append(remove(cfg.Categorical, c.Name), c.Name)
		default:
			cfg.Categorical = remove(cfg.Categorical, c.Name)
		}
		if role == c.Role {
			continue
		}
		cfg.Drop = remove(cfg.Drop, c.Name)
		if cfg.Test.Column == c.Name {
			cfg.Test = fed.TestSplit{Fraction: .2, Seed: 1}
		}
		switch role {
		case dataset.RoleID, dataset.RoleDrop:
			cfg.Drop = append(cfg.Drop, c.Name)
			cfg.Categorical = remove(cfg.Categorical, c.Name)
		case dataset.RoleSplit:
			cfg.Test = fed.TestSplit{Seed: 1, Column: c.Name, Value: testValue(c)}
		}
	}
	return cfg
}

// testValue is the value that names test rows: one called test, else the rarest.
func testValue(c *dataset.ColumnProfile) string {
	best, least := "", -1
	for _, h := range c.Histogram {
		rows := 0
		for _, k := range h.Counts {
			rows += k
		}
		if strings.HasPrefix(strings.ToLower(h.Label), "test") {
			return h.Label
		}
		if least < 0 || rows < least {
			best, least = h.Label, rows
		}
	}
	return best
}

// EditDataset changes how a file is read and declared. The file is not touched.
func (n *Node) EditDataset(ctx context.Context, id string, edit view.DatasetEdit) (view.Profile, error) {
	o, err := n.data.find(id)
	if err != nil {
		return view.Profile{}, err
	}
	if s, _ := n.data.snap(o); s.usable() != nil {
		return view.Profile{}, s.usable()
	}
	back, err := o.take(ctx)
	if err != nil {
		return view.Profile{}, err
	}
	err = n.data.edit(ctx, o, edit)
	back()
	if err != nil {
		return view.Profile{}, err
	}
	return n.Profile(ctx, id)
}

func (b *dataBook) edit(ctx context.Context, o *owned, edit view.DatasetEdit) error {
	s, revision := b.snap(o)
	if edit.IfRevision != 0 && edit.IfRevision != revision {
		return fed.Errorf(fed.Exists, "Look at the dataset as it is now, then change it again.", "%s was changed in the meantime: it is at revision %d", s.Name, revision)
	}
	if err := s.usable(); err != nil {
		return err
	}
	next, err := s.edited(edit)
	if err != nil {
		return err
	}
	profile := s.Profile
	if s.shape() != next.shape() {
		l, err := b.loaded(ctx, o)
		if err != nil {
			return err
		}
		if err := l.shape(next); err != nil {
			return err
		}
		profile = l.profile
	}
	return b.change(ctx, o, func(s *saved) {
		*s = next
		s.Profile = profile
	})
}

// edited returns s with the changes, or the first that cannot be made.
func (s saved) edited(e view.DatasetEdit) (saved, error) {
	var err error
	check := func(in, old map[string]string, what string, valid func(string) bool) map[string]string {
		out := map[string]string{}
		for k, v := range old {
			out[k] = v
		}
		for _, k := range slices.Sorted(maps.Keys(in)) {
			if err == nil && !slices.Contains(s.Columns, k) {
				err = fed.Errorf(fed.NotFound, "Choose one of the file's columns.", "%s has no column %q", s.Name, catalog.Clean(k, 60))
			}
			if err == nil && !valid(in[k]) {
				err = fed.Errorf(fed.Invalid, "Choose one of the list.", "column %q: %q is not a %s", k, catalog.Clean(in[k], 30), what)
			}
			out[k] = in[k]
		}
		return out
	}
	s.Types = check(e.Types, s.Types, "type", func(v string) bool { return dataset.Type(v).Valid() })
	s.Roles = check(e.Roles, s.Roles, "role", func(v string) bool { return slices.Contains(columnRoles, v) })
	s.Levels = check(e.Levels, s.Levels, "level", func(v string) bool { return slices.Contains(columnLevels, dataset.Level(v)) })
	if err != nil {
		return s, err
	}
	if err := s.retarget(e); err != nil {
		return s, err
	}
	return s, s.declare(e)
}

var (
	columnRoles  = []string{dataset.RoleFeature, dataset.RoleLabel, dataset.RoleID, dataset.RoleSplit, dataset.RoleDrop}
	columnLevels = []dataset.Level{dataset.LevelNone, dataset.LevelCoarse, dataset.LevelFull}
)

// retarget applies a chosen target, or the role label given to a column.
func (s *saved) retarget(e view.DatasetEdit) error {
	target := e.Target
	for _, name := range slices.Sorted(maps.Keys(e.Roles)) {
		switch {
		case e.Roles[name] == dataset.RoleLabel && target == nil:
			target = &name
		case e.Roles[name] == dataset.RoleLabel && *target != name:
			return fed.Errorf(fed.Invalid, "Set “Used as” to “To predict” for one column only.", "two columns are to be predicted: %q and %q", *target, name)
		}
	}
	if target == nil {
		return nil
	}
	if *target != "" && !slices.Contains(s.Columns, *target) {
		return fed.Errorf(fed.NotFound, "Choose one of the file's columns.", "%s has no column %q", s.Name, catalog.Clean(*target, 60))
	}
	if s.Target = target; *target == "" {
		s.Target = nil
	}
	return nil
}

// declare applies what is said of the dataset to others.
func (s *saved) declare(e view.DatasetEdit) error {
	if e.Name != nil {
		if s.Name, s.Named = catalog.Clean(*e.Name, 120), true; s.Name == "" {
			return fed.Errorf(fed.Invalid, "Give the dataset a name.", "the name is empty")
		}
	}
	if e.Description != nil {
		s.Description = catalog.CleanText(*e.Description, 4000)
	}
	if e.Keywords != nil {
		s.Keywords = cleanAll(e.Keywords, 32, 64)
	}
	if e.ExactRows != nil {
		s.ExactRows = *e.ExactRows
	}
	if t := e.Terms; t != nil {
		if t.MinParties < 0 || t.MinParties > 1000 || t.ExpiresDays < 0 || t.ExpiresDays > 36_500 {
			return fed.Errorf(fed.Invalid, "Use 0 to 1000 parties and 0 to 36500 days.", "the terms are out of range")
		}
		s.Terms = view.Terms{
			Licence: catalog.Clean(t.Licence, 120), Purposes: cleanAll(t.Purposes, 32, 200), MinParties: t.MinParties,
			Families: cleanAll(t.Families, 32, 64), ExpiresDays: t.ExpiresDays, Contact: catalog.Clean(t.Contact, 200),
		}
	}
	return nil
}

func cleanAll(in []string, n, limit int) []string {
	out := []string{}
	for _, x := range in[:min(len(in), n)] {
		if x = catalog.Clean(x, limit); x != "" {
			out = append(out, x)
		}
	}
	return out
}

// ForgetDataset removes a dataset from this party, after withdrawing its card. The
// file stays. It is refused while a project that this party takes part in uses it.
func (n *Node) ForgetDataset(ctx context.Context, id string) error {
	o, err := n.data.find(id)
	if err != nil {
		return err
	}
	s, _ := n.data.snap(o)
	if used := n.data.usedIn(ctx, o.id); len(used) > 0 {
		return fed.Errorf(fed.Permission, "Leave the project first, or give it another dataset.", "%s is used in %s", s.Name, list(used))
	}
	if s.Operation != "" {
		_, _ = n.CancelOperation(ctx, s.Operation) // it may have ended already
	}
	if n.data.record(o).cardID != "" {
		if err := n.WithdrawCard(ctx, id); err != nil {
			return err
		}
	}
	n.data.mu.Lock()
	if err = n.db.DeleteDataset(ctx, id); err == nil {
		delete(n.data.all, o.id)
		n.data.cache = slices.DeleteFunc(n.data.cache, func(l *loaded) bool { return l.id == o.id })
	}
	n.data.mu.Unlock()
	if err != nil {
		return fmt.Errorf("forget dataset: %w", err)
	}
	n.publish("dataset", id, nil)
	return nil
}

// ReloadDataset reads a file again, from another place when path is given.
func (n *Node) ReloadDataset(ctx context.Context, id, path string) (view.Dataset, error) {
	o, err := n.data.find(id)
	if err != nil {
		return view.Dataset{}, err
	}
	s, _ := n.data.snap(o)
	if s.State == dataReading {
		return view.Dataset{}, s.usable()
	}
	if path == "" {
		path = s.Path
	}
	real, err := n.data.admit(path)
	if err != nil {
		return view.Dataset{}, err
	}
	if err := n.data.change(ctx, o, func(s *saved) { s.Path = real }); err != nil {
		return view.Dataset{}, err
	}
	return n.data.startReading(ctx, o)
}

// sampleSeed makes the samples the same everywhere.
const sampleSeed = 1

// AddSample writes the synthetic data of a hospital into this party's folder and
// adds it; "" picks the first that has not been added. A hospital that has been
// added already is returned as it is.
func (n *Node) AddSample(ctx context.Context, hospital string) (view.Dataset, error) {
	have := map[string]*owned{}
	for _, o := range n.data.sorted() {
		if s, _ := n.data.snap(o); s.Sample {
			have[filepath.Base(s.Path)] = o
		}
	}
	for _, f := range cohort.All(sampleSeed) {
		o := have[f.Name]
		switch {
		case hospital != f.Hospital && hospital != "" || hospital == "" && o != nil:
			continue
		case o != nil:
			return n.data.view(ctx, o), nil
		}
		return n.data.addSample(ctx, f, saved{Name: title(f.Hospital) + " heart data (synthetic)"})
	}
	if hospital == "" {
		return view.Dataset{}, fed.Errorf(fed.Exists, "Open one of them in the list of datasets.", "all samples have been added")
	}
	return view.Dataset{}, fed.Errorf(fed.NotFound, "Choose one of "+strings.Join(cohort.Names(), ", ")+".", "there is no sample hospital %q", catalog.Clean(hospital, 64))
}

func title(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

// addSample writes a sample into this party's folder and adds it under s.Name.
func (b *dataBook) addSample(ctx context.Context, f cohort.File, s saved) (view.Dataset, error) {
	dir := filepath.Join(resolved(b.n.opts.Home), "samples")
	path := filepath.Join(dir, f.Name)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.WriteFile(path, f.Data, 0o600)
	}
	if err != nil {
		return view.Dataset{}, fed.Errorf(fed.Unavailable, "Check the free space of the disk.", "the sample cannot be written")
	}
	s.Named, s.Path, s.Sample = true, path, true
	s.Description = "Synthetic records of a fictitious hospital. No row describes a person."
	return b.add(ctx, s)
}
