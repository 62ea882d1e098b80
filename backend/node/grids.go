package node

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/coordinator"
	"synergos.app/desktop/backend/service/party"
	"synergos.app/desktop/backend/service/reward"
	"synergos.app/desktop/backend/storage/sqlite"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// grids holds the grids that this party takes part in, one per run.
type grids struct {
	n       *Node
	mu      sync.Mutex
	open    map[fed.RunID]*grid
	states  map[fed.RunID]query.Run
	tried   map[fed.RunID]time.Time // late places
	learner coordinator.Learning
	trainer party.Learning
}

// grid is one open grid.
type grid struct {
	run     fed.Run
	session *party.Session
	cancel  context.CancelFunc
	done    chan struct{}
	started atomic.Bool
	waiting *time.Timer // closes a grid that was joined but never started
	lanes   []coordinator.Lane
	remote  map[fed.PartyID]live
	in      int64
	told    time.Time
}

// live is what a member tells the coordinator, and the coordinator all others,
// about its work.
type live struct {
	State    string     `json:"state"`
	Round    int        `json:"round"`
	Progress fed.Number `json:"progress"`
	Examples int64      `json:"examples"`
	AtMs     int64      `json:"-"`
}

func newGrids(n *Node) *grids {
	g := &grids{n: n, open: map[fed.RunID]*grid{}, states: map[fed.RunID]query.Run{}, tried: map[fed.RunID]time.Time{}}
	g.learner = coordinator.Learning{Model: n.modelOf}
	g.trainer = party.Learning{Rows: n.rowsOf, Blobs: n.blobs()}
	return g
}

// Queries between members of a grid.
const (
	askOpen  = "grid.open"  // body: the run; joins, but does not start yet
	askStart = "grid.start" // body: the run's id
	askDrop  = "grid.drop"  // body: the run's id; not all members could join
	askLive  = "grid.live"  // body: live or a map of them
)

// OpenGrid implements experiment.Grids: every member joins, then all start; when
// one cannot, all let go.
func (g *grids) OpenGrid(ctx context.Context, run fed.Run) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var joined []fed.PartyID
	for _, m := range run.Members {
		if err := g.ask(ctx, m.Party, askOpen, run); err != nil {
			for _, p := range joined {
				_ = g.ask(context.WithoutCancel(ctx), p, askDrop, run.ID) // it lets go by itself after a while
			}
			e := fed.Errorf(fed.KindOf(err), fed.HintOf(err), "%s cannot join: %w", m.Name, err)
			return e
		}
		joined = append(joined, m.Party)
	}
	for _, m := range run.Members {
		if err := g.ask(ctx, m.Party, askStart, run.ID); err != nil {
			g.n.opts.Log.Warn("member not started", "run", run.ID, "party", m.Party.Short(), "error", err.Error())
		}
	}
	return nil
}

// ask puts a question to a member, which may be this party.
func (g *grids) ask(ctx context.Context, to fed.PartyID, name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("ask %s: %w", name, err)
	}
	if to == g.n.me() {
		_, err := g.answer(ctx, to, wire.Query{Name: name, Body: raw})
		return err
	}
	_, err = g.n.net.Request(ctx, to, wire.Query{Name: name, Body: raw})
	return err
}

// answer serves the queries of a grid.
func (g *grids) answer(ctx context.Context, from fed.PartyID, q wire.Query) ([]byte, error) {
	switch q.Name {
	case askOpen:
		var run fed.Run
		if err := json.Unmarshal(q.Body, &run); err != nil {
			return nil, fed.Errorf(fed.Invalid, "", "run cannot be read: %w", err)
		}
		return []byte("{}"), g.join(ctx, from, run.ID)
	case askStart, askDrop:
		var id fed.RunID
		if err := json.Unmarshal(q.Body, &id); err != nil {
			return nil, fed.Errorf(fed.Invalid, "", "run id cannot be read: %w", err)
		}
		return []byte("{}"), g.startOrDrop(from, id, q.Name == askStart)
	case askLive:
		return []byte("{}"), g.hear(from, q.Body)
	}
	return nil, fed.Errorf(fed.Invalid, "", "question %q is not known", q.Name)
}

