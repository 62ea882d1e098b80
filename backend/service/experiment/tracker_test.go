package experiment

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

// params is the digest of the params after a round.
func params(n int) fed.Digest { return fed.DigestOf([]byte{byte(n)}) }

func at(term uint64, n int) fed.Checkpoint {
	c := fed.Checkpoint{Term: term, Round: n, Digest: params(n)}
	if n > 0 {
		c.Parent = params(n - 1)
	}
	return c
}

// record is that of a round by who coordinates in term 1.
func record(r fed.Run, n int, by string, in ...string) fed.RoundRecord {
	return recordIn(r, 1, fed.Checkpoint{}, n, by, in...)
}

// recordIn is that of a round by a coordinator that was elected with acc.
func recordIn(r fed.Run, term uint64, acc fed.Checkpoint, n int, by string, in ...string) fed.RoundRecord {
	c := at(term, max(n, 0))
	rec := fed.RoundRecord{Run: r.ID, N: n, Term: term, Coordinator: id(by), Digest: c.Digest, Parent: c.Parent, Mandate: mandate(r, by, term, acc)}
	for _, p := range in {
		u := fed.RoundParty{Party: id(p), Name: p, Examples: 10, Update: fed.BlobRef{Digest: fed.DigestOf([]byte(p))}}
		u.Claim = signed(p, fed.ClaimDomain, u.Claimed(r.ID, n, rec.Parent).SigningBytes())
		rec.In = append(rec.In, u)
	}
	return rec
}

// finished is the end of a run by who coordinates in a term.
func finished(r fed.Run, by string, term uint64, acc fed.Checkpoint, best int) fed.RunEnd {
	m := mandate(r, by, term, acc)
	return fed.RunEnd{Run: r.ID, State: "finished", Rounds: r.Config.Rounds, Best: best, Params: params(best), Mandate: &m}
}

func TestTrackerFollowsARun(t *testing.T) {
	tr, e := newTracker(), question("one")
	r := frozen(t, e)
	for i, d := range []fed.Doc{
		doc(t, "A", 1, fed.DocExperiment, e), doc(t, "A", 2, fed.DocRun, r), doc(t, "B", 3, fed.DocRound, record(r, 0, "B")),
		doc(t, "B", 4, fed.DocRound, record(r, 1, "B", "A", "B")), doc(t, "B", 5, fed.DocRunEnd, finished(r, "B", 1, fed.Checkpoint{}, 1)),
	} {
		want := r.ID
		if i == 0 {
			want = ""
		}
		if got := tr.Apply(d); got != want {
			t.Errorf("document %d changed %q", i, got)
		}
	}
	got, ok := tr.Run(r.ID)
	if !ok || got.By != id("A") || got.QueuedMs != 2000 || got.StartedMs != 3000 || got.EndedMs != 5000 || len(got.Rounds) != 2 || !slices.Equal(got.ClosedMs, []int64{3000, 4000}) || got.End.Best != 1 || got.EndBy != id("B") {
		t.Errorf("run %+v", got)
	}
	if x, ok := tr.Experiment(e.ID); !ok || x.By != id("A") || x.Project != project || x.CreatedMs != 1000 || len(tr.Experiments()) != 1 {
		t.Errorf("experiment %+v", x)
	}
	got.Rounds[0].N = 99
	if again, _ := tr.Run(r.ID); again.Rounds[0].N != 0 {
		t.Error("what a caller does to a copy shows inside")
	}
}

