package transport_test

import (
	"context"
	"testing"

	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/transport/nettest"
	"synergos.app/desktop/backend/network/wire"
)

// BenchmarkFetch moves 64 MiB over loopback TLS, hashing at both ends.
func BenchmarkFetch(b *testing.B) {
	t := &testing.T{} // the rig wants one; nothing of it is used unless it fails
	quiet := func(o *transport.Options) { o.Tap = nil }
	x, y := start(t, 0, quiet), start(t, 1, quiet)
	defer x.Close()
	defer y.Close()
	join(t, x, y)
	ref := y.blobs.Put(nettest.Content(64*wire.LeafSize, 1))
	b.SetBytes(ref.Size)
	b.ReportAllocs()
	for b.Loop() {
		if err := x.Fetch(context.Background(), y.Self(), ref, nil); err != nil {
			b.Fatal(err)
		}
		x.blobs.Drop(ref.Digest)
	}
}
