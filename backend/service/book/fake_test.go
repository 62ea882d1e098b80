package book_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/service/book"
	"synergos.app/desktop/backend/storage/sqlite"
)

var ctx = context.Background()

// fataler is a test, or a case of a law.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

// signer is a party's key, derived from its name. It stands in for Ed25519, which
// package identity tests: a keyed hash, whose secret only this table knows.
type signer struct{ secret, public []byte }

var secrets sync.Map // public key -> secret

func newSigner(name string) signer {
	secret, public := sha256.Sum256([]byte("secret of "+name)), sha256.Sum256([]byte("key of "+name))
	secrets.Store(string(public[:]), secret[:])
	return signer{secret[:], public[:]}
}

func (s signer) Party() fed.PartyID { return fed.PartyID(fed.KeyDigest(s.public)) }
func (s signer) PublicKey() []byte  { return s.public }
func (s signer) Sign(domain string, body []byte) []byte {
	h := hmac.New(sha256.New, s.secret)
	h.Write([]byte(domain + "\n"))
	h.Write(body)
	return h.Sum(nil)
}

func (s signer) Verify(key []byte, domain string, body, sig []byte) bool {
	secret, ok := secrets.Load(string(key))
	return ok && hmac.Equal(sig, signer{secret: secret.([]byte)}.Sign(domain, body))
}

// memory is the twin of the store on disk.
type memory struct {
	mu    sync.Mutex
	docs  []fed.Doc
	forks []fed.Doc
	fail  error
	read  func() // called after All has read
}

var errTaken = errors.New("the place is taken")

func (m *memory) Insert(_ context.Context, docs ...fed.Doc) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	kept := slices.Clone(m.docs)
	for _, d := range docs {
		if slices.ContainsFunc(kept, func(o fed.Doc) bool { return o.Scope == d.Scope && o.Author == d.Author && o.Seq == d.Seq }) {
			return errTaken
		}
		kept = append(kept, d)
	}
	m.docs = kept
	return nil
}

func (m *memory) All(context.Context) ([]fed.Doc, error) {
	m.mu.Lock()
	docs := slices.Clone(m.docs)
	m.mu.Unlock()
	if m.read != nil {
		m.read()
	}
	return docs, nil
}

func (m *memory) InsertFork(_ context.Context, d fed.Doc) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.ContainsFunc(m.forks, func(o fed.Doc) bool { return o.Scope == d.Scope && o.Author == d.Author }) {
		m.forks = append(m.forks, d)
	}
	return m.fail
}

func (m *memory) Forks(context.Context) ([]fed.Doc, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.forks), nil
}

// stores are the implementations that must behave alike.
var stores = map[string]func(t *testing.T) book.Store{
	"memory": func(*testing.T) book.Store { return &memory{} },
	"sqlite": func(t *testing.T) book.Store {
		db, err := sqlite.Open(ctx, t.TempDir(), sqlite.Options{Volatile: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return sqlite.Docs{DB: db}
	},
}

// eachStore runs a test on every store.
func eachStore(t *testing.T, f func(t *testing.T, s book.Store)) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

func clock() time.Time { return time.UnixMilli(1_700_000_000_000) }

func open(t fataler, s book.Store, k book.Keys) *book.Book {
	t.Helper()
	b, err := book.Open(ctx, s, k, clock)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put appends a document and returns it.
func put(t fataler, b *book.Book, scope, kind string, body any) fed.Doc {
	t.Helper()
	d, err := b.Append(ctx, scope, kind, "subject", body)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func all(string, fed.PartyID) bool { return true }

// lacks returns what b holds beyond the given heads, chains that they do not name
// included.
func lacks(b *book.Book, have []fed.Head, may book.May, most int) []fed.Doc {
	known := map[fed.Head]uint64{}
	for _, h := range have {
		known[fed.Head{Scope: h.Scope, Author: h.Author}] = h.Seq
	}
	ask := b.Vector(all)
	for i, h := range ask {
		ask[i].Seq = known[fed.Head{Scope: h.Scope, Author: h.Author}]
	}
	docs, _ := b.Beyond(ask, may, most, 1<<40)
	return docs
}
