package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"synergos.app/desktop/app/api"
	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// world is four parties that behave as the contract says, behind the real HTTP
// handler. lie names the one thing that goes wrong in it.
type world struct {
	mu    sync.Mutex
	lie   string
	nodes map[string]*fakeNode // by home
	order []*fakeNode

	pairings   []*fakePairing
	requests   []view.AccessRequest
	project    view.Project
	alignment  view.Alignment
	experiment view.Experiment
	rounds     int // of the runs
	progress   map[string]int
	entries    []view.LedgerEntry
	versions   []view.ModelVersion
	stages     []view.StageRequest
	killed     []string
}

type fakePairing struct {
	id, mode, state string
	from, to        *fakeNode
	said            map[*fakeNode]bool
}

// fakeNode is one party's engine.
type fakeNode struct {
	api.Engine // nil: a call that the world does not know panics
	w          *world
	index      int
	home, name string
	server     *httptest.Server
	model      *httptest.Server
	token      string
	dataset    *view.Dataset
	card       *view.Card
	serving    bool
	lost       bool // its memory after a kill
}

func newWorld(lie string) *world {
	return &world{lie: lie, nodes: map[string]*fakeNode{}, progress: map[string]int{}}
}

// world as the demo's launcher.

func (w *world) start(_ context.Context, p *party) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.nodes[p.home]
	if n == nil {
		n = &fakeNode{w: w, index: len(w.order), home: p.home}
		w.nodes[p.home], w.order = n, append(w.order, n)
	}
	n.server = httptest.NewUnstartedServer(nil)
	token := api.NewToken()
	handler := api.New(api.Options{Screens: api.Screens(n), Guard: api.LoopbackGuard(token, n.server.Listener.Addr().String(), "http"), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	n.server.Config.Handler = handler
	n.server.Start()
	p.client = newClient(n.server.URL, token)
	if err := os.MkdirAll(filepath.Join(p.home, "keys"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.home, "synergos.db"), make([]byte, 2048), 0o600)
}

func (w *world) kill(p *party) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.nodes[p.home]
	n.server.Close()
	w.killed = append(w.killed, p.name)
	n.lost = w.lie == "forgets"
	return nil
}

func (w *world) ended(*party) error { return nil }

func (w *world) tail(p *party, _ int) []string {
	return []string{"level=WARN msg=planted token=" + p.client.token}
}

func (w *world) close() {
	for _, n := range w.order {
		n.server.Close()
		if n.model != nil {
			n.model.Close()
		}
	}
}

// lies reports whether the world tells this lie; at a party only for the second
// of them, so that the first one's answers are right.
func (n *fakeNode) lies(lie string) bool { return n.w.lie == lie && n.index == 1 }

func (n *fakeNode) lock() func() {
	n.w.mu.Lock()
	return n.w.mu.Unlock
}

func (n *fakeNode) device() string { return fed.KeyDigest([]byte{1, byte(n.index)}) }

func (n *fakeNode) party() string { return fed.KeyDigest([]byte{2, byte(n.index)}) }

func hexID(kind string, i int) string {
	return string(fed.DigestOf(fmt.Appendf(nil, "%s %d", kind, i)))[:32]
}

func notHere(what string) error { return fed.Errorf(fed.NotFound, "", "there is no such %s", what) }

// Session.

func (n *fakeNode) Status(context.Context) (view.Status, error) {
	defer n.lock()()
	return view.Status{Ready: n.w.lie != "starts never", Named: n.name != "", Party: n.name, Sentence: "starting", State: "waiting"}, nil
}

func (n *fakeNode) NameParty(_ context.Context, name string) (view.Identity, error) {
	defer n.lock()()
	n.name = name
	return n.identity(), nil
}

func (n *fakeNode) Identity(context.Context) (view.Identity, error) {
	defer n.lock()()
	return n.identity(), nil
}

