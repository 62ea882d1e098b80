package node

import (
	"context"
	"encoding/json"
	"fmt"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/service/party"
	"synergos.app/desktop/backend/service/reward"
	"synergos.app/desktop/backend/storage/sqlite"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// register is a session as its coordinator sees it: who left the project is absent,
// goodbye heard or not.
type register struct {
	*party.Session
	n *Node
}

func (r register) Absent(p fed.PartyID) bool {
	return r.Session.Absent(p) || !r.n.takesPart(p, r.State().Run.Project)
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
	if err == nil {
		b.n.grids.drafts.drop(ctx, run.ID, r)
	}
	return err
}

func (b runBook) End(ctx context.Context, run fed.Run, e fed.RunEnd) error {
	return b.n.grids.EndRun(context.WithoutCancel(ctx), run, e)
}

// runLedger is the reward ledger as a coordinator uses it.
type runLedger struct{ reward.Pen }

// Closed returns the round up to which the ledger's score was written.
func (l runLedger) Closed(run fed.Run) (int, bool) {
	s, ok := l.Score(run.ID)
	return s.Through, ok
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
	raw, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("write update: %w", err)
	}
	return s.n.db.PutUpdate(ctx, query.PutUpdateParams{Run: string(u.Run), Round: int64(u.Round), Body: string(raw)})
}

func (s gridStore) LoadUpdate(ctx context.Context, run fed.RunID, n int) (*fed.Update, error) {
	body, err := s.n.db.GetUpdate(ctx, query.GetUpdateParams{Run: string(run), Round: int64(n)})
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
	r, _ := t.n.tracker.Run(u.Run)
	if err := t.n.consents(r.Run); err != nil && u.Problem == "" { // it was made under a consent that has ended
		if fed.KindOf(err) != fed.Permission {
			return err
		}
		u = fed.Update{Run: u.Run, Term: u.Term, Round: u.Round, Base: u.Base, Problem: party.Sentence(err)}
	}
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
		return wire.VoteReply{Grid: run, Epoch: m.Epoch, Term: m.Term, Granted: m.Granted, Why: uint8(m.Why), Out: m.Out, Vote: m.Vote}, nil
	case round.Round:
		w := wire.Round{Mandate: m.Mandate, Grid: run, Epoch: m.Epoch, Voters: m.Voters, Learners: m.Learners, Term: m.Term, Acc: m.Acc, Committed: m.Committed, CommittedEpoch: m.CommittedEpoch, Decision: m.Hold.Seq, Held: m.Hold.Held, Empty: m.Empty}
		if ref.Root != "" || ref.Size > 0 {
			w.Blob = ref
		}
		return w, nil
	case round.Ack:
		return wire.Ack{Grid: run, Epoch: m.Epoch, Term: m.Term, Acc: m.Acc, Refused: m.Refused, NoVote: m.NoVote, Out: m.Out, Decision: m.Hold.Seq, Held: m.Hold.Held}, nil
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
		return w.Grid, round.VoteReply{Epoch: w.Epoch, Term: w.Term, Granted: w.Granted, Why: round.Refusal(w.Why), Out: w.Out, Vote: w.Vote}, ref, true
	case wire.Round:
		members := round.Members{Epoch: w.Epoch, Voters: w.Voters, Learners: w.Learners}
		return w.Grid, round.Round{Members: members, Mandate: w.Mandate, Term: w.Term, Acc: w.Acc, Committed: w.Committed, CommittedEpoch: w.CommittedEpoch, Hold: round.Hold{Seq: w.Decision, Held: w.Held}, Empty: w.Empty}, w.Blob, true
	case wire.Ack:
		return w.Grid, round.Ack{Epoch: w.Epoch, Term: w.Term, Acc: w.Acc, Refused: w.Refused, NoVote: w.NoVote, Out: w.Out, Hold: round.Hold{Seq: w.Decision, Held: w.Held}}, ref, true
	case wire.Presence:
		return w.Grid, round.Presence{Term: w.Term, Absent: w.Absent}, ref, true
	}
	return "", nil, ref, false
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
	forgotten, err := g.n.db.ListForgottenVotes(ctx)
	if err != nil {
		return nil, fmt.Errorf("read forgotten votes: %w", err)
	}
	out := map[fed.RunID]string{}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range forgotten {
		g.noVote[fed.RunID(id)] = true
	}
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
	if x := g.get(run.ID); x != nil && end.Mandate == nil {
		if st := x.session.State(); st.Leader == g.n.me() {
			end.Mandate = &st.Mandate
		}
	}
	_, err := g.n.book.Append(ctx, fed.ScopeProject(run.Project), fed.DocRunEnd, string(run.ID), end)
	return err
}
