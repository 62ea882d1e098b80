package contribution

import (
	"cmp"
	"math"
	"math/big"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// Claim is what one party brings to the split of a pool.
type Claim struct {
	Party   string
	Phi     float64
	Cost    int64 // approved declared cost, in cents
	Present bool  // admitted in at least one round
}

// Split divides pool cents over the claims and returns the cents [len(claims)].
// Approved costs come first (pro rata when the pool does not cover them); the
// rest is shared in proportion to max(Phi, 0), equally among the present when
// nobody has any. Each party takes its own share, so equal claims have equal
// shares; the cents that whole numbers leave over go one each to the largest
// fractions, those of equal fractions in ascending order of party. The arithmetic
// is exact, so the same claims give the same cents on every machine, and the sum is
// pool exactly. The error is of kind Invalid for negative amounts,
// repeated or missing parties, or a Phi that is not finite.
func Split(pool int64, claims []Claim) ([]int64, error) {
	if err := checkClaims(pool, claims); err != nil {
		return nil, err
	}
	return wholeCents(pool, quotas(pool, claims), claims), nil
}

func checkClaims(pool int64, claims []Claim) error {
	if pool < 0 || len(claims) == 0 {
		return fed.Errorf(fed.Invalid, "give a pool from 0 cents up and at least one party", "a pool of %d cents cannot be split over %d parties", pool, len(claims))
	}
	seen := map[string]bool{}
	for _, c := range claims {
		if c.Cost < 0 || math.IsNaN(c.Phi) || math.IsInf(c.Phi, 0) {
			return fed.Errorf(fed.Invalid, "correct the claim", "the claim of %q has cost %d and contribution %v", c.Party, c.Cost, c.Phi)
		}
		if seen[c.Party] {
			return fed.Errorf(fed.Invalid, "keep one claim of each party", "party %q claims twice", c.Party)
		}
		seen[c.Party] = true
	}
	return nil
}

// quotas returns the exact amount of every claim.
func quotas(pool int64, claims []Claim) []*big.Rat {
	p, costs := new(big.Rat).SetInt64(pool), new(big.Rat)
	for _, c := range claims {
		costs.Add(costs, new(big.Rat).SetInt64(c.Cost))
	}
	out := make([]*big.Rat, len(claims))
	if p.Cmp(costs) < 0 {
		part := new(big.Rat).Quo(p, costs)
		for i, c := range claims {
			out[i] = new(big.Rat).Mul(part, new(big.Rat).SetInt64(c.Cost))
		}
		return out
	}
	rest := new(big.Rat).Sub(p, costs)
	for i, s := range shares(claims) {
		q := s.Mul(s, rest)
		out[i] = q.Add(q, new(big.Rat).SetInt64(claims[i].Cost))
	}
	return out
}

// shares returns max(phi, 0) over their sum.
func shares(claims []Claim) []*big.Rat {
	out, total := make([]*big.Rat, len(claims)), new(big.Rat)
	for i, c := range claims {
		out[i] = new(big.Rat)
		if c.Phi > 0 {
			out[i].SetFloat64(c.Phi)
		}
		total.Add(total, out[i])
	}
	if total.Sign() == 0 {
		return equalShares(claims)
	}
	for _, s := range out {
		s.Quo(s, total)
	}
	return out
}

func equalShares(claims []Claim) []*big.Rat {
	n := int64(0)
	for _, c := range claims {
		if c.Present {
			n++
		}
	}
	out := make([]*big.Rat, len(claims))
	for i, c := range claims {
		switch {
		case n == 0: // nobody took part in any round: all alike
			out[i] = big.NewRat(1, int64(len(claims)))
		case c.Present:
			out[i] = big.NewRat(1, n)
		default:
			out[i] = new(big.Rat)
		}
	}
	return out
}

// wholeCents rounds down and gives the cents left over to the largest fractions.
func wholeCents(pool int64, quota []*big.Rat, claims []Claim) []int64 {
	pay, left := make([]int64, len(quota)), pool
	fraction, order := make([]*big.Rat, len(quota)), make([]int, len(quota))
	for i, q := range quota {
		floor := new(big.Int).Quo(q.Num(), q.Denom())
		pay[i] = floor.Int64()
		fraction[i] = new(big.Rat).Sub(q, new(big.Rat).SetInt(floor))
		left -= pay[i]
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(fraction[j].Cmp(fraction[i]), cmp.Compare(claims[i].Party, claims[j].Party))
	})
	for _, i := range order[:left] {
		pay[i]++
	}
	return pay
}
