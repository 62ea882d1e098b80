package node

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
)

// Status is the one plain sentence about everything.
func (n *Node) Status(context.Context) (view.Status, error) {
	self := n.identity()
	v := view.Status{
		Epoch: n.opts.Epoch, Version: n.opts.Version, Ready: n.ready.Load(), Named: self.Name() != unnamed, Party: self.Name(), PartyID: string(self.Party()),
		Inbox: n.inbox.open(), Serving: n.servings.count(), Window: n.opts.Window, State: "idle",
	}
	n.peers.mu.Lock()
	for _, r := range n.peers.rows {
		v.Paired += fromBool(r.RevokedMs == 0 && r.Source != fromTutorial)
	}
	n.peers.mu.Unlock()
	for _, p := range n.peers.online() {
		v.Online += fromBool(!n.peers.virtual(string(p)))
	}
	live := n.tracker.Runs(func(r experiment.Run) bool { return r.End == nil && !n.past(r.Project) })
	for i := len(live) - 1; i >= 0; i-- {
		r := n.runView(live[i])
		if r.State == "running" || r.State == "preparing" || r.State == "finishing" {
			v.Running++
			v.State, v.Sentence = "working", r.Sentence
		}
	}
	if v.Running == 0 {
		v.State, v.Sentence = n.quiet(v)
	}
	return v, nil
}

// quiet is the sentence when nothing runs.
func (n *Node) quiet(v view.Status) (state, sentence string) {
	switch {
	case v.Inbox == 1:
		return "attention", "One thing needs you: see the inbox."
	case v.Inbox > 1:
		return "attention", fmt.Sprintf("%d things need you: see the inbox.", v.Inbox)
	case v.Paired == 0 && n.tutorialOn():
		return "idle", "The tutorial is going on; nobody else is paired yet."
	case v.Paired == 0:
		return "idle", "Nobody is paired yet."
	case v.Online == 0:
		return "waiting", "No paired party is online."
	case v.Online == 1:
		return "idle", "One paired party is online."
	}
	return "idle", fmt.Sprintf("%d paired parties are online.", v.Online)
}

// statusChanged tells the screens the status as it is now.
func (n *Node) statusChanged() {
	if !n.ready.Load() {
		return
	}
	if v, err := n.Status(n.ctx); err == nil {
		n.publish("status", "", v)
	}
}

// NameParty names this party; others see the name once they have paired.
func (n *Node) NameParty(ctx context.Context, name string) (view.Identity, error) {
	if err := n.backups.waiting(); err != nil {
		return view.Identity{}, err
	}
	name = strings.TrimSpace(name)
	self := n.identity()
	st := self.Statement()
	next, err := self.Restate(name, st.Roles, st.NotAfter)
	if err != nil {
		return view.Identity{}, err
	}
	if n.opts.Self == nil {
		if err := next.Save(n.opts.Home + "/keys"); err != nil {
			return view.Identity{}, err
		}
	}
	n.renameMu.Lock()
	n.self = next
	n.renameMu.Unlock()
	n.statusChanged()
	return n.Identity(ctx)
}

// Home is what the first screen shows.
func (n *Node) Home(ctx context.Context) (view.Home, error) {
	v := view.Home{Runs: []view.Run{}, Rewards: []view.RewardTotal{}, News: []view.CatalogEntry{}}
	var err error
	if v.Status, err = n.Status(ctx); err != nil {
		return v, err
	}
	inbox, err := n.Inbox(ctx)
	if err != nil {
		return v, err
	}
	v.Inbox = []view.InboxEntry{}
	for _, e := range inbox {
		if !e.Done {
			v.Inbox = append(v.Inbox, e)
		}
	}
	if v.Projects, err = n.Projects(ctx); err != nil {
		return v, err
	}
	if v.Runs, err = n.Runs(ctx, "", "", 8); err != nil {
		return v, err
	}
	if v.Models, err = n.Models(ctx); err != nil {
		return v, err
	}
	if v.Serving, err = n.ServingList(ctx); err != nil {
		return v, err
	}
	rw, err := n.Rewards(ctx, "")
	if err != nil {
		return v, err
	}
	v.Rewards = rw.Totals
	cat, err := n.Catalog(ctx, view.CatalogQuery{})
	if err != nil {
		return v, err
	}
	for _, e := range cat.Items {
		if !e.Mine && len(v.News) < 5 {
			v.News = append(v.News, e)
		}
	}
	v.Tutorial, err = n.Tutorial(ctx)
	return v, err
}

