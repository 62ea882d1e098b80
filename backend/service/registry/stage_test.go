package registry

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
)

func TestNeededFollowsTheTable(t *testing.T) {
	for _, c := range []struct {
		from, to, production string
		voters, want         int
	}{
		{StageNone, StageStaging, "majority", 1, 1}, {StageNone, StageStaging, "majority", 2, 1}, {StageNone, StageStaging, "majority", 3, 2}, {StageNone, StageStaging, "all", 9, 2},
		{StageStaging, StageProduction, "majority", 1, 1}, {StageStaging, StageProduction, "majority", 2, 2}, {StageStaging, StageProduction, "majority", 3, 2}, {StageStaging, StageProduction, "majority", 4, 3},
		{StageStaging, StageProduction, "all", 4, 4}, {StageStaging, StageProduction, "any", 4, 1}, {StageStaging, StageProduction, "", 5, 3},
		{StageArchived, StageProduction, "majority", 3, 2}, {StageProduction, StageArchived, "majority", 3, 2}, {StageProduction, StageStaging, "all", 3, 3},
		{StageStaging, StageArchived, "all", 5, 1}, {StageNone, StageArchived, "majority", 3, 1},
	} {
		if got := needed(fed.Policy{Production: c.production}, c.from, c.to, c.voters); got != c.want {
			t.Errorf("%s to %s by %q of %d: %d, want %d", c.from, c.to, c.production, c.voters, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	b := w.parties[1]
	v, err := b.reg.Register(t.Context(), w.input(1))
	must(t, err)
	if v.Number != 0 || v.State != StateReady || !strings.Contains(v.Sentence, "Alpha has not numbered it") {
		t.Errorf("before the admin: %+v", v)
	}
	if due := b.reg.Pending(b.id); len(due) != 0 {
		t.Errorf("a member has to append %v", due)
	}
	w.settle()
	if v, _ = b.reg.Version(v.ContentID); v.Number != 1 {
		t.Errorf("number %d", v.Number)
	}
	before := len(w.docs)
	same, err := b.reg.Register(t.Context(), w.input(1))
	must(t, err)
	if same.Number != 1 || len(w.docs) != before {
		t.Errorf("the same content again: %d, %d documents", same.Number, len(w.docs)-before)
	}
	if second := w.register(w.parties[2], 2); second.Number != 2 {
		t.Errorf("second version has the number %d", second.Number)
	}
	// A member's number, a number out of order and a second number count for nothing.
	b.write(fed.DocNumber, v.ContentID, NumberDoc{Model: "heart", ContentID: v.ContentID, Number: 3})
	w.parties[0].write(fed.DocNumber, v.ContentID, NumberDoc{Model: "heart", ContentID: v.ContentID, Number: 3})
	third, err := b.reg.Register(t.Context(), w.input(3))
	must(t, err)
	w.parties[0].write(fed.DocNumber, third.ContentID, NumberDoc{Model: "heart", ContentID: third.ContentID, Number: 7})
	w.settle()
	m, _ := b.reg.Model(projectID, "heart")
	var numbers []int
	for _, v := range m.Versions {
		numbers = append(numbers, v.Number)
	}
	if fmt.Sprint(numbers) != "[3 2 1]" {
		t.Errorf("numbers %v", numbers)
	}
	in := w.input(4)
	in.Model = "lung"
	other, err := b.reg.Register(t.Context(), in)
	must(t, err)
	w.settle()
	if other, _ = b.reg.Version(other.ContentID); other.Number != 1 || len(b.reg.Models()) != 2 {
		t.Errorf("another model counts from %d", other.Number)
	}
}

func TestPromotion(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	a, b, c := w.parties[0], w.parties[1], w.parties[2]
	v := w.register(a, 1)
	q := b.ask(v.ContentID, StageProduction)
	if q.State != AskProposed || q.Needed != 2 || len(q.Voters) != 3 || q.VoteOf(b.id) != "yes" || q.VoteOf(c.id) != "none" || q.VoteOf("x") != "notAsked" {
		t.Fatalf("request %+v", q)
	}
	if w.settle() != 0 || w.stage(v.ContentID) != StageNone {
		t.Fatal("one of three promoted")
	}
	if got := c.reg.Waiting(c.id); len(got) != 1 || len(b.reg.Waiting(b.id)) != 0 {
		t.Errorf("waiting %v", got)
	}
	c.vote(q, true)
	if got := w.request(b, q.ID); got.State != AskApproved || w.stage(v.ContentID) != StageNone {
		t.Fatalf("approved but not recorded: %+v", got)
	}
	if due := c.reg.Pending(c.id); len(due) != 0 {
		t.Fatal("a member records transitions")
	}
	w.settle()
	if w.stage(v.ContentID) != StageProduction || w.request(c, q.ID).State != AskApplied {
		t.Fatal("two of three did not promote")
	}
	h := c.reg.History(projectID, "heart")
	if len(h) != 1 || h[0].Prev != "" || h[0].State != "" || len(h[0].Votes) != 2 || h[0].Votes[0].Party != b.id || h[0].Votes[1].Party != c.id || h[0].Number != 1 {
		t.Fatalf("history %+v", h)
	}
	// The next one archives it in the same transition, and rolls back.
	v2 := w.register(a, 2)
	c.vote(b.ask(v2.ContentID, StageProduction), true)
	w.settle()
	if w.stage(v.ContentID) != StageArchived || w.stage(v2.ContentID) != StageProduction {
		t.Fatal("the former production version was not archived")
	}
	a.vote(c.ask(v.ContentID, StageProduction), true)
	w.settle()
	h = b.reg.History(projectID, "heart")
	if w.stage(v.ContentID) != StageProduction || w.stage(v2.ContentID) != StageArchived || len(h) != 3 || h[1].Prev != h[0].Hash || h[2].Prev != h[1].Hash || h[2].Archived != v2.ContentID {
		t.Fatalf("rollback: %+v", h)
	}
	if p, ok := c.reg.Production(projectID, "heart"); !ok || p.ContentID != v.ContentID {
		t.Errorf("production %+v", p)
	}
	if m := a.reg.Models(); m[0].Production != 1 {
		t.Errorf("production number %d", m[0].Production)
	}
}

func TestStagingNeedsTwoAndArchivingOne(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	v := w.register(w.parties[0], 1)
	q := w.parties[1].ask(v.ContentID, StageStaging)
	w.settle()
	if w.stage(v.ContentID) != StageNone {
		t.Fatal("one of three moved to staging")
	}
	w.parties[2].vote(q, true)
	w.settle()
	if w.stage(v.ContentID) != StageStaging {
		t.Fatal("two of three did not move to staging")
	}
	w.parties[2].ask(v.ContentID, StageArchived)
	w.settle()
	if w.stage(v.ContentID) != StageArchived {
		t.Fatal("one did not archive")
	}
}

func TestApproversAndAllAndAny(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	a, b, c := w.parties[0], w.parties[1], w.parties[2]
	v := w.register(a, 1)
	w.setPolicy(func(p *fed.Policy) { p.Production = "all" })
	q := a.ask(v.ContentID, StageProduction)
	b.vote(q, true)
	w.settle()
	if w.stage(v.ContentID) != StageNone {
		t.Fatal("two of three, all needed")
	}
	c.vote(q, true)
	w.settle()
	if w.stage(v.ContentID) != StageProduction {
		t.Fatal("all did not promote")
	}
	w.setPolicy(func(p *fed.Policy) { p.Production, p.Approvers = "any", []fed.PartyID{c.id} })
	v2 := w.register(a, 2)
	q = b.ask(v2.ContentID, StageProduction)
	w.settle()
	if w.stage(v2.ContentID) != StageNone || !slices.Equal(q.Voters, []fed.PartyID{c.id}) || len(q.Votes) != 0 {
		t.Fatalf("who asks is no approver: %+v", q)
	}
	wantKind(t, a.reg.Vote(t.Context(), q.ID, true, ""), fed.Permission)
	c.vote(q, true)
	w.settle()
	if w.stage(v2.ContentID) != StageProduction {
		t.Fatal("the approver did not promote")
	}
}

func TestRejectedWithdrawnExpiredVoid(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	a, b, c := w.parties[0], w.parties[1], w.parties[2]
	v := w.register(a, 1)
	q := a.ask(v.ContentID, StageProduction)
	b.vote(q, false)
	c.vote(q, false)
	if got := w.request(a, q.ID); got.State != AskRejected || got.Open() {
		t.Errorf("rejected: %+v", got)
	}
	wantKind(t, b.reg.Vote(t.Context(), q.ID, true, ""), fed.Exists)

	q = a.ask(v.ContentID, StageProduction)
	_, err := b.reg.Ask(t.Context(), v.ContentID, StageProduction, "because I want it too")
	wantKind(t, err, fed.Exists)
	wantKind(t, b.reg.Withdraw(t.Context(), q.ID, ""), fed.Permission)
	must(t, a.reg.Withdraw(t.Context(), q.ID, "wrong version"))
	if got := w.request(c, q.ID); got.State != AskWithdrawn {
		t.Errorf("withdrawn: %+v", got)
	}

	q = a.ask(v.ContentID, StageProduction)
	w.now = w.now.Add(AskDays*24*time.Hour + time.Minute)
	if got := w.request(b, q.ID); got.State != AskExpired {
		t.Errorf("expired: %+v", got)
	}
	wantKind(t, b.reg.Vote(t.Context(), q.ID, true, ""), fed.Exists)

	q = a.ask(v.ContentID, StageProduction)
	w.setPolicy(func(p *fed.Policy) { p.Production = "any" })
	if got := w.request(b, q.ID); got.State != AskExpired || !strings.Contains(got.Sentence, "policy") {
		t.Errorf("after a new policy: %+v", got)
	}
	w.setPolicy(func(p *fed.Policy) { p.Production = "majority" })

	s := a.ask(v.ContentID, StageStaging) // both are open now
	c.vote(s, true)
	w.settle()
	if got := w.request(b, q.ID); got.State != AskExpired || !strings.Contains(got.Sentence, "stage has changed") || w.stage(v.ContentID) != StageStaging {
		t.Errorf("after another transition: %+v", got)
	}
}

func TestAskRefuses(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta")
	a := w.parties[0]
	v := w.register(a, 1)
	for _, c := range []struct {
		id, to, reason string
		kind           fed.Kind
	}{
		{v.ContentID, StageStaging, "too short", fed.Invalid},
		{v.ContentID, StageStaging, strings.Repeat("x", MaxReason+1), fed.Invalid},
		{v.ContentID, StageStaging, "bytes \xff\xfe that are no text", fed.Invalid},
		{v.ContentID, StageNone, "because the tests say so", fed.Invalid},
		{v.ContentID, "live", "because the tests say so", fed.Invalid},
		{"sha256:" + strings.Repeat("0", 64), StageStaging, "because the tests say so", fed.NotFound},
	} {
		_, err := a.reg.Ask(t.Context(), c.id, c.to, c.reason)
		wantKind(t, err, c.kind)
	}
	if err := a.reg.Vote(t.Context(), "nothing", true, ""); fed.KindOf(err) != fed.NotFound {
		t.Error(err)
	}
	w.members = w.members[1:]
	_, err := a.reg.Ask(t.Context(), v.ContentID, StageStaging, "because the tests say so")
	wantKind(t, err, fed.Permission)
}

// Two requests that are approved at the same moment leave one production version,
// and all who hear of it in any order agree which.
func TestTwoPromotionsAtOnce(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	a, b, c := w.parties[0], w.parties[1], w.parties[2]
	v1, v2 := w.register(a, 1), w.register(a, 2)
	q1, q2 := b.ask(v1.ContentID, StageProduction), c.ask(v2.ContentID, StageProduction)
	a.vote(q2, true)
	a.vote(q1, true)
	if due := a.reg.Pending(a.id); len(due) != 1 {
		t.Fatalf("%d transitions of one model at once", len(due))
	}
	w.settle()
	stages := []string{w.stage(v1.ContentID), w.stage(v2.ContentID)}
	slices.Sort(stages)
	if fmt.Sprint(stages) != "[archived production]" {
		t.Fatalf("stages %v", stages)
	}
	if h := a.reg.History(projectID, "heart"); len(h) != 2 || h[1].Prev != h[0].Hash {
		t.Errorf("history %+v", h)
	}
}

// summary is everything that screens show of a registry.
func summary(r *Registry, w *world) any {
	return []any{r.Models(), r.History(projectID, "heart"), r.Requests(projectID, "heart"), r.Pending(w.parties[0].id)}
}

// Whatever order the authors' chains arrive in, the state is the same.
func TestStateDoesNotDependOnTheOrder(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma", "Delta")
	a, b, c, d := w.parties[0], w.parties[1], w.parties[2], w.parties[3]
	v1, v2 := w.register(b, 1), w.register(c, 2)
	q := b.ask(v1.ContentID, StageProduction)
	c.vote(q, true)
	d.vote(q, false)
	a.vote(q, true)
	w.settle()
	q = d.ask(v2.ContentID, StageProduction)
	a.vote(q, true)
	c.vote(q, true)
	w.settle()
	d.write(fed.DocLeave, "", fed.ReasonDoc{})
	must(t, b.reg.Withdraw(t.Context(), b.ask(v1.ContentID, StageProduction).ID, ""))
	a.ask(v1.ContentID, StageProduction)
	want := summary(a.reg, w)
	for seed := range uint64(25) {
		r := w.catchUp(a, seed)
		for _, d := range w.docs {
			r.Apply(d) // a second delivery is harmless
		}
		if diff := cmp.Diff(want, summary(r, w)); diff != "" {
			t.Fatalf("seed %d:\n%s", seed, diff)
		}
	}
	h := a.reg.History(projectID, "heart")
	if len(h) != 2 || h[0].State+h[1].State != "" {
		t.Fatalf("history %+v", h)
	}
}

// forge lets the admin record a transition for q with the given votes, whatever
// they are worth, and returns what a party makes of it.
func forge(w *world, q StageRequest, change func(*DoneDoc)) (Transition, Version) {
	a := w.parties[0]
	a.reg.mu.Lock()
	st := a.reg.reduce(a.reg.projects[projectID])
	var done DoneDoc
	for h, ask := range st.shelf.asks {
		if requestID(h) == q.ID {
			done = st.record(ask, st.request(ask))
		}
	}
	a.reg.mu.Unlock()
	change(&done)
	a.write(fed.DocStageDone, done.Model, done)
	c := w.parties[2]
	h := c.reg.History(projectID, "heart")
	v, _ := c.reg.Version(q.ContentID)
	return h[len(h)-1], v
}

// A dishonest admin cannot promote: each forged record is disputed by everybody,
// changes no stage, and the honest one after it still applies (R2).
func TestForgedTransitionsAreDisputed(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(w *world, v1, v2 Version, q StageRequest, done *DoneDoc)
		want string
	}{
		{"without a quorum", func(_ *world, _, _ Version, _ StageRequest, _ *DoneDoc) {}, "1 of the 2 approvals"},
		{"one vote twice", func(w *world, _, _ Version, q StageRequest, d *DoneDoc) {
			w.parties[2].vote(q, true)
			v := w.request(w.parties[0], q.ID).Votes[1].Hash
			d.Votes = []fed.Digest{v, v}
		}, "counts Gamma twice"},
		{"a replayed vote for another request", func(w *world, _, v2 Version, _ StageRequest, d *DoneDoc) {
			other := w.parties[1].ask(v2.ContentID, StageProduction)
			w.parties[2].vote(other, true)
			d.Votes = []fed.Digest{w.request(w.parties[0], other.ID).Votes[1].Hash}
		}, "does not count"},
		{"a no as a yes", func(w *world, _, _ Version, q StageRequest, d *DoneDoc) {
			w.parties[2].vote(q, false)
			d.Votes = []fed.Digest{w.request(w.parties[0], q.ID).Votes[1].Hash}
		}, "does not count"},
		{"a vote that came too late", func(w *world, _, _ Version, q StageRequest, d *DoneDoc) {
			w.now = w.now.Add(AskDays * 24 * time.Hour)
			d.Votes = []fed.Digest{writeVote(w, w.parties[2], q)}
			w.now = w.now.Add(-AskDays * 24 * time.Hour)
		}, "does not count"},
		{"recorded after the expiry", func(w *world, _, _ Version, q StageRequest, d *DoneDoc) {
			d.Votes = []fed.Digest{writeVote(w, w.parties[2], q)}
			w.now = w.now.Add(AskDays * 24 * time.Hour)
		}, "had expired"},
		{"a vote of an ex-member", func(w *world, _, _ Version, q StageRequest, d *DoneDoc) {
			w.parties[2].write(fed.DocLeave, "", fed.ReasonDoc{})
			d.Votes = []fed.Digest{writeVote(w, w.parties[2], q)}
		}, "does not count"},
		{"a vote of nobody on the roster", func(w *world, _, _ Version, q StageRequest, d *DoneDoc) {
			d.Votes = []fed.Digest{writeVote(w, w.parties[3], q)}
		}, "does not count"},
		{"for another version", func(_ *world, _, v2 Version, _ StageRequest, d *DoneDoc) { d.ContentID = v2.ContentID }, "something else than its request"},
		{"to another stage", func(_ *world, _, _ Version, _ StageRequest, d *DoneDoc) { d.To = StageStaging }, "something else than its request"},
		{"with another reason", func(_ *world, _, _ Version, _ StageRequest, d *DoneDoc) { d.Reason = "a better reason than that" }, "something else than its request"},
		{"with a gap in the chain", func(w *world, _, _ Version, q StageRequest, d *DoneDoc) {
			d.Votes = []fed.Digest{writeVote(w, w.parties[2], q)}
			d.Prev = fed.DigestOf([]byte("another history"))
		}, "does not follow"},
		{"archiving what is not production", func(w *world, _, v2 Version, q StageRequest, d *DoneDoc) {
			d.Votes = []fed.Digest{writeVote(w, w.parties[2], q)}
			d.Archived = v2.ContentID
		}, "does not archive the former"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "Alpha", "Beta", "Gamma", "Delta")
			w.members = w.members[:3]
			delta := w.parties[3]
			delta.write(fed.DocLeave, "", fed.ReasonDoc{})
			in := w.input(1)
			in.Parties = slices.DeleteFunc(in.Parties, func(p LineageParty) bool { return p.Party == delta.id })
			v1, err := w.parties[0].reg.Register(t.Context(), in)
			must(t, err)
			w.settle()
			v2 := w.register(w.parties[0], 2)
			if c.name == "one vote twice" {
				w.setPolicy(func(p *fed.Policy) { p.Production = "all" })
			}
			q := w.parties[1].ask(v1.ContentID, StageProduction)
			tr, v := forge(w, q, func(d *DoneDoc) { c.make(w, v1, v2, q, d) })
			if tr.State != StateDisputed || !strings.Contains(tr.Problem, c.want) {
				t.Fatalf("transition %q: %s, want %q", tr.State, tr.Problem, c.want)
			}
			if v1, _ := w.parties[2].reg.Version(v1.ContentID); v1.Stage != StageNone {
				t.Fatalf("stage %s", v1.Stage)
			}
			if tr.ContentID == v.ContentID && v.State != StateDisputed {
				t.Errorf("the version is %s", v.State)
			}
			if _, err := w.parties[2].reg.Files(t.Context(), tr.ContentID); fed.KindOf(err) != fed.Corrupt {
				t.Errorf("a disputed version can be loaded: %v", err)
			}
		})
	}
}

