//go:build e2e

package webdriver

import (
	"bufio"
	"bytes"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// One window serves all parts, in order: a start costs seconds. The last part
// ends it.
func TestWindow(t *testing.T) {
	w := newSeat(t).start(t)
	t.Run("page", w.page)
	t.Run("carrier", w.carrier)
	t.Run("policy", w.policy)
	t.Run("raw upload", w.rawUpload)
	t.Run("bound calls", w.boundCalls)
	t.Run("events", w.events)
	t.Run("reload", w.reload)
	t.Run("end", w.end)
}

func (w *window) page(t *testing.T) {
	if got := w.call(t, "GET", "/url", nil); got != "wails://wails/" && !strings.HasPrefix(fmt.Sprint(got), "wails://wails/#") {
		t.Errorf("url %v", got)
	}
	got := w.await(t, `const r = await fetch('/api/v1/status'); return r.ok && document.querySelector('h1') === null`)
	if got != false {
		t.Errorf("the engine is ready and the page shows no screen: %v", got)
	}
	img, err := png.Decode(bytes.NewReader(w.screenshot(t, "window")))
	if err != nil {
		t.Fatal(err)
	}
	colours := map[[3]uint32]bool{}
	for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 3 {
		for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 3 {
			r, g, b, _ := img.At(x, y).RGBA()
			colours[[3]uint32{r, g, b}] = true
		}
	}
	if len(colours) < 3 {
		t.Errorf("the window is blank: %d colours", len(colours))
	}
}

// The window's carrier reaches the same API, without a token and without
// anything that makes a web view hang.
func (w *window) carrier(t *testing.T) {
	got := w.await(t, `const r = await fetch('/api/v1/session', {headers: {'If-None-Match': '"x"'}})
		return [r.status, (await r.json()).window, r.headers.get('cache-control'), r.headers.get('etag')]`)
	if fmt.Sprint(got) != "[200 true no-store <nil>]" {
		t.Errorf("session: %v", got)
	}
	for path, status := range map[string]int{"/api/v1/nothing": 404, "/api/v1/nothing/": 410, "/api/": 410} {
		got := w.await(t, `const r = await fetch(args[0]); return [r.status, r.headers.get('content-type'), (await r.json()).type]`, path)
		if fmt.Sprint(got) != fmt.Sprintf("[%d application/problem+json urn:synergos:problem:not_found]", status) {
			t.Errorf("%s: %v", path, got)
		}
	}
	if got := w.await(t, `const r = await fetch('/api/v1/events'); return [r.status, (await r.json()).type]`); fmt.Sprint(got) != "[501 urn:synergos:problem:unsupported]" {
		t.Errorf("the stream: %v", got)
	}
}

// The content security policy holds in the window.
func (w *window) policy(t *testing.T) {
	got := w.await(t, `const blocked = []
		document.addEventListener('securitypolicyviolation', e => blocked.push(e.effectiveDirective))
		const s = document.createElement('script'); s.textContent = 'window.injected = 1'; document.head.append(s)
		let evil; try { evil = Function('return 1')() } catch { evil = 'refused' }
		let foreign; try { await fetch('https://example.invalid/'); foreign = 'sent' } catch { foreign = 'refused' }
		const all = () => blocked.some(d => d.startsWith('script-src')) && blocked.includes('connect-src')
		for (let i = 0; i < 200 && !all(); i++) await new Promise(r => setTimeout(r, 25))
		return [String(window.injected), evil, foreign, all()]`)
	if fmt.Sprint(got) != "[undefined refused refused true]" {
		t.Errorf("%v", got)
	}
}

// Bytes are sent as an ArrayBuffer; the program survives and answers.
func (w *window) rawUpload(t *testing.T) {
	got := w.await(t, `const r = await fetch('/api/v1/uploads/none?offset=0', {method: 'PUT', headers: {'Content-Type': 'application/octet-stream'}, body: new Uint8Array(1 << 20).buffer})
		return (await r.json()).type.startsWith('urn:synergos:problem:')`)
	if got != true || !w.alive() {
		t.Errorf("%v, alive %v", got, w.alive())
	}
}

func (w *window) boundCalls(t *testing.T) {
	names := w.run(t, `return Object.keys(window.go.app.Desktop).sort().join(' ')`)
	if want := "CopyText OpenFile Quit Reveal SaveFile"; names != want {
		t.Errorf("bound: %v, want %s", names, want)
	}
	got := w.await(t, `await window.go.app.Desktop.CopyText('synergos äöü'); return await window.runtime.ClipboardGetText()`)
	if got != "synergos äöü" {
		t.Errorf("clipboard: %v", got)
	}
	if got := w.await(t, `await window.go.app.Desktop.Reveal('/no/such/file')`); !strings.Contains(fmt.Sprint(got), "thrown: ") {
		t.Errorf("reveal: %v", got)
	}
}

// A second copy hands its link over and ends; the link arrives as a batch.
func (w *window) events(t *testing.T) {
	w.run(t, `window.seen = []; window.runtime.EventsOn('evt', (items, meta) => window.seen.push({items, meta}))`)
	second := exec.Command(binary, "--home", w.home, "synergos://invite/e2e")
	second.Env = w.environment()
	out, err := second.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "window is in front") {
		t.Errorf("second copy: %v %s", err, out)
	}
	waitFor(t, "the event", callLimit, func() bool {
		return w.run(t, `return window.seen.some(b => Array.isArray(b.items) && b.meta.last >= b.meta.after && b.items.some(e => e.kind === 'app.open' && e.subject === 'synergos://invite/e2e'))`) == true
	})
}