func (n *fakeNode) identity() view.Identity {
	return view.Identity{Party: n.name, PartyID: n.party(), DeviceID: n.device(), Fingerprint: fed.Fingerprint(n.party()),
		Addresses: []string{fmt.Sprintf("192.0.2.7:%d", 7000+n.index), fmt.Sprintf("127.0.0.1:%d", 7000+n.index)}, Home: n.home}
}

// Peers.

func (n *fakeNode) Peers(context.Context) (view.PeerList, error) {
	defer n.lock()()
	out := view.PeerList{Discovery: view.Discovery{State: "on", Sentence: "looking"}}
	multicast := n.w.lie != "no multicast"
	if !multicast {
		out.Discovery = view.Discovery{State: "blocked", Sentence: "Multicast seems blocked."}
	}
	for _, o := range n.w.order {
		if o == n {
			continue
		}
		p := n.w.pairingOf(n, o)
		if paired := p != nil && p.state == "done"; multicast || paired {
			peer := view.Peer{DeviceID: o.device(), State: "seen", Source: "mdns"}
			if paired {
				peer.State, peer.Online, peer.Name, peer.PartyID = "paired", n.w.lie != "offline", o.name, o.party()
			}
			out.Items = append(out.Items, peer)
		}
	}
	for _, p := range n.w.pairings {
		if p.from == n || p.to == n {
			out.Pairings = append(out.Pairings, n.pairing(p))
		}
	}
	return out, nil
}

func (w *world) pairingOf(a, b *fakeNode) *fakePairing {
	for _, p := range w.pairings {
		if p.from == a && p.to == b || p.from == b && p.to == a {
			return p
		}
	}
	return nil
}

func (n *fakeNode) pairing(p *fakePairing) view.Pairing {
	other := p.from
	if p.from == n {
		other = p.to
	}
	out := view.Pairing{ID: p.id + string(rune('a'+n.index)), Mode: p.mode, Incoming: p.to == n, State: p.state, Name: other.name, DeviceID: other.device(), Confirmed: p.said[n]}
	if p.mode == "code" {
		out.Code = "012345"
		if n.lies("code differs") {
			out.Code = "012346"
		}
	}
	if p.state == "refused" {
		out.Problem = &view.Problem{Text: "the other side said no", Hint: "ask them why"}
	}
	return out
}

func (n *fakeNode) begin(to *fakeNode, mode string) view.Pairing {
	p := &fakePairing{id: fmt.Sprint("p", len(n.w.pairings)), mode: mode, state: "compare", from: n, to: to, said: map[*fakeNode]bool{}}
	n.w.pairings = append(n.w.pairings, p)
	return n.pairing(p)
}

func (n *fakeNode) Pair(_ context.Context, device string) (view.Pairing, error) {
	defer n.lock()()
	for _, o := range n.w.order {
		if o.device() == device {
			return n.begin(o, "code"), nil
		}
	}
	return view.Pairing{}, notHere("computer")
}

func (n *fakeNode) PairAddress(_ context.Context, address string) (view.Pairing, error) {
	defer n.lock()()
	for _, o := range n.w.order {
		if o.identity().Addresses[1] == address {
			return n.begin(o, "code"), nil
		}
	}
	return view.Pairing{}, notHere("computer")
}

func (n *fakeNode) Pairing(_ context.Context, id string) (view.Pairing, error) {
	defer n.lock()()
	for _, p := range n.w.pairings {
		if strings.HasPrefix(id, p.id) {
			return n.pairing(p), nil
		}
	}
	return view.Pairing{}, notHere("pairing")
}

func (n *fakeNode) ConfirmPairing(_ context.Context, id string, same bool) (view.Pairing, error) {
	defer n.lock()()
	for _, p := range n.w.pairings {
		if strings.HasPrefix(id, p.id) {
			p.said[n] = same
			if p.said[p.from] && p.said[p.to] || p.mode == "invite" && p.said[p.to] {
				p.state = "done"
			}
			if n.w.lie == "refuses" {
				p.state = "refused"
			}
			return n.pairing(p), nil
		}
	}
	return view.Pairing{}, notHere("pairing")
}

