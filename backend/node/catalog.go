package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/book"
	"synergos.app/desktop/backend/service/catalog"
)

// onCatalogDoc applies a document to the catalogue and reports whether it changed
// anything. What breaks a rule is counted once, when it arrives.
func (n *Node) onCatalogDoc(d fed.Doc) bool {
	c := n.data.cards.Apply(d)
	if c.Refused != "" && n.live {
		n.counts.refuse(d.Kind + ": " + c.Refused)
	}
	return c.Changed()
}

// catalogFollow is what a new document leads to here: screens are told, and what
// concerns this party enters its inbox.
func (n *Node) catalogFollow(ctx context.Context, d fed.Doc) {
	switch d.Kind {
	case fed.DocCard, fed.DocCardGone:
		if e, ok := n.data.cards.Card(d.Subject); ok && e.Author == d.Author {
			n.publish("card", d.Subject, n.entryView(catalog.Hit{Entry: e}))
		}
		return
	case fed.DocAccessAsk, fed.DocAccessSay, fed.DocAccessStop:
	default:
		return
	}
	r, ok := n.data.cards.Request(d.Subject, ms(n.opts.Now()))
	if !ok || d.Author != r.From && d.Author != r.Owner {
		return
	}
	if e, ok := n.data.cards.Card(r.Card); ok {
		r.Title = e.Card.Title
	}
	n.publish("access", r.ID, n.accessView(r))
	switch {
	case r.Owner == n.me() && r.State == catalog.Submitted:
		n.inbox.ask(ctx, view.InboxEntry{
			ID: "access-" + r.ID, Kind: "access", Subject: r.ID, From: n.nameOf(string(r.From)), Href: "/catalog?request=" + r.ID,
			Title: fmt.Sprintf("%s asks for the use of “%s”", n.nameOf(string(r.From)), r.Title), Text: r.Purpose,
		})
	case r.Owner == n.me():
		n.inbox.answered(ctx, "access", r.ID)
		if r.State == catalog.Withdrawn {
			n.noteAccess(ctx, r, r.From, fmt.Sprintf("%s no longer asks for “%s”", n.nameOf(string(r.From)), r.Title))
		}
	case d.Author == r.Owner:
		n.noteAccess(ctx, r, r.Owner, fmt.Sprintf("%s: access to “%s” is %s", n.nameOf(string(r.Owner)), r.Title, r.State))
	}
}

func (n *Node) noteAccess(ctx context.Context, r catalog.Request, from fed.PartyID, title string) {
	n.inbox.ask(ctx, view.InboxEntry{
		ID: "access-" + r.ID + "-" + string(r.State), Kind: "notice", Subject: r.ID, From: n.nameOf(string(from)),
		Href: "/catalog?request=" + r.ID, Title: title, Text: r.Reason,
	})
}

// allowsRun checks a run against the published terms of a dataset. Without a card
// there are none: the owner's consent alone decides.
func (b *dataBook) allowsRun(id fed.DatasetID, run fed.Run) error {
	r, ok := b.get(id)
	if !ok {
		return fed.Errorf(fed.NotFound, "Choose another dataset.", "its dataset is not here any more")
	}
	e, ok := b.cards.Card(r.cardID)
	if !ok {
		return nil
	}
	return e.Card.Terms.Allows(run)
}

// declares sums up what of a dataset stands in its card, to tell when the card is
// stale.
func (s saved) declares() fed.Digest {
	return fed.DigestOf([]byte(toJSON([]any{s.Name, s.Named, s.Description, orEmpty(s.Keywords), s.Terms, s.ExactRows, s.shape(), orNone(s.Roles), orNone(s.Levels), s.Fingerprint})))
}

