package fed

import (
	"fmt"
	"math"
)

// Plain returns f as canonical JSON carries it: negative zero as zero. NaN and
// infinities are refused with kind Invalid. Whatever is signed or hashed over the
// bits of its numbers goes through it first, so that what comes back from a document
// or a disk still fits its signature.
func Plain(f float64) (float64, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, Errorf(Invalid, "Look for values in the data that are not numbers, or choose a smaller learning rate.", "a figure is not a number")
	}
	return f + 0, nil // -0 + 0 is 0
}

func plainAll(fs ...*float64) error {
	for _, f := range fs {
		v, err := Plain(*f)
		if err != nil {
			return err
		}
		*f = v
	}
	return nil
}

// Plain returns s with its numbers as canonical JSON carries them.
func (s Sums) Plain() (Sums, error) {
	if err := plainAll(&s.Loss, &s.Absolute, &s.Target, &s.TargetSq, &s.Residual2); err != nil {
		return Sums{}, fmt.Errorf("sums over %d rows: %w", s.Examples, err)
	}
	return s, nil
}

// Plain returns u with its numbers as canonical JSON carries them.
func (u Update) Plain() (Update, error) {
	loss, err := Plain(float64(u.Loss))
	if err != nil {
		return Update{}, fmt.Errorf("loss of round %d: %w", u.Round, err)
	}
	u.Loss = Number(loss)
	if u.Valid, err = u.Valid.Plain(); err != nil {
		return Update{}, fmt.Errorf("round %d: %w", u.Round, err)
	}
	return u, nil
}

// Plain returns r with its numbers as canonical JSON carries them.
func (r EvalReply) Plain() (EvalReply, error) {
	var err error
	if r.Sums, err = r.Sums.Plain(); err != nil {
		return EvalReply{}, err
	}
	if r.Alone != nil {
		alone, err := r.Alone.Plain()
		if err != nil {
			return EvalReply{}, err
		}
		r.Alone = &alone
	}
	return r, nil
}
