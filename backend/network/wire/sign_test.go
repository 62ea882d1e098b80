package wire

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"github.com/gowebpki/jcs"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

// What was signed still fits after canonical JSON, as which it is kept and shared.
func TestSignedUpdateSurvivesCanonicalJSON(t *testing.T) {
	figure := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), math.SmallestNonzeroFloat64, math.MaxFloat64}))
	rapid.Check(t, func(t *rapid.T) {
		u := fed.Update{
			Run: grid, Term: 3, Round: 4, Base: digest, Blob: ref, Examples: rapid.Int64Range(0, 1<<53).Draw(t, "examples"), Loss: fed.Number(figure.Draw(t, "loss")),
			Valid: fed.Sums{Examples: 3, Loss: figure.Draw(t, "sum"), Target: figure.Draw(t, "target"), Confusion: []int64{1, 2}, Scores: rapid.SliceOfN(rapid.Int64Range(0, 3), 0, 9).Draw(t, "scores")},
		}
		p, err := u.Plain()
		if bad := !u.Loss.Finite() || !fed.Number(u.Valid.Loss).Finite() || !fed.Number(u.Valid.Target).Finite(); bad != (err != nil) {
			t.Fatalf("%+v: %v", u, err)
		}
		if err != nil {
			return
		}
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if raw, err = jcs.Transform(raw); err != nil {
			t.Fatal(err)
		}
		var back fed.Update
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		want := Update{Update: p}.SigningBytes()
		if got := (Update{Update: back}).SigningBytes(); !bytes.Equal(got, want) || !bytes.Equal(want, Update{Update: u}.SigningBytes()) {
			t.Fatalf("signed %x, came back as %x through %s", want, got, raw)
		}
	})
}
