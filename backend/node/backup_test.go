package node

import (
	"testing"

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
	anna.stop()

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
	l.together(fresh, berta)
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
