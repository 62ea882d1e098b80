package node

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
	"synergos.app/desktop/backend/learning/dataset/cohort"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/reward"
)

// Lab is a federation of whole parties in this process that talk over TLS on this
// computer. It is exported for the tests of package node_test.
type Lab struct {
	T        *testing.T
	Hospital []*Hospital
}

// Hospital is one party of a Lab with a life beyond its node: it can be closed and
// opened again.
type Hospital struct {
	*Node
	t    *testing.T
	opts Options
	Name string
	Data string // id of its dataset
	open bool
}

// patience bounds every wait of a test; a machine under load needs it.
const patience = 90 * time.Second

// Eventually polls a condition that other goroutines bring about.
func Eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-limit.C:
			t.Fatalf("waiting for %s took too long", what)
		}
	}
}

// NewLab opens one party per name, each paired with all others by invite link.
func NewLab(t *testing.T, names ...string) *Lab {
	t.Helper()
	l := &Lab{T: t}
	for _, name := range names {
		l.Hospital = append(l.Hospital, openHospital(t, name, nil))
	}
	for i, a := range l.Hospital {
		for _, b := range l.Hospital[i+1:] {
			Invite(t, a, b)
		}
	}
	l.together(l.Hospital...)
	return l
}

func openHospital(t *testing.T, name string, change func(*Options)) *Hospital {
	t.Helper()
	h := &Hospital{t: t, Name: name, opts: Options{
		Home: t.TempDir(), Name: name, Loopback: true, Timers: round.Default().Divided(10), MinDeadline: 20 * time.Second,
	}}
	if change != nil {
		change(&h.opts)
	}
	h.start()
	t.Cleanup(h.stop)
	return h
}

func (h *Hospital) start() {
	h.t.Helper()
	n, err := Open(h.t.Context(), h.opts)
	if err != nil {
		h.t.Fatalf("open %s: %v", h.Name, err)
	}
	h.Node, h.open = n, true
	if err := n.Start(h.t.Context()); err != nil {
		h.t.Fatalf("start %s: %v", h.Name, err)
	}
	h.opts.Listen = h.address() // a computer keeps its port
}

// stop closes the party as a person does who ends the app.
func (h *Hospital) stop() {
	h.t.Helper()
	if !h.open {
		return
	}
	h.open = false
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Close(ctx); err != nil {
		h.t.Errorf("close %s: %v", h.Name, err)
	}
}

func (h *Hospital) reopen() {
	h.t.Helper()
	h.stop()
	h.start()
}

func (h *Hospital) id() string { return string(h.me()) }

func (h *Hospital) address() string {
	for _, a := range must(h.Identity(h.t.Context()))(h.t).Addresses {
		if host, _, err := net.SplitHostPort(a); err == nil && host == "127.0.0.1" {
			return a
		}
	}
	h.t.Fatalf("%s listens on no loopback address", h.Name)
	return ""
}

// Invite pairs two parties: a sends a link, b uses it, a approves.
func Invite(t *testing.T, a, b *Hospital) {
	t.Helper()
	link := must(a.CreateInvite(t.Context()))(t).Link
	p := must(b.AcceptInvite(t.Context(), link))(t)
	in := a.incoming(b, "compare")
	must(a.ConfirmPairing(t.Context(), in.ID, true))(t)
	Eventually(t, "the pairing to be done", func() bool {
		return must(b.Pairing(t.Context(), p.ID))(t).State == "done" && must(a.Pairing(t.Context(), in.ID))(t).State == "done"
	})
}

// incoming waits for the pairing that other asks for.
func (h *Hospital) incoming(other *Hospital, state string) view.Pairing {
	h.t.Helper()
	var found view.Pairing
	Eventually(h.t, other.Name+" to ask "+h.Name, func() bool {
		for _, p := range must(h.Peers(h.t.Context()))(h.t).Pairings {
			if p.Incoming && p.DeviceID == string(other.identity().Device()) && p.State == state {
				found = p
				return true
			}
		}
		return false
	})
	return found
}

// together waits until every one of the parties sees all others.
func (l *Lab) together(hs ...*Hospital) {
	l.T.Helper()
	for _, a := range hs {
		for _, b := range hs {
			Eventually(l.T, a.Name+" to see "+b.Name, func() bool { return a.peers.isOnline(b.me()) })
		}
	}
}