// card returns what publishing a dataset would send now, and what it hides.
func (b *dataBook) card(ctx context.Context, o *owned) (catalog.Card, []string, error) {
	if s, _ := b.snap(o); s.usable() != nil {
		return catalog.Card{}, nil, s.usable()
	}
	if err := b.freshNonce(ctx, o); err != nil {
		return catalog.Card{}, nil, err
	}
	back, err := o.take(ctx)
	if err != nil {
		return catalog.Card{}, nil, err
	}
	defer back()
	l, err := b.loaded(ctx, o)
	if err != nil {
		return catalog.Card{}, nil, err
	}
	s, _ := b.snap(o)
	if state, _ := s.onDisk(); state != dataReady {
		return catalog.Card{}, nil, fed.Errorf(fed.Incompatible, "Read it again first.", "the file of %s has changed since it was read", s.Name)
	}
	levels := s.levels()
	d := dataset.Disclose(l.profile, dataset.DiscloseOptions{Levels: levels, Floor: b.n.floor(), ExactRows: s.ExactRows})
	c := s.card(b.n, d, levels)
	c.Title = b.record(o).title()
	if e, ok := b.cards.Card(c.ID); ok {
		c.Version, c.Previous = e.Card.Version+1, e.Doc
	}
	return c, d.Hidden, c.Check()
}

// freshNonce gives a dataset whose card was withdrawn a new card.
func (b *dataBook) freshNonce(ctx context.Context, o *owned) error {
	s, _ := b.snap(o)
	if e, ok := b.cards.Card(catalog.CardID(b.n.me(), s.Nonce)); !ok || !e.Withdrawn {
		return nil
	}
	return b.change(ctx, o, func(s *saved) { s.Nonce, s.Declared = newHex(), "" })
}

// card is the card of a dataset without title and version.
func (s saved) card(n *Node, d *dataset.Disclosure, levels map[string]dataset.Level) catalog.Card {
	p, t, m := s.Profile, s.Terms, n.declaredCompute()
	c := catalog.Card{
		ID: catalog.CardID(n.me(), s.Nonce), Nonce: s.Nonce, Version: 1, Description: s.Description, Keywords: orEmpty(s.Keywords),
		Task: p.Task, Modality: "tabular", RowBand: d.RowBand, Rows: d.Rows, Floor: d.Floor, Fingerprint: s.Fingerprint, Columns: []catalog.Column{},
		Terms:   catalog.Terms{Licence: t.Licence, Purposes: orEmpty(t.Purposes), MinParties: t.MinParties, Families: orEmpty(t.Families), ExpiresDays: t.ExpiresDays, Contact: t.Contact},
		Compute: catalog.Compute{Cores: m.Cores, MemoryMB: m.MemoryMB, Accelerator: m.Accelerator, SamplesPerS: m.SamplesPerS, MeasuredDate: m.MeasuredDate, Grids: m.Grids},
	}
	if levels[p.Target] != dataset.LevelNone {
		c.Target = p.Target
	}
	for _, col := range d.Columns {
		c.Columns = append(c.Columns, catalog.ColumnOf(col, s.role(p.Column(col.Name))))
	}
	return c
}

// PreviewCard returns the very bytes that PublishCard would send now.
func (n *Node) PreviewCard(ctx context.Context, id string) (view.CardPreview, error) {
	o, err := n.data.find(id)
	if err != nil {
		return view.CardPreview{}, err
	}
	c, hidden, err := n.data.card(ctx, o)
	if err != nil {
		return view.CardPreview{}, err
	}
	body, err := book.Canonical(c)
	if err != nil {
		return view.CardPreview{}, fmt.Errorf("write card: %w", err)
	}
	if len(body) > fed.MaxDocBody {
		return view.CardPreview{}, fed.Errorf(fed.Invalid, "Show fewer columns: set the level of the others to none.", "the card has %d bytes of at most %d", len(body), fed.MaxDocBody)
	}
	v := view.CardPreview{Card: n.cardView(catalog.Entry{Card: c, Author: n.me(), PublishedMs: ms(n.opts.Now())}), Body: string(body), Bytes: len(body), Hidden: orEmpty(hidden), Changed: []string{}}
	if e, ok := n.data.cards.Card(c.ID); ok {
		v.Changed = catalog.Changes(e.Card, c)
	}
	return v, nil
}

// PublishCard publishes the card, or its next version, to all paired parties.
func (n *Node) PublishCard(ctx context.Context, id string) (view.Card, error) {
	o, err := n.data.find(id)
	if err != nil {
		return view.Card{}, err
	}
	n.data.publishing.Lock()
	defer n.data.publishing.Unlock()
	s, _ := n.data.snap(o) // before the card: an edit in between makes it stale
	c, _, err := n.data.card(ctx, o)
	if err != nil {
		return view.Card{}, err
	}
	if _, err := n.book.Append(ctx, fed.ScopeFederation, fed.DocCard, c.ID, c); err != nil {
		return view.Card{}, err
	}
	e, ok := n.data.cards.Card(c.ID)
	if !ok || e.Card.Version != c.Version {
		return view.Card{}, fed.Errorf(fed.Exists, "Look at the preview again.", "another version of the card was published at the same time")
	}
	if err := n.data.change(ctx, o, func(next *saved) { next.Declared = s.declares() }); err != nil {
		return view.Card{}, err
	}
	return n.cardView(e), nil
}

