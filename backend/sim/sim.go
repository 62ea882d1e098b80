// Package sim runs many parties in one process, through the same code as the real
// grid over an in-memory network: rehearsals before real parties are invited, the
// parties of the tutorial, and tests of the whole.
//
// The type to start from is [Rehearsal]; [Simulate] does one run from files and
// returns everything that a rehearsal may know and a real federation may not: the
// model trained on all rows pooled.
package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/transport/memnet"
	"synergos.app/desktop/backend/node"
	"synergos.app/desktop/backend/node/view"
)

// Party is a virtual party: a name, unique in the rehearsal, and its file.
type Party struct {
	Name string
	Path string
}

// Options of a rehearsal.
type Options struct {
	// Dir keeps the parties' homes; "" makes a folder and removes it at the end.
	Dir string
	Log *slog.Logger
	// Tap sees every frame between the parties.
	Tap     func(from, to fed.PartyID, b []byte)
	Publish func(party, kind, subject string, data any)
	Timers  round.Timers
}

// Rehearsal is a federation of virtual parties in one process.
type Rehearsal struct {
	Nodes []*node.Node
	Net   *memnet.Net
	dir   string
	own   bool
}

// patience is how long the virtual parties wait for each other's work: on one computer
// nobody is away, only slow, and who is left out for being slow would change the result.
const patience = 24 * time.Hour

// Timers are those of a rehearsal: a fifth of the real ones.
func Timers() round.Timers { return round.Default().Divided(5) }

// Open starts the parties, each paired with all others.
func Open(ctx context.Context, parties []Party, opts Options) (_ *Rehearsal, err error) {
	r := &Rehearsal{Net: memnet.New(), dir: opts.Dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close(context.WithoutCancel(ctx)))
		}
	}()
	if len(parties) < 2 {
		return r, fed.Errorf(fed.Invalid, "Name at least two parties, each with a file.", "a rehearsal of %d parties is not possible", len(parties))
	}
	if opts.Dir == "" {
		if r.dir, err = os.MkdirTemp("", "synergos-rehearsal-"); err != nil {
			return r, fmt.Errorf("make a folder for the rehearsal: %w", err)
		}
		r.own = true
	}
	if opts.Tap != nil {
		r.Net.Tap(opts.Tap)
	}
	for i, p := range parties {
		if slices.ContainsFunc(parties[:i], func(q Party) bool { return q.Name == p.Name }) {
			return r, fed.Errorf(fed.Invalid, "Give every party its own name.", "two parties are called %q", p.Name)
		}
		n, err := r.party(ctx, p.Name, opts)
		if err != nil {
			return r, fmt.Errorf("start party %s: %w", p.Name, err)
		}
		r.Nodes = append(r.Nodes, n)
	}
	return r, r.acquaint(ctx)
}

func (r *Rehearsal) party(ctx context.Context, name string, opts Options) (*node.Node, error) {
	self, err := identity.Create(name)
	if err != nil {
		return nil, err
	}
	timers := opts.Timers
	if timers == (round.Timers{}) {
		timers = Timers()
	}
	home := filepath.Join(r.dir, fed.PartyID(self.Party()).Short())
	o := node.Options{
		Home: home, Self: self, Timers: timers, MinDeadline: patience, Volatile: true, Log: opts.Log, Version: "rehearsal",
		Network: func(n *node.Node) (node.Network, error) { return join(r.Net, n) },
	}
	if opts.Publish != nil {
		o.Publish = func(kind, subject string, data any) { opts.Publish(name, kind, subject, data) }
	}
	n, err := node.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return n, n.Start(ctx)
}

// virtual is a node's place on the in-memory network.
type virtual struct{ *memnet.Node }

func (v virtual) Close() error {
	v.Leave()
	return nil
}

func join(net *memnet.Net, n *node.Node) (node.Network, error) {
	t := n.TransportOptions()
	m, err := net.Join(t.Self.Party(), t.Self.Device(), memnet.Options{
		Name: t.Self.Name(), Blobs: t.Blobs, Egress: t.Egress, MayFetch: t.MayFetch, Permit: t.Permit, Queries: t.Queries, OnEvent: t.OnEvent,
	})
	if err != nil {
		return nil, err
	}
	return virtual{m}, nil
}

