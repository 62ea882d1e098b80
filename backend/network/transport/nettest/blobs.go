// Package nettest holds what tests of the network share: a blob store in memory, a
// ledger that counts, and the conformance suite that every [transport.Network]
// passes. It is for tests only.
package nettest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/wire"
)

// Blobs is a transport.BlobStore in memory with the rules of the real one. The zero
// value is ready.
type Blobs struct {
	mu    sync.Mutex
	whole map[fed.Digest][]byte
	parts map[fed.Digest]*part
	// Spoil, if set, may change a leaf before it is sent.
	Spoil func(d fed.Digest, b []byte) []byte
	// OnLeaf, if set, sees every leaf that was written.
	OnLeaf func(d fed.Digest, i int)
}

// Put stores b and returns its reference.
func (s *Blobs) Put(b []byte) fed.BlobRef {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.whole == nil {
		s.whole = map[fed.Digest][]byte{}
	}
	ref := RefOf(b)
	s.whole[ref.Digest] = b
	return ref
}

// Get returns a stored blob or nil.
func (s *Blobs) Get(d fed.Digest) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whole[d]
}

// Drop forgets a blob.
func (s *Blobs) Drop(d fed.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.whole, d)
}

// RefOf returns the reference of b.
func RefOf(b []byte) fed.BlobRef {
	return fed.BlobRef{Digest: fed.DigestOf(b), Size: int64(len(b)), Root: root(leavesOf(b))}
}

func leavesOf(b []byte) []fed.Digest {
	var out []fed.Digest
	for len(b) > 0 {
		n := min(len(b), wire.LeafSize)
		out = append(out, fed.DigestOf(b[:n]))
		b = b[n:]
	}
	return out
}

// root is SHA-256("synergos/blob-root/1" ‖ raw leaves), as package blob has it.
func root(leaves []fed.Digest) fed.Digest {
	h := sha256.New()
	h.Write([]byte("synergos/blob-root/1"))
	for _, l := range leaves {
		raw, _ := hex.DecodeString(string(l)) // a digest of this package
		h.Write(raw)
	}
	return fed.Digest(hex.EncodeToString(h.Sum(nil)))
}

// Has implements transport.BlobStore.
func (s *Blobs) Has(d fed.Digest) bool { return s.Get(d) != nil }

type file struct {
	*bytes.Reader
	spoil func([]byte) []byte
}

func (f file) Close() error { return nil }

// ReadAt implements io.ReaderAt, spoiling what it reads.
func (f file) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.Reader.ReadAt(p, off)
	if f.spoil != nil {
		copy(p, f.spoil(p[:n]))
	}
	return n, err
}

// Open implements transport.BlobStore.
func (s *Blobs) Open(d fed.Digest) (transport.BlobFile, error) {
	b := s.Get(d)
	if b == nil {
		return nil, fed.Errorf(fed.NotFound, "", "no such blob")
	}
	f := file{Reader: bytes.NewReader(b)}
	if s.Spoil != nil {
		f.spoil = func(p []byte) []byte { return s.Spoil(d, p) }
	}
	return f, nil
}

// Leaves implements transport.BlobStore.
func (s *Blobs) Leaves(d fed.Digest) ([]fed.Digest, error) { return leavesOf(s.Get(d)), nil }

// Partial implements transport.BlobStore.
func (s *Blobs) Partial(ref fed.BlobRef) (transport.Partial, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.whole[ref.Digest] != nil {
		return nil, fed.Errorf(fed.Exists, "", "here already")
	}
	if s.parts == nil {
		s.parts = map[fed.Digest]*part{}
	}
	p := s.parts[ref.Digest]
	if p == nil || p.ref != ref {
		p = &part{s: s, ref: ref, b: make([]byte, ref.Size), have: make([]bool, (ref.Size+wire.LeafSize-1)/wire.LeafSize)}
		s.parts[ref.Digest] = p
	}
	if p.open {
		return nil, fed.Errorf(fed.Busy, "", "received already")
	}
	p.open = true
	return p, nil
}

// Received returns how many leaves of an unfinished blob are there.
func (s *Blobs) Received(d fed.Digest) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	if p := s.parts[d]; p != nil {
		for _, ok := range p.have {
			if ok {
				n++
			}
		}
	}
	return n
}

type part struct {
	s      *Blobs
	ref    fed.BlobRef
	b      []byte
	leaves []fed.Digest
	have   []bool
	open   bool
}

func (p *part) SetManifest(leaves []fed.Digest) error {
	if len(leaves) != len(p.have) || root(leaves) != p.ref.Root {
		return fed.Errorf(fed.Invalid, "", "manifest does not match the root")
	}
	p.leaves = leaves
	return nil
}

func (p *part) Have() []bool {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return append([]bool(nil), p.have...)
}

func (p *part) WriteLeaf(i int, data []byte) error {
	if fed.DigestOf(data) != p.leaves[i] {
		return fed.Errorf(fed.Corrupt, "", "part %d is not what was announced", i)
	}
	p.s.mu.Lock()
	copy(p.b[i*wire.LeafSize:], data)
	p.have[i] = true
	p.s.mu.Unlock()
	if p.s.OnLeaf != nil {
		p.s.OnLeaf(p.ref.Digest, i)
	}
	return nil
}

func (p *part) Commit() error {
	if fed.DigestOf(p.b) != p.ref.Digest {
		return fed.Errorf(fed.Corrupt, "", "the whole is not what was announced")
	}
	p.s.mu.Lock()
	delete(p.s.parts, p.ref.Digest)
	p.s.mu.Unlock()
	p.s.Put(p.b)
	return nil
}

func (p *part) Close() error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.open = false
	return nil
}
