package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// keys lists the JSON keys of t with those of the structs inside, as paths.
func keys(t reflect.Type, at string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[plainNumber]() {
		return nil
	}
	var out []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out = append(out, at+name)
		out = append(out, keys(t.Field(i).Type, at+name+".")...)
	}
	slices.Sort(out)
	return out
}

// What is decoded must be what was described and bounded.
func TestInputsHaveTheKeysOfTheirRecords(t *testing.T) {
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[fed.RunConfig](), reflect.TypeFor[RunConfigInput]()},
		{reflect.TypeFor[view.DatasetEdit](), reflect.TypeFor[DatasetEdit]()},
		{reflect.TypeFor[view.ProjectCreate](), reflect.TypeFor[ProjectCreate]()},
		{reflect.TypeFor[view.ServingSwitch](), reflect.TypeFor[ServingSwitch]()},
		{reflect.TypeFor[view.Dimension](), reflect.TypeFor[DimensionInput]()},
	} {
		want, got := keys(pair[0], ""), keys(pair[1], "")
		if pair[1] == reflect.TypeFor[ProjectCreate]() { // its configuration is compared above
			want, got = withoutConfig(want), withoutConfig(got)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-record +input):\n%s", pair[1], diff)
		}
	}
}

func withoutConfig(keys []string) []string {
	return slices.DeleteFunc(keys, func(k string) bool { return strings.HasPrefix(k, "config.") })
}

// A configuration with every key arrives as it was written, and what the API
// shows of it may be sent back.
func TestRunConfigurationsRoundTrip(t *testing.T) {
	const document = `{"version":1,"task":"classify","target":"num","labels":{"0":"no","1":"yes"},"drop":["id"],"categorical":["cp"],
		"missing":"impute","scaling":"federated","test":{"fraction":0.2,"seed":7},"validation":{"fraction":0.25},
		"model":{"family":"layers","layers":[{"type":"Linear","out":16},{"type":"LeakyReLU","slope":0.01},{"type":"Dropout","p":0.5},{"type":"Linear"}]},
		"train":{"optimizer":"sgd","lr":0.05,"batch":32,"epochs":1,"momentum":0.9,"weightDecay":1e-4,"clip":1},
		"strategy":{"name":"fedprox","mu":0.01},"rounds":20,"seed":9007199254740993,"deadlineSeconds":60,"quorum":2,"contribution":"shapley"}`
	var want fed.RunConfig
	if err := json.Unmarshal([]byte(document), &want); err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	f := newFake()
	h := screensOf(f)
	for _, config := range []string{document, string(shown)} {
		f.reset(-1)
		w := endpoint{method: post, target: "/estimate", body: `{"projectId":"p1","config":` + config + `}`}.ask(t, h)
		if w.Code != 200 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		if diff := cmp.Diff(want, f.calls[0].Args[0].(view.ExperimentCreate).Config); diff != "" {
			t.Errorf("configuration (-written +arrived):\n%s", diff)
		}
	}
}

// Run configurations are the one record with bare floats: they only hold what
// came from JSON, which has no NaN.
func TestAnswersHaveNoBareFloat(t *testing.T) {
	documents := []string{"TestSplit.fraction", "Validation.fraction", "LayerSpec.p", "LayerSpec.slope", "TrainSpec.lr",
		"TrainSpec.momentum", "TrainSpec.weightDecay", "TrainSpec.clip", "StrategySpec.mu"}
	for _, found := range CheckTypes(screensOf(newFake()).API()) {
		where, _, _ := strings.Cut(found, ":")
		if !slices.Contains(documents, where) {
			t.Error(found)
		}
	}
}

func TestNumbersMayBeNull(t *testing.T) {
	b, err := OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct {
					Type                 any
					AdditionalProperties any
				}
			}
		}
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	nullable := []any{"number", "null"}
	if got := doc.Components.Schemas["Column"].Properties["mean"].Type; !cmp.Equal(got, any(nullable)) {
		t.Errorf("Column.mean is %v, want %v", got, nullable)
	}
	metrics, _ := doc.Components.Schemas["Run"].Properties["metrics"].AdditionalProperties.(map[string]any)
	if !cmp.Equal(metrics["type"], any(nullable)) {
		t.Errorf("a metric is %v, want %v", metrics, nullable)
	}
}

func TestDownloads(t *testing.T) {
	f := newFake()
	h := screensOf(f)
	for _, c := range []struct{ target, media, disposition string }{
		{"/activity/export", "text/csv", `attachment; filename=activity.csv`},
		{"/batches/0123456789abcdef/result", "text/csv", `attachment; filename=predictions-01234567.csv`},
		{"/serving-certificate", "application/x-pem-file", `attachment; filename=synergos-serving.pem`},
		{"/models/" + oddPath + "/versions/3/export", "application/zip", `attachment; filename="Herz & Niere 50%-3.zip"`},
		{"/models/heart~a1/versions/3/card", "text/markdown", `attachment; filename=heart-3-card.md`},
		{"/models/%C3%85%22/versions/3/export", "application/zip", `attachment; filename*=utf-8''%C3%85%22-3.zip`},
		{"/ledger/export?project=p1", "application/jsonl", `attachment; filename=ledger-p1.jsonl`},
	} {
		f.file = []byte("PK\x03\x04,\x00")
		w := endpoint{method: get, target: c.target}.ask(t, h)
		if w.Code != 200 || w.Body.String() != string(f.file) {
			t.Errorf("%s: status %d, body %q", c.target, w.Code, w.Body)
		}
		if got := w.Header().Get("Content-Type"); got != c.media {
			t.Errorf("%s: media type %q, want %q", c.target, got, c.media)
		}
		if got := w.Header().Get("Content-Disposition"); got != c.disposition {
			t.Errorf("%s: disposition %s, want %s", c.target, got, c.disposition)
		}
	}
}
