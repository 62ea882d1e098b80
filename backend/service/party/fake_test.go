package party

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
)

// id returns a well-formed party id.
func id(name string) fed.PartyID {
	sum := sha256.Sum256([]byte(name))
	return fed.PartyID(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

const runID = fed.RunID("0123456789abcdef0123456789abcdef")

// threeParties is a run of A, B and C, in this order of rank.
func threeParties(rounds int) fed.Run {
	r := fed.Run{ID: runID, Config: fed.RunConfig{Version: 1, Rounds: rounds}}
	for i, n := range []string{"A", "B", "C"} {
		r.Members = append(r.Members, fed.RunMember{Party: id(n), Name: n, Rank: i})
	}
	return r
}

// blobs is a blob store in memory.
type blobs struct {
	mu  sync.Mutex
	all map[fed.Digest][]byte
}

func newBlobs() *blobs { return &blobs{all: map[fed.Digest][]byte{}} }

func (b *blobs) put(data []byte) fed.BlobRef {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := fed.DigestOf(data)
	b.all[d] = data
	return fed.BlobRef{Digest: d, Size: int64(len(data)), Root: d}
}

func (b *blobs) PutBytes(_ context.Context, data []byte) (fed.BlobRef, error) {
	return b.put(data), nil
}

func (b *blobs) Get(_ context.Context, d fed.Digest) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if data, ok := b.all[d]; ok {
		return data, nil
	}
	return nil, fed.Errorf(fed.NotFound, "", "blob %s is not here", d.Short())
}

func (b *blobs) Ref(d fed.Digest) (fed.BlobRef, error) {
	data, err := b.Get(context.Background(), d)
	return fed.BlobRef{Digest: d, Size: int64(len(data)), Root: d}, err
}

func (b *blobs) Has(d fed.Digest) bool {
	_, err := b.Get(context.Background(), d)
	return err == nil
}

// journal is what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// count returns how many lines begin with prefix.
func (j *journal) count(prefix string) int {
	n := 0
	for _, l := range j.all() {
		if strings.HasPrefix(l, prefix) {
			n++
		}
	}
	return n
}

// inOrder fails unless lines with these prefixes come one after the other.
func (j *journal) inOrder(t *testing.T, prefixes ...string) {
	t.Helper()
	all, rest := j.all(), prefixes
	for _, l := range all {
		if len(rest) > 0 && strings.HasPrefix(l, rest[0]) {
			rest = rest[1:]
		}
	}
	if len(rest) > 0 {
		t.Errorf("%q did not happen after what precedes it in %q; it was:\n%s", rest[0], prefixes, strings.Join(all, "\n"))
	}
}

// disk is a store in memory that survives its session.
type disk struct {
	log     *journal
	mu      sync.Mutex
	grid    *round.Persistent
	updates map[int]fed.Update
	fail    error
}

func (d *disk) SaveGrid(_ context.Context, _ fed.RunID, p round.Persistent) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	d.grid = &p
	d.log.add("save grid: term %d, vote %s, round %d of term %d", p.Term, name(p.VotedFor), p.Acc.Round, p.Acc.Term)
	return nil
}

func (d *disk) LoadGrid(context.Context, fed.RunID) (*round.Persistent, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.grid, nil
}

func (d *disk) SaveUpdate(_ context.Context, u fed.Update) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	if _, ok := d.updates[u.Round]; !ok {
		d.updates[u.Round] = u
	}
	d.log.add("save update of round %d", u.Round)
	return nil
}

func (d *disk) LoadUpdate(_ context.Context, _ fed.RunID, n int) (*fed.Update, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u, ok := d.updates[n]; ok {
		return &u, nil
	}
	return nil, nil
}

func name(p fed.PartyID) string {
	for _, n := range []string{"A", "B", "C"} {
		if id(n) == p {
			return n
		}
	}
	return "-"
}

// trainer returns deltas that tell what they were made of.
type trainer struct {
	log     *journal
	release chan struct{} // nil: at once
	err     error
}

func (t *trainer) Train(ctx context.Context, _ fed.Run, params []byte, n int, progress func(done, total int)) (Trained, error) {
	t.log.add("train round %d", n)
	progress(1, 2)
	if t.release != nil {
		select {
		case <-t.release:
		case <-ctx.Done():
			t.log.add("training of round %d cancelled", n)
			return Trained{}, ctx.Err()
		}
	}
	if t.err != nil {
		return Trained{}, t.err
	}
	return Trained{Delta: fmt.Appendf(nil, "delta %d of %s", n, fed.DigestOf(params)), Examples: 7, Loss: 0.5}, nil
}

// lab is one session among members that the test plays.
type lab struct {
	*journal
	t       *testing.T
	run     fed.Run
	members round.Members
	self    string
	session *Session
	blobs   *blobs
	others  *blobs // what the other members hold
	disk    *disk
	trainer *trainer
	lead    func(ctx context.Context, s *Session, acc fed.Checkpoint)
	pause   time.Duration // of every message
	down    map[fed.PartyID]error

	mu     sync.Mutex
	sent   []fed.Update
	msgs   []round.Msg
	cancel context.CancelFunc
	ended  chan error
}

