package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire"
)

// chunk is how much is written or read under one deadline, in bytes.
const chunk = 64 << 10

// frame is a message that may be written: encoded and in the ledger.
type frame struct {
	kind   wire.Kind
	b      []byte
	ledger string        // line of the egress ledger; a frame without one is not written
	sent   chan struct{} // closed when it has been written; may be nil
}

// link is one WebSocket with the bounds of its plane. Reading is for one
// goroutine, writing for any.
type link struct {
	h      *Host
	ws     *websocket.Conn
	plane  wire.Plane
	device fed.DeviceID
	party  fed.PartyID // "" while pairing
	in     *atomic.Int64
	out    *atomic.Int64

	wmu sync.Mutex
	buf []byte // of the reader
	enc []byte // blob plane: of the one writer, so that a leaf costs no allocation

	paced      bool      // a blob is being received: keep the minimum rate
	windowEnds time.Time // of the rate
	windowGot  int
}

func (h *Host) newLink(ws *websocket.Conn, plane wire.Plane, device fed.DeviceID, party fed.PartyID) *link {
	ws.SetReadLimit(int64(plane.Limit()))
	silent := func(string) error { return nil }
	ws.SetPingHandler(silent) // an answer would be a frame without a line
	ws.SetPongHandler(silent)
	ws.SetCloseHandler(func(int, string) error { return nil })
	return &link{h: h, ws: ws, plane: plane, device: device, party: party, in: new(atomic.Int64), out: new(atomic.Int64)}
}

// seal encodes e and enters it into the ledger. On the blob plane the frame lives
// until the next one.
func (l *link) seal(ctx context.Context, e wire.Envelope, subject string) (frame, error) {
	b, err := wire.AppendEncode(l.enc[:0], l.plane, e)
	if err != nil {
		return frame{}, err
	}
	if l.plane == wire.OnBlob {
		l.enc = b
	}
	if subject == "" {
		subject = e.About
	}
	kind := e.Msg.Kind()
	id, err := l.h.o.Egress.Record(ctx, Frame{
		Peer: l.party, Device: l.device, Kind: kind, Bytes: len(b), SHA256: fed.DigestOf(b), Purpose: Purpose(kind), Subject: subject,
	})
	if err != nil {
		return frame{}, fmt.Errorf("enter %s into the egress ledger: %w", kind, err)
	}
	return frame{kind: kind, b: b, ledger: id}, nil
}

// write sends a sealed frame, a chunk per deadline.
func (l *link) write(f frame) error {
	if f.ledger == "" {
		l.h.refuse(NoLedger, Session{Party: l.party, Device: l.device}, string(f.kind))
		return fed.Errorf(fed.Internal, "See the log.", "message %s has no line in the egress ledger and was not sent", f.kind)
	}
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.tap(Out, f.b)
	w, err := l.ws.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return err
	}
	for b := f.b; len(b) > 0; {
		n := min(len(b), chunk)
		l.ws.SetWriteDeadline(now().Add(l.h.o.Timers.Write))
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	l.ws.SetWriteDeadline(now().Add(l.h.o.Timers.Write))
	if err := w.Close(); err != nil {
		return err
	}
	l.out.Add(int64(len(f.b)))
	return nil
}

// say seals and writes.
func (l *link) say(ctx context.Context, e wire.Envelope, subject string) error {
	f, err := l.seal(ctx, e, subject)
	if err != nil {
		return err
	}
	return l.write(f)
}

func (l *link) tap(dir Direction, b []byte) {
	if l.h.o.Tap != nil {
		l.h.o.Tap(dir, l.device, b)
	}
}

// errNotBinary refuses text frames.
var errNotBinary = fed.Errorf(fed.Invalid, "Update the app on both sides.", "the other side sent text instead of messages")

