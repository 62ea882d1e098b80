package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
	"synergos.app/desktop/backend/node"
	"synergos.app/desktop/backend/node/view"
)

// Tutorial runs the virtual hospitals of the guided first federation. They are
// whole parties in this process that speak the real protocol over real sockets on
// this computer, hold synthetic data, accept every invitation of their host and
// approve what it proposes. They publish nothing in the catalog.
type Tutorial struct {
	Home   string // their folders lie below, and nothing else
	Log    *slog.Logger
	Timers round.Timers // zero: a tenth of the real ones
}

// hospitals are the virtual parties, by the name of their synthetic data.
var hospitals = []struct{ sample, name string }{
	{"lakeview", "Lakeview Hospital (virtual)"},
	{"hillcrest", "Hillcrest Hospital (virtual)"},
	{"seaside", "Seaside Hospital (virtual)"},
}

// Join implements node.TutorialHost.
func (t Tutorial) Join(ctx context.Context, n *node.Node) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var (
		nodes []*node.Node
		work  sync.WaitGroup
	)
	stop = func() {
		cancel()
		work.Wait()
		t.close(context.WithoutCancel(ctx), nodes)
	}
	for _, h := range hospitals {
		v, err := t.open(ctx, h.sample, h.name)
		if err != nil {
			stop()
			return nil, fmt.Errorf("start %s: %w", h.name, err)
		}
		nodes = append(nodes, v)
	}
	// n first: it knows each before that one calls, so that it refuses none, and no
	// frame of a refusal to a stranger stands in its ledger.
	if err := introduce(ctx, append([]*node.Node{n}, nodes...)); err != nil {
		stop()
		return nil, err
	}
	for _, v := range nodes {
		work.Go(func() { t.follow(ctx, v) })
	}
	return stop, nil
}

// introduce pairs everybody with everybody: ports change at each start.
func introduce(ctx context.Context, nodes []*node.Node) error {
	for i, a := range nodes {
		for j, b := range nodes {
			if i == j {
				continue
			}
			if err := a.Acquaint(ctx, b); err != nil {
				return fmt.Errorf("pair the virtual parties: %w", err)
			}
		}
	}
	return nil
}

// close ends the nodes side by side.
func (t Tutorial) close(ctx context.Context, nodes []*node.Node) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var work sync.WaitGroup
	for _, v := range nodes {
		work.Go(func() {
			if err := v.Close(ctx); err != nil {
				t.Log.Warn("virtual party not closed", "error", err.Error())
			}
		})
	}
	work.Wait()
}

// Clear implements node.TutorialHost.
func (t Tutorial) Clear() error {
	if err := os.RemoveAll(t.Home); err != nil {
		return fmt.Errorf("remove the virtual parties: %w", err)
	}
	return nil
}

func (t Tutorial) open(ctx context.Context, sample, name string) (*node.Node, error) {
	timers := t.Timers
	if timers == (round.Timers{}) {
		timers = round.Default().Divided(10)
	}
	v, err := node.Open(ctx, node.Options{Home: filepath.Join(t.Home, sample), Name: name, Loopback: true, Timers: timers, MinDeadline: 10 * time.Second, Log: t.Log, Version: "tutorial"})
	if err != nil {
		return nil, err
	}
	if err := v.Start(ctx); err != nil {
		return nil, errors.Join(err, v.Close(ctx))
	}
	data, err := v.Datasets(ctx)
	if err == nil && len(data) == 0 {
		_, err = v.AddSample(ctx, sample)
	}
	if err != nil {
		return nil, errors.Join(err, v.Close(ctx))
	}
	return v, nil
}

// follow answers for the person that a virtual party does not have.
func (t Tutorial) follow(ctx context.Context, v *node.Node) {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := t.answer(ctx, v); err != nil && ctx.Err() == nil {
			t.Log.Debug("virtual party waits", "error", err.Error())
		}
	}
}

func (t Tutorial) answer(ctx context.Context, v *node.Node) error {
	data, err := v.Datasets(ctx)
	if err != nil || len(data) == 0 {
		return err
	}
	d := data[0]
	switch d.State {
	case "ready":
	case "failed": // the app was closed while it was read
		_, err := v.ReloadDataset(ctx, d.ID, "")
		return err
	default:
		return nil
	}
	return errors.Join(accepts(ctx, v, d.ID), approves(ctx, v))
}

// accepts joins the projects that it is invited to.
func accepts(ctx context.Context, v *node.Node, dataset string) error {
	projects, err := v.Projects(ctx)
	if err != nil {
		return err
	}
	for _, p := range projects {
		if p.State != "invited" {
			continue
		}
		sheet, err := v.ConsentSheet(ctx, p.ID, dataset)
		if err != nil {
			return err
		}
		if _, err := v.AcceptProject(ctx, p.ID, dataset, sheet.Digest, view.Limits{}); err != nil {
			return err
		}
	}
	return nil
}

// approves says yes to every stage that is asked for.
func approves(ctx context.Context, v *node.Node) error {
	requests, err := v.StageRequests(ctx)
	if err != nil {
		return err
	}
	for _, q := range requests {
		if q.State != "proposed" || q.MyVote != "none" {
			continue
		}
		_, err := v.VoteStage(ctx, q.ID, true, "Approved by the virtual hospital of the tutorial.")
		if err != nil && fed.KindOf(err) != fed.Exists { // settled meanwhile
			return err
		}
	}
	return nil
}
