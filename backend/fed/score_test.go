package fed

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/gowebpki/jcs"
	"pgregory.net/rapid"
)

var ask = ScoreAsk{Run: "r", Round: 3, Base: BlobRef{Digest: "b"}, In: []RoundParty{{Party: "p", Name: "A", Weight: 2, Update: BlobRef{Digest: "u"}}, {Party: "q", Name: "B", Weight: .5}}}

func float(t *rapid.T, what string) float64 {
	return rapid.OneOf(rapid.Float64Range(-16, 16), rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 5e-324, -math.MaxFloat64, .1, 1 / 3.})).
		Filter(func(x float64) bool { return x-x == 0 }).Draw(t, what)
}

// What a scorer signs is what any reader of the canonical JSON verifies, -0 and the
// last bit of every number included.
func TestScoreReplyThroughCanonicalJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{2, 4, 8}).Draw(t, "coalitions")
		r := ScoreReply{Rows: rapid.Int64Range(1, 1<<40).Draw(t, "rows"), Table: make([]float64, n), Replicates: [][]float32{make([]float32, n)}}
		for i := range n {
			r.Table[i] = float(t, "v")
			r.Replicates[0][i] = rapid.Float32Range(-16, 16).Draw(t, "replicate")
		}
		r.Replicates[0][0] = float32(math.Copysign(0, -1))
		signed := r.SigningBytes(ask)
		normal, err := r.Normal()
		if err != nil || !bytes.Equal(normal.SigningBytes(ask), signed) {
			t.Fatalf("normal: %v", err)
		}
		if slices.ContainsFunc(normal.Table, func(x float64) bool { return x == 0 && math.Signbit(x) }) || math.Signbit(float64(normal.Replicates[0][0])) {
			t.Fatal("-0 is still there")
		}
		for _, sent := range []ScoreReply{r, normal} {
			raw, err := json.Marshal(sent)
			if err != nil {
				t.Fatal(err)
			}
			canonical, err := jcs.Transform(raw)
			if err != nil {
				t.Fatal(err)
			}
			var back ScoreReply
			if err := json.Unmarshal(canonical, &back); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(back.SigningBytes(ask), signed) {
				t.Fatalf("%s does not read as what was signed", canonical)
			}
		}
	})
}

func TestScoreReplyIsFinite(t *testing.T) {
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, err := (ScoreReply{Table: []float64{0, x}}).Normal(); KindOf(err) != Invalid {
			t.Errorf("table with %v: %v", x, err)
		}
		if _, err := (ScoreReply{Replicates: [][]float32{{0}, {0, float32(x)}}}).Normal(); KindOf(err) != Invalid {
			t.Errorf("replicate with %v: %v", x, err)
		}
	}
}

// Everything that a table means is signed.
func TestScoreSigningBytesCoverAll(t *testing.T) {
	r := ScoreReply{Rows: 5, Table: []float64{0, 1, 2, 3}, Replicates: [][]float32{{0, 1, 2, 3}, {0, 1, 2, 4}}}
	seen := map[string]string{string(r.SigningBytes(ask)): "itself"}
	differs := func(what string, a ScoreAsk, r ScoreReply) {
		b := string(r.SigningBytes(a))
		if seen[b] != "" {
			t.Errorf("%s is signed like %s", what, seen[b])
		}
		seen[b] = what
	}
	with := func(f func(*ScoreAsk)) ScoreAsk {
		a := ask
		a.In = slices.Clone(ask.In)
		f(&a)
		return a
	}
	differs("another run", with(func(a *ScoreAsk) { a.Run = "s" }), r)
	differs("another round", with(func(a *ScoreAsk) { a.Round = 4 }), r)
	differs("another base", with(func(a *ScoreAsk) { a.Base.Digest = "c" }), r)
	differs("another update", with(func(a *ScoreAsk) { a.In[1].Update.Digest = "u" }), r)
	differs("another party", with(func(a *ScoreAsk) { a.In[0].Party = "x" }), r)
	differs("another name", with(func(a *ScoreAsk) { a.In[0].Name = "x" }), r)
	differs("another weight", with(func(a *ScoreAsk) { a.In[0].Weight = 3 }), r)
	differs("another order", with(func(a *ScoreAsk) { slices.Reverse(a.In) }), r)
	differs("fewer updates", with(func(a *ScoreAsk) { a.In = a.In[:1] }), r)
	change := func(f func(*ScoreReply)) ScoreReply {
		raw, _ := json.Marshal(r)
		var c ScoreReply
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		f(&c)
		return c
	}
	differs("other rows", ask, change(func(r *ScoreReply) { r.Rows = 6 }))
	differs("another value", ask, change(func(r *ScoreReply) { r.Table[2] = math.Nextafter(2, 3) }))
	differs("a longer table", ask, change(func(r *ScoreReply) { r.Table = append(r.Table, 0) }))
	differs("another replicate", ask, change(func(r *ScoreReply) { r.Replicates[1][3] = 5 }))
	differs("fewer replicates", ask, change(func(r *ScoreReply) { r.Replicates = r.Replicates[:1] }))
	differs("replicates cut otherwise", ask, change(func(r *ScoreReply) { r.Replicates = [][]float32{{0, 1, 2, 3, 0}, {1, 2, 4}} }))
}
