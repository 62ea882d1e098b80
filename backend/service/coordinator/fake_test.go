package coordinator

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
	"synergos.app/desktop/backend/learning/train"
)

// id returns a well-formed party id.
func id(name string) fed.PartyID {
	sum := sha256.Sum256([]byte(name))
	return fed.PartyID(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

const runID = fed.RunID("0123456789abcdef0123456789abcdef")

// store is a blob store in memory.
type store struct {
	mu  sync.Mutex
	all map[fed.Digest][]byte
}

func (s *store) put(b []byte) fed.BlobRef {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := fed.DigestOf(b)
	s.all[d] = b
	return fed.BlobRef{Digest: d, Size: int64(len(b)), Root: d}
}

func (s *store) PutBytes(_ context.Context, b []byte) (fed.BlobRef, error) { return s.put(b), nil }

func (s *store) Get(_ context.Context, d fed.Digest) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.all[d]; ok {
		return b, nil
	}
	return nil, fed.Errorf(fed.NotFound, "", "blob %s is not here", d.Short())
}

func (s *store) Ref(d fed.Digest) (fed.BlobRef, error) {
	b, err := s.Get(context.Background(), d)
	return fed.BlobRef{Digest: d, Size: int64(len(b)), Root: d}, err
}

func (s *store) Has(d fed.Digest) bool {
	_, err := s.Get(context.Background(), d)
	return err == nil
}

// desk is a coordinator with a register, members, a book and a ledger that the
// test plays.
type desk struct {
	t     fataler
	run   fed.Run
	model *model.Model
	blobs *store // of the coordinator
	away  *store // of the members

	// answer is called after a commit with the open checkpoint: it sends the
	// updates of the round.
	answer func(c fed.Checkpoint)
	// fetch, when set, decides about a fetch before it is made.
	fetch   func(from fed.PartyID) error
	eval    func(name string, ask fed.EvalAsk) (fed.EvalReply, error)
	scoreIn func(ctx context.Context, name string, ask fed.ScoreAsk) (fed.ScoreReply, error) // instead of score
	score   func(name string, ask fed.ScoreAsk) (fed.ScoreReply, error)

	updates chan fed.Incoming
	mu      sync.Mutex // guards what follows
	absent  map[fed.PartyID]bool
	commits []fed.Checkpoint
	records []fed.RoundRecord
	draft   fed.RoundRecord
	ends    []fed.RunEnd
	steps   []string
	scored  map[int]map[fed.PartyID]fed.ScoreReply
	lanes   []Lane
	refused []string
	alarms  []string
	through int   // round through which the ledger was closed before
	closing error // of closing the ledger
}

type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newDesk(t fataler, rounds int) *desk {
	t.Helper()
	m, err := model.New(fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{
		t: t, model: m, blobs: &store{all: map[fed.Digest][]byte{}}, away: &store{all: map[fed.Digest][]byte{}}, updates: make(chan fed.Incoming, 256),
		absent: map[fed.PartyID]bool{}, scored: map[int]map[fed.PartyID]fed.ScoreReply{},
	}
	d.run = fed.Run{ID: runID, Config: fed.RunConfig{
		Version: 1, Task: fed.TaskClassify, Rounds: rounds, Seed: 3, Strategy: fed.StrategySpec{Name: "fedavg"}, DeadlineSeconds: 60, Validation: &fed.Validation{Fraction: 0.2},
	}}
	for i, n := range []string{"A", "B", "C"} {
		d.run.Members = append(d.run.Members, fed.RunMember{Party: id(n), Name: n, Rank: i})
	}
	d.answer = func(c fed.Checkpoint) {
		for _, n := range []string{"A", "B", "C"} {
			d.send(n, d.update(n, c))
		}
	}
	d.eval = func(name string, _ fed.EvalAsk) (fed.EvalReply, error) {
		return fed.EvalReply{Sums: d.sums(10, 4), Train: 50}, nil
	}
	d.score = func(string, fed.ScoreAsk) (fed.ScoreReply, error) { return fed.ScoreReply{Rows: 10}, nil }
	return d
}

// lead leads the run from acc and returns how long it took.
func (d *desk) lead(ctx context.Context, acc fed.Checkpoint) time.Duration {
	began := time.Now()
	Lead(ctx, d.run, acc, Ports{
		Self: id("A"), Term: 7, Mandate: mandate, Verify: verify, Grid: d, Members: d, Blobs: d.blobs, Book: d, Drafts: d, Ledger: ledger{d}, Learner: Learning{Model: func(fed.Run) (*model.Model, error) { return d.model, nil }},
		Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), MinDeadline: 20 * time.Second,
		Tell:    func(l []Lane) { d.mu.Lock(); defer d.mu.Unlock(); d.lanes = l },
		Refused: func(why string) { d.mu.Lock(); defer d.mu.Unlock(); d.refused = append(d.refused, why) },
		Alarm:   func(text string) { d.mu.Lock(); defer d.mu.Unlock(); d.alarms = append(d.alarms, text) },
	})
	return time.Since(began)
}

func (d *desk) params(v ...float32) tensor.Params {
	p := d.model.Zeros()
	p.SetFlat(v)
	return p
}

// sums are those of n rows with a mean loss, half of each class, all predicted 0.
func (d *desk) sums(n int64, loss float64) fed.Sums {
	data := train.Data{D: 2, N: int(n)}
	for i := range n {
		data.X, data.Y = append(data.X, 0, 0), append(data.Y, float32(i%2))
	}
	s := train.Evaluate(d.model, d.model.Zeros(), data)
	s.Loss = loss * float64(n)
	return s
}

// update is a party's honest update of the round after c.
func (d *desk) update(name string, c fed.Checkpoint) fed.Update {
	v := float32(name[0]-'A'+1) / float32(c.Round+3)
	return d.updateOf(c, d.params(v, -v/3, v*v))
}

func (d *desk) updateOf(c fed.Checkpoint, delta tensor.Params) fed.Update {
	return fed.Update{
		Run: runID, Term: c.Term, Round: c.Round + 1, Base: c.Digest, Blob: d.away.put(tensor.EncodeSafetensors(delta, nil)), Examples: 100,
		Loss: 0.5, Valid: d.sums(10, 1),
	}
}

// mandate is that of A in term 7, as far as a coordinator cares.
var mandate = fed.Mandate{Ballot: fed.Ballot{Run: runID, Epoch: 1, Term: 7, Candidate: id("A")}, Votes: []fed.Signature{{Key: []byte("A")}}}

// sign makes a signature that stands in for Ed25519: a hash that anybody could make.
func sign(name string, u fed.Update) fed.Signature {
	return fed.Signature{Key: []byte(id(name)), Sig: []byte(fed.DigestOf(fmt.Appendf(nil, "%s %x", id(name), u.Claimed().SigningBytes())))}
}

func verify(_ string, body []byte, s fed.Signature) (fed.PartyID, bool) {
	return fed.PartyID(s.Key), string(s.Sig) == string(fed.DigestOf(fmt.Appendf(nil, "%s %x", s.Key, body)))
}

// send has a party send an update; one without a signature is signed on the way.
func (d *desk) send(from string, u fed.Update) {
	if len(u.Claim.Key) == 0 {
		u.Claim = sign(from, u)
	}
	d.updates <- fed.Incoming{From: id(from), Update: u}
}

func (d *desk) step(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.steps = append(d.steps, fmt.Sprintf(format, args...))
}

// The register.

func (d *desk) Ready(ctx context.Context, acc fed.Checkpoint) (fed.Checkpoint, error) {
	if acc.Digest != "" {
		d.answer(acc)
	}
	return acc, ctx.Err()
}

func (d *desk) Commit(ctx context.Context, c fed.Checkpoint) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !d.blobs.Has(c.Digest) {
		d.t.Fatalf("round %d was proposed before its blob was stored", c.Round)
	}
	d.mu.Lock()
	d.commits = append(d.commits, c)
	d.mu.Unlock()
	if c.Round < d.run.Config.Rounds {
		d.answer(c)
	}
	return nil
}

