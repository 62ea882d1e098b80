//go:build e2e

package webdriver

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// What a person does with keyboard and window manager, outside of the page:
// openbox gives the windows titles and focus, xdotool presses the keys.

// manage starts the window manager and waits until it manages.
func (s *seat) manage(t *testing.T) {
	t.Helper()
	need(t, "openbox", "xdotool", "xprop")
	cmd := exec.Command("openbox", "--sm-disable")
	cmd.Env = s.environment()
	startProcess(t, "openbox", cmd)
	waitFor(t, "the window manager", startLimit, func() bool {
		return strings.Contains(s.tool("xprop", "-root", "_NET_SUPPORTING_WM_CHECK"), "window id")
	})
}

// tool runs a program on the display and returns its output, "" when it fails:
// what is asked for is often not there yet.
func (s *seat) tool(name string, args ...string) string {
	cmd := exec.Command(name, args...)
	cmd.Env = s.environment()
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// The titles of the windows, as patterns.
const (
	mainWindow = "Synergos$"
	fileDialog = "^Choose a file$"
)

// visible returns the window with such a title, "" when there is none.
func (s *seat) visible(title string) string {
	id, _, _ := strings.Cut(s.tool("xdotool", "search", "--onlyvisible", "--name", title), "\n")
	return id
}

// focused waits until a window with such a title has the keyboard and returns it.
func (s *seat) focused(t *testing.T, title string) string {
	t.Helper()
	var id string
	waitFor(t, "the focus on "+title, startLimit, func() bool {
		id = s.visible(title)
		return id != "" && s.tool("xdotool", "getactivewindow") == id && s.tool("xdotool", "getwindowfocus") == id
	})
	return id
}

// press sends keys to whatever has the keyboard.
func (s *seat) press(t *testing.T, keys ...string) {
	t.Helper()
	s.keyboard(t, append([]string{"key"}, keys...)...)
}

// types sends a text to whatever has the keyboard.
func (s *seat) types(t *testing.T, text string) {
	t.Helper()
	s.keyboard(t, "type", "--", text)
}

func (s *seat) keyboard(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("xdotool", args...)
	cmd.Env = s.environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("xdotool %v: %v %s", args, err, out)
	}
}

// chooseFile types a path into the system's file dialog, which a click has just
// opened, and waits until the dialog is gone. With a name it takes a picture. The
// dialog loses keys while it opens its line for a path, so what the line holds is
// read back before the next step.
func (w *window) chooseFile(t *testing.T, path, picture string) {
	t.Helper()
	w.focused(t, fileDialog)
	waitFor(t, "the line for a path", callLimit, func() bool {
		w.press(t, "slash")
		return w.line(t) == "/"
	})
	waitFor(t, "the path in the line", startLimit, func() bool {
		w.types(t, path) // over what is selected
		return w.line(t) == path
	})
	if picture != "" {
		w.still(t, picture)
	}
	w.press(t, "Return")
	waitFor(t, "the end of the dialog", callLimit, func() bool { return w.visible(fileDialog) == "" })
}

// line selects what is written where the keyboard is and returns it, by way of
// the clipboard; "" when nothing came of it within a second.
func (w *window) line(t *testing.T) string {
	t.Helper()
	const nothing = "(nothing)"
	if got := w.await(t, `await window.go.app.Desktop.CopyText(args[0]); return 'copied'`, nothing); got != "copied" {
		t.Fatalf("clipboard: %v", got)
	}
	w.press(t, "ctrl+a", "ctrl+c")
	for begin := time.Now(); time.Since(begin) < time.Second; {
		if got := w.await(t, `return await window.runtime.ClipboardGetText()`); got != nothing {
			return fmt.Sprint(got)
		}
	}
	return ""
}

// picture takes a screenshot when the page has painted and moves no more.
func (w *window) picture(t *testing.T, name string) {
	t.Helper()
	got := w.await(t, `const frame = () => new Promise(requestAnimationFrame)
		await frame(); await frame()
		await Promise.allSettled(document.getAnimations().filter(a => a.effect.getComputedTiming().endTime !== Infinity).map(a => a.finished))
		await frame(); await frame()
		return 'painted'`)
	if got != "painted" {
		t.Fatalf("the page does not paint: %v", got)
	}
	w.still(t, name)
}

// still takes screenshots until two in a row are the same, or a few were taken:
// a caret blinks.
func (w *window) still(t *testing.T, name string) {
	t.Helper()
	last := w.screenshot(t, name)
	for range 4 {
		next := w.screenshot(t, name)
		if samePicture(last, next) {
			return
		}
		last = next
	}
}

// samePicture compares the pixels: the file holds its time as well.
func samePicture(a, b []byte) bool {
	x, err := png.Decode(bytes.NewReader(a))
	if err != nil {
		return false
	}
	y, err := png.Decode(bytes.NewReader(b))
	return err == nil && reflect.DeepEqual(x, y)
}

// shown is the JavaScript that finds what a person sees: the first element of a
// selector whose name begins so, and that can be used.
const shown = `const name = e => (e.getAttribute('aria-label') ?? e.innerText ?? '').trim()
	const there = e => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== 'hidden' && !e.disabled && e.dataset.disabled === undefined
	return [...document.querySelectorAll(arguments[0])].find(e => there(e) && name(e).startsWith(arguments[1])) ?? null`

const elementKey = "element-6066-11e4-a52e-4f735466cecf"

// click clicks the element of the selector whose name begins so, once it is
// there and nothing covers it.
func (w *window) click(t *testing.T, selector, name string) {
	t.Helper()
	var last error
	defer func() {
		if t.Failed() && last != nil {
			t.Log(last)
		}
	}()
	waitFor(t, fmt.Sprintf("a click on %q", name), callLimit, func() bool {
		found, ok := w.run(t, shown, selector, name).(map[string]any)
		if !ok {
			last = fmt.Errorf("no %s is called %q", selector, name)
			return false
		}
		_, last = w.try(t, "POST", "/element/"+fmt.Sprint(found[elementKey])+"/click", map[string]any{})
		return last == nil
	})
}

// sees waits until the element of the selector shows all of these texts.
func (w *window) sees(t *testing.T, selector string, texts ...string) {
	t.Helper()
	var text string
	defer func() {
		if t.Failed() {
			t.Logf("%s: %q", selector, text)
		}
	}()
	waitFor(t, fmt.Sprintf("%q in %s", texts, selector), callLimit, func() bool {
		text = fmt.Sprint(w.run(t, `return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.replace(/\s+/g, ' ')).join('\n')`, selector))
		for _, want := range texts {
			if !strings.Contains(text, want) {
				return false
			}
		}
		return true
	})
}

// ended waits for the end of the program and returns its exit code as text.
func (w *window) ended(t *testing.T) string {
	t.Helper()
	var code string
	waitFor(t, "the end of the program", startLimit, func() bool {
		raw, err := os.ReadFile(w.exit)
		code = strings.TrimSpace(string(raw))
		return err == nil
	})
	return code
}

// leftOver reports files that only a running program keeps.
func (s *seat) leftOver(t *testing.T) {
	t.Helper()
	for _, name := range []string{"control.sock", "owner.json"} {
		if _, err := os.Stat(filepath.Join(s.home, name)); err == nil {
			t.Errorf("%s is left over", name)
		}
	}
}
