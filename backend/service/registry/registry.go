// Package registry keeps the versions of models: immutable folders named by
// their content, numbers, and stages that change only by the votes of the
// parties.
//
// The type to start from is [Registry], a reduction of the book's signed
// documents: every party computes the same state from the same documents,
// whatever order they arrive in across authors. The project's admin orders:
// its node alone writes numbers and transitions ([Registry.Pending] says which
// ones are due), but a transition counts for a party only when the cited votes
// are there, signed, and enough. A Registry is safe for concurrent use and starts
// no goroutine.
package registry

import (
	"context"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Book appends signed documents.
type Book interface {
	Append(ctx context.Context, scope, kind, subject string, body any) (fed.Doc, error)
}

// Blobs keeps the files of versions by content.
type Blobs interface {
	PutBytes(ctx context.Context, b []byte) (fed.BlobRef, error)
	Get(ctx context.Context, d fed.Digest) ([]byte, error)
	Has(d fed.Digest) bool
}

// Keys knows this party and checks signatures.
type Keys interface {
	Party() fed.PartyID
	Verify(key []byte, domain string, body, sig []byte) bool
}

// Scorer computes, from the files of a version alone, the outputs of raw rows:
// the probability of each class, or the value. Package serving has one.
type Scorer func(files map[string][]byte, rows []map[string]any) ([][]float64, error)

// Ports are what a registry needs.
type Ports struct {
	Book  Book
	Blobs Blobs
	Keys  Keys
	Score Scorer
	// Project says who the admin of a project is, which parties have accepted it
	// and what they agreed on.
	Project func(fed.ProjectID) (admin fed.PartyID, members []fed.PartyID, policy fed.Policy, ok bool)
	// Name names a party in sentences; nil: its short id.
	Name func(fed.PartyID) string
	Now  func() time.Time // nil: time.Now
}

// Action is a document that this party has to append.
type Action struct {
	Scope, Kind, Subject string
	Body                 any
}

// Registry holds the models of all projects.
type Registry struct {
	ports Ports

	mu       sync.Mutex // guards what follows
	projects map[fed.ProjectID]*shelf
	findings map[string]string // content id -> what this party's own check found wrong
}

// New returns an empty registry.
func New(p Ports) *Registry {
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Name == nil {
		p.Name = fed.PartyID.Short
	}
	return &Registry{ports: p, projects: map[fed.ProjectID]*shelf{}, findings: map[string]string{}}
}

// Change says what a document touched, so that screens can be told. Its zero
// value is nothing.
type Change struct {
	Project fed.ProjectID
	Model   string // "" when not known yet
}

// Apply takes a document of the book; documents of other kinds are ignored. It
// appends nothing: ask [Registry.Pending] afterwards, outside of the
// subscription.
func (r *Registry) Apply(d fed.Doc) Change {
	p, ok := fed.ProjectOf(d.Scope)
	if !ok {
		return Change{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.projects[p]
	if s == nil {
		s = newShelf(p, r.ports.Keys.Verify)
		r.projects[p] = s
	}
	model, ok := s.keep(d)
	if !ok {
		return Change{}
	}
	return Change{Project: p, Model: model}
}

// Pending returns the documents that self has to append now: numbers of new
// versions and transitions of approved requests, in every project that self is
// the admin of. Append them in order, outside of the book's subscription, and ask
// again until there are none: at most one transition per model is returned.
func (r *Registry) Pending(self fed.PartyID) []Action {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Action
	for _, s := range r.shelves() {
		st := r.reduce(s)
		if st.facts.admin != self {
			continue
		}
		out = append(out, numbersDue(st)...)
		out = append(out, transitionsDue(st)...)
	}
	return out
}
