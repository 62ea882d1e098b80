package book

import (
	"errors"

	"synergos.app/desktop/backend/fed"
)

// ErrQuota says that a document would exceed what is kept of its author, or of all
// strangers together.
var ErrQuota = errors.New("book: its author has filled its place")

// limits bound what the parties may make each other keep.
type limits struct {
	docs  int   // of one author
	bytes int64 // of one author
	total int64 // of all authors that are neither this party nor known to it
}

var defaults = limits{docs: 100_000, bytes: 128 << 20, total: 512 << 20}

// usage is what is kept of one author. It is counted from the store when the book
// is opened.
type usage struct {
	docs  int
	bytes int64
	full  bool // a document did not fit: its chains are not asked for any more
}

func size(d fed.Doc) int64 {
	return int64(len(d.Scope) + len(d.Author) + len(d.Kind) + len(d.Subject) + len(d.Prev) + len(d.Body) + len(d.Sig) + len(d.Key))
}

func (b *Book) of(p fed.PartyID) *usage {
	u := b.used[p]
	if u == nil {
		u = &usage{}
		b.used[p] = u
	}
	return u
}

func (b *Book) count(d fed.Doc) {
	u := b.of(d.Author)
	u.docs++
	u.bytes += size(d)
}

// strangers returns what is kept of authors that somebody else made known: a peer can
// name as many as it likes, and must not fill the place of those whom a person paired
// with.
func (b *Book) strangers() (n int64) {
	for p, u := range b.used {
		if b.stranger(p) {
			n += u.bytes
		}
	}
	return n
}

func (b *Book) stranger(p fed.PartyID) bool {
	return p != b.keys.Party() && (b.Known == nil || !b.Known(p))
}

// fits reports whether documents of one author find room, all of them.
func (b *Book) fits(docs ...fed.Doc) bool {
	if len(docs) == 0 {
		return true
	}
	author, n := docs[0].Author, int64(0)
	for _, d := range docs {
		n += size(d)
	}
	u := b.of(author)
	return u.docs+len(docs) <= b.limits.docs && u.bytes+n <= b.limits.bytes && (!b.stranger(author) || b.strangers()+n <= b.limits.total)
}
