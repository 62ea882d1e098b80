package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const (
	ourHost   = "127.0.0.1:8417"
	ourOrigin = "http://127.0.0.1:8417"
)

func served(p *probe, addr string, token string) http.Handler {
	return New(Options{Screens: []Screen{p.screen}, Log: quiet(), Guard: LoopbackGuard(token, addr, "http"),
		Static: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("page")) })})
}

type request struct {
	name, method, path, host string
	header                   http.Header
	body                     string
	want                     int
}

func hdr(kv ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(kv); i += 2 {
		h.Add(kv[i], kv[i+1])
	}
	return h
}

func (q request) send(t *testing.T, h http.Handler) *httptest.ResponseRecorder {
	t.Helper()
	if q.path == "" {
		q.path = Prefix + "/probe"
	}
	if q.method == http.MethodPost && q.body == "" {
		q.body = `{"rounds":1,"secret":"a"}`
	}
	r := httptest.NewRequestWithContext(t.Context(), q.method, q.path, strings.NewReader(q.body))
	r.Host = q.host
	for k, v := range q.header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func cookieOf(t *testing.T, h http.Handler, host, token string) string {
	t.Helper()
	w := request{method: http.MethodPost, path: Prefix + "/session", host: host, body: `{"token":"` + token + `"}`,
		header: hdr("Origin", "http://"+host)}.send(t, h)
	if w.Code != http.StatusNoContent {
		t.Fatalf("sign in: %d %s", w.Code, w.Body)
	}
	cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
	return cookie
}

func TestGuard(t *testing.T) {
	token := NewToken()
	h := served(&probe{}, ourHost, token)
	cookie := cookieOf(t, h, ourHost, token)
	bearer := "Bearer " + token
	for _, q := range []request{
		{"bearer", "GET", "", ourHost, hdr("Authorization", bearer), "", 200},
		{"bearer may write without an origin", "POST", "", ourHost, hdr("Authorization", bearer), "", 204},
		{"cookie", "GET", "", ourHost, hdr("Cookie", cookie), "", 200},
		{"other names of this computer", "GET", "", "localhost:8417", hdr("Cookie", cookie), "", 200},
		{"IPv6", "GET", "", "[::1]:8417", hdr("Authorization", bearer, "Origin", "http://[::1]:8417"), "", 200},
		{"cookie may write from our page", "POST", "", ourHost, hdr("Cookie", cookie, "Origin", ourOrigin), "", 204},
		{"or with the browser's word", "POST", "", ourHost, hdr("Cookie", cookie, "Sec-Fetch-Site", "same-origin"), "", 204},

		{"nothing", "GET", "", ourHost, nil, "", 401},
		{"wrong bearer", "GET", "", ourHost, hdr("Authorization", "Bearer "+NewToken()), "", 401},
		{"empty bearer", "GET", "", ourHost, hdr("Authorization", "Bearer "), "", 401},
		{"the token is no cookie", "GET", "", ourHost, hdr("Cookie", "synergos_8417="+token), "", 401},
		{"the window's host is no proof", "GET", "", "wails", nil, "", 421},
		{"DNS rebinding", "GET", "", "evil.example:8417", hdr("Authorization", bearer), "", 421},
		{"rebinding of the page", "GET", "/", "evil.example:8417", nil, "", 421},
		{"another port", "GET", "", "127.0.0.1:80", hdr("Authorization", bearer), "", 421},
		{"no port", "GET", "", "127.0.0.1", hdr("Authorization", bearer), "", 421},
		{"foreign origin", "GET", "", ourHost, hdr("Authorization", bearer, "Origin", "https://evil.example"), "", 403},
		{"null origin", "POST", "", ourHost, hdr("Cookie", cookie, "Origin", "null"), "", 403},
		{"another local port's page", "POST", "", ourHost, hdr("Cookie", cookie, "Origin", "http://127.0.0.1:9999"), "", 403},
		{"two origins", "POST", "", ourHost, hdr("Cookie", cookie, "Origin", ourOrigin, "Origin", "https://evil.example"), "", 403},
		{"cookie without origin", "POST", "", ourHost, hdr("Cookie", cookie), "", 403},
		{"cross-site fetch", "GET", "", ourHost, hdr("Cookie", cookie, "Sec-Fetch-Site", "cross-site"), "", 403},
		{"cross-site WebSocket", "GET", "", ourHost, hdr("Cookie", cookie, "Origin", "https://evil.example", "Connection", "Upgrade", "Upgrade", "websocket"), "", 403},
		{"sign in from another page", "POST", Prefix + "/session", ourHost, hdr("Origin", "https://evil.example"), `{"token":"x"}`, 403},
		{"unknown addresses need the token too", "GET", Prefix + "/nothing", ourHost, nil, "", 401},
		{"the page itself does not", "GET", "/", ourHost, nil, "", 200},
	} {
		w := q.send(t, h)
		if w.Code != q.want {
			t.Errorf("%s: %d, want %d: %s", q.name, w.Code, q.want, w.Body)
		}
		if w.Code >= 400 {
			checkProblem(t, q.name, w, q.want, strings.TrimPrefix(problemKind(w), problemPrefix))
		}
		if strings.Contains(w.Body.String(), token) {
			t.Errorf("%s: the token came back", q.name)
		}
	}
}

func problemKind(w *httptest.ResponseRecorder) string {
	_, rest, _ := strings.Cut(w.Body.String(), `"type":"`)
	kind, _, _ := strings.Cut(rest, `"`)
	return kind
}

// Without a listener nobody but the marked requests pass.
func TestGuardOfTheWindow(t *testing.T) {
	p := &probe{}
	h := New(Options{Screens: []Screen{p.screen}, Log: quiet(), Window: true})
	for _, host := range []string{"wails", "wails.localhost", "127.0.0.1", ""} {
		if w := (request{method: "GET", host: host, header: hdr("Authorization", "Bearer ")}).send(t, h); w.Code != http.StatusMisdirectedRequest {
			t.Errorf("host %q: %d", host, w.Code)
		}
	}
	if w := inside(t, h, "GET", Prefix+"/probe", ""); w.Code != 200 {
		t.Errorf("marked: %d", w.Code)
	}
}

// Two parties on one computer: cookies are not separated by port, so the name
// and the value are.
func TestCookiesOfTwoPorts(t *testing.T) {
	tokenA, tokenB := NewToken(), NewToken()
	a, b := served(&probe{}, "127.0.0.1:8001", tokenA), served(&probe{}, "127.0.0.1:8002", tokenB)
	both := cookieOf(t, a, "127.0.0.1:8001", tokenA) + "; " + cookieOf(t, b, "127.0.0.1:8002", tokenB)
	if !strings.Contains(both, "synergos_8001=") || !strings.Contains(both, "synergos_8002=") {
		t.Fatalf("cookies %q", both)
	}
	for host, h := range map[string]http.Handler{"127.0.0.1:8001": a, "127.0.0.1:8002": b} {
		if w := (request{method: "GET", host: host, header: hdr("Cookie", both)}).send(t, h); w.Code != 200 {
			t.Errorf("%s with both cookies: %d", host, w.Code)
		}
	}
	onlyA, _, _ := strings.Cut(both, ";")
	if w := (request{method: "GET", host: "127.0.0.1:8002", header: hdr("Cookie", onlyA)}).send(t, b); w.Code != 401 {
		t.Errorf("the other party's cookie: %d", w.Code)
	}
	moved := strings.Replace(onlyA, "8001", "8002", 1)
	if w := (request{method: "GET", host: "127.0.0.1:8002", header: hdr("Cookie", moved)}).send(t, b); w.Code != 401 {
		t.Errorf("the other party's value under our name: %d", w.Code)
	}
}

func TestCookieAttributes(t *testing.T) {
	token := NewToken()
	h := served(&probe{}, ourHost, token)
	w := request{method: "POST", path: Prefix + "/session", host: ourHost, body: `{"token":"` + token + `"}`, header: hdr("Origin", ourOrigin)}.send(t, h)
	got := w.Header().Get("Set-Cookie")
	for _, want := range []string{"synergos_8417=", "Path=/", "HttpOnly", "SameSite=Strict"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %s", got, want)
		}
	}
	if strings.Contains(got, token) {
		t.Error("the cookie is the token")
	}
}

