// Package blob keeps large things (params, updates, models) as files named by
// the SHA-256 of their content.
//
// It is not a cache and not a database: what a blob means and who still needs
// it is kept elsewhere; [Store.Sweep] asks. Start with [Store]; [Partial]
// receives a blob leaf by leaf and goes on after an interruption.
//
// Layout below the directory:
//
//	ab/abcd...         a whole blob, named by its digest, below its first two characters
//	ab/abcd....part    the bytes of a blob being received, at their places
//	ab/abcd....map     its manifest and which leaves are there, with a checksum
//	ab/abcd....bad     a blob whose content no longer hashed to its name
//	tmp/               files being written; emptied by Open
//
// A file gets its final name only after its content is on the disk, so a crash
// leaves either the whole blob or none. A Store may be used by many goroutines
// at once and starts none; one directory belongs to one Store.
package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
)

const (
	partSuffix = ".part"
	mapSuffix  = ".map"
	badSuffix  = ".bad"
	tmpDir     = "tmp"
)

// Config bounds a store.
type Config struct {
	MaxSize    int64         // largest blob, in bytes
	MaxGet     int64         // largest blob that Get reads into memory, in bytes
	MinFree    int64         // bytes that stay free on the disk
	SweepGrace time.Duration // Sweep spares files changed more recently than this: their owner may not be saved yet
	Now        func() time.Time
}

// Default returns the limits of the product: 16 GiB blobs, 1 GiB in memory,
// 64 MiB left free, one hour of grace.
func Default() Config {
	return Config{MaxSize: 16 << 30, MaxGet: 1 << 30, MinFree: 64 << 20, SweepGrace: time.Hour, Now: time.Now}
}

// Validate returns fed.Invalid naming the first setting out of bounds.
func (c Config) Validate() error {
	switch {
	case c.MaxSize <= 0 || c.MaxSize > 1<<40:
		return fed.Errorf(fed.Invalid, "Choose 1 byte to 1 TiB.", "blob size limit %d is out of bounds", c.MaxSize)
	case c.MaxGet <= 0:
		return fed.Errorf(fed.Invalid, "Choose at least 1 byte.", "blob memory limit %d is out of bounds", c.MaxGet)
	case c.MinFree < 0 || c.SweepGrace < 0:
		return fed.Errorf(fed.Invalid, "Choose 0 or more.", "free space or grace of the blob store is negative")
	case c.Now == nil:
		return fed.Errorf(fed.Invalid, "Give the store a clock.", "the blob store has no clock")
	}
	return nil
}

// Store is a directory of blobs.
type Store struct {
	dir string
	cfg Config

	mu       sync.Mutex
	receives map[fed.Digest]bool      // open Partials
	measured map[fed.Digest]*measured // manifests computed lately
}

// Open opens the store in dir with the default limits, makes the directory if
// it is missing and removes what an earlier crash left half written. Partials
// are kept.
func Open(dir string) (*Store, error) { return OpenConfig(dir, Default()) }

// OpenConfig is Open with other limits.
func OpenConfig(dir string, cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Store{dir: dir, cfg: cfg, receives: map[fed.Digest]bool{}, measured: map[fed.Digest]*measured{}}
	if err := os.MkdirAll(filepath.Join(dir, tmpDir), 0o700); err != nil {
		return nil, ioError("make the folder for blobs", err)
	}
	if err := s.cleanTemp(); err != nil {
		return nil, ioError("clean the folder for blobs", err)
	}
	return s, nil
}

