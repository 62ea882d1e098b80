package blob

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"sync"

	"synergos.app/desktop/backend/fed"
)

// syncEvery is how many received bytes may be lost by a crash.
const syncEvery = 16 << 20

// Partial is a blob being received. Every leaf is verified before it is
// written; the leaves written are recorded after they are on the disk, at least
// every 16 MiB, so that the next Partial of the same reference goes on there.
// It may be used by many goroutines; Close ends it and keeps what was received.
type Partial struct {
	s   *Store
	ref fed.BlobRef

	mu     sync.Mutex
	f      *os.File // nil once closed
	m      *partMap // nil until the manifest is known
	left   int      // leaves missing
	dirty  int      // bytes written since the last sync
	stale  bool     // an old .part lies there whose leaves are not known to be good
	closed bool
}

// Partial starts or resumes the reception of ref. It returns fed.Exists if the
// blob is there, fed.Busy if it is being received already, fed.Invalid for a
// reference that cannot be right and fed.Unavailable if it would not fit on the
// disk.
func (s *Store) Partial(ref fed.BlobRef) (*Partial, error) {
	if err := s.checkRef(ref); err != nil {
		return nil, err
	}
	if !s.lease(ref.Digest) {
		return nil, fed.Errorf(fed.Busy, "Wait for the transfer that is running.", "blob %s is being received already", ref.Digest.Short())
	}
	p, err := s.resume(ref)
	if err != nil {
		s.release(ref.Digest)
		return nil, ioError("receive a blob", err)
	}
	return p, nil
}

func (s *Store) checkRef(ref fed.BlobRef) error {
	switch {
	case !ref.Digest.Valid() || !ref.Root.Valid():
		return errDigest()
	case ref.Size < 0:
		return errManifest("its size is negative")
	case ref.Size > s.cfg.MaxSize:
		return errTooLarge(ref.Size, s.cfg.MaxSize)
	case s.Has(ref.Digest):
		return fed.Errorf(fed.Exists, "Nothing needs to be fetched.", "blob %s is already on this computer", ref.Digest.Short())
	}
	return nil
}

func (s *Store) lease(d fed.Digest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.receives[d] {
		return false
	}
	s.receives[d] = true
	return true
}

func (s *Store) release(d fed.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.receives, d)
}

func (s *Store) resume(ref fed.BlobRef) (*Partial, error) {
	if err := s.makeShard(ref.Digest); err != nil {
		return nil, err
	}
	name := s.path(ref.Digest)
	f, err := os.OpenFile(name+partSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	p := &Partial{s: s, ref: ref, f: f, left: LeafCount(ref.Size), stale: st.Size() > 0}
	if m, ok := readMap(name+mapSuffix, ref); ok && st.Size() == ref.Size {
		p.m, p.stale = m, false
		p.recount()
	}
	if err := s.checkFree(int64(p.left)*LeafSize, "receive a blob of this size"); err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

func (p *Partial) recount() {
	p.left = 0
	for _, ok := range p.m.have {
		if !ok {
			p.left++
		}
	}
}

// Ref returns the reference being received.
func (p *Partial) Ref() fed.BlobRef { return p.ref }

// SetManifest tells the digests of the leaves. It returns fed.Invalid if their
// number does not follow from the size or they do not hash to the root. Bytes of
// an earlier reception whose map was lost are verified and kept.
func (p *Partial) SetManifest(leaves []fed.Digest) error {
	if len(leaves) != LeafCount(p.ref.Size) {
		return errManifest("their number does not match the size")
	}
	sums, ok := parseSums(leaves)
	if !ok {
		return errManifest("a part is not named by a SHA-256")
	}
	if rootOf(sums) != p.ref.Root {
		return errManifest("it does not hash to the root that was announced")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.usable(); err != nil {
		return err
	}
	if p.m != nil {
		return nil // the root is the same, so the leaves are
	}
	return ioError("receive a blob", p.adopt(sums))
}

// adopt installs the manifest, sizes the file and looks what is already there.
func (p *Partial) adopt(sums []sum) error {
	if err := p.f.Truncate(p.ref.Size); err != nil {
		return err
	}
	p.m = &partMap{size: p.ref.Size, root: p.ref.Root, leaves: sums, have: make([]bool, len(sums))}
	if p.stale {
		if err := p.rescan(); err != nil {
			p.m = nil
			return err
		}
	}
	p.recount()
	return p.save()
}

// rescan sets have by hashing what the file holds.
func (p *Partial) rescan() error {
	buf := make([]byte, LeafSize)
	for i := range p.m.leaves {
		b := buf[:leafLen(p.ref.Size, i)]
		if _, err := p.f.ReadAt(b, int64(i)*LeafSize); err != nil {
			return err
		}
		p.m.have[i] = sha256.Sum256(b) == p.m.leaves[i]
	}
	return nil
}

// Manifest reports whether the manifest is known, from SetManifest or from an
// earlier reception.
func (p *Partial) Manifest() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.m != nil
}

// Have returns which leaves are there; all false until the manifest is known.
func (p *Partial) Have() []bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	have := make([]bool, LeafCount(p.ref.Size))
	if p.m != nil {
		copy(have, p.m.have)
	}
	return have
}

// WriteLeaf verifies and writes leaf i; writing one that is there is harmless.
// It returns fed.Invalid if i is out of range or the manifest is not known,
// fed.Corrupt if data is not the leaf, and fed.Unavailable on a full disk.
func (p *Partial) WriteLeaf(i int, data []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.usable(); err != nil {
		return err
	}
	switch {
	case p.m == nil:
		return errManifest("a part came before the list")
	case i < 0 || i >= len(p.m.leaves):
		return errManifest("a part has a number that does not exist")
	case len(data) != leafLen(p.ref.Size, i) || sha256.Sum256(data) != p.m.leaves[i]:
		return fed.Errorf(fed.Corrupt, "The transfer asks for this part again; if it repeats, choose another sender.",
			"part %d of blob %s does not have the content that was announced", i, p.ref.Digest.Short())
	case p.m.have[i]:
		return nil
	}
	return ioError("receive a blob", p.write(i, data))
}

func (p *Partial) write(i int, data []byte) error {
	if _, err := p.f.WriteAt(data, int64(i)*LeafSize); err != nil {
		return err
	}
	p.m.have[i] = true
	p.left--
	p.dirty += len(data)
	if p.dirty >= syncEvery {
		return p.save()
	}
	return nil
}

// save makes the bytes durable, then the map that vouches for them.
func (p *Partial) save() error {
	if err := p.f.Sync(); err != nil {
		return err
	}
	if err := p.s.writeFile(p.s.path(p.ref.Digest)+mapSuffix, p.m.encode()); err != nil {
		return err
	}
	p.dirty = 0
	return nil
}

func (p *Partial) usable() error {
	if p.closed {
		return fed.Errorf(fed.Internal, "Start the transfer again.", "the reception of blob %s has ended", p.ref.Digest.Short())
	}
	return nil
}

// Close ends the reception and keeps what was received for the next Partial of
// the same reference. Closing twice, or after Commit or Discard, does nothing.
func (p *Partial) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	var err error
	if p.m != nil && p.dirty > 0 {
		err = p.save()
	}
	return ioError("keep a partly received blob", errors.Join(err, p.end()))
}

