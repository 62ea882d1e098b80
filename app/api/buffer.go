package api

import (
	"bytes"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
)

// bufferLimit is how much of an answer is held back, in bytes.
const bufferLimit = 1 << 20

func stack() string { return string(debug.Stack()) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// buffered holds an answer back until it is complete, so that one that cannot be
// written to its end (a NaN in the middle, a panic) becomes a whole problem
// instead of status 200 with half a body. Answers above 1 MiB, and streams, pass
// through.
func buffered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := &bufferedWriter{inner: w, header: w.Header().Clone()}
		defer func() {
			v := recover()
			switch {
			case v == nil:
				b.commit()
			case v == http.ErrAbortHandler || b.committed:
				panic(http.ErrAbortHandler) // too late for a problem: cut the connection
			default:
				logger(r.Context()).Error("panic in operation", "path", r.URL.Path, "panic", v, "stack", stack())
				writeProblem(w, internalProblem(r.Context()))
			}
		}()
		next.ServeHTTP(b, r)
	})
}

type bufferedWriter struct {
	inner     http.ResponseWriter
	header    http.Header
	status    int
	body      bytes.Buffer
	committed bool
}

// Header implements http.ResponseWriter.
func (b *bufferedWriter) Header() http.Header {
	if b.committed {
		return b.inner.Header()
	}
	return b.header
}

// WriteHeader implements http.ResponseWriter; the first status wins.
func (b *bufferedWriter) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

// Write implements io.Writer.
func (b *bufferedWriter) Write(p []byte) (int, error) {
	if !b.committed && b.body.Len()+len(p) <= bufferLimit {
		return b.body.Write(p)
	}
	b.commit()
	return b.inner.Write(p)
}

// Unwrap lets http.ResponseController set deadlines.
func (b *bufferedWriter) Unwrap() http.ResponseWriter { return b.inner }

// FlushError makes a stream of the answer, if the carrier can stream.
func (b *bufferedWriter) FlushError() error {
	if !canFlush(b.inner) {
		return http.ErrNotSupported
	}
	b.commit()
	return http.NewResponseController(b.inner).Flush()
}

func (b *bufferedWriter) commit() {
	if b.committed {
		return
	}
	b.committed = true
	h := b.inner.Header()
	clear(h)
	maps.Copy(h, b.header)
	if b.status == 0 {
		b.status = http.StatusOK
	}
	b.inner.WriteHeader(b.status)
	if b.body.Len() > 0 {
		_, _ = b.inner.Write(b.body.Bytes()) // the reader has gone: nobody to tell
	}
}

func canFlush(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case interface{ FlushError() error }:
			if b, ok := w.(*bufferedWriter); ok {
				w = b.inner
				continue
			}
			return true
		case http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return false
		}
	}
}