// join opens this party's place in a run, if it consents and has room. What it
// trusts is the run document of the book, not what the asker sent.
func (g *grids) join(ctx context.Context, from fed.PartyID, id fed.RunID) error {
	r, ok := g.n.tracker.Run(id)
	if !ok {
		return fed.Errorf(fed.Unavailable, "Wait a moment.", "the run has not reached this computer yet")
	}
	if r.By != from {
		return fed.Errorf(fed.Permission, "", "only the party that queued a run opens it")
	}
	if r.End != nil {
		return fed.Errorf(fed.Exists, "", "the run has ended")
	}
	if err := g.n.allMembers(r); err != nil {
		return err
	}
	return g.admit(ctx, r.Run)
}

// admit opens this party's place in a run that it consents to.
func (g *grids) admit(ctx context.Context, run fed.Run) error {
	if err := g.n.consents(run); err != nil {
		return err
	}
	g.mu.Lock()
	_, known := g.open[run.ID]
	busy := len(g.open) >= g.n.gridLimit()
	g.mu.Unlock()
	if known {
		return nil
	}
	if busy {
		return fed.Errorf(fed.Busy, "Wait until one of its runs has ended.", "all of its places for runs are taken")
	}
	if _, err := g.n.rowsOf(ctx, run); err != nil {
		return err
	}
	return g.place(ctx, run)
}

// heard finds the grid of a register message. A member may have missed the word to
// start, or have been closed since it joined: it then takes its place now.
func (g *grids) heard(from fed.PartyID, id fed.RunID) *grid {
	x := g.get(id)
	if x != nil && x.started.Load() {
		return x
	}
	r, ok := g.n.tracker.Run(id)
	_, member := r.Member(from)
	_, mine := r.Member(g.n.me())
	if !ok || !member || !mine || r.End != nil || !g.tryNow(id) {
		return x
	}
	g.n.work.Go(func() {
		err := g.admit(g.n.ctx, r.Run)
		if err == nil {
			err = g.start(id, false)
		}
		if err != nil {
			g.n.opts.Log.Info("run not joined late", "run", id, "error", err.Error())
		}
	})
	return x
}

// tryNow bounds how often a late place is tried for.
func (g *grids) tryNow(id fed.RunID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Sub(g.tried[id]) < g.n.opts.Timers.Lease {
		return false
	}
	if len(g.tried) >= 1024 {
		clear(g.tried)
	}
	g.tried[id] = now
	return true
}

// joinedBefore counts the runs of run's project that this party joined before it:
// all others while it has not joined run itself.
func (g *grids) joinedBefore(run fed.Run) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	mine := g.states[run.ID].StartedMs
	k := 0
	for id, s := range g.states {
		earlier := mine == 0 || s.StartedMs < mine || s.StartedMs == mine && id < run.ID
		if id != run.ID && fed.ProjectID(s.Project) == run.Project && s.StartedMs != 0 && earlier {
			k++
		}
	}
	for id, x := range g.open { // those that wait for the word to start
		if mine == 0 && id != run.ID && x.run.Project == run.Project && g.states[id].StartedMs == 0 {
			k++
		}
	}
	return k
}

// place makes the session without starting it.
func (g *grids) place(ctx context.Context, run fed.Run) error {
	s, err := party.Open(ctx, run, g.ports(run))
	if err != nil {
		return err
	}
	x := &grid{run: run, session: s, done: make(chan struct{}), remote: map[fed.PartyID]live{}}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[run.ID] != nil {
		return nil
	}
	g.open[run.ID] = x
	x.waiting = time.AfterFunc(time.Minute, func() { g.drop(run.ID) })
	return nil
}

func (g *grids) ports(run fed.Run) party.Ports {
	return party.Ports{
		Self: g.n.me(), Net: gridNet{g.n}, Store: gridStore{g.n}, Blobs: g.n.blobs(), Trainer: g.trainer, Timers: g.n.opts.Timers,
		Stands: true, Now: time.Now, Draw: draw, Log: g.n.opts.Log, Tell: g.tell,
		Lead: func(ctx context.Context, s *party.Session, acc fed.Checkpoint) { g.lead(ctx, run, s, acc) },
	}
}

func (g *grids) startOrDrop(from fed.PartyID, id fed.RunID, start bool) error {
	if r, ok := g.n.tracker.Run(id); !ok || r.By != from {
		return fed.Errorf(fed.Permission, "", "only the party that queued a run starts it")
	}
	if !start {
		g.drop(id)
		return nil
	}
	return g.start(id, false)
}

