package archtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// textRule is something that no text of the repository may hold.
type textRule struct {
	name   string
	where  func(path string) bool
	what   *regexp.Regexp
	reason string
}

// The patterns are put together so that this file does not match itself.
var textRules = []textRule{
	{"floating version", everywhere, regexp.MustCompile("@" + "latest"), "use an exact version"},
	{"machine path", everywhere, regexp.MustCompile(`(?m)(^|[^\w./])/` + `(work|root)/[a-z]`), "a path of one machine"},
	{"blob body", frontendSource, regexp.MustCompile(`new (Form` + `Data|Bl` + `ob)\b`), "a Blob or FormData request body ends the window on Linux; send an ArrayBuffer"},
}

// blobException marks the one use of a Blob that is allowed: a download, never a
// request body.
const blobException = "never a request body"

func everywhere(string) bool { return true }

// frontendSource is what ships in the page; its tests do not.
func frontendSource(p string) bool {
	return strings.HasPrefix(p, "frontend/src/") && !strings.Contains(p, ".test.")
}

// CheckText returns every line below root that breaks a rule about text. Build
// results, dependencies and binary files are left out.
func CheckText(root string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if ignored(rel, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !isText(rel) || !d.Type().IsRegular() {
			return nil
		}
		lines, err := checkFile(p, rel)
		found = append(found, lines...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the text below %s: %w", root, err)
	}
	return found, nil
}

func ignored(rel, name string) bool {
	switch rel {
	case ".git", ".tools", ".venv", "build/bin", "build/out", "frontend/dist", "frontend/e2e/out":
		return true
	}
	return name == "node_modules" || name == "testdata"
}

func isText(rel string) bool {
	switch filepath.Ext(rel) {
	case ".go", ".ts", ".tsx", ".js", ".mjs", ".cjs", ".css", ".html", ".md", ".sh", ".yml", ".yaml", ".json", ".mod", ".sql", ".proto", ".py", ".c", ".desktop", ".service", ".xml", ".toml":
		return filepath.Base(rel) != "package-lock.json"
	}
	return filepath.Base(rel) == "Makefile" || rel == ".ci/run"
}

func checkFile(p, rel string) ([]string, error) {
	raw, err := os.ReadFile(p)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, rule := range textRules {
		if !rule.where(rel) || !rule.what.Match(raw) {
			continue
		}
		n := 0
		for line := range strings.Lines(string(raw)) {
			n++
			if rule.what.MatchString(line) && !(rule.name == "blob body" && strings.Contains(line, blobException)) {
				found = append(found, fmt.Sprintf("%s:%d: %s: %s", rel, n, rule.name, rule.reason))
			}
		}
	}
	return found, nil
}
