package strategy

import (
	"slices"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Policy says when a round closes. The zero value of a field takes the default.
type Policy struct {
	Quorum   int           // least number of updates at the deadline; 0: ceil(2n/3)
	Deadline time.Duration // 0: three times the median of recent rounds
	Least    time.Duration // lower bound of a computed deadline; 0: 60 s
	First    time.Duration // deadline while no round has ended; 0: 10 min
}

// PolicyOf returns the policy of a run's configuration.
func PolicyOf(c fed.RunConfig) Policy {
	return Policy{Quorum: c.Quorum, Deadline: time.Duration(c.DeadlineSeconds) * time.Second}
}

const (
	leastDeadline = 60 * time.Second
	firstDeadline = 10 * time.Minute
	recentRounds  = 10
)

// QuorumOf returns how many of n parties must have answered at the deadline.
func (p Policy) QuorumOf(n int) int {
	if p.Quorum > 0 {
		return min(p.Quorum, n)
	}
	return (2*n + 2) / 3
}

// DeadlineAfter returns how long the next round may take, from the durations of
// the rounds before it, oldest first; the last ten count.
func (p Policy) DeadlineAfter(rounds []time.Duration) time.Duration {
	if p.Deadline > 0 {
		return p.Deadline
	}
	if len(rounds) == 0 {
		return orDefault(p.First, firstDeadline)
	}
	recent := slices.Clone(rounds[max(0, len(rounds)-recentRounds):])
	slices.Sort(recent)
	h := len(recent) / 2
	middle := recent[h]
	if len(recent)%2 == 0 {
		middle = recent[h-1]/2 + recent[h]/2
	}
	return max(orDefault(p.Least, leastDeadline), 3*middle)
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return fallback
}

// Decision is what to do with an open round.
type Decision uint8

// The decisions. Short means that the deadline passed without a quorum: the
// round stays open and the screen says who is missing.
const (
	Wait Decision = iota
	Close
	Short
)

// Decide returns what to do when answered of n parties have answered after
// elapsed: close as soon as all have, or at the deadline with a quorum.
func (p Policy) Decide(n, answered int, elapsed, deadline time.Duration) Decision {
	switch {
	case n > 0 && answered >= n:
		return Close
	case elapsed < deadline:
		return Wait
	case answered >= max(1, p.QuorumOf(n)):
		return Close
	}
	return Short
}

// Presence is whether a party took part in a round.
type Presence uint8

// Late means that the answer came after the round closed, Absent that none came.
const (
	Present Presence = iota
	Late
	Absent
)

var presenceNames = [...]string{"present", "late", "absent"}

// String returns the presence in words.
func (p Presence) String() string {
	if int(p) >= len(presenceNames) {
		return "unknown"
	}
	return presenceNames[p]
}

// Attendance returns, for each selected party, whether it answered by the time
// the round closed. arrived holds the time from the start of the round to the
// answer.
func Attendance(selected []string, arrived map[string]time.Duration, closed time.Duration) map[string]Presence {
	out := make(map[string]Presence, len(selected))
	for _, party := range selected {
		at, ok := arrived[party]
		switch {
		case !ok:
			out[party] = Absent
		case at > closed:
			out[party] = Late
		default:
			out[party] = Present
		}
	}
	return out
}
