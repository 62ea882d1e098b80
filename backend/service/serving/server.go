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
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"synergos.app/desktop/backend/fed"
)

// DefaultLimits returns 16 MiB, 10,000 rows, 4,096 inputs, 64 connections, one
// inference per processor, a queue of 256 and 30 s.
func DefaultLimits() Limits {
	return Limits{Body: 16 << 20, Rows: 10_000, Inputs: 4096, Connections: 64, Running: runtime.GOMAXPROCS(0), Queue: 256, Timeout: 30 * time.Second}
}

// maxHeader bounds the headers of a request, in bytes; headerTimeout how long
// they may take.
const (
	maxHeader     = 16 << 10
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
)

// allowedFor is how long an answer of Config.Allowed holds.
const allowedFor = time.Minute

// served is a version in service; requests keep the one they began with.
type served struct {
	p       *Predictor
	version Version // without files
}

// Server serves one model. It is safe for concurrent use.
type Server struct {
	cfg     Config
	stats   *Stats
	current atomic.Pointer[served]
	slots   chan struct{}
	waiting atomic.Int64

	switching sync.Mutex // one start, switch or stop at a time

	mu        sync.Mutex // guards what follows
	hash      string
	state     string
	problem   error
	bound     int // port in use, 0: none
	last      int // port of the last start
	http      *http.Server
	ended     chan struct{}
	asked     time.Time // when Allowed was asked last
	permitted error
}

// New returns a server that is off. A configuration that would open the machine
// is of kind Permission, another impossible one Invalid.
func New(cfg Config) (*Server, error) {
	if cfg.Limits == (Limits{}) {
		cfg.Limits = DefaultLimits()
	}
	if cfg.Mode == "" {
		cfg.Mode = Reject
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Product == "" {
		cfg.Product = "dev"
	}
	if cfg.Stats == nil {
		cfg.Stats = NewStats()
	}
	if err := checkConfig(cfg); err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, stats: cfg.Stats, slots: make(chan struct{}, max(1, cfg.Limits.Running)), hash: cfg.TokenHash, state: StateOff}, nil
}

// Start opens the listener and loads v. A taken port is of kind Busy and its hint
// names the next free one, which is also in [*PortError]. A server may be started
// again after Stop, on the port that it had.
func (s *Server) Start(ctx context.Context, v Version) error {
	s.switching.Lock()
	defer s.switching.Unlock()
	if s.port() != 0 {
		return fed.Errorf(fed.Exists, "", "the model is being served already")
	}
	s.set(StateLoading, nil)
	err := s.listen(ctx)
	if err == nil {
		if err = s.swap(ctx, v); err != nil {
			err = errors.Join(err, s.close(ctx))
			s.current.Store(nil)
		}
	}
	if err != nil {
		s.set(StateError, err)
		return err
	}
	s.set(StateOn, nil)
	return nil
}

// listen binds the port and starts to answer.
func (s *Server) listen(ctx context.Context) error {
	port := s.cfg.Port
	s.mu.Lock()
	if port == 0 {
		port = s.last
	}
	s.mu.Unlock()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.address(port))
	if err != nil && s.cfg.Port == 0 && port != 0 {
		l, err = lc.Listen(ctx, "tcp", s.address(0))
	}
	if err != nil {
		return s.taken(ctx, port, err)
	}
	srv := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, ReadTimeout: s.cfg.Limits.Timeout, WriteTimeout: 2 * s.cfg.Limits.Timeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, TLSConfig: s.cfg.TLS, ErrorLog: quiet(),
	}
	ended := make(chan struct{})
	s.mu.Lock()
	s.bound = l.Addr().(*net.TCPAddr).Port
	s.last, s.http, s.ended = s.bound, srv, ended
	s.mu.Unlock()
	l = limit(l, s.cfg.Limits.Connections)
	go func() {
		defer close(ended)
		if s.cfg.TLS != nil {
			_ = srv.ServeTLS(l, "", "")
			return
		}
		_ = srv.Serve(l)
	}()
	return nil
}

func (s *Server) address(port int) string {
	host := "127.0.0.1"
	if s.cfg.Exposed {
		host = ""
	}
	return net.JoinHostPort(host, fmt.Sprint(port))
}

// PortError says that a port is taken and which one is free; Free is 0 when none
// of the next hundred is.
type PortError struct{ Port, Free int }

// Error implements error.
func (e *PortError) Error() string { return fmt.Sprintf("port %d is in use", e.Port) }

func (s *Server) taken(ctx context.Context, port int, cause error) error {
	e := &PortError{Port: port}
	var lc net.ListenConfig
	for p := port + 1; p <= port+100 && p <= 65535; p++ {
		if l, err := lc.Listen(ctx, "tcp", s.address(p)); err == nil {
			_ = l.Close()
			e.Free = p
			break
		}
	}
	hint := "Choose another port."
	if e.Free != 0 {
		hint = fmt.Sprintf("Use port %d, which is free.", e.Free)
	}
	return &fed.Error{Kind: fed.Busy, Text: e.Error(), Hint: hint, Cause: errors.Join(e, cause)}
}

