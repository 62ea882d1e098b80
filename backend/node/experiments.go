package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/metric"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/project"
)

// CreateExperiment freezes the runs of a question and queues them here.
func (n *Node) CreateExperiment(ctx context.Context, in view.ExperimentCreate) (view.Experiment, error) {
	p, err := n.project(in.ProjectID)
	if err != nil {
		return view.Experiment{}, err
	}
	if !n.projects.Member(p.ID, n.me()) {
		return view.Experiment{}, fed.Errorf(fed.Permission, "Accept the project first.", "this party does not take part in the project")
	}
	if p.Alignment == nil {
		return view.Experiment{}, fed.Errorf(fed.Invalid, "Align the columns on the project's page first.", "the parties have not agreed on their columns yet")
	}
	doc, err := n.experimentDoc(in, p.Config)
	if err != nil {
		return view.Experiment{}, err
	}
	runs, err := experiment.Freeze(p.ID, doc, p.Alignment.Digest, p.RunMembers(), func() fed.RunID { return fed.RunID(newHex()) })
	if err != nil {
		return view.Experiment{}, err
	}
	for _, r := range runs {
		if _, err := n.modelOf(r); err != nil {
			return view.Experiment{}, err
		}
	}
	scope := fed.ScopeProject(p.ID)
	if _, err := n.book.Append(ctx, scope, fed.DocExperiment, string(doc.ID), doc); err != nil {
		return view.Experiment{}, err
	}
	for _, r := range runs {
		if _, err := n.book.Append(ctx, scope, fed.DocRun, string(r.ID), r); err != nil {
			return view.Experiment{}, err
		}
	}
	n.queue.Wake()
	return n.Experiment(ctx, string(doc.ID))
}

// experimentDoc checks an experiment against its project: what was aligned cannot
// be changed by an experiment.
func (n *Node) experimentDoc(in view.ExperimentCreate, base fed.RunConfig) (fed.ExperimentDoc, error) {
	cfg := in.Config
	if cfg.Version == 0 {
		cfg.Version = 1
	}
	doc := fed.ExperimentDoc{
		ID: fed.ExperimentID(newHex()), Name: strings.TrimSpace(in.Name), Note: in.Note, Config: cfg, Space: map[string]fed.Dimension{},
		Method: in.Method, Trials: in.Trials,
	}
	if doc.Method == "" {
		doc.Method = "single"
	}
	for k, d := range in.Space {
		doc.Space[k] = fed.Dimension{Type: d.Type, Value: d.Value}
	}
	same := cfg.Target == base.Target && cfg.Task == base.Task && cfg.Scaling == base.Scaling && cfg.Missing == base.Missing &&
		slices.Equal(cfg.Drop, base.Drop) && slices.Equal(cfg.Categorical, base.Categorical) && maps.Equal(cfg.Labels, base.Labels) && cfg.Test == base.Test
	if !same {
		return doc, fed.Errorf(fed.Invalid, "Start from the project's configuration, or make a new project.", "an experiment cannot change target, labels, columns, scaling or test split: they were agreed when the project was aligned")
	}
	return doc, nil
}

// modelOf returns the model that a run's preparation and configuration make.
func (n *Node) modelOf(run fed.Run) (*model.Model, error) {
	prep, _, err := n.aligns.preparation(run.Project, run.Preparation)
	if err != nil {
		return nil, err
	}
	return model.New(run.Config.Model, run.Config.Task, prep.Inputs(), len(prep.Classes))
}

