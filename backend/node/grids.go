package node

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/service/coordinator"
	"synergos.app/desktop/backend/service/party"
	"synergos.app/desktop/backend/service/reward"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// grids holds the grids that this party takes part in, one per run.
type grids struct {
	n       *Node
	mu      sync.Mutex
	open    map[fed.RunID]*grid
	states  map[fed.RunID]query.Run
	tried   map[fed.RunID]time.Time // late places
	noVote  map[fed.RunID]bool      // see forgot
	drafts  *drafts
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
	// answering holds one token while this party works on a question.
	answering chan struct{}
}

func newGrids(ctx context.Context, n *Node) (*grids, error) {
	d, err := openDrafts(ctx, n)
	if err != nil {
		return nil, err
	}
	g := &grids{n: n, open: map[fed.RunID]*grid{}, states: map[fed.RunID]query.Run{}, tried: map[fed.RunID]time.Time{}, noVote: map[fed.RunID]bool{}, drafts: d}
	g.learner = coordinator.Learning{Model: n.modelOf}
	g.trainer = party.Learning{Rows: n.rowsOf, Blobs: n.blobs()}
	return g, nil
}

// Queries between members of a grid.
const (
	askOpen  = "grid.open"  // body: the run; joins, but does not start yet
	askStart = "grid.start" // body: the run's id
	askDrop  = "grid.drop"  // body: the run's id; not all members could join
	askLive  = "grid.live"  // body: live or a map of them
)

// place makes the session without starting it.
func (g *grids) place(ctx context.Context, run fed.Run, asked bool) error {
	ports := g.ports(run)
	var err error
	if ports.Forgot, err = g.forgot(ctx, run.ID, asked); err != nil {
		return err
	}
	s, err := party.Open(ctx, run, ports)
	if err != nil {
		return err
	}
	x := &grid{run: run, session: s, done: make(chan struct{}), remote: map[fed.PartyID]live{}, answering: make(chan struct{}, 1)}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[run.ID] != nil {
		return nil
	}
	g.open[run.ID] = x
	x.waiting = time.AfterFunc(max(time.Minute, g.n.opts.MinDeadline), func() { g.drop(run.ID) })
	return nil
}

func (g *grids) ports(run fed.Run) party.Ports {
	return party.Ports{
		Self: g.n.me(), Sign: g.n.keys().Signed, Verify: fed.VerifierOf(g.n.keys().Verify), Net: gridNet{g.n}, Store: gridStore{g.n}, Blobs: g.n.blobs(), Trainer: g.trainer, Timers: g.n.opts.Timers,
		Stands: true, Now: g.n.opts.Now, Draw: draw, Log: g.n.opts.Log, Tell: g.tell,
		Lead: func(ctx context.Context, s *party.Session, acc fed.Checkpoint) { g.lead(ctx, run, s, acc) },
	}
}

func (g *grids) startOrDrop(from fed.PartyID, id fed.RunID, start bool) error {
	r, ok := g.n.tracker.Run(id)
	if !ok {
		return fed.Errorf(fed.Unavailable, "Wait a moment.", "the run has not reached this computer yet")
	}
	if r.By != from {
		return fed.Errorf(fed.Permission, "", "only the party that queued a run starts it")
	}
	if !start {
		g.drop(id)
		return nil
	}
	if err := g.n.starterStays(r); err != nil {
		return err
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
		err := n.mayGoOn(r)
		if err == nil {
			err = n.consents(r.Run)
		}
		if err != nil {
			n.note(n.ctx, id, "consent", "Not resumed: "+err.Error()+".")
			continue
		}
		if err := g.place(n.ctx, r.Run, false); err != nil {
			n.opts.Log.Error("grid not reopened", "run", id, "error", err.Error())
			continue
		}
		n.note(n.ctx, id, "resumed", "The app was started again; this run goes on.")
		if err := g.start(id, true); err != nil {
			n.opts.Log.Error("grid not resumed", "run", id, "error", err.Error())
		}
	}
}

// lead coordinates a run while this party's reign lasts.
func (g *grids) lead(ctx context.Context, run fed.Run, s *party.Session, acc fed.Checkpoint) {
	if r, ok := g.n.tracker.Run(run.ID); ok && r.End != nil {
		return
	}
	st := s.State()
	if st.Mandate.Candidate != g.n.me() {
		return // the reign has ended already
	}
	coordinator.Lead(ctx, run, acc, coordinator.Ports{
		Self: g.n.me(), Term: st.Mandate.Term, Mandate: st.Mandate, Verify: fed.VerifierOf(g.n.keys().Verify), Grid: register{s, g.n}, Members: members{g}, Blobs: g.n.blobs(), Book: runBook{g.n}, Drafts: g.drafts, Ledger: runLedger{reward.Pen{Ledger: g.n.ledger, Term: st.Mandate.Term}}, Learner: g.learner,
		Now: g.n.opts.Now, Log: g.n.opts.Log, MinDeadline: g.n.opts.MinDeadline,
		Tell:    func(lanes []coordinator.Lane) { g.lanes(run.ID, lanes) },
		Refused: g.n.counts.refuse,
		Alarm:   func(text string) { g.n.note(ctx, run.ID, "alarm", text) },
	})
}
