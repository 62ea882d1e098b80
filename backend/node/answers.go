package node

import (
	"context"
	"encoding/json"
	"fmt"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/storage/sqlite"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// The purposes for which a coordinator asks about a round. Each is answered once.
const (
	aboutValid = "valid"
	aboutTest  = "test"
	aboutScore = "score"
)

// answered gives this party's one answer about a round of an open run. Asked the same
// again, also after a restart or by another coordinator, it says the same; asked
// something else, nothing.
func answered[T any](ctx context.Context, g *grids, x *grid, n int, purpose string, asked any, work func() (T, error)) (T, error) {
	var none T
	select {
	case x.answering <- struct{}{}: // one at a time: a question costs work on all rows
		defer func() { <-x.answering }()
	case <-ctx.Done():
		return none, fed.Errorf(fed.Busy, "Ask again in a moment.", "another question is being answered")
	}
	raw, err := json.Marshal(asked)
	if err != nil {
		return none, fmt.Errorf("read question: %w", err)
	}
	about := string(fed.DigestOf(raw))
	switch out, found, err := savedAnswer[T](ctx, g, x.run.ID, n, purpose, about); {
	case err != nil:
		return none, err
	case found:
		return out, nil
	}
	out, err := work()
	if err != nil {
		return none, err
	}
	body, err := json.Marshal(out)
	if err != nil {
		return none, fmt.Errorf("keep answer: %w", err)
	}
	put := query.PutAnswerParams{Run: string(x.run.ID), Round: int64(n), Purpose: purpose, About: about, Body: string(body)}
	if err := g.n.db.PutAnswer(context.WithoutCancel(ctx), put); err != nil {
		return none, fmt.Errorf("keep answer: %w", err)
	}
	return out, nil
}

func savedAnswer[T any](ctx context.Context, g *grids, run fed.RunID, n int, purpose, about string) (out T, found bool, err error) {
	row, err := g.n.db.GetAnswer(ctx, query.GetAnswerParams{Run: string(run), Round: int64(n), Purpose: purpose})
	switch {
	case sqlite.NoRows(err):
		return out, false, nil
	case err != nil:
		return out, false, fmt.Errorf("read answers: %w", err)
	case row.About != about:
		return out, false, fed.Errorf(fed.Permission, "Ask what was asked before.", "this party has answered about round %d already, to another question", n)
	}
	if err := json.Unmarshal([]byte(row.Body), &out); err != nil {
		return out, false, fed.Errorf(fed.Corrupt, "Leave the run and start another.", "a saved answer cannot be read: %w", err)
	}
	return out, true, nil
}

// asked returns the run of a question and its open grid, from the party that is
// proven to coordinate it.
func (g *grids) asked(from fed.PartyID, id fed.RunID) (experiment.Run, *grid, error) {
	r, ok := g.n.tracker.Run(id)
	if !ok {
		return r, nil, fed.Errorf(fed.NotFound, "", "the run is not known here")
	}
	if err := g.n.hasSay(from, r.Run); err != nil {
		return r, nil, err
	}
	x := g.get(id)
	if x == nil {
		return r, nil, fed.Errorf(fed.Unavailable, "Ask again in a moment.", "the grid is not open here")
	}
	switch lead := x.session.State().Leader; {
	case lead == from:
		return r, x, nil
	case lead == "" || !g.n.peers.isOnline(lead): // the asker may have been elected, and this party not have heard of it
		return r, nil, fed.Errorf(fed.Unavailable, "Ask again in a moment.", "who coordinates the run is not known here yet")
	}
	return r, nil, fed.Errorf(fed.Permission, "", "only the coordinator of an open run may ask this")
}

var errNotYet = fed.Errorf(fed.Unavailable, "Ask again in a moment.", "the round has not reached this party yet")

// mayEvaluate admits a question about params that the run has made: its last ones for
// the curve, and any of its rounds for the result, when all rounds are committed.
func mayEvaluate(r experiment.Run, committed fed.Checkpoint, ask fed.EvalAsk) error {
	switch {
	case ask.Round < 1 || ask.Round > r.Config.Rounds:
		return fed.Errorf(fed.Permission, "", "the run has no round %d", ask.Round)
	case committed.Round < r.Config.Rounds:
		return fed.Errorf(fed.Unavailable, "Ask when the last round is committed.", "the training has not ended for this party")
	case ask.Part == aboutValid && ask.Round != r.Config.Rounds:
		return fed.Errorf(fed.Permission, "", "held-out rows are asked about the last round only")
	}
	if committed.Round == ask.Round && committed.Digest == ask.Params.Digest {
		return nil
	}
	rec, ok := recordOf(r, ask.Round)
	switch {
	case !ok:
		return errNotYet
	case rec.Digest != ask.Params.Digest:
		return fed.Errorf(fed.Permission, "", "these are not the params of round %d", ask.Round)
	}
	return nil
}

func recordOf(r experiment.Run, n int) (fed.RoundRecord, bool) {
	for _, rec := range r.Rounds {
		if rec.N == n {
			return rec, true
		}
	}
	return fed.RoundRecord{}, false
}

// mayScore admits a question about the updates of a recorded round, and returns it
// with the updates as they are recorded.
func mayScore(r experiment.Run, ask fed.ScoreAsk) (fed.ScoreAsk, error) {
	rec, ok := recordOf(r, ask.Round)
	if !ok || ask.Round < 1 {
		return ask, errNotYet
	}
	same := rec.Parent == ask.Base.Digest && len(rec.In) == len(ask.In)
	for i := 0; same && i < len(rec.In); i++ {
		a, b := rec.In[i], ask.In[i]
		same = a.Party == b.Party && a.Name == b.Name && a.Examples == b.Examples && a.Weight == b.Weight && a.Update == b.Update
	}
	if !same {
		return ask, fed.Errorf(fed.Permission, "", "these are not the updates of round %d", ask.Round)
	}
	ask.In = rec.In
	return ask, nil
}
