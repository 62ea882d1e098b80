package nettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/wire"
)

// Member is one party of a rig.
type Member struct {
	Net    transport.Network
	Blobs  *Blobs
	Ledger *Ledger
}

// Rig is a network of members, all connected, with the query "echo" allowed.
type Rig struct {
	Members []Member
	Cut     func(i, j int) // breaks the connection for good until Heal
	Heal    func(i, j int)
}

// Party returns the identifier of member i.
func (r *Rig) Party(i int) fed.PartyID { return r.Members[i].Net.Self() }

// Build makes a rig of n members whose handlers are installed before they connect;
// handlers may be nil.
type Build func(t *testing.T, n int, handler func(i int) transport.Handler) *Rig

// Grid is a run identifier for tests.
const Grid = fed.RunID("0123456789abcdef0123456789abcdef")

// Run is the conformance suite of transport.Network.
func Run(t *testing.T, build Build) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Build)
	}{
		{"one-way messages arrive in order", testOrder},
		{"a request is answered", testRequest},
		{"errors keep kind, sentence and hint", testErrors},
		{"one-way errors come back", testOneWayError},
		{"out of bounds is refused before it leaves", testBounds},
		{"only allowed questions are answered", testQueries},
		{"requests may cross", testCross},
		{"a handler that waits does not stop replies", testSlowHandler},
		{"blobs of all sizes", testFetch},
		{"a blob that is not there", testFetchMissing},
		{"a false leaf is refused", testFetchFalse},
		{"a fetch goes on where it was cut", testFetchResume},
		{"two fetches of one blob share", testFetchTwice},
		{"a cut ends requests and heals", testCut},
		{"the context ends a request", testContext},
		{"sessions and unknown parties", testSessions},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, build) })
	}
}

func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return c
}

func wantKind(t *testing.T, err error, k fed.Kind) {
	t.Helper()
	if err == nil || fed.KindOf(err) != k {
		t.Fatalf("error %v of kind %v, want kind %v", err, fed.KindOf(err), k)
	}
}

// echo answers queries with their body.
func echo(int) transport.Handler {
	return func(_ context.Context, _ fed.PartyID, m wire.Message) (wire.Message, error) {
		if q, ok := m.(wire.Query); ok {
			return wire.Answer{Body: q.Body}, nil
		}
		return nil, nil
	}
}

