package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"synergos.app/desktop/backend/fed"
)

func errDigest() error {
	return fed.Errorf(fed.Invalid, "The name must be 64 lower-case hexadecimal characters; copy it again from where it was shown.",
		"this is not the digest of a blob")
}

func errMissing(d fed.Digest) error {
	return fed.Errorf(fed.NotFound, "Fetch it again from a party that has it.", "blob %s is not on this computer", d.Short())
}

func errCorrupt(d fed.Digest) error {
	return fed.Errorf(fed.Corrupt, "It was set aside. Fetch it again from another party, and check this disk.",
		"blob %s is damaged: its content does not hash to its name", d.Short())
}

func errManifest(why string) error {
	return fed.Errorf(fed.Invalid, "Ask the sender again or choose another sender.", "the list of parts of a blob was refused: %s", why)
}

func errTooLarge(size, limit int64) error {
	return fed.Errorf(fed.Invalid, "Files this large cannot be exchanged.",
		"a blob of %d bytes is over the limit of %d bytes", size, limit)
}

func errFull(what string) *fed.Error {
	return fed.Errorf(fed.Unavailable, "Free disk space on the drive of the data folder, then try again.", "the disk is full: cannot %s", what)
}

// ioError says what was being done without naming a path, and turns a full disk
// into the error that tells what to do about it.
func ioError(what string, err error) error {
	if err == nil {
		return nil
	}
	var known *fed.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", what, err)
	}
	if isFull(err) {
		full := errFull(what)
		full.Cause = err
		return full
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fed.Errorf(fed.Internal, "Check that the data folder is on a healthy drive and may be written.", "%s: %w", what, err)
}