// drop lets go of a grid that never started.
func (g *grids) drop(id fed.RunID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if x := g.open[id]; x != nil && !x.started.Load() {
		x.waiting.Stop()
		delete(g.open, id)
	}
}

// start runs a placed grid until its run ends.
func (g *grids) start(id fed.RunID, resumed bool) error {
	g.mu.Lock()
	x := g.open[id]
	if x == nil || x.started.Load() {
		g.mu.Unlock()
		if x == nil {
			return fed.Errorf(fed.NotFound, "", "the grid is not open here")
		}
		return nil
	}
	x.waiting.Stop()
	ctx, cancel := context.WithCancel(g.n.ctx)
	x.cancel = cancel
	x.started.Store(true)
	g.mu.Unlock()
	if err := g.save(ctx, x.run, "running", ""); err != nil {
		return err
	}
	if resumed {
		x.session.Return()
	}
	g.n.work.Go(func() {
		defer close(x.done)
		defer cancel()
		if err := x.session.Run(ctx); err != nil {
			g.n.opts.Log.Error("grid ended", "run", id, "error", err.Error())
		}
		g.mu.Lock()
		delete(g.open, id)
		g.mu.Unlock()
		g.n.runChanged(id)
		g.n.queue.Wake()
	})
	return nil
}

// end closes a grid whose run has ended.
func (g *grids) end(id fed.RunID) {
	g.mu.Lock()
	x := g.open[id]
	if x != nil && !x.started.Load() {
		delete(g.open, id)
	}
	g.mu.Unlock()
	if x != nil && x.started.Load() {
		x.session.Over()
		x.cancel()
	}
}

// leave takes this party out of a run that goes on without it, with a goodbye.
func (g *grids) leave(id fed.RunID) {
	if x := g.get(id); x != nil && x.started.Load() {
		x.cancel()
		return
	}
	g.drop(id)
}

func (g *grids) closeAll() {
	g.mu.Lock()
	var all []*grid
	for _, x := range g.open {
		if x.started.Load() {
			x.cancel()
			all = append(all, x)
		}
	}
	g.mu.Unlock()
	for _, x := range all {
		<-x.done
	}
}

// running counts the grids that have started.
func (g *grids) running() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := 0
	for _, x := range g.open {
		k += fromBool(x.started.Load())
	}
	return k
}

func (g *grids) get(id fed.RunID) *grid {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open[id]
}

// resume opens again the grids that were running when the app ended. A pause by a
// person is kept.
func (n *Node) resume() {
	g := n.grids
	for id, s := range g.snapshot() {
		r, ok := n.tracker.Run(id)
		if !ok || r.End != nil || s.State != "running" {
			continue
		}
		if err := n.consents(r.Run); err != nil {
			n.note(n.ctx, id, "consent", "Not resumed: "+err.Error()+".")
			continue
		}
		if err := g.place(n.ctx, r.Run); err != nil {
			n.opts.Log.Error("grid not reopened", "run", id, "error", err.Error())
			continue
		}
		n.note(n.ctx, id, "resumed", "The app was started again; this run goes on.")
		if err := g.start(id, true); err != nil {
			n.opts.Log.Error("grid not resumed", "run", id, "error", err.Error())
		}
	}
}

func (g *grids) snapshot() map[fed.RunID]query.Run {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[fed.RunID]query.Run{}
	for k, v := range g.states {
		out[k] = v
	}
	return out
}

// LoadStates implements experiment.States.
func (g *grids) LoadStates(ctx context.Context) (map[fed.RunID]string, error) {
	rows, err := g.n.db.ListRuns(ctx)
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	out := map[fed.RunID]string{}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range rows {
		g.states[fed.RunID(r.ID)] = r
		out[fed.RunID(r.ID)] = r.State
	}
	return out, nil
}

// SaveState implements experiment.States.
func (g *grids) SaveState(ctx context.Context, run fed.Run, state, sentence string) error {
	return g.save(ctx, run, state, sentence)
}

