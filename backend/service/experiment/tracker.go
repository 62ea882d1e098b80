package experiment

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"

	"synergos.app/desktop/backend/fed"
)

// Tracker follows experiments and runs through the documents of the book. The
// documents of one author come in order, those of different authors in any: the
// result is the same. It is safe for concurrent use; what it returns is a copy.
type Tracker struct {
	mu          sync.Mutex
	experiments map[fed.ExperimentID]*Experiment
	runs        map[fed.RunID]*Run
	chains      map[fed.RunID]*chain
	verify      fed.Verifier
	refused     func(why string)
	early       map[fed.RunID][]fed.Doc // rounds and ends that came before their run
}

// Experiment is a question with who asked it.
type Experiment struct {
	fed.ExperimentDoc
	Project   fed.ProjectID
	By        fed.PartyID
	CreatedMs int64
}

// Run is what the book says of a run.
type Run struct {
	fed.Run
	By        fed.PartyID
	QueuedMs  int64
	StartedMs int64 // of round 0; 0: not yet
	EndedMs   int64
	Rounds    []fed.RoundRecord // by N
	ClosedMs  []int64           // when each of Rounds was recorded
	End       *fed.RunEnd
	EndBy     fed.PartyID
}

// NewTracker returns an empty tracker. verify checks signatures; refused is told why a
// record of a round or the end of a run was not taken.
func NewTracker(verify fed.Verifier, refused func(why string)) *Tracker {
	return &Tracker{
		experiments: map[fed.ExperimentID]*Experiment{}, runs: map[fed.RunID]*Run{}, chains: map[fed.RunID]*chain{}, early: map[fed.RunID][]fed.Doc{},
		verify: verify, refused: refused,
	}
}