func (n *fakeNode) CreateInvite(context.Context) (view.Invite, error) {
	return view.Invite{ID: "i", Link: fmt.Sprintf("synergos://pair#%d", n.index)}, nil
}

func (n *fakeNode) AcceptInvite(_ context.Context, link string) (view.Pairing, error) {
	defer n.lock()()
	var index int
	if _, err := fmt.Sscanf(link, "synergos://pair#%d", &index); err != nil {
		return view.Pairing{}, fed.Errorf(fed.Invalid, "copy the whole link", "the link is not one of ours")
	}
	return n.begin(n.w.order[index], "invite"), nil
}

// Data.

func (n *fakeNode) AddDataset(_ context.Context, path, name string) (view.Dataset, error) {
	defer n.lock()()
	n.dataset = &view.Dataset{ID: fmt.Sprint("d", n.index), Name: name, File: filepath.Base(path), Path: path, State: "reading"}
	return *n.dataset, nil
}

func (n *fakeNode) AddSample(ctx context.Context, hospital string) (view.Dataset, error) {
	return n.AddDataset(ctx, hospital+".csv", hospital)
}

func (n *fakeNode) Dataset(context.Context, string) (view.Dataset, error) {
	defer n.lock()()
	got := *n.dataset
	n.dataset.State, n.dataset.Rows, n.dataset.Columns = "ready", 100*(n.index+1), 3
	if n.lies("file broken") {
		n.dataset.State, n.dataset.Problem = "failed", &view.Problem{Text: "line 7 has two cells too many", Hint: "correct the line"}
	}
	return got, nil
}

func (n *fakeNode) Datasets(context.Context) ([]view.Dataset, error) {
	defer n.lock()()
	if n.lost {
		return nil, nil
	}
	return []view.Dataset{*n.dataset}, nil
}

func (n *fakeNode) EditDataset(_ context.Context, _ string, edit view.DatasetEdit) (view.Profile, error) {
	defer n.lock()()
	n.dataset.Target = *edit.Target
	return view.Profile{Dataset: *n.dataset}, nil
}

func (n *fakeNode) Profile(context.Context, string) (view.Profile, error) {
	defer n.lock()()
	return view.Profile{Dataset: *n.dataset, Columns: []view.Column{{Name: "age"}, {Name: "cp", Missing: n.dataset.Rows / 10}, {Name: target}},
		Classes: []string{"0", "1"}, ClassCount: []int{60, 40}}, nil
}

func (n *fakeNode) PreviewCard(context.Context, string) (view.CardPreview, error) {
	return view.CardPreview{Body: "{}", Bytes: 2}, nil
}

func (n *fakeNode) PublishCard(context.Context, string) (view.Card, error) {
	defer n.lock()()
	n.card = &view.Card{ID: fmt.Sprint("card", n.index), Version: 1, Title: n.dataset.Name}
	return *n.card, nil
}

func (n *fakeNode) Catalog(context.Context, view.CatalogQuery) (view.Catalog, error) {
	defer n.lock()()
	var out view.Catalog
	for _, o := range n.w.order {
		if o.card != nil && (o == n || n.w.lie != "cards stay") {
			out.Items = append(out.Items, view.CatalogEntry{Card: *o.card, Mine: o == n})
		}
	}
	return out, nil
}

func (n *fakeNode) RequestAccess(_ context.Context, card, purpose string, days int) (view.AccessRequest, error) {
	defer n.lock()()
	r := view.AccessRequest{ID: "r1", CardID: card, Purpose: purpose, State: "submitted"}
	n.w.requests = append(n.w.requests, r)
	return r, nil
}

func (n *fakeNode) AccessRequests(context.Context) ([]view.AccessRequest, error) {
	defer n.lock()()
	return slices.Clone(n.w.requests), nil
}

func (n *fakeNode) DecideAccess(_ context.Context, id string, approve bool, _ string) (view.AccessRequest, error) {
	defer n.lock()()
	if approve && n.w.lie != "access lost" {
		n.w.requests[0].State = "approved"
	}
	return n.w.requests[0], nil
}

// Project.