func (g *grids) save(ctx context.Context, run fed.Run, state, sentence string) error {
	g.mu.Lock()
	r := g.states[run.ID]
	g.mu.Unlock()
	r.ID, r.Experiment, r.Project = string(run.ID), string(run.Experiment), string(run.Project)
	r.State, r.EndReason = state, sentence
	if state == "running" && r.StartedMs == 0 {
		r.StartedMs = ms(g.n.opts.Now())
	}
	if err := g.n.db.PutRun(context.WithoutCancel(ctx), query.PutRunParams(r)); err != nil {
		return fmt.Errorf("save run: %w", err)
	}
	g.mu.Lock()
	g.states[run.ID] = r
	g.mu.Unlock()
	return nil
}

// EndRun implements experiment.Ender.
func (g *grids) EndRun(ctx context.Context, run fed.Run, end fed.RunEnd) error {
	if end.Last == nil {
		end.Last = map[string]fed.Sums{}
	}
	if end.Results == nil {
		end.Results = []fed.RunResult{}
	}
	_, err := g.n.book.Append(ctx, fed.ScopeProject(run.Project), fed.DocRunEnd, string(run.ID), end)
	return err
}

// lead coordinates a run while this party's reign lasts.
func (g *grids) lead(ctx context.Context, run fed.Run, s *party.Session, acc fed.Checkpoint) {
	if r, ok := g.n.tracker.Run(run.ID); ok && r.End != nil {
		return
	}
	coordinator.Lead(ctx, run, acc, coordinator.Ports{
		Self: g.n.me(), Term: s.State().Term, Grid: register{s, g.n}, Members: members{g}, Blobs: g.n.blobs(), Book: runBook{g.n}, Ledger: runLedger{g.n.ledger}, Learner: g.learner,
		Now: time.Now, Log: g.n.opts.Log, MinDeadline: g.n.opts.MinDeadline,
		Tell: func(lanes []coordinator.Lane) { g.lanes(run.ID, lanes) },
	})
}

// register is a session as its coordinator sees it: who left the project is absent,
// goodbye heard or not.
type register struct {
	*party.Session
	n *Node
}

func (r register) Absent(p fed.PartyID) bool {
	return r.Session.Absent(p) || !r.n.projects.Member(r.State().Run.Project, p)
}

// runBook records rounds and ends in the project's book.
type runBook struct{ n *Node }

func (b runBook) Rounds(id fed.RunID) []fed.RoundRecord {
	r, _ := b.n.tracker.Run(id)
	return r.Rounds
}

func (b runBook) Round(ctx context.Context, run fed.Run, r fed.RoundRecord) error {
	// It is committed, whether or not this reign has ended since.
	_, err := b.n.book.Append(context.WithoutCancel(ctx), fed.ScopeProject(run.Project), fed.DocRound, string(run.ID), r)
	return err
}

func (b runBook) End(ctx context.Context, run fed.Run, e fed.RunEnd) error {
	return b.n.grids.EndRun(context.WithoutCancel(ctx), run, e)
}

// runLedger is the reward ledger as a coordinator uses it.
type runLedger struct{ *reward.Ledger }

// Unscored returns what to ask for the recorded rounds that the ledger lacks: a
// coordinator that left may not have got to them.
func (l runLedger) Unscored(run fed.Run) []fed.ScoreAsk {
	scored := map[int]bool{}
	for _, r := range l.Rounds(run.ID) {
		scored[r.Score.Round] = true
	}
	_, rounds, _ := l.Run(run.ID)
	var out []fed.ScoreAsk
	for _, r := range rounds {
		if r.N > 0 && len(r.In) > 0 && !scored[r.N] {
			out = append(out, fed.ScoreAsk{Run: run.ID, Round: r.N, Base: fed.BlobRef{Digest: r.Parent}, In: r.In})
		}
	}
	return out
}

// gridStore keeps registers and updates in SQLite.
type gridStore struct{ n *Node }

func (s gridStore) SaveGrid(ctx context.Context, run fed.RunID, p round.Persistent) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return s.n.db.PutGrid(context.WithoutCancel(ctx), query.PutGridParams{Run: string(run), State: raw})
}

func (s gridStore) LoadGrid(ctx context.Context, run fed.RunID) (*round.Persistent, error) {
	raw, err := s.n.db.GetGrid(ctx, string(run))
	if sqlite.NoRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var p round.Persistent
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fed.Errorf(fed.Corrupt, "Leave the run and start another.", "the saved state of a grid cannot be read: %w", err)
	}
	return &p, nil
}

func (s gridStore) SaveUpdate(ctx context.Context, u fed.Update) error {
	return s.n.db.PutSentUpdate(ctx, query.PutSentUpdateParams{Run: string(u.Run), Base: string(u.Base), Body: toJSON(u)})
}

