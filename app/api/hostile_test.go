package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// refused sends e and asserts a 4xx problem of which the engine learned nothing.
func refused(t *testing.T, f *fake, h http.Handler, e endpoint) {
	t.Helper()
	f.reset(-1)
	w := e.ask(t, h)
	if w.Code < 400 || w.Code > 499 {
		t.Errorf("%v with %.80q: status %d, want 4xx: %.300s", e, e.body, w.Code, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%v with %.80q: media type %q", e, e.body, got)
	}
	if len(f.calls) > 0 {
		t.Errorf("%v with %.80q reached the engine: %v", e, e.body, f.calls[0].Name)
	}
}

func TestGarbageBodiesAreRefused(t *testing.T) {
	f := newFake()
	h := screensOf(f)
	for _, e := range endpoints {
		if !strings.HasPrefix(e.body, "{") {
			continue
		}
		for _, body := range []string{"{", "null", "[]", `"x"`, "7", "\x00\xff", `{"nope":1}`, `{"reason":7,"name":7,"values":7}`, e.body + "x"} {
			e.body = body
			refused(t, f, h, e)
		}
	}
}

func TestBodiesThatAreNeededAreMissed(t *testing.T) {
	optional := []string{"/datasets/sample", "/datasets/d1/reload", "/access-requests/a1/revoke"}
	f := newFake()
	h := screensOf(f)
	for _, e := range endpoints {
		if e.body == "" || slices.Contains(optional, e.target) || strings.HasPrefix(e.target, "/runs/") || strings.HasSuffix(e.target, "/leave") {
			continue
		}
		e.body = ""
		refused(t, f, h, e)
	}
}

func TestOversizedBodiesAreRefused(t *testing.T) {
	f := newFake()
	h := screensOf(f)
	limit := map[string]int{}
	for _, op := range Operations(h.API()) {
		limit[op.Method+" "+op.Path] = int(op.MaxBodyBytes) - 1
	}
	for _, e := range endpoints {
		if e.body == "" {
			continue
		}
		n := limit[e.method+" "+e.pattern]
		if n != smallBody && n != largeBody && n != uploadPart {
			t.Errorf("%v takes %d bytes, a limit that nobody chose", e, n)
		}
		e.body += strings.Repeat(" ", n-len(e.body))
		f.reset(-1)
		if w := e.ask(t, h); w.Code != e.status {
			t.Errorf("%v with exactly %d bytes: status %d: %.200s", e, n, w.Code, w.Body)
		}
		e.body += " "
		f.reset(-1)
		checkProblem(t, e, e.ask(t, h), http.StatusRequestEntityTooLarge, "too_large")
		if len(f.calls) > 0 {
			t.Errorf("%v with %d bytes reached the engine", e, n+1)
		}
	}
}

func TestPathsAndQueriesAreBounded(t *testing.T) {
	long := strings.Repeat("a", 129)
	f := newFake()
	h := screensOf(f)
	for _, target := range []string{
		"/datasets/" + long, "/datasets/a%2Fb", "/datasets/%2e%2e", "/datasets/a%20b", "/datasets/a%00", "/datasets/%ff",
		"/runs/%3Cscript%3E", "/catalog/-c1", "/models/a%2Fb", "/models/a%5Cb", "/models/a%0Ab", "/models/" + strings.Repeat("m", 201),
		"/models/m/versions/-1", "/models/m/versions/x", "/models/m/versions/1e9", "/models/m/versions/99999999999999999999",
		"/runs?limit=0", "/runs?limit=5001", "/runs?limit=x", "/runs?project=a%20b", "/activity?limit=1001", "/activity?to=" + long,
		"/comparison", "/comparison?runs=", "/comparison?runs=a,,b", "/comparison?runs=" + strings.Repeat("a,", 16) + "a",
		"/catalog?q=" + strings.Repeat("q", 201), "/fs?path=" + strings.Repeat("p", 4097), "/ledger/export", "/rewards?project=%22",
	} {
		refused(t, f, h, endpoint{method: get, target: target})
	}
	refused(t, f, h, endpoint{method: del, target: "/peers/" + strings.ToLower(someDevice)})
	refused(t, f, h, endpoint{method: del, target: "/peers/short"})
	refused(t, f, h, endpoint{method: post, target: "/rewards/r1/receipt"})
	for _, offset := range []string{"", "?offset=", "?offset=-1", "?offset=x", "?offset=1099511627777"} {
		refused(t, f, h, endpoint{method: put, target: "/uploads/u1" + offset, body: "raw"})
	}
}

func TestValuesOutsideTheirBoundsAreRefused(t *testing.T) {
	f := newFake()
	h := screensOf(f)
	experiment := func(config string) string { return `{"projectId":"p1","name":"n","config":` + config + `}` }
	for _, e := range []endpoint{
		{method: post, target: "/identity", body: `{"name":""}`},
		{method: post, target: "/identity", body: `{"name":"` + strings.Repeat("n", 121) + `"}`},
		{method: post, target: "/peers", body: `{"address":"http://a/b"}`},
		{method: post, target: "/pairings", body: `{"deviceId":"` + strings.Repeat("a", 52) + `"}`},
		{method: post, target: "/datasets", body: `{"path":""}`},
		{method: post, target: "/uploads", body: `{"name":"../a.csv","size":1}`},
		{method: post, target: "/uploads", body: `{"name":"a.csv","size":-1}`},
		{method: post, target: "/access-requests", body: `{"cardId":"c","purpose":"p","days":0}`},
		{method: post, target: "/projects/p1/invite", body: `{"parties":[]}`},
		{method: post, target: "/projects/p1/invite", body: `{"parties":["b"]}`},
		{method: post, target: "/stage-requests", body: `{"model":"m","number":1,"to":"best"}`},
		{method: put, target: "/serving/m", body: `{"on":true,"port":70000}`},
		{method: put, target: "/serving/m", body: `{"port":7000}`},
		{method: post, target: "/serving/m/predict", body: `{"rows":[]}`},
		{method: post, target: "/serving/m/predict", body: `{"rows":[1]}`},
		{method: post, target: "/experiments", body: experiment(`{}`)},
		{method: post, target: "/experiments", body: experiment(strings.Replace(leastConfig, `"rounds":15`, `"rounds":0`, 1))},
		{method: post, target: "/experiments", body: experiment(strings.Replace(leastConfig, `1e-3`, `null`, 1))},
		{method: post, target: "/experiments", body: experiment(strings.Replace(leastConfig, `1e-3`, `1e999`, 1))},
		{method: post, target: "/experiments", body: experiment(strings.Replace(leastConfig, `1e-3`, `NaN`, 1))},
		{method: post, target: "/experiments", body: experiment(strings.Replace(leastConfig, `classify`, `guess`, 1))},
		{method: post, target: "/experiments", body: experiment(strings.Replace(leastConfig, `"batch":4`, `"batch":4.5`, 1))},
		{method: post, target: "/experiments", body: experiment(strings.Replace(leastConfig, `"batch"`, `"epoch":1,"batch"`, 1))},
	} {
		refused(t, f, h, e)
	}
}

func TestOtherMediaTypesAreRefused(t *testing.T) {
	f := newFake()
	h := screensOf(f)
	r := endpoint{method: post, target: "/identity", body: "<name>x</name>"}.request(t)
	r.Header.Set("Content-Type", "application/xml")
	if w := send(h, r); w.Code < 400 || w.Code > 499 || len(f.calls) > 0 {
		t.Errorf("status %d, calls %v: %s", w.Code, f.calls, w.Body)
	}
}