func (d *desk) Unheld(ctx context.Context) error { return ctx.Err() }
func (d *desk) Updates() <-chan fed.Incoming     { return d.updates }
func (d *desk) Absent(p fed.PartyID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.absent[p]
}

// The members.

func (d *desk) Fetch(_ context.Context, from fed.PartyID, ref fed.BlobRef) error {
	if d.fetch != nil {
		if err := d.fetch(from); err != nil {
			return err
		}
	}
	b, err := d.away.Get(context.Background(), ref.Digest)
	if err == nil {
		d.blobs.put(b)
	}
	return err
}

func (d *desk) Evaluate(_ context.Context, to fed.PartyID, ask fed.EvalAsk) (fed.EvalReply, error) {
	return d.eval(d.run.NameOf(to), ask)
}

func (d *desk) Score(ctx context.Context, to fed.PartyID, ask fed.ScoreAsk) (fed.ScoreReply, error) {
	if d.scoreIn != nil {
		return d.scoreIn(ctx, d.run.NameOf(to), ask)
	}
	return d.score(d.run.NameOf(to), ask)
}

func (d *desk) Online(fed.PartyID) bool { return true }

// The book.

func (d *desk) Rounds(fed.RunID) []fed.RoundRecord {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.records)
}

func (d *desk) Round(_ context.Context, _ fed.Run, r fed.RoundRecord) error {
	d.step("round %d", r.N)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records = append(d.records, r)
	return nil
}

