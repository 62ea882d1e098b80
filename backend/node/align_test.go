package node

import (
	"errors"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/node/view"
)

// A connection that ends while a member is asked for its columns comes back, and the
// question is put again: nobody has to press twice.
func TestColumnsAreComparedOverALostConnection(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	project := l.Project(CohortConfig(1), nil)
	lead := l.Hospital[0]
	for range 3 {
		for _, h := range l.Hospital[1:] {
			lead.peers.dialer.Disconnect(h.identity().Device(), "lost")
		}
		l.align(project)
	}
}

// A comparison that failed says so, and asks for nothing that cannot be confirmed.
func TestFailedComparison(t *testing.T) {
	t.Parallel()
	d := openDataNode(t, t.TempDir(), nil)
	ctx := t.Context()
	data := d.add(CohortFiles(t)[0])
	cfg := CohortConfig(1)
	id := must(d.CreateProject(ctx, view.ProjectCreate{Name: "Heart risk", DatasetID: data.ID, Config: &cfg}))(t).ID
	said := func() string { return must(d.Project(ctx, id))(t).Sentence }
	same(t, "alone", said(), "Invite a party: a project needs at least two that take part.")

	p := must(d.project(id))(t)
	quiet := func(string, int64, int64, string) {}
	for state, asked := range map[string]*dataset.Alignment{"stats": nil, "confirm": {}} {
		if err := d.aligns.begin(p.ID); err != nil {
			t.Fatal(err)
		}
		d.aligns.set(p.ID, func(w *alignWork) { w.state, w.asked = "stats", asked })
		same(t, "at work", said(), "The parties are telling each other about their columns.")
		err := d.aligns.agree(ctx, p, &dataset.Alignment{}, quiet)
		if err == nil {
			t.Fatal("nothing was agreed on")
		}
		d.aligns.told(p.ID, err)
		a := must(d.Alignment(ctx, id))(t)
		same(t, "after a failure", line(a.State, a.CanConfirm, len(a.Issues)), line(state, asked != nil, 1))
	}
	d.aligns.told(p.ID, errors.New("lost"))
	if err := d.aligns.begin(p.ID); err != nil {
		t.Fatal(err)
	}
	d.aligns.told(p.ID, errors.New("lost"))
	same(t, "failed", said(), "Comparing the columns failed: see what happened, then compare again.")

	_, err := d.DeclineProject(ctx, id, "")
	refused(t, "the admin declines", err, fed.Invalid, "Stop its runs.")
	_, err = d.LeaveProject(ctx, id, "")
	refused(t, "the admin leaves", err, fed.Invalid, "Stop its runs.")
}
