package node

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/coordinator"
	"synergos.app/desktop/backend/service/party"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// live is what a member tells the coordinator, and the coordinator all others,
// about its work.
type live struct {
	State    string     `json:"state"`
	Round    int        `json:"round"`
	Progress fed.Number `json:"progress"`
	Examples int64      `json:"examples"`
	AtMs     int64      `json:"-"`
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
	if err := g.n.hasSay(from, x.run); err != nil {
		return err
	}
	leader := x.session.State().Leader
	now := ms(g.n.opts.Now())
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
	if g.n.opts.Now().Sub(x.told) < 300*time.Millisecond {
		g.mu.Unlock()
		return
	}
	x.told = g.n.opts.Now()
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
		if p == g.n.me() || !g.n.peers.isOnline(p) || !g.n.takesPart(p, s.Run.Project) {
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
			v.LastHeardMs = ms(n.opts.Now()) - l.AtMs
		}
		if lane, ok := lanes[p]; ok && (lane.State == "absent" || lane.State == "late" || lane.State == "done") {
			v.State = lane.State
		}
	}
	if v.State == "" {
		v.State = "idle"
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
	// It is on this party's disk before anybody hears of it, and reaches the
	// coordinator with this party's answers even if the message is lost.
	if err := g.act(x, g.n.me(), action, reason); err != nil {
		return err
	}
	if s.Leader != "" && s.Leader != g.n.me() {
		if err := g.n.net.Send(ctx, s.Leader, wire.Control{Grid: id, Action: action, Reason: reason}); err != nil {
			g.n.opts.Log.Info("act not told", "run", id, "action", action, "error", err.Error())
		}
	}
	return nil
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
