package sim_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/node"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/sim"
)

// learner is a person with a party who can restart the app.
type learner struct {
	*node.Node
	t    *testing.T
	opts node.Options
}

func openLearner(t *testing.T, tutorial bool, tap func(transport.Direction, fed.DeviceID, []byte)) *learner {
	t.Helper()
	home, timers := t.TempDir(), round.Default().Divided(20)
	l := &learner{t: t, opts: node.Options{Home: home, Name: "Sunrise Clinic", Loopback: true, Timers: timers, MinDeadline: 20 * time.Second, Tap: tap}}
	if tutorial {
		l.opts.Tutorial = sim.Tutorial{Home: filepath.Join(home, "tutorial"), Log: slog.New(slog.DiscardHandler), Timers: timers}
	}
	l.start()
	t.Cleanup(l.stop)
	return l
}

func (l *learner) start() {
	l.t.Helper()
	n, err := node.Open(l.t.Context(), l.opts)
	if err == nil {
		err = n.Start(l.t.Context())
	}
	if err != nil {
		l.t.Fatalf("start: %v", err)
	}
	l.Node = n
}

func (l *learner) stop() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if l.Node == nil {
		return
	}
	if err := l.Close(ctx); err != nil {
		l.t.Errorf("close: %v", err)
	}
	l.Node = nil
}

func (l *learner) restart() {
	l.t.Helper()
	l.stop()
	l.start()
	l.wait("the virtual hospitals to come back", func() bool { return l.online() == 3 })
}

func get[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%v\n%s", err, fed.HintOf(err))
		}
		return v
	}
}

func refused(t *testing.T, what string, err error, text string) {
	t.Helper()
	if fed.KindOf(err) != fed.Invalid || !strings.Contains(err.Error(), text) || fed.HintOf(err) == "" {
		t.Errorf("%s: got %v (hint %q), want a refusal with %q", what, err, fed.HintOf(err), text)
	}
}

func (l *learner) wait(what string, ok func() bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-ctx.Done():
			l.t.Fatalf("waiting for %s took too long", what)
		}
	}
}

func (l *learner) virtual() []view.Peer {
	l.t.Helper()
	all := get(l.Peers(l.t.Context()))(l.t).Items
	return slices.DeleteFunc(all, func(p view.Peer) bool { return p.Source != "tutorial" })
}

func (l *learner) online() int {
	l.t.Helper()
	k := 0
	for _, p := range l.virtual() {
		if p.Online && p.State == "paired" {
			k++
		}
	}
	return k
}

// ticks checks which steps are done, in their order.
func (l *learner) ticks(want string) view.Tutorial {
	l.t.Helper()
	v := get(l.Tutorial(l.t.Context()))(l.t)
	var got []string
	for _, s := range v.Steps {
		if s.Done {
			got = append(got, s.ID)
		}
	}
	if strings.Join(got, " ") != want {
		l.t.Fatalf("ticked %q, want %q", strings.Join(got, " "), want)
	}
	return v
}

func (l *learner) data() view.Dataset {
	l.t.Helper()
	var d view.Dataset
	l.wait("the data of the tutorial", func() bool {
		all := get(l.Datasets(l.t.Context()))(l.t)
		d = all[len(all)-1]
		return d.State == "ready"
	})
	return d
}

func (l *learner) project(data string, parties []string) (string, error) {
	p, err := l.CreateProject(l.t.Context(), view.ProjectCreate{Name: "Practice", DatasetID: data, Invite: parties, Policy: view.ProjectPolicy{PoolCents: 50_000}})
	return p.ID, err
}

// gather invites the virtual hospitals and waits until they have accepted.
func (l *learner) gather(data string) string {
	l.t.Helper()
	var parties []string
	for _, p := range l.virtual() {
		parties = append(parties, p.PartyID)
	}
	id := get(l.project(data, parties))(l.t)
	l.wait("the virtual hospitals to accept", func() bool {
		p := get(l.Project(l.t.Context(), id))(l.t)
		return len(p.Parties) == 4 && !slices.ContainsFunc(p.Parties, func(x view.ProjectParty) bool { return x.State != "accepted" })
	})
	return id
}

func (l *learner) align(project string) {
	l.t.Helper()
	ctx := l.t.Context()
	get(l.StartAlignment(ctx, project))(l.t)
	var a view.Alignment
	l.wait("the proposal", func() bool { a = get(l.Alignment(ctx, project))(l.t); return a.State == "confirm" })
	if len(a.Matches) != 1 || a.Matches[0].From != "cholesterol" || a.Matches[0].To != "chol" {
		l.t.Fatalf("proposed %+v", a.Matches)
	}
	a.Matches[0].Confirmed = true
	get(l.ConfirmAlignment(ctx, project, a.Matches))(l.t)
	l.wait("the agreement", func() bool { return get(l.Alignment(ctx, project))(l.t).State == "agreed" })
}

