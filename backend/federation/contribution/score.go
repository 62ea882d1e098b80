package contribution

import (
	"fmt"
	"math"
	"math/rand/v2"

	"synergos.app/desktop/backend/fed"
)

const (
	// LossCap is the advised cap of one row's log-loss, in nats: one mislabelled
	// row then cannot decide a reward.
	LossCap = 16
	// MinRows is the least number of validation rows that may score.
	MinRows = 100
	// CoarseRows is the number of them below which the screen says "coarse".
	CoarseRows = 400
	// DefaultReplicates is the number of bootstrap resamples of an interval.
	DefaultReplicates = 200

	maxReplicates = 1000
	maxRows       = 1 << 24
)

// Scores is the utility table of one scorer, with the tables of its bootstrap
// replicates. It carries no row.
type Scores struct {
	Scorer string `json:"scorer"` // "" for an evaluator of the agreed set
	Rows   int    `json:"rows"`
	// V is [2^a], V[S] = mean loss before the round minus mean loss of S.
	V []float64 `json:"v"`
	// Replicates is [B][2^a]: V over resampled rows.
	Replicates [][]float64 `json:"replicates"`
}

// Local is what a scorer keeps to itself beside its table.
type Local struct {
	Scores
	// RowPhi is [a][rows], each player's Shapley value of the utility of one row.
	// Per-row values never leave the scorer.
	RowPhi [][]float64
}

// Evaluation says how one scorer evaluates the coalitions of a round.
type Evaluation struct {
	Scorer string
	// Players is the number a of admitted parties, at most MaxExact.
	Players int
	Rows    int
	// Cap bounds the loss of one row, a number that is not finite included; 0 does
	// not bound. Use LossCap for log-loss.
	Cap float64
	// Losses returns the loss of every row [Rows] under the params of coalition s,
	// rows always in the same order. The result is read before the next call.
	Losses func(s Set) ([]float64, error)
	// Replicates is B; 0 measures no interval.
	Replicates int
	// Rand resamples the rows. Give every round of a run a generator in the same
	// state, so that replicate b means the same rows in all rounds and contributions
	// can be added replicate by replicate.
	Rand *rand.Rand
}

// LocalUtilities evaluates every coalition once, in the order of [Coalitions],
// and folds the losses. Memory is about rows*(4 + a) numbers plus B*rows counts
// of two bytes. Errors: kind Invalid for figures out of range or losses that are
// not finite without a cap; what Losses returns is passed on.
func LocalUtilities(e Evaluation) (Local, error) {
	sets, err := Coalitions(e.Players)
	if err != nil {
		return Local{}, err
	}
	if e.Rows < 1 || e.Rows > maxRows || e.Replicates < 0 || e.Replicates > maxReplicates || e.Cap < 0 || (e.Replicates > 0 && e.Rand == nil) {
		return Local{}, fed.Errorf(fed.Invalid, "choose a validation set with rows", "%d rows and %d replicates cannot be scored", e.Rows, e.Replicates)
	}
	f := newFold(e)
	for _, s := range sets {
		losses, err := e.Losses(s)
		if err != nil {
			return Local{}, fmt.Errorf("evaluate coalition %b: %w", s, err)
		}
		if err := f.add(s, losses); err != nil {
			return Local{}, err
		}
	}
	return f.out, nil
}

// fold accumulates the losses of one coalition after the other.
type fold struct {
	e       Evaluation
	before  []float64 // losses before the round
	gain    []float64 // scratch: what a coalition gained per row
	counts  [][]uint16
	weights []float64
	out     Local
}

func newFold(e Evaluation) *fold {
	f := &fold{e: e, before: make([]float64, e.Rows), gain: make([]float64, e.Rows), weights: marginalWeights(e.Players)}
	size := 1 << e.Players
	f.out.Scorer, f.out.Rows, f.out.V = e.Scorer, e.Rows, make([]float64, size)
	for range e.Replicates {
		f.counts = append(f.counts, resample(e.Rows, e.Rand))
		f.out.Replicates = append(f.out.Replicates, make([]float64, size))
	}
	for range e.Players {
		f.out.RowPhi = append(f.out.RowPhi, make([]float64, e.Rows))
	}
	return f
}

