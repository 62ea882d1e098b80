package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// Experiments and runs.

func (n *fakeNode) CreateExperiment(_ context.Context, e view.ExperimentCreate) (view.Experiment, error) {
	defer n.lock()()
	n.w.rounds = e.Config.Rounds
	n.w.experiment = view.Experiment{ID: hexID("experiment", 0), Config: e.Config}
	for i := range e.Space["mu"].Value {
		n.w.experiment.Runs = append(n.w.experiment.Runs, n.run(i))
	}
	return n.w.experiment, nil
}

func (n *fakeNode) Experiment(context.Context, string) (view.Experiment, error) {
	defer n.lock()()
	return n.w.experiment, nil
}

// run is run i as n sees it; a look makes it go on by a round.
func (n *fakeNode) run(i int) view.Run {
	id := hexID("run", i)
	done := n.w.progress[id]
	r := view.Run{ID: id, Number: i + 1, State: "running", Round: done, Rounds: n.w.rounds, Coordinator: n.w.order[2].name, CoordinatorID: n.w.order[2].party(),
		ConfigHash: fmt.Sprint("config", i), Sentence: "on it"}
	if done >= n.w.rounds && n.w.rounds > 0 {
		r.State, r.ParamsHash, r.BestRound = "finished", string(fed.DigestOf([]byte{byte(i)})), 2
		r.Metrics = fed.Metrics{"auc": fed.Number(.8 + .01*float64(i)), "accuracy": .75}
	}
	if n.lies("other params") && r.ParamsHash != "" {
		r.ParamsHash = "ffff"
	}
	switch {
	case n.w.lie == "diverges" && done > 1:
		r.State, r.EndReason, r.Problem = "failed", "diverged", &view.Problem{Text: "the loss grew without bound in round 2", Hint: "lower the learning rate"}
	case n.w.lie == "nobody leads":
		r.Coordinator, r.CoordinatorID = "", ""
	}
	return r
}

func (n *fakeNode) Run(_ context.Context, id string) (view.RunDetail, error) {
	defer n.lock()()
	for i := range n.w.experiment.Runs {
		if hexID("run", i) != id {
			continue
		}
		if n.w.progress[id] < n.w.rounds && n.w.lie != "stuck" {
			n.w.progress[id]++
		}
		d := view.RunDetail{Run: n.run(i), Config: fed.RunConfig{Strategy: fed.StrategySpec{Name: "fedprox", Mu: muGrid[i]}}}
		if n.index == 2 && n.w.lie != "no reason" {
			d.Steps = []view.RunStep{{Kind: "led", Text: n.name + " coordinates: rank 3 of 4."}, {Kind: "stopped", Text: "It left."}}
		}
		for k := range d.Run.Round {
			d.Rounds = append(d.Rounds, view.Round{N: k + 1, Parties: []string{"all"}})
		}
		for j, o := range n.w.order {
			d.Results = append(d.Results, view.PartyResult{PartyID: o.party(), Party: o.name, TrainExamples: int64(60 * (j + 1)), TestExamples: int64(30 * (j + 1)),
				Test: fed.Metrics{"accuracy": .8, "auc": .85}, Alone: fed.Metrics{"accuracy": .7}})
		}
		return d, nil
	}
	return view.RunDetail{}, notHere("run")
}

func (n *fakeNode) Runs(context.Context, string, string, int) ([]view.Run, error) {
	defer n.lock()()
	return []view.Run{n.run(0), n.run(1)}, nil
}

func (n *fakeNode) Contribution(_ context.Context, id string) (view.Contribution, error) {
	defer n.lock()()
	return n.contribution(id), nil
}

