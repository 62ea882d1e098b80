package serving

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Each guard refuses its own request, and the same request without the offending
// part passes: the negative control of the guard.
func TestGuards(t *testing.T) {
	s := start(t, nil)
	port := s.Status().Port
	right := fmt.Sprintf("localhost:%d", port)
	for _, c := range []struct {
		name   string
		header []string
		want   int
	}{
		{"as it should be", nil, 200},
		{"another host name", []string{"Host", "evil.test"}, 421},
		{"a name that only ends right", []string{"Host", fmt.Sprintf("evil.localhost:%d", port)}, 421},
		{"the right name with another port", []string{"Host", "localhost:1"}, 421},
		{"the right name without a port", []string{"Host", "localhost"}, 421},
		{"localhost", []string{"Host", right}, 200},
		{"a page", []string{"Origin", "http://evil.test"}, 403},
		{"a sandboxed page", []string{"Origin", "null"}, 403},
		{"this very origin is no exception", []string{"Origin", "http://" + right}, 403},
		{"cross-site without Origin", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"same-site is another site's port", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"typed by a person", []string{"Sec-Fetch-Site", "none"}, 200},
		{"no token", []string{"Authorization", ""}, 401},
		{"a wrong token", []string{"Authorization", "Bearer syn_test-tokem"}, 401},
		{"the hash instead of the token", []string{"Authorization", "Bearer " + hashToken(testToken)}, 401},
		{"another scheme", []string{"Authorization", "Basic " + testToken}, 401},
		{"Host before Origin", []string{"Host", "evil.test", "Origin", "http://evil.test"}, 421},
		{"Origin before token", []string{"Origin", "http://evil.test", "Authorization", ""}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, at := range []struct{ method, path, body string }{{"POST", "/v2/models/heart/infer", inferBody}, {"GET", "/metrics", ""}} {
				status, body, h := ask(t, s, at.method, at.path, at.body, c.header...)
				if status != c.want {
					t.Errorf("%s: %d %s, want %d", at.path, status, body, c.want)
				}
				if status >= 400 && !strings.Contains(body, `"error"`) {
					t.Errorf("%s: body %q has no error", at.path, body)
				}
				if h.Get("Access-Control-Allow-Origin") != "" {
					t.Error("another origin was let in")
				}
			}
		})
	}
	if status, _, _ := ask(t, s, "GET", "/v2/health/live", "", "Authorization", ""); status != 200 {
		t.Error("health asks for a token")
	}
	if status, _, _ := ask(t, s, "GET", "/v2/health/live", "", "Host", "evil.test"); status != 421 {
		t.Error("health answers any host")
	}
}

func TestRefusedBeforeTheBodyIsRead(t *testing.T) {
	s := start(t, nil)
	r := httptest.NewRequest("POST", "/v2/models/heart/infer", unread{t})
	r.Host = "evil.test"
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 421 {
		t.Fatalf("status %d", w.Code)
	}
}

type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, errors.New("no") }

func TestOtherStatuses(t *testing.T) {
	s := start(t, func(c *Config) { c.Limits = DefaultLimits(); c.Limits.Body = 2000 })
	long := inferBody + strings.Repeat(" ", 2000)
	for _, c := range []struct {
		method, path, body string
		header             []string
		want               int
	}{
		{"GET", "/nothing", "", nil, 404},
		{"GET", "/v2/models/other", "", nil, 404},
		{"GET", "/v2/models/heart@staging", "", nil, 404},
		{"GET", "/v2/models/heart/versions/2", "", nil, 404},
		{"POST", "/v2/models/heart/versions/03/infer", inferBody, nil, 404},
		{"GET", "/v2/models/heart/infer", "", nil, 405},
		{"DELETE", "/v2/health/live", "", nil, 405},
		{"POST", "/v2/models/heart/infer", long, nil, 413},
		{"POST", "/invocations", "x", []string{"Content-Type", "text/html"}, 415},
		{"POST", "/invocations", "x", []string{"Content-Type", ""}, 415},
		{"POST", "/v2/models/heart/infer", "x", []string{"Content-Encoding", "gzip"}, 415},
		{"POST", "/v2/models/heart/infer", "x", []string{"Inference-Header-Content-Length", "1"}, 400},
	} {
		status, body, h := ask(t, s, c.method, c.path, c.body, c.header...)
		if status != c.want || !strings.Contains(body, `{"error":"`) && !strings.Contains(body, `"error":`) {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, status, body, c.want)
		}
		if status == 405 && h.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow header", c.method, c.path)
		}
	}
}

