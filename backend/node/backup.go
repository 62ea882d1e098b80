package node

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"path/filepath"
	"slices"
	"sync"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// backups keeps the last backup until it is fetched anew, and remembers that one was
// brought back: from then on the app waits for its restart.
type backups struct {
	mu       sync.Mutex
	id       string
	sealed   []byte
	restored string // name of the party that the next start opens
}

// Backup seals the organisation's key and its peers with a passphrase. The file is
// fetched with [Node.BackupFile]. Returns fed.Invalid for a bad passphrase.
func (n *Node) Backup(_ context.Context, passphrase string) (view.Backup, error) {
	if n.opts.Self != nil {
		return view.Backup{}, fed.Errorf(fed.Invalid, "Back up the party that started it.", "a virtual party has no backup")
	}
	var known []identity.Known
	n.peers.mu.Lock()
	for _, r := range n.peers.rows {
		if r.RevokedMs != 0 || r.Source == fromTutorial {
			continue
		}
		k := identity.Known{Addrs: addrsOf(r), Source: r.Source, How: r.How}
		if json.Unmarshal(r.Statement, &k.Statement) == nil {
			known = append(known, k)
		}
	}
	n.peers.mu.Unlock()
	sealed, err := n.identity().Backup(passphrase, known)
	if err != nil {
		return view.Backup{}, err
	}
	n.backups.mu.Lock()
	defer n.backups.mu.Unlock()
	n.backups.id, n.backups.sealed = rand.Text(), sealed
	return view.Backup{ID: n.backups.id, Name: "synergos-backup-" + n.opts.Now().Format("2006-01-02") + ".age", Bytes: len(sealed), Peers: len(known)}, nil
}

// BackupFile returns the sealed bytes of the last backup.
func (n *Node) BackupFile(_ context.Context, id string) ([]byte, error) {
	n.backups.mu.Lock()
	defer n.backups.mu.Unlock()
	if id == "" || id != n.backups.id {
		return nil, fed.Errorf(fed.NotFound, "Make the backup again.", "there is no such backup any more")
	}
	return slices.Clone(n.backups.sealed), nil
}

// Restore brings a party back from a backup into a folder in which none has been
// named yet: whom it was paired with, then its key, so that a crash in between
// leaves nothing worse than another try. The next start opens it. Returns
// fed.Exists where there is a party, and errors as of [identity.FromBackup].
func (n *Node) Restore(ctx context.Context, passphrase string, sealed []byte) (view.Identity, error) {
	n.backups.mu.Lock()
	defer n.backups.mu.Unlock()
	if n.opts.Self != nil || n.identity().Name() != unnamed {
		return view.Identity{}, fed.Errorf(fed.Exists, "Start the app with another folder: synergos --home FOLDER.", "this folder has a party already, called %s", n.identity().Name())
	}
	if n.backups.restored != "" {
		return view.Identity{}, errRestart(n.backups.restored)
	}
	opened, err := identity.FromBackup(sealed, passphrase, n.opts.Now())
	if err != nil {
		return view.Identity{}, err
	}
	for _, k := range opened.Peers {
		st, err := identity.VerifyStatement(k.Statement, n.opts.Now())
		if err != nil {
			return view.Identity{}, err
		}
		if err := n.db.PutPeer(ctx, query.PutPeerParams(peerRow(st, k.Statement, k.Addrs, k.Source, k.How, ms(n.opts.Now())))); err != nil {
			return view.Identity{}, fed.Errorf(fed.Unavailable, "Check the free space of the disk, then try again.", "the peers cannot be saved: %w", err)
		}
	}
	if err := n.cameFromBackup(ctx, opened.Gone); err != nil {
		return view.Identity{}, err
	}
	self := opened.Self
	if err := self.Save(filepath.Join(n.opts.Home, "keys")); err != nil {
		return view.Identity{}, err
	}
	n.backups.restored = self.Name()
	v, err := n.Identity(ctx)
	v.Party, v.PartyID, v.Restart = self.Name(), string(self.Party()), true
	return v, err
}

// waiting returns an error when a restored party waits for the restart.
func (b *backups) waiting() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.restored != "" {
		return errRestart(b.restored)
	}
	return nil
}

func errRestart(name string) error {
	return fed.Errorf(fed.Exists, "Close Synergos and open it again.", "%s has been restored and waits for a new start of the app", name)
}
