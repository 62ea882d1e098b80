package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/catalog"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// States of a dataset that are saved; view adds changed and missing.
const (
	dataReading = "reading"
	dataReady   = "ready"
	dataFailed  = "failed"
)

// dataBook keeps this party's datasets: where the files are, how they are read and
// declared, and the tables read last. It never writes to a file of the user.
type dataBook struct {
	n     *Node
	cards *catalog.Catalog

	mu    sync.Mutex // guards all, what it holds, cache and seen
	all   map[fed.DatasetID]*owned
	cache []*loaded // most recently used last
	seen  map[fed.DatasetID]sighting

	publishing sync.Mutex // one version of a card after the other
	measuring  sync.Mutex
	uploads    sync.Mutex // one writer of uploads at a time
}

// owned is a dataset with what is saved of it. Fields change under dataBook.mu.
type owned struct {
	id       fed.DatasetID
	secret   []byte
	addedMs  int64
	revision int
	turn     chan struct{} // holds one token: who has it reads the file or edits
	saved
}

// saved is the part of a dataset that the database keeps as JSON. Maps and slices
// are replaced, never changed.
type saved struct {
	Name        string            `json:"name"`
	Named       bool              `json:"named"` // by its owner, not after the file
	Path        string            `json:"path"`
	Sample      bool              `json:"sample,omitempty"`
	Tutorial    bool              `json:"tutorial,omitempty"` // a sample that only the tutorial uses
	State       string            `json:"state"`
	Problem     *view.Problem     `json:"problem,omitempty"`
	Operation   string            `json:"operation,omitempty"`
	Bytes       int64             `json:"bytes"` // of the file as it was profiled
	ModifiedNs  int64             `json:"modifiedNs"`
	Fingerprint fed.Digest        `json:"fingerprint"`
	Rows        int               `json:"rows"`
	BadRows     int               `json:"badRows"`
	Columns     []string          `json:"columns"`
	Target      *string           `json:"target,omitempty"` // chosen by the owner; nil: proposed
	Types       map[string]string `json:"types,omitempty"`
	Roles       map[string]string `json:"roles,omitempty"`
	Levels      map[string]string `json:"levels,omitempty"`
	Description string            `json:"description,omitempty"`
	Keywords    []string          `json:"keywords,omitempty"`
	Terms       view.Terms        `json:"terms"`
	ExactRows   bool              `json:"exactRows,omitempty"`
	Nonce       string            `json:"nonce"` // of the card
	Declared    fed.Digest        `json:"declared,omitempty"`
	Profile     *dataset.Profile  `json:"profile,omitempty"`
	Notes       []dataset.Finding `json:"notes,omitempty"` // of the reading
}

// record is a dataset as the rest of the node sees it: a copy.
type record struct {
	id      fed.DatasetID
	name    string
	path    string
	ready   bool
	target  string
	columns []string
	usable  []string // those that projects may use
	secret  []byte
	cardID  string // "" while no card is published
	rowBand string
	rows    int
	file    fed.Digest // keyed fingerprint of the file as it was read
	read    string     // how its owner reads it: types and target
	shown   bool       // the target is not hidden from others

	tutorial bool // for projects of the tutorial alone
}

// title is what others read: the name that the owner gave, never one taken from
// the file.
func (r record) title() string {
	switch {
	case r.name != "":
		return r.name
	case r.target != "" && r.shown:
		return catalog.Clean("Table to predict "+r.target, 120)
	}
	return fmt.Sprintf("Table of %d columns", len(r.columns))
}

func openData(ctx context.Context, n *Node) (*dataBook, error) {
	rows, err := n.db.ListDatasets(ctx)
	if err != nil {
		return nil, fmt.Errorf("read datasets: %w", err)
	}
	b := &dataBook{n: n, cards: catalog.New(), all: map[fed.DatasetID]*owned{}, seen: map[fed.DatasetID]sighting{}}
	for _, r := range rows {
		o := newOwned(fed.DatasetID(r.ID), r.Secret, r.AddedMs, int(r.Revision))
		if err := json.Unmarshal([]byte(r.Body), &o.saved); err != nil {
			return nil, fmt.Errorf("read dataset %s: %w", r.ID, err)
		}
		if o.State == dataReading {
			o.State = dataFailed
			o.Problem = &view.Problem{Kind: fed.Unavailable.String(), Text: "The app was closed before the file was read.", Hint: "Read it again."}
		}
		b.all[o.id] = o
	}
	return b, nil
}

func newOwned(id fed.DatasetID, secret []byte, addedMs int64, revision int) *owned {
	o := &owned{id: id, secret: secret, addedMs: addedMs, revision: revision, turn: make(chan struct{}, 1)}
	o.turn <- struct{}{}
	return o
}

