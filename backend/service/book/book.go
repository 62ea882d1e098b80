// Package book keeps the signed documents that parties share: cards, projects,
// runs, versions, stage votes, ledger entries. Each author writes one append-only
// chain per scope; everybody who may read a scope holds the same chains, whoever
// happens to be online, and can verify every line by itself.
//
// The one type to start from is [Book]. It is safe for concurrent use; subscribers
// are called one after the other, in the order in which documents were saved.
package book

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gowebpki/jcs"

	"synergos.app/desktop/backend/fed"
)

// Store keeps documents in order of arrival, and of each forked chain the document
// that proves it. Insert keeps all of the given ones or none; it fails when a place
// (scope, author, seq) is taken. The first fork of a chain stays.
type Store interface {
	Insert(ctx context.Context, docs ...fed.Doc) error
	All(ctx context.Context) ([]fed.Doc, error)
	InsertFork(ctx context.Context, d fed.Doc) error
	Forks(ctx context.Context) ([]fed.Doc, error)
}

// Keys signs as this party and verifies anybody's signatures.
type Keys interface {
	Party() fed.PartyID
	PublicKey() []byte // SubjectPublicKeyInfo
	Sign(domain string, body []byte) []byte
	Verify(key []byte, domain string, body, sig []byte) bool
}

// ErrGap says that documents before the received one are missing: ask for them.
var ErrGap = errors.New("book: earlier documents are missing")

type chainKey struct {
	scope  string
	author fed.PartyID
}

// Book is the local copy of all chains that this party may read.
type Book struct {
	// Known reports whether a party has a place of its own here, paired by a person:
	// all others share one. It is set before anything is received; nil: nobody is.
	Known func(fed.PartyID) bool

	store Store
	keys  Keys
	now   func() time.Time

	mu     sync.Mutex // guards what follows, and the order of saving and telling
	chains map[chainKey][]fed.Doc
	forks  map[chainKey]fed.Doc // what closed a chain
	used   map[fed.PartyID]*usage
	limits limits
	subs   []func(fed.Doc)
	holds  holds
}

// Open reads the store; nothing is verified again, since only verified documents
// were saved.
func Open(ctx context.Context, store Store, keys Keys, now func() time.Time) (*Book, error) {
	b := &Book{
		store: store, keys: keys, now: now, chains: map[chainKey][]fed.Doc{}, forks: map[chainKey]fed.Doc{},
		used: map[fed.PartyID]*usage{}, limits: defaults, holds: newHolds(),
	}
	docs, err := store.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the book: %w", err)
	}
	for _, d := range docs {
		k := chainKey{d.Scope, d.Author}
		b.chains[k] = append(b.chains[k], d)
		b.count(d)
	}
	forks, err := store.Forks(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the forks of the book: %w", err)
	}
	for _, d := range forks {
		b.forks[chainKey{d.Scope, d.Author}] = d
		b.count(d)
	}
	return b, nil
}

// Subscribe calls f for every document already held, in order of arrival per
// chain, and then for each new one after it was saved. f must not call the book.
func (b *Book) Subscribe(ctx context.Context, f func(fed.Doc)) error {
	b.mu.Lock() // before reading: what is saved meanwhile must not be missed
	defer b.mu.Unlock()
	docs, err := b.store.All(ctx)
	if err != nil {
		return fmt.Errorf("replay the book: %w", err)
	}
	for _, d := range docs {
		f(d)
	}
	b.subs = append(b.subs, f)
	return nil
}

// Append signs body (marshalled to canonical JSON) as this party's next document
// in scope, saves it and tells subscribers. What no peer would take is refused with
// kind Invalid, since the chain could not go on behind it. While others may hold
// more of the chain than this copy, Append waits for it: see Gossip.
func (b *Book) Append(ctx context.Context, scope, kind, subject string, body any) (fed.Doc, error) {
	docs, err := b.AppendAll(ctx, scope, []Entry{{Kind: kind, Subject: subject, Body: body}})
	if err != nil {
		return fed.Doc{}, err
	}
	return docs[0], nil
}

// Entry is what an author wants to say in one document.
type Entry struct {
	Kind, Subject string
	Body          any
}

// AppendAll is Append of several documents that belong together: all of them are
// saved, in order, or none, whenever the computer fails.
func (b *Book) AppendAll(ctx context.Context, scope string, entries []Entry) ([]fed.Doc, error) {
	bodies := make([][]byte, len(entries))
	for i, e := range entries {
		raw, err := bodyOf(scope, e)
		if err != nil {
			return nil, err
		}
		bodies[i] = raw
	}
	k := chainKey{scope, b.keys.Party()}
	if err := b.lockWhole(ctx, k); err != nil {
		return nil, err
	}
	defer b.mu.Unlock()
	if _, closed := b.forks[k]; closed {
		return nil, fed.Errorf(fed.Corrupt, "Use one computer for this party, and start a new project with it.", "this party has written two different documents in one place, and others take no more of it here")
	}
	docs := b.signLocked(k, entries, bodies)
	if !b.fits(docs...) {
		return nil, fed.Errorf(fed.Invalid, "Go on under a new party.", "this party has written as much as others keep of one party")
	}
	return docs, b.saveLocked(ctx, docs...)
}

