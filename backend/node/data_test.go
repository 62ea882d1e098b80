package node

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// dataNode is a node on this machine alone whose events wake whoever waits.
type dataNode struct {
	*Node
	t    *testing.T
	home string
	bell chan struct{}
}

func openDataNode(t *testing.T, home string, change func(*Options)) *dataNode {
	t.Helper()
	d := &dataNode{t: t, home: home, bell: make(chan struct{}, 1)}
	opts := Options{Home: home, Name: "Alpha Clinic", Listen: "127.0.0.1:0", Loopback: true, Volatile: true, Publish: func(string, string, any) {
		select {
		case d.bell <- struct{}{}:
		default:
		}
	}}
	if change != nil {
		change(&opts)
	}
	n, err := Open(t.Context(), opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	d.Node = n
	t.Cleanup(d.close)
	if err := n.Start(t.Context()); err != nil {
		t.Fatalf("start: %v", err)
	}
	return d
}

func (d *dataNode) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := d.Close(ctx); err != nil {
		d.t.Errorf("close: %v", err)
	}
}

// until waits for a condition that an event brings about.
func (d *dataNode) until(what string, ok func() bool) {
	d.t.Helper()
	timeout := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-d.bell:
		case <-timeout:
			d.t.Fatalf("waiting for %s took too long", what)
		}
	}
}

func (d *dataNode) read(id string) view.Dataset {
	d.t.Helper()
	var v view.Dataset
	d.until("the file to be read", func() bool {
		v = must(d.Dataset(d.t.Context(), id))(d.t)
		return v.State != "reading"
	})
	return v
}

// file writes a file outside the node's home.
func (d *dataNode) file(name, text string) string {
	d.t.Helper()
	path := filepath.Join(d.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

func (d *dataNode) add(path string) view.Dataset {
	d.t.Helper()
	return d.read(must(d.AddDataset(d.t.Context(), path, ""))(d.t).ID)
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatalf("unexpected error: %v (%s)", err, fed.HintOf(err))
		}
		return v
	}
}

func refused(t *testing.T, what string, err error, kind fed.Kind, words ...string) {
	t.Helper()
	if err == nil || fed.KindOf(err) != kind || fed.HintOf(err) == "" {
		t.Errorf("%s: error = %v (%v, hint %q), want %v with a hint", what, err, fed.KindOf(err), fed.HintOf(err), kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error()+" "+fed.HintOf(err), w) {
			t.Errorf("%s: error = %q, want it to name %q", what, err, w)
		}
	}
}

// line writes values with one space between them.
func line(v ...any) string { return strings.TrimSpace(fmt.Sprintln(v...)) }

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// clinic is a table of 60 rows with an identifier, a split and a label.
func clinic() string {
	var b strings.Builder
	b.WriteString("patient_id,age,chol,ward,part,outcome\n")
	for i := range 60 {
		part := "train"
		if i%4 == 0 {
			part = "test"
		}
		fmt.Fprintf(&b, "P-%04d,%d,%d.5,%c,%s,%d\n", i, 30+i%40, 180+(i*7)%90, 'A'+rune(i%3), part, (i/2)%2)
	}
	return b.String()
}

