package node

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/service/catalog"
)

// admit checks that a file may be added and returns its absolute path without
// symbolic links.
func (b *dataBook) admit(path string) (string, error) {
	pick := "Choose the file again."
	if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		return "", fed.Errorf(fed.Invalid, "Give the whole path of the file, from the root.", "the path of the file is not absolute")
	}
	base := catalog.Clean(filepath.Base(path), 80)
	real, err := filepath.EvalSymlinks(filepath.Clean(path))
	if err != nil {
		return "", fed.Errorf(fed.NotFound, pick, "%s is not there, or may not be read", base)
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return "", fed.Errorf(fed.NotFound, pick, "%s is not there, or may not be read", base)
	case info.IsDir():
		return "", fed.Errorf(fed.Invalid, "Choose a CSV file in it.", "%s is a folder", base)
	case !info.Mode().IsRegular():
		return "", fed.Errorf(fed.Invalid, "Choose a CSV file.", "%s is not an ordinary file", base)
	}
	if !b.permits(real) {
		return "", fed.Errorf(fed.Permission, "Choose a file below a folder that was allowed with --data-root, or upload it.", "%s is outside the folders that may be read", base)
	}
	return real, nil
}

// permits reports whether a file may be added: none of this party's own folder but
// uploads and samples; in a browser only below the allowed roots, when there are any.
func (b *dataBook) permits(real string) bool {
	home := resolved(b.n.opts.Home)
	if within(filepath.Join(home, "uploads"), real) || within(filepath.Join(home, "samples"), real) {
		return true
	}
	if within(home, real) {
		return false
	}
	if b.n.opts.Window || len(b.n.opts.DataRoots) == 0 {
		return true
	}
	return slices.ContainsFunc(b.n.opts.DataRoots, func(root string) bool { return within(resolved(root), real) })
}

func resolved(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

func within(root, path string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && filepath.IsLocal(rel)
}