// A request is good for one transition, from the stage that it names.
func TestRequestsAreNotAppliedAgain(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	a, b, c := w.parties[0], w.parties[1], w.parties[2]
	v := w.register(a, 1)
	toStaging, toProduction := b.ask(v.ContentID, StageStaging), b.ask(v.ContentID, StageProduction)
	c.vote(toStaging, true)
	w.settle()
	votes := []fed.Digest{writeVote(w, c, toProduction)} // from none, where it is no more
	if tr, _ := forge(w, toProduction, func(d *DoneDoc) { d.Votes = votes }); tr.State != StateDisputed || !strings.Contains(tr.Problem, "another stage") {
		t.Fatalf("%+v", tr)
	}
	again := b.ask(mustClear(t, w, v), StageProduction)
	c.vote(again, true)
	w.settle()
	back := b.ask(v.ContentID, StageStaging)
	c.vote(back, true)
	w.settle()
	if w.stage(v.ContentID) != StageStaging {
		t.Fatal("not back in staging")
	}
	if tr, _ := forge(w, again, func(d *DoneDoc) {}); tr.State != StateDisputed || !strings.Contains(tr.Problem, "applied before") || w.stage(v.ContentID) != StageStaging {
		t.Fatalf("%+v", tr)
	}
}

// mustClear archives a disputed version by an honest record, which clears the
// dispute, and returns it.
func mustClear(t *testing.T, w *world, v Version) string {
	t.Helper()
	a := w.parties[0]
	got, _ := a.reg.Version(v.ContentID)
	voters := slices.Sorted(slices.Values(w.members))
	d := a.write(fed.DocStageAsk, v.ContentID, AskDoc{
		Model: v.Model, ContentID: v.ContentID, From: got.Stage, To: StageArchived, Reason: "because it is disputed",
		Policy: PolicyDigest(w.policy), Voters: voters, ExpiresMs: w.now.UnixMilli() + 1000*3600,
	})
	w.settle()
	if got := w.request(a, requestID(d.Hash())); got.State != AskApplied {
		t.Fatalf("%+v", got)
	}
	return v.ContentID
}

