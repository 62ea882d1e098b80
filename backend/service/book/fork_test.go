package book_test

import (
	gocontext "context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/service/book"
)

// copied writes the two branches of a party whose folder was copied after common
// documents.
func copied(t fataler, k signer, common, left, right int) (a, b *book.Book) {
	a, b = open(t, &memory{}, k), open(t, &memory{}, k)
	for i := range common {
		d := put(t, a, fed.ScopeFederation, "card", i)
		if _, err := b.Receive(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	for i := range left {
		put(t, a, fed.ScopeFederation, "card", fmt.Sprint("left", i))
	}
	for i := range right {
		put(t, b, fed.ScopeFederation, "card", fmt.Sprint("right", i))
	}
	return a, b
}

// A fork is told once, survives a restart, and ends the chain for everybody, its
// author included; other chains go on.
func TestAForkClosesTheChainForGood(t *testing.T) {
	eachStore(t, func(t *testing.T, s book.Store) {
		k := newSigner("A")
		left, right := copied(t, k, 2, 1, 2)
		b := open(t, s, newSigner("B"))
		for _, d := range lacks(left, nil, all, 10) {
			if _, err := b.Receive(ctx, d); err != nil {
				t.Fatal(err)
			}
		}
		branch := lacks(right, nil, all, 10)
		_, err := b.Receive(ctx, branch[2])
		var fork *book.ForkError
		if !errors.As(err, &fork) || fed.KindOf(err) != fed.Corrupt || fork.Other.Hash() != branch[2].Hash() || fork.Mine.Seq != 3 || fork.Mine.Hash() == branch[2].Hash() {
			t.Fatalf("the fork is %v", err)
		}
		for range 2 {
			if _, err := b.Receive(ctx, branch[2]); fed.KindOf(err) != fed.Corrupt || errors.As(err, &fork) {
				t.Errorf("the same once more: %v", err)
			}
			if got := lacks(b, nil, all, 10); len(got) != 4 {
				t.Errorf("%d documents are told of the chain, want two before the fork and both of it", len(got))
			}
			b = open(t, s, newSigner("B"))
		}
		if _, err := left.Receive(ctx, branch[2]); !errors.As(err, &fork) {
			t.Errorf("its author: %v", err)
		}
		if _, err := left.Append(ctx, fed.ScopeFederation, "card", "s", 1); fed.KindOf(err) != fed.Corrupt {
			t.Errorf("its author writes on: %v", err)
		}
		put(t, left, fed.ScopeProject("0123456789abcdef0123456789abcdef"), "card", 1)
	})
}

// net carries the messages of many books in one process, in order, and counts them.
type net struct {
	t       *testing.T
	now     time.Time
	books   []*gossiper
	queue   []letter
	sent    map[string]int
	blocked map[fed.PartyID]bool
}

type letter struct {
	from, to fed.PartyID
	kind     string
	heads    []fed.Head
	doc      fed.Doc
}

type gossiper struct {
	*book.Gossip
	id    fed.PartyID
	n     *net
	forks int
}

func (g *gossiper) put(kind string, to fed.PartyID, heads []fed.Head, d fed.Doc) error {
	if len(heads) > 1024 {
		g.n.t.Errorf("a message of %d heads", len(heads))
	}
	g.n.sent[kind]++
	g.n.queue = append(g.n.queue, letter{g.id, to, kind, slices.Clone(heads), d})
	return nil
}

// post is a gossiper as its own post.
type post struct{ g *gossiper }

func (p post) Heads(_ gocontext.Context, to fed.PartyID, h []fed.Head) error {
	return p.g.put("heads", to, h, fed.Doc{})
}
func (p post) Want(_ gocontext.Context, to fed.PartyID, h []fed.Head) error {
	return p.g.put("want", to, h, fed.Doc{})
}
func (p post) Doc(_ gocontext.Context, to fed.PartyID, d fed.Doc) error {
	return p.g.put("doc", to, nil, d)
}

func newNet(t *testing.T, books map[fed.PartyID]*book.Book) *net {
	n := &net{t: t, now: clock(), sent: map[string]int{}, blocked: map[fed.PartyID]bool{}}
	for id, b := range books {
		g := &gossiper{id: id, n: n}
		g.Gossip = &book.Gossip{
			Book: b, Post: post{g}, Now: func() time.Time { return n.now }, Again: time.Second,
			Reads:   func(fed.PartyID, string, fed.PartyID) bool { return true },
			Welcome: func(_ fed.PartyID, _ string, author fed.PartyID) bool { return !n.blocked[author] },
		}
		n.books = append(n.books, g)
	}
	slices.SortFunc(n.books, func(a, b *gossiper) int { return map[bool]int{true: -1, false: 1}[a.id < b.id] })
	return n
}

func (n *net) at(p fed.PartyID) *gossiper {
	return n.books[slices.IndexFunc(n.books, func(g *gossiper) bool { return g.id == p })]
}

// settle delivers until nothing is under way and returns how many messages it took.
func (n *net) settle() int {
	n.t.Helper()
	for took := 0; ; took++ {
		if len(n.queue) == 0 {
			return took
		}
		if took > 200_000 {
			n.t.Fatalf("the books do not come to rest: %v", n.sent)
		}
		l := n.queue[0]
		n.queue = n.queue[1:]
		g := n.at(l.to)
		var err error
		switch l.kind {
		case "heads":
			err = g.Heard(ctx, l.from, l.heads)
		case "want":
			err = g.Asked(ctx, l.from, l.heads)
		default:
			_, err = g.Take(ctx, l.from, l.doc)
			var f *book.ForkError
			if errors.As(err, &f) {
				g.forks++
				for _, o := range n.books {
					if o != g {
						_ = g.Prove(ctx, o.id, f)
					}
				}
			}
			err = nil
		}
		if err != nil {
			n.t.Fatal(err)
		}
	}
}

// greet has everybody greet everybody, as happens twice a minute.
func (n *net) greet() int {
	n.t.Helper()
	n.now = n.now.Add(time.Minute)
	clear(n.sent)
	for _, g := range n.books {
		for _, o := range n.books {
			if g != o {
				if err := g.Greet(ctx, o.id); err != nil {
					n.t.Fatal(err)
				}
			}
		}
	}
	return n.settle()
}

// quiet wants greetings alone to be sent, one to each other party.
func (n *net) quiet(when string) {
	n.t.Helper()
	n.greet()
	want := len(n.books) * (len(n.books) - 1)
	if n.sent["doc"] != 0 || n.sent["want"] != 0 || n.sent["heads"] != want {
		n.t.Errorf("%s: %v were sent, want %d greetings alone", when, n.sent, want)
	}
}

func crowd(t *testing.T, k int) (*net, []signer) {
	books, keys := map[fed.PartyID]*book.Book{}, []signer{}
	for i := range k {
		s := newSigner(fmt.Sprint("party", i))
		keys, books[s.Party()] = append(keys, s), open(t, &memory{}, s)
	}
	return newNet(t, books), keys
}

// After a fork the books come to rest: everybody has closed the chain and learnt of it
// once, whichever branch it saw, and nothing but greetings is sent from then on.
func TestTheBooksComeToRestAfterAFork(t *testing.T) {
	for _, c := range [][3]int{{2, 1, 1}, {0, 1, 1}, {3, 1, 5}, {1, 300, 2}} {
		n, keys := crowd(t, 7)
		liar := newSigner("the liar")
		left, right := copied(t, liar, c[0], c[1], c[2])
		for i, k := range keys { // some have seen one branch, some the other, two neither
			from := []*book.Book{left, right, nil}[i%3]
			if from == nil {
				continue
			}
			for _, d := range lacks(from, nil, all, 1000) {
				if _, err := n.at(k.Party()).Book.Receive(ctx, d); err != nil {
					t.Fatal(err)
				}
			}
		}
		// One document of one branch reaches a party that has seen the other.
		last := lacks(right, nil, all, 1000)
		n.queue = append(n.queue, letter{keys[1].Party(), keys[0].Party(), "doc", nil, last[c[0]]})
		n.settle()
		for range 3 {
			n.greet()
		}
		for i, g := range n.books {
			h := g.Book.Vector(all)
			if len(h) != 1 || h[0].Seq != fed.ClosedSeq || g.forks != 1 {
				t.Errorf("fork %v: party %d has heads %v and was told %d times", c, i, h, g.forks)
			}
		}
		n.quiet(fmt.Sprintf("fork %v", c))
	}
}

// A founding chain that comes in many pieces does not hold up the others, and all of
// it arrives.
func TestALongChainHoldsUpNoOther(t *testing.T) {
	n, keys := crowd(t, 4)
	scope := fed.ScopeProject("0123456789abcdef0123456789abcdef")
	first := n.at(keys[0].Party()).Book
	for i := range 1500 {
		put(t, first, scope, fed.DocProject, i)
	}
	long := lacks(first, nil, all, 1<<20)
	for i, k := range keys[1:3] {
		b := n.at(k.Party()).Book
		for _, d := range long[:700*i] {
			if _, err := b.Receive(ctx, d); err != nil {
				t.Fatal(err)
			}
		}
		put(t, b, scope, fed.DocAccept, i)
	}
	docs, more := first.Beyond([]fed.Head{{Scope: scope, Author: keys[0].Party()}}, all, 200, 1<<20)
	if len(docs) != 200 || len(more) != 1 {
		t.Errorf("a piece has %d documents, and %d chains go on", len(docs), len(more))
	}
	second := n.at(keys[2].Party()).Book
	docs, _ = second.Beyond([]fed.Head{{Scope: scope, Author: keys[0].Party()}, {Scope: scope, Author: keys[2].Party()}}, all, 200, 1<<20)
	if !slices.ContainsFunc(docs, func(d fed.Doc) bool { return d.Author == keys[2].Party() }) || docs[0].Kind != fed.DocProject {
		t.Error("the long chain has taken the whole piece, or does not go first")
	}
	n.greet()
	for i, g := range n.books {
		if got := len(lacks(g.Book, nil, all, 1<<20)); got != 1502 {
			t.Errorf("after one greeting party %d holds %d documents, want all", i, got)
		}
	}
	if n.sent["doc"] > 3*1502+400 {
		t.Errorf("%d documents were sent to bring %d to three parties", n.sent["doc"], 1502)
	}
	n.quiet("a long chain")
}

// Who would not take an author's documents does not ask for them, and they are not
// sent; once welcome they come.
func TestNobodyIsSentWhatItWouldRefuse(t *testing.T) {
	n, keys := crowd(t, 4)
	put(t, n.at(keys[0].Party()).Book, fed.ScopeFederation, "card", 1)
	n.blocked[keys[0].Party()] = true
	for range 2 {
		n.quiet("a stranger's chain")
	}
	clear(n.blocked)
	n.greet()
	n.quiet("a welcome chain")
	for _, g := range n.books {
		if len(g.Book.Vector(all)) != 1 {
			t.Error("the chain did not come")
		}
	}
}

// Heads beyond what one message holds go in slices, and beyond what one greeting
// holds in the next.
func TestManyChainsGoInSlices(t *testing.T) {
	n, keys := crowd(t, 2)
	b := n.at(keys[0].Party()).Book
	const scopes = 9000
	for i := range scopes {
		put(t, b, fed.ScopeProject(fed.ProjectID(fmt.Sprintf("%032x", i))), "card", 1)
	}
	other := n.at(keys[1].Party())
	for range 4 {
		n.greet()
	}
	if got := len(other.Book.Vector(all)); got != scopes {
		t.Errorf("%d chains arrived, want %d", got, scopes)
	}
}

// Who has just asked for a chain in vain gets it at once from the same peer when that
// peer has it; what the peer does not claim is not asked for again.
func TestANewClaimIsAskedForAtOnce(t *testing.T) {
	author, relay, reader := newSigner("A"), newSigner("B"), newSigner("C")
	books := map[fed.PartyID]*book.Book{}
	for _, k := range []signer{author, relay, reader} {
		books[k.Party()] = open(t, &memory{}, k)
	}
	n := newNet(t, books)
	b, c := n.at(relay.Party()), n.at(reader.Party())
	catch := func() {
		t.Helper()
		if err := c.Catch(ctx, b.id, fed.ScopeFederation, []fed.PartyID{author.Party()}); err != nil {
			t.Fatal(err)
		}
		n.settle()
	}
	catch()
	asked := n.sent["want"]
	if catch(); n.sent["want"] != asked || asked == 0 {
		t.Errorf("asked %d times, then %d", asked, n.sent["want"])
	}
	d := put(t, books[author.Party()], fed.ScopeFederation, "card", 1)
	if _, err := books[relay.Party()].Receive(ctx, d); err != nil {
		t.Fatal(err)
	}
	if err := b.Greet(ctx, c.id); err != nil {
		t.Fatal(err)
	}
	n.settle()
	if got := lacks(books[reader.Party()], nil, all, 10); len(got) != 1 {
		t.Errorf("%d documents came", len(got))
	}
}
