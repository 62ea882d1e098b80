// Package cohort generates the synthetic heart data of four hospitals that the
// tutorial and the rehearsal use. No row describes a person.
//
// # Model
//
// For a row of a hospital with seed s, all draws come from fed.Rand(s, 0,
// hospital, "cohort"). Age is normal (the hospital's mean, 9), clipped to 28-79;
// sex is 1 with the hospital's share of men. A latent severity is
//
//	z = N(0,1) + b + 0.035 (age - 55) + 0.5 (sex - 0.7)
//
// with the hospital's shift b, which sets its prevalence. Then
//
//	cp        1-4: 4 when N(z,1) > 0.3, else 3, 2, 1 with shares .5, .35, .15
//	trestbps  N(128 + 0.4 (age-55) + 3 z, 16), even numbers
//	chol      N(235 + 0.8 (age-55) - 12 sex + 6 z, 45)
//	fbs       1 with chance logistic(-2 + 0.2 z)
//	restecg   0, 1, 2: 2 when N(0.3 z,1) > 0.9, else 1 when > 0.4, else 0
//	thalach   N(150 - 0.8 (age-55) - 9 z, 17)
//	exang     1 when N(z,1) > 0.7
//	oldpeak   max(0, N(0.6 + 0.7 z, 0.8)), one decimal
//	target    1 when N(1.6 z, 1) > 0.4
//
// Hospitals differ on purpose: prevalence, columns that are absent, missing
// cells, the order of columns, how a missing cell is written, and one column
// under another name, so that alignment has something to confirm. The file of a
// hospital depends on nothing but its name, the number of rows and the seed.
package cohort

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// Rows is the default number of rows of each hospital, in the order of Names.
var Rows = []int{240, 200, 120, 160}

// File is the data of one hospital.
type File struct {
	Hospital string
	Name     string // of the file
	Data     []byte // CSV, UTF-8, with a header
}

type hospital struct {
	name    string
	shift   float64 // of the latent severity
	age     float64
	men     float64
	columns string // in file order
	missing string // how a missing cell is written
	sparse  map[string]float64
}

var hospitals = []hospital{
	{name: "riverside", shift: -.1, age: 54, men: .68, missing: "?", columns: "age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,target",
		sparse: map[string]float64{"restecg": .02, "chol": .01}},
	{name: "lakeview", shift: -.35, age: 48, men: .72, missing: "", columns: "age,sex,cp,trestbps,cholesterol,restecg,thalach,exang,oldpeak,target",
		sparse: map[string]float64{"cholesterol": .08, "trestbps": .03}},
	{name: "hillcrest", shift: .8, age: 56, men: .82, missing: "", columns: "sex,age,cp,trestbps,fbs,restecg,thalach,exang,oldpeak,target",
		sparse: map[string]float64{"fbs": .25, "oldpeak": .05}},
	{name: "seaside", shift: .35, age: 60, men: .85, missing: "NA", columns: "age,sex,cp,chol,trestbps,fbs,restecg,exang,thalach,oldpeak,target",
		sparse: map[string]float64{"trestbps": .12, "thalach": .12, "oldpeak": .12}},
}

// Names returns the hospitals in order.
func Names() []string {
	out := make([]string, len(hospitals))
	for i, h := range hospitals {
		out[i] = h.name
	}
	return out
}

// Hospital returns the CSV file of one hospital with so many rows. Returns a
// NotFound error for another name.
func Hospital(name string, rows int, seed uint64) ([]byte, error) {
	for i := range hospitals {
		if hospitals[i].name == name {
			return hospitals[i].csv(rows, seed), nil
		}
	}
	return nil, fed.Errorf(fed.NotFound, "choose one of "+strings.Join(Names(), ", "), "there is no sample hospital %q", name)
}

// All returns the files of all hospitals with their default numbers of rows.
func All(seed uint64) []File {
	out := make([]File, len(hospitals))
	for i, h := range hospitals {
		out[i] = File{Hospital: h.name, Name: h.name + ".csv", Data: h.csv(Rows[i], seed)}
	}
	return out
}

func (h hospital) csv(rows int, seed uint64) []byte {
	var b bytes.Buffer
	b.WriteString(h.columns + "\n")
	rng := fed.Rand(seed, 0, h.name, "cohort")
	columns := strings.Split(h.columns, ",")
	for range rows {
		row := h.row(rng)
		for i, c := range columns {
			if i > 0 {
				b.WriteByte(',')
			}
			// The draw is made for every cell, so that one column's share of
			// missing cells does not move the others.
			if rng.Float64() < h.sparse[c] {
				b.WriteString(h.missing)
				continue
			}
			b.WriteString(strconv.FormatFloat(row[c], 'f', -1, 64))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// row draws one row of the model in the package comment.
func (h hospital) row(r *rand.Rand) map[string]float64 {
	norm := func(mean, sd float64) float64 { return mean + sd*r.NormFloat64() }
	age := math.Round(clamp(norm(h.age, 9), 28, 79))
	sex := flag(r.Float64() < h.men)
	z := norm(0, 1) + h.shift + .035*(age-55) + .5*(sex-.7)
	chol := math.Round(clamp(norm(235+.8*(age-55)-12*sex+6*z, 45), 100, 520))
	return map[string]float64{
		"age": age, "sex": sex, "chol": chol, "cholesterol": chol,
		"cp":       chestPain(norm(z, 1), r.Float64()),
		"trestbps": 2 * math.Round(clamp(norm(128+.4*(age-55)+3*z, 16), 80, 210)/2),
		"fbs":      flag(r.Float64() < 1/(1+math.Exp(2-.2*z))),
		"restecg":  restingECG(norm(.3*z, 1)),
		"thalach":  math.Round(clamp(norm(150-.8*(age-55)-9*z, 17), 65, 205)),
		"exang":    flag(norm(z, 1) > .7),
		"oldpeak":  math.Round(10*clamp(norm(.6+.7*z, .8), 0, 6)) / 10,
		"target":   flag(norm(1.6*z, 1) > .4),
	}
}

func chestPain(pain, u float64) float64 {
	switch {
	case pain > .3:
		return 4
	case u < .5:
		return 3
	case u < .85:
		return 2
	}
	return 1
}

func restingECG(v float64) float64 {
	switch {
	case v > .9:
		return 2
	case v > .4:
		return 1
	}
	return 0
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func clamp(v, lo, hi float64) float64 { return math.Max(lo, math.Min(hi, v)) }
