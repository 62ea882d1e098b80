package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"synergos.app/desktop/backend/fed"
)

// NonceSize is the length in bytes of nonces and commitments.
const NonceSize = 32

// Proof shows the possession of an invite's secret on one connection:
//
//	HMAC-SHA256(secret, "synergos/invite/1" ‖ exporter ‖ joiner ‖ inviter)
//
// where exporter is what [Exporter] returned; on another connection it is wrong.
func Proof(secret, exporter []byte, joiner, inviter fed.DeviceID) []byte {
	return mac(secret, "synergos/invite/1", exporter, []byte(joiner), []byte(inviter))
}

// CheckProof compares in constant time.
func CheckProof(proof, secret, exporter []byte, joiner, inviter fed.DeviceID) bool {
	return hmac.Equal(proof, Proof(secret, exporter, joiner, inviter))
}

// Nonce returns fresh random bytes for a comparison of codes.
func Nonce() []byte {
	b := make([]byte, NonceSize)
	rand.Read(b) // never fails
	return b
}

// Commit returns the commitment to a nonce: SHA-256("synergos/commit/1" ‖ nonce).
func Commit(nonce []byte) []byte {
	sum := sha256.Sum256(append([]byte("synergos/commit/1"), nonce...))
	return sum[:]
}

// Opens reports whether nonce is what commit was made from.
func Opens(commit, nonce []byte) bool {
	return len(nonce) == NonceSize && hmac.Equal(commit, Commit(nonce))
}

// Exchange is one comparison of six-digit codes (a short authentication string by
// commit and reveal, Vaudenay 2005): the initiator committed to InitiatorNonce
// before it saw ResponderNonce, so that somebody in the middle has one guess in a
// million per attempt.
type Exchange struct {
	Exporter                       []byte
	Initiator, Responder           fed.DeviceID
	InitiatorNonce, ResponderNonce []byte
}

// Code returns what both screens show:
//
//	HMAC-SHA256(exporter, "synergos/code/1" ‖ initiator ‖ responder ‖ nonces) mod 10^6
func (e Exchange) Code() string {
	sum := mac(e.Exporter, "synergos/code/1", []byte(e.Initiator), []byte(e.Responder), e.InitiatorNonce, e.ResponderNonce)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint64(sum)%1_000_000)
}

// mac feeds every part with its length.
func mac(key []byte, parts ...any) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		var b []byte
		switch p := p.(type) {
		case string:
			b = []byte(p)
		case []byte:
			b = p
		}
		h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	return h.Sum(nil)
}
