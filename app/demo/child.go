package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"synergos.app/desktop/backend/fed"
)

// launcher starts and ends parties. The product's is children; tests put
// in-process parties in its place.
type launcher interface {
	// start runs the party on p.home and returns when its API file is there.
	start(ctx context.Context, p *party) error
	// kill ends the party without warning, as a power cut would.
	kill(p *party) error
	// ended returns an error when the party's process has ended by itself.
	ended(p *party) error
	// tail returns the last lines of the party's log.
	tail(p *party, lines int) []string
}

// apiFile is what a serving party writes for programs of its user.
type apiFile struct {
	Address string `json:"address"`
	Token   string `json:"token"`
	PID     int    `json:"pid"`
}

const (
	startLimit = 30 * time.Second
	stopLimit  = 12 * time.Second // a party ends politely within 10 s
)

// serveArgs are the arguments of one party: its own home, free ports on this
// computer, discovery over the loopback interface.
func serveArgs(home, name, data string) []string {
	args := []string{"serve", "--home", home, "--name", name, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--loopback"}
	if data != "" {
		args = append(args, "--data-root", data)
	}
	return args
}

// children are the party processes. They run in process groups of their own, so
// that Ctrl-C reaches the demo alone, which then ends them.
type children struct {
	exe     string
	keep    bool // they may outlive the demo
	running map[*party]*child
}

type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read after done
}

func newChildren(keep bool) (*children, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fed.Errorf(fed.Unavailable, "start the demo from an installed program", "the demo cannot find its own program: %w", err)
	}
	return &children{exe: exe, keep: keep, running: map[*party]*child{}}, nil
}

func (c *children) start(ctx context.Context, p *party) error {
	file := filepath.Join(p.home, "api.json")
	if err := errors.Join(os.MkdirAll(p.home, 0o700), removeOld(file)); err != nil {
		return fed.Errorf(fed.Permission, "name another folder with --homes", "the home of %s cannot be made: %w", p.name, err)
	}
	errs, err := os.OpenFile(p.home+".stderr", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fed.Errorf(fed.Permission, "name another folder with --homes", "the messages of %s cannot be kept: %w", p.name, err)
	}
	// A cancelled context would kill where stop asks politely.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), c.exe, serveArgs(p.home, p.name, p.folder)...) //nolint:gosec // our own program
	cmd.Stderr = errs                                                                                     // stdout would show the token; nobody reads it
	own(cmd, c.keep)
	err = cmd.Start()
	err = errors.Join(err, errs.Close())
	if err != nil {
		return fed.Errorf(fed.Unavailable, "check that the program may be executed", "the process of %s did not start: %w", p.name, err)
	}
	k := &child{cmd: cmd, done: make(chan struct{})}
	c.running[p] = k
	go func() {
		k.err = cmd.Wait()
		close(k.done)
	}()
	return c.connect(ctx, p, k, file)
}

// connect waits for the API file of the process just started.
func (c *children) connect(ctx context.Context, p *party, k *child, file string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		var f apiFile
		raw, err := os.ReadFile(file)
		if err == nil && json.Unmarshal(raw, &f) == nil && f.PID == k.cmd.Process.Pid && f.Address != "" {
			p.client = newClient(f.Address, f.Token)
			p.pid = f.PID
			return nil
		}
		select {
		case <-k.done:
			return fed.Errorf(fed.Unavailable, "read its messages below", "%s ended at once (%v)", p.name, k.err)
		case <-ctx.Done():
			return fed.Errorf(fed.Timeout, "read its messages below", "%s did not open its API within %s", p.name, startLimit)
		case <-ticker.C:
		}
	}
}

func removeOld(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (c *children) kill(p *party) error {
	k := c.running[p]
	if k == nil {
		return fmt.Errorf("%s does not run", p.name)
	}
	if err := k.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-k.done
	delete(c.running, p)
	return nil
}

func (c *children) ended(p *party) error {
	k := c.running[p]
	if k == nil {
		return nil
	}
	select {
	case <-k.done:
		return fed.Errorf(fed.Internal, "read its messages below", "the process has ended by itself (%v)", k.err)
	default:
		return nil
	}
}

// stop ends all parties: first politely, then for certain.
func (c *children) stop() error {
	for _, k := range c.running {
		_ = askToEnd(k.cmd.Process) // one that has ended already is what we want
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	var errs []error
	for p, k := range c.running {
		select {
		case <-k.done:
		case <-ctx.Done():
			errs = append(errs, fed.Errorf(fed.Timeout, "its log tells what it was doing", "%s did not end within %s and was killed", p.name, stopLimit), c.kill(p))
		}
	}
	clear(c.running)
	return errors.Join(errs...)
}

// tail reads the party's log, or what it wrote to stderr when it has none.
func (c *children) tail(p *party, lines int) []string {
	for _, file := range []string{filepath.Join(p.home, "log", "synergos.log"), p.home + ".stderr"} {
		if out := lastLines(file, lines); len(out) > 0 {
			return out
		}
	}
	return nil
}

// lastLines returns the last n lines of a file, at most 64 KiB.
func lastLines(file string, n int) []string {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	const most = 64 << 10
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	raw := make([]byte, min(info.Size(), most))
	if _, err := f.ReadAt(raw, info.Size()-int64(len(raw))); err != nil {
		return nil
	}
	text := strings.TrimRight(string(raw), "\n")
	if text == "" {
		return nil
	}
	all := strings.Split(text, "\n")
	return all[max(0, len(all)-n):]
}
