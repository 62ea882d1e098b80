package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
)

func TestBetterLocale(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"LANG": "C.UTF-8"}, "en_US.UTF-8"},
		{map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": "C.utf8"}, "en_US.UTF-8"},
		{map[string]string{"LANG": "C.UTF-8", "LC_ALL": "de_DE.UTF-8"}, ""},
		{map[string]string{"LANG": "C"}, ""},
		{nil, ""},
	} {
		if got := betterLocale(func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%v: %q", c.env, got)
		}
	}
}

func TestDownload(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/models/x/export" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"detail":"no such model"}`))
			return
		}
		w.Header().Set("Content-Type", r.URL.Query().Get("as"))
		_, _ = w.Write([]byte(`{"a":1}`))
	})
	path := filepath.Join(t.TempDir(), "model.bin")
	if err := download(t.Context(), h, "/api/v1/models/x/export", path); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != `{"a":1}` {
		t.Errorf("%q %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v %v", info.Mode(), err)
	}
	if err := download(t.Context(), h, "/api/v1/models/x/export?as=application/json", path); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "{\n  \"a\": 1\n}" {
		t.Errorf("%q %v", got, err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := download(t.Context(), h, "/api/v1/nothing", other); err == nil || !strings.Contains(err.Error(), "no such model") {
		t.Errorf("%v", err)
	}
	for _, address := range []string{"http://evil.example/", "/etc/passwd", "/api/v2/x"} {
		if err := download(t.Context(), h, address, other); fed.KindOf(err) != fed.Invalid {
			t.Errorf("%s: %v", address, err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(other)); err != nil || len(left) != 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

func TestNamesFromElsewhere(t *testing.T) {
	for in, want := range map[string]string{"a.csv": "a.csv", "../../etc/passwd": "passwd", "": "export", "..": "export", "a\u202ecsv.exe": "acsv.exe", "a\nb": "ab"} {
		if got := fileName(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	if got := oneLine(strings.Repeat("ä", 500)); len([]rune(got)) != 200 {
		t.Errorf("%d runes", len([]rune(got)))
	}
}

// The page's list of bound calls is the list of exported methods of Desktop,
// which exist only in builds with a window.
func TestBoundMethodsAreThoseOfThePage(t *testing.T) {
	page, err := os.ReadFile("../frontend/src/api/native.ts")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?s)methodNames = \[(.*?)\]`).FindSubmatch(page)
	if block == nil {
		t.Fatal("native.ts has no methodNames")
	}
	var want []string
	for _, m := range regexp.MustCompile(`'(\w+)'`).FindAllSubmatch(block[1], -1) {
		want = append(want, string(m[1]))
	}
	got := exportedMethods(t, "window.go", "Desktop")
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("bound in Go %v, known to the page %v", got, want)
	}
}

func exportedMethods(t *testing.T, file, receiver string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv == nil || !fn.Name.IsExported() {
			continue
		}
		if star, ok := fn.Recv.List[0].Type.(*ast.StarExpr); ok && star.X.(*ast.Ident).Name == receiver {
			out = append(out, fn.Name.Name)
		}
	}
	slices.Sort(out)
	return out
}
