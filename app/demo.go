package app

import (
	"context"
	"io"

	"synergos.app/desktop/app/demo"
)

func init() {
	register("demo", "run four hospitals on this computer through the whole story and report it", tellDemo)
}

// tellDemo is the demo face; see package demo.
func tellDemo(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return demo.Main(ctx, Version, args, stdout, stderr)
}