// Apply takes a document; those of other kinds are ignored. It returns the run
// that the document changed, or "".
func (t *Tracker) Apply(d fed.Doc) fed.RunID {
	p, ok := fed.ProjectOf(d.Scope)
	if !ok {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch d.Kind {
	case fed.DocExperiment:
		t.experiment(p, d)
	case fed.DocRun:
		return t.run(p, d)
	case fed.DocRound:
		return t.round(p, d)
	case fed.DocRunEnd:
		return t.end(p, d)
	}
	return ""
}

func (t *Tracker) experiment(p fed.ProjectID, d fed.Doc) {
	var e fed.ExperimentDoc
	if json.Unmarshal(d.Body, &e) != nil || e.ID != fed.NewExperimentID(p, d.Author, e.Nonce) || t.experiments[e.ID] != nil {
		return
	}
	t.experiments[e.ID] = &Experiment{ExperimentDoc: e, Project: p, By: d.Author, CreatedMs: d.TimeMs}
}

func (t *Tracker) run(p fed.ProjectID, d fed.Doc) fed.RunID {
	var r fed.Run
	if json.Unmarshal(d.Body, &r) != nil || !validRun(r, p) || t.runs[r.ID] != nil {
		return ""
	}
	if e := t.experiments[r.Experiment]; e == nil || e.By != d.Author || e.Project != p {
		return "" // only who asked the question starts its runs
	}
	t.runs[r.ID] = &Run{Run: r, By: d.Author, QueuedMs: d.TimeMs}
	t.chains[r.ID] = newChain(r, t.verify)
	early := t.early[r.ID]
	delete(t.early, r.ID)
	for _, d := range early {
		if from, _ := fed.ProjectOf(d.Scope); d.Kind == fed.DocRound {
			t.round(from, d)
		} else {
			t.end(from, d)
		}
	}
	return r.ID
}

// of returns the run that a document of project p speaks of. When the run is not
// known yet, its creator's documents being on the way, the document is kept.
func (t *Tracker) of(p fed.ProjectID, id fed.RunID, d fed.Doc) (*Run, error) {
	r := t.runs[id]
	switch {
	case r == nil && !fed.ValidHexID(string(id)):
		return nil, errForm
	case r == nil:
		t.early[id] = append(t.early[id], d)
	case r.Project != p:
		return nil, errForeigner
	}
	return r, nil
}

// taken notes that a document says more about a run, or counts why it was refused.
func (t *Tracker) taken(kind string, r *Run, err error) fed.RunID {
	if err != nil {
		t.refused(kind + ": " + err.Error())
		return ""
	}
	if r == nil {
		return ""
	}
	t.chains[r.ID].stale = true
	return r.ID
}

// validRun checks what a peer's run must be before anything is indexed by it.
func validRun(r fed.Run, p fed.ProjectID) bool {
	if r.Project != p || r.ID != fed.NewRunID(r.Experiment, r.Number) || r.Number < 1 || r.Number > MaxTrials || len(r.Members) < 1 || len(r.Members) > 1000 || Check(r.Config) != nil {
		return false
	}
	raw, err := canonical(r.Config)
	if err != nil || fed.DigestOf(raw) != r.ConfigHash {
		return false
	}
	ranks, parties := make([]bool, len(r.Members)), map[fed.PartyID]bool{}
	for i, m := range r.Members {
		if i > 0 && r.Members[i-1].Name >= m.Name || m.Rank < 0 || m.Rank >= len(ranks) || ranks[m.Rank] || !fed.ValidKeyID(string(m.Party)) || parties[m.Party] {
			return false
		}
		ranks[m.Rank], parties[m.Party] = true, true
	}
	return r.Config.Quorum <= len(r.Members)
}

func (t *Tracker) round(p fed.ProjectID, d fed.Doc) fed.RunID {
	var rec fed.RoundRecord
	if json.Unmarshal(d.Body, &rec) != nil {
		return t.taken(d.Kind, nil, errForm)
	}
	r, err := t.of(p, rec.Run, d)
	if r != nil {
		err = t.chains[r.ID].record(d.Author, rec, d.TimeMs)
	}
	return t.taken(d.Kind, r, err)
}

func isMember(r fed.Run, p fed.PartyID) bool {
	_, ok := r.Member(p)
	return ok
}

func (t *Tracker) end(p fed.ProjectID, d fed.Doc) fed.RunID {
	var e fed.RunEnd
	if json.Unmarshal(d.Body, &e) != nil {
		return t.taken(d.Kind, nil, errForm)
	}
	r, err := t.of(p, e.Run, d)
	if r != nil {
		err = t.chains[r.ID].end(e, r.By, d)
	}
	return t.taken(d.Kind, r, err)
}

// Run returns a copy of what is known of a run.
func (t *Tracker) Run(id fed.RunID) (Run, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.runs[id]
	if !ok {
		return Run{}, false
	}
	return t.settled(r).copy(), true
}

// settled returns a run as everything known of it says. That is worked out when asked
// for, so that a document costs the same however many there are.
func (t *Tracker) settled(r *Run) *Run {
	if c := t.chains[r.ID]; c.stale {
		c.fill(r)
	}
	return r
}

func (r *Run) copy() Run {
	c := *r
	c.Rounds = slices.Clone(r.Rounds)
	return c
}

// Runs returns the runs that pass keep, newest first.
func (t *Tracker) Runs(keep func(Run) bool) []Run {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := []Run{}
	for _, r := range t.runs {
		if t.settled(r); keep == nil || keep(*r) {
			out = append(out, r.copy())
		}
	}
	slices.SortFunc(out, func(a, b Run) int {
		return cmp.Or(cmp.Compare(b.QueuedMs, a.QueuedMs), cmp.Compare(b.Number, a.Number), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Experiment returns what is known of an experiment.
func (t *Tracker) Experiment(id fed.ExperimentID) (Experiment, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.experiments[id]
	if !ok {
		return Experiment{}, false
	}
	return *e, true
}

// Experiments returns all experiments, newest first.
func (t *Tracker) Experiments() []Experiment {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := []Experiment{}
	for _, e := range t.experiments {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b Experiment) int {
		return cmp.Or(cmp.Compare(b.CreatedMs, a.CreatedMs), cmp.Compare(a.ID, b.ID))
	})
	return out
}