// Discard ends the reception and removes what was received.
func (p *Partial) Discard() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	return ioError("discard a partly received blob", p.discard())
}

// discard removes the files before the lease ends, so that it cannot hit the
// next reception.
func (p *Partial) discard() error {
	name := p.s.path(p.ref.Digest)
	err := errors.Join(p.shut(), os.Remove(name+partSuffix))
	if rerr := os.Remove(name + mapSuffix); !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	p.s.release(p.ref.Digest)
	return err
}

func (p *Partial) end() error {
	err := p.shut()
	p.s.release(p.ref.Digest)
	return err
}

func (p *Partial) shut() error {
	p.closed = true
	return p.f.Close()
}

// Commit verifies the whole content and gives the blob its place; the Partial
// has then ended. If leaves are missing it returns fed.Invalid. If leaves rotted
// on the disk it returns fed.Corrupt and Have tells which to fetch again. If all
// leaves are right but the whole is not, the reference was a lie: everything is
// discarded and the error is fed.Corrupt.
func (p *Partial) Commit() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.usable(); err != nil {
		return err
	}
	if p.m == nil || p.left > 0 {
		return fed.Errorf(fed.Invalid, "Go on with the transfer.", "blob %s is not complete: %d parts are missing", p.ref.Digest.Short(), p.left)
	}
	if err := p.f.Sync(); err != nil {
		return ioError("complete a blob", err)
	}
	ref, err := p.remeasure()
	if err != nil {
		return ioError("complete a blob", err)
	}
	if ref != p.ref {
		return p.refuse()
	}
	return ioError("complete a blob", p.place())
}

func (p *Partial) remeasure() (fed.BlobRef, error) {
	m := newMeter()
	_, err := io.CopyBuffer(m, io.NewSectionReader(p.f, 0, p.ref.Size), make([]byte, 256<<10))
	ref, _ := m.finish()
	return ref, err
}

// refuse finds out whether the disk or the sender is to blame.
func (p *Partial) refuse() error {
	if err := p.rescan(); err != nil {
		return ioError("complete a blob", err)
	}
	p.recount()
	if p.left > 0 {
		if err := p.save(); err != nil {
			return ioError("complete a blob", err)
		}
		return fed.Errorf(fed.Corrupt, "The damaged parts are fetched again; check this disk if it repeats.",
			"%d parts of blob %s were damaged on this disk", p.left, p.ref.Digest.Short())
	}
	if err := p.discard(); err != nil {
		return ioError("discard a false blob", err)
	}
	return fed.Errorf(fed.Corrupt, "Do not fetch it from this sender again.",
		"blob %s is false: its parts do not make up the content that was announced", p.ref.Digest.Short())
}

// place renames the part into the blob. A crash after the rename leaves a map
// without a part, which Sweep removes.
func (p *Partial) place() error {
	name := p.s.path(p.ref.Digest)
	defer p.s.release(p.ref.Digest)
	if err := p.shut(); err != nil {
		return err
	}
	if err := p.s.settle(name+partSuffix, p.ref.Digest); err != nil {
		return err
	}
	p.s.remember(p.ref, p.m.leaves)
	if err := os.Remove(name + mapSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
