package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// scanner walks a message without allocating and refuses one whose decoding
// would cost far more memory than it has bytes: a list element may be two bytes
// on the wire and a hundred in memory. The schema is not recursive, so the walk
// ends by itself.
type scanner struct{ left int }

func (s *scanner) message(d protoreflect.MessageDescriptor, b []byte) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return invalid("message is cut off or garbled")
		}
		b = b[n:]
		n = protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return invalid("message is cut off or garbled")
		}
		if err := s.field(d.Fields().ByNumber(num), typ, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// field counts one occurrence of f (nil: unknown) whose raw value is v.
func (s *scanner) field(f protoreflect.FieldDescriptor, typ protowire.Type, v []byte) error {
	switch {
	case f == nil:
		return s.spend(1)
	case typ != protowire.BytesType:
		return s.cells(f, 1)
	}
	body, n := protowire.ConsumeBytes(v)
	if n < 0 {
		return invalid("message is cut off or garbled")
	}
	switch {
	case f.Kind() == protoreflect.MessageKind:
		if err := s.spend(1); err != nil {
			return err
		}
		return s.message(f.Message(), body)
	case f.IsPacked():
		return s.packed(body)
	}
	return s.spend(1)
}

// cells charges unpacked elements of numeric lists like any other element.
func (s *scanner) cells(f protoreflect.FieldDescriptor, n int) error {
	if f.IsList() {
		return s.spend(n)
	}
	return nil
}

// packed bounds the numbers of one packed list of varints.
func (s *scanner) packed(b []byte) error {
	n := 0
	for _, c := range b {
		if c < 0x80 {
			n++
		}
	}
	if n > MaxCells {
		return invalid("a list of counts is too long")
	}
	return nil
}

func (s *scanner) spend(n int) error {
	if s.left -= n; s.left < 0 {
		return invalid("message has too many parts")
	}
	return nil
}
