package blob

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"synergos.app/desktop/backend/fed"
)

// maxMeasured bounds the manifests kept in memory; 64 of 1 GiB blobs are 2 MiB.
const maxMeasured = 64

// measured is the manifest of a file as it was at a time.
type measured struct {
	ref    fed.BlobRef
	leaves []sum
	mtime  time.Time
}

// File is an open blob. ReadAt does not verify: a receiver checks every leaf.
// It must be closed.
type File struct {
	f    *os.File
	size int64
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }

// Size returns the length in bytes.
func (f *File) Size() int64 { return f.size }

// Close releases the file.
func (f *File) Close() error { return f.f.Close() }

// Has reports whether the blob d is there whole. An invalid digest is not.
func (s *Store) Has(d fed.Digest) bool {
	if !d.Valid() {
		return false
	}
	st, err := os.Lstat(s.path(d))
	return err == nil && st.Mode().IsRegular()
}

// Open opens the blob d for reading at any offset. It returns fed.NotFound or
// fed.Invalid.
func (s *Store) Open(d fed.Digest) (*File, error) {
	f, st, err := s.open(d)
	if err != nil {
		return nil, err
	}
	return &File{f: f, size: st.Size()}, nil
}

func (s *Store) open(d fed.Digest) (*os.File, os.FileInfo, error) {
	if !d.Valid() {
		return nil, nil, errDigest()
	}
	if !s.Has(d) {
		return nil, nil, errMissing(d)
	}
	f, err := os.Open(s.path(d))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, errMissing(d)
	}
	if err != nil {
		return nil, nil, ioError("open a blob", err)
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, ioError("open a blob", err)
	}
	return f, st, nil
}

// Get reads the blob d into memory and verifies it. It returns fed.NotFound,
// fed.Invalid above MaxGet, and fed.Corrupt when the content does not hash to
// its name; the file is then set aside under the suffix .bad.
func (s *Store) Get(d fed.Digest) ([]byte, error) {
	f, st, err := s.open(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st.Size() > s.cfg.MaxGet {
		return nil, errTooLarge(st.Size(), s.cfg.MaxGet)
	}
	buf := bytes.NewBuffer(make([]byte, 0, st.Size()+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(f, s.cfg.MaxGet)); err != nil {
		return nil, ioError("read a blob", err)
	}
	if fed.DigestOf(buf.Bytes()) != d {
		f.Close()
		return nil, s.quarantine(d, st)
	}
	return buf.Bytes(), nil
}

// quarantine sets the damaged blob d aside, unless the file that was read has
// been replaced meanwhile, and returns the error that says so.
func (s *Store) quarantine(d fed.Digest, read os.FileInfo) error {
	s.forget(d)
	name := s.path(d)
	if now, err := os.Lstat(name); err != nil || !os.SameFile(now, read) {
		return errCorrupt(d)
	}
	if err := os.Rename(name, name+badSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return ioError("set a damaged blob aside", err)
	}
	return errCorrupt(d)
}

// Ref returns the reference of the stored blob d. The first call after a change
// reads and verifies the whole file, with the errors of Get.
func (s *Store) Ref(d fed.Digest) (fed.BlobRef, error) {
	m, err := s.measure(d)
	if err != nil {
		return fed.BlobRef{}, err
	}
	return m.ref, nil
}

// Leaves returns the manifest of the stored blob d: the SHA-256 of every
// LeafSize bytes, in order. Errors as for Ref.
func (s *Store) Leaves(d fed.Digest) ([]fed.Digest, error) {
	m, err := s.measure(d)
	if err != nil {
		return nil, err
	}
	return digests(m.leaves), nil
}

// measure returns the manifest of d, from memory while the file is unchanged.
func (s *Store) measure(d fed.Digest) (*measured, error) {
	f, st, err := s.open(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s.mu.Lock()
	known := s.measured[d]
	s.mu.Unlock()
	if known != nil && known.ref.Size == st.Size() && known.mtime.Equal(st.ModTime()) {
		return known, nil
	}
	m := newMeter()
	if _, err := io.CopyBuffer(m, f, make([]byte, 256<<10)); err != nil {
		return nil, ioError("read a blob", err)
	}
	ref, leaves := m.finish()
	if ref.Digest != d {
		f.Close()
		return nil, s.quarantine(d, st)
	}
	return s.remember(ref, leaves), nil
}

// remember keeps the manifest of a verified blob, at the expense of another if
// there are too many.
func (s *Store) remember(ref fed.BlobRef, leaves []sum) *measured {
	m := &measured{ref: ref, leaves: leaves}
	st, err := os.Lstat(s.path(ref.Digest))
	if err != nil || st.Size() != ref.Size {
		return m
	}
	m.mtime = st.ModTime()
	s.mu.Lock()
	defer s.mu.Unlock()
	for other := range s.measured {
		if len(s.measured) < maxMeasured {
			break
		}
		delete(s.measured, other)
	}
	s.measured[ref.Digest] = m
	return m
}

func (s *Store) forget(d fed.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.measured, d)
}
