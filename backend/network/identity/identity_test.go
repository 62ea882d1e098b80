package identity

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
)

func create(t testing.TB, name string) *Self {
	t.Helper()
	s, err := Create(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantKind(t *testing.T, err error, k fed.Kind) {
	t.Helper()
	if err == nil || fed.KindOf(err) != k {
		t.Fatalf("error %v of kind %v, want kind %v", err, fed.KindOf(err), k)
	}
}

func TestCreate(t *testing.T) {
	a, b := create(t, "Clinic A"), create(t, "Clinic A")
	if !fed.ValidKeyID(string(a.Party())) || !fed.ValidKeyID(string(a.Device())) || string(a.Party()) == string(a.Device()) {
		t.Fatalf("party %s, device %s", a.Party(), a.Device())
	}
	if a.Party() == b.Party() || a.Device() == b.Device() {
		t.Fatal("two identities share a key")
	}
	if string(a.Party()) != fed.KeyDigest(a.PublicKey()) {
		t.Fatal("the party is not the digest of its key")
	}
	for _, name := range []string{"", "  ", "a\x00b", "line\nbreak", strings.Repeat("x", MaxName+1), "\xff"} {
		if _, err := Create(name); fed.KindOf(err) != fed.Invalid {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "me")
	_, err := Load(dir)
	wantKind(t, err, fed.NotFound)
	a := create(t, "Clinic A")
	a, err = a.Restate("Clinic Ä", []string{RoleAdmin, RoleObserver}, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time over the first
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
	}
	b, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if b.Party() != a.Party() || b.Device() != a.Device() || !bytes.Equal(b.Signed().Body, a.Signed().Body) || !bytes.Equal(b.Signed().Sig, a.Signed().Sig) {
		t.Fatal("another identity came back")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	if runtime.GOOS != "windows" {
		checkModes(t, dir)
	}
}

func checkModes(t *testing.T, dir string) {
	name := filepath.Join(dir, fileName)
	for path, want := range map[string]os.FileMode{dir: 0o700, name: 0o600} {
		st, err := os.Stat(path)
		if err != nil || st.Mode().Perm() != want {
			t.Fatalf("%v, %v", st.Mode(), err)
		}
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Load(dir)
	wantKind(t, err, fed.Permission)
}

func TestDamagedFileIsCorrupt(t *testing.T) {
	dir := t.TempDir()
	if err := create(t, "A").Save(dir); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, fileName)
	good, _ := os.ReadFile(name)
	for what, b := range map[string][]byte{
		"cut": good[:len(good)/2], "empty": {}, "huge": bytes.Repeat([]byte(" "), maxFile+1),
		"short key": []byte(`{"version":1,"name":"A","roles":[],"orgSeed":"AAAA","deviceSeed":"AAAA"}`),
		"no name":   bytes.Replace(good, []byte(`"A"`), []byte(`""`), 1),
	} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); fed.KindOf(err) != fed.Corrupt {
			t.Errorf("%s: %v", what, err)
		}
	}
	newer := bytes.Replace(good, []byte(`"version": 1`), []byte(`"version": 2`), 1)
	if err := os.WriteFile(name, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(dir)
	wantKind(t, err, fed.Incompatible)
}

func TestSaveErrorsNameNoPath(t *testing.T) {
	file := filepath.Join(t.TempDir(), "occupied")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := create(t, "A").Save(file)
	wantKind(t, err, fed.Unavailable)
	if strings.Contains(err.Error(), file) {
		t.Fatalf("the error names a path: %v", err)
	}
}

func TestSignatures(t *testing.T) {
	a, b := create(t, "A"), create(t, "B")
	sig := a.Sign("test/1", []byte("body"))
	if !Verify(a.PublicKey(), "test/1", []byte("body"), sig) || !b.Verify(a.PublicKey(), "test/1", []byte("body"), sig) {
		t.Fatal("a good signature was refused")
	}
	for what, ok := range map[string]bool{
		"other key":     Verify(b.PublicKey(), "test/1", []byte("body"), sig),
		"other domain":  Verify(a.PublicKey(), "test/2", []byte("body"), sig),
		"other body":    Verify(a.PublicKey(), "test/1", []byte("bodY"), sig),
		"moved border":  Verify(a.PublicKey(), "test/1b", []byte("ody"), sig),
		"cut signature": Verify(a.PublicKey(), "test/1", []byte("body"), sig[:63]),
		"no key":        Verify(nil, "test/1", []byte("body"), sig),
		"garbled key":   Verify(bytes.Repeat([]byte{1}, 44), "test/1", []byte("body"), sig),
		"longer key":    Verify(append(a.PublicKey(), 0), "test/1", []byte("body"), sig),
	} {
		if ok {
			t.Errorf("%s was accepted", what)
		}
	}
}

func TestStatement(t *testing.T) {
	a, b := create(t, "Clinic A"), create(t, "Clinic B")
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	got, err := VerifyStatement(a.Signed(), at)
	if err != nil {
		t.Fatal(err)
	}
	want := a.Statement()
	if got.Party != want.Party || got.Device != want.Device || got.Name != "Clinic A" || got.Counter != 1 || !got.NotAfter.Equal(want.NotAfter) || len(got.Roles) != 2 {
		t.Fatalf("%+v", got)
	}
	_, err = VerifyStatement(Signed{a.Signed().Body, b.Signed().Sig}, at)
	wantKind(t, err, fed.Permission)
	for i := range a.Signed().Body {
		bad := bytes.Clone(a.Signed().Body)
		bad[i] ^= 1
		if _, err := VerifyStatement(Signed{bad, a.Signed().Sig}, at); err == nil {
			t.Fatalf("byte %d was changed unnoticed", i)
		}
		if _, err := VerifyStatement(Signed{a.Signed().Body[:i], a.Signed().Sig}, at); err == nil {
			t.Fatalf("cut at %d unnoticed", i)
		}
	}
	ends, err := a.Restate("Clinic A", nil, at)
	if err != nil || ends.Statement().Counter != 2 {
		t.Fatalf("%+v, %v", ends.Statement(), err)
	}
	if _, err := VerifyStatement(ends.Signed(), at); err != nil {
		t.Fatal(err)
	}
	_, err = VerifyStatement(ends.Signed(), at.Add(time.Second))
	wantKind(t, err, fed.Permission)
	if _, err := a.Restate("Clinic A", []string{"emperor"}, at); fed.KindOf(err) != fed.Invalid {
		t.Fatal(err)
	}
	laptop, err := a.NewDevice()
	if err != nil || laptop.Party() != a.Party() || laptop.Device() == a.Device() {
		t.Fatal("a new device is another party, or the same device")
	}
	if _, err := VerifyStatement(laptop.Signed(), at); err != nil {
		t.Fatal(err)
	}
}

func TestRevocation(t *testing.T) {
	a, b := create(t, "A"), create(t, "B")
	r := a.Revoke(b.Device(), 9)
	got, err := VerifyRevocation(r)
	if err != nil || got.Party() != a.Party() || got.Device != b.Device() || got.Counter != 9 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i := range r.Body {
		bad := bytes.Clone(r.Body)
		bad[i] ^= 1
		if _, err := VerifyRevocation(Signed{bad, r.Sig}); err == nil {
			t.Fatalf("byte %d was changed unnoticed", i)
		}
	}
	if _, err := VerifyRevocation(Signed{a.Signed().Body, a.Signed().Sig}); err == nil {
		t.Fatal("a statement passed as a revocation")
	}
}