func TestRowForms(t *testing.T) {
	s := start(t, nil)
	res, err := s.Predictor().Predict(t.Context(), []map[string]any{{"age": 63, "chest_pain": "typical", "vessels": "2"}, {"age": 41, "chest_pain": "none", "vessels": "0"}}, Reject)
	must(t, err)
	labels, _ := json.Marshal(map[string]any{"predictions": []string{res[0].Label, res[1].Label}})
	probs, _ := json.Marshal(map[string]any{"predictions": [][]float32{res[0].Probability, res[1].Probability}})
	for _, c := range []struct{ name, path, kind, body, want string }{
		{"split", "/invocations", "application/json", `{"dataframe_split":{"columns":["vessels","age","chest_pain"],"index":[0,1],"data":[["2",63,"typical"],[0,41,"none"]]}}`, string(labels)},
		{"records", "/invocations", "application/json; charset=utf-8", `{"dataframe_records":[{"age":63,"chest_pain":"typical","vessels":2},{"age":41,"chest_pain":"none","vessels":0}]}`, string(labels)},
		{"instances as objects", "/models/heart/invocations", "application/json", `{"instances":[{"age":63,"chest_pain":"typical","vessels":"2"},{"age":41,"chest_pain":"none","vessels":"0"}]}`, string(labels)},
		{"instances as lists", "/invocations", "application/json", `{"instances":[[63,"typical","2"],[41,"none","0"]]}`, string(labels)},
		{"inputs as columns", "/invocations", "application/json", `{"inputs":{"age":[63,41],"chest_pain":["typical","none"],"vessels":["2","0"]}}`, string(labels)},
		{"csv", "/invocations", "text/csv", "age,vessels,chest_pain\n63,2,typical\n41,0,none\n", string(labels)},
		{"probabilities", "/invocations", "application/json", `{"inputs":[[63,"typical","2"],[41,"none","0"]],"params":{"predict_method":"predict_proba"}}`, string(probs)},
	} {
		status, got, _ := ask(t, s, "POST", c.path, c.body, "Content-Type", c.kind)
		if status != 200 || got != c.want {
			t.Errorf("%s: %d %s, want %s", c.name, status, got, c.want)
		}
	}
	status, got, _ := ask(t, s, "POST", "/predict/heart", `{"rows":[{"chest_pain":"typical","age":63,"vessels":2,"zip":9}]}`)
	want := fmt.Sprintf(`{"model":"heart","rows":[{"label":%q,"probability":{"disease":%v,"healthy":%v},"threshold":0.5,"warnings":["the column \"zip\" is not used"]}],"version":"3"}`,
		res[0].Label, res[0].Probability[1], res[0].Probability[0])
	if status != 200 || got != want {
		t.Errorf("predict: %d\n got %s\nwant %s", status, got, want)
	}
	for _, body := range []string{`{}`, `{"instances":[[63,"typical","2"]],"inputs":[[63,"typical","2"]]}`, `{"instances":[[63,"typical"]]}`, `{"instances":[[63,"typical","2",1]]}`,
		`{"instances":[{"age":{"a":1}}]}`, `{"instances":63}`, `{"dataframe_split":{"columns":["age","age"],"data":[[1,2]]}}`, `{"dataframe_split":{"columns":["age"],"data":[[1,2]]}}`,
		`{"inputs":{"age":[63,41],"vessels":["2"]}}`, `{"inputs":{"age":[63],"vessels":["2","2"]}}`} {
		if status, got, _ := ask(t, s, "POST", "/invocations", body); status != 400 {
			t.Errorf("%s: %d %s", body, status, got)
		}
	}
}

