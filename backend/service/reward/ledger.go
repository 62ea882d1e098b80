package reward

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/contribution"
)

// Book appends signed documents to a project.
type Book interface {
	Append(ctx context.Context, scope, kind, subject string, body any) (fed.Doc, error)
}

// Blobs keeps the scorers' tables.
type Blobs interface {
	PutBytes(ctx context.Context, b []byte) (fed.BlobRef, error)
	Get(ctx context.Context, d fed.Digest) ([]byte, error)
	Has(d fed.Digest) bool
}

// Keys signs as this party.
type Keys interface {
	Party() fed.PartyID
	PublicKey() []byte
	Sign(domain string, body []byte) []byte
	Verify(key []byte, domain string, body, sig []byte) bool
}

// Ports are what a ledger needs.
type Ports struct {
	Book  Book
	Blobs Blobs
	Keys  Keys
	// Fetch gets a blob from a member.
	Fetch func(ctx context.Context, from fed.PartyID, ref fed.BlobRef) error
	// Run and Policy look up what the book says.
	Run    func(fed.RunID) (fed.Run, []fed.RoundRecord, bool)
	Policy func(fed.ProjectID) fed.Policy
}

// Ledger holds the ledgers of all runs.
type Ledger struct {
	Ports
	mu   sync.Mutex
	runs map[fed.RunID]*branches
}

// New returns an empty ledger.
func New(p Ports) *Ledger { return &Ledger{Ports: p, runs: map[fed.RunID]*branches{}} }

// Apply takes a document of the book and returns the run that it changed, or "".
func (l *Ledger) Apply(d fed.Doc) fed.RunID {
	if _, ok := fed.ProjectOf(d.Scope); !ok || d.Kind != fed.DocLedger {
		return ""
	}
	var e Entry
	if json.Unmarshal(d.Body, &e) != nil || e.By != d.Author || !fed.ValidHexID(string(e.Run)) {
		return ""
	}
	if h, err := Chain(e.Prev, e.Body); err != nil || h != e.Hash || kindOf(e.Body) != e.Kind {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.runs[e.Run]
	if r == nil {
		r = newBranches()
		l.runs[e.Run] = r
	}
	r.add(e, d.TimeMs)
	return e.Run
}

// Entries returns the chained entries of a run, then those beside the chain. Of
// entries that compete for one place, after a change of coordinator, the ones of
// the longest branch count. There are none before the run itself is known.
func (l *Ledger) Entries(run fed.RunID) (chain, beside []Entry) {
	known, _, ok := l.Run(run)
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.runs[run]
	if r == nil || !ok {
		return nil, nil
	}
	return r.chain(known), slices.Clone(r.beside)
}

// TimeMs returns when an entry was written.
func (l *Ledger) TimeMs(run fed.RunID, h fed.Digest) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.runs[run]; r != nil {
		return r.times[h]
	}
	return 0
}

// Runs returns the runs that have a ledger.
func (l *Ledger) Runs() []fed.RunID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.runs))
}

// append writes the next entry of the chain.
func (l *Ledger) append(ctx context.Context, run fed.Run, kind string, v any) error {
	chain, _ := l.Entries(run.ID)
	prev := Genesis(run.Project, run.ID)
	if n := len(chain); n > 0 {
		prev = chain[n-1].Hash
	}
	e, err := l.sign(run.ID, len(chain)+1, prev, kind, v)
	if err != nil {
		return err
	}
	_, err = l.Book.Append(ctx, fed.ScopeProject(run.Project), fed.DocLedger, string(run.ID), e)
	return err
}

func (l *Ledger) sign(run fed.RunID, k int, prev fed.Digest, kind string, v any) (Entry, error) {
	body, err := withKind(kind, v)
	if err != nil {
		return Entry{}, err
	}
	h, err := Chain(prev, body)
	if err != nil {
		return Entry{}, err
	}
	return Entry{
		Run: run, K: k, Prev: prev, Hash: h, Kind: kind, Body: body,
		By: l.Keys.Party(), Key: l.Keys.PublicKey(), Sig: l.Keys.Sign(Domain, []byte(h)),
	}, nil
}

