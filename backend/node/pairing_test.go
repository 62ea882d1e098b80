package node

import (
	"strings"
	"sync"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/node/view"
)

// strangers opens parties that know nobody.
func strangers(t *testing.T, names ...string) []*Hospital {
	t.Helper()
	var out []*Hospital
	for _, name := range names {
		out = append(out, openHospital(t, name, nil))
	}
	return out
}

// compared starts pairing by code and returns both sides once they show it.
func compared(t *testing.T, from, to *Hospital) (out, in view.Pairing) {
	t.Helper()
	out = must(from.PairAddress(t.Context(), to.address()))(t)
	in = to.incoming(from, "compare")
	Eventually(t, "the code at "+from.Name, func() bool {
		out = must(from.Pairing(t.Context(), out.ID))(t)
		return out.State == "compare"
	})
	return out, in
}

func (h *Hospital) pairingIs(id, state string) {
	h.t.Helper()
	Eventually(h.t, "the pairing at "+h.Name+" to be "+state, func() bool {
		p := must(h.Pairing(h.t.Context(), id))(h.t)
		if p.State == "done" && state != "done" {
			h.t.Fatalf("%s: the pairing is done", h.Name)
		}
		return p.State == state
	})
}

func (h *Hospital) knows(o *Hospital) bool {
	_, ok := h.peers.Lookup(o.identity().Device())
	return ok
}

func TestPairingByCode(t *testing.T) {
	t.Parallel()
	hs := strangers(t, "Lakeview", "Hillcrest")
	a, b := hs[0], hs[1]
	out, in := compared(t, b, a)
	if len(in.Code) != 6 || in.Code != out.Code {
		t.Errorf("codes %q and %q, want six equal digits", in.Code, out.Code)
	}
	same(t, "who asks", line(in.Name, in.PartyID, out.Name, out.PartyID), line("Hillcrest", b.id(), "Lakeview", a.id()))
	Eventually(t, "the question in the inbox", func() bool {
		in := must(a.Inbox(t.Context()))(t)
		return len(in) == 1 && in[0].Kind == "pairing" && !in[0].Done
	})
	must(b.ConfirmPairing(t.Context(), out.ID, true))(t)
	a.pairingIs(in.ID, "compare")
	if a.knows(b) || b.knows(a) {
		t.Error("one yes is enough to be paired")
	}
	must(a.ConfirmPairing(t.Context(), in.ID, true))(t)
	a.pairingIs(in.ID, "done")
	b.pairingIs(out.ID, "done")
	(&Lab{T: t}).together(a, b)
	Eventually(t, "the question to leave the inbox", func() bool { return must(a.Status(t.Context()))(t).Inbox == 0 })
	Eventually(t, "one peer that is online", func() bool { // two connections may have crossed: one of them ends
		p := must(b.Peers(t.Context()))(t).Items
		return len(p) == 1 && line(p[0].Name, p[0].State, p[0].Online, p[0].Source) == "Lakeview paired true code"
	})
}

// Who presses "not the same" leaves nobody paired, on whichever side he sits.
func TestDifferentCodes(t *testing.T) {
	t.Parallel()
	hs := strangers(t, "Lakeview", "Hillcrest")
	for i, from := range hs {
		to := hs[1-i]
		out, in := compared(t, from, to)
		if i == 0 {
			must(to.ConfirmPairing(t.Context(), in.ID, true))(t)
			must(from.ConfirmPairing(t.Context(), out.ID, false))(t)
		} else {
			must(from.ConfirmPairing(t.Context(), out.ID, true))(t)
			must(to.ConfirmPairing(t.Context(), in.ID, false))(t)
		}
		from.pairingIs(out.ID, "refused")
		to.pairingIs(in.ID, "refused")
		if from.knows(to) || to.knows(from) {
			t.Errorf("round %d: refused and yet paired", i)
		}
	}
	_, err := hs[0].PairAddress(t.Context(), "no address")
	refused(t, "address", err, fed.Invalid)
}

func TestInvites(t *testing.T) {
	t.Parallel()
	hs := strangers(t, "Lakeview", "Hillcrest", "Seaside")
	a, b, c := hs[0], hs[1], hs[2]
	ctx := t.Context()
	inv := must(a.CreateInvite(ctx))(t)
	p := must(b.AcceptInvite(ctx, inv.Link))(t)
	in := a.incoming(b, "compare")
	if a.knows(b) {
		t.Error("paired before a person approved")
	}
	must(a.ConfirmPairing(ctx, in.ID, true))(t)
	b.pairingIs(p.ID, "done")
	a.pairingIs(in.ID, "done")
	same(t, "used", must(a.Peers(ctx))(t).Invites[0].Used, true)

	again := must(c.AcceptInvite(ctx, inv.Link))(t)
	c.pairingIs(again.ID, "failed")
	Eventually(t, "the second use to be counted", func() bool { return a.counted("connection: pairing_proof") == 1 })

	inv = must(a.CreateInvite(ctx))(t)
	p = must(c.AcceptInvite(ctx, inv.Link))(t)
	must(a.ConfirmPairing(ctx, a.incoming(c, "compare").ID, false))(t)
	c.pairingIs(p.ID, "refused")

	inv = must(a.CreateInvite(ctx))(t)
	if err := a.WithdrawInvite(ctx, inv.ID); err != nil {
		t.Fatal(err)
	}
	p = must(c.AcceptInvite(ctx, inv.Link))(t)
	c.pairingIs(p.ID, "failed")
	if a.knows(c) || c.knows(a) {
		t.Error("a refused party is paired")
	}
	_, err := c.AcceptInvite(ctx, "synergos://pair#v1.nonsense")
	refused(t, "nonsense", err, fed.Invalid)
}

