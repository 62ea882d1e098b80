package docs

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"synergos.app/desktop/backend/learning/dataset/cohort"
)

const root = ".."

var update = flag.Bool("update", false, "write the example data anew")

// The example data are what the product's own generator makes: no row describes a
// person, and a change of the generator shows here.
func TestExampleDataAreGenerated(t *testing.T) {
	for i, name := range cohort.Names() {
		want, err := cohort.Hospital(name, cohort.Rows[i], 1)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("examples", name+".csv")
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the generator makes (%v); go test ./docs -update writes it", file, err)
		}
	}
}

// documents returns the Markdown files of the repository by path from its root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	walk(t, func(rel string) bool { return strings.HasSuffix(rel, ".md") }, func(rel string, raw []byte) { out[rel] = string(raw) })
	if len(out) < 20 {
		t.Fatalf("only %d documents were found", len(out))
	}
	return out
}

// walk reads the files of the repository that take accepts.
func walk(t *testing.T, take func(rel string) bool, read func(rel string, raw []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && p != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"node_modules", "testdata", "dist", "bin", "out"}, name)) {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(root, p)
		if err != nil || d.IsDir() || !take(filepath.ToSlash(rel)) {
			return err
		}
		raw, err := os.ReadFile(p)
		read(filepath.ToSlash(rel), raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	link    = regexp.MustCompile(`[^!]\[[^\]]*\]\(([^)\s]+)\)`)
	picture = regexp.MustCompile(`!\[[^\]]*\]\(([^)\s]+)\)`)
)

// Every relative link of a document leads to a file or folder that is there.
func TestLinks(t *testing.T) {
	for rel, text := range documents(t) {
		follow(t, link, rel, "\n"+text)
	}
}

// Every picture is there; a clone without pictures skips, saying so.
func TestPictures(t *testing.T) {
	if taken, err := filepath.Glob("img/*.png"); err != nil || len(taken) == 0 {
		t.Skip("no picture has been taken yet: docs/img is empty")
	}
	for rel, text := range documents(t) {
		follow(t, picture, rel, text)
	}
}

func follow(t *testing.T, what *regexp.Regexp, rel, text string) {
	t.Helper()
	for _, m := range what.FindAllStringSubmatch(text, -1) {
		target, _, _ := strings.Cut(m[1], "#")
		if target == "" || strings.Contains(target, "://") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, filepath.Dir(rel), target)); err != nil {
			t.Errorf("%s leads to %s, which is not there", rel, m[1])
		}
	}
}

var (
	makeCall   = regexp.MustCompile("`?make ([a-z][a-z0-9-]*)")
	makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
	faceCall   = regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|")
	faceMade   = regexp.MustCompile(`register\("([a-z]+)"`)
)

// The README names only targets that the Makefile has, and all commands of the
// program.
func TestReadmeNamesWhatIsThere(t *testing.T) {
	readme := documents(t)["README.md"]
	targets := found(t, makeTarget, "Makefile")
	for _, m := range makeCall.FindAllStringSubmatch(readme, -1) {
		if !targets[m[1]] {
			t.Errorf("README.md says make %s, which the Makefile does not have", m[1])
		}
	}
	faces := map[string]bool{}
	walk(t, func(rel string) bool { return strings.HasPrefix(rel, "app/") && strings.HasSuffix(rel, ".go") }, func(_ string, raw []byte) {
		for _, m := range faceMade.FindAllSubmatch(raw, -1) {
			faces[string(m[1])] = true
		}
	})
	told := map[string]bool{}
	for _, m := range faceCall.FindAllStringSubmatch(readme, -1) {
		told[m[1]] = true
	}
	if !maps.Equal(faces, told) {
		t.Errorf("README.md tells of the commands %v, the program has %v", slices.Sorted(maps.Keys(told)), slices.Sorted(maps.Keys(faces)))
	}
}

func found(t *testing.T, what *regexp.Regexp, file string) map[string]bool {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, m := range what.FindAllStringSubmatch(string(raw), -1) {
		out[m[1]] = true
	}
	return out
}

var listed = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// Every module that the source imports and every package of the page has a line
// of reason in dependencies.md, and nothing else does.
func TestDependenciesHaveReasons(t *testing.T) {
	raw, err := os.ReadFile("dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, m := range listed.FindAllStringSubmatch(string(raw), -1) {
		told[m[1]] = true
	}
	used := importedModules(t)
	maps.Copy(used, pagePackages(t))
	for name := range used {
		if !told[name] {
			t.Errorf("dependencies.md says nothing about %s", name)
		}
	}
	for name := range told {
		if !used[name] {
			t.Errorf("dependencies.md names %s, which nothing uses directly", name)
		}
	}
}

var required = regexp.MustCompile(`(?m)^\t(\S+) v\S+`)

// importedModules returns the modules of others that the source imports, tests
// included.
func importedModules(t *testing.T) map[string]bool {
	t.Helper()
	modules := found(t, required, "go.mod")
	out := map[string]bool{}
	walk(t, func(rel string) bool { return strings.HasSuffix(rel, ".go") }, func(rel string, raw []byte) {
		f, err := parser.ParseFile(token.NewFileSet(), rel, raw, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if m := moduleOf(modules, name); m != "" {
				out[m] = true
			}
		}
	})
	return out
}

func moduleOf(modules map[string]bool, imported string) string {
	best := ""
	for m := range modules {
		if (imported == m || strings.HasPrefix(imported, m+"/")) && len(m) > len(best) {
			best = m
		}
	}
	return best
}

func pagePackages(t *testing.T) map[string]bool {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "frontend", "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Dependencies, DevDependencies map[string]string
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, list := range []map[string]string{p.Dependencies, p.DevDependencies} {
		for name := range list {
			out[name] = true
		}
	}
	return out
}
