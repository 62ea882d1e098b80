package node

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/storage/datafile"
)

// startReading begins the operation that reads and profiles the file.
func (b *dataBook) startReading(ctx context.Context, o *owned) (view.Dataset, error) {
	s, _ := b.snap(o)
	ready := make(chan struct{})
	op := b.n.ops.start("reading", "Read "+s.Name, string(o.id), func(ctx context.Context, p progress) (string, error) {
		<-ready // the caller is told of the operation before it changes the dataset
		return string(o.id), b.read(ctx, o, p)
	})
	defer close(ready)
	if err := b.change(ctx, o, func(s *saved) { s.State, s.Problem, s.Operation = dataReading, nil, op.ID }); err != nil {
		return view.Dataset{}, err
	}
	return b.view(ctx, o), nil
}

// read reads the file, profiles it and saves the result, or why it failed.
func (b *dataBook) read(ctx context.Context, o *owned, p progress) error {
	back, err := o.take(ctx)
	if err == nil {
		defer back()
		err = b.profile(ctx, o, p)
	}
	if err == nil {
		return nil
	}
	shown := problem(err)
	if ctx.Err() != nil {
		shown = &view.Problem{Kind: fed.Unavailable.String(), Text: "Reading the file was cancelled.", Hint: "Read it again."}
	}
	if saveErr := b.change(ctx, o, func(s *saved) { s.State, s.Problem, s.Operation = dataFailed, shown, "" }); saveErr != nil && fed.KindOf(saveErr) != fed.NotFound {
		b.n.opts.Log.Error("dataset not saved", "error", saveErr.Error())
	}
	return err
}

func (b *dataBook) profile(ctx context.Context, o *owned, p progress) error {
	s, _ := b.snap(o)
	l, err := b.load(ctx, s.Path, func(done, total int64) { p("Reading the file", done, total, "bytes") })
	if err != nil {
		return err
	}
	p("Taking the fingerprint of the file", 0, l.size, "bytes")
	print, err := datafile.KeyedFingerprint(ctx, o.secret, s.Path)
	if err != nil {
		return err
	}
	p("Looking at the columns", 0, int64(len(l.raw.Columns)), "columns")
	s.forget(l.raw)
	if err := l.shape(s); err != nil {
		return err
	}
	err = b.change(ctx, o, func(next *saved) {
		next.State, next.Problem, next.Operation, next.Fingerprint = dataReady, nil, "", print
		next.Types, next.Target, next.Notes = s.Types, s.Target, append(l.notes, s.Notes...)
		next.Bytes, next.ModifiedNs, next.BadRows = l.size, l.modified.UnixNano(), l.bad
		next.Rows, next.Columns, next.Profile = l.table.Rows(), l.table.Names(), l.profile
	})
	if err == nil {
		b.keep(o, l)
	}
	return err
}

// forget drops the owner's choices that a file read anew cannot follow, and notes
// it.
func (s *saved) forget(t *dataset.Table) {
	s.Notes = nil
	types := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.Types)) {
		if _, err := t.Retype(name, dataset.Type(s.Types[name])); err != nil {
			s.Notes = append(s.Notes, dataset.Finding{Severity: dataset.Warning, Column: name, Text: err.Error(), Why: "it was read as " + s.Types[name] + " before", Remedy: fed.HintOf(err)})
			continue
		}
		types[name] = s.Types[name]
	}
	s.Types = types
	if s.Target != nil && *s.Target != "" && t.Column(*s.Target) == nil {
		s.Notes = append(s.Notes, dataset.Finding{Severity: dataset.Warning, Text: fmt.Sprintf("the target column %q is not in the file any more", *s.Target), Why: "training needs a column to predict", Remedy: "choose the target column"})
		s.Target = nil
	}
}

// loaded is a file in memory: the table as read, and shaped by its owner's choices.
type loaded struct {
	id       fed.DatasetID
	path     string
	size     int64
	modified time.Time
	bad      int
	notes    []dataset.Finding
	raw      *dataset.Table

	shaped  string // the choices that table and profile follow
	table   *dataset.Table
	profile *dataset.Profile // with the exact counts that Disclose needs
}

