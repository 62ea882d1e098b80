package contribution

import (
	"fmt"
	"math"
	"math/rand/v2"

	"synergos.app/desktop/backend/fed"
)

// Estimate is a sampled Shapley value.
type Estimate struct {
	Phi []float64 // [a]
	SE  []float64 // [a], of the sampling alone
	// Used is the number of distinct coalitions that were evaluated.
	Used int
	// Remainder is v of all minus the sum of Phi.
	Remainder float64
	Method    string
}

// Sampling methods of an Estimate.
const (
	Stratified = "stratified-complementary"
	Antithetic = "antithetic-permutations"

	// antitheticBelow is the budget per player under which permutations are better.
	antitheticBelow = 50
	maxPlayers      = 4096
)

// DefaultBudget returns the advised number of utilities for a players.
func DefaultBudget(a int) int { return 100 * a }

// Sample estimates the Shapley values of a game of a players with at most budget
// evaluations of value, for games too large for [Coalitions]. value gets the
// members of a coalition, valid during the call; the empty one has value 0 and is
// not asked. From 50*a evaluations up it samples pairs of complementary coalitions
// by size (Zhang et al., SIGMOD 2023), the sizes 1 and a-1 completely; below that,
// orders and their reverses. The same generator state gives the same result. The
// error is of kind Invalid for a below 2 or a budget below 2*a; errors of value are
// passed on.
func Sample(a, budget int, value func(in []bool) (float64, error), r *rand.Rand) (Estimate, error) {
	if a < 2 || a > maxPlayers || budget < 2*a {
		return Estimate{}, fed.Errorf(fed.Invalid, "raise the budget to twice the number of parties", "%d evaluations cannot score %d parties", budget, a)
	}
	g := &game{a: a, budget: budget, value: value, cache: map[string]float64{}, key: make([]byte, (a+7)/8)}
	e := Estimate{Method: Stratified}
	var err error
	if budget >= antitheticBelow*a && a > 3 {
		e.Phi, e.SE, err = stratified(g, r)
	} else {
		e.Method = Antithetic
		e.Phi, e.SE, err = antithetic(g, r)
	}
	if err != nil {
		return Estimate{}, err
	}
	all, err := g.of(everyone(a))
	if err != nil {
		return Estimate{}, err
	}
	e.Used, e.Remainder = len(g.cache), all
	for _, phi := range e.Phi {
		e.Remainder -= phi
	}
	return e, nil
}

// game remembers what was evaluated.
type game struct {
	a, budget int
	value     func(in []bool) (float64, error)
	cache     map[string]float64
	key       []byte
}

func (g *game) of(in []bool) (float64, error) {
	clear(g.key)
	some := false
	for i, yes := range in {
		if yes {
			g.key[i/8] |= 1 << (i % 8)
			some = true
		}
	}
	if !some {
		return 0, nil
	}
	if v, ok := g.cache[string(g.key)]; ok {
		return v, nil
	}
	v, err := g.value(in)
	if err != nil {
		return 0, fmt.Errorf("evaluate a coalition: %w", err)
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fed.Errorf(fed.Invalid, "cap the loss of a row", "the value of a coalition is not finite")
	}
	g.cache[string(g.key)] = v
	return v, nil
}

func everyone(a int) []bool {
	in := make([]bool, a)
	for i := range in {
		in[i] = true
	}
	return in
}

// spread is a running mean and variance (Welford 1962).
type spread struct {
	n        int
	mean, m2 float64
}

func (s *spread) add(x float64) {
	s.n++
	d := x - s.mean
	s.mean += d / float64(s.n)
	s.m2 += float64(d * (x - s.mean))
}

// errorSq returns the squared standard error of the mean.
func (s *spread) errorSq() float64 {
	if s.n < 2 {
		return 0
	}
	return s.m2 / float64(s.n-1) / float64(s.n)
}

// strata holds, for player i and size k, the differences v(S) - v(rest) of the
// coalitions S of size k that contain i.
type strata struct {
	a    int
	cell []spread // [a][a], size k at k-1
	in   []bool
	out  []bool
}

