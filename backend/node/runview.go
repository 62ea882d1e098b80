package node

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/metric"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/project"
)

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
	v.Version, v.VersionHref = n.registered(r)
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
		return fmt.Sprintf("Finished after %s. The model is that of round %d.", fed.Count(e.Rounds, "round"), e.Best)
	case "cancelled":
		if e.Problem != "" {
			return "Stopped: " + e.Problem
		}
		return "Stopped."
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
	eta := experiment.Remaining(r)
	if eta > 0 {
		text += ", about " + minutes(eta) + " left"
	}
	return text, eta.Milliseconds()
}

func minutes(d time.Duration) string {
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
