// Package api is the local HTTP API, version 1: one [http.Handler] that the
// window, a browser, the command line and tests share.
//
// Start with [New]. A screen registers its operations with huma, so the OpenAPI
// document comes from the Go types; every error becomes a [Problem]; what
// changes is published through a [Hub]. The package holds no rule of the domain
// and starts no goroutine.
//
//	recover -> request id -> host, origin, token -> body limit, deadline -> operations
package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"synergos.app/desktop/backend/fed"
)

// Prefix is where all operations live.
const Prefix = "/api/v1"

const (
	bodyLimit      = 1 << 20          // bytes of a request body, unless an operation allows more
	requestTimeout = 30 * time.Second // longer work is an operation with an id
)

// Screen registers the operations of one screen. Paths start behind [Prefix].
type Screen = func(huma.API)

// Options are the parts of a handler.
type Options struct {
	Version string
	// Window is true where the page is shown by the desktop window.
	Window  bool
	Screens []Screen
	Hub     *Hub
	Guard   GuardOptions
	// Ready returns nil when the engine takes requests; until then operations
	// answer 503 with the error's sentence. Nil means always ready.
	Ready func() error
	// Log is the default logger if nil.
	Log *slog.Logger
	// Opened is the invite or file that the app was started with, for the page to
	// show; nil or "" when none.
	Opened func() string
	// Static serves everything outside /api; nil answers 404.
	Static http.Handler
}

// Handler is the API with its description.
type Handler struct {
	http.Handler
	api huma.API
}

// API returns the registered operations and their OpenAPI document.
func (h *Handler) API() huma.API { return h.api }

// Huma keeps these settings in package variables. They are set once here, before
// any operation is registered.
func init() {
	huma.DefaultArrayNullable = false
	huma.NewErrorWithContext = humaProblem
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return humaProblem(nil, status, msg, errs...)
	}
}

// New builds the handler.
func New(opt Options) *Handler {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Hub == nil {
		opt.Hub = NewHub(opt.Log)
	}
	mux := http.NewServeMux()
	api := humago.NewWithPrefix(mux, Prefix, config(opt.Version))
	api.OpenAPI().Components.Schemas.RegisterTypeAlias(reflect.TypeFor[fed.Number](), reflect.TypeFor[number]())
	g := newGuard(opt.Guard)
	registerSession(api, g, opt)
	registerEvents(api, opt.Hub)
	for _, screen := range opt.Screens {
		screen(api)
	}

	var inner http.Handler = routes{mux}
	inner = buffered(inner)
	inner = newIdempotency(time.Now).handler(inner)
	inner = ready(opt.Ready, inner)
	inner = limits(largestBody(api), inner)
	inner = g.check(inner)
	return &Handler{Handler: outer(opt, g.host(split(inner, opt.Static))), api: api}
}

// config is huma without its schema links, its documentation page (which loads
// scripts from elsewhere) and its own description routes.
func config(version string) huma.Config {
	c := huma.DefaultConfig("Synergos Desktop", version)
	c.CreateHooks = nil
	c.DocsPath, c.SchemasPath = "", ""
	c.OpenAPIPath = "/openapi"
	c.Info.Description = "The local API of Synergos Desktop. Errors are RFC 9457 problems; long work answers 202 with an operation to follow."
	return c
}

// number describes fed.Number, which travels as null when it is not finite.
type number float64

// Schema implements huma.SchemaProvider.
func (number) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Nullable: true}
}

// split sends /api/ to the API and the rest to the page.
func split(api, static http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isAPI(r.URL.Path):
			api.ServeHTTP(w, r)
		case static != nil:
			static.ServeHTTP(w, r)
		default:
			writeProblem(w, newProblem(r.Context(), http.StatusNotFound, "not_found", "there is no such page", "open / instead"))
		}
	})
}

// routes answers unknown paths and methods with problems; ServeMux alone would
// send text, and redirect untidy paths.
type routes struct{ mux *http.ServeMux }

func (m routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path.Clean(r.URL.Path) == r.URL.Path {
		if _, pattern := m.mux.Handler(r); pattern != "" {
			m.mux.ServeHTTP(w, r)
			return
		}
		if allowed := m.allowed(r); len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			writeProblem(w, newProblem(r.Context(), http.StatusMethodNotAllowed, "method_not_allowed",
				"this address does not take "+r.Method, "use "+strings.Join(allowed, " or ")))
			return
		}
	}
	writeProblem(w, newProblem(r.Context(), http.StatusNotFound, "not_found", "there is no such address in the API",
		"compare it with the API description (synergos openapi)"))
}

func (m routes) allowed(r *http.Request) []string {
	var out []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := m.mux.Handler(other); pattern != "" {
			out = append(out, method)
		}
	}
	return out
}

// ready answers 503 until the engine takes requests. Signing in and events work
// at once.
func ready(check func() error, next http.Handler) http.Handler {
	if check == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if worksEarly(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		if err := check(); err != nil {
			p := ProblemOf(r.Context(), err)
			p.Status = http.StatusServiceUnavailable
			w.Header().Set("Retry-After", "1")
			writeProblem(w, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func worksEarly(p string) bool {
	rest := strings.TrimPrefix(p, Prefix)
	return rest == "/session" || rest == "/events" || rest == "/events/replay" || strings.HasPrefix(rest, "/openapi")
}

// limits bounds the body and the time of a request.
func limits(bytes int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > bytes {
			writeProblem(w, newProblem(r.Context(), http.StatusRequestEntityTooLarge, "too_large",
				plainDetail(http.StatusRequestEntityTooLarge, ""), plainHint(http.StatusRequestEntityTooLarge)))
			return
		}
		if r.Body != nil {
			r.Body = http.MaxBytesReader(w, r.Body, bytes)
		}
		if r.URL.Path == Prefix+"/events" {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// largestBody is the most that any operation takes, in bytes; huma holds each
// one to its own limit (1 MiB unless it says otherwise).
func largestBody(api huma.API) int64 {
	limit := int64(bodyLimit)
	for _, op := range Operations(api) {
		limit = max(limit, op.MaxBodyBytes)
	}
	return limit
}

// Operations lists all operations in the order of their paths.
func Operations(api huma.API) []*huma.Operation {
	var out []*huma.Operation
	paths := api.OpenAPI().Paths
	for _, p := range sortedKeys(paths) {
		item := paths[p]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				out = append(out, op)
			}
		}
	}
	return out
}

type idKey struct{}

// RequestID returns the id of the request of ctx, "" outside of one.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(idKey{}).(string)
	return id
}

// outer gives each request an id and headers, and turns a panic into a problem.
func outer(opt Options, next http.Handler) http.Handler {
	return SecurityHeaders(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails, see crypto/rand
		id := hex.EncodeToString(b[:])
		log := opt.Log.With("request", id)
		ctx := context.WithValue(context.WithValue(r.Context(), idKey{}, id), loggerKey{}, log)
		w.Header().Set("X-Request-Id", id)
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler {
					panic(v)
				}
				log.Error("panic in request", "path", r.URL.Path, "panic", v, "stack", stack())
				writeProblem(w, internalProblem(ctx))
			}
		}()
		next.ServeHTTP(w, r.WithContext(ctx))
	}))
}
