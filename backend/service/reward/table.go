package reward

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/contribution"
)

// tables is the content of a round's blob: what the scorers returned, by name, as
// they signed it.
type tables struct {
	Scores map[string]fed.ScoreReply `json:"scores"`
}

// Bounds of what a table or its blob may hold.
const (
	maxReplicates = 1000
	maxRows       = 1 << 40
	maxBlob       = 64 << 20
	maxSquared    = 1e30 // of a squared error: sums of such numbers are still finite
)

// usable reports whether a reply is a table of the round, so that one party cannot
// keep a round from being scored. most bounds a utility.
func usable(r fed.ScoreReply, players int, most float64) bool {
	if players > contribution.MaxExact || len(r.Table) != 1<<players || r.Table[0] != 0 || r.Rows <= 0 || r.Rows >= maxRows || len(r.Replicates) > maxReplicates {
		return false
	}
	for _, rep := range r.Replicates {
		if len(rep) != 1<<players || rep[0] != 0 || !within(rep, most) {
			return false
		}
	}
	return within(r.Table, most)
}

// within reports whether all numbers are finite and none is beyond most.
func within[T float32 | float64](v []T, most float64) bool {
	return !slices.ContainsFunc(v, func(x T) bool { return !(math.Abs(float64(x)) <= most) })
}

// mostGain bounds what a coalition can gain per row: the cap of a row's log-loss; a
// squared error has none but that its sums must be numbers.
func mostGain(run fed.Run) float64 {
	if run.Config.Task == fed.TaskClassify {
		return contribution.LossCap
	}
	return maxSquared
}

// measured are the figures of one round as they follow from its tables.
type measured struct {
	Round
	full    contribution.RoundScore // with replicates
	without map[string]fed.Number
}

// measure turns the scorers' tables into the figures of a round. A table counts if
// its scorer is a member and signed it for exactly this round: its params, updates
// and weights as they are recorded.
func (l *Ledger) measure(run fed.Run, ask fed.ScoreAsk, t tables, basis contribution.Basis) (measured, error) {
	m := measured{Round: Round{Scorers: []string{}, Unsigned: []string{}}, without: map[string]fed.Number{}}
	good := map[string]fed.ScoreReply{}
	for _, p := range run.Members {
		r, ok := t.Scores[p.Name]
		switch {
		case !ok || !usable(r, len(ask.In), mostGain(run)):
		case !l.signed(p.Party, ask, r):
			m.Unsigned = append(m.Unsigned, p.Name)
		default:
			good[p.Name] = r
		}
	}
	agree(good)
	var scores []contribution.Scores
	for _, name := range slices.Sorted(maps.Keys(good)) {
		m.Rows += good[name].Rows
		m.Scorers = append(m.Scorers, name)
		scores = append(scores, scoresOf(name, good[name]))
	}
	var players []string
	for _, in := range ask.In {
		players = append(players, in.Name)
	}
	res, err := contribution.Combine(players, scores, basis)
	if err != nil {
		return measured{}, err
	}
	for i, name := range players {
		m.without[name] = fed.Number(res.Without[i])
	}
	m.full = res.Record(ask.Round, math.NaN(), math.NaN(), l.excluded(run, ask))
	m.Score = bare(m.full)
	return m, nil
}

// signed reports whether a party signed a table for the round that is asked.
func (l *Ledger) signed(by fed.PartyID, ask fed.ScoreAsk, r fed.ScoreReply) bool {
	return fed.KeyDigest(r.Key) == string(by) && l.Keys.Verify(r.Key, fed.ScoreDomain, r.SigningBytes(ask), r.Sig)
}

// agree keeps the tables with the most common number of replicates, the larger one
// of two: a party that sends none would take the intervals away from all.
func agree(good map[string]fed.ScoreReply) {
	count := map[int]int{}
	for _, s := range good {
		count[len(s.Replicates)]++
	}
	most := 0
	for n, k := range count {
		if k > count[most] || k == count[most] && n > most {
			most = n
		}
	}
	maps.DeleteFunc(good, func(_ string, s fed.ScoreReply) bool { return len(s.Replicates) != most })
}