// writeVote appends a yes whatever the registry thinks of it.
func writeVote(w *world, p *party, q StageRequest) fed.Digest {
	var ask fed.Digest
	for h := range w.parties[0].reg.projects[projectID].asks {
		if requestID(h) == q.ID {
			ask = h
		}
	}
	return p.write(fed.DocStageVote, q.ID, VoteDoc{Request: q.ID, Ask: ask, Model: q.Model, ContentID: q.ContentID, To: q.To, Yes: true}).Hash()
}

// An honest record after a disputed one applies, and clears the dispute.
func TestHonestRecordAfterAForgedOne(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	v := w.register(w.parties[0], 1)
	q := w.parties[1].ask(v.ContentID, StageProduction)
	if tr, _ := forge(w, q, func(*DoneDoc) {}); tr.State != StateDisputed {
		t.Fatalf("%+v", tr)
	}
	w.parties[2].vote(q, true)
	w.settle()
	got, _ := w.parties[1].reg.Version(v.ContentID)
	if w.stage(v.ContentID) != StageProduction || got.State != StateReady {
		t.Errorf("%+v", got)
	}
}

// A vote with a forged signature counts for nothing. The same vote counts when
// signatures are not checked: that is what the check is for.
func TestForgedVote(t *testing.T) {
	for _, check := range []bool{true, false} {
		w := newWorld(t, "Alpha", "Beta", "Gamma")
		v := w.register(w.parties[0], 1)
		q := w.parties[1].ask(v.ContentID, StageProduction)
		forger := w.registry(w.parties[0])
		if !check {
			forger.ports.Keys = trusting{w.parties[0]}
		}
		for _, d := range w.docs {
			forger.Apply(d)
		}
		gamma := w.parties[2]
		var ask fed.Digest
		for h := range w.parties[0].reg.projects[projectID].asks {
			ask = h
		}
		body, err := canonical(VoteDoc{Request: q.ID, Ask: ask, Model: q.Model, ContentID: q.ContentID, To: q.To, Yes: true})
		must(t, err)
		d := fed.Doc{Scope: fed.ScopeProject(projectID), Author: gamma.id, Seq: uint64(len(gamma.chain)) + 1, Kind: fed.DocStageVote, Subject: q.ID, TimeMs: w.now.UnixMilli(), Body: body, Key: gamma.spki}
		w.parties[1].sign(&d) // Beta signs for Gamma
		forger.Apply(d)
		if promoted := len(forger.Pending(w.parties[0].id)) == 1; promoted == check {
			t.Errorf("signatures checked: %v, promoted: %v", check, promoted)
		}
	}
}

