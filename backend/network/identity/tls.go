package identity

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"synergos.app/desktop/backend/fed"
)

// ErrRefused says that the other side's key is not the one that was expected, or
// not one that is allowed.
var ErrRefused = errors.New("identity: this key is not allowed")

// TLS returns the server and client configurations of this device: TLS 1.3 only,
// both sides show exactly one Ed25519 certificate, and allow decides by the device
// that it stands for. The decision runs on every connection, resumed ones do not
// exist. allow must be safe for concurrent use.
func TLS(self *Self, allow func(fed.DeviceID) bool) (server, client *tls.Config) {
	verify := func(cs tls.ConnectionState) error {
		id, err := PeerDevice(cs)
		if err != nil {
			return err
		}
		if !allow(id) {
			return fmt.Errorf("%w: device %s", ErrRefused, id.Short())
		}
		return nil
	}
	base := &tls.Config{
		MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS13, Certificates: []tls.Certificate{self.cert},
		NextProtos: []string{"http/1.1"}, SessionTicketsDisabled: true, VerifyConnection: verify,
	}
	server = base.Clone()
	server.ClientAuth = tls.RequireAnyClientCert
	client = base.Clone()
	client.InsecureSkipVerify = true // no authority is asked: VerifyConnection pins the key itself
	return server, client
}

// PeerDevice returns the device that the other side proved to be.
func PeerDevice(cs tls.ConnectionState) (fed.DeviceID, error) {
	switch {
	case cs.Version != tls.VersionTLS13:
		return "", fmt.Errorf("%w: TLS 1.3 is required", ErrRefused)
	case cs.DidResume:
		return "", fmt.Errorf("%w: sessions are not resumed", ErrRefused)
	case len(cs.PeerCertificates) != 1:
		return "", fmt.Errorf("%w: %d certificates instead of one", ErrRefused, len(cs.PeerCertificates))
	}
	pub, ok := cs.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return "", fmt.Errorf("%w: the key is not Ed25519", ErrRefused)
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("read the key of the other side: %w", err)
	}
	return fed.DeviceID(fed.KeyDigest(der)), nil
}

const exporterLabel = "EXPORTER-synergos-pair-v1"

// Exporter returns 32 bytes that only the two ends of this one connection know
// (RFC 8446, section 7.5).
func Exporter(cs tls.ConnectionState) ([]byte, error) {
	b, err := cs.ExportKeyingMaterial(exporterLabel, nil, 32)
	if err != nil {
		return nil, fmt.Errorf("derive from the connection: %w", err)
	}
	return b, nil
}
