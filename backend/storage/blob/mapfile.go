package blob

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"path/filepath"

	"synergos.app/desktop/backend/fed"
)

// mapMagic starts a .map file:
//
//	"SYNPART1" | size uint64 | root [32] | leaves [n][32] | bitmap [ceil(n/8)] | SHA-256 of all before [32]
//
// little-endian, n = LeafCount(size); bit i%8 of byte i/8 says that leaf i is on
// the disk. The checksum makes a torn file worthless rather than wrong.
const mapMagic = "SYNPART1"

// partMap is what a partial knows about itself.
type partMap struct {
	size   int64
	root   fed.Digest
	leaves []sum
	have   []bool
}

func mapLen(n int) int { return len(mapMagic) + 8 + 32 + 32*n + (n+7)/8 + 32 }

func (m *partMap) encode() []byte {
	root, _ := parseSum(m.root)
	b := make([]byte, 0, mapLen(len(m.leaves)))
	b = append(b, mapMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.size))
	b = append(b, root[:]...)
	for _, l := range m.leaves {
		b = append(b, l[:]...)
	}
	bits := make([]byte, (len(m.have)+7)/8)
	for i, ok := range m.have {
		if ok {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	b = append(b, bits...)
	check := sha256.Sum256(b)
	return append(b, check[:]...)
}

// decodeMap reads the map of a partial of ref. It reports false for anything
// torn, foreign or of another reference.
func decodeMap(b []byte, ref fed.BlobRef) (*partMap, bool) {
	n := LeafCount(ref.Size)
	if len(b) != mapLen(n) || !bytes.HasPrefix(b, []byte(mapMagic)) {
		return nil, false
	}
	body, check := b[:len(b)-32], b[len(b)-32:]
	if want := sha256.Sum256(body); !bytes.Equal(check, want[:]) {
		return nil, false
	}
	body = body[len(mapMagic):]
	m := &partMap{size: int64(binary.LittleEndian.Uint64(body)), leaves: make([]sum, n), have: make([]bool, n)}
	body = body[8:]
	m.root = sum(body[:32]).digest()
	body = body[32:]
	for i := range n {
		m.leaves[i] = sum(body[:32])
		body = body[32:]
	}
	for i := range n {
		m.have[i] = body[i/8]&(1<<(i%8)) != 0
	}
	return m, m.size == ref.Size && m.root == ref.Root && rootOf(m.leaves) == ref.Root
}

// readMap returns the map at name if it is whole and belongs to ref.
func readMap(name string, ref fed.BlobRef) (*partMap, bool) {
	st, err := os.Lstat(name)
	if err != nil || st.Size() != int64(mapLen(LeafCount(ref.Size))) {
		return nil, false
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, false
	}
	return decodeMap(b, ref)
}

// writeFile replaces name by b so that a crash leaves the old or the new file.
func (s *Store) writeFile(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Join(s.dir, tmpDir), "map-")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncDir(filepath.Dir(name))
}
