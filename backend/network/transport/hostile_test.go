package transport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/transport/nettest"
	"synergos.app/desktop/backend/network/wire"
)

// raw is a client that says what a Host never would.
type raw struct {
	t  *testing.T
	ws *websocket.Conn
}

func anyone(fed.DeviceID) bool { return true }

// dialRaw opens a WebSocket as self on a path of p.
func dialRaw(t *testing.T, self *identity.Self, p *peer, path string, head http.Header) (*raw, *http.Response, error) {
	_, cfg := identity.TLS(self, anyone)
	d := websocket.Dialer{TLSClientConfig: cfg, HandshakeTimeout: 10 * time.Second}
	ws, resp, err := d.Dial("wss://"+p.addr()+path, head)
	if err != nil {
		return nil, resp, err
	}
	t.Cleanup(func() { ws.Close() })
	ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	return &raw{t, ws}, resp, nil
}

func mustRaw(t *testing.T, self *identity.Self, p *peer, path string, head http.Header) *raw {
	t.Helper()
	r, _, err := dialRaw(t, self, p, path, head)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *raw) send(plane wire.Plane, e wire.Envelope) {
	r.t.Helper()
	b, err := wire.Encode(plane, e)
	if err != nil {
		r.t.Fatal(err)
	}
	r.bytes(b)
}

func (r *raw) bytes(b []byte) {
	r.t.Helper()
	if err := r.ws.WriteMessage(websocket.BinaryMessage, b); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) read(plane wire.Plane) (wire.Envelope, error) {
	_, b, err := r.ws.ReadMessage()
	if err != nil {
		return wire.Envelope{}, err
	}
	return wire.Decode(plane, b)
}

// until reads up to the first message of a kind.
func (r *raw) until(plane wire.Plane, k wire.Kind) wire.Message {
	r.t.Helper()
	for {
		e, err := r.read(plane)
		if err != nil {
			r.t.Fatalf("waiting for %s: %v", k, err)
		}
		if e.Msg.Kind() == k {
			return e.Msg
		}
	}
}

// closed reads until the other side has cut the connection.
func (r *raw) closed() {
	r.t.Helper()
	for {
		if _, _, err := r.ws.ReadMessage(); err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				r.t.Fatal("the connection was left open")
			}
			return
		}
	}
}

const hex32 = "00112233445566778899aabbccddeeff"

func helloOf(self *identity.Self) wire.Hello {
	return wire.Hello{Major: wire.Major, Statement: wire.Signed(self.Signed()), ClockMs: time.Now().UnixMilli(), Instance: hex32, Session: hex32}
}

// guest is a raw session that has passed HELLO.
func guest(t *testing.T, self *identity.Self, p *peer) *raw {
	t.Helper()
	p.table.allow(self)
	r := mustRaw(t, self, p, "/v1/control", nil)
	r.send(wire.OnControl, wire.Envelope{Msg: helloOf(self)})
	r.until(wire.OnControl, wire.KindHelloOk)
	return r
}

func status(resp *http.Response) int {
	if resp == nil {
		return 0
	}
	return resp.StatusCode
}

func TestStrangerIsRefused(t *testing.T) {
	a, b := start(t, 0, nil), start(t, 1, nil)
	a.table.allow(b.self) // b does not know a
	wantKind(t, a.connect(b), fed.Permission)
	if e := b.refused(transport.Stranger); e.Session.Device != a.self.Device() || e.Count != 1 {
		t.Fatalf("%+v", e)
	}
	wantKind(t, b.connect(a), fed.Permission) // b does not even try
	_, resp, err := dialRaw(t, a.self, b, "/v1/blob", nil)
	if err == nil || status(resp) != http.StatusForbidden {
		t.Fatalf("a stranger reached the blob socket: %v", resp)
	}
	if n := b.Refusals()[transport.Stranger]; n != 2 {
		t.Fatalf("%d refusals were counted, want 2", n)
	}
}

func TestImpostorIsRefused(t *testing.T) {
	a, b, c := start(t, 0, nil), start(t, 1, nil), start(t, 2, nil)
	meet(a, c)
	// b answers where c is expected
	err := a.Connect(context.Background(), c.self.Device(), []string{b.addr()})
	wantKind(t, err, fed.Permission)
	a.refused(transport.Impostor)
	// the right device is found behind the wrong one
	if err := a.Connect(context.Background(), c.self.Device(), []string{b.addr(), c.addr()}); err != nil {
		t.Fatal(err)
	}
}

