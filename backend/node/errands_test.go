package node

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
)

// Errands that wait for a peer hold up no other ones, are done once more when they are
// asked for meanwhile, and end with the node.
func TestErrands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		n := &Node{ctx: ctx}
		e := newErrands(n)
		var mu sync.Mutex
		done := map[string]int{}
		stuck := func(ctx context.Context) { <-ctx.Done() }
		count := func(what string) func(context.Context) {
			return func(context.Context) {
				mu.Lock()
				defer mu.Unlock()
				done[what]++
			}
		}
		for i := range atOnce - 1 {
			e.run(fmt.Sprint("a peer that does not answer ", i), stuck)
		}
		e.run("another", count("another"))
		synctest.Wait()
		if done["another"] != 1 {
			t.Errorf("done %v beside errands that wait", done)
		}

		open := make(chan struct{})
		e.run("twice", func(ctx context.Context) {
			<-open
			count("twice")(ctx)
		})
		for range 3 {
			e.run("twice", nil)
		}
		close(open)
		synctest.Wait()
		if done["twice"] != 2 {
			t.Errorf("done %v, want the one asked for meanwhile done once more", done)
		}
		for i := range 2 * mostErrands {
			e.run(fmt.Sprint("too many ", i), stuck)
		}
		if len(e.open) != mostErrands {
			t.Errorf("%d errands are open", len(e.open))
		}
		cancel()
		n.work.Wait()
		if len(e.open) != 0 {
			t.Errorf("%d errands outlive the node", len(e.open))
		}
	})
}
