package serving

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// tokenPrefix makes a leaked token recognisable to scanners.
const tokenPrefix = "syn_"

// NewToken makes a token of 256 bits from random (nil: the system's): the text,
// shown once; its hash, to be stored; and its last four characters, to recognise
// it by.
func NewToken(random io.Reader) (token, hash, hint string, err error) {
	if random == nil {
		random = rand.Reader
	}
	var b [32]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", "", "", fmt.Errorf("make a token: %w", err)
	}
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
	return token, hashToken(token), token[len(token)-4:], nil
}

// hashToken is a plain digest: a token of 256 random bits needs no slow hash.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func validHash(h string) bool {
	b, err := hex.DecodeString(h)
	return err == nil && len(b) == sha256.Size && h == strings.ToLower(h)
}

// authorized compares an Authorization header with a hash, in constant time.
func authorized(header, hash string) bool {
	const scheme = "bearer "
	if len(header) < len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(hashToken(strings.TrimSpace(header[len(scheme):]))), []byte(hash)) == 1
}
