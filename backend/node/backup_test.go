package node

import (
	"context"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
)

const backupPass = "four words of a ward"

// A party whose computer is lost comes back on another from its backup: the same
// party with a key of its own for the new computer, known to the others without
// another pairing, and they know its new computer at once.
func TestRestoredElsewhere(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	l := NewLab(t, "Anna", "Berta")
	anna, berta := l.Hospital[0], l.Hospital[1]
	b := must(anna.Backup(ctx, backupPass))(t)
	if b.Peers != 1 || b.Bytes == 0 {
		t.Errorf("backup %+v", b)
	}
	sealed := must(anna.BackupFile(ctx, b.ID))(t)
	if _, err := anna.BackupFile(ctx, "another"); fed.KindOf(err) != fed.NotFound {
		t.Errorf("another backup: %v", err)
	}
	if _, err := anna.Restore(ctx, backupPass, sealed); fed.KindOf(err) != fed.Exists {
		t.Errorf("over a party that is there: %v", err)
	}
	// Since then it has published, which no backup holds.
	anna.Data = must(anna.AddDataset(ctx, CohortFiles(t)[0], "Ward 7"))(t).ID
	Eventually(t, "the file", func() bool { return must(anna.Dataset(ctx, anna.Data))(t).State == "ready" })
	must(anna.PublishCard(ctx, anna.Data))(t)
	Eventually(t, "the card at Berta", func() bool { return berta.heads(anna.me()) == anna.heads(anna.me()) })
	wrote := anna.heads(anna.me())
	anna.stop()
	berta.stop()

	fresh := openHospital(t, "", nil)
	if _, err := fresh.Restore(ctx, "four words of another", sealed); fed.KindOf(err) != fed.Permission {
		t.Errorf("wrong passphrase: %v", err)
	}
	v := must(fresh.Restore(ctx, backupPass, sealed))(t)
	if !v.Restart || v.Party != "Anna" || v.PartyID != anna.id() {
		t.Errorf("restored %+v", v)
	}
	if _, err := fresh.NameParty(ctx, "Another"); fed.KindOf(err) != fed.Exists {
		t.Errorf("named over a restored party: %v", err)
	}
	fresh.reopen()
	if fresh.identity().Name() != "Anna" || fresh.me() != anna.me() || fresh.identity().Device() == anna.identity().Device() {
		t.Errorf("opened %q %s on %s", fresh.identity().Name(), fresh.me(), fresh.identity().Device())
	}
	// As long as nobody is heard it writes nothing: it does not know what it wrote.
	alone, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := fresh.book.Append(alone, fed.ScopeFederation, fed.DocCardGone, "nothing", 1); fed.KindOf(err) != fed.Unavailable {
		t.Errorf("it wrote without its past: %v", err)
	}
	berta.start()
	l.together(fresh, berta)
	Eventually(t, "a notice at Berta", func() bool { return len(berta.notices("uses a new computer")) == 1 })
	Eventually(t, "the old computer to be withdrawn", func() bool {
		_, allowed := berta.peers.Lookup(anna.identity().Device())
		return !allowed && berta.peers.paired(anna.me())
	})
	must(fresh.book.Append(ctx, fed.ScopeFederation, fed.DocCardGone, "nothing", 1))(t)
	Eventually(t, "its whole chain at both", func() bool { return fresh.heads(fresh.me()) == wrote+1 && berta.heads(fresh.me()) == wrote+1 })
	same(t, "forks at Berta", berta.counted("document: fork"), 0)
	Eventually(t, "the end of the wait", func() bool { return fresh.settings.get(anewKey) == "" })
	if _, known := berta.peers.Lookup(fresh.identity().Device()); !known {
		t.Error("the new computer is not in Berta's table")
	}
}

// A statement of an organisation that is not paired, or an old one, opens nothing.
func TestAdoptRefuses(t *testing.T) {
	t.Parallel()
	l := NewLab(t, "Anna", "Berta")
	anna, berta := l.Hospital[0], l.Hospital[1]
	stranger := openHospital(t, "Clara", nil)
	if st := stranger.identity(); berta.peers.adopt(st.Statement(), st.Signed()) {
		t.Error("a computer of a stranger is adopted")
	}
	if st := anna.identity(); berta.peers.adopt(st.Statement(), st.Signed()) {
		t.Error("a statement that is not newer is taken for a new computer's")
	}
	if err := berta.Revoke(t.Context(), string(anna.identity().Device())); err != nil {
		t.Fatal(err)
	}
	next := must(anna.identity().NewDevice())(t)
	if berta.peers.adopt(next.Statement(), next.Signed()) {
		t.Error("a new computer of a revoked party is adopted")
	}
}
