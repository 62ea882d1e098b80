package node

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/contribution"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/project"
	"synergos.app/desktop/backend/storage/sqlite/query"
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

// startConfig returns what every experiment starts from: the caller's, or the
// proposal of the dataset's profile.
func (n *Node) startConfig(ctx context.Context, given *fed.RunConfig, datasetID string) (fed.RunConfig, error) {
	if given != nil {
		if given.Version == 0 {
			given.Version = 1
		}
		return *given, experiment.Check(*given)
	}
	cfg, err := n.data.proposal(datasetID)
	if err != nil {
		return fed.RunConfig{}, err
	}
	if err := experiment.Check(cfg); err != nil {
		return fed.RunConfig{}, fed.Errorf(fed.Invalid, "Choose the column to predict on the Data page first.", "the dataset is not ready for a project: %w", err)
	}
	return cfg, nil
}

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

// AcceptProject joins a project with a dataset, after its sheet was read.
func (n *Node) AcceptProject(ctx context.Context, id, datasetID, digest string, limits view.Limits) (view.Project, error) {
	p, err := n.project(id)
	if err != nil {
		return view.Project{}, err
	}
	rec, err := n.dataset(datasetID)
	if err != nil {
		return view.Project{}, err
	}
	sheet, err := n.ConsentSheet(ctx, id, datasetID)
	if err != nil {
		return view.Project{}, err
	}
	if digest != sheet.Digest {
		return view.Project{}, fed.Errorf(fed.Exists, "Read the sheet again; it has changed.", "the consent is for another version of the sheet")
	}
	if err := n.consent(ctx, p.ID, rec.id, fed.Digest(digest), limits); err != nil {
		return view.Project{}, err
	}
	n.introduce(ctx, p)
	n.inbox.answered(ctx, "invitation", id)
	return n.Project(ctx, id)
}

// consent records what this party agreed to, then says so to the others.
func (n *Node) consent(ctx context.Context, id fed.ProjectID, ds fed.DatasetID, digest fed.Digest, l view.Limits) error {
	rec, err := n.dataset(string(ds))
	if err != nil {
		return err
	}
	if rec.tutorial && !n.practice(id) {
		return fed.Errorf(fed.Invalid, "Choose a dataset of your own.", "the data of the tutorial take no part in real projects")
	}
	days := l.Days
	if days <= 0 || days > 3650 {
		days = 365
	}
	now := n.opts.Now()
	lim := project.Limits{MaxRuns: l.MaxRuns, MaxRounds: l.MaxRounds, MinParties: l.MinParties}
	if err := n.db.EndConsents(ctx, query.EndConsentsParams{EndedMs: ms(now), Project: string(id)}); err != nil {
		return fmt.Errorf("end earlier consents: %w", err)
	}
	cid := newHex()
	err = n.db.PutConsent(ctx, query.PutConsentParams{
		ID: cid, Project: string(id), Dataset: string(ds), Digest: string(digest), Limits: toJSON(lim),
		CreatedMs: ms(now), UntilMs: ms(now.Add(time.Duration(days) * 24 * time.Hour)),
	})
	if err != nil {
		return fmt.Errorf("save consent: %w", err)
	}
	n.consentMu.Lock()
	n.consentIDs[id] = cid
	n.consentMu.Unlock()
	_, err = n.book.Append(ctx, fed.ScopeProject(id), fed.DocAccept, string(id), fed.AcceptDoc{Consent: digest, Card: rec.cardID, Title: rec.title(), RowBand: rec.rowBand})
	return err
}

// loadConsents reads the living consents for the egress ledger.
func (n *Node) loadConsents(ctx context.Context) error {
	rows, err := n.db.ListConsents(ctx)
	if err != nil {
		return fmt.Errorf("read consents: %w", err)
	}
	n.consentMu.Lock()
	defer n.consentMu.Unlock()
	for _, r := range rows {
		if r.EndedMs == 0 {
			n.consentIDs[fed.ProjectID(r.Project)] = r.ID
		}
	}
	return nil
}

// consentOf returns this party's living consent for a project.
func (n *Node) consentOf(ctx context.Context, id fed.ProjectID) (project.Consent, error) {
	rows, err := n.db.ListConsents(ctx)
	if err != nil {
		return project.Consent{}, fmt.Errorf("read consents: %w", err)
	}
	for _, r := range slices.Backward(rows) {
		if fed.ProjectID(r.Project) != id || r.EndedMs != 0 {
			continue
		}
		c := project.Consent{ID: r.ID, Project: id, Dataset: fed.DatasetID(r.Dataset), Digest: fed.Digest(r.Digest), CreatedMs: r.CreatedMs, UntilMs: r.UntilMs}
		if err := json.Unmarshal([]byte(r.Limits), &c.Limits); err != nil {
			return c, fmt.Errorf("read consent: %w", err)
		}
		return c, nil
	}
	return project.Consent{}, fed.Errorf(fed.Permission, "Accept the project first.", "this party has not consented to the project")
}