// A revoked party is cut off at once and does not come back, whoever restarts.
func TestRevoke(t *testing.T) {
	t.Parallel()
	l := NewLab(t, "Lakeview", "Hillcrest")
	a, b := l.Hospital[0], l.Hospital[1]
	if err := a.Revoke(t.Context(), string(b.identity().Device())); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "the session to end", func() bool { return !a.peers.isOnline(b.me()) && !b.peers.isOnline(a.me()) })
	turned := func() int64 { return a.counted("connection: revoked") }
	Eventually(t, "its return to be refused", func() bool { return turned() > 0 })
	a.reopen()
	before := turned()
	b.reopen()
	Eventually(t, "its return to be refused", func() bool { return turned() > before })
	if a.peers.isOnline(b.me()) || b.peers.isOnline(a.me()) {
		t.Error("a revoked party is online")
	}
	same(t, "shown as", must(a.Peers(t.Context()))(t).Items[0].State, "revoked")
	_, err := b.PairAddress(t.Context(), a.address())
	if err == nil {
		t.Error("a revoked party may ask to pair again")
	}
}

// A connection that is noted while a person revokes its device does not bring the
// device back: neither now nor after a restart.
func TestRevokeOutlivesAReconnection(t *testing.T) {
	t.Parallel()
	h := openHospital(t, "Lakeview", nil)
	other := must(identity.Create("Hillcrest"))(t)
	ctx := t.Context()
	for i := range 50 {
		if err := h.peers.add(ctx, other.Statement(), other.Signed(), nil, "test", "test"); err != nil {
			t.Fatal(err)
		}
		var noted sync.WaitGroup
		for range 4 {
			noted.Go(func() {
				h.peers.connected(ctx, transport.Event{Kind: transport.Connected, Session: transport.Session{Device: other.Device()}, Addrs: []string{"127.0.0.1:1"}})
			})
		}
		if err := h.Revoke(ctx, string(other.Device())); err != nil {
			t.Fatal(err)
		}
		noted.Wait()
		_, allowed := h.peers.Lookup(other.Device())
		rows := must(h.db.ListPeers(ctx))(t)
		if allowed || len(rows) != 1 || rows[0].RevokedMs == 0 {
			t.Fatalf("round %d: allowed %v, saved %+v", i, allowed, rows)
		}
	}
}

// Documents of a party that one has not paired with are not asked for, and are refused
// and counted if a paired party passes them on all the same; they are taken once one
// pairs with their author.
func TestDocumentsOfStrangers(t *testing.T) {
	t.Parallel()
	hs := strangers(t, "Lakeview", "Hillcrest", "Seaside")
	a, b, c := hs[0], hs[1], hs[2]
	Invite(t, a, b)
	Invite(t, b, c)
	(&Lab{T: t}).together(a, b)
	(&Lab{T: t}).together(b, c)
	ctx := t.Context()
	d := must(c.AddSample(ctx, "seaside"))(t)
	Eventually(t, "the sample", func() bool { return must(c.Dataset(ctx, d.ID))(t).State == "ready" })
	card := must(c.PublishCard(ctx, d.ID))(t)
	Eventually(t, "the card at the paired party", func() bool { _, err := b.CatalogCard(ctx, card.ID); return err == nil })
	for _, doc := range allDocs(b.Node) {
		if doc.Author == c.me() {
			if err := b.net.Send(ctx, a.me(), wire.Doc{Doc: doc}); err != nil {
				t.Fatal(err)
			}
		}
	}
	Eventually(t, "the refusal to be counted", func() bool { return a.counted("document: not a member of this scope") > 0 })
	if _, err := a.CatalogCard(ctx, card.ID); err == nil {
		t.Error("a card of a stranger is shown")
	}
	if !strings.Contains(line(must(a.Diagnostics(ctx))(t).Refusals), "not a member of this scope") {
		t.Error("diagnostics does not show the refusal")
	}
	Invite(t, a, c)
	Eventually(t, "the card after pairing", func() bool { _, err := a.CatalogCard(ctx, card.ID); return err == nil })
}