// Estimate says what an experiment would cost, and what is wrong with it.
func (n *Node) Estimate(ctx context.Context, in view.ExperimentCreate) (view.Estimate, error) {
	out := view.Estimate{Problems: []view.Finding{}, SecondsPerRound: nan, TotalSeconds: nan}
	p, err := n.project(in.ProjectID)
	if err != nil {
		return out, err
	}
	wrong := func(err error) (view.Estimate, error) {
		out.Problems = append(out.Problems, view.Finding{Severity: "error", Text: err.Error(), Remedy: fed.HintOf(err)})
		return out, nil
	}
	doc, err := n.experimentDoc(in, p.Config)
	if err != nil {
		return wrong(err)
	}
	trials, err := experiment.Expand(doc)
	if err != nil {
		return wrong(err)
	}
	prep, _, err := n.aligns.preparation(p.ID, "")
	if err != nil {
		return wrong(err)
	}
	out.Runs = len(trials)
	rows := n.largestShare(p.ID)
	speed := n.declaredCompute().SamplesPerS
	var seconds float64
	for _, t := range trials {
		m, err := model.New(t.Config.Model, t.Config.Task, prep.Inputs(), len(prep.Classes))
		if err != nil {
			return wrong(err)
		}
		perRound := bytesPerRound(m, len(p.Accepted()))
		out.Parameters, out.BytesPerRound = max(out.Parameters, m.Parameters()), max(out.BytesPerRound, perRound)
		out.TotalBytes += perRound * int64(t.Config.Rounds)
		s := roundSeconds(t.Config, m, rows, float64(speed))
		out.SecondsPerRound = fed.Number(max(s, zeroNaN(float64(out.SecondsPerRound))))
		seconds += s * float64(t.Config.Rounds)
	}
	out.TotalSeconds = fed.Number(seconds)
	return out, nil
}

func zeroNaN(f float64) float64 {
	if f != f {
		return 0
	}
	return f
}

// bytesPerRound is what one party sends and receives: the params, its update, and
// everybody's updates to score.
func bytesPerRound(m *model.Model, parties int) int64 {
	size := int64(len(tensor.EncodeSafetensors(m.Zeros(), nil)))
	return size*int64(2+parties) + 8<<10
}

// roundSeconds guesses the time of a round from the samples that the slowest party
// trains on, the measured speed, and a tenth of a second for the rest.
func roundSeconds(c fed.RunConfig, m *model.Model, rows int64, samplesPerSecond float64) float64 {
	samples := float64(c.Train.Steps * c.Train.Batch)
	if c.Train.Epochs > 0 {
		samples = float64(c.Train.Epochs) * float64(rows)
	}
	if !(samplesPerSecond > 0) {
		samplesPerSecond = 1e5
	}
	return 0.1 + samples*max(1, float64(m.Parameters())/500)/samplesPerSecond
}

func (n *Node) largestShare(id fed.ProjectID) int64 {
	p, _ := n.projects.Get(id)
	most := int64(100)
	if p.Alignment != nil {
		for _, r := range p.Alignment.Rows {
			most = max(most, r)
		}
	}
	return most
}

// Experiments returns the experiments of a project, or all.
func (n *Node) Experiments(_ context.Context, projectID string) ([]view.Experiment, error) {
	out := []view.Experiment{}
	for _, e := range n.tracker.Experiments() {
		if projectID == "" && !n.past(e.Project) || string(e.Project) == projectID {
			out = append(out, n.experimentView(e))
		}
	}
	return out, nil
}

// Experiment returns one.
func (n *Node) Experiment(_ context.Context, id string) (view.Experiment, error) {
	e, ok := n.tracker.Experiment(fed.ExperimentID(id))
	if !ok {
		return view.Experiment{}, fed.Errorf(fed.NotFound, "Reload the list.", "there is no such experiment here")
	}
	return n.experimentView(e), nil
}

// ExperimentConfig returns the configuration document of an experiment.
func (n *Node) ExperimentConfig(_ context.Context, id string) (fed.RunConfig, error) {
	e, ok := n.tracker.Experiment(fed.ExperimentID(id))
	if !ok {
		return fed.RunConfig{}, fed.Errorf(fed.NotFound, "Reload the list.", "there is no such experiment here")
	}
	return e.Config, nil
}

func (n *Node) experimentView(e experiment.Experiment) view.Experiment {
	p, _ := n.projects.Get(e.Project)
	v := view.Experiment{
		ID: string(e.ID), ProjectID: string(e.Project), Project: p.Name, Name: e.Name, Note: e.Note, Config: e.Config, Method: e.Method,
		Trials: e.Trials, Objective: "validation loss", Mine: e.By == n.me(), CreatedAt: at(e.CreatedMs), Space: map[string]view.Dimension{},
		Runs: []view.Run{},
	}
	for k, d := range e.Space {
		v.Space[k] = view.Dimension{Type: d.Type, Value: d.Value}
	}
	for _, r := range n.tracker.Runs(func(r experiment.Run) bool { return r.Experiment == e.ID }) {
		v.Runs = append(v.Runs, n.runView(r))
	}
	slices.SortFunc(v.Runs, func(a, b view.Run) int { return a.Number - b.Number })
	v.State = experimentState(v.Runs)
	return v
}

