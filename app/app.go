// Package app is the program around the engine: one binary with several faces.
//
// It owns the data folder (one lock, one control socket), opens the engine,
// serves the API of package api to the window, to a browser and to the command
// line, and closes everything in order. No rule of the domain lives here. Start
// with [Main]; a new face is a function handed to register.
package app

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// face is one way to run the program. It returns the exit code: 0 for well, 1
// for a failure told on stderr, 2 for a wrong command line.
type face = func(ctx context.Context, args []string, stdout, stderr io.Writer) int

// faces is filled by register.
var (
	faces     = map[string]face{}
	summaries = map[string]string{}
)

// register adds a face. Call it from init.
func register(name, summary string, f face) {
	faces[name], summaries[name] = f, summary
}

func init() {
	register("version", "print the version", printVersion)
	register("openapi", "print the OpenAPI description of the local API", printOpenAPI)
}

// Main runs the face that the command line names and exits.
func Main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop() // a second signal ends the program at once
		time.AfterFunc(closeWithin, func() { os.Exit(1) })
	})
	code := run(ctx, arguments(os.Args[1:]), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run picks the face: the first argument if it is a name of one, the window for
// no argument, a flag, a link or a file.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		return faces["window"](ctx, nil, stdout, stderr)
	}
	switch first := args[0]; {
	case faces[first] != nil:
		return faces[first](ctx, args[1:], stdout, stderr)
	case first == "help" || first == "-h" || first == "--help":
		usage(stdout)
		return 0
	case strings.HasPrefix(first, "-") || openable(first):
		return faces["window"](ctx, args, stdout, stderr)
	default:
		_, _ = fmt.Fprintf(stderr, "synergos: there is no command %q\n\n", first)
		usage(stderr)
		return 2
	}
}

// openable reports whether a desktop may have handed s to us: one of our links,
// or a file that exists.
func openable(s string) bool {
	if strings.HasPrefix(s, "synergos:") {
		return true
	}
	info, err := os.Stat(s)
	return err == nil && !info.IsDir()
}

func usage(w io.Writer) {
	var b strings.Builder
	b.WriteString("Synergos: federated learning between peers, on your own files.\n\nUsage: synergos [command] [flags]\n\n")
	for _, name := range slices.Sorted(maps.Keys(faces)) {
		fmt.Fprintf(&b, "  %-10s %s\n", name, summaries[name])
	}
	b.WriteString("\nWithout a command: the window. synergos COMMAND -h lists the flags of a command.\n")
	_, _ = io.WriteString(w, b.String())
}
