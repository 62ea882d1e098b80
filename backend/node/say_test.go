package node

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
)

// walkOut leaves a project as a program does that lets go of nothing: its grids and
// runs go on here. It returns when the others know.
func (h *Hospital) walkOut(project string, others ...*Hospital) {
	h.t.Helper()
	id := fed.ProjectID(project)
	must(h.book.Append(h.t.Context(), fed.ScopeProject(id), fed.DocLeave, project, fed.ReasonDoc{}))(h.t)
	for _, o := range append(others, h) {
		Eventually(h.t, o.Name+" to hear that "+h.Name+" left", func() bool { return !o.takesPart(h.me(), id) })
	}
}

// freeze writes the documents of a run of the given members as a party's own program
// would not, and returns its id.
func (h *Hospital) freeze(project string, cfg fed.RunConfig, members ...fed.RunMember) fed.RunID {
	h.t.Helper()
	p, _ := h.projects.Get(fed.ProjectID(project))
	nonce := newHex()
	doc := fed.ExperimentDoc{ID: fed.NewExperimentID(p.ID, h.me(), nonce), Nonce: nonce, Name: "More", Config: cfg, Space: map[string]fed.Dimension{}, Method: "single"}
	runs := must(experiment.Freeze(p.ID, doc, p.Alignment.Digest, members))(h.t)
	must(h.book.Append(h.t.Context(), fed.ScopeProject(p.ID), fed.DocExperiment, string(doc.ID), doc))(h.t)
	must(h.book.Append(h.t.Context(), fed.ScopeProject(p.ID), fed.DocRun, string(runs[0].ID), runs[0]))(h.t)
	return runs[0].ID
}

// beat is the first message of a coordinator that somebody claims to be.
func (s *siege) beat(id fed.RunID) {
	s.t.Helper()
	r, _ := s.mark.tracker.Run(id)
	var voters []fed.PartyID
	for _, m := range r.Members {
		voters = append(voters, m.Party)
	}
	m := must(toWire(id, round.Round{Members: round.Elect(voters), Term: 1, Empty: true}, fed.BlobRef{}))(s.t)
	if err := s.net().Send(s.t.Context(), s.mark.me(), m); err != nil {
		s.t.Fatal(err)
	}
}

func (s *siege) noGrid(id fed.RunID) {
	s.t.Helper()
	for range 3 {
		from := time.Now()
		Eventually(s.t, "a heartbeat", func() bool { return time.Since(from) > s.mark.opts.Timers.Heartbeat })
	}
	if s.mark.grids.get(id) != nil {
		s.t.Errorf("%s has opened the grid", s.mark.Name)
	}
}

// Who has left a project cannot have the others train for it, neither by a run that
// it queued before nor by one that it queues then.
func TestWhoLeftCannotOpenARun(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(2)
	project := l.Project(cfg, nil)
	mark, liar := l.Hospital[1], l.Hospital[2]
	p, _ := liar.projects.Get(fed.ProjectID(project))
	var closed atomic.Bool
	closed.Store(true)
	mark.net.Handle(func(ctx context.Context, from fed.PartyID, m wire.Message) (wire.Message, error) {
		if q, ok := m.(wire.Query); ok && q.Name == askOpen && closed.Load() {
			return nil, fed.Errorf(fed.Unavailable, "", "the line is bad")
		}
		return mark.handle(ctx, from, m)
	})
	before := fed.RunID(liar.Queue(project, cfg))
	Eventually(t, "the run to arrive", func() bool { _, ok := mark.tracker.Run(before); return ok })
	liar.walkOut(project, mark, l.Hospital[0])
	closed.Store(false)
	s := &siege{t: t, project: project, run: string(before), liar: liar, mark: mark}
	r, _ := mark.tracker.Run(before)
	body, _ := json.Marshal(r.Run)
	s.refusal("a place", "query: permission", wire.Query{Name: askOpen, Body: body})
	counted := mark.counted("round: permission")
	s.beat(before)
	s.counts("a late place", "round: permission", counted)
	s.noGrid(before)

	muted := mark.counted("run: its author takes no part")
	after := liar.freeze(project, cfg, p.RunMembers()...)
	s.counts("a run after leaving", "run: its author takes no part", muted)
	short, _ := json.Marshal(fed.Run{ID: after})
	s.refusal("a place in it", "query: unavailable", wire.Query{Name: askOpen, Body: short})
	s.noGrid(after)

	// Nor can a member have those train who left.
	next := l.Hospital[0].freeze(project, cfg, p.RunMembers()...)
	d := l.Hospital[0].Ended(string(next), "failed")
	same(t, "reason", d.Run.EndReason, "consent_denied")
}

