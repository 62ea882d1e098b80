package transport

import (
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Invitation is what is stored about an invite: never its secret.
type Invitation struct {
	Hash       fed.Digest // SHA-256 of the secret
	Federation string
	Expires    time.Time
	Tries      int          // wrong proofs so far
	UsedBy     fed.DeviceID // "" while unused
}

// InviteBook keeps invitations. It must be safe for concurrent use.
type InviteBook interface {
	Add(Invitation) error
	// Get returns fed.NotFound for an unknown hash.
	Get(hash fed.Digest) (Invitation, error)
	// Fail counts a wrong proof.
	Fail(hash fed.Digest) error
	// Use spends the invitation: it returns fed.Exists if it was spent before.
	Use(hash fed.Digest, device fed.DeviceID) error
}

// MemInvites is an InviteBook that forgets when the program ends. The zero value
// is ready.
type MemInvites struct {
	mu   sync.Mutex
	book map[fed.Digest]Invitation
}

// Add implements InviteBook.
func (m *MemInvites) Add(v Invitation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.book == nil {
		m.book = map[fed.Digest]Invitation{}
	}
	m.book[v.Hash] = v
	return nil
}

// Get implements InviteBook.
func (m *MemInvites) Get(hash fed.Digest) (Invitation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.get(hash)
}

func (m *MemInvites) get(hash fed.Digest) (Invitation, error) {
	v, ok := m.book[hash]
	if !ok {
		return Invitation{}, fed.Errorf(fed.NotFound, "Ask for a new invite link.", "this invite is not known here")
	}
	return v, nil
}

// Fail implements InviteBook.
func (m *MemInvites) Fail(hash fed.Digest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, err := m.get(hash)
	if err != nil {
		return err
	}
	v.Tries++
	m.book[hash] = v
	return nil
}

// Use implements InviteBook.
func (m *MemInvites) Use(hash fed.Digest, device fed.DeviceID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, err := m.get(hash)
	if err != nil {
		return err
	}
	if v.UsedBy != "" {
		return fed.Errorf(fed.Exists, "Ask for a new invite link.", "this invite has been used already")
	}
	v.UsedBy = device
	m.book[hash] = v
	return nil
}
