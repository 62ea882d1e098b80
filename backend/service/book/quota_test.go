package book_test

import (
	"errors"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/service/book"
)

// What one author may have others keep is bounded, by number and by size, and what is
// kept of it is counted again from the store.
func TestAnAuthorHasItsPlaceAndNoMore(t *testing.T) {
	eachStore(t, func(t *testing.T, s book.Store) {
		a, other := open(t, &memory{}, newSigner("A")), open(t, &memory{}, newSigner("X"))
		var docs []fed.Doc
		for i := range 6 {
			docs = append(docs, put(t, a, fed.ScopeFederation, "card", i))
		}
		large := put(t, open(t, &memory{}, newSigner("L")), fed.ScopeFederation, "card", strings.Repeat("x", 2000))
		take := func(b *book.Book, d fed.Doc, full bool) {
			t.Helper()
			if isNew, err := b.Receive(ctx, d); isNew == full || errors.Is(err, book.ErrQuota) != full {
				t.Errorf("document %d of %s: new %v, %v", d.Seq, d.Author.Short(), isNew, err)
			}
		}
		const most = 2000
		b := open(t, s, newSigner("B"))
		b.Limit(4, most, 1<<30)
		for _, d := range docs[:3] {
			take(b, d, false)
		}
		take(b, large, true)
		b = open(t, s, newSigner("B")) // started again
		b.Limit(4, most, 1<<30)
		take(b, docs[3], false)
		take(b, docs[4], true)
		theirs := []fed.Head{{Scope: fed.ScopeFederation, Author: docs[0].Author, Seq: 6}}
		if got := b.Behind(theirs); len(got) != 0 {
			t.Errorf("a full author is asked for more: %v", got)
		}
		take(b, put(t, other, fed.ScopeFederation, "card", 1), false) // others have their own place

		bytes := int64(0)
		for _, d := range lacks(b, nil, all, 100) {
			bytes += book.Size(d)
		}
		b = open(t, s, newSigner("B"))
		b.Limit(100, book.Size(docs[4])+sum(docs[:4])-1, 1<<30) // counted by size as well
		take(b, docs[4], true)
		b = open(t, s, newSigner("B"))
		b.Limit(100, 1<<30, bytes+1) // of all strangers
		take(b, docs[4], true)
		b.Known = func(p fed.PartyID) bool { return p != docs[0].Author }
		b.Limit(100, 1<<30, sum(docs[:5])) // what is kept of the known does not count
		take(b, docs[4], false)
		take(b, docs[5], true)
		b.Known = func(p fed.PartyID) bool { return p == docs[0].Author }
		b.Limit(100, 1<<30, 0) // strangers have filled their place
		take(b, docs[5], false)
		put(t, b, fed.ScopeFederation, "card", "mine") // is always kept
		b.Limit(1, 1<<30, 1<<30)
		if _, err := b.Append(ctx, fed.ScopeFederation, "card", "s", 2); fed.KindOf(err) != fed.Invalid {
			t.Errorf("what nobody would take was appended: %v", err)
		}
	})
}

func sum(docs []fed.Doc) (n int64) {
	for _, d := range docs {
		n += book.Size(d)
	}
	return n
}
