package transport

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/gorilla/websocket"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/wire"
)

// The paths and headers of the peer port.
const (
	pathControl   = "/v1/control"
	pathBlob      = "/v1/blob"
	pathPair      = "/v1/pair"
	headerSession = "X-Synergos-Session"
	headerTicket  = "X-Synergos-Ticket"
	headerRefused = "X-Synergos-Refused"
	headerVouch   = "X-Synergos-Statement" // of the device that dials
)

// Listen opens the peer port on a TCP address, for example ":0".
func (h *Host) Listen(addr string) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(h.ctx, "tcp", addr)
	if err != nil {
		return fed.Errorf(fed.Unavailable, "Choose another port, or allow this app to listen.", "the peer port cannot be opened: %w", err)
	}
	server, _ := identity.TLS(h.o.Self, h.mayKnock)
	g := newGate(ln, h.o.Limits.Open, h.o.Limits.OpenFrom, func(r Reason, ip string) { h.refuse(r, Session{Addr: ip}, ip) })
	srv := &http.Server{
		Handler: http.HandlerFunc(h.serve), ReadHeaderTimeout: h.o.Timers.Header, MaxHeaderBytes: h.o.Limits.HeaderBytes,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, ErrorLog: log.New(tlsLog{h}, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	srv.SetKeepAlivesEnabled(false)
	h.mu.Lock()
	if h.closed || h.ln != nil {
		h.mu.Unlock()
		ln.Close()
		return fed.Errorf(fed.Invalid, "", "the peer port is open or closed for good")
	}
	h.ln, h.srv, h.gate = ln, srv, g
	h.wg.Go(func() { _ = srv.Serve(tls.NewListener(g, server)) }) // ends with ErrServerClosed
	h.mu.Unlock()
	return nil
}

type connKey struct{}

// tlsLog counts failed handshakes, which net/http only logs.
type tlsLog struct{ h *Host }

// Write implements io.Writer.
func (t tlsLog) Write(b []byte) (int, error) {
	t.h.refuse(BadTLS, Session{}, "handshake failed")
	return len(b), nil
}

// mayKnock decides at the TLS handshake: revoked devices stay out, unknown ones
// get no further than pairing.
func (h *Host) mayKnock(d fed.DeviceID) bool {
	if d == h.o.Self.Device() {
		return false
	}
	party, allowed := h.o.Peers.Lookup(d)
	if party != "" && !allowed {
		h.refuse(WasRevoked, Session{Device: d, Party: party}, "")
		return false
	}
	return true
}

// Addr returns the address of the peer port, or nil.
func (h *Host) Addr() net.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ln == nil {
		return nil
	}
	return h.ln.Addr()
}

// Addrs returns the host:port that peers are told.
func (h *Host) Addrs() []string {
	var out []string
	if h.o.Advertise != nil {
		out = h.o.Advertise()
	} else if a, ok := h.Addr().(*net.TCPAddr); ok {
		out = listenAddrs(a)
	}
	if len(out) > wire.MaxAddrs {
		out = out[:wire.MaxAddrs]
	}
	return out
}

// listenAddrs expands a listener on all interfaces to their addresses; link-local
// and, unless nothing else is there, loopback ones help nobody.
func listenAddrs(a *net.TCPAddr) []string {
	port := strconv.Itoa(a.Port)
	if !a.IP.IsUnspecified() {
		return []string{net.JoinHostPort(a.IP.String(), port)}
	}
	var out []string
	list, _ := net.InterfaceAddrs() // without them only loopback remains
	for _, i := range list {
		if n, ok := i.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			out = append(out, net.JoinHostPort(n.IP.String(), port))
		}
	}
	if len(out) == 0 {
		out = append(out, net.JoinHostPort("127.0.0.1", port))
	}
	return out
}

// serve is the peer port: three paths, each an upgrade to a WebSocket, after which
// the handler returns and the socket belongs to a goroutine of the host.
func (h *Host) serve(w http.ResponseWriter, r *http.Request) {
	if !h.hold() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer h.wg.Done()
	device, err := identity.PeerDevice(*r.TLS)
	who := Session{Device: device, Addr: r.RemoteAddr}
	party, allowed := h.o.Peers.Lookup(device)
	who.Party = party
	switch {
	case err != nil:
		h.turnAway(w, http.StatusForbidden, BadTLS, who)
	case len(r.Header["Origin"]) > 0:
		h.turnAway(w, http.StatusForbidden, HasOrigin, who)
	case r.Method != http.MethodGet || r.ContentLength > 0:
		h.turnAway(w, http.StatusMethodNotAllowed, BadRequest, who)
	case r.URL.Path == pathPair:
		h.servePair(w, r, who)
	case r.URL.Path != pathControl && r.URL.Path != pathBlob:
		h.turnAway(w, http.StatusNotFound, BadRequest, who)
	case !allowed && party == "" && r.URL.Path == pathControl && h.adopt(r, &who):
		h.serveControl(w, r, who) // a paired party's new computer
	case !allowed:
		h.turnAway(w, http.StatusForbidden, Stranger, who)
	case r.URL.Path == pathControl:
		h.serveControl(w, r, who)
	default:
		h.serveBlob(w, r, who)
	}
}

