package node

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/project"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

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
	n.inbox.answered(ctx, "consent", id)
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
	p, err := n.project(string(id))
	if err != nil {
		return err
	}
	if err := n.barred(ds, p.Admin); err != nil {
		return err
	}
	days := l.Days
	if days <= 0 || days > 3650 {
		days = 365
	}
	now := n.opts.Now()
	lim := project.Limits{MaxRuns: l.MaxRuns, MaxRounds: l.MaxRounds, MinParties: l.MinParties}
	limits, err := stored(lim)
	if err != nil {
		return err
	}
	if err := n.db.EndConsents(ctx, query.EndConsentsParams{EndedMs: ms(now), Project: string(id)}); err != nil {
		return fmt.Errorf("end earlier consents: %w", err)
	}
	cid := newHex()
	err = n.db.PutConsent(ctx, query.PutConsentParams{
		ID: cid, Project: string(id), Dataset: string(ds), Digest: string(digest), Limits: limits,
		CreatedMs: ms(now), UntilMs: ms(now.Add(time.Duration(days) * 24 * time.Hour)), Fingerprint: string(rec.file),
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
		c := project.Consent{ID: r.ID, Project: id, Dataset: fed.DatasetID(r.Dataset), Digest: fed.Digest(r.Digest), File: fed.Digest(r.Fingerprint), CreatedMs: r.CreatedMs, UntilMs: r.UntilMs}
		if err := json.Unmarshal([]byte(r.Limits), &c.Limits); err != nil {
			return c, fmt.Errorf("read consent: %w", err)
		}
		return c, nil
	}
	return project.Consent{}, fed.Errorf(fed.Permission, "Accept the project first.", "this party has not consented to the project")
}

// consents checks a run against this party's consent, the agreed preparation, and
// what its owner said about access to the dataset. What may be only not yet known
// here, or may still come, is of kind Unavailable.
func (n *Node) consents(run fed.Run) error {
	p, ok := n.projects.Get(run.Project)
	if !ok {
		return fed.Errorf(fed.Unavailable, "Wait a moment.", "the project is not known here yet")
	}
	me, listed := p.Standing(n.me())
	switch {
	case !listed:
		return fed.Errorf(fed.Unavailable, "Wait a moment.", "it is not on the list of members that it knows")
	case me.State == "invited":
		return fed.Errorf(fed.Unavailable, "Wait until it has accepted the project.", "it has not accepted the project yet")
	case me.State != "accepted":
		return fed.Errorf(fed.Permission, "Start the run again without it.", "it takes no part in the project")
	case p.Alignment == nil || p.Alignment.Digest != run.Preparation:
		return fed.Errorf(fed.Unavailable, "Wait until the agreed columns have reached everybody, or compare the columns again.", "the agreed columns of the run are not on this computer")
	}
	c, err := n.consentOf(n.ctx, run.Project)
	if err != nil {
		return err
	}
	if err := experiment.Agrees(n.sheetOf(p), run.Config).Err(fed.Permission); err != nil {
		n.counts.refuse(notAsAgreed)
		return err
	}
	if err := n.stands(n.ctx, p, c); err != nil {
		n.counts.refuse(notConsented)
		return err
	}
	users := []fed.PartyID{p.Admin}
	if r, ok := n.tracker.Run(run.ID); ok {
		users = append(users, r.By)
	}
	if err := n.barred(c.Dataset, users...); err != nil {
		return err
	}
	if err := n.data.allowsRun(c.Dataset, run); err != nil {
		return err
	}
	return c.Allows(n.stillIn(run), n.grids.joinedBefore(run), ms(n.opts.Now()))
}

// barred refuses the use of a dataset by a party to which its owner refused access,
// or whose access was revoked, whatever project was consented to.
func (n *Node) barred(id fed.DatasetID, users ...fed.PartyID) error {
	r, ok := n.data.get(id)
	if !ok {
		return fed.Errorf(fed.NotFound, "Choose another dataset.", "its dataset is not here any more")
	}
	for _, p := range users {
		if state, barred := n.data.cards.Barred(r.cardID, p, ms(n.opts.Now())); barred {
			return fed.Errorf(fed.Permission, "Approve a request for access in the catalog first, or use another dataset.", "the access of %s to its dataset was %s", n.nameOf(string(p)), state)
		}
	}
	return nil
}

// DeclineProject says no to an invitation.
func (n *Node) DeclineProject(ctx context.Context, id, reason string) (view.Project, error) {
	if err := n.othersProject(id); err != nil {
		return view.Project{}, err
	}
	return n.sayNo(ctx, id, fed.DocDecline, reason)
}

// LeaveProject ends this party's membership and consent; its data stay here.
func (n *Node) LeaveProject(ctx context.Context, id, reason string) (view.Project, error) {
	if err := n.othersProject(id); err != nil {
		return view.Project{}, err
	}
	return n.sayNo(ctx, id, fed.DocLeave, reason)
}

// othersProject refuses the admin, without whom a project could not go on.
func (n *Node) othersProject(id string) error {
	p, err := n.project(id)
	if err == nil && p.Admin == n.me() {
		err = fed.Errorf(fed.Invalid, "Stop its runs. Another party can start a new project.", "the admin cannot leave its own project")
	}
	return err
}

func (n *Node) sayNo(ctx context.Context, id, kind, reason string) (view.Project, error) {
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
