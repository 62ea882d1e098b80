package node

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/node/view"
)

// opens asks the mark to join a run of the liar's and returns the refusal.
func (s *siege) opens(cfg fed.RunConfig) error {
	s.t.Helper()
	run := s.liar.forge(s.project, cfg, true)
	Eventually(s.t, "the run to arrive", func() bool { _, ok := s.mark.tracker.Run(run.ID); return ok })
	body := must(json.Marshal(run))(s.t)
	_, err := s.liar.net.Request(s.t.Context(), s.mark.me(), wire.Query{Name: askOpen, Body: body})
	return err
}

func (s *siege) mustRefuse(what, words string, err error) {
	s.t.Helper()
	if fed.KindOf(err) != fed.Permission || !strings.Contains(err.Error(), words) {
		s.t.Errorf("%s: got %v, want a refusal with %q", what, err, words)
	}
}

// A consent is for one sheet. When the admin changes what the project asks, nothing
// is trained or answered until the person has read the new sheet.
func TestConsentIsForOneSheet(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(2)
	project := l.Project(cfg, nil)
	admin, mark := l.Hospital[0], l.Hospital[1]
	s := &siege{t: t, project: project, liar: admin, mark: mark}
	ctx := t.Context()
	old := must(mark.ConsentSheet(ctx, project, mark.Data))(t)
	if err := s.opens(cfg); err != nil {
		t.Fatalf("under the sheet that was read: %v", err)
	}
	p, _ := admin.projects.Get(fed.ProjectID(project))
	doc := p.ProjectDoc
	doc.Revision++
	doc.Config.Test.Fraction = 0.2
	must(admin.book.Append(ctx, fed.ScopeProject(p.ID), fed.DocProject, project, doc))(t)
	Eventually(t, "the changed project to arrive", func() bool { return must(mark.Project(ctx, project))(t).State == "invited" })
	Eventually(t, "the person to be asked again", func() bool {
		for _, e := range must(mark.Inbox(ctx))(t) {
			if e.Kind == "consent" && e.Subject == project && !e.Done {
				return true
			}
		}
		return false
	})
	before := mark.counted(notConsented)
	s.mustRefuse("a run under the new sheet", "has changed since its person accepted", s.opens(doc.Config))
	if mark.counted(notConsented) == before {
		t.Error("not counted")
	}
	_, err := mark.aligns.answer(ctx, admin.me(), wire.Align{Project: p.ID, Step: stepOffer, Body: []byte("{}")})
	s.mustRefuse("a question for columns", "has changed since its person accepted", err)
	_, err = mark.AcceptProject(ctx, project, mark.Data, old.Digest, view.Limits{})
	if fed.KindOf(err) != fed.Exists {
		t.Errorf("accepting the sheet that was read before: %v", err)
	}
	now := must(mark.ConsentSheet(ctx, project, mark.Data))(t)
	if now.Digest == old.Digest {
		t.Fatal("two sheets have one digest")
	}
	must(mark.AcceptProject(ctx, project, mark.Data, now.Digest, view.Limits{}))(t)
	same(t, "state", must(mark.Project(ctx, project))(t).State, "ready")
	if err := s.opens(doc.Config); err != nil {
		t.Errorf("after the new sheet was accepted: %v", err)
	}
}

// A party that takes part consents again: the new limits and the new end take the
// place of the old ones.
func TestConsentIsRenewed(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(2)
	project := l.Project(cfg, map[string]view.Limits{trio[1]: {MaxRounds: 1, Days: 1}})
	mark := l.Hospital[1]
	s := &siege{t: t, project: project, liar: l.Hospital[0], mark: mark}
	s.mustRefuse("a run beyond the limit", "at most 1 round", s.opens(cfg))
	ctx := t.Context()
	old := must(mark.consentOf(ctx, fed.ProjectID(project)))(t)
	mark.accept(project, view.Limits{Days: 30})
	if err := s.opens(cfg); err != nil {
		t.Errorf("after the consent was renewed: %v", err)
	}
	now := must(mark.consentOf(ctx, fed.ProjectID(project)))(t)
	if now.ID == old.ID || now.UntilMs-old.UntilMs < 28*24*3600*1000 || now.Limits.MaxRounds != 0 {
		t.Errorf("renewed to %+v from %+v", now, old)
	}
	living := 0
	for _, c := range must(mark.db.ListConsents(ctx))(t) {
		living += fromBool(c.Project == project && c.EndedMs == 0)
	}
	same(t, "consents that hold", living, 1)
	same(t, "state", must(mark.Project(ctx, project))(t).State, "ready")
}

// A consent is for one file. Changed or gone, nothing of it is used; the same bytes
// put back are the same file.
func TestConsentIsForOneFile(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(2)
	project := l.Project(cfg, nil)
	mark := l.Hospital[1]
	s := &siege{t: t, project: project, liar: l.Hospital[2], mark: mark}
	rec, _ := mark.data.get(fed.DatasetID(mark.Data))
	file := must(os.ReadFile(rec.path))(t)
	write := func(b []byte) {
		if err := os.WriteFile(rec.path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.SplitAfter(string(file), "\n")
	write([]byte(strings.Join(append(lines, lines[1]), "")))
	s.mustRefuse("a row more", "the file of its dataset has changed", s.opens(cfg))
	if err := os.Remove(rec.path); err != nil {
		t.Fatal(err)
	}
	err := s.opens(cfg)
	s.mustRefuse("no file", "not where it was", err)
	if strings.Contains(err.Error(), rec.path) || strings.Contains(err.Error(), "lakeview.csv") {
		t.Errorf("the name of the file leaves: %v", err)
	}
	write(file)
	if err := s.opens(cfg); err != nil {
		t.Errorf("the same bytes again: %v", err)
	}
}