func TestStatementOfAnotherIsRefused(t *testing.T) {
	b := start(t, 1, nil)
	mallory, victim := selfOf(t, 2), selfOf(t, 3)
	b.table.allow(mallory)
	b.table.allow(victim)
	for _, h := range []wire.Hello{helloOf(victim), {Major: 1, Statement: wire.Signed{Body: mallory.Signed().Body, Sig: victim.Signed().Sig}, Instance: hex32, Session: hex32}} {
		r := mustRaw(t, mallory, b, "/v1/control", nil)
		r.send(wire.OnControl, wire.Envelope{Msg: h})
		if e := r.until(wire.OnControl, wire.KindError).(wire.Error); e.Code != fed.Permission {
			t.Fatalf("%+v", e)
		}
		r.closed()
	}
	b.refused(transport.Impostor)
	b.refused(transport.BadStatement)
	if len(b.Sessions()) != 0 {
		t.Fatal("a session was opened")
	}
}

func TestRevokedIsCutAtOnce(t *testing.T) {
	a, b := start(t, 0, nil), start(t, 1, nil)
	ref := b.blobs.Put(nettest.Content(8*wire.LeafSize, 1))
	join(t, a, b)
	a.blobs.OnLeaf = func(_ fed.Digest, i int) {
		if i == 2 {
			b.table.revoke(a.self.Device())
			b.Disconnect(a.self.Device(), "revoked")
		}
	}
	began := time.Now()
	err := a.Fetch(context.Background(), b.Self(), ref, nil)
	if err == nil || a.blobs.Has(ref.Digest) {
		t.Fatalf("the transfer went on after the revocation: %v", err)
	}
	eventually(t, func() bool { return !a.has(b) && !b.has(a) })
	if d := time.Since(began); d > 5*time.Second {
		t.Fatalf("it took %v", d)
	}
	wantKind(t, a.connect(b), fed.Permission)
	b.refused(transport.WasRevoked)
	if _, err := a.StartSAS(context.Background(), b.addr()); err == nil {
		t.Fatal("a revoked device may not ask for pairing")
	}
}

func TestOtherVersionIsNamed(t *testing.T) {
	b := start(t, 1, nil)
	c := selfOf(t, 2)
	b.table.allow(c)
	r := mustRaw(t, c, b, "/v1/control", nil)
	h := helloOf(c)
	h.Major, h.Minor = 7, 3
	r.send(wire.OnControl, wire.Envelope{Msg: h})
	e := r.until(wire.OnControl, wire.KindError).(wire.Error)
	if e.Code != fed.Incompatible || !strings.Contains(e.Message, "7.3") || !strings.Contains(e.Message, "1.0") {
		t.Fatalf("%+v", e)
	}
	b.refused(transport.OtherVersion)
	r.closed()
}

func TestHigherMinorAndUnknownFieldsAreWelcome(t *testing.T) {
	b := start(t, 1, nil)
	c := selfOf(t, 2)
	b.table.allow(c)
	r := mustRaw(t, c, b, "/v1/control", nil)
	h := helloOf(c)
	h.Minor = 9
	raw, err := wire.Encode(wire.OnControl, wire.Envelope{Msg: h})
	if err != nil {
		t.Fatal(err)
	}
	r.bytes(append(raw, 0xfa, 0x3f, 1, 'x')) // field 1023, bytes
	r.until(wire.OnControl, wire.KindHelloOk)
	r.bytes([]byte{0x08, 5, 0xfa, 0x3f, 1, 'x'}) // id 5 of a kind from the future
	if e := r.until(wire.OnControl, wire.KindError).(wire.Error); e.Code != fed.Incompatible {
		t.Fatalf("%+v", e)
	}
	r.send(wire.OnControl, wire.Envelope{Msg: wire.Ping{Nonce: 77}})
	for r.until(wire.OnControl, wire.KindPong) != (wire.Pong{Nonce: 77}) {
	}
}

func TestOriginIsRefused(t *testing.T) {
	b := start(t, 1, nil)
	c := selfOf(t, 2)
	b.table.allow(c)
	for _, path := range []string{"/v1/control", "/v1/blob", "/v1/pair", "/"} {
		_, resp, err := dialRaw(t, c, b, path, http.Header{"Origin": {"https://" + b.addr()}})
		if err == nil || status(resp) != http.StatusForbidden {
			t.Fatalf("%s: %v", path, resp)
		}
	}
	if n := b.Refusals()[transport.HasOrigin]; n != 4 {
		t.Fatalf("%d refusals, want 4", n)
	}
	for _, path := range []string{"/", "/v1/control/", "/v1/admin"} {
		if _, resp, _ := dialRaw(t, c, b, path, nil); status(resp) != http.StatusNotFound {
			t.Fatalf("%s: %v", path, resp)
		}
	}
}

