package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"sync"
	"time"
)

// Sizes of the event hub.
const (
	ringSize       = 10_000           // events kept for replay
	maxEventData   = 64 << 10         // bytes of one event's data; larger data is left out
	maxBatchBytes  = 256 << 10        // bytes of one batch to the window
	maxReplayBytes = 4 << 20          // bytes of one replay
	batchEvery     = time.Second / 20 // shortest time between two batches
	readChunk      = 512              // events taken from the ring at once
)

// Event tells a screen that something changed. It is published after the
// transaction that changed it, so a reader that asks again sees the new state.
type Event struct {
	Seq     uint64          `json:"seq" doc:"counts up by one per event from the start of the app"`
	At      time.Time       `json:"at"`
	Kind    string          `json:"kind" doc:"for example run.round"`
	Subject string          `json:"subject" doc:"id of what changed"`
	Data    json.RawMessage `json:"data" doc:"depends on the kind; null when too large or not to be shown"`
}

// Replay is a slice of the hub's memory.
type Replay struct {
	Epoch     string  `json:"epoch" doc:"random per start of the app"`
	First     uint64  `json:"first" doc:"oldest event still kept, 0 when none"`
	Last      uint64  `json:"last" doc:"newest event, 0 when none"`
	Truncated bool    `json:"truncated" doc:"events between after and first are lost, or the epoch of the asker is another"`
	Items     []Event `json:"items"`
}

// Batch is what the window gets at once: what happened in (After, Last], with
// only the newest event of each (kind, subject). A reader whose last seen
// number is not After has missed a batch and replays.
type Batch struct {
	Epoch string  `json:"epoch"`
	After uint64  `json:"after"`
	Last  uint64  `json:"last"`
	Items []Event `json:"items"`
}

// Hub numbers events, remembers the last 10,000 and lets any number of readers
// follow them at their own pace. Publish never waits for a reader: a reader that
// falls behind the ring sees a gap in the numbers. The zero Hub is not usable;
// all methods may be called from any goroutine.
type Hub struct {
	epoch string
	now   func() time.Time
	log   *slog.Logger

	mu     sync.Mutex
	ring   []Event // ring[(seq-1)%ringSize]
	last   uint64
	wake   chan struct{} // closed and replaced at each event
	closed bool
}

// NewHub returns a hub with a random epoch. log gets a line for each event whose
// data could not be shown; nil means the default logger.
func NewHub(log *slog.Logger) *Hub {
	if log == nil {
		log = slog.Default()
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return &Hub{epoch: hex.EncodeToString(b[:]), now: time.Now, log: log, wake: make(chan struct{})}
}

// Epoch returns the random name of this start of the app.
func (h *Hub) Epoch() string { return h.epoch }

// Publish adds an event. Data is marshalled at once, so the caller may change it
// afterwards; data that does not marshal (a bare NaN) or is larger than 64 KiB
// is replaced by null, and readers ask the API instead.
func (h *Hub) Publish(kind, subject string, data any) {
	raw, err := json.Marshal(data)
	if err != nil || len(raw) > maxEventData {
		h.log.Warn("event data left out", "kind", kind, "bytes", len(raw), "err", err)
		raw = json.RawMessage("null")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.last++
	ev := Event{Seq: h.last, At: h.now().UTC(), Kind: kind, Subject: subject, Data: raw}
	if len(h.ring) < ringSize {
		h.ring = append(h.ring, ev)
	} else {
		h.ring[(h.last-1)%ringSize] = ev
	}
	close(h.wake)
	h.wake = make(chan struct{})
}

// Close ends all readers. Later events are dropped.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		close(h.wake)
	}
}

// Last returns the number of the newest event, 0 when there is none.
func (h *Hub) Last() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// Replay returns the events after the given number, or none of them and
// Truncated when they are more than limit or 4 MiB: then asking the API anew is
// cheaper.
func (h *Hub) Replay(after uint64, limit int) Replay {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := h.first()
	r := Replay{Epoch: h.epoch, First: first, Last: h.last, Items: []Event{}}
	if after > h.last { // numbers of another epoch
		r.Truncated = true
		after = h.last
	}
	if h.last > 0 && after+1 < first || h.last-after > uint64(limit) {
		r.Truncated = true
		return r
	}
	items, size := h.slice(after, limit), 0
	for _, ev := range items {
		size += eventSize(ev)
	}
	if size > maxReplayBytes {
		r.Truncated = true
		return r
	}
	r.Items = append(r.Items, items...)
	return r
}