func (n *fakeNode) CreateProject(_ context.Context, c view.ProjectCreate) (view.Project, error) {
	defer n.lock()()
	n.w.project = view.Project{ID: hexID("project", 0), Name: c.Name, AdminID: n.party(), Config: *c.Config}
	for _, o := range n.w.order {
		state := "invited"
		if o == n {
			state = "accepted"
		}
		n.w.project.Parties = append(n.w.project.Parties, view.ProjectParty{PartyID: o.party(), Name: o.name, State: state})
	}
	if len(c.Invite) != len(n.w.order)-1 {
		return view.Project{}, fed.Errorf(fed.Invalid, "", "%d were invited", len(c.Invite))
	}
	return n.w.project, nil
}

func (n *fakeNode) Project(_ context.Context, id string) (view.Project, error) {
	defer n.lock()()
	if n.w.project.ID != id {
		return view.Project{}, notHere("project")
	}
	return n.w.project, nil
}

func (n *fakeNode) Projects(context.Context) ([]view.Project, error) {
	defer n.lock()()
	return []view.Project{n.w.project}, nil
}

func (n *fakeNode) ConsentSheet(context.Context, string, string) (view.ConsentSheet, error) {
	sheet := view.ConsentSheet{Digest: "sheet" + fmt.Sprint(n.index), Leaves: []view.ConsentLine{{What: "updates", How: "once a round", Who: "the coordinator"}}, Stays: []string{"rows"}, Sees: []string{"all"}}
	if n.lies("empty sheet") {
		sheet.Leaves = nil
	}
	return sheet, nil
}

func (n *fakeNode) AcceptProject(_ context.Context, _, _, digest string, _ view.Limits) (view.Project, error) {
	defer n.lock()()
	if digest != "sheet"+fmt.Sprint(n.index) {
		return view.Project{}, fed.Errorf(fed.Permission, "read the sheet again", "the consent is for another sheet")
	}
	n.w.project.Parties = slices.Clone(n.w.project.Parties)
	n.w.project.Parties[n.index].State = "accepted"
	return n.w.project, nil
}

func (n *fakeNode) StartAlignment(context.Context, string) (view.Alignment, error) {
	defer n.lock()()
	if n.index != 0 {
		return view.Alignment{}, fed.Errorf(fed.Permission, "", "only the admin aligns")
	}
	n.w.alignment = view.Alignment{State: "confirm", CanConfirm: true, Parties: []string{"a"}, Matches: []view.ColumnMatch{{Party: "b", From: "Age", To: "age", Score: .9}}}
	return n.w.alignment, nil
}

func (n *fakeNode) ConfirmAlignment(_ context.Context, _ string, m []view.ColumnMatch) (view.Alignment, error) {
	defer n.lock()()
	if len(m) == 1 && m[0].Confirmed && n.w.lie != "unaligned" {
		n.w.alignment = view.Alignment{State: "agreed", Digest: "prep", Features: []string{"age", "cp=1"}, Scaling: []view.ScalingRow{{Column: "age"}}, Parties: []string{"A"},
			Columns: []view.AlignmentColumn{{Name: "cp", Cells: []view.AlignmentCell{{State: "filled", Note: "with the mean"}}}}}
	}
	return n.w.alignment, nil
}

func (n *fakeNode) Alignment(context.Context, string) (view.Alignment, error) {
	defer n.lock()()
	return n.w.alignment, nil
}

// Experiments and runs.

func (n *fakeNode) CreateExperiment(_ context.Context, e view.ExperimentCreate) (view.Experiment, error) {
	defer n.lock()()
	n.w.rounds = e.Config.Rounds
	n.w.experiment = view.Experiment{ID: hexID("experiment", 0), Config: e.Config}
	for i := range e.Space["mu"].Value {
		n.w.experiment.Runs = append(n.w.experiment.Runs, n.run(i))
	}
	return n.w.experiment, nil
}

func (n *fakeNode) Experiment(context.Context, string) (view.Experiment, error) {
	defer n.lock()()
	return n.w.experiment, nil
}

