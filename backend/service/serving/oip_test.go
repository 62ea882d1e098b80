package serving

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func readGolden(t testing.TB) Files {
	t.Helper()
	dir := filepath.Join("..", "registry", "testdata", "heart")
	entries, err := os.ReadDir(dir)
	must(t, err)
	files := Files{}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		files[e.Name()] = raw
	}
	return files
}

const inferBody = `{"id":"r-17","inputs":[
 {"name":"age","shape":[2,1],"datatype":"FP32","data":[63,41]},
 {"name":"chest_pain","shape":[2,1],"datatype":"BYTES","data":["typical","none"]},
 {"name":"vessels","shape":[2],"datatype":"INT64","data":[2,0]}],
 "outputs":[{"name":"probability"},{"name":"label"}]}`

// The bodies of the protocol, byte for byte. Probabilities come from the predictor
// itself, which other tests check by hand.
func TestOpenInferenceBodies(t *testing.T) {
	s := start(t, nil)
	p := s.Predictor()
	res, err := p.Predict(t.Context(), []map[string]any{
		{"age": 63, "chest_pain": "typical", "vessels": "2"}, {"age": 41, "chest_pain": "none", "vessels": "0"},
	}, Reject)
	must(t, err)
	a, b := res[0], res[1]
	num := func(v float32) string {
		raw, err := json.Marshal(v)
		must(t, err)
		return string(raw)
	}
	answer := fmt.Sprintf(`{"model_name":"heart","model_version":"3","id":"r-17","parameters":{"content_id":%q},"outputs":[
 {"name":"probability","shape":[2,2],"datatype":"FP32","data":[%s,%s,%s,%s]},
 {"name":"label","shape":[2,1],"datatype":"BYTES","data":[%q,%q]}]}`, p.info.ContentID, num(a.Probability[0]), num(a.Probability[1]), num(b.Probability[0]), num(b.Probability[1]), a.Label, b.Label)
	meta := `{"inputs":[{"name":"age","datatype":"FP64","shape":[-1,1]},{"name":"chest_pain","datatype":"BYTES","shape":[-1,1]},{"name":"vessels","datatype":"BYTES","shape":[-1,1]}],
 "name":"heart","outputs":[{"name":"probability","datatype":"FP32","shape":[-1,2]},{"name":"label","datatype":"BYTES","shape":[-1,1]}],"platform":"synergos_native","versions":["3"]}`
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/v2/health/live", "", `{"live":true}`},
		{"GET", "/v2/health/ready", "", `{"live":true,"ready":true}`},
		{"GET", "/v2", "", `{"extensions":[],"name":"synergos","version":"1.2.3"}`},
		{"GET", "/v2/models/heart", "", meta},
		{"GET", "/v2/models/heart/versions/3", "", meta},
		{"GET", "/v2/models/heart@champion", "", meta},
		{"GET", "/v2/models/heart%40production", "", meta},
		{"GET", "/v2/models/heart/ready", "", `{"name":"heart","ready":true}`},
		{"GET", "/v2/models/heart/versions/3/ready", "", `{"name":"heart","ready":true}`},
		{"POST", "/v2/models/heart/infer", inferBody, answer},
		{"POST", "/v2/models/heart/versions/3/infer", inferBody, answer},
		{"POST", "/v2/repository/index", "", `[{"name":"heart","reason":"","state":"READY","version":"3"}]`},
	} {
		t.Run(c.path, func(t *testing.T) {
			status, got, h := ask(t, s, c.method, c.path, c.body, "Content-Type", "")
			if status != 200 || got != compact(t, c.want) {
				t.Errorf("%d\n got %s\nwant %s", status, got, compact(t, c.want))
			}
			if h.Get("Content-Type") != "application/json" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers %v", h)
			}
		})
	}
}

