package round

import "synergos.app/desktop/backend/fed"

// mutant switches single rules off. Only tests set it, to prove that they would
// notice.
type mutant uint8

const (
	accNotPersisted mutant = 1 << iota
	minorityQuorum
	noTermFence
	roundOnly
	voteNotPersisted
	noRepropose
)

// disk returns what reaches the disk of p.
func (mu mutant) disk(p Persistent) Persistent {
	if mu&accNotPersisted != 0 {
		p.Acc = fed.Checkpoint{}
	}
	if mu&voteNotPersisted != 0 {
		p.VotedFor = ""
	}
	return p
}
