// Package transport moves messages and blobs between paired parties: mutual TLS
// pinned to device keys, one WebSocket for control messages and others for blobs,
// pairing with strangers, and one ledger line before every frame that leaves.
//
// It does not know what messages mean, finds no peers and keeps no files; what it
// needs is declared here as small interfaces. Start with [Network], which services
// use, and [Host], which implements it on real sockets; package memnet implements
// it in memory. A Host owns all its goroutines and Close waits for them. Handlers
// run on them: one-way messages of a peer one after the other, in order; requests
// concurrently.
package transport

import (
	"context"
	"io"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/wire"
)

// Network is what the services of one party see of the others.
type Network interface {
	// Self returns this party.
	Self() fed.PartyID
	// Send hands a message over to the session with a party; it may still be lost.
	// It returns fed.Unavailable without a session, fed.Busy when the peer is too
	// slow, fed.Invalid when the message is out of bounds.
	Send(ctx context.Context, to fed.PartyID, m wire.Message) error
	// Request sends a message and waits for its answer. A wire.Error answer becomes a
	// *fed.Error.
	Request(ctx context.Context, to fed.PartyID, m wire.Message) (wire.Message, error)
	// Handle installs the handler of incoming messages, before the first session.
	Handle(Handler)
	// Fetch gets a blob into the local store, resuming what is there; it returns nil
	// when the blob is verified and stored. progress (may be nil) gets bytes.
	Fetch(ctx context.Context, from fed.PartyID, ref fed.BlobRef, progress func(done, total int64)) error
	// Sessions returns the live sessions, by party.
	Sessions() []Session
}

// Handler answers a message of an authenticated party. A reply to a one-way
// message is sent as another one-way message; an error is answered with
// wire.Error. ctx ends with the session.
type Handler func(ctx context.Context, from fed.PartyID, m wire.Message) (wire.Message, error)

// PeerTable says who is paired. It must be safe for concurrent use.
type PeerTable interface {
	// Lookup returns the party that a device speaks for. A revoked device returns its
	// party and false; an unknown one "" and false.
	Lookup(device fed.DeviceID) (party fed.PartyID, allowed bool)
}

// Egress is the ledger of what leaves this computer.
type Egress interface {
	// Record keeps a line and returns its id. Without an id the frame is not sent.
	Record(ctx context.Context, f Frame) (id string, err error)
}

// Frame is what the ledger keeps about one WebSocket message, before it is sent.
// Peer is "" while pairing.
type Frame struct {
	Peer    fed.PartyID
	Device  fed.DeviceID
	Kind    wire.Kind
	Bytes   int // of the WebSocket message
	SHA256  fed.Digest
	Purpose string // session, pairing, book, training, alignment, evaluation, scoring, query, blob
	Subject string // run, project, scope, or digest of a blob
}

// BlobStore is the local content-addressed store.
type BlobStore interface {
	Has(d fed.Digest) bool
	// Open returns a blob for reading. It returns fed.NotFound.
	Open(d fed.Digest) (BlobFile, error)
	// Leaves returns the SHA-256 of every MiB of a stored blob.
	Leaves(d fed.Digest) ([]fed.Digest, error)
	// Partial starts or resumes a reception. It returns fed.Exists or fed.Busy.
	Partial(ref fed.BlobRef) (Partial, error)
}

// BlobFile is an open blob.
type BlobFile interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Partial is a blob being received; each call verifies what it is given.
type Partial interface {
	// SetManifest refuses leaves that do not hash to the reference's root.
	SetManifest(leaves []fed.Digest) error
	Have() []bool // per leaf
	WriteLeaf(i int, data []byte) error
	// Commit verifies the whole and gives it its place.
	Commit() error
	// Close keeps what was received for the next Partial.
	Close() error
}

// Session is a live connection with a party.
type Session struct {
	Party    fed.PartyID
	Device   fed.DeviceID
	Name     string // of the organisation
	Roles    []string
	Addr     string // of the other side
	Dialled  bool   // by this side
	Since    time.Time
	RTT      time.Duration // 0: not measured yet
	Skew     time.Duration // other clock minus this one
	BytesIn  int64         // WebSocket messages, control and blob
	BytesOut int64
	Version  string // "major.minor software"
	Features []string
}

// EventKind says what happened to a connection.
type EventKind string

// The kinds of events.
const (
	Connected    EventKind = "connected"
	Disconnected EventKind = "disconnected"
	Refused      EventKind = "refused"
)

// Event is told after it happened. Connected carries the session and the peer's
// verified statement and addresses; Disconnected the reason; Refused the reason
// and how often it has occurred since the start.
type Event struct {
	Kind      EventKind
	Session   Session
	Statement identity.Statement
	Signed    identity.Signed
	Addrs     []string // as the peer claims
	Reason    Reason
	Detail    string
	Count     uint64
}

// Reason names why a connection or message was refused or ended.
type Reason string

// The reasons.
const (
	TooManyOpen   Reason = "too_many_connections"
	TooManyFrom   Reason = "too_many_from_address"
	BadTLS        Reason = "tls"
	Stranger      Reason = "unknown_device"
	WasRevoked    Reason = "revoked"
	Impostor      Reason = "impostor"
	HasOrigin     Reason = "origin"
	BadRequest    Reason = "bad_request"
	OtherVersion  Reason = "version"
	BadStatement  Reason = "statement"
	NoHello       Reason = "no_hello"
	Duplicate     Reason = "duplicate"
	Oversized     Reason = "oversized"
	Malformed     Reason = "malformed"
	UnknownKind   Reason = "unknown_kind"
	NotPermitted  Reason = "permission"
	TooManyAsked  Reason = "too_many_requests"
	SlowPeer      Reason = "slow_peer"
	NoLedger      Reason = "ledger"
	Silent        Reason = "silent"
	Lost          Reason = "lost"
	SaidBye       Reason = "bye"
	Closed        Reason = "closed"
	BadBlob       Reason = "blob"
	PairLimited   Reason = "pairing_limit"
	PairProof     Reason = "pairing_proof"
	PairMalformed Reason = "pairing_malformed"
)

// Direction of a tapped frame.
type Direction string

// The directions.
const (
	In  Direction = "in"
	Out Direction = "out"
)
