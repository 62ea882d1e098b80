package catalog

import (
	"cmp"
	"encoding/json"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// State is where a request for access stands.
type State string

// The states. A request goes submitted -> approved | refused | withdrawn, and
// approved -> expired | revoked | withdrawn; nothing leads back.
const (
	Submitted State = "submitted"
	Approved  State = "approved"
	Refused   State = "refused"
	Expired   State = "expired"
	Revoked   State = "revoked"
	Withdrawn State = "withdrawn"
)

const (
	msPerDay      = 86_400_000
	maxAccessDays = 3650
)

// Ask is the body of a fed.DocAccessAsk, by the requester, in the direct scope of
// the two parties.
type Ask struct {
	ID      string `json:"id"`
	Card    string `json:"card"`
	Title   string `json:"title"` // of the card, as the requester saw it
	Purpose string `json:"purpose"`
	Days    int    `json:"days"`
}

// Say is the body of a fed.DocAccessSay: the owner's decision, once per request.
type Say struct {
	ID      string `json:"id"`
	Approve bool   `json:"approve"`
	Reason  string `json:"reason"`
	UntilMs int64  `json:"untilMs,omitempty"`
}

// Stop is the body of a fed.DocAccessStop: by the owner it revokes an approval, by
// the requester it takes the request back.
type Stop struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// Request is a request with its standing at some time.
type Request struct {
	Ask
	From, Owner fed.PartyID
	State       State
	Reason      string // of the last decision
	AskedMs     int64
	UntilMs     int64 // 0 until approved
}

// request keeps both sides' documents apart, so that the state does not depend on
// the order in which the two chains arrive.
type request struct {
	ask         Ask
	scope       string
	from, owner fed.PartyID
	askedMs     int64
	say         *Say
	saidMs      int64 // of the owner's last word, by its own clock
	revoked     *Stop
	takenBack   *Stop
}

func (r *request) at(nowMs int64) Request {
	out := Request{Ask: r.ask, From: r.from, Owner: r.owner, State: Submitted, AskedMs: r.askedMs}
	if r.say != nil {
		out.State, out.Reason, out.UntilMs = Refused, r.say.Reason, r.say.UntilMs
		if r.say.Approve {
			out.State = Approved
		}
	}
	switch {
	case r.takenBack != nil:
		out.State, out.Reason = Withdrawn, r.takenBack.Reason
	case r.revoked != nil:
		out.State, out.Reason = Revoked, r.revoked.Reason
	case out.State == Approved && nowMs >= out.UntilMs:
		out.State = Expired
	}
	return out
}

// other returns the party that shares the direct scope with the author.
func other(scope string, author fed.PartyID) (fed.PartyID, bool) {
	a, b, ok := fed.DirectOf(scope)
	switch {
	case !ok:
		return "", false
	case a == author:
		return b, true
	case b == author:
		return a, true
	}
	return "", false
}

func (c *Catalog) ask(d fed.Doc) (id, reason string) {
	owner, ok := other(d.Scope, d.Author)
	if !ok {
		return "", RefusedAuthor
	}
	var a Ask
	if json.Unmarshal(d.Body, &a) != nil || !fed.ValidHexID(a.ID) || a.ID != d.Subject || !fed.ValidHexID(a.Card) ||
		a.Purpose == "" || len(a.Purpose) > maxText || len(a.Title) > maxLine || a.Days < 1 || a.Days > maxAccessDays {
		return "", RefusedForm
	}
	if c.requests[a.ID] != nil {
		return "", RefusedState
	}
	// The card is not looked up: its document travels in another chain and may
	// come later. That it is the owner's is checked when the owner decides.
	if e := c.cards[a.Card]; e != nil && e.Author != owner {
		return "", RefusedAuthor
	}
	if c.undecided(d.Author) >= maxOpenRequests {
		return "", RefusedLimit
	}
	a.Purpose, a.Title = CleanText(a.Purpose, 2000), Clean(a.Title, 120)
	c.requests[a.ID] = &request{ask: a, scope: d.Scope, from: d.Author, owner: owner, askedMs: d.TimeMs}
	return a.ID, ""
}

func (c *Catalog) undecided(p fed.PartyID) int {
	n := 0
	for _, r := range c.requests {
		if r.from == p && r.say == nil && r.takenBack == nil {
			n++
		}
	}
	return n
}

// about finds the request that a document of the same scope speaks of.
func (c *Catalog) about(d fed.Doc, id string) (*request, string) {
	r := c.requests[id]
	switch {
	case id != d.Subject:
		return nil, RefusedForm
	case r == nil:
		return nil, RefusedUnknown
	case r.scope != d.Scope:
		return nil, RefusedAuthor
	}
	return r, ""
}

func (c *Catalog) say(d fed.Doc) (id, reason string) {
	var s Say
	if json.Unmarshal(d.Body, &s) != nil || len(s.Reason) > maxText {
		return "", RefusedForm
	}
	r, reason := c.about(d, s.ID)
	switch {
	case reason != "":
		return "", reason
	case d.Author != r.owner:
		return "", RefusedAuthor
	case r.say != nil:
		return "", RefusedState
	case s.Approve && (s.UntilMs <= d.TimeMs || s.UntilMs > d.TimeMs+int64(r.ask.Days)*msPerDay), !s.Approve && s.UntilMs != 0:
		return "", RefusedForm
	}
	s.Reason = Clean(s.Reason, 1000)
	r.say, r.saidMs = &s, d.TimeMs
	return s.ID, ""
}

func (c *Catalog) stop(d fed.Doc) (id, reason string) {
	var s Stop
	if json.Unmarshal(d.Body, &s) != nil || len(s.Reason) > maxText {
		return "", RefusedForm
	}
	r, reason := c.about(d, s.ID)
	if reason != "" {
		return "", reason
	}
	s.Reason = Clean(s.Reason, 1000)
	switch {
	case d.Author == r.from && r.takenBack == nil:
		r.takenBack = &s
	case d.Author == r.owner && r.revoked == nil && r.say != nil && r.say.Approve:
		r.revoked, r.saidMs = &s, d.TimeMs
	case d.Author != r.from && d.Author != r.owner:
		return "", RefusedAuthor
	default:
		return "", RefusedState
	}
	return s.ID, ""
}

// Request returns a request as it stands at nowMs, or false.
func (c *Catalog) Request(id string, nowMs int64) (Request, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.requests[id]; r != nil {
		return r.at(nowMs), true
	}
	return Request{}, false
}

// Requests returns every request as it stands at nowMs, newest first.
func (c *Catalog) Requests(nowMs int64) []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []Request{}
	for _, r := range c.requests {
		out = append(out, r.at(nowMs))
	}
	slices.SortFunc(out, func(a, b Request) int {
		return cmp.Or(cmp.Compare(b.AskedMs, a.AskedMs), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Standing returns the state of a party's last request for a card, or false. A
// running approval outranks later requests.
func (c *Catalog) Standing(card string, from fed.PartyID, nowMs int64) (Request, bool) {
	var last Request
	found := false
	e, known := c.Card(card)
	for _, r := range c.Requests(nowMs) {
		if r.Card != card || r.From != from || known && r.Owner != e.Author {
			continue
		}
		if r.State == Approved {
			return r, true
		}
		if !found {
			last, found = r, true
		}
	}
	return last, found
}

// Barred reports whether a card's owner has refused a party the use of the dataset or
// has revoked it, and which. The owner's last word counts: what the party asks for or
// takes back afterwards changes nothing, a running approval outranks all.
func (c *Catalog) Barred(card string, from fed.PartyID, nowMs int64) (State, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.cards[card]
	if e == nil {
		return "", false
	}
	word, lastMs := State(""), int64(0)
	for _, r := range c.requests {
		if r.ask.Card != card || r.from != from || r.owner != e.Author || r.say == nil {
			continue
		}
		said := Approved
		switch {
		case r.revoked != nil:
			said = Revoked
		case !r.say.Approve:
			said = Refused
		case r.takenBack == nil && nowMs < r.say.UntilMs:
			return "", false
		}
		if r.saidMs > lastMs || r.saidMs == lastMs && said != Approved {
			word, lastMs = said, r.saidMs
		}
	}
	return word, word == Revoked || word == Refused
}

// Allows checks whether a party may use a card's dataset at nowMs: it owns it, or
// has a running approval. The error is of kind Permission or NotFound.
func (c *Catalog) Allows(card string, p fed.PartyID, nowMs int64) error {
	e, ok := c.Card(card)
	switch {
	case !ok:
		return fed.Errorf(fed.NotFound, "Reload the catalog.", "there is no such dataset card")
	case e.Withdrawn:
		return fed.Errorf(fed.Permission, "Ask its owner.", "the card of the dataset was withdrawn")
	case e.Author == p:
		return nil
	}
	r, ok := c.Standing(card, p, nowMs)
	switch {
	case !ok:
		return fed.Errorf(fed.Permission, "Request access in the catalog.", "access to the dataset was not requested")
	case r.State == Approved:
		return nil
	case r.State == Expired:
		return fed.Errorf(fed.Permission, "Request access again.", "the access to the dataset has expired")
	case r.State == Revoked:
		return fed.Errorf(fed.Permission, "Ask its owner.", "the access to the dataset was revoked")
	}
	return fed.Errorf(fed.Permission, "Wait for the owner's answer, or ask again.", "access to the dataset is not approved: the request is %s", r.State)
}
