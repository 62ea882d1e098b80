package node

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
)

// forge writes an experiment of one run into the book as a changed program would,
// past every check of its own, and returns the run. When it is held the queue does not
// start it by itself.
func (h *Hospital) forge(project string, cfg fed.RunConfig, held bool) fed.Run {
	h.t.Helper()
	p, _ := h.projects.Get(fed.ProjectID(project))
	nonce := newHex()
	doc := fed.ExperimentDoc{ID: fed.NewExperimentID(p.ID, h.me(), nonce), Nonce: nonce, Name: "Forged", Config: cfg, Space: map[string]fed.Dimension{}, Method: "single"}
	run := must(experiment.Freeze(p.ID, doc, p.Alignment.Digest, p.RunMembers()))(h.t)[0]
	if err := h.queue.Set(h.t.Context(), run, map[bool]string{true: "paused", false: "queued"}[held], ""); err != nil {
		h.t.Fatal(err)
	}
	must(h.book.Append(h.t.Context(), fed.ScopeProject(p.ID), fed.DocExperiment, string(doc.ID), doc))(h.t)
	must(h.book.Append(h.t.Context(), fed.ScopeProject(p.ID), fed.DocRun, string(run.ID), run))(h.t)
	return run
}

// A member whose program was changed cannot have another member count the rows of a
// value, train on one row or hold out nearly all: whatever configuration it signs, the
// other refuses what the project did not agree, counts it, and says so on the run.
func TestForgedRunIsRefused(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(2)
	project := l.Project(cfg, nil)
	liar, mark := l.Hospital[2], l.Hospital[1]
	s := &siege{t: t, project: project, liar: liar, mark: mark}
	for what, change := range map[string]func(c *fed.RunConfig){
		"rows of a value":           func(c *fed.RunConfig) { c.Test = fed.TestSplit{Column: "cp", Value: "1"} },
		"rows of a class":           func(c *fed.RunConfig) { c.Test = fed.TestSplit{Column: "target", Value: "4"} },
		"another split":             func(c *fed.RunConfig) { c.Test.Fraction += 0.01 },
		"nearly all held out":       func(c *fed.RunConfig) { c.Test.Fraction, c.Validation = 0.9, &fed.Validation{Fraction: 0.9} },
		"nearly all for validation": func(c *fed.RunConfig) { c.Validation = &fed.Validation{Fraction: 0.9} },
		"another target":            func(c *fed.RunConfig) { c.Target, c.Labels = "sex", nil },
		"one class alone":           func(c *fed.RunConfig) { c.Labels = map[string]string{"0": "no", "1": "yes"} },
		"a row at a time":           func(c *fed.RunConfig) { c.Train.Epochs, c.Train.Steps, c.Train.Batch = 0, 1, 1 },
		"incomplete rows left out":  func(c *fed.RunConfig) { c.Missing = "drop_rows" },
		"a huge network": func(c *fed.RunConfig) {
			c.Model = fed.ModelSpec{Family: "layers", Layers: []fed.LayerSpec{{Type: "Linear", Out: 60_000}, {Type: "Linear"}}}
		},
	} {
		forged := cfg
		change(&forged)
		run := liar.forge(project, forged, true)
		Eventually(t, "the run to arrive", func() bool { _, ok := mark.tracker.Run(run.ID); return ok })
		before := mark.counted(notAsAgreed)
		body, _ := json.Marshal(run)
		s.refusal(what, "query: permission", wire.Query{Name: askOpen, Body: body})
		if mark.counted(notAsAgreed) == before {
			t.Errorf("%s: not counted as not agreed", what)
		}
		if mark.grids.get(run.ID) != nil {
			t.Errorf("%s: the grid is open", what)
		}
		// Nor does it answer as a member of a grid that it never joined.
		s.refusal(what+": sums", "eval: unavailable", wire.Eval{EvalAsk: fed.EvalAsk{Run: run.ID, Params: fed.BlobRef{Digest: run.ConfigHash, Size: 4, Root: run.ConfigHash}, Part: "test"}})
		if _, err := mark.rowsOf(t.Context(), run); fed.KindOf(err) != fed.Permission {
			t.Errorf("%s: rows are opened: %v", what, err)
		}
	}
	// The run of a member that asks openly fails with the refusal as its reason.
	open := l.Hospital[0]
	forged := cfg
	forged.Test = fed.TestSplit{Column: "cp", Value: "1"}
	d := open.Ended(string(open.forge(project, forged, false).ID), "failed")
	same(t, "reason", d.Run.EndReason, "consent_denied")
	if !strings.Contains(d.Run.Sentence, "other test rows") {
		t.Errorf("the run says %q", d.Run.Sentence)
	}
	// The app of an honest member refuses it before anybody is asked.
	_, err := open.CreateExperiment(t.Context(), view.ExperimentCreate{ProjectID: project, Name: "Other rows", Config: forged})
	if fed.KindOf(err) != fed.Invalid || !strings.Contains(err.Error(), "“cp” is “1”") || fed.HintOf(err) == "" {
		t.Errorf("an honest member is told %v", err)
	}
	open.Ended(open.Queue(project, cfg), "finished")
	// Nor may two runs that each are as agreed be told apart by a few rows.
	next := cfg
	next.Validation = &fed.Validation{Fraction: 0.21}
	d = open.Ended(open.Queue(project, next), "failed")
	same(t, "reason", d.Run.EndReason, "consent_denied")
	if !strings.Contains(d.Run.Sentence, "nearly the same rows") {
		t.Errorf("the run says %q", d.Run.Sentence)
	}
	next.Validation = nil
	open.Ended(open.Queue(project, next), "finished")
}