// begin queues one run of a few rounds.
func (l *learner) begin(project string, rounds int) string {
	l.t.Helper()
	cfg := get(l.Project(l.t.Context(), project))(l.t).Config
	cfg.Rounds = rounds
	e := get(l.CreateExperiment(l.t.Context(), view.ExperimentCreate{ProjectID: project, Name: "First", Config: cfg}))(l.t)
	return e.Runs[0].ID
}

func (l *learner) finish(run string) {
	l.t.Helper()
	l.wait("the run", func() bool {
		r := get(l.Run(l.t.Context(), run))(l.t).Run
		if r.State == "failed" || r.State == "cancelled" {
			l.t.Fatalf("the run: %s", r.Sentence)
		}
		return r.State == "finished"
	})
	l.wait("the scores", func() bool { return get(l.Contribution(l.t.Context(), run))(l.t).State == "done" })
}

func (l *learner) promote(run string) {
	l.t.Helper()
	ctx := l.t.Context()
	v := get(l.RegisterModel(ctx, run, "heart-risk"))(l.t)
	get(l.RequestStage(ctx, v.Model, v.Number, "production", "Better together than alone."))(l.t)
	l.wait("the approvals", func() bool { return get(l.Model(ctx, "heart-risk"))(l.t).Production == 1 })
}

func (l *learner) serve() {
	l.t.Helper()
	ctx := l.t.Context()
	s := get(l.SwitchServing(ctx, "heart-risk", view.ServingSwitch{On: true}))(l.t)
	row := map[string]any{}
	for _, f := range s.Inputs {
		row[f.Name] = f.Typical
		if f.Type == "number" {
			row[f.Name] = float64(f.Low)
		}
	}
	if got := get(l.TryPrediction(ctx, "heart-risk", []map[string]any{row}))(l.t); len(got.Rows) != 1 {
		l.t.Fatalf("predicted %+v", got)
	}
}

// The tutorial from the first door to the end, with restarts between the steps and in
// the middle of the run.
func TestTutorial(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	l := openLearner(t, true, nil)
	if v := l.ticks(""); v.State != "none" {
		t.Errorf("before: %s", v.State)
	}
	if v := get(l.StartTutorial(ctx))(t); v.State != "running" || len(v.Steps) != 6 {
		t.Fatalf("started: %+v", v)
	}
	l.wait("the virtual hospitals", func() bool { return l.online() == 3 })
	d := l.data()
	l.ticks("") // it is there, but nobody has looked
	get(l.Profile(ctx, d.ID))(t)
	l.restart()
	if v := l.ticks("data"); !strings.HasPrefix(v.Steps[1].Href, "/projects/new?dataset="+d.ID+"&parties=") {
		t.Errorf("the second step leads to %s", v.Steps[1].Href)
	}
	id := l.gather(d.ID)
	l.ticks("data project")
	l.restart()
	l.align(id)
	l.ticks("data project align")
	run := l.begin(id, 4)
	l.wait("a round", func() bool { return get(l.Run(ctx, run))(t).Run.Round >= 1 })
	l.restart()
	l.finish(run)
	if v := l.ticks("data project align train"); v.RunID != run || v.Steps[4].Href != "/runs/"+run {
		t.Errorf("after the run: %+v", v)
	}
	l.promote(run)
	l.restart()
	model := get(l.Model(ctx, "heart-risk"))(t).ID
	if v := l.ticks("data project align train promote"); v.Steps[4].Href != "/models/"+model+"/1" || v.Steps[5].Href != "/serving/"+model {
		t.Errorf("after production: %+v", v)
	}
	l.serve()
	l.restart()
	if v := l.ticks("data project align train promote serve"); v.State != "done" {
		t.Errorf("at the end: %s", v.State)
	}
	l.nothingReal(id)
	l.end(id, run)
}

