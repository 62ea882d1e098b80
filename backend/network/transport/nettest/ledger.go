package nettest

import (
	"context"
	"strconv"
	"sync"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/wire"
)

// Ledger is a transport.Egress that keeps all lines. The zero value is ready.
type Ledger struct {
	mu     sync.Mutex
	frames []transport.Frame
	known  map[line]bool
	refuse func(transport.Frame) error
	blank  bool
}

type line struct {
	digest fed.Digest
	bytes  int
}

// Record implements transport.Egress.
func (l *Ledger) Record(_ context.Context, f transport.Frame) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		if err := l.refuse(f); err != nil {
			return "", err
		}
	}
	if l.blank {
		return "", nil
	}
	if l.known == nil {
		l.known = map[line]bool{}
	}
	l.known[line{f.SHA256, f.Bytes}] = true
	l.frames = append(l.frames, f)
	return strconv.Itoa(len(l.frames)), nil
}

// Refuse lets f decide which frames get no line.
func (l *Ledger) Refuse(f func(transport.Frame) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = f
}

// Blank makes Record return an empty id without an error.
func (l *Ledger) Blank() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blank = true
}

// Frames returns the lines so far.
func (l *Ledger) Frames() []transport.Frame {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]transport.Frame(nil), l.frames...)
}

// Bytes returns the sum over the lines to a party.
func (l *Ledger) Bytes(to fed.PartyID) int64 {
	var n int64
	for _, f := range l.Frames() {
		if f.Peer == to {
			n += int64(f.Bytes)
		}
	}
	return n
}

// Count returns the number of lines of a kind.
func (l *Ledger) Count(k wire.Kind) int {
	n := 0
	for _, f := range l.Frames() {
		if f.Kind == k {
			n++
		}
	}
	return n
}

// Has reports whether a frame with these bytes has a line.
func (l *Ledger) Has(b []byte) bool {
	d := fed.DigestOf(b)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known[line{d, len(b)}]
}
