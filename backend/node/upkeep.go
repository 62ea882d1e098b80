package node

import "time"

// upkeep does what is due from time to time. Switches that could not do what they
// should are tried again every minute; files that nothing needs, and entries of
// the egress ledger that are too old, go at the start and once a day.
func (n *Node) upkeep() {
	n.daily()
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
			n.daily()
		}
	}
}

func (n *Node) daily() {
	n.sweepBlobs()
	if err := n.pruneEgress(n.ctx); err != nil {
		n.opts.Log.Warn("egress ledger not shortened", "error", err.Error())
	}
}