func scoresOf(name string, r fed.ScoreReply) contribution.Scores {
	c := contribution.Scores{Scorer: name, Rows: int(r.Rows), V: r.Table}
	for _, rep := range r.Replicates[:min(len(r.Replicates), contribution.DefaultReplicates)] {
		row := make([]float64, len(rep))
		for i, v := range rep {
			row[i] = float64(v)
		}
		c.Replicates = append(c.Replicates, row)
	}
	return c
}

// excluded returns who did not contribute to a round, with the reason in words.
func (l *Ledger) excluded(run fed.Run, ask fed.ScoreAsk) map[string]string {
	out := map[string]string{}
	_, rounds, _ := l.Run(run.ID)
	for _, m := range run.Members {
		in := slices.ContainsFunc(ask.In, func(p fed.RoundParty) bool { return p.Party == m.Party })
		if in {
			continue
		}
		out[m.Name] = "absent"
		for _, r := range rounds {
			if why := r.Absent[m.Name]; r.N == ask.Round && why != "" {
				out[m.Name] = why
			}
		}
	}
	return out
}

// bare drops the replicates, which can be recomputed from the tables.
func bare(s contribution.RoundScore) contribution.RoundScore {
	s.Parties = slices.Clone(s.Parties)
	for i := range s.Parties {
		s.Parties[i].Replicates = nil
	}
	return s
}

// load reads a round's tables, fetching them when needed. Tables that cannot be had
// are Unavailable, whatever the reason: damage of this disk is no verdict on the
// ledger.
func (l *Ledger) load(ctx context.Context, e Entry, r Round) (tables, error) {
	var t tables
	if r.Tables.Size > maxBlob {
		return t, fed.Errorf(fed.Corrupt, "", "the score tables of round %d are too large", r.Score.Round)
	}
	if !l.Blobs.Has(r.Tables.Digest) {
		if err := l.Fetch(ctx, e.By, r.Tables); err != nil {
			return t, fed.Errorf(fed.Unavailable, fed.HintOf(err), "fetch score tables of round %d: %w", r.Score.Round, err)
		}
	}
	raw, err := l.Blobs.Get(ctx, r.Tables.Digest)
	if err != nil {
		return t, fed.Errorf(fed.Unavailable, fed.HintOf(err), "load score tables of round %d: %w", r.Score.Round, err)
	}
	if err := json.Unmarshal(raw, &t); err != nil {
		return t, fed.Errorf(fed.Corrupt, "", "score tables of round %d cannot be read: %w", r.Score.Round, err)
	}
	return t, nil
}

// asked returns the question that the scorers of a round answered, as it follows
// from the round's record.
func (l *Ledger) asked(run fed.RunID, n int) (fed.ScoreAsk, error) {
	_, rounds, _ := l.Run(run)
	for _, r := range rounds {
		if r.N == n && len(r.In) > 0 {
			return AskOf(r), nil
		}
	}
	return fed.ScoreAsk{}, noRecord(n)
}

func noRecord(n int) error {
	return fed.Errorf(fed.Unavailable, "Wait until the records have arrived.", "the record of round %d is not here yet", n)
}

// AskOf returns the question whose answers score a recorded round.
func AskOf(r fed.RoundRecord) fed.ScoreAsk {
	return fed.ScoreAsk{Run: r.Run, Round: r.N, Base: fed.BlobRef{Digest: r.Parent}, In: r.In}
}

// Exact reports whether a round's updates are few enough to be scored: every
// combination of them is measured.
func Exact(r fed.RoundRecord) bool { return len(r.In) <= contribution.MaxExact }

// write keeps the tables of a round.
func (l *Ledger) write(ctx context.Context, t tables) (fed.BlobRef, error) {
	raw, err := canonical(t)
	if err != nil {
		return fed.BlobRef{}, err
	}
	ref, err := l.Blobs.PutBytes(ctx, raw)
	if err != nil {
		return ref, fmt.Errorf("keep score tables: %w", err)
	}
	return ref, nil
}