func (s gridStore) LoadUpdate(ctx context.Context, run fed.RunID, base fed.Digest) (*fed.Update, error) {
	body, err := s.n.db.GetSentUpdate(ctx, query.GetSentUpdateParams{Run: string(run), Base: string(base)})
	if sqlite.NoRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var u fed.Update
	if err := json.Unmarshal([]byte(body), &u); err != nil {
		return nil, fmt.Errorf("read saved update: %w", err)
	}
	return &u, nil
}

// members reaches the members of a run; this party is answered without the wire.
type members struct{ g *grids }

func (m members) Online(p fed.PartyID) bool { return p == m.g.n.me() || m.g.n.peers.isOnline(p) }

func (m members) Fetch(ctx context.Context, from fed.PartyID, ref fed.BlobRef) error {
	return m.g.n.fetch(ctx, from, ref)
}

func (m members) Evaluate(ctx context.Context, to fed.PartyID, ask fed.EvalAsk) (fed.EvalReply, error) {
	if to == m.g.n.me() {
		return m.g.evaluate(ctx, to, ask)
	}
	reply, err := m.g.n.net.Request(ctx, to, wire.Eval{EvalAsk: ask})
	if err != nil {
		return fed.EvalReply{}, err
	}
	r, ok := reply.(wire.EvalReply)
	if !ok {
		return fed.EvalReply{}, errUnexpected(reply)
	}
	return r.EvalReply, nil
}

func (m members) Score(ctx context.Context, to fed.PartyID, ask fed.ScoreAsk) (fed.ScoreReply, error) {
	if to == m.g.n.me() {
		return m.g.score(ctx, to, ask)
	}
	reply, err := m.g.n.net.Request(ctx, to, wire.Score{ScoreAsk: ask})
	if err != nil {
		return fed.ScoreReply{}, err
	}
	r, ok := reply.(wire.ScoreReply)
	if !ok {
		return fed.ScoreReply{}, errUnexpected(reply)
	}
	var out fed.ScoreReply
	if err := json.Unmarshal(r.Body, &out); err != nil {
		return out, fed.Errorf(fed.Invalid, "", "scores cannot be read: %w", err)
	}
	return out, nil
}

func errUnexpected(m wire.Message) error {
	return fed.Errorf(fed.Invalid, "Update the app on both sides.", "unexpected answer %q", m.Kind())
}

// asked returns the run of a question from a member that may ask it.
func (g *grids) asked(from fed.PartyID, id fed.RunID) (fed.Run, error) {
	r, ok := g.n.tracker.Run(id)
	if !ok {
		return fed.Run{}, fed.Errorf(fed.NotFound, "", "the run is not known here")
	}
	if _, member := r.Member(from); !member {
		return fed.Run{}, fed.Errorf(fed.Permission, "", "not a member of this run")
	}
	if x := g.get(id); x == nil || x.session.State().Leader != from {
		return fed.Run{}, fed.Errorf(fed.Permission, "", "only the coordinator of an open run may ask this")
	}
	return r.Run, nil
}

// evaluate answers for sums on this party's rows.
func (g *grids) evaluate(ctx context.Context, from fed.PartyID, ask fed.EvalAsk) (fed.EvalReply, error) {
	run, err := g.asked(from, ask.Run)
	if err != nil {
		return fed.EvalReply{}, err
	}
	if err := g.n.fetch(ctx, from, ask.Params); err != nil {
		return fed.EvalReply{}, err
	}
	out, err := g.trainer.Evaluate(ctx, run, ask)
	out.BytesOut = g.n.sentFor(ctx, string(run.ID))
	if x := g.get(run.ID); x != nil {
		g.mu.Lock()
		out.BytesIn = x.in
		g.mu.Unlock()
	}
	return out, err
}

// score answers for utilities of coalitions on this party's held-out rows.
func (g *grids) score(ctx context.Context, from fed.PartyID, ask fed.ScoreAsk) (fed.ScoreReply, error) {
	run, err := g.asked(from, ask.Run)
	if err != nil {
		return fed.ScoreReply{}, err
	}
	for _, in := range ask.In {
		if err := g.n.fetch(ctx, from, in.Update); err != nil {
			return fed.ScoreReply{}, err
		}
		g.heardBytes(run.ID, in.Update.Size)
	}
	if err := g.n.fetch(ctx, from, ask.Base); err != nil {
		return fed.ScoreReply{}, err
	}
	return g.trainer.Score(ctx, run, ask)
}

