package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/wire"
)

// Connect opens a session with a paired device at one of addrs (host:port), tried
// 250 ms apart; the first where the device proves its key is taken. It returns nil
// if there is a session already, fed.Permission if either side does not know the
// other, fed.Incompatible for another protocol version, else fed.Unavailable.
func (h *Host) Connect(ctx context.Context, device fed.DeviceID, addrs []string) error {
	party, allowed := h.o.Peers.Lookup(device)
	if !allowed {
		return errStranger(device)
	}
	done, first := h.beginDial(device)
	if !first {
		return h.awaitDial(ctx, done, party)
	}
	defer h.endDial(device, done)
	if _, err := h.session(party); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.o.Timers.Dial+h.o.Timers.Hello)
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)()
	l, addr, err := h.dial(ctx, only(device), addrs, pathControl, http.Header{headerVouch: {vouch(h.o.Statement())}})
	if err != nil {
		return err
	}
	l.device, l.party = device, party
	return h.knock(ctx, l, addr, addrs)
}

func (h *Host) beginDial(d fed.DeviceID) (done chan struct{}, first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if done := h.dialling[d]; done != nil {
		return done, false
	}
	done = make(chan struct{})
	h.dialling[d] = done
	return done, true
}

func (h *Host) endDial(d fed.DeviceID, done chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.dialling, d)
	close(done)
}