// run is run i as n sees it; a look makes it go on by a round.
func (n *fakeNode) run(i int) view.Run {
	id := hexID("run", i)
	done := n.w.progress[id]
	r := view.Run{ID: id, Number: i + 1, State: "running", Round: done, Rounds: n.w.rounds, Coordinator: n.w.order[2].name, CoordinatorID: n.w.order[2].party(),
		ConfigHash: fmt.Sprint("config", i), Sentence: "on it"}
	if done >= n.w.rounds && n.w.rounds > 0 {
		r.State, r.ParamsHash, r.BestRound = "finished", string(fed.DigestOf([]byte{byte(i)})), 2
		r.Metrics = fed.Metrics{"auc": fed.Number(.8 + .01*float64(i)), "accuracy": .75}
	}
	if n.lies("other params") && r.ParamsHash != "" {
		r.ParamsHash = "ffff"
	}
	switch {
	case n.w.lie == "diverges" && done > 1:
		r.State, r.EndReason, r.Problem = "failed", "diverged", &view.Problem{Text: "the loss grew without bound in round 2", Hint: "lower the learning rate"}
	case n.w.lie == "nobody leads":
		r.Coordinator, r.CoordinatorID = "", ""
	}
	return r
}

func (n *fakeNode) Run(_ context.Context, id string) (view.RunDetail, error) {
	defer n.lock()()
	for i := range n.w.experiment.Runs {
		if hexID("run", i) != id {
			continue
		}
		if n.w.progress[id] < n.w.rounds && n.w.lie != "stuck" {
			n.w.progress[id]++
		}
		d := view.RunDetail{Run: n.run(i), Config: fed.RunConfig{Strategy: fed.StrategySpec{Name: "fedprox", Mu: muGrid[i]}}}
		if n.index == 2 && n.w.lie != "no reason" {
			d.Steps = []view.RunStep{{Kind: "led", Text: n.name + " coordinates: rank 3 of 4."}, {Kind: "stopped", Text: "It left."}}
		}
		for k := range d.Run.Round {
			d.Rounds = append(d.Rounds, view.Round{N: k + 1, Parties: []string{"all"}})
		}
		for j, o := range n.w.order {
			d.Results = append(d.Results, view.PartyResult{PartyID: o.party(), Party: o.name, TrainExamples: int64(60 * (j + 1)), TestExamples: int64(30 * (j + 1)),
				Test: fed.Metrics{"accuracy": .8, "auc": .85}, Alone: fed.Metrics{"accuracy": .7}})
		}
		return d, nil
	}
	return view.RunDetail{}, notHere("run")
}

func (n *fakeNode) Runs(context.Context, string, string, int) ([]view.Run, error) {
	defer n.lock()()
	return []view.Run{n.run(0), n.run(1)}, nil
}

func (n *fakeNode) Contribution(_ context.Context, id string) (view.Contribution, error) {
	defer n.lock()()
	return n.contribution(id), nil
}

func (n *fakeNode) contribution(id string) view.Contribution {
	c := view.Contribution{RunID: id, State: "done", Method: "exact Shapley values", Honesty: "Values are estimates.", Remainder: .002, Total: .002}
	for j, o := range n.w.order {
		v := fed.Number(.01 * float64(j))
		c.Total += v
		if n.lies("other value") {
			v += .001
			c.Total += .001
		}
		cents := []int64{0, 16_667, 33_333, 50_000}[j]
		if n.lies("cents lost") {
			cents--
		}
		c.Parties = append(c.Parties, view.PartyContribution{PartyID: o.party(), Party: o.name, Value: v, Low: v - .004, High: v + .004, Share: fed.Number(float64(j) / 6), Rank: 4 - j, Cents: cents})
	}
	if n.lies("sum is off") {
		c.Total += .1
	}
	return c
}