func TestWrongTokensAreLimitedAndTheOwnerIsNot(t *testing.T) {
	token := NewToken()
	h := served(&probe{}, ourHost, token)
	try := func(tok string) int {
		return request{method: "POST", path: Prefix + "/session", host: ourHost, body: `{"token":"` + tok + `"}`, header: hdr("Origin", ourOrigin)}.send(t, h).Code
	}
	for range 10 {
		if got := try("wrong"); got != 401 {
			t.Fatalf("%d", got)
		}
	}
	if got := try("wrong"); got != 429 {
		t.Errorf("the eleventh wrong token: %d", got)
	}
	if got := try(token); got != 204 {
		t.Errorf("the right one after it: %d", got)
	}
}

func TestLimiterForgets(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLimiter(1, time.Minute, func() time.Time { return now })
	if !l.allow() || l.allow() {
		t.Fatal("one per minute")
	}
	now = now.Add(time.Minute)
	if !l.allow() {
		t.Error("a new minute")
	}
}

func TestDevelopmentOrigin(t *testing.T) {
	token := NewToken()
	const dev = "http://127.0.0.1:5173"
	h := New(Options{Screens: []Screen{(&probe{}).screen}, Log: quiet(), Guard: LoopbackGuard(token, ourHost, "http").Allow(dev)})
	if w := (request{method: "POST", host: "127.0.0.1:5173", header: hdr("Authorization", "Bearer "+token, "Origin", dev)}).send(t, h); w.Code != 204 {
		t.Errorf("%d", w.Code)
	}
	for _, nothing := range []string{"", "nonsense", "*"} {
		if g := (GuardOptions{}).Allow(nothing); len(g.Hosts) != 0 {
			t.Errorf("%q allowed %v", nothing, g.Hosts)
		}
	}
}