// heardBytes counts what a run made this party receive: blobs and the bodies of
// documents and answers.
func (g *grids) heardBytes(id fed.RunID, bytes int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if x := g.open[id]; x != nil {
		x.in += bytes
	}
}

// receivedFor returns what an open run has made this party receive.
func (g *grids) receivedFor(id fed.RunID) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if x := g.open[id]; x != nil {
		return x.in
	}
	return 0
}

// lanes keeps what the coordinator knows of the open round.
func (g *grids) lanes(id fed.RunID, lanes []coordinator.Lane) {
	g.mu.Lock()
	if x := g.open[id]; x != nil {
		x.lanes = lanes
	}
	g.mu.Unlock()
	g.publishLive(id)
}

// hear takes a member's live state, or all of them from the coordinator.
func (g *grids) hear(from fed.PartyID, body []byte) error {
	var msg struct {
		Run fed.RunID            `json:"run"`
		All map[fed.PartyID]live `json:"all"`
	}
	if err := json.Unmarshal(body, &msg); err != nil {
		return fed.Errorf(fed.Invalid, "", "live state cannot be read: %w", err)
	}
	x := g.get(msg.Run)
	if x == nil {
		return fed.Errorf(fed.NotFound, "", "the grid is not open here")
	}
	leader := x.session.State().Leader
	now := ms(time.Now())
	g.mu.Lock()
	for p, l := range msg.All {
		_, member := x.run.Member(p)
		if member && p != g.n.me() && (p == from || from == leader) {
			l.AtMs = now
			x.remote[p] = l
		}
	}
	g.mu.Unlock()
	g.publishLive(msg.Run)
	return nil
}

// tell takes the events of sessions.
func (g *grids) tell(e party.Event) {
	n := g.n
	switch e.Kind {
	case party.EventWork:
		g.publishLive(e.Run)
		n.then(func(ctx context.Context) { g.shareLive(ctx, e.Run) })
		return
	case party.EventRefused:
		n.counts.refuse("grid: " + e.Text)
		return
	case party.EventCommitted:
		n.runChanged(e.Run)
		return
	}
	n.then(func(ctx context.Context) {
		n.note(ctx, e.Run, string(e.Kind), e.Text)
		n.runChanged(e.Run)
	})
}

// shareLive tells the coordinator what this party does, or all others what the
// coordinator knows, a few times a second at most.
func (g *grids) shareLive(ctx context.Context, id fed.RunID) {
	x := g.get(id)
	if x == nil {
		return
	}
	s := x.session.State()
	if s.Leader == "" {
		return
	}
	all := map[fed.PartyID]live{g.n.me(): liveOf(s)}
	to := []fed.PartyID{s.Leader}
	g.mu.Lock()
	if time.Since(x.told) < 300*time.Millisecond {
		g.mu.Unlock()
		return
	}
	x.told = time.Now()
	if s.Leader == g.n.me() {
		to = nil
		for p, l := range x.remote {
			all[p] = l
		}
		for _, m := range x.run.Members {
			to = append(to, m.Party)
		}
	}
	g.mu.Unlock()
	body := []byte(toJSON(map[string]any{"run": id, "all": all}))
	for _, p := range to {
		if p == g.n.me() || !g.n.peers.isOnline(p) {
			continue
		}
		if err := g.n.net.Send(ctx, p, wire.Query{Name: askLive, Body: body}); err != nil {
			g.n.opts.Log.Debug("live state not sent", "run", id, "error", err.Error())
		}
	}
}

func liveOf(s party.State) live {
	return live{State: s.Live.State, Round: s.Live.Round, Progress: fed.Number(s.Live.Progress), Examples: s.Live.Examples}
}

func (g *grids) publishLive(id fed.RunID) { g.n.publish("run.live", string(id), g.n.partiesOf(id)) }

// note adds a line to a run's history.
func (n *Node) note(ctx context.Context, id fed.RunID, kind, text string) {
	if text == "" {
		return
	}
	err := n.db.PutRunEvent(context.WithoutCancel(ctx), query.PutRunEventParams{Run: string(id), TimeMs: ms(n.opts.Now()), Kind: kind, Text: text})
	if err != nil {
		n.opts.Log.Error("run event not saved", "run", id, "error", err.Error())
	}
}

