// Package metric turns predictions into mergeable sums and merged sums into the
// figures that people read.
//
// A party sends [fed.Sums], never means and never rows; sums of parties add up
// to the sums of their union, so the finished figures are those of all rows
// together. It does not run models (package train does). Start with [Merge] and
// [Finish]. Everything is pure.
package metric

import (
	"math"

	"synergos.app/desktop/backend/fed"
)

const (
	// Bins is the number of equal bins of [0, 1] on which binary scores are
	// counted, for each of the two classes.
	Bins = 1000
	// MaxClasses bounds the classes of a confusion matrix.
	MaxClasses = 1024
	// MaxExamples bounds the rows that sums can speak of.
	MaxExamples = 1 << 40
)

// New returns empty sums with the slices that classes needs: a confusion matrix
// for two or more classes, and score histograms for two. For a regression
// classes is 0.
func New(classes int) fed.Sums {
	var s fed.Sums
	if classes >= 2 {
		s.Confusion = make([]int64, classes*classes)
	}
	if classes == 2 {
		s.Scores = make([]int64, 2*Bins)
	}
	return s
}

// AddClass counts one row of a classification into s, which comes from [New]:
// its true and predicted class, its log-loss in nats, and, for two classes, the
// probability of class 1.
func AddClass(s *fed.Sums, classes, truth, predicted int, loss, positive float64) {
	s.Examples++
	s.Loss += loss
	if truth == predicted {
		s.Correct++
	}
	s.Confusion[truth*classes+predicted]++
	if classes == 2 {
		s.Scores[truth*Bins+Bin(positive)]++
	}
}

// AddValue counts one row of a regression into s: its target and its prediction.
func AddValue(s *fed.Sums, target, predicted float64) {
	r := target - predicted
	s.Examples++
	s.Loss += r * r
	s.Absolute += math.Abs(r)
	s.Target += target
	s.TargetSq += target * target
	s.Residual2 += r * r
}

// Bin returns the histogram bin of a probability: [i/Bins, (i+1)/Bins), the last
// one closed. NaN counts as 0.
func Bin(p float64) int {
	if !(p > 0) {
		return 0
	}
	return int(min(p*Bins, Bins-1))
}

// Merge returns the sums of the rows of a and b together. A slice that is empty on
// one side counts as zeros: that side has no examples, or does not tell them by class
// (see [Disclose]). Slices of different lengths, or counts that overflow, are of kind
// Incompatible.
func Merge(a, b fed.Sums) (fed.Sums, error) {
	s := fed.Sums{
		Loss: a.Loss + b.Loss, Absolute: a.Absolute + b.Absolute, Target: a.Target + b.Target,
		TargetSq: a.TargetSq + b.TargetSq, Residual2: a.Residual2 + b.Residual2,
	}
	ok := addCount(&s.Examples, a.Examples, b.Examples) && addCount(&s.Correct, a.Correct, b.Correct)
	s.Confusion, ok = mergeCounts(a.Confusion, b.Confusion, ok)
	s.Scores, ok = mergeCounts(a.Scores, b.Scores, ok)
	if !ok || ofValues(a) && len(b.Confusion) > 0 || ofValues(b) && len(a.Confusion) > 0 {
		return fed.Sums{}, fed.Errorf(fed.Incompatible, "check that all parties score the same classes",
			"metrics of %d and %d classes cannot be added", classesOf(a), classesOf(b))
	}
	return s, nil
}

// ofValues reports whether s are the sums of a regression.
func ofValues(s fed.Sums) bool { return s.Absolute != 0 || s.TargetSq != 0 || s.Residual2 != 0 }

func classesOf(s fed.Sums) int { return int(math.Sqrt(float64(len(s.Confusion)))) }

func addCount(dst *int64, a, b int64) bool {
	*dst = a + b
	return (*dst > a) == (b > 0)
}

func mergeCounts(a, b []int64, ok bool) ([]int64, bool) {
	switch {
	case len(a) == 0:
		return append([]int64(nil), b...), ok
	case len(b) == 0:
		return append([]int64(nil), a...), ok
	case len(a) != len(b):
		return nil, false
	}
	s := make([]int64, len(a))
	for i := range a {
		ok = addCount(&s[i], a[i], b[i]) && ok
	}
	return s, ok
}

