package demo

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
)

func TestFlags(t *testing.T) {
	for _, tc := range []struct {
		args string
		code int
		ok   bool
	}{
		{"", 0, true}, {"--keep --json --rounds 3 --data synthetic", 0, true}, {"-h", 0, false}, {"--rounds 0", 2, false}, {"--rounds 1001", 2, false}, {"extra", 2, false}, {"--unknown", 2, false},
	} {
		var errs bytes.Buffer
		o, code, ok := parse(strings.Fields(tc.args), &errs)
		if code != tc.code || ok != tc.ok || !ok && errs.Len() == 0 {
			t.Errorf("%q: code %d, ok %t, %q", tc.args, code, ok, errs.String())
		}
		if tc.args == "" && (o.Rounds != 10 || o.Out != "." || o.Keep) {
			t.Errorf("the defaults are %+v", o)
		}
	}
}

func TestMainTellsWhatIsMissing(t *testing.T) {
	var out, errs bytes.Buffer
	if code := Main(t.Context(), "0.1.0", []string{"--data", t.TempDir()}, &out, &errs); code != 1 || !strings.Contains(errs.String(), "--data synthetic") {
		t.Errorf("code %d: %s", code, errs.String())
	}
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	errs.Reset()
	if code := Main(t.Context(), "0.1.0", []string{"--data", synthetic, "--homes", home}, &out, &errs); code != 1 || !strings.Contains(errs.String(), "is not empty") {
		t.Errorf("code %d: %s", code, errs.String())
	}
}

func TestMakeHomes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "homes")
	got, err := makeHomes(dir)
	if err != nil || got != dir {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := makeHomes(dir); err != nil {
		t.Errorf("an empty folder is refused: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := makeHomes(file); fed.HintOf(err) == "" {
		t.Errorf("a file gives %v", err)
	}
}

// TestMainFailsWithItsParties: the parties of this test's binary answer nothing,
// so the first step fails; the report is written all the same and no process is
// left.
func TestMainFailsWithItsParties(t *testing.T) {
	var out, errs bytes.Buffer
	dir := t.TempDir()
	homes := filepath.Join(dir, "homes")
	if err := os.MkdirAll(homes, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DEMO_TEST_PARTY", "broken")
	code := Main(t.Context(), "0.1.0", []string{"--data", synthetic, "--homes", homes, "--out", dir, "--keep"}, &out, &errs)
	if code != 1 || !strings.Contains(out.String(), "✗") || !strings.Contains(out.String(), "the disk is full") || !strings.Contains(errs.String(), "start four parties") {
		t.Errorf("code %d\n%s\n%s", code, out.String(), errs.String())
	}
	page, err := os.ReadFile(filepath.Join(dir, "demo-report.html"))
	if err != nil || !bytes.Contains(page, []byte("did not get to its end")) {
		t.Errorf("the report is missing or says nothing: %v", err)
	}
}
