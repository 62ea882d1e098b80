package experiment

import (
	"math"
	"slices"

	"synergos.app/desktop/backend/fed"
)

var samplers = []string{"choice", "uniform", "quniform", "loguniform", "qloguniform", "randint", "qrandint", "lograndint"}

type dimension fed.Dimension

// checkDimension refuses a dimension that cannot be searched, naming it.
func checkDimension(name string, d fed.Dimension) error {
	bad := func(hint, format string, args ...any) error { return fed.Errorf(fed.Invalid, hint, format, args...) }
	if !slices.Contains(samplers, d.Type) {
		return bad("Use choice, uniform, loguniform or randint.", "%q is searched by %q, which is not known", name, d.Type)
	}
	if d.Type == "choice" {
		if len(d.Value) == 0 || len(d.Value) > MaxTrials {
			return bad("List at least one value.", "%q has no values to choose from", name)
		}
		return nil
	}
	lo, hi, q, ok := dimension(d).bounds()
	switch {
	case !ok || !(lo < hi):
		return bad("Give a lower and a larger upper bound.", "the bounds of %q are not two numbers in order", name)
	case isLog(d.Type) && lo <= 0:
		return bad("Use a lower bound above 0.", "the logarithmic range of %q starts at %v", name, lo)
	case q < 0:
		return bad("Use a positive step.", "the step of %q is negative", name)
	}
	return nil
}

func isLog(t string) bool { return t == "loguniform" || t == "qloguniform" || t == "lograndint" }

func (d dimension) bounds() (lo, hi, q float64, ok bool) {
	if len(d.Value) < 2 || len(d.Value) > 3 {
		return 0, 0, 0, false
	}
	lo, ok1 := d.Value[0].(float64)
	hi, ok2 := d.Value[1].(float64)
	if len(d.Value) == 3 {
		q, ok = d.Value[2].(float64)
		return lo, hi, q, ok && ok1 && ok2
	}
	return lo, hi, 0, ok1 && ok2
}

// sampleDimension maps u in [0,1) to a value: integers have an exclusive upper
// bound, stepped ones are rounded to multiples of the step.
func sampleDimension(d fed.Dimension, u float64) any {
	if d.Type == "choice" {
		return d.Value[int(u*float64(len(d.Value)))]
	}
	lo, hi, q, _ := dimension(d).bounds()
	v := lo + u*(hi-lo)
	if isLog(d.Type) {
		v = min(max(math.Exp(math.Log(lo)+u*(math.Log(hi)-math.Log(lo))), lo), hi) // exp(log(3)) < 3
	}
	if q > 0 {
		v = min(max(math.Round(v/q)*q, lo), hi)
	}
	switch d.Type {
	case "randint", "lograndint":
		v = min(math.Floor(v), math.Ceil(hi)-1)
	case "qrandint":
		v = stepped(v, lo, hi, max(q, 1))
	}
	return v
}

// stepped returns the multiple of q in [lo, hi) nearest to v, which lies in
// [lo, hi]; without one, an integer there.
func stepped(v, lo, hi, q float64) float64 {
	first, last := math.Ceil(lo/q)*q, (math.Ceil(hi/q)-1)*q
	if first > last {
		return min(math.Floor(v), math.Ceil(hi)-1)
	}
	return min(max(math.Round(v/q)*q, first), last)
}