// nothingReal: no virtual party and no data of the tutorial stand in what is real.
func (l *learner) nothingReal(project string) {
	l.t.Helper()
	t, ctx := l.t, l.t.Context()
	if c := get(l.Catalog(ctx, view.CatalogQuery{}))(t); c.Total != 0 {
		t.Errorf("%d cards in the catalog", c.Total)
	}
	all, own := get(l.Rewards(ctx, ""))(t), get(l.Rewards(ctx, project))(t)
	if len(all.Totals)+len(all.Runs)+len(all.Entries) != 0 {
		t.Errorf("rewards of all: %d totals, %d runs, %d entries", len(all.Totals), len(all.Runs), len(all.Entries))
	}
	if len(own.Totals) != 4 || len(own.Entries) == 0 {
		t.Errorf("rewards of the project itself: %d totals, %d entries", len(own.Totals), len(own.Entries))
	}
	if raw := get(l.ExportLedger(ctx, ""))(t); len(raw) != 0 {
		t.Errorf("the exported ledger has %d bytes", len(raw))
	}
	if a := get(l.Activity(ctx, view.ActivityQuery{}))(t); a.Frames != 0 || !a.Chain.OK {
		t.Errorf("%d frames in the egress ledger", a.Frames)
	}
	h := get(l.Home(ctx))(t)
	if h.Status.Paired != 0 || h.Status.Online != 0 || len(h.Rewards) != 0 || len(h.News) != 0 {
		t.Errorf("home: %+v, %d rewards, %d news", h.Status, len(h.Rewards), len(h.News))
	}
	if !h.Projects[0].Tutorial || !h.Runs[0].Tutorial || !h.Models[0].Tutorial {
		t.Error("project, run and model are not marked")
	}
}

// end leaves nothing on the screens, and a second tutorial begins from nothing.
func (l *learner) end(project, run string) {
	l.t.Helper()
	t, ctx := l.t, l.t.Context()
	second := l.begin(project, 50)
	if err := l.EndTutorial(ctx); err != nil {
		t.Fatalf("end: %v", err)
	}
	l.gone(project)
	if r := get(l.Run(ctx, second))(t).Run; r.State != "cancelled" {
		t.Errorf("a run that was going on is %s", r.State)
	}
	if _, err := os.Stat(filepath.Join(l.opts.Home, "tutorial")); !os.IsNotExist(err) {
		t.Errorf("the folders of the virtual parties: %v", err)
	}
	l.stop()
	l.start()
	l.gone(project)
	get(l.StartTutorial(ctx))(t)
	l.wait("new virtual hospitals", func() bool { return l.online() == 3 })
	if got := len(l.virtual()); got != 3 {
		t.Errorf("%d virtual peers", got)
	}
	d := l.data()
	l.ticks("")
	if _, err := l.project(d.ID, nil); err != nil {
		t.Errorf("a project of the second tutorial: %v", err)
	}
	if got := get(l.Projects(ctx))(t); len(got) != 1 || got[0].State != "gathering" {
		t.Errorf("projects of the second tutorial: %+v", got)
	}
}

func (l *learner) gone(project string) {
	l.t.Helper()
	t, ctx := l.t, l.t.Context()
	h := get(l.Home(ctx))(t)
	if len(h.Projects)+len(h.Runs)+len(h.Models)+len(h.Serving) != 0 || h.Tutorial.State != "none" || h.Status.Serving != 0 {
		t.Errorf("after the end: %+v", h)
	}
	if k := len(get(l.Peers(ctx))(t).Items); k != 0 {
		t.Errorf("%d peers after the end", k)
	}
	if k := len(get(l.Datasets(ctx))(t)) + len(get(l.Experiments(ctx, ""))(t)) + len(get(l.StageRequests(ctx))(t)); k != 0 {
		t.Errorf("%d datasets, experiments and requests after the end", k)
	}
	if p := get(l.Project(ctx, project))(t); p.State != "archived" {
		t.Errorf("the project is %s", p.State)
	}
}

// pair pairs two parties by an invite link, as their people do.
func pair(t *testing.T, a, b *learner) {
	t.Helper()
	ctx := t.Context()
	link := get(a.CreateInvite(ctx))(t).Link
	p := get(b.AcceptInvite(ctx, link))(t)
	a.wait("the other to ask", func() bool {
		for _, in := range get(a.Peers(ctx))(t).Pairings {
			if in.Incoming && in.State == "compare" {
				get(a.ConfirmPairing(ctx, in.ID, true))(t)
				return true
			}
		}
		return false
	})
	b.wait("the pairing", func() bool { return get(b.Pairing(ctx, p.ID))(t).State == "done" })
	for _, l := range []*learner{a, b} {
		l.wait("the other", func() bool { return get(l.Status(ctx))(t).Online == 1 })
	}
}

// wire remembers what a party sends, by device.
type wire struct {
	mu   sync.Mutex
	sent map[fed.DeviceID][]byte
}

