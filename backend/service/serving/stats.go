package serving

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
)

const (
	ringSize   = 1024
	recentSize = 200
)

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

// buckets of the duration histogram, in seconds.
var buckets = [...]float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

type series struct{ version, code int }

// stats counts requests. Its series are bounded: versions come from switches,
// codes and reasons from fixed lists; no request can make a new one.
type stats struct {
	mu        sync.Mutex
	requests  map[series]int64
	counts    [len(buckets) + 1]int64 // by first bucket that holds it
	seconds   float64
	inferred  int64
	failures  int64
	rows      int64
	rejected  map[string]int64
	rest      int64 // all requests of the listener
	durations [ringSize]float64
	recent    []RequestLog // ring, oldest at next
	next      int
}

func newStats() *stats {
	return &stats{requests: map[series]int64{}, rejected: map[string]int64{}}
}

// done counts a finished request; inference requests have a number.
func (s *stats) done(l RequestLog, infer bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest++
	if !infer {
		return
	}
	s.requests[series{l.Number, l.Status}]++
	s.durations[s.inferred%ringSize] = l.Ms
	s.inferred++
	s.seconds += l.Ms / 1000
	i, _ := slices.BinarySearch(buckets[:], l.Ms/1000)
	s.counts[i]++
	if l.Status >= 400 {
		s.failures++
	} else {
		s.rows += int64(l.Rows)
	}
	if len(s.recent) < recentSize {
		s.recent = append(s.recent, l)
	} else {
		s.recent[s.next] = l
	}
	s.next = (s.next + 1) % recentSize
}

func (s *stats) refuse(e *InputError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range e.Fields {
		class := f.class
		if class == "" {
			class = "type"
		}
		s.rejected[class]++
	}
	s.rejected["type"] += int64(e.More)
}

// fill copies the counters into a status.
func (s *stats) fill(st *Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Requests, st.Failures, st.Rows = s.inferred, s.failures, s.rows
	last := slices.Clone(s.durations[:min(s.inferred, ringSize)])
	slices.Sort(last)
	st.P50Ms, st.P95Ms = quantile(last, .5), quantile(last, .95)
	for i := range s.recent {
		st.Recent = append(st.Recent, s.recent[(s.next-1-i+2*recentSize)%recentSize])
	}
}

// quantile returns the nearest-rank quantile of sorted values; NaN of none.
func quantile(sorted []float64, q float64) fed.Number {
	if len(sorted) == 0 {
		return fed.Number(math.NaN())
	}
	return fed.Number(sorted[int(math.Ceil(q*float64(len(sorted))))-1])
}

// write prints the counters in the Prometheus text format.
func (s *stats) write(w io.Writer, model string, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	head := func(name, kind, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	head("synergos_model_infer_requests_total", "counter", "Inference requests by version and status code.")
	keys := slices.SortedFunc(maps.Keys(s.requests), func(a, b series) int { return (a.version-b.version)*1000 + a.code - b.code })
	var good int64
	for _, k := range keys {
		fmt.Fprintf(&b, "synergos_model_infer_requests_total{model=%q,version=\"%d\",code=\"%d\"} %d\n", model, k.version, k.code, s.requests[k])
		if k.code < 400 {
			good += s.requests[k]
		}
	}
	head("synergos_model_infer_duration_seconds", "histogram", "Duration of inference requests.")
	var sum int64
	for i, le := range buckets {
		sum += s.counts[i]
		fmt.Fprintf(&b, "synergos_model_infer_duration_seconds_bucket{model=%q,le=\"%v\"} %d\n", model, le, sum)
	}
	fmt.Fprintf(&b, "synergos_model_infer_duration_seconds_bucket{model=%q,le=\"+Inf\"} %d\n", model, s.inferred)
	fmt.Fprintf(&b, "synergos_model_infer_duration_seconds_sum{model=%q} %v\nsynergos_model_infer_duration_seconds_count{model=%q} %d\n", model, s.seconds, model, s.inferred)
	head("synergos_model_loaded_bytes", "gauge", "Memory held by the served version.")
	fmt.Fprintf(&b, "synergos_model_loaded_bytes{model=%q} %d\n", model, bytes)
	head("synergos_rows_rejected_total", "counter", "Refused values by reason.")
	for _, reason := range slices.Sorted(maps.Keys(s.rejected)) {
		fmt.Fprintf(&b, "synergos_rows_rejected_total{model=%q,reason=%q} %d\n", model, reason, s.rejected[reason])
	}
	head("model_infer_request_success_total", "counter", "Inference requests that were answered.")
	fmt.Fprintf(&b, "model_infer_request_success_total{model=%q} %d\n", model, good)
	head("model_infer_request_failure_total", "counter", "Inference requests that were refused or failed.")
	fmt.Fprintf(&b, "model_infer_request_failure_total{model=%q} %d\n", model, s.failures)
	head("rest_server_requests_total", "counter", "All requests of the listener.")
	fmt.Fprintf(&b, "rest_server_requests_total %d\n", s.rest)
	_, _ = io.WriteString(w, b.String())
}
