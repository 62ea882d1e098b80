package serving

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
)

func TestLoadRefusesAChangedFolder(t *testing.T) {
	good := folder(t, "heart", heartFields(), []string{"healthy", "disease"}, 7)
	resealed := func(change func(Files)) func(Files) {
		return func(f Files) { change(f); seal(t, "heart", f) }
	}
	for _, c := range []struct {
		name   string
		change func(Files)
		kind   fed.Kind
	}{
		{"one flipped bit of the params", func(f Files) { f[fileParams] = flip(f[fileParams]) }, fed.Corrupt},
		{"another threshold", func(f Files) { f[fileLabels] = bytes.Replace(f[fileLabels], []byte("0.5"), []byte("0.4"), 1) }, fed.Corrupt},
		{"a renamed column", func(f Files) { f[filePipeline] = bytes.ReplaceAll(f[filePipeline], []byte("age"), []byte("ega")) }, fed.Corrupt},
		{"a missing file", func(f Files) { delete(f, fileLabels) }, fed.Corrupt},
		{"a manifest with other spacing", func(f Files) { f[fileManifest] = append([]byte(" "), f[fileManifest]...) }, fed.Corrupt},
		{"no manifest", func(f Files) { delete(f, fileManifest) }, fed.Corrupt},
		{"a manifest without the labels", func(f Files) {
			f[fileManifest] = bytes.Replace(f[fileManifest], []byte(fileLabels), []byte("labelz.json"), 1)
		}, fed.Corrupt},
		{"other params with new digests fail the self-test", resealed(func(f Files) {
			f[fileParams] = folder(t, "heart", heartFields(), []string{"healthy", "disease"}, 8)[fileParams]
		}), fed.Corrupt},
		{"an unknown model family", resealed(func(f Files) {
			f[fileSpec] = bytes.Replace(f[fileSpec], []byte("logistic"), []byte("oracle"), 1)
		}), fed.Invalid},
		{"a newer specification", resealed(func(f Files) {
			f[fileSpec] = bytes.Replace(f[fileSpec], []byte(`"format":1`), []byte(`"format":2`), 1)
		}), fed.Incompatible},
		{"class names that swap", resealed(func(f Files) {
			f[fileLabels] = bytes.Replace(f[fileLabels], []byte(`["healthy","disease"]`), []byte(`["disease","healthy"]`), 1)
		}), fed.Corrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := maps.Clone(good)
			c.change(f)
			_, err := Load(f, decodeTest)
			wantKind(t, err, c.kind)
		})
	}
	_, err := Load(good, decodeTest)
	must(t, err)
}

func flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)-2] ^= 1
	return b
}

// The folder that package registry makes loads here: the two packages agree
// through the files alone.
func TestLoadsWhatTheRegistryWrote(t *testing.T) {
	files := readGolden(t)
	p, err := Load(files, decodeTest)
	must(t, err)
	if i := p.Info(); i.Model != "heart" || i.Examples < 5 || i.Threshold != .5 || i.Positive != "disease" || len(i.Fields) != 3 {
		t.Fatalf("info %+v", i)
	}
}

func TestPredictByHand(t *testing.T) {
	p := heart(t)
	w, b := p.params[0].Data, p.params[1].Data[0]
	res, err := p.Predict(t.Context(), []map[string]any{{"age": 63, "chest_pain": "typical", "vessels": "2"}}, Reject)
	must(t, err)
	z := float64(w[0])*float64(float32(1.3)) + float64(w[1]) + float64(w[4]) + float64(b)
	want := 1 / (1 + math.Exp(-z))
	got := res[0]
	if math.Abs(float64(got.Probability[1])-want) > 1e-6 || math.Abs(float64(got.Probability[0])-(1-want)) > 1e-6 {
		t.Fatalf("probabilities %v, want %v", got.Probability, want)
	}
	if (got.Label == "disease") != (want > .5) || !math.IsNaN(got.Value) || got.Warnings == nil {
		t.Fatalf("result %+v", got)
	}
}