func (s *Store) cleanTemp() error {
	dir := filepath.Join(s.dir, tmpDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// path returns the place of a blob; d must be valid.
func (s *Store) path(d fed.Digest) string {
	return filepath.Join(s.dir, string(d[:2]), string(d))
}

// Put stores what r yields until io.EOF and returns its reference. Storing the
// same content again is harmless. It returns fed.Invalid above MaxSize and
// fed.Unavailable when the disk is full; nothing is kept then.
func (s *Store) Put(ctx context.Context, r io.Reader) (fed.BlobRef, error) {
	if err := s.checkFree(0, "store a blob"); err != nil {
		return fed.BlobRef{}, err
	}
	f, err := os.CreateTemp(filepath.Join(s.dir, tmpDir), "put-")
	if err != nil {
		return fed.BlobRef{}, ioError("store a blob", err)
	}
	ref, leaves, err := s.fill(ctx, f, r)
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.settle(f.Name(), ref.Digest)
	}
	if err != nil {
		os.Remove(f.Name())
		return fed.BlobRef{}, ioError("store a blob", err)
	}
	s.remember(ref, leaves)
	return ref, nil
}

// PutBytes stores b.
func (s *Store) PutBytes(ctx context.Context, b []byte) (fed.BlobRef, error) {
	return s.Put(ctx, bytes.NewReader(b))
}

// fill copies r into f, measures it and makes it durable.
func (s *Store) fill(ctx context.Context, f *os.File, r io.Reader) (fed.BlobRef, []sum, error) {
	m := newMeter()
	limited := io.LimitReader(&ctxReader{ctx, r}, s.cfg.MaxSize+1)
	if _, err := io.CopyBuffer(io.MultiWriter(f, m), limited, make([]byte, 256<<10)); err != nil {
		return fed.BlobRef{}, nil, err
	}
	if m.size > s.cfg.MaxSize {
		return fed.BlobRef{}, nil, errTooLarge(m.size, s.cfg.MaxSize)
	}
	ref, leaves := m.finish()
	return ref, leaves, f.Sync()
}

// settle gives the finished file at name its place. It replaces an equal blob
// rather than trusting it: the old file may have rotted.
func (s *Store) settle(name string, d fed.Digest) error {
	to := s.path(d)
	if err := s.makeShard(d); err != nil {
		return err
	}
	if err := os.Rename(name, to); err != nil {
		if _, serr := os.Stat(to); serr != nil { // a reader may hold it open on Windows
			return err
		}
		os.Remove(name)
	}
	return syncDir(filepath.Dir(to))
}

// makeShard makes the folder of d durable.
func (s *Store) makeShard(d fed.Digest) error {
	err := os.Mkdir(filepath.Dir(s.path(d)), 0o700)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(s.dir)
}

// checkFree returns an error unless need bytes fit beside MinFree. A disk that
// does not tell is trusted; writing will show.
func (s *Store) checkFree(need int64, what string) error {
	free, err := freeBytes(s.dir)
	if err == nil && free-s.cfg.MinFree < need {
		return errFull(what)
	}
	return nil
}

// Delete removes the blob d, its partial and its damaged copy; removing what is
// absent is not an error.
func (s *Store) Delete(d fed.Digest) error {
	if !d.Valid() {
		return errDigest()
	}
	s.forget(d)
	for _, suffix := range []string{"", badSuffix, partSuffix, mapSuffix} {
		if s.receiving(d) && (suffix == partSuffix || suffix == mapSuffix) {
			continue
		}
		if err := os.Remove(s.path(d) + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return ioError("delete a blob", err)
		}
	}
	return nil
}

// Sweep removes the blobs, partials and damaged files whose digest keep refuses
// and that were changed neither after before nor within the grace. It returns how
// many files and bytes were removed.
func (s *Store) Sweep(before time.Time, keep func(fed.Digest) bool) (files int, bytes int64, err error) {
	names, err := filepath.Glob(filepath.Join(s.dir, "[0-9a-f][0-9a-f]", "*"))
	if err != nil {
		return 0, 0, ioError("sweep the blobs", err)
	}
	limit := s.cfg.Now().Add(-s.cfg.SweepGrace)
	if before.Before(limit) {
		limit = before
	}
	for _, name := range names {
		d := digestOfName(name)
		st, serr := os.Lstat(name)
		if serr != nil || !st.Mode().IsRegular() || !d.Valid() || st.ModTime().After(limit) || s.receiving(d) || keep(d) {
			continue
		}
		if rerr := os.Remove(name); rerr != nil {
			err = errors.Join(err, ioError("sweep the blobs", rerr))
			continue
		}
		s.forget(d)
		files, bytes = files+1, bytes+st.Size()
	}
	return files, bytes, err
}

func digestOfName(name string) fed.Digest {
	base := filepath.Base(name)
	stem, _, _ := strings.Cut(base, ".")
	return fed.Digest(stem)
}

func (s *Store) receiving(d fed.Digest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.receives[d]
}

// ctxReader stops reading when its context ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