// After a reload there is still one pump: an event arrives once.
func (w *window) reload(t *testing.T) {
	w.call(t, "POST", "/refresh", map[string]any{})
	waitFor(t, "the page again", startLimit, func() bool {
		return w.run(t, pageIsThere) == true
	})
	w.run(t, `window.count = 0; window.runtime.EventsOn('evt', items => { window.count += items.filter(e => e.subject === 'synergos://invite/again').length })`)
	second := exec.Command(binary, "--home", w.home, "synergos://invite/again")
	second.Env = w.environment()
	if out, err := second.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	waitFor(t, "the event", callLimit, func() bool { return w.run(t, `return window.count > 0`) == true })
	if got := w.await(t, `await new Promise(r => setTimeout(r, 300)); return window.count`); got != 1.0 {
		t.Errorf("the event came %v times", got)
	}
}

// SIGTERM ends the program within 10 s, and nothing is left of it.
func (w *window) end(t *testing.T) {
	if ports := listening(t, w.pid); ports != "" {
		t.Logf("ports of the window: %s", ports)
	}
	begin := time.Now()
	if err := syscall.Kill(w.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the end", 10*time.Second, func() bool { return !w.alive() })
	t.Logf("ended after %v", time.Since(begin).Round(time.Millisecond))
	for _, name := range []string{"control.sock", "owner.json"} {
		if _, err := os.Stat(filepath.Join(w.home, name)); err == nil {
			t.Errorf("%s is left over", name)
		}
	}
}

// listening names the TCP ports of a process, for the log.
func listening(t *testing.T, pid int) string {
	t.Helper()
	if _, err := exec.LookPath("ss"); err != nil {
		return ""
	}
	out, err := exec.Command("ss", "-ltnp").Output()
	if err != nil {
		return ""
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, fmt.Sprintf("pid=%d,", pid)) {
			lines = append(lines, strings.Join(strings.Fields(line)[3:4], " "))
		}
	}
	return strings.Join(lines, " ")
}

// Without a display, or with one that does not answer, the same binary says so
// and serves.
func TestNoDisplay(t *testing.T) {
	need(t)
	for name, c := range map[string]struct{ display, says string }{
		"none": {"", "There is no display here"}, "dead": {":59999", "The display cannot be opened"},
	} {
		t.Run(name, func(t *testing.T) {
			text := servesInstead(t, c.display)
			if !strings.Contains(text, c.says) || !address.MatchString(text) {
				t.Errorf("%s", text)
			}
		})
	}
}

var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+/#t=[\w-]{43}`)

// servesInstead starts the binary and returns what it prints up to the address.
func servesInstead(t *testing.T, display string) string {
	t.Helper()
	dir := t.TempDir()
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(binary, "--home", filepath.Join(dir, "home"))
	cmd.Env = []string{"HOME=" + dir, "XDG_RUNTIME_DIR=" + dir}
	if display != "" {
		cmd.Env = append(cmd.Env, "DISPLAY="+display)
	}
	cmd.Stdout = out
	if err := os.MkdirAll(outFolder, 0o755); err != nil {
		t.Fatal(err)
	}
	startProcess(t, "nodisplay", cmd)
	_ = out.Close()
	if err := r.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		if address.MatchString(lines.Text()) {
			break
		}
	}
	return text.String()
}
