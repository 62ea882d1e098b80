// Package contribution measures what each party's updates were worth, and splits
// money by it.
//
// The measure is the Shapley value (Shapley 1953) of one game per round: the
// utility of a coalition is how much the params rebuilt from its updates alone
// lower the loss on validation rows. The package is arithmetic only: no clock,
// file, goroutine or model. It names the coalitions to evaluate ([Coalitions]),
// folds the per-row losses of one scorer into a utility table
// ([LocalUtilities]), combines the scorers into contributions with intervals
// ([Combine]), adds rounds up ([Sum]) and splits a pool of cents ([Split]). The
// caller owns evaluation, workers and storage.
//
// Utilities: 0 is the params before the round; a positive value is a lower mean
// loss, in nats for classification, in squared target units for regression.
package contribution

import (
	"math/bits"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/tensor"
)

// MaxExact is the largest number of parties whose 2^a coalitions are all
// evaluated.
const MaxExact = 12

// Set is a coalition: bit i stands for the i-th admitted party in the order of
// their names.
type Set uint64

// Has reports whether player i belongs to s.
func (s Set) Has(i int) bool { return s>>uint(i)&1 == 1 }

// Len returns how many players belong to s.
func (s Set) Len() int { return bits.OnesCount64(uint64(s)) }

// All returns the coalition of all a players.
func All(a int) Set { return Set(1)<<uint(a) - 1 }

// Coalitions returns the 2^a coalitions to evaluate, the empty one (the params
// before the round) first. The error is of kind Invalid outside 1..MaxExact.
func Coalitions(a int) ([]Set, error) {
	if a < 1 || a > MaxExact {
		return nil, fed.Errorf(fed.Invalid, "sample coalitions instead", "%d parties have too many coalitions to evaluate all", a)
	}
	sets := make([]Set, 1<<a)
	for i := range sets {
		sets[i] = Set(i)
	}
	return sets, nil
}

// Member is an admitted party of a round with the weight that its update has in
// the aggregation.
type Member struct {
	Party  string
	Weight float64
	Delta  tensor.Params
}

// Rebuild sets dst to the params of coalition s: base + sum over members i of s of
// (w_i/w_s)*Delta_i, the weights renormalised inside the coalition. Members come
// in the order of their bits; each number is rounded once. For s empty, or of no
// weight, dst is base. dst, base and the deltas must have the same tensors.
func Rebuild(dst, base tensor.Params, members []Member, s Set) {
	total := 0.0
	for i, m := range members {
		if s.Has(i) {
			total += m.Weight
		}
	}
	dst.CopyFrom(base)
	if total <= 0 {
		return
	}
	for t := range dst {
		rebuildTensor(dst[t].Data, members, s, t, total)
	}
}

func rebuildTensor(dst []float32, members []Member, s Set, t int, total float64) {
	var sum [512]float64
	for from := 0; from < len(dst); from += len(sum) {
		n := min(len(sum), len(dst)-from)
		clear(sum[:n])
		for i, m := range members {
			if !s.Has(i) {
				continue
			}
			for j, v := range m.Delta[t].Data[from : from+n] {
				sum[j] += float64(m.Weight * float64(v))
			}
		}
		for j := range n {
			dst[from+j] = float32(float64(dst[from+j]) + sum[j]/total)
		}
	}
}

// Shapley returns the Shapley values [a] of the game v, a table [2^a] indexed by
// [Set]. It panics when the length is not a power of two.
func Shapley(v []float64) []float64 {
	a := players(v)
	phi := make([]float64, a)
	w := marginalWeights(a)
	for i := range phi {
		phi[i] = shapleyOf(v, i, w)
	}
	return phi
}

// shapleyOf returns player i's value: the sum over S without i of
// |S|!(a-|S|-1)!/a! * (v(S+i) - v(S)).
func shapleyOf(v []float64, i int, w []float64) float64 {
	sum := 0.0
	bit := 1 << i
	for s := range v {
		if s&bit == 0 {
			sum += float64(w[bits.OnesCount(uint(s))] * (v[s|bit] - v[s]))
		}
	}
	return sum
}

// Banzhaf returns the Banzhaf values [a] of v: the mean marginal over all
// coalitions. They do not add up to v of all.
func Banzhaf(v []float64) []float64 {
	a := players(v)
	phi := make([]float64, a)
	for i := range phi {
		bit := 1 << i
		for s := range v {
			if s&bit == 0 {
				phi[i] += v[s|bit] - v[s]
			}
		}
		phi[i] /= float64(len(v) / 2)
	}
	return phi
}

func players(v []float64) int {
	if len(v) < 2 || bits.OnesCount(uint(len(v))) != 1 {
		panic("contribution: a utility table needs 2^a entries")
	}
	return bits.TrailingZeros(uint(len(v)))
}

// marginalWeights returns w[s] = s!(a-s-1)!/a! = 1/(a*C(a-1, s)) for s in 0..a-1.
func marginalWeights(a int) []float64 {
	w := make([]float64, a)
	choose := 1.0
	for s := range w {
		w[s] = 1 / (float64(a) * choose)
		choose = choose * float64(a-1-s) / float64(s+1)
	}
	return w
}
