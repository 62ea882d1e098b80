// Package strategy turns the updates of a round into the next params: who is
// asked, which updates are admitted, what they weigh, how they are aggregated and
// when a round closes.
//
// It is pure arithmetic: no network, no clock, no goroutine; durations are passed
// in. Start with [Strategy], made by [New] from a run's configuration. Results do
// not depend on the order in which updates arrived: everything runs by party name
// and accumulates in float64.
package strategy

import (
	"cmp"
	"math"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/tensor"
)

// Names of the strategies, as they stand in fed.StrategySpec.
const (
	NameFedAvg  = "fedavg"
	NameFedProx = "fedprox"
)

// Strategy selects parties, configures their training and aggregates what they
// return.
type Strategy interface {
	// Name returns the name as in fed.StrategySpec.
	Name() string
	// Select returns which of the available parties train in a round, by name.
	Select(available []string) []string
	// Proximal returns mu of the local term (mu/2)*|w - base|^2, 0 for none.
	Proximal() float64
	// Aggregate returns the params after the round; see the function Aggregate.
	Aggregate(base tensor.Params, updates []Weighted) (tensor.Params, error)
}

// Weighted is an admitted update with its weight. Delta is trained minus base
// params.
type Weighted struct {
	Party  string
	Weight float64
	Delta  tensor.Params
}

// New returns the strategy of a run. The error is of kind Invalid for an unknown
// name or a mu that is negative or not finite.
func New(spec fed.StrategySpec) (Strategy, error) {
	switch spec.Name {
	case NameFedAvg:
		return averaging{}, nil // mu belongs to fedprox and says nothing here
	case NameFedProx:
		if !(spec.Mu >= 0) || math.IsInf(spec.Mu, 0) {
			return nil, fed.Errorf(fed.Invalid, "choose a mu such as 0.01", "mu %v of fedprox is not a number from 0 up", spec.Mu)
		}
		return averaging{mu: spec.Mu, prox: true}, nil
	}
	return nil, fed.Errorf(fed.Invalid, "choose fedavg or fedprox", "strategy %q is not known", spec.Name)
}

// FedAvg returns federated averaging (McMahan et al. 2017, Algorithm 1).
func FedAvg() Strategy { return averaging{} }

// FedProx returns federated averaging over local trainings with a proximal term
// (Li et al. 2020, Algorithm 2). mu is applied by the parties; 0 is FedAvg.
func FedProx(mu float64) Strategy { return averaging{mu: mu, prox: true} }

type averaging struct {
	mu   float64
	prox bool
}

func (a averaging) Name() string {
	if a.prox {
		return NameFedProx
	}
	return NameFedAvg
}

func (a averaging) Proximal() float64 { return a.mu }

func (a averaging) Select(available []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(available)))
}

func (a averaging) Aggregate(base tensor.Params, updates []Weighted) (tensor.Params, error) {
	return Aggregate(base, updates)
}

// weightCap bounds a weight in medians, so that a declared size cannot dominate.
const weightCap = 5

// Weights returns w_i = min(n_i, 5*median_j n_j) by party. Counts below one weigh
// nothing and do not enter the median; with an even number of counts the median
// is the mean of the middle two.
func Weights(examples map[string]int64) map[string]float64 {
	var counts []float64
	for _, n := range examples {
		if n > 0 {
			counts = append(counts, float64(n))
		}
	}
	limit := weightCap * median(counts)
	w := make(map[string]float64, len(examples))
	for party, n := range examples {
		w[party] = max(0, min(float64(n), limit))
	}
	return w
}

// median returns the median of v, which it sorts, or 0 of nothing.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	h := len(v) / 2
	if len(v)%2 == 1 {
		return v[h]
	}
	return v[h-1]/2 + v[h]/2
}

// Aggregate returns base + sum_i (w_i/sum w) * Delta_i as new params. Updates are
// added by party name in float64 and each number is rounded once, so the bits do
// not depend on the order of updates. The error is of kind Invalid without
// updates, with a party named twice, or with weights that are negative, not finite
// or all zero; of kind Incompatible when a delta does not fit base; of kind
// Internal when the result is not finite.
func Aggregate(base tensor.Params, updates []Weighted) (tensor.Params, error) {
	ordered, total, err := order(base, updates)
	if err != nil {
		return nil, err
	}
	out := base.ZerosLike()
	weights := make([]float64, len(ordered))
	for i, u := range ordered {
		weights[i] = u.Weight
	}
	deltas := make([][]float32, len(ordered))
	for t := range base {
		for i, u := range ordered {
			deltas[i] = u.Delta[t].Data
		}
		Mean(out[t].Data, base[t].Data, weights, total, deltas)
	}
	if !out.Finite() {
		return nil, fed.Errorf(fed.Internal, "look at the updates of this round", "the aggregated params are not finite")
	}
	return out, nil
}

func order(base tensor.Params, updates []Weighted) ([]Weighted, float64, error) {
	ordered := slices.SortedStableFunc(slices.Values(updates), func(a, b Weighted) int { return cmp.Compare(a.Party, b.Party) })
	total := 0.0
	for i, u := range ordered {
		if i > 0 && ordered[i-1].Party == u.Party {
			return nil, 0, fed.Errorf(fed.Invalid, "keep one update of each party", "party %q has two updates in one round", u.Party)
		}
		if !(u.Weight >= 0) || math.IsInf(u.Weight, 0) {
			return nil, 0, fed.Errorf(fed.Invalid, "look at the example count of the update", "the update of %q weighs %v", u.Party, u.Weight)
		}
		if err := tensor.Same(base, u.Delta); err != nil {
			return nil, 0, fed.Errorf(fed.Incompatible, fed.HintOf(err), "update of %q: %w", u.Party, err)
		}
		total += u.Weight
	}
	if !(total > 0) || math.IsInf(total, 0) {
		return nil, 0, fed.Errorf(fed.Invalid, "wait for an update with examples", "a round with no weighted update cannot be aggregated")
	}
	return ordered, total, nil
}

// Mean sets dst = base + sum_i weights[i]/total * deltas[i], number by number, in
// the given order of i with a float64 accumulator. All slices have one length;
// dst may be base. It is the kernel for callers that read updates in pieces.
func Mean(dst, base []float32, weights []float64, total float64, deltas [][]float32) {
	var sum [512]float64
	for from := 0; from < len(dst); from += len(sum) {
		n := min(len(sum), len(dst)-from)
		clear(sum[:n])
		for i, w := range weights {
			d := deltas[i][from : from+n]
			for j, v := range d {
				// The conversion forbids fusing, which differs between processors.
				sum[j] += float64(w * float64(v))
			}
		}
		for j := range n {
			dst[from+j] = float32(float64(base[from+j]) + sum[j]/total)
		}
	}
}