// WithdrawCard publishes the tombstone of a dataset's card.
func (n *Node) WithdrawCard(ctx context.Context, id string) error {
	o, err := n.data.find(id)
	if err != nil {
		return err
	}
	n.data.publishing.Lock()
	defer n.data.publishing.Unlock()
	r := n.data.record(o)
	e, ok := n.data.cards.Card(r.cardID)
	if !ok {
		return fed.Errorf(fed.NotFound, "Reload the dataset.", "no card of this dataset is published")
	}
	gone := catalog.Gone{ID: r.cardID, Version: e.Card.Version, Previous: e.Doc}
	if _, err := n.book.Append(ctx, fed.ScopeFederation, fed.DocCardGone, r.cardID, gone); err != nil {
		return err
	}
	return n.data.change(ctx, o, func(s *saved) { s.Nonce, s.Declared = newHex(), "" })
}

func (n *Node) cardView(e catalog.Entry) view.Card {
	c := e.Card
	v := view.Card{
		ID: c.ID, Version: c.Version, PartyID: string(e.Author), Party: n.nameOf(string(e.Author)), Title: c.Title, Description: c.Description,
		Keywords: orEmpty(c.Keywords), Task: c.Task, Target: c.Target, Modality: c.Modality, RowBand: c.RowBand, Rows: c.Rows, Columns: make([]view.CardColumn, len(c.Columns)),
		Terms:       view.Terms{Licence: c.Terms.Licence, Purposes: orEmpty(c.Terms.Purposes), MinParties: c.Terms.MinParties, Families: orEmpty(c.Terms.Families), ExpiresDays: c.Terms.ExpiresDays, Contact: c.Terms.Contact},
		Compute:     view.Compute(c.Compute),
		Fingerprint: string(c.Fingerprint), Published: at(e.PublishedMs), Withdrawn: e.Withdrawn,
	}
	for i, col := range c.Columns {
		f := col.Figures()
		v.Columns[i] = view.CardColumn{
			Name: col.Name, Type: string(col.Type), Role: col.Role, Unit: col.Unit, Description: col.Description, Level: string(col.Level), MissingBand: col.MissingBand,
			Mean: f.Mean, SD: f.SD, P01: f.P01, Median: f.Median, P99: f.P99, Categories: cellViews(col.Categories), Histogram: cellViews(col.Histogram),
		}
	}
	return v
}

func cellViews(in []dataset.Cell) []view.CardCategory {
	out := make([]view.CardCategory, len(in))
	for i, c := range in {
		out[i] = view.CardCategory(c)
	}
	return out
}

func (n *Node) entryView(h catalog.Hit) view.CatalogEntry {
	v := view.CatalogEntry{
		Card: n.cardView(h.Entry), Mine: h.Author == n.me(), Online: n.peers.isOnline(h.Author), AsOf: n.asOf(h.Entry),
		Matched: h.Matched, Of: h.Of, Score: fed.Number(h.Score), Access: "none",
	}
	if v.Mine {
		v.Access = "own"
	} else if r, ok := n.data.cards.Standing(h.Card.ID, n.me(), ms(n.opts.Now())); ok {
		v.Access = map[catalog.State]string{catalog.Submitted: "asked", catalog.Withdrawn: "none"}[r.State]
		if v.Access == "" {
			v.Access = string(r.State)
		}
	}
	return v
}

// asOf is when this copy of a card was last known to be the newest: now while its
// owner is online, else when the owner was last seen.
func (n *Node) asOf(e catalog.Entry) time.Time {
	if n.peers.isOnline(e.Author) {
		return n.opts.Now().UTC()
	}
	seen := e.PublishedMs
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	for _, r := range n.peers.rows {
		if fed.PartyID(r.Party) == e.Author {
			seen = max(seen, r.SeenMs)
		}
	}
	return at(min(seen, ms(n.opts.Now())))
}