// acquaint pairs everybody with everybody.
func (r *Rehearsal) acquaint(ctx context.Context) error {
	for _, a := range r.Nodes {
		for _, b := range r.Nodes {
			if a == b {
				continue
			}
			if err := a.Acquaint(ctx, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close ends all parties and removes what the rehearsal made.
func (r *Rehearsal) Close(ctx context.Context) error {
	var errs []error
	for _, n := range r.Nodes {
		errs = append(errs, n.Close(ctx))
	}
	errs = append(errs, r.Net.Close())
	if r.own {
		errs = append(errs, os.RemoveAll(r.dir))
	}
	return errors.Join(errs...)
}

// poll waits until ok says so, looking often; ok's error ends the wait.
func poll(ctx context.Context, what string, ok func() (bool, error)) error {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for {
		done, err := ok()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fed.Errorf(fed.Timeout, "Try again with fewer rounds.", "waiting for %s: %w", what, ctx.Err())
		case <-t.C:
		}
	}
}

// Load adds each party's file and waits until all are read.
func (r *Rehearsal) Load(ctx context.Context, parties []Party) ([]view.Dataset, error) {
	out := make([]view.Dataset, len(parties))
	for i, p := range parties {
		path, err := filepath.Abs(p.Path)
		if err != nil {
			return nil, fmt.Errorf("party %s: %w", p.Name, err)
		}
		d, err := r.Nodes[i].AddDataset(ctx, path, p.Name)
		if err != nil {
			return nil, fmt.Errorf("party %s: %w", p.Name, err)
		}
		out[i] = d
	}
	for i, p := range parties {
		err := poll(ctx, "the file of "+p.Name, func() (bool, error) {
			d, err := r.Nodes[i].Dataset(ctx, out[i].ID)
			if err == nil && d.State == "failed" {
				err = fed.Errorf(fed.Invalid, d.Problem.Hint, "party %s: %s", p.Name, d.Problem.Text)
			}
			out[i] = d
			return d.State == "ready", err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Gather makes a project of the first party, has the others accept with their
// data, and aligns, confirming every proposed match.
func (r *Rehearsal) Gather(ctx context.Context, cfg fed.RunConfig, data []view.Dataset) (view.Project, error) {
	lead := r.Nodes[0]
	var invite []string
	for _, n := range r.Nodes[1:] {
		id, err := n.Identity(ctx)
		if err != nil {
			return view.Project{}, err
		}
		invite = append(invite, id.PartyID)
	}
	p, err := lead.CreateProject(ctx, view.ProjectCreate{
		Name: "Rehearsal", Purpose: "Rehearsal with virtual parties.", DatasetID: data[0].ID, Invite: invite, Config: &cfg,
		Policy: view.ProjectPolicy{PoolCents: 100_000, Currency: "EUR"},
	})
	if err != nil {
		return p, err
	}
	for i, n := range r.Nodes[1:] {
		if err := accept(ctx, n, p.ID, data[i+1].ID); err != nil {
			return p, err
		}
	}
	err = poll(ctx, "all parties to accept", func() (bool, error) {
		p, err = lead.Project(ctx, p.ID)
		return !slices.ContainsFunc(p.Parties, func(x view.ProjectParty) bool { return x.State != "accepted" }), err
	})
	if err != nil {
		return p, err
	}
	return p, r.align(ctx, p.ID)
}

func accept(ctx context.Context, n *node.Node, project, dataset string) error {
	err := poll(ctx, "the invitation", func() (bool, error) {
		_, err := n.Project(ctx, project)
		return err == nil, nil
	})
	if err != nil {
		return err
	}
	sheet, err := n.ConsentSheet(ctx, project, dataset)
	if err != nil {
		return err
	}
	_, err = n.AcceptProject(ctx, project, dataset, sheet.Digest, view.Limits{})
	return err
}

func (r *Rehearsal) align(ctx context.Context, project string) error {
	lead := r.Nodes[0]
	if _, err := lead.StartAlignment(ctx, project); err != nil {
		return err
	}
	confirmed := false
	err := poll(ctx, "the alignment", func() (bool, error) {
		a, err := lead.Alignment(ctx, project)
		if err != nil {
			return false, err
		}
		for _, f := range a.Issues {
			if f.Severity == "error" && a.State != "agreed" {
				return false, fed.Errorf(fed.Invalid, f.Remedy, "the columns cannot be aligned: %s", f.Text)
			}
		}
		if a.State == "confirm" && !confirmed {
			confirmed = true
			for i := range a.Matches {
				a.Matches[i].Confirmed = true
			}
			_, err = lead.ConfirmAlignment(ctx, project, a.Matches)
		}
		return a.State == "agreed", err
	})
	if err != nil {
		return err
	}
	for _, n := range r.Nodes {
		err := poll(ctx, "the alignment to reach everybody", func() (bool, error) {
			a, err := n.Alignment(ctx, project)
			return a.State == "agreed", err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Train runs one configuration and returns its finished view at the first party.
func (r *Rehearsal) Train(ctx context.Context, project string, cfg fed.RunConfig, round func(view.Run)) (view.RunDetail, error) {
	lead := r.Nodes[0]
	e, err := lead.CreateExperiment(ctx, view.ExperimentCreate{ProjectID: project, Name: "Rehearsal", Config: cfg, Method: "single"})
	if err != nil {
		return view.RunDetail{}, err
	}
	if len(e.Runs) != 1 {
		return view.RunDetail{}, fed.Errorf(fed.Internal, "", "an experiment of %d runs instead of one", len(e.Runs))
	}
	var d view.RunDetail
	last := -1
	err = poll(ctx, "the run", func() (bool, error) {
		d, err = lead.Run(ctx, e.Runs[0].ID)
		if err == nil && d.Run.Round != last && round != nil {
			last = d.Run.Round
			round(d.Run)
		}
		if err == nil && (d.Run.State == "failed" || d.Run.State == "cancelled") {
			err = fed.Errorf(fed.Internal, "Correct the configuration or the file it names.", "the run did not finish: %s", d.Run.Sentence)
			if d.Run.Problem != nil {
				err = fed.Errorf(fed.Invalid, d.Run.Problem.Hint, "the run did not finish: %s", d.Run.Problem.Text)
			}
		}
		return err == nil && d.Run.State == "finished", err
	})
	return d, err
}