// pair evaluates the coalition in st.in and its complement and fills their cells.
func (st *strata) pair(g *game) error {
	k := 0
	for i, yes := range st.in {
		st.out[i] = !yes
		if yes {
			k++
		}
	}
	v, err := g.of(st.in)
	if err != nil {
		return err
	}
	w, err := g.of(st.out)
	if err != nil {
		return err
	}
	for i, yes := range st.in {
		if yes {
			st.cell[i*st.a+k-1].add(v - w)
		} else {
			st.cell[i*st.a+st.a-k-1].add(w - v)
		}
	}
	return nil
}

func stratified(g *game, r *rand.Rand) (phi, se []float64, err error) {
	a := g.a
	st := &strata{a: a, cell: make([]spread, a*a), in: everyone(a), out: make([]bool, a)}
	if err := st.pair(g); err != nil { // size a
		return nil, nil, err
	}
	for i := range a { // sizes 1 and a-1, all of them
		clear(st.in)
		st.in[i] = true
		if err := st.pair(g); err != nil {
			return nil, nil, err
		}
	}
	order := make([]int, a)
	for i := range order {
		order[i] = i
	}
	// The bound on draws ends games whose coalitions are all known.
	for k, draws := 2, 0; len(g.cache)+2 <= g.budget && draws < 4*g.budget; draws++ {
		draw(st.in, order, k, r)
		if err := st.pair(g); err != nil {
			return nil, nil, err
		}
		if k++; k > a-2 {
			k = 2
		}
	}
	phi, se = st.fold()
	return phi, se, nil
}

// draw sets in to a uniform coalition of size k.
func draw(in []bool, order []int, k int, r *rand.Rand) {
	clear(in)
	for i := range k {
		j := i + r.IntN(len(order)-i)
		order[i], order[j] = order[j], order[i]
		in[order[i]] = true
	}
}

// fold averages the cells: phi_i = 1/a * sum over k of the mean of cell (i, k). A
// cell that was never drawn takes the mean of its size over the other players.
func (st *strata) fold() (phi, se []float64) {
	a := st.a
	phi, se = make([]float64, a), make([]float64, a)
	for k := range a {
		size, n := 0.0, 0
		for i := range a {
			if c := st.cell[i*a+k]; c.n > 0 {
				size += c.mean
				n++
			}
		}
		for i := range a {
			c := st.cell[i*a+k]
			if c.n > 0 {
				phi[i] += c.mean
			} else if n > 0 {
				phi[i] += size / float64(n)
			}
			if k > 0 && k < a-2 { // the others are enumerated
				se[i] += c.errorSq()
			}
		}
	}
	for i := range phi {
		phi[i] /= float64(a)
		se[i] = math.Sqrt(se[i]) / float64(a)
	}
	return phi, se
}

// antithetic averages marginals over orders, each followed by its reverse.
func antithetic(g *game, r *rand.Rand) (phi, se []float64, err error) {
	mean := make([]spread, g.a)
	first, second := make([]float64, g.a), make([]float64, g.a)
	in := make([]bool, g.a)
	for draws := 0; draws == 0 || len(g.cache)+2*g.a <= g.budget && draws < 4*g.budget; draws++ {
		order := r.Perm(g.a)
		if err := marginals(g, order, in, first); err != nil {
			return nil, nil, err
		}
		for i, j := 0, len(order)-1; i < j; i, j = i+1, j-1 {
			order[i], order[j] = order[j], order[i]
		}
		if err := marginals(g, order, in, second); err != nil {
			return nil, nil, err
		}
		for i := range mean {
			mean[i].add((first[i] + second[i]) / 2)
		}
	}
	phi, se = make([]float64, g.a), make([]float64, g.a)
	for i, m := range mean {
		phi[i], se[i] = m.mean, math.Sqrt(m.errorSq())
		if m.n < 2 {
			se[i] = math.NaN()
		}
	}
	return phi, se, nil
}

// marginals sets m[i] to what player i adds when it joins in the given order.
func marginals(g *game, order []int, in []bool, m []float64) error {
	clear(in)
	before := 0.0
	for _, i := range order {
		in[i] = true
		v, err := g.of(in)
		if err != nil {
			return err
		}
		m[i], before = v-before, v
	}
	return nil
}
