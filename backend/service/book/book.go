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

// Store keeps documents in order of arrival. Insert fails when the place
// (scope, author, seq) is taken.
type Store interface {
	Insert(ctx context.Context, d fed.Doc) error
	All(ctx context.Context) ([]fed.Doc, error)
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
	store Store
	keys  Keys
	now   func() time.Time

	mu     sync.Mutex // guards what follows, and the order of saving and telling
	chains map[chainKey][]fed.Doc
	subs   []func(fed.Doc)
}

// Open reads the store; nothing is verified again, since only verified documents
// were saved.
func Open(ctx context.Context, store Store, keys Keys, now func() time.Time) (*Book, error) {
	b := &Book{store: store, keys: keys, now: now, chains: map[chainKey][]fed.Doc{}}
	docs, err := store.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the book: %w", err)
	}
	for _, d := range docs {
		k := chainKey{d.Scope, d.Author}
		b.chains[k] = append(b.chains[k], d)
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
// kind Invalid, since the chain could not go on behind it.
func (b *Book) Append(ctx context.Context, scope, kind, subject string, body any) (fed.Doc, error) {
	raw, err := Canonical(body)
	if err != nil {
		return fed.Doc{}, fmt.Errorf("write %s: %w", kind, err)
	}
	if len(raw) > fed.MaxDocBody {
		return fed.Doc{}, fed.Errorf(fed.Invalid, "Shorten the texts or use fewer columns.", "%s is too large to share: %d bytes of at most %d", kind, len(raw), fed.MaxDocBody)
	}
	if !wellFormed(scope, kind, subject) {
		return fed.Doc{}, fed.Errorf(fed.Invalid, "Use a shorter name.", "%q about %q cannot be shared", kind, truncate(subject))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k := chainKey{scope, b.keys.Party()}
	d := fed.Doc{Scope: scope, Author: b.keys.Party(), Seq: 1, Kind: kind, Subject: subject, TimeMs: b.now().UnixMilli(), Body: raw, Key: b.keys.PublicKey()}
	if c := b.chains[k]; len(c) > 0 {
		d.Seq, d.Prev = c[len(c)-1].Seq+1, c[len(c)-1].Hash()
	}
	d.Sig = b.keys.Sign(fed.DocDomain, d.SigningBytes())
	return d, b.saveLocked(ctx, d)
}

// Receive takes a document from a peer. It returns true when the document is new.
// A forged, altered or out-of-form one is an error of kind Permission or Invalid;
// a fork of a known chain is Corrupt; ErrGap asks for what lies between.
func (b *Book) Receive(ctx context.Context, d fed.Doc) (bool, error) {
	if err := b.check(d); err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.chains[chainKey{d.Scope, d.Author}]
	next := uint64(len(c)) + 1
	switch {
	case d.Seq < next:
		if c[d.Seq-1].Hash() != d.Hash() {
			return false, fed.Errorf(fed.Corrupt, "Ask that party whether its folder was copied to a second computer.", "party %s has written two different documents in one place", d.Author.Short())
		}
		return false, nil
	case d.Seq > next:
		return false, ErrGap
	}
	if len(c) > 0 && c[len(c)-1].Hash() != d.Prev || len(c) == 0 && d.Prev != "" {
		return false, fed.Errorf(fed.Corrupt, "Ask that party whether its folder was restored from an old copy.", "a document of party %s does not follow its predecessor", d.Author.Short())
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

func (b *Book) saveLocked(ctx context.Context, d fed.Doc) error {
	if err := b.store.Insert(ctx, d); err != nil {
		return fmt.Errorf("save %s: %w", d.Kind, err)
	}
	k := chainKey{d.Scope, d.Author}
	b.chains[k] = append(b.chains[k], d)
	for _, f := range b.subs {
		f(d)
	}
	return nil
}

// Vector returns the heads of the chains whose scope passes may.
func (b *Book) Vector(may func(scope string) bool) []fed.Head {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []fed.Head{}
	for k, c := range b.chains {
		if may(k.scope) {
			out = append(out, fed.Head{Scope: k.scope, Author: k.author, Seq: uint64(len(c))})
		}
	}
	return out
}

// Missing returns up to max documents that a peer with the given heads lacks, in
// an order that it can take, of the scopes that pass may.
func (b *Book) Missing(have []fed.Head, may func(scope string) bool, max int) []fed.Doc {
	known := map[chainKey]uint64{}
	for _, h := range have {
		known[chainKey{h.Scope, h.Author}] = h.Seq
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []fed.Doc
	for k, c := range b.chains {
		if !may(k.scope) {
			continue
		}
		for i := known[k]; i < uint64(len(c)) && len(out) < max; i++ {
			out = append(out, c[i])
		}
	}
	return out
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
