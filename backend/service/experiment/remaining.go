package experiment

import (
	"slices"
	"time"
)

const (
	fewest  = 3                  // closed rounds that a guess needs
	recent  = 5                  // closed rounds that it looks at
	longest = 7 * 24 * time.Hour // of one round: whoever wrote more than that has no say
)

// Remaining guesses how long a run still takes: the median of its latest rounds times
// the rounds that are left, so that one slow round does not frighten. It is 0 when
// nothing can be said: before three rounds were closed with a known time, and after
// the last round or the end. Round 0 is the start and no exchange.
func Remaining(r Run) time.Duration {
	if r.End != nil || len(r.Rounds) == 0 {
		return 0
	}
	var took []time.Duration
	for _, rec := range slices.Backward(r.Rounds) {
		d := rec.DurationMs // 0 from a successor that only knows that the round was closed
		if rec.N > 0 && d > 0 && d <= longest.Milliseconds() && len(took) < recent {
			took = append(took, time.Duration(d)*time.Millisecond)
		}
	}
	left := r.Config.Rounds - r.Rounds[len(r.Rounds)-1].N
	if len(took) < fewest || left <= 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)/2] * time.Duration(left)
}
