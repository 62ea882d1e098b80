package fed

import (
	"encoding/binary"
	"math"
)

// ScoreDomain is the domain tag of a scorer's signature.
const ScoreDomain = "synergos/score/1"

// ScoreReply carries utilities (minus mean loss, nats per row) of all 2^a
// coalitions: Table[mask], and replicates of the table from resampled rows. The
// scorer signs it, so that nobody who passes it on can change it.
type ScoreReply struct {
	Rows       int64       `json:"rows"`
	Table      []float64   `json:"table"`
	Replicates [][]float32 `json:"replicates"`
	Key        []byte      `json:"key"` // the scorer's organisation key
	Sig        []byte      `json:"sig"` // over SigningBytes under ScoreDomain
}

// Normal returns r with numbers that canonical JSON carries: it writes -0 as 0,
// and has no word for what is not finite. The latter is an error of kind Invalid.
func (r ScoreReply) Normal() (ScoreReply, error) {
	table, err := normal(r.Table)
	if err != nil {
		return r, err
	}
	replicates := make([][]float32, len(r.Replicates))
	for i, row := range r.Replicates {
		if replicates[i], err = normal(row); err != nil {
			return r, err
		}
	}
	r.Table, r.Replicates = table, replicates
	return r, nil
}

func normal[T float32 | float64](v []T) ([]T, error) {
	out := make([]T, len(v))
	for i, x := range v {
		if x-x != 0 {
			return nil, Errorf(Invalid, "Cap the loss of a row.", "a score is not finite")
		}
		if x != 0 {
			out[i] = x
		}
	}
	return out, nil
}

// SigningBytes returns what the scorer signs: the round that was asked for, the
// params and updates by their digests, each with its weight, and every number of
// the answer. Texts are prefixed by their length, lists by their number. -0 counts
// as 0.
func (r ScoreReply) SigningBytes(ask ScoreAsk) []byte {
	var b []byte
	text := func(s string) {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	number := func(n uint64) { b = binary.LittleEndian.AppendUint64(b, n) }
	real64 := func(x float64) {
		if x == 0 {
			x = 0 // not -0
		}
		number(math.Float64bits(x))
	}
	text(string(ask.Run))
	number(uint64(ask.Round))
	text(string(ask.Base.Digest))
	number(uint64(len(ask.In)))
	for _, in := range ask.In {
		text(string(in.Party))
		text(in.Name)
		text(string(in.Update.Digest))
		real64(float64(in.Weight))
	}
	number(uint64(r.Rows))
	number(uint64(len(r.Table)))
	for _, x := range r.Table {
		real64(x)
	}
	number(uint64(len(r.Replicates)))
	for _, row := range r.Replicates {
		number(uint64(len(row)))
		for _, x := range row {
			real64(float64(x))
		}
	}
	return b
}