// A run with a party that is only invited waits: nobody trains for it, and once the
// party has accepted the run begins.
func TestARunWaitsForALateAcceptance(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(2)
	a, mark, late := l.Hospital[0], l.Hospital[1], l.Hospital[2]
	project := (&Lab{T: t, Hospital: l.Hospital[:2]}).Project(cfg, nil)
	must(a.InviteParties(t.Context(), project, []string{late.id()}))(t)
	late.Data = must(late.AddDataset(t.Context(), CohortFiles(t)[0], late.Name))(t).ID
	Eventually(t, "its file", func() bool { return must(late.Dataset(t.Context(), late.Data))(t).State == "ready" })
	p, _ := a.projects.Get(fed.ProjectID(project))
	run := a.freeze(project, cfg, append(p.RunMembers(), fed.RunMember{Party: late.me(), Name: late.Name, Rank: 2})...)
	for _, h := range l.Hospital {
		Eventually(t, "the run to arrive", func() bool { _, ok := h.tracker.Run(run); return ok })
	}
	Eventually(t, "the run to wait", func() bool {
		d, _ := a.run(string(run))
		return d.Run.State == "queued" && strings.Contains(d.Run.Sentence, late.Name)
	})
	s := &siege{t: t, project: project, run: string(run), liar: late, mark: mark}
	counted := mark.counted("round: unavailable")
	s.beat(run)
	s.counts("a place for who is only invited", "round: unavailable", counted)
	s.noGrid(run)
	late.accept(project, view.Limits{})
	d := l.OneTruth(project, string(run))
	for _, r := range d.Rounds[1:] {
		same(t, "parties of a round", len(r.Parties), 3)
	}
}

// Who leaves in mid-run, and lets go of nothing, receives neither messages nor blobs
// of the run and is not heard; the others finish it.
func TestWhoLeftReceivesNothing(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(5)
	project := l.Project(cfg, map[string]view.Limits{"Hillcrest": {MinParties: 2}})
	releases := map[*Hospital]func(){}
	for _, h := range l.Hospital {
		releases[h] = h.brake(2)
	}
	run := l.Hospital[0].Queue(project, cfg)
	lead, others := l.coordinator(run)
	lead.round(run, 2)
	liar, stays := others[1], others[0]
	if liar == l.Hospital[0] { // the admin cannot leave
		liar, stays = stays, liar
	}
	Eventually(t, "round 2 at "+liar.Name, func() bool { d, _ := liar.run(run); return d.Run.Round == 2 })
	liar.walkOut(project, lead, stays)
	for _, release := range releases {
		release()
	}
	d := l.oneTruth(project, run, lead, stays)
	same(t, "parties of the last round", len(d.Rounds[len(d.Rounds)-1].Parties), 2)
	for _, what := range []string{"round", "eval", "score"} {
		if lead.counted(what+": not sent to who takes no part") == 0 {
			t.Errorf("%s: nothing was held back", what)
		}
	}
	r, _ := lead.tracker.Run(fed.RunID(run))
	s := &siege{t: t, project: project, run: run, liar: liar, mark: lead}
	for n, rec := range r.Rounds {
		ref := must(lead.store.Ref(rec.Digest))(t)
		switch {
		case n <= 2:
		case liar.store.Has(ref.Digest):
			t.Errorf("round %d has reached who left", n)
		default:
			before := lead.counted("blob: permission")
			if err := liar.fetch(t.Context(), lead.me(), ref); err == nil {
				t.Errorf("round %d was given to who left", n)
			}
			s.counts("a blob", "blob: permission", before)
		}
	}
	s.refusal("sums", "eval: permission", wire.Eval{EvalAsk: fed.EvalAsk{Run: fed.RunID(run), Params: must(lead.store.Ref(r.End.Params))(t), Part: "test"}})
	before := lead.counted("control: permission") + lead.counted("control: not_found")
	if err := s.net().Send(t.Context(), lead.me(), wire.Control{Grid: fed.RunID(run), Action: "pause"}); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "the wish to be refused", func() bool {
		return lead.counted("control: permission")+lead.counted("control: not_found") > before
	})
}