// The threshold decides, not the larger probability.
func TestThresholdDecides(t *testing.T) {
	f := folder(t, "heart", heartFields(), []string{"healthy", "disease"}, 7)
	rows := []map[string]any{{"age": 60.0}}
	p, err := Load(f, decodeTest)
	must(t, err)
	before, err := p.Predict(t.Context(), rows, Reject)
	must(t, err)
	prob := before[0].Probability[1]
	for _, c := range []struct {
		threshold float32
		label     string
	}{{prob, "healthy"}, {math.Nextafter32(prob, 0), "disease"}} {
		var l labels
		must(t, json.Unmarshal(f[fileLabels], &l))
		l.Threshold = fed.Number(c.threshold)
		f[fileLabels] = canonical(t, l)
		seal(t, "heart", f)
		p, err := Load(f, decodeTest)
		must(t, err)
		res, err := p.Predict(t.Context(), rows, Reject)
		must(t, err)
		if res[0].Label != c.label {
			t.Errorf("probability %v at threshold %v: %s, want %s", prob, c.threshold, res[0].Label, c.label)
		}
	}
}

func TestValuesByMode(t *testing.T) {
	p := heart(t)
	for _, c := range []struct {
		name   string
		row    map[string]any
		reject string // part of the reason, "" accepted
		warn   string // part of the first warning or reason
		coerce string
	}{
		{"good", map[string]any{"age": 63.0, "chest_pain": "typical", "vessels": "1"}, "", "", ""},
		{"integer for a category that is a code", map[string]any{"age": 63, "chest_pain": "typical", "vessels": json.Number("1")}, "", "", ""},
		{"1.0 spells the code 1", map[string]any{"age": 63, "chest_pain": "typical", "vessels": "1.0"}, "", "", ""},
		{"text for a number", map[string]any{"age": "63", "chest_pain": "typical", "vessels": "1"}, "a text; allowed is a number", "no value", ""},
		{"missing and required", map[string]any{"chest_pain": "typical", "vessels": "1"}, "no value; allowed is a number", "no value", "no value"},
		{"NaN is missing", map[string]any{"age": math.NaN(), "chest_pain": "typical", "vessels": "1"}, "no value", "no value", "no value"},
		{"infinity", map[string]any{"age": math.Inf(1), "chest_pain": "typical", "vessels": "1"}, "an infinity", "no value", "no value"},
		{"a number beyond float64", map[string]any{"age": json.Number("1e999"), "chest_pain": "typical", "vessels": "1"}, "too large", "no value", "no value"},
		{"unseen category", map[string]any{"age": 63, "chest_pain": "s3cret", "vessels": "1"}, "not seen in training; allowed is one of none, typical, atypical", "", ""},
		{"missing category", map[string]any{"age": 63, "vessels": "1"}, "", "chest_pain was filled", ""},
		{"a list", map[string]any{"age": []any{1}, "chest_pain": "typical", "vessels": "1"}, "a list", "no value", "no value"},
		{"truth value for a number", map[string]any{"age": true, "chest_pain": "typical", "vessels": "1"}, "a truth value", "no value", ""},
		{"unknown column", map[string]any{"age": 63, "chest_pain": "typical", "vessels": "1", "zip": 1}, "", "is not used", ""},
		{"label column", map[string]any{"age": 63, "chest_pain": "typical", "vessels": "1", "disease": 1}, "", "", ""},
	} {
		for mode, want := range map[Mode]string{Reject: c.reject, Warn: c.warn, Coerce: c.coerce} {
			res, err := p.Predict(t.Context(), []map[string]any{c.row}, mode)
			var input *InputError
			switch {
			case errors.As(err, &input):
				if want == "" || !strings.Contains(err.Error(), want) {
					t.Errorf("%s, %s: refused with %q, want %q", c.name, mode, err, want)
				}
				if fed.KindOf(err) != fed.Invalid || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("%s, %s: kind %v, text %q", c.name, mode, fed.KindOf(err), err)
				}
			case err != nil:
				t.Errorf("%s, %s: %v", c.name, mode, err)
			case mode == Reject && want != "":
				t.Errorf("%s: accepted", c.name)
			case want != "" && !slices.ContainsFunc(res[0].Warnings, func(w string) bool { return strings.Contains(w, want) }):
				t.Errorf("%s, %s: warnings %q, want %q", c.name, mode, res[0].Warnings, want)
			}
		}
	}
}

