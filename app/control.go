package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"synergos.app/desktop/app/api"
	"synergos.app/desktop/backend/fed"
)

const (
	maxSocketPath  = 100 // bytes; the systems allow 104 to 108
	controlTimeout = 5 * time.Second
)

// control is the door for programs of the same user: a socket that only they may
// open. It serves the API, and takes what a second copy was started with.
type control struct {
	server *http.Server
	path   string
	done   chan error
}

// controlPath is where the socket of a data folder is. A path that the system
// could not take moves to the user's runtime folder, under a name made from the
// folder's.
func controlPath(home string) (string, error) {
	path := filepath.Join(home, "control.sock")
	if len(path) <= maxSocketPath {
		return path, nil
	}
	dir, err := runtimeDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(home))
	return filepath.Join(dir, "synergos-"+hex.EncodeToString(sum[:8])+".sock"), nil
}

// runtimeDir is a folder that only this user can enter.
func runtimeDir() (string, error) {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && len(dir) < maxSocketPath-40 && privateDir(dir) {
		return dir, nil
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("synergos-%d", os.Getuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("runtime folder: %w", err)
	}
	if !privateDir(dir) {
		return "", fed.Errorf(fed.Permission, "remove it, or choose a shorter data folder with --home", "the folder %s belongs to somebody else or is open to others", dir)
	}
	return dir, nil
}

// startControl opens the socket. The caller holds the lock of the folder, so a
// socket that lies there is left over. open is called with the link or file of a
// second copy and reports whether a window was shown.
func startControl(home string, who owner, apiHandler http.Handler, open func(string) bool) (*control, error) {
	path, err := controlPath(home)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the old control socket: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fed.Errorf(fed.Unavailable, "choose a shorter data folder, on a disk of this computer, with --home", "the control socket cannot be opened: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect the control socket: %w", err), l.Close())
	}
	c := &control{path: path, done: make(chan error, 1), server: &http.Server{
		Handler: controlHandler(who, apiHandler, open), ReadHeaderTimeout: controlTimeout,
	}}
	go func() { c.done <- c.server.Serve(l) }()
	return c, nil
}

func controlHandler(who owner, apiHandler http.Handler, open func(string) bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /control/owner", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, who) })
	mux.HandleFunc("POST /control/open", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Open string `json:"open"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&in); err != nil {
			http.Error(w, "not JSON", http.StatusBadRequest)
			return
		}
		answer := who
		answer.Shown = open(in.Open)
		writeJSON(w, answer)
	})
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		apiHandler.ServeHTTP(w, r.WithContext(api.InProcess(r.Context())))
	})
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the other side has gone: nobody to tell
}

// close waits for requests in progress, at most until ctx ends.
func (c *control) close(ctx context.Context) error {
	err := c.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, c.server.Close())
	}
	if serveErr := <-c.done; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}

// controlClient talks to the holder of a data folder.
func controlClient(home string) (*http.Client, error) {
	path, err := controlPath(home)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}, nil
}

// askOwner sends one request to the holder's control door and retries while the
// holder is still starting.
func askOwner(ctx context.Context, home, method, path string, body any) (owner, error) {
	client, err := controlClient(home)
	if err != nil {
		return owner{}, err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	for {
		o, err := askOnce(ctx, client, method, path, body)
		if err == nil || ctx.Err() != nil {
			return o, err
		}
		select {
		case <-ctx.Done():
			return o, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func askOnce(ctx context.Context, client *http.Client, method, path string, body any) (owner, error) {
	var o owner
	raw, err := json.Marshal(body)
	if err != nil {
		return o, fmt.Errorf("encode: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://synergos"+path, bytes.NewReader(raw))
	if err != nil {
		return o, fmt.Errorf("ask the running copy: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return o, fmt.Errorf("ask the running copy: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return o, fmt.Errorf("the running copy answered %s", resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&o); err != nil {
		return o, fmt.Errorf("read the answer of the running copy: %w", err)
	}
	return o, nil
}

// holder finds out who holds the folder: from the control door, else from what
// it wrote.
func holder(ctx context.Context, home string) string {
	o, err := askOwner(ctx, home, http.MethodGet, "/control/owner", nil)
	if err != nil {
		if o, err = readOwner(home); err != nil {
			return "another copy of Synergos"
		}
	}
	text := fmt.Sprintf("another copy of Synergos (%s, process %d)", o.Face, o.PID)
	if o.Address != "" {
		text += " at " + o.Address
	}
	return text
}

// inUse is the sentence for a face that needs the folder for itself.
func inUse(ctx context.Context, home string) error {
	who := holder(ctx, home)
	return fed.Errorf(fed.Busy, "use that one, end it, or choose another folder with --home",
		"the data folder %s is in use by %s", home, strings.TrimSpace(who))
}