// CohortFiles writes the built-in synthetic hospitals into files.
func CohortFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, f := range cohort.All(1) {
		p := filepath.Join(t.TempDir(), f.Name)
		if err := os.WriteFile(p, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// CohortConfig trains a logistic regression on the built-in cohort.
func CohortConfig(rounds int) fed.RunConfig {
	return fed.RunConfig{
		Version: 1, Task: fed.TaskClassify, Target: "target", Labels: map[string]string{"0": "no", "1": "yes", "2": "yes", "3": "yes", "4": "yes"},
		Categorical: []string{"cp", "restecg"}, Missing: "impute", Scaling: "federated", Test: fed.TestSplit{Fraction: 0.34, Seed: 43},
		Validation: &fed.Validation{Fraction: 0.2}, Model: fed.ModelSpec{Family: "logistic"},
		Train: fed.TrainSpec{Optimizer: "sgd", LR: 0.02, Batch: 8, Epochs: 1}, Strategy: fed.StrategySpec{Name: "fedavg"}, Rounds: rounds, Seed: 42,
	}
}

// Project makes an aligned project of all parties, in the order of their ranks.
// limits (may be nil) are by name.
func (l *Lab) Project(cfg fed.RunConfig, limits map[string]view.Limits) string {
	l.T.Helper()
	ctx := l.T.Context()
	files := CohortFiles(l.T)
	var invite []string
	for i, h := range l.Hospital {
		h.Data = must(h.AddDataset(ctx, files[i], h.Name))(l.T).ID
		if i > 0 {
			invite = append(invite, h.id())
		}
	}
	for _, h := range l.Hospital {
		Eventually(l.T, "the file of "+h.Name, func() bool { return must(h.Dataset(ctx, h.Data))(l.T).State == "ready" })
	}
	lead := l.Hospital[0]
	p := must(lead.CreateProject(ctx, view.ProjectCreate{
		Name: "Heart risk", Purpose: "Find who needs a second look.", DatasetID: lead.Data, Invite: invite, Config: &cfg,
		Policy: view.ProjectPolicy{PoolCents: 100_000, Currency: "EUR"},
	}))(l.T)
	for _, h := range l.Hospital[1:] {
		h.accept(p.ID, limits[h.Name])
	}
	for _, h := range l.Hospital {
		Eventually(l.T, "all to accept", func() bool {
			p, err := h.Project(ctx, p.ID)
			return err == nil && !slices.ContainsFunc(p.Parties, func(x view.ProjectParty) bool { return x.State != "accepted" })
		})
	}
	l.align(p.ID)
	return p.ID
}

func (h *Hospital) accept(project string, limits view.Limits) {
	h.t.Helper()
	ctx := h.t.Context()
	Eventually(h.t, "the invitation to reach "+h.Name, func() bool {
		_, err := h.Project(ctx, project)
		return err == nil
	})
	sheet := must(h.ConsentSheet(ctx, project, h.Data))(h.t)
	must(h.AcceptProject(ctx, project, h.Data, sheet.Digest, limits))(h.t)
}

func (l *Lab) align(project string) {
	l.T.Helper()
	ctx, lead := l.T.Context(), l.Hospital[0]
	must(lead.StartAlignment(ctx, project))(l.T)
	confirmed := false
	Eventually(l.T, "the alignment", func() bool {
		a := must(lead.Alignment(ctx, project))(l.T)
		for _, f := range a.Issues {
			if f.Severity == "error" && a.State != "agreed" {
				l.T.Fatalf("the columns cannot be aligned: %s", f.Text)
			}
		}
		if a.State == "confirm" && !confirmed {
			confirmed = true
			for i := range a.Matches {
				a.Matches[i].Confirmed = true
			}
			must(lead.ConfirmAlignment(ctx, project, a.Matches))(l.T)
		}
		return a.State == "agreed"
	})
	for _, h := range l.Hospital {
		Eventually(l.T, "the alignment to reach "+h.Name, func() bool { return must(h.Alignment(ctx, project))(l.T).State == "agreed" })
	}
}

// Queue makes an experiment of one run and returns the run's id.
func (h *Hospital) Queue(project string, cfg fed.RunConfig) string {
	h.t.Helper()
	e := must(h.CreateExperiment(h.t.Context(), view.ExperimentCreate{ProjectID: project, Name: "One", Config: cfg}))(h.t)
	if len(e.Runs) != 1 {
		h.t.Fatalf("an experiment of %d runs, want one", len(e.Runs))
	}
	return e.Runs[0].ID
}

// run returns a run as the party sees it, and false while it does not know it.
func (h *Hospital) run(id string) (view.RunDetail, bool) {
	h.t.Helper()
	d, err := h.Run(h.t.Context(), id)
	if err != nil && fed.KindOf(err) != fed.NotFound {
		h.t.Fatalf("%s: %v", h.Name, err)
	}
	return d, err == nil
}

// Ended waits until the party shows the run with an end and returns it.
func (h *Hospital) Ended(id, state string) view.RunDetail {
	h.t.Helper()
	var d view.RunDetail
	defer func() {
		if h.t.Failed() && d.Run.EndedAt == nil {
			h.t.Logf("%s: %s %+v\n%s", d.Run.State, d.Run.Sentence, d.Parties, history(d))
		}
	}()
	Eventually(h.t, fmt.Sprintf("%s to see the run %s", h.Name, state), func() bool {
		d, _ = h.run(id)
		return d.Run.EndedAt != nil
	})
	if d.Run.State != state {
		h.t.Fatalf("%s: the run is %s (%s), want %s\n%s", h.Name, d.Run.State, d.Run.Sentence, state, history(d))
	}
	return d
}

// round waits until the party knows a committed round of a run.
func (h *Hospital) round(id string, n int) view.RunDetail {
	h.t.Helper()
	var d view.RunDetail
	Eventually(h.t, fmt.Sprintf("round %d at %s", n, h.Name), func() bool {
		d, _ = h.run(id)
		return d.Run.Round >= n || d.Run.EndedAt != nil
	})
	if d.Run.EndedAt != nil {
		h.t.Fatalf("%s: the run ended before the test could act: %s\n%s", h.Name, d.Run.Sentence, history(d))
	}
	return d
}

func history(d view.RunDetail) string {
	out := ""
	for _, s := range d.Steps {
		out += fmt.Sprintf("  %s %s: %s\n", s.At.Format("05.000"), s.Kind, s.Text)
	}
	return out
}

// oneTruth checks that all parties hold the same rounds, result and ledger of a
// finished run, on one chain, and that the ledger and the egress chain verify.
func (l *Lab) oneTruth(project, run string, hs ...*Hospital) view.RunDetail {
	l.T.Helper()
	ctx := l.T.Context()
	first := hs[0].Ended(run, "finished")
	for _, h := range hs {
		d := h.Ended(run, "finished")
		same(l.T, h.Name+": params", d.Run.ParamsHash, first.Run.ParamsHash)
		Eventually(l.T, h.Name+" to hold all rounds", func() bool {
			d, _ = h.run(run)
			return len(d.Rounds) == len(first.Rounds)
		})
		for i := range d.Rounds {
			same(l.T, fmt.Sprintf("%s: round %d", h.Name, i), line(d.Rounds[i].N, d.Rounds[i].Digest), line(i, first.Rounds[i].Digest))
		}
		Eventually(l.T, "the result at "+h.Name, func() bool { return h.store.Has(fed.Digest(first.Run.ParamsHash)) })
		h.chained(run)
		l.countersigned(h, project, len(hs))
		for _, c := range must(h.VerifyLedger(ctx, project))(l.T) {
			if !c.OK {
				l.T.Errorf("%s: ledger of %s: %s", h.Name, c.Name, c.Text)
			}
		}
		if c := must(h.VerifyActivity(ctx))(l.T); !c.OK {
			l.T.Errorf("%s: egress: %s", h.Name, c.Text)
		}
	}
	return first
}

// chained checks that every record names the one before it.
func (h *Hospital) chained(run string) {
	h.t.Helper()
	r, _ := h.tracker.Run(fed.RunID(run))
	for i, rec := range r.Rounds {
		if rec.N != i || i > 0 && rec.Parent != r.Rounds[i-1].Digest {
			h.t.Errorf("%s: record %d is of round %d and follows %s, not %s", h.Name, i, rec.N, rec.Parent.Short(), r.Rounds[max(i-1, 0)].Digest.Short())
		}
	}
}

// countersigned waits until k members have found every closed ledger of a project
// right. That of a cancelled run stays open.
func (l *Lab) countersigned(h *Hospital, project string, k int) {
	l.T.Helper()
	for _, r := range h.ledgerRuns(project) {
		Eventually(l.T, "the countersignatures at "+h.Name, func() bool {
			chain, beside := h.ledger.Entries(r.ID)
			have := 0
			for _, e := range beside {
				have += fromBool(e.Kind == reward.KindCountersign)
			}
			return len(chain) == 0 || chain[len(chain)-1].Kind != reward.KindClose || have >= k
		})
	}
	for _, e := range must(h.Rewards(l.T.Context(), project))(l.T).Entries {
		if e.Kind == reward.KindCountersign && e.Text != "Recomputed: every figure is equal." {
			l.T.Errorf("%s: %s says %q", h.Name, e.By, e.Text)
		}
	}
}

// allDocs returns all documents of a node's book.
func allDocs(n *Node) []fed.Doc {
	ask := n.book.Vector(func(string, fed.PartyID) bool { return true })
	for i := range ask {
		ask[i].Seq = 0
	}
	docs, _ := n.book.Beyond(ask, func(string, fed.PartyID) bool { return true }, 1<<20, 1<<40)
	return docs
}

// counted returns how often a reason was counted.
func (h *Hospital) counted(reason string) int64 {
	for _, r := range h.counts.list() {
		if r.Reason == reason {
			return r.Count
		}
	}
	return 0
}

// OneTruth is oneTruth of all parties.
func (l *Lab) OneTruth(project, run string) view.RunDetail {
	l.T.Helper()
	return l.oneTruth(project, run, l.Hospital...)
}
