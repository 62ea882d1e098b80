package node

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"synergos.app/desktop/backend/node/view"
)

// What stands in the way of a switch that is on is an alarm with what to do; it is
// tried again and the alarm goes when it is settled. A model that the parties take
// out of production is not answered from any more.
func TestServingAlarms(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio[:2]...)
	ctx := t.Context()
	a := l.Hospital[0]
	cfg := CohortConfig(1)
	project := l.Project(cfg, nil)
	run := a.Queue(project, cfg)
	l.OneTruth(project, run)
	id := must(a.RegisterModel(ctx, run, "heart"))(t).ModelID
	l.promote(id, 1, "production")
	port := must(a.SwitchServing(ctx, id, view.ServingSwitch{On: true}))(t).Port
	alarm := func() view.InboxEntry {
		for _, e := range must(a.Inbox(ctx))(t) {
			if e.Kind == "alarm" && e.Subject == id && !e.Done {
				return e
			}
		}
		return view.InboxEntry{}
	}

	a.stop()
	var lc net.ListenConfig
	other := must(lc.Listen(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(port)))(t)
	a.start()
	s := must(a.Serving(ctx, id))(t)
	same(t, "with its port taken", line(s.State, s.Problem.Kind, strings.Contains(s.Problem.Hint, "which is free")), "error busy true")
	same(t, "alarm", line(strings.Contains(alarm().Text, strconv.Itoa(port)), alarm().Href), "true /serving/"+id)
	must(0, a.DismissInbox(ctx, alarm().ID))(t)
	a.servings.follow(ctx)
	same(t, "said once", alarm().ID, "")
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	a.servings.follow(ctx)
	same(t, "when the port is free", must(a.Serving(ctx, id))(t).State, "on")

	q := must(a.RequestStage(ctx, id, 1, "archived", "It harms more than it helps."))(t)
	b := l.Hospital[1]
	Eventually(t, "the request", func() bool { return b.knowsRequest(q.ID) })
	must(b.VoteStage(ctx, q.ID, true, "We have seen it as well."))(t)
	Eventually(t, "serving to end", func() bool { return must(a.Serving(ctx, id))(t).State == "error" })
	s = must(a.Serving(ctx, id))(t)
	same(t, "reason", strings.Contains(s.Problem.Text, "no production version"), true)
	Eventually(t, "the alarm", func() bool { return alarm().ID != "" })
	_, err := lc.Listen(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(port))
	same(t, "the port is closed", err, nil)
	must(a.SwitchServing(ctx, id, view.ServingSwitch{}))(t)
	Eventually(t, "the alarm to go", func() bool { return alarm().ID == "" })
}
