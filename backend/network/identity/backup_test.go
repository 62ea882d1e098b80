package identity

import (
	"bytes"
	"testing"
	"time"

	"filippo.io/age"

	"synergos.app/desktop/backend/fed"
)

const pass = "four words of a ward"

// A backup brings the organisation back on another computer: the same party, a
// device of its own with a newer statement, and whom it knew.
func TestBackup(t *testing.T) {
	workFactor = 10
	t.Cleanup(func() { workFactor = maxWork })
	now := time.Now()
	self, peer := create(t, "St. Anna"), create(t, "Charité")
	known := []Known{{Statement: peer.Signed(), Addrs: []string{"10.0.0.7:4000"}, Source: "code", How: "six digits"}}
	forged := known[0]
	forged.Statement.Sig = bytes.Repeat([]byte{7}, 64)
	sealed, err := self.Backup(pass, append(known, forged))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range [][]byte{self.org.Seed(), self.device.Seed(), []byte("Charit"), []byte("10.0.0.7")} {
		if bytes.Contains(sealed, secret) {
			t.Errorf("the backup shows %q", secret)
		}
	}
	opened, err := FromBackup(sealed, pass, now)
	if err != nil {
		t.Fatal(err)
	}
	back, peers := opened.Self, opened.Peers
	if gone, err := VerifyRevocation(opened.Gone); err != nil || gone.Device != self.Device() || gone.Party() != self.Party() {
		t.Errorf("the old computer is not withdrawn: %+v, %v", gone, err)
	}
	if back.Party() != self.Party() || back.Name() != "St. Anna" || back.Device() == self.Device() {
		t.Errorf("%s %q on %s came back as %s %q on %s", self.Party(), self.Name(), self.Device(), back.Party(), back.Name(), back.Device())
	}
	st, err := VerifyStatement(back.Signed(), now)
	if err != nil || st.Counter <= self.Statement().Counter || st.Device != back.Device() {
		t.Errorf("statement of the new device: %+v, %v", st, err)
	}
	if len(peers) != 1 || peers[0].Addrs[0] != "10.0.0.7:4000" || !bytes.Equal(peers[0].Statement.Body, peer.Signed().Body) {
		t.Errorf("peers %+v", peers)
	}
}

func TestBackupRefuses(t *testing.T) {
	workFactor = 10
	t.Cleanup(func() { workFactor = maxWork })
	self := create(t, "St. Anna")
	if _, err := self.Backup("too short", nil); fed.KindOf(err) != fed.Invalid {
		t.Errorf("a short passphrase: %v", err)
	}
	good, err := self.Backup(pass, nil)
	if err != nil {
		t.Fatal(err)
	}
	workFactor = maxWork + 1
	costly, err := self.Backup(pass, nil)
	if err != nil {
		t.Fatal(err)
	}
	workFactor = 10
	sealed := func(plain string) []byte {
		to, err := age.NewScryptRecipient(pass)
		if err != nil {
			t.Fatal(err)
		}
		to.SetWorkFactor(10)
		var b bytes.Buffer
		w, err := age.Encrypt(&b, to)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(plain)); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	broken := bytes.Clone(good)
	broken[len(broken)-1] ^= 1
	for what, c := range map[string]struct {
		file []byte
		pass string
		kind fed.Kind
	}{
		"another passphrase": {good, pass + "!", fed.Permission},
		"no passphrase":      {good, "", fed.Permission},
		"nothing":            {nil, pass, fed.Corrupt},
		"another file":       {[]byte("age,sex\n63,1\n"), pass, fed.Corrupt},
		"half":               {good[:len(good)/2], pass, fed.Corrupt},
		"a flipped bit":      {broken, pass, fed.Corrupt},
		"too large":          {make([]byte, MaxBackup+1), pass, fed.Corrupt},
		"too costly":         {costly, pass, fed.Corrupt},
		"no JSON":            {sealed("hello"), pass, fed.Corrupt},
		"a newer version":    {sealed(`{"version":2}`), pass, fed.Incompatible},
		"a short key":        {sealed(`{"version":1,"name":"x","orgSeed":"AAAA"}`), pass, fed.Corrupt},
		"a name of control":  {sealed(`{"version":1,"name":"a\u0000b","notAfter":"2242-01-01T00:00:00Z","orgSeed":"` + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" + `"}`), pass, fed.Corrupt},
	} {
		if _, err := FromBackup(c.file, c.pass, time.Now()); fed.KindOf(err) != c.kind {
			t.Errorf("%s: %v", what, err)
		}
	}
}
