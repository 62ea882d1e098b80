package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"synergos.app/desktop/backend/fed"
)

// TestMain lets the test binary stand for the program that the demo starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		os.Exit(actParty(os.Args))
	}
	os.Exit(m.Run())
}

// actParty writes the API file and waits for the signal to end, as a serving
// party does. A home named "broken" ends at once with a message.
func actParty(args []string) int {
	home := args[slices.Index(args, "--home")+1]
	if filepath.Base(home) == "broken" || os.Getenv("DEMO_TEST_PARTY") == "broken" {
		fmt.Fprintln(os.Stderr, "the disk is full")
		return 3
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	raw, err := json.Marshal(apiFile{Address: "http://127.0.0.1:1", Token: "t", PID: os.Getpid()})
	if err == nil {
		err = os.WriteFile(filepath.Join(home, "api.json"), raw, 0o600)
	}
	if err != nil {
		return 1
	}
	<-ctx.Done()
	if err := os.WriteFile(filepath.Join(home, "polite"), nil, 0o600); err != nil {
		return 1
	}
	return 0
}

func newTestChild(t *testing.T, key string) (*children, *party) {
	t.Helper()
	c, err := newChildren(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.stop() })
	return c, &party{hospital: hospital{key: key, name: "The " + key}, home: filepath.Join(t.TempDir(), key)}
}

func TestChildStartsAndEndsPolitely(t *testing.T) {
	c, p := newTestChild(t, "one")
	if err := c.start(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if p.client == nil || p.client.token != "t" || p.pid != c.running[p].cmd.Process.Pid {
		t.Errorf("the client is %+v, the process %d", p.client, p.pid)
	}
	if err := c.ended(p); err != nil {
		t.Errorf("it runs, but: %v", err)
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(p.home, "polite")); err != nil {
		t.Error("it was not asked to end")
	}
}

func TestChildIsKilledAndStartsAgain(t *testing.T) {
	c, p := newTestChild(t, "two")
	if err := c.start(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	before := p.pid
	if err := c.kill(p); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(p.home, "polite")); err == nil {
		t.Error("it had time to say goodbye")
	}
	if err := c.start(t.Context(), p); err != nil { // the old API file is still there
		t.Fatal(err)
	}
	if p.pid == before {
		t.Error("the old API file was taken for the new one")
	}
}

func TestChildThatEndsIsTold(t *testing.T) {
	c, p := newTestChild(t, "broken")
	err := c.start(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), "ended at once") || fed.HintOf(err) == "" {
		t.Errorf("the error is %v", err)
	}
	if got := c.tail(p, 20); len(got) != 1 || got[0] != "the disk is full" {
		t.Errorf("its messages are %q", got)
	}
	if c.ended(p) == nil {
		t.Error("it is said to run")
	}
}

func TestTailPrefersTheLog(t *testing.T) {
	c, p := newTestChild(t, "three")
	if err := os.MkdirAll(filepath.Join(p.home, "log"), 0o700); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i := range 5000 {
		lines = append(lines, fmt.Sprintf("line %d of a log that is longer than what is read", i))
	}
	if err := os.WriteFile(filepath.Join(p.home, "log", "synergos.log"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := c.tail(p, 20)
	if len(got) != 20 || !slices.Equal(got, lines[len(lines)-20:]) {
		t.Errorf("the last lines are %q", got)
	}
}

func TestServeArgs(t *testing.T) {
	got := strings.Join(serveArgs("/h", "A & B", "/d"), " ")
	want := "serve --home /h --name A & B --listen 127.0.0.1:0 --peer-listen 127.0.0.1:0 --loopback --data-root /d"
	if got != want {
		t.Errorf("the arguments are\n%s, expected\n%s", got, want)
	}
}
