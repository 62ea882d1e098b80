package api

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	idempotencyFor     = 24 * time.Hour
	idempotencyEntries = 1_000
	idempotencyBody    = 64 << 10 // bytes of an answer kept
	idempotencyKeyLen  = 128
)

// idempotency answers an unsafe request that was sent twice with the same
// Idempotency-Key from memory, so that a client may retry after a lost answer.
// The memory is of this process; the domain's own ids protect across restarts.
type idempotency struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[string]*idemEntry
	order   []string // oldest first
}

type idemEntry struct {
	body    [32]byte // digest of the request's body
	at      time.Time
	done    bool
	status  int
	header  http.Header
	content []byte
}

func newIdempotency(now func() time.Time) *idempotency {
	return &idempotency{now: now, entries: map[string]*idemEntry{}}
}

func (m *idempotency) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		if key == "" || safeMethod(r.Method) || r.Body == nil {
			next.ServeHTTP(w, r)
			return
		}
		m.serve(w, r, key, next)
	})
}

func (m *idempotency) serve(w http.ResponseWriter, r *http.Request, key string, next http.Handler) {
	ctx := r.Context()
	if len(key) > idempotencyKeyLen {
		writeProblem(w, newProblem(ctx, http.StatusUnprocessableEntity, "invalid", "the Idempotency-Key is longer than 128 characters", "send a shorter one"))
		return
	}
	body, err := io.ReadAll(r.Body) // limited before
	if err != nil {
		writeProblem(w, serverProblem(ctx, []error{err}))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	id := r.Method + " " + r.URL.RequestURI() + " " + key
	entry, fresh := m.claim(id, sha256.Sum256(body))
	switch {
	case entry == nil:
		writeProblem(w, newProblem(ctx, http.StatusUnprocessableEntity, "invalid", "the Idempotency-Key was used for another request", "send a new key"))
	case fresh:
		m.record(w, r, id, entry, next)
	case !entry.done:
		writeProblem(w, newProblem(ctx, http.StatusLocked, "busy", "the same request is being worked on", "wait for its answer"))
	default:
		for k, v := range entry.header {
			w.Header()[k] = v
		}
		w.Header().Set("Idempotent-Replayed", "true")
		w.WriteHeader(entry.status)
		_, _ = w.Write(entry.content)
	}
}

// claim returns the entry of id (a copy when it is not fresh), or nil when the
// id was used with another body.
func (m *idempotency) claim(id string, body [32]byte) (entry *idemEntry, fresh bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	if e, ok := m.entries[id]; ok {
		if e.body != body {
			return nil, false
		}
		seen := *e
		return &seen, false
	}
	e := &idemEntry{body: body, at: m.now()}
	m.entries[id] = e
	m.order = append(m.order, id)
	return e, true
}

// expire drops what is old or too much; mu is held.
func (m *idempotency) expire() {
	for len(m.order) > 0 {
		oldest := m.entries[m.order[0]]
		if oldest != nil && len(m.order) < idempotencyEntries && m.now().Sub(oldest.at) < idempotencyFor {
			return
		}
		delete(m.entries, m.order[0])
		m.order = m.order[1:]
	}
}

// record runs the request and keeps its answer; failures are not kept, so that
// a retry tries again.
func (m *idempotency) record(w http.ResponseWriter, r *http.Request, id string, e *idemEntry, next http.Handler) {
	tee := &teeWriter{ResponseWriter: w}
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if tee.status == 0 || tee.status >= 400 || tee.tooLong {
			delete(m.entries, id)
			return
		}
		e.done, e.status, e.header, e.content = true, tee.status, w.Header().Clone(), tee.body.Bytes()
	}()
	next.ServeHTTP(tee, r)
}

// teeWriter remembers an answer while it is written.
type teeWriter struct {
	http.ResponseWriter
	status  int
	body    bytes.Buffer
	tooLong bool
}

// WriteHeader implements http.ResponseWriter.
func (t *teeWriter) WriteHeader(status int) {
	t.status = status
	t.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (t *teeWriter) Write(p []byte) (int, error) {
	if t.body.Len()+len(p) > idempotencyBody {
		t.tooLong = true
	} else {
		t.body.Write(p)
	}
	return t.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController through.
func (t *teeWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }
