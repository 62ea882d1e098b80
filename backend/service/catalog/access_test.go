package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
)

const day = int64(msPerDay)

// talk is a scripted exchange between an owner O, a requester R and an outsider X
// about one card. Each step is "who verb[=argument]"; the state after it, or the
// reason of its refusal, stands behind the arrow.
type talk struct {
	t       *testing.T
	c       *Catalog
	chains  map[string]*chain
	card    Card
	request string
	nowMs   int64
}

func newTalk(t *testing.T) *talk {
	x := &talk{t: t, c: New(), request: hexID("request"), chains: map[string]*chain{}}
	for _, n := range []string{"O", "R", "X"} {
		x.chains[n] = &chain{t: t, author: party(n)}
	}
	x.card = card(party("O"), "Heart")
	x.c.Apply(x.chains["O"].publish(x.card))
	return x
}

func (x *talk) step(line string) string {
	who, verb, _ := strings.Cut(line, " ")
	verb, arg, _ := strings.Cut(verb, "=")
	if who == "later" {
		var days int64
		fmt.Sscan(verb, &days)
		x.nowMs += days * day
		return x.state()
	}
	ch := x.chains[who]
	ch.nowMs = x.nowMs
	scope := fed.ScopeDirect(party("O"), party("R"))
	if who == "X" {
		scope = fed.ScopeDirect(party("X"), party("R"))
	}
	var days int
	fmt.Sscan(arg, &days)
	var d fed.Doc
	switch verb {
	case "asks":
		d = ch.doc(scope, fed.DocAccessAsk, x.request, Ask{x.request, x.card.ID, "Heart", "research", days})
	case "approves":
		d = ch.doc(scope, fed.DocAccessSay, x.request, Say{x.request, true, "", x.nowMs + int64(days)*day})
	case "refuses":
		d = ch.doc(scope, fed.DocAccessSay, x.request, Say{ID: x.request, Reason: "no"})
	case "stops":
		d = ch.doc(scope, fed.DocAccessStop, x.request, Stop{x.request, "enough"})
	default:
		x.t.Fatalf("unknown verb %q", verb)
	}
	before := x.c.Refused()
	if !x.c.Apply(d).Changed() {
		for reason, n := range x.c.Refused() {
			if n != before[reason] {
				return "! " + reason
			}
		}
	}
	return x.state()
}

func (x *talk) state() string {
	r, ok := x.c.Request(x.request, x.nowMs)
	if !ok {
		return "none"
	}
	allowed := "closed"
	if x.c.Allows(x.card.ID, party("R"), x.nowMs) == nil {
		allowed = "open"
	}
	return string(r.State) + " " + allowed
}

func TestRequestTranscripts(t *testing.T) {
	for name, script := range map[string]string{
		"approved until it expires": `
			R asks=30      -> submitted closed
			later 1        -> submitted closed
			O approves=30  -> approved open
			later 29       -> approved open
			later 1        -> expired closed
			O approves=30  -> ! state`,
		"refused is the end": `
			R asks=30      -> submitted closed
			O refuses      -> refused closed
			O approves=30  -> ! state
			O stops        -> ! state`,
		"revoked is the end": `
			R asks=30      -> submitted closed
			O approves=10  -> approved open
			O stops        -> revoked closed
			O stops        -> ! state
			O approves=10  -> ! state`,
		"taken back before the answer": `
			R asks=30      -> submitted closed
			R stops        -> withdrawn closed
			R stops        -> ! state
			O approves=10  -> withdrawn closed`,
		"given back": `
			R asks=30      -> submitted closed
			O approves=10  -> approved open
			R stops        -> withdrawn closed`,
		"the owner revokes nothing that is not approved": `
			R asks=30      -> submitted closed
			O stops        -> ! state`,
		"only the owner decides": `
			R asks=30      -> submitted closed
			R approves=30  -> ! author
			X approves=30  -> ! author
			X stops        -> ! author`,
		"an approval is not longer than asked": `
			R asks=30      -> submitted closed
			O approves=31  -> ! form
			O approves=0   -> ! form
			O approves=5   -> approved open
			later 5        -> expired closed`,
		"a request is made once and within bounds": `
			R asks=0       -> ! form
			R asks=4000    -> ! form
			O refuses      -> ! unknown
			R stops        -> ! unknown
			R asks=30      -> submitted closed
			R asks=30      -> ! state`,
		"only the owner is asked": `
			X asks=30      -> ! author`,
	} {
		t.Run(name, func(t *testing.T) {
			x := newTalk(t)
			for line := range strings.Lines(strings.TrimSpace(script)) {
				step, after, _ := strings.Cut(strings.TrimSpace(line), "->")
				if got := x.step(strings.TrimSpace(step)); got != strings.TrimSpace(after) {
					t.Fatalf("%s: got %q, want %q", step, got, after)
				}
			}
		})
	}
}

// A conspirator who approves access to another party's card opens nothing, even
// when the card becomes known only later.
func TestAnotherPartysApprovalOpensNothing(t *testing.T) {
	c, o, x, r := New(), &chain{t: t, author: party("O")}, &chain{t: t, author: party("X")}, &chain{t: t, author: party("R")}
	k, id, scope := card(o.author, "Heart"), hexID("request"), fed.ScopeDirect(party("X"), party("R"))
	c.Apply(r.doc(scope, fed.DocAccessAsk, id, Ask{id, k.ID, "Heart", "research", 30}))
	want(t, "say", c.Apply(x.doc(scope, fed.DocAccessSay, id, Say{id, true, "", day})), Change{Request: id})
	c.Apply(o.publish(k))
	want(t, "kind", fed.KindOf(c.Allows(k.ID, r.author, 1)), fed.Permission)
	if err := c.Allows(k.ID, o.author, 1); err != nil {
		t.Errorf("the owner: %v", err)
	}
}

func TestAWithdrawnCardOpensNothing(t *testing.T) {
	x := newTalk(t)
	x.step("R asks=30")
	want(t, "approved", x.step("O approves=30"), "approved open")
	e, _ := x.c.Card(x.card.ID)
	x.c.Apply(x.chains["O"].doc(fed.ScopeFederation, fed.DocCardGone, x.card.ID, Gone{x.card.ID, 1, e.Doc}))
	want(t, "after", x.state(), "approved closed")
}

func TestRequestsAreBounded(t *testing.T) {
	x := newTalk(t)
	r, scope := x.chains["R"], fed.ScopeDirect(party("O"), party("R"))
	for i := range maxOpenRequests + 3 {
		id := hexID(fmt.Sprint("request", i))
		x.c.Apply(r.doc(scope, fed.DocAccessAsk, id, Ask{id, x.card.ID, "Heart", "research", 30}))
	}
	want(t, "kept", len(x.c.Requests(0)), maxOpenRequests)
	want(t, "refused", refusals(x.c), "map[limit:3]")
}

// The owner's and the requester's chains may arrive in either order.
func TestBothSidesEndInTheSameState(t *testing.T) {
	o, r := &chain{t: t, author: party("O")}, &chain{t: t, author: party("R")}
	k, id, scope := card(o.author, "Heart"), hexID("request"), fed.ScopeDirect(party("O"), party("R"))
	published := o.publish(k)
	ask := r.doc(scope, fed.DocAccessAsk, id, Ask{id, k.ID, "Heart", "research", 30})
	say := o.doc(scope, fed.DocAccessSay, id, Say{id, true, "welcome", 20 * day})
	revoke := o.doc(scope, fed.DocAccessStop, id, Stop{id, "enough"})
	back := r.doc(scope, fed.DocAccessStop, id, Stop{id, "done"})
	var states []string
	for _, order := range [][]fed.Doc{{say, revoke, back}, {back, say, revoke}, {say, back, revoke}} {
		c := New()
		for _, d := range append([]fed.Doc{published, ask}, order...) {
			c.Apply(d)
		}
		q, _ := c.Request(id, 1)
		raw, _ := json.Marshal(q)
		states = append(states, string(raw))
	}
	if states[0] != states[1] || states[1] != states[2] || !strings.Contains(states[0], `"withdrawn"`) {
		t.Errorf("states differ:\n%s", strings.Join(states, "\n"))
	}
}

// A refusal or revocation holds until its owner says otherwise, whatever the
// requester asks for or takes back.
func TestBarredUntilTheOwnerSaysOtherwise(t *testing.T) {
	o, r := &chain{t: t, author: party("O")}, &chain{t: t, author: party("R")}
	k, scope := card(o.author, "Heart"), fed.ScopeDirect(party("O"), party("R"))
	c := New()
	c.Apply(o.publish(k))
	one, two, three := hexID("one"), hexID("two"), hexID("three")
	at := func(ms int64, d *chain) *chain { d.nowMs = ms; return d }
	step := func(what string, d fed.Doc, state State, barred bool) {
		t.Helper()
		if x := c.Apply(d); x.Refused != "" {
			t.Fatalf("%s: %s", what, x.Refused)
		}
		got, is := c.Barred(k.ID, r.author, 10)
		if is != barred || is && got != state {
			t.Errorf("%s: %s %v, want %s %v", what, got, is, state, barred)
		}
	}
	ask := func(ms int64, id string) fed.Doc {
		return at(ms, r).doc(scope, fed.DocAccessAsk, id, Ask{id, k.ID, "Heart", "research", 30})
	}
	step("asked", ask(900, one), "", false) // by a clock that is ahead
	step("refused", at(1, o).doc(scope, fed.DocAccessSay, one, Say{ID: one}), Refused, true)
	step("taken back", at(901, r).doc(scope, fed.DocAccessStop, one, Stop{ID: one}), Refused, true)
	step("asked again", ask(902, two), Refused, true)
	step("approved", at(2, o).doc(scope, fed.DocAccessSay, two, Say{ID: two, Approve: true, UntilMs: 100}), "", false)
	step("revoked", at(3, o).doc(scope, fed.DocAccessStop, two, Stop{ID: two}), Revoked, true)
	step("asked a third time", ask(903, three), Revoked, true)
	step("approved for a moment", at(4, o).doc(scope, fed.DocAccessSay, three, Say{ID: three, Approve: true, UntilMs: 6}), "", false)
	if _, barred := c.Barred(k.ID, party("X"), 10); barred {
		t.Error("who never asked is barred")
	}
	if _, barred := c.Barred(hexID("no card"), r.author, 10); barred {
		t.Error("an unknown card bars")
	}
}
