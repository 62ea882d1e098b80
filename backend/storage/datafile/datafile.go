// Package datafile reads the files of a party into tables.
//
// Start with [Load]: it recognises compression, encoding, delimiter, quotes and
// header of a CSV file, streams it into a dataset.Table and reports what it found.
// Errors name the file (never its folder), the row and the column, what is wrong
// and what to do. The package starts no goroutine; Load may be called
// concurrently.
package datafile

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
)

// Header says whether the first line names the columns.
type Header string

// The header modes; Auto is the zero value.
const (
	HeaderAuto Header = ""
	HeaderYes  Header = "yes"
	HeaderNo   Header = "no"
)

// Options bound and steer a load. The zero value has the defaults.
type Options struct {
	// Delimiter is ',', ';', '\t' or '|'; 0 sniffs it.
	Delimiter  byte
	Header     Header
	MaxColumns int   // default 10,000
	MaxRows    int   // default 50 million
	MaxCells   int64 // rows x columns held in memory; default 200 million
	MaxCell    int   // bytes of one cell; default 1 MiB
	MaxBytes   int64 // of the decompressed file; default 16 GiB
	MaxBadRows float64
	// Progress is called now and then with bytes read of the file's size.
	Progress func(done, total int64)
}

func (o Options) withDefaults() Options {
	if o.MaxColumns <= 0 {
		o.MaxColumns = dataset.MaxColumns
	}
	if o.MaxRows <= 0 {
		o.MaxRows = 50_000_000
	}
	if o.MaxCells <= 0 {
		o.MaxCells = 200_000_000
	}
	if o.MaxCell <= 0 {
		o.MaxCell = 1 << 20
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 16 << 30
	}
	if o.MaxBadRows <= 0 {
		o.MaxBadRows = .1
	}
	return o
}

// Report says how a file was read.
type Report struct {
	File       string            `json:"file"` // base name
	Size       int64             `json:"size"` // bytes on disk
	Modified   time.Time         `json:"modified"`
	Compressed bool              `json:"compressed"`
	Encoding   string            `json:"encoding"`
	Delimiter  string            `json:"delimiter"`
	Header     bool              `json:"header"`
	Rows       int               `json:"rows"`
	Columns    int               `json:"columns"`
	BadRows    int               `json:"badRows"` // left out
	Bad        []BadRow          `json:"bad"`     // the first twenty of them
	Findings   []dataset.Finding `json:"findings"`
}

// BadRow is a row that was left out.
type BadRow struct {
	Row  int    `json:"row"`  // from 1, the header not counted
	Line int    `json:"line"` // of the file, from 1
	Text string `json:"text"`
}

// Load reads the file at path. Returns a *fed.Error of kind NotFound, Permission
// or Invalid with a hint, or ctx's error.
func Load(ctx context.Context, path string, opt Options) (*dataset.Table, *Report, error) {
	f, info, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	t, rep, err := Read(ctx, f, filepath.Base(path), info.Size(), opt)
	if err != nil {
		return nil, nil, err
	}
	rep.Modified = info.ModTime()
	return t, rep, nil
}

func open(path string) (*os.File, fs.FileInfo, error) {
	name := filepath.Base(path)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fed.Errorf(fed.NotFound, "choose the file again if it was moved", "%s is not there any more", name)
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, fed.Errorf(fed.Permission, "allow this user to read the file", "%s may not be read", name)
	case err != nil:
		return nil, nil, fed.Errorf(fed.Unavailable, "check the disk or network folder", "%s cannot be opened", name)
	case info.IsDir():
		return nil, nil, fed.Errorf(fed.Invalid, "choose a CSV file in it", "%s is a folder", name)
	case !info.Mode().IsRegular():
		return nil, nil, fed.Errorf(fed.Invalid, "choose a CSV file", "%s is not an ordinary file", name)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil, fed.Errorf(fed.Permission, "allow this user to read the file", "%s may not be read", name)
	}
	if err != nil {
		return nil, nil, fed.Errorf(fed.Unavailable, "check the disk or network folder", "%s cannot be opened", name)
	}
	return f, info, nil
}

// KeyedFingerprint returns HMAC-SHA-256 of the file's bytes under a per-dataset
// secret, in lower-case hex: it tells the owner that a file is unchanged and
// others nothing, not even whether a guess at the file is right.
func KeyedFingerprint(ctx context.Context, key []byte, path string) (fed.Digest, error) {
	if len(key) < 16 {
		return "", fed.Errorf(fed.Internal, "", "the fingerprint key has fewer than 16 bytes")
	}
	f, _, err := open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	mac := hmac.New(sha256.New, key)
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := f.Read(buf)
		mac.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return fed.Digest(hex.EncodeToString(mac.Sum(nil))), nil
		}
		if err != nil {
			return "", fed.Errorf(fed.Unavailable, "check the disk or network folder", "%s cannot be read to its end", filepath.Base(path))
		}
	}
}

// Changed reports whether the file differs in size or modification time from
// when it was read. Returns a NotFound error when it is gone.
func Changed(path string, size int64, modified time.Time) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, fed.Errorf(fed.NotFound, "choose the file again if it was moved", "%s is not there any more", filepath.Base(path))
	}
	if err != nil {
		return true, fmt.Errorf("look at %s: %w", filepath.Base(path), errors.Unwrap(err))
	}
	return info.Size() != size || !info.ModTime().Equal(modified), nil
}