type trusting struct{ *party }

func (trusting) Verify([]byte, string, []byte, []byte) bool { return true }

// A party with two devices that write at once has one vote: the second document
// in a place of the chain is no document.
func TestTwoDevicesAreOneVote(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma", "Delta", "Epsilon")
	v := w.register(w.parties[0], 1)
	q := w.parties[1].ask(v.ContentID, StageProduction)
	gamma := w.parties[2]
	first := gamma.chain
	writeVote(w, gamma, q)
	gamma.chain = first // the other device does not know of it
	writeVote(w, gamma, q)
	writeVote(w, gamma, q) // nor does a later one of the same party count
	got := w.request(w.parties[0], q.ID)
	if len(got.Votes) != 2 || w.settle() != 0 {
		t.Errorf("votes %+v", got.Votes)
	}
}

// A tampered record in a party's own store is shown and does not count.
func TestTamperedHistory(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	v := w.register(w.parties[0], 1)
	w.parties[2].vote(w.parties[1].ask(v.ContentID, StageProduction), true)
	w.settle()
	r := w.registry(w.parties[1])
	for _, d := range w.docs {
		if d.Kind == fed.DocStageDone {
			d.Body = bytes.Replace(d.Body, []byte("because the tests"), []byte("because the pests"), 1)
		}
		r.Apply(d)
	}
	h := r.History(projectID, "heart")
	got, _ := r.Version(v.ContentID)
	if len(h) != 1 || h[0].State != StateDisputed || !strings.Contains(h[0].Problem, "signature") || got.State != StateDisputed || got.Stage != StageNone {
		t.Errorf("%+v\n%+v", h, got)
	}
	if _, err := r.Files(t.Context(), v.ContentID); fed.KindOf(err) != fed.Corrupt {
		t.Errorf("served: %v", err)
	}
}

