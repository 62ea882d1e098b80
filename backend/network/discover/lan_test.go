package discover

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
)

// helperEnv makes the test binary be the peer of that number.
const helperEnv = "DISCOVER_TEST_PEER"

func TestMain(m *testing.M) {
	if v := os.Getenv(helperEnv); v != "" {
		peerProcess(v)
		return
	}
	os.Exit(m.Run())
}

func quickConfig(n int) Config {
	cfg := Default(device(n), uint16(7000+n))
	cfg.IncludeLoopback = true
	cfg.Window = 200 * time.Millisecond
	cfg.Period = time.Second
	return cfg
}

// peerProcess prints the peers it sees and stays until its input ends.
func peerProcess(v string) {
	n, _ := strconv.Atoi(v)
	m, err := NewMDNS(quickConfig(n))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		cancel()
	}()
	go func() {
		for e := range m.Events() {
			if seen, ok := e.(PeerSeen); ok {
				fmt.Println("seen", seen.DeviceID)
			}
		}
	}()
	m.Run(ctx)
}

// needMulticast skips, saying why, where the machine has no working multicast.
func needMulticast(t *testing.T) {
	t.Helper()
	m, err := NewMDNS(quickConfig(100))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer cancel()
	if err := m.Run(ctx); err != nil {
		t.Fatal(err)
	}
	s := m.Status()
	for _, p := range s.Pairs {
		if !p.LastHeard.IsZero() {
			return
		}
	}
	t.Skipf("multicast does not work on this machine: %+v", s.Pairs)
}

// awaitPeers reads events until all of want were seen.
func awaitPeers(t *testing.T, events <-chan Event, want ...fed.DeviceID) {
	t.Helper()
	limit := time.After(10 * time.Second)
	missing := map[fed.DeviceID]bool{}
	for _, id := range want {
		missing[id] = true
	}
	for len(missing) > 0 {
		select {
		case e, open := <-events:
			if !open {
				t.Fatalf("events ended; missing %v", missing)
			}
			if seen, ok := e.(PeerSeen); ok {
				delete(missing, seen.DeviceID)
			}
		case <-limit:
			t.Fatalf("not found in 10 s: %v", missing)
		}
	}
}

func TestInstancesOnOneMachineFindEachOther(t *testing.T) {
	needMulticast(t)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ids := []fed.DeviceID{device(101), device(102), device(103)}
	var finders []*MDNS
	done := make(chan error, len(ids))
	for i := range ids {
		m, err := NewMDNS(quickConfig(101 + i))
		if err != nil {
			t.Fatal(err)
		}
		finders = append(finders, m)
		go func() { done <- m.Run(ctx) }()
	}
	for i, m := range finders {
		var others []fed.DeviceID
		for j, id := range ids {
			if j != i {
				others = append(others, id)
			}
		}
		awaitPeers(t, m.Events(), others...)
		if s := m.Status(); s.State != Looking {
			t.Errorf("status %+v", s)
		}
	}
	cancel()
	for range finders {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	// The library's readers end by themselves once their sockets are closed.
	for limit := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(limit) {
			buf := make([]byte, 1<<16)
			t.Fatalf("goroutines left:\n%s", buf[:runtime.Stack(buf, true)])
		}
	}
}

func TestProcessesOnOneMachineFindEachOther(t *testing.T) {
	needMulticast(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	m, err := NewMDNS(quickConfig(110))
	if err != nil {
		t.Fatal(err)
	}
	runCtx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- m.Run(runCtx) }()
	for n := range 2 {
		p := exec.CommandContext(ctx, exe)
		p.Env = append(os.Environ(), fmt.Sprintf("%s=%d", helperEnv, 111+n))
		in, err := p.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { in.Close(); p.Wait() }()
		lines := bufio.NewScanner(out)
		want := map[string]bool{string(device(110)): true}
		if n == 1 {
			want[string(device(111))] = true // the process started before
		}
		for len(want) > 0 && lines.Scan() {
			delete(want, strings.TrimPrefix(lines.Text(), "seen "))
		}
		if len(want) > 0 {
			t.Fatalf("process %d did not find %v", n, want)
		}
	}
	awaitPeers(t, m.Events(), device(111), device(112))
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
