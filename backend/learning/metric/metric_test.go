package metric_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/metric"
)

// row is one prediction; for two classes the predicted class follows the score.
type row struct {
	truth, predicted int
	loss, score      float64
}

func sums(classes int, rows []row) fed.Sums {
	s := metric.New(classes)
	for _, r := range rows {
		if classes == 0 {
			metric.AddValue(&s, r.loss, r.score)
			continue
		}
		metric.AddClass(&s, classes, r.truth, r.predicted, r.loss, r.score)
	}
	return s
}

func approx(want, got fed.Metrics) string {
	return cmp.Diff(want, got, cmp.Transformer("float", func(n fed.Number) float64 { return float64(n) }), cmpopts.EquateApprox(0, 1e-12))
}

// Scores .9+ .8- .7+ .3- in the middle of their bins. ROC: of 4 pairs 3 are in
// order. Precision/recall from the top: (1, 1/2), (1/2, 1/2), (2/3, 1), (1/2, 1).
func TestFinishBinary(t *testing.T) {
	s := sums(2, []row{{1, 1, 0.1, .9005}, {0, 1, 1.6, .8005}, {1, 1, 0.3, .7005}, {0, 0, 0.4, .3005}})
	want := fed.Metrics{
		"accuracy": 0.75, "logLoss": 0.6, "balancedAccuracy": 0.75,
		"precision": 2. / 3, "recall": 1, "f1": 0.8,
		"auc":              0.75,
		"prAuc":            0.5*(1+1)/2 + 0.5*(1./2+2./3)/2,
		"averagePrecision": 0.5 + 0.5*2/3,
		"brier":            (.0995*.0995 + .8005*.8005 + .2995*.2995 + .3005*.3005) / 4,
	}
	if diff := approx(want, metric.Finish(fed.TaskClassify, 2, s)); diff != "" {
		t.Error(diff)
	}
}

// Confusion of three classes, worked by hand; class 2 is never predicted, so its
// precision is undefined and left out of the mean, its F1 is 0.
func TestFinishMacro(t *testing.T) {
	s := sums(3, []row{{0, 0, 1, 0}, {0, 0, 1, 0}, {0, 1, 1, 0}, {1, 1, 1, 0}, {2, 0, 1, 0}})
	want := fed.Metrics{
		"accuracy": 0.6, "logLoss": 1,
		"balancedAccuracy": fed.Number((2./3 + 1 + 0) / 3), "recall": fed.Number((2./3 + 1 + 0) / 3),
		"precision": fed.Number((2./3 + 1./2) / 2),
		"f1":        fed.Number((4./6 + 2./3 + 0) / 3),
	}
	if diff := approx(want, metric.Finish(fed.TaskClassify, 3, s)); diff != "" {
		t.Error(diff)
	}
}

func TestFinishRegression(t *testing.T) {
	s := sums(0, []row{{loss: 1, score: 1.5}, {loss: 2, score: 2}, {loss: 6, score: 4.5}}) // loss is the target here
	want := fed.Metrics{"mse": 2.5 / 3, "rmse": fed.Number(math.Sqrt(2.5 / 3)), "mae": 2. / 3, "r2": 1 - 2.5/14}
	if diff := approx(want, metric.Finish(fed.TaskRegress, 0, s)); diff != "" {
		t.Error(diff)
	}
}

func TestUndefinedFiguresAreAbsent(t *testing.T) {
	for name, c := range map[string]struct {
		task    string
		classes int
		s       fed.Sums
		absent  []string
		present []string
	}{
		"no rows":       {fed.TaskClassify, 2, metric.New(2), []string{"accuracy", "auc", "logLoss"}, nil},
		"one class":     {fed.TaskClassify, 2, sums(2, []row{{0, 0, .1, .2}, {0, 0, .1, .3}}), []string{"auc", "prAuc", "recall", "precision", "f1"}, []string{"accuracy", "balancedAccuracy", "brier"}},
		"equal targets": {fed.TaskRegress, 0, sums(0, []row{{loss: 0.1, score: 1}, {loss: 0.1, score: 2}, {loss: 0.1, score: 3}}), []string{"r2"}, []string{"mse", "mae"}},
		"no histogram":  {fed.TaskClassify, 3, sums(3, []row{{0, 0, .1, .2}}), []string{"auc", "brier"}, []string{"accuracy"}},
	} {
		m := metric.Finish(c.task, c.classes, c.s)
		for _, k := range c.absent {
			if v, ok := m[k]; ok {
				t.Errorf("%s: %s = %v should be absent", name, k, v)
			}
		}
		for _, k := range c.present {
			if _, ok := m[k]; !ok {
				t.Errorf("%s: %s is absent", name, k)
			}
		}
	}
}

