package catalog

import (
	"cmp"
	"encoding/json"
	"maps"
	"sync"

	"synergos.app/desktop/backend/fed"
)

// Limits of what one party may put into another's catalogue.
const (
	maxCardsPerParty = 5000
	maxBytesPerParty = 64 << 20 // of the documents of cards that are not withdrawn
	maxOpenRequests  = 200      // undecided ones of one requester
)

// The reasons under which refused documents are counted.
const (
	RefusedForm      = "form"      // cannot be read, or beyond a bound
	RefusedAuthor    = "author"    // speaks for another party
	RefusedVersion   = "version"   // older, repeated, skipping, or not following the version before
	RefusedWithdrawn = "withdrawn" // speaks of a withdrawn card
	RefusedLimit     = "limit"     // too many of one party
	RefusedUnknown   = "unknown"   // speaks of a card or request that is not known
	RefusedState     = "state"     // not a step that the request can take
)

// Entry is a card with what the book says of it.
type Entry struct {
	Card        Card // cleaned for display
	Author      fed.PartyID
	Doc         fed.Digest // of the last version
	PublishedMs int64      // of the last version, by the author's clock
	Withdrawn   bool
	bytes       int
}

// Catalog reduces documents to cards and requests. What it returns are copies or
// values that are not changed afterwards.
type Catalog struct {
	mu       sync.Mutex
	cards    map[string]*Entry
	requests map[string]*request
	refused  map[string]int
	load     map[fed.PartyID]*load
	index    *index // nil after a change
	maxBytes int    // per party
}

type load struct{ cards, bytes int }

// New returns an empty catalogue.
func New() *Catalog {
	return &Catalog{cards: map[string]*Entry{}, requests: map[string]*request{}, refused: map[string]int{}, load: map[fed.PartyID]*load{}, maxBytes: maxBytesPerParty}
}

// Change says what a document changed: the id of a card or of a request; or the
// reason why it was refused.
type Change struct{ Card, Request, Refused string }

// Changed reports whether anything changed.
func (c Change) Changed() bool { return c.Card != "" || c.Request != "" }

// Apply takes a document. Those of other kinds change nothing; those that break a
// rule change nothing and are counted.
func (c *Catalog) Apply(d fed.Doc) Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	change, reason := Change{}, ""
	switch d.Kind {
	case fed.DocCard:
		change.Card, reason = c.publish(d)
	case fed.DocCardGone:
		change.Card, reason = c.withdraw(d)
	case fed.DocAccessAsk:
		change.Request, reason = c.ask(d)
	case fed.DocAccessSay:
		change.Request, reason = c.say(d)
	case fed.DocAccessStop:
		change.Request, reason = c.stop(d)
	}
	if reason != "" {
		c.refused[reason]++
		return Change{Refused: reason}
	}
	if change.Card != "" {
		c.index = nil
	}
	return change
}

// Refused returns how many documents were refused, by reason.
func (c *Catalog) Refused() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.refused)
}

func (c *Catalog) publish(d fed.Doc) (id, reason string) {
	card, err := ReadCard(d)
	switch {
	case fed.KindOf(err) == fed.Permission:
		return "", RefusedAuthor
	case err != nil:
		return "", RefusedForm
	}
	e := c.cards[card.ID]
	switch {
	case e != nil && e.Author != d.Author:
		return "", RefusedAuthor
	case e != nil && e.Withdrawn:
		return "", RefusedWithdrawn
	case e == nil && card.Version != 1, e != nil && (card.Version != e.Card.Version+1 || card.Previous != e.Doc):
		return "", RefusedVersion
	}
	if !c.fits(d.Author, e, len(d.Body)) {
		return "", RefusedLimit
	}
	c.cards[card.ID] = &Entry{Card: card.cleaned(), Author: d.Author, Doc: d.Hash(), PublishedMs: d.TimeMs, bytes: len(d.Body)}
	return card.ID, ""
}

// fits books the card's size with its author, or reports that it is too much.
func (c *Catalog) fits(p fed.PartyID, old *Entry, bytes int) bool {
	l := c.load[p]
	if l == nil {
		l = &load{}
		c.load[p] = l
	}
	next := *l
	next.bytes += bytes
	if old == nil {
		next.cards++
	} else {
		next.bytes -= old.bytes
	}
	if next.cards > maxCardsPerParty || next.bytes > c.maxBytes {
		return false
	}
	*l = next
	return true
}

func (c *Catalog) withdraw(d fed.Doc) (id, reason string) {
	var g Gone
	if d.Scope != fed.ScopeFederation || json.Unmarshal(d.Body, &g) != nil || g.ID != d.Subject {
		return "", RefusedForm
	}
	e := c.cards[g.ID]
	switch {
	case e == nil:
		return "", RefusedUnknown
	case e.Author != d.Author:
		return "", RefusedAuthor
	case e.Withdrawn:
		return "", RefusedWithdrawn
	case g.Version != e.Card.Version || g.Previous != e.Doc:
		return "", RefusedVersion
	}
	c.load[d.Author].bytes -= e.bytes
	last := e.Card
	c.cards[g.ID] = &Entry{Author: d.Author, Doc: d.Hash(), PublishedMs: d.TimeMs, Withdrawn: true,
		Card: Card{ID: g.ID, Version: last.Version, Title: last.Title, Task: last.Task, Target: last.Target, Modality: last.Modality, RowBand: last.RowBand, Columns: []Column{}, Keywords: []string{}}}
	return g.ID, ""
}

// Card returns a card, withdrawn ones too, or false.
func (c *Catalog) Card(id string) (Entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.cards[id]; e != nil {
		return *e, true
	}
	return Entry{}, false
}

func newestFirst(a, b Entry) int {
	return cmp.Or(cmp.Compare(b.PublishedMs, a.PublishedMs), cmp.Compare(a.Card.ID, b.Card.ID))
}
