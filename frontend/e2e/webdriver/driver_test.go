//go:build e2e

// Package webdriver drives the real window: the unmodified binary under Xvfb,
// through WebKitWebDriver and a preload library (wdshim.c). Run it with
//
//	go test ./frontend/e2e/webdriver -tags e2e
//
// after make window. A missing tool is an error that names it, never a skip.
package webdriver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	binary     = "../../../build/bin/synergos"
	outFolder  = "../out"
	startLimit = 60 * time.Second
	callLimit  = 20 * time.Second
)

// need ends the test if a tool is missing, and says how to get it.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is missing: run make deps", tool)
		}
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("%s is missing: run make window", binary)
	}
}

// waitFor asks until ok or the limit.
func waitFor(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s did not happen in %v", what, limit)
		}
	}
}

// startProcess runs a program in its own group until the test ends; its output
// goes to a file of the out folder.
func startProcess(t *testing.T, name string, cmd *exec.Cmd) {
	t.Helper()
	out, err := os.Create(filepath.Join(outFolder, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Stdout == nil {
		cmd.Stdout = out
	}
	cmd.Stderr = out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-done
		}
		_ = out.Close()
	})
}

// startDisplay runs Xvfb and returns its display name. Keys do not repeat: a
// busy machine may let one go late.
func startDisplay(t *testing.T) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-r")
	cmd.ExtraFiles = []*os.File{w}
	startProcess(t, "xvfb", cmd)
	_ = w.Close()
	if err := r.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
		t.Fatal(err)
	}
	number, err := bufio.NewReader(r).ReadString('\n') // it comes in two writes
	_ = r.Close()
	if err != nil {
		t.Fatalf("Xvfb did not start: %v", err)
	}
	return ":" + strings.TrimSpace(number)
}

// buildShim compiles the preload library.
func buildShim(t *testing.T) string {
	t.Helper()
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "webkit2gtk-4.1").Output()
	if err != nil {
		t.Fatalf("pkg-config does not know webkit2gtk-4.1: run make deps (%v)", err)
	}
	lib := filepath.Join(t.TempDir(), "wdshim.so")
	args := append([]string{"-shared", "-fPIC", "-Wall", "-o", lib, "wdshim.c"}, strings.Fields(string(flags))...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return lib
}

// seat is where the program is started, perhaps more than once: a display, the
// folder of a user and a home in it.
type seat struct {
	dir, home, display, shim string
	starts                   int
}

