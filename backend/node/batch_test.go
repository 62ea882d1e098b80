package node

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/serving"
)

// A whole file is scored into another one; neither the file nor any other is ever
// written over, and a batch that does not end leaves nothing.
func TestBatch(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio[:2]...)
	ctx := t.Context()
	a := l.Hospital[0]
	cfg := CohortConfig(1)
	run := a.Queue(l.Project(cfg, nil), cfg)
	l.OneTruth(must(a.Run(ctx, run))(t).Run.ProjectID, run)
	id := must(a.RegisterModel(ctx, run, "heart"))(t).ModelID
	l.promote(id, 1, "production")

	dir := t.TempDir()
	in := filepath.Join(dir, "patients.csv")
	const columns = "age;sex;cp;trestbps;chol;fbs;restecg;thalach;exang;oldpeak"
	const table = "mrn;" + columns + ";note\n007;63;1;4;145;233;;2;150;0;2.3;=SUM(A1)\n008;old;0;1;120;;;;;;;\n"
	if err := os.WriteFile(in, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(path, output string) view.Operation {
		return a.ended(must(a.StartBatch(ctx, id, path, output))(t).ID)
	}
	op := start(in, "")
	same(t, "batch", line(op.State, op.Done, op.Total, op.Unit, op.Phase), line("done", len(table), len(table), "bytes", "2 rows scored"))
	got := strings.Split(string(must(a.BatchResult(ctx, op.ID))(t)), "\n")
	same(t, "lines", len(got), 4)
	same(t, "header", got[0], "mrn;"+columns+";note;prediction;probability_no;probability_yes;model;version;warning;error")
	same(t, "answered row", strings.HasPrefix(got[1], "007;63;1;4;145;233;;2;150;0;2.3;=SUM(A1);") && strings.Contains(got[1], ";heart;1;\"column \"\"fbs\"\": was not given and was filled with "), true)
	same(t, "refused row", strings.HasPrefix(got[2], "008;old;0;1;120;;;;;;;;;;;heart;1;;\"age: "), true)
	again := start(in, "")
	same(t, "a file of its own", line(again.State, again.Result != op.Result), "done true")

	for name, output := range map[string]string{"the file itself": in, "another file": op.Result, "a folder": dir} {
		_, err := a.StartBatch(ctx, id, in, output)
		refused(t, name, err, fed.Exists)
	}
	_, err := a.StartBatch(ctx, id, in, "result.csv")
	refused(t, "a path that depends on where the app was started", err, fed.Invalid)
	_, err = a.StartBatch(ctx, id, in, filepath.Join(a.opts.Home, "keys", "new"))
	refused(t, "a place in the folder of the app", err, fed.Permission)
	_, err = a.StartBatch(ctx, id, filepath.Join(a.opts.Home, "synergos.db"), "")
	refused(t, "a file of the app", err, fed.Permission)
	same(t, "the file", string(must(os.ReadFile(in))(t)), table)

	bad := filepath.Join(dir, "bad.csv")
	if err := os.WriteFile(bad, []byte(columns+"\n50;1\n\"51;0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.csv")
	op = start(bad, out)
	same(t, "of a broken file", line(op.State, exists(out)), "failed false")
	_, err = a.BatchResult(ctx, op.ID)
	refused(t, "its result", err, fed.NotFound)
	same(t, "files left", len(must(os.ReadDir(dir))(t)), 2)

	left := filepath.Join(a.opts.Home, "exports", partPrefix+"1"+partSuffix)
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.stop()
	a.start()
	same(t, "a part left by a crash", exists(left), false)
	same(t, "results", len(must(os.ReadDir(filepath.Dir(left)))(t)), 2)
}

// A party's own file is scored by the names that it has agreed for its columns, and
// without those that it never had; a column that it had is not filled unasked. Rows may
// use its own names, too. What was agreed for a version holds after the columns are
// compared anew.
func TestBatchOfAPartysOwnFile(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio[:2]...)
	ctx := t.Context()
	cfg := CohortConfig(1)
	run := l.Hospital[0].Queue(l.Project(cfg, nil), cfg)
	project := must(l.Hospital[0].Run(ctx, run))(t).Run.ProjectID
	l.OneTruth(project, run)
	id := must(l.Hospital[0].RegisterModel(ctx, run, "heart"))(t).ModelID
	l.promote(id, 1, "production")
	var h *Hospital // that calls chol otherwise
	for _, x := range l.Hospital {
		if p, _ := x.projects.Get(fed.ProjectID(project)); len(p.Alignment.Renames[x.Name]) > 0 {
			h = x
		}
	}
	if h == nil {
		t.Fatal("no hospital has a column of its own name")
	}
	header, values := "age,sex,cp,trestbps,cholesterol,restecg,thalach,exang,oldpeak", "63,1,4,145,350,2,150,0,2.3"
	scored := func(text string) (prediction []string, op view.Operation) {
		t.Helper()
		in := filepath.Join(t.TempDir(), "ward.csv")
		if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if op = h.ended(must(h.StartBatch(ctx, id, in, ""))(t).ID); op.State != "done" {
			return nil, op
		}
		lines := must(csv.NewReader(bytes.NewReader(must(h.BatchResult(ctx, op.ID))(t))).ReadAll())(t)
		return lines[1][strings.Count(text[:strings.Index(text, "\n")], ",")+1:], op
	}
	check := func(when string) {
		t.Helper()
		row := map[string]any{"age": 63, "sex": 1, "cp": "4", "trestbps": 145, "chol": 350, "restecg": "2", "thalach": 150, "exang": 0, "oldpeak": 2.3}
		want := must(h.TryPrediction(ctx, id, []map[string]any{row}))(t).Rows[0]
		row["cholesterol"] = row["chol"]
		delete(row, "chol")
		same(t, "own name in a row "+when, line(must(h.TryPrediction(ctx, id, []map[string]any{row}))(t).Rows[0]), line(want))
		delete(row, "cholesterol")
		same(t, "without it "+when, line(must(h.TryPrediction(ctx, id, []map[string]any{row}))(t).Rows[0].Probability) == line(want.Probability), false)
		for _, names := range []string{header, strings.Replace(header, "cholesterol", "chol", 1)} {
			got, op := scored(names + "\n" + values + "\n")
			same(t, "batch "+when+line(op.Problem), len(got), 7)
			same(t, "answer "+when, line(got[0], got[2], got[5]), line(want.Label, float32(want.Probability["yes"]), strings.Join(want.Warnings, "; ")))
			same(t, "of the column that it does not have "+when, strings.HasPrefix(got[5], `column "fbs": was not given`) && !strings.Contains(got[5], "chol"), true)
		}
	}
	check("at first")
	for text, want := range map[string]string{
		strings.Replace(header, "cholesterol,", "", 1) + "\n63,1,4,145,2,150,0,2.3\n": `the column "chol" (here also "cholesterol") of the model is missing`,
		header + ",chol\n" + values + ",200\n":                                        `the columns "cholesterol" and "chol" are both the model's column "chol"`,
	} {
		_, op := scored(text)
		if op.State != "failed" || op.Problem == nil || op.Problem.Text != want || op.Problem.Hint == "" {
			t.Errorf("%s %+v, want %s", op.State, op.Problem, want)
		}
	}
	p, _ := h.projects.Get(fed.ProjectID(project))
	old := h.ownColumns(fed.RunID(run), p.Alignment.Digest)
	same(t, "agreed", line(old.Renames, old.Filled), line(map[string]string{"cholesterol": "chol"}, []string{"fbs"}))
	same(t, "a preparation that was never agreed", line(h.ownColumns(fed.RunID(run), "other")), line(serving.Own{}))
	forged := *p.Alignment
	forged.Revision, forged.Preparation = forged.Revision+1, append([]byte{}, forged.Preparation...)
	admin := l.Hospital[0]
	prep, err := dataset.ParsePreparation(forged.Preparation)
	if err != nil {
		t.Fatal(err)
	}
	prep.Columns[0].Fill++
	forged.Preparation = must(prep.Marshal())(t)
	forged.Digest, forged.Renames = fed.DigestOf(forged.Preparation), nil
	must(admin.book.Append(ctx, fed.ScopeProject(p.ID), fed.DocAlignment, project, forged))(t)
	Eventually(t, "the new comparison", func() bool {
		now, _ := h.projects.Get(p.ID)
		return now.Alignment.Digest == forged.Digest
	})
	same(t, "agreed before", line(h.ownColumns(fed.RunID(run), p.Alignment.Digest)), line(old))
}

// ended waits until long work is over.
func (h *Hospital) ended(id string) (op view.Operation) {
	h.t.Helper()
	Eventually(h.t, "the end of the work", func() bool {
		op = must(h.Operation(h.t.Context(), id))(h.t)
		return op.EndedAt != nil
	})
	return op
}