func TestTooManyRowsAreRefused(t *testing.T) {
	s := start(t, nil)
	row := `{"age":1},`
	body := `{"rows":[` + strings.Repeat(row, 10_000) + `{"age":1}]}`
	if status, got, _ := ask(t, s, "POST", "/predict/heart", body); status != 400 || !strings.Contains(got, "more than 10000 rows") {
		t.Errorf("%d %.200s", status, got)
	}
	if status, got, _ := ask(t, s, "POST", "/invocations", "age\n"+strings.Repeat("1\n", 10_001), "Content-Type", "text/csv"); status != 400 || !strings.Contains(got, "more than 10000 rows") {
		t.Errorf("%d %.200s", status, got)
	}
}

// Values, predictions and unknown names of a request stand nowhere afterwards.
func TestNothingOfARequestIsKept(t *testing.T) {
	s := start(t, nil)
	const canary = "c4n4ry"
	ask(t, s, "POST", "/v2/models/heart/infer?q="+canary, `{"id":"c4n4ry c4n4ry","inputs":[{"name":"age","shape":[1],"datatype":"FP32","data":[63]},{"name":"chest_pain","shape":[1],"datatype":"BYTES","data":["c4n4ry"]}]}`)
	if _, body, _ := ask(t, s, "POST", "/v2/models/heart/infer", `{"id":"c4n4ry c4n4ry","inputs":[{"name":"age","shape":[1],"datatype":"FP32","data":[63]}]}`); !strings.Contains(body, `"id":"c4n4ry c4n4ry"`) {
		t.Errorf("the id is not echoed: %s", body)
	}
	ask(t, s, "POST", "/predict/heart", `{"rows":[{"age":63,"c4n4ry":"c4n4ry"}]}`)
	ask(t, s, "GET", "/"+canary, "")
	ask(t, s, "POST", "/models/"+canary+"/invocations", "{}")
	_, metrics, _ := ask(t, s, "GET", "/metrics", "")
	st := s.Status()
	if all := metrics + fmt.Sprintf("%+v", st.Recent); strings.Contains(all, canary) {
		t.Errorf("kept: %s", all)
	}
	if len(st.Recent) != 4 || st.Recent[3].Status != 400 || st.Recent[2].ID == "" || st.Recent[1].Status != 200 || st.Recent[1].Rows != 1 || st.Recent[0].Path != "/models/{model}/invocations" {
		t.Errorf("recent %+v", st.Recent)
	}
}

func TestCountersAndMetrics(t *testing.T) {
	s := start(t, nil)
	for range 3 {
		ask(t, s, "POST", "/v2/models/heart/infer", inferBody)
	}
	ask(t, s, "POST", "/v2/models/heart/infer", `{`)
	ask(t, s, "POST", "/predict/heart", `{"rows":[{"age":63,"chest_pain":"no such"},{}]}`)
	st := s.Status()
	if st.Requests != 5 || st.Failures != 2 || st.Rows != 6 || !st.P50Ms.Finite() || st.P95Ms < st.P50Ms {
		t.Errorf("status %+v", st)
	}
	_, text, h := ask(t, s, "GET", "/metrics", "")
	for _, want := range []string{
		`synergos_model_infer_requests_total{model="heart",version="3",code="200"} 3`, `synergos_model_infer_requests_total{model="heart",version="3",code="400"} 2`,
		`synergos_model_infer_duration_seconds_bucket{model="heart",le="+Inf"} 5`, `synergos_model_infer_duration_seconds_count{model="heart"} 5`,
		`synergos_rows_rejected_total{model="heart",reason="missing"} 1`, `synergos_rows_rejected_total{model="heart",reason="unseen"} 1`,
		"model_infer_request_success_total{model=\"heart\"} 3", "model_infer_request_failure_total{model=\"heart\"} 2", "# TYPE synergos_model_infer_duration_seconds histogram",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %s:\n%s", want, text)
		}
	}
	if !strings.HasPrefix(h.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("type %s", h.Get("Content-Type"))
	}
}

