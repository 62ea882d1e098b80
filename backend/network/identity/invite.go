package identity

import (
	"crypto/rand"
	"encoding/base64"
	"net"
	"strconv"
	"strings"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Limits of an invite link.
const (
	SecretSize   = 16
	maxLink      = 2048
	maxAddrs     = 16
	maxAddr      = 255
	linkPrefix   = "synergos://pair#"
	linkVersion  = "v1"
	maxExpiry    = 1 << 40 // seconds since 1970
	maxFedername = 60
)

// Invite is the content of an invite link. The link is a secret.
type Invite struct {
	Inviter    fed.DeviceID
	Addrs      []string // host:port
	Secret     []byte   // [16]
	Federation string   // display name, may be empty
	Expires    time.Time
}

// NewInvite returns an invite with a fresh secret, in whole seconds.
func NewInvite(inviter fed.DeviceID, addrs []string, federation string, expires time.Time) Invite {
	secret := make([]byte, SecretSize)
	rand.Read(secret) // never fails
	return Invite{Inviter: inviter, Addrs: addrs, Secret: secret, Federation: federation, Expires: expires.UTC().Truncate(time.Second)}
}

var b64 = base64.RawURLEncoding.Strict()

// Link returns synergos://pair#v1.<inviter>.<addrs>.<secret>.<federation>.<expiry>,
// where addrs (joined by commas), secret and federation are base64url and expiry is
// seconds since 1970.
func (v Invite) Link() string {
	return linkPrefix + strings.Join([]string{
		linkVersion, string(v.Inviter), b64.EncodeToString([]byte(strings.Join(v.Addrs, ","))), b64.EncodeToString(v.Secret),
		b64.EncodeToString([]byte(v.Federation)), strconv.FormatInt(v.Expires.Unix(), 10),
	}, ".")
}

// Hash is what the inviter stores of the secret: its SHA-256.
func (v Invite) Hash() fed.Digest { return fed.DigestOf(v.Secret) }

// ParseInvite reads a link strictly: every link has one form. It returns
// fed.Invalid; whether the invite has expired is for the caller to say.
func ParseInvite(link string) (Invite, error) {
	link = strings.TrimSpace(link)
	rest, ok := strings.CutPrefix(link, linkPrefix)
	if !ok || len(link) > maxLink {
		return Invite{}, badLink("it does not start with " + linkPrefix + " or is too long")
	}
	p := strings.Split(rest, ".")
	if p[0] != linkVersion {
		return Invite{}, fed.Errorf(fed.Incompatible, "Update the app on both sides.", "the invite link is of version %q, this app reads %s", clip(p[0]), linkVersion)
	}
	if len(p) != 6 || !fed.ValidKeyID(p[1]) {
		return Invite{}, badLink("parts are missing")
	}
	v := Invite{Inviter: fed.DeviceID(p[1])}
	var err error
	if v.Addrs, err = parseAddrs(p[2]); err != nil {
		return Invite{}, err
	}
	if v.Secret, err = b64.DecodeString(p[3]); err != nil || len(v.Secret) != SecretSize {
		return Invite{}, badLink("its secret is damaged")
	}
	if v.Federation, err = parseFederation(p[4]); err != nil {
		return Invite{}, err
	}
	sec, err := strconv.ParseInt(p[5], 10, 64)
	if err != nil || sec < 0 || sec > maxExpiry || strconv.FormatInt(sec, 10) != p[5] {
		return Invite{}, badLink("its end is damaged")
	}
	v.Expires = time.Unix(sec, 0).UTC()
	return v, nil
}

func parseAddrs(s string) ([]string, error) {
	raw, err := b64.DecodeString(s)
	if err != nil || len(raw) == 0 {
		return nil, badLink("its addresses are damaged")
	}
	list := strings.Split(string(raw), ",")
	if len(list) > maxAddrs {
		return nil, badLink("it holds too many addresses")
	}
	for _, a := range list {
		if !ValidAddr(a) {
			return nil, badLink("one of its addresses is damaged")
		}
	}
	return list, nil
}

// ValidAddr reports whether s is host:port with a plain host and a port number.
func ValidAddr(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || len(s) > maxAddr || host == "" {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return false
	}
	for _, r := range []byte(host) {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.IndexByte(".-_:%", r) >= 0
		if !ok {
			return false
		}
	}
	return net.JoinHostPort(host, port) == s
}

func parseFederation(s string) (string, error) {
	raw, err := b64.DecodeString(s)
	if err != nil || len(raw) > maxFedername {
		return "", badLink("the name of its federation is damaged")
	}
	if len(raw) > 0 && checkName(string(raw)) != nil {
		return "", badLink("the name of its federation is damaged")
	}
	return string(raw), nil
}

func clip(s string) string {
	if len(s) > 8 {
		return s[:8]
	}
	return s
}

func badLink(why string) error {
	return fed.Errorf(fed.Invalid, "Copy the whole link again, or ask for a new one.", "the invite link cannot be read: %s", why)
}
