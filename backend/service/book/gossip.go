package book

import (
	"context"
	"errors"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Post carries the messages of the gossip. They may be lost: peers compare again.
type Post interface {
	Heads(ctx context.Context, to fed.PartyID, heads []fed.Head) error // how far the sender's chains reach
	Want(ctx context.Context, to fed.PartyID, heads []fed.Head) error  // asks for what lies beyond
	Doc(ctx context.Context, to fed.PartyID, d fed.Doc) error
}

// Gossip keeps the copies of a book alike. A party tells its heads, and a peer that
// is behind asks for those chains that it would take; nobody is sent what it did not
// ask for. A chain is asked of one peer at a time, and of that peer again at once only
// if it has brought something new since or now says to hold more, so that the messages
// end when there is nothing to gain, whatever was forked or is refused. It is safe for
// concurrent use.
type Gossip struct {
	Book *Book
	Post Post
	// Reads reports whether a party may have an author's documents of a scope. It may
	// always have its own.
	Reads func(p fed.PartyID, scope string, author fed.PartyID) bool
	// Welcome reports whether documents of an author would be taken from a peer.
	Welcome func(from fed.PartyID, scope string, author fed.PartyID) bool
	Now     func() time.Time
	// Again is the pause before a chain is asked for once more otherwise.
	Again time.Duration

	mu     sync.Mutex // guards what follows
	asked  map[chainKey]question
	places map[fed.PartyID]int // where the next greeting of a peer begins
	gains  map[fed.PartyID]int // new documents that a peer has sent
}

type question struct {
	peer  fed.PartyID
	at    time.Time
	gains int
	claim uint64 // how far the chain was said to reach; 0: nobody had said so
}

// Bounds of one message and of one answer.
const (
	maxHeads  = 1000
	maxSlices = 8 // of heads in one greeting; the next one goes on
	maxDocs   = 200
	maxBytes  = 8 << 20
	maxAsked  = 1 << 14
)

// Greet tells a peer how far this copy reaches, of everything that it may read.
func (g *Gossip) Greet(ctx context.Context, to fed.PartyID) error {
	heads := g.Book.Vector(g.readable(to))
	if len(heads) > maxHeads*maxSlices {
		g.mu.Lock()
		if g.places == nil {
			g.places = map[fed.PartyID]int{}
		}
		from := g.places[to] % len(heads)
		g.places[to] = from + maxHeads*maxSlices
		g.mu.Unlock()
		heads = append(heads[from:], heads[:from]...)[:maxHeads*maxSlices]
	}
	return g.tell(ctx, to, heads)
}

// GreetScope tells a peer how far this copy of one scope reaches.
func (g *Gossip) GreetScope(ctx context.Context, to fed.PartyID, scope string) error {
	may := g.readable(to)
	heads := g.Book.Vector(func(s string, author fed.PartyID) bool { return s == scope && may(s, author) })
	if len(heads) == 0 {
		return nil
	}
	return g.tell(ctx, to, heads)
}

func (g *Gossip) readable(p fed.PartyID) May {
	return func(scope string, author fed.PartyID) bool { return author == p || g.Reads(p, scope, author) }
}

// tell sends heads in slices, one at least: an empty one is a greeting as well.
func (g *Gossip) tell(ctx context.Context, to fed.PartyID, heads []fed.Head) error {
	for {
		n := min(len(heads), maxHeads)
		if err := g.Post.Heads(ctx, to, heads[:n]); err != nil {
			return err
		}
		if heads = heads[n:]; len(heads) == 0 {
			return nil
		}
	}
}

// Heard takes a peer's heads and asks for what this copy lacks.
func (g *Gossip) Heard(ctx context.Context, from fed.PartyID, theirs []fed.Head) error {
	var wanted []fed.Head
	claims := make(map[chainKey]uint64, len(theirs))
	for _, h := range theirs {
		if !g.Welcome(from, h.Scope, h.Author) {
			continue
		}
		if h.Author == g.Book.keys.Party() {
			g.Book.claimed(from, h.Scope, h.Seq, g.Again)
		}
		wanted = append(wanted, h)
		claims[chainKey{h.Scope, h.Author}] = h.Seq
	}
	g.Book.heard()
	return g.ask(ctx, from, g.Book.Behind(wanted), claims)
}

// Take takes a document of a peer: see [Book.Receive]. What lies before it is asked
// for.
func (g *Gossip) Take(ctx context.Context, from fed.PartyID, d fed.Doc) (bool, error) {
	isNew, err := g.Book.Receive(ctx, d)
	if isNew {
		g.mu.Lock()
		if g.gains == nil {
			g.gains = map[fed.PartyID]int{}
		}
		g.gains[from]++
		g.mu.Unlock()
	}
	if errors.Is(err, ErrGap) {
		return false, g.ask(ctx, from, g.Book.Behind([]fed.Head{{Scope: d.Scope, Author: d.Author, Seq: d.Seq}}), map[chainKey]uint64{{d.Scope, d.Author}: d.Seq})
	}
	return isNew, err
}

// Catch asks a peer for all that it holds of some authors in a scope.
func (g *Gossip) Catch(ctx context.Context, from fed.PartyID, scope string, authors []fed.PartyID) error {
	var all []fed.Head
	for _, a := range authors {
		all = append(all, fed.Head{Scope: scope, Author: a, Seq: fed.ClosedSeq})
	}
	return g.ask(ctx, from, g.Book.Behind(all), nil)
}

// ask wants what lies beyond mine of a peer, by chain as often as Gossip says. claims
// is how far the peer said that they reach.
func (g *Gossip) ask(ctx context.Context, from fed.PartyID, mine []fed.Head, claims map[chainKey]uint64) error {
	var out []fed.Head
	g.mu.Lock()
	now := g.Now()
	if g.asked == nil || len(g.asked) > maxAsked {
		g.asked = map[chainKey]question{}
	}
	for _, h := range mine {
		k := chainKey{h.Scope, h.Author}
		q, before := g.asked[k]
		fruitless := before && now.Sub(q.at) < g.Again && (q.peer != from || g.gains[from] == q.gains)
		if fruitless && claims[k] <= q.claim || len(out) == maxHeads {
			continue
		}
		g.asked[k] = question{from, now, g.gains[from], claims[k]}
		out = append(out, h)
	}
	g.mu.Unlock()
	if len(out) == 0 {
		return nil
	}
	return g.Post.Want(ctx, from, out)
}

// Asked sends a peer what it asked for, and if that is not all, how far it could
// have got.
func (g *Gossip) Asked(ctx context.Context, from fed.PartyID, have []fed.Head) error {
	docs, more := g.Book.Beyond(have, g.readable(from), maxDocs, maxBytes)
	for _, d := range docs {
		if err := g.Post.Doc(ctx, from, d); err != nil {
			return err
		}
	}
	if len(more) == 0 {
		return nil
	}
	return g.tell(ctx, from, more)
}

// Prove sends both documents of a fork.
func (g *Gossip) Prove(ctx context.Context, to fed.PartyID, f *ForkError) error {
	if !g.readable(to)(f.Mine.Scope, f.Mine.Author) {
		return nil
	}
	for _, d := range []fed.Doc{f.Mine, f.Other} {
		if err := g.Post.Doc(ctx, to, d); err != nil {
			return err
		}
	}
	return nil
}