func (n *fakeNode) Rewards(context.Context, string) (view.Rewards, error) {
	defer n.lock()()
	out := view.Rewards{Chain: view.Check{OK: true}, Entries: slices.Clone(n.w.entries)}
	for i := range n.w.experiment.Runs {
		id := hexID("run", i)
		out.Runs = append(out.Runs, n.contribution(id))
		for j, o := range n.w.order {
			if j != 2 && (n.w.lie != "unsigned" || j != 1) {
				out.Entries = append(out.Entries, view.LedgerEntry{RunID: id, Kind: "countersign", By: o.name, Verified: true, Hash: fmt.Sprint(id, j), Text: n.verdict()})
			}
		}
	}
	return out, nil
}

// verdict is the text of a countersignature.
func (n *fakeNode) verdict() string {
	if n.lies("disputed") {
		return "Disputed: a figure does not follow"
	}
	return "Countersigned: recomputed and equal"
}

func (n *fakeNode) VerifyLedger(context.Context, string) ([]view.Check, error) {
	return []view.Check{{Name: "chain", OK: !n.lies("ledger changed"), Text: "every entry follows from the one before"}}, nil
}

func (n *fakeNode) AcknowledgeReward(_ context.Context, run string) (view.Rewards, error) {
	defer n.lock()()
	n.w.entries = append(n.w.entries, view.LedgerEntry{RunID: run, Kind: "receipt", By: n.name, Verified: true, Hash: run + n.name})
	return view.Rewards{}, nil
}

func (n *fakeNode) Compare(_ context.Context, runs []string) (view.Comparison, error) {
	defer n.lock()()
	out := view.Comparison{Differs: []view.ComparisonRow{{Key: "strategy.mu", Values: []string{"0", "0.1"}}}, Metrics: []view.ComparisonRow{{Key: "auc"}}}
	for range runs {
		out.Runs = append(out.Runs, view.Run{})
	}
	return out, nil
}

// Models and serving.

func (n *fakeNode) RegisterModel(_ context.Context, run, name string) (view.ModelVersion, error) {
	defer n.lock()()
	v := view.ModelVersion{Model: name, Number: 1, ContentID: "content", RunID: run, Stage: "none", State: "ready", Bytes: 1234}
	n.w.versions = append(n.w.versions, v)
	return v, nil
}

func (n *fakeNode) Model(_ context.Context, name string) (view.Model, error) {
	defer n.lock()()
	return view.Model{Name: name, Versions: slices.Clone(n.w.versions)}, nil
}

func (n *fakeNode) Models(ctx context.Context) ([]view.Model, error) {
	m, err := n.Model(ctx, modelName)
	return []view.Model{m}, err
}

func (n *fakeNode) Version(_ context.Context, _ string, number int) (view.VersionDetail, error) {
	defer n.lock()()
	if number > len(n.w.versions) || n.lies("version lost") {
		return view.VersionDetail{}, notHere("version")
	}
	v := n.w.versions[number-1]
	if n.lies("other content") {
		v.ContentID = "foreign"
	}
	return view.VersionDetail{Version: v, Files: []view.VersionFile{{Path: "params.safetensors"}}, Checks: []view.Check{{Name: "digests", OK: true}}}, nil
}

func (n *fakeNode) RequestStage(_ context.Context, model string, number int, to, reason string) (view.StageRequest, error) {
	defer n.lock()()
	r := view.StageRequest{ID: fmt.Sprint("s", len(n.w.stages)), Model: model, Number: number, To: to, State: "proposed", Needed: 3}
	n.w.stages = append(n.w.stages, r)
	return r, nil
}

func (n *fakeNode) StageRequests(context.Context) ([]view.StageRequest, error) {
	defer n.lock()()
	out := slices.Clone(n.w.stages)
	for i := range out {
		out[i].MyVote = "none"
		for _, v := range out[i].Votes {
			if v.Party == n.name {
				out[i].MyVote = "yes"
			}
		}
	}
	return out, nil
}

func (n *fakeNode) VoteStage(_ context.Context, id string, yes bool, _ string) (view.StageRequest, error) {
	defer n.lock()()
	i := slices.IndexFunc(n.w.stages, func(r view.StageRequest) bool { return r.ID == id })
	r := &n.w.stages[i]
	r.Votes = append(slices.Clone(r.Votes), view.Vote{Party: n.name, Yes: yes})
	if len(r.Votes) >= r.Needed {
		r.State = "applied"
		n.w.versions[0].Stage = r.To
		if n.w.lie == "rejected" {
			r.State, r.Sentence = "rejected", "two said no"
		}
	}
	return *r, nil
}

