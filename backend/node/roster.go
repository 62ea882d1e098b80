package node

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/project"
)

// selfMember returns this party as a member of a roster.
func (n *Node) selfMember() (fed.Member, error) {
	self := n.identity()
	st, err := json.Marshal(self.Signed())
	if err != nil {
		return fed.Member{}, fmt.Errorf("write statement: %w", err)
	}
	m := fed.Member{Party: self.Party(), Name: self.Name(), Device: self.Device(), OrgKey: self.PublicKey(), Statement: st, Addrs: []string{}}
	if n.peers.dialer != nil {
		m.Addrs = clip(n.peers.dialer.Addrs(), 16)
	}
	return m, nil
}

// addMember puts a paired party on a roster, under a name that is unique there.
func (n *Node) addMember(doc *fed.ProjectDoc, p fed.PartyID) error {
	for _, m := range doc.Members {
		if m.Party == p {
			return nil
		}
	}
	if err := n.unmixed(*doc, p); err != nil {
		return err
	}
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	for d, r := range n.peers.rows {
		if fed.PartyID(r.Party) != p || r.RevokedMs != 0 {
			continue
		}
		m := fed.Member{Party: p, Name: r.Name, Device: d, OrgKey: r.OrgKey, Statement: r.Statement, Addrs: n.peers.addresses(d, r), Rank: len(doc.Members)}
		if slices.ContainsFunc(doc.Members, func(o fed.Member) bool { return o.Name == m.Name }) {
			m.Name += " " + p.Short()
		}
		if m.Addrs == nil {
			m.Addrs = []string{}
		}
		doc.Members = append(doc.Members, m)
		return nil
	}
	return fed.Errorf(fed.NotFound, "Pair with it first, on the Peers page.", "party %s is not paired with this computer", p.Short())
}

// InviteParties adds parties to a project.
func (n *Node) InviteParties(ctx context.Context, id string, parties []string) (view.Project, error) {
	p, err := n.administered(id)
	if err != nil {
		return view.Project{}, err
	}
	doc := p.ProjectDoc
	doc.Members = slices.Clone(doc.Members)
	doc.Revision++
	for _, q := range parties {
		if err := n.addMember(&doc, fed.PartyID(q)); err != nil {
			return view.Project{}, err
		}
	}
	if _, err := n.book.Append(ctx, fed.ScopeProject(p.ID), fed.DocProject, id, doc); err != nil {
		return view.Project{}, err
	}
	return n.Project(ctx, id)
}

// introduce pairs with the other members of an accepted project: the roster is
// signed by the admin, each statement by its own organisation.
func (n *Node) introduce(ctx context.Context, p project.Project) {
	for _, m := range p.Members {
		if m.Party == n.me() {
			continue
		}
		if _, known := n.peers.Lookup(m.Device); known {
			continue
		}
		n.peers.mu.Lock()
		_, row := n.peers.rows[m.Device]
		n.peers.mu.Unlock()
		if row {
			continue // revoked here: the roster does not bring it back
		}
		var signed identity.Signed
		err := json.Unmarshal(m.Statement, &signed)
		if err == nil {
			err = n.introduceOne(ctx, p, m, signed)
		}
		if err != nil {
			n.counts.refuse("roster: " + fed.KindOf(err).String())
			n.opts.Log.Warn("member not introduced", "party", m.Party.Short(), "error", err.Error())
		}
	}
}

func (n *Node) introduceOne(ctx context.Context, p project.Project, m fed.Member, signed identity.Signed) error {
	st, err := identity.VerifyStatement(signed, n.opts.Now())
	if err != nil {
		return err
	}
	if st.Party != m.Party || st.Device != m.Device {
		return fed.Errorf(fed.Permission, "", "the statement speaks of another device")
	}
	addrs := slices.DeleteFunc(slices.Clone(m.Addrs), func(a string) bool { return !identity.ValidAddr(a) })
	return n.peers.add(ctx, st, signed, addrs, "project", fmt.Sprintf("introduced by %s in project %s", n.nameOf(string(p.Admin)), p.Name))
}
