package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
)

// shake connects two configurations; each side writes a byte and reads one, since a
// client learns of a refusal only when it reads.
func shake(t *testing.T, server, client *tls.Config) (sc, cc *tls.Conn, serr, cerr error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			done <- err
			return
		}
		sc = tls.Server(c, server)
		done <- exchange(sc)
	}()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cc = tls.Client(c, client)
	cerr = exchange(cc)
	if cerr != nil {
		c.Close()
	}
	serr = <-done
	t.Cleanup(func() { sc.Close(); cc.Close() })
	return sc, cc, serr, cerr
}

func exchange(c *tls.Conn) error {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if err := c.Handshake(); err != nil {
		c.NetConn().Close()
		return err
	}
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

func only(d fed.DeviceID) func(fed.DeviceID) bool {
	return func(id fed.DeviceID) bool { return id == d }
}

func TestTLSPinsBothSides(t *testing.T) {
	a, b, m := create(t, "A"), create(t, "B"), create(t, "M")
	server, _ := TLS(b, only(a.Device()))
	_, client := TLS(a, only(b.Device()))
	sc, cc, serr, cerr := shake(t, server, client)
	if serr != nil || cerr != nil {
		t.Fatal(serr, cerr)
	}
	for c, want := range map[*tls.Conn]fed.DeviceID{sc: a.Device(), cc: b.Device()} {
		st := c.ConnectionState()
		id, err := PeerDevice(st)
		if err != nil || id != want || st.Version != tls.VersionTLS13 || st.NegotiatedProtocol != "http/1.1" {
			t.Fatalf("%s, %v, %x, %q", id, err, st.Version, st.NegotiatedProtocol)
		}
	}
	se, err1 := Exporter(sc.ConnectionState())
	ce, err2 := Exporter(cc.ConnectionState())
	if err1 != nil || err2 != nil || !bytes.Equal(se, ce) || len(se) != 32 {
		t.Fatal("the two ends do not share the exporter", err1, err2)
	}
	sc2, _, _, _ := shake(t, server, client)
	other, _ := Exporter(sc2.ConnectionState())
	if bytes.Equal(se, other) {
		t.Fatal("two connections share the exporter")
	}
	_, impostor := TLS(m, only(b.Device()))
	if _, _, serr, cerr := shake(t, server, impostor); !errors.Is(serr, ErrRefused) || cerr == nil {
		t.Fatal("the server let a stranger in:", serr, cerr)
	}
	wrong, _ := TLS(m, only(a.Device()))
	if _, _, _, cerr := shake(t, wrong, client); !errors.Is(cerr, ErrRefused) {
		t.Fatal("the client took another server:", cerr)
	}
}

func TestTLSChecksEveryConnection(t *testing.T) {
	a, b := create(t, "A"), create(t, "B")
	var asked atomic.Int64
	var allowed atomic.Bool
	allowed.Store(true)
	server, _ := TLS(b, func(fed.DeviceID) bool { asked.Add(1); return allowed.Load() })
	_, client := TLS(a, only(b.Device()))
	client.ClientSessionCache = tls.NewLRUClientSessionCache(8) // a client that would like to resume
	for i := range 3 {
		_, cc, serr, cerr := shake(t, server, client)
		if serr != nil || cerr != nil || cc.ConnectionState().DidResume {
			t.Fatal(serr, cerr)
		}
		if asked.Load() != int64(i+1) {
			t.Fatalf("the table was asked %d times in %d connections", asked.Load(), i+1)
		}
	}
	allowed.Store(false)
	if _, _, serr, _ := shake(t, server, client); !errors.Is(serr, ErrRefused) {
		t.Fatal("a withdrawn device came in:", serr)
	}
}

func TestTLSRefusesOtherForms(t *testing.T) {
	a, b := create(t, "A"), create(t, "B")
	server, _ := TLS(b, func(fed.DeviceID) bool { return true })
	for name, change := range map[string]func(*tls.Config){
		"no certificate":   func(c *tls.Config) { c.Certificates = nil },
		"two certificates": func(c *tls.Config) { c.Certificates = []tls.Certificate{chain(a, b)} },
		"ECDSA":            func(c *tls.Config) { c.Certificates = []tls.Certificate{ecdsaCert(t)} },
		"TLS 1.2":          func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 },
		"HTTP/2 only":      func(c *tls.Config) { c.NextProtos = []string{"h2"} },
		// a certificate of a whose key is not known
		"stolen certificate": func(c *tls.Config) {
			c.Certificates = []tls.Certificate{{Certificate: a.cert.Certificate, PrivateKey: b.device}}
		},
	} {
		_, client := TLS(a, func(fed.DeviceID) bool { return true })
		change(client)
		if _, _, serr, cerr := shake(t, server, client); serr == nil || cerr == nil {
			t.Errorf("%s: server %v, client %v", name, serr, cerr)
		}
	}
}

func chain(a, b *Self) tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{a.cert.Certificate[0], b.cert.Certificate[0]}, PrivateKey: a.device}
}

func ecdsaCert(t *testing.T) tls.Certificate {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: notBefore, NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}
}

func TestCertificateNamesNobodyAndLasts(t *testing.T) {
	a := create(t, "Clinic with a telling name")
	c, err := x509.ParseCertificate(a.cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if c.NotBefore.Year() != 1970 || c.NotAfter.Year() != 2242 {
		t.Fatalf("from %v to %v", c.NotBefore, c.NotAfter)
	}
	if bytes.Contains(c.Raw, []byte("telling")) {
		t.Fatal("the certificate names the organisation")
	}
}