// An admin whose program was changed cannot align columns to something else than its
// project says, nor have sums added up for it.
func TestForgedAlignmentIsRefused(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(2)
	project := l.Project(cfg, nil)
	admin, mark := l.Hospital[0], l.Hospital[1]
	p, _ := admin.projects.Get(fed.ProjectID(project))
	prep := must(dataset.ParsePreparation(p.Alignment.Preparation))(t)
	s := &siege{t: t, project: project, liar: admin, mark: mark}
	rename := p.Alignment.Renames[mark.Name]
	for what, change := range map[string]func(p *dataset.Preparation, rename map[string]string){
		"other classes": func(p *dataset.Preparation, _ map[string]string) {
			p.LabelMap = map[string]string{"0": "no", "1": "yes"}
		},
		"another target":      func(p *dataset.Preparation, _ map[string]string) { p.Target = "nobody" },
		"incomplete rows out": func(p *dataset.Preparation, _ map[string]string) { p.Missing = "drop_rows" },
		"a label by renaming": func(_ *dataset.Preparation, r map[string]string) { r["sex"], r["target"] = "target", "sex2" },
	} {
		draft, names := *prep, map[string]string{}
		for k, v := range rename {
			names[k] = v
		}
		draft.Draft = true
		change(&draft, names)
		body := must(json.Marshal(statsAsk{Draft: must(draft.Marshal())(t), Rename: names}))(t)
		s.refusal(what, "align: permission", wire.Align{Project: p.ID, Step: stepStats, Body: body})
	}
	// Signed and spread, it is no better: a run under it is refused.
	forged := *p.Alignment
	other := *prep
	other.LabelMap = map[string]string{"0": "no", "4": "yes"}
	forged.Preparation = must(other.Marshal())(t)
	forged.Digest, forged.Revision = fed.DigestOf(forged.Preparation), forged.Revision+1
	must(admin.book.Append(t.Context(), fed.ScopeProject(p.ID), fed.DocAlignment, project, forged))(t)
	run := admin.forge(project, cfg, true)
	Eventually(t, "the run to arrive", func() bool { _, ok := mark.tracker.Run(run.ID); return ok })
	body, _ := json.Marshal(run)
	s.refusal("a run under other columns", "query: permission", wire.Query{Name: askOpen, Body: body})
}

// A column is asked for once under a consent: the same question gets the same answer,
// whatever other values or columns stand beside it, and another one none.
func TestColumnIsAskedOnce(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(2)
	project := l.Project(cfg, nil)
	admin, mark := l.Hospital[0], l.Hospital[1]
	p, _ := admin.projects.Get(fed.ProjectID(project))
	prep := *must(dataset.ParsePreparation(p.Alignment.Preparation))(t)
	prep.Draft = true
	rename := p.Alignment.Renames[mark.Name]
	ask := func(change func(p *dataset.Preparation)) (map[string]dataset.ColumnStats, error) {
		draft := prep
		draft.Columns = slices.Clone(prep.Columns)
		for i := range draft.Columns { // a draft has no figures
			c := &draft.Columns[i]
			c.Mean, c.SD, c.Fill, c.FillCategory = nanFigure, nanFigure, nanFigure, ""
		}
		change(&draft)
		draft.Features = nil
		for _, c := range draft.Columns {
			draft.Features = append(draft.Features, draft.FeaturesOf(c)...)
		}
		body := must(json.Marshal(statsAsk{Draft: must(draft.Marshal())(t), Rename: rename}))(t)
		raw, err := mark.aligns.answer(t.Context(), admin.me(), wire.Align{Project: p.ID, Step: stepStats, Body: body})
		if err != nil {
			return nil, err
		}
		var reply statsReply
		if err := json.Unmarshal(raw, &reply); err != nil {
			t.Fatal(err)
		}
		out := map[string]dataset.ColumnStats{}
		for i, c := range must(dataset.ParseStats(reply.Stats, &draft))(t).Columns {
			out[draft.Columns[i].Name] = c
		}
		return out, nil
	}
	same1 := must(ask(func(*dataset.Preparation) {}))(t)
	if same1["chol"].Count < 10 || same1["cp"].Count < 10 {
		t.Fatalf("the test sees no sums: %+v", same1)
	}
	fewer := must(ask(func(p *dataset.Preparation) {
		p.Columns = slices.DeleteFunc(p.Columns, func(c dataset.PreparedColumn) bool { return c.Name != "chol" && c.Name != "cp" })
		p.Column("cp").Categories = []string{"2", "4", "17"}
	}))(t)
	same(t, "sums of a number", line(fewer["chol"]), line(same1["chol"]))
	i := slices.Index(prep.Column("cp").Categories, "4")
	same(t, "counts of a category", line(fewer["cp"].Counts[1:]), line([]int64{same1["cp"].Counts[i], 0}))

	// Rows that are chosen anew are another question, though the project allows them.
	before := mark.counted(otherQuestion)
	c := must(mark.consentOf(t.Context(), p.ID))(t)
	own := must(mark.offered(t.Context(), p))(t)
	draft := prep
	_, err := mark.columnSums(t.Context(), c, own, &draft, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, dataset.Local{Rename: rename}, 10)
	if fed.KindOf(err) != fed.Permission || mark.counted(otherQuestion) == before {
		t.Errorf("other rows: %v", err)
	}
	if err := mark.tells(t.Context(), c, 10, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11}); fed.KindOf(err) != fed.Permission {
		t.Errorf("two selections that differ by two rows: %v", err)
	}
}
