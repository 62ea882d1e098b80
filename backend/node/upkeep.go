package node

import "time"

// upkeep does what is due from time to time: switches that could not do what they
// should are tried again.
func (n *Node) upkeep() {
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
			n.servings.follow(n.ctx)
		}
	}
}
