package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"synergos.app/desktop/backend/federation/round"
	"synergos.app/desktop/backend/node"
	"synergos.app/desktop/backend/node/view"
)

// Tutorial runs the virtual hospitals of the guided first federation. They are
// whole parties in this process that speak the real protocol over real sockets on
// this computer, hold synthetic data, accept every invitation of their host and
// approve what it proposes.
type Tutorial struct {
	Home   string // their folders lie below
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
		for _, v := range nodes {
			cctx, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			if err := v.Close(cctx); err != nil {
				t.Log.Warn("virtual party not closed", "error", err.Error())
			}
			done()
		}
	}
	for _, h := range hospitals {
		v, err := t.open(ctx, h.sample, h.name)
		if err != nil {
			stop()
			return nil, fmt.Errorf("start %s: %w", h.name, err)
		}
		nodes = append(nodes, v)
		if err := errors.Join(n.Acquaint(ctx, v), v.Acquaint(ctx, n)); err != nil {
			stop()
			return nil, fmt.Errorf("pair with %s: %w", h.name, err)
		}
		work.Go(func() { t.follow(ctx, v) })
	}
	return stop, nil
}

func (t Tutorial) open(ctx context.Context, sample, name string) (*node.Node, error) {
	timers := t.Timers
	if timers == (round.Timers{}) {
		timers = round.Default().Divided(10)
	}
	v, err := node.Open(ctx, node.Options{Home: filepath.Join(t.Home, sample), Name: name, Loopback: true, Timers: timers, Log: t.Log, Version: "tutorial"})
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
	if err != nil || len(data) == 0 || data[0].State != "ready" {
		return err
	}
	if data[0].CardVersion == 0 {
		if _, err := v.PublishCard(ctx, data[0].ID); err != nil {
			return err
		}
	}
	projects, err := v.Projects(ctx)
	if err != nil {
		return err
	}
	for _, p := range projects {
		if p.State != "invited" {
			continue
		}
		sheet, err := v.ConsentSheet(ctx, p.ID, data[0].ID)
		if err != nil {
			return err
		}
		if _, err := v.AcceptProject(ctx, p.ID, data[0].ID, sheet.Digest, view.Limits{}); err != nil {
			return err
		}
	}
	requests, err := v.StageRequests(ctx)
	if err != nil {
		return err
	}
	for _, q := range requests {
		if q.State == "proposed" && q.MyVote == "none" {
			if _, err := v.VoteStage(ctx, q.ID, true, "Approved by the virtual hospital of the tutorial."); err != nil {
				return err
			}
		}
	}
	return nil
}