func TestAFileIsReadAndNeverTouched(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	path := d.file("clinic.csv", clinic())
	before := must(os.Stat(path))(t)
	first := must(d.AddDataset(t.Context(), path, "Our clinic"))(t)
	if first.State != "reading" || first.OperationID == "" {
		t.Errorf("at once: state %q, operation %q, want reading with an operation", first.State, first.OperationID)
	}
	v := d.read(first.ID)
	same(t, "state", v.State, "ready")
	same(t, "shape", line(v.Rows, v.Columns, v.Target, v.Task, v.Name, v.File), "60 6 outcome classify Our clinic clinic.csv")
	d.until("the operation to end", func() bool { return must(d.Operation(t.Context(), first.OperationID))(t).State == "done" })

	p := must(d.Profile(t.Context(), v.ID))(t)
	same(t, "rows of the preview", len(p.Preview), 20)
	same(t, "classes", line(p.Classes, p.ClassCount), "[0 1] [30 30]")
	same(t, "proposal", line(p.Proposal.Target, p.Proposal.Drop, p.Proposal.Test.Column, p.Proposal.Test.Value), "outcome [patient_id] part test")
	var roles []string
	for _, c := range p.Columns {
		roles = append(roles, c.Role+":"+c.Level)
	}
	same(t, "roles", strings.Join(roles, " "), "id:none feature:coarse feature:coarse feature:coarse split:coarse label:coarse")

	after := must(os.Stat(path))(t)
	if !before.ModTime().Equal(after.ModTime()) || before.Size() != after.Size() || string(must(os.ReadFile(path))(t)) != clinic() {
		t.Error("the file was changed")
	}
	if len(must(os.ReadDir(filepath.Dir(path)))(t)) != 1 {
		t.Error("something was written beside the file")
	}
	err := filepath.Walk(d.home, func(p string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			if raw, err := os.ReadFile(p); err == nil && bytes.Contains(raw, []byte("P-0017,")) {
				t.Errorf("%s holds rows of the file", filepath.Base(p))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBadFilesNameThePlaceAndTheRemedy(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	wide := make([]string, 100_000)
	for i := range wide {
		wide[i] = fmt.Sprintf("c%d", i)
	}
	ones := strings.TrimSuffix(strings.Repeat("1,", len(wide)), ",")
	for _, x := range []struct {
		name, text string
		words      []string
	}{
		{"empty.csv", "", []string{"empty.csv"}},
		{"header only.csv", "a,b\n", []string{"header only.csv"}},
		{"one column.csv", "a\n1\n2\n3\n", []string{"one column.csv", "column"}},
		{"twice.csv", "age,sex,age\n1,2,3\n4,5,6\n", []string{"twice.csv", "age"}},
		{"wide.csv", strings.Join(wide, ",") + "\n" + ones + "\n", []string{"wide.csv", "columns"}},
		{"binary.csv", "\x00\x01\x02\xff\xfe\x00PK\x03\x04" + strings.Repeat("\x00\x7f\x80", 400), []string{"binary.csv"}},
		{"quote.csv", "a,b\n1,2\n3,\"never closed\n4,5\n6,7\n", []string{"quote.csv"}},
		{"noise.gz", "\x1f\x8b\x08\x00not really gzip", []string{"noise.gz"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			v := d.add(d.file(x.name, x.text))
			if v.State != "failed" || v.Problem == nil || v.Problem.Hint == "" {
				t.Fatalf("state %q, problem %+v, want failed with a hint", v.State, v.Problem)
			}
			for _, w := range x.words {
				if !strings.Contains(v.Problem.Text, w) {
					t.Errorf("problem %q does not name %q", v.Problem.Text, w)
				}
			}
			if strings.Contains(v.Problem.Text, string(filepath.Separator)) {
				t.Errorf("problem %q shows a path", v.Problem.Text)
			}
			_, err := d.Profile(t.Context(), v.ID)
			refused(t, "profile", err, fed.Invalid)
			_, err = d.data.table(t.Context(), fed.DatasetID(v.ID))
			refused(t, "table", err, fed.Invalid)
		})
	}
}

func TestOddFilesAreReadWithFindings(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	oneClass, notFinite := "age,bp,outcome\n", "age,bp,outcome\n"
	for i := range 60 {
		oneClass += fmt.Sprintf("%d,%d,1\n", 30+i, 100+i%7)
		bp := fmt.Sprint(100 + i%7)
		if i == 3 {
			bp = "NaN"
		}
		if i == 4 {
			bp = "Inf"
		}
		notFinite += fmt.Sprintf("%d,%s,%d\n", 30+i, bp, i%2)
	}
	latin := "stadt,wert,outcome\n" + strings.Repeat("M\xfcnchen,1,0\nK\xf6ln,2,1\n", 30)
	for _, x := range []struct{ name, text, column, words, target string }{
		{"one class.csv", oneClass, "outcome", "all rows have the same", "outcome"},
		{"nan.csv", notFinite, "bp", "NaN", ""},
		{"latin.csv", latin, "", "", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			v := d.add(d.file(x.name, x.text))
			if v.State != "ready" {
				t.Fatalf("state %q: %+v", v.State, v.Problem)
			}
			p := must(d.Profile(t.Context(), v.ID))(t)
			if x.target != "" {
				p = must(d.EditDataset(t.Context(), v.ID, view.DatasetEdit{Target: &x.target}))(t)
			}
			if x.name == "latin.csv" {
				same(t, "first cell", p.Preview[0][0], "München")
				return
			}
			i := slices.IndexFunc(p.Findings, func(f view.Finding) bool { return f.Column == x.column && strings.Contains(f.Text, x.words) })
			if i < 0 || p.Findings[i].Remedy == "" || p.Findings[i].Why == "" {
				t.Errorf("findings %+v, want one of column %q that says %q with a remedy", p.Findings, x.column, x.words)
			}
		})
	}
}

func TestEditing(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	ctx := t.Context()
	id := d.add(d.file("clinic.csv", clinic())).ID
	edit := func(e view.DatasetEdit) (view.Profile, error) { return d.EditDataset(ctx, id, e) }
	column := func(p view.Profile, name string) view.Column {
		return p.Columns[slices.IndexFunc(p.Columns, func(c view.Column) bool { return c.Name == name })]
	}

	p := must(edit(view.DatasetEdit{Target: ptr("ward"), Levels: map[string]string{"chol": "full"}}))(t)
	same(t, "target", p.Dataset.Target+" "+column(p, "ward").Role+" "+column(p, "outcome").Role, "ward label feature")
	same(t, "level", column(p, "chol").Level, "full")
	revision := p.Dataset.Revision

	_, err := edit(view.DatasetEdit{IfRevision: revision - 1, Name: ptr("late")})
	refused(t, "old revision", err, fed.Exists, "revision")
	p = must(edit(view.DatasetEdit{IfRevision: revision, Roles: map[string]string{"outcome": "label", "chol": "drop", "part": "feature"}}))(t)
	same(t, "target by role", p.Dataset.Target, "outcome")
	same(t, "proposal", line(p.Proposal.Target, p.Proposal.Drop, p.Proposal.Test.Column, p.Proposal.Test.Fraction), "outcome [patient_id chol]  0.2")
	p = must(edit(view.DatasetEdit{Types: map[string]string{"age": "category"}}))(t)
	same(t, "type", column(p, "age").Type, "category")
	same(t, "categorical", slices.Contains(p.Proposal.Categorical, "age"), true)
	tab := must(d.data.table(ctx, fed.DatasetID(id)))(t)
	same(t, "type in the table", string(tab.Column("age").Type), "category")

	for what, x := range map[string]struct {
		edit view.DatasetEdit
		kind fed.Kind
		word string
	}{
		"unknown column": {view.DatasetEdit{Types: map[string]string{"weight": "int"}}, fed.NotFound, "weight"},
		"unknown type":   {view.DatasetEdit{Types: map[string]string{"age": "blob"}}, fed.Invalid, "blob"},
		"unknown role":   {view.DatasetEdit{Roles: map[string]string{"age": "king"}}, fed.Invalid, "king"},
		"unknown level":  {view.DatasetEdit{Levels: map[string]string{"age": "all"}}, fed.Invalid, "all"},
		"unknown target": {view.DatasetEdit{Target: ptr("weight")}, fed.NotFound, "weight"},
		"two labels":     {view.DatasetEdit{Roles: map[string]string{"age": "label", "ward": "label"}}, fed.Invalid, "ward"},
		"texts as int":   {view.DatasetEdit{Types: map[string]string{"ward": "int"}}, fed.Invalid, "row 1"},
		"empty name":     {view.DatasetEdit{Name: ptr("\u202e \u200b")}, fed.Invalid, "name"},
		"terms":          {view.DatasetEdit{Terms: &view.Terms{MinParties: -1}}, fed.Invalid, "terms"},
	} {
		_, err := edit(x.edit)
		refused(t, what, err, x.kind, x.word)
	}
	same(t, "nothing changed", must(d.Dataset(ctx, id))(t).Revision, p.Dataset.Revision)
}

func ptr[T any](v T) *T { return &v }

func TestChangedMovedAndLocated(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	ctx := t.Context()
	path := d.file("clinic.csv", clinic())
	id := d.add(path).ID
	must(d.EditDataset(ctx, id, view.DatasetEdit{Types: map[string]string{"age": "float"}, Target: ptr("outcome")}))(t)

	if err := os.WriteFile(path, []byte(strings.ReplaceAll(clinic(), "outcome", "result")+"P-9999,old,1.5,A,train,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	v := must(d.Dataset(ctx, id))(t)
	if v.State != "changed" || v.Problem == nil {
		t.Errorf("state %q, want changed with a problem", v.State)
	}
	must(d.ReloadDataset(ctx, id, ""))(t)
	v = d.read(id)
	same(t, "rows", line(v.State, v.Rows, v.Target), "ready 61 result")
	p := must(d.Profile(ctx, id))(t)
	notes := line(p.Findings)
	if !strings.Contains(notes, "outcome") || !strings.Contains(notes, `"old"`) {
		t.Errorf("findings %s, want the lost target and the cell that is no float", notes)
	}

	moved := d.file("moved.csv", clinic())
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	same(t, "state", must(d.Dataset(ctx, id))(t).State, "missing")
	_, err := d.data.table(ctx, fed.DatasetID(id))
	refused(t, "table", err, fed.NotFound, "Find the file again under My data.")
	_, err = d.ReloadDataset(ctx, id, "")
	refused(t, "reload", err, fed.NotFound)
	must(d.ReloadDataset(ctx, id, moved))(t)
	same(t, "located", d.read(id).State, "ready")
}

func TestWhatMayBeAdded(t *testing.T) {
	home, allowed := t.TempDir(), t.TempDir()
	d := openDataNode(t, home, func(o *Options) { o.DataRoots = []string{allowed} })
	outside := d.file("clinic.csv", clinic())
	inside := filepath.Join(allowed, "clinic.csv")
	if err := os.WriteFile(inside, []byte(clinic()), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(allowed, "link.csv")
	if err := os.Symlink(filepath.Join(home, "synergos.db"), link); err != nil {
		t.Skip("this system makes no symbolic links")
	}
	for what, x := range map[string]struct {
		path string
		kind fed.Kind
	}{
		"relative":       {"clinic.csv", fed.Invalid},
		"zero byte":      {"/tmp/a\x00b", fed.Invalid},
		"folder":         {allowed, fed.Invalid},
		"nowhere":        {filepath.Join(allowed, "no.csv"), fed.NotFound},
		"outside":        {outside, fed.Permission},
		"own database":   {filepath.Join(home, "synergos.db"), fed.Permission},
		"link to it":     {link, fed.Permission},
		"around the top": {allowed + "/../" + filepath.Base(filepath.Dir(outside)) + "/clinic.csv", fed.Permission},
	} {
		_, err := d.AddDataset(t.Context(), x.path, "")
		refused(t, what, err, x.kind)
		if err != nil && strings.Contains(err.Error(), filepath.Dir(home)) {
			t.Errorf("%s: %q shows a path", what, err)
		}
	}
	d.add(inside)
	_, err := d.AddDataset(t.Context(), inside, "")
	refused(t, "twice", err, fed.Exists)
}

func TestSamples(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	first := must(d.AddSample(t.Context(), "lakeview"))(t)
	same(t, "again", must(d.AddSample(t.Context(), "lakeview"))(t).ID, first.ID)
	for range 3 {
		d.read(must(d.AddSample(t.Context(), ""))(t).ID)
	}
	d.read(first.ID)
	all := must(d.Datasets(t.Context()))(t)
	same(t, "samples", len(all), 4)
	for _, v := range all {
		if v.State != "ready" || !v.Sample || v.Target != "target" || v.Rows < 100 {
			t.Errorf("%s: %+v", v.Name, v)
		}
	}
	_, err := d.AddSample(t.Context(), "")
	refused(t, "a fifth", err, fed.Exists)
	_, err = d.AddSample(t.Context(), "../../etc")
	refused(t, "unknown", err, fed.NotFound)

	fits := d.data.byFit([]string{"cholesterol", "age", "target"})
	same(t, "best fit", fits[0].id, fed.DatasetID(first.ID))
	same(t, "fits", len(fits), 4)
}

func TestForgettingLeavesTheFile(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	ctx := t.Context()
	path := d.file("clinic.csv", clinic())
	id := d.add(path).ID
	must(d.CreateProject(ctx, view.ProjectCreate{Name: "Heart risk", Purpose: "research", DatasetID: id}))(t)
	same(t, "used in", line(must(d.Dataset(ctx, id))(t).UsedIn), "[Heart risk]")
	refused(t, "while used", d.ForgetDataset(ctx, id), fed.Permission, "Heart risk")

	other := d.add(d.file("other.csv", clinic())).ID
	must(d.PublishCard(ctx, other))(t)
	if err := d.ForgetDataset(ctx, other); err != nil {
		t.Fatal(err)
	}
	_, err := d.Dataset(ctx, other)
	refused(t, "after", err, fed.NotFound)
	same(t, "cards", len(must(d.Catalog(ctx, view.CatalogQuery{}))(t).Items), 0)
	if _, err := os.Stat(path); err != nil {
		t.Error("the file is gone")
	}
}

func TestRestart(t *testing.T) {
	home := t.TempDir()
	d := openDataNode(t, home, nil)
	ctx := t.Context()
	id := d.add(d.file("clinic.csv", clinic())).ID
	must(d.EditDataset(ctx, id, view.DatasetEdit{Name: ptr("Clinic"), Levels: map[string]string{"chol": "full"}}))(t)
	card := must(d.PublishCard(ctx, id))(t)
	before := must(d.Profile(ctx, id))(t)
	up := must(d.BeginUpload(ctx, "x.csv", 10))(t)
	must(d.WriteUpload(ctx, up.ID, 0, []byte("12345")))(t)
	o := must(d.data.find(id))(t)
	stuck := d.add(d.file("stuck.csv", clinic())).ID
	if err := d.data.change(ctx, must(d.data.find(stuck))(t), func(s *saved) { s.State = dataReading }); err != nil {
		t.Fatal(err)
	}
	_, err := d.data.table(ctx, fed.DatasetID(stuck))
	refused(t, "table while reading", err, fed.Busy)
	secret := o.secret
	d.close()

	d2 := openDataNode(t, home, nil)
	after := must(d2.Profile(ctx, id))(t)
	same(t, "profile", toJSON(after), toJSON(before))
	same(t, "card", line(after.Dataset.CardVersion, after.Dataset.CardStale), "1 false")
	same(t, "secret", string(must(d2.data.find(id))(t).secret), string(secret))
	body := must(d2.PreviewCard(ctx, id))(t)
	same(t, "next version", line(body.Card.ID == card.ID, body.Card.Version, body.Changed), "true 2 []")
	v := must(d2.Dataset(ctx, stuck))(t)
	if v.State != "failed" || v.Problem == nil || v.Problem.Hint == "" {
		t.Errorf("interrupted: %+v, want failed with a hint", v)
	}
	must(d2.ReloadDataset(ctx, stuck, ""))(t)
	same(t, "read again", d2.read(stuck).State, "ready")
	same(t, "upload", must(d2.Upload(ctx, up.ID))(t).Offset, int64(5))
}

func TestUploads(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	ctx := t.Context()
	text := []byte(clinic())
	up := must(d.BeginUpload(ctx, `C:\data\..\my file.csv`, int64(len(text))))(t)
	same(t, "name", up.Name, "my file.csv")
	half := int64(len(text) / 2)
	up = must(d.WriteUpload(ctx, up.ID, 0, text[:half]))(t)
	same(t, "offset", up.Offset, half)
	same(t, "repeated part", must(d.WriteUpload(ctx, up.ID, 0, text[:half]))(t).Offset, half)
	for what, x := range map[string]struct {
		id     string
		offset int64
		part   []byte
		kind   fed.Kind
	}{
		"gap":              {up.ID, half + 1, text[:1], fed.Exists},
		"overlap":          {up.ID, half - 1, text[:5], fed.Exists},
		"over the end":     {up.ID, half, text, fed.Invalid},
		"negative":         {up.ID, -1, text[:1], fed.Invalid},
		"overflow":         {up.ID, 1<<63 - 1, text[:1], fed.Invalid},
		"large part":       {up.ID, half, make([]byte, maxUploadPart+1), fed.Invalid},
		"unknown":          {newHex(), 0, text[:1], fed.NotFound},
		"a path":           {"../../keys", 0, text[:1], fed.NotFound},
		"another's folder": {strings.Repeat(".", 32), 0, text[:1], fed.NotFound},
	} {
		_, err := d.WriteUpload(ctx, x.id, x.offset, x.part)
		refused(t, what, err, x.kind)
	}
	same(t, "nothing written", must(d.Upload(ctx, up.ID))(t).Offset, half)
	done := must(d.WriteUpload(ctx, up.ID, half, text[half:]))(t)
	same(t, "content", string(must(os.ReadFile(done.Path))(t)), clinic())
	same(t, "added", d.add(done.Path).State, "ready")
	same(t, "after the end", must(d.WriteUpload(ctx, up.ID, half, text[half:]))(t).Path, done.Path)

	empty := must(d.BeginUpload(ctx, "empty.csv", 0))(t)
	same(t, "empty", d.add(empty.Path).State, "failed")
	_, err := d.BeginUpload(ctx, "huge.csv", maxUpload+1)
	refused(t, "too large", err, fed.Invalid)
	for range maxOpenUploads {
		must(d.BeginUpload(ctx, "x.csv", 10))(t)
	}
	_, err = d.BeginUpload(ctx, "x.csv", 10)
	refused(t, "too many", err, fed.Busy)
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"heart.csv": "heart.csv", "/etc/passwd": "passwd", `..\..\x.csv`: "x.csv", "..": "upload", "": "upload", ".hidden": "hidden",
		"con.csv": "_con.csv", "COM1": "_COM1", "a\x00b\n.csv": "ab.csv", "\u202egpj.csv": "gpj.csv", "a:b*.csv": "a_b_.csv", "x.csv. ": "x.csv",
		"Käse ½.csv": "Käse ½.csv", strings.Repeat("ü", 300) + ".csv": strings.Repeat("ü", 50), "x." + strings.Repeat("y", 50): "x." + strings.Repeat("y", 50),
	} {
		got := safeName(in)
		same(t, fmt.Sprintf("%.20q", in), got, want)
		same(t, "again", safeName(got), got)
	}
}

func TestFolders(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	for _, p := range []string{"ward", "ward/deep", ".secret"} {
		if err := os.Mkdir(filepath.Join(root, p), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{filepath.Join(root, "b.csv"), filepath.Join(root, "ward", "a.csv"), filepath.Join(outside, "c.csv")} {
		if err := os.WriteFile(p, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.Symlink(outside, filepath.Join(root, "way out"))
	d := openDataNode(t, t.TempDir(), func(o *Options) { o.DataRoots = []string{root} })
	root = resolved(root)
	top := must(d.Folder(t.Context(), ""))(t)
	same(t, "roots", line(len(top.Entries), top.Entries[0].Path), "1 "+root)
	v := must(d.Folder(t.Context(), root))(t)
	var names []string
	for _, e := range v.Entries {
		names = append(names, e.Name)
	}
	same(t, "entries", strings.Join(names, " "), "ward b.csv")
	same(t, "parent", v.Parent, "")
	deep := must(d.Folder(t.Context(), filepath.Join(root, "ward")))(t)
	same(t, "deep", line(deep.Parent == root, len(deep.Entries), deep.Entries[1].Bytes), "true 2 1")
	for what, x := range map[string]struct {
		path string
		kind fed.Kind
	}{
		"outside": {outside, fed.Permission}, "above": {filepath.Dir(root), fed.Permission}, "dots": {root + "/../", fed.Permission},
		"relative": {"ward", fed.Permission}, "link": {filepath.Join(root, "way out"), fed.Permission}, "file": {filepath.Join(root, "b.csv"), fed.Invalid},
		"nowhere": {filepath.Join(root, "no"), fed.NotFound},
	} {
		_, err := d.Folder(t.Context(), x.path)
		refused(t, what, err, x.kind)
		if err != nil && strings.Contains(err.Error(), outside) {
			t.Errorf("%s: %q shows a path", what, err)
		}
	}
	none := openDataNode(t, t.TempDir(), nil)
	same(t, "no roots", len(must(none.Folder(t.Context(), ""))(t).Entries), 0)
	_, err := none.Folder(t.Context(), root)
	refused(t, "no roots", err, fed.Permission)
}
