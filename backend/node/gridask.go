package node

import (
	"context"
	"encoding/json"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire"
)

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
	if err := g.n.hasSay(from, r.Run); err != nil {
		return fed.Run{}, err
	}
	x := g.get(id)
	if x == nil {
		return fed.Run{}, fed.Errorf(fed.Unavailable, "Ask again in a moment.", "the grid is not open here")
	}
	switch lead := x.session.State().Leader; {
	case lead == from:
		return r.Run, nil
	case lead == "" || !g.n.peers.isOnline(lead): // the asker may have been elected, and this party not have heard of it
		return fed.Run{}, fed.Errorf(fed.Unavailable, "Ask again in a moment.", "who coordinates the run is not known here yet")
	}
	return fed.Run{}, fed.Errorf(fed.Permission, "", "only the coordinator of an open run may ask this")
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

// score answers for utilities of coalitions on this party's held-out rows, and
// signs them together with what was asked.
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
	out, err := g.trainer.Score(ctx, run, ask)
	if err != nil {
		return out, err
	}
	keys := g.n.keys()
	out.Key, out.Sig = keys.PublicKey(), keys.Sign(fed.ScoreDomain, out.SigningBytes(ask))
	return out, nil
}