// first is the oldest number kept; mu is held.
func (h *Hub) first() uint64 {
	if h.last == 0 {
		return 0
	}
	return h.last - uint64(len(h.ring)) + 1
}

// slice copies at most limit events after the given number; mu is held.
func (h *Hub) slice(after uint64, limit int) []Event {
	if h.last == 0 || after >= h.last || limit <= 0 {
		return nil
	}
	from := max(after+1, h.first())
	n := min(h.last-from+1, uint64(limit))
	out := make([]Event, 0, n)
	for seq := from; seq < from+n; seq++ {
		out = append(out, h.ring[(seq-1)%ringSize])
	}
	return out
}

// next waits for events after the given number and returns up to readChunk of
// them. It returns nil when ctx ends, the hub closes or tick fires first.
func (h *Hub) next(ctx context.Context, after uint64, tick <-chan time.Time) (items []Event, ok bool) {
	for {
		h.mu.Lock()
		items, wake, closed := h.slice(after, readChunk), h.wake, h.closed
		h.mu.Unlock()
		if len(items) > 0 {
			return items, true
		}
		if closed {
			return nil, false
		}
		select {
		case <-ctx.Done():
			return nil, false
		case <-tick:
			return nil, true
		case <-wake:
		}
	}
}

// Batches calls f with what happened since the call, at most 20 times a second
// and with at most 256 KiB of events each time, coalesced by (kind, subject). It
// returns when ctx ends or the hub is closed; f is never called concurrently.
func (h *Hub) Batches(ctx context.Context, f func(Batch)) {
	after := h.Last()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		items, ok := h.next(ctx, after, nil)
		if !ok {
			return
		}
		b := h.batch(after, items)
		after = b.Last
		f(b)
		pause.Reset(batchEvery)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// batch coalesces what is known after the given number, starting with items,
// until the batch would be larger than maxBatchBytes.
func (h *Hub) batch(after uint64, items []Event) Batch {
	c := newCoalescer()
	b := Batch{Epoch: h.epoch, After: after, Last: after}
	for len(items) > 0 {
		for _, ev := range items {
			if !c.add(ev) {
				b.Items = c.events()
				return b
			}
			b.Last = ev.Seq
		}
		h.mu.Lock()
		items = h.slice(b.Last, readChunk)
		h.mu.Unlock()
	}
	b.Items = c.events()
	return b
}

// coalescer keeps the newest event of each (kind, subject), in order of number.
type coalescer struct {
	newest map[[2]string]int // position in list
	list   []Event
	live   []bool
	bytes  int
}

func newCoalescer() *coalescer { return &coalescer{newest: map[[2]string]int{}} }

// add reports false, and adds nothing, when the batch would become too large.
func (c *coalescer) add(ev Event) bool {
	key := [2]string{ev.Kind, ev.Subject}
	size := eventSize(ev)
	old, seen := c.newest[key]
	freed := 0
	if seen {
		freed = eventSize(c.list[old])
	}
	if c.bytes+size-freed > maxBatchBytes {
		return false
	}
	if seen {
		c.live[old] = false
	}
	c.bytes += size - freed
	c.newest[key] = len(c.list)
	c.list = append(c.list, ev)
	c.live = append(c.live, true)
	return true
}

func (c *coalescer) events() []Event {
	out := make([]Event, 0, len(c.newest))
	for i, ev := range c.list {
		if c.live[i] {
			out = append(out, ev)
		}
	}
	return out
}

// eventSize bounds the JSON size of ev in bytes from above: strings may double
// by escaping, the envelope takes less than 128.
func eventSize(ev Event) int {
	return len(ev.Data) + 6*(len(ev.Kind)+len(ev.Subject)) + 128
}