func (h *Host) turnAway(w http.ResponseWriter, status int, reason Reason, who Session) {
	h.refuse(reason, who, "")
	w.Header().Set(headerRefused, string(reason))
	w.WriteHeader(status)
}

// proven ends the counting of a connection as unauthenticated.
func proven(r *http.Request) {
	if t, ok := r.Context().Value(connKey{}).(*tls.Conn); ok {
		if g, ok := t.NetConn().(*gated); ok {
			g.leave()
		}
	}
}

var (
	controlPool = &sync.Pool{}
	blobPool    = &sync.Pool{}
)

// upgrader returns the WebSocket settings of a plane. Compression stays off: it
// would let a small message grow past every limit.
func (h *Host) upgrader(p wire.Plane) *websocket.Upgrader {
	size, pool := buffers(p)
	return &websocket.Upgrader{
		HandshakeTimeout: h.o.Timers.Hello, ReadBufferSize: size, WriteBufferSize: size, WriteBufferPool: pool,
		CheckOrigin: func(r *http.Request) bool { return len(r.Header["Origin"]) == 0 }, EnableCompression: false,
		Error: func(w http.ResponseWriter, _ *http.Request, status int, _ error) { w.WriteHeader(status) },
	}
}

func buffers(p wire.Plane) (int, *sync.Pool) {
	if p == wire.OnBlob {
		return chunk, blobPool
	}
	return 4 << 10, controlPool
}

// upgrade returns the link of a request, or nil after having answered it.
func (h *Host) upgrade(w http.ResponseWriter, r *http.Request, p wire.Plane, who Session) *link {
	ws, err := h.upgrader(p).Upgrade(w, r, nil)
	if err != nil {
		h.refuse(BadRequest, who, "no WebSocket")
		return nil
	}
	return h.newLink(ws, p, who.Device, who.Party)
}

func (h *Host) serveControl(w http.ResponseWriter, r *http.Request, who Session) {
	if !h.knocks.enter(who.Device) {
		h.turnAway(w, http.StatusTooManyRequests, TooManyFrom, who)
		return
	}
	if who.Party != "" {
		proven(r)
	}
	l := h.upgrade(w, r, wire.OnControl, who)
	if l == nil || !h.spawn(func() { h.welcome(l, who) }) {
		h.knocks.leave(who.Device)
		if l != nil {
			l.close()
		}
	}
}

// welcome expects HELLO, answers it and runs the session.
func (h *Host) welcome(l *link, who Session) {
	stop := context.AfterFunc(h.ctx, l.close)
	defer stop()
	s, m, st, err := h.greet(l, who)
	h.knocks.leave(who.Device)
	if err != nil {
		h.o.Log.Info("session not opened", "device", who.Device.Short(), "error", err.Error())
		l.close()
		return
	}
	if err := s.say(h.ctx, wire.Envelope{Msg: wire.HelloOk{Hello: h.hello(s.id)}}, ""); err != nil {
		h.abandon(s)
		return
	}
	if err := h.start(s, m, st); err != nil {
		h.o.Log.Info("session not opened", "device", who.Device.Short(), "error", err.Error())
	}
}

func (h *Host) greet(l *link, who Session) (*session, wire.Hello, identity.Statement, error) {
	fail := func(r Reason, err error) (*session, wire.Hello, identity.Statement, error) {
		h.refuse(r, who, err.Error())
		_ = l.sayError(h.ctx, 0, wire.KindHello, err) // it may not listen any more
		return nil, wire.Hello{}, identity.Statement{}, err
	}
	e, err := l.read(h.o.Timers.Hello)
	if err != nil {
		return fail(NoHello, err)
	}
	m, ok := e.Msg.(wire.Hello)
	if !ok {
		return fail(NoHello, fed.Errorf(fed.Invalid, "", "the first message was %s instead of hello", e.Msg.Kind()))
	}
	st, reason, err := h.checkHello(m, l.device, l.party)
	if err != nil {
		return fail(reason, err)
	}
	s := h.newSession(l, h.describe(l, m, st, who.Addr, false), m, m.Session)
	if !h.enter(s) {
		return fail(Duplicate, errDuplicate())
	}
	return s, m, st, nil
}

// vouch writes the statement of this device for a peer that does not know it yet.
func vouch(s identity.Signed) string {
	return base64.StdEncoding.EncodeToString(s.Body) + "." + base64.StdEncoding.EncodeToString(s.Sig)
}

// adopt enters the party of an unknown device whose organisation vouches for it, if
// that organisation is paired. A stranger is turned away before any message.
func (h *Host) adopt(r *http.Request, who *Session) bool {
	body, sig, ok := strings.Cut(r.Header.Get(headerVouch), ".")
	if h.o.Adopt == nil || !ok {
		return false
	}
	var signed identity.Signed
	var bad error
	if signed.Body, bad = base64.StdEncoding.DecodeString(body); bad != nil {
		return false
	}
	if signed.Sig, bad = base64.StdEncoding.DecodeString(sig); bad != nil {
		return false
	}
	st, err := identity.VerifyStatement(signed, h.o.Clock())
	if err != nil || st.Device != who.Device || !h.o.Adopt(st, signed) {
		return false
	}
	party, allowed := h.o.Peers.Lookup(who.Device)
	who.Party = party
	return allowed && party == st.Party
}

func errDuplicate() error {
	return fed.Errorf(fed.Exists, "", "there is a connection already")
}
