package identity

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"synergos.app/desktop/backend/fed"
)

const (
	fileName = "identity.json"
	maxFile  = 64 << 10
)

// organisation is what is kept of an organisation, on disk and in a backup. The seed is
// its private key.
type organisation struct {
	Version  int       `json:"version"`
	Name     string    `json:"name"`
	Roles    []string  `json:"roles"`
	NotAfter time.Time `json:"notAfter"`
	Counter  uint64    `json:"counter"`
	OrgSeed  []byte    `json:"orgSeed"`
}

// file is the identity on disk, with the private key of the device.
type file struct {
	organisation
	DevSeed []byte `json:"deviceSeed"`
}

func (s *Self) organisation() organisation {
	return organisation{
		Version: 1, Name: s.statement.Name, Roles: s.statement.Roles, NotAfter: s.statement.NotAfter,
		Counter: s.statement.Counter, OrgSeed: s.org.Seed(),
	}
}

// on returns the organisation on a device, with a statement of that counter.
func (o organisation) on(device ed25519.PrivateKey, counter uint64) (*Self, error) {
	return assemble(ed25519.NewKeyFromSeed(o.OrgSeed), device, Statement{Name: o.Name, Roles: o.Roles, NotAfter: o.NotAfter.UTC(), Counter: counter})
}

// Save writes the keys and the statement into dir (0700) as one file (0600) by
// writing, syncing and renaming, so that a crash leaves the old or the new one.
func (s *Self) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return saveError(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a folder is no file: without x nothing in it can be opened
		return saveError(err)
	}
	b, err := json.MarshalIndent(file{s.organisation(), s.device.Seed()}, "", "  ")
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	return saveError(writeFile(dir, fileName, b))
}

// writeFile replaces name in dir atomically; CreateTemp makes the file 0600.
func writeFile(dir, name string, b []byte) (err error) {
	f, err := os.CreateTemp(dir, name+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}

// Load reads what Save wrote. It returns fed.NotFound if there is none,
// fed.Permission if others may read it, and fed.Corrupt if it is damaged.
func Load(dir string) (*Self, error) {
	name := filepath.Join(dir, fileName)
	st, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fed.Errorf(fed.NotFound, "Name the organisation to make one.", "this computer has no identity yet")
	}
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	if othersMayRead(st) {
		return nil, fed.Errorf(fed.Permission, "Make the file identity.json readable by its owner only (chmod 600).", "other users of this computer may read the private keys")
	}
	if st.Size() > maxFile {
		return nil, damaged(errors.New("too large"))
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	return parse(b)
}

func parse(b []byte) (*Self, error) {
	var f file
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, damaged(err)
	}
	if f.Version != 1 {
		return nil, fed.Errorf(fed.Incompatible, "Update the app.", "the identity was written by a newer version of the app")
	}
	if len(f.OrgSeed) != ed25519.SeedSize || len(f.DevSeed) != ed25519.SeedSize {
		return nil, damaged(errors.New("a key has the wrong length"))
	}
	s, err := f.on(ed25519.NewKeyFromSeed(f.DevSeed), f.Counter)
	if err != nil {
		return nil, damaged(err)
	}
	return s, nil
}

func damaged(err error) error {
	return fed.Errorf(fed.Corrupt, "Restore identity.json from a backup; without it, pair again under a new identity.", "the identity of this party is damaged: %w", err)
}

// saveError hides the folder's path, which may name a person.
func saveError(err error) error {
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fed.Errorf(fed.Unavailable, "Check the folder's permissions and the free space.", "the identity cannot be saved: %w", err)
}