// A record whose votes have not arrived waits; it is neither applied nor called
// forged.
func TestRecordBeforeItsVotes(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	v := w.register(w.parties[0], 1)
	q := w.parties[1].ask(v.ContentID, StageProduction)
	w.parties[2].vote(q, true)
	w.settle()
	r := w.registry(w.parties[1])
	var late []fed.Doc
	for _, d := range w.docs {
		if d.Kind == fed.DocStageVote {
			late = append(late, d)
			continue
		}
		r.Apply(d)
	}
	h := r.History(projectID, "heart")
	if got, _ := r.Version(v.ContentID); len(h) != 1 || h[0].State != "waiting" || got.Stage != StageNone || got.State != StateReady {
		t.Fatalf("%+v", h)
	}
	for _, d := range late {
		r.Apply(d)
	}
	if got, _ := r.Version(v.ContentID); got.Stage != StageProduction {
		t.Errorf("after the votes: %+v", got)
	}
}

// The asker cannot choose the voters.
func TestChosenVotersAreVoid(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	a, b := w.parties[0], w.parties[1]
	v := w.register(a, 1)
	for name, change := range map[string]func(*AskDoc){
		"only oneself":       func(q *AskDoc) { q.Voters = []fed.PartyID{b.id} },
		"a stranger":         func(q *AskDoc) { q.Voters = append(q.Voters, fed.PartyID(strings.Repeat("Z", 52))) },
		"a month to vote":    func(q *AskDoc) { q.ExpiresMs += askMs },
		"an unknown policy":  func(q *AskDoc) { q.Policy = fed.DigestOf(nil) },
		"another model name": func(q *AskDoc) { q.Model = "lung" },
	} {
		_, doc, err := b.reg.proposal(v.ContentID, StageProduction, "because the tests say so")
		must(t, err)
		change(&doc)
		d := b.write(fed.DocStageAsk, v.ContentID, doc)
		got := w.request(a, requestID(d.Hash()))
		if w.settle() != 0 || got.State == AskApproved || w.stage(v.ContentID) != StageNone {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// An early date on the request leaves nobody out.
	_, doc, err := b.reg.proposal(v.ContentID, StageProduction, "because the tests say so")
	must(t, err)
	doc.Voters = []fed.PartyID{b.id}
	w.now = w.now.Add(-240 * time.Hour)
	doc.ExpiresMs -= 240 * 3600 * 1000
	d := b.write(fed.DocStageAsk, v.ContentID, doc)
	w.now = w.now.Add(240 * time.Hour)
	if got := w.request(a, requestID(d.Hash())); got.Open() {
		t.Errorf("back-dated: %+v", got)
	}
}

func TestWhoLeftIsNotAsked(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	a, b, c := w.parties[0], w.parties[1], w.parties[2]
	v := w.register(a, 1)
	c.write(fed.DocLeave, "", fed.ReasonDoc{Reason: "enough"})
	w.members = []fed.PartyID{a.id, b.id}
	q := a.ask(v.ContentID, StageProduction)
	if len(q.Voters) != 2 || q.Needed != 2 {
		t.Fatalf("%+v", q)
	}
	b.vote(q, true)
	w.settle()
	if w.stage(v.ContentID) != StageProduction {
		t.Error("not promoted")
	}
	// An old policy still bears out the history after it was replaced.
	w.setPolicy(func(p *fed.Policy) { p.Production = "all" })
	if w.stage(v.ContentID) != StageProduction {
		t.Error("a new policy rewrote history")
	}
}

func TestReceivingAndVerify(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	a, b := w.parties[0], w.parties[1]
	v, err := a.reg.Register(t.Context(), w.input(1))
	must(t, err)
	w.settle()
	got, _ := b.reg.Version(v.ContentID)
	refs, holders := b.reg.Missing(v.ContentID)
	if got.State != StateReceiving || got.Have != 0 || len(refs) != 9 || !slices.Equal(holders, []fed.PartyID{a.id}) {
		t.Fatalf("%+v, %v from %v", got, refs, holders)
	}
	_, err = b.reg.Files(t.Context(), v.ContentID)
	wantKind(t, err, fed.Unavailable)
	if c := b.reg.Verify(t.Context(), v.ContentID); c[1].OK || !strings.HasPrefix(c[1].Text, "Not yet") {
		t.Errorf("%+v", c)
	}
	if got, _ := b.reg.Version(v.ContentID); got.State != StateReceiving {
		t.Errorf("missing files made it %s", got.State)
	}
	for _, r := range refs {
		b.blobs[r.Digest] = a.blobs[r.Digest]
	}
	for _, c := range b.reg.Verify(t.Context(), v.ContentID) {
		if !c.OK {
			t.Errorf("%+v", c)
		}
	}
	files, err := b.reg.Files(t.Context(), v.ContentID)
	must(t, err)
	if "sha256:"+string(fed.DigestOf(files[FileManifest])) != v.ContentID {
		t.Error("manifest.json is not what the content id names")
	}
	card, err := b.reg.Card(t.Context(), v.ContentID)
	must(t, err)
	m, err := b.reg.Metrics(t.Context(), v.ContentID)
	must(t, err)
	l, err := b.reg.Lineage(t.Context(), v.ContentID)
	must(t, err)
	s, err := b.reg.Signature(t.Context(), v.ContentID)
	must(t, err)
	if !strings.HasPrefix(card, "# heart") || m.Pooled["auc"] != .9 || l.Round != 17 || len(s.Inputs) != 3 || s.Classes[1] != "disease" || !b.reg.Used(refs[0].Digest) || b.reg.Used(fed.DigestOf(nil)) {
		t.Errorf("%v %v %v %v", card, m, l, s)
	}
	if out, err := b.reg.Export(t.Context(), v.ContentID); err != nil || out["signatures/"+string(a.id)+".json"] == nil {
		t.Errorf("export %v", err)
	}
}

// One flipped byte on disk: disputed, not served, not promoted; a good copy heals.
func TestRottenBlob(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta")
	b := w.parties[1]
	v := w.register(w.parties[0], 1)
	ref := v.Files[slices.IndexFunc(v.Files, func(f FileRef) bool { return f.Path == FileParams })].Blob
	good := slices.Clone(b.blobs[ref.Digest])
	b.blobs[ref.Digest] = append(slices.Clone(good[:len(good)-1]), good[len(good)-1]^1)
	checks := b.reg.Verify(t.Context(), v.ContentID)
	if checks[1].OK || checks[4].OK {
		t.Fatalf("%+v", checks)
	}
	if got, _ := b.reg.Version(v.ContentID); got.State != StateDisputed {
		t.Errorf("state %s", got.State)
	}
	_, err := b.reg.Files(t.Context(), v.ContentID)
	wantKind(t, err, fed.Corrupt)
	_, err = b.reg.Ask(t.Context(), v.ContentID, StageStaging, "because the tests say so")
	wantKind(t, err, fed.Corrupt)
	b.blobs[ref.Digest] = good
	b.reg.Verify(t.Context(), v.ContentID)
	if got, _ := b.reg.Version(v.ContentID); got.State != StateReady {
		t.Errorf("healed: %s", got.State)
	}
}

// A version that answers its examples differently is found out by Verify.
func TestSelfTestFails(t *testing.T) {
	w := newWorld(t, "Alpha")
	a := w.parties[0]
	v := w.register(a, 1)
	a.reg.ports.Score = func(files map[string][]byte, rows []map[string]any) ([][]float64, error) {
		out, err := fakeScore(files, rows)
		out[3][1] += 2e-6
		return out, err
	}
	checks := a.reg.Verify(t.Context(), v.ContentID)
	if checks[4].OK || !strings.Contains(checks[4].Text, "row 4") {
		t.Errorf("%+v", checks)
	}
	if got, _ := a.reg.Version(v.ContentID); got.State != StateDisputed {
		t.Errorf("state %s", got.State)
	}
}

// Hostile version documents are never numbered, and never spoil a good one.
func TestHostileVersions(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Gamma")
	a, b := w.parties[0], w.parties[1]
	m, files, err := Build(w.input(1))
	must(t, err)
	id, err := ContentID(m)
	must(t, err)
	doc := VersionDoc{Model: "heart", ContentID: id, Manifest: m}
	for _, f := range m.Files {
		ref, _ := b.PutBytes(t.Context(), files[f.Path])
		doc.Files = append(doc.Files, FileRef{f.Path, ref})
	}
	for name, change := range map[string]func(*VersionDoc){
		"another manifest":       func(d *VersionDoc) { d.Manifest.Round++ },
		"another model":          func(d *VersionDoc) { d.Model = "lung" },
		"a file less":            func(d *VersionDoc) { d.Files = d.Files[1:] },
		"a file of another size": func(d *VersionDoc) { d.Files = slices.Clone(d.Files); d.Files[0].Blob.Size++ },
		"a path out of the house": func(d *VersionDoc) {
			d.Manifest.Files = slices.Clone(d.Manifest.Files)
			d.Manifest.Files[0].Path = "../x"
		},
		"an impossible name": func(d *VersionDoc) { d.Model = "a b" },
	} {
		bad := doc
		change(&bad)
		b.write(fed.DocVersion, bad.ContentID, bad)
		if n := w.settle(); n != 0 {
			t.Errorf("%s: numbered", name)
		}
		if v, ok := a.reg.Version(id); ok && v.State != StateDisputed {
			t.Errorf("%s: %s", name, v.State)
		}
	}
	b.write(fed.DocVersion, "sha256:x", map[string]any{"contentId": 3})
	b.write(fed.DocStageDone, "heart", map[string]any{"ask": ""})
	b.write(fed.DocStageVote, "", map[string]any{"ask": "00"})
	v := w.register(w.parties[2], 1)
	if got, _ := a.reg.Version(v.ContentID); got.State != StateReady || got.Number != 1 || !slices.Equal(got.Signers, []fed.PartyID{w.parties[2].id}) {
		t.Errorf("the good one: %+v", got)
	}
}

// Who writes down the content id of a version that is still to come, in this project
// or another, takes nothing from it.
func TestContentIDsCannotBeTaken(t *testing.T) {
	w := newWorld(t, "Alpha", "Beta", "Mallory")
	a, liar := w.parties[0], w.parties[2]
	m, _, err := Build(w.input(1))
	must(t, err)
	id, err := ContentID(m)
	must(t, err)
	other := m
	other.Round++
	for scope, manifest := range map[string]Manifest{
		fed.ScopeProject(projectID): other, fed.ScopeProject(fed.ProjectID(strings.Repeat("0", 32))): m, fed.ScopeProject(fed.ProjectID(strings.Repeat("1", 32))): other,
	} {
		doc := VersionDoc{Model: m.Model, ContentID: id, Manifest: manifest}
		for _, f := range m.Files {
			doc.Files = append(doc.Files, FileRef{Path: f.Path, Blob: fed.BlobRef{Digest: f.SHA256, Size: f.Bytes}})
		}
		d, err := liar.Append(t.Context(), scope, fed.DocVersion, id, doc)
		must(t, err)
		a.reg.Apply(d)
	}
	w.settle()
	if v, ok := a.reg.Version(id); ok {
		t.Fatalf("taken: %+v", v)
	}
	if v := w.register(a, 1); v.ContentID != id || v.Project != projectID || v.State != StateReady || v.By != a.id || v.Number != 1 {
		t.Errorf("%+v", v)
	}
}

func (p *party) PutBytes(ctx context.Context, b []byte) (fed.BlobRef, error) {
	return p.blobs.PutBytes(ctx, b)
}
