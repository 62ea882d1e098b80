package node

import (
	"context"
	"fmt"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/book"
	"synergos.app/desktop/backend/service/catalog"
)

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
	levels, left := s.cardLevels()
	d := dataset.Disclose(l.profile, dataset.DiscloseOptions{Levels: levels, Floor: b.n.floor(), ExactRows: s.ExactRows})
	c := s.card(b.n, d, levels)
	c.Title = b.record(o).title()
	if e, ok := b.cards.Card(c.ID); ok {
		c.Version, c.Previous = e.Card.Version+1, e.Doc
	}
	return c, slices.Concat(d.Hidden, left, s.whyApart()), c.Check()
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
		return view.CardPreview{}, fed.Errorf(fed.Invalid, "Show fewer columns: set what others see of the rest to “Nothing”.", "the card has %d bytes of at most %d", len(body), fed.MaxDocBody)
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
	if s.Tutorial {
		return view.Card{}, fed.Errorf(fed.Invalid, "See here what others would receive; add data of your own to publish a card.", "the data of the tutorial are not published in the catalog")
	}
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
