package book

import (
	"errors"

	"synergos.app/desktop/backend/fed"
)

// ErrQuota says that a document would exceed what is kept of its author, or of all
// others together.
var ErrQuota = errors.New("book: its author has filled its place")

// limits bound what the parties may make each other keep.
type limits struct {
	docs  int   // of one author
	bytes int64 // of one author
	total int64 // of the whole book; this party's own documents are always kept
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
	b.total += size(d)
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
	return u.docs+len(docs) <= b.limits.docs && u.bytes+n <= b.limits.bytes && (b.total+n <= b.limits.total || author == b.keys.Party())
}
