// Package archtest reads the source of the whole module and reports what breaks
// the rules of the house: which room may import which, what the pure rooms must
// not touch, and what must not be written anywhere.
//
// It parses files and compiles nothing, so a file that is excluded by its build
// tags is held to the rules as well, and a package made later is covered without
// a change here. Start with [Load] and [Check]; the package's own test runs them
// on this module, and on a small one that breaks each rule.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// File is one parsed Go file that is no test.
type File struct {
	Path    string // slash-separated, from the module's root
	Syntax  *ast.File
	Imports []string
}

// Dir is the folder of the file, "" for the root.
func (f File) Dir() string {
	if d := path.Dir(f.Path); d != "." {
		return d
	}
	return ""
}

// Module is the parsed source of a module.
type Module struct {
	Path  string // import path
	Files []File
	fset  *token.FileSet
}

// Load parses all Go files below root that are no tests; folders that hold no
// source of ours (node_modules, testdata, hidden ones) are left out.
func Load(root, modulePath string) (*Module, error) {
	m := &Module{Path: modulePath, fset: token.NewFileSet()}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != root && skipDir(d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		return m.parse(root, p)
	})
	if err != nil {
		return nil, fmt.Errorf("read the source below %s: %w", root, err)
	}
	return m, nil
}

func skipDir(name string) bool {
	return name == "node_modules" || name == "testdata" || name == "dist" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

func (m *Module) parse(root, p string) error {
	syntax, err := parser.ParseFile(m.fset, p, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(root, p)
	if err != nil {
		return err
	}
	f := File{Path: filepath.ToSlash(rel), Syntax: syntax}
	for _, spec := range syntax.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		f.Imports = append(f.Imports, name)
	}
	m.Files = append(m.Files, f)
	return nil
}

// ours returns the folder that an import path of this module names.
func (m *Module) ours(importPath string) (dir string, ok bool) {
	if importPath == m.Path {
		return "", true
	}
	return strings.CutPrefix(importPath, m.Path+"/")
}

// Check returns every break of the rules, one line each, sorted.
func Check(m *Module) []string {
	var found []string
	for _, f := range m.Files {
		found = append(found, m.checkImports(f)...)
		if r := roomOf(f.Dir()); r != nil && r.pure {
			found = append(found, m.checkPure(f)...)
		}
	}
	sort.Strings(found)
	return found
}

func (m *Module) checkImports(f File) []string {
	var found []string
	r := roomOf(f.Dir())
	if r == nil {
		return []string{f.Path + ": this folder is no room of the house; say in archtest/rooms.go what it may import"}
	}
	for _, imp := range f.Imports {
		dir, ours := m.ours(imp)
		var why string
		switch {
		case ours && dir == f.Dir():
			continue
		case ours:
			why = r.refuses(f.Dir(), dir)
		case standard(imp):
			why = r.refusesStandard(imp)
		default:
			why = refusesForeign(r, f.Path, imp)
		}
		if why != "" {
			found = append(found, fmt.Sprintf("%s: imports %s: %s", f.Path, imp, why))
		}
	}
	return found
}

// standard reports whether an import path is of the standard library: its first
// part has no dot.
func standard(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return !strings.Contains(first, ".")
}

// checkPure finds goroutines, the clock and hidden randomness.
func (m *Module) checkPure(f File) []string {
	var found []string
	report := func(n ast.Node, what string) {
		found = append(found, fmt.Sprintf("%s:%d: %s in a pure room", f.Path, m.fset.Position(n.Pos()).Line, what))
	}
	names := importNames(f.Syntax)
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(n, "a go statement")
		case *ast.SelectorExpr:
			if pkg, ok := n.X.(*ast.Ident); ok {
				if imp := names[pkg.Name]; imp != "" && impure(imp, n.Sel.Name) {
					report(n, imp+"."+n.Sel.Name)
				}
			}
		}
		return true
	})
	return found
}

// importNames maps the name under which a file uses a package to its path.
func importNames(f *ast.File) map[string]string {
	names := map[string]string{}
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(p)
		if name == "v2" {
			name = path.Base(path.Dir(p))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	return names
}

// impure names what reads the clock, waits, or draws from the generator that
// everybody shares. Constructors and types of a generator are allowed.
func impure(imp, name string) bool {
	switch imp {
	case "time":
		switch name {
		case "Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker":
			return true
		}
	case "math/rand", "math/rand/v2":
		return ast.IsExported(name) && !strings.HasPrefix(name, "New") && !randTypes[name]
	}
	return false
}

var randTypes = map[string]bool{"Rand": true, "Source": true, "Source64": true, "PCG": true, "ChaCha8": true, "Zipf": true}