func TestAUC(t *testing.T) {
	for _, c := range []struct {
		scores []float64
		labels []int
		want   float64
	}{
		{[]float64{1, 2, 3, 4}, []int{0, 0, 1, 1}, 1},
		{[]float64{1, 2, 3, 4}, []int{1, 1, 0, 0}, 0},
		{[]float64{5, 5, 5}, []int{0, 1, 0}, 0.5},
		{[]float64{.1, .4, .35, .8}, []int{0, 0, 1, 1}, 0.75}, // the example of scikit-learn's manual
		{[]float64{1, 2, 2, 3}, []int{0, 0, 1, 1}, 0.875},
		{[]float64{1, 2}, []int{1, 1}, math.NaN()},
		{[]float64{1, math.NaN()}, []int{0, 1}, math.NaN()},
	} {
		if got := metric.AUC(c.scores, c.labels); got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("AUC(%v, %v) = %v, want %v", c.scores, c.labels, got, c.want)
		}
	}
}

// Scores that already lie on the bins lose nothing by binning.
func TestBinnedAUCIsExactOnBins(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var rows []row
	var scores []float64
	var labels []int
	for range 300 {
		y := rng.IntN(2)
		p := (float64(rng.IntN(40)*25) + 0.5) / metric.Bins
		rows = append(rows, row{truth: y, score: p})
		scores, labels = append(scores, p), append(labels, y)
	}
	got := float64(metric.Finish(fed.TaskClassify, 2, sums(2, rows))["auc"])
	if want := metric.AUC(scores, labels); math.Abs(got-want) > 1e-12 {
		t.Errorf("binned %v, exact %v", got, want)
	}
}

func TestBin(t *testing.T) {
	for p, want := range map[float64]int{-1: 0, 0: 0, .0005: 0, .5: 500, .9999: 999, 1: 999, 7: 999, math.Inf(1): 999} {
		if got := metric.Bin(p); got != want {
			t.Errorf("Bin(%v) = %d, want %d", p, got, want)
		}
	}
	if metric.Bin(math.NaN()) != 0 {
		t.Error("NaN has a bin")
	}
}

// genRows draws rows whose sums are exact in floating point, so that laws hold
// bit for bit.
func genRows(t *rapid.T, classes int) []row {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) row {
		return row{
			truth: rapid.IntRange(0, max(0, classes-1)).Draw(t, "truth"), predicted: rapid.IntRange(0, max(0, classes-1)).Draw(t, "predicted"),
			loss: float64(rapid.IntRange(0, 1<<10).Draw(t, "loss")), score: float64(rapid.IntRange(0, 64).Draw(t, "score")) / 64,
		}
	}), 0, 12).Draw(t, "rows")
}

func TestMergeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		classes := rapid.SampledFrom([]int{0, 2, 3}).Draw(t, "classes")
		ra, rb, rc := genRows(t, classes), genRows(t, classes), genRows(t, classes)
		a, b, c := sums(classes, ra), sums(classes, rb), sums(classes, rc)
		merge := func(x, y fed.Sums) fed.Sums {
			s, err := metric.Merge(x, y)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		equal := func(law string, x, y fed.Sums) {
			if diff := cmp.Diff(x, y, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s: %s", law, diff)
			}
		}
		equal("commutative", merge(a, b), merge(b, a))
		equal("associative", merge(merge(a, b), c), merge(a, merge(b, c)))
		equal("neutral", merge(a, fed.Sums{}), a)
		whole := sums(classes, append(append(append([]row{}, ra...), rb...), rc...))
		equal("parts and whole", merge(merge(a, b), c), whole)
		if err := metric.Valid(whole, classes); err != nil {
			t.Fatalf("honest sums are refused: %v", err)
		}
	})
}

