package transport

import (
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/wire"
)

// Options are what a Host needs. Self, Peers and Egress are required.
type Options struct {
	Self   *identity.Self
	Peers  PeerTable
	Egress Egress
	// Blobs may be nil: then nothing is served or fetched.
	Blobs BlobStore
	// Invites may be nil: then no invite is made or accepted.
	Invites InviteBook
	// Statement returns what is told about this device; nil: Self's. It changes when
	// the party is renamed.
	Statement func() identity.Signed
	// MayFetch decides whether a party may get a blob; nil allows paired parties all.
	MayFetch func(fed.PartyID, fed.Digest) bool
	// Permit decides by role whether a party may send a kind; nil allows all.
	Permit func(fed.PartyID, wire.Kind) bool
	// Queries are the names of wire.Query that are handled; others are refused.
	Queries []string
	// Adopt decides about a device that nobody knows yet but that shows a valid
	// statement of its organisation: a paired party's new computer. It returns true
	// after having entered it into the peer table. nil: such devices pair anew.
	Adopt func(identity.Statement, identity.Signed) bool
	// Revocations returns what is spread in HELLO; nil: nothing.
	Revocations func() []identity.Signed
	// OnRevocation gets a withdrawal that a peer spread, its signature verified.
	OnRevocation func(identity.Revocation, identity.Signed)
	// OnEvent must not block.
	OnEvent func(Event)
	// OnPairing is called at every change of a pairing; it must not block.
	OnPairing func(*Pairing)
	// OnPaired saves the other side after both agreed; its error fails the pairing.
	OnPaired func(Paired) error
	// Tap sees every WebSocket message before encryption; for capture tests.
	Tap func(dir Direction, peer fed.DeviceID, b []byte)
	// Advertise returns the host:port that peers are told; nil: derived from the
	// listener and the interfaces.
	Advertise func() []string
	Clock     func() time.Time // nil: time.Now
	Log       *slog.Logger     // nil: discarded
	// Proxy is http.ProxyFromEnvironment when nil.
	Proxy    func(*http.Request) (*url.URL, error)
	Software string // name and version of this program, told in HELLO
	Features []string
	Timers   Timers
	Limits   Limits
}

// Timers are the durations of a Host; zero fields get their defaults.
type Timers struct {
	Header     time.Duration // 5 s: request headers and TLS handshake of a caller
	Hello      time.Duration // 10 s: from connection to HELLO_OK
	Dial       time.Duration // 10 s: one address, TCP and TLS
	Stagger    time.Duration // 250 ms: between addresses
	Ping       time.Duration // 15 s
	Read       time.Duration // 45 s without a message ends a session
	Write      time.Duration // 30 s per chunk
	Queue      time.Duration // 10 s: a full queue cuts the peer off
	Request    time.Duration // 60 s, unless the context ends earlier
	Probe      time.Duration // 5 s: answer expected when a session is doubted
	RateWindow time.Duration // 60 s: within it, Limits.MinRate per second must come
	Pair       time.Duration // 10 min: from the request to both decisions
	PairWindow time.Duration // 10 min: Limits.PairTries count within it
	PairPause  time.Duration // 1 min: between two requests of an address
	Invite     time.Duration // 72 h: life of an invite
}

// Limits are the counts of a Host; zero fields get their defaults.
type Limits struct {
	Open        int   // 64 unauthenticated connections in total
	OpenFrom    int   // 4 per address
	Queue       int   // 256 messages waiting per session
	Handling    int   // 16 requests of a peer at once
	Inbox       int   // 256 one-way messages of a peer waiting for the handler
	Serving     int   // 32 blobs being sent at once
	Credit      int   // 8 MiB in flight per blob
	MinRate     int   // 16,000 bytes per second of a blob
	Knocking    int   // 4 sockets of a paired device that have not said hello
	Blobs       int   // 32 blob sockets of a session
	PairPending int   // 20 pairing requests waiting
	PairFrom    int   // 4 of them from one address
	PairTries   int   // 3 comparisons per address within Timers.PairWindow
	InviteTries int   // 5 wrong proofs
	HeaderBytes int   // 16 KiB
	MaxBlob     int64 // 16 GiB
}

