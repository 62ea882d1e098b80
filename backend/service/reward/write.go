package reward

import (
	"context"
	"encoding/json"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/contribution"
)

// Pen writes the ledger of a run during one reign of this party.
type Pen struct {
	*Ledger
	Term uint64
}

// append writes the next entry of the chain.
func (p Pen) append(ctx context.Context, run fed.Run, kind string, v any) error {
	chain, _ := p.Entries(run.ID)
	prev := Genesis(run.Project, run.ID)
	if n := len(chain); n > 0 {
		prev = chain[n-1].Hash
	}
	e, err := p.sign(run.ID, len(chain)+1, p.Term, prev, kind, v)
	if err != nil {
		return err
	}
	_, err = p.Book.Append(ctx, fed.ScopeProject(run.Project), fed.DocLedger, string(run.ID), e)
	return err
}

func (l *Ledger) sign(run fed.RunID, k int, term uint64, prev fed.Digest, kind string, v any) (Entry, error) {
	body, err := withKind(kind, v)
	if err != nil {
		return Entry{}, err
	}
	h, err := Chain(prev, term, body)
	if err != nil {
		return Entry{}, err
	}
	return Entry{
		Run: run, K: k, Term: term, Prev: prev, Hash: h, Kind: kind, Body: body,
		By: l.Keys.Party(), Key: l.Keys.PublicKey(), Sig: l.Keys.Sign(Domain, []byte(h)),
	}, nil
}

// Unscored returns what to ask for the recorded rounds that the ledger lacks: a
// coordinator that left may not have got to them. Rounds with too many updates are
// left out, since they cannot be scored, and so are all when closing has begun.
func (l *Ledger) Unscored(run fed.Run) []fed.ScoreAsk {
	if _, begun := l.Through(run); begun {
		return nil
	}
	scored := map[int]bool{}
	for _, r := range l.Rounds(run.ID) {
		scored[r.Score.Round] = true
	}
	_, rounds, _ := l.Run(run.ID)
	var out []fed.ScoreAsk
	for _, r := range rounds {
		if r.N > 0 && len(r.In) > 0 && Exact(r) && !scored[r.N] {
			out = append(out, AskOf(r))
		}
	}
	return out
}

// Scored records a round's utilities and the contributions that follow from them.
func (p Pen) Scored(ctx context.Context, run fed.Run, ask fed.ScoreAsk, replies map[fed.PartyID]fed.ScoreReply) error {
	terms, err := p.terms(ctx, run)
	if err != nil {
		return err
	}
	t := tables{Scores: map[string]fed.ScoreReply{}}
	for from, r := range replies {
		if m, member := run.Member(from); member && usable(r, len(ask.In), mostGain(run)) {
			t.Scores[m.Name] = r // without a valid signature too: all see who sent it
		}
	}
	m, err := p.measure(run, ask, t, terms.Basis)
	if err != nil {
		return err
	}
	if m.Tables, err = p.write(ctx, t); err != nil {
		return err
	}
	return p.append(ctx, run, KindRound, m.Round)
}

// terms returns the terms of a run, writing them first when there are none.
func (p Pen) terms(ctx context.Context, run fed.Run) (Terms, error) {
	chain, _ := p.Entries(run.ID)
	if len(chain) > 0 {
		return termsOf(chain, run)
	}
	policies := p.Policies(run.Project)
	if len(policies) == 0 {
		return Terms{}, fed.Errorf(fed.Unavailable, "Wait until the project has arrived.", "the rules of the project are not known here")
	}
	t := newTerms(run, policies[len(policies)-1])
	return t, p.append(ctx, run, KindTerms, t)
}

// Method is how contributions are measured, in words: Shapley values of each
// round, from the models that every combination of its updates rebuilds.
const Method = "Shapley value of each round, over all combinations of updates"

func newTerms(run fed.Run, p fed.Policy) Terms {
	t := Terms{
		Method: Method, Basis: contribution.Basis(p.Basis),
		Utility: "minus the mean log-loss in nats, capped at 16 per row", Weights: "min(n, 5 x median n)", Ties: "each",
		Mode: p.Mode, PoolCents: p.PoolCents, Currency: p.Currency, Seed: run.Config.Seed, ConfigHash: run.ConfigHash, Members: run.Members,
		Rows: "the mean over the held-out rows of all parties, a party's own among them",
	}
	if t.Basis == contribution.Peers {
		t.Rows = "each party is scored on the other parties' held-out rows; the median over scorers counts"
	}
	if run.Config.Task != fed.TaskClassify {
		t.Utility = "minus the mean squared error"
	}
	return t
}

