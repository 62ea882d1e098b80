package identity

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"

	"synergos.app/desktop/backend/fed"
)

const (
	// MinPassphrase bounds the passphrase of a backup from below, in bytes.
	MinPassphrase = 12
	maxPassphrase = 1 << 10
	// MaxBackup bounds a backup in bytes, sealed or not.
	MaxBackup = 512 << 10
	maxKnown  = 512
	maxWork   = 18 // of scrypt, what a foreign file may ask for
)

// workFactor is log2 of the cost of scrypt: a second for the owner, and years for
// who tries passphrases. Tests lower it.
var workFactor = maxWork

// Known is a device that the owner of a backup was paired with.
type Known struct {
	Statement Signed   `json:"statement"`
	Addrs     []string `json:"addrs"`
	Source    string   `json:"source"`
	How       string   `json:"how"`
}

// backup is what a backup holds. The device key is not in it: a computer that takes
// the place of another gets a key of its own, so that each can be revoked alone.
type backup struct {
	organisation
	Device fed.DeviceID `json:"device"` // the computer that made the backup
	Peers  []Known      `json:"peers"`
}

// Opened is what came out of a backup.
type Opened struct {
	Self  *Self   // the same organisation with a fresh device key
	Peers []Known // those whose statements verify
	Gone  Signed  // withdraws the computer that made the backup
}

// Backup seals the organisation key and the peers with a passphrase, as a file of
// age (age-encryption.org/v1). It returns fed.Invalid for a passphrase that is too
// short or too long.
func (s *Self) Backup(passphrase string, peers []Known) ([]byte, error) {
	if len(passphrase) < MinPassphrase || len(passphrase) > maxPassphrase {
		return nil, fed.Errorf(fed.Invalid, fmt.Sprintf("Use at least %d characters, for example four words.", MinPassphrase), "the passphrase is too short or too long")
	}
	plain, err := json.Marshal(backup{s.organisation(), s.Device(), peers})
	if err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	to.SetWorkFactor(workFactor)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	if _, err = w.Write(plain); err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	if out.Len() > MaxBackup {
		return nil, fed.Errorf(fed.Invalid, "Remove peers that you no longer work with.", "the backup is too large")
	}
	return out.Bytes(), nil
}

// FromBackup opens a backup at the time now, for a computer that takes the place of
// the one that made it. It returns fed.Permission for a wrong passphrase, fed.Incompatible for a
// newer version and fed.Corrupt for a file that is no backup or damaged.
func FromBackup(sealed []byte, passphrase string, now time.Time) (Opened, error) {
	if len(sealed) > MaxBackup {
		return Opened{}, noBackup(errors.New("too large"))
	}
	with, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return Opened{}, wrongPassphrase(err)
	}
	with.SetMaxWorkFactor(maxWork)
	r, err := age.Decrypt(bytes.NewReader(sealed), with)
	if wrong := new(age.NoIdentityMatchError); errors.As(err, &wrong) {
		return Opened{}, wrongPassphrase(err)
	}
	if err != nil {
		return Opened{}, noBackup(err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, MaxBackup))
	if err != nil {
		return Opened{}, noBackup(err)
	}
	return openBackup(plain, now)
}

func openBackup(plain []byte, now time.Time) (Opened, error) {
	var b backup
	if err := json.Unmarshal(plain, &b); err != nil {
		return Opened{}, noBackup(err)
	}
	if b.Version != 1 {
		return Opened{}, fed.Errorf(fed.Incompatible, "Update the app.", "the backup was written by a newer version of the app")
	}
	if len(b.OrgSeed) != ed25519.SeedSize || len(b.Peers) > maxKnown || !fed.ValidKeyID(string(b.Device)) {
		return Opened{}, noBackup(errors.New("a field has the wrong length"))
	}
	_, device, err := ed25519.GenerateKey(nil)
	if err != nil {
		return Opened{}, fmt.Errorf("make device key: %w", err)
	}
	// The organisation may have said more since the backup.
	self, err := b.on(device, max(b.Counter+1, uint64(max(now.Unix(), 0))))
	if err != nil {
		return Opened{}, noBackup(err)
	}
	known := make([]Known, 0, len(b.Peers))
	for _, p := range b.Peers {
		if _, err := VerifyStatement(p.Statement, now); err == nil {
			known = append(known, p)
		}
	}
	return Opened{self, known, self.Revoke(b.Device, self.statement.Counter)}, nil
}

func wrongPassphrase(err error) error {
	return fed.Errorf(fed.Permission, "Type the passphrase that the backup was made with.", "the passphrase does not open this backup: %w", err)
}

func noBackup(err error) error {
	return fed.Errorf(fed.Corrupt, "Choose the file that Synergos saved as a backup, or another copy of it.", "this file is no backup of a party, or it is damaged: %w", err)
}
