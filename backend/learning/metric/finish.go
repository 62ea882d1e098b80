package metric

import (
	"cmp"
	"math"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// Finish computes the figures of sums for a task with classes classes (0 for a
// regression). A figure that the rows leave undefined is absent; without
// examples the result is empty. Names:
//
//	accuracy           share of rows whose predicted class is the true one
//	balancedAccuracy   mean recall over the classes that have rows
//	precision recall f1  of class 1 for two classes, else the mean over the
//	                   classes for which each is defined (macro)
//	auc                area under the ROC curve; two scores in one bin of 1/Bins
//	                   count as tied, one half
//	prAuc              trapezoid under the precision-recall curve of the bins
//	averagePrecision   sum of precision times the step of recall
//	brier              mean squared error of the probability of class 1, read at
//	                   the middles of the bins: off by at most 1/Bins
//	logLoss            mean log-loss in nats
//	r2 mse mae rmse    of a regression; r2 is absent when all targets are equal
func Finish(task string, classes int, s fed.Sums) fed.Metrics {
	m := fed.Metrics{}
	if s.Examples <= 0 {
		return m
	}
	if task == fed.TaskRegress {
		finishValues(m, s)
		return m
	}
	n := float64(s.Examples)
	set(m, "accuracy", float64(s.Correct)/n)
	set(m, "logLoss", s.Loss/n)
	if classes >= 2 && len(s.Confusion) == classes*classes {
		finishConfusion(m, s.Confusion, classes)
	}
	if classes == 2 && len(s.Scores) == 2*Bins {
		finishScores(m, s.Scores[:Bins], s.Scores[Bins:])
	}
	return m
}

// set stores a figure unless it is undefined.
func set(m fed.Metrics, name string, v float64) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		m[name] = fed.Number(v)
	}
}

func finishValues(m fed.Metrics, s fed.Sums) {
	n := float64(s.Examples)
	mse := s.Residual2 / n
	set(m, "mse", mse)
	set(m, "rmse", math.Sqrt(mse))
	set(m, "mae", s.Absolute/n)
	// The total sum of squares is a difference of large sums: below their
	// rounding it means nothing.
	if about := s.TargetSq - s.Target*s.Target/n; about > 1e-12*s.TargetSq {
		set(m, "r2", 1-s.Residual2/about)
	}
}

// finishConfusion reads the confusion matrix [classes, classes], true by
// predicted.
func finishConfusion(m fed.Metrics, confusion []int64, classes int) {
	var precision, recall, f1 mean
	var sensitivity mean
	for c := range classes {
		hit := float64(confusion[c*classes+c])
		var actual, predicted float64
		for o := range classes {
			actual += float64(confusion[c*classes+o])
			predicted += float64(confusion[o*classes+c])
		}
		sensitivity.add(hit / actual)
		if classes == 2 && c == 0 {
			continue
		}
		precision.add(hit / predicted)
		recall.add(hit / actual)
		f1.add(2 * hit / (actual + predicted))
	}
	set(m, "balancedAccuracy", sensitivity.value())
	set(m, "precision", precision.value())
	set(m, "recall", recall.value())
	set(m, "f1", f1.value())
}

// mean averages the defined numbers that are added to it.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) {
	if !math.IsNaN(v) {
		m.sum += v
		m.n++
	}
}

func (m *mean) value() float64 { return m.sum / float64(m.n) }

// finishScores reads the histograms of the score of class 1, from the highest
// bin down: each bin moves the threshold below it.
func finishScores(m fed.Metrics, negatives, positives []int64) {
	var n, p float64
	for i := range negatives {
		n += float64(negatives[i])
		p += float64(positives[i])
	}
	var fp, tp, pairs, area, average, brier float64
	precision := 1.0
	for i := len(negatives) - 1; i >= 0; i-- {
		dn, dp := float64(negatives[i]), float64(positives[i])
		if dn+dp == 0 {
			continue
		}
		middle := (float64(i) + 0.5) / float64(len(negatives))
		brier += dn*middle*middle + dp*(1-middle)*(1-middle)
		pairs += dn * (tp + dp/2)
		fp += dn
		tp += dp
		next := tp / (tp + fp)
		area += dp * (precision + next) / 2
		average += dp * next
		precision = next
	}
	set(m, "auc", pairs/(n*p))
	set(m, "prAuc", area/p)
	set(m, "averagePrecision", average/p)
	set(m, "brier", brier/(n+p))
}

// AUC returns the exact area under the ROC curve of scores [n] for labels [n] (0
// or 1): the share of pairs of one row of each class in which class 1 scores
// higher, ties counting one half (Hanley and McNeil 1982). It is NaN when a
// class has no rows or a score is NaN, and panics when the lengths differ.
func AUC(scores []float64, labels []int) float64 {
	if len(scores) != len(labels) {
		panic("metric: AUC with different lengths")
	}
	order := make([]int, len(scores))
	for i, v := range scores {
		if math.IsNaN(v) {
			return v
		}
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	var negatives, positives, pairs float64
	for i := 0; i < len(order); {
		var dn, dp float64
		j := i
		for ; j < len(order) && scores[order[j]] == scores[order[i]]; j++ {
			if labels[order[j]] == 1 {
				dp++
			} else {
				dn++
			}
		}
		pairs += dp * (negatives + dn/2)
		negatives += dn
		positives += dp
		i = j
	}
	return pairs / (negatives * positives)
}
