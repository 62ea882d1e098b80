package fed

import (
	"encoding/binary"
	"encoding/hex"
	"sort"
	"strings"
)

// Doc is a signed document of the book: what a party says to others for good.
// Per (Scope, Author) the documents form one chain: Seq counts 1, 2, 3 ... and
// Prev is the Hash of the one before ("" for the first).
type Doc struct {
	Scope   string
	Author  PartyID
	Seq     uint64
	Kind    string
	Subject string
	Prev    Digest
	TimeMs  int64
	Body    []byte // canonical JSON
	Sig     []byte // Ed25519 over SigningBytes by the author's organisation key
	Key     []byte // SubjectPublicKeyInfo of that key; KeyDigest(Key) is Author
}

// Limits of a document that arrives from a peer.
const (
	MaxDocBody = 200 << 10
	MaxDocName = 200
)

// DocDomain is the domain tag of document signatures.
const DocDomain = "synergos/doc/1"

// SigningBytes returns what is signed and hashed: every field but Sig and Key,
// each prefixed by its length.
func (d Doc) SigningBytes() []byte {
	var b []byte
	put := func(s []byte) {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	put([]byte(d.Scope))
	put([]byte(d.Author))
	b = binary.LittleEndian.AppendUint64(b, d.Seq)
	put([]byte(d.Kind))
	put([]byte(d.Subject))
	put([]byte(d.Prev))
	b = binary.LittleEndian.AppendUint64(b, uint64(d.TimeMs))
	put(d.Body)
	return b
}

// Hash names the document.
func (d Doc) Hash() Digest { return DigestOf(d.SigningBytes()) }

// Head is how far one chain reaches.
type Head struct {
	Scope  string
	Author PartyID
	Seq    uint64
}

// ClosedSeq is the Head.Seq of a chain that has forked: whoever holds it without the
// proof of the fork asks for that.
const ClosedSeq = 1 << 53

// ScopeFederation is the scope of what every paired party may read.
const ScopeFederation = "federation"

// ScopeProject is the scope that the members of a project read.
func ScopeProject(id ProjectID) string { return "project:" + string(id) }

// ScopeDirect is the scope that two parties share.
func ScopeDirect(a, b PartyID) string {
	p := []string{string(a), string(b)}
	sort.Strings(p)
	return "direct:" + p[0] + "+" + p[1]
}

// ProjectOf returns the project of a project scope.
func ProjectOf(scope string) (ProjectID, bool) {
	id, ok := strings.CutPrefix(scope, "project:")
	return ProjectID(id), ok && ValidHexID(id)
}

// DirectOf returns the two parties of a direct scope.
func DirectOf(scope string) (a, b PartyID, ok bool) {
	s, ok := strings.CutPrefix(scope, "direct:")
	if !ok {
		return "", "", false
	}
	x, y, ok := strings.Cut(s, "+")
	return PartyID(x), PartyID(y), ok && ValidKeyID(x) && ValidKeyID(y) && x < y
}

// ValidScope reports whether s has the form of a scope.
func ValidScope(s string) bool {
	if s == ScopeFederation {
		return true
	}
	if _, ok := ProjectOf(s); ok {
		return true
	}
	_, _, ok := DirectOf(s)
	return ok
}

// Member is a party in a project's roster: enough to recognise and reach it.
type Member struct {
	Party     PartyID  `json:"party"`
	Name      string   `json:"name"` // unique in the project; names its randomness in runs
	Device    DeviceID `json:"device"`
	OrgKey    []byte   `json:"orgKey"`
	Statement []byte   `json:"statement"` // device statement signed by the organisation
	Addrs     []string `json:"addrs"`
	Rank      int      `json:"rank"`
}

// NewHexID formats 16 random bytes as an identifier.
func NewHexID(random [16]byte) string { return hex.EncodeToString(random[:]) }
