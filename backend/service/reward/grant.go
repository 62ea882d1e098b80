package reward

import (
	"fmt"
	"maps"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/contribution"
)

// split divides the pool of the terms by the contributions up to the delivered
// model. A party whose whole interval says that it did not help counts as 0. When
// nobody counts, or no round was scored, those who took part in a round up to the
// delivered model share equally.
func (l *Ledger) split(run fed.Run, terms Terms, score Score) (Grant, error) {
	g := Grant{Currency: terms.Currency, Pool: terms.PoolCents, Through: score.Through, Cents: map[string]int64{}}
	records := l.recorded(run.ID, score.Through)
	counts := false
	var claims []contribution.Claim
	for _, m := range run.Members {
		c := contribution.Claim{Party: m.Name, Present: slices.ContainsFunc(records, func(r fed.RoundRecord) bool { return tookPart(r, m.Party) })}
		for _, t := range score.Standing.Parties {
			if t.Party == m.Name && !(t.High <= 0) { // without an interval, too
				c.Phi = float64(t.Phi)
			}
		}
		counts = counts || c.Phi > 0
		claims = append(claims, c)
	}
	cents, err := contribution.Split(terms.PoolCents, claims)
	if err != nil {
		return g, fmt.Errorf("split the pool: %w", err)
	}
	for i, c := range claims {
		g.Cents[c.Party] = cents[i]
	}
	switch {
	case terms.PoolCents == 0:
		g.Why = WhyNoPool
	case score.Standing.Rounds == 0:
		g.Why = WhyUnscored
	case !counts:
		g.Why = WhyNobody
	default:
		g.Why = WhyContribution
	}
	return g, nil
}

func tookPart(r fed.RoundRecord, p fed.PartyID) bool {
	return slices.ContainsFunc(r.In, func(in fed.RoundParty) bool { return in.Party == p })
}

func sameGrant(a, b Grant) bool {
	return maps.Equal(a.Cents, b.Cents) && a.Pool == b.Pool && a.Currency == b.Currency && a.Why == b.Why && a.Through == b.Through
}