func (b *dataBook) load(ctx context.Context, path string, tell func(done, total int64)) (*loaded, error) {
	t, rep, err := datafile.Load(ctx, path, datafile.Options{Progress: tell})
	if err != nil {
		return nil, err
	}
	if t.Rows() == 0 {
		return nil, fed.Errorf(fed.Invalid, "Add rows below the header and read it again.", "%s has a header and no rows", rep.File)
	}
	if len(t.Columns) < 2 {
		return nil, fed.Errorf(fed.Invalid, "Separate the columns by comma, semicolon, tab or bar, and read it again.", "%s, line 1: there is one column, so nothing can be learned from it", rep.File)
	}
	return &loaded{path: path, size: rep.Size, modified: rep.Modified, bad: rep.BadRows, notes: rep.Findings, raw: t}, nil
}

// shape is what the table and its profile depend on, apart from the file.
func (s saved) shape() string { return toJSON([]any{orNone(s.Types), s.Target}) }

// orNone makes a map that JSON left out equal to an empty one.
func orNone(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// shape derives the table and its profile from the owner's choices.
func (l *loaded) shape(s saved) error {
	key := s.shape()
	if l.shaped == key {
		return nil
	}
	t, err := l.raw, error(nil)
	for _, name := range slices.Sorted(maps.Keys(s.Types)) {
		if t.Column(name) == nil {
			continue
		}
		if t, err = t.Retype(name, dataset.Type(s.Types[name])); err != nil {
			return err
		}
	}
	target := ""
	if s.Target != nil {
		target = *s.Target
	}
	l.table, l.profile, l.shaped = t, dataset.NewProfile(t, target, nil), key
	return nil
}

// maxTables bounds how many tables stay in memory.
const maxTables = 4

// keep puts a table into the cache in place of an older one of the dataset.
func (b *dataBook) keep(o *owned, l *loaded) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.id = o.id
	b.cache = slices.DeleteFunc(b.cache, func(c *loaded) bool { return c.id == o.id })
	if b.cache = append(b.cache, l); len(b.cache) > maxTables {
		b.cache = slices.Delete(b.cache, 0, 1)
	}
}

// kept returns the cached table of a dataset when the file is still the same.
func (b *dataBook) kept(id fed.DatasetID, path string, info os.FileInfo) *loaded {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, c := range b.cache {
		if c.id == id && c.path == path && c.size == info.Size() && c.modified.Equal(info.ModTime()) {
			b.cache = append(slices.Delete(b.cache, i, i+1), c)
			return c
		}
	}
	return nil
}

// table returns a dataset's table with its owner's types, reading the file when it
// is not in memory or has changed. The error is Busy while the first reading goes
// on, and NotFound when the file has moved.
func (b *dataBook) table(ctx context.Context, id fed.DatasetID) (*dataset.Table, error) {
	o, err := b.find(string(id))
	if err != nil {
		return nil, err
	}
	if s, _ := b.snap(o); s.usable() != nil {
		return nil, s.usable()
	}
	back, err := o.take(ctx)
	if err != nil {
		return nil, err
	}
	defer back()
	l, err := b.loaded(ctx, o)
	if err != nil {
		return nil, err
	}
	return l.table, nil
}

// loaded returns the file in memory, shaped; the caller has the dataset's turn.
func (b *dataBook) loaded(ctx context.Context, o *owned) (*loaded, error) {
	s, _ := b.snap(o)
	if err := s.usable(); err != nil {
		return nil, err
	}
	info, err := os.Stat(s.Path)
	if err != nil {
		return nil, fed.Errorf(fed.NotFound, "Find the file again under My data.", "the file of %s is not where it was", s.Name)
	}
	l := b.kept(o.id, s.Path, info)
	if l == nil {
		if l, err = b.load(ctx, s.Path, nil); err != nil {
			return nil, err
		}
		b.keep(o, l)
	}
	return l, l.shape(s)
}