// A consent for a number of parties counts those that are still in, and not those
// that were when the run was queued.
func TestConsentCountsWhoIsStillIn(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(2)
	project := l.Project(cfg, map[string]view.Limits{"Hillcrest": {MinParties: 3}})
	a, b, c := l.Hospital[0], l.Hospital[1], l.Hospital[2]
	run := a.Queue(project, cfg)
	l.OneTruth(project, run)
	r, _ := b.tracker.Run(fed.RunID(run))
	if err := b.consents(r.Run); err != nil {
		t.Fatalf("with three parties: %v", err)
	}
	c.walkOut(project, a, b)
	if err := b.consents(r.Run); fed.KindOf(err) != fed.Permission || !strings.Contains(err.Error(), "at least 3 parties") {
		t.Errorf("with two parties: %v", err)
	}
}

// Whose access to a dataset was revoked or refused cannot have it train in a project
// either, not even one that was consented to before; a new approval opens it again.
func TestRevokedAccessHoldsForTraining(t *testing.T) {
	t.Parallel()
	l := NewLab(t, "Lakeview", "Hillcrest")
	ctx := t.Context()
	a, b := l.Hospital[0], l.Hospital[1]
	cfg := CohortConfig(4)
	project := l.Project(cfg, nil)
	card := must(b.PublishCard(ctx, b.Data))(t).ID
	decide := func(purpose string, approve bool) string {
		t.Helper()
		Eventually(t, "the card", func() bool { _, err := a.CatalogCard(ctx, card); return err == nil })
		id := must(a.RequestAccess(ctx, card, purpose, 30))(t).ID
		Eventually(t, "the request", func() bool { _, ok := b.data.cards.Request(id, 0); return ok })
		must(b.DecideAccess(ctx, id, approve, ""))(t)
		Eventually(t, "the answer", func() bool { r, _ := a.data.cards.Request(id, 0); return r.State != "submitted" })
		return id
	}
	id := decide("A study", true)
	a.Ended(a.Queue(project, CohortConfig(2)), "finished")

	release := b.brake(2)
	run := a.Queue(project, cfg)
	a.round(run, 2)
	if err := b.RevokeAccess(ctx, id, "The ethics board says no."); err != nil {
		t.Fatal(err)
	}
	release()
	d := a.Ended(run, "finished")
	if last := d.Rounds[len(d.Rounds)-1]; len(last.Parties) != 1 || !strings.Contains(line(last.Absent), "revoked") {
		t.Errorf("the last round has %v, absent %v", last.Parties, last.Absent)
	}
	denied := a.Ended(a.Queue(project, CohortConfig(2)), "failed")
	same(t, "reason", denied.Run.EndReason, "consent_denied")
	if !strings.Contains(denied.Run.Problem.Text, "revoked") {
		t.Errorf("the problem is %q", denied.Run.Problem.Text)
	}
	sheet := must(b.ConsentSheet(ctx, project, b.Data))(t)
	_, err := b.AcceptProject(ctx, project, b.Data, sheet.Digest, view.Limits{})
	refused(t, "a new consent", err, fed.Permission)
	decide("Again", false)
	_, err = b.AcceptProject(ctx, project, b.Data, sheet.Digest, view.Limits{})
	refused(t, "a consent after a refusal", err, fed.Permission)
	decide("Please", true)
	a.Ended(a.Queue(project, CohortConfig(2)), "finished")
}
