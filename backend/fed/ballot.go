package fed

import (
	"encoding/binary"
	"fmt"
)

// The domain tags of what parties sign about a run.
const (
	BallotDomain = "synergos/ballot/1"
	ClaimDomain  = "synergos/claim/1"
)

// Ballot is what a voter signs: Candidate is to coordinate Run in Term, holding the
// checkpoint Acc under the members of Epoch.
type Ballot struct {
	Run       RunID      `json:"run"`
	Epoch     uint64     `json:"epoch"`
	Term      uint64     `json:"term"`
	Candidate PartyID    `json:"candidate"`
	Acc       Checkpoint `json:"acc"`
}

// SigningBytes returns what a voter signs: every field, texts prefixed by their
// length, numbers little-endian.
func (b Ballot) SigningBytes() []byte {
	var s signing
	s.text(string(b.Run))
	s.number(b.Epoch)
	s.number(b.Term)
	s.text(string(b.Candidate))
	s.number(b.Acc.Term)
	s.number(uint64(b.Acc.Round))
	s.text(string(b.Acc.Digest))
	s.text(string(b.Acc.Parent))
	return s
}

// Claim is what a party signs about its update of a round, so that the record of the
// round proves what each party gave.
type Claim struct {
	Run      RunID
	Round    int
	Base     Digest // params it was trained from
	Update   Digest
	Examples int64
}

// SigningBytes returns what the party signs.
func (c Claim) SigningBytes() []byte {
	var s signing
	s.text(string(c.Run))
	s.number(uint64(c.Round))
	s.text(string(c.Base))
	s.text(string(c.Update))
	s.number(uint64(c.Examples))
	return s
}

// Signature is a signature with the organisation key that made it, so that it can
// be checked by who has never met its party: KeyDigest(Key) is the PartyID.
type Signature struct {
	Key []byte `json:"key"` // SubjectPublicKeyInfo
	Sig []byte `json:"sig"` // Ed25519
}

// Mandate proves who coordinates in a term: the ballot, and the signatures of the
// voters who said yes to it.
type Mandate struct {
	Ballot
	Votes []Signature `json:"votes"`
}

// Check returns nil when a majority of the voters signed the ballot, each of them
// counted once.
func (m Mandate) Check(voters []PartyID, verify Verifier) error {
	if len(m.Votes) > len(voters) {
		return fmt.Errorf("%d votes of %d voters", len(m.Votes), len(voters))
	}
	left := make(map[PartyID]bool, len(voters))
	for _, v := range voters {
		left[v] = true
	}
	body, n := m.SigningBytes(), 0
	for _, v := range m.Votes {
		p, ok := verify(BallotDomain, body, v)
		if !ok || !left[p] {
			return fmt.Errorf("a vote of term %d is not a voter's", m.Term)
		}
		delete(left, p)
		n++
	}
	if n < len(voters)/2+1 {
		return fmt.Errorf("%d of %d voters signed for term %d", n, len(voters), m.Term)
	}
	return nil
}

// Verifier returns which party's signature of body under domain s is, and false for
// nobody's.
type Verifier func(domain string, body []byte, s Signature) (PartyID, bool)

// VerifierOf makes a Verifier of a function that checks a signature by the key whose
// SubjectPublicKeyInfo is key.
func VerifierOf(verify func(key []byte, domain string, body, sig []byte) bool) Verifier {
	return func(domain string, body []byte, s Signature) (PartyID, bool) {
		return PartyID(KeyDigest(s.Key)), verify(s.Key, domain, body, s.Sig)
	}
}

// signing builds bytes to be signed.
type signing []byte

func (s *signing) number(n uint64) { *s = binary.LittleEndian.AppendUint64(*s, n) }

func (s *signing) text(t string) {
	s.number(uint64(len(t)))
	*s = append(*s, t...)
}
