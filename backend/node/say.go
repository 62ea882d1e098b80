package node

import (
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/service/experiment"
)

// Who has a say in a project, and who receives a part of it, is one rule, takesPart.
// Every question, message and blob of a run is measured by it, whoever is on the
// list of the run's members: that list was frozen when the run was queued.

// takesPart reports whether a party has accepted a project, has not left it and is
// on its roster now. Who is only invited reads the project's documents, no more.
func (n *Node) takesPart(p fed.PartyID, id fed.ProjectID) bool { return n.projects.TakesPart(id, p) }

// hasSay refuses a party without a say in a run. What may be only not yet known here
// is of kind Unavailable, so that an honest party tries again.
func (n *Node) hasSay(p fed.PartyID, run fed.Run) error {
	if _, member := run.Member(p); !member {
		return fed.Errorf(fed.Permission, "", "not a member of this run")
	}
	return n.standsIn(p, run.Project)
}

// standsIn is takesPart with the reason.
func (n *Node) standsIn(p fed.PartyID, id fed.ProjectID) error {
	if n.takesPart(p, id) {
		return nil
	}
	pr, _ := n.projects.Get(id)
	if s, listed := pr.Standing(p); listed && s.State == "invited" {
		return fed.Errorf(fed.Unavailable, "Wait until it has accepted the project.", "%s has not accepted the project as far as is known here", s.Name)
	}
	return fed.Errorf(fed.Permission, "", "%s takes no part in the project now", n.nameOf(string(p)))
}

// allMembers refuses to begin a run whose starter or members do not all take part in
// the project now, under the names that the run gives them. The word of the party
// that queued it is final; another may only not have heard yet.
func (n *Node) allMembers(r experiment.Run) error {
	p, ok := n.projects.Get(r.Project)
	if !ok {
		return fed.Errorf(fed.Unavailable, "Wait a moment.", "the project is not known here yet")
	}
	if err := n.starterStays(r); err != nil {
		return err
	}
	for _, m := range r.Members {
		s, listed := p.Standing(m.Party)
		switch {
		case listed && s.State == "accepted" && s.Name == m.Name:
		case listed && s.State == "invited", r.By != n.me():
			return fed.Errorf(fed.Unavailable, "Wait until everybody has heard of its answer.", "%s takes no part in the project as far as is known here", m.Name)
		default:
			return fed.Errorf(fed.Permission, "Start the run again without it.", "%s is not a member of the project now", m.Name)
		}
	}
	return nil
}

// starterStays refuses a run of who has no say any more. Its word and its run are in
// one chain, so that a run that is known here is never ahead of the acceptance; only
// the roster may be behind.
func (n *Node) starterStays(r experiment.Run) error {
	if n.takesPart(r.By, r.Project) {
		return nil
	}
	p, _ := n.projects.Get(r.Project)
	if _, listed := p.Standing(r.By); !listed && r.By != n.me() {
		return fed.Errorf(fed.Unavailable, "Wait a moment.", "who started the run is not on the list of members here")
	}
	return fed.Errorf(fed.Permission, "Start the run from a member of the project.", "who started the run is not a member of the project")
}

// mayGoOn checks the parties of a run at a late place: before the first round as at
// its beginning, later only who started it, since members may leave a run.
func (n *Node) mayGoOn(r experiment.Run) error {
	if len(r.Rounds) == 0 {
		return n.allMembers(r)
	}
	return n.starterStays(r)
}

// stillIn returns a run with those of its members alone that take part now.
func (n *Node) stillIn(run fed.Run) fed.Run {
	run.Members = slices.DeleteFunc(slices.Clone(run.Members), func(m fed.RunMember) bool { return !n.takesPart(m.Party, run.Project) })
	return run
}

// mayGet refuses to send a part of a run or of an alignment to a party that takes no
// part in its project; the refusal is counted. Other messages pass.
func (n *Node) mayGet(to fed.PartyID, m wire.Message) error {
	var err error
	if a, ok := m.(wire.Align); ok {
		err = n.standsIn(to, a.Project)
	} else if id, ok := runIn(m); ok {
		r, known := n.tracker.Run(id)
		if !known {
			return fed.Errorf(fed.NotFound, "", "the run is not known here")
		}
		err = n.hasSay(to, r.Run)
	}
	if err != nil {
		n.counts.refuse(string(m.Kind()) + ": not sent to who takes no part")
	}
	return err
}

// runIn returns the run that a message carries a part of.
func runIn(m wire.Message) (fed.RunID, bool) {
	switch m := m.(type) {
	case wire.Update:
		return m.Run, true
	case wire.Eval:
		return m.Run, true
	case wire.Score:
		return m.Run, true
	case wire.Control:
		return m.Grid, true
	}
	id, _, _, ok := fromWire(m)
	return id, ok
}

// goodbye reports whether a message only says that its sender goes, which also who
// has left the project may say.
func goodbye(m round.Msg) bool {
	p, ok := m.(round.Presence)
	return ok && p.Absent
}
