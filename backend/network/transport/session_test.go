package transport_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/transport/nettest"
	"synergos.app/desktop/backend/network/wire"
)

// Both dial at the same moment, again and again: one session remains, the same at
// both ends.
func TestBothDialAtOnce(t *testing.T) {
	a, b := start(t, 0, nil), start(t, 1, nil)
	meet(a, b)
	for range 20 {
		var wg sync.WaitGroup
		for _, d := range [][2]*peer{{a, b}, {b, a}, {a, b}} {
			wg.Go(func() {
				if err := d[0].connect(d[1]); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		eventually(t, func() bool {
			x, y := a.Sessions(), b.Sessions()
			if len(x) != 1 || len(y) != 1 || x[0].Dialled == y[0].Dialled {
				return false
			}
			_, err := a.Request(context.Background(), b.Self(), wire.Vote{Grid: nettest.Grid})
			return err != nil && fed.KindOf(err) == fed.Unavailable && strings.Contains(err.Error(), "starting")
		})
		a.Disconnect(b.self.Device(), "again")
		b.Disconnect(a.self.Device(), "again")
		eventually(t, func() bool { return !a.has(b) && !b.has(a) })
	}
}

// A program that was started anew replaces its dead session at once.
func TestRestartedPeerReplacesItsOldSession(t *testing.T) {
	a := start(t, 0, nil)
	c := selfOf(t, 2)
	a.table.allow(c)
	old := guest(t, c, a)
	h := helloOf(c)
	h.Instance, h.Session = strings.Repeat("f", 32), strings.Repeat("e", 32)
	r := mustRaw(t, c, a, "/v1/control", nil)
	r.send(wire.OnControl, wire.Envelope{Msg: h})
	r.until(wire.OnControl, wire.KindHelloOk)
	old.closed()
	if s := a.Sessions(); len(s) != 1 {
		t.Fatalf("%d sessions", len(s))
	}
}

// A second computer of an organisation does not push the first one out while that
// one answers.
func TestSecondComputerOfAPartyWaits(t *testing.T) {
	a, b := start(t, 0, nil), start(t, 1, func(o *transport.Options) { o.Timers.Probe = 50 * time.Millisecond })
	join(t, a, b)
	second, err := a.self.NewDevice()
	if err != nil {
		t.Fatal(err)
	}
	b.table.put(second.Device(), second.Party())
	r := mustRaw(t, second, b, "/v1/control", nil)
	r.send(wire.OnControl, wire.Envelope{Msg: helloOf(second)})
	if e := r.until(wire.OnControl, wire.KindError).(wire.Error); e.Code != fed.Exists {
		t.Fatalf("%+v", e)
	}
	b.refused(transport.Duplicate)
	if s := b.Sessions(); len(s) != 1 || s[0].Device != a.self.Device() {
		t.Fatalf("%+v", s)
	}
}

// A doubted session that does not answer is given up.
func TestDoubtedSessionIsProbed(t *testing.T) {
	b := start(t, 1, func(o *transport.Options) { o.Timers.Probe = 50 * time.Millisecond })
	c := selfOf(t, 2)
	first := guest(t, c, b) // says nothing any more
	second, err := c.NewDevice()
	if err != nil {
		t.Fatal(err)
	}
	b.table.put(second.Device(), second.Party())
	r := mustRaw(t, second, b, "/v1/control", nil)
	r.send(wire.OnControl, wire.Envelope{Msg: helloOf(second)})
	r.until(wire.OnControl, wire.KindError)
	first.closed()
	eventually(t, func() bool { return len(b.Sessions()) == 0 })
	guest(t, second, b)
}

// A paired party's new computer comes in by its organisation's statement; others do
// not, and nobody does unless the app wants it.
func TestNewComputerOfAPairedParty(t *testing.T) {
	known := selfOf(t, 0)
	laptop, err := known.NewDevice()
	if err != nil {
		t.Fatal(err)
	}
	var b *peer
	b = start(t, 1, func(o *transport.Options) {
		o.Adopt = func(st identity.Statement, _ identity.Signed) bool {
			if st.Party == known.Party() {
				b.table.put(st.Device, st.Party)
			}
			return true
		}
	})
	b.table.allow(known)
	stranger := selfOf(t, 2)
	vouched := func(s identity.Signed) http.Header {
		return http.Header{"X-Synergos-Statement": {base64.StdEncoding.EncodeToString(s.Body) + "." + base64.StdEncoding.EncodeToString(s.Sig)}}
	}
	forged := laptop.Signed()
	forged.Sig = bytes.Repeat([]byte{1}, len(forged.Sig))
	for what, c := range map[string]struct {
		who  *identity.Self
		head http.Header
	}{
		"a stranger":              {stranger, vouched(stranger.Signed())},
		"with a stolen statement": {stranger, vouched(laptop.Signed())},
		"with a forged statement": {laptop, vouched(forged)},
		"without a statement":     {laptop, nil},
		"with a text":             {laptop, http.Header{"X-Synergos-Statement": {"laptop"}}},
	} {
		if _, resp, _ := dialRaw(t, c.who, b, "/v1/control", c.head); status(resp) != http.StatusForbidden {
			t.Fatalf("%s: %v", what, resp)
		}
	}
	b.refused(transport.Stranger)
	if _, resp, _ := dialRaw(t, laptop, b, "/v1/blob", nil); status(resp) != http.StatusForbidden {
		t.Fatalf("%v", resp)
	}
	r := mustRaw(t, laptop, b, "/v1/control", vouched(laptop.Signed()))
	r.send(wire.OnControl, wire.Envelope{Msg: helloOf(laptop)})
	r.until(wire.OnControl, wire.KindHelloOk)
	if s := b.Sessions(); len(s) != 1 || s[0].Device != laptop.Device() || s[0].Party != known.Party() {
		t.Fatalf("%+v", s)
	}
}

// Close returns when nothing of the host runs any more, however busy it was.
func TestCloseEndsEverything(t *testing.T) {
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	before := runtime.NumGoroutine()
	a, b := start(t, 0, nil), start(t, 1, nil)
	ref := b.blobs.Put(nettest.Content(6*wire.LeafSize, 1))
	join(t, a, b)
	v, err := b.NewInvite("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.PairByInvite(context.Background(), v.Link()); err != nil {
		t.Fatal(err)
	}
	half, err := net.Dial("tcp", b.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	a.blobs.OnLeaf = func(_ fed.Digest, i int) {
		if i == 2 {
			go b.Close()
		}
	}
	if err := a.Fetch(context.Background(), b.Self(), ref, nil); err == nil {
		t.Log("the transfer was faster than the end") // allowed: what counts comes below
	}
	a.Close()
	b.Close()
	eventually(t, func() bool { return runtime.NumGoroutine() <= before })
	wantKind(t, a.Listen("127.0.0.1:0"), fed.Invalid)
}

func TestSessionShowsWhatIsKnown(t *testing.T) {
	clock := func() time.Time { return time.Now().Add(time.Hour) }
	a, b := start(t, 0, nil), start(t, 1, func(o *transport.Options) {
		o.Clock, o.Features, o.Software = clock, []string{"bf16"}, "Synergos 1.2"
	})
	join(t, a, b)
	eventually(t, func() bool { return len(a.Sessions()) == 1 && a.Sessions()[0].RTT > 0 })
	s := a.Sessions()[0]
	if s.Name != "Clinic B" || !s.Dialled || s.Version != "1.0 Synergos 1.2" || len(s.Features) != 1 || s.Addr != b.addr() {
		t.Fatalf("%+v", s)
	}
	if s.Skew < 59*time.Minute || s.Skew > 61*time.Minute {
		t.Fatalf("skew %v, want an hour", s.Skew)
	}
	if s.BytesIn == 0 || s.BytesOut == 0 || len(s.Roles) == 0 {
		t.Fatalf("%+v", s)
	}
	e := a.event("connected", func(e transport.Event) bool { return e.Kind == transport.Connected })
	if e.Statement.Party != b.Self() || len(e.Addrs) != 1 || e.Addrs[0] != b.addr() {
		t.Fatalf("%+v", e)
	}
}

func TestByeNamesTheReason(t *testing.T) {
	a, b := start(t, 0, nil), start(t, 1, nil)
	join(t, a, b)
	a.Close()
	e := b.event("bye", func(e transport.Event) bool { return e.Kind == transport.Disconnected })
	if e.Reason != transport.SaidBye {
		t.Fatalf("%+v", e)
	}
	if e := a.event("end", func(e transport.Event) bool { return e.Kind == transport.Disconnected }); e.Reason != transport.Closed {
		t.Fatalf("%+v", e)
	}
	wantKind(t, a.connect(b), fed.Unavailable)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

// What was queued before a polite close arrives, whatever the other side is sending at
// that moment.
func TestCloseDeliversWhatWasQueued(t *testing.T) {
	for range 10 {
		a, b := start(t, 0, nil), start(t, 1, nil)
		var got atomic.Int64
		b.Handle(func(_ context.Context, _ fed.PartyID, m wire.Message) (wire.Message, error) {
			if _, ok := m.(wire.Presence); ok {
				got.Add(1)
			}
			return nil, nil
		})
		a.Handle(func(context.Context, fed.PartyID, wire.Message) (wire.Message, error) { return nil, nil })
		join(t, a, b)
		ctx, stop := context.WithCancel(t.Context())
		var noise sync.WaitGroup
		noise.Go(func() { // unread bytes in the socket of who closes
			body := slices.Concat([]byte{'"'}, bytes.Repeat([]byte("x"), 100<<10), []byte{'"'})
			for ctx.Err() == nil && b.Send(ctx, a.Self(), wire.Query{Name: "echo", Body: body}) == nil {
			}
		})
		const sent = 50
		for range sent {
			if err := a.Send(t.Context(), b.Self(), wire.Presence{Grid: nettest.Grid, Absent: true}); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		stop()
		noise.Wait()
		e := b.event("the end", func(e transport.Event) bool { return e.Kind == transport.Disconnected })
		if got.Load() != sent || e.Reason != transport.SaidBye {
			t.Fatalf("%d of %d messages arrived, and the end is %q", got.Load(), sent, e.Reason)
		}
		b.Close()
	}
}

func TestRevocationsAreSpreadInHello(t *testing.T) {
	victim := fed.DeviceID(fed.KeyDigest([]byte("lost laptop")))
	got := make(chan identity.Revocation, 4)
	a := start(t, 0, func(o *transport.Options) {
		self := o.Self
		o.Revocations = func() []identity.Signed {
			forged := self.Revoke(victim, 4)
			forged.Sig = bytes.Repeat([]byte{1}, 64)
			return []identity.Signed{forged, self.Revoke(victim, 3)}
		}
	})
	b := start(t, 1, func(o *transport.Options) {
		o.OnRevocation = func(r identity.Revocation, _ identity.Signed) { got <- r }
	})
	join(t, b, a)
	if r := <-got; r.Device != victim || r.Counter != 3 || r.Party() != a.Self() {
		t.Fatalf("%+v", r)
	}
	if len(got) != 0 {
		t.Fatal("a forged withdrawal was passed on")
	}
}

func TestPermitByKind(t *testing.T) {
	b := start(t, 1, func(o *transport.Options) {
		o.Permit = func(_ fed.PartyID, k wire.Kind) bool { return k != wire.KindVote }
	})
	b.Handle(func(context.Context, fed.PartyID, wire.Message) (wire.Message, error) {
		return wire.Answer{}, nil
	})
	a := start(t, 0, nil)
	join(t, a, b)
	_, err := a.Request(context.Background(), b.Self(), wire.Vote{Grid: nettest.Grid})
	wantKind(t, err, fed.Permission)
	b.refused(transport.NotPermitted)
	if _, err := a.Request(context.Background(), b.Self(), wire.Query{Name: "echo"}); err != nil {
		t.Fatal(err)
	}
}

func TestDeadAddressesAreSkipped(t *testing.T) {
	a, b := start(t, 0, nil), start(t, 1, nil)
	meet(a, b)
	ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	addrs := []string{"not an address", closed.Addr().String(), ln.Addr().String(), b.addr()}
	if err := a.Connect(context.Background(), b.self.Device(), addrs); err != nil {
		t.Fatal(err)
	}
}

func TestProxyIsUsedForOthersOnly(t *testing.T) {
	b := start(t, 1, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxy := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := parseProxyAuth(r)
		if r.Method != http.MethodConnect || r.Host != "peer.example:4433" || user != "u" || pass != "p" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		there, err := net.Dial("tcp", b.addr())
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		here, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		go splice(here, there)
		go splice(there, buffered)
	})}
	go proxy.Serve(ln)
	defer proxy.Close()
	through := func(auth *url.Userinfo) func(*transport.Options) {
		return func(o *transport.Options) {
			o.Proxy = func(*http.Request) (*url.URL, error) {
				return &url.URL{Scheme: "http", Host: ln.Addr().String(), User: auth}, nil
			}
		}
	}
	a := start(t, 0, through(url.UserPassword("u", "p")))
	meet(a, b)
	if err := a.Connect(context.Background(), b.self.Device(), []string{"peer.example:4433"}); err != nil {
		t.Fatal(err)
	}
	c := start(t, 2, through(nil))
	meet(c, b)
	wantKind(t, c.Connect(context.Background(), b.self.Device(), []string{"peer.example:4433"}), fed.Unavailable)
	if err := c.connect(b); err != nil { // loopback goes directly
		t.Fatal(err)
	}
}

func parseProxyAuth(r *http.Request) (string, string, bool) {
	q := &http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	return q.BasicAuth()
}

func splice(dst net.Conn, src io.Reader) {
	defer dst.Close()
	b := make([]byte, 4096)
	for {
		n, err := src.Read(b)
		if _, werr := dst.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

// Nothing secret reaches the log.
func TestLogKeepsSecrets(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(lockedWriter{&mu, &out}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, b := start(t, 0, func(o *transport.Options) { o.Log = log }), start(t, 1, func(o *transport.Options) { o.Log = log })
	v, err := b.NewInvite("Lung study")
	if err != nil {
		t.Fatal(err)
	}
	pair(t, a, b, v.Link())
	join(t, a, b)
	if err := a.Send(context.Background(), b.Self(), wire.Control{Grid: nettest.Grid, Action: "pause", Reason: "patient 4711"}); err != nil {
		t.Fatal(err)
	}
	a.Close()
	b.Close()
	mu.Lock()
	defer mu.Unlock()
	link := strings.Split(v.Link(), ".")
	for _, secret := range []string{"patient 4711", link[3], string(v.Secret), string(v.Hash())} {
		if strings.Contains(out.String(), secret) {
			t.Fatalf("the log holds %q", secret)
		}
	}
	if !strings.Contains(out.String(), "peer connected") {
		t.Fatal("the log is empty: the test proves nothing")
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}
