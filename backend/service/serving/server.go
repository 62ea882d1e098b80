// Package serving answers rows with a version of a model: from its folder alone,
// over HTTP on one listener per model, and over whole files.
//
// Start with [Predictor] (one loaded version), [Server] (the switch of one
// model) and [Batch] (a file). The HTTP side speaks the Open Inference Protocol
// v2 in JSON and the row forms of common model servers. It never logs or keeps a
// value, a prediction or an address of a caller. A Server owns its listener's
// goroutines, which end before Stop returns.
package serving

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/netip"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Limits of one listener.
type Limits struct {
	Body        int64         // bytes of a request, after decompression
	Rows        int           // per request
	Inputs      int           // tensors per request
	Connections int           // open at once
	Running     int           // inferences at once
	Queue       int           // waiting for one; more get 429
	Timeout     time.Duration // of a request
}

// DefaultLimits returns 16 MiB, 10,000 rows, 4,096 inputs, 64 connections, one
// inference per processor, a queue of 256 and 30 s.
func DefaultLimits() Limits { panic("todo") }

// Config is the switch of one model.
type Config struct {
	Model string
	Port  int // 0: any free one
	// TokenHash is the hash that NewToken returned. "" asks for no token, which is
	// allowed only when Exposed is off.
	TokenHash string
	Mode      Mode     // "": Reject
	Hosts     []string // more names for the Host header, without port
	Origins   []string // of pages that may call
	// Exposed binds all addresses instead of 127.0.0.1; it needs TLS and a token.
	// Allow are the callers' addresses then; empty: all.
	Exposed bool
	TLS     *tls.Config
	Allow   []netip.Prefix
	Limits  Limits // zero: DefaultLimits
	// Allowed is asked when a version is loaded and before an answer, at most once a
	// minute: an error of kind Permission stops serving with its reason.
	Allowed func() error
	Product string           // product version, for GET /v2; "" : "dev"
	Decode  Decode           // of pipeline.json
	Now     func() time.Time // nil: time.Now
}

// Version is what a server is switched to.
type Version struct {
	Number int
	Stage  string
	Files  Files
}

// The states of a server.
const (
	StateOff     = "off"
	StateLoading = "loading"
	StateWarming = "warming"
	StateOn      = "on"
	StateError   = "error"
)

// Status is what the serve screen shows.
type Status struct {
	State     string
	Problem   error // of the last failed start or switch; nil: none
	Number    int
	Stage     string
	ContentID string
	Address   string // http://127.0.0.1:port, "" when off
	Port      int
	Exposed   bool
	Info      Info // of the served version
	Requests  int64
	Failures  int64
	Rows      int64
	P50Ms     fed.Number // of the last 1,024 inference requests; NaN: none yet
	P95Ms     fed.Number
	Recent    []RequestLog // newest first, at most 200
}

// RequestLog is one served request, without any payload.
type RequestLog struct {
	At     time.Time
	ID     string
	Path   string // the route, never the query
	Number int    // of the version that answered
	Rows   int
	Status int
	Ms     float64
}

// Server serves one model.
type Server struct{}

// New returns a server that is off. A configuration that would open the machine
// is of kind Permission, another impossible one Invalid.
func New(cfg Config) (*Server, error) { panic("todo") }

// Start loads v and opens the listener. A taken port is of kind Busy and its hint
// names the next free one, which is also in [*PortError]. A server may be started
// again after Stop.
func (s *Server) Start(ctx context.Context, v Version) error { panic("todo") }

// Switch loads v beside the served version, tests and warms it, and swaps.
// Requests in flight end on the version they began with. When anything fails the
// old version goes on and the error is also in Status.
func (s *Server) Switch(ctx context.Context, v Version) error { panic("todo") }

// Stop closes the listener and waits for requests in flight until ctx ends.
func (s *Server) Stop(ctx context.Context) error { panic("todo") }

// Status returns the state and counters.
func (s *Server) Status() Status { panic("todo") }

// SetTokenHash replaces the token from the next request on. "" is refused when
// exposed.
func (s *Server) SetTokenHash(hash string) error { panic("todo") }

// Handler returns the guarded handler of the listener, for tests.
func (s *Server) Handler() http.Handler { panic("todo") }

// Predictor returns the served version, or nil.
func (s *Server) Predictor() *Predictor { panic("todo") }

// PortError says that a port is taken and which one is free.
type PortError struct{ Port, Free int }

// Error implements error.
func (e *PortError) Error() string { panic("todo") }

// NewToken makes a token from random (nil: the system's): the text, shown once;
// its hash, to be stored; and a hint of four characters to recognise it by.
func NewToken(random io.Reader) (token, hash, hint string, err error) { panic("todo") }

// Snippets returns calls of the server for curl and Python with a sample row. The
// token stands as $TOKEN.
func Snippets(s Status) (curl, python string) { panic("todo") }