func (n *fakeNode) contribution(id string) view.Contribution {
	c := view.Contribution{RunID: id, State: "done", Method: "exact Shapley values", Honesty: "Values are estimates.", Basis: "pooled", Rows: "145 held-out rows", Scored: 3, Through: 3, Why: "contribution"}
	switch {
	case n.lies("remainder"):
		c.Remainder, c.Total = .002, .002
	case n.lies("unsigned scores"):
		c.Unsigned = 1
	case n.lies("fork"):
		c.Disputes = []view.Dispute{{RunID: id, Kind: "two", K: 2, By: n.name}}
	case n.lies("unscored"):
		c.Scored = 0
	}
	for j, o := range n.w.order {
		v := fed.Number(.01 * float64(j))
		c.Total += v
		if n.lies("other value") {
			v += .001
			c.Total += .001
		}
		cents := []int64{0, 16_667, 33_333, 50_000}[j]
		if n.lies("cents lost") {
			cents--
		}
		c.Parties = append(c.Parties, view.PartyContribution{PartyID: o.party(), Party: o.name, Value: v, Low: v - .004, High: v + .004, Share: fed.Number(float64(j) / 6), Rank: 4 - j, Cents: cents})
	}
	if n.lies("sum is off") {
		c.Total += .1
	}
	return c
}

func (n *fakeNode) Rewards(context.Context, string) (view.Rewards, error) {
	defer n.lock()()
	out := view.Rewards{Chain: view.Check{OK: true}, Entries: slices.Clone(n.w.entries)}
	for i := range n.w.experiment.Runs {
		id := hexID("run", i)
		out.Runs = append(out.Runs, n.contribution(id))
		for j, o := range n.w.order {
			if j != 2 && (n.w.lie != "unsigned" || j != 1) {
				out.Entries = append(out.Entries, view.LedgerEntry{RunID: id, Kind: "countersign", By: o.name, Verified: true, Hash: fmt.Sprint(id, j), Text: n.verdict()})
			}
		}
	}
	return out, nil
}

// verdict is the text of a countersignature.
func (n *fakeNode) verdict() string {
	if n.lies("disputed") {
		return "Disputed: a figure does not follow"
	}
	return "Recomputed: every figure is equal."
}

func (n *fakeNode) VerifyLedger(context.Context, string) ([]view.Check, error) {
	return []view.Check{{Name: "chain", OK: !n.lies("ledger changed"), Text: "every entry follows from the one before"}}, nil
}

func (n *fakeNode) AcknowledgeReward(_ context.Context, run string) (view.Rewards, error) {
	defer n.lock()()
	n.w.entries = append(n.w.entries, view.LedgerEntry{RunID: run, Kind: "receipt", By: n.name, Verified: true, Hash: run + n.name})
	return view.Rewards{}, nil
}

func (n *fakeNode) Compare(_ context.Context, runs []string) (view.Comparison, error) {
	defer n.lock()()
	out := view.Comparison{Differs: []view.ComparisonRow{{Key: "strategy.mu", Values: []string{"0", "0.1"}}}, Metrics: []view.ComparisonRow{{Key: "auc"}}}
	for range runs {
		out.Runs = append(out.Runs, view.Run{})
	}
	return out, nil
}

// Models and serving.

func (n *fakeNode) RegisterModel(_ context.Context, run, name string) (view.ModelVersion, error) {
	defer n.lock()()
	v := view.ModelVersion{Model: name, Number: 1, ContentID: "content", RunID: run, Stage: "none", State: "ready", Bytes: 1234}
	n.w.versions = append(n.w.versions, v)
	return v, nil
}

func (n *fakeNode) Model(_ context.Context, name string) (view.Model, error) {
	defer n.lock()()
	return view.Model{Name: name, Versions: slices.Clone(n.w.versions)}, nil
}

func (n *fakeNode) Models(ctx context.Context) ([]view.Model, error) {
	m, err := n.Model(ctx, modelName)
	return []view.Model{m}, err
}

func (n *fakeNode) Version(_ context.Context, _ string, number int) (view.VersionDetail, error) {
	defer n.lock()()
	if number > len(n.w.versions) || n.lies("version lost") {
		return view.VersionDetail{}, notHere("version")
	}
	v := n.w.versions[number-1]
	if n.lies("other content") {
		v.ContentID = "foreign"
	}
	return view.VersionDetail{Version: v, Files: []view.VersionFile{{Path: "params.safetensors"}}, Checks: []view.Check{{Name: "Files", OK: true}}}, nil
}

func (n *fakeNode) RequestStage(_ context.Context, model string, number int, to, reason string) (view.StageRequest, error) {
	defer n.lock()()
	r := view.StageRequest{ID: fmt.Sprint("s", len(n.w.stages)), Model: model, Number: number, To: to, State: "proposed", Needed: 3}
	n.w.stages = append(n.w.stages, r)
	return r, nil
}

