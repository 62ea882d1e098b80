package metric

import (
	"math"

	"synergos.app/desktop/backend/fed"
)

// Disclose returns what of a party's sums may be told to others when nothing may
// speak of fewer than floor rows. Sums of fewer rows are empty. With a class of
// 1 to floor-1 rows the confusion matrix and the score histogram are left out, since
// their rows add up to its size. Otherwise the histogram is blurred: single scores are
// predictions for single rows, and with a model made for it the values of a column.
// Each class is cut into groups of at least floor rows with neighbouring scores, and a
// group's rows are spread evenly around its mean with its deviation; both are sums of
// at least floor rows. A floor of 1 or less hides nothing. s is not changed.
func Disclose(s fed.Sums, classes, floor int) fed.Sums {
	if floor <= 1 {
		return s
	}
	if s.Examples < int64(floor) {
		return New(classes)
	}
	if classes == 0 || len(s.Confusion) != classes*classes {
		return s
	}
	for truth := range classes {
		n, _ := total(s.Confusion[truth*classes:(truth+1)*classes], s.Examples)
		if n > 0 && n < int64(floor) {
			s.Confusion, s.Scores = []int64{}, []int64{}
			return s
		}
	}
	if len(s.Scores) == 2*Bins {
		scores := make([]int64, 0, 2*Bins)
		for truth := range 2 {
			scores = append(scores, blurred(s.Scores[truth*Bins:(truth+1)*Bins], int64(floor))...)
		}
		s.Scores = scores
	}
	return s
}

// group is rows with neighbouring scores: their number and the sums of their bins.
type group struct {
	n          int64
	sum, sumSq float64
}

func (g *group) add(bin int, n int64) {
	b := float64(bin)
	g.n += n
	g.sum += b * float64(n)
	g.sumSq += b * b * float64(n)
}

// blurred returns a histogram with as many rows that tells of groups only.
func blurred(counts []int64, floor int64) []int64 {
	var groups []group
	var open group
	for bin, n := range counts {
		// Rows of one bin are divided so that a group closes at the floor.
		for n > 0 {
			take := min(n, floor-open.n)
			open.add(bin, take)
			n -= take
			if open.n == floor {
				groups = append(groups, open)
				open = group{}
			}
		}
	}
	if open.n > 0 && len(groups) > 0 { // the last rows join the group before
		last := &groups[len(groups)-1]
		last.n, last.sum, last.sumSq = last.n+open.n, last.sum+open.sum, last.sumSq+open.sumSq
	}
	out := make([]int64, len(counts))
	for _, g := range groups {
		g.spread(out)
	}
	return out
}

// spread puts the rows of a group into the bins of a uniform distribution with its
// mean and deviation.
func (g group) spread(into []int64) {
	n := float64(g.n)
	mean := g.sum / n
	half := math.Sqrt(3 * max(g.sumSq/n-mean*mean, 0))
	half = min(half, mean, float64(len(into)-1)-mean) // stays inside, and keeps the mean
	for i := range g.n {
		bin := mean + half*((2*float64(i)+1)/n-1)
		into[int(min(max(math.Round(bin), 0), float64(len(into)-1)))]++
	}
}