func TestInferRefusals(t *testing.T) {
	s := start(t, nil)
	in := func(tensors string) string { return `{"inputs":[` + tensors + `]}` }
	age := `{"name":"age","shape":[1],"datatype":"FP32","data":[63]}`
	for _, c := range []struct{ name, body, want string }{
		{"no JSON", `{`, "not an inference request"},
		{"text after the end", in(age) + `x`, "not an inference request"},
		{"no inputs", `{}`, "inputs is not a list"},
		{"empty inputs", in(""), "there is no input"},
		{"unknown input", in(age + `,{"name":"zip","shape":[1],"datatype":"FP32","data":[1]}`), "not one of the model"},
		{"twice", in(age + "," + age), "given twice"},
		{"missing required", in(`{"name":"chest_pain","shape":[1],"datatype":"BYTES","data":["none"]}`), `"age" is missing`},
		{"wrong dtype", in(`{"name":"age","shape":[1],"datatype":"BYTES","data":["63"]}`), "datatype"},
		{"number as category", in(age + `,{"name":"chest_pain","shape":[1],"datatype":"FP32","data":[1]}`), "datatype"},
		{"FP16 in JSON", in(`{"name":"age","shape":[1],"datatype":"FP16","data":[63]}`), "datatype"},
		{"value of another type", in(`{"name":"age","shape":[1],"datatype":"FP32","data":["canary"]}`), "not of the datatype"},
		{"fraction in an integer", in(`{"name":"age","shape":[1],"datatype":"INT32","data":[6.5]}`), "not of the datatype"},
		{"beyond the integer", in(`{"name":"age","shape":[1],"datatype":"UINT8","data":[256]}`), "not of the datatype"},
		{"beyond float32", in(`{"name":"age","shape":[1],"datatype":"FP32","data":[1e300]}`), "too large"},
		{"beyond float64", in(`{"name":"age","shape":[1],"datatype":"FP64","data":[1e999]}`), "too large"},
		{"NaN is no JSON", in(`{"name":"age","shape":[1],"datatype":"FP64","data":[NaN]}`), "not an inference request"},
		{"three dimensions", in(`{"name":"age","shape":[1,1,1],"datatype":"FP32","data":[63]}`), "dimensions"},
		{"negative", in(`{"name":"age","shape":[-1],"datatype":"FP32","data":[63]}`), "impossible shape"},
		{"fraction in the shape", in(`{"name":"age","shape":[1.5],"datatype":"FP32","data":[63]}`), "impossible shape"},
		{"product that overflows", in(`{"name":"age","shape":[9223372036854775807,9223372036854775807],"datatype":"FP32","data":[63]}`), "impossible shape"},
		{"product that wraps to 1", in(`{"name":"age","shape":[4294967297,4294967297],"datatype":"FP32","data":[63]}`), "impossible shape"},
		{"two columns for one", in(`{"name":"age","shape":[1,2],"datatype":"FP32","data":[63,64]}`), "expected 1"},
		{"more rows than allowed", in(`{"name":"age","shape":[10001],"datatype":"FP32","data":[63]}`), "limit of 10000"},
		{"more rows than data", in(`{"name":"age","shape":[10000],"datatype":"FP32","data":[63]}`), "fewer follow"},
		{"fewer values", in(`{"name":"age","shape":[3],"datatype":"FP32","data":[63,64]}`), "its shape says 3"},
		{"more values", in(`{"name":"age","shape":[1],"datatype":"FP32","data":[63,64]}`), "more values"},
		{"object as data", in(`{"name":"age","shape":[1],"datatype":"FP32","data":{"a":63}}`), "must be a list"},
		{"deep data", in(`{"name":"age","shape":[1],"datatype":"FP32","data":[[[63]]]}`), "must be a list"},
		{"no data", in(`{"name":"age","shape":[0],"datatype":"FP32"}`), "no data"},
		{"rows that differ", in(age + `,{"name":"chest_pain","shape":[2],"datatype":"BYTES","data":["none","none"]}`), "another one has 1"},
		{"null where required", in(`{"name":"age","shape":[1],"datatype":"FP32","data":[null]}`), "no value"},
		{"unseen category", in(age + `,{"name":"chest_pain","shape":[1],"datatype":"BYTES","data":["canary"]}`), "allowed is one of none"},
		{"unknown output", `{"inputs":[` + age + `],"outputs":[{"name":"logit"}]}`, "not one of the model"},
		{"features of a mixed model", in(`{"name":"features","shape":[1,3],"datatype":"FP32","data":[1,2,3]}`), "not one of the model"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, got, _ := ask(t, s, "POST", "/v2/models/heart/infer", c.body)
			var e struct {
				Error string `json:"error"`
			}
			must(t, json.Unmarshal([]byte(got), &e))
			if status != http.StatusBadRequest || !strings.Contains(e.Error, c.want) || strings.Contains(got, "canary") {
				t.Errorf("%d %s, want %q", status, got, c.want)
			}
		})
	}
}

func TestFeaturesOfANumericModel(t *testing.T) {
	fields := []Field{{Name: "b", Kind: Number, Low: nan, High: nan}, {Name: "a", Kind: Number, Low: nan, High: nan}}
	p, err := Load(folder(t, "price", fields, nil, 5), decodeTest)
	must(t, err)
	_, rows, err := p.decodeInfer([]byte(`{"inputs":[{"name":"features","shape":[2,2],"datatype":"FP64","data":[[1,2],[3,null]]}]}`), DefaultLimits())
	must(t, err)
	if len(rows) != 2 || rows[0]["b"] != 1.0 || rows[0]["a"] != 2.0 || rows[1]["b"] != 3.0 || rows[1]["a"] != nil {
		t.Fatalf("rows %v: they are filled in the order of the columns", rows)
	}
}

// Whatever the bytes, decoding allocates no more rows than the limit, panics
// never, and gives values that a row can hold.
func FuzzInferBody(f *testing.F) {
	p := heart(f)
	for _, s := range []string{inferBody, `{"inputs":[]}`, `{"inputs":[{"name":"age","shape":[1e3],"datatype":"FP32","data":[1]}]}`,
		`{"inputs":[{"name":"age","shape":[],"datatype":"FP32","data":1}]}`, `{"inputs":[{"name":"age","shape":[1],"datatype":"BOOL","data":[[true]]}]}`,
		`{"id":1,"inputs":null}`, `{"inputs":[{"name":"age","shape":[2147483647,1],"datatype":"INT64","data":[[[]]]}]}`} {
		f.Add([]byte(s))
	}
	lim := DefaultLimits()
	lim.Rows = 50
	f.Fuzz(func(t *testing.T, body []byte) {
		_, rows, err := p.decodeInfer(body, lim)
		if err != nil {
			return
		}
		if len(rows) > lim.Rows {
			t.Fatalf("%d rows", len(rows))
		}
		res, err := p.Predict(t.Context(), rows, Warn)
		if err != nil {
			return
		}
		for _, r := range res {
			if v := float64(r.Probability[1]); math.IsNaN(v) || v < 0 || v > 1 {
				t.Fatalf("probability %v", v)
			}
		}
	})
}
