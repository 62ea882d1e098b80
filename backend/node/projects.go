package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/contribution"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/project"
)

// project returns a project or NotFound.
func (n *Node) project(id string) (project.Project, error) {
	p, ok := n.projects.Get(fed.ProjectID(id))
	if !ok {
		return p, fed.Errorf(fed.NotFound, "Reload the list of projects.", "there is no such project here")
	}
	return p, nil
}

// administered returns a project that this party administers.
func (n *Node) administered(id string) (project.Project, error) {
	p, err := n.project(id)
	if err == nil && p.Admin != n.me() {
		err = fed.Errorf(fed.Permission, "Ask the admin.", "only the admin of the project may do this")
	}
	return p, err
}

// CreateProject makes a project with this party as its admin and first member, and
// invites others.
func (n *Node) CreateProject(ctx context.Context, in view.ProjectCreate) (view.Project, error) {
	if strings.TrimSpace(in.Name) == "" {
		return view.Project{}, fed.Errorf(fed.Invalid, "Give the project a name.", "the project has no name")
	}
	rec, err := n.dataset(in.DatasetID)
	if err != nil {
		return view.Project{}, err
	}
	cfg, err := n.startConfig(ctx, in.Config, in.DatasetID)
	if err != nil {
		return view.Project{}, err
	}
	nonce := newHex()
	doc := fed.ProjectDoc{
		ID: fed.NewProjectID(n.me(), nonce), Nonce: nonce, Name: strings.TrimSpace(in.Name), Purpose: in.Purpose, Revision: 1, Admin: n.me(), Config: cfg,
		Policy: policyFrom(in.Policy), Tutorial: rec.tutorial || slices.ContainsFunc(in.Invite, n.peers.virtual),
	}
	me, err := n.selfMember()
	if err != nil {
		return view.Project{}, err
	}
	doc.Members = []fed.Member{me}
	for _, p := range in.Invite {
		if err := n.addMember(&doc, fed.PartyID(p)); err != nil {
			return view.Project{}, err
		}
	}
	if err := approversAreMembers(doc); err != nil {
		return view.Project{}, err
	}
	scope := fed.ScopeProject(doc.ID)
	if _, err := n.book.Append(ctx, scope, fed.DocProject, string(doc.ID), doc); err != nil {
		return view.Project{}, err
	}
	sheet, err := n.ConsentSheet(ctx, string(doc.ID), in.DatasetID)
	if err != nil {
		return view.Project{}, err
	}
	if err := n.consent(ctx, doc.ID, rec.id, fed.Digest(sheet.Digest), view.Limits{}); err != nil {
		return view.Project{}, err
	}
	return n.Project(ctx, string(doc.ID))
}

func policyFrom(p view.ProjectPolicy) fed.Policy {
	out := fed.Policy{PoolCents: p.PoolCents, Currency: p.Currency, Production: p.Production, Mode: "open", Basis: cmp.Or(p.Basis, string(contribution.Pooled)), Floor: max(p.Floor, 10), Approvers: []fed.PartyID{}}
	if out.Currency == "" {
		out.Currency = "EUR"
	}
	if out.Production == "" {
		out.Production = "majority"
	}
	for _, a := range p.Approvers {
		out.Approvers = append(out.Approvers, fed.PartyID(a))
	}
	return out
}

// approversAreMembers refuses a policy that waits for the vote of a party that has
// none: no version could ever go to production.
func approversAreMembers(doc fed.ProjectDoc) error {
	for _, a := range doc.Policy.Approvers {
		if !slices.ContainsFunc(doc.Members, func(m fed.Member) bool { return m.Party == a }) {
			return fed.Errorf(fed.Invalid, "Choose among the parties of the project, or invite it.", "party %s is to approve models but is not a member of the project", a.Short())
		}
	}
	return nil
}

// startConfig returns what every experiment starts from: the caller's, or the
// proposal of the dataset's profile.
func (n *Node) startConfig(ctx context.Context, given *fed.RunConfig, datasetID string) (fed.RunConfig, error) {
	if given != nil {
		if given.Version == 0 {
			given.Version = 1
		}
		return *given, startable(*given)
	}
	cfg, err := n.data.proposal(datasetID)
	if err != nil {
		return fed.RunConfig{}, err
	}
	if err := startable(cfg); err != nil {
		return fed.RunConfig{}, fed.Errorf(fed.Invalid, "Choose the column to predict under My data first.", "the dataset is not ready for a project: %w", err)
	}
	return cfg, nil
}

// startable refuses a configuration that no run could use, or that no member would
// answer for.
func startable(cfg fed.RunConfig) error {
	if err := experiment.Check(cfg); err != nil {
		return err
	}
	return experiment.Agrees(experiment.Sheet{Config: cfg, Floor: dataset.DefaultFloor}, cfg).Err(fed.Invalid)
}

