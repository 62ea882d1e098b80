package node

import (
	"cmp"
	"slices"
	"sync"

	"synergos.app/desktop/backend/node/view"
)

// counters counts what was refused, by reason, and what was received.
type counters struct {
	mu      sync.Mutex
	refused map[string]int64
	in      int64
}

func newCounters() *counters { return &counters{refused: map[string]int64{}} }

const maxReasons = 200

// refuse counts one refusal. Reasons come from our own code, and their number is
// bounded all the same.
func (c *counters) refuse(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.refused[reason]; !ok && len(c.refused) >= maxReasons {
		reason = "other"
	}
	c.refused[reason]++
}

func (c *counters) received(bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in += bytes
}

func (c *counters) list() []view.Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []view.Refusal{}
	for r, k := range c.refused {
		out = append(out, view.Refusal{Reason: r, Count: k})
	}
	slices.SortFunc(out, func(a, b view.Refusal) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}
