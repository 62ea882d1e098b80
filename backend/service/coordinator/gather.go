package coordinator

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/strategy"
	"synergos.app/desktop/backend/learning/tensor"
)

// maxExamples bounds what a party may claim, so that weights stay finite.
const maxExamples = 1 << 40

// round closes the round after c and returns its committed checkpoint.
func (l *lead) round(ctx context.Context, c fed.Checkpoint) (fed.Checkpoint, error) {
	began := l.Now()
	base, err := l.params(ctx, c.Digest)
	if err != nil {
		return c, err
	}
	g, err := l.gather(ctx, c)
	if err != nil {
		return c, err
	}
	admitted, rejected := l.Learner.Admit(l.run, base, g.candidates())
	maps.Copy(g.absent, rejected)
	if len(admitted) == 0 {
		return c, l.nobody(g)
	}
	next, weights, err := l.Learner.Aggregate(l.run, base, admitted)
	if err != nil {
		return c, fmt.Errorf("aggregate round %d: %w", c.Round+1, err)
	}
	if !next.Finite() {
		return c, diverged(fmt.Errorf("round %d", c.Round+1))
	}
	ref, err := l.Blobs.PutBytes(ctx, tensor.EncodeSafetensors(next, nil))
	if err != nil {
		return c, fmt.Errorf("keep checkpoint: %w", err)
	}
	if err := l.Grid.Unheld(ctx); err != nil {
		return c, err
	}
	n := fed.Checkpoint{Round: c.Round + 1, Digest: ref.Digest, Parent: c.Digest, Term: l.Term}
	r := l.record(n, g, admitted, weights, l.Now().Sub(began))
	if err := l.Drafts.Keep(ctx, l.run, r); err != nil {
		return c, fmt.Errorf("keep the record of round %d: %w", n.Round, err)
	}
	if err := l.Grid.Commit(ctx, n); err != nil {
		return c, err
	}
	l.took = append(l.took, l.Now().Sub(began))
	if err := l.Book.Round(ctx, l.run, r); err != nil {
		return c, fmt.Errorf("record round %d: %w", n.Round, err)
	}
	l.haveScored()
	return n, nil
}

func diverged(err error) error {
	return &failure{reason: "diverged", err: fed.Errorf(fed.Invalid, "Choose a smaller learning rate.", "the training diverged: %w", err)}
}

func (l *lead) params(ctx context.Context, d fed.Digest) (tensor.Params, error) {
	raw, err := l.Blobs.Get(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("load params: %w", err)
	}
	p, _, err := tensor.DecodeSafetensors(raw)
	if err != nil {
		return nil, fmt.Errorf("read params: %w", err)
	}
	return p, nil
}

// nobody is the failure of a round without a usable update, with the parties' own
// reasons.
func (l *lead) nobody(g *gathering) error {
	text := "no party could send an update"
	for _, name := range slices.Sorted(maps.Keys(g.absent)) {
		text += fmt.Sprintf("; %s: %s", name, g.absent[name])
	}
	return &failure{
		reason: "quorum_lost", at: maps.Clone(g.absent),
		err: fed.Errorf(fed.Unavailable, "Look at the reasons, then start the run again.", "round %d: %s", l.done+1, text),
	}
}

func (l *lead) record(n fed.Checkpoint, g *gathering, admitted []Candidate, weights []float64, took time.Duration) fed.RoundRecord {
	r := fed.RoundRecord{
		Run: l.run.ID, N: n.Round, Term: n.Term, Digest: n.Digest, Parent: n.Parent, Coordinator: l.Self, DurationMs: took.Milliseconds(),
		In: []fed.RoundParty{}, Absent: g.absent, Valid: map[string]fed.Sums{}, Result: "closed", Mandate: l.Mandate,
	}
	for i, c := range admitted {
		r.In = append(r.In, fed.RoundParty{
			Party: c.Member.Party, Name: c.Member.Name, Examples: c.Update.Examples, Weight: fed.Number(weights[i]),
			Loss: c.Update.Loss, Update: c.Update.Blob, Norm: fed.Number(c.Delta.Norm()), Claim: c.Update.Claim,
		})
	}
	for _, c := range g.got {
		// Of a rejected update as well, but never what cannot be right.
		if c.Update.Valid.Examples > 0 && l.Learner.Check(l.run, c.Update.Valid) == nil {
			r.Valid[c.Member.Name] = c.Update.Valid
		}
	}
	if len(g.absent) > 0 {
		r.Result = "short"
	}
	slimRound(&r)
	return r
}