// take waits for the dataset's turn; the caller gives it back.
func (o *owned) take(ctx context.Context) (back func(), err error) {
	select {
	case <-o.turn:
		return func() { o.turn <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// find returns a dataset or NotFound.
func (b *dataBook) find(id string) (*owned, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := b.all[fed.DatasetID(id)]; o != nil {
		return o, nil
	}
	return nil, fed.Errorf(fed.NotFound, "Reload the list of datasets.", "there is no such dataset here")
}

// snap returns what is saved of a dataset now.
func (b *dataBook) snap(o *owned) (saved, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return o.saved, o.revision
}

// change saves a changed copy of a dataset with the next revision, then shows it.
func (b *dataBook) change(ctx context.Context, o *owned, f func(s *saved)) error {
	b.mu.Lock()
	if b.all[o.id] != o {
		b.mu.Unlock()
		return fed.Errorf(fed.NotFound, "Reload the list of datasets.", "the dataset has been forgotten")
	}
	next, revision := o.saved, o.revision+1
	f(&next)
	err := b.put(ctx, o, next, revision)
	if err == nil {
		o.saved, o.revision = next, revision
	}
	b.mu.Unlock()
	if err == nil {
		b.n.publish("dataset", string(o.id), b.view(ctx, o))
	}
	return err
}

func (b *dataBook) put(ctx context.Context, o *owned, s saved, revision int) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write dataset: %w", err)
	}
	err = b.n.db.PutDataset(context.WithoutCancel(ctx), query.PutDatasetParams{ID: string(o.id), Body: string(raw), Secret: o.secret, AddedMs: o.addedMs, Revision: int64(revision)})
	if err != nil {
		return fmt.Errorf("save dataset: %w", err)
	}
	return nil
}

// sorted returns all datasets in the order in which they were added.
func (b *dataBook) sorted() []*owned {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]*owned, 0, len(b.all))
	for _, o := range b.all {
		out = append(out, o)
	}
	slices.SortFunc(out, func(x, y *owned) int {
		return cmp.Or(cmp.Compare(x.addedMs, y.addedMs), cmp.Compare(x.id, y.id))
	})
	return out
}

// get returns a dataset, or false.
func (b *dataBook) get(id fed.DatasetID) (record, bool) {
	o, err := b.find(string(id))
	if err != nil {
		return record{}, false
	}
	return b.record(o), true
}

// dataset returns a dataset that has been read, or an error that says what to do.
func (n *Node) dataset(id string) (record, error) {
	o, err := n.data.find(id)
	if err != nil {
		return record{}, err
	}
	s, _ := n.data.snap(o)
	if err := s.usable(); err != nil {
		return record{}, err
	}
	return n.data.record(o), nil
}

// usable says why a dataset cannot be used now, or nil.
func (s saved) usable() error {
	switch s.State {
	case dataReading:
		return fed.Errorf(fed.Busy, "Wait until it has been read.", "%s is being read", s.Name)
	case dataFailed:
		return fed.Errorf(fed.Invalid, "Open it under My data; it says what to do.", "%s could not be read", s.Name)
	}
	return nil
}

func (b *dataBook) record(o *owned) record {
	s, _ := b.snap(o)
	r := record{id: o.id, path: s.Path, ready: s.State == dataReady, secret: o.secret, columns: s.Columns, usable: s.columnsFor(fed.RunConfig{}), rowBand: dataset.RowBand(s.Rows), rows: s.Rows, file: s.Fingerprint, read: s.shape(), tutorial: s.Tutorial}
	if s.Named {
		r.name = s.Name
	}
	if s.Profile != nil {
		r.target = s.Profile.Target
		r.shown = s.levels()[r.target] != dataset.LevelNone
	}
	id := catalog.CardID(b.n.me(), s.Nonce)
	if e, ok := b.cards.Card(id); ok && !e.Withdrawn {
		r.cardID = id
	}
	return r
}

// byFit returns the datasets that are ready, those first that have most of the
// given columns.
func (b *dataBook) byFit(columns []string) []record {
	want := map[string]bool{}
	for _, c := range columns {
		want[c] = true
	}
	type fit struct {
		record
		shared int
	}
	var fits []fit
	for _, o := range b.sorted() {
		f := fit{record: b.record(o)}
		for _, c := range f.columns {
			if want[c] {
				f.shared++
			}
		}
		if f.ready {
			fits = append(fits, f)
		}
	}
	slices.SortStableFunc(fits, func(x, y fit) int { return cmp.Compare(y.shared, x.shared) })
	out := make([]record, len(fits))
	for i, f := range fits {
		out[i] = f.record
	}
	return out
}

// Datasets returns this party's datasets in the order in which they were added.
func (n *Node) Datasets(ctx context.Context) ([]view.Dataset, error) {
	out := []view.Dataset{}
	for _, o := range n.data.sorted() {
		out = append(out, n.data.view(ctx, o))
	}
	return out, nil
}

// Dataset returns one.
func (n *Node) Dataset(ctx context.Context, id string) (view.Dataset, error) {
	o, err := n.data.find(id)
	if err != nil {
		return view.Dataset{}, err
	}
	return n.data.view(ctx, o), nil
}

// AddDataset registers a file, which stays where it is, and begins to read it.
func (n *Node) AddDataset(ctx context.Context, path, name string) (view.Dataset, error) {
	real, err := n.data.admit(path)
	if err != nil {
		return view.Dataset{}, err
	}
	clean := catalog.Clean(name, 120)
	s := saved{Name: clean, Named: clean != "", Path: real}
	if clean == "" {
		s.Name = catalog.Clean(filepath.Base(real), 120)
	}
	return n.data.add(ctx, s)
}

func (b *dataBook) add(ctx context.Context, s saved) (view.Dataset, error) {
	for _, o := range b.sorted() {
		if old, _ := b.snap(o); old.Path == s.Path {
			return view.Dataset{}, fed.Errorf(fed.Exists, "Open it in the list of datasets.", "the file has been added already, as “%s”", old.Name)
		}
	}
	s.State, s.Nonce, s.Terms = dataReading, newHex(), view.Terms{Purposes: []string{}, Families: []string{}}
	if info, err := os.Stat(s.Path); err == nil {
		s.Bytes, s.ModifiedNs = info.Size(), info.ModTime().UnixNano()
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	o := newOwned(fed.DatasetID(newHex()), secret, ms(b.n.opts.Now()), 1)
	o.saved = s
	b.mu.Lock()
	err := b.put(ctx, o, s, 1)
	if err == nil {
		b.all[o.id] = o
	}
	b.mu.Unlock()
	if err != nil {
		return view.Dataset{}, err
	}
	return b.startReading(ctx, o)
}
