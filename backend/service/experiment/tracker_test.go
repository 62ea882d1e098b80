package experiment

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

func record(r fed.Run, n int, by string, in ...string) fed.RoundRecord {
	rec := fed.RoundRecord{Run: r.ID, N: n, Term: 1, Coordinator: id(by), Digest: fed.DigestOf([]byte{byte(n)})}
	for _, p := range in {
		rec.In = append(rec.In, fed.RoundParty{Party: id(p), Name: p})
	}
	return rec
}

func TestTrackerFollowsARun(t *testing.T) {
	tr, e := NewTracker(), question("one")
	r := frozen(t, e)
	for i, d := range []fed.Doc{
		doc(t, "A", 1, fed.DocExperiment, e), doc(t, "A", 2, fed.DocRun, r), doc(t, "B", 3, fed.DocRound, record(r, 0, "B")),
		doc(t, "B", 4, fed.DocRound, record(r, 1, "B", "A", "B")), doc(t, "B", 5, fed.DocRunEnd, fed.RunEnd{Run: r.ID, State: "finished", Best: 1}),
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
	if !ok || got.By != id("A") || got.QueuedMs != 2000 || got.StartedMs != 3000 || got.EndedMs != 5000 || len(got.Rounds) != 2 || got.End.Best != 1 || got.EndBy != id("B") {
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
	tr := NewTracker()
	tr.Apply(doc(t, "A", 1, fed.DocExperiment, e))
	for name, d := range map[string]fed.Doc{
		"garbage":                  garbage(fed.DocRun),
		"another party's question": doc(t, "B", 2, fed.DocRun, r),
		"unknown question":         run(func(r *fed.Run) { r.Experiment = fed.ExperimentID(hexID("x")) }),
		"another project":          elsewhere(doc(t, "A", 2, fed.DocRun, r)),
		"federation":               func() fed.Doc { d := doc(t, "A", 2, fed.DocRun, r); d.Scope = fed.ScopeFederation; return d }(),
		"bad id":                   run(func(r *fed.Run) { r.ID = "1" }),
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
	forged := record(r, 1, "B")
	for name, d := range map[string]fed.Doc{
		"garbage round":        garbage(fed.DocRound),
		"garbage end":          garbage(fed.DocRunEnd),
		"a stranger's round":   doc(t, "X", 3, fed.DocRound, record(r, 1, "X")),
		"in another's name":    doc(t, "C", 3, fed.DocRound, forged),
		"round from elsewhere": elsewhere(doc(t, "B", 3, fed.DocRound, forged)),
		"round -1":             doc(t, "B", 3, fed.DocRound, record(r, -1, "B")),
		"round after the last": doc(t, "B", 3, fed.DocRound, record(r, 4, "B")),
		"a stranger's end":     doc(t, "X", 3, fed.DocRunEnd, fed.RunEnd{Run: r.ID, State: "cancelled"}),
		"end from elsewhere":   elsewhere(doc(t, "B", 3, fed.DocRunEnd, fed.RunEnd{Run: r.ID, State: "cancelled"})),
		"unknown state":        doc(t, "B", 3, fed.DocRunEnd, fed.RunEnd{Run: r.ID, State: "sold"}),
		"the same run again":   run(func(r *fed.Run) { r.Number = 9 }),
	} {
		if got := tr.Apply(d); got != "" {
			t.Errorf("%s: changed the run", name)
		}
	}
	if got, _ := tr.Run(r.ID); len(got.Rounds) != 0 || got.End != nil || got.Number != 1 {
		t.Errorf("the run became %+v", got)
	}
}

func TestFinishedStays(t *testing.T) {
	e := question("one")
	r := frozen(t, e)
	for _, order := range [][]string{{"finished", "cancelled"}, {"cancelled", "finished"}, {"failed", "finished", "cancelled"}} {
		tr := NewTracker()
		tr.Apply(doc(t, "A", 1, fed.DocExperiment, e))
		tr.Apply(doc(t, "A", 2, fed.DocRun, r))
		for i, state := range order {
			tr.Apply(doc(t, "A", 3+i, fed.DocRunEnd, fed.RunEnd{Run: r.ID, State: state}))
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
			doc(t, "B", 5, fed.DocRound, record(r, 1, "B")), doc(t, "B", 6, fed.DocRound, record(r, 2, "B", "B", "C")),
			doc(t, "B", 7, fed.DocRunEnd, fed.RunEnd{Run: r.ID, State: "finished", Best: 1}),
		},
		"C": {doc(t, "C", 2, fed.DocRound, record(r, 2, "C", "B", "C")), doc(t, "C", 8, fed.DocRunEnd, fed.RunEnd{Run: r.ID, State: "finished", Best: 2})},
	}
	state := func(t fataler, order []string) Run {
		tr, next := NewTracker(), map[string]int{}
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
	inOrder := []string{"A", "A", "A", "A", "A", "B", "B", "B", "C", "C"}
	want := state(t, inOrder)
	if len(want.Rounds) != 3 || len(want.Rounds[1].In) != 2 || want.End.State != "finished" || want.StartedMs != 3000 {
		t.Fatalf("in order: %+v", want)
	}
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation(inOrder).Draw(t, "order")
		if diff := cmp.Diff(want, state(t, order), cmp.AllowUnexported(Run{})); diff != "" {
			t.Fatalf("%v:\n%s", order, diff)
		}
	})
}

func TestRunsNewestFirst(t *testing.T) {
	tr, e := NewTracker(), question("grid")
	e.Method, e.Space = "grid", map[string]fed.Dimension{"lr": dim("choice", 0.2, 0.1)}
	tr.Apply(doc(t, "A", 1, fed.DocExperiment, e))
	runs, err := Freeze(project, e, "", members(), func() func() fed.RunID {
		n := 0
		return func() fed.RunID { n++; return fed.RunID(hexID(string(rune('0' + n)))) }
	}())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		tr.Apply(doc(t, "A", 2, fed.DocRun, r)) // queued in the same millisecond
	}
	other := question("later")
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
