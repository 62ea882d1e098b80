package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gowebpki/jcs"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
	"synergos.app/desktop/backend/storage/datafile"
)

// testPipe is a small preparation: (v-mean)/sd for numbers, one indicator per
// value after the first for categories, means for what is missing.
type testPipe struct {
	F    []Field            `json:"fields"`
	C    []string           `json:"classes"`
	Mean map[string]float64 `json:"mean"`
	O    *Own               `json:"own,omitempty"`
}

func decodeTest(raw []byte, _ fed.RunID) (Pipeline, error) {
	var p testPipe
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

func (p *testPipe) Fields() []Field   { return p.F }
func (p *testPipe) Classes() []string { return p.C }

func (p *testPipe) Own() Own {
	if p.O == nil {
		return Own{}
	}
	return *p.O
}

func (p *testPipe) Encode(row map[string]any) (x []float32, warnings []string, err error) {
	for _, f := range p.F {
		v, ok := row[f.Name]
		if !ok {
			warnings = append(warnings, f.Name+" was filled")
		}
		if f.Kind == Number {
			n := p.Mean[f.Name]
			if ok {
				n = v.(float64)
			}
			x = append(x, float32((n-p.Mean[f.Name])/10))
			continue
		}
		for _, known := range f.Values[1:] {
			x = append(x, float32(map[bool]float64{true: 1}[known == v]))
		}
	}
	return x, warnings, nil
}

var nan = fed.Number(math.NaN())

func heartFields() []Field {
	return []Field{
		{Name: "age", Kind: Number, Type: "float", Low: 29, High: 77, Typical: "54", Required: true, Unit: "years"},
		{Name: "chest_pain", Kind: Category, Type: "category", Values: []string{"none", "typical", "atypical"}, Low: nan, High: nan, Typical: "none"},
		{Name: "vessels", Kind: Category, Type: "category", Values: []string{"0", "1", "2"}, Low: nan, High: nan},
	}
}

// folder builds a version folder of the given fields and classes with seeded
// params.
func folder(t testing.TB, name string, fields []Field, classes []string, seed uint64) Files {
	t.Helper()
	task, features := fed.TaskRegress, 0
	ms := fed.ModelSpec{Family: model.Linear}
	if len(classes) > 0 {
		task, ms.Family = fed.TaskClassify, model.Logistic
	}
	mean := map[string]float64{}
	for _, f := range fields {
		if f.Kind == Number {
			mean[f.Name] = 50
			features++
		} else {
			features += len(f.Values) - 1
		}
	}
	m, err := model.New(ms, task, features, len(classes))
	must(t, err)
	params, rng := m.Zeros(), rand.New(rand.NewPCG(seed, 1))
	for i := range params {
		for j := range params[i].Data {
			params[i].Data[j] = float32(rng.NormFloat64())
		}
	}
	l := labels{Target: "disease", Classes: classes, Threshold: nan}
	if len(classes) == 2 {
		l.Positive, l.Threshold = classes[1], .5
	}
	files := Files{
		fileParams:   tensor.EncodeSafetensors(params, nil),
		fileSpec:     canonical(t, spec{Format: 1, Task: task, Model: m.Spec(), Features: features, Classes: m.Classes()}),
		filePipeline: canonical(t, testPipe{F: fields, C: classes, Mean: mean}),
		fileLabels:   canonical(t, l),
	}
	row := map[string]any{}
	for _, f := range fields {
		if f.Kind == Number {
			row[f.Name] = 60.0
		} else {
			row[f.Name] = f.Values[1]
		}
	}
	rows := []map[string]any{row}
	out, err := Score(decodeTest)(files, rows)
	must(t, err)
	files[fileExamples] = canonical(t, examples{Rows: rows, Outputs: out})
	seal(t, name, files)
	return files
}

// seal writes the manifest of the other files.
func seal(t testing.TB, name string, files Files) {
	t.Helper()
	m := manifest{Format: 1, Model: name, Family: "test"}
	for _, path := range []string{fileExamples, fileLabels, fileParams, filePipeline, fileSpec} {
		m.Files = append(m.Files, struct {
			Path   string     `json:"path"`
			SHA256 fed.Digest `json:"sha256"`
			Bytes  int64      `json:"bytes"`
		}{path, fed.DigestOf(files[path]), int64(len(files[path]))})
	}
	files[fileManifest] = canonical(t, m)
}

func canonical(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	must(t, err)
	raw, err = jcs.Transform(raw)
	must(t, err)
	return raw
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t testing.TB, err error, k fed.Kind) {
	t.Helper()
	if err == nil || fed.KindOf(err) != k {
		t.Fatalf("error %v of kind %v, want kind %v", err, fed.KindOf(err), k)
	}
}

func heart(t testing.TB) *Predictor {
	t.Helper()
	p, err := Load(folder(t, "heart", heartFields(), []string{"healthy", "disease"}, 7), decodeTest)
	must(t, err)
	return p
}

func openTest(ctx context.Context, in io.Reader) (Table, error) {
	return datafile.OpenRows(ctx, in, "ward.csv", 0, datafile.Options{})
}

// score is Batch of a text, opened as files are.
func score(ctx context.Context, text string, out io.Writer, p *Predictor, opt BatchOptions) (BatchResult, error) {
	in, err := openTest(ctx, strings.NewReader(text))
	if err != nil {
		return BatchResult{}, err
	}
	return Batch(ctx, in, out, p, opt)
}

const testToken = "syn_test-token"

func testConfig() Config {
	return Config{Model: "heart", Decode: decodeTest, Open: openTest, TokenHash: hashToken(testToken), Product: "1.2.3"}
}

// start serves heart version 3 on a free port.
func start(t testing.TB, change func(*Config)) *Server {
	t.Helper()
	cfg := testConfig()
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	must(t, err)
	must(t, s.Start(t.Context(), Version{Number: 3, Stage: "production", Files: folder(t, "heart", heartFields(), []string{"healthy", "disease"}, 7)}))
	t.Cleanup(func() { _ = s.Stop(context.WithoutCancel(t.Context())) })
	return s
}

// ask sends a request with the test token; header pairs follow the body.
func ask(t testing.TB, s *Server, method, path, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, s.Status().Address+path, strings.NewReader(body))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+testToken)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		switch {
		case header[i] == "Host":
			r.Host = header[i+1]
		case header[i+1] == "":
			r.Header.Del(header[i])
		default:
			r.Header.Set(header[i], header[i+1])
		}
	}
	res, err := client.Do(r)
	must(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, string(raw), res.Header
}

var client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// compact removes the formatting of a JSON literal in a test.
func compact(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	must(t, json.Compact(&b, []byte(s)))
	return b.String()
}

func sprintRows(res []Result) string { return fmt.Sprintf("%+v", res) }
