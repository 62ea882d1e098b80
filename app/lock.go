package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"synergos.app/desktop/backend/fed"
)

// owner describes the program that holds a data folder.
type owner struct {
	PID     int    `json:"pid"`
	Face    string `json:"face"`
	Version string `json:"version"`
	// Address is where a browser finds it; empty for the window.
	Address string `json:"address,omitempty"`
	// Shown is set in an answer to "open": a window came to the front.
	Shown bool `json:"shown,omitempty"`
}

// inUseError says that another program holds the data folder.
type inUseError struct{ home string }

// Error implements error.
func (e *inUseError) Error() string { return "the data folder is in use by another copy of Synergos" }

// homeLock is the exclusive right to a data folder. The system gives it back
// when the process ends, however it ends.
type homeLock struct {
	file *flock.Flock
	home string
}

// lockHome takes the lock or returns *inUseError at once.
func lockHome(home string) (*homeLock, error) {
	l := flock.New(filepath.Join(home, "lock"), flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fed.Errorf(fed.Unavailable, "put the data folder on a disk of this computer; some network drives cannot lock", "the data folder cannot be locked: %w", err)
	}
	if !ok {
		return nil, &inUseError{home}
	}
	return &homeLock{l, home}, nil
}

// tell writes down who holds the folder, for a copy that cannot reach the
// control socket.
func (l *homeLock) tell(o owner) error {
	return writePrivate(filepath.Join(l.home, "owner.json"), o)
}

// release gives the folder back.
func (l *homeLock) release() error {
	err := os.Remove(filepath.Join(l.home, "owner.json"))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.file.Close())
}

// readOwner returns what the holder of a folder wrote about itself.
func readOwner(home string) (owner, error) {
	var o owner
	raw, err := os.ReadFile(filepath.Join(home, "owner.json"))
	if err != nil {
		return o, fmt.Errorf("read the owner of the data folder: %w", err)
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return o, fmt.Errorf("read the owner of the data folder: %w", err)
	}
	return o, nil
}

// writePrivate writes v as JSON that only this user may read, whole or not at all.
func writePrivate(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(append(raw, '\n'))
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", filepath.Base(path), err), os.Remove(f.Name()))
	}
	return nil
}
