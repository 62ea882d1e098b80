package identity

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

var end = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func TestInviteLink(t *testing.T) {
	a := create(t, "A")
	v := NewInvite(a.Device(), []string{"192.168.1.5:4433", "[2001:db8::1]:4433", "host.example:1"}, "Lung study", end)
	got, err := ParseInvite("  " + v.Link() + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if got.Inviter != v.Inviter || strings.Join(got.Addrs, " ") != strings.Join(v.Addrs, " ") || !bytes.Equal(got.Secret, v.Secret) ||
		got.Federation != v.Federation || !got.Expires.Equal(end) || got.Hash() != fed.DigestOf(v.Secret) {
		t.Fatalf("%+v", got)
	}
	if NewInvite(a.Device(), nil, "", end).Hash() == v.Hash() {
		t.Fatal("two invites share a secret")
	}
}

func TestBadInviteLinks(t *testing.T) {
	a := create(t, "A")
	good := NewInvite(a.Device(), []string{"10.0.0.1:4433"}, "F", end)
	p := strings.Split(good.Link(), ".")
	with := func(i int, s string) string {
		q := append([]string(nil), p...)
		q[i] = s
		return strings.Join(q, ".")
	}
	enc := func(s string) string { return b64.EncodeToString([]byte(s)) }
	for name, link := range map[string]string{
		"empty": "", "another scheme": strings.Replace(good.Link(), "synergos", "https", 1), "part missing": strings.Join(p[:5], "."),
		"part too many": good.Link() + ".x", "lower-case id": with(1, strings.ToLower(p[1])), "no address": with(2, ""),
		"address without port": with(2, enc("10.0.0.1")), "port 0": with(2, enc("10.0.0.1:0")), "port 070": with(2, enc("10.0.0.1:070")),
		"path in address": with(2, enc("10.0.0.1:1/x")), "user in address": with(2, enc("u@h:1")), "17 addresses": with(2, enc(strings.Repeat("h:1,", 16)+"h:1")),
		"short secret": with(3, enc("short")), "padded secret": with(3, p[3]+"=="), "sloppy base64": with(3, p[3][:21]+"B"),
		"long federation": with(4, enc(strings.Repeat("x", 61))), "control in federation": with(4, enc("a\x1b[2J")), "expiry sign": with(5, "+1"),
		"negative expiry": with(5, "-1"), "expiry zero padded": with(5, "01"), "expiry huge": with(5, "99999999999999"), "too long": good.Link() + strings.Repeat("0", maxLink),
	} {
		if _, err := ParseInvite(link); fed.KindOf(err) != fed.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := ParseInvite(strings.Replace(good.Link(), "#v1.", "#v2.", 1))
	wantKind(t, err, fed.Incompatible)
}

func FuzzParseInvite(f *testing.F) {
	a := create(f, "A")
	f.Add(NewInvite(a.Device(), []string{"10.0.0.1:4433", "[::1]:9"}, "F", end).Link())
	f.Add(NewInvite(a.Device(), []string{"h:1"}, "", end).Link())
	f.Add("synergos://pair#v1.....")
	f.Fuzz(func(t *testing.T, link string) {
		v, err := ParseInvite(link)
		if err != nil {
			if k := fed.KindOf(err); k != fed.Invalid && k != fed.Incompatible {
				t.Fatalf("kind %v", k)
			}
			return
		}
		if v.Link() != strings.TrimSpace(link) {
			t.Fatalf("%q has a second form %q", link, v.Link())
		}
	})
}

func FuzzVerifyStatement(f *testing.F) {
	a := create(f, "A")
	f.Add(a.Signed().Body, a.Signed().Sig)
	r := a.Revoke(a.Device(), 1)
	f.Add(r.Body, r.Sig)
	f.Fuzz(func(t *testing.T, body, sig []byte) {
		if s, err := VerifyStatement(Signed{body, sig}, end); err == nil && !bytes.Equal(s.Encode(), body) {
			t.Fatal("a statement has two forms")
		}
		VerifyRevocation(Signed{body, sig})
	})
}

func TestProofIsBoundToItsConnection(t *testing.T) {
	secret, exp := bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 32)
	p := Proof(secret, exp, "JOINER", "INVITER")
	if !CheckProof(p, secret, exp, "JOINER", "INVITER") {
		t.Fatal("a good proof was refused")
	}
	for what, ok := range map[string]bool{
		"connection": CheckProof(p, secret, bytes.Repeat([]byte{3}, 32), "JOINER", "INVITER"),
		"secret":     CheckProof(p, bytes.Repeat([]byte{9}, 16), exp, "JOINER", "INVITER"),
		"joiner":     CheckProof(p, secret, exp, "OTHER", "INVITER"),
		"inviter":    CheckProof(p, secret, exp, "JOINER", "OTHER"),
		"swapped":    CheckProof(p, secret, exp, "INVITER", "JOINER"),
		"moved":      CheckProof(p, secret, exp, "JOINERI", "NVITER"),
		"empty":      CheckProof(nil, secret, exp, "JOINER", "INVITER"),
	} {
		if ok {
			t.Errorf("another %s was accepted", what)
		}
	}
}

// The formula in the comment, computed by hand.
func TestCode(t *testing.T) {
	e := Exchange{Exporter: bytes.Repeat([]byte{7}, 32), Initiator: "A", Responder: "B", InitiatorNonce: []byte("na"), ResponderNonce: []byte("nb")}
	h := hmac.New(sha256.New, e.Exporter)
	for _, p := range []string{"synergos/code/1", "A", "B", "na", "nb"} {
		h.Write([]byte{byte(len(p)), 0, 0, 0})
		h.Write([]byte(p))
	}
	want := fmt.Sprintf("%06d", binary.BigEndian.Uint64(h.Sum(nil))%1000000)
	if e.Code() != want || len(want) != 6 {
		t.Fatalf("code %s, want %s", e.Code(), want)
	}
	for _, other := range []Exchange{
		{e.Exporter, "B", "A", e.InitiatorNonce, e.ResponderNonce}, {e.Exporter, "A", "B", e.ResponderNonce, e.InitiatorNonce},
		{bytes.Repeat([]byte{8}, 32), "A", "B", e.InitiatorNonce, e.ResponderNonce},
	} {
		if other.Code() == want {
			t.Fatalf("%+v shows the same code", other)
		}
	}
}

func TestCommitment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SliceOfN(rapid.Byte(), NonceSize, NonceSize).Draw(t, "nonce")
		m := rapid.SliceOfN(rapid.Byte(), 0, 2*NonceSize).Draw(t, "other")
		if !Opens(Commit(n), n) {
			t.Fatal("a commitment does not open")
		}
		if !bytes.Equal(n, m) && Opens(Commit(n), m) {
			t.Fatal("a commitment opens to something else")
		}
	})
	if bytes.Equal(Nonce(), Nonce()) || Opens(Commit(nil), nil) {
		t.Fatal("nonces repeat, or an empty one passes")
	}
}
