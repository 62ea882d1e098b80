package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset/cohort"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/project"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// The tutorial is a federation with virtual parties in this process. They speak the
// real protocol over real sockets on this computer, hold synthetic data, and follow
// this party's invitations. It goes on after a restart, and its end leaves nothing
// of it on the screens.

// tutorialHospital is whose synthetic data this party holds in the tutorial.
const tutorialHospital = "riverside"

// StartTutorial starts the virtual parties and adds the data of the tutorial. It is
// safe to call again.
func (n *Node) StartTutorial(ctx context.Context) (view.Tutorial, error) {
	if n.opts.Tutorial == nil {
		return view.Tutorial{}, fed.Errorf(fed.Unavailable, "Start the app normally.", "the tutorial is not available here")
	}
	ctx = context.WithoutCancel(ctx) // a page that is closed leaves no half tutorial
	n.tutorialMu.Lock()
	defer n.tutorialMu.Unlock()
	if !n.tutorialOn() {
		err := n.clearTutorial(ctx)
		if err == nil {
			err = n.settings.put(ctx, tutorialKey, strconv.FormatInt(ms(n.opts.Now()), 10))
		}
		if err != nil {
			return view.Tutorial{}, err
		}
	}
	if err := n.joinTutorial(ctx); err != nil {
		return view.Tutorial{}, err
	}
	n.tutorialChanged()
	return n.Tutorial(ctx)
}

// resumeTutorial goes on after a restart, with the tutorial or with its end.
func (n *Node) resumeTutorial() {
	n.tutorialMu.Lock()
	defer n.tutorialMu.Unlock()
	resume := n.clearTutorial
	if n.tutorialOn() {
		resume = n.joinTutorial
	}
	if err := resume(n.ctx); err != nil && n.ctx.Err() == nil {
		n.opts.Log.Warn("tutorial not resumed", "error", err.Error())
	}
	n.tutorialChanged()
}

// joinTutorial brings the virtual parties and the data. The caller holds
// tutorialMu.
func (n *Node) joinTutorial(ctx context.Context) error {
	if n.endTutorial == nil {
		stop, err := n.opts.Tutorial.Join(n.ctx, n)
		if err != nil {
			return fmt.Errorf("start the virtual parties: %w", err)
		}
		n.endTutorial = stop
	}
	if len(n.tutorialData()) > 0 {
		return nil
	}
	for _, f := range cohort.All(sampleSeed) {
		if f.Hospital == tutorialHospital {
			f.Name = tutorialFile
			_, err := n.data.addSample(ctx, f, saved{Name: title(f.Hospital) + " heart data (tutorial)", Tutorial: true})
			return err
		}
	}
	return fmt.Errorf("no sample of %s", tutorialHospital)
}

const tutorialFile = "tutorial.csv"

// tutorialData returns the ids of the datasets that the tutorial added.
func (n *Node) tutorialData() []string {
	var out []string
	for _, o := range n.data.sorted() {
		if s, _ := n.data.snap(o); s.Tutorial {
			out = append(out, string(o.id))
		}
	}
	return out
}

// EndTutorial stops and forgets the virtual parties, and archives what was made
// with them.
func (n *Node) EndTutorial(ctx context.Context) error {
	if n.opts.Tutorial == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	n.tutorialMu.Lock()
	defer n.tutorialMu.Unlock()
	// The decision first: a crash from here on is made good at the next start.
	if err := n.settings.put(ctx, tutorialKey, ""); err != nil {
		return err
	}
	err := n.clearTutorial(ctx)
	n.tutorialChanged()
	return err
}

// stopTutorial ends the virtual parties. The caller holds tutorialMu.
func (n *Node) stopTutorial() {
	if n.endTutorial != nil {
		n.endTutorial()
		n.endTutorial = nil
	}
}

// clearTutorial removes what tutorials of the past left, as often as it is called.
// The caller holds tutorialMu.
func (n *Node) clearTutorial(ctx context.Context) error {
	var errs []error
	for _, p := range n.projects.All() {
		if n.archived(p) {
			errs = append(errs, n.closePractice(ctx, p))
		}
	}
	n.stopTutorial()
	for _, d := range n.peers.livingVirtual() {
		errs = append(errs, n.Revoke(ctx, d))
	}
	for _, id := range n.tutorialData() {
		errs = append(errs, n.ForgetDataset(ctx, id))
	}
	if err := os.Remove(filepath.Join(n.opts.Home, "samples", tutorialFile)); !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	errs = append(errs, n.opts.Tutorial.Clear())
	if err := errors.Join(errs...); err != nil {
		return fed.Errorf(fed.Unavailable, "Restart the app; it tries again.", "what is left of the tutorial cannot be removed: %w", err)
	}
	return nil
}

// closePractice ends the runs, consents, questions and deployments of a project.
func (n *Node) closePractice(ctx context.Context, p project.Project) error {
	errs := []error{n.cancelOwn(ctx, string(p.ID))}
	n.inbox.answered(ctx, "alignment", string(p.ID))
	if err := n.db.EndConsents(ctx, query.EndConsentsParams{EndedMs: ms(n.opts.Now()), Project: string(p.ID)}); err != nil {
		errs = append(errs, fmt.Errorf("end consents: %w", err))
	}
	n.consentMu.Lock()
	delete(n.consentIDs, p.ID)
	n.consentMu.Unlock()
	for _, m := range n.registry.Models() {
		if m.Project != p.ID {
			continue
		}
		for _, q := range n.registry.Requests(p.ID, m.Name) {
			n.inbox.answered(ctx, "stage", q.ID)
		}
		errs = append(errs, n.servings.forget(ctx, m.ID()))
	}
	return errors.Join(errs...)
}

// tutorialChanged tells the screens.
func (n *Node) tutorialChanged() {
	for _, kind := range []string{"project", "dataset", "peer", "run", "model", "serving", "inbox"} {
		n.publish(kind, "", nil)
	}
	n.statusChanged()
}
