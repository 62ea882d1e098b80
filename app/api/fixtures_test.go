package api

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

const frontendSrc = "../../frontend/src"

// fixture is one recorded answer, see frontend/e2e/record.mjs.
type fixture struct {
	Operation string `json:"operation"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	Target    string `json:"target"`
	Status    int    `json:"status"`
	Body      any    `json:"body"`
}

// fixtures reads the recorded answers that the tests of the screens use, by
// their path below src/test/fixtures.
func fixtures(t *testing.T) map[string]fixture {
	t.Helper()
	out := map[string]fixture{}
	root := os.DirFS(filepath.Join(frontendSrc, "test/fixtures"))
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		var f fixture
		if err := json.Unmarshal(raw, &f); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		out[path] = f
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The screens are tested with recorded answers; each must still be one that the
// API may give, else the tests show what nobody will ever see.
func TestFixturesKeepToTheDocument(t *testing.T) {
	api := screensOf(newFake()).API()
	for name, f := range fixtures(t) {
		ops := operations(api.OpenAPI().Paths[f.Path])
		op := ops[strings.ToUpper(f.Method)]
		if op == nil || op.OperationID != f.Operation {
			t.Errorf("%s: there is no operation %s %s named %q", name, f.Method, f.Path, f.Operation)
			continue
		}
		for _, difference := range checkFixture(api, op, f) {
			t.Errorf("%s: %s", name, difference)
		}
	}
}

// checkFixture compares an answer, or a problem, with what the document says.
func checkFixture(api huma.API, op *huma.Operation, f fixture) []string {
	if f.Status < http.StatusBadRequest {
		return CheckAnswer(api, op, f.Status, f.Body)
	}
	var res huma.ValidateResult
	schema := op.Responses["default"].Content["application/problem+json"].Schema
	huma.Validate(api.OpenAPI().Components.Schemas, schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, f.Body, &res)
	var out []string
	for _, err := range res.Errors {
		out = append(out, err.Error())
	}
	return out
}

// A fixture that lost a field, holds a null list or an unknown word is found.
func TestFixturesCheckFinds(t *testing.T) {
	api := screensOf(newFake()).API()
	for _, c := range []struct {
		name  string
		spoil func(body map[string]any)
	}{
		{"full/status.json", func(b map[string]any) { delete(b, "sentence") }},
		{"full/status.json", func(b map[string]any) { b["state"] = "asleep" }},
		{"full/runs.json", func(b map[string]any) { b["items"] = nil }},
		{"problem/notFound.json", func(b map[string]any) { delete(b, "hint") }},
	} {
		f, ok := fixtures(t)[c.name]
		if !ok {
			t.Fatalf("no fixture %s", c.name)
		}
		c.spoil(f.Body.(map[string]any))
		op := operations(api.OpenAPI().Paths[f.Path])[strings.ToUpper(f.Method)]
		if found := checkFixture(api, op, f); len(found) == 0 {
			t.Errorf("a spoiled %s passed", c.name)
		}
	}
}

// Every GET of JSON has a recorded answer, but for those that need a moment which
// the recording cannot wait for.
func TestFixturesCoverTheDocument(t *testing.T) {
	have := map[string]bool{}
	for name, f := range fixtures(t) {
		if strings.HasPrefix(name, "full/") {
			have[f.Operation] = true
		}
	}
	late := []string{"pairing", "upload"}
	for _, op := range Operations(screensOf(newFake()).API()) {
		isJSON := op.Responses["200"] != nil && op.Responses["200"].Content["application/json"] != nil
		if op.Method == http.MethodGet && isJSON && !have[op.OperationID] && !slices.Contains(late, op.OperationID) {
			t.Errorf("no fixture of %s %s: run frontend/e2e/record.mjs", op.OperationID, op.Path)
		}
	}
}

var private = regexp.MustCompile(`"token": ?"[^"T]|Bearer [^$\\"]|/work/|/tmp/|/root/|/home/(?:[^a]|a[^n])|#t=|PRIVATE KEY`)

func TestFixturesHoldNothingPrivate(t *testing.T) {
	for name := range fixtures(t) {
		raw, err := os.ReadFile(filepath.Join(frontendSrc, "test/fixtures", name))
		if err != nil {
			t.Fatal(err)
		}
		if found := private.Find(raw); found != nil {
			t.Errorf("%s holds %q", name, found)
		}
	}
}

// What the engine publishes makes something old on the screens, or is written
// into their cache in place.
func TestScreensKnowEveryKindOfEvent(t *testing.T) {
	known, err := os.ReadFile(filepath.Join(frontendSrc, "api/queries.ts"))
	if err != nil {
		t.Fatal(err)
	}
	published := regexp.MustCompile(`\.publish\("([a-z.]+)"`)
	kinds := map[string]bool{}
	files, err := filepath.Glob("../../backend/node/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range published.FindAllStringSubmatch(string(source), -1) {
			kinds[m[1]] = true
		}
	}
	if len(kinds) < 20 {
		t.Fatalf("only %d kinds were found in backend/node", len(kinds))
	}
	for kind := range kinds {
		if !strings.Contains(string(known), "case '"+kind+"':") {
			t.Errorf("queries.ts does not say what an event %q makes old", kind)
		}
	}
}

// Every kind of problem has its words in the screens' language.
func TestScreensHaveWordsForEveryProblem(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(frontendSrc, "i18n/en/common.json"))
	if err != nil {
		t.Fatal(err)
	}
	var words struct {
		Problem map[string]struct{ Title, Hint string } `json:"problem"`
	}
	if err := json.Unmarshal(raw, &words); err != nil {
		t.Fatal(err)
	}
	for kind := range titles {
		if w := words.Problem[kind]; w.Title == "" || w.Hint == "" {
			t.Errorf("common.json has no title and hint for a problem %q", kind)
		}
	}
}
