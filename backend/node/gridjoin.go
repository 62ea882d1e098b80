package node

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/service/experiment"
)

// OpenGrid implements experiment.Grids: every member joins, then all start; when
// one cannot, all let go.
func (g *grids) OpenGrid(ctx context.Context, run fed.Run) error {
	if err := g.own(run); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, max(30*time.Second, g.n.opts.MinDeadline/2)) // reading a large file takes time
	defer cancel()
	var joined []fed.PartyID
	for _, m := range run.Members {
		if err := g.ask(ctx, m.Party, askOpen, run); err != nil {
			for _, p := range joined {
				_ = g.ask(context.WithoutCancel(ctx), p, askDrop, run.ID) // it lets go by itself after a while
			}
			return &experiment.MemberError{Name: m.Name, Err: err}
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

// own is this party's own judgement of a run that it queued, which is final.
func (g *grids) own(run fed.Run) error {
	r, ok := g.n.tracker.Run(run.ID)
	if !ok {
		return fed.Errorf(fed.Unavailable, "Wait a moment.", "the run is not known here yet")
	}
	return g.n.allMembers(r)
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
	return g.admit(ctx, r.Run, true)
}

// admit opens this party's place in a run that it consents to; asked says that the
// run begins now.
func (g *grids) admit(ctx context.Context, run fed.Run, asked bool) error {
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
	return g.place(ctx, run, asked)
}

// heard finds the grid of a register message, whose sender must have a say in the
// run. A member may have missed the word to start, or have been closed since it
// joined: it then takes its place now.
func (g *grids) heard(from fed.PartyID, id fed.RunID, m round.Msg) (*grid, error) {
	r, ok := g.n.tracker.Run(id)
	if !ok {
		return nil, nil
	}
	x := g.get(id)
	if goodbye(m) {
		return x, nil
	}
	if err := g.n.hasSay(from, r.Run); err != nil {
		return nil, err
	}
	_, mine := r.Member(g.n.me())
	if x != nil && x.started.Load() || !mine || r.End != nil || !g.tryNow(id) {
		return x, nil
	}
	g.n.work.Go(func() {
		err := g.n.mayGoOn(r)
		if err == nil {
			err = g.admit(g.n.ctx, r.Run, false)
		}
		if err == nil {
			err = g.start(id, false)
		}
		if err != nil {
			g.n.counts.refuse("late place: " + fed.KindOf(err).String())
			g.n.opts.Log.Info("run not joined late", "run", id, "error", err.Error())
		}
	})
	return x, nil
}

// tryNow bounds how often a late place is tried for.
func (g *grids) tryNow(id fed.RunID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.n.opts.Now()
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
