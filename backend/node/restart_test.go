package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// The coordinator ends its app in mid-run: another one is elected, the run
// finishes, and the one that left finds everything when it comes back.
func TestCoordinatorLeavesPolitely(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(6)
	project := l.Project(cfg, nil)
	releases := map[*Hospital]func(){}
	for _, h := range l.Hospital {
		releases[h] = h.brake(2)
	}
	run := l.Hospital[0].Queue(project, cfg)
	lead, others := l.coordinator(run)
	lead.round(run, 1)
	if busy := lead.Busy(); !strings.Contains(busy, "goes on") {
		t.Errorf("busy says %q", busy)
	}
	lead.stop()
	for _, h := range others {
		releases[h]()
	}
	d := l.oneTruth(project, run, others...)
	if d.Run.Coordinator == lead.Name {
		t.Errorf("%s is said to coordinate after it left", lead.Name)
	}
	if last := d.Rounds[len(d.Rounds)-1]; len(last.Parties) != 2 {
		t.Errorf("the last round has %v", last.Parties)
	}
	lead.start()
	l.together(l.Hospital...)
	again := l.OneTruth(project, run)
	same(t, "params", again.Run.ParamsHash, d.Run.ParamsHash)
	l.scoredOnce(run, cfg.Rounds)
	l.OneTruth(project, lead.Queue(project, CohortConfig(2)))
}

// scoredOnce checks that the ledgers hold each round once, the same everywhere. Only
// a round that was committed before the change of coordinator may be missing: the
// update of a party that is away cannot be scored by the others.
func (l *Lab) scoredOnce(run string, rounds int) {
	l.T.Helper()
	want := l.Hospital[0].ledger.Rounds(fed.RunID(run))
	for _, h := range l.Hospital {
		seen := map[int]int{}
		for i, r := range h.ledger.Rounds(fed.RunID(run)) {
			seen[r.Score.Round]++
			same(l.T, h.Name+": tables", r.Tables.Digest, want[i].Tables.Digest)
		}
		for n := 1; n <= rounds; n++ {
			if seen[n] != 1 && (n > 1 || seen[n] != 0) {
				l.T.Errorf("%s: round %d is scored %d times, want once: %v", h.Name, n, seen[n], seen)
			}
		}
	}
}

// Another party ends its app in mid-run and is back in a moment.
func TestPartyIsReopenedInMidRun(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(6)
	project := l.Project(cfg, nil)
	releases := map[*Hospital]func(){}
	for _, h := range l.Hospital {
		releases[h] = h.brake(2)
	}
	run := l.Hospital[0].Queue(project, cfg)
	_, others := l.coordinator(run)
	others[1].round(run, 1)
	others[1].reopen()
	for h, release := range releases {
		if h != others[1] {
			release()
		}
	}
	d := l.OneTruth(project, run)
	if last := d.Rounds[len(d.Rounds)-1]; len(last.Parties) != 3 {
		t.Errorf("the last round has %v", last.Parties)
	}
	h, _ := others[1].run(run)
	if !strings.Contains(history(h), "started again") {
		t.Errorf("its history does not tell of the restart:\n%s", history(h))
	}
}

// crash ends a party without a word: the network is gone first. Its home is as a
// killed process leaves it.
func (h *Hospital) crash() {
	h.t.Helper()
	home := h.copyHome()
	if err := h.net.Close(); err != nil {
		h.t.Error(err)
	}
	h.stop()
	h.opts.Home = home
}

// copyHome copies the home at a moment between two writes of the database, with
// half a frame behind its log: what a killed process leaves. A frame is 24 bytes and
// a page.
func (h *Hospital) copyHome() string {
	h.t.Helper()
	to := h.t.TempDir()
	err := h.db.Tx(h.t.Context(), func(*query.Queries) error {
		return copyDir(to, h.opts.Home)
	})
	if err != nil {
		h.t.Fatalf("copy home: %v", err)
	}
	wal, err := os.OpenFile(filepath.Join(to, "synergos.db-wal"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = wal.Write(bytes.Repeat([]byte{0xa5}, 24+1000))
	if err := errors.Join(err, wal.Close()); err != nil {
		h.t.Fatal(err)
	}
	return to
}

// A party that was away when a run ended gets the result from whoever is there.
func TestResultFromAnotherMember(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(3)
	project := l.Project(cfg, nil)
	a := l.Hospital[0]
	release := a.brake(1)
	run := a.Queue(project, cfg)
	lead, others := l.coordinator(run)
	away := others[1]
	if away == a { // who holds the brake stays
		away = others[0]
	}
	away.stop()
	release()
	params := ""
	for _, h := range l.Hospital {
		if h != away {
			params = h.Ended(run, "finished").Run.ParamsHash
		}
	}
	lead.stop() // it ended the run
	away.start()
	away.Ended(run, "finished")
	Eventually(t, "the result", func() bool { return away.store.Has(fed.Digest(params)) })
	d, _ := away.run(run)
	same(t, "can be registered", d.CanRegister, true)
}

// A member that missed the word to start takes its place when it hears of the
// first round.
func TestMissedTheStart(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(3)
	project := l.Project(cfg, nil)
	late := l.Hospital[2]
	var dropped atomic.Bool
	late.net.Handle(func(ctx context.Context, from fed.PartyID, m wire.Message) (wire.Message, error) {
		if q, ok := m.(wire.Query); ok && q.Name == askStart {
			dropped.Store(true)
			return nil, fed.Errorf(fed.Unavailable, "", "the line is bad")
		}
		return late.handle(ctx, from, m)
	})
	run := l.Hospital[0].Queue(project, cfg)
	d := l.OneTruth(project, run)
	same(t, "missed", dropped.Load(), true)
	for _, r := range d.Rounds[1:] {
		same(t, "parties of a round", len(r.Parties), 3)
	}
}

// copyDir copies files as only their owner may read them.
func copyDir(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // a temporary file that has its name now
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return errors.Join(err, os.WriteFile(filepath.Join(to, rel), raw, 0o600))
	})
}

