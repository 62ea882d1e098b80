package transport

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/wire"
)

// Host is the [Network] on real sockets. Make it with [New], install the handler,
// then Listen and Connect. It is safe for concurrent use.
type Host struct {
	o        Options
	instance string
	handler  Handler
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	serving  chan struct{} // a place per blob being sent

	mu       sync.Mutex // guards what follows
	closed   bool
	ln       net.Listener
	srv      *http.Server
	gate     *gate
	sessions map[fed.PartyID]*session
	dialling map[fed.DeviceID]chan struct{}
	fetching map[fed.Digest]*flight
	tickets  map[string]chan *link
	pairings map[string]*Pairing
	counts   map[Reason]uint64
	asked    *rate                // comparisons per address
	wrong    *rate                // wrong proofs per address
	knocks   *tally[fed.DeviceID] // sockets of paired devices before HELLO
}

var _ Network = (*Host)(nil)

// New returns a host that neither listens nor dials yet. It returns fed.Invalid
// when required options are missing.
func New(o Options) (*Host, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	h := &Host{
		o: o, instance: randomID(), serving: make(chan struct{}, o.Limits.Serving),
		handler: func(context.Context, fed.PartyID, wire.Message) (wire.Message, error) {
			return nil, fed.Errorf(fed.Unavailable, "Try again in a moment.", "the other side is still starting")
		},
		sessions: map[fed.PartyID]*session{}, dialling: map[fed.DeviceID]chan struct{}{}, fetching: map[fed.Digest]*flight{},
		tickets: map[string]chan *link{}, pairings: map[string]*Pairing{}, counts: map[Reason]uint64{},
		asked:  newRate(o.Timers.PairWindow, o.Timers.PairPause, o.Limits.PairTries),
		wrong:  newRate(o.Timers.PairWindow, 0, o.Limits.InviteTries),
		knocks: newTally[fed.DeviceID](o.Limits.Knocking),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h, nil
}

// Self implements Network.
func (h *Host) Self() fed.PartyID { return h.o.Self.Party() }

// Handle implements Network; call it before Listen and Connect.
func (h *Host) Handle(f Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handler = f
}

func (h *Host) handle(ctx context.Context, from fed.PartyID, m wire.Message) (wire.Message, error) {
	h.mu.Lock()
	f := h.handler
	h.mu.Unlock()
	return f(ctx, from, m)
}

// spawn runs f on a goroutine that Close waits for, unless the host is closed.
func (h *Host) spawn(f func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.wg.Go(f)
	return true
}

// hold makes Close wait until the caller has called h.wg.Done; false once closed.
func (h *Host) hold() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.wg.Add(1)
	return true
}

// Close says goodbye to all peers, ends everything and waits for all goroutines.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		h.wg.Wait()
		return nil
	}
	h.closed = true
	srv, live := h.srv, h.sessionsLocked()
	h.mu.Unlock()
	var farewell sync.WaitGroup
	for _, s := range live {
		farewell.Go(func() { s.bye("the program was closed") })
	}
	farewell.Wait()
	h.cancel()
	if srv != nil {
		srv.Close()
	}
	for _, s := range live {
		s.end(Closed, "")
	}
	h.wg.Wait()
	return nil
}

func (h *Host) sessionsLocked() []*session {
	out := make([]*session, 0, len(h.sessions))
	for _, s := range h.sessions {
		out = append(out, s)
	}
	return out
}

// session returns the live session with a party, or fed.Unavailable.
func (h *Host) session(p fed.PartyID) (*session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sessions[p]; s != nil {
		return s, nil
	}
	return nil, fed.Errorf(fed.Unavailable, "Wait until it is online, or check its address.", "party %s is not connected", p.Short())
}

// Send implements Network.
func (h *Host) Send(ctx context.Context, to fed.PartyID, m wire.Message) error {
	s, err := h.session(to)
	if err != nil {
		return err
	}
	return s.send(ctx, wire.Envelope{About: Subject(m), Msg: m})
}