// consents checks a run against this party's consent and the agreed preparation.
func (n *Node) consents(run fed.Run) error {
	p, ok := n.projects.Get(run.Project)
	if !ok {
		return fed.Errorf(fed.Unavailable, "Wait a moment.", "the project is not known here yet")
	}
	if !n.projects.Member(run.Project, n.me()) {
		return fed.Errorf(fed.Permission, "Accept the project first.", "it has not accepted the project")
	}
	if p.Alignment == nil || p.Alignment.Digest != run.Preparation {
		return fed.Errorf(fed.Unavailable, "Wait until the alignment has reached everybody, or align again.", "the agreed preparation of the run is not here")
	}
	c, err := n.consentOf(n.ctx, run.Project)
	if err != nil {
		return err
	}
	if err := n.data.allowsRun(c.Dataset, run); err != nil {
		return err
	}
	return c.Allows(run, n.grids.joinedBefore(run), ms(n.opts.Now()))
}

// allMembers refuses a run with parties that are not members of the project now, or
// that carry another name there: who left has no say, and receives nothing.
func (n *Node) allMembers(r experiment.Run) error {
	p, ok := n.projects.Get(r.Project)
	if !ok {
		return fed.Errorf(fed.Unavailable, "Wait a moment.", "the project is not known here yet")
	}
	names := map[fed.PartyID]string{}
	for _, s := range p.Accepted() {
		names[s.Party] = s.Name
	}
	if names[r.By] == "" {
		return fed.Errorf(fed.Permission, "Start the run from a member of the project.", "who started the run is not a member of the project")
	}
	for _, m := range r.Members {
		if names[m.Party] != m.Name {
			return fed.Errorf(fed.Permission, "Start the run again without it.", "%s is not a member of the project now", m.Name)
		}
	}
	return nil
}

// DeclineProject says no to an invitation.
func (n *Node) DeclineProject(ctx context.Context, id, reason string) (view.Project, error) {
	return n.sayNo(ctx, id, fed.DocDecline, reason)
}

// LeaveProject ends this party's membership and consent; its data stay here.
func (n *Node) LeaveProject(ctx context.Context, id, reason string) (view.Project, error) {
	p, err := n.project(id)
	if err != nil {
		return view.Project{}, err
	}
	if p.Admin == n.me() {
		return view.Project{}, fed.Errorf(fed.Invalid, "Hand the project over to another party by starting a new one there.", "the admin cannot leave its own project")
	}
	return n.sayNo(ctx, id, fed.DocLeave, reason)
}

func (n *Node) sayNo(ctx context.Context, id, kind, reason string) (view.Project, error) {
	if _, err := n.project(id); err != nil {
		return view.Project{}, err
	}
	if err := n.cancelOwn(ctx, id); err != nil {
		return view.Project{}, err
	}
	if err := n.db.EndConsents(ctx, query.EndConsentsParams{EndedMs: ms(n.opts.Now()), Project: id}); err != nil {
		return view.Project{}, fmt.Errorf("end consents: %w", err)
	}
	if _, err := n.book.Append(ctx, fed.ScopeProject(fed.ProjectID(id)), kind, id, fed.ReasonDoc{Reason: reason}); err != nil {
		return view.Project{}, err
	}
	for _, r := range n.tracker.Runs(func(r experiment.Run) bool { return string(r.Project) == id && r.End == nil }) {
		n.grids.leave(r.ID)
	}
	n.inbox.answered(ctx, "invitation", id)
	return n.Project(ctx, id)
}

// cancelOwn ends the runs that this party queued in a project, while the others
// still listen to it.
func (n *Node) cancelOwn(ctx context.Context, id string) error {
	for _, r := range n.tracker.Runs(func(r experiment.Run) bool { return string(r.Project) == id && r.By == n.me() && r.End == nil }) {
		end := fed.RunEnd{Run: r.ID, State: "cancelled", Reason: "user", Problem: "the party that started it left the project", Rounds: max(len(r.Rounds)-1, 0)}
		if err := n.grids.EndRun(ctx, r.Run, end); err != nil {
			return err
		}
	}
	return nil
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
	case d.Kind == fed.DocProject && d.Author == n.me():
		n.introduce(ctx, p)
	}
	if d.Kind == fed.DocAccept || d.Kind == fed.DocProject {
		for _, q := range n.peers.online() { // a new reader has older documents to catch up on
			n.greet(ctx, q)
		}
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
func (n *Node) projectState(p project.Project) (state, sentence string) {
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
	case align == "agreed":
		return "ready", fmt.Sprintf("%d parties are aligned and ready to train.", len(p.Accepted()))
	case align == "confirm" && p.Admin == n.me():
		return "confirm", "Some columns have other names at other parties: confirm which belong together."
	case align == "gathering" || align == "stats":
		return "aligning", "The parties are telling each other about their columns."
	case len(waiting) > 0:
		return "gathering", "Waiting for " + list(waiting) + " to accept."
	case p.Admin == n.me():
		return "gathering", "Everybody has answered: align the columns next."
	}
	return "gathering", fmt.Sprintf("Waiting for %s to align the columns.", n.nameOf(string(p.Admin)))
}

// list joins names as people do.
func list(names []string) string {
	switch len(names) {
	case 0:
		return "nobody"
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// virtual reports whether this node is a virtual party of a rehearsal.
func (n *Node) virtual() bool { return n.opts.Volatile }
