package metric_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/metric"
)

// scored returns the sums of rows of two classes with the given scores.
func scored(negative, positive []float64) fed.Sums {
	s := metric.New(2)
	for truth, list := range [][]float64{negative, positive} {
		for _, p := range list {
			predicted := 0
			if p > .5 {
				predicted = 1
			}
			metric.AddClass(&s, 2, truth, predicted, .5, p)
		}
	}
	return s
}

func even(n int, from, to float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = from + (to-from)*float64(i)/float64(max(n-1, 1))
	}
	return out
}

func TestDiscloseByTheFloor(t *testing.T) {
	for what, c := range map[string]struct {
		negative, positive int
		rows, byClass      bool
	}{
		"nine rows": {5, 4, false, false}, "none": {0, 0, false, false}, "ten rows of one class": {0, 10, true, true}, "nine of a class": {40, 9, true, false},
		"one of a class": {1, 40, true, false}, "ten of each": {10, 10, true, true},
	} {
		s := scored(even(c.negative, 0, .6), even(c.positive, .4, 1))
		got := metric.Disclose(s, 2, 10)
		if (got.Examples == s.Examples && got.Correct == s.Correct && got.Loss == s.Loss) != (c.rows || s.Examples == 0) || !c.rows && (got.Examples != 0 || got.Loss != 0) {
			t.Errorf("%s: %d rows told", what, got.Examples)
		}
		if c.rows && (len(got.Confusion) > 0) != c.byClass || (len(got.Confusion) > 0) != (len(got.Scores) > 0) {
			t.Errorf("%s: %d cells and %d bins told", what, len(got.Confusion), len(got.Scores))
		}
		if err := metric.Valid(got, 2); err != nil {
			t.Errorf("%s: what is told is refused: %v", what, err)
		}
	}
	values := metric.New(0)
	for i := range 10 {
		metric.AddValue(&values, float64(i), 1)
	}
	if got := metric.Disclose(values, 0, 10); got.Residual2 != values.Residual2 || got.Examples != 10 {
		t.Errorf("sums of ten values: %+v", got)
	}
	if got := metric.Disclose(values, 0, 11); got.Examples != 0 || got.TargetSq != 0 {
		t.Errorf("sums of too few values: %+v", got)
	}
}

// A row with a score of its own is not to be seen: no count stands at its score.
func TestDiscloseHidesASingleScore(t *testing.T) {
	alone := append(slices.Repeat([]float64{.1}, 29), .9)
	got := metric.Disclose(scored(alone, even(30, .3, .9)), 2, 10)
	for bin := 600; bin < metric.Bins; bin++ {
		if got.Scores[bin] != 0 {
			t.Errorf("bin %d tells of a row", bin)
		}
	}
	// Two classes of hidden rows give nothing that is merged away.
	whole, err := metric.Merge(got, metric.Disclose(scored(even(3, 0, 1), even(30, 0, 1)), 2, 10))
	if err != nil || whole.Examples != 93 || !slices.Equal(whole.Scores, got.Scores) {
		t.Errorf("merged with a party that tells nothing by class: %d rows, %v", whole.Examples, err)
	}
}

// What is told has as many rows of each class, is accepted by others, and stays near
// the figures of the rows for scores of many shapes.
func TestDiscloseKeepsTheFigures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) []float64 {
			list := even(rapid.IntRange(40, 200).Draw(t, name), 0, 1)
			power := rapid.Float64Range(.2, 5).Draw(t, name+" shape")
			for i := range list {
				list[i] = math.Pow(list[i], power)
			}
			return list
		}
		s := scored(draw("negative"), draw("positive"))
		before := slices.Clone(s.Scores)
		got := metric.Disclose(s, 2, 10)
		if !slices.Equal(s.Scores, before) {
			t.Fatal("the sums were changed")
		}
		if err := metric.Valid(got, 2); err != nil {
			t.Fatal(err)
		}
		a, b := metric.Finish(fed.TaskClassify, 2, s), metric.Finish(fed.TaskClassify, 2, got)
		for _, name := range []string{"auc", "brier"} {
			if d := math.Abs(float64(a[name] - b[name])); d > .04 {
				t.Fatalf("%s is %v and told as %v", name, a[name], b[name])
			}
		}
		for _, name := range []string{"accuracy", "logLoss", "f1"} {
			if a[name] != b[name] {
				t.Fatalf("%s is %v and told as %v", name, a[name], b[name])
			}
		}
	})
}
