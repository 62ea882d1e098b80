package identity

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"synergos.app/desktop/backend/fed"
)

// The domain tags of what an organisation signs about devices.
const (
	StatementDomain  = "synergos/device/1"
	RevocationDomain = "synergos/revoke/1"
)

// Signed is canonical bytes with the signature of an organisation key.
type Signed struct{ Body, Sig []byte }

// Statement is what an organisation says about one of its devices. Counter grows
// with every statement of the organisation; of two, the higher counts.
type Statement struct {
	Party    fed.PartyID
	OrgKey   []byte // SubjectPublicKeyInfo; its digest is Party
	Device   fed.DeviceID
	Name     string // of the organisation, for display only
	Roles    []string
	NotAfter time.Time // whole seconds, UTC
	Counter  uint64
}

// Revocation withdraws a device.
type Revocation struct {
	OrgKey  []byte
	Device  fed.DeviceID
	Counter uint64
}

// Party returns the organisation that withdraws.
func (r Revocation) Party() fed.PartyID { return fed.PartyID(fed.KeyDigest(r.OrgKey)) }

const maxRoles = 8

func (s Statement) clone() Statement {
	s.OrgKey, s.Roles = slices.Clone(s.OrgKey), slices.Clone(s.Roles)
	return s
}

func (s Statement) check() error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	if len(s.Roles) > maxRoles {
		return badStatement("it names too many roles")
	}
	for _, r := range s.Roles {
		switch r {
		case RoleAdmin, RoleCoordinator, RoleParticipant, RoleObserver:
		default:
			return badStatement("it names an unknown role")
		}
	}
	if _, err := parseKey(s.OrgKey); err != nil || fed.KeyDigest(s.OrgKey) != string(s.Party) {
		return badStatement("its organisation key is not its party's")
	}
	if !fed.ValidKeyID(string(s.Device)) {
		return badStatement("it names no device")
	}
	return nil
}

// Encode returns the canonical bytes: fields in order, each prefixed by its length
// (little-endian uint32), numbers as little-endian uint64.
func (s Statement) Encode() []byte {
	b := putField(nil, s.OrgKey)
	b = putField(b, []byte(s.Device))
	b = putField(b, []byte(s.Name))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s.Roles)))
	for _, r := range s.Roles {
		b = putField(b, []byte(r))
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(s.NotAfter.Unix()))
	return binary.LittleEndian.AppendUint64(b, s.Counter)
}

// VerifyStatement decodes a statement and checks its form, its signature and its
// end. It returns fed.Invalid or fed.Permission.
func VerifyStatement(in Signed, now time.Time) (Statement, error) {
	r := reader{b: in.Body}
	s := Statement{OrgKey: r.field(64), Device: fed.DeviceID(r.field(52)), Name: string(r.field(MaxName))}
	n := r.number()
	for i := uint64(0); i < n && i <= maxRoles && r.err == nil; i++ {
		s.Roles = append(s.Roles, string(r.field(32)))
	}
	s.NotAfter = time.Unix(int64(r.number()), 0).UTC()
	s.Counter = r.number()
	s.Party = fed.PartyID(fed.KeyDigest(s.OrgKey))
	if r.err != nil || len(r.b) > 0 {
		return Statement{}, badStatement("it is malformed")
	}
	if err := s.check(); err != nil {
		return Statement{}, err
	}
	if !Verify(s.OrgKey, StatementDomain, in.Body, in.Sig) {
		return Statement{}, fed.Errorf(fed.Permission, "Do not trust this device; ask its owner.", "the device statement is not signed by its organisation")
	}
	if now.After(s.NotAfter) {
		return Statement{}, fed.Errorf(fed.Permission, "Ask its owner to renew the device, and check this computer's clock.", "the device statement of %s ended on %s", s.Name, s.NotAfter.Format("2006-01-02"))
	}
	return s, nil
}

// Revoke returns the signed withdrawal of one of this organisation's devices.
func (s *Self) Revoke(device fed.DeviceID, counter uint64) Signed {
	b := putField(nil, s.PublicKey())
	b = putField(b, []byte(device))
	b = binary.LittleEndian.AppendUint64(b, counter)
	return Signed{Body: b, Sig: s.Sign(RevocationDomain, b)}
}

// VerifyRevocation decodes a withdrawal and checks its signature. It returns
// fed.Invalid or fed.Permission.
func VerifyRevocation(in Signed) (Revocation, error) {
	r := reader{b: in.Body}
	v := Revocation{OrgKey: r.field(64), Device: fed.DeviceID(r.field(52)), Counter: r.number()}
	if r.err != nil || len(r.b) > 0 || !fed.ValidKeyID(string(v.Device)) {
		return Revocation{}, badStatement("it is malformed")
	}
	if !Verify(v.OrgKey, RevocationDomain, in.Body, in.Sig) {
		return Revocation{}, fed.Errorf(fed.Permission, "Do not act on it.", "the withdrawal of a device is not signed by its organisation")
	}
	return v, nil
}

func badStatement(why string) error {
	return fed.Errorf(fed.Invalid, "Update the app on both sides; if it repeats, the other side is faulty.", "the device statement cannot be used: %s", why)
}

func putField(b, v []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}

var errShort = errors.New("cut off or too long")

// reader takes length-prefixed fields apart, each bounded.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n > len(r.b) {
		r.err = errShort
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) field(limit int) []byte {
	head := r.take(4)
	if r.err != nil {
		return nil
	}
	n := binary.LittleEndian.Uint32(head)
	if uint64(n) > uint64(limit) {
		r.err = errShort
		return nil
	}
	return slices.Clone(r.take(int(n)))
}

func (r *reader) number() uint64 {
	v := r.take(8)
	if r.err != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(v)
}