// experimentState sums up the states of an experiment's runs.
func experimentState(runs []view.Run) string {
	count := map[string]int{}
	for _, r := range runs {
		count[r.State]++
	}
	switch {
	case count["running"]+count["preparing"]+count["finishing"] > 0:
		return "running"
	case count["queued"] > 0:
		return "queued"
	case count["paused"] > 0:
		return "paused"
	case count["finished"] > 0:
		return "finished"
	case count["failed"] > 0:
		return "failed"
	case count["cancelled"] > 0:
		return "cancelled"
	}
	return "queued"
}

// CancelExperiment cancels all its runs that have not ended.
func (n *Node) CancelExperiment(ctx context.Context, id string) error {
	e, ok := n.tracker.Experiment(fed.ExperimentID(id))
	if !ok {
		return fed.Errorf(fed.NotFound, "Reload the list.", "there is no such experiment here")
	}
	for _, r := range n.tracker.Runs(func(r experiment.Run) bool { return r.Experiment == e.ID && r.End == nil }) {
		if _, err := n.CancelRun(ctx, string(r.ID), "the experiment was cancelled"); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) experimentChanged(id string) {
	if e, ok := n.tracker.Experiment(fed.ExperimentID(id)); ok {
		n.publish("experiment", id, n.experimentView(e))
	}
}

// runOf looks a run up for the ledger.
func (n *Node) runOf(id fed.RunID) (fed.Run, []fed.RoundRecord, bool) {
	r, ok := n.tracker.Run(id)
	return r.Run, r.Rounds, ok
}

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
		n.keepResult(ctx, r)
	}
	if d.Kind == fed.DocRound {
		n.publish("run.round", string(id), nil)
	}
	n.runChanged(id)
	n.queue.Wake()
}

