package app

import (
	"io/fs"
	"net/http"
	"strings"

	"synergos.app/desktop/frontend"
)

// pageHandler serves the embedded page to a browser. Vite names assets by their
// content, so they never change; the page itself is asked for each time.
func pageHandler() http.Handler {
	files, _ := frontend.Files()
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the page is read only", http.StatusMethodNotAllowed)
			return
		}
		if !isFile(files, r.URL.Path) {
			http.NotFound(w, r)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/assets/") {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			w.Header().Set("Cache-Control", "no-cache")
		}
		server.ServeHTTP(w, r)
	})
}

// isFile keeps folders from being listed.
func isFile(files fs.FS, path string) bool {
	name := strings.TrimPrefix(path, "/")
	if name == "" {
		return true
	}
	info, err := fs.Stat(files, name)
	return err == nil && !info.IsDir()
}
