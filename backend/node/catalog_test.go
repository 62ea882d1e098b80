package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/book"
	"synergos.app/desktop/backend/service/catalog"
)

// docs returns the documents that a node would send to one that has none.
func (d *dataNode) docs(kind string) []fed.Doc {
	var out []fed.Doc
	for _, x := range allDocs(d.Node) {
		if kind == "" || x.Kind == kind {
			out = append(out, x)
		}
	}
	return out
}

// exchange brings what either node knows to the other, as the gossip would.
func exchange(t *testing.T, a, b *dataNode) {
	t.Helper()
	for _, way := range [][2]*dataNode{{a, b}, {b, a}} {
		for _, x := range way[0].docs("") {
			if _, err := way[1].book.Receive(t.Context(), x); err != nil {
				t.Fatalf("receive %s: %v", x.Kind, err)
			}
		}
	}
}

// wards is a table in which rare values, a name and small counts are planted.
func wards() string {
	var b strings.Builder
	b.WriteString("patient_name,diagnosis,income,postcode,outcome,secret_column\n")
	for i := range 300 {
		diagnosis := []string{"angina", "arrhythmia", "hypertension"}[i%3]
		if i < 3 {
			diagnosis = "Fabry-Anderson"
		}
		income := 20_000 + (i*37)%5000
		if i == 7 {
			income = 987_654_321
		}
		fmt.Fprintf(&b, "Jane Planted%d,%s,%d,%04d,%d,%d\n", i, diagnosis, income, i%9, (i/3)%2, i%7)
	}
	return b.String()
}

func TestThePreviewIsWhatIsSent(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	ctx := t.Context()
	path := d.file("st-elsewhere-2024.csv", wards())
	id := d.add(path).ID
	all := map[string]string{"patient_name": "full", "diagnosis": "full", "income": "full", "postcode": "full", "outcome": "full", "secret_column": "none"}
	must(d.EditDataset(ctx, id, view.DatasetEdit{
		Target: ptr("outcome"), Levels: all, Description: ptr("Cardiology ward."), Keywords: []string{"cardiology"},
		Terms: &view.Terms{Licence: "CC BY 4.0", ExpiresDays: 90, MinParties: 2},
	}))(t)
	p := must(d.PreviewCard(ctx, id))(t)
	same(t, "preview alone sends nothing", len(d.docs(fed.DocCard)), 0)
	card := must(d.PublishCard(ctx, id))(t)
	sent := d.docs(fed.DocCard)
	if len(sent) != 1 || string(sent[0].Body) != p.Body || p.Bytes != len(sent[0].Body) {
		t.Fatalf("sent %d documents; the body differs from the preview:\n%s\n%s", len(sent), sent[0].Body, p.Body)
	}
	same(t, "scope", sent[0].Scope, fed.ScopeFederation)
	same(t, "card", line(card.Version, card.RowBand, card.Rows, card.Target, len(card.Columns)), "1 250-999 0 outcome 4")
	for _, planted := range []string{"Planted", "patient_name", "Fabry", "987654321", "secret_column", "st-elsewhere", filepath.Dir(path), d.home, `"rows"`, `"<10"`} {
		if strings.Contains(p.Body, planted) {
			t.Errorf("the card holds %q:\n%s", planted, p.Body)
		}
	}
	// The same words would be found if they were there: a name that the owner gave is.
	for _, declared := range []string{"diagnosis", "arrhythmia", "Cardiology ward.", "Table to predict outcome"} {
		if !strings.Contains(p.Body, declared) {
			t.Errorf("the card lacks %q", declared)
		}
	}
	hidden := strings.Join(p.Hidden, "\n")
	if !strings.Contains(hidden, "patient_name") || !strings.Contains(hidden, "diagnosis") {
		t.Errorf("hidden = %q, want the identifier and the rare diagnosis explained", hidden)
	}
	if card.Compute.Cores < 1 || !(float64(card.Compute.SamplesPerS) > 100) || card.Compute.MeasuredDate == "" {
		t.Errorf("compute = %+v, want a measured speed", card.Compute)
	}
	same(t, "measured once", line(d.declaredCompute()), line(d.declaredCompute()))
}

