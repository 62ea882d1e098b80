package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"synergos.app/desktop/app/api"
	"synergos.app/desktop/backend/fed"
)

const (
	closeWithin  = 10 * time.Second // from the signal to the end of the process
	logKeepBytes = 4 << 20          // a larger log moves aside at the next start
)

// host is the program behind every long-lived face: the locked folder, the log,
// the event hub, the engine and the control door.
type host struct {
	settings settings
	home     string
	face     string
	log      *slog.Logger
	hub      *api.Hub
	engine   Engine
	lock     *homeLock
	control  *control
	logFile  io.Closer

	mu      sync.Mutex
	state   error // nil when the engine takes requests
	opened  string
	address string
}

var errStarting = fed.Errorf(fed.Unavailable, "wait a moment", "Synergos is starting")

// openHost locks the folder and opens everything but ports and peers. It returns
// *inUseError when another program holds the folder.
func openHost(ctx context.Context, face string, s settings, stderr io.Writer) (*host, error) {
	home, err := openHome(s.home)
	if err != nil {
		return nil, err
	}
	lock, err := lockHome(home)
	if err != nil {
		return nil, err
	}
	h := &host{settings: s, home: home, face: face, lock: lock, state: errStarting, opened: s.open}
	if err := h.openParts(ctx, stderr); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *host) openParts(ctx context.Context, stderr io.Writer) error {
	if err := h.lock.tell(h.owner()); err != nil {
		return err
	}
	if err := h.openLog(stderr); err != nil {
		return err
	}
	h.hub = api.NewHub(h.log)
	engine, err := openEngine(ctx, EngineConfig{
		Home: h.home, Version: Version, Epoch: h.hub.Epoch(), Window: h.face == "window",
		DataRoots: h.settings.dataRoots, PeerListen: h.settings.peerListen, Discovery: h.settings.discovery,
		Loopback: h.settings.loopback, Name: h.settings.name,
		Publish: h.hub.Publish, Log: h.log,
	})
	h.engine = engine
	return err
}

func (h *host) owner() owner {
	return owner{PID: os.Getpid(), Face: h.face, Version: Version, Address: h.address}
}

// openLog writes the log into the folder, warnings to stderr as well, and the
// stacks of a crash into a file of their own.
func (h *host) openLog(stderr io.Writer) error {
	dir := filepath.Join(h.home, "log")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("log folder: %w", err)
	}
	path := filepath.Join(dir, "synergos.log")
	if info, err := os.Stat(path); err == nil && info.Size() > logKeepBytes {
		if err := os.Rename(path, path+".1"); err != nil {
			return fmt.Errorf("move the old log aside: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	h.logFile = f
	h.log = slog.New(slog.NewMultiHandler(
		slog.NewTextHandler(f, nil),
		slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}),
	))
	return crashInto(filepath.Join(dir, "crash.log"))
}

func crashInto(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the crash log: %w", err)
	}
	err = debug.SetCrashOutput(f, debug.CrashOptions{})
	return errors.Join(err, f.Close()) // the runtime keeps its own copy
}

// handler is the API for one carrier, and behind it the page.
func (h *host) handler(guard api.GuardOptions) *api.Handler {
	return api.New(api.Options{
		Version: Version, Window: h.face == "window", Screens: api.Screens(h.engine), Hub: h.hub, Guard: guard,
		Ready: h.ready, Log: h.log, Opened: h.takeOpened, Static: pageHandler(),
	})
}

// start opens ports and peers. A failure is not the end: the page shows it.
func (h *host) start(ctx context.Context) error {
	err := h.engine.Start(ctx)
	h.mu.Lock()
	h.state = err
	h.mu.Unlock()
	if err != nil {
		h.log.Error("engine did not start", "err", err)
		return err
	}
	h.hub.Publish("app.ready", "", nil)
	return nil
}

func (h *host) ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state
}

// takeOpened hands the page, once, what the program was started with.
func (h *host) takeOpened() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.opened
	h.opened = ""
	return s
}

// openControl lets other programs of the user in. show brings a window to the
// front and reports whether there is one.
func (h *host) openControl(handler *api.Handler, show func() bool) error {
	if err := h.lock.tell(h.owner()); err != nil {
		return err
	}
	c, err := startControl(h.home, h.owner(), handler, func(what string) bool {
		if what != "" {
			h.hub.Publish("app.open", what, nil)
		}
		return show()
	})
	h.control = c
	return err
}

// close ends everything in order and within closeWithin: no new requests, the
// engine saves and says goodbye, the folder is free again. It may be called
// after a failed open.
func (h *host) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin-time.Second)
	defer cancel()
	var errs []error
	if h.hub != nil {
		h.hub.Close()
	}
	if h.control != nil {
		part, stop := context.WithTimeout(ctx, 2*time.Second)
		errs = append(errs, h.control.close(part))
		stop()
	}
	if h.engine != nil {
		errs = append(errs, h.engine.Close(ctx))
	}
	errs = append(errs, h.lock.release())
	if h.logFile != nil {
		errs = append(errs, h.logFile.Close())
	}
	return errors.Join(errs...)
}
