package node

import (
	"synergos.app/desktop/backend/fed"
)

// runOf looks a run up for the ledger.
func (n *Node) runOf(id fed.RunID) (fed.Run, []fed.RoundRecord, bool) {
	r, ok := n.tracker.Run(id)
	return r.Run, r.Rounds, ok
}

// policiesOf returns the rules that a project has had.
func (n *Node) policiesOf(id fed.ProjectID) []fed.Policy {
	p, _ := n.projects.Get(id)
	return p.Policies
}

// led reports whether a party led a run in a term: it recorded a round in it, or
// ended the run after all of them. What this party itself writes counts here before
// the others hear of its reign.
func (n *Node) led(id fed.RunID, term uint64, by fed.PartyID) bool {
	r, _ := n.tracker.Run(id)
	last := uint64(0)
	for _, rec := range r.Rounds {
		if rec.Coordinator == by && rec.Term == term {
			return true
		}
		last = max(last, rec.Term)
	}
	if r.End == nil {
		return by == n.me() && term >= last
	}
	return r.End.State == "finished" && r.EndBy == by && term >= last
}

// delivered returns the round of the model that a finished run delivered.
func (n *Node) delivered(id fed.RunID) (int, bool) {
	r, ok := n.tracker.Run(id)
	if !ok || r.End == nil || r.End.State != "finished" {
		return 0, false
	}
	return r.End.Best, true
}