// What a party writes about others' runs, or out of form, changes nothing.
func TestTrackerIgnoresHostileDocuments(t *testing.T) {
	e := question("one")
	r := frozen(t, e)
	run := func(f func(*fed.Run)) fed.Doc {
		x := r
		x.Members = slices.Clone(r.Members)
		f(&x)
		return doc(t, "A", 2, fed.DocRun, x)
	}
	elsewhere := func(d fed.Doc) fed.Doc {
		d.Scope = fed.ScopeProject(fed.ProjectID(hexID("another project")))
		return d
	}
	garbage := func(kind string) fed.Doc { d := doc(t, "A", 2, kind, nil); d.Body = []byte(`{"id":`); return d }
	tr := newTracker()
	tr.Apply(doc(t, "A", 1, fed.DocExperiment, e))
	for name, d := range map[string]fed.Doc{
		"garbage":                  garbage(fed.DocRun),
		"another party's question": doc(t, "B", 2, fed.DocRun, r),
		"unknown question":         run(func(r *fed.Run) { r.Experiment = fed.ExperimentID(hexID("x")); r.ID = fed.NewRunID(r.Experiment, 1) }),
		"another project":          elsewhere(doc(t, "A", 2, fed.DocRun, r)),
		"federation":               func() fed.Doc { d := doc(t, "A", 2, fed.DocRun, r); d.Scope = fed.ScopeFederation; return d }(),
		"bad id":                   run(func(r *fed.Run) { r.ID = "1" }),
		"another run's id":         run(func(r *fed.Run) { r.Number = 2 }),
		"run 0":                    run(func(r *fed.Run) { r.Number, r.ID = 0, fed.NewRunID(r.Experiment, 0) }),
		"run without end":          run(func(r *fed.Run) { r.Number, r.ID = MaxTrials+1, fed.NewRunID(r.Experiment, MaxTrials+1) }),
		"changed configuration":    run(func(r *fed.Run) { r.Config.Rounds = 4 }),
		"impossible configuration": run(func(r *fed.Run) {
			r.Config.Rounds = 0
			raw, _ := canonical(r.Config)
			r.ConfigHash = fed.DigestOf(raw)
		}),
		"quorum of too many": run(func(r *fed.Run) {
			r.Config.Quorum = 4
			raw, _ := canonical(r.Config)
			r.ConfigHash = fed.DigestOf(raw)
		}),
		"no members":     run(func(r *fed.Run) { r.Members = nil }),
		"unsorted":       run(func(r *fed.Run) { slices.Reverse(r.Members) }),
		"same name":      run(func(r *fed.Run) { r.Members[1].Name = "A" }),
		"same rank":      run(func(r *fed.Run) { r.Members[1].Rank = 1 }),
		"rank too large": run(func(r *fed.Run) { r.Members[1].Rank = 3 }),
		"negative rank":  run(func(r *fed.Run) { r.Members[1].Rank = -1 }),
		"same party":     run(func(r *fed.Run) { r.Members[1].Party = id("A") }),
		"no party":       run(func(r *fed.Run) { r.Members[1].Party = "B" }),
	} {
		if got := tr.Apply(d); got != "" || len(tr.Runs(nil)) != 0 {
			t.Errorf("%s: a run was taken", name)
		}
	}
	if tr.Apply(doc(t, "A", 2, fed.DocRun, r)) != r.ID {
		t.Fatal("the unaltered run was not taken")
	}
	count := refusals{}
	tr.refused = count.add
	forged := record(r, 1, "B", "A", "B")
	with := func(f func(*fed.RoundRecord)) fed.Doc {
		x := record(r, 2, "B", "A", "B")
		f(&x)
		return doc(t, "B", 3, fed.DocRound, x)
	}
	ends := func(by string, f func(*fed.RunEnd)) fed.Doc {
		e := finished(r, "B", 1, fed.Checkpoint{}, 1)
		f(&e)
		return doc(t, by, 3, fed.DocRunEnd, e)
	}
	for name, c := range map[string]struct {
		doc fed.Doc
		why string
	}{
		"garbage round":         {garbage(fed.DocRound), "round: out of form"},
		"garbage end":           {garbage(fed.DocRunEnd), "run.end: out of form"},
		"a stranger's round":    {doc(t, "X", 3, fed.DocRound, record(r, 1, "X")), "round: not by a member of the run"},
		"in another's name":     {doc(t, "C", 3, fed.DocRound, forged), "round: written in another's name"},
		"round from elsewhere":  {elsewhere(doc(t, "B", 3, fed.DocRound, forged)), "round: from another project"},
		"round -1":              {doc(t, "B", 3, fed.DocRound, record(r, -1, "B")), "round: does not fit the run"},
		"round after the last":  {doc(t, "B", 3, fed.DocRound, record(r, 4, "B")), "round: does not fit the run"},
		"no digest":             {with(func(x *fed.RoundRecord) { x.Digest = "" }), "round: does not fit the run"},
		"no parent":             {with(func(x *fed.RoundRecord) { x.Parent = "" }), "round: does not fit the run"},
		"a party twice":         {with(func(x *fed.RoundRecord) { x.In[1] = x.In[0] }), "round: does not fit the run"},
		"another's name":        {with(func(x *fed.RoundRecord) { x.In[0].Name = "B" }), "round: does not fit the run"},
		"another term":          {with(func(x *fed.RoundRecord) { x.Term = 2 }), "round: does not fit the run"},
		"more rows than signed": {with(func(x *fed.RoundRecord) { x.In[0].Examples++ }), "round: an update is not signed by its party"},
		"another update":        {with(func(x *fed.RoundRecord) { x.In[0].Update.Digest = params(9) }), "round: an update is not signed by its party"},
		"another's update":      {with(func(x *fed.RoundRecord) { x.In[0].Claim = x.In[1].Claim }), "round: an update is not signed by its party"},
		"no mandate":            {with(func(x *fed.RoundRecord) { x.Mandate.Votes = nil }), "round: its author is not proven to coordinate"},
		"one vote":              {with(func(x *fed.RoundRecord) { x.Mandate.Votes = x.Mandate.Votes[:1] }), "round: its author is not proven to coordinate"},
		"one vote twice":        {with(func(x *fed.RoundRecord) { x.Mandate.Votes[1] = x.Mandate.Votes[0] }), "round: its author is not proven to coordinate"},
		"a mandate of A":        {with(func(x *fed.RoundRecord) { x.Mandate = mandate(r, "A", 1, fed.Checkpoint{}) }), "round: its author is not proven to coordinate"},
		"an altered mandate":    {with(func(x *fed.RoundRecord) { x.Term, x.Mandate.Term = 7, 7 }), "round: its author is not proven to coordinate"},
		"before it was elected": {with(func(x *fed.RoundRecord) { x.Mandate = mandate(r, "B", 4, at(1, 3)); x.Term = 4 }), "round: not on the chain of committed checkpoints"},
		"not after what it held": {with(func(x *fed.RoundRecord) {
			x.Mandate = mandate(r, "B", 2, at(1, 1))
			x.Term = 2
			x.Parent = params(9)
			x.In = nil
		}), "round: not on the chain of committed checkpoints"},
		"not what it held":         {with(func(x *fed.RoundRecord) { x.Mandate = mandate(r, "B", 3, at(1, 2)); x.Term = 3; x.Digest = params(9) }), "round: not on the chain of committed checkpoints"},
		"a stranger's end":         {doc(t, "X", 3, fed.DocRunEnd, fed.RunEnd{Run: r.ID, State: "cancelled"}), "run.end: not by a member of the run"},
		"end from elsewhere":       {elsewhere(doc(t, "B", 3, fed.DocRunEnd, fed.RunEnd{Run: r.ID, State: "cancelled"})), "run.end: from another project"},
		"unknown state":            {doc(t, "B", 3, fed.DocRunEnd, fed.RunEnd{Run: r.ID, State: "sold"}), "run.end: does not fit the run"},
		"cancelled by a member":    {doc(t, "C", 3, fed.DocRunEnd, fed.RunEnd{Run: r.ID, State: "cancelled"}), "run.end: its author is not proven to coordinate"},
		"finished by its creator":  {ends("A", func(e *fed.RunEnd) { e.Mandate = nil }), "run.end: its author is not proven to coordinate"},
		"finished by another":      {ends("C", func(*fed.RunEnd) {}), "run.end: its author is not proven to coordinate"},
		"finished before its time": {ends("B", func(e *fed.RunEnd) { e.Rounds = 2 }), "run.end: does not fit the run"},
	} {
		before := count[c.why]
		if got := tr.Apply(c.doc); got != "" || count[c.why] != before+1 {
			t.Errorf("%s: changed %q, refused %v", name, got, count)
		}
	}
	if tr.Apply(run(func(r *fed.Run) { r.Preparation = fed.DigestOf([]byte("other")) })) != "" {
		t.Error("the same run again changed it")
	}
	if got, _ := tr.Run(r.ID); len(got.Rounds) != 0 || got.End != nil || got.Preparation != r.Preparation {
		t.Errorf("the run became %+v", got)
	}
}