// Scored records a round's utilities and the contributions that follow from them.
func (l *Ledger) Scored(ctx context.Context, run fed.Run, ask fed.ScoreAsk, replies map[fed.PartyID]fed.ScoreReply) error {
	if err := l.terms(ctx, run); err != nil {
		return err
	}
	t := tables{Scores: map[string]fed.ScoreReply{}}
	for _, in := range ask.In {
		t.Players = append(t.Players, in.Name)
	}
	for p, r := range replies {
		if usable(r, len(t.Players)) {
			t.Scores[run.NameOf(p)] = r
		}
	}
	t.agree()
	raw, err := canonical(t)
	if err != nil {
		return err
	}
	score, rows, err := combine(ask.Round, t, l.excluded(run, ask))
	if err != nil {
		return err
	}
	ref, err := l.Blobs.PutBytes(ctx, raw)
	if err != nil {
		return fmt.Errorf("keep score tables: %w", err)
	}
	return l.append(ctx, run, KindRound, Round{Score: bare(score), Tables: ref, Rows: rows})
}

// usable reports whether a reply is a table of the round, so that one party cannot
// keep a round from being scored.
func usable(r fed.ScoreReply, players int) bool {
	if players > contribution.MaxExact || len(r.Table) != 1<<players || r.Table[0] != 0 || r.Rows <= 0 || r.Rows >= 1<<40 || len(r.Replicates) > maxReplicates {
		return false
	}
	for _, rep := range r.Replicates {
		if len(rep) != 1<<players || rep[0] != 0 || !finite(rep) {
			return false
		}
	}
	return finite(r.Table)
}

const maxReplicates = 1000

func finite[T float32 | float64](v []T) bool {
	return !slices.ContainsFunc(v, func(x T) bool { return x-x != 0 })
}

// agree keeps the tables with the most common number of replicates, the larger one
// of two: a party that sends none would take the intervals away from all.
func (t *tables) agree() {
	count := map[int]int{}
	for _, s := range t.Scores {
		count[len(s.Replicates)]++
	}
	most := 0
	for n, k := range count {
		if k > count[most] || k == count[most] && n > most {
			most = n
		}
	}
	maps.DeleteFunc(t.Scores, func(_ string, s fed.ScoreReply) bool { return len(s.Replicates) != most })
}

// excluded returns who did not contribute to a round, with the reason in words.
func (l *Ledger) excluded(run fed.Run, ask fed.ScoreAsk) map[string]string {
	out := map[string]string{}
	_, rounds, _ := l.Run(run.ID)
	for _, m := range run.Members {
		in := slices.ContainsFunc(ask.In, func(p fed.RoundParty) bool { return p.Party == m.Party })
		if in {
			continue
		}
		out[m.Name] = "absent"
		for _, r := range rounds {
			if why := r.Absent[m.Name]; r.N == ask.Round && why != "" {
				out[m.Name] = why
			}
		}
	}
	return out
}

func (l *Ledger) terms(ctx context.Context, run fed.Run) error {
	if chain, _ := l.Entries(run.ID); len(chain) > 0 {
		return nil
	}
	p := l.Policy(run.Project)
	utility := "minus the mean log-loss in nats, capped at 16 per row"
	if run.Config.Task != fed.TaskClassify {
		utility = "minus the mean squared error"
	}
	return l.append(ctx, run, KindTerms, Terms{
		Method: "per-round model-reconstruction Shapley, exact", Utility: utility, Weights: "min(n, 5 x median n)", Mode: p.Mode,
		Rows:      "each party is scored on the other parties' held-out rows; the median over scorers counts",
		PoolCents: p.PoolCents, Currency: p.Currency, Seed: run.Config.Seed, ConfigHash: run.ConfigHash, Members: run.Members,
	})
}

// combine computes a round's contributions from its tables.
func combine(round int, t tables, excluded map[string]string) (contribution.RoundScore, int64, error) {
	var scores []contribution.Scores
	rows, reps := int64(0), contribution.DefaultReplicates
	for _, s := range t.Scores {
		reps = min(reps, len(s.Replicates))
	}
	for _, name := range slices.Sorted(maps.Keys(t.Scores)) {
		s := t.Scores[name]
		rows += s.Rows
		c := contribution.Scores{Scorer: name, Rows: int(s.Rows), V: s.Table}
		for _, rep := range s.Replicates[:reps] {
			row := make([]float64, len(rep))
			for i, v := range rep {
				row[i] = float64(v)
			}
			c.Replicates = append(c.Replicates, row)
		}
		scores = append(scores, c)
	}
	res, err := contribution.Combine(t.Players, scores)
	if err != nil {
		return contribution.RoundScore{}, 0, err
	}
	nan := math.NaN()
	return res.Record(round, nan, nan, excluded), rows, nil
}

