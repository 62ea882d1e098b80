// Package fed is the vocabulary of the product: the identifiers, records and
// errors that every other room speaks with.
//
// It holds no behaviour beyond validation and formatting, imports nothing but
// the standard library, and owns no goroutine. Start with [PartyID], [RunConfig]
// and [Error].
package fed

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// PartyID names an organisation: the base32 (no padding, upper case) SHA-256 of
// the SubjectPublicKeyInfo of its Ed25519 organisation key, 52 characters.
type PartyID string

// DeviceID names one computer of a party: the same digest of the device key
// that terminates TLS.
type DeviceID string

// ProjectID, ExperimentID, RunID and the like are 32 lower-case hex characters.
type (
	// ProjectID names a project.
	ProjectID string
	// ExperimentID names an experiment.
	ExperimentID string
	// RunID names a run, and with it the grid formed for the run.
	RunID string
	// DatasetID is the opaque handle that the owner's app chose for a dataset.
	DatasetID string
)

var b32 = base32.StdEncoding.WithPadding(base32.NoPadding)

// KeyDigest returns the 52-character identifier of a SubjectPublicKeyInfo in DER.
func KeyDigest(spki []byte) string {
	sum := sha256.Sum256(spki)
	return b32.EncodeToString(sum[:])
}

// ValidKeyID reports whether s has the form of a PartyID or DeviceID.
func ValidKeyID(s string) bool {
	if len(s) != 52 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// ValidHexID reports whether s is 32 lower-case hexadecimal characters.
func ValidHexID(s string) bool { return validHex(s, 32) }

// Short returns the first group of a key identifier, for screens and logs.
func (p PartyID) Short() string { return short(string(p)) }

// Short returns the first group of a key identifier, for screens and logs.
func (d DeviceID) Short() string { return short(string(d)) }

func short(s string) string {
	if len(s) > 8 {
		return s[:8]
	}
	return s
}

// Fingerprint formats a key identifier in groups of four for people to compare.
func Fingerprint(id string) string {
	var b strings.Builder
	for i := 0; i < len(id); i += 4 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(id[i:min(i+4, len(id))])
	}
	return b.String()
}

// Digest names bytes by their SHA-256: 64 lower-case hex characters. The zero
// value names nothing.
type Digest string

// DigestOf returns the digest of b.
func DigestOf(b []byte) Digest {
	sum := sha256.Sum256(b)
	return Digest(hex.EncodeToString(sum[:]))
}

// Valid reports whether d has the form of a digest.
func (d Digest) Valid() bool { return validHex(string(d), 64) }

// Short returns the first twelve characters, for screens.
func (d Digest) Short() string {
	if len(d) > 12 {
		return string(d[:12])
	}
	return string(d)
}

func validHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// BlobRef cites a content-addressed file: its digest, size in bytes and the
// root of its 1 MiB leaf hashes.
type BlobRef struct {
	Digest Digest `json:"digest"`
	Size   int64  `json:"size"`
	Root   Digest `json:"root"`
}

// Number is a float64 that marshals to null when it is not finite, so that no
// NaN or infinity reaches JSON.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, f+0, 'g', -1, 64), nil // never -0: see Plain
}

// UnmarshalJSON implements json.Unmarshaler; null reads as NaN.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("number %q: %w", b, err)
	}
	*n = Number(f)
	return nil
}

// Finite reports whether n is neither NaN nor infinite.
func (n Number) Finite() bool {
	return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0)
}