// control carries out a person's wish about a run, here or at the coordinator.
func (g *grids) control(ctx context.Context, id fed.RunID, action, reason string) error {
	x := g.get(id)
	if x == nil || !x.started.Load() {
		return fed.Errorf(fed.Unavailable, "Wait until the run has started.", "the run is not running on this computer")
	}
	s := x.session.State()
	if action == "takeover" {
		return x.session.TakeOver()
	}
	if s.Leader != "" && s.Leader != g.n.me() {
		if err := g.n.net.Send(ctx, s.Leader, wire.Control{Grid: id, Action: action, Reason: reason}); err != nil {
			return err
		}
		g.noteAct(x, g.n.me(), action, reason) // here too, where the person looks
		return nil
	}
	return g.act(x, g.n.me(), action, reason)
}

func (g *grids) act(x *grid, by fed.PartyID, action, reason string) (err error) {
	switch action {
	case "pause":
		err = x.session.Pause()
	case "resume":
		err = x.session.Resume()
	default:
		err = fed.Errorf(fed.Invalid, "", "action %q is not known", action)
	}
	if err == nil {
		g.noteAct(x, by, action, reason)
	}
	return err
}

// noteAct enters a person's wish into the run's history.
func (g *grids) noteAct(x *grid, by fed.PartyID, action, reason string) {
	text := fmt.Sprintf("%s asked to %s the run.", x.run.NameOf(by), action)
	if reason != "" {
		text = fmt.Sprintf("%s asked to %s the run: %s", x.run.NameOf(by), action, reason)
	}
	g.n.then(func(ctx context.Context) { g.n.note(ctx, x.run.ID, action, text) })
}

// gridNet sends register messages and updates.
type gridNet struct{ n *Node }

func (t gridNet) SendGrid(ctx context.Context, to fed.PartyID, run fed.RunID, msg round.Msg, ref fed.BlobRef) error {
	m, err := toWire(run, msg, ref)
	if err != nil {
		return err
	}
	return t.n.net.Send(ctx, to, m)
}

func (t gridNet) SendUpdate(ctx context.Context, to fed.PartyID, u fed.Update) error {
	m := wire.Update{Update: u}
	m.Sig = t.n.identity().Sign(wire.UpdateDomain, m.SigningBytes())
	_, err := t.n.net.Request(ctx, to, m)
	return err
}

func (t gridNet) Fetch(ctx context.Context, from fed.PartyID, ref fed.BlobRef) error {
	return t.n.fetch(ctx, from, ref)
}

// toWire and fromWire translate between the register's messages and the wire's.
func toWire(run fed.RunID, msg round.Msg, ref fed.BlobRef) (wire.Message, error) {
	switch m := msg.(type) {
	case round.Prevote:
		return wire.Prevote{Grid: run, Epoch: m.Epoch, Term: m.Term, Acc: m.Acc, TakeOver: m.TakeOver}, nil
	case round.PrevoteReply:
		return wire.PrevoteReply{Grid: run, Epoch: m.Epoch, Term: m.Term, For: m.For, Granted: m.Granted, Why: uint8(m.Why), Out: m.Out}, nil
	case round.Vote:
		return wire.Vote{Grid: run, Epoch: m.Epoch, Term: m.Term, Acc: m.Acc}, nil
	case round.VoteReply:
		return wire.VoteReply{Grid: run, Epoch: m.Epoch, Term: m.Term, Granted: m.Granted, Why: uint8(m.Why), Out: m.Out}, nil
	case round.Round:
		w := wire.Round{Grid: run, Epoch: m.Epoch, Voters: m.Voters, Learners: m.Learners, Term: m.Term, Acc: m.Acc, Committed: m.Committed, CommittedEpoch: m.CommittedEpoch, Held: m.Held, Empty: m.Empty}
		if ref.Root != "" || ref.Size > 0 {
			w.Blob = ref
		}
		return w, nil
	case round.Ack:
		return wire.Ack{Grid: run, Epoch: m.Epoch, Term: m.Term, Acc: m.Acc, Refused: m.Refused, NoVote: m.NoVote, Out: m.Out}, nil
	case round.Presence:
		return wire.Presence{Grid: run, Term: m.Term, Absent: m.Absent}, nil
	}
	return nil, fmt.Errorf("grid message %T has no wire form", msg)
}