// Catalog searches the cards of all parties; offline ones are answered from the
// copies here.
func (n *Node) Catalog(ctx context.Context, q view.CatalogQuery) (view.Catalog, error) {
	query := catalog.Query{
		Text: q.Q, Task: q.Task, Party: q.Party, RowBand: q.RowBand, Licence: q.Licence, NowMs: ms(n.opts.Now()),
		Name: func(p fed.PartyID) string { return n.nameOf(string(p)) },
	}
	if q.Dataset != "" {
		r, ok := n.data.get(fed.DatasetID(q.Dataset))
		if !ok {
			return view.Catalog{}, fed.Errorf(fed.NotFound, "Choose another dataset to compare with.", "there is no such dataset here")
		}
		query.Columns = r.columnNames()
	}
	hits, facets := n.data.cards.Search(query)
	v := view.Catalog{Items: []view.CatalogEntry{}, Facets: map[string][]view.Facet{}, Total: len(hits)}
	for _, h := range hits[:min(len(hits), maxFound)] {
		v.Items = append(v.Items, n.entryView(h))
	}
	for name, list := range facets {
		v.Facets[name] = make([]view.Facet, len(list))
		for i, f := range list {
			v.Facets[name][i] = view.Facet(f)
		}
	}
	return v, nil
}

// maxFound bounds the cards of one answer; Total counts them all.
const maxFound = 200

// CatalogCard returns one card.
func (n *Node) CatalogCard(_ context.Context, cardID string) (view.CatalogEntry, error) {
	e, ok := n.data.cards.Card(cardID)
	if !ok {
		return view.CatalogEntry{}, fed.Errorf(fed.NotFound, "Search the catalog again.", "there is no such dataset card here")
	}
	return n.entryView(catalog.Hit{Entry: e}), nil
}

// cardColumns returns the columns that a card names, nil when it is not here.
func (n *Node) cardColumns(cardID string) []string {
	e, _ := n.data.cards.Card(cardID)
	var out []string
	for _, c := range e.Card.Columns {
		out = append(out, c.Name)
	}
	return out
}

func (n *Node) accessView(r catalog.Request) view.AccessRequest {
	v := view.AccessRequest{
		ID: r.ID, CardID: r.Card, Title: r.Title, From: n.nameOf(string(r.From)), FromID: string(r.From), Owner: n.nameOf(string(r.Owner)), OwnerID: string(r.Owner),
		Incoming: r.Owner == n.me(), Purpose: r.Purpose, Days: r.Days, State: string(r.State), Reason: r.Reason, At: at(r.AskedMs),
	}
	if e, ok := n.data.cards.Card(r.Card); ok {
		v.Title = e.Card.Title
	}
	if r.UntilMs > 0 {
		until := at(r.UntilMs)
		v.Until = &until
	}
	return v
}

// AccessRequests returns requests of this party and to it, newest first.
func (n *Node) AccessRequests(context.Context) ([]view.AccessRequest, error) {
	out := []view.AccessRequest{}
	for _, r := range n.data.cards.Requests(ms(n.opts.Now())) {
		out = append(out, n.accessView(r))
	}
	return out, nil
}

// RequestAccess asks the owner of a card for the use of its dataset.
func (n *Node) RequestAccess(ctx context.Context, cardID, purpose string, days int) (view.AccessRequest, error) {
	var none view.AccessRequest
	e, ok := n.data.cards.Card(cardID)
	switch {
	case !ok:
		return none, fed.Errorf(fed.NotFound, "Search the catalog again.", "there is no such dataset card here")
	case e.Author == n.me():
		return none, fed.Errorf(fed.Invalid, "Use the dataset in a project directly.", "“%s” is this party's own dataset", e.Card.Title)
	case e.Withdrawn:
		return none, fed.Errorf(fed.NotFound, "Ask its owner.", "the card “%s” was withdrawn", e.Card.Title)
	case strings.TrimSpace(purpose) == "" || len(purpose) > 8000:
		return none, fed.Errorf(fed.Invalid, "Say in up to 2000 characters what the data are for.", "the request has no purpose, or too long a one")
	case days < 1 || days > 3650 || e.Card.Terms.ExpiresDays > 0 && days > e.Card.Terms.ExpiresDays:
		longest := 3650
		if x := e.Card.Terms.ExpiresDays; x > 0 {
			longest = min(x, longest)
		}
		return none, fed.Errorf(fed.Invalid, fmt.Sprintf("Ask for 1 to %d days.", longest), "the request is for %d days", days)
	}
	if r, ok := n.data.cards.Standing(cardID, n.me(), ms(n.opts.Now())); ok && (r.State == catalog.Submitted || r.State == catalog.Approved) {
		return none, fed.Errorf(fed.Exists, "Look at it under requests.", "access to “%s” has been requested already and is %s", e.Card.Title, r.State)
	}
	ask := catalog.Ask{ID: newHex(), Card: cardID, Title: e.Card.Title, Purpose: catalog.CleanText(purpose, 2000), Days: days}
	return n.sayAccess(ctx, ask.ID, e.Author, fed.DocAccessAsk, ask)
}

