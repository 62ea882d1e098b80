package contribution

import (
	"math"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// Basis says whose held-out rows decide what an update was worth, and so what is
// paid.
type Basis string

const (
	// Pooled is one game for all: the utility of a coalition is the mean over the
	// rows of all scorers, a party's own rows among them. The values of the parties
	// add up to the gain.
	Pooled Basis = "pooled"
	// Peers judges each party on the others' rows only: the median over the scorers
	// that are not the party. Every party then has its own game, and the values need
	// not add up to the gain.
	Peers Basis = "peers"
)

// Valid reports whether b is one of the known bases.
func (b Basis) Valid() bool { return b == Pooled || b == Peers }

// Result is the contribution of every admitted party of one round.
type Result struct {
	Players []string // [a], in the order of their bits
	Basis   Basis
	Phi     []float64 // [a], under Basis
	SE      []float64 // [a]; NaN without replicates
	// Peers is [a]: each party's value on the others' rows only, whatever the basis.
	// Beside a pooled Phi it is the check against self-praise: a party cannot move
	// its own.
	Peers []float64
	// Replicates is [a][B], the contributions under the scorers' resampled rows.
	Replicates [][]float64
	// Gain is v(A) of the pooled game: what the round gained on all rows.
	Gain float64
	// Without is [a]: what the coalition of all others gains in the pooled game.
	Without []float64
	// Remainder is Gain minus the sum of Phi: 0 up to rounding with basis Pooled, and
	// with Peers what the parties' own games do not add up to. It is shown, never
	// spread.
	Remainder float64
}

// Combine turns the scorers' tables into contributions. With basis Pooled the
// value of a coalition is the mean of the scorers' values, weighted with their
// rows (see [ScorerWeights]); with Peers, for player i, the median over the
// scorers that are not i, taken before the Shapley sum. The standard error is the
// deviation of the same figure over the replicates. players are the admitted
// parties in the order of their bits. The error is of kind Invalid when a table
// does not fit, holds a number that is not finite, or a player has no scorer but
// itself.
func Combine(players []string, scorers []Scores, basis Basis) (Result, error) {
	a := len(players)
	if err := checkScorers(players, scorers); err != nil {
		return Result{}, err
	}
	if !basis.Valid() {
		return Result{}, fed.Errorf(fed.Invalid, "choose pooled or peers", "the basis %q is not known", basis)
	}
	c := newCombiner(players, scorers)
	r := Result{
		Players: slices.Clone(players), Basis: basis, Peers: make([]float64, a), Without: make([]float64, a),
		Phi: make([]float64, a), SE: make([]float64, a), Replicates: make([][]float64, a),
	}
	pool := slices.Clone(c.pool(-1))
	r.Gain = pool[All(a)]
	r.Remainder = r.Gain
	for i := range players {
		r.Without[i] = pool[All(a)&^(1<<i)]
		r.Peers[i] = shapleyOf(c.median(i, -1), i, c.w)
		r.Phi[i] = r.Peers[i]
		if basis == Pooled {
			r.Phi[i] = shapleyOf(pool, i, c.w)
		}
		r.Replicates[i] = make([]float64, len(scorers[0].Replicates))
		r.Remainder -= r.Phi[i]
	}
	for b := range scorers[0].Replicates {
		if basis == Pooled {
			c.pool(b) // one table for all
		}
		for i := range players {
			if basis == Peers {
				c.median(i, b)
			}
			r.Replicates[i][b] = shapleyOf(c.table, i, c.w)
		}
	}
	for i := range players {
		r.SE[i] = deviation(r.Replicates[i])
	}
	return r, nil
}

// ScorerWeights returns the weight of every scorer in the pooled game, adding up to
// 1: its rows, but at most five times the median of all (the lower one of two), so
// that no scorer drowns the others by claiming many rows.
func ScorerWeights(rows []int) []float64 {
	order := slices.Sorted(slices.Values(rows))
	most := 5 * float64(order[(len(order)-1)/2])
	w, sum := make([]float64, len(rows)), 0.0
	for j, n := range rows {
		w[j] = min(float64(n), most)
		sum += w[j]
	}
	for j := range w {
		w[j] /= sum
	}
	return w
}

// combiner reads the scorers' tables; table is the scratch that its methods fill
// and return.
type combiner struct {
	players []string
	scorers []Scores
	weights []float64 // [scorers], of the pooled game
	w       []float64 // [a], of the marginals
	table   []float64
	column  []float64
}

func newCombiner(players []string, scorers []Scores) *combiner {
	c := &combiner{players: players, scorers: scorers, w: marginalWeights(len(players)), table: make([]float64, 1<<len(players))}
	rows := make([]int, len(scorers))
	for j, s := range scorers {
		rows[j] = s.Rows
	}
	c.weights = ScorerWeights(rows)
	return c
}

// utilities returns a scorer's table (b < 0) or its replicate b.
func (s Scores) utilities(b int) []float64 {
	if b < 0 {
		return s.V
	}
	return s.Replicates[b]
}

// pool fills the table with the scorers' weighted mean.
func (c *combiner) pool(b int) []float64 {
	clear(c.table)
	for j, s := range c.scorers {
		for k, v := range s.utilities(b) {
			c.table[k] += float64(c.weights[j] * v)
		}
	}
	return c.table
}

// median fills the table with the median over the scorers that are not player i.
func (c *combiner) median(i, b int) []float64 {
	for k := range c.table {
		c.column = c.column[:0]
		for _, s := range c.scorers {
			if s.Scorer != c.players[i] {
				c.column = append(c.column, s.utilities(b)[k])
			}
		}
		c.table[k] = median(c.column)
	}
	return c.table
}

// median returns the median of v, which it sorts.
func median(v []float64) float64 {
	slices.Sort(v)
	h := len(v) / 2
	if len(v)%2 == 1 {
		return v[h]
	}
	return v[h-1]/2 + v[h]/2
}

func checkScorers(players []string, scorers []Scores) error {
	a := len(players)
	if a < 1 || a > MaxExact || len(scorers) == 0 {
		return fed.Errorf(fed.Invalid, "wait for an admitted update and a scorer", "%d parties and %d scorers cannot be combined", a, len(scorers))
	}
	seen := map[string]bool{}
	for _, s := range scorers {
		if seen[s.Scorer] {
			return fed.Errorf(fed.Invalid, "keep one table of each scorer", "scorer %q is there twice", s.Scorer)
		}
		seen[s.Scorer] = true
		if err := s.check(a, len(scorers[0].Replicates)); err != nil {
			return err
		}
	}
	for _, p := range players {
		if len(scorers) == 1 && seen[p] {
			return fed.Errorf(fed.Invalid, "let another party score, or agree on a validation set", "%q has no scorer but itself", p)
		}
	}
	return nil
}

// check refuses a table that does not have 2^a finite entries with 0 for nobody,
// or another number of replicates than the rest.
func (s Scores) check(a, replicates int) error {
	if len(s.Replicates) != replicates || replicates > maxReplicates || s.Rows < 1 {
		return fed.Errorf(fed.Invalid, "score with the run's settings", "the scores of %q have %d replicates over %d rows, others have %d", s.Scorer, len(s.Replicates), s.Rows, replicates)
	}
	for b := -1; b < replicates; b++ {
		v := s.utilities(b)
		if len(v) != 1<<a || v[0] != 0 {
			return fed.Errorf(fed.Invalid, "score every coalition of the round", "the scores of %q do not fit a round of %d parties", s.Scorer, a)
		}
		for _, x := range v {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return fed.Errorf(fed.Invalid, "cap the loss of a row", "the scores of %q hold a number that is not finite", s.Scorer)
			}
		}
	}
	return nil
}