// Valid checks sums that come from a peer before they are merged: the lengths
// that classes asks for (0 for a regression), no negative count, finite sums,
// and sums that can belong to the same rows. A refusal is of kind Invalid.
func Valid(s fed.Sums, classes int) error {
	if s.Examples < 0 || s.Examples > MaxExamples {
		return invalid("%d examples", s.Examples)
	}
	for _, v := range [...]float64{s.Loss, s.Absolute, s.Target, s.TargetSq, s.Residual2} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return invalid("a sum that is not a finite number")
		}
	}
	if s.Loss < 0 || s.Absolute < 0 || s.TargetSq < 0 || s.Residual2 < 0 {
		return invalid("a negative sum of losses or squares")
	}
	if s.Examples == 0 && (s.Loss != 0 || s.Absolute != 0 || s.Target != 0 || s.TargetSq != 0 || s.Residual2 != 0) {
		return invalid("sums over no examples")
	}
	if classes == 0 {
		return validValues(s)
	}
	return validClasses(s, classes)
}

func validValues(s fed.Sums) error {
	if s.Correct != 0 || len(s.Confusion) != 0 || len(s.Scores) != 0 {
		return invalid("counts of classes in a regression")
	}
	// Cauchy-Schwarz, with room for the rounding of long sums.
	n, slack := float64(s.Examples), 1+1e-6
	if s.Absolute > math.Sqrt(n)*math.Sqrt(s.Residual2)*slack || math.Abs(s.Target) > math.Sqrt(n)*math.Sqrt(s.TargetSq)*slack {
		return invalid("sums that no rows can have")
	}
	return nil
}

func validClasses(s fed.Sums, classes int) error {
	if classes < 2 || classes > MaxClasses {
		return invalid("%d classes", classes)
	}
	if len(s.Confusion) == 0 && len(s.Scores) == 0 && s.Examples > 0 { // not told by class, see Disclose
		if s.Correct < 0 || s.Correct > s.Examples {
			return invalid("%d of %d examples correct", s.Correct, s.Examples)
		}
		return nil
	}
	if len(s.Confusion) != classes*classes {
		return invalid("a confusion matrix of %d cells for %d classes", len(s.Confusion), classes)
	}
	if classes != 2 && len(s.Scores) != 0 || classes == 2 && len(s.Scores) != 0 && len(s.Scores) != 2*Bins {
		return invalid("a score histogram of %d bins for %d classes", len(s.Scores), classes)
	}
	rows, correct, ok := countRows(s.Confusion, classes, s.Examples)
	if !ok || correct != s.Correct {
		return invalid("a confusion matrix that does not add up to %d examples, %d of them correct", s.Examples, s.Correct)
	}
	if len(s.Scores) == 0 {
		return nil
	}
	for truth := range 2 {
		if n, ok := total(s.Scores[truth*Bins:(truth+1)*Bins], s.Examples); !ok || n != rows[truth] {
			return invalid("a score histogram that does not add up to its %d rows of class %d", rows[truth], truth)
		}
	}
	return nil
}

// countRows returns the rows of each true class and the correct ones; ok says
// that no count is negative and all add up to want.
func countRows(confusion []int64, classes int, want int64) (rows []int64, correct int64, ok bool) {
	rows = make([]int64, classes)
	var all int64
	for truth := range classes {
		n, ok := total(confusion[truth*classes:(truth+1)*classes], want)
		if !ok {
			return nil, 0, false
		}
		rows[truth] = n
		all += n
		correct += confusion[truth*classes+truth]
	}
	return rows, correct, all == want
}

// total adds counts and refuses negative ones and a total above limit.
func total(counts []int64, limit int64) (int64, bool) {
	var n int64
	for _, c := range counts {
		if c < 0 || c > limit-n {
			return 0, false
		}
		n += c
	}
	return n, true
}

func invalid(format string, args ...any) error {
	return fed.Errorf(fed.Invalid, "the party's metrics are left out; update its app if this repeats", "metrics with "+format, args...)
}