// sayAccess writes a document about a request into the scope of the two parties.
func (n *Node) sayAccess(ctx context.Context, id string, other fed.PartyID, kind string, body any) (view.AccessRequest, error) {
	if _, err := n.book.Append(ctx, fed.ScopeDirect(n.me(), other), kind, id, body); err != nil {
		return view.AccessRequest{}, err
	}
	r, ok := n.data.cards.Request(id, ms(n.opts.Now()))
	if !ok {
		return view.AccessRequest{}, fed.Errorf(fed.Busy, "Wait for the answers to earlier requests, or take some back.", "too many requests are open")
	}
	return n.accessView(r), nil
}

func (n *Node) accessRequest(id string) (catalog.Request, error) {
	r, ok := n.data.cards.Request(id, ms(n.opts.Now()))
	if !ok {
		return r, fed.Errorf(fed.NotFound, "Reload the list of requests.", "there is no such request")
	}
	return r, nil
}

// DecideAccess approves or refuses a request to this party. An approval lasts as
// long as was asked, and not longer than the card's terms say.
func (n *Node) DecideAccess(ctx context.Context, id string, approve bool, reason string) (view.AccessRequest, error) {
	r, err := n.accessRequest(id)
	if err != nil {
		return view.AccessRequest{}, err
	}
	e, known := n.data.cards.Card(r.Card)
	switch {
	case r.Owner != n.me():
		return view.AccessRequest{}, fed.Errorf(fed.Permission, "Wait for its answer.", "only %s can decide this request", n.nameOf(string(r.Owner)))
	case r.State != catalog.Submitted:
		return view.AccessRequest{}, fed.Errorf(fed.Exists, "Reload the list of requests.", "the request is %s already", r.State)
	case approve && (!known || e.Withdrawn || e.Author != n.me()):
		return view.AccessRequest{}, fed.Errorf(fed.Invalid, "Refuse the request, or publish the card again.", "the request is for a card that is not published")
	}
	say := catalog.Say{ID: id, Approve: approve, Reason: catalog.Clean(reason, 1000)}
	if approve {
		days := r.Days
		if most := e.Card.Terms.ExpiresDays; most > 0 {
			days = min(days, most)
		}
		say.UntilMs = ms(n.opts.Now().Add(time.Duration(days) * 24 * time.Hour))
	}
	v, err := n.sayAccess(ctx, id, r.From, fed.DocAccessSay, say)
	if err == nil {
		n.inbox.answered(ctx, "access", id)
	}
	return v, err
}

// RevokeAccess takes an approval back; the requester takes back its request.
func (n *Node) RevokeAccess(ctx context.Context, id, reason string) error {
	r, err := n.accessRequest(id)
	if err != nil {
		return err
	}
	other := r.From
	switch {
	case r.From == n.me():
		other = r.Owner
		if r.State != catalog.Submitted && r.State != catalog.Approved {
			return fed.Errorf(fed.Exists, "Reload the list of requests.", "the request is %s already", r.State)
		}
	case r.Owner != n.me():
		return fed.Errorf(fed.Permission, "", "this is another party's request")
	case r.State != catalog.Approved:
		return fed.Errorf(fed.Exists, "Reload the list of requests.", "there is no approval to take back: the request is %s", r.State)
	}
	_, err = n.sayAccess(ctx, id, other, fed.DocAccessStop, catalog.Stop{ID: id, Reason: catalog.Clean(reason, 1000)})
	return err
}