// Diagnostics is the doctor's report.
func (n *Node) Diagnostics(ctx context.Context) (view.Diagnostics, error) {
	v := view.Diagnostics{Items: []view.Diagnosis{}, Refusals: n.counts.list(), Log: []string{}, Build: map[string]string{
		"version": n.opts.Version, "go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH, "cores": fmt.Sprint(runtime.NumCPU()),
	}}
	add := func(name string, ok bool, good, bad, fix string) {
		d := view.Diagnosis{Name: name, Result: "pass", Text: good}
		if !ok {
			d.Result, d.Text, d.Fix = "fail", bad, fix
		}
		v.Items = append(v.Items, d)
	}
	id, err := n.Identity(ctx)
	if err != nil {
		return v, err
	}
	v.Items = append(v.Items, n.portDiagnosis(id.Addresses))
	d := n.discovery()
	switch d.State {
	case "off":
		v.Items = append(v.Items, view.Diagnosis{Name: "Looking for others", Result: "unknown", Text: d.Sentence, Fix: d.Hint})
	default:
		add("Looking for others", d.State == "on", d.Sentence, d.Sentence, d.Hint)
	}
	v.Items = append(v.Items, n.clockDiagnosis())
	chain, err := n.VerifyActivity(ctx)
	if err != nil {
		return v, err
	}
	add("Record of what left", chain.OK, chain.Text, chain.Text, "Keep the folder as evidence and ask your data-protection officer.")
	probe := os.WriteFile(n.opts.Home+"/.probe", []byte("x"), 0o600)
	_ = os.Remove(n.opts.Home + "/.probe")
	add("Disk", probe == nil, "The folder of this party can be written to.", "The folder of this party cannot be written to.", "Free some space or correct its permissions.")
	return v, nil
}

// portDiagnosis says whether others can reach this computer.
func (n *Node) portDiagnosis(addresses []string) view.Diagnosis {
	d := view.Diagnosis{Name: "Port for peers", Result: "fail"}
	switch {
	case len(addresses) > 0:
		d.Result, d.Text = "pass", "Open at "+list(addresses)+"."
	case n.peers.dialer != nil:
		d.Text, d.Fix = "The port for peers is open, but this computer has no address that others could reach.", "Connect this computer to a network."
	default:
		d.Text, d.Fix = "The port for peers is not open.", "End the program that uses it, or start with --peer-listen and another port."
	}
	return d
}

// maxSkew is how far a clock may be from another party's: nothing about order
// depends on clocks, only the ends of invites and consents do.
const maxSkew = 5 * time.Minute

// clockDiagnosis compares the clock with those of the connected parties.
func (n *Node) clockDiagnosis() view.Diagnosis {
	var sessions []transport.Session
	if n.net != nil {
		sessions = n.net.Sessions()
	}
	return clockAgainst(slices.DeleteFunc(sessions, func(s transport.Session) bool { return n.peers.virtual(string(s.Party)) }))
}

func clockAgainst(sessions []transport.Session) view.Diagnosis {
	d := view.Diagnosis{Name: "Clock", Result: "pass", Text: "Agrees with the connected parties."}
	if len(sessions) == 0 {
		d.Result, d.Text = "unknown", "No party is connected to compare with."
	}
	for _, s := range sessions {
		if s.Skew.Abs() > maxSkew {
			d.Result, d.Text = "fail", "The clock differs by more than five minutes from that of "+s.Name+"."
			d.Fix = "Set this computer's clock, or ask them to set theirs."
		}
	}
	return d
}

// ClientError notes an error of the screens in the log.
func (n *Node) ClientError(_ context.Context, message, stack, url string) error {
	if len(message) > 2000 {
		message = message[:2000]
	}
	_, route, _ := strings.Cut(url, "#")
	n.opts.Log.Error("screen error", "message", message, "route", route, "stack_bytes", len(stack))
	n.counts.refuse("screen error")
	return nil
}
