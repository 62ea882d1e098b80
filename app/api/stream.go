package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

const (
	heartbeat    = 15 * time.Second // a comment line keeps a quiet stream alive
	writeTimeout = 30 * time.Second // a stream whose reader takes nothing for so long is cut
	replayLimit  = ringSize         // events of one replay answer
)

type streamInput struct {
	After  string `query:"after" doc:"number of the last event seen; empty: from now on"`
	LastID string `header:"Last-Event-ID" doc:"sent by a browser that connects again; wins over after"`
}

type replayInput struct {
	After uint64 `query:"after" doc:"number of the last event seen; 0: all that is kept"`
}

type replayOutput struct{ Body Replay }

// registerEvents adds the event stream and its replay.
func registerEvents(api huma.API, hub *Hub) {
	huma.Register(api, huma.Operation{
		OperationID: "stream-events", Method: http.MethodGet, Path: "/events", Tags: []string{"events"},
		Summary:     "Follow events as they happen",
		Description: "Server-sent events. The first, named hello, has {epoch, first, last}; the others have an Event each, their id is its seq. A gap in seq means that the reader was too slow: replay. Not available inside the window, which gets batches.",
		Responses: map[string]*huma.Response{"200": {Description: "A stream that does not end",
			Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}}},
	}, func(_ context.Context, in *streamInput) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(hctx huma.Context) {
			r, w := humago.Unwrap(hctx)
			streamEvents(w, r, hub, startAfter(hub, in))
		}}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "replay-events", Method: http.MethodGet, Path: "/events/replay", Tags: []string{"events"},
		Summary: "Events that were missed",
	}, func(_ context.Context, in *replayInput) (*replayOutput, error) {
		return &replayOutput{Body: hub.Replay(in.After, replayLimit)}, nil
	})
}

// startAfter decides where a stream begins. Numbers that this epoch has not
// reached come from another one: the hello event tells, and the stream begins now.
func startAfter(hub *Hub, in *streamInput) uint64 {
	last := hub.Last()
	text := in.LastID
	if text == "" {
		text = in.After
	}
	after, err := strconv.ParseUint(text, 10, 64)
	if err != nil || after > last {
		return last
	}
	return after
}

// streamEvents writes server-sent events until the reader goes, the hub closes
// or a write takes too long.
func streamEvents(w http.ResponseWriter, r *http.Request, hub *Hub, after uint64) {
	rc := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	state := hub.Replay(after, 0)
	hello := fmt.Sprintf("event: hello\ndata: {\"epoch\":%q,\"first\":%d,\"last\":%d}\n\n", state.Epoch, state.First, state.Last)
	if err := rc.Flush(); err != nil {
		h.Del("X-Accel-Buffering")
		writeProblem(w, newProblem(r.Context(), http.StatusNotImplemented, "unsupported",
			"this carrier cannot stream", "inside the window, listen to the event evt"))
		return
	}
	send := func(chunk []byte) bool {
		_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every writer has one
		if _, err := w.Write(chunk); err != nil {
			return false
		}
		return rc.Flush() == nil
	}
	if send([]byte(hello)) {
		follow(r.Context(), hub, after, send)
	}
}

// follow sends events after the given number, and heartbeats in between.
func follow(ctx context.Context, hub *Hub, after uint64, send func([]byte) bool) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		items, ok := hub.next(ctx, after, beat.C)
		if !ok {
			return
		}
		chunk := []byte(": still here\n\n")
		if len(items) > 0 {
			after = items[len(items)-1].Seq
			chunk = sseChunk(items)
		}
		if !send(chunk) {
			return
		}
	}
}

func sseChunk(items []Event) []byte {
	var out []byte
	for _, ev := range items {
		body, err := json.Marshal(ev)
		if err != nil { // data was marshalled before
			continue
		}
		out = fmt.Appendf(out, "id: %d\ndata: %s\n\n", ev.Seq, body)
	}
	return out
}