// DefaultTimers returns the durations of the product.
func DefaultTimers() Timers {
	return Timers{
		Header: 5 * time.Second, Hello: 10 * time.Second, Dial: 10 * time.Second, Stagger: 250 * time.Millisecond,
		Ping: 15 * time.Second, Read: 45 * time.Second, Write: 30 * time.Second, Queue: 10 * time.Second,
		Request: time.Minute, Probe: 5 * time.Second, RateWindow: time.Minute, Pair: 10 * time.Minute,
		PairWindow: 10 * time.Minute, PairPause: time.Minute, Invite: 72 * time.Hour,
	}
}

// DefaultLimits returns the counts of the product.
func DefaultLimits() Limits {
	return Limits{
		Open: 64, OpenFrom: 4, Queue: 256, Handling: 16, Inbox: 256, Serving: 32, Credit: 8 << 20, MinRate: 16000,
		Knocking: 4, Blobs: 32, PairPending: 20, PairFrom: 4, PairTries: 3, InviteTries: 5, HeaderBytes: 16 << 10, MaxBlob: wire.MaxBlobSize,
	}
}

// or sets *p to v if it is zero.
func or[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

func (t Timers) filled() Timers {
	d := DefaultTimers()
	for _, f := range [...]struct{ p, v *time.Duration }{
		{&t.Header, &d.Header}, {&t.Hello, &d.Hello}, {&t.Dial, &d.Dial}, {&t.Stagger, &d.Stagger}, {&t.Ping, &d.Ping},
		{&t.Read, &d.Read}, {&t.Write, &d.Write}, {&t.Queue, &d.Queue}, {&t.Request, &d.Request}, {&t.Probe, &d.Probe},
		{&t.RateWindow, &d.RateWindow}, {&t.Pair, &d.Pair}, {&t.PairWindow, &d.PairWindow}, {&t.PairPause, &d.PairPause},
		{&t.Invite, &d.Invite},
	} {
		or(f.p, *f.v)
	}
	return t
}

func (l Limits) filled() Limits {
	d := DefaultLimits()
	for _, f := range [...]struct{ p, v *int }{
		{&l.Open, &d.Open}, {&l.OpenFrom, &d.OpenFrom}, {&l.Queue, &d.Queue}, {&l.Handling, &d.Handling}, {&l.Inbox, &d.Inbox},
		{&l.Serving, &d.Serving}, {&l.Credit, &d.Credit}, {&l.MinRate, &d.MinRate}, {&l.PairPending, &d.PairPending},
		{&l.Knocking, &d.Knocking}, {&l.Blobs, &d.Blobs}, {&l.PairFrom, &d.PairFrom},
		{&l.PairTries, &d.PairTries}, {&l.InviteTries, &d.InviteTries}, {&l.HeaderBytes, &d.HeaderBytes},
	} {
		or(f.p, *f.v)
	}
	or(&l.MaxBlob, d.MaxBlob)
	l.Credit = max(l.Credit, wire.LeafSize)
	return l
}

// filled returns o with defaults, or fed.Invalid if something is missing.
func (o Options) filled() (Options, error) {
	if o.Self == nil || o.Peers == nil || o.Egress == nil {
		return o, fed.Errorf(fed.Invalid, "", "transport needs an identity, a table of peers and an egress ledger")
	}
	if o.Statement == nil {
		o.Statement = o.Self.Signed
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.OnPairing == nil {
		o.OnPairing = func(*Pairing) {}
	}
	o.Timers, o.Limits = o.Timers.filled(), o.Limits.filled()
	return o, nil
}
