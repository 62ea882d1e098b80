package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
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
			ID: "access-" + r.ID, Kind: "access", Subject: r.ID, From: n.nameOf(string(r.From)), Href: "/catalog?tab=requests",
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
		Href: "/catalog?tab=requests", Title: title, Text: r.Reason,
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
		query.Columns = r.usable
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
		return none, fed.Errorf(fed.Exists, "Look at it under Catalog, Access requests.", "access to “%s” has been requested already and is %s", e.Card.Title, r.State)
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
		return view.AccessRequest{}, fed.Errorf(fed.Busy, "Wait for the answers to earlier requests.", "too many requests are open")
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