// Request implements Network.
func (h *Host) Request(ctx context.Context, to fed.PartyID, m wire.Message) (wire.Message, error) {
	s, err := h.session(to)
	if err != nil {
		return nil, err
	}
	return s.request(ctx, m)
}

// Sessions implements Network.
func (h *Host) Sessions() []Session {
	h.mu.Lock()
	live := h.sessionsLocked()
	h.mu.Unlock()
	out := make([]Session, 0, len(live))
	for _, s := range live {
		out = append(out, s.snapshot())
	}
	slices.SortFunc(out, func(a, b Session) int { return strings.Compare(string(a.Party), string(b.Party)) })
	return out
}

// Disconnect ends every connection with a device at once; a revoked device is
// first marked in the peer table, so that it cannot come back.
func (h *Host) Disconnect(device fed.DeviceID, reason string) {
	h.mu.Lock()
	var hit []*session
	for _, s := range h.sessions {
		if s.device == device {
			hit = append(hit, s)
		}
	}
	var pairs []*Pairing
	for _, p := range h.pairings {
		if p.device == device {
			pairs = append(pairs, p)
		}
	}
	h.mu.Unlock()
	for _, s := range hit {
		s.end(Closed, reason)
	}
	for _, p := range pairs {
		p.link.close()
	}
}

// Refusals returns how often connections and messages were refused, by reason.
func (h *Host) Refusals() map[Reason]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make(map[Reason]uint64, len(h.counts))
	for r, n := range h.counts {
		out[r] = n
	}
	return out
}

// refuse counts a refusal and tells it.
func (h *Host) refuse(r Reason, s Session, detail string) {
	h.mu.Lock()
	h.counts[r]++
	n := h.counts[r]
	h.mu.Unlock()
	h.o.Log.Info("peer refused", "reason", string(r), "device", s.Device.Short(), "count", n, "detail", detail)
	h.o.OnEvent(Event{Kind: Refused, Session: s, Reason: r, Detail: detail, Count: n})
}

func randomID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Instance returns the random identifier of this start of the program.
func (h *Host) Instance() string { return h.instance }

// hello returns what this side says about itself on a session.
func (h *Host) hello(session string) wire.Hello {
	st := h.o.Statement()
	m := wire.Hello{
		Major: wire.Major, Minor: wire.Minor, Software: h.o.Software, Features: h.o.Features,
		Statement: wire.Signed(st), ClockMs: h.o.Clock().UnixMilli(),
		Instance: h.instance, Session: session, Addrs: h.Addrs(),
	}
	if h.o.Revocations != nil {
		for _, r := range h.o.Revocations() {
			if len(m.Revocations) < wire.MaxRevoked {
				m.Revocations = append(m.Revocations, wire.Signed(r))
			}
		}
	}
	return m
}

// checkHello verifies that the statement in a HELLO is about the device that TLS
// proved and the party that it is known for.
func (h *Host) checkHello(m wire.Hello, device fed.DeviceID, party fed.PartyID) (identity.Statement, Reason, error) {
	if m.Major != wire.Major {
		return identity.Statement{}, OtherVersion, fed.Errorf(fed.Incompatible, "Update the app on both sides.",
			"the other app speaks protocol %d.%d, this one %d.%d", m.Major, m.Minor, wire.Major, wire.Minor)
	}
	st, err := identity.VerifyStatement(identity.Signed(m.Statement), h.o.Clock())
	if err != nil {
		return st, BadStatement, err
	}
	if st.Device != device || st.Party != party {
		return st, Impostor, fed.Errorf(fed.Permission, "Do not trust this device; ask its owner.", "device %s shows the statement of another device or party", device.Short())
	}
	return st, "", nil
}

// spread passes on the withdrawals in a HELLO.
func (h *Host) spread(list []wire.Signed) {
	if h.o.OnRevocation == nil {
		return
	}
	for _, r := range list {
		if v, err := identity.VerifyRevocation(identity.Signed(r)); err == nil {
			h.o.OnRevocation(v, identity.Signed(r))
		}
	}
}

// now is for network deadlines, which the kernel measures in real time.
func now() time.Time { return time.Now() }
