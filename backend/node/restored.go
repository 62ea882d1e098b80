package node

import (
	"context"
	"encoding/json"
	"strconv"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/node/view"
)

// A folder that was put back from an old copy lacks what this party wrote and
// promised since. The others hold what it wrote: it is taken back before anything
// else is written (see book.Gossip). What it promised in elections nobody can tell
// it, so it has no vote any more in runs that it may have voted in.

// restoredKey is the setting that says when this party last took back documents of
// its own, in milliseconds.
const restoredKey = "book.restored"

// anewKey is the setting that says that this party came from a backup of its key and
// has not taken back its documents yet.
const anewKey = "book.anew"

// takeBack waits until the documents of a party from a backup are here.
func (n *Node) takeBack() {
	if n.book.Settled(n.ctx) != nil {
		return
	}
	if err := n.settings.put(n.ctx, anewKey, ""); err != nil {
		n.opts.Log.Error("end of restoring not noted", "error", err.Error())
	}
}

// withdrawnKey is the setting that holds the withdrawals of this party's computers
// that are no longer in use; every peer is told.
const withdrawnKey = "identity.withdrawn"

// cameFromBackup notes what the next start must know of a party that was restored
// from a backup: to write nothing before a peer was heard, to have no vote in runs
// that it may have voted in, and to withdraw the computer that it takes the place of.
func (n *Node) cameFromBackup(ctx context.Context, gone identity.Signed) error {
	list := toJSON(append(n.withdrawn(), gone))
	if err := n.settings.put(ctx, withdrawnKey, list); err != nil {
		return err
	}
	if err := n.settings.put(ctx, restoredKey, strconv.FormatInt(ms(n.opts.Now()), 10)); err != nil {
		return err
	}
	return n.settings.put(ctx, anewKey, "1")
}

// withdrawn returns what this party has said of its own computers.
func (n *Node) withdrawn() []identity.Signed {
	var list []identity.Signed
	if raw := n.settings.get(withdrawnKey); raw != "" && json.Unmarshal([]byte(raw), &list) != nil {
		n.opts.Log.Error("the list of withdrawn computers cannot be read")
	}
	return list
}

// withdraw follows a peer that withdraws one of its own computers.
func (n *Node) withdraw(v identity.Revocation, _ identity.Signed) {
	n.then(func(ctx context.Context) {
		n.peers.mu.Lock()
		r, known := n.peers.rows[v.Device]
		n.peers.mu.Unlock()
		if !known || r.RevokedMs != 0 || fed.PartyID(r.Party) != v.Party() {
			return
		}
		if err := n.Revoke(ctx, string(v.Device)); err != nil {
			n.opts.Log.Error("withdrawn computer of a peer not saved", "error", err.Error())
		}
	})
}

// tookBack follows a document of this party that came from another: the proof that
// this folder was put back.
func (n *Node) tookBack() {
	if n.restored.Swap(true) {
		return
	}
	n.then(func(ctx context.Context) {
		if err := n.settings.put(ctx, restoredKey, strconv.FormatInt(ms(n.opts.Now()), 10)); err != nil {
			n.opts.Log.Error("restoring not noted", "error", err.Error())
		}
		n.inbox.ask(ctx, view.InboxEntry{
			ID: "restored-" + newHex(), Kind: "notice", Href: "/activity", Title: "The folder of this party was put back from an old copy",
			Text: "What it had written since was fetched from the others. In runs that were under way it trains, but has no vote on who coordinates.",
		})
		n.grids.forgetAll(ctx)
	})
}

// forgot reports, and keeps, whether this party may have voted in a run and not know
// it. asked says that the party that queued the run has just asked to begin it.
func (g *grids) forgot(ctx context.Context, id fed.RunID, asked bool) (bool, error) {
	restoredMs, _ := strconv.ParseInt(g.n.settings.get(restoredKey), 10, 64) // 0: never
	g.mu.Lock()
	known, startedMs := g.noVote[id], g.states[id].StartedMs
	g.mu.Unlock()
	if known || restoredMs == 0 || startedMs > restoredMs || asked && startedMs == 0 {
		return known, nil
	}
	if err := g.n.db.ForgetVote(ctx, string(id)); err != nil {
		return false, err
	}
	g.mu.Lock()
	g.noVote[id] = true
	g.mu.Unlock()
	return true, nil
}

// forgetAll opens the grids of this party anew, without its vote.
func (g *grids) forgetAll(ctx context.Context) {
	g.mu.Lock()
	var open []*grid
	for _, x := range g.open {
		if x.started.Load() {
			open = append(open, x)
		}
	}
	g.mu.Unlock()
	for _, x := range open {
		x.cancel()
		<-x.done
		err := g.place(ctx, x.run, false)
		if err == nil {
			err = g.start(x.run.ID, true)
		}
		if err != nil {
			g.n.opts.Log.Error("grid not reopened", "run", x.run.ID, "error", err.Error())
		}
	}
}