// newSeat opens a display for a user who has nothing yet.
func newSeat(t *testing.T) *seat {
	t.Helper()
	need(t, "Xvfb", "dbus-run-session", "WebKitWebDriver", "gcc", "pkg-config", "import")
	if err := os.MkdirAll(outFolder, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return &seat{dir: dir, home: filepath.Join(dir, "home"), display: startDisplay(t), shim: buildShim(t)}
}

// environment is that of a user with nothing but a display and the locale that
// once left the window blank.
func (s *seat) environment() []string {
	return []string{
		"DISPLAY=" + s.display, "HOME=" + s.dir, "XDG_RUNTIME_DIR=" + s.dir, "PATH=" + os.Getenv("PATH"),
		"LANG=C.UTF-8", "NO_AT_BRIDGE=1", "GDK_BACKEND=x11",
	}
}

// window is one start of the program with its session.
type window struct {
	*seat
	session string
	pid     int
	exit    string // file with the exit code, when it has ended
	client  http.Client
}

// pageIsThere is true when the page shows words: a screen, or why there is none.
const pageIsThere = `return document.readyState === 'complete' && window.runtime !== undefined && document.body.innerText.trim().length > 20`

// start opens the window and waits until the page is there.
func (s *seat) start(t *testing.T) *window {
	t.Helper()
	s.starts++
	w := &window{seat: s, client: http.Client{Timeout: callLimit}}
	port := freePort(t)
	driver := exec.Command("dbus-run-session", "--", "WebKitWebDriver", "-p", port) // without a bus one is started that stays
	driver.Env = s.environment()
	startProcess(t, fmt.Sprintf("%s-%d-webdriver", t.Name(), s.starts), driver)
	w.session = "http://127.0.0.1:" + port
	waitFor(t, "WebKitWebDriver", startLimit, func() bool { return w.reachable() })

	begin := time.Now()
	pid := filepath.Join(s.dir, fmt.Sprintf("pid-%d", s.starts))
	w.exit = filepath.Join(s.dir, fmt.Sprintf("exit-%d", s.starts))
	w.open(t, s.writeWrapper(t, pid, w.exit))
	waitFor(t, "the number of the process", callLimit, func() bool {
		raw, err := os.ReadFile(pid)
		if err == nil {
			w.pid, err = strconv.Atoi(strings.TrimSpace(string(raw)))
		}
		return err == nil
	})
	t.Cleanup(func() {
		if w.alive() {
			_ = syscall.Kill(w.pid, syscall.SIGKILL)
		}
	})
	t.Cleanup(func() {
		if t.Failed() && w.alive() {
			w.screenshot(t, "failed")
		}
	})
	waitFor(t, "the page", startLimit, func() bool { return w.run(t, pageIsThere) == true })
	t.Logf("page in the window after %v", time.Since(begin).Round(time.Millisecond))
	return w
}

// writeWrapper makes the script that WebKitWebDriver runs. The driver kills what
// it started when the session ends, so the program has a shell of its own that
// keeps its exit code.
func (s *seat) writeWrapper(t *testing.T, pid, exit string) string {
	t.Helper()
	var abs [2]string
	for i, path := range []string{binary, filepath.Join(outFolder, fmt.Sprintf("%s-%d.log", t.Name(), s.starts))} {
		var err error
		if abs[i], err = filepath.Abs(path); err != nil {
			t.Fatal(err)
		}
	}
	const script = `#!/bin/sh
(
  LD_PRELOAD=%q %q --home %q > %q 2>&1 &
  echo $! > %q
  wait $!
  echo $? > %[6]q.part && mv %[6]q.part %[6]q
) &
wait
`
	wrapper := filepath.Join(s.dir, fmt.Sprintf("start-%d.sh", s.starts))
	if err := os.WriteFile(wrapper, fmt.Appendf(nil, script, s.shim, abs[0], s.home, abs[1], pid, exit), 0o755); err != nil {
		t.Fatal(err)
	}
	return wrapper
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (w *window) reachable() bool {
	resp, err := w.client.Get(w.session + "/status")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (w *window) open(t *testing.T, wrapper string) {
	t.Helper()
	w.client.Timeout = startLimit
	defer func() { w.client.Timeout = callLimit }()
	answer := w.call(t, http.MethodPost, "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"webkitgtk:browserOptions": map[string]any{"binary": wrapper, "args": []string{}},
	}}})
	id, ok := answer.(map[string]any)["sessionId"].(string)
	if !ok {
		t.Fatalf("no session: %v", answer)
	}
	w.session += "/session/" + id
}

// call sends one WebDriver command and returns its value.
func (w *window) call(t *testing.T, method, path string, body any) any {
	t.Helper()
	value, err := w.try(t, method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// try sends one WebDriver command that may be refused.
func (w *window) try(t *testing.T, method, path string, body any) (any, error) {
	t.Helper()
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(raw)
	}
	ctx, cancel := context.WithTimeout(t.Context(), w.client.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.session+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	var answer struct{ Value any }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s %v", method, path, resp.Status, answer.Value)
	}
	return answer.Value, nil
}

// run executes JavaScript and returns what it returns.
func (w *window) run(t *testing.T, script string, args ...any) any {
	t.Helper()
	return w.call(t, http.MethodPost, "/execute/sync", map[string]any{"script": script, "args": append([]any{}, args...)})
}

// await executes the body of an async function and returns its result; what it
// throws becomes the text "thrown: ...".
func (w *window) await(t *testing.T, body string, args ...any) any {
	t.Helper()
	script := `const done = arguments[arguments.length - 1];
		(async (...args) => {` + body + `})(...Array.from(arguments).slice(0, -1)).then(done, e => done('thrown: ' + e))`
	return w.call(t, http.MethodPost, "/execute/async", map[string]any{"script": script, "args": append([]any{}, args...)})
}

// screenshot saves what the display shows into the out folder and returns the
// PNG. The driver's own screenshot waits for ever on this web view without a
// graphics card, so the picture comes from the X server.
func (w *window) screenshot(t *testing.T, name string) []byte {
	t.Helper()
	file := filepath.Join(outFolder, name+".png")
	cmd := exec.Command("import", "-display", w.display, "-window", "root", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("import: %v %s", err, out)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// alive reports whether the program runs; a zombie does not.
func (w *window) alive() bool {
	if _, err := os.Stat(w.exit); err == nil {
		return false // its number may be another's by now
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	return !strings.HasPrefix(rest, "Z")
}