func (h *Host) awaitDial(ctx context.Context, done chan struct{}, party fed.PartyID) error {
	select {
	case <-done:
		_, err := h.session(party)
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// knock says HELLO and starts the session on HELLO_OK.
func (h *Host) knock(ctx context.Context, l *link, addr string, addrs []string) error {
	defer context.AfterFunc(ctx, l.close)()
	fail := func(err error) error {
		l.close()
		return err
	}
	id := randomID()
	if err := l.say(ctx, wire.Envelope{Msg: h.hello(id)}, ""); err != nil {
		return fail(err)
	}
	e, err := l.read(h.o.Timers.Hello)
	if err != nil {
		l.close()
		return h.orSession(ctx, l.party, h.o.Timers.Stagger, h.noAnswer(err))
	}
	switch m := e.Msg.(type) {
	case wire.Error:
		l.close()
		if m.Code != fed.Exists {
			return Remote(m)
		}
		return h.orSession(ctx, l.party, h.o.Timers.Hello, fed.Errorf(fed.Unavailable, "Try again in a moment.", "party %s still holds an older connection", l.party.Short()))
	case wire.HelloOk:
		st, reason, err := h.checkHello(m.Hello, l.device, l.party)
		if err != nil {
			h.refuse(reason, Session{Device: l.device, Party: l.party, Addr: addr}, err.Error())
			return fail(err)
		}
		s := h.newSession(l, h.describe(l, m.Hello, st, addr, true), m.Hello, id)
		s.addrs = append([]string{addr}, addrs...)
		if !h.enter(s) {
			l.close()
			_, err := h.session(l.party)
			return err
		}
		return h.start(s, m.Hello, st)
	}
	return fail(fed.Errorf(fed.Incompatible, "Update the app on both sides.", "the other app answered hello with %s", e.Msg.Kind()))
}

// orSession returns nil if a session with the party appears soon, else err: when
// both sides dial at once, one connection is refused or cut for the other's sake.
func (h *Host) orSession(ctx context.Context, party fed.PartyID, wait time.Duration, err error) error {
	late := time.NewTimer(wait)
	defer late.Stop()
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for {
		if _, none := h.session(party); none == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-late.C:
			return err
		case <-t.C:
		}
	}
}

func (h *Host) noAnswer(err error) error {
	return fed.Errorf(fed.Unavailable, "Check that the other app is running and reachable.", "the other side did not answer: %w", err)
}

// only allows one device: the pin of a dialled connection.
func only(d fed.DeviceID) func(fed.DeviceID) bool {
	return func(id fed.DeviceID) bool { return id == d }
}

// dial opens a WebSocket on path at the first address where allow takes the device.
func (h *Host) dial(ctx context.Context, allow func(fed.DeviceID) bool, addrs []string, path string, header http.Header) (*link, string, error) {
	_, cfg := identity.TLS(h.o.Self, allow)
	conn, addr, err := race(ctx, addrs, h.o.Timers.Stagger, func(ctx context.Context, addr string) (*tls.Conn, error) {
		return h.dialTLS(ctx, addr, cfg)
	})
	if err != nil {
		return nil, "", h.unreachable(err)
	}
	device, err := identity.PeerDevice(conn.ConnectionState())
	if err != nil {
		conn.NetConn().Close()
		return nil, "", err
	}
	plane := map[string]wire.Plane{pathControl: wire.OnControl, pathBlob: wire.OnBlob, pathPair: wire.OnPair}[path]
	size, pool := buffers(plane)
	d := websocket.Dialer{
		NetDialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		HandshakeTimeout:  h.o.Timers.Hello, ReadBufferSize: size, WriteBufferSize: size, WriteBufferPool: pool,
	}
	ws, resp, err := d.DialContext(ctx, "wss://"+addr+path, header) //nolint:bodyclose // the library leaves nothing of it on the network
	if err != nil {
		conn.NetConn().Close()
		return nil, "", h.notUpgraded(resp, err)
	}
	return h.newLink(ws, plane, device, ""), addr, nil
}

func (h *Host) unreachable(err error) error {
	if errors.Is(err, identity.ErrRefused) {
		h.refuse(Impostor, Session{}, err.Error())
		return fed.Errorf(fed.Permission, "Check the address. If a proxy inspects TLS, let this app pass it: inspection breaks the identity check by design.",
			"what answers at this address is not the expected device: %w", err)
	}
	return fed.Errorf(fed.Unavailable, "Check that the other app is running and that both are on one network.", "the other side cannot be reached: %w", err)
}

// notUpgraded explains a refusal, which a TLS client learns of only when it reads.
func (h *Host) notUpgraded(resp *http.Response, err error) error {
	var alert tls.AlertError
	reason := Reason("")
	if resp != nil {
		reason = Reason(resp.Header.Get(headerRefused))
	}
	var remote *net.OpError
	refused := errors.As(err, &alert) || errors.As(err, &remote) && remote.Op == "remote error"
	switch {
	case reason == Stranger || reason == WasRevoked || refused:
		return fed.Errorf(fed.Permission, "Pair again, or ask the other side whether it withdrew this device.", "the other side does not accept this device")
	case reason == PairLimited || resp != nil && resp.StatusCode == http.StatusTooManyRequests:
		return fed.Errorf(fed.Busy, "Wait some minutes and try again.", "the other side takes no more pairing requests now")
	}
	return fed.Errorf(fed.Unavailable, "Check that the other app is running and up to date.", "the other side did not open a connection: %w", err)
}

// race tries addrs one after the other, stagger apart or at once after a failure,
// and returns the first that succeeds (happy eyeballs, RFC 8305).
func race(ctx context.Context, addrs []string, stagger time.Duration, try func(context.Context, string) (*tls.Conn, error)) (*tls.Conn, string, error) {
	if len(addrs) == 0 {
		return nil, "", errors.New("no address is known")
	}
	if len(addrs) > wire.MaxAddrs+1 {
		addrs = addrs[:wire.MaxAddrs+1]
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn *tls.Conn
		addr string
		err  error
	}
	results := make(chan result)
	running, next := 0, 0
	launch := func() {
		addr := addrs[next]
		next++
		running++
		go func() { // awaited below: every launch is followed by one receive
			c, err := try(ctx, addr)
			results <- result{c, addr, err}
		}()
	}
	launch()
	timer := time.NewTimer(stagger)
	defer timer.Stop()
	var won result
	var errs []error
	for running > 0 {
		select {
		case <-timer.C:
			if next < len(addrs) && won.conn == nil {
				launch()
				timer.Reset(stagger)
			}
		case r := <-results:
			running--
			switch {
			case r.err != nil:
				errs = append(errs, r.err)
				if next < len(addrs) && won.conn == nil && ctx.Err() == nil {
					launch()
					timer.Reset(stagger)
				}
			case won.conn == nil:
				won = r
				cancel()
			default:
				r.conn.NetConn().Close()
			}
		}
	}
	if won.conn == nil {
		return nil, "", errors.Join(errs...)
	}
	return won.conn, won.addr, nil
}

// dialTLS connects to one address, through a proxy where one is configured, and
// completes the handshake with the pin.
func (h *Host) dialTLS(ctx context.Context, addr string, cfg *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, h.o.Timers.Dial)
	defer cancel()
	if !identity.ValidAddr(addr) {
		return nil, fmt.Errorf("%q is no host:port", addr)
	}
	raw, err := h.dialTCP(ctx, addr)
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

func (h *Host) dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	proxy, err := h.proxyFor(addr)
	if err != nil {
		return nil, fmt.Errorf("read the proxy settings: %w", err)
	}
	if proxy == nil {
		return d.DialContext(ctx, "tcp", addr)
	}
	host := proxy.Host
	if proxy.Port() == "" {
		host = net.JoinHostPort(proxy.Hostname(), "80")
	}
	c, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, fmt.Errorf("reach the proxy: %w", err)
	}
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if err := tunnel(c, proxy, addr); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// proxyFor returns the proxy for an address; the local network is reached directly.
func (h *Host) proxyFor(addr string) (*url.URL, error) {
	if ip := net.ParseIP(hostOf(addr)); ip != nil && (ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()) {
		return nil, nil
	}
	return h.o.Proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: addr}})
}

// tunnel asks an HTTP proxy to connect, with Basic authentication if it has a user.
func tunnel(c net.Conn, proxy *url.URL, addr string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if u := proxy.User; u != nil {
		pass, _ := u.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+pass)))
	}
	if err := req.Write(c); err != nil {
		return fmt.Errorf("ask the proxy: %w", err)
	}
	br := bufio.NewReaderSize(c, 4<<10)
	resp, err := http.ReadResponse(br, req) //nolint:bodyclose // the body of an answer to CONNECT is the tunnel
	if err != nil {
		return fmt.Errorf("hear the proxy: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy refused the connection: %s", resp.Status)
	}
	if br.Buffered() > 0 {
		return errors.New("the proxy spoke before the other side")
	}
	return nil
}