func TestMergeRefusesOtherClasses(t *testing.T) {
	one := []row{{0, 0, 1, .5}}
	for name, pair := range map[string][2]fed.Sums{
		"3 and 2 classes":      {sums(3, one), sums(2, one)},
		"classes and values":   {sums(0, one), sums(2, one)},
		"overflowing examples": {{Examples: math.MaxInt64}, {Examples: 1}},
	} {
		if s, err := metric.Merge(pair[0], pair[1]); fed.KindOf(err) != fed.Incompatible {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

func TestMergeDoesNotAlias(t *testing.T) {
	a := sums(2, []row{{1, 1, .5, .9}})
	s, err := metric.Merge(fed.Sums{}, a)
	if err != nil {
		t.Fatal(err)
	}
	s.Confusion[0], s.Scores[0] = 99, 99
	if a.Confusion[0] == 99 || a.Scores[0] == 99 {
		t.Error("the merged sums share memory with a party's")
	}
}

func TestValidRefuses(t *testing.T) {
	rows := []row{{1, 1, .5, .9}, {0, 1, 2, .8}, {0, 0, .5, .1}}
	values := []row{{loss: 1, score: 2}, {loss: 3, score: 1}}
	for name, c := range map[string]struct {
		classes int
		spoil   func(*fed.Sums)
	}{
		"negative examples":     {2, func(s *fed.Sums) { s.Examples = -1 }},
		"too many examples":     {2, func(s *fed.Sums) { s.Examples = 1 << 50 }},
		"NaN loss":              {2, func(s *fed.Sums) { s.Loss = math.NaN() }},
		"infinite loss":         {2, func(s *fed.Sums) { s.Loss = math.Inf(1) }},
		"negative loss":         {2, func(s *fed.Sums) { s.Loss = -1 }},
		"more correct":          {2, func(s *fed.Sums) { s.Correct++ }},
		"short confusion":       {2, func(s *fed.Sums) { s.Confusion = s.Confusion[:3] }},
		"negative cell":         {2, func(s *fed.Sums) { s.Confusion[1], s.Confusion[2] = -1, s.Confusion[2]+s.Confusion[1]+1 }},
		"cells that overflow":   {2, func(s *fed.Sums) { s.Confusion[1], s.Confusion[2] = math.MaxInt64, math.MaxInt64 }},
		"more examples":         {2, func(s *fed.Sums) { s.Examples++ }},
		"short histogram":       {2, func(s *fed.Sums) { s.Scores = s.Scores[:10] }},
		"negative bin":          {2, func(s *fed.Sums) { s.Scores[0], s.Scores[1] = -1, 1 }},
		"histogram of others":   {2, func(s *fed.Sums) { s.Scores[100], s.Scores[1100] = 0, 1 }},
		"histogram of 3":        {3, func(s *fed.Sums) { s.Scores = make([]int64, 6) }},
		"one class":             {1, func(*fed.Sums) {}},
		"classes in regression": {0, func(s *fed.Sums) { s.Confusion = make([]int64, 4) }},
		"absolute beyond":       {0, func(s *fed.Sums) { s.Absolute = 100 }},
		"target beyond":         {0, func(s *fed.Sums) { s.Target = -100 }},
		"negative squares":      {0, func(s *fed.Sums) { s.Residual2 = -1 }},
		"sums of nothing":       {0, func(s *fed.Sums) { s.Examples = 0 }},
	} {
		s := sums(0, values)
		if c.classes > 0 {
			s = sums(max(2, c.classes), rows)
		}
		c.spoil(&s)
		if err := metric.Valid(s, c.classes); fed.KindOf(err) != fed.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