// Through returns the round up to which a closing of the ledger counts that has
// begun, or false.
func (l *Ledger) Through(run fed.Run) (int, bool) {
	s, ok := l.Score(run.ID)
	return s.Through, ok
}

// Close writes the score, the grant and the closing entry of a run whose delivered
// model is that after round through. What an interrupted closing has written stands.
func (p Pen) Close(ctx context.Context, run fed.Run, through int) error {
	terms, err := p.terms(ctx, run)
	if err != nil {
		return err
	}
	chain, _ := p.Entries(run.ID)
	switch {
	case len(chain) == 0:
		return noChain()
	case chain[len(chain)-1].Kind == KindClose:
		return nil
	}
	if n, begun := p.Through(run); begun {
		through = n // what is written cannot be unsaid
	}
	score, err := p.recompute(ctx, run, chain, terms, through)
	if err != nil {
		return err
	}
	grant, err := p.split(run, terms, score)
	if err != nil {
		return err
	}
	for _, x := range []struct {
		kind string
		body any
	}{{KindScore, score}, {KindGrant, grant}} {
		if slices.ContainsFunc(chain, func(e Entry) bool { return e.Kind == x.kind }) {
			continue // an earlier closing got so far
		}
		if err := p.append(ctx, run, x.kind, x.body); err != nil {
			return err
		}
	}
	if chain, _ = p.Entries(run.ID); len(chain) == 0 {
		return noChain()
	}
	return p.append(ctx, run, KindClose, map[string]any{"entries": len(chain) + 1, "head": chain[len(chain)-1].Hash})
}

// noChain is for a ledger whose entries have given way to another coordinator's.
func noChain() error {
	return fed.Errorf(fed.Unavailable, "Wait for its coordinator.", "the ledger is not this party's to close")
}

// Answer countersigns a closed run with what Check found, once. A ledger that took
// the place of another that this party had found right is disputed.
func (l *Ledger) Answer(ctx context.Context, run fed.Run) error {
	chain, beside := l.Entries(run.ID)
	if len(chain) == 0 || chain[len(chain)-1].Kind != KindClose {
		return nil
	}
	last := chain[len(chain)-1]
	if slices.ContainsFunc(beside, func(e Entry) bool { return e.Kind == KindCountersign && e.By == l.Keys.Party() && e.Prev == last.Hash }) {
		return nil
	}
	c := Countersign{OK: true, Text: "recomputed and equal"}
	if err := l.Check(ctx, run); err != nil {
		if k := fed.KindOf(err); k != fed.Corrupt && k != fed.Invalid {
			return err // not a verdict: tables are out of reach for now
		}
		c = Countersign{Text: err.Error()}
	}
	if before := l.foundRight(run.ID); c.OK && before != "" && before != last.Hash {
		c = Countersign{Text: "this ledger stands in the place of another that was countersigned before"}
	}
	// Checking takes time, in which another chain may have come to stand.
	if now, _ := l.Entries(run.ID); len(now) == 0 || now[len(now)-1].Hash != last.Hash {
		return fed.Errorf(fed.Unavailable, "Wait until it is checked again.", "the ledger has changed while it was checked")
	}
	return l.beside(ctx, run, last, KindCountersign, c)
}

// foundRight returns the first head of a run that this party countersigned.
func (l *Ledger) foundRight(run fed.RunID) fed.Digest {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.runs[run]; r != nil {
		return r.found[l.Keys.Party()]
	}
	return ""
}

// Acknowledge signs that this party received what the run granted.
func (l *Ledger) Acknowledge(ctx context.Context, run fed.Run) error {
	chain, beside := l.Entries(run.ID)
	g, ok := l.Grant(run.ID)
	if !ok || len(chain) == 0 {
		return fed.Errorf(fed.NotFound, "Wait until the run has finished.", "the run has granted nothing yet")
	}
	if has(beside, KindReceipt, l.Keys.Party()) {
		return fed.Errorf(fed.Exists, "", "the receipt is signed already")
	}
	return l.beside(ctx, run, chain[len(chain)-1], KindReceipt, Receipt{Cents: g.Cents[run.NameOf(l.Keys.Party())]})
}

func has(es []Entry, kind string, by fed.PartyID) bool {
	return slices.ContainsFunc(es, func(e Entry) bool { return e.Kind == kind && e.By == by })
}

// beside writes a word on an entry of the chain, its last one.
func (l *Ledger) beside(ctx context.Context, run fed.Run, last Entry, kind string, v any) error {
	e, err := l.sign(run.ID, 0, last.Term, last.Hash, kind, v)
	if err != nil {
		return err
	}
	_, err = l.Book.Append(ctx, fed.ScopeProject(run.Project), fed.DocLedger, string(run.ID), e)
	return err
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
