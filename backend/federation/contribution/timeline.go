package contribution

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"synergos.app/desktop/backend/fed"
)

// z95 spans 95 % of a normal distribution on both sides.
const z95 = 1.96

// RoundScore is the record of one round in the timeline.
type RoundScore struct {
	Round     int          `json:"round"`
	Method    string       `json:"method"`
	Basis     Basis        `json:"basis"`
	Gain      fed.Number   `json:"gain"`      // v(A)
	Remainder fed.Number   `json:"remainder"` // see Result
	Before    fed.Number   `json:"before"`    // accuracy (or r2) before the round
	After     fed.Number   `json:"after"`
	Parties   []PartyScore `json:"parties"` // by name
}

// PartyScore is one party's line in a round. A party that was not admitted has Phi
// exactly 0 and a Reason.
type PartyScore struct {
	Party      string     `json:"party"`
	Admitted   bool       `json:"admitted"`
	Reason     string     `json:"reason,omitempty"`
	Phi        fed.Number `json:"phi"`
	SE         fed.Number `json:"se"`
	Low        fed.Number `json:"low"` // 95 % interval
	High       fed.Number `json:"high"`
	Peers      fed.Number `json:"peers"` // on the others' rows only
	Replicates []float64  `json:"replicates,omitempty"`
}

// Methods of a RoundScore.
const (
	MethodExact   = "shapley-exact"
	MethodSampled = "shapley-sampled"
	MethodNone    = "none"
)

// Record turns a result into the round's line of the timeline. excluded names the
// parties that did not contribute, with the reason in words; before and after are
// the accuracy or r2 on both sides of the round.
func (r Result) Record(round int, before, after float64, excluded map[string]string) RoundScore {
	out := RoundScore{Round: round, Method: MethodExact, Basis: r.Basis, Gain: fed.Number(r.Gain), Remainder: fed.Number(r.Remainder), Before: fed.Number(before), After: fed.Number(after)}
	if len(r.Players) == 0 {
		out.Method = MethodNone
	}
	for i, name := range r.Players {
		p := PartyScore{Party: name, Admitted: true, Phi: fed.Number(r.Phi[i]), SE: fed.Number(r.SE[i]), Peers: fed.Number(r.Peers[i]), Replicates: r.Replicates[i]}
		p.Low, p.High = interval(r.Phi[i], r.SE[i])
		out.Parties = append(out.Parties, p)
	}
	for name, reason := range excluded {
		out.Parties = append(out.Parties, PartyScore{Party: name, Reason: reason})
	}
	slices.SortFunc(out.Parties, func(a, b PartyScore) int { return cmp.Compare(a.Party, b.Party) })
	return out
}

func interval(phi, se float64) (low, high fed.Number) {
	return fed.Number(phi - z95*se), fed.Number(phi + z95*se)
}

// Standing is the contribution of every party over the rounds of a run.
type Standing struct {
	Rounds int `json:"rounds"`
	// Parties come by falling Phi, equal ones by name.
	Parties []PartyTotal `json:"parties"`
	// Groups are the tied groups in rank order; the members of a group share one
	// rank and one colour.
	Groups    [][]string `json:"groups"`
	Gain      fed.Number `json:"gain"`
	Remainder fed.Number `json:"remainder"`
}

// PartyTotal is one party's line of a standing.
type PartyTotal struct {
	Party   string     `json:"party"`
	Phi     fed.Number `json:"phi"`
	SE      fed.Number `json:"se"`
	Low     fed.Number `json:"low"`
	High    fed.Number `json:"high"`
	Peers   fed.Number `json:"peers"`   // on the others' rows only
	Share   fed.Number `json:"share"`   // max(phi,0) over their sum; 0 when all are 0
	Present int        `json:"present"` // rounds in which it was admitted, of Rounds
	Rank    int        `json:"rank"`    // of its group, 1 first

	replicates []float64
}

// Sum adds rounds up. Replicates are added index by index, so an interval of a
// sum is right if every scorer resampled the same rows in all rounds; see
// Evaluation.Rand. Two parties are tied when the 95 % interval of the paired
// difference of their totals contains 0.
func Sum(rounds []RoundScore) Standing {
	st := Standing{Rounds: len(rounds)}
	index := map[string]int{}
	for _, r := range rounds {
		st.Gain += r.Gain
		st.Remainder += r.Remainder
		for _, p := range r.Parties {
			i, ok := index[p.Party]
			if !ok {
				i = len(st.Parties)
				index[p.Party] = i
				st.Parties = append(st.Parties, PartyTotal{Party: p.Party})
			}
			st.Parties[i].add(p)
		}
	}
	positive := 0.0
	for i := range st.Parties {
		st.Parties[i].finish()
		positive += max(0, float64(st.Parties[i].Phi))
	}
	slices.SortFunc(st.Parties, func(a, b PartyTotal) int {
		return cmp.Or(cmp.Compare(b.Phi, a.Phi), cmp.Compare(a.Party, b.Party))
	})
	st.rank(positive)
	return st
}

func (t *PartyTotal) add(p PartyScore) {
	if !p.Admitted {
		return
	}
	t.Present++
	t.Phi += p.Phi
	t.Peers += p.Peers
	if t.Present == 1 {
		t.replicates = slices.Clone(p.Replicates)
		return
	}
	n := min(len(t.replicates), len(p.Replicates))
	t.replicates = t.replicates[:n]
	for b := range t.replicates {
		t.replicates[b] += p.Replicates[b]
	}
}

func (t *PartyTotal) finish() {
	if t.Present == 0 {
		return
	}
	se := deviation(t.replicates)
	t.SE = fed.Number(se)
	t.Low, t.High = interval(float64(t.Phi), se)
}

func (st *Standing) rank(positive float64) {
	for i := range st.Parties {
		p := &st.Parties[i]
		if positive > 0 {
			p.Share = fed.Number(max(0, float64(p.Phi)) / positive)
		}
		if i == 0 || !tied(st.Parties[i-1], *p) {
			st.Groups = append(st.Groups, nil)
		}
		g := len(st.Groups) - 1
		st.Groups[g] = append(st.Groups[g], p.Party)
		p.Rank = g + 1
	}
}

// tied reports whether the difference of two totals is not told apart from 0. A
// party that was never admitted has no spread of its own.
func tied(a, b PartyTotal) bool {
	n := max(len(a.replicates), len(b.replicates))
	if n < 2 {
		return a.Phi == b.Phi
	}
	difference := make([]float64, n)
	for i := range difference {
		difference[i] = replicate(a, i) - replicate(b, i)
	}
	return math.Abs(float64(a.Phi-b.Phi)) <= z95*deviation(difference)
}

func replicate(t PartyTotal, i int) float64 {
	if i < len(t.replicates) {
		return t.replicates[i]
	}
	return float64(t.Phi)
}

// Digits formats a figure for the screen with three significant digits, "-" when
// it is not finite.
func Digits(n fed.Number) string {
	if !n.Finite() {
		return "-"
	}
	return strconv.FormatFloat(float64(n), 'g', 3, 64)
}
