package node

import (
	"slices"
	"strconv"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/service/project"
	"synergos.app/desktop/backend/service/registry"
)

// What belongs to the tutorial is kept apart from what is real by four marks, each
// set once: the source of a virtual peer, a flag of a dataset and of a project, and
// the time at which the tutorial began. Virtual peers read no document that is for
// the whole federation and write none; a project has real members or virtual ones;
// a dataset of the tutorial has no card and enters no other project; the frames to
// virtual peers and the rewards of their runs are in no ledger of this party.

// fromTutorial is the source of virtual peers.
const fromTutorial = "tutorial"

// tutorialKey is the setting that says since when the tutorial goes on, in
// milliseconds; "" while there is none.
const tutorialKey = "tutorial"

// tutorialSince returns when the tutorial began, or false.
func (n *Node) tutorialSince() (ms int64, on bool) {
	ms, err := strconv.ParseInt(n.settings.get(tutorialKey), 10, 64)
	return ms, err == nil
}

func (n *Node) tutorialOn() bool {
	_, on := n.tutorialSince()
	return on
}

// virtual reports whether a party or device is a virtual one, of this tutorial or
// of one that has ended.
func (b *peerBook) virtual(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.rows {
		if r.Source == fromTutorial && (r.Party == id || r.Device == id) {
			return true
		}
	}
	return false
}

// livingVirtual returns the devices of virtual parties that are not revoked.
func (b *peerBook) livingVirtual() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, r := range b.rows {
		if r.Source == fromTutorial && r.RevokedMs == 0 {
			out = append(out, r.Device)
		}
	}
	slices.Sort(out)
	return out
}

// isPractice reports whether a project is one of this party's tutorial. Another
// party's word for it counts for nothing.
func (n *Node) isPractice(p project.Project) bool { return p.Tutorial && p.Admin == n.me() }

func (n *Node) practice(id fed.ProjectID) bool {
	p, ok := n.projects.Get(id)
	return ok && n.isPractice(p)
}

// archived reports whether a project belongs to a tutorial that has ended.
func (n *Node) archived(p project.Project) bool {
	since, on := n.tutorialSince()
	return n.isPractice(p) && (!on || p.CreatedMs < since)
}

// past is archived by id.
func (n *Node) past(id fed.ProjectID) bool {
	p, ok := n.projects.Get(id)
	return ok && n.archived(p)
}

// unmixed refuses a party that would make a project half real and half virtual.
func (n *Node) unmixed(doc fed.ProjectDoc, p fed.PartyID) error {
	if doc.Tutorial == n.peers.virtual(string(p)) {
		return nil
	}
	kind := "virtual"
	if doc.Tutorial {
		kind = "real"
	}
	return fed.Errorf(fed.Invalid, "Invite real parties with data of your own, or the virtual parties of the tutorial alone.",
		"real and virtual parties are in no project together: %s is a %s party", n.nameOf(string(p)), kind)
}

// shown leaves out models of tutorials that have ended.
func (n *Node) shown(ms []registry.Model) []registry.Model {
	return slices.DeleteFunc(slices.Clone(ms), func(m registry.Model) bool { return n.past(m.Project) })
}

func (n *Node) shownModels() []registry.Model { return n.shown(n.registry.Models()) }