// read returns the next message, which must come whole within wait. On the blob
// plane its Data lives until the next read.
func (l *link) read(wait time.Duration) (wire.Envelope, error) {
	l.ws.SetReadDeadline(now().Add(wait))
	typ, r, err := l.ws.NextReader()
	if err != nil {
		return wire.Envelope{}, err
	}
	if typ != websocket.BinaryMessage {
		return wire.Envelope{}, errNotBinary
	}
	if l.buf == nil {
		l.buf = make([]byte, 4<<10)
	}
	b, err := l.fill(r)
	if err != nil {
		return wire.Envelope{}, err
	}
	l.in.Add(int64(len(b)))
	l.tap(In, b)
	return wire.Decode(l.plane, b)
}

// fill reads a message into the link's buffer, growing it up to the plane's limit
// as bytes arrive, never as they are announced.
func (l *link) fill(r io.Reader) ([]byte, error) {
	n := 0
	for {
		if n == len(l.buf) {
			l.buf = append(l.buf, make([]byte, min(len(l.buf), l.plane.Limit()+1-n))...)
		}
		l.pace(0)
		m, err := r.Read(l.buf[n:min(len(l.buf), n+chunk)])
		n += m
		l.pace(m)
		if errors.Is(err, io.EOF) {
			return l.buf[:n], nil
		}
		if err != nil {
			return nil, err
		}
		if n > l.plane.Limit() {
			return nil, websocket.ErrReadLimit
		}
	}
}

// pace keeps the minimum rate of a blob: MinRate times RateWindow bytes must come
// within each window.
func (l *link) pace(got int) {
	if !l.paced {
		return
	}
	l.windowGot += got
	t := l.h.o.Timers.RateWindow
	if l.windowEnds.IsZero() || float64(l.windowGot) >= float64(l.h.o.Limits.MinRate)*t.Seconds() {
		l.windowEnds, l.windowGot = now().Add(t), 0
	}
	l.ws.SetReadDeadline(l.windowEnds)
}

// setPace starts or ends the rate window: between two transfers nothing needs to
// come.
func (l *link) setPace(on bool) { l.paced, l.windowEnds, l.windowGot = on, time.Time{}, 0 }

// close cuts the connection without waiting for the other side.
func (l *link) close() {
	if t, ok := l.ws.NetConn().(*tls.Conn); ok {
		t.NetConn().Close()
		return
	}
	l.ws.Close()
}

// sayError tells the other side why it is refused; best effort.
func (l *link) sayError(ctx context.Context, re uint64, about wire.Kind, err error) error {
	return l.say(ctx, wire.Envelope{Re: re, Msg: ErrorMessage(about, err)}, "")
}

// ErrorMessage returns what a peer may know about err. The text of internal errors
// stays here: it may name files.
func ErrorMessage(about wire.Kind, err error) wire.Error {
	m := wire.Error{Code: fed.KindOf(err), Message: "the other side had a problem of its own", About: string(about)}
	var e *fed.Error
	if errors.As(err, &e) {
		m.Message, m.Hint = clean(e.Text), clean(e.Hint)
	}
	return m
}

// clean fits a text into the wire.
func clean(s string) string {
	out := make([]rune, 0, len(s))
	n := 0
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		if n += len(string(r)); n > wire.MaxText {
			break
		}
		out = append(out, r)
	}
	return string(out)
}

// Remote turns a peer's refusal into an error.
func Remote(m wire.Error) error {
	return &fed.Error{Kind: m.Code, Text: m.Message, Hint: m.Hint}
}

// reasonOf names why reading from a peer failed.
func reasonOf(err error) Reason {
	var e *fed.Error
	var ne interface{ Timeout() bool }
	switch {
	case errors.Is(err, websocket.ErrReadLimit), errors.Is(err, wire.ErrTooLarge):
		return Oversized
	case errors.Is(err, wire.ErrUnknownKind):
		return UnknownKind
	case errors.As(err, &e):
		return Malformed
	case errors.As(err, &ne) && ne.Timeout():
		return Silent
	}
	return Lost
}