// resample draws as many rows as there are, with replacement, and returns how
// often each was drawn.
func resample(rows int, r *rand.Rand) []uint16 {
	n := make([]uint16, rows)
	for range rows {
		if i := r.IntN(rows); n[i] < math.MaxUint16 {
			n[i]++
		}
	}
	return n
}

func (f *fold) add(s Set, losses []float64) error {
	if len(losses) != f.e.Rows {
		return fed.Errorf(fed.Internal, "", "coalition %b has %d losses for %d rows", s, len(losses), f.e.Rows)
	}
	for x, l := range losses {
		l, err := f.bound(l)
		if err != nil {
			return err
		}
		if s == 0 {
			f.before[x] = l
		}
		f.gain[x] = f.before[x] - l
	}
	if s == 0 {
		return nil
	}
	f.out.V[s] = mean(f.gain)
	for b, n := range f.counts {
		sum := 0.0
		for x, g := range f.gain {
			sum += float64(float64(n[x]) * g)
		}
		f.out.Replicates[b][s] = sum / float64(f.e.Rows)
	}
	f.addRows(s)
	return nil
}

func (f *fold) bound(l float64) (float64, error) {
	if f.e.Cap > 0 {
		if !(l <= f.e.Cap) { // NaN too
			return f.e.Cap, nil
		}
		return max(l, -f.e.Cap), nil
	}
	if math.IsNaN(l) || math.IsInf(l, 0) {
		return 0, fed.Errorf(fed.Invalid, "cap the loss of a row", "a coalition's params give a loss that is not finite")
	}
	return l, nil
}

// addRows adds the share of coalition s to every player's per-row value: its
// marginal weight with the sign of belonging.
func (f *fold) addRows(s Set) {
	k := s.Len()
	for i, phi := range f.out.RowPhi {
		c := 0.0
		if s.Has(i) {
			c = f.weights[k-1]
		} else {
			c = -f.weights[k]
		}
		for x, g := range f.gain {
			phi[x] += float64(c * g)
		}
	}
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// deviation returns the sample standard deviation of v, NaN below two values.
func deviation(v []float64) float64 {
	if len(v) < 2 {
		return math.NaN()
	}
	m, sum := mean(v), 0.0
	for _, x := range v {
		sum += float64((x - m) * (x - m))
	}
	return math.Sqrt(sum / float64(len(v)-1))
}

// RowError returns the standard error [a] of contributions that are means of
// per-row values rowPhi [a][rows]: sd/sqrt(rows).
func RowError(rowPhi [][]float64) []float64 {
	se := make([]float64, len(rowPhi))
	for i, phi := range rowPhi {
		se[i] = deviation(phi) / math.Sqrt(float64(len(phi)))
	}
	return se
}

// PerClass splits contributions by the class of the rows: phi[c][i] is the mean of
// player i's per-row value over the rows of class c, and rows[c] their number.
// For every player the sum over c of rows[c]/m*phi[c][i] is its contribution. A
// class without rows has NaN. class is [rows] with values in 0..classes-1; it
// panics otherwise.
func PerClass(rowPhi [][]float64, class []int, classes int) (phi [][]float64, rows []int) {
	phi, rows = make([][]float64, classes), make([]int, classes)
	for c := range phi {
		phi[c] = make([]float64, len(rowPhi))
	}
	for x, c := range class {
		rows[c]++
		for i := range rowPhi {
			phi[c][i] += rowPhi[i][x]
		}
	}
	for c := range phi {
		for i := range phi[c] {
			phi[c][i] /= float64(rows[c])
		}
	}
	return phi, rows
}
