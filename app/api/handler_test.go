package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"synergos.app/desktop/backend/fed"
)

// probe is a screen whose answers and errors a test chooses.
type probe struct {
	err   error
	panic any
	raw   float64
	calls int
}

type probeOutput struct {
	Body struct {
		Good fed.Number `json:"good"`
		Bad  float64    `json:"bad"`
	}
}

type probeInput struct {
	Body struct {
		Rounds int    `json:"rounds" minimum:"1"`
		Secret string `json:"secret" maxLength:"4"`
	}
}

func (p *probe) screen(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "probe", Method: http.MethodGet, Path: "/probe", Summary: "probe"},
		func(context.Context, *struct{}) (*probeOutput, error) {
			p.calls++
			if p.panic != nil {
				panic(p.panic)
			}
			out := &probeOutput{}
			out.Body.Good, out.Body.Bad = fed.Number(math.NaN()), p.raw
			return out, p.err
		})
	huma.Register(api, huma.Operation{OperationID: "set-probe", Method: http.MethodPost, Path: "/probe", Summary: "probe"},
		func(context.Context, *probeInput) (*struct{}, error) { p.calls++; return nil, p.err })
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func probeHandler(p *probe) *Handler {
	return New(Options{Screens: []Screen{p.screen}, Log: quiet()})
}

func inside(t *testing.T, h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(InProcess(t.Context()), method, target, strings.NewReader(body))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEveryKindHasItsStatus(t *testing.T) {
	want := map[fed.Kind]int{
		fed.Internal: 500, fed.Invalid: 422, fed.NotFound: 404, fed.Exists: 409, fed.Permission: 403,
		fed.Unavailable: 503, fed.Timeout: 504, fed.Incompatible: 409, fed.Corrupt: 500, fed.Busy: 423,
	}
	for kind, status := range want {
		p := &probe{err: fmt.Errorf("outer: %w", fed.Errorf(kind, "do this", "it happened"))}
		w := inside(t, probeHandler(p), http.MethodGet, Prefix+"/probe", "")
		checkProblem(t, kind, w, status, kind.String())
		if kind != fed.Internal && !strings.Contains(w.Body.String(), `"detail":"it happened","hint":"do this"`) {
			t.Errorf("%v: %s", kind, w.Body)
		}
	}
}

func TestInternalErrorsKeepTheirText(t *testing.T) {
	for _, p := range []*probe{
		{err: errors.New("password=hunter2 of me")},
		{panic: "password=hunter2"},
		{err: &fed.Error{Kind: fed.Internal, Text: "password=hunter2"}},
	} {
		w := inside(t, probeHandler(p), http.MethodGet, Prefix+"/probe", "")
		checkProblem(t, p, w, http.StatusInternalServerError, "internal")
		if strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("the text of an internal error reached the client: %s", w.Body)
		}
		if id := w.Header().Get("X-Request-Id"); id == "" || !strings.Contains(w.Body.String(), id) {
			t.Errorf("request id %q is not in %s", id, w.Body)
		}
	}
}

func TestContextErrors(t *testing.T) {
	for err, status := range map[error]int{context.DeadlineExceeded: 504, context.Canceled: 503} {
		w := inside(t, probeHandler(&probe{err: fmt.Errorf("q: %w", err)}), http.MethodGet, Prefix+"/probe", "")
		if w.Code != status {
			t.Errorf("%v: %d", err, w.Code)
		}
	}
}

// NaN through the HTTP carrier: a fed.Number becomes null, a bare float a whole
// problem and never half a body with status 200.
func TestNaNInAnswers(t *testing.T) {
	w := inside(t, probeHandler(&probe{raw: 1}), http.MethodGet, Prefix+"/probe", "")
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != `{"good":null,"bad":1}` {
		t.Errorf("%d %s", w.Code, got)
	}
	w = inside(t, probeHandler(&probe{raw: math.NaN()}), http.MethodGet, Prefix+"/probe", "")
	checkProblem(t, "NaN", w, http.StatusInternalServerError, "internal")
}

func TestInvalidRequestNamesFieldsAndNeverValues(t *testing.T) {
	w := inside(t, probeHandler(&probe{}), http.MethodPost, Prefix+"/probe", `{"rounds":0,"secret":"hunter2"}`)
	checkProblem(t, "post", w, http.StatusUnprocessableEntity, "invalid")
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{}
	for _, f := range p.Fields {
		paths[f.Path] = f.Message != ""
	}
	if !paths["body.rounds"] || !paths["body.secret"] || len(paths) != 2 {
		t.Errorf("fields %v", p.Fields)
	}
	if strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("a value of the request came back: %s", w.Body)
	}
}

func TestUnknownAddresses(t *testing.T) {
	h := probeHandler(&probe{})
	for _, target := range []string{"/api/", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/probe/", "/api/v2/probe", "/api/v1//probe", "/api/v1/x/../probe", "/elsewhere"} {
		checkProblem(t, target, inside(t, h, http.MethodGet, target, ""), http.StatusNotFound, "not_found")
	}
	w := inside(t, h, http.MethodDelete, Prefix+"/probe", "")
	checkProblem(t, "delete", w, http.StatusMethodNotAllowed, "method_not_allowed")
	if got := w.Header().Get("Allow"); got != "GET, POST" {
		t.Errorf("Allow %q", got)
	}
}

