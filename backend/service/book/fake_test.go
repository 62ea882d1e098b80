package book_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
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

// signer is a party's key, derived from its name.
type signer struct {
	key  ed25519.PrivateKey
	spki []byte
}

func newSigner(t fataler, name string) signer {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	key := ed25519.NewKeyFromSeed(seed[:])
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return signer{key, spki}
}

func (s signer) Party() fed.PartyID { return fed.PartyID(fed.KeyDigest(s.spki)) }
func (s signer) PublicKey() []byte  { return s.spki }
func (s signer) Sign(domain string, body []byte) []byte {
	return ed25519.Sign(s.key, append([]byte(domain+"\n"), body...))
}

func (s signer) Verify(key []byte, domain string, body, sig []byte) bool {
	k, err := x509.ParsePKIXPublicKey(key)
	pub, ok := k.(ed25519.PublicKey)
	return err == nil && ok && ed25519.Verify(pub, append([]byte(domain+"\n"), body...), sig)
}

// memory is the twin of the store on disk.
type memory struct {
	mu   sync.Mutex
	docs []fed.Doc
	fail error
	read func() // called after All has read
}

var errTaken = errors.New("the place is taken")

func (m *memory) Insert(_ context.Context, d fed.Doc) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if slices.ContainsFunc(m.docs, func(o fed.Doc) bool { return o.Scope == d.Scope && o.Author == d.Author && o.Seq == d.Seq }) {
		return errTaken
	}
	m.docs = append(m.docs, d)
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

func all(string) bool { return true }
