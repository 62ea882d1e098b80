package transport_test

import (
	"net/http"
	"testing"

	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/wire"
)

// A paired device that opens sockets and says nothing occupies a few places of its
// own and none of others; they become free when it says hello.
func TestSilentSocketsOfADeviceAreLimited(t *testing.T) {
	b := start(t, 1, func(o *transport.Options) { o.Limits.Knocking = 2 })
	c, other := selfOf(t, 2), selfOf(t, 3)
	b.table.allow(c)
	first := mustRaw(t, c, b, "/v1/control", nil)
	mustRaw(t, c, b, "/v1/control", nil)
	if _, resp, err := dialRaw(t, c, b, "/v1/control", nil); err == nil || status(resp) != http.StatusTooManyRequests {
		t.Fatalf("a third silent socket got %v", resp)
	}
	b.refused(transport.TooManyFrom)
	guest(t, other, b)
	first.send(wire.OnControl, wire.Envelope{Msg: helloOf(c)})
	first.until(wire.OnControl, wire.KindHelloOk)
	mustRaw(t, c, b, "/v1/control", nil)
}

// A session has a few blob sockets and no more.
func TestBlobSocketsOfASessionAreLimited(t *testing.T) {
	b := start(t, 1, func(o *transport.Options) { o.Limits.Blobs = 2 })
	c := selfOf(t, 2)
	b.table.allow(c)
	r := mustRaw(t, c, b, "/v1/control", nil)
	hello := helloOf(c)
	r.send(wire.OnControl, wire.Envelope{Msg: hello})
	r.until(wire.OnControl, wire.KindHelloOk)
	head := http.Header{"X-Synergos-Session": {hello.Session}}
	for range 3 {
		mustRaw(t, c, b, "/v1/blob", head)
	}
	b.refused(transport.TooManyFrom)
}

// One address has a few pairings waiting and leaves places for others.
func TestPairingsOfAnAddressAreLimited(t *testing.T) {
	b := start(t, 1, func(o *transport.Options) { o.Limits.PairFrom = 2 })
	v, err := b.NewInvite("")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		self := selfOf(t, 2+i)
		if _, m := opening(t, self, b, proofOf(v, self, b)); m.Kind() != wire.KindPairAnswer {
			t.Fatalf("%+v", m)
		}
	}
	if _, resp, err := dialRaw(t, selfOf(t, 4), b, "/v1/pair", nil); err == nil || status(resp) != http.StatusTooManyRequests {
		t.Fatalf("a third pairing of the address got %v", resp)
	}
	b.refused(transport.PairLimited)
}