func newLab(t *testing.T, self string) *lab {
	run := threeParties(3)
	log := &journal{}
	l := &lab{
		journal: log, t: t, run: run, members: round.Elect(byRank(run)), self: self, blobs: newBlobs(), others: newBlobs(),
		disk: &disk{log: log, updates: map[int]fed.Update{}}, trainer: &trainer{log: log}, down: map[fed.PartyID]error{},
	}
	l.lead = func(ctx context.Context, _ *Session, _ fed.Checkpoint) { <-ctx.Done() }
	return l
}

// start opens and runs the session.
func (l *lab) start() {
	l.t.Helper()
	s, err := Open(context.Background(), l.run, Ports{
		Self: id(l.self), Sign: func(domain string, body []byte) fed.Signature { return signed(id(l.self), domain, body) }, Verify: verify, Net: l, Store: l.disk, Blobs: l.blobs, Trainer: l.trainer, Timers: round.Default(), Stands: true,
		Now: time.Now, Draw: func() float64 { return 0.5 }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Lead: func(ctx context.Context, s *Session, acc fed.Checkpoint) { l.lead(ctx, s, acc) },
		Tell: func(e Event) { l.add("tell %s: %s", e.Kind, e.Text) },
	})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	l.session, l.cancel, l.ended = s, cancel, ended
	go func() { ended <- s.Run(ctx) }()
}

// stop ends the session and returns why it ended.
func (l *lab) stop() error {
	l.cancel()
	return <-l.ended
}

func (l *lab) SendGrid(ctx context.Context, to fed.PartyID, _ fed.RunID, msg round.Msg, ref fed.BlobRef) error {
	if l.pause > 0 {
		select {
		case <-time.After(l.pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.add("send %s %s", name(to), strings.TrimPrefix(fmt.Sprintf("%T", msg), "round."))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.msgs = append(l.msgs, msg)
	return nil
}

func (l *lab) SendUpdate(_ context.Context, to fed.PartyID, u fed.Update) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.down[to]; err != nil {
		l.add("update for %s failed", name(to))
		return err
	}
	l.add("send %s update of round %d", name(to), u.Round)
	l.sent = append(l.sent, u)
	return nil
}

func (l *lab) fail(to string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down[id(to)] = err
}

func (l *lab) updates() []fed.Update {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.sent)
}

func (l *lab) Fetch(_ context.Context, from fed.PartyID, ref fed.BlobRef) error {
	l.add("fetch from %s", name(from))
	data, err := l.others.Get(context.Background(), ref.Digest)
	if err == nil {
		l.blobs.put(data)
	}
	return err
}

// signed is a signature that stands in for Ed25519: a hash that anybody could make.
func signed(p fed.PartyID, domain string, body []byte) fed.Signature {
	return fed.Signature{Key: []byte(p), Sig: []byte(fed.DigestOf(fmt.Appendf(nil, "%s %s %x", p, domain, body)))}
}

func verify(domain string, body []byte, s fed.Signature) (fed.PartyID, bool) {
	p := fed.PartyID(s.Key)
	return p, string(s.Sig) == string(signed(p, domain, body).Sig)
}

// mandate is that of a member with the votes of all members.
func (l *lab) mandate(of string, term uint64) fed.Mandate {
	m := fed.Mandate{Ballot: fed.Ballot{Run: runID, Epoch: 1, Term: term, Candidate: id(of)}}
	for _, n := range []string{"A", "B", "C"} {
		m.Votes = append(m.Votes, signed(id(n), fed.BallotDomain, m.SigningBytes()))
	}
	return m
}

// checkpoint is a checkpoint that the other members hold.
func (l *lab) checkpoint(term uint64, n int) fed.Checkpoint {
	c := fed.Checkpoint{Term: term, Round: n, Digest: l.others.put(fmt.Appendf(nil, "params %d", n)).Digest}
	if n > 0 {
		c.Parent = fed.DigestOf(fmt.Appendf(nil, "params %d", n-1))
	}
	return c
}

// coordinate has a member send its checkpoint, and once more as committed.
func (l *lab) coordinate(from string, c fed.Checkpoint) {
	l.t.Helper()
	m := round.Round{Members: l.members, Term: c.Term, Acc: c, Mandate: l.mandate(from, c.Term)}
	l.deliver(from, m)
	waitAll()
	m.Committed, m.CommittedEpoch, m.Empty = c, l.members.Epoch, true
	l.deliver(from, m)
	waitAll()
}

func (l *lab) deliver(from string, m round.Msg) {
	l.t.Helper()
	var ref fed.BlobRef
	if r, ok := m.(round.Round); ok {
		ref, _ = l.others.Ref(r.Acc.Digest)
	}
	if err := l.session.Deliver(id(from), m, ref); err != nil {
		l.t.Fatal(err)
	}
}

var errDown = fed.Errorf(fed.Unavailable, "", "not connected")

var errDisk = errors.New("disk full")