func (d *desk) Keep(_ context.Context, _ fed.Run, r fed.RoundRecord) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.draft = r
	return nil
}

func (d *desk) Kept(fed.RunID) (fed.RoundRecord, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.draft, d.draft.Digest != ""
}

func (d *desk) End(_ context.Context, _ fed.Run, e fed.RunEnd) error {
	d.step("end")
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ends = append(d.ends, e)
	return nil
}

// end returns the one end of the run.
func (d *desk) end() fed.RunEnd {
	d.t.Helper()
	if len(d.ends) != 1 {
		d.t.Fatalf("the run has %d ends", len(d.ends))
	}
	return d.ends[0]
}

// record returns the record of a round.
func (d *desk) record(n int) fed.RoundRecord {
	d.t.Helper()
	for _, r := range d.records {
		if r.N == n {
			return r
		}
	}
	d.t.Fatalf("round %d was not recorded: %v", n, d.steps)
	return fed.RoundRecord{}
}

func names(r fed.RoundRecord) (out []string) {
	for _, in := range r.In {
		out = append(out, in.Name)
	}
	return out
}

// ledger is the desk as a ledger.
type ledger struct{ *desk }

func (l ledger) Unscored(fed.Run) (out []fed.ScoreAsk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if _, ok := l.desk.scored[r.N]; !ok && len(r.In) > 0 {
			out = append(out, fed.ScoreAsk{Run: runID, Round: r.N, Base: fed.BlobRef{Digest: r.Parent}, In: r.In})
		}
	}
	return out
}

func (l ledger) Scored(_ context.Context, _ fed.Run, ask fed.ScoreAsk, replies map[fed.PartyID]fed.ScoreReply) error {
	l.step("scored %d", ask.Round)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.desk.scored[ask.Round] = replies
	return nil
}

func (l ledger) Closed(fed.Run) (int, bool) { return l.through, l.through > 0 }

func (l ledger) Close(_ context.Context, _ fed.Run, through int) error {
	l.step("close through %d", through)
	return l.closing
}