// gathering is one round's updates so far.
type gathering struct {
	base    fed.Checkpoint
	largest int64 // bytes of an update: those of the params, written otherwise
	got     map[fed.PartyID]Candidate
	absent  map[string]string // name -> reason
	busy    map[fed.PartyID]bool
	again   []retry
}

// retry is an update whose delta could not be fetched for now. Its party does not
// send it again: it was taken.
type retry struct {
	fetched
	after time.Time
}

// candidates returns the updates by the members' names, whatever order they
// arrived in.
func (g *gathering) candidates() []Candidate {
	out := slices.Collect(maps.Values(g.got))
	slices.SortFunc(out, func(a, b Candidate) int { return cmp.Compare(a.Member.Name, b.Member.Name) })
	return out
}

type fetched struct {
	c    Candidate
	err  error
	wait time.Duration // before it was tried
}

const firstRetry, longestRetry = 200 * time.Millisecond, 10 * time.Second

// gather waits for the updates of all members until the deadline, then for a
// quorum.
func (l *lead) gather(ctx context.Context, c fed.Checkpoint) (*gathering, error) {
	params, err := l.Blobs.Ref(c.Digest)
	if err != nil {
		return nil, fmt.Errorf("cite params: %w", err)
	}
	g := &gathering{base: c, largest: 2*params.Size + 1<<16, got: map[fed.PartyID]Candidate{}, absent: map[string]string{}, busy: map[fed.PartyID]bool{}}
	for _, m := range l.run.Members {
		l.lane(m.Party, "train", "")
	}
	arrived := make(chan fetched)
	fctx, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := l.policy().DeadlineAfter(l.took)
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	look := time.NewTicker(firstRetry)
	defer look.Stop()
	elapsed := time.Duration(0)
	for {
		if l.complete(g, elapsed, limit) {
			l.missing(g)
			return g, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case in := <-l.Grid.Updates():
			l.take(fctx, g, in, arrived)
		case f := <-arrived:
			l.keep(g, f)
		case <-deadline.C:
			elapsed = limit
		case <-look.C:
			l.retry(fctx, g, arrived)
		}
	}
}

// policy is the run's own, with this federation's least deadline.
func (l *lead) policy() strategy.Policy {
	p := strategy.PolicyOf(l.run.Config)
	p.Least, p.First = l.MinDeadline, 10*l.MinDeadline
	return p
}

// complete reports whether the round need not wait: everybody who is not away has
// answered, or the deadline has passed and a quorum has. An update counts when it is
// here with its delta: a transfer that is still under way at the deadline is late.
func (l *lead) complete(g *gathering, elapsed, limit time.Duration) bool {
	waiting := 0
	for _, m := range l.run.Members {
		_, in := g.got[m.Party]
		_, out := g.absent[m.Name]
		if !in && !out && !l.Grid.Absent(m.Party) {
			waiting++
		}
	}
	p, n := l.policy(), len(l.run.Members)
	if waiting == 0 && len(g.busy) == 0 && (len(g.got) >= p.QuorumOf(n) || len(g.got)+len(g.absent) == n) {
		return true
	}
	return p.Decide(n, len(g.got), elapsed, limit) == strategy.Close
}

