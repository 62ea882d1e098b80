package node

import (
	"context"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
)

// runFollow is what a new document of a run leads to.
func (n *Node) runFollow(ctx context.Context, id fed.RunID, d fed.Doc) {
	r, ok := n.tracker.Run(id)
	if !ok {
		return
	}
	if d.Kind == fed.DocRunEnd && r.End != nil {
		n.grids.end(id)
		if err := n.grids.save(ctx, r.Run, r.End.State, ""); err != nil {
			n.opts.Log.Error("run state not saved", "run", id, "error", err.Error())
		}
		if err := n.db.DropAnswers(ctx, string(id)); err != nil { // nobody may ask any more
			n.opts.Log.Error("answers not dropped", "run", id, "error", err.Error())
		}
		n.keepResult(r)
		n.ledgerFollow(id) // the round of the result is known now
	}
	if d.Kind == fed.DocRound {
		n.publish("run.round", string(id), nil)
		n.grids.drafts.recall(ctx, r)
	}
	n.runChanged(id)
	n.queue.Wake()
}

// keepResult gets the params of a finished run if this party missed the last round,
// from who ended it or from another member. Of projects that a person has not joined
// nothing is fetched.
func (n *Node) keepResult(r experiment.Run) {
	if r.End == nil || r.End.State != "finished" || n.store.Has(r.End.Params) || !n.takesPart(n.me(), r.Project) {
		return
	}
	n.errands.run("result "+string(r.ID), func(ctx context.Context) { n.fetchResult(ctx, r) })
}

func (n *Node) fetchResult(ctx context.Context, r experiment.Run) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	from := []fed.PartyID{r.EndBy}
	for _, m := range r.Members {
		from = append(from, m.Party)
	}
	for _, p := range from {
		if p == n.me() || !n.peers.isOnline(p) {
			continue
		}
		err := n.fetch(ctx, p, r.End.ParamsRef)
		if err == nil {
			n.runChanged(r.ID)
			return
		}
		n.opts.Log.Info("result not fetched yet", "run", r.ID, "error", err.Error())
	}
}

// keepResults tries again for all runs that this party was part of.
func (n *Node) keepResults() {
	missing := func(r experiment.Run) bool {
		_, mine := r.Member(n.me())
		return mine && r.End != nil && r.End.State == "finished" && !n.store.Has(r.End.Params)
	}
	for _, r := range n.tracker.Runs(missing) {
		n.keepResult(r)
	}
}

// runChanged tells the screens about a run.
func (n *Node) runChanged(id fed.RunID) {
	if r, ok := n.tracker.Run(id); ok && n.live {
		n.publish("run", string(id), n.runView(r))
		n.experimentChanged(string(r.Experiment))
		n.statusChanged()
	}
}

// act finds a run and a person's right to act on it.
func (n *Node) act(id string) (experiment.Run, error) {
	r, ok := n.tracker.Run(fed.RunID(id))
	switch {
	case !ok:
		return r, fed.Errorf(fed.NotFound, "Reload the list.", "there is no such run here")
	case r.End != nil:
		return r, fed.Errorf(fed.Invalid, "Start a new run.", "the run has ended")
	}
	return r, nil
}

// PauseRun holds a run at the next round, or keeps a queued one from starting.
func (n *Node) PauseRun(ctx context.Context, id, reason string) (view.Run, error) {
	return n.hold(ctx, id, "pause", "paused", reason)
}

// ResumeRun ends a pause.
func (n *Node) ResumeRun(ctx context.Context, id, reason string) (view.Run, error) {
	return n.hold(ctx, id, "resume", "queued", reason)
}

func (n *Node) hold(ctx context.Context, id, action, queued, reason string) (view.Run, error) {
	r, err := n.act(id)
	if err != nil {
		return view.Run{}, err
	}
	if n.grids.get(r.ID) != nil {
		err = n.grids.control(ctx, r.ID, action, reason)
	} else if r.By == n.me() {
		err = n.queue.Set(ctx, r.Run, queued, "")
	} else {
		err = fed.Errorf(fed.Permission, "Ask the party that queued it.", "the run is not running on this computer")
	}
	if err != nil {
		return view.Run{}, err
	}
	return n.runView(r), nil
}

// CancelRun ends a run for everybody. Its creator and its coordinator may.
func (n *Node) CancelRun(ctx context.Context, id, reason string) (view.Run, error) {
	r, err := n.act(id)
	if err != nil {
		return view.Run{}, err
	}
	leads := false
	if x := n.grids.get(r.ID); x != nil {
		leads = x.session.State().Leader == n.me()
	}
	if r.By != n.me() && !leads {
		return view.Run{}, fed.Errorf(fed.Permission, "Ask that party, or leave the project to end your part.", "only the party that started the run or coordinates it can cancel it")
	}
	end := fed.RunEnd{Run: r.ID, State: "cancelled", Reason: "user", Problem: reason, Rounds: max(len(r.Rounds)-1, 0)}
	if err := n.grids.EndRun(ctx, r.Run, end); err != nil {
		return view.Run{}, err
	}
	n.grids.end(r.ID)
	r, _ = n.tracker.Run(r.ID)
	return n.runView(r), nil
}

// TakeOver asks this party to stand for coordinator now, without waiting.
func (n *Node) TakeOver(ctx context.Context, id, reason string) (view.Run, error) {
	r, err := n.act(id)
	if err != nil {
		return view.Run{}, err
	}
	if err := n.grids.control(ctx, r.ID, "takeover", reason); err != nil {
		return view.Run{}, err
	}
	return n.runView(r), nil
}

// Runs lists runs, newest first.
func (n *Node) Runs(_ context.Context, projectID, experimentID string, limit int) ([]view.Run, error) {
	runs := n.tracker.Runs(func(r experiment.Run) bool {
		all := projectID == "" && (experimentID != "" || !n.past(r.Project))
		return (all || string(r.Project) == projectID) && (experimentID == "" || string(r.Experiment) == experimentID)
	})
	if limit <= 0 || limit > 5000 {
		limit = 500
	}
	out := []view.Run{}
	for _, r := range runs[:min(len(runs), limit)] {
		out = append(out, n.runView(r))
	}
	return out, nil
}
