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

// evaluate answers for sums on this party's rows.
func (g *grids) evaluate(ctx context.Context, from fed.PartyID, ask fed.EvalAsk) (fed.EvalReply, error) {
	r, x, err := g.asked(from, ask.Run)
	if err != nil {
		return fed.EvalReply{}, err
	}
	if err := mayEvaluate(r, x.session.State().Committed, ask); err != nil {
		return fed.EvalReply{}, err
	}
	return answered(ctx, g, x, ask.Round, ask.Part, ask, func() (fed.EvalReply, error) {
		if err := g.n.fetch(ctx, from, ask.Params); err != nil {
			return fed.EvalReply{}, err
		}
		out, err := g.trainer.Evaluate(ctx, r.Run, ask)
		if err != nil {
			return out, err
		}
		out.BytesOut, out.BytesIn = g.n.sentFor(ctx, string(r.ID)), g.receivedFor(r.ID)
		return out.Plain()
	})
}

// score answers for utilities of coalitions on this party's held-out rows, and
// signs them together with what was asked.
func (g *grids) score(ctx context.Context, from fed.PartyID, ask fed.ScoreAsk) (fed.ScoreReply, error) {
	r, x, err := g.asked(from, ask.Run)
	if err != nil {
		return fed.ScoreReply{}, err
	}
	if ask, err = mayScore(r, ask); err != nil {
		return fed.ScoreReply{}, err
	}
	return answered(ctx, g, x, ask.Round, aboutScore, ask, func() (fed.ScoreReply, error) {
		for _, in := range ask.In {
			if err := g.n.fetch(ctx, from, in.Update); err != nil {
				return fed.ScoreReply{}, err
			}
			g.heardBytes(r.ID, in.Update.Size)
		}
		if err := g.n.fetch(ctx, from, ask.Base); err != nil {
			return fed.ScoreReply{}, err
		}
		out, err := g.trainer.Score(ctx, r.Run, ask)
		if err != nil {
			return out, err
		}
		keys := g.n.keys()
		out.Key, out.Sig = keys.PublicKey(), keys.Sign(fed.ScoreDomain, out.SigningBytes(ask))
		return out, nil
	})
}