// bare drops the replicates, which can be recomputed from the tables.
func bare(s contribution.RoundScore) contribution.RoundScore {
	s.Parties = slices.Clone(s.Parties)
	for i := range s.Parties {
		s.Parties[i].Replicates = nil
	}
	return s
}

// Close writes the score, the grant and the closing entry of a run.
func (l *Ledger) Close(ctx context.Context, run fed.Run) error {
	if err := l.terms(ctx, run); err != nil {
		return err
	}
	chain, _ := l.Entries(run.ID)
	if chain[len(chain)-1].Kind == KindClose {
		return nil
	}
	score, err := l.recompute(ctx, run, chain)
	if err != nil {
		return err
	}
	grant, err := split(chain, run, score.Standing)
	if err != nil {
		return err
	}
	if err := l.append(ctx, run, KindScore, score); err != nil {
		return err
	}
	if err := l.append(ctx, run, KindGrant, grant); err != nil {
		return err
	}
	chain, _ = l.Entries(run.ID)
	return l.append(ctx, run, KindClose, map[string]any{"entries": len(chain) + 1, "head": chain[len(chain)-1].Hash})
}

// recompute derives the run's score from the tables of all its rounds, fetching
// them when needed, and checks every round's figures on the way.
func (l *Ledger) recompute(ctx context.Context, run fed.Run, chain []Entry) (Score, error) {
	var rounds []contribution.RoundScore
	out := Score{Without: map[string]fed.Number{}}
	counted := map[int]bool{}
	for _, e := range chain {
		if e.Kind != KindRound {
			continue
		}
		s, t, err := l.round(ctx, e)
		if err != nil {
			return Score{}, err
		}
		if counted[s.Round] {
			continue // a round counts once
		}
		counted[s.Round] = true
		rounds = append(rounds, s)
		without(out.Without, t)
	}
	out.Rows = maxRows(chain)
	out.Standing = contribution.Sum(rounds)
	return out, nil
}

func maxRows(chain []Entry) int64 {
	var rows int64
	for _, e := range chain {
		var r Round
		if e.Kind == KindRound && json.Unmarshal(e.Body, &r) == nil {
			rows = max(rows, r.Rows)
		}
	}
	return rows
}

// without adds, for every player, the median gain of the coalition of all others.
func without(sum map[string]fed.Number, t tables) {
	all := 1<<len(t.Players) - 1
	for i, name := range t.Players {
		var v []float64
		for _, s := range t.Scores {
			v = append(v, s.Table[all&^(1<<i)])
		}
		slices.Sort(v)
		if n := len(v); n > 0 {
			sum[name] += fed.Number((v[(n-1)/2] + v[n/2]) / 2)
		}
	}
}

// round loads one round's tables and verifies its entry against them.
func (l *Ledger) round(ctx context.Context, e Entry) (contribution.RoundScore, tables, error) {
	var (
		r Round
		t tables
	)
	if err := json.Unmarshal(e.Body, &r); err != nil {
		return contribution.RoundScore{}, t, fmt.Errorf("read ledger entry %d: %w", e.K, err)
	}
	if !l.Blobs.Has(r.Tables.Digest) {
		if err := l.Fetch(ctx, e.By, r.Tables); err != nil {
			return contribution.RoundScore{}, t, fed.Errorf(fed.Unavailable, fed.HintOf(err), "fetch score tables of round %d: %w", r.Score.Round, err)
		}
	}
	raw, err := l.Blobs.Get(ctx, r.Tables.Digest)
	if err != nil { // whatever it is: damage of this disk is no verdict on the ledger
		return contribution.RoundScore{}, t, fed.Errorf(fed.Unavailable, fed.HintOf(err), "load score tables of round %d: %w", r.Score.Round, err)
	}
	if err := json.Unmarshal(raw, &t); err != nil {
		return contribution.RoundScore{}, t, fed.Errorf(fed.Corrupt, "", "score tables of round %d cannot be read: %w", r.Score.Round, err)
	}
	excluded := map[string]string{}
	for _, p := range r.Score.Parties {
		if !p.Admitted {
			excluded[p.Party] = p.Reason
		}
	}
	s, _, err := combine(r.Score.Round, t, excluded)
	if err != nil {
		return s, t, err
	}
	return s, t, same(r.Score, s)
}

