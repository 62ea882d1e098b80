// Package party is one party's side of the grids it takes part in: it drives the
// checkpoint register (package round) with real time, disk and network, trains on
// this party's rows when a round opens, answers evaluation and scoring, and keeps
// every update before sending it, so that a repeated task gets the same bytes.
//
// The type to start from is [Session], one per run. One goroutine, [Session.Run],
// owns the register; local work runs in goroutines that Run waits for. What the
// coordinator does with the updates is not here: see package coordinator, which a
// session calls through Ports.Lead while this party leads.
package party

import (
	"context"
	"log/slog"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
)

// Net sends to the other members of the run. Sends may be lost; Fetch returns
// when the blob is verified and on disk.
type Net interface {
	SendGrid(ctx context.Context, to fed.PartyID, run fed.RunID, msg round.Msg, ref fed.BlobRef) error
	SendUpdate(ctx context.Context, to fed.PartyID, u fed.Update) error
	Fetch(ctx context.Context, from fed.PartyID, ref fed.BlobRef) error
}

// Store keeps what must survive a crash, synced before it returns.
type Store interface {
	SaveGrid(ctx context.Context, run fed.RunID, p round.Persistent) error
	LoadGrid(ctx context.Context, run fed.RunID) (*round.Persistent, error)    // nil: fresh
	SaveUpdate(ctx context.Context, u fed.Update) error                        // the first of a round stays
	LoadUpdate(ctx context.Context, run fed.RunID, n int) (*fed.Update, error) // nil: none of round n
}

// Blobs keeps params and updates by their digest.
type Blobs interface {
	PutBytes(ctx context.Context, b []byte) (fed.BlobRef, error)
	Get(ctx context.Context, d fed.Digest) ([]byte, error)
	Ref(d fed.Digest) (fed.BlobRef, error)
	Has(d fed.Digest) bool
}

// Trainer does this party's learning on its own rows.
type Trainer interface {
	// Train starts from params (safetensors) and returns the delta (safetensors)
	// with the sums of params on the validation rows.
	Train(ctx context.Context, run fed.Run, params []byte, n int, progress func(done, total int)) (Trained, error)
}

// Trained is the outcome of local training in one round.
type Trained struct {
	Delta    []byte
	Examples int64
	Loss     float64 // mean training loss of the last steps
	Valid    fed.Sums
}

// Ports are what a session needs. Lead is called while this party coordinates;
// its ctx ends when the reign does, and it must return then; acc is the checkpoint
// that it inherits, zero at the start.
type Ports struct {
	Self    fed.PartyID
	Sign    func(domain string, body []byte) fed.Signature // as this party
	Verify  fed.Verifier
	Net     Net
	Store   Store
	Blobs   Blobs
	Trainer Trainer
	Timers  round.Timers
	Stands  bool
	Forgot  bool             // this party may have voted and not know it: see round.Config
	Now     func() time.Time // monotonic
	Draw    func() float64
	Log     *slog.Logger
	Lead    func(ctx context.Context, s *Session, acc fed.Checkpoint)
	Tell    func(Event) // must not block
}

// Event is a fact about a session, for the screen and the run's history.
type Event struct {
	Run  fed.RunID
	Kind EventKind
	Text string
	// Checkpoint of a commit.
	Checkpoint fed.Checkpoint
}

// EventKind names an event.
type EventKind string

// The kinds.
const (
	EventLed       EventKind = "led"
	EventLost      EventKind = "lost"
	EventStopped   EventKind = "stopped"
	EventCommitted EventKind = "committed"
	EventHeld      EventKind = "held"
	EventAway      EventKind = "away"
	EventWork      EventKind = "work" // the local work changed: see Session.Live
	EventFailed    EventKind = "failed"
	EventRefused   EventKind = "refused"
)
