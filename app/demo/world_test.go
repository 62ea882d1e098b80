package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
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
