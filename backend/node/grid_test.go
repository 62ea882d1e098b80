package node

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/party"
)

var trio = []string{"Lakeview", "Hillcrest", "Seaside"}

// brake holds this party's work on runs that have committed more than n rounds, so
// that a run is still going when a test acts. The result releases it.
func (h *Hospital) brake(n int) (release func()) {
	gate := make(chan struct{})
	rows := h.grids.trainer.Rows
	h.grids.trainer.Rows = func(ctx context.Context, run fed.Run) (*party.Rows, error) {
		if r, _ := h.tracker.Run(run.ID); len(r.Rounds) > n {
			select {
			case <-gate:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return rows(ctx, run)
	}
	return func() { close(gate) }
}

// coordinator returns who leads a run and who does not.
func (l *Lab) coordinator(run string) (lead *Hospital, others []*Hospital) {
	l.T.Helper()
	Eventually(l.T, "a coordinator", func() bool {
		lead, others = nil, nil
		for _, h := range l.Hospital {
			if x := h.grids.get(fed.RunID(run)); x != nil && x.session.State().Leader == h.me() {
				lead = h
			} else {
				others = append(others, h)
			}
		}
		return lead != nil
	})
	return lead, others
}

// A pause by one person holds the run everywhere; after it the result is that of an
// undisturbed run.
func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(4)
	project := l.Project(cfg, nil)
	undisturbed := l.Hospital[0].Queue(project, cfg)
	want := l.Hospital[0].Ended(undisturbed, "finished").Run.ParamsHash

	release := l.Hospital[0].brake(2)
	run := l.Hospital[0].Queue(project, cfg)
	l.Hospital[0].round(run, 1)
	_, others := l.coordinator(run)
	must(others[0].PauseRun(t.Context(), run, "the ward needs the computer"))(t)
	for _, h := range l.Hospital {
		Eventually(t, h.Name+" to show the pause", func() bool { d, _ := h.run(run); return d.Run.State == "paused" && d.CanResume })
	}
	release()
	held := func() int {
		most := 0
		for _, h := range l.Hospital {
			d, _ := h.run(run)
			most = max(most, d.Run.Round)
		}
		return most
	}
	beats := func() { // five heartbeats of the coordinator pass
		for range 5 {
			from := time.Now()
			Eventually(t, "a heartbeat", func() bool { return time.Since(from) > l.Hospital[0].opts.Timers.Heartbeat })
		}
	}
	beats() // a round whose end had been proposed when the pause came still ends
	before := held()
	beats()
	if after := held(); after > before || after >= cfg.Rounds {
		t.Errorf("the run went from round %d to %d while it was paused", before, after)
	}
	d, _ := others[1].run(run)
	if !strings.Contains(d.Run.Sentence, "Paused after round") {
		t.Errorf("sentence %q", d.Run.Sentence)
	}
	for _, h := range l.Hospital { // all computers are off for a night
		h.stop()
	}
	for _, h := range l.Hospital {
		h.start()
	}
	l.together(l.Hospital...)
	for _, h := range l.Hospital {
		Eventually(t, h.Name+" to show the pause again", func() bool { d, _ := h.run(run); return d.Run.State == "paused" && d.CanResume })
	}
	lead, _ := l.coordinator(run)
	if after := held(); after > before {
		t.Errorf("the run went from round %d to %d while all were away", before, after)
	}
	must(others[1].ResumeRun(t.Context(), run, ""))(t)
	got := l.OneTruth(project, run)
	same(t, "params", got.Run.ParamsHash, want)
	for _, h := range []*Hospital{others[0], lead} { // who asked, and who carried it out
		Eventually(t, "the reason in the history of "+h.Name, func() bool {
			d, _ := h.run(run)
			return strings.Contains(history(d), "asked to pause the run: the ward needs the computer")
		})
	}
}

// Who did not start a run and does not lead it cannot cancel it; who may ends it for
// all.
func TestCancel(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(6)
	project := l.Project(cfg, nil)
	creator := l.Hospital[1]
	release := l.Hospital[0].brake(2)
	defer release()
	run := creator.Queue(project, cfg)
	creator.round(run, 1)
	_, others := l.coordinator(run)
	for _, h := range others {
		if h != creator {
			_, err := h.CancelRun(t.Context(), run, "")
			refused(t, h.Name+" cancels", err, fed.Permission)
			d, _ := h.run(run)
			same(t, h.Name+" may cancel", d.CanCancel, false)
		}
	}
	must(creator.CancelRun(t.Context(), run, "wrong label"))(t)
	for _, h := range l.Hospital {
		d := h.Ended(run, "cancelled")
		same(t, h.Name, line(d.Run.EndReason, d.Run.Sentence, d.CanPause, d.CanCancel, d.CanRegister), "user Stopped: wrong label false false false")
		Eventually(t, "the grid to close at "+h.Name, func() bool { return h.grids.get(fed.RunID(run)) == nil })
	}
	_, err := creator.CancelRun(t.Context(), run, "")
	refused(t, "again", err, fed.Invalid)
	_, err = creator.RegisterModel(t.Context(), run, "heart")
	refused(t, "register", err, fed.Invalid)
}

// A run that a party did not agree to fails, and says which party and why.
func TestConsentLimits(t *testing.T) {
	t.Parallel()
	l := NewLab(t, "Lakeview", "Hillcrest")
	a, b := l.Hospital[0], l.Hospital[1]
	project := l.Project(CohortConfig(2), map[string]view.Limits{"Hillcrest": {MaxRounds: 2, MaxRuns: 1}})
	denied := func(run, words string) {
		t.Helper()
		for _, h := range l.Hospital {
			d := h.Ended(run, "failed")
			if d.Run.EndReason != "consent_denied" || d.Run.Problem == nil || d.Run.Problem.Hint == "" ||
				!strings.Contains(d.Run.Problem.Text, "Hillcrest") || !strings.Contains(d.Run.Problem.Text, words) {
				t.Errorf("%s: %s, problem %+v, want consent_denied that names Hillcrest and %q", h.Name, d.Run.EndReason, d.Run.Problem, words)
			}
			if len(d.Failed) != 1 || d.Failed[0].Party != "Hillcrest" || !strings.Contains(d.Failed[0].Why, words) {
				t.Errorf("%s: it failed at %+v, want Hillcrest and %q", h.Name, d.Failed, words)
			}
		}
	}
	denied(a.Queue(project, CohortConfig(3)), "at most 2 rounds")
	a.Ended(a.Queue(project, CohortConfig(2)), "finished")
	denied(a.Queue(project, CohortConfig(2)), "covers 1 run, which was used")
	b.accept(project, view.Limits{MinParties: 3})
	denied(a.Queue(project, CohortConfig(2)), "at least 3 parties")
	b.accept(project, view.Limits{Days: 1})
	b.stop()
	b.opts.Now = func() time.Time { return time.Now().Add(48 * time.Hour) }
	b.start()
	l.together(a, b)
	denied(a.Queue(project, CohortConfig(2)), "expired")
}

// Of two runs that start side by side under a consent for one, one is denied at the
// start and the other is not stopped half-way by it.
func TestConsentOfRunsSideBySide(t *testing.T) {
	t.Parallel()
	l := NewLab(t, "Lakeview", "Hillcrest")
	cfg := CohortConfig(2)
	project := l.Project(cfg, map[string]view.Limits{"Hillcrest": {MaxRuns: 1}})
	e := must(l.Hospital[0].CreateExperiment(t.Context(), view.ExperimentCreate{
		ProjectID: project, Name: "Two of one", Config: cfg, Method: "grid", Space: map[string]view.Dimension{"lr": {Type: "choice", Value: []any{0.01, 0.02}}},
	}))(t)
	states := map[string]int{}
	for _, r := range e.Runs {
		Eventually(t, "the run to end", func() bool { d, _ := l.Hospital[0].run(r.ID); return d.Run.EndedAt != nil })
		d, _ := l.Hospital[0].run(r.ID)
		states[d.Run.State+" "+d.Run.EndReason]++
		for _, rec := range d.Rounds[min(1, len(d.Rounds)):] {
			same(t, "parties of a round", len(rec.Parties), 2)
		}
	}
	if states["finished completed"] != 1 || states["failed consent_denied"] != 1 {
		t.Errorf("runs ended %v, want one finished and one denied", states)
	}
}

// A party that leaves the project in mid-run takes no part any more; the others go
// on, and the run that it had queued does not haunt it.
func TestLeaveInMidRun(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(6)
	project := l.Project(cfg, nil)
	leaver := l.Hospital[2]
	release := l.Hospital[0].brake(2)
	run := l.Hospital[0].Queue(project, cfg)
	own := leaver.Queue(project, cfg)
	leaver.round(run, 1)
	must(leaver.LeaveProject(t.Context(), project, "new management"))(t)
	release()
	stay := l.Hospital[:2]
	d := l.oneTruth(project, run, stay...)
	last := d.Rounds[len(d.Rounds)-1]
	if len(last.Parties) != 2 || !strings.Contains(line(last.Absent), "Seaside") {
		t.Errorf("last round: %v in, %v absent", last.Parties, last.Absent)
	}
	for _, h := range stay {
		p := must(h.Project(t.Context(), project))(t)
		same(t, h.Name+" shows it as", p.Parties[2].State, "left")
		h.Ended(own, "cancelled")
	}
	for _, id := range []string{run, own} {
		x, _ := leaver.run(id)
		if x.Run.State == "running" || x.Run.State == "queued" || x.CanPause {
			t.Errorf("the party that left shows the run as %s: %s", x.Run.State, x.Run.Sentence)
		}
	}
	same(t, "working", must(leaver.Status(t.Context()))(t).Running, 0)
	_, err := leaver.CreateExperiment(t.Context(), view.ExperimentCreate{ProjectID: project, Name: "Late", Config: cfg})
	refused(t, "another run", err, fed.Permission)
	next := l.Hospital[0].Queue(project, CohortConfig(2))
	d = l.oneTruth(project, next, stay...)
	same(t, "parties of the next run", len(d.Parties), 2)
}

// With one of two parties gone a run waits, says so, and can be cancelled.
func TestOneOfTwoIsAway(t *testing.T) {
	t.Parallel()
	l := NewLab(t, "Lakeview", "Hillcrest")
	cfg := CohortConfig(5)
	project := l.Project(cfg, nil)
	a, b := l.Hospital[0], l.Hospital[1]
	run := a.Queue(project, cfg)
	a.round(run, 1)
	b.stop()
	var d view.RunDetail
	Eventually(t, "the run to wait", func() bool { d, _ = a.run(run); return d.Run.State == "paused" })
	if !strings.Contains(d.Run.Sentence, "1 of 2") {
		t.Errorf("sentence %q, want it to say that 1 of 2 answer", d.Run.Sentence)
	}
	b.start()
	got := l.OneTruth(project, run)
	for _, r := range got.Rounds[1:] {
		same(t, "parties of a round", len(r.Parties), 2)
	}
}

// A search runs its configurations two at a time and says which is best.
func TestGridSearch(t *testing.T) {
	t.Parallel()
	l := NewLab(t, "Lakeview", "Hillcrest")
	a, b := l.Hospital[0], l.Hospital[1]
	cfg := CohortConfig(3)
	project := l.Project(cfg, nil)
	release := b.brake(1)
	e := must(a.CreateExperiment(t.Context(), view.ExperimentCreate{
		ProjectID: project, Name: "Step", Config: cfg, Method: "grid", Space: map[string]view.Dimension{"lr": {Type: "choice", Value: []any{0.01, 0.02, 0.05}}},
	}))(t)
	same(t, "runs", len(e.Runs), 3)
	count := func(h *Hospital, state string) int {
		e, err := h.Experiment(t.Context(), e.ID)
		if err != nil {
			return -1
		}
		return len(slices.DeleteFunc(e.Runs, func(r view.Run) bool { return r.State != state }))
	}
	Eventually(t, "two runs side by side", func() bool { return count(a, "running") == 2 && count(a, "queued") == 1 })
	if busy := a.Busy(); !strings.Contains(busy, "2 runs") {
		t.Errorf("busy says %q", busy)
	}
	a.reopen() // the one that waits is not lost, the others go on
	release()
	for _, h := range l.Hospital {
		Eventually(t, "all runs to finish at "+h.Name, func() bool { return count(h, "finished") == 3 })
	}
	params := map[string]bool{}
	for _, r := range e.Runs {
		params[l.OneTruth(project, r.ID).Run.ParamsHash] = true
	}
	same(t, "different results", len(params), 3)
	v := must(b.Compare(t.Context(), []string{e.Runs[0].ID, e.Runs[1].ID, e.Runs[2].ID}))(t)
	same(t, "what differs", v.Differs[0].Key, "train.lr")
}

// A search is on disk with all its runs or not at all, whenever the computer fails,
// and two searches stand side by side in the queue.
func TestAGridIsQueuedWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	l := NewLab(t, "Lakeview", "Hillcrest")
	a := l.Hospital[0]
	cfg := CohortConfig(1)
	project := l.Project(cfg, nil)
	grid := func(name string, seeds int) (view.Experiment, error) {
		var values []any
		for i := range seeds {
			values = append(values, float64(i))
		}
		return a.CreateExperiment(t.Context(), view.ExperimentCreate{
			ProjectID: project, Name: name, Config: cfg, Method: "grid", Space: map[string]view.Dimension{"seed": {Type: "choice", Value: values}},
		})
	}
	const runs = 60
	created := make(chan view.Experiment, 1)
	go func() {
		defer close(created)
		e, err := grid("Many seeds", runs)
		if err != nil {
			t.Error(err)
		}
		created <- e
	}()
	var copies []string
	var e view.Experiment
	for done := false; !done; {
		copies = append(copies, a.copyHome())
		select {
		case e, done = <-created:
		default:
		}
	}
	copies = append(copies, a.copyHome())
	second := must(grid("Two more", 2))(t)
	for i, home := range copies {
		n, err := Open(t.Context(), Options{Home: home, Loopback: true, Timers: a.opts.Timers})
		if err != nil {
			t.Fatalf("copy %d does not open: %v", i, err)
		}
		got := len(must(n.Runs(t.Context(), project, e.ID, 5000))(t))
		if got != 0 && got != runs || got == 0 && i == len(copies)-1 {
			t.Errorf("copy %d of %d has %d of %d runs", i, len(copies), got, runs)
		}
		if _, err := n.Experiment(t.Context(), e.ID); (err == nil) != (got == runs) {
			t.Errorf("copy %d has %d runs, and the question: %v", i, got, err)
		}
		(&Hospital{Node: n, t: t, Name: "the copy", open: true}).stop()
	}
	if err := a.CancelExperiment(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	for _, r := range second.Runs { // what waited behind the first search comes to its turn
		l.OneTruth(project, r.ID)
	}
}

// Who is no member of a project cannot be asked to approve its models.
func TestApproversAreMembers(t *testing.T) {
	l := NewLab(t, "Lakeview", "Hillcrest")
	a, b := l.Hospital[0], l.Hospital[1]
	a.Data = must(a.AddDataset(t.Context(), CohortFiles(t)[0], a.Name))(t).ID
	Eventually(t, "the file", func() bool { return must(a.Dataset(t.Context(), a.Data))(t).State == "ready" })
	cfg := CohortConfig(1)
	create := func(invite ...string) (view.Project, error) {
		return a.CreateProject(t.Context(), view.ProjectCreate{
			Name: "Risk", DatasetID: a.Data, Invite: invite, Config: &cfg, Policy: view.ProjectPolicy{Approvers: []string{a.id(), b.id()}},
		})
	}
	_, err := create()
	refused(t, "an approver who is not invited", err, fed.Invalid)
	same(t, "projects", len(must(a.Projects(t.Context()))(t)), 0)
	same(t, "approvers", len(must(create(b.id()))(t).Policy.Approvers), 2)
}