// projectFollow is what a new document of a project leads to.
func (n *Node) projectFollow(ctx context.Context, id fed.ProjectID, d fed.Doc) {
	p, ok := n.projects.Get(id)
	if !ok {
		return
	}
	me, _ := p.Standing(n.me())
	switch {
	case d.Kind == fed.DocProject && me.State == "invited" && p.Admin != n.me():
		n.inbox.ask(ctx, view.InboxEntry{
			ID: "invitation-" + string(id), Kind: "invitation", Subject: string(id), From: n.nameOf(string(p.Admin)),
			Title: fmt.Sprintf("%s invites you to “%s”", n.nameOf(string(p.Admin)), p.Name), Text: p.Purpose, Href: "/projects/" + string(id),
		})
	case d.Kind == fed.DocProject && me.State == "accepted":
		n.introduce(ctx, p)
		n.askAgain(ctx, p)
	case d.Kind == fed.DocProject && d.Author == n.me():
		n.introduce(ctx, p)
	}
	if d.Kind == fed.DocAccept || d.Kind == fed.DocProject {
		n.catchUp(ctx, p)
	}
	n.publish("project", string(id), n.projectView(p))
	if d.Kind == fed.DocAlignment {
		n.publish("alignment", string(id), nil)
	}
	n.queue.Wake()
}

// Projects returns all projects, newest first.
func (n *Node) Projects(context.Context) ([]view.Project, error) {
	out := []view.Project{}
	for _, p := range n.projects.All() {
		if _, mine := p.Standing(n.me()); mine && !n.archived(p) {
			out = append(out, n.projectView(p))
		}
	}
	return out, nil
}

// Project returns one.
func (n *Node) Project(_ context.Context, id string) (view.Project, error) {
	p, err := n.project(id)
	if err != nil {
		return view.Project{}, err
	}
	return n.projectView(p), nil
}

func (n *Node) projectView(p project.Project) view.Project {
	v := view.Project{
		ID: string(p.ID), Name: p.Name, Purpose: p.Purpose, Task: p.Config.Task, Target: p.Config.Target, Admin: n.nameOf(string(p.Admin)),
		AdminID: string(p.Admin), Mine: p.Admin == n.me(), Config: p.Config, CreatedAt: at(p.CreatedMs), Tutorial: n.isPractice(p),
		Policy: view.ProjectPolicy{PoolCents: p.Policy.PoolCents, Currency: p.Policy.Currency, Production: p.Policy.Production, Mode: p.Policy.Mode, Basis: p.Policy.Basis, Floor: p.Policy.Floor, Approvers: []string{}},
	}
	for _, a := range p.Policy.Approvers {
		v.Policy.Approvers = append(v.Policy.Approvers, string(a))
	}
	for _, s := range p.Standings {
		v.Parties = append(v.Parties, view.ProjectParty{
			PartyID: string(s.Party), Name: s.Name, State: s.State, Online: n.peers.isOnline(s.Party), Me: s.Party == n.me(),
			Dataset: s.Accept.Title, RowBand: s.Accept.RowBand, Fingerprint: fed.Fingerprint(string(s.Party)), Rank: s.Rank,
		})
	}
	if c, err := n.consentOf(n.ctx, p.ID); err == nil {
		v.DatasetID = string(c.Dataset)
	}
	v.Runs = len(n.tracker.Runs(func(r experiment.Run) bool { return r.Project == p.ID }))
	v.State, v.Sentence = n.projectState(p)
	return v
}

// projectState returns where a project stands, with a sentence that says what is
// next.
func (n *Node) projectState(p project.Project) (state, text string) {
	me, _ := p.Standing(n.me())
	var waiting []string
	for _, s := range p.Standings {
		if s.State == "invited" {
			waiting = append(waiting, s.Name)
		}
	}
	align := n.aligns.state(p)
	switch {
	case n.archived(p):
		return "archived", "It belongs to a tutorial that has ended."
	case me.State == "invited":
		return "invited", "Read what will leave this computer, then accept or decline."
	case me.State == "declined" || me.State == "left":
		return "left", "This party does not take part."
	case n.outdated(p):
		return "invited", "What leaves this computer, or your file, has changed since you accepted. Read the sheet again, then accept or decline."
	case align == "agreed":
		k := len(p.Accepted())
		return "ready", fed.Count(k, "party") + fed.OneOr(k, " has agreed on the columns and is ready to train.", " have agreed on the columns and are ready to train.")
	case align == "confirm" && p.Admin == n.me():
		return "confirm", "Some columns have other names at other parties: confirm which belong together."
	case (align == "gathering" || align == "stats") && n.aligns.failed(p.ID):
		return "aligning", "Comparing the columns failed: see what happened, then compare again."
	case align == "gathering" || align == "stats":
		return "aligning", "The parties are telling each other about their columns."
	case len(waiting) > 0:
		return "gathering", "Waiting for " + list(waiting) + " to accept."
	case p.Admin == n.me() && len(p.Accepted()) < 2:
		return "gathering", "Invite a party: a project needs at least two that take part."
	case p.Admin == n.me():
		return "gathering", "Everybody has answered: compare the columns next."
	}
	return "gathering", fmt.Sprintf("Waiting for %s to compare the columns.", n.nameOf(string(p.Admin)))
}

// virtual reports whether this node is a virtual party of a rehearsal.
func (n *Node) virtual() bool { return n.opts.Volatile }