// A party is killed in mid-run and started again: nothing is lost, and the run
// finishes with everybody on one chain.
func TestCrash(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(6)
	project := l.Project(cfg, nil)
	run := l.Hospital[0].Queue(project, cfg)
	lead, _ := l.coordinator(run)
	lead.round(run, 2)
	lead.crash()
	lead.start()
	d := l.OneTruth(project, run)
	same(t, "rounds", len(d.Rounds), cfg.Rounds+1)
}

// Whenever a computer fails, what was shown as saved is there afterwards.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	l := NewLab(t, "Lakeview", "Hillcrest")
	cfg := CohortConfig(5)
	project := l.Project(cfg, nil)
	h := l.Hospital[1]
	run := l.Hospital[0].Queue(project, cfg)
	var copies []string
	var shown []snapshot
	for k := 0; k <= cfg.Rounds; k++ {
		Eventually(t, "the next round", func() bool { d, _ := h.run(run); return len(d.Rounds) > k || d.Run.EndedAt != nil })
		shown = append(shown, h.shows(run))
		copies = append(copies, h.copyHome())
	}
	l.OneTruth(project, run)
	for i, home := range copies {
		n, err := Open(t.Context(), Options{Home: home, Loopback: true, Timers: h.opts.Timers})
		if err != nil {
			t.Fatalf("copy %d does not open: %v", i, err)
		}
		c := &Hospital{Node: n, t: t, Name: "the copy", opts: Options{Home: home}, open: true}
		if chain := must(n.VerifyActivity(t.Context()))(t); !chain.OK {
			t.Errorf("copy %d: egress: %s", i, chain.Text)
		}
		c.holds(i, shown[i], run)
		c.stop()
	}
}

// snapshot is what a party shows as saved.
type snapshot struct {
	Rounds  []string
	Ledger  int
	Frames  int64
	Term    string
	Data    string
	Project string
	ID      string
	Params  string
}

func (h *Hospital) shows(run string) snapshot {
	h.t.Helper()
	ctx := h.t.Context()
	a := must(h.Activity(ctx, view.ActivityQuery{}))(h.t)
	r := snapshot{Frames: a.Frames, ID: h.id(), Data: line(must(h.Datasets(ctx))(h.t)[0].Name), Project: must(h.Projects(ctx))(h.t)[0].State}
	d, _ := h.run(run)
	for _, x := range d.Rounds {
		r.Rounds = append(r.Rounds, x.Digest)
	}
	r.Term, r.Params = d.Run.Term, d.Run.ParamsHash
	chain, beside := h.ledger.Entries(fed.RunID(run))
	r.Ledger = len(chain) + len(beside)
	return r
}

// holds checks that a reopened party shows at least what was shown before.
func (h *Hospital) holds(i int, was snapshot, run string) {
	h.t.Helper()
	now := h.shows(run)
	if len(now.Rounds) < len(was.Rounds) || now.Ledger < was.Ledger || now.Frames < was.Frames {
		h.t.Errorf("copy %d: %d rounds, %d ledger entries, %d frames; %d, %d, %d were shown", i, len(now.Rounds), now.Ledger, now.Frames, len(was.Rounds), was.Ledger, was.Frames)
		return
	}
	for k := range was.Rounds {
		same(h.t, "round", now.Rounds[k], was.Rounds[k])
	}
	same(h.t, "party, data, project", line(now.ID, now.Data, now.Project), line(was.ID, was.Data, was.Project))
	if was.Params != "" {
		same(h.t, "params", now.Params, was.Params)
		same(h.t, "params kept", h.store.Has(fed.Digest(was.Params)), true)
	}
}

