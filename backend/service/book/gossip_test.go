package book_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/service/book"
)

// exchange answers the vector of one book from another, in batches.
func exchange(t *rapid.T, from, to *book.Book, batch int) {
	for {
		docs := lacks(from, to.Vector(all), all, batch)
		if len(docs) == 0 {
			return
		}
		for _, d := range docs {
			if isNew, err := to.Receive(ctx, d); err != nil || !isNew {
				t.Fatalf("document %d of %s was not taken in the order of Beyond: new %v, %v", d.Seq, d.Author.Short(), isNew, err)
			}
		}
	}
}

func heads(b *book.Book) map[string]uint64 {
	out := map[string]uint64{}
	for _, h := range b.Vector(all) {
		out[h.Scope+" "+string(h.Author)] = h.Seq
	}
	return out
}

// hashes lists a book's documents.
func hashes(b *book.Book) []fed.Digest {
	var out []fed.Digest
	for _, d := range lacks(b, nil, all, 1<<20) {
		out = append(out, d.Hash())
	}
	slices.Sort(out)
	return out
}

// Whatever the parties wrote and whoever met whom in which order, after everybody
// has met somebody who knows all, all hold the same documents.
func TestBooksConverge(t *testing.T) {
	keys := []signer{newSigner("A"), newSigner("B"), newSigner("C")}
	scopes := []string{fed.ScopeFederation, fed.ScopeProject("0123456789abcdef0123456789abcdef")}
	rapid.Check(t, func(t *rapid.T) {
		var books []*book.Book
		for _, k := range keys {
			books = append(books, open(t, &memory{}, k))
		}
		one := rapid.IntRange(0, len(keys)-1)
		for i := range rapid.IntRange(1, 20).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "write") {
				put(t, books[one.Draw(t, "author")], rapid.SampledFrom(scopes).Draw(t, "scope"), "card", i)
				continue
			}
			if a, b := one.Draw(t, "from"), one.Draw(t, "to"); a != b {
				exchange(t, books[a], books[b], rapid.IntRange(1, 4).Draw(t, "batch"))
			}
		}
		for _, pair := range [][2]int{{1, 0}, {2, 0}, {0, 1}, {0, 2}} {
			exchange(t, books[pair[0]], books[pair[1]], 3)
		}
		for i := range books[1:] {
			if diff := cmp.Diff(heads(books[0]), heads(books[i+1])); diff != "" {
				t.Fatalf("book %d differs:\n%s", i+1, diff)
			}
			if diff := cmp.Diff(hashes(books[0]), hashes(books[i+1])); diff != "" {
				t.Fatalf("book %d differs:\n%s", i+1, diff)
			}
		}
	})
}

// Documents may arrive in any order and more than once: ErrGap asks for what lies
// between, and sending everything again until nothing is new ends with all of it.
func TestReceiveInAnyOrder(t *testing.T) {
	a := open(t, &memory{}, newSigner("A"))
	for i := range 6 {
		put(t, a, fed.ScopeFederation, "card", fmt.Sprint(i))
		put(t, a, fed.ScopeProject("0123456789abcdef0123456789abcdef"), "card", i)
	}
	docs := lacks(a, nil, all, 100)
	rapid.Check(t, func(t *rapid.T) {
		b := open(t, &memory{}, newSigner("B"))
		for range 6 {
			for _, d := range rapid.Permutation(docs).Draw(t, "order") {
				if _, err := b.Receive(ctx, d); err != nil && !errors.Is(err, book.ErrGap) {
					t.Fatalf("document %d: %v", d.Seq, err)
				}
			}
		}
		if diff := cmp.Diff(hashes(a), hashes(b)); diff != "" {
			t.Fatalf("the copy differs:\n%s", diff)
		}
	})
}
