// Package identity holds who this party is to the others: the organisation key,
// the device key, what the one says about the other, and the mathematics by which
// two strangers come to trust each other's keys.
//
// It opens no socket and keeps no table of peers. Start with [Self]; [TLS] gives
// the configurations in which the device key is the only identity that counts;
// [Invite] and [Exchange] are the two ways of pairing. Values are immutable after
// they were made and may be shared between goroutines.
package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"synergos.app/desktop/backend/fed"
)

// MaxName bounds the display name of an organisation, in bytes.
const MaxName = 120

// The life of certificates and, by default, of device statements: so long that a
// wrong clock locks nobody out.
var (
	notBefore = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2242, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Roles of a party in a federation.
const (
	RoleAdmin       = "admin"
	RoleCoordinator = "coordinator"
	RoleParticipant = "participant"
	RoleObserver    = "observer"
)

// Self is this party on this computer: both keys and the current device
// statement.
type Self struct {
	org, device ed25519.PrivateKey
	cert        tls.Certificate
	statement   Statement
	signed      Signed
}

// Create makes fresh keys for an organisation called name. It returns
// fed.Invalid for a name that cannot be shown.
func Create(name string) (*Self, error) {
	_, org, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make organisation key: %w", err)
	}
	_, device, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make device key: %w", err)
	}
	return assemble(org, device, Statement{
		Name: name, Roles: []string{RoleCoordinator, RoleParticipant}, NotAfter: notAfter, Counter: 1,
	})
}

// assemble fills in the keys of st and signs it.
func assemble(org, device ed25519.PrivateKey, st Statement) (*Self, error) {
	s := &Self{org: org, device: device}
	st.OrgKey = s.PublicKey()
	st.Party = fed.PartyID(fed.KeyDigest(st.OrgKey))
	st.Device = fed.DeviceID(fed.KeyDigest(spki(device)))
	if err := st.check(); err != nil {
		return nil, err
	}
	cert, err := certificate(device)
	if err != nil {
		return nil, err
	}
	s.cert, s.statement = cert, st
	s.signed = Signed{Body: st.Encode()}
	s.signed.Sig = s.Sign(StatementDomain, s.signed.Body)
	return s, nil
}

// Restate returns the same party and device with another display name, roles and
// end, signed with the next counter.
func (s *Self) Restate(name string, roles []string, end time.Time) (*Self, error) {
	return assemble(s.org, s.device, Statement{Name: name, Roles: roles, NotAfter: end, Counter: s.statement.Counter + 1})
}

// NewDevice returns the same organisation on a new computer: a fresh device key.
func (s *Self) NewDevice() (*Self, error) {
	_, device, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make device key: %w", err)
	}
	st := s.statement
	st.Counter++
	return assemble(s.org, device, st)
}

// Party returns the organisation's identifier.
func (s *Self) Party() fed.PartyID { return s.statement.Party }

// Device returns this computer's identifier.
func (s *Self) Device() fed.DeviceID { return s.statement.Device }

// Name returns the organisation's display name.
func (s *Self) Name() string { return s.statement.Name }

// Statement returns what the organisation says about this device.
func (s *Self) Statement() Statement { return s.statement.clone() }

// Signed returns the statement as it is sent.
func (s *Self) Signed() Signed { return s.signed }

// PublicKey returns the SubjectPublicKeyInfo of the organisation key.
func (s *Self) PublicKey() []byte { return spki(s.org) }

// Sign signs body with the organisation key. The domain tag keeps a signature
// made for one purpose from being used for another.
func (s *Self) Sign(domain string, body []byte) []byte {
	return ed25519.Sign(s.org, framed(domain, body))
}

// Verify reports whether sig is the signature of body under domain by the
// organisation key whose SubjectPublicKeyInfo is key. Malformed input is false.
func (s *Self) Verify(key []byte, domain string, body, sig []byte) bool {
	return Verify(key, domain, body, sig)
}

// Verify reports whether sig is the signature of body under domain by the key
// whose SubjectPublicKeyInfo is key. Malformed input is false.
func Verify(key []byte, domain string, body, sig []byte) bool {
	pub, err := parseKey(key)
	return err == nil && len(sig) == ed25519.SignatureSize && ed25519.Verify(pub, framed(domain, body), sig)
}

// framed is "synergos/sign/1" ‖ length of domain ‖ domain ‖ body.
func framed(domain string, body []byte) []byte {
	if len(domain) > 255 {
		panic("identity: domain tag of more than 255 bytes")
	}
	b := append([]byte("synergos/sign/1"), byte(len(domain)))
	b = append(b, domain...)
	return append(b, body...)
}

func spki(key ed25519.PrivateKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		panic("identity: an Ed25519 key has no encoding: " + err.Error())
	}
	return der
}

// parseKey accepts the one encoding of an Ed25519 key, so that a key has one
// identifier.
func parseKey(der []byte) (ed25519.PublicKey, error) {
	const size = 44
	if len(der) != size {
		return nil, fmt.Errorf("public key of %d bytes instead of %d", len(der), size)
	}
	k, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	pub, ok := k.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("public key is %T, not Ed25519", k)
	}
	return pub, nil
}

// certificate is self-signed and names nobody: the key is the identity.
func certificate(key ed25519.PrivateKey) (tls.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "synergos"},
		NotBefore: notBefore, NotAfter: notAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make device certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func checkName(name string) error {
	printable := !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError })
	if strings.TrimSpace(name) == "" || len(name) > MaxName || !printable {
		return fed.Errorf(fed.Invalid, "Use one to 120 letters, digits and spaces.", "the name of the organisation cannot be used")
	}
	return nil
}