func (w *wire) tap(dir transport.Direction, peer fed.DeviceID, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if dir == transport.Out {
		w.sent[peer] = append(w.sent[peer], b...)
	}
}

func (w *wire) told(device, text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Contains(w.sent[fed.DeviceID(device)], []byte(text))
}

// brokenDisk fails to remove the folders of the virtual parties once.
type brokenDisk struct {
	node.TutorialHost
	broken atomic.Bool
}

func (b *brokenDisk) Clear() error {
	if b.broken.Swap(false) {
		return os.ErrPermission
	}
	return b.TutorialHost.Clear()
}

// Real and virtual parties are apart: in projects, in data, and in what they are
// told.
func TestTutorialIsApart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := &wire{sent: map[fed.DeviceID][]byte{}}
	a, b := openLearner(t, true, w.tap), openLearner(t, false, nil)
	a.stop()
	disk := &brokenDisk{TutorialHost: a.opts.Tutorial}
	a.opts.Tutorial = disk
	a.start()
	get(a.StartTutorial(ctx))(t)
	a.wait("the virtual hospitals", func() bool { return a.online() == 3 })
	practice := a.data().ID
	pair(t, a, b)
	if s := get(a.Status(ctx))(t); s.Paired != 1 || s.Online != 1 {
		t.Errorf("%d paired and %d online, want the real one alone", s.Paired, s.Online)
	}
	get(a.AddSample(ctx, "seaside"))(t)
	own := a.data().ID
	if own == practice {
		t.Fatal("no dataset was added")
	}
	get(b.AddSample(ctx, "lakeview"))(t)
	theirs := b.data().ID
	bID, bDevice := get(b.Identity(ctx))(t).PartyID, get(b.Identity(ctx))(t).DeviceID
	v := a.virtual()

	_, err := a.PublishCard(ctx, practice)
	refused(t, "a card of the tutorial", err, "not published")
	_, err = a.project(practice, []string{bID})
	refused(t, "a real party on the tutorial's data", err, "is a real party")
	_, err = a.project(own, []string{bID, v[0].PartyID})
	refused(t, "both kinds", err, "is a real party")
	half := get(a.project(own, []string{bID}))(t)
	_, err = a.InviteParties(ctx, half, []string{v[0].PartyID})
	refused(t, "a virtual party later", err, "is a virtual party")
	game := a.gather(practice)
	_, err = a.InviteParties(ctx, game, []string{bID})
	refused(t, "a real party later", err, "is a real party")

	real := get(b.project(theirs, []string{get(a.Identity(ctx))(t).PartyID}))(t)
	a.wait("the invitation", func() bool { _, err := a.Project(ctx, real); return err == nil })
	sheet := get(a.ConsentSheet(ctx, real, practice))(t)
	if len(sheet.Datasets) != 1 || sheet.Datasets[0].ID != own {
		t.Errorf("a real project is offered %+v", sheet.Datasets)
	}
	_, err = a.AcceptProject(ctx, real, practice, sheet.Digest, view.Limits{})
	refused(t, "the tutorial's data in a real project", err, "no part in real projects")

	card := get(a.PublishCard(ctx, own))(t).ID
	b.wait("the card", func() bool { return get(b.Catalog(ctx, view.CatalogQuery{}))(t).Total == 1 })
	for _, p := range v {
		if !w.told(p.DeviceID, game) || w.told(p.DeviceID, card) || w.told(p.DeviceID, half) || w.told(p.DeviceID, bID) {
			t.Errorf("%s heard of what is real, or not of the practice", p.Name)
		}
		if w.told(bDevice, p.PartyID) || w.told(bDevice, p.Name) {
			t.Errorf("the real party heard of %s", p.Name)
		}
	}
	if !w.told(bDevice, card) || w.told(bDevice, game) {
		t.Error("the real party heard of the practice, or not of the card")
	}
	disk.broken.Store(true)
	if err := a.EndTutorial(ctx); fed.KindOf(err) != fed.Unavailable || fed.HintOf(err) == "" {
		t.Errorf("the end on a broken disk: %v", err)
	}
	a.stop()
	a.start() // makes the end good
	a.wait("the folders to be removed", func() bool { _, err := os.Stat(filepath.Join(a.opts.Home, "tutorial")); return os.IsNotExist(err) })
	if p := get(a.Peers(ctx))(t).Items; len(p) != 1 || p[0].PartyID != bID {
		t.Errorf("peers after the end: %+v", p)
	}
	if p := get(a.Projects(ctx))(t); len(p) != 2 {
		t.Errorf("%d real projects after the end", len(p))
	}
}