// Everything is there after all apps were ended and started again.
func TestEverythingIsSaved(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(3)
	project := l.Project(cfg, nil)
	ctx := t.Context()
	a := l.Hospital[0]
	for _, h := range l.Hospital {
		must(h.PublishCard(ctx, h.Data))(t)
	}
	run := a.Queue(project, cfg)
	l.OneTruth(project, run)
	must(a.RegisterModel(ctx, run, "heart"))(t)
	l.promote("heart", 1, "production")
	token := must(a.SwitchServing(ctx, "heart", view.ServingSwitch{On: true}))(t).Token
	must(a.AcknowledgeReward(ctx, run))(t)
	must(a.ChangeSettings(ctx, map[string]string{"look.theme": "dark"}))(t)
	for _, h := range l.Hospital {
		Eventually(t, "the catalog at "+h.Name, func() bool { return must(h.Catalog(ctx, view.CatalogQuery{}))(t).Total == 3 })
		Eventually(t, "the receipt at "+h.Name, func() bool { return strings.Contains(h.picture(project), `"receipt"`) })
	}
	before := map[string]string{}
	address := must(a.Serving(ctx, "heart"))(t).Address
	for _, h := range l.Hospital {
		before[h.Name] = h.picture(project)
		h.stop()
	}
	for _, h := range l.Hospital {
		h.start()
		if diff := cmp.Diff(strings.Split(before[h.Name], "\n"), strings.Split(h.picture(project), "\n")); diff != "" {
			t.Errorf("%s shows something else than before:\n%s", h.Name, diff)
		}
		if c := must(h.VerifyActivity(ctx))(t); !c.OK {
			t.Errorf("%s: egress: %s", h.Name, c.Text)
		}
		for _, c := range must(h.VerifyLedger(ctx, project))(t) {
			if !c.OK {
				t.Errorf("%s: ledger: %s", h.Name, c.Text)
			}
		}
	}
	same(t, "address", must(a.Serving(ctx, "heart"))(t).Address, address)
	same(t, "with the token", get(t, address+"/v2/models/heart", token), 200)
	same(t, "without it", get(t, address+"/v2/models/heart", "wrong"), 401)
	l.together(l.Hospital...)
	l.OneTruth(project, l.Hospital[1].Queue(project, cfg))
}

func get(t *testing.T, url, token string) int {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil))(t)
	req.Header.Set("Authorization", "Bearer "+token)
	resp := must(http.DefaultClient.Do(req))(t)
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

// picture is what a party shows of everything that must survive, without what
// depends on who is online.
func (h *Hospital) picture(project string) string {
	h.t.Helper()
	ctx := h.t.Context()
	projects := must(h.Projects(ctx))(h.t)
	for i := range projects[0].Parties {
		projects[0].Parties[i].Online = false
	}
	cat := must(h.Catalog(ctx, view.CatalogQuery{}))(h.t)
	for i := range cat.Items {
		cat.Items[i].Online, cat.Items[i].AsOf, cat.Items[i].Score = false, time.Time{}, 0
	}
	models := must(h.Models(ctx))(h.t)
	peers := map[string]string{}
	for _, p := range must(h.Peers(ctx))(h.t).Items {
		peers[p.Name] = line(p.PartyID, p.State, p.How, p.Source)
	}
	raw, err := json.MarshalIndent(map[string]any{
		"projects": projects, "catalog": cat.Items, "models": models, "peers": peers,
		"datasets": must(h.Datasets(ctx))(h.t), "runs": must(h.Runs(ctx, project, "", 0))(h.t), "experiments": must(h.Experiments(ctx, project))(h.t),
		"rewards": must(h.Rewards(ctx, project))(h.t), "alignment": must(h.Alignment(ctx, project))(h.t), "requests": must(h.StageRequests(ctx))(h.t),
		"settings": must(h.Settings(ctx))(h.t), "inbox": must(h.Inbox(ctx))(h.t),
	}, "", " ")
	if err != nil {
		h.t.Fatal(err)
	}
	return string(raw)
}

// promote has the first party ask for a stage and all voters say yes until it is
// applied.
func (l *Lab) promote(model string, number int, to string) {
	l.T.Helper()
	ctx := l.T.Context()
	q := must(l.Hospital[0].RequestStage(ctx, model, number, to, "It helps the night shift."))(l.T)
	for _, h := range l.Hospital {
		Eventually(l.T, "the request at "+h.Name, func() bool { _, err := h.stageRequest(q.ID); return err == nil })
		if x := must(h.stageRequest(q.ID))(l.T); x.State == "proposed" && x.MyVote == "none" {
			must(h.VoteStage(ctx, q.ID, true, "Checked against our own rows."))(l.T)
		}
	}
	for _, h := range l.Hospital {
		Eventually(l.T, "the new stage at "+h.Name, func() bool {
			m, err := h.Model(ctx, model)
			return err == nil && m.Production == number && m.Versions[0].State == "ready"
		})
	}
}