func (n *fakeNode) StageRequests(context.Context) ([]view.StageRequest, error) {
	defer n.lock()()
	out := slices.Clone(n.w.stages)
	for i := range out {
		out[i].MyVote = "none"
		for _, v := range out[i].Votes {
			if v.Party == n.name {
				out[i].MyVote = "yes"
			}
		}
	}
	return out, nil
}

func (n *fakeNode) VoteStage(_ context.Context, id string, yes bool, _ string) (view.StageRequest, error) {
	defer n.lock()()
	i := slices.IndexFunc(n.w.stages, func(r view.StageRequest) bool { return r.ID == id })
	r := &n.w.stages[i]
	r.Votes = append(slices.Clone(r.Votes), view.Vote{Party: n.name, Yes: yes})
	if len(r.Votes) >= r.Needed {
		r.State = "applied"
		n.w.versions[0].Stage = r.To
		if n.w.lie == "rejected" {
			r.State, r.Sentence = "rejected", "two said no"
		}
	}
	return *r, nil
}

func (n *fakeNode) SwitchServing(_ context.Context, model string, s view.ServingSwitch) (view.Serving, error) {
	defer n.lock()()
	n.serving = s.On
	if n.model == nil {
		n.model = httptest.NewServer(http.HandlerFunc(n.predict))
	}
	return n.servingView(), nil
}

func (n *fakeNode) servingView() view.Serving {
	s := view.Serving{Model: modelName, State: "off", Number: 1, Address: n.model.URL,
		Inputs: []view.InputField{{Name: "age", Type: "number", Typical: "54"}, {Name: "chol", Type: "number", Low: 100, High: 300}, {Name: "cp", Type: "category", Values: []string{"1", "2"}}}}
	if n.serving {
		s.State = "on"
	}
	if n.lies("no serving") {
		s.State, s.Problem = "error", &view.Problem{Text: "the port is taken", Hint: "choose another"}
	}
	return s
}

func (n *fakeNode) Serving(context.Context, string) (view.Serving, error) {
	defer n.lock()()
	return n.servingView(), nil
}

func (n *fakeNode) ServingList(ctx context.Context) ([]view.Serving, error) {
	s, err := n.Serving(ctx, modelName)
	return []view.Serving{s}, err
}

func (n *fakeNode) NewServingToken(context.Context, string) (view.Serving, error) {
	defer n.lock()()
	n.token = "secret-of-" + fmt.Sprint(n.index)
	s := n.servingView()
	s.Token = n.token
	return s, nil
}

// predict is the endpoint of the served model.
func (n *fakeNode) predict(w http.ResponseWriter, r *http.Request) {
	defer n.lock()()
	if r.Header.Get("Authorization") != "Bearer "+n.token && n.w.lie != "open door" {
		http.Error(w, "who are you", http.StatusUnauthorized)
		return
	}
	var in struct{ Rows []map[string]any }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != "/predict/heart" || len(in.Rows) != 1 || in.Rows[0]["age"] != 54.0 || in.Rows[0]["chol"] != 200.0 {
		http.Error(w, "not a row", http.StatusUnprocessableEntity)
		return
	}
	p := fed.Number(.25)
	if n.lies("other prediction") {
		p = .5
	}
	_ = json.NewEncoder(w).Encode(served{Model: modelName, Version: "1", Rows: []view.PredictedRow{{Label: "yes", Probability: map[string]fed.Number{"yes": 1 - p, "no": p}}}})
}

// Activity.

func (n *fakeNode) Activity(context.Context, view.ActivityQuery) (view.Activity, error) {
	defer n.lock()()
	out := view.Activity{Bytes: 1500, Frames: 15, Totals: []view.EgressTotal{{To: "x", Kind: "update", Bytes: 900, Frames: 9}, {To: "y", Kind: "update", Bytes: 100, Frames: 1}, {To: "x", Kind: "docs", Bytes: 500, Frames: 5}}}
	if n.lies("sent is off") {
		out.Bytes++
	}
	return out, nil
}

func (n *fakeNode) VerifyActivity(context.Context) (view.Check, error) {
	return view.Check{Name: "Record of what left", OK: !n.lies("record changed"), Text: "All 15 entries are unchanged."}, nil
}