func TestQuantiles(t *testing.T) {
	var hundred []float64
	for i := range 100 {
		hundred = append(hundred, float64(i+1))
	}
	if quantile(hundred, .5) != 50 || quantile(hundred, .95) != 95 || quantile(hundred[:1], .95) != 1 || quantile(nil, .5).Finite() {
		t.Error("nearest rank")
	}
	s := NewStats()
	for i := range 5000 { // the ring forgets the first ones
		s.done(RequestLog{Ms: float64(i), Status: 200, ID: fmt.Sprint(i)}, true)
	}
	var st Status
	s.Fill(&st)
	if st.P50Ms != 4487 || len(st.Recent) != recentSize || st.Recent[0].ID != "4999" || st.Recent[recentSize-1].ID != "4800" {
		t.Errorf("p50 %v, newest %v", st.P50Ms, st.Recent[0])
	}
}

// 100 promotions under load: no request fails, and none is answered by one version
// under the number of another.
func TestSwitchUnderLoad(t *testing.T) {
	s := start(t, nil)
	classes := []string{"healthy", "disease"}
	versions := map[string]Files{"3": folder(t, "heart", heartFields(), classes, 7), "4": folder(t, "heart", heartFields(), classes, 8)}
	want := map[string]float32{}
	for n, f := range versions {
		p, err := Load(f, decodeTest)
		must(t, err)
		res, err := p.Predict(t.Context(), []map[string]any{{"age": 63, "chest_pain": "typical", "vessels": "2"}}, Reject)
		must(t, err)
		want[n] = res[0].Probability[1]
	}
	var (
		done  atomic.Bool
		count atomic.Int64
		work  sync.WaitGroup
	)
	for range 4 {
		work.Go(func() {
			for !done.Load() {
				status, body, _ := ask(t, s, "POST", "/predict/heart", `{"rows":[{"age":63,"chest_pain":"typical","vessels":"2"}]}`)
				var a struct {
					Version string
					Rows    []struct{ Probability map[string]float32 }
				}
				if err := json.Unmarshal([]byte(body), &a); err != nil || status != 200 || a.Rows[0].Probability["disease"] != want[a.Version] {
					t.Errorf("%d %s, want %v", status, body, want)
					return
				}
				count.Add(1)
			}
		})
	}
	broken := folder(t, "heart", heartFields(), classes, 9)
	broken[fileParams] = flip(broken[fileParams])
	for i := range 100 {
		n := 3 + i%2
		must(t, s.Switch(t.Context(), Version{Number: n, Stage: "production", Files: versions[fmt.Sprint(n)]}))
		if i%10 == 0 {
			wantKind(t, s.Switch(t.Context(), Version{Number: 5, Files: broken}), fed.Corrupt)
			if st := s.Status(); st.Number != n || st.State != StateOn || st.Problem == nil {
				t.Errorf("after a broken version: %+v", st)
			}
		}
		for before := count.Load(); count.Load() == before && !t.Failed(); {
			time.Sleep(time.Microsecond) // until a request went through
		}
	}
	done.Store(true)
	work.Wait()
	if st := s.Status(); st.Failures != 0 || st.Requests < 100 {
		t.Errorf("%d of %d requests failed", st.Failures, st.Requests)
	}
}

// A request that is on its way ends on the version that it began with.
func TestRequestKeepsItsVersion(t *testing.T) {
	gate, entered := make(chan struct{}), make(chan struct{}, 1)
	slow := func(raw []byte, run fed.RunID) (Pipeline, error) {
		p, err := decodeTest(raw, run)
		return slowPipe{p, gate, entered}, err
	}
	s := start(t, func(c *Config) { c.Decode = slow })
	answers := make(chan string)
	go func() {
		_, body, _ := ask(t, s, "POST", "/predict/heart", `{"rows":[{"age":99}]}`)
		answers <- body
	}()
	<-entered
	must(t, s.Switch(t.Context(), Version{Number: 4, Stage: "production", Files: folder(t, "heart", heartFields(), []string{"healthy", "disease"}, 8)}))
	close(gate)
	if body := <-answers; !strings.Contains(body, `"version":"3"`) {
		t.Errorf("answered %s", body)
	}
	if st := s.Status(); st.Number != 4 || st.Recent[0].Number != 3 {
		t.Errorf("status %+v", st)
	}
}