func (n *fakeNode) SwitchServing(_ context.Context, model string, s view.ServingSwitch) (view.Serving, error) {
	defer n.lock()()
	n.serving = s.On
	if n.model == nil {
		n.model = httptest.NewServer(http.HandlerFunc(n.predict))
	}
	return n.servingView(), nil
}

func (n *fakeNode) servingView() view.Serving {
	s := view.Serving{Model: modelName, State: "off", Number: 1, Address: n.model.URL,
		Inputs: []view.InputField{{Name: "age", Type: "number", Typical: "54"}, {Name: "chol", Type: "number", Low: 100, High: 300}, {Name: "cp", Type: "category", Values: []string{"1", "2"}}}}
	if n.serving {
		s.State = "on"
	}
	if n.lies("no serving") {
		s.State, s.Problem = "error", &view.Problem{Text: "the port is taken", Hint: "choose another"}
	}
	return s
}

func (n *fakeNode) Serving(context.Context, string) (view.Serving, error) {
	defer n.lock()()
	return n.servingView(), nil
}

func (n *fakeNode) ServingList(ctx context.Context) ([]view.Serving, error) {
	s, err := n.Serving(ctx, modelName)
	return []view.Serving{s}, err
}

func (n *fakeNode) NewServingToken(context.Context, string) (view.Serving, error) {
	defer n.lock()()
	n.token = "secret-of-" + fmt.Sprint(n.index)
	s := n.servingView()
	s.Token = n.token
	return s, nil
}

// predict is the endpoint of the served model.
func (n *fakeNode) predict(w http.ResponseWriter, r *http.Request) {
	defer n.lock()()
	if r.Header.Get("Authorization") != "Bearer "+n.token && n.w.lie != "open door" {
		http.Error(w, "who are you", http.StatusUnauthorized)
		return
	}
	var in struct{ Rows []map[string]any }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != "/predict/heart" || len(in.Rows) != 1 || in.Rows[0]["age"] != 54.0 || in.Rows[0]["chol"] != 200.0 {
		http.Error(w, "not a row", http.StatusUnprocessableEntity)
		return
	}
	p := fed.Number(.25)
	if n.lies("other prediction") {
		p = .5
	}
	_ = json.NewEncoder(w).Encode(served{Model: modelName, Version: "1", Rows: []view.PredictedRow{{Label: "yes", Probability: map[string]fed.Number{"yes": 1 - p, "no": p}}}})
}

// Activity.

func (n *fakeNode) Activity(context.Context, view.ActivityQuery) (view.Activity, error) {
	defer n.lock()()
	out := view.Activity{Bytes: 1500, Frames: 15, Totals: []view.EgressTotal{{To: "x", Kind: "update", Bytes: 900, Frames: 9}, {To: "y", Kind: "update", Bytes: 100, Frames: 1}, {To: "x", Kind: "docs", Bytes: 500, Frames: 5}}}
	if n.lies("sent is off") {
		out.Bytes++
	}
	return out, nil
}

func (n *fakeNode) VerifyActivity(context.Context) (view.Check, error) {
	return view.Check{Name: "egress ledger", OK: !n.lies("record changed"), Text: "all 15 entries are unchanged"}, nil
}

// newTestStory is a story in a fresh world. Its waits count looks instead of time.
func newTestStory(t *testing.T, lie string) (*story, *world, *strings.Builder) {
	t.Helper()
	w := newWorld(lie)
	t.Cleanup(w.close)
	var out strings.Builder
	s := newStory(cohort{source: "test data", hospitals: syntheticCast}, t.TempDir(), w, &out)
	s.looks, s.every, s.rounds, s.curl = patience, time.Millisecond, 3, ""
	return s, w, &out
}