// missing names who is not in the round, and why.
func (l *lead) missing(g *gathering) {
	for _, m := range l.run.Members {
		if _, ok := g.got[m.Party]; ok {
			continue
		}
		state := "absent"
		if _, ok := g.absent[m.Name]; !ok {
			switch {
			case g.busy[m.Party] || slices.ContainsFunc(g.again, func(r retry) bool { return r.c.Member.Party == m.Party }):
				g.absent[m.Name], state = "late: its update was still on the way", "late"
				l.Refused("update: late")
			case l.Grid.Absent(m.Party):
				g.absent[m.Name] = "left for now"
			default:
				g.absent[m.Name] = "absent"
			}
		}
		l.lane(m.Party, state, g.absent[m.Name])
	}
}

// take starts fetching an update that fits the open round; others are counted and
// dropped.
func (l *lead) take(ctx context.Context, g *gathering, in fed.Incoming, arrived chan<- fetched) {
	m, ok := l.run.Member(in.From)
	u := in.Update
	_, have := g.got[in.From]
	switch {
	case !ok || have || g.busy[in.From]:
		return
	case u.Run != l.run.ID || u.Round != g.base.Round+1 || u.Base != g.base.Digest:
		if u.Run == l.run.ID && u.Round <= g.base.Round {
			l.Refused("update: late")
		} else {
			l.Refused("update: of another round")
		}
		return
	case u.Problem != "":
		g.absent[m.Name] = truncate(u.Problem, 200)
		l.lane(m.Party, "absent", g.absent[m.Name])
		return
	case u.Examples <= 0 || u.Examples > maxExamples || !u.Blob.Digest.Valid() || u.Blob.Size <= 0 || u.Blob.Size > g.largest:
		g.absent[m.Name] = "sent an update out of form"
		l.Refused("update: out of form")
		return
	}
	if who, ok := l.Verify(fed.ClaimDomain, u.Claimed().SigningBytes(), u.Claim); !ok || who != in.From {
		g.absent[m.Name] = "sent an update that it did not sign"
		l.Refused("update: not signed")
		return
	}
	l.fetch(ctx, g, fetched{c: Candidate{Member: m, Update: u}}, arrived)
}

func (l *lead) fetch(ctx context.Context, g *gathering, f fetched, arrived chan<- fetched) {
	from := f.c.Member.Party
	g.busy[from] = true
	go func() {
		f.c.Delta, f.err = l.delta(ctx, from, f.c.Update.Blob)
		select {
		case arrived <- f:
		case <-ctx.Done():
		}
	}()
}

// retry fetches again what could not be fetched before.
func (l *lead) retry(ctx context.Context, g *gathering, arrived chan<- fetched) {
	waiting := g.again
	g.again = nil
	for _, r := range waiting {
		_, have := g.got[r.c.Member.Party]
		switch {
		case have || g.busy[r.c.Member.Party]: // it sent the update once more
		case l.Now().Before(r.after):
			g.again = append(g.again, r)
		default:
			l.fetch(ctx, g, r.fetched, arrived)
		}
	}
}

func truncate(s string, n int) string {
	r := []rune(s)
	if len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

func (l *lead) delta(ctx context.Context, from fed.PartyID, ref fed.BlobRef) (tensor.Params, error) {
	if !l.Blobs.Has(ref.Digest) {
		if err := l.Members.Fetch(ctx, from, ref); err != nil {
			return nil, err
		}
	}
	return l.params(ctx, ref.Digest)
}

func (l *lead) keep(g *gathering, f fetched) {
	p := f.c.Member.Party
	delete(g.busy, p)
	if f.err == nil {
		delete(g.absent, f.c.Member.Name)
		g.got[p] = f.c
		l.lane(p, "done", "")
		return
	}
	l.Log.Warn("update not fetched", "run", l.run.ID, "from", p.Short(), "error", f.err.Error())
	if fed.KindOf(f.err) == fed.Corrupt || fed.KindOf(f.err) == fed.Incompatible {
		g.absent[f.c.Member.Name] = "sent an update that cannot be read"
		l.lane(p, "absent", g.absent[f.c.Member.Name])
		return
	}
	f.wait = min(max(2*f.wait, firstRetry), longestRetry)
	g.again = append(g.again, retry{f, l.Now().Add(f.wait)})
}
