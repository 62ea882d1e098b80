package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
)

// authorityFile holds the authority's certificate and private key in PEM.
const authorityFile = "serving-authority.pem"

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 397 * 24 * time.Hour // what the pickiest clients accept
	leafRenew     = 30 * 24 * time.Hour
)

// Authority certifies the servers of this computer for callers that are no peers
// and speak plain HTTPS: they trust its certificate, which outlives changes of
// address, instead of a pinned device key. It is an ECDSA P-256 key of its own,
// because many clients refuse Ed25519, and signs nothing but server certificates.
// It is safe for concurrent use.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	name []string // host names that leaves carry beside the address
	now  func() time.Time

	mu     sync.Mutex
	leaves map[string]*tls.Certificate // by local address
}

// OpenAuthority reads the authority of dir, or makes one that lives for ten years
// and keeps it there (0600). Leaves carry names, localhost and the address that
// the caller reached. It returns fed.Permission if others may read the key and
// fed.Corrupt if the file is damaged. now nil means time.Now.
func OpenAuthority(dir string, names []string, now func() time.Time) (*Authority, error) {
	if now == nil {
		now = time.Now
	}
	a := &Authority{name: names, now: now, leaves: map[string]*tls.Certificate{}}
	err := a.load(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && now().After(a.cert.NotAfter.Add(-leafLife)) {
		err = a.create(dir)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Authority) load(dir string) error {
	name := filepath.Join(dir, authorityFile)
	st, err := os.Stat(name)
	if err != nil {
		return saveErrorUnless(err, fs.ErrNotExist)
	}
	if othersMayRead(st) {
		return fed.Errorf(fed.Permission, "Make the file "+authorityFile+" readable by its owner only (chmod 600).", "other users of this computer may read a private key")
	}
	bad := func(err error) error {
		return fed.Errorf(fed.Corrupt, "Delete the file "+authorityFile+" in the folder keys; a new one is made, and callers need its certificate.", "the certificate for serving is damaged: %w", err)
	}
	if st.Size() > maxFile {
		return bad(errors.New("too large"))
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return saveErrorUnless(err, fs.ErrNotExist)
	}
	pair, err := tls.X509KeyPair(b, b) // compares the two
	if err != nil {
		return bad(err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return bad(errors.New("not an authority of this app"))
	}
	a.cert, a.key = pair.Leaf, key
	return nil
}

func (a *Authority) create(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key for serving: %w", err)
	}
	now := a.now()
	t := template(now, authorityLife)
	t.Subject = pkix.Name{CommonName: "Synergos Desktop, serving from one computer"}
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make a certificate for serving: %w", err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("make a certificate for serving: %w", err)
	}
	a.key = key
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make a certificate for serving: %w", err)
	}
	both := append(a.PEM(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return saveErrorUnless(err, nil)
	}
	return saveErrorUnless(writeFile(dir, authorityFile, both), nil)
}

// saveErrorUnless passes allowed through and hides the folder's path of others.
func saveErrorUnless(err, allowed error) error {
	if err == nil || allowed != nil && errors.Is(err, allowed) {
		return err
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fed.Errorf(fed.Unavailable, "Check the folder's permissions and the free space.", "the certificate for serving cannot be kept: %w", err)
}

// template is valid from an hour before now, so that clocks may differ.
func template(now time.Time, life time.Duration) *x509.Certificate {
	var serial [16]byte         // positive and at most 20 bytes (RFC 5280, section 4.1.2.2)
	_, _ = rand.Read(serial[:]) // never fails
	return &x509.Certificate{SerialNumber: new(big.Int).SetBytes(serial[:]), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life)}
}

// PEM returns the authority's certificate, which callers trust. It holds no secret.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Fingerprint returns the SHA-256 of the authority's certificate in the usual form
// AB:CD:..., for people to compare.
func (a *Authority) Fingerprint() string {
	sum := sha256.Sum256(a.cert.Raw)
	h := strings.ToUpper(hex.EncodeToString(sum[:]))
	var b strings.Builder
	for i := 0; i < len(h); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(h[i : i+2])
	}
	return b.String()
}

// Server returns a TLS configuration (1.2 or newer) whose certificate names the
// address that the caller reached, so that a change of network needs nothing.
func (a *Authority) Server() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: a.leafFor}
}

func (a *Authority) leafFor(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String())
	if err != nil {
		return nil, fmt.Errorf("which address was called: %w", err)
	}
	host, _, _ = strings.Cut(host, "%")
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.leaves[host]; c != nil && a.now().Before(c.Leaf.NotAfter.Add(-leafRenew)) {
		return c, nil
	}
	if len(a.leaves) >= 64 { // addresses of this computer: only many changes of network get here
		clear(a.leaves)
	}
	c, err := a.issue(net.ParseIP(host))
	if err == nil {
		a.leaves[host] = c
	}
	return c, err
}

func (a *Authority) issue(address net.IP) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for serving: %w", err)
	}
	t := template(a.now(), leafLife)
	t.Subject = pkix.Name{CommonName: "Synergos Desktop"}
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.DNSNames = append([]string{"localhost"}, a.name...)
	if address != nil {
		t.IPAddresses = []net.IP{address}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for serving: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for serving: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