// An identifier belongs to who drew it, in its project: nobody takes it before him,
// whatever arrives first.
func TestIdentifiersCannotBeTaken(t *testing.T) {
	tr, e := newTracker(), question("one")
	mine, theirs := frozen(t, e), frozen(t, questionBy("B", "two"))
	stolen := e
	stolen.Name = "mine now"
	moved := doc(t, "A", 1, fed.DocExperiment, stolen)
	moved.Scope = fed.ScopeProject(fed.ProjectID(hexID("another project")))
	tr.Apply(moved)
	tr.Apply(doc(t, "B", 1, fed.DocExperiment, stolen))
	tr.Apply(doc(t, "B", 2, fed.DocExperiment, questionBy("B", "two")))
	theirs.ID = mine.ID
	if got := tr.Apply(doc(t, "B", 3, fed.DocRun, theirs)); got != "" {
		t.Error("a run was taken under the identifier of another party's run")
	}
	tr.Apply(doc(t, "A", 1, fed.DocExperiment, e))
	got := tr.Apply(doc(t, "A", 2, fed.DocRun, mine))
	if x, ok := tr.Experiment(e.ID); got != mine.ID || !ok || x.Name != e.Name || x.By != id("A") || x.Project != project {
		t.Errorf("run %q of experiment %+v", got, x)
	}
}

