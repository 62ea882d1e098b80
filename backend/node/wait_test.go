package node

import (
	"context"
	"time"

	"synergos.app/desktop/backend/fed"
)

// waitFor polls a condition that another goroutine brings about.
func waitFor(ctx context.Context, what string, ok func() bool) error {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return fed.Errorf(fed.Timeout, "Try again.", "waiting for %s took too long", what)
		case <-t.C:
		}
	}
	return nil
}
