package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"synergos.app/desktop/app/api"
	"synergos.app/desktop/backend/fed"
)

// Version is the version of the program; a release build sets it with -ldflags.
var Version = "0.1.0"

// buildText is the version with the commit it was built from, if known.
func buildText() string {
	text := Version
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return text
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			text += " " + s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			text += " changed"
		}
	}
	return text
}

func printVersion(_ context.Context, _ []string, stdout, _ io.Writer) int {
	window := "without a window"
	if hasWindow {
		window = "with a window"
	}
	_, _ = fmt.Fprintf(stdout, "synergos %s (%s/%s, %s, %s)\n", buildText(), runtime.GOOS, runtime.GOARCH, runtime.Version(), window)
	return 0
}

func printOpenAPI(_ context.Context, _ []string, stdout, stderr io.Writer) int {
	text, err := api.OpenAPI()
	if err != nil {
		return complain(stderr, err)
	}
	if _, err := stdout.Write(text); err != nil {
		return complain(stderr, err)
	}
	return 0
}

// complain prints an error with its hint and returns exit code 1.
func complain(stderr io.Writer, err error) int {
	_, _ = fmt.Fprintf(stderr, "synergos: %v\n", err)
	var fe *fed.Error
	if errors.As(err, &fe) && fe.Hint != "" {
		_, _ = fmt.Fprintf(stderr, "  %s\n", fe.Hint)
	}
	return 1
}
