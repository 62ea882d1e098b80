package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"synergos.app/desktop/backend/fed"
)

func TestPublishNumbersAndReplays(t *testing.T) {
	h := NewHub(quiet())
	if r := h.Replay(0, 10); r.First != 0 || r.Last != 0 || r.Truncated || r.Items == nil || len(r.Epoch) != 16 {
		t.Errorf("empty hub: %+v", r)
	}
	for i := range 5 {
		h.Publish("k", fmt.Sprint(i), i)
	}
	r := h.Replay(2, 10)
	if r.First != 1 || r.Last != 5 || r.Truncated || len(r.Items) != 3 || r.Items[0].Seq != 3 || string(r.Items[2].Data) != "4" {
		t.Errorf("%+v", r)
	}
	if r := h.Replay(5, 10); len(r.Items) != 0 || r.Truncated {
		t.Errorf("up to date: %+v", r)
	}
	if r := h.Replay(math.MaxInt64, 10); len(r.Items) != 0 || !r.Truncated {
		t.Errorf("a number of another epoch: %+v", r)
	}
	if r := h.Replay(0, 2); len(r.Items) != 0 || !r.Truncated {
		t.Errorf("more than the limit: %+v", r)
	}
	if other := NewHub(quiet()).Epoch(); other == h.Epoch() {
		t.Error("two starts have the same epoch")
	}
}

func TestRingForgetsTheOldest(t *testing.T) {
	h := NewHub(quiet())
	for range ringSize + 3 {
		h.Publish("k", "s", nil)
	}
	r := h.Replay(2, ringSize)
	if r.First != 4 || r.Last != ringSize+3 || !r.Truncated {
		t.Errorf("first %d last %d truncated %v", r.First, r.Last, r.Truncated)
	}
	r = h.Replay(3, ringSize)
	if r.Truncated || len(r.Items) != ringSize || r.Items[0].Seq != 4 {
		t.Errorf("%d items, truncated %v", len(r.Items), r.Truncated)
	}
}

func TestReplayIsBoundedInBytes(t *testing.T) {
	h := NewHub(quiet())
	big := strings.Repeat("x", maxEventData-2)
	for range maxReplayBytes/maxEventData + 1 {
		h.Publish("k", "s", big)
	}
	if r := h.Replay(0, ringSize); !r.Truncated || len(r.Items) != 0 {
		t.Errorf("%d items", len(r.Items))
	}
}

// NaN through the event carriers: a fed.Number is null, a bare NaN and oversized
// data leave the event without data, but never drop it.
func TestNaNInEvents(t *testing.T) {
	h := NewHub(quiet())
	h.Publish("good", "", map[string]any{"loss": fed.Number(math.NaN())})
	h.Publish("bad", "", map[string]any{"loss": math.NaN()})
	h.Publish("big", "", strings.Repeat("x", maxEventData))
	var got []string
	for _, ev := range h.Replay(0, 10).Items {
		got = append(got, string(ev.Data))
	}
	if fmt.Sprint(got) != `[{"loss":null} null null]` {
		t.Errorf("%v", got)
	}
	if _, err := json.Marshal(h.Replay(0, 10)); err != nil {
		t.Error(err)
	}
}

func TestBatchesCoalesceAndPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(quiet())
		h.Publish("before", "", nil)
		var got []Batch
		var at []time.Time
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.Batches(ctx, func(b Batch) { got, at = append(got, b), append(at, time.Now()) })
		}()
		synctest.Wait()
		h.Publish("run", "a", 0)
		synctest.Wait()
		for i := 1; i <= 1000; i++ {
			h.Publish("run", "a", i)
			h.Publish("run", "b", i)
		}
		time.Sleep(time.Second)
		cancel()
		<-done
		if len(got) != 2 {
			t.Fatalf("%d batches", len(got))
		}
		if first := got[0]; first.After != 1 || first.Last != 2 || len(first.Items) != 1 {
			t.Errorf("first %+v", first)
		}
		second := got[1]
		if second.After != 2 || second.Last != 2002 || len(second.Items) != 2 || second.Epoch != h.Epoch() {
			t.Fatalf("second: after %d last %d, %d items", second.After, second.Last, len(second.Items))
		}
		if string(second.Items[0].Data) != "1000" || second.Items[1].Subject != "b" || second.Items[1].Seq != 2002 {
			t.Errorf("%+v", second.Items)
		}
		if gap := at[1].Sub(at[0]); gap < batchEvery {
			t.Errorf("batches %v apart", gap)
		}
	})
}

func TestBatchesAreBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(quiet())
		total, next := 0, uint64(0)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			h.Batches(ctx, func(b Batch) {
				raw, err := json.Marshal(b.Items)
				if err != nil || len(raw) > maxBatchBytes {
					t.Errorf("batch of %d bytes, %v", len(raw), err)
				}
				if b.After != next {
					t.Errorf("after %d, want %d", b.After, next)
				}
				next = b.Last
				total += len(b.Items)
			})
		})
		synctest.Wait()
		for i := range 100 {
			h.Publish("<quoted&>", fmt.Sprint(i), strings.Repeat("\"", 10_000))
		}
		time.Sleep(10 * time.Second)
		cancel()
		wg.Wait()
		if total != 100 || next != 100 {
			t.Errorf("%d events, last %d", total, next)
		}
	})
}

func TestCloseEndsReaders(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		h := NewHub(quiet())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { h.Batches(context.Background(), func(Batch) {}) })
		}
		synctest.Wait()
		h.Close()
		h.Close()
		wg.Wait()
		h.Publish("late", "", nil)
		if h.Last() != 0 {
			t.Error("published after close")
		}
	})
}

// flushRecorder is a response that a stream writes to.
type flushRecorder struct {
	mu     sync.Mutex
	header http.Header
	body   bytes.Buffer
	status int
}

func (f *flushRecorder) Header() http.Header { return f.header }
func (f *flushRecorder) WriteHeader(s int)   { f.status = s }
func (f *flushRecorder) Flush()              {}
func (f *flushRecorder) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.body.Write(p)
}

func (f *flushRecorder) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.body.String()
}

func TestStreamHeartbeatAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(quiet())
		h := New(Options{Hub: hub, Log: quiet()})
		hub.Publish("old", "", nil)
		ctx, cancel := context.WithCancel(InProcess(t.Context()))
		w := &flushRecorder{header: http.Header{}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, Prefix+"/events?after=0", nil))
		}()
		synctest.Wait()
		if got := w.text(); !strings.HasPrefix(got, "event: hello\ndata: {\"epoch\":\""+hub.Epoch()) || !strings.Contains(got, "id: 1\ndata: {\"seq\":1,") {
			t.Errorf("start: %q", got)
		}
		if w.header.Get("Content-Type") != "text/event-stream" || w.status != 200 {
			t.Errorf("%d %v", w.status, w.header)
		}
		time.Sleep(46 * time.Second) // longer than the deadline of other requests
		synctest.Wait()
		if n := strings.Count(w.text(), ": still here\n\n"); n != 3 {
			t.Errorf("%d heartbeats in 46 s", n)
		}
		hub.Publish("new", "s", 7)
		synctest.Wait()
		if got := w.text(); !strings.Contains(got, `"kind":"new","subject":"s","data":7}`) {
			t.Errorf("%q", got)
		}
		cancel()
		<-done
	})
}

func TestStreamStart(t *testing.T) {
	hub := NewHub(quiet())
	for range 9 {
		hub.Publish("k", "", nil)
	}
	for _, c := range []struct {
		in   streamInput
		want uint64
	}{
		{streamInput{}, 9}, {streamInput{After: "4"}, 4}, {streamInput{After: "4", LastID: "7"}, 7},
		{streamInput{After: "x"}, 9}, {streamInput{LastID: "99999"}, 9}, {streamInput{After: "0"}, 0},
	} {
		if got := startAfter(hub, &c.in); got != c.want {
			t.Errorf("%+v starts after %d, want %d", c.in, got, c.want)
		}
	}
}

// plainWriter cannot flush, like the window's carrier.
type plainWriter struct{ *httptest.ResponseRecorder }

func (plainWriter) Flush(struct{}) {}

func TestStreamWithoutFlushIsAProblem(t *testing.T) {
	h := New(Options{Log: quiet()})
	w := plainWriter{httptest.NewRecorder()}
	h.ServeHTTP(w, httptest.NewRequestWithContext(InProcess(t.Context()), http.MethodGet, Prefix+"/events", nil))
	checkProblem(t, "events", w.ResponseRecorder, http.StatusNotImplemented, "unsupported")
}

// A reader that takes nothing does not hold up Publish, and ends when the server
// closes.
func TestSlowReaderOverTCP(t *testing.T) {
	hub := NewHub(quiet())
	token := NewToken()
	srv := httptest.NewUnstartedServer(nil)
	srv.Config.Handler = New(Options{Hub: hub, Log: quiet(), Guard: LoopbackGuard(token, srv.Listener.Addr().String(), "http")})
	srv.Start()
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+Prefix+"/events?after=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data := strings.Repeat("x", 10_000)
	for i := range ringSize + 100 { // 100 MB, more than any socket buffer
		hub.Publish("k", fmt.Sprint(i), data)
	}
	if hub.Last() != ringSize+100 {
		t.Fatal("Publish waited")
	}
	lines := bufio.NewReader(resp.Body)
	line, err := lines.ReadString('\n')
	if err != nil || line != "event: hello\n" {
		t.Errorf("%q %v", line, err)
	}
	hub.Close()
	cancel()
	if _, err := io.Copy(io.Discard, lines); err == nil {
		t.Log("the stream ended by itself")
	}
}
