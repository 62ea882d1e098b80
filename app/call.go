package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"synergos.app/desktop/app/api"
	"synergos.app/desktop/backend/fed"
)

func init() {
	register("call", "send one request to the running copy: synergos call GET /status", call)
}

// call is the command line's way to the API, through the control socket: no
// token, no port. The answer goes to stdout; a problem exits 1.
func call(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("synergos call", flag.ContinueOnError)
	f.SetOutput(stderr)
	home := f.String("home", "", "data folder of the running copy (default: "+defaultHomeText()+")")
	f.Usage = func() {
		_, _ = fmt.Fprintln(f.Output(), "Usage: synergos call [--home DIR] METHOD PATH [JSON]\nPATH starts behind "+api.Prefix+"; synergos openapi lists all.")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if f.NArg() < 2 || f.NArg() > 3 || !strings.HasPrefix(f.Arg(1), "/") {
		f.Usage()
		return 2
	}
	path, err := openHome(*home)
	if err != nil {
		return complain(stderr, err)
	}
	ok, err := callAPI(ctx, path, f.Arg(0), f.Arg(1), f.Arg(2), stdout)
	if err != nil {
		return complain(stderr, err)
	}
	if !ok {
		return 1
	}
	return 0
}

// callAPI copies the answer to out and reports whether it was a good one.
func callAPI(ctx context.Context, home, method, path, body string, out io.Writer) (bool, error) {
	client, err := controlClient(home)
	if err != nil {
		return false, err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, strings.ToUpper(method), "http://synergos"+api.Prefix+path, strings.NewReader(body))
	if err != nil {
		return false, fed.Errorf(fed.Invalid, "write it like: synergos call GET /status", "the request cannot be sent: %w", err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, fed.Errorf(fed.Unavailable, "start it with synergos or synergos serve, with the same --home", "no copy of Synergos answers on %s", home)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(out, resp.Body); err != nil {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	return resp.StatusCode < 400, nil
}
