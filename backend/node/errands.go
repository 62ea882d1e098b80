package node

import (
	"context"
	"sync"
)

// errands are what waits for another computer: files to fetch, ledgers to check with
// the tables behind them. Each has a goroutine of its own, few of them at a time, so
// that a peer that does not answer holds up neither documents nor the other peers.
type errands struct {
	n     *Node
	slots chan struct{}

	mu   sync.Mutex
	open map[string]bool // by what it is for; true: to be run once more
}

// atOnce is how many errands are run side by side, mostErrands how many may be open:
// what comes beyond is left to the next comparison with the peers.
const atOnce, mostErrands = 8, 1000

func newErrands(n *Node) *errands {
	return &errands{n: n, slots: make(chan struct{}, atOnce), open: map[string]bool{}}
}

// run has work done, once more if the same is under way already: it may have begun
// before what it is asked for now.
func (e *errands) run(what string, work func(ctx context.Context)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, busy := e.open[what]; busy || len(e.open) >= mostErrands {
		if busy {
			e.open[what] = true
		}
		return
	}
	e.open[what] = false
	e.n.work.Go(func() {
		select {
		case e.slots <- struct{}{}:
			defer func() { <-e.slots }()
		case <-e.n.ctx.Done():
		}
		for again := true; again; again = e.again(what) {
			if e.n.ctx.Err() == nil {
				work(e.n.ctx)
			}
		}
	})
}

// again reports whether an errand was asked for once more, and closes it if not.
func (e *errands) again(what string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open[what] && e.n.ctx.Err() == nil {
		e.open[what] = false
		return true
	}
	delete(e.open, what)
	return false
}
