package experiment

import (
	"math"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
)

func TestRemaining(t *testing.T) {
	for _, c := range []struct {
		name  string
		took  []int64 // milliseconds of rounds 0, 1, 2, ...
		total int
		want  time.Duration
	}{
		{"not started", nil, 20, 0},
		{"no round yet", []int64{900}, 20, 0},
		{"two rounds", []int64{900, 1000, 1000}, 20, 0},
		{"three rounds", []int64{900, 1000, 1000, 1000}, 20, 17 * time.Second},
		{"the start does not count", []int64{60_000, 1000, 1000, 1000}, 20, 17 * time.Second},
		{"a slow round among quick ones", []int64{0, 1000, 1000, 600_000, 1000, 1000}, 20, 15 * time.Second},
		{"slower now", []int64{0, 1000, 1000, 1000, 1000, 3000, 3000, 3000}, 10, 9 * time.Second},
		{"long ago is forgotten", []int64{0, 9000, 9000, 9000, 1000, 2000, 2000, 2000, 1000}, 10, 4 * time.Second},
		{"a time that nobody measured", []int64{0, 0, 1000, 0, 1000, 1000}, 20, 15 * time.Second},
		{"only such times", []int64{0, 0, 0, 0, 0}, 20, 0},
		{"times of a liar", []int64{0, math.MaxInt64, 1000, -5, 1000, math.MaxInt64, 1000}, 20, 14 * time.Second},
		{"the last round is closed", []int64{0, 1000, 1000, 1000}, 3, 0},
		{"one round of ten thousand at its longest", []int64{0, longest.Milliseconds(), longest.Milliseconds(), longest.Milliseconds()}, 10_000, 9997 * longest},
	} {
		r := Run{}
		r.Config.Rounds = c.total
		for n, ms := range c.took {
			r.Rounds = append(r.Rounds, fed.RoundRecord{N: n, DurationMs: ms})
		}
		if got := Remaining(r); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		r.End = &fed.RunEnd{State: "finished"}
		if got := Remaining(r); got != 0 {
			t.Errorf("%s: %v are left of a run that has ended", c.name, got)
		}
	}
}
