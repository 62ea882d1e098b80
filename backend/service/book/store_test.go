package book_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/service/book"
)

// A store returns what was put in, field by field and in order of arrival.
func TestStoreKeepsOrderAndBytes(t *testing.T) {
	eachStore(t, func(t *testing.T, s book.Store) {
		a, b := newSigner("A").Party(), newSigner("B").Party()
		scope := fed.ScopeDirect(a, b)
		want := []fed.Doc{
			{Scope: fed.ScopeFederation, Author: b, Seq: 1, Kind: "card", Subject: "späť \x00", TimeMs: -5, Body: []byte(`{"x":"\u0000"}`), Sig: []byte{0, 255}, Key: []byte{1}},
			{Scope: scope, Author: b, Seq: 1, Kind: "card", TimeMs: math.MaxInt64, Body: []byte("1"), Sig: []byte{2}, Key: []byte{1}},
			{Scope: fed.ScopeFederation, Author: a, Seq: 1, Kind: "card", Body: []byte("2"), Sig: []byte{3}, Key: []byte{4}},
			{Scope: fed.ScopeFederation, Author: b, Seq: 2, Kind: "card", Prev: fed.DigestOf(nil), Body: []byte("3"), Sig: []byte{5}, Key: []byte{1}},
		}
		for _, d := range want {
			if err := s.Insert(ctx, d); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.All(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("documents changed on the way (-want +got):\n%s", diff)
		}
	})
}

func TestStoreKeepsOneDocumentInAPlace(t *testing.T) {
	eachStore(t, func(t *testing.T, s book.Store) {
		d := fed.Doc{Scope: fed.ScopeFederation, Author: "A", Seq: 1, Kind: "card", Body: []byte("1"), Sig: []byte{1}, Key: []byte{1}}
		if err := s.Insert(ctx, d); err != nil {
			t.Fatal(err)
		}
		other := d
		other.Body = []byte("2")
		if s.Insert(ctx, other) == nil {
			t.Error("a second document took the same place")
		}
		if docs, err := s.All(ctx); err != nil || len(docs) != 1 || string(docs[0].Body) != "1" {
			t.Errorf("the first document did not stay: %v, %v", docs, err)
		}
	})
}

// Documents that come together stay together: when one finds its place taken, none of
// them is there.
func TestStoreKeepsAllOrNone(t *testing.T) {
	eachStore(t, func(t *testing.T, s book.Store) {
		at := func(seq uint64) fed.Doc {
			return fed.Doc{Scope: fed.ScopeFederation, Author: "A", Seq: seq, Kind: "card", Body: []byte("1"), Sig: []byte{1}, Key: []byte{1}}
		}
		count := func() int {
			docs, err := s.All(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return len(docs)
		}
		if err := s.Insert(ctx, at(3)); err != nil {
			t.Fatal(err)
		}
		if s.Insert(ctx, at(1), at(2), at(3), at(4)) == nil || count() != 1 {
			t.Errorf("%d documents after a refused batch, want the one before", count())
		}
		if err := s.Insert(ctx, at(1), at(2)); err != nil || count() != 3 {
			t.Errorf("a good batch: %v, %d documents", err, count())
		}
	})
}

// A book that is opened again goes on where it ended.
func TestReopenGoesOn(t *testing.T) {
	eachStore(t, func(t *testing.T, s book.Store) {
		k := newSigner("A")
		first := put(t, open(t, s, k), fed.ScopeFederation, "card", 1)
		again := open(t, s, k)
		second := put(t, again, fed.ScopeFederation, "card", 2)
		if second.Seq != 2 || second.Prev != first.Hash() {
			t.Errorf("the second document is number %d after %q", second.Seq, second.Prev)
		}
		var told []uint64
		if err := again.Subscribe(ctx, func(d fed.Doc) { told = append(told, d.Seq) }); err != nil {
			t.Fatal(err)
		}
		put(t, again, fed.ScopeFederation, "card", 3)
		if diff := cmp.Diff([]uint64{1, 2, 3}, told); diff != "" {
			t.Errorf("a subscriber saw %v", told)
		}
	})
}
