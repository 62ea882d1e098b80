package contribution

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"synergos.app/desktop/backend/fed"
)

// population is a set of rows with the loss of every coalition on every row: what
// an evaluation would find on an endless validation set.
type population struct {
	a    int
	loss [][]float64 // [2^a][rows]
}

func newPopulation(a, rows int, r *rand.Rand) population {
	p := population{a: a, loss: make([][]float64, 1<<a)}
	for s := range p.loss {
		p.loss[s] = make([]float64, rows)
	}
	help := make([]float64, a)
	for i := range help {
		help[i] = .3 * float64(i) / float64(a)
	}
	for x := range rows {
		hard := r.ExpFloat64()
		for s := range p.loss {
			l := hard
			for i := range a {
				if Set(s).Has(i) {
					l -= help[i] / math.Sqrt(float64(Set(s).Len())) * (1 + .5*r.NormFloat64())
				}
			}
			p.loss[s][x] = l
		}
	}
	return p
}

// losses returns the evaluation of the chosen rows.
func (p population) losses(rows []int) func(Set) ([]float64, error) {
	out := make([]float64, len(rows))
	return func(s Set) ([]float64, error) {
		for i, x := range rows {
			out[i] = p.loss[s][x]
		}
		return out, nil
	}
}

func (p population) value() []float64 {
	v := make([]float64, len(p.loss))
	for s := range v {
		v[s] = mean(p.loss[0]) - mean(p.loss[s])
	}
	return v
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func evaluate(t testing.TB, scorer string, p population, rows []int, replicates int) Local {
	t.Helper()
	l, err := LocalUtilities(Evaluation{
		Scorer: scorer, Players: p.a, Rows: len(rows), Losses: p.losses(rows),
		Replicates: replicates, Rand: fed.Rand(5, 0, scorer, "bootstrap"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLocalUtilities(t *testing.T) {
	p := newPopulation(4, 300, rand.New(rand.NewPCG(1, 1)))
	l := evaluate(t, "", p, upTo(300), 20)
	near(t, "utilities", l.V, p.value(), 1e-12)
	if l.V[0] != 0 || l.Replicates[3][0] != 0 {
		t.Error("nobody has a value")
	}
	phi := Shapley(l.V)
	for i, rows := range l.RowPhi {
		if d := mean(rows) - phi[i]; math.Abs(d) > 1e-12 {
			t.Errorf("player %d: the mean over rows is off by %g", i, d)
		}
	}
	// A replicate is the mean over the rows drawn.
	counts := resample(300, fed.Rand(5, 0, "", "bootstrap"))
	want, n := 0.0, 0
	for x, c := range counts {
		want += float64(c) * (p.loss[0][x] - p.loss[9][x])
		n += int(c)
	}
	if n != 300 || math.Abs(l.Replicates[0][9]-want/300) > 1e-12 {
		t.Errorf("replicate 0 of coalition 9 is %v over %d rows, want %v", l.Replicates[0][9], n, want/300)
	}
}

// R7: the same seed and inputs give identical bytes; other rows do not.
func TestLocalUtilitiesReplay(t *testing.T) {
	p := newPopulation(3, 200, rand.New(rand.NewPCG(1, 1)))
	one, _ := json.Marshal(evaluate(t, "A", p, upTo(200), 50).Scores)
	two, _ := json.Marshal(evaluate(t, "A", p, upTo(200), 50).Scores)
	other, _ := json.Marshal(evaluate(t, "B", p, upTo(200), 50).Scores)
	if !slices.Equal(one, two) || slices.Equal(one, other) {
		t.Error("scores do not follow the seed")
	}
}

func TestLossCap(t *testing.T) {
	losses := [][]float64{{1, 1, 1, 1}, {math.NaN(), math.Inf(1), 40, math.Inf(-1)}}
	e := Evaluation{Players: 1, Rows: 4, Cap: LossCap, Losses: func(s Set) ([]float64, error) { return losses[s], nil }}
	l, err := LocalUtilities(e)
	if err != nil || l.V[1] != 1-(16+16+16-16)/4. {
		t.Errorf("capped utility %v, %v", l.V, err)
	}
	e.Cap = 0
	if _, err := LocalUtilities(e); err == nil || fed.KindOf(err) != fed.Invalid {
		t.Errorf("without a cap: %v", err)
	}
}

func TestLocalUtilitiesRefuses(t *testing.T) {
	ok := Evaluation{Players: 1, Rows: 2, Losses: func(Set) ([]float64, error) { return []float64{1, 2}, nil }}
	if _, err := LocalUtilities(ok); err != nil {
		t.Fatal(err)
	}
	for i, change := range []func(*Evaluation){
		func(e *Evaluation) { e.Players = 0 },
		func(e *Evaluation) { e.Players = MaxExact + 1 },
		func(e *Evaluation) { e.Rows = 0 },
		func(e *Evaluation) { e.Rows = 3 },
		func(e *Evaluation) { e.Replicates = -1 },
		func(e *Evaluation) { e.Replicates = 5 }, // without a generator
		func(e *Evaluation) { e.Cap = -1 },
	} {
		e := ok
		change(&e)
		if _, err := LocalUtilities(e); err == nil {
			t.Errorf("case %d was scored", i)
		}
	}
	stop := errors.New("cancelled")
	ok.Losses = func(Set) ([]float64, error) { return nil, stop }
	if _, err := LocalUtilities(ok); !errors.Is(err, stop) {
		t.Errorf("cancelling gives %v", err)
	}
}

// R6: the analytic standard error within 15 % of a 500-replicate bootstrap.
func TestRowErrorAgainstBootstrap(t *testing.T) {
	p := newPopulation(4, 400, rand.New(rand.NewPCG(6, 1)))
	l := evaluate(t, "", p, upTo(400), 500)
	r, err := Combine([]string{"A", "B", "C", "D"}, []Scores{l.Scores}, Pooled)
	if err != nil {
		t.Fatal(err)
	}
	for i, se := range RowError(l.RowPhi) {
		if math.Abs(se/r.SE[i]-1) > .15 {
			t.Errorf("player %d: analytic %.5f, bootstrap %.5f", i, se, r.SE[i])
		}
	}
}

// R6: the 95 % interval covers the truth in 90 to 99 % of 200 validation sets.
func TestCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 2))
	p := newPopulation(3, 20_000, r)
	want := Shapley(p.value())
	hits, hitsBoot, n := 0, 0, 0
	for set := range 200 {
		rows := make([]int, 150)
		for i := range rows {
			rows[i] = r.IntN(20_000)
		}
		l := evaluate(t, string(rune('a'+set%26)), p, rows, 100)
		res, err := Combine([]string{"A", "B", "C"}, []Scores{l.Scores}, Pooled)
		if err != nil {
			t.Fatal(err)
		}
		for i, se := range RowError(l.RowPhi) {
			n++
			if math.Abs(res.Phi[i]-want[i]) <= z95*se {
				hits++
			}
			if math.Abs(res.Phi[i]-want[i]) <= z95*res.SE[i] {
				hitsBoot++
			}
		}
	}
	t.Logf("coverage %.3f analytic, %.3f bootstrap", float64(hits)/float64(n), float64(hitsBoot)/float64(n))
	for _, h := range []int{hits, hitsBoot} {
		if c := float64(h) / float64(n); c < .90 || c > .99 {
			t.Errorf("coverage %.3f", c)
		}
	}
}

// R7: phi_i = sum over c of (m_c/m)*phi_i^(c).
func TestPerClass(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	p := newPopulation(4, 333, r)
	l := evaluate(t, "", p, upTo(333), 0)
	class := make([]int, 333)
	for i := range class {
		class[i] = r.IntN(3)
	}
	phi, rows := PerClass(l.RowPhi, class, 4)
	for i, want := range Shapley(l.V) {
		got := 0.0
		for c := range 3 {
			got += float64(rows[c]) / 333 * phi[c][i]
		}
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("player %d: classes add up to %v, want %v", i, got, want)
		}
	}
	if rows[3] != 0 || !math.IsNaN(phi[3][0]) {
		t.Error("a class without rows has a figure")
	}
}