func testOrder(t *testing.T, build Build) {
	const n = 200
	got := make(chan wire.Message, n)
	r := build(t, 2, func(i int) transport.Handler {
		return func(_ context.Context, from fed.PartyID, m wire.Message) (wire.Message, error) {
			got <- m
			return nil, nil
		}
	})
	for i := range n {
		if err := r.Members[0].Net.Send(ctx(t), r.Party(1), wire.Presence{Grid: Grid, Term: uint64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if m := await(t, got); m.(wire.Presence).Term != uint64(i) {
			t.Fatalf("message %d: %+v", i, m)
		}
	}
}

func await[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func testRequest(t *testing.T, build Build) {
	r := build(t, 3, func(i int) transport.Handler {
		return func(_ context.Context, from fed.PartyID, m wire.Message) (wire.Message, error) {
			v := m.(wire.Vote)
			return wire.VoteReply{Grid: v.Grid, Term: v.Term, Why: uint8(i)}, nil
		}
	})
	for i := 1; i < 3; i++ {
		m, err := r.Members[0].Net.Request(ctx(t), r.Party(i), wire.Vote{Grid: Grid, Term: 7})
		if err != nil {
			t.Fatal(err)
		}
		if want := (wire.VoteReply{Grid: Grid, Term: 7, Why: uint8(i)}); !reflect.DeepEqual(m, want) {
			t.Fatalf("got %+v, want %+v", m, want)
		}
	}
}

func testErrors(t *testing.T, build Build) {
	r := build(t, 2, func(int) transport.Handler {
		return func(_ context.Context, _ fed.PartyID, m wire.Message) (wire.Message, error) {
			switch m.(wire.Vote).Term {
			case 1:
				return nil, fmt.Errorf("judge: %w", fed.Errorf(fed.Corrupt, "Look at row 7.", "column age is out of range"))
			case 2:
				return nil, errors.New("open /home/somebody/secret.csv: no such file")
			}
			return nil, nil
		}
	})
	_, err := r.Members[0].Net.Request(ctx(t), r.Party(1), wire.Vote{Grid: Grid, Term: 1})
	wantKind(t, err, fed.Corrupt)
	if err.Error() != "column age is out of range" || fed.HintOf(err) != "Look at row 7." {
		t.Fatalf("error %q, hint %q", err, fed.HintOf(err))
	}
	_, err = r.Members[0].Net.Request(ctx(t), r.Party(1), wire.Vote{Grid: Grid, Term: 2})
	wantKind(t, err, fed.Internal)
	if bytes.Contains([]byte(err.Error()), []byte("secret")) {
		t.Fatalf("an internal error crossed the wire: %v", err)
	}
	_, err = r.Members[0].Net.Request(ctx(t), r.Party(1), wire.Vote{Grid: Grid, Term: 3})
	wantKind(t, err, fed.Invalid)
}

func testOneWayError(t *testing.T, build Build) {
	got := make(chan wire.Message, 8)
	r := build(t, 2, func(i int) transport.Handler {
		return func(_ context.Context, _ fed.PartyID, m wire.Message) (wire.Message, error) {
			if i == 0 {
				got <- m
				return nil, errors.New("an error about an error must not travel")
			}
			if p, ok := m.(wire.Presence); ok && p.Term == 2 {
				return wire.Ack{Grid: Grid, Term: 2}, nil
			}
			return nil, fed.Errorf(fed.Permission, "", "not you")
		}
	})
	for _, term := range []uint64{1, 2} {
		if err := r.Members[0].Net.Send(ctx(t), r.Party(1), wire.Presence{Grid: Grid, Term: term}); err != nil {
			t.Fatal(err)
		}
	}
	if e := await(t, got).(wire.Error); e.Code != fed.Permission || e.About != "presence" || e.Message != "not you" {
		t.Fatalf("got %+v", e)
	}
	if a := await(t, got); a != (wire.Ack{Grid: Grid, Term: 2}) {
		t.Fatalf("got %+v", a)
	}
	if n := r.Members[1].Ledger.Count(wire.KindError); n != 1 {
		t.Fatalf("%d errors were sent, want 1", n)
	}
}

func testBounds(t *testing.T, build Build) {
	r := build(t, 2, echo)
	before := len(r.Members[0].Ledger.Frames())
	for _, m := range []wire.Message{
		wire.Presence{Grid: "../../etc"}, wire.Control{Grid: Grid, Action: "explode"},
		wire.Query{Name: "echo", Body: []byte("no json")}, wire.Query{Name: "echo", Body: bytes.Repeat([]byte("1"), wire.MaxBody+1)},
		wire.BlobData{Data: []byte("x")}, wire.PairConfirm{},
	} {
		_, err := r.Members[0].Net.Request(ctx(t), r.Party(1), m)
		wantKind(t, err, fed.Invalid)
		wantKind(t, r.Members[0].Net.Send(ctx(t), r.Party(1), m), fed.Invalid)
	}
	for _, f := range r.Members[0].Ledger.Frames()[before:] {
		if f.Purpose != "session" {
			t.Fatalf("a refused message has a line: %+v", f)
		}
	}
	body := append(append([]byte(`"`), bytes.Repeat([]byte("x"), wire.MaxBody-2)...), '"')
	m, err := r.Members[0].Net.Request(ctx(t), r.Party(1), wire.Query{Name: "echo", Body: body})
	if err != nil || !bytes.Equal(m.(wire.Answer).Body, body) {
		t.Fatalf("the largest body did not pass: %v", err)
	}
}

func testQueries(t *testing.T, build Build) {
	r := build(t, 2, echo)
	m, err := r.Members[0].Net.Request(ctx(t), r.Party(1), wire.Query{Name: "echo", Body: []byte(`{"a":1}`)})
	if err != nil || string(m.(wire.Answer).Body) != `{"a":1}` {
		t.Fatalf("%+v, %v", m, err)
	}
	_, err = r.Members[0].Net.Request(ctx(t), r.Party(1), wire.Query{Name: "shell"})
	wantKind(t, err, fed.Permission)
}

func testCross(t *testing.T, build Build) {
	var r *Rig
	ready := make(chan struct{})
	r = build(t, 2, func(i int) transport.Handler {
		return func(c context.Context, from fed.PartyID, m wire.Message) (wire.Message, error) {
			<-ready
			v := m.(wire.Vote)
			if v.Term == 0 {
				return wire.VoteReply{Grid: Grid}, nil
			}
			return r.Members[i].Net.Request(c, from, wire.Vote{Grid: Grid, Term: v.Term - 1})
		}
	})
	close(ready)
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i := range 2 {
		wg.Go(func() { _, errs[i] = r.Members[i].Net.Request(ctx(t), r.Party(1-i), wire.Vote{Grid: Grid, Term: 6}) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func testSlowHandler(t *testing.T, build Build) {
	block, entered := make(chan struct{}), make(chan struct{}, 1)
	r := build(t, 2, func(int) transport.Handler {
		return func(_ context.Context, _ fed.PartyID, m wire.Message) (wire.Message, error) {
			if _, ok := m.(wire.Presence); ok {
				entered <- struct{}{}
				<-block
				return nil, nil
			}
			return wire.VoteReply{Grid: Grid}, nil
		}
	})
	defer close(block)
	if err := r.Members[0].Net.Send(ctx(t), r.Party(1), wire.Presence{Grid: Grid}); err != nil {
		t.Fatal(err)
	}
	await(t, entered)
	if _, err := r.Members[0].Net.Request(ctx(t), r.Party(1), wire.Vote{Grid: Grid}); err != nil {
		t.Fatal(err)
	}
}

// Content returns n pseudo-random bytes.
func Content(n int, seed uint64) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	b := make([]byte, n)
	_, _ = r.Read(b) // never fails
	return b
}

func testFetch(t *testing.T, build Build) {
	r := build(t, 2, nil)
	for i, n := range []int{0, 1, wire.LeafSize - 1, wire.LeafSize, wire.LeafSize + 1, 11*wire.LeafSize + 12345} {
		for dir := range 2 {
			src, dst := r.Members[dir], r.Members[1-dir]
			b := Content(n, uint64(10*i+dir))
			ref := src.Blobs.Put(b)
			if n == 0 && dir == 1 {
				continue // the empty blob is there already
			}
			var last int64 = -1
			err := dst.Net.Fetch(ctx(t), src.Net.Self(), ref, func(done, total int64) {
				if done < last || total != int64(n) {
					t.Errorf("progress %d after %d of %d", done, last, total)
				}
				last = done
			})
			if err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			if got := dst.Blobs.Get(ref.Digest); !bytes.Equal(got, b) || last != int64(n) {
				t.Fatalf("%d bytes: got %d, progress %d", n, len(got), last)
			}
		}
	}
}

func testFetchMissing(t *testing.T, build Build) {
	r := build(t, 2, nil)
	ref := RefOf(Content(100, 1))
	wantKind(t, r.Members[0].Net.Fetch(ctx(t), r.Party(1), ref, nil), fed.NotFound)
	r.Members[1].Blobs.Put(Content(100, 1))
	lie := ref
	lie.Size++
	wantKind(t, r.Members[0].Net.Fetch(ctx(t), r.Party(1), lie, nil), fed.NotFound)
	lie = ref
	lie.Root = fed.DigestOf([]byte("another root"))
	wantKind(t, r.Members[0].Net.Fetch(ctx(t), r.Party(1), lie, nil), fed.Invalid)
	if err := r.Members[0].Net.Fetch(ctx(t), r.Party(1), ref, nil); err != nil {
		t.Fatalf("after refusals: %v", err)
	}
}

func testFetchFalse(t *testing.T, build Build) {
	r := build(t, 2, nil)
	b := Content(3*wire.LeafSize, 2)
	ref := r.Members[1].Blobs.Put(b)
	r.Members[1].Blobs.Spoil = func(_ fed.Digest, p []byte) []byte {
		q := bytes.Clone(p)
		if bytes.Equal(p, b[wire.LeafSize:2*wire.LeafSize]) {
			q[77] ^= 1
		}
		return q
	}
	wantKind(t, r.Members[0].Net.Fetch(ctx(t), r.Party(1), ref, nil), fed.Corrupt)
	if r.Members[0].Blobs.Has(ref.Digest) || r.Members[0].Blobs.Received(ref.Digest) != 1 {
		t.Fatalf("%d leaves were kept, want the one before the false one", r.Members[0].Blobs.Received(ref.Digest))
	}
}

func testFetchResume(t *testing.T, build Build) {
	r := build(t, 2, nil)
	const leaves = 12
	b := Content(leaves*wire.LeafSize, 3)
	ref := r.Members[1].Blobs.Put(b)
	rng := rand.New(rand.NewPCG(1, 2))
	written, cuts := 0, 0
	next := 1 + rng.IntN(3)
	r.Members[0].Blobs.OnLeaf = func(fed.Digest, int) {
		written++
		if written == next {
			r.Cut(0, 1)
			cuts++
			next += 1 + rng.IntN(4)
		}
	}
	for tries := 0; ; tries++ {
		err := r.Members[0].Net.Fetch(ctx(t), r.Party(1), ref, nil)
		if err == nil {
			break
		}
		wantKind(t, err, fed.Unavailable)
		if tries > 2*leaves {
			t.Fatal("it does not come to an end")
		}
		r.Heal(0, 1)
	}
	if !bytes.Equal(r.Members[0].Blobs.Get(ref.Digest), b) {
		t.Fatal("content differs")
	}
	if written != leaves || cuts < 2 {
		t.Fatalf("%d leaves were written over %d cuts, want each of %d once", written, cuts, leaves)
	}
}

func testFetchTwice(t *testing.T, build Build) {
	r := build(t, 3, nil)
	b := Content(5*wire.LeafSize, 4)
	ref := r.Members[1].Blobs.Put(b)
	r.Members[2].Blobs.Put(b)
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		wg.Go(func() { errs[i] = r.Members[0].Net.Fetch(ctx(t), r.Party(1+i%2), ref, nil) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := r.Members[1].Ledger.Count(wire.KindBlobData) + r.Members[2].Ledger.Count(wire.KindBlobData); n != 5 {
		t.Fatalf("%d leaves were sent, want 5", n)
	}
}

func testCut(t *testing.T, build Build) {
	entered := make(chan struct{}, 1)
	r := build(t, 2, func(int) transport.Handler {
		return func(c context.Context, _ fed.PartyID, m wire.Message) (wire.Message, error) {
			if m.(wire.Vote).Term == 1 {
				entered <- struct{}{}
				<-c.Done() // the session's end reaches the handler
			}
			return wire.VoteReply{Grid: Grid}, nil
		}
	})
	failed := make(chan error, 1)
	go func() {
		_, err := r.Members[0].Net.Request(context.Background(), r.Party(1), wire.Vote{Grid: Grid, Term: 1})
		failed <- err
	}()
	await(t, entered)
	r.Cut(0, 1)
	wantKind(t, await(t, failed), fed.Unavailable)
	_, err := r.Members[0].Net.Request(ctx(t), r.Party(1), wire.Vote{Grid: Grid})
	wantKind(t, err, fed.Unavailable)
	r.Heal(0, 1)
	if _, err := r.Members[0].Net.Request(ctx(t), r.Party(1), wire.Vote{Grid: Grid}); err != nil {
		t.Fatalf("after healing: %v", err)
	}
}

func testContext(t *testing.T, build Build) {
	r := build(t, 2, func(int) transport.Handler {
		return func(c context.Context, _ fed.PartyID, _ wire.Message) (wire.Message, error) {
			<-c.Done()
			return nil, c.Err()
		}
	})
	c, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := r.Members[0].Net.Request(c, r.Party(1), wire.Vote{Grid: Grid})
	wantKind(t, err, fed.Timeout)
}

func testSessions(t *testing.T, build Build) {
	r := build(t, 3, echo)
	for i, m := range r.Members {
		if got := m.Net.Sessions(); len(got) != 2 {
			t.Fatalf("member %d has %d sessions: %+v", i, len(got), got)
		}
	}
	wantKind(t, r.Members[0].Net.Send(ctx(t), fed.PartyID("nobody"), wire.Presence{Grid: Grid}), fed.Unavailable)
	r.Cut(0, 1)
	for _, s := range r.Members[0].Net.Sessions() {
		if s.Party == r.Party(1) {
			t.Fatal("the session outlived the cut")
		}
	}
}