// keepResult gets the params of a finished run if this party missed the last round,
// from who ended it or from another member.
func (n *Node) keepResult(ctx context.Context, r experiment.Run) {
	if r.End == nil || r.End.State != "finished" || n.store.Has(r.End.Params) {
		return
	}
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
func (n *Node) keepResults(ctx context.Context) {
	missing := func(r experiment.Run) bool {
		_, mine := r.Member(n.me())
		return mine && r.End != nil && r.End.State == "finished" && !n.store.Has(r.End.Params)
	}
	for _, r := range n.tracker.Runs(missing) {
		n.keepResult(ctx, r)
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

// runView shows a run.
func (n *Node) runView(r experiment.Run) view.Run {
	p, _ := n.projects.Get(r.Project)
	e, _ := n.tracker.Experiment(r.Experiment)
	v := view.Run{
		ID: string(r.ID), ExperimentID: string(r.Experiment), Experiment: e.Name, ProjectID: string(r.Project), Project: p.Name, Number: r.Number,
		ConfigHash: string(r.ConfigHash), Params: map[string]string{}, Rounds: r.Config.Rounds, Metrics: view.MetricSet{}, Mine: r.By == n.me(), Tutorial: n.isPractice(p),
	}
	maps.Copy(v.Params, r.Settings)
	if k := len(r.Rounds); k > 0 {
		last := r.Rounds[k-1]
		v.Round, v.CoordinatorID, v.Coordinator, v.Term = last.N, string(last.Coordinator), r.NameOf(last.Coordinator), fmt.Sprint(last.Term)
		v.Metrics = pooled(r, last.Valid)
	}
	if r.StartedMs > 0 {
		t := at(r.StartedMs)
		v.StartedAt = &t
	}
	n.runState(&v, r, p)
	v.Version = n.versionOf(r.ID)
	return v
}

// runState fills in where a run stands, with its sentence.
func (n *Node) runState(v *view.Run, r experiment.Run, p project.Project) {
	if r.End != nil {
		t := at(r.EndedMs)
		v.EndedAt, v.State, v.EndReason, v.BestRound, v.ParamsHash = &t, r.End.State, r.End.Reason, r.End.Best, string(r.End.Params)
		v.Sentence = ended(r.End)
		if v.Coordinator != "" {
			v.Why = fmt.Sprintf("%s coordinated, chosen by a majority in term %s.", v.Coordinator, v.Term)
		}
		if r.End.State == "finished" {
			v.Metrics = pooled(r, testSums(r.End))
		}
		if r.End.Problem != "" && r.End.State == "failed" {
			v.Problem = &view.Problem{Kind: r.End.Reason, Text: r.End.Problem, Hint: r.End.Hint}
		}
		return
	}
	if me, ok := p.Standing(n.me()); !ok || me.State == "left" || me.State == "declined" {
		v.State, v.EndReason, v.Sentence = "cancelled", "user", "This party left the project; the others may go on without it."
		return
	}
	x := n.grids.get(r.ID)
	if x == nil || !x.started.Load() {
		v.State, v.Sentence = n.queue.State(r.ID)
		if v.State == "" || v.State == "running" {
			v.State = "queued"
		}
		if v.State == "queued" && v.Sentence == "" {
			v.Sentence = "Waiting for its turn."
		}
		return
	}
	s := x.session.State()
	v.State = "running"
	if s.Leader != "" {
		v.Coordinator, v.CoordinatorID, v.Why, v.Term = r.NameOf(s.Leader), string(s.Leader), s.Explain, fmt.Sprint(s.Term)
	}
	switch {
	case s.Held:
		v.State, v.Sentence = "paused", fmt.Sprintf("Paused after round %d of %d.", v.Round, v.Rounds)
	case s.Leader == "" && s.Stopped != "":
		v.State, v.Sentence = "paused", s.Stopped+" It goes on by itself when enough are back."
	case s.Leader == "":
		v.State, v.Sentence = "preparing", "The parties are choosing who coordinates."
	case v.Round >= v.Rounds:
		v.State, v.Sentence = "finishing", "Evaluating the result on every party's test rows and working out the contributions."
	default:
		v.Sentence, v.EtaMs = n.progressOf(r, v)
	}
}

func ended(e *fed.RunEnd) string {
	switch e.State {
	case "finished":
		return fmt.Sprintf("Finished after %d rounds; round %d was best.", e.Rounds, e.Best)
	case "cancelled":
		if e.Problem != "" {
			return "Cancelled: " + e.Problem
		}
		return "Cancelled."
	}
	return e.Problem
}

// progressOf is "Round 7 of 20, 3 of 4 parties in, about 12 min left".
func (n *Node) progressOf(r experiment.Run, v *view.Run) (string, int64) {
	in := 0
	parties := n.partiesOf(r.ID)
	for _, p := range parties {
		if p.State == "done" || p.State == "upload" {
			in++
		}
	}
	text := fmt.Sprintf("Round %d of %d, %d of %d parties in", v.Round+1, v.Rounds, in, len(parties))
	var eta int64
	if len(r.Rounds) > 3 {
		recent := r.Rounds[max(1, len(r.Rounds)-5):]
		var sum int64
		for _, x := range recent {
			sum += x.DurationMs
		}
		eta = sum / int64(len(recent)) * int64(v.Rounds-v.Round)
		text += ", about " + minutes(eta) + " left"
	}
	return text, eta
}

func minutes(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d < 90*time.Second {
		return fmt.Sprintf("%d s", max(int(d.Seconds()+0.5), 1))
	}
	return fmt.Sprintf("%d min", int(d.Minutes()+0.5))
}

func testSums(e *fed.RunEnd) map[string]fed.Sums {
	out := map[string]fed.Sums{}
	for _, r := range e.Results {
		out[r.Name] = r.Test
	}
	return out
}

// pooled merges sums by name and finishes them.
func pooled(r experiment.Run, sums map[string]fed.Sums) view.MetricSet {
	var all fed.Sums
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		m, err := metric.Merge(all, sums[name])
		if err != nil {
			return view.MetricSet{}
		}
		all = m
	}
	return finish(r, all)
}

func finish(r experiment.Run, s fed.Sums) view.MetricSet {
	if s.Examples == 0 {
		return view.MetricSet{}
	}
	return metric.Finish(r.Config.Task, classesOf(s), s)
}

// classesOf reads the number of classes off a confusion matrix.
func classesOf(s fed.Sums) int {
	for k := 2; k*k <= len(s.Confusion); k++ {
		if k*k == len(s.Confusion) {
			return k
		}
	}
	return 0
}
