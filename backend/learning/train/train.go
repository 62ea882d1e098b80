// Package train runs a model over the rows of one machine: local training of a
// round, evaluation, per-row losses and exact maximum likelihood fits.
//
// It does not read files, scale columns or talk to anybody. Start with [Local].
// Everything is pure and deterministic: equal arguments, with a generator in the
// same state, give equal bits on the same architecture; nothing starts a
// goroutine and long loops end when their context does.
package train

import (
	"fmt"
	"math"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
)

// Data are rows ready for a model: X is [n, d] row-major and Y [n] holds class
// indices or values. The functions of this package only read them.
type Data struct {
	X, Y []float32
	N, D int
}

// Prox is FedProx's proximal term (Li et al. 2020): Mu/2 |w - start|² is added to
// the loss. Mu 0 is FedAvg.
type Prox struct{ Mu float64 }

// Result is what local training returns: the params it ended with, their
// difference from the start, the optimiser steps taken and the mean loss over
// all rows of all steps, each seen before its step (without the proximal term).
type Result struct {
	Params, Delta tensor.Params
	Steps         int
	Loss          float64
}

// ErrDiverged says that a loss or a param stopped being a finite number. Step
// counts from 1. It unwraps to an error of kind Invalid with a hint.
type ErrDiverged struct {
	Step int
	Loss float64
}

// Error implements error.
func (e *ErrDiverged) Error() string {
	return fmt.Sprintf("training diverged at step %d (loss %v)", e.Step, e.Loss)
}

// Unwrap returns the sentence and the hint for a person.
func (e *ErrDiverged) Unwrap() error {
	return &fed.Error{Kind: fed.Invalid, Text: e.Error(), Hint: "use a lower learning rate, clip the gradient or scale the columns"}
}

// Check returns nil if d fits m: the lengths agree, every number of X is finite,
// and Y holds class indices or finite values. Otherwise the error is of kind
// Invalid and names the first wrong row.
func (d Data) Check(m *model.Model) error {
	if d.N < 0 || d.D != m.Features() || len(d.X) != d.N*d.D || len(d.Y) != d.N {
		return fed.Errorf(fed.Invalid, "prepare the data with the columns of this model",
			"%d rows of %d columns (%d numbers, %d targets) do not fit a model of %d features", d.N, d.D, len(d.X), len(d.Y), m.Features())
	}
	for i, v := range d.X {
		if v-v != 0 {
			return fed.Errorf(fed.Invalid, "impute or drop the cell", "row %d, feature %d is not a finite number", i/d.D, i%d.D)
		}
	}
	for i, y := range d.Y {
		if y-y != 0 || m.Classes() > 0 && (y < 0 || float64(y) != math.Trunc(float64(y)) || int(y) >= m.Classes()) {
			return fed.Errorf(fed.Invalid, "check the target column and its labels", "row %d has the target %v", i, y)
		}
	}
	return nil
}

// Bounds of a training specification.
const (
	maxEpochs = 100_000
	maxSteps  = 100_000_000
)

// ValidSpec checks a training specification; a refusal is of kind Invalid.
func ValidSpec(s fed.TrainSpec) error {
	bad := func(name, hint string, v any) error {
		return fed.Errorf(fed.Invalid, hint, "training with %s %v", name, v)
	}
	switch {
	case s.Optimizer != "sgd" && s.Optimizer != "adam":
		return bad("optimizer", "choose sgd or adam", s.Optimizer)
	case !(s.LR > 0 && s.LR <= 1e3):
		return bad("learning rate", "use a number above 0, such as 0.01", s.LR)
	case s.Batch < 0:
		return bad("batch", "use 1 or more rows, or 0 for all of them", s.Batch)
	case (s.Epochs == 0) == (s.Steps == 0):
		return bad("epochs and steps", "set exactly one of them", [2]int{s.Epochs, s.Steps})
	case s.Epochs < 0 || s.Epochs > maxEpochs:
		return bad("epochs", fmt.Sprintf("use 1 to %d", maxEpochs), s.Epochs)
	case s.Steps < 0 || s.Steps > maxSteps:
		return bad("steps", fmt.Sprintf("use 1 to %d", maxSteps), s.Steps)
	case !(s.Momentum >= 0 && s.Momentum < 1):
		return bad("momentum", "use 0 to below 1", s.Momentum)
	case !(s.WeightDecay >= 0 && s.WeightDecay <= 1e3):
		return bad("weight decay", "use 0 or a small positive number", s.WeightDecay)
	case !(s.Clip >= 0 && s.Clip <= math.MaxFloat32):
		return bad("gradient clip", "use 0 for none or a positive norm", s.Clip)
	}
	return nil
}