// slowPipe holds rows of age 99 until the gate opens.
type slowPipe struct {
	Pipeline
	gate    chan struct{}
	entered chan struct{}
}

func (p slowPipe) Encode(row map[string]any) ([]float32, []string, error) {
	if row["age"] == 99.0 {
		p.entered <- struct{}{}
		<-p.gate
	}
	return p.Pipeline.Encode(row)
}

func TestFullQueueAnswers429(t *testing.T) {
	gate, entered := make(chan struct{}), make(chan struct{}, 8)
	s := start(t, func(c *Config) {
		c.Limits = DefaultLimits()
		c.Limits.Running, c.Limits.Queue = 1, 2
		c.Decode = func(raw []byte, run fed.RunID) (Pipeline, error) {
			p, err := decodeTest(raw, run)
			return slowPipe{p, gate, entered}, err
		}
	})
	var work sync.WaitGroup
	statuses := make(chan int, 3)
	for range 3 {
		work.Go(func() {
			status, _, _ := ask(t, s, "POST", "/predict/heart", `{"rows":[{"age":99}]}`)
			statuses <- status
		})
	}
	<-entered
	for s.waiting.Load() < 2 {
		time.Sleep(time.Microsecond) // until both others wait
	}
	status, body, h := ask(t, s, "POST", "/predict/heart", `{"rows":[{"age":1}]}`)
	if status != 429 || h.Get("Retry-After") == "" || !strings.Contains(body, `"error"`) {
		t.Errorf("%d %s %v", status, body, h)
	}
	if status, _, _ := ask(t, s, "GET", "/v2/health/live", ""); status != 200 {
		t.Error("health waits in the queue")
	}
	close(gate)
	work.Wait()
	close(statuses)
	for got := range statuses {
		if got != 200 {
			t.Errorf("a waiting request got %d", got)
		}
	}
}

func TestWaitingEndsAtTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(testConfig())
		must(t, err)
		p := heart(t)
		s.current.Store(&served{p: p, version: Version{Number: 1}})
		for range cap(s.slots) {
			s.slots <- struct{}{}
		}
		r := httptest.NewRequest("POST", "/predict/heart", strings.NewReader("{}"))
		r.Host = "localhost"
		r.Header.Set("Authorization", "Bearer "+testToken)
		w := httptest.NewRecorder()
		start := time.Now()
		s.ServeHTTP(w, r)
		if w.Code != 504 || time.Since(start) != 30*time.Second {
			t.Errorf("%d after %v", w.Code, time.Since(start))
		}
	})
}

func TestConnectionsAreLimited(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l := limit(inner, 1)
	first, err := net.Dial("tcp", inner.Addr().String())
	must(t, err)
	defer first.Close()
	a, err := l.Accept()
	must(t, err)
	second, err := net.Dial("tcp", inner.Addr().String())
	must(t, err)
	defer second.Close()
	accepted := make(chan net.Conn)
	go func() { c, _ := l.Accept(); accepted <- c }()
	select {
	case <-accepted:
		t.Error("a second connection was accepted")
	default:
	}
	must(t, a.Close())
	_ = a.Close() // twice frees one place only
	(<-accepted).Close()
	must(t, l.Close())
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
}

func TestBusyPortNamesAFreeOne(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	cfg := testConfig()
	cfg.Port = l.Addr().(*net.TCPAddr).Port
	s, err := New(cfg)
	must(t, err)
	v := Version{Number: 3, Files: folder(t, "heart", heartFields(), []string{"healthy", "disease"}, 7)}
	err = s.Start(t.Context(), v)
	wantKind(t, err, fed.Busy)
	var busy *PortError
	if !errors.As(err, &busy) || busy.Free <= cfg.Port || !strings.Contains(fed.HintOf(err), fmt.Sprint(busy.Free)) {
		t.Fatalf("%v, hint %q", err, fed.HintOf(err))
	}
	if st := s.Status(); st.State != StateError || st.Problem == nil || st.Address != "" {
		t.Errorf("status %+v", st)
	}
	cfg.Port = busy.Free
	s, err = New(cfg)
	must(t, err)
	must(t, s.Start(t.Context(), v))
	must(t, s.Stop(t.Context()))
}

