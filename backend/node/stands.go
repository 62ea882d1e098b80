package node

import (
	"context"
	"os"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/project"
	"synergos.app/desktop/backend/storage/datafile"
)

// notConsented is the counted reason for refusing what a consent does not cover.
const notConsented = "run: not consented"

// stands returns nil while a consent covers what its project asks now and the file
// is there as it was consented. The error is of kind Permission; it is read by others
// and names nothing of the file.
func (n *Node) stands(ctx context.Context, p project.Project, c project.Consent) error {
	if _, ok := n.data.get(c.Dataset); !ok {
		return fed.Errorf(fed.Permission, "Ask its person to choose another dataset.", "its dataset was removed from the app")
	}
	if err := n.data.asConsented(ctx, c); err != nil {
		return err
	}
	digest, err := n.sheetDigest(p, string(c.Dataset))
	if err != nil {
		return err
	}
	if digest != c.Digest {
		return fed.Errorf(fed.Permission, "Ask its person to open the project and read the sheet again.", "what leaves its computer has changed since its person accepted")
	}
	return nil
}

// outdated reports whether this party accepted a project under another sheet than
// the one that it would read now.
func (n *Node) outdated(p project.Project) bool {
	c, err := n.consentOf(n.ctx, p.ID)
	if err != nil {
		return false
	}
	digest, err := n.sheetDigest(p, string(c.Dataset))
	return err == nil && digest != c.Digest
}

// askAgain tells the person that a project which was accepted asks for something
// else now.
func (n *Node) askAgain(ctx context.Context, p project.Project) {
	if !n.outdated(p) {
		return
	}
	n.inbox.ask(ctx, view.InboxEntry{
		ID: "consent-" + string(p.ID) + "-" + newHex()[:8], Kind: "consent", Subject: string(p.ID), From: n.nameOf(string(p.Admin)),
		Title: "“" + p.Name + "” has changed", Text: "What leaves this computer is not what you accepted. Nothing is trained here until you read the sheet again.", Href: "/projects/" + string(p.ID) + "?tab=consent",
	})
}

// sighting is a file with the fingerprint that it had at one size and time.
type sighting struct {
	path            string
	bytes, modified int64
	file            fed.Digest
}

// asConsented returns nil while the file of a consent is there unchanged. A file that
// was only touched is compared by its fingerprint, once.
func (b *dataBook) asConsented(ctx context.Context, c project.Consent) error {
	o, err := b.find(string(c.Dataset))
	if err != nil {
		return err
	}
	s, _ := b.snap(o)
	info, err := os.Stat(s.Path)
	if err != nil {
		return fed.Errorf(fed.Permission, "Ask its person to find the file again under My data.", "the file of its dataset is not where it was")
	}
	now := sighting{path: s.Path, bytes: info.Size(), modified: info.ModTime().UnixNano()}
	if now.bytes == s.Bytes && now.modified == s.ModifiedNs {
		now.file = s.Fingerprint
	} else if now, err = b.sight(ctx, o, now); err != nil {
		return fed.Errorf(fed.Permission, "Ask its person to look under My data.", "the file of its dataset cannot be read now")
	}
	if now.file != c.File {
		return fed.Errorf(fed.Permission, "Ask its person to read the file again under My data, then to open the project, What leaves, and consent again.", "the file of its dataset has changed since its person accepted")
	}
	return nil
}

// sight fingerprints a file that is not as it was read, once for each size and time.
func (b *dataBook) sight(ctx context.Context, o *owned, at sighting) (sighting, error) {
	b.mu.Lock()
	known := b.seen[o.id]
	b.mu.Unlock()
	at.file = known.file
	if at == known {
		return at, nil
	}
	file, err := datafile.KeyedFingerprint(ctx, o.secret, at.path)
	if err != nil {
		return at, err
	}
	at.file = file
	b.mu.Lock()
	b.seen[o.id] = at
	b.mu.Unlock()
	return at, nil
}

// withheld is what others read of an error in this party's data: names, counts and
// cells of the file stay here. Refusals are in words made for others.
func (n *Node) withheld(err error) error {
	k := fed.KindOf(err)
	if err == nil || k == fed.Permission {
		return err
	}
	n.opts.Log.Warn("data not usable as agreed", "kind", k.String())
	return fed.Errorf(k, "Ask its person to look under My data.", "its data cannot be used as the project agreed")
}
