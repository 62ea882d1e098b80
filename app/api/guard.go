package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// ContentSecurityPolicy lets the page load nothing but itself; the style
// exception is for the component library.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
	"font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-src 'none'; frame-ancestors 'none'; object-src 'none'"

// SecurityHeaders sets the headers that every answer of both carriers has.
func SecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", ContentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		if isAPI(r.URL.Path) {
			h.Set("Cache-Control", "no-store")
		}
		next.ServeHTTP(w, r)
	})
}

func isAPI(path string) bool { return path == "/api" || strings.HasPrefix(path, "/api/") }

type inProcessKey struct{}

// InProcess marks ctx as a request that did not come over TCP: the window's own
// page, or a program of the same user at the control socket. The mark is the
// only proof; no header or address is.
func InProcess(ctx context.Context) context.Context {
	return context.WithValue(ctx, inProcessKey{}, true)
}

func isInProcess(ctx context.Context) bool {
	v, _ := ctx.Value(inProcessKey{}).(bool)
	return v
}

// NewToken returns 256 random bits, safe in a URL.
func NewToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// GuardOptions says who may talk to the API over TCP. With no Hosts nobody may:
// only requests marked by [InProcess] pass.
type GuardOptions struct {
	// Token is the secret of this launch.
	Token string
	// Port is the TCP port of the listener; it names the cookie, because
	// cookies are not separated by port.
	Port string
	// Hosts are the accepted Host headers, with port.
	Hosts []string
	// Origins are the accepted Origin headers; the first is ours, others are
	// for development.
	Origins []string
	// Secure marks the cookie for https only.
	Secure bool
}

// LoopbackGuard returns the options of a listener at addr ("127.0.0.1:8417"):
// the three names of this computer with that port.
func LoopbackGuard(token, addr, scheme string) GuardOptions {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return GuardOptions{Token: token}
	}
	g := GuardOptions{Token: token, Port: port, Secure: scheme == "https"}
	names := []string{"127.0.0.1", "::1", "localhost"}
	if ip := net.ParseIP(host); ip != nil && !ip.IsLoopback() && !ip.IsUnspecified() {
		names = append(names, host)
	}
	for _, name := range names {
		hp := net.JoinHostPort(name, port)
		g.Hosts = append(g.Hosts, hp)
		g.Origins = append(g.Origins, scheme+"://"+hp)
	}
	return g
}

// Allow adds the origin of a development server that forwards /api to us.
func (g GuardOptions) Allow(origin string) GuardOptions {
	u, err := url.Parse(origin)
	if origin == "" || err != nil || u.Host == "" {
		return g
	}
	g.Hosts = append(append([]string{}, g.Hosts...), u.Host)
	g.Origins = append(append([]string{}, g.Origins...), u.Scheme+"://"+u.Host)
	return g
}

// guard checks each request before anything reads it: Host, Origin, token.
type guard struct {
	opt    GuardOptions
	wrong  *limiter
	cookie string
	secret string // value of the cookie
}

func newGuard(opt GuardOptions) *guard {
	mac := hmac.New(sha256.New, []byte(opt.Token))
	mac.Write([]byte("synergos session cookie " + opt.Port))
	return &guard{
		opt: opt, wrong: newLimiter(10, time.Minute, time.Now),
		cookie: "synergos_" + opt.Port,
		secret: base64.RawURLEncoding.EncodeToString(mac.Sum(nil)),
	}
}

// host refuses requests for another name than ours, pages included: a page of a
// foreign site whose name was rebound to this computer.
func (g *guard) host(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isInProcess(r.Context()) && !contains(g.opt.Hosts, r.Host) {
			writeProblem(w, newProblem(r.Context(), http.StatusMisdirectedRequest, "misdirected",
				"this address does not belong to Synergos", "open the address that Synergos printed"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// check is the guard of /api: the origin, then the token.
func (g *guard) check(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isInProcess(r.Context()) {
			p := g.origin(r)
			if p == nil {
				p = g.token(w, r)
			}
			if p != nil {
				writeProblem(w, p)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// origin refuses what another site's page sent.
func (g *guard) origin(r *http.Request) *Problem {
	foreign := newProblem(r.Context(), http.StatusForbidden, "forbidden",
		"the request came from another page", "use Synergos only from its own page, or with a Bearer token")
	site := r.Header.Get("Sec-Fetch-Site")
	if site != "" && site != "same-origin" && site != "none" {
		return foreign
	}
	if origins := r.Header.Values("Origin"); len(origins) > 0 {
		if len(origins) != 1 || !contains(g.opt.Origins, origins[0]) {
			return foreign
		}
		return nil
	}
	if !safeMethod(r.Method) && bearer(r) == "" && site != "same-origin" {
		return foreign
	}
	return nil
}

// token asks for the Bearer token or the cookie, except where the token itself
// is handed in.
func (g *guard) token(w http.ResponseWriter, r *http.Request) *Problem {
	if r.URL.Path == Prefix+"/session" && r.Method == http.MethodPost {
		return nil // the handler compares it
	}
	if b := bearer(r); b != "" {
		return g.verify(w, r, b)
	}
	for _, c := range r.CookiesNamed(g.cookie) {
		if equal(c.Value, g.secret) {
			return nil
		}
	}
	return unauthorized(r.Context())
}

// verify compares a token in constant time. Wrong ones are counted: after ten in
// a minute they get 429. The right one always passes, so that nobody can lock
// the owner out.
func (g *guard) verify(w http.ResponseWriter, r *http.Request, token string) *Problem {
	if g.opt.Token != "" && equal(token, g.opt.Token) {
		return nil
	}
	logger(r.Context()).Warn("wrong token", "remote", r.RemoteAddr, "path", r.URL.Path)
	if !g.wrong.allow() {
		w.Header().Set("Retry-After", "60")
		return newProblem(r.Context(), http.StatusTooManyRequests, "too_many",
			"too many wrong tokens", "wait a minute, then open the address that Synergos printed")
	}
	return unauthorized(r.Context())
}

func unauthorized(ctx context.Context) *Problem {
	return newProblem(ctx, http.StatusUnauthorized, "unauthorized",
		"this browser is not signed in to Synergos", "open the address that Synergos printed; it is valid until Synergos ends")
}

func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

func safeMethod(m string) bool {
	return m == http.MethodGet || m == http.MethodHead || m == http.MethodOptions
}

// equal compares secrets in a time that does not depend on where they differ.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if strings.EqualFold(x, s) {
			return true
		}
	}
	return false
}

// limiter allows n events per period, counted from the first of them.
type limiter struct {
	n      int
	period time.Duration
	now    func() time.Time

	mu    sync.Mutex
	since time.Time
	count int
}

func newLimiter(n int, period time.Duration, now func() time.Time) *limiter {
	return &limiter{n: n, period: period, now: now}
}

func (l *limiter) allow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.now(); t.Sub(l.since) >= l.period {
		l.since, l.count = t, 0
	}
	l.count++
	return l.count <= l.n
}
