package book

import (
	"context"
	"time"

	"synergos.app/desktop/backend/fed"
)

// A folder that was restored from an old copy lacks what this party wrote since. If
// it wrote on, its chain would fork. So nothing is written into a chain while a peer
// says that it holds more of it, and nothing at all for a moment after the start,
// until the first peer was heard. A peer that says so and does not deliver is not
// believed again.

// holds say which chains of this party must not be written to. They are guarded by
// the book's mutex.
type holds struct {
	unheard bool
	anew    bool              // nothing at all may be here of what this party wrote
	claims  map[string]*claim // by scope
	liars   map[fed.PartyID]bool
	change  chan struct{} // closed and replaced at each change
}

type claim struct {
	by   fed.PartyID
	seq  uint64
	have uint64 // at the last look
}

func newHolds() holds {
	return holds{claims: map[string]*claim{}, liars: map[fed.PartyID]bool{}, change: make(chan struct{})}
}

func (h *holds) moved() {
	close(h.change)
	h.change = make(chan struct{})
}

// heldLocked reports whether a chain of this party must not be written to now.
func (b *Book) heldLocked(k chainKey) bool {
	have := uint64(len(b.chains[k]))
	if c := b.holds.claims[k.scope]; c != nil {
		if _, closed := b.forks[k]; have < c.seq && !closed {
			return true
		}
		delete(b.holds.claims, k.scope)
	}
	return b.holds.unheard && (have > 0 || b.holds.anew)
}

// lockWhole locks the book once chain k may be written to.
func (b *Book) lockWhole(ctx context.Context, k chainKey) error {
	for {
		b.mu.Lock()
		if !b.heldLocked(k) {
			return nil
		}
		change := b.holds.change
		b.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return fed.Errorf(fed.Unavailable, "Try again in a moment.", "what this party wrote before is being fetched from the others")
		}
	}
}

// Whole reports whether nothing speaks for this copy being older than what others
// hold of this party.
func (b *Book) Whole() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wholeLocked()
}

func (b *Book) wholeLocked() bool {
	for scope := range b.holds.claims {
		if b.heldLocked(chainKey{scope, b.keys.Party()}) {
			return false
		}
	}
	return !b.holds.unheard
}

// Listen holds all chains until the first peer is heard, or for grace.
func (b *Book) Listen(grace time.Duration) {
	b.mu.Lock()
	b.holds.unheard = true
	b.mu.Unlock()
	time.AfterFunc(grace, b.heard)
}

// ListenAnew holds all chains, also those of which nothing is here, until a peer is
// heard: the party came from a backup that holds none of its documents.
func (b *Book) ListenAnew() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holds.unheard, b.holds.anew = true, true
}

// Settled waits until nothing speaks for this copy being older than what others hold.
func (b *Book) Settled(ctx context.Context) error {
	for {
		b.mu.Lock()
		whole, change := b.wholeLocked(), b.holds.change
		b.mu.Unlock()
		if whole {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *Book) heard() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holds.unheard {
		b.holds.unheard = false
		b.holds.moved()
	}
}

// claimed notes that a peer says to hold seq documents of this party's chain; it has
// patience to deliver the next one.
func (b *Book) claimed(by fed.PartyID, scope string, seq uint64, patience time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	have := uint64(len(b.chains[chainKey{scope, b.keys.Party()}]))
	if seq <= have || seq >= fed.ClosedSeq || b.holds.liars[by] || b.holds.claims[scope] != nil {
		return
	}
	c := &claim{by: by, seq: seq, have: have}
	b.holds.claims[scope] = c
	b.watch(scope, c, patience)
}

func (b *Book) watch(scope string, c *claim, patience time.Duration) {
	time.AfterFunc(patience, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		k := chainKey{scope, b.keys.Party()}
		have := uint64(len(b.chains[k]))
		switch {
		case b.holds.claims[scope] != c || !b.heldLocked(k):
		case have > c.have:
			c.have = have
			b.watch(scope, c, patience)
		default:
			b.holds.liars[c.by] = true
			delete(b.holds.claims, scope)
			b.holds.moved()
		}
	})
}
