package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
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

// ended waits until long work is over.
func (h *Hospital) ended(id string) (op view.Operation) {
	h.t.Helper()
	Eventually(h.t, "the end of the work", func() bool {
		op = must(h.Operation(h.t.Context(), id))(h.t)
		return op.EndedAt != nil
	})
	return op
}
