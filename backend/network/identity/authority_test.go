package identity

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
)

// A caller that trusts the certificate alone reaches the address that it dialled,
// before and after a restart; one that trusts nothing, or another authority, does not.
func TestAuthority(t *testing.T) {
	dir := t.TempDir()
	first, err := OpenAuthority(dir, []string{"ward7", "ward7.local"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenAuthority(dir, []string{"ward8"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if first.Fingerprint() != again.Fingerprint() || len(first.Fingerprint()) != 32*3-1 {
		t.Errorf("fingerprints %s and %s", first.Fingerprint(), again.Fingerprint())
	}
	other, err := OpenAuthority(t.TempDir(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	trust := func(a *Authority) *x509.CertPool {
		p := x509.NewCertPool()
		if !p.AppendCertsFromPEM(a.PEM()) {
			t.Fatal("the certificate is no PEM")
		}
		return p
	}
	for name, c := range map[string]struct {
		roots *x509.CertPool
		host  string
		ok    bool
	}{
		"by address":                 {trust(first), "127.0.0.1", true},
		"by name":                    {trust(first), "ward8", true},
		"by a name of earlier":       {trust(first), "ward7", false},
		"by another address":         {trust(first), "127.0.0.2", false},
		"trusting another authority": {trust(other), "127.0.0.1", false},
		"trusting the system":        {nil, "127.0.0.1", false},
	} {
		_, _, _, err := shake(t, again.Server(), &tls.Config{RootCAs: c.roots, ServerName: c.host})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if strings.Contains(string(first.PEM()), "PRIVATE") {
		t.Error("the private key is handed out")
	}
}

// Leaves are kept while they live and renewed before they end; so is the authority.
func TestAuthorityRenews(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	dir := t.TempDir()
	a, err := OpenAuthority(dir, nil, clock)
	if err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		sc, cc, _, err := shake(t, a.Server(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		_ = sc
		return cc.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	one := serial()
	if two := serial(); two != one {
		t.Error("a new leaf for each call")
	}
	now = now.Add(leafLife - leafRenew/2)
	if serial() == one {
		t.Error("a leaf near its end is not renewed")
	}
	old := a.Fingerprint()
	now = now.Add(authorityLife - 2*leafLife + leafRenew)
	if a, err = OpenAuthority(dir, nil, clock); err != nil || a.Fingerprint() == old {
		t.Errorf("an authority that could not cover another leaf is kept: %v", err)
	}
}

func TestAuthorityFileIsGuarded(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenAuthority(dir, nil, nil); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, authorityFile)
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(name); err != nil || othersMayRead(st) {
		t.Errorf("others may read the key: %v", err)
	}
	open := func() fed.Kind {
		_, err := OpenAuthority(dir, nil, nil)
		return fed.KindOf(err)
	}
	for what, b := range map[string][]byte{"empty": nil, "half": good[:len(good)/2], "large": make([]byte, maxFile+1)} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if k := open(); k != fed.Corrupt {
			t.Errorf("%s: %v", what, k)
		}
	}
	if err := os.WriteFile(name, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if k := open(); k != fed.Permission {
		t.Errorf("readable by others: %v", k)
	}
}