func TestPublishingTwiceAtOnceMakesTwoVersions(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	id := d.add(d.file("wards.csv", wards())).ID
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() {
			_, err := d.PublishCard(t.Context(), id)
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	same(t, "version", line(must(d.Dataset(t.Context(), id))(t).CardVersion, d.data.cards.Refused()), "4 map[]")
}

func TestTheKeyedFingerprintConfirmsNoGuess(t *testing.T) {
	a, b := openDataNode(t, t.TempDir(), nil), openDataNode(t, t.TempDir(), nil)
	text := wards()
	idA, idB := a.add(a.file("x.csv", text)).ID, b.add(b.file("x.csv", text)).ID
	cardA, cardB := must(a.PreviewCard(t.Context(), idA))(t), must(b.PreviewCard(t.Context(), idB))(t)
	if cardA.Card.Fingerprint == cardB.Card.Fingerprint || cardA.Card.Fingerprint == string(fed.DigestOf([]byte(text))) {
		t.Error("the fingerprint of a file can be guessed")
	}
}

func TestVersionsOfACard(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	ctx := t.Context()
	path := d.file("wards.csv", wards())
	id := d.add(path).ID
	state := func() string {
		v := must(d.Dataset(ctx, id))(t)
		return line(v.CardVersion, v.CardStale)
	}
	same(t, "before", state(), "0 false")
	one := must(d.PublishCard(ctx, id))(t)
	same(t, "published", state(), "1 false")
	same(t, "nothing changed", len(must(d.PreviewCard(ctx, id))(t).Changed), 0)
	rec, _ := d.data.get(fed.DatasetID(id))
	same(t, "card id", rec.cardID, one.ID)

	must(d.EditDataset(ctx, id, view.DatasetEdit{Levels: map[string]string{"income": "none", "diagnosis": "full"}, ExactRows: ptr(true)}))(t)
	same(t, "stale by edit", state(), "1 true")
	changed := strings.Join(must(d.PreviewCard(ctx, id))(t).Changed, "; ")
	for _, w := range []string{"income: no longer shown", "diagnosis: full instead of coarse", "300"} {
		if !strings.Contains(changed, w) {
			t.Errorf("changes %q do not say %q", changed, w)
		}
	}
	two := must(d.PublishCard(ctx, id))(t)
	same(t, "second", line(two.ID == one.ID, two.Version, two.Rows, state()), "true 2 300 2 false")

	if err := os.WriteFile(path, []byte(wards()+"Jane,angina,21000,0001,1,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	same(t, "stale by file", state(), "2 true")
	_, err := d.PublishCard(ctx, id)
	refused(t, "publish of a changed file", err, fed.Incompatible, "wards.csv")
	must(d.ReloadDataset(ctx, id, ""))(t)
	d.read(id)
	same(t, "still stale", state(), "2 true")
	changed = strings.Join(must(d.PreviewCard(ctx, id))(t).Changed, "; ")
	if !strings.Contains(changed, "file has changed") {
		t.Errorf("changes %q do not tell that the file has changed", changed)
	}

	if err := d.WithdrawCard(ctx, id); err != nil {
		t.Fatal(err)
	}
	same(t, "withdrawn", state(), "0 false")
	rec, _ = d.data.get(fed.DatasetID(id))
	same(t, "card id", rec.cardID, "")
	refused(t, "twice", d.WithdrawCard(ctx, id), fed.NotFound)
	again := must(d.PublishCard(ctx, id))(t)
	same(t, "a new card", line(again.ID != one.ID, again.Version), "true 1")
	same(t, "refusals", line(d.data.cards.Refused()), "map[]")
}

func TestCardsOfOthers(t *testing.T) {
	a, b := openDataNode(t, t.TempDir(), nil), openDataNode(t, t.TempDir(), nil)
	ctx := t.Context()
	idA := a.read(must(a.AddSample(ctx, "riverside"))(t).ID).ID
	card := must(a.PublishCard(ctx, idA))(t)
	mine := b.read(must(b.AddSample(ctx, "lakeview"))(t).ID).ID
	exchange(t, a, b)

	found := must(b.Catalog(ctx, view.CatalogQuery{Q: "riversde", Dataset: mine}))(t)
	same(t, "found", line(found.Total, found.Items[0].Card.ID == card.ID, found.Items[0].Mine, found.Items[0].Access), "1 true false none")
	same(t, "columns shared", line(found.Items[0].Matched, found.Items[0].Of), "9 10")
	same(t, "task facet", line(found.Facets["task"]), "[{classify 1}]")
	own := must(a.CatalogCard(ctx, card.ID))(t)
	same(t, "own", line(own.Mine, own.Access, own.Online), "true own true")
	_, err := b.CatalogCard(ctx, newHex())
	refused(t, "unknown card", err, fed.NotFound)
	_, err = b.Catalog(ctx, view.CatalogQuery{Dataset: newHex()})
	refused(t, "unknown dataset", err, fed.NotFound)
	same(t, "columns of the card", slices.Contains(b.cardColumns(card.ID), "chol"), true)

	if err := a.WithdrawCard(ctx, idA); err != nil {
		t.Fatal(err)
	}
	exchange(t, a, b)
	same(t, "after the withdrawal", must(b.Catalog(ctx, view.CatalogQuery{}))(t).Total, 0)
	same(t, "tombstone", must(b.CatalogCard(ctx, card.ID))(t).Card.Withdrawn, true)
}

// stranger writes signed documents as another party's app would, or a bad one.
type stranger struct {
	*identity.Self
	book *book.Book
}

func (s stranger) Verify(key []byte, domain string, body, sig []byte) bool {
	return identity.Verify(key, domain, body, sig)
}

type memory struct{ docs []fed.Doc }

func (m *memory) InsertFork(context.Context, fed.Doc) error { return nil }
func (m *memory) Forks(context.Context) ([]fed.Doc, error)  { return nil, nil }
func (m *memory) All(context.Context) ([]fed.Doc, error)    { return m.docs, nil }
func (m *memory) Insert(_ context.Context, docs ...fed.Doc) error {
	m.docs = append(m.docs, docs...)
	return nil
}

func newStranger(t *testing.T, n *Node) stranger {
	s := stranger{Self: must(identity.Create("Stranger"))(t)}
	s.book = must(book.Open(t.Context(), &memory{}, s, n.opts.Now))(t)
	return s
}

func TestForgedOlderAndReplayedCardsAreCounted(t *testing.T) {
	a, b := openDataNode(t, t.TempDir(), nil), openDataNode(t, t.TempDir(), nil)
	ctx := t.Context()
	id := a.add(a.file("wards.csv", wards())).ID
	must(a.PublishCard(ctx, id))(t)
	doc := a.docs(fed.DocCard)[0]
	exchange(t, a, b)

	forged := doc
	forged.Body = []byte(strings.Replace(string(doc.Body), "wards", "gold", 1) + " ")
	forged.Seq++
	_, err := b.book.Receive(ctx, forged)
	same(t, "forged", fed.KindOf(err), fed.Permission)
	isNew, err := b.book.Receive(ctx, doc)
	same(t, "replayed", line(isNew, err), "false <nil>")

	// A stranger signs A's card, a version that goes back, and a huge one.
	x := newStranger(t, b.Node)
	sign := func(body catalog.Card) {
		d := must(x.book.Append(ctx, fed.ScopeFederation, fed.DocCard, body.ID, body))(t)
		if _, err := b.book.Receive(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	stolen := must(catalog.ReadCard(doc))(t)
	sign(stolen)
	own := stolen
	own.ID, own.Title = catalog.CardID(x.Party(), own.Nonce), "Cheap \u202egold"
	sign(own)
	sign(own)
	own.Title = strings.Repeat("long", 1000)
	sign(own)
	same(t, "refused", line(b.data.cards.Refused()), "map[author:1 form:1 version:1]")
	var counted []string
	for _, r := range b.counts.list() {
		if strings.HasPrefix(r.Reason, "card: ") {
			counted = append(counted, line(r.Reason, r.Count))
		}
	}
	same(t, "counted", strings.Join(counted, ", "), "card: author 1, card: form 1, card: version 1")
	found := must(b.Catalog(ctx, view.CatalogQuery{Party: string(x.Party())}))(t)
	same(t, "the stranger's", line(found.Total, found.Items[0].Card.Title), "1 Cheap gold")
	same(t, "A's", must(b.CatalogCard(ctx, stolen.ID))(t).Card.PartyID, string(a.me()))
}

func TestAccessFromRequestToRevocation(t *testing.T) {
	owner, asker := openDataNode(t, t.TempDir(), nil), openDataNode(t, t.TempDir(), nil)
	ctx := t.Context()
	id := owner.add(owner.file("wards.csv", wards())).ID
	must(owner.EditDataset(ctx, id, view.DatasetEdit{Name: ptr("Ward data"), Terms: &view.Terms{ExpiresDays: 60, MinParties: 3, Families: []string{"logistic"}}}))(t)
	card := must(owner.PublishCard(ctx, id))(t).ID
	exchange(t, owner, asker)

	for what, x := range map[string]struct {
		n       *dataNode
		card    string
		purpose string
		days    int
		kind    fed.Kind
	}{
		"own card": {owner, card, "research", 10, fed.Invalid}, "unknown card": {asker, newHex(), "research", 10, fed.NotFound},
		"no purpose": {asker, card, " ", 10, fed.Invalid}, "longer than the terms": {asker, card, "research", 61, fed.Invalid}, "no days": {asker, card, "research", 0, fed.Invalid},
	} {
		_, err := x.n.RequestAccess(ctx, x.card, x.purpose, x.days)
		refused(t, what, err, x.kind)
	}
	access := func() string { return must(asker.CatalogCard(ctx, card))(t).Access }
	r := must(asker.RequestAccess(ctx, card, "A study of \u202ewards", 30))(t)
	same(t, "request", line(r.State, r.Incoming, r.Purpose, r.Title, access()), "submitted false A study of wards Ward data asked")
	_, err := asker.RequestAccess(ctx, card, "again", 30)
	refused(t, "again", err, fed.Exists)
	exchange(t, owner, asker)

	inbox := func(n *dataNode, kind string) (open, done int) {
		for _, e := range must(n.Inbox(ctx))(t) {
			if e.Kind == kind && e.Done {
				done++
			} else if e.Kind == kind {
				open++
			}
		}
		return open, done
	}
	owner.until("the request in the inbox", func() bool { open, _ := inbox(owner, "access"); return open == 1 })
	_, err = asker.DecideAccess(ctx, r.ID, true, "")
	refused(t, "decision by the asker", err, fed.Permission)
	refused(t, "revoking what is not approved", owner.RevokeAccess(ctx, r.ID, ""), fed.Exists)

	in := must(owner.AccessRequests(ctx))(t)
	same(t, "incoming", line(len(in), in[0].Incoming, in[0].State), "1 true submitted")
	said := must(owner.DecideAccess(ctx, r.ID, true, "welcome"))(t)
	same(t, "approved", line(said.State, said.Until != nil), "approved true")
	_, done := inbox(owner, "access")
	same(t, "answered in the inbox", done, 1)
	_, err = owner.DecideAccess(ctx, r.ID, false, "")
	refused(t, "second decision", err, fed.Exists)
	exchange(t, owner, asker)
	same(t, "standing", access(), "approved")
	asker.until("the notice", func() bool { open, _ := inbox(asker, "notice"); return open == 1 })
	if err := owner.data.cards.Allows(card, asker.me(), ms(owner.opts.Now())); err != nil {
		t.Errorf("approved, and refused: %v", err)
	}

	if err := owner.RevokeAccess(ctx, r.ID, "the study is over"); err != nil {
		t.Fatal(err)
	}
	exchange(t, owner, asker)
	same(t, "standing", access(), "revoked")
	refused(t, "use after", owner.data.cards.Allows(card, asker.me(), ms(owner.opts.Now())), fed.Permission)
	asker.until("the notice", func() bool { open, _ := inbox(asker, "notice"); return open == 2 })

	second := must(asker.RequestAccess(ctx, card, "once more", 30))(t)
	if err := asker.RevokeAccess(ctx, second.ID, "no need"); err != nil {
		t.Fatal(err)
	}
	exchange(t, owner, asker)
	_, err = owner.DecideAccess(ctx, second.ID, true, "")
	refused(t, "what was taken back", err, fed.Exists)

	// The terms of the card bind runs.
	run := fed.Run{Members: make([]fed.RunMember, 3), Config: fed.RunConfig{Model: fed.ModelSpec{Family: "logistic"}}}
	if err := owner.data.allowsRun(fed.DatasetID(id), run); err != nil {
		t.Errorf("a run within the terms: %v", err)
	}
	run.Members = run.Members[:2]
	refused(t, "too few parties", owner.data.allowsRun(fed.DatasetID(id), run), fed.Permission, "3")
	run.Members, run.Config.Model.Family = make([]fed.RunMember, 3), "layers"
	refused(t, "another family", owner.data.allowsRun(fed.DatasetID(id), run), fed.Permission, "layers")
}
