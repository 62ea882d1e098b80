package reward

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/contribution"
)

// recompute derives the run's score from the tables of all its rounds, fetching
// them when needed, and checks every round's figures on the way. Rounds after
// through do not count.
func (l *Ledger) recompute(ctx context.Context, run fed.Run, chain []Entry, terms Terms, through int) (Score, error) {
	var rounds []contribution.RoundScore
	out := Score{Through: through, Unscored: []int{}, Without: map[string]fed.Number{}}
	counted := map[int]bool{}
	for _, e := range chain {
		if e.Kind != KindRound {
			continue
		}
		m, err := l.round(ctx, run, e, terms)
		if err != nil {
			return Score{}, err
		}
		if n := m.Score.Round; counted[n] || n > through {
			continue // a round counts once
		}
		counted[m.Score.Round] = true
		rounds = append(rounds, m.full)
		out.Rows = max(out.Rows, m.Rows)
		for name, v := range m.without {
			out.Without[name] += v
		}
	}
	// By number, whatever records are here: those of an earlier coordinator may be on
	// their way to whoever closes, or to whoever checks.
	for n := 1; n <= min(through, run.Config.Rounds); n++ {
		if !counted[n] {
			out.Unscored = append(out.Unscored, n)
		}
	}
	out.Standing = contribution.Sum(rounds)
	return out, nil
}

// recorded returns the records of the rounds up to through in which parties took
// part.
func (l *Ledger) recorded(run fed.RunID, through int) []fed.RoundRecord {
	_, rounds, _ := l.Run(run)
	return slices.DeleteFunc(slices.Clone(rounds), func(r fed.RoundRecord) bool { return r.N < 1 || r.N > through || len(r.In) == 0 })
}

// round loads one round's tables and verifies its entry against them.
func (l *Ledger) round(ctx context.Context, run fed.Run, e Entry, terms Terms) (measured, error) {
	var r Round
	if err := json.Unmarshal(e.Body, &r); err != nil {
		return measured{}, fed.Errorf(fed.Corrupt, "", "ledger entry %d cannot be read: %w", e.K, err)
	}
	t, err := l.load(ctx, e, r)
	if err != nil {
		return measured{}, err
	}
	ask, err := l.asked(run.ID, r.Score.Round)
	if err != nil {
		return measured{}, err
	}
	m, err := l.measure(run, ask, t, terms.Basis)
	if err != nil {
		return m, fmt.Errorf("round %d: %w", r.Score.Round, err)
	}
	return m, sameRound(r, m.Round)
}

// tolerance of a recomputed figure: the same arithmetic on another processor may
// differ in the last bits.
const tolerance = 1e-9

// sameRound compares an entry's figures with the recomputed ones.
func sameRound(claimed, computed Round) error {
	a, b := claimed.Score, computed.Score
	ok := len(a.Parties) == len(b.Parties) && a.Basis == b.Basis && near(a.Gain, b.Gain) && near(a.Remainder, b.Remainder) &&
		claimed.Rows == computed.Rows && slices.Equal(claimed.Scorers, computed.Scorers) && slices.Equal(claimed.Unsigned, computed.Unsigned)
	for i, c := range b.Parties {
		if !ok {
			break
		}
		p := a.Parties[i]
		ok = p.Party == c.Party && p.Admitted == c.Admitted && p.Reason == c.Reason && near(p.Phi, c.Phi) && near(p.Peers, c.Peers) &&
			near(p.SE, c.SE) && near(p.Low, c.Low) && near(p.High, c.High)
	}
	if !ok {
		return fed.Errorf(fed.Corrupt, "Ask the coordinator of that round to explain it.", "round %d: the contributions do not follow from the scorers' tables", a.Round)
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
	ok := claimed.Rows == computed.Rows && claimed.Through == computed.Through && slices.Equal(claimed.Unscored, computed.Unscored) &&
		len(a.Parties) == len(b.Parties) && a.Rounds == b.Rounds && near(a.Gain, b.Gain) && near(a.Remainder, b.Remainder) &&
		maps.EqualFunc(claimed.Without, computed.Without, near)
	for i := range b.Parties {
		if !ok {
			return false
		}
		p, c := a.Parties[i], b.Parties[i]
		ok = p.Party == c.Party && p.Rank == c.Rank && p.Present == c.Present && near(p.Phi, c.Phi) && near(p.Peers, c.Peers) &&
			near(p.SE, c.SE) && near(p.Low, c.Low) && near(p.High, c.High) && near(p.Share, c.Share)
	}
	return ok
}

// Check recomputes a run: the chain, its terms, every round, and of a closed run
// the score and the grant. nil says that everything is right.
func (l *Ledger) Check(ctx context.Context, run fed.Run) error {
	chain, _ := l.Entries(run.ID)
	if len(chain) == 0 {
		return fed.Errorf(fed.Unavailable, "Wait until it has arrived.", "the ledger of the run is not here")
	}
	if err := VerifyChain(run.Project, run.ID, chain, l.Keys.Verify); err != nil {
		return err
	}
	terms, err := l.checkTerms(chain, run)
	if err != nil {
		return err
	}
	through := math.MaxInt
	if chain[len(chain)-1].Kind == KindClose {
		var ended bool
		if through, ended = l.Delivered(run.ID); !ended {
			return fed.Errorf(fed.Unavailable, "Wait until the end of the run has arrived.", "the round of the delivered model is not known here yet")
		}
	}
	score, err := l.recompute(ctx, run, chain, terms, through)
	if err != nil {
		return err
	}
	grant, err := l.split(run, terms, score)
	if err != nil {
		return err
	}
	for _, e := range chain {
		err := follows(e, score, grant)
		if err == nil {
			continue
		}
		if n := l.unknown(run, through); e.Kind == KindGrant && n > 0 {
			return noRecord(n) // who took part in it may be why
		}
		return err
	}
	return nil
}

// unknown returns the first round up to through of which no record here names the
// parties, or 0.
func (l *Ledger) unknown(run fed.Run, through int) int {
	records := l.recorded(run.ID, through)
	for n := 1; n <= min(through, run.Config.Rounds); n++ {
		if !slices.ContainsFunc(records, func(r fed.RoundRecord) bool { return r.N == n }) {
			return n
		}
	}
	return 0
}

// checkTerms refuses terms that the project never had.
func (l *Ledger) checkTerms(chain []Entry, run fed.Run) (Terms, error) {
	t, err := termsOf(chain, run)
	if err != nil {
		return t, err
	}
	for _, p := range l.Policies(run.Project) {
		if want := newTerms(run, p); want.Basis == t.Basis && want.PoolCents == t.PoolCents && want.Currency == t.Currency && want.Ties == t.Ties {
			return t, nil
		}
	}
	return t, fed.Errorf(fed.Corrupt, "Ask the coordinator to explain it.", "the terms of the ledger are not rules of the project")
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
	case e.Kind == KindGrant && (json.Unmarshal(e.Body, &g) != nil || !sameGrant(g, grant)):
		return fed.Errorf(fed.Corrupt, "Ask the coordinator to explain it.", "the rewards of the run do not follow from its contributions")
	}
	return nil
}