func TestStartStopStart(t *testing.T) {
	s := start(t, nil)
	port := s.Status().Port
	v := Version{Number: 3, Files: folder(t, "heart", heartFields(), []string{"healthy", "disease"}, 7)}
	wantKind(t, s.Start(t.Context(), v), fed.Exists)
	must(t, s.Stop(t.Context()))
	must(t, s.Stop(t.Context()))
	if st := s.Status(); st.State != StateOff || st.Address != "" || st.Number != 0 || st.Port != port {
		t.Errorf("stopped: %+v", st)
	}
	wantKind(t, s.Switch(t.Context(), v), fed.Unavailable)
	must(t, s.Start(t.Context(), v))
	if st := s.Status(); st.Port != port || st.State != StateOn {
		t.Errorf("started again: %+v", st)
	}
	other := folder(t, "other", heartFields(), nil, 7)
	wantKind(t, s.Switch(t.Context(), Version{Number: 4, Files: other}), fed.Invalid)
}

func TestStopDrains(t *testing.T) {
	gate, entered := make(chan struct{}), make(chan struct{}, 1)
	s := start(t, func(c *Config) {
		c.Decode = func(raw []byte, run fed.RunID) (Pipeline, error) {
			p, err := decodeTest(raw, run)
			return slowPipe{p, gate, entered}, err
		}
	})
	status := make(chan int)
	go func() {
		code, _, _ := ask(t, s, "POST", "/predict/heart", `{"rows":[{"age":99}]}`)
		status <- code
	}()
	<-entered
	stopped := make(chan error)
	go func() { stopped <- s.Stop(t.Context()) }()
	close(gate)
	if code := <-status; code != 200 {
		t.Errorf("the request in flight got %d", code)
	}
	must(t, <-stopped)
}

func TestOpenConfigurationsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		kind   fed.Kind
	}{
		"exposed without TLS":     {func(c *Config) { c.Exposed = true }, fed.Permission},
		"exposed without a token": {func(c *Config) { c.Exposed, c.TLS, c.TokenHash = true, &tls.Config{}, "" }, fed.Permission},
		"any origin":              {func(c *Config) { c.Origins = []string{"*"} }, fed.Permission},
		"a token for its hash":    {func(c *Config) { c.TokenHash = testToken }, fed.Invalid},
		"a port that is none":     {func(c *Config) { c.Port = 70000 }, fed.Invalid},
		"an unknown mode":         {func(c *Config) { c.Mode = "guess" }, fed.Invalid},
	} {
		cfg := testConfig()
		c.change(&cfg)
		_, err := New(cfg)
		if err == nil || fed.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := testConfig()
	cfg.Exposed, cfg.TLS = true, &tls.Config{}
	s, err := New(cfg)
	must(t, err)
	wantKind(t, s.SetTokenHash(""), fed.Permission)
	cfg.Allow = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	s, err = New(cfg)
	must(t, err)
	for addr, want := range map[string]bool{"10.1.2.3:9": true, "10.2.0.1:9": false, "[::ffff:10.1.2.3]:9": true, "junk": false} {
		if s.fromAllowed(addr) != want {
			t.Errorf("address %s allowed: %v", addr, !want)
		}
	}
}

// An exposed listener answers to the address that the connection reached, and to no
// other one.
func TestExposedHost(t *testing.T) {
	cfg := testConfig()
	cfg.Exposed, cfg.TLS, cfg.Hosts = true, &tls.Config{}, []string{"ward7.local"}
	s, err := New(cfg)
	must(t, err)
	loopback := testConfig()
	closed, err := New(loopback)
	must(t, err)
	for host, want := range map[string]int{
		"10.1.2.3:8443": 0, "ward7.local:8443": 0, "10.1.2.3:9000": 421, "10.1.2.4:8443": 421, "evil.test:8443": 421, "10.1.2.3": 421, "": 421,
	} {
		r := httptest.NewRequest(http.MethodGet, "/ping", nil)
		r.Host = host
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 8443}))
		if status, _ := s.guard(r); status != want {
			t.Errorf("host %q: %d", host, status)
		}
		if status, _ := closed.guard(r); status != 421 {
			t.Errorf("host %q of a listener for this computer: %d", host, status)
		}
	}
}