// tolerance of a recomputed figure: the same arithmetic on another processor may
// differ in the last bits.
const tolerance = 1e-9

// same compares an entry's figures with the recomputed ones.
func same(claimed, computed contribution.RoundScore) error {
	ok := len(claimed.Parties) == len(computed.Parties) && near(claimed.Gain, computed.Gain) && near(claimed.Remainder, computed.Remainder)
	for i, c := range computed.Parties {
		if !ok {
			break
		}
		p := claimed.Parties[i]
		ok = p.Party == c.Party && p.Admitted == c.Admitted && near(p.Phi, c.Phi) && near(p.SE, c.SE) && near(p.Low, c.Low) && near(p.High, c.High)
	}
	if !ok {
		return fed.Errorf(fed.Corrupt, "Ask the coordinator of that round to explain it.", "round %d: the contributions do not follow from the scorers' tables", claimed.Round)
	}
	return nil
}

// near reports whether two figures are equal up to rounding; one that is not
// finite equals only another such.
func near(a, b fed.Number) bool {
	if !a.Finite() || !b.Finite() {
		return a.Finite() == b.Finite()
	}
	return math.Abs(float64(a-b)) <= tolerance*(1+math.Abs(float64(b)))
}

// sameScore compares the score of a run with the recomputed one.
func sameScore(claimed, computed Score) bool {
	a, b := claimed.Standing, computed.Standing
	ok := claimed.Rows == computed.Rows && len(a.Parties) == len(b.Parties) && a.Rounds == b.Rounds && near(a.Gain, b.Gain) &&
		maps.EqualFunc(claimed.Without, computed.Without, near)
	for i := range b.Parties {
		if !ok {
			return false
		}
		p, c := a.Parties[i], b.Parties[i]
		ok = p.Party == c.Party && p.Rank == c.Rank && p.Present == c.Present && near(p.Phi, c.Phi) && near(p.SE, c.SE) && near(p.Low, c.Low) &&
			near(p.High, c.High) && near(p.Share, c.Share)
	}
	return ok
}

// termsOf returns the terms that a ledger begins with. What the project says later
// does not change a run that has begun.
func termsOf(chain []Entry, run fed.Run) (Terms, error) {
	var t Terms
	if len(chain) == 0 || chain[0].Kind != KindTerms || json.Unmarshal(chain[0].Body, &t) != nil || t.ConfigHash != run.ConfigHash {
		return t, fed.Errorf(fed.Corrupt, "Ask the coordinator to explain it.", "the ledger does not begin with the terms of this run")
	}
	return t, nil
}

// split divides the pool of the terms.
func split(chain []Entry, run fed.Run, st contribution.Standing) (Grant, error) {
	p, err := termsOf(chain, run)
	if err != nil {
		return Grant{}, err
	}
	g := Grant{Currency: p.Currency, Pool: p.PoolCents, Cents: map[string]int64{}}
	var claims []contribution.Claim
	for _, m := range run.Members {
		c := contribution.Claim{Party: m.Name}
		for _, t := range st.Parties {
			if t.Party == m.Name {
				c.Phi, c.Present = float64(t.Phi), t.Present > 0
				if t.High <= 0 {
					c.Phi = 0 // its whole interval says that it did not help
				}
			}
		}
		claims = append(claims, c)
	}
	cents, err := contribution.Split(p.PoolCents, claims)
	if err != nil {
		return g, fmt.Errorf("split the pool: %w", err)
	}
	for i, c := range claims {
		g.Cents[c.Party] = cents[i]
	}
	return g, nil
}

// Check recomputes a closed run: the chain, every round, the score and the grant.
// nil says that everything is right.
func (l *Ledger) Check(ctx context.Context, run fed.Run) error {
	chain, _ := l.Entries(run.ID)
	if err := VerifyChain(run.Project, run.ID, chain, l.Keys.Verify); err != nil {
		return err
	}
	score, err := l.recompute(ctx, run, chain)
	if err != nil {
		return err
	}
	want, err := split(chain, run, score.Standing)
	if err != nil {
		return err
	}
	for _, e := range chain {
		if err := follows(e, score, want); err != nil {
			return err
		}
	}
	return nil
}

