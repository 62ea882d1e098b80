package contribution

import (
	"math"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// Result is the contribution of every admitted party of one round.
type Result struct {
	Players []string  // [a], in the order of their bits
	Phi     []float64 // [a]
	SE      []float64 // [a]; NaN without replicates
	// Replicates is [a][B], the contributions under the scorers' resampled rows.
	Replicates [][]float64
	// Gain is v(A): the median over all scorers of what the round gained.
	Gain float64
	// Remainder is Gain minus the sum of Phi. Each party is judged by the others
	// only, so each has its own game: the values of one game add up to its v(A)
	// exactly, values of different games need not. What is left is shown, never
	// spread. With one evaluator it is 0 up to rounding.
	Remainder float64
}

// Combine turns the scorers' tables into contributions. Player i's value uses
// for every coalition the median of v over the scorers that are not i, taken
// before the Shapley sum; the standard error is the deviation of the same figure
// over the replicates. players are the admitted parties in the order of their
// bits. The error is of kind Invalid when a table does not fit, holds a number
// that is not finite, or a player has no scorer but itself.
func Combine(players []string, scorers []Scores) (Result, error) {
	a := len(players)
	if err := checkScorers(players, scorers); err != nil {
		return Result{}, err
	}
	r := Result{Players: slices.Clone(players), Phi: make([]float64, a), SE: make([]float64, a), Replicates: make([][]float64, a)}
	w := marginalWeights(a)
	c := combiner{table: make([]float64, 1<<a)}
	for i, name := range players {
		c.judges = c.judges[:0]
		for _, s := range scorers {
			if s.Scorer != name {
				c.judges = append(c.judges, s)
			}
		}
		r.Phi[i] = shapleyOf(c.median(-1), i, w)
		r.Replicates[i] = make([]float64, len(scorers[0].Replicates))
		for b := range r.Replicates[i] {
			r.Replicates[i][b] = shapleyOf(c.median(b), i, w)
		}
		r.SE[i] = deviation(r.Replicates[i])
	}
	c.judges = scorers
	r.Gain = c.at(-1, int(All(a)))
	r.Remainder = r.Gain
	for _, phi := range r.Phi {
		r.Remainder -= phi
	}
	return r, nil
}

type combiner struct {
	judges []Scores
	table  []float64
	column []float64
}

// median fills the table with the median over the judges of v (b < 0) or of
// replicate b.
func (c *combiner) median(b int) []float64 {
	for s := range c.table {
		c.table[s] = c.at(b, s)
	}
	return c.table
}

func (c *combiner) at(b, s int) float64 {
	c.column = c.column[:0]
	for _, j := range c.judges {
		v := j.V
		if b >= 0 {
			v = j.Replicates[b]
		}
		c.column = append(c.column, v[s])
	}
	return median(c.column)
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
		v := s.V
		if b >= 0 {
			v = s.Replicates[b]
		}
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
