package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"synergos.app/desktop/backend/fed"
)

// LeafSize is the length in bytes of every leaf of a blob but the last, which
// holds the remainder.
const LeafSize = 1 << 20

// rootTag separates a root from the digest of a blob that happens to hold
// hashes.
const rootTag = "synergos/blob-root/1"

// sum is one raw SHA-256.
type sum [sha256.Size]byte

func (s sum) digest() fed.Digest { return fed.Digest(hex.EncodeToString(s[:])) }

func parseSum(d fed.Digest) (s sum, ok bool) {
	if !d.Valid() {
		return s, false
	}
	_, err := hex.Decode(s[:], []byte(d))
	return s, err == nil
}

func parseSums(ds []fed.Digest) ([]sum, bool) {
	out := make([]sum, len(ds))
	for i, d := range ds {
		s, ok := parseSum(d)
		if !ok {
			return nil, false
		}
		out[i] = s
	}
	return out, true
}

func digests(sums []sum) []fed.Digest {
	out := make([]fed.Digest, len(sums))
	for i, s := range sums {
		out[i] = s.digest()
	}
	return out
}

// LeafCount returns the number of leaves of a blob of size bytes; an empty blob
// has none.
func LeafCount(size int64) int {
	return int((size + LeafSize - 1) / LeafSize)
}

// leafLen returns the length in bytes of leaf i of a blob of size bytes.
func leafLen(size int64, i int) int {
	return int(min(LeafSize, size-int64(i)*LeafSize))
}

// Root returns the root of a manifest:
//
//	SHA-256("synergos/blob-root/1" ‖ leaf 0 ‖ leaf 1 ‖ ...)
//
// where each leaf is the raw 32-byte SHA-256 of LeafSize bytes of the blob (the
// last of what remains). It returns fed.Invalid if a leaf is not a digest.
func Root(leaves []fed.Digest) (fed.Digest, error) {
	sums, ok := parseSums(leaves)
	if !ok {
		return "", errManifest("a leaf is not a SHA-256")
	}
	return rootOf(sums), nil
}

func rootOf(leaves []sum) fed.Digest {
	h := sha256.New()
	h.Write([]byte(rootTag))
	for _, l := range leaves {
		h.Write(l[:])
	}
	return sum(h.Sum(nil)).digest()
}

// meter is an io.Writer that computes the digest, size and leaves of what is
// written to it in one pass.
type meter struct {
	whole, leaf hash.Hash
	leaves      []sum
	size        int64
}

func newMeter() *meter { return &meter{whole: sha256.New(), leaf: sha256.New()} }

// Write implements io.Writer; it never fails.
func (m *meter) Write(p []byte) (int, error) {
	n := len(p)
	m.whole.Write(p)
	for len(p) > 0 {
		k := min(len(p), LeafSize-int(m.size%LeafSize))
		m.leaf.Write(p[:k])
		m.size += int64(k)
		p = p[k:]
		if m.size%LeafSize == 0 {
			m.closeLeaf()
		}
	}
	return n, nil
}

func (m *meter) closeLeaf() {
	m.leaves = append(m.leaves, sum(m.leaf.Sum(nil)))
	m.leaf.Reset()
}

// finish closes the last leaf and returns what was measured.
func (m *meter) finish() (fed.BlobRef, []sum) {
	if m.size%LeafSize != 0 {
		m.closeLeaf()
	}
	d := sum(m.whole.Sum(nil)).digest()
	return fed.BlobRef{Digest: d, Size: m.size, Root: rootOf(m.leaves)}, m.leaves
}
