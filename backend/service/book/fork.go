package book

import (
	"context"
	"fmt"

	"synergos.app/desktop/backend/fed"
)

// A chain forks when its author has signed two different documents for one place:
// its folder was copied to a second computer, or it lies. Everybody keeps what came
// first and takes no more of that chain. The second document proves the fork to
// whoever has seen one branch only, so that all close the chain, once each.

// ForkError tells of a fork when it is found. Mine and Other are of one author and
// cannot both be in its chain.
type ForkError struct {
	Mine, Other fed.Doc
	err         error
}

const forkHint = "Ask that party whether its folder was copied to a second computer or restored from an old copy."

func (e *ForkError) Error() string { return e.err.Error() }

// Unwrap returns the error of kind Corrupt.
func (e *ForkError) Unwrap() error { return e.err }

// closeLocked closes a chain because of d, which is signed by its author.
func (b *Book) closeLocked(ctx context.Context, k chainKey, d fed.Doc) error {
	if err := b.store.InsertFork(ctx, d); err != nil {
		return fmt.Errorf("save a fork: %w", err)
	}
	b.forks[k] = d
	b.count(d)
	b.holds.moved()
	return &ForkError{Mine: b.rival(k), Other: d, err: fed.Errorf(fed.Corrupt, forkHint, "party %s has written two different documents in one place", d.Author.Short())}
}

// rival returns the document of a closed chain that the proof contradicts: the one
// in the same place, or the one that it should follow.
func (b *Book) rival(k chainKey) fed.Doc {
	c := b.chains[k]
	return c[min(b.forks[k].Seq, uint64(len(c)))-1]
}

// tail returns what a peer that holds have documents of a chain lacks: of a closed
// chain what lies before the fork, and its proof.
func (b *Book) tail(k chainKey, have uint64) []fed.Doc {
	c := b.chains[k]
	proof, closed := b.forks[k]
	if !closed {
		return c[min(have, uint64(len(c))):]
	}
	mine := b.rival(k).Seq
	out := append([]fed.Doc{}, c[min(have, mine-1):mine]...)
	return append(out, proof)
}