func TestFinishedStays(t *testing.T) {
	e := question("one")
	r := frozen(t, e)
	for _, order := range [][]string{{"finished", "cancelled"}, {"cancelled", "finished"}, {"failed", "finished", "cancelled"}} {
		tr := newTracker()
		tr.Apply(doc(t, "A", 1, fed.DocExperiment, e))
		tr.Apply(doc(t, "A", 2, fed.DocRun, r))
		for i, state := range order {
			e := finished(r, "A", 1, fed.Checkpoint{}, 1)
			e.State = state
			tr.Apply(doc(t, "A", 3+i, fed.DocRunEnd, e))
		}
		if got, _ := tr.Run(r.ID); got.End.State != "finished" {
			t.Errorf("%v ends as %s", order, got.End.State)
		}
	}
}

// A document of one author may overtake those of another: a successor's rounds
// arrive before the run itself. Every order of arrival gives the same state.
func TestArrivalOrderDoesNotMatter(t *testing.T) {
	e := question("one")
	r := frozen(t, e)
	chains := map[string][]fed.Doc{
		"A": {
			doc(t, "A", 1, fed.DocExperiment, e), doc(t, "A", 2, fed.DocRun, r), doc(t, "A", 3, fed.DocRound, record(r, 0, "A")),
			doc(t, "A", 4, fed.DocRound, record(r, 1, "A", "A", "B")), doc(t, "A", 9, fed.DocRunEnd, fed.RunEnd{Run: r.ID, State: "cancelled"}),
		},
		"B": {
			doc(t, "B", 5, fed.DocRound, recordIn(r, 2, at(1, 1), 1, "B")), doc(t, "B", 6, fed.DocRound, recordIn(r, 2, at(1, 1), 2, "B", "B", "C")),
			doc(t, "B", 6, fed.DocRound, recordIn(r, 2, at(1, 1), 3, "B", "B", "C")), doc(t, "B", 7, fed.DocRunEnd, finished(r, "B", 2, at(1, 1), 1)),
		},
		// Elected after the others had lost what B wrote about round 3.
		"C": {doc(t, "C", 2, fed.DocRound, recordIn(r, 3, at(2, 2), 2, "C")), doc(t, "C", 8, fed.DocRunEnd, finished(r, "C", 3, at(2, 2), 2))},
	}
	state := func(t fataler, order []string) Run {
		tr, next := newTracker(), map[string]int{}
		for _, a := range order {
			tr.Apply(chains[a][next[a]])
			next[a]++
		}
		got, ok := tr.Run(r.ID)
		if !ok {
			t.Fatal("no run")
		}
		return got
	}
	inOrder := []string{"A", "A", "A", "A", "A", "B", "B", "B", "B", "C", "C"}
	want := state(t, inOrder)
	if len(want.Rounds) != 3 || len(want.Rounds[1].In) != 2 || want.End.State != "finished" || want.End.Best != 2 || want.StartedMs != 3000 {
		t.Fatalf("in order: %+v", want)
	}
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation(inOrder).Draw(t, "order")
		if diff := cmp.Diff(want, state(t, order)); diff != "" {
			t.Fatalf("%v:\n%s", order, diff)
		}
	})
}

