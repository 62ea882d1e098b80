package strategy

import (
	"cmp"
	"fmt"
	"slices"

	"synergos.app/desktop/backend/learning/tensor"
)

const (
	largestNorm  = 10   // medians: above is rejected
	smallestNorm = 1e-3 // medians: below is no contribution
)

// Update is what a party returned, before anything about it is believed but its
// sender.
type Update struct {
	Party    string
	Examples int64
	Delta    tensor.Params // trained minus base
}

// Outcome is what the gate decided about one update.
type Outcome uint8

// The outcomes. Zero and Tiny are well-formed and rejected only because they
// would dilute the others: the party "did not contribute".
const (
	Admitted Outcome = iota
	NoExamples
	WrongShape
	NotFinite
	TooLarge
	Zero
	Tiny
)

var outcomeNames = [...]string{"admitted", "no examples", "wrong names or shapes", "not a finite number", "too large", "zero update", "tiny update"}

// String returns the outcome in words.
func (o Outcome) String() string {
	if int(o) >= len(outcomeNames) {
		return "unknown"
	}
	return outcomeNames[o]
}

// Verdict is the gate's decision about one party's update.
type Verdict struct {
	Party   string
	Outcome Outcome
	Norm    float64 // Euclidean norm of the delta; 0 when it could not be measured
	Detail  string  // a sentence for the screen, "" when admitted
}

// Gate checks every update of a round, never failing the round: the names, shapes
// and type of base, all numbers finite, at least one example, and a norm of at
// most ten and at least a thousandth of the median norm. The median is over the
// well-formed updates that are not zero. Both results are ordered by party name.
// Round, base digest and signature were checked where the update arrived.
func Gate(base tensor.Params, updates []Update) (admitted []Update, verdicts []Verdict) {
	ordered := slices.SortedStableFunc(slices.Values(updates), func(a, b Update) int { return cmp.Compare(a.Party, b.Party) })
	verdicts = make([]Verdict, len(ordered))
	var norms []float64
	for i, u := range ordered {
		verdicts[i] = inspect(base, u)
		if n := verdicts[i].Norm; verdicts[i].Outcome == Admitted && n > 0 {
			norms = append(norms, n)
		}
	}
	middle := median(norms)
	for i := range verdicts {
		if verdicts[i].Outcome == Admitted {
			judge(&verdicts[i], middle)
		}
		if verdicts[i].Outcome == Admitted {
			admitted = append(admitted, ordered[i])
		}
	}
	return admitted, verdicts
}

// inspect checks what one update shows alone, and measures it.
func inspect(base tensor.Params, u Update) Verdict {
	v := Verdict{Party: u.Party}
	if u.Examples < 1 {
		v.Outcome, v.Detail = NoExamples, fmt.Sprintf("it counts %d examples", u.Examples)
		return v
	}
	if err := tensor.Same(base, u.Delta); err != nil {
		v.Outcome, v.Detail = WrongShape, err.Error()
		return v
	}
	if !u.Delta.Finite() {
		v.Outcome, v.Detail = NotFinite, "it holds a number that is not finite"
		return v
	}
	v.Norm = u.Delta.Norm()
	return v
}

// judge compares a norm with the median of the round.
func judge(v *Verdict, middle float64) {
	switch {
	case v.Norm == 0:
		v.Outcome, v.Detail = Zero, "nothing was learned"
	case v.Norm > largestNorm*middle:
		v.Outcome, v.Detail = TooLarge, fmt.Sprintf("its norm %.3g is more than %d times the median %.3g", v.Norm, largestNorm, middle)
	case v.Norm < smallestNorm*middle:
		v.Outcome, v.Detail = Tiny, fmt.Sprintf("its norm %.3g is below a thousandth of the median %.3g", v.Norm, middle)
	}
}