// follows refuses a score or grant that is not the recomputed one.
func follows(e Entry, score Score, grant Grant) error {
	var (
		s Score
		g Grant
	)
	switch {
	case e.Kind == KindScore && (json.Unmarshal(e.Body, &s) != nil || !sameScore(s, score)):
		return fed.Errorf(fed.Corrupt, "Ask the coordinator to explain it.", "the score of the run does not follow from its rounds")
	case e.Kind == KindGrant && (json.Unmarshal(e.Body, &g) != nil || !maps.Equal(g.Cents, grant.Cents) || g.Pool != grant.Pool || g.Currency != grant.Currency):
		return fed.Errorf(fed.Corrupt, "Ask the coordinator to explain it.", "the rewards of the run do not follow from its contributions")
	}
	return nil
}

// Answer countersigns a closed run with what Check found, once.
func (l *Ledger) Answer(ctx context.Context, run fed.Run) error {
	chain, beside := l.Entries(run.ID)
	if len(chain) == 0 || chain[len(chain)-1].Kind != KindClose {
		return nil
	}
	head := chain[len(chain)-1].Hash
	if slices.ContainsFunc(beside, func(e Entry) bool { return e.Kind == KindCountersign && e.By == l.Keys.Party() && e.Prev == head }) {
		return nil
	}
	c := Countersign{OK: true, Text: "recomputed and equal"}
	if err := l.Check(ctx, run); err != nil {
		if k := fed.KindOf(err); k != fed.Corrupt && k != fed.Invalid {
			return err // not a verdict: tables are out of reach for now
		}
		c = Countersign{Text: err.Error()}
	}
	return l.beside(ctx, run, KindCountersign, c)
}

// Acknowledge signs that this party received what the run granted.
func (l *Ledger) Acknowledge(ctx context.Context, run fed.Run) error {
	_, beside := l.Entries(run.ID)
	g, ok := l.Grant(run.ID)
	if !ok {
		return fed.Errorf(fed.NotFound, "Wait until the run has finished.", "the run has granted nothing yet")
	}
	if has(beside, KindReceipt, l.Keys.Party()) {
		return fed.Errorf(fed.Exists, "", "the receipt is signed already")
	}
	return l.beside(ctx, run, KindReceipt, Receipt{Cents: g.Cents[run.NameOf(l.Keys.Party())]})
}

func has(es []Entry, kind string, by fed.PartyID) bool {
	return slices.ContainsFunc(es, func(e Entry) bool { return e.Kind == kind && e.By == by })
}

func (l *Ledger) beside(ctx context.Context, run fed.Run, kind string, v any) error {
	chain, _ := l.Entries(run.ID)
	e, err := l.sign(run.ID, 0, chain[len(chain)-1].Hash, kind, v)
	if err != nil {
		return err
	}
	_, err = l.Book.Append(ctx, fed.ScopeProject(run.Project), fed.DocLedger, string(run.ID), e)
	return err
}

// Grant returns the split of a run's pool, or false before the run has closed.
func (l *Ledger) Grant(run fed.RunID) (Grant, bool) {
	var g Grant
	return g, l.last(run, KindGrant, &g)
}

// Score returns the contribution over a run, or false before it has closed.
func (l *Ledger) Score(run fed.RunID) (Score, bool) {
	var s Score
	return s, l.last(run, KindScore, &s)
}

func (l *Ledger) last(run fed.RunID, kind string, v any) bool {
	chain, _ := l.Entries(run)
	for _, e := range slices.Backward(chain) {
		if e.Kind == kind {
			return json.Unmarshal(e.Body, v) == nil
		}
	}
	return false
}

// Rounds returns the scored rounds of a run so far.
func (l *Ledger) Rounds(run fed.RunID) []Round {
	chain, _ := l.Entries(run)
	var out []Round
	for _, e := range chain {
		var r Round
		if e.Kind == KindRound && json.Unmarshal(e.Body, &r) == nil {
			out = append(out, r)
		}
	}
	return out
}
