//go:build !desktop && !dev && !bindings

package app

import (
	"context"
	"io"
)

// hasWindow tells whether this build can open a window.
const hasWindow = false

func init() {
	register("window", "serve the page to a browser: there is no window in this build", window)
}

// window serves instead.
func window(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var s settings
	if code, ok := parse("window", args, stderr, &s); !ok {
		return code
	}
	return windowless(ctx, s, "There is no window in this build of Synergos.", stdout, stderr)
}