// signLocked makes the next documents of this party's chain k.
func (b *Book) signLocked(k chainKey, entries []Entry, bodies [][]byte) []fed.Doc {
	docs := make([]fed.Doc, len(entries))
	seq, prev := uint64(0), fed.Digest("")
	if c := b.chains[k]; len(c) > 0 {
		seq, prev = c[len(c)-1].Seq, c[len(c)-1].Hash()
	}
	now := b.now().UnixMilli()
	for i, e := range entries {
		seq++
		d := fed.Doc{Scope: k.scope, Author: k.author, Seq: seq, Prev: prev, Kind: e.Kind, Subject: e.Subject, TimeMs: now, Body: bodies[i], Key: b.keys.PublicKey()}
		d.Sig = b.keys.Sign(fed.DocDomain, d.SigningBytes())
		docs[i], prev = d, d.Hash()
	}
	return docs
}

// bodyOf is the canonical body of an entry, refused when no peer would take it.
func bodyOf(scope string, e Entry) ([]byte, error) {
	raw, err := Canonical(e.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("write %s: %w", e.Kind, err)
	case len(raw) > fed.MaxDocBody:
		return nil, fed.Errorf(fed.Invalid, "Shorten the texts or use fewer columns.", "%s is too large to share: %d bytes of at most %d", e.Kind, len(raw), fed.MaxDocBody)
	case !wellFormed(scope, e.Kind, e.Subject):
		return nil, fed.Errorf(fed.Invalid, "Use a shorter name.", "%q about %q cannot be shared", e.Kind, truncate(e.Subject))
	}
	return raw, nil
}

// Receive takes a document from a peer. It returns true when the document is new.
// A forged, altered or out-of-form one is an error of kind Permission or Invalid;
// ErrGap asks for what lies between, ErrQuota says that its author has filled its
// place. A fork of a known chain is Corrupt and closes the chain for good; the error
// is a [ForkError] at the first time.
func (b *Book) Receive(ctx context.Context, d fed.Doc) (bool, error) {
	if err := b.check(d); err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k := chainKey{d.Scope, d.Author}
	c, next := b.chains[k], uint64(len(b.chains[k]))+1
	_, closed := b.forks[k]
	switch {
	case d.Seq < next && c[d.Seq-1].Hash() == d.Hash():
		return false, nil
	case closed:
		return false, fed.Errorf(fed.Corrupt, forkHint, "party %s has written two different documents in one place, and no more is taken of it there", d.Author.Short())
	case d.Seq > next:
		return false, ErrGap
	case d.Seq == 1 && d.Prev != "":
		return false, fed.Errorf(fed.Corrupt, forkHint, "the first document of party %s names one before it", d.Author.Short())
	case d.Seq < next, len(c) > 0 && c[len(c)-1].Hash() != d.Prev:
		return false, b.closeLocked(ctx, k, d)
	case !b.fits(d):
		b.used[d.Author].full = true
		return false, fmt.Errorf("document of party %s: %w", d.Author.Short(), ErrQuota)
	}
	return true, b.saveLocked(ctx, d)
}

const maxKind = 40

func wellFormed(scope, kind, subject string) bool {
	return fed.ValidScope(scope) && kind != "" && len(kind) <= maxKind && len(subject) <= fed.MaxDocName
}

func truncate(s string) string { return s[:min(len(s), maxKind)] }

func (b *Book) check(d fed.Doc) error {
	switch {
	case !wellFormed(d.Scope, d.Kind, d.Subject), d.Seq == 0:
		return fed.Errorf(fed.Invalid, "", "document out of form")
	case len(d.Body) > fed.MaxDocBody || !json.Valid(d.Body):
		return fed.Errorf(fed.Invalid, "", "document %s: body is too large or no JSON", d.Kind)
	case fed.KeyDigest(d.Key) != string(d.Author):
		return fed.Errorf(fed.Permission, "", "document %s: the key is not its author's", d.Kind)
	case !b.keys.Verify(d.Key, fed.DocDomain, d.SigningBytes(), d.Sig):
		return fed.Errorf(fed.Permission, "", "document %s: the signature does not match", d.Kind)
	}
	return nil
}

// saveLocked saves documents of one chain, then tells subscribers.
func (b *Book) saveLocked(ctx context.Context, docs ...fed.Doc) error {
	if len(docs) == 0 {
		return nil
	}
	if err := b.store.Insert(ctx, docs...); err != nil {
		return fmt.Errorf("save %s: %w", docs[0].Kind, err)
	}
	k := chainKey{docs[0].Scope, docs[0].Author}
	b.chains[k] = append(b.chains[k], docs...)
	for _, d := range docs {
		b.count(d)
	}
	b.holds.moved()
	for _, d := range docs {
		for _, f := range b.subs {
			f(d)
		}
	}
	return nil
}

// Canonical marshals v to canonical JSON (RFC 8785).
func Canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(raw)
}

// Decode reads a document's body strictly: unknown fields of a newer version are
// tolerated, trailing bytes are not.
func Decode(d fed.Doc, v any) error {
	if err := json.Unmarshal(d.Body, v); err != nil {
		return fed.Errorf(fed.Invalid, "", "document %s cannot be read: %w", d.Kind, err)
	}
	return nil
}