func TestPlainHTTPAndOldTLSAreRefused(t *testing.T) {
	b := start(t, 1, nil)
	resp, err := http.Get("http://" + b.addr() + "/v1/control")
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Fatalf("plain HTTP: %v", resp)
		}
	}
	c := selfOf(t, 2)
	_, cfg := identity.TLS(c, anyone)
	cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if conn, err := tls.Dial("tcp", b.addr(), cfg); err == nil {
		conn.Close()
		t.Fatal("TLS 1.2 was accepted")
	}
	_, cfg = identity.TLS(c, anyone)
	cfg.Certificates = nil
	conn, err := tls.Dial("tcp", b.addr(), cfg)
	if err == nil {
		_, err = conn.Read(make([]byte, 1)) // a client learns of a refusal when it reads
		conn.Close()
	}
	if err == nil {
		t.Fatal("no certificate was accepted")
	}
	b.refused(transport.BadTLS)
}

func TestOversizedControlMessageIsRefused(t *testing.T) {
	b := start(t, 1, nil)
	r := guest(t, selfOf(t, 2), b)
	_ = r.ws.WriteMessage(websocket.BinaryMessage, make([]byte, wire.MaxControl+1)) // the reader may cut it off
	r.closed()
	b.refused(transport.Oversized)
	eventually(t, func() bool { return len(b.Sessions()) == 0 })
}