func TestBodyLimit(t *testing.T) {
	p := &probe{}
	h := probeHandler(p)
	big := `{"rounds":1,"secret":"` + strings.Repeat("x", bodyLimit) + `"}`
	checkProblem(t, "with a length", inside(t, h, http.MethodPost, Prefix+"/probe", big), http.StatusRequestEntityTooLarge, "too_large")
	r := httptest.NewRequestWithContext(InProcess(t.Context()), http.MethodPost, Prefix+"/probe", io.MultiReader(strings.NewReader(big)))
	r.ContentLength = -1
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	checkProblem(t, "chunked", w, http.StatusRequestEntityTooLarge, "too_large")
	if p.calls != 0 {
		t.Error("the operation ran")
	}
}

func TestNotReady(t *testing.T) {
	state := error(fed.Errorf(fed.Unavailable, "wait a moment", "Synergos is starting"))
	p := &probe{}
	h := New(Options{Screens: []Screen{p.screen}, Log: quiet(), Ready: func() error { return state }})
	w := inside(t, h, http.MethodGet, Prefix+"/probe", "")
	checkProblem(t, "starting", w, http.StatusServiceUnavailable, "unavailable")
	if w := inside(t, h, http.MethodGet, Prefix+"/session", ""); w.Code != 200 {
		t.Errorf("session while starting: %d", w.Code)
	}
	state = nil
	if w := inside(t, h, http.MethodGet, Prefix+"/probe", ""); w.Code != 200 {
		t.Errorf("ready: %d", w.Code)
	}
}

func TestSecurityHeaders(t *testing.T) {
	h := probeHandler(&probe{})
	for _, target := range []string{Prefix + "/probe", "/nowhere"} {
		got := inside(t, h, http.MethodGet, target, "").Header()
		if got.Get("Content-Security-Policy") != ContentSecurityPolicy || got.Get("X-Content-Type-Options") != "nosniff" || got.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", target, got)
		}
		for name := range got {
			if strings.HasPrefix(name, "Access-Control-") || name == "Etag" || name == "Link" {
				t.Errorf("%s sends %s", target, name)
			}
		}
	}
	if got := inside(t, h, http.MethodGet, Prefix+"/probe", "").Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

func TestLargeAnswersPassThrough(t *testing.T) {
	h := buffered(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			_, _ = w.Write(make([]byte, bufferLimit))
		}
	}))
	w := inside(t, h, http.MethodGet, "/", "")
	if w.Body.Len() != 3*bufferLimit {
		t.Errorf("%d bytes", w.Body.Len())
	}
}

func TestIdempotencyKey(t *testing.T) {
	p := &probe{}
	h := probeHandler(p)
	send := func(key, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(InProcess(t.Context()), http.MethodPost, Prefix+"/probe", strings.NewReader(body))
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	const body = `{"rounds":1,"secret":"a"}`
	first, again := send("k1", body), send("k1", body)
	if first.Code != 204 || again.Code != 204 || p.calls != 1 || again.Header().Get("Idempotent-Replayed") == "" {
		t.Errorf("%d, %d, %d calls", first.Code, again.Code, p.calls)
	}
	checkProblem(t, "another body", send("k1", `{"rounds":2,"secret":"a"}`), http.StatusUnprocessableEntity, "invalid")
	checkProblem(t, "long key", send(strings.Repeat("k", 129), body), http.StatusUnprocessableEntity, "invalid")
	p.err = fed.Errorf(fed.Busy, "wait", "busy")
	if w := send("k2", body); w.Code != http.StatusLocked {
		t.Errorf("failure: %d", w.Code)
	}
	p.err = nil
	if w := send("k2", body); w.Code != 204 || p.calls != 3 {
		t.Errorf("a failure must not be remembered: %d, %d calls", w.Code, p.calls)
	}
}

// The rules of CheckTypes hold for the whole API, and CheckTypes finds what
// breaks them.
func TestCheckTypes(t *testing.T) {
	for _, found := range CheckTypes(New(Options{Screens: Screens(nil), Log: quiet()}).API(), reflect.TypeFor[fed.RunConfig]()) {
		t.Error(found)
	}
	bad := New(Options{Log: quiet(), Screens: []Screen{(&probe{}).screen, func(api huma.API) {
		type list struct {
			Body map[string][]float32 `nullable:"true"`
		}
		huma.Register(api, huma.Operation{OperationID: "bad", Method: http.MethodGet, Path: "/bad"},
			func(context.Context, *struct{}) (*list, error) { return nil, nil })
	}}})
	got := strings.Join(CheckTypes(bad.API()), "\n")
	for _, want := range []string{"ProbeOutputBody.bad: a bare float", "/bad: no operation id or summary", "{}[]: a bare float"} {
		if !strings.Contains(got, want) {
			t.Errorf("CheckTypes missed %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "good") {
		t.Errorf("fed.Number was refused:\n%s", got)
	}
}

func TestCheckAnswer(t *testing.T) {
	api := New(Options{Log: quiet()}).API()
	var op *huma.Operation
	for _, o := range Operations(api) {
		if o.OperationID == "replay-events" {
			op = o
		}
	}
	good := map[string]any{"epoch": "x", "first": 0.0, "last": 0.0, "truncated": false, "items": []any{}}
	if found := CheckAnswer(api, op, 200, good); len(found) > 0 {
		t.Error(found)
	}
	good["items"] = nil
	if found := CheckAnswer(api, op, 200, good); len(found) != 1 {
		t.Errorf("a null list: %v", found)
	}
}
