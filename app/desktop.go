package app

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"

	"synergos.app/desktop/app/api"
	"synergos.app/desktop/backend/fed"
)

// The parts of the window that need no window, so that they are tested in every
// build.

//go:embed icon.png
var windowIcon []byte

// betterLocale replaces the locale C.UTF-8, which WebKitGTK turns into the
// language "C": the page's number formats refuse that, and the window stays
// blank. "" means that the locale may stay.
func betterLocale(env func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := env(name); v != "" {
			if strings.HasPrefix(v, "C.") {
				return "en_US.UTF-8"
			}
			return ""
		}
	}
	return ""
}

// folderOf is the folder to show for path: itself, or where the file lies.
func folderOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil || !filepath.IsAbs(path) {
		return "", fed.Errorf(fed.NotFound, "it may have been moved", "the file is not there any more")
	}
	if info.IsDir() {
		return path, nil
	}
	return filepath.Dir(path), nil
}

// openOutside opens a folder in the system's file manager.
func openOutside(ctx context.Context, folder string) error {
	name := "xdg-open"
	switch runtime.GOOS {
	case "windows":
		name = "explorer"
	case "darwin":
		name = "open"
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), name, folder) //nolint:gosec // a folder that exists, no shell
	if err := cmd.Start(); err != nil {
		return fed.Errorf(fed.Unavailable, "open it in your file manager: "+folder, "the file manager cannot be started: %w", err)
	}
	go func() { _ = cmd.Wait() }() // its end is of no interest
	return nil
}

// download writes what the API answers at address into the file path, whole or
// not at all, and for this user alone: it may hold predictions about people. JSON is
// indented, for a person has asked for it.
func download(ctx context.Context, handler http.Handler, address, path string) error {
	if !strings.HasPrefix(address, api.Prefix+"/") {
		return fed.Errorf(fed.Invalid, "save something that Synergos offers", "%q is not an address of the API", address)
	}
	r, err := http.NewRequestWithContext(api.InProcess(ctx), http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("save %s: %w", address, err)
	}
	w := &memoryAnswer{header: http.Header{}, status: http.StatusOK}
	handler.ServeHTTP(w, r)
	if w.status != http.StatusOK {
		return w.problem()
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".synergos-*")
	if err != nil {
		return fed.Errorf(fed.Permission, "choose another folder", "cannot write there: %w", err)
	}
	_, err = f.Write(w.readable())
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fed.Errorf(fed.Unavailable, "free some space or choose another folder", "the file was not written: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// memoryAnswer keeps an answer of the API in memory.
type memoryAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (m *memoryAnswer) Header() http.Header { return m.header }

// WriteHeader implements http.ResponseWriter.
func (m *memoryAnswer) WriteHeader(status int) { m.status = status }

// Write implements io.Writer.
func (m *memoryAnswer) Write(p []byte) (int, error) { return m.body.Write(p) }

// readable is the body, JSON indented.
func (m *memoryAnswer) readable() []byte {
	var out bytes.Buffer
	if !strings.HasPrefix(m.header.Get("Content-Type"), "application/json") || json.Indent(&out, m.body.Bytes(), "", "  ") != nil {
		return m.body.Bytes()
	}
	return out.Bytes()
}

// problem is the error that the answer tells.
func (m *memoryAnswer) problem() error {
	var p api.Problem
	if err := json.Unmarshal(m.body.Bytes(), &p); err != nil || p.Detail == "" {
		return fmt.Errorf("the API answered with status %d", m.status)
	}
	return &p
}

// fileName is a name for the save dialog without a folder or control characters
// in it.
func fileName(name string) string {
	name = filepath.Base(filepath.FromSlash(oneLine(name)))
	if name == "." || name == string(filepath.Separator) || name == ".." {
		return "export"
	}
	return name
}

// oneLine drops control and direction characters and shortens s to 200 runes:
// names from peers come through here.
func oneLine(s string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, s))
	return string(runes[:min(len(runes), 200)])
}
