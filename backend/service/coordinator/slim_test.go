package coordinator

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/metric"
)

// scored are the sums of a binary model on n rows.
func scored(rng *rand.Rand, n int) fed.Sums {
	s := metric.New(2)
	for range n {
		truth := rng.IntN(2)
		p := min(max(0.5+0.3*(float64(truth)-0.5)+0.2*rng.NormFloat64(), 0), 1)
		predicted, loss := 0, -math.Log(1-p+1e-9)
		if p > 0.5 {
			predicted = 1
		}
		metric.AddClass(&s, 2, truth, predicted, loss, p)
	}
	return s
}

// The records of a run of 64 parties stay far below what a document may hold, however
// many rows they have, and say the same but for the last digits of what comes from the
// bins. Those of a few parties keep every bin.
func TestRecordsOfManyPartiesAreSmall(t *testing.T) {
	for _, c := range []struct{ parties, rows int }{{3, 2000}, {64, 100}, {64, 3000}, {64, 100_000}} {
		rng := rand.New(rand.NewPCG(1, 2))
		rec := fed.RoundRecord{Run: runID, N: 1, Digest: fed.DigestOf(nil), Parent: fed.DigestOf(nil), Mandate: votes(7), Valid: map[string]fed.Sums{}}
		end := fed.RunEnd{Run: runID, State: "finished", Mandate: &rec.Mandate, Last: map[string]fed.Sums{}}
		before := map[string]fed.Sums{}
		for i := range c.parties {
			name := fmt.Sprintf("Hospital of the city number %d", i)
			s, alone := scored(rng, c.rows), scored(rng, c.rows)
			before[name] = s
			rec.Valid[name], end.Last[name] = s, scored(rng, c.rows)
			rec.In = append(rec.In, fed.RoundParty{
				Party: id(name), Name: name, Examples: 1 << 40, Weight: 1.0 / 3, Loss: 2.0 / 3, Norm: 1e5 / 3.0,
				Update: fed.BlobRef{Digest: fed.DigestOf(nil), Size: 1 << 30, Root: fed.DigestOf(nil)}, Claim: votes(1).Votes[0],
			})
			end.Results = append(end.Results, fed.RunResult{Party: id(name), Name: name, Train: 1 << 40, Test: s, Alone: &alone, BytesIn: 1 << 40, BytesOut: 1 << 40})
		}
		slimRound(&rec)
		slimEnd(&end)
		for what, doc := range map[string]any{"round": rec, "end": end} {
			raw, err := json.Marshal(doc)
			if err != nil || len(raw) > 100<<10 {
				t.Errorf("%d parties with %d rows: a %s of %d bytes, %v", c.parties, c.rows, what, len(raw), err)
			}
		}
		for name, want := range before {
			for _, got := range []fed.Sums{rec.Valid[name], end.Last[name]} {
				if err := metric.Valid(got, 2); err != nil {
					t.Fatalf("%d parties with %d rows: %v", c.parties, c.rows, err)
				}
			}
			was, is := metric.Finish(fed.TaskClassify, 2, want)["auc"], metric.Finish(fed.TaskClassify, 2, rec.Valid[name])["auc"]
			if d := float64(was - is); c.parties == 3 && d != 0 || d > 0.02 || d < -0.02 {
				t.Errorf("%d parties with %d rows: an AUC of %v became %v", c.parties, c.rows, was, is)
			}
		}
	}
}

// votes is a mandate of n votes of true size.
func votes(n int) fed.Mandate {
	m := fed.Mandate{Ballot: mandate.Ballot}
	for range n {
		m.Votes = append(m.Votes, fed.Signature{Key: make([]byte, 44), Sig: make([]byte, 64)})
	}
	return m
}
