//go:build e2e

package webdriver

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"synergos.app/desktop/backend/learning/dataset/cohort"
)

const (
	party    = "St. Anna Hospital"
	goodName = "riverside"
	goodRows = 240
	figures  = " 240 11 " // rows and columns in the list
	badName  = "twice"
	// the first sample has the same figures
	sampleName = "Riverside heart data"
)

// journey is what a person does first, with the files used for it.
type journey struct {
	*window
	good, bad string
}

// The journey that must never break: the first start, a file of one's own by the
// system's dialog, a file that is no good, and nothing lost by closing the window
// or by losing the program. One home serves all parts, in order; the first that
// fails ends it.
func TestJourney(t *testing.T) {
	s := newSeat(t)
	s.manage(t)
	j := &journey{}
	j.write(t, s.dir)
	starts := [][]step{
		{
			{"first start", j.firstStart},
			{"dialog cancelled", j.cancelDialog},
			{"add a file", j.addFile},
			{"profile", j.profile},
			{"smallest size", j.smallest},
			{"bad file", j.badFile},
			{"close", j.close},
		},
		{
			{"second start", j.secondStart},
			{"add the sample", j.addSample},
			{"kill", j.kill},
		},
		{
			{"after the kill", j.afterKill},
			{"close again", j.close},
		},
	}
	for _, steps := range starts {
		j.window = s.start(t)
		for _, step := range steps {
			if !t.Run(step.name, step.run) {
				return
			}
		}
	}
}

type step struct {
	name string
	run  func(*testing.T)
}