// Switch loads v beside the served version, tests and warms it, and swaps.
// Requests in flight end on the version they began with, which is freed after
// the last of them. When anything fails the old version goes on and the error is
// also in Status.
func (s *Server) Switch(ctx context.Context, v Version) error {
	s.switching.Lock()
	defer s.switching.Unlock()
	if s.port() == 0 {
		return fed.Errorf(fed.Unavailable, "Switch serving on first.", "the model is not being served")
	}
	err := s.swap(ctx, v)
	s.set(StateOn, err)
	return err
}

// swap loads, tests and puts a version in place.
func (s *Server) swap(ctx context.Context, v Version) error {
	if err := s.permit(); err != nil {
		return err
	}
	if s.current.Load() == nil {
		s.set(StateLoading, nil)
	}
	p, err := Load(v.Files, s.cfg.Decode) // the self-test warms it, too
	if err != nil {
		return fmt.Errorf("load version %d: %w", v.Number, err)
	}
	if p.info.Model != s.cfg.Model || p.info.Project != s.cfg.Project {
		return fed.Errorf(fed.Invalid, "", "the version is one of another model")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	v.Files = nil
	s.current.Store(&served{p: p, version: v})
	return nil
}

// Relabel changes the stage of the served version, which requests may name.
func (s *Server) Relabel(stage string) {
	s.switching.Lock()
	defer s.switching.Unlock()
	if v := s.current.Load(); v != nil {
		next := *v
		next.version.Stage = stage
		s.current.Store(&next)
	}
}

// Stop closes the listener and waits for requests in flight until ctx ends; those
// that are left then are cut off.
func (s *Server) Stop(ctx context.Context) error {
	s.switching.Lock()
	defer s.switching.Unlock()
	err := s.close(ctx)
	s.current.Store(nil)
	s.set(StateOff, nil)
	return err
}

func (s *Server) close(ctx context.Context) error {
	s.mu.Lock()
	srv, ended := s.http, s.ended
	s.mu.Unlock()
	if srv == nil {
		return nil
	}
	err := srv.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("stop serving: %w", err), srv.Close())
	}
	<-ended
	s.mu.Lock()
	s.bound, s.http, s.ended = 0, nil, nil
	s.mu.Unlock()
	return err
}

func (s *Server) set(state string, problem error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.problem = state, problem
}

func (s *Server) port() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound
}

func (s *Server) tokenHash() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hash
}

// SetTokenHash replaces the token from the next request on. "" is refused when
// exposed.
func (s *Server) SetTokenHash(hash string) error {
	cfg := s.cfg
	cfg.TokenHash = hash
	if err := checkConfig(cfg); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hash = hash
	return nil
}

// Status returns the state and counters.
func (s *Server) Status() Status {
	s.mu.Lock()
	st := Status{State: s.state, Problem: s.problem, Port: s.last, Exposed: s.cfg.Exposed}
	if s.bound != 0 {
		scheme := "http"
		if s.cfg.TLS != nil {
			scheme = "https"
		}
		st.Address = fmt.Sprintf("%s://127.0.0.1:%d", scheme, s.bound)
	}
	if st.Port == 0 {
		st.Port = s.cfg.Port
	}
	s.mu.Unlock()
	st.Info.Threshold = math.NaN()
	if v := s.current.Load(); v != nil {
		st.Number, st.Stage, st.ContentID, st.Info = v.version.Number, v.version.Stage, v.p.info.ContentID, v.p.info
	}
	s.stats.Fill(&st)
	return st
}

// Handler returns the guarded handler of the listener.
func (s *Server) Handler() http.Handler { return s }

// Predictor returns the served version, or nil.
func (s *Server) Predictor() *Predictor {
	if v := s.current.Load(); v != nil {
		return v.p
	}
	return nil
}

// allowed asks whether the agreement still covers serving, at most once a minute.
func (s *Server) allowed() error {
	s.mu.Lock()
	fresh := !s.asked.IsZero() && s.cfg.Now().Sub(s.asked) < allowedFor
	err := s.permitted
	s.mu.Unlock()
	if fresh {
		return err
	}
	return s.permit()
}

func (s *Server) permit() error {
	if s.cfg.Allowed == nil {
		return nil
	}
	err := s.cfg.Allowed()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.permitted = s.cfg.Now(), err
	return err
}

// enter waits for a place among the running inferences.
func (s *Server) enter(ctx context.Context) (release func(), err error) {
	release = func() { <-s.slots }
	select {
	case s.slots <- struct{}{}:
		return release, nil
	default:
	}
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > int64(s.cfg.Limits.Queue) {
		return nil, &httpError{status: http.StatusTooManyRequests, text: "too many requests are waiting", retry: true}
	}
	select {
	case s.slots <- struct{}{}:
		return release, nil
	case <-ctx.Done():
		return nil, refuse(http.StatusGatewayTimeout, "the request waited too long")
	}
}

func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
