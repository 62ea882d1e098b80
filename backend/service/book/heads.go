package book

import (
	"cmp"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// May decides about a chain.
type May func(scope string, author fed.PartyID) bool

// Vector returns the heads of the chains that pass may, in a fixed order.
// A closed chain has the head fed.ClosedSeq.
func (b *Book) Vector(may May) []fed.Head {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []fed.Head{}
	for k := range b.chains {
		if may(k.scope, k.author) {
			out = append(out, b.head(k))
		}
	}
	slices.SortFunc(out, compare)
	return out
}

func compare(a, b fed.Head) int {
	return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Author, b.Author))
}

func (b *Book) head(k chainKey) fed.Head {
	h := fed.Head{Scope: k.scope, Author: k.author, Seq: uint64(len(b.chains[k]))}
	if _, closed := b.forks[k]; closed {
		h.Seq = fed.ClosedSeq
	}
	return h
}

// Behind returns, of the chains in which a peer is ahead, how far this copy reaches.
// Chains that are closed here, or whose author has filled its place, are left out.
func (b *Book) Behind(theirs []fed.Head) []fed.Head {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []fed.Head
	for _, h := range theirs {
		k := chainKey{h.Scope, h.Author}
		mine := b.head(k)
		if u := b.used[h.Author]; mine.Seq < h.Seq && (u == nil || !u.full) {
			out = append(out, mine)
		}
	}
	return out
}

// Beyond returns the documents that lie beyond the given heads, in an order that a
// peer can take: the chains in turn, so that a long one holds up no other, and of
// each turn those first that found a scope. It ends after maxDocs documents or
// maxBytes bytes, but not before the first; more are the heads of the chains that it
// did not reach the end of.
func (b *Book) Beyond(have []fed.Head, may May, maxDocs int, maxBytes int64) (docs []fed.Doc, more []fed.Head) {
	b.mu.Lock()
	defer b.mu.Unlock()
	type rest struct {
		k    chainKey
		docs []fed.Doc
	}
	var rests []rest
	for _, h := range have {
		k := chainKey{h.Scope, h.Author}
		if may(h.Scope, h.Author) && len(b.chains[k]) > 0 {
			rests = append(rests, rest{k, b.tail(k, h.Seq)})
		}
	}
	slices.SortStableFunc(rests, func(x, y rest) int { return founding(x.docs) - founding(y.docs) })
	bytes := int64(0)
	for turn := 0; ; turn++ {
		sent := false
		for _, r := range rests {
			if turn >= len(r.docs) {
				continue
			}
			d := r.docs[turn]
			if len(docs) > 0 && (len(docs) >= maxDocs || bytes+size(d) > maxBytes) {
				for _, x := range rests {
					if turn < len(x.docs) {
						more = append(more, b.head(x.k))
					}
				}
				return docs, more
			}
			docs, bytes, sent = append(docs, d), bytes+size(d), true
		}
		if !sent {
			return docs, nil
		}
	}
}

func founding(docs []fed.Doc) int {
	if len(docs) > 0 && docs[0].Kind == fed.DocProject {
		return 0
	}
	return 1
}