// write makes the two files, each alone in a folder with a blank in its name.
func (j *journey) write(t *testing.T, dir string) {
	t.Helper()
	csv, err := cohort.Hospital(goodName, goodRows, 7)
	if err != nil {
		t.Fatal(err)
	}
	put := func(folder, name string, data []byte) string {
		path := filepath.Join(dir, folder, name+".csv")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	j.good = put("my files", goodName, csv)
	j.bad = put("other files", badName, bytes.Replace(csv, []byte("age,sex,cp,"), []byte("age,sex,age,"), 1))
}

// firstStart names the organisation by the keyboard alone and comes to the doors.
func (j *journey) firstStart(t *testing.T) {
	j.focused(t, mainWindow)
	j.sees(t, "h1", "Welcome to Synergos")
	waitFor(t, "the keyboard in the page", callLimit, func() bool { return j.run(t, `return document.hasFocus()`) == true })
	j.picture(t, "window-01-welcome")
	const inField = `return document.activeElement.matches('input[autocomplete=organization]')`
	if j.run(t, inField) != true {
		j.press(t, "Tab") // it is the only field
	}
	waitFor(t, "the keyboard in the field", callLimit, func() bool { return j.run(t, inField) == true })
	j.types(t, party)
	waitFor(t, "the name in the field", callLimit, func() bool {
		return j.run(t, `return document.activeElement.value`) == party
	})
	j.press(t, "Return")
	j.sees(t, "main", party, "Key made on this computer", j.home)
	j.picture(t, "window-02-key")
	j.click(t, "button", "Go to Synergos")
	j.sees(t, "main", "Start the tutorial", "Join with a link or code", "Choose my data")
	j.picture(t, "window-03-doors")
}

// smallest: the window knows its smallest size, and the screens fit it.
func (j *journey) smallest(t *testing.T) {
	id := j.focused(t, mainWindow)
	if hints := j.tool("xprop", "-id", id, "WM_NORMAL_HINTS"); !strings.Contains(hints, "minimum size: 900 by 600") {
		t.Errorf("size hints: %s", hints)
	}
	before := j.run(t, `return [innerWidth, innerHeight]`)
	j.resize(t, id, []any{900.0, 600.0})
	for _, screen := range []struct {
		name string
		open func()
	}{
		{"columns", func() { j.sees(t, "main tbody", "thalach") }}, // where the profile has left us
		{"list", func() { j.listed(t, goodName) }},
		{"home", func() { j.click(t, "nav a", "Home"); j.sees(t, "h1", "Home") }},
	} {
		screen.open()
		j.picture(t, "window-08-smallest-"+screen.name)
		if got := j.run(t, `const e = document.scrollingElement; return e.scrollWidth - e.clientWidth`); got != 0.0 {
			t.Errorf("%s is %v pixels too wide for the smallest window", screen.name, got)
		}
	}
	j.resize(t, id, before)
}

// resize asks the window manager for a size, [width, height], and waits for it.
func (j *journey) resize(t *testing.T, id string, size any) {
	t.Helper()
	j.tool("xdotool", "windowsize", id, fmt.Sprint(size.([]any)[0]), fmt.Sprint(size.([]any)[1]))
	waitFor(t, fmt.Sprintf("the size %v", size), callLimit, func() bool {
		return fmt.Sprint(j.run(t, `return [innerWidth, innerHeight]`)) == fmt.Sprint(size)
	})
}

// openDialog comes from any screen to the system's dialog.
func (j *journey) openDialog(t *testing.T) {
	t.Helper()
	j.click(t, "nav a", "My data")
	j.click(t, "main button", "Add data")
	j.click(t, "[role=dialog] button", "Choose a file")
}

// cancelDialog: a dialog that is cancelled changes nothing.
func (j *journey) cancelDialog(t *testing.T) {
	j.openDialog(t)
	dialog := j.focused(t, fileDialog)
	j.press(t, "Escape")
	pressed := time.Now()
	waitFor(t, "the end of the dialog", startLimit, func() bool {
		if time.Since(pressed) > 5*time.Second && j.tool("xdotool", "getactivewindow") == dialog {
			j.press(t, "Escape") // a key may be lost while the dialog is made
			pressed = time.Now()
		}
		return j.visible(fileDialog) == ""
	})
	j.focused(t, mainWindow)
	if got := j.await(t, `return (await (await fetch('/api/v1/datasets')).json()).items.length`); got != 0.0 {
		t.Errorf("%v datasets after a cancelled dialog", got)
	}
}

// addFile picks the file in the dialog and sees it listed.
func (j *journey) addFile(t *testing.T) {
	j.click(t, "[role=dialog] button", "Choose a file")
	j.chooseFile(t, j.good, "window-04-dialog")
	j.sees(t, "h1", goodName)
	j.listed(t, goodName)
	j.picture(t, "window-05-listed")
}

// listed sees a dataset in the list as ready, with as many rows and columns as
// the good file has.
func (j *journey) listed(t *testing.T, name string) {
	t.Helper()
	j.click(t, "nav a", "My data")
	j.sees(t, "h1", "My data")
	var rows string
	defer func() {
		if t.Failed() {
			t.Logf("the list: %q", rows)
		}
	}()
	waitFor(t, name+" in the list", startLimit, func() bool {
		rows = fmt.Sprint(j.run(t, `return [...document.querySelectorAll('main tbody tr')].map(e => e.innerText.replace(/\s+/g, ' ')).join('\n')`))
		for row := range strings.Lines(rows) {
			if strings.HasPrefix(row, name) && strings.Contains(row, figures) && strings.Contains(row, " Ready ") {
				return true
			}
		}
		return false
	})
}

// profile opens the file from the list and looks at what was found in it.
func (j *journey) profile(t *testing.T) {
	j.click(t, "main tbody a", goodName)
	j.sees(t, "h1", goodName)
	j.sees(t, "main", "Rows "+fmt.Sprint(goodRows), "Duplicate rows 0", "Classes")
	j.picture(t, "window-06-profile")
	j.click(t, "[role=tab]", "Columns (11)")
	j.sees(t, "main tbody", "trestbps", "thalach", "target")
	j.picture(t, "window-07-columns")
}

// badFile: two columns of one name are refused with their places and the remedy.
func (j *journey) badFile(t *testing.T) {
	j.openDialog(t)
	j.chooseFile(t, j.bad, "")
	j.sees(t, "h1", badName)
	j.sees(t, "main", badName+`.csv: columns 1 and 3 are both called "age"`, "ive every column its own name", "Failed")
	j.picture(t, "window-09-bad-file")
}

// close closes the idle window as a person does; the program ends well.
func (j *journey) close(t *testing.T) {
	j.focused(t, mainWindow)
	j.press(t, "alt+F4")
	if code := j.ended(t); code != "0" {
		t.Errorf("exit code %s", code)
	}
	j.leftOver(t)
}

// secondStart: no second welcome, and the file with its profile is as it was.
func (j *journey) secondStart(t *testing.T) {
	j.sees(t, "h1", "Home")
	j.listed(t, goodName)
	j.picture(t, "window-10-second-start")
	j.click(t, "main tbody a", goodName)
	j.sees(t, "main", "Rows "+fmt.Sprint(goodRows), "Duplicate rows 0")
}

// addSample adds something that no orderly end will save.
func (j *journey) addSample(t *testing.T) {
	j.click(t, "nav a", "My data")
	j.click(t, "main button", "Add data")
	j.click(t, "[role=dialog] button", "Use sample data")
	j.listed(t, sampleName)
}

// kill ends the program as a crash or a power cut does.
func (j *journey) kill(t *testing.T) {
	if err := syscall.Kill(j.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := j.ended(t); code != "137" {
		t.Errorf("exit code %s", code)
	}
}

// afterKill: both are there.
func (j *journey) afterKill(t *testing.T) {
	j.sees(t, "h1", "Home")
	j.listed(t, goodName)
	j.listed(t, sampleName)
	j.picture(t, "window-11-after-kill")
}