func TestTokens(t *testing.T) {
	token, hash, hint, err := NewToken(nil)
	must(t, err)
	again, _, _, err := NewToken(nil)
	must(t, err)
	if token == again || !strings.HasPrefix(token, "syn_") || !strings.HasSuffix(token, hint) || strings.Contains(hash, token) || !validHash(hash) {
		t.Errorf("token %s, hash %s, hint %s", token, hash, hint)
	}
	fixed, _, _, err := NewToken(bytes.NewReader(make([]byte, 32)))
	must(t, err)
	if fixed != "syn_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" {
		t.Errorf("token %s", fixed)
	}
	if _, _, _, err := NewToken(bytes.NewReader(nil)); err == nil {
		t.Error("a token without randomness")
	}
	s := start(t, nil)
	must(t, s.SetTokenHash(hash))
	if status, _, _ := ask(t, s, "GET", "/v2", ""); status != 401 {
		t.Error("the old token still opens")
	}
	if status, _, _ := ask(t, s, "GET", "/v2", "", "Authorization", "bearer "+token); status != 200 {
		t.Error("the new token does not open")
	}
	must(t, s.SetTokenHash(""))
	if status, _, _ := ask(t, s, "GET", "/v2", "", "Authorization", ""); status != 200 {
		t.Error("without a token on loopback")
	}
}

// An agreement that ends is felt within a minute, and again when it returns.
func TestAgreementIsAskedEveryMinute(t *testing.T) {
	var (
		now   atomic.Int64
		ended atomic.Bool
	)
	s := start(t, func(c *Config) {
		c.Now = func() time.Time { return time.UnixMilli(1e12 + now.Load()) }
		c.Allowed = func() error {
			if ended.Load() {
				return fed.Errorf(fed.Permission, "", "the agreement has ended")
			}
			return nil
		}
	})
	status := func() int { code, _, _ := ask(t, s, "POST", "/v2/models/heart/infer", inferBody); return code }
	if status() != 200 {
		t.Fatal("not served")
	}
	ended.Store(true)
	now.Store(59_000)
	if status() != 200 {
		t.Error("asked more often than once a minute")
	}
	now.Store(60_000)
	if code, body, _ := ask(t, s, "POST", "/v2/models/heart/infer", inferBody); code != 403 || !strings.Contains(body, "the agreement has ended") {
		t.Errorf("%d %s", code, body)
	}
	wantKind(t, s.Switch(t.Context(), Version{Number: 4, Files: folder(t, "heart", heartFields(), []string{"healthy", "disease"}, 8)}), fed.Permission)
	ended.Store(false)
	now.Store(200_000)
	if status() != 200 {
		t.Error("not served again")
	}
}

func TestSnippetsAreAnswered(t *testing.T) {
	s := start(t, nil)
	curl, python := Snippets(s.Status())
	_, data, _ := strings.Cut(curl, "-d '")
	status, body, _ := ask(t, s, "POST", "/predict/heart", strings.TrimSuffix(data, "'"))
	if status != 200 || !strings.Contains(curl, s.Status().Address+"/predict/heart") || !strings.Contains(python, s.Status().Address) {
		t.Errorf("%d %s for\n%s\n%s", status, body, curl, python)
	}
}

func TestNotReadyBeforeLoaded(t *testing.T) {
	s, err := New(testConfig())
	must(t, err)
	for path, want := range map[string]int{"/v2/health/live": 200, "/v2/health/ready": 503, "/ping": 503, "/v2/models/heart/ready": 503, "/v2/models/heart": 503} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host = "localhost"
		r.Header.Set("Authorization", "Bearer "+testToken)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

// A panic-free, leak-free end: the context of a request that its caller left.
func TestCallerThatLeaves(t *testing.T) {
	p := heart(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Predict(ctx, slices.Repeat([]map[string]any{{"age": 60}}, 600), Reject)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