func fromWire(msg wire.Message) (run fed.RunID, m round.Msg, ref fed.BlobRef, ok bool) {
	switch w := msg.(type) {
	case wire.Prevote:
		return w.Grid, round.Prevote{Epoch: w.Epoch, Term: w.Term, Acc: w.Acc, TakeOver: w.TakeOver}, ref, true
	case wire.PrevoteReply:
		return w.Grid, round.PrevoteReply{Epoch: w.Epoch, Term: w.Term, For: w.For, Granted: w.Granted, Why: round.Refusal(w.Why), Out: w.Out}, ref, true
	case wire.Vote:
		return w.Grid, round.Vote{Epoch: w.Epoch, Term: w.Term, Acc: w.Acc}, ref, true
	case wire.VoteReply:
		return w.Grid, round.VoteReply{Epoch: w.Epoch, Term: w.Term, Granted: w.Granted, Why: round.Refusal(w.Why), Out: w.Out}, ref, true
	case wire.Round:
		members := round.Members{Epoch: w.Epoch, Voters: w.Voters, Learners: w.Learners}
		return w.Grid, round.Round{Members: members, Term: w.Term, Acc: w.Acc, Committed: w.Committed, CommittedEpoch: w.CommittedEpoch, Held: w.Held, Empty: w.Empty}, w.Blob, true
	case wire.Ack:
		return w.Grid, round.Ack{Epoch: w.Epoch, Term: w.Term, Acc: w.Acc, Refused: w.Refused, NoVote: w.NoVote, Out: w.Out}, ref, true
	case wire.Presence:
		return w.Grid, round.Presence{Term: w.Term, Absent: w.Absent}, ref, true
	}
	return "", nil, ref, false
}

// partiesOf returns the live lanes of a run, as far as they are known here.
func (n *Node) partiesOf(id fed.RunID) []view.RunParty {
	r, ok := n.tracker.Run(id)
	if !ok {
		return []view.RunParty{}
	}
	x := n.grids.get(id)
	var (
		s      party.State
		lanes  = map[fed.PartyID]coordinator.Lane{}
		remote = map[fed.PartyID]live{}
	)
	if x != nil {
		s = x.session.State()
		n.grids.mu.Lock()
		for _, l := range x.lanes {
			lanes[l.Party] = l
		}
		for p, l := range x.remote {
			remote[p] = l
		}
		n.grids.mu.Unlock()
	}
	out := []view.RunParty{}
	for _, m := range r.Members {
		v := view.RunParty{PartyID: string(m.Party), Name: m.Name, Me: m.Party == n.me(), Role: "party", State: "idle"}
		if m.Party == s.Leader {
			v.Role = "coordinator"
		}
		n.laneOf(&v, m.Party, s, x != nil, lanes, remote)
		for _, rec := range r.Rounds {
			for _, in := range rec.In {
				if in.Party == m.Party {
					v.Rounds++
					v.Examples = in.Examples
				}
			}
		}
		if r.End != nil {
			v.State = "done"
			for _, res := range r.End.Results {
				if res.Party == m.Party {
					v.BytesIn, v.BytesOut, v.Examples = res.BytesIn, res.BytesOut, res.Train
				}
			}
		}
		out = append(out, v)
	}
	return out
}

func (n *Node) laneOf(v *view.RunParty, p fed.PartyID, s party.State, open bool, lanes map[fed.PartyID]coordinator.Lane, remote map[fed.PartyID]live) {
	switch {
	case !open:
	case v.Me:
		v.State, v.Progress = s.Live.State, fed.Number(s.Live.Progress)
		v.BytesOut, v.BytesIn = n.sentFor(n.ctx, string(s.Run.ID)), n.grids.receivedFor(s.Run.ID)
	case !n.peers.isOnline(p):
		v.State = "offline"
	default:
		l := remote[p]
		if l.State != "" {
			v.State, v.Progress = l.State, l.Progress
			v.LastHeardMs = ms(time.Now()) - l.AtMs
		}
		if lane, ok := lanes[p]; ok && (lane.State == "absent" || lane.State == "late" || lane.State == "done") {
			v.State = lane.State
		}
	}
	if v.State == "" {
		v.State = "idle"
	}
}