func TestRefusalsNameRowAndAreBounded(t *testing.T) {
	p := heart(t)
	rows := make([]map[string]any, 300)
	for i := range rows {
		rows[i] = map[string]any{"age": 60}
	}
	for i := 10; i < 210; i++ {
		rows[i]["age"] = "x"
	}
	_, err := p.Predict(t.Context(), rows, Reject)
	var input *InputError
	if !errors.As(err, &input) || len(input.Fields) != maxFieldErrors || input.More != 100 || input.Fields[0].Row != 10 || input.Fields[0].Column != "age" {
		t.Fatalf("%v", err)
	}
}

// A finite row whose answer overflows is refused, not answered with NaN.
func TestExtremeValuesAreRefused(t *testing.T) {
	fields := heartFields()[:1]
	p, err := Load(folder(t, "price", fields, nil, 7), decodeTest)
	must(t, err)
	p.params[0].Data[0] = math.MaxFloat32
	_, err = p.Predict(t.Context(), []map[string]any{{"age": 60}, {"age": 1e30}}, Reject)
	var input *InputError
	if !errors.As(err, &input) || input.Fields[0].Row != 1 {
		t.Fatalf("%v", err)
	}
}

// A row's bits do not depend on the rows beside it.
func TestAnswersDoNotDependOnTheBatch(t *testing.T) {
	p := heart(t)
	rows := make([]map[string]any, 700)
	for i := range rows {
		rows[i] = map[string]any{"age": 20 + float64(i)/7, "chest_pain": []string{"none", "typical", "atypical"}[i%3], "vessels": []string{"0", "1", "2"}[i%2]}
	}
	all, err := p.Predict(t.Context(), rows, Reject)
	must(t, err)
	for i := range rows {
		one, err := p.Predict(t.Context(), rows[i:i+1], Reject)
		must(t, err)
		if !slices.Equal(one[0].Probability, all[i].Probability) {
			t.Fatalf("row %d: %v alone, %v in the batch", i, one[0].Probability, all[i].Probability)
		}
	}
}

func TestManyClassesAndRegression(t *testing.T) {
	p, err := Load(folder(t, "three", heartFields(), []string{"a", "b", "c"}, 3), decodeTest)
	must(t, err)
	res, err := p.Predict(t.Context(), []map[string]any{{"age": 60}}, Reject)
	must(t, err)
	best := slices.Index(res[0].Probability, slices.Max(res[0].Probability))
	if res[0].Label != p.info.Classes[best] || !math.IsNaN(p.info.Threshold) {
		t.Fatalf("%s", sprintRows(res))
	}
	r, err := Load(folder(t, "price", heartFields(), nil, 3), decodeTest)
	must(t, err)
	res, err = r.Predict(t.Context(), []map[string]any{{"age": 50}}, Reject)
	must(t, err)
	if want := float64(r.params[1].Data[0]); res[0].Value != want || res[0].Probability != nil {
		t.Fatalf("value %v, want the bias %v", res[0].Value, want)
	}
}

// The same folder gives the same bits however often it is loaded: the place of
// the params in memory has no say. Five weights are the size that once did.
func TestAnswersDoNotDependOnMemory(t *testing.T) {
	files := folder(t, "heart", heartFields(), []string{"healthy", "disease"}, 7)
	var first []float32
	var keep [][]byte
	for i := range 200 {
		keep = append(keep, make([]byte, 17+i%3)) // shifts what is allocated next
		p, err := Load(files, decodeTest)
		must(t, err)
		res, err := p.Predict(t.Context(), []map[string]any{{"age": 63, "chest_pain": "typical", "vessels": "2"}}, Reject)
		must(t, err)
		if first == nil {
			first = res[0].Probability
		}
		if !slices.Equal(first, res[0].Probability) {
			t.Fatalf("load %d gives %v, the first gave %v", i, res[0].Probability, first)
		}
	}
	if len(keep) != 200 {
		t.Fatal("unreachable")
	}
}