func TestLyingLengthsAreRefused(t *testing.T) {
	b := start(t, 1, nil)
	for name, bad := range map[string][]byte{
		"inner length beyond the end":    {0x52, 0xff, 0xff, 0xff, 0xff, 0x0f},
		"varint that never ends":         {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"a statement instead of a grid":  {0xc2, 0x02, 2, 0x0a, 0x00},
		"a hundred thousand empty parts": heads(100_000),
	} {
		t.Run(name, func(t *testing.T) {
			b.forgetEvents()
			r := guest(t, selfOf(t, 2), b)
			r.bytes(bad)
			r.closed()
			b.refused(transport.Malformed)
		})
	}
}

// heads is a DocVector of n empty entries: two bytes each on the wire.
func heads(n int) []byte {
	var body []byte
	for range n {
		body = append(body, 0x0a, 0)
	}
	out := []byte{0xfa, 0x01} // field 31
	size := len(body)
	for size >= 0x80 {
		out = append(out, byte(size)|0x80)
		size >>= 7
	}
	return append(append(out, byte(size)), body...)
}

func TestTextFramesAreRefused(t *testing.T) {
	b := start(t, 1, nil)
	r := guest(t, selfOf(t, 2), b)
	if err := r.ws.WriteMessage(websocket.TextMessage, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	r.closed()
	b.refused(transport.Malformed)
}

func TestWebSocketPingGetsNoUnrecordedAnswer(t *testing.T) {
	b := start(t, 1, nil)
	r := guest(t, selfOf(t, 2), b)
	pongs := 0
	r.ws.SetPongHandler(func(string) error { pongs++; return nil })
	if err := r.ws.WriteControl(websocket.PingMessage, []byte("echo me"), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	r.send(wire.OnControl, wire.Envelope{Msg: wire.Ping{Nonce: 5}})
	for r.until(wire.OnControl, wire.KindPong) != (wire.Pong{Nonce: 5}) {
	}
	if pongs != 0 {
		t.Fatal("a frame left without a line in the ledger")
	}
}

func TestCompressionIsNotNegotiated(t *testing.T) {
	b := start(t, 1, nil)
	c := selfOf(t, 2)
	b.table.allow(c)
	_, cfg := identity.TLS(c, anyone)
	d := websocket.Dialer{TLSClientConfig: cfg, EnableCompression: true}
	ws, resp, err := d.Dial("wss://"+b.addr()+"/v1/control", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if ext := resp.Header.Get("Sec-Websocket-Extensions"); ext != "" {
		t.Fatalf("extensions %q", ext)
	}
}

func TestSlowLorisIsCutOff(t *testing.T) {
	b := start(t, 1, func(o *transport.Options) { o.Timers.Header = 100 * time.Millisecond })
	_, cfg := identity.TLS(selfOf(t, 2), anyone)
	c, err := tls.Dial("tcp", b.addr(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /v1/control HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	answer, err := io.ReadAll(c)
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		t.Fatal("half a header kept the connection open")
	}
	if strings.Contains(string(answer), "101") {
		t.Fatalf("got %q", answer)
	}
	// silence before TLS
	plain, err := net.Dial("tcp", b.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	plain.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadAll(plain); errors.As(err, &ne) && ne.Timeout() {
		t.Fatal("silence kept the connection open")
	}
}

func TestHugeHeadersAreRefused(t *testing.T) {
	b := start(t, 1, nil)
	_, cfg := identity.TLS(selfOf(t, 2), anyone)
	c, err := tls.Dial("tcp", b.addr(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go fmt.Fprintf(c, "GET /v1/pair HTTP/1.1\r\nHost: x\r\nX-Big: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Fatalf("got %v", resp.Status)
		}
	}
}

func TestHelloMustComeInTime(t *testing.T) {
	b := start(t, 1, func(o *transport.Options) { o.Timers.Hello = 100 * time.Millisecond })
	c := selfOf(t, 2)
	b.table.allow(c)
	r := mustRaw(t, c, b, "/v1/control", nil)
	r.closed()
	b.refused(transport.NoHello)
}

func TestHalfOpenConnectionsAreLimited(t *testing.T) {
	const each = 3
	b := start(t, 1, func(o *transport.Options) { o.Limits.OpenFrom, o.Limits.Open = each, 5 })
	var open []net.Conn
	for range each + 2 {
		c, err := net.Dial("tcp", b.addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	b.event("two refusals", func(e transport.Event) bool { return e.Reason == transport.TooManyFrom && e.Count == 2 })
	// places become free, and a paired device does not occupy one
	for _, c := range open {
		c.Close()
	}
	var members []*raw
	for i := range each + 2 {
		var r *raw
		eventually(t, func() bool {
			b.table.allow(selfOf(t, 2+i))
			var err error
			r, _, err = dialRaw(t, selfOf(t, 2+i), b, "/v1/control", nil)
			return err == nil
		})
		r.send(wire.OnControl, wire.Envelope{Msg: helloOf(selfOf(t, 2+i))})
		r.until(wire.OnControl, wire.KindHelloOk)
		members = append(members, r)
	}
	if n := len(b.Sessions()); n != len(members) {
		t.Fatalf("%d sessions, want %d", n, len(members))
	}
}

func TestHalfOpenConnectionsAreLimitedInTotal(t *testing.T) {
	b := start(t, 1, func(o *transport.Options) { o.Limits.OpenFrom, o.Limits.Open = 100, 2 })
	for range 3 {
		c, err := net.Dial("tcp", b.addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	b.refused(transport.TooManyOpen)
}

func TestSilentPeerIsDropped(t *testing.T) {
	b := start(t, 1, func(o *transport.Options) { o.Timers.Read = 100 * time.Millisecond })
	r := guest(t, selfOf(t, 2), b)
	r.closed()
	b.event("silent", func(e transport.Event) bool {
		return e.Kind == transport.Disconnected && e.Reason == transport.Silent
	})
}

func TestSlowPeerIsCutOff(t *testing.T) {
	b := start(t, 1, func(o *transport.Options) {
		o.Timers.Queue, o.Limits.Queue = 100*time.Millisecond, 4
	})
	c := selfOf(t, 2)
	guest(t, c, b) // it reads nothing more
	body := []byte(`"` + strings.Repeat("x", wire.MaxBody-2) + `"`)
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = b.Send(context.Background(), c.Party(), wire.Query{Name: "echo", Body: body})
	}
	wantKind(t, err, fed.Busy)
	b.refused(transport.SlowPeer)
	eventually(t, func() bool { return len(b.Sessions()) == 0 })
}

func TestRequestsAtOnceAreLimited(t *testing.T) {
	block := make(chan struct{})
	b := start(t, 1, func(o *transport.Options) { o.Limits.Handling = 2 })
	b.Handle(func(context.Context, fed.PartyID, wire.Message) (wire.Message, error) {
		<-block
		return wire.Answer{}, nil
	})
	r := guest(t, selfOf(t, 2), b)
	for id := range uint64(3) {
		r.send(wire.OnControl, wire.Envelope{ID: id + 1, Msg: wire.Query{Name: "echo"}})
	}
	if e := r.until(wire.OnControl, wire.KindError).(wire.Error); e.Code != fed.Busy {
		t.Fatalf("%+v", e)
	}
	close(block)
	b.refused(transport.TooManyAsked)
}

// Each answer to a ping is a line of the record of what left: who pings without end
// gets few.
func TestPingsAreAnsweredSparingly(t *testing.T) {
	b := start(t, 1, func(o *transport.Options) { o.Timers.Ping = time.Hour })
	r := guest(t, selfOf(t, 2), b)
	const sent = 200
	for n := range uint64(sent) {
		r.send(wire.OnControl, wire.Envelope{Msg: wire.Ping{Nonce: n + 1000}})
	}
	r.send(wire.OnControl, wire.Envelope{ID: 1, Msg: wire.Query{Name: "nothing"}})
	pongs := 0
	for asked := true; asked; {
		e, err := r.read(wire.OnControl)
		if err != nil {
			t.Fatal(err)
		}
		switch e.Msg.(type) {
		case wire.Pong:
			pongs++
		case wire.Ping:
		default: // the answer to what followed
			asked = false
		}
	}
	if pongs == 0 || pongs >= sent/2 {
		t.Errorf("%d of %d pings were answered", pongs, sent)
	}
	b.refused(transport.TooManyAsked)
}

func TestSecondHelloEndsTheSession(t *testing.T) {
	b := start(t, 1, nil)
	r := guest(t, selfOf(t, 2), b)
	r.send(wire.OnControl, wire.Envelope{Msg: helloOf(selfOf(t, 2))})
	r.closed()
	b.refused(transport.Malformed)
}

func TestBlobSocketNeedsItsSession(t *testing.T) {
	b := start(t, 1, nil)
	c := selfOf(t, 2)
	guest(t, c, b)
	for _, h := range []http.Header{nil, {"X-Synergos-Session": {strings.Repeat("0", 32)}}} {
		if _, resp, err := dialRaw(t, c, b, "/v1/blob", h); err == nil || status(resp) != http.StatusConflict {
			t.Fatalf("%v", resp)
		}
	}
	h := http.Header{"X-Synergos-Session": {hex32}, "X-Synergos-Ticket": {hex32}}
	if _, resp, err := dialRaw(t, c, b, "/v1/blob", h); err == nil || status(resp) != http.StatusNotFound {
		t.Fatalf("an invented ticket: %v", resp)
	}
	mustRaw(t, c, b, "/v1/blob", http.Header{"X-Synergos-Session": {hex32}})
}

// A receiver that lies about its bitmap, floods credit or speaks out of turn loses
// the socket, not the session.
func TestHostileReceiver(t *testing.T) {
	b := start(t, 1, nil)
	c := selfOf(t, 2)
	ref := b.blobs.Put(nettest.Content(24*wire.LeafSize, 9)) // more than socket buffers hold
	guest(t, c, b)
	for name, bad := range map[string][]wire.Message{
		"bitmap too long": {wire.BlobHave{Bitmap: make([]byte, 4)}},
		"no bitmap":       {wire.BlobCredit{Bytes: 1 << 20}},
		"credit flood":    {wire.BlobHave{Bitmap: make([]byte, 3)}, wire.BlobCredit{Bytes: 64 << 20}, wire.BlobCredit{Bytes: 64 << 20}, wire.BlobCredit{Bytes: 64 << 20}, wire.BlobCredit{Bytes: 64 << 20}},
		"data to sender":  {wire.BlobHave{Bitmap: make([]byte, 3)}, wire.BlobData{Data: []byte("x")}},
	} {
		t.Run(name, func(t *testing.T) {
			r := mustRaw(t, c, b, "/v1/blob", http.Header{"X-Synergos-Session": {hex32}})
			r.send(wire.OnBlob, wire.Envelope{Msg: wire.BlobGet{Ref: ref}})
			r.until(wire.OnBlob, wire.KindBlobManifest)
			for _, m := range bad {
				b, err := wire.Encode(wire.OnBlob, wire.Envelope{Msg: m})
				if err != nil {
					t.Fatal(err)
				}
				if r.ws.WriteMessage(websocket.BinaryMessage, b) != nil {
					break // cut off already
				}
			}
			for {
				e, err := r.read(wire.OnBlob)
				if err != nil {
					break
				}
				if e.Msg.Kind() == wire.KindBlobEnd {
					t.Fatal("the transfer went on to its end")
				}
			}
		})
	}
	if len(b.Sessions()) != 1 {
		t.Fatal("the session suffered")
	}
}

func TestMayFetch(t *testing.T) {
	b := nettest.Content(10, 1)
	secret := nettest.RefOf(b)
	p := start(t, 1, func(o *transport.Options) {
		o.MayFetch = func(_ fed.PartyID, d fed.Digest) bool { return d != secret.Digest }
	})
	a := start(t, 0, nil)
	join(t, a, p)
	p.blobs.Put(b)
	open := p.blobs.Put(nettest.Content(11, 2))
	wantKind(t, a.Fetch(context.Background(), p.Self(), secret, nil), fed.NotFound)
	if err := a.Fetch(context.Background(), p.Self(), open, nil); err != nil {
		t.Fatal(err)
	}
}
