package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// handOver gives what this copy was started with to the running one, and tells
// where that is when it has no window to bring to the front.
func handOver(ctx context.Context, home, open string, stdout, stderr io.Writer) int {
	o, err := askOwner(ctx, home, http.MethodPost, "/control/open", map[string]string{"open": open})
	if err != nil {
		return complain(stderr, errors.Join(inUse(ctx, home), err))
	}
	switch {
	case o.Shown:
		_, _ = fmt.Fprintf(stdout, "Synergos is already running (process %d); its window is in front now.\n", o.PID)
	case o.Address != "":
		_, _ = fmt.Fprintf(stdout, "Synergos is already running without a window (process %d) at %s; its token is in api.json of the data folder.\n", o.PID, o.Address)
	default:
		_, _ = fmt.Fprintf(stdout, "Synergos is already running (process %d).\n", o.PID)
	}
	return 0
}

// windowless is the window face where no window can be: it says why and serves.
func windowless(ctx context.Context, s settings, why string, stdout, stderr io.Writer) int {
	home, err := openHome(s.home)
	if err != nil {
		return complain(stderr, err)
	}
	lock, err := lockHome(home)
	var taken *inUseError
	if errors.As(err, &taken) {
		return handOver(ctx, home, s.open, stdout, stderr)
	}
	if err != nil {
		return complain(stderr, err)
	}
	if err := lock.release(); err != nil {
		return complain(stderr, err)
	}
	_, _ = fmt.Fprintln(stdout, why)
	return serveWith(ctx, s, stdout, stderr)
}
