// Package frontend holds the page: the files that Vite built into dist, embedded
// in the binary. In a clone where nobody has built it yet, it holds a plain page
// that says how. Start with [Files].
package frontend

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

//go:embed placeholder
var placeholder embed.FS

// Files returns the page with index.html at its root, and whether it is the
// built one.
func Files() (files fs.FS, built bool) {
	return choose(dist, placeholder)
}

func choose(dist, placeholder fs.FS) (files fs.FS, built bool) {
	if _, err := fs.Stat(dist, "dist/index.html"); err == nil {
		return sub(dist, "dist"), true
	}
	return sub(placeholder, "placeholder"), false
}

func sub(f fs.FS, dir string) fs.FS {
	s, err := fs.Sub(f, dir)
	if err != nil { // only for an invalid path
		panic(err)
	}
	return s
}