// What later coordinators held is summed up by term; it says the same as looking at
// each of them.
func TestOvertaken(t *testing.T) {
	digests := []fed.Digest{params(0), params(1), params(2)}
	rapid.Check(t, func(t *rapid.T) {
		c := newChain(fed.Run{}, verify)
		for range rapid.IntRange(0, 6).Draw(t, "ballots") {
			term := rapid.Uint64Range(1, 8).Draw(t, "term")
			b := fed.Ballot{Term: term}
			if rapid.IntRange(0, 5).Draw(t, "holds something") > 0 {
				b.Acc = fed.Checkpoint{Round: rapid.IntRange(0, 4).Draw(t, "round"), Digest: rapid.SampledFrom(digests).Draw(t, "digest")}
			}
			c.ballots[term] = b
		}
		term, n := rapid.Uint64Range(1, 9).Draw(t, "of term"), rapid.IntRange(0, 5).Draw(t, "n")
		digest := rapid.SampledFrom(append([]fed.Digest{""}, digests...)).Draw(t, "of digest")
		want := false
		for later, b := range c.ballots {
			want = want || later > term && (b.Acc.Digest == "" || n > b.Acc.Round || n == b.Acc.Round && digest != "" && digest != b.Acc.Digest)
		}
		if got := overtaken(c.reigns(), term, n, digest); got != want {
			t.Fatalf("overtaken %v, want %v by %+v", got, want, c.ballots)
		}
	})
}

func TestRunsNewestFirst(t *testing.T) {
	tr, e := newTracker(), question("grid")
	e.Method, e.Space = "grid", map[string]fed.Dimension{"lr": dim("choice", 0.2, 0.1)}
	tr.Apply(doc(t, "A", 1, fed.DocExperiment, e))
	runs, err := Freeze(project, e, "", members())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		tr.Apply(doc(t, "A", 2, fed.DocRun, r)) // queued in the same millisecond
	}
	other := questionBy("B", "later")
	tr.Apply(doc(t, "B", 3, fed.DocExperiment, other))
	last := frozen(t, other)
	tr.Apply(doc(t, "B", 4, fed.DocRun, last))
	var got []fed.RunID
	for _, r := range tr.Runs(nil) {
		got = append(got, r.ID)
	}
	if want := []fed.RunID{last.ID, runs[1].ID, runs[0].ID}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if es := tr.Experiments(); len(es) != 2 || es[0].Name != "later" {
		t.Errorf("experiments %v", es)
	}
}
