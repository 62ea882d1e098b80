package wire

import (
	"errors"
	"strings"

	"google.golang.org/protobuf/proto"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire/pb"
)

// Plane is the socket on which a message travels. It decides the size limit and
// which kinds may occur.
type Plane uint8

// The planes: /v1/control, /v1/blob and /v1/pair.
const (
	OnControl Plane = iota
	OnBlob
	OnPair
)

// Limit returns the largest message of the plane in bytes.
func (p Plane) Limit() int {
	if p == OnBlob {
		return MaxBlob
	}
	return MaxControl
}

// allows reports whether k may occur on the plane; errors may occur everywhere.
func (p Plane) allows(k Kind) bool {
	switch {
	case k == KindError:
		return true
	case strings.HasPrefix(string(k), "pair_"):
		return p == OnPair
	case strings.HasPrefix(string(k), "blob_") && k != KindBlobDial:
		return p == OnBlob
	}
	return p == OnControl
}

// ErrUnknownKind says that a message is well formed but of a kind that this
// version does not know; the envelope's ID is set, so that it can be answered.
var ErrUnknownKind = errors.New("wire: unknown kind of message")

// ErrTooLarge says that a message exceeds the limit of its plane.
var ErrTooLarge = errors.New("wire: message too large")

// Encode returns the bytes of e. It returns fed.Invalid if a field is out of
// bounds or the kind does not belong on the plane, and wraps ErrTooLarge if the
// whole exceeds the plane's limit: nothing leaves that a peer would refuse.
func Encode(p Plane, e Envelope) ([]byte, error) { return AppendEncode(nil, p, e) }

// AppendEncode appends the bytes of e to dst, with the errors of Encode.
func AppendEncode(dst []byte, p Plane, e Envelope) ([]byte, error) {
	if e.Msg == nil {
		return nil, invalid("message is empty")
	}
	if d, ok := e.Msg.(BlobData); ok && p == OnBlob {
		return appendData(dst, d)
	}
	m := &pb.Envelope{Id: e.ID, Re: e.Re, About: e.About}
	if err := toBody(m, e.Msg); err != nil {
		return nil, err
	}
	if _, err := check(p, m); err != nil {
		return nil, err
	}
	start := len(dst)
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, m)
	if err != nil {
		return nil, fed.Errorf(fed.Invalid, "", "message %s cannot be written: %w", e.Msg.Kind(), err)
	}
	if n := len(b) - start; n > p.Limit() {
		return nil, tooLarge(n, p)
	}
	return b, nil
}

// Decode reads one message. Sizes are bounded before anything is allocated for
// them; unknown fields are ignored. It returns fed.Invalid for what is not well
// formed, ErrUnknownKind, and wraps ErrTooLarge above the plane's limit. ID and
// Re of the result are set whenever they could be read.
func Decode(p Plane, b []byte) (Envelope, error) {
	if len(b) > p.Limit() {
		return Envelope{}, tooLarge(len(b), p)
	}
	if d, ok := parseData(b); ok && p == OnBlob {
		return Envelope{Msg: d}, nil
	}
	m := &pb.Envelope{}
	s := scanner{left: maxElements}
	if err := s.message(m.ProtoReflect().Descriptor(), b); err != nil {
		return Envelope{}, err
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return Envelope{}, fed.Errorf(fed.Invalid, "", "message cannot be read: %w", err)
	}
	return check(p, m)
}

// check turns the generated form into the checked one.
func check(p Plane, m *pb.Envelope) (Envelope, error) {
	e := Envelope{ID: m.Id, Re: m.Re}
	if m.Body == nil {
		return e, ErrUnknownKind
	}
	c := &checker{}
	e.About = c.text("about", m.About, MaxAbout)
	msg := fromBody(c, m)
	if c.err != nil {
		return e, c.err
	}
	if !p.allows(msg.Kind()) {
		return e, invalid("message " + string(msg.Kind()) + " does not belong on this socket")
	}
	e.Msg = msg
	return e, nil
}

func invalid(text string) error {
	return fed.Errorf(fed.Invalid, "Update the app on both sides; if it repeats, the other side is faulty.", "%s", text)
}

func tooLarge(n int, p Plane) error {
	return fed.Errorf(fed.Invalid, "Share less at once.", "%w: %d bytes of at most %d", ErrTooLarge, n, p.Limit())
}
