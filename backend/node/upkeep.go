package node

import "time"

// upkeep does what is due from time to time. Switches that could not do what they
// should are tried again every minute; files that nothing needs go at the start and
// once a day.
func (n *Node) upkeep() {
	n.sweepBlobs()
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	day := time.NewTicker(24 * time.Hour)
	defer day.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
			n.servings.follow(n.ctx)
		case <-day.C:
			n.sweepBlobs()
		}
	}
}
