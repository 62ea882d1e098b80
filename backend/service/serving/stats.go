package serving

import (
	"cmp"
	"encoding/json"
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

// Stats count the requests of one model, whatever version and server answer. Their
// series are bounded: versions come from switches, codes and reasons from fixed
// lists; no request can make a new one. They are safe for concurrent use.
type Stats struct {
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

// NewStats returns counters at zero.
func NewStats() *Stats {
	return &Stats{requests: map[series]int64{}, rejected: map[string]int64{}}
}

// done counts a finished request; inference requests have a number.
func (s *Stats) done(l RequestLog, infer bool) {
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

func (s *Stats) refuse(e *InputError) {
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

// Fill copies the counters into a status.
func (s *Stats) Fill(st *Status) {
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
func (s *Stats) write(w io.Writer, model string, bytes int64) {
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

// savedStats is what a restart of the program keeps.
type savedStats struct {
	Requests  []savedSeries           `json:"requests"`
	Counts    [len(buckets) + 1]int64 `json:"counts"`
	Seconds   float64                 `json:"seconds"`
	Inferred  int64                   `json:"inferred"`
	Failures  int64                   `json:"failures"`
	Rows      int64                   `json:"rows"`
	Rejected  map[string]int64        `json:"rejected"`
	Rest      int64                   `json:"rest"`
	Durations []float64               `json:"durations"` // the last ones, in milliseconds
}

type savedSeries struct {
	Version int   `json:"version"`
	Code    int   `json:"code"`
	Count   int64 `json:"count"`
}

// Save returns the counters, without the list of requests, for Restore.
func (s *Stats) Save() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := savedStats{
		Counts: s.counts, Seconds: s.seconds, Inferred: s.inferred, Failures: s.failures, Rows: s.rows, Rejected: s.rejected, Rest: s.rest,
		Durations: slices.Clone(s.durations[:min(s.inferred, ringSize)]),
	}
	for k, n := range s.requests {
		out.Requests = append(out.Requests, savedSeries{k.version, k.code, n})
	}
	slices.SortFunc(out.Requests, func(a, b savedSeries) int { return cmp.Or(a.Version-b.Version, a.Code-b.Code) })
	raw, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("write the counters of a model: %w", err)
	}
	return raw, nil
}

// RestoreStats returns the counters that Save wrote. What cannot be read is an error
// of kind Corrupt.
func RestoreStats(raw []byte) (*Stats, error) {
	var in savedStats
	if err := json.Unmarshal(raw, &in); err != nil || in.Inferred < 0 || int64(len(in.Durations)) != min(in.Inferred, ringSize) {
		return nil, fed.Errorf(fed.Corrupt, "They begin at zero again.", "the counters of a model cannot be read")
	}
	s := NewStats()
	s.counts, s.seconds, s.inferred, s.failures, s.rows, s.rest = in.Counts, in.Seconds, in.Inferred, in.Failures, in.Rows, in.Rest
	for _, r := range in.Requests {
		s.requests[series{r.Version, r.Code}] = r.Count
	}
	maps.Copy(s.rejected, in.Rejected)
	copy(s.durations[:], in.Durations)
	return s, nil
}
