package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// operations keeps long work: listed, with progress, cancellable.
type operations struct {
	n    *Node
	mu   sync.Mutex
	all  map[string]*operation
	list []string // newest last
}

type operation struct {
	view   view.Operation
	cancel context.CancelFunc
	told   time.Time
}

// openOperations reads earlier ones; what was running when the app ended has failed.
func openOperations(ctx context.Context, n *Node) (*operations, error) {
	rows, err := n.db.ListOperations(ctx, maxOperations)
	if err != nil {
		return nil, fmt.Errorf("read operations: %w", err)
	}
	o := &operations{n: n, all: map[string]*operation{}}
	for i := len(rows) - 1; i >= 0; i-- {
		var v view.Operation
		if json.Unmarshal([]byte(rows[i].Body), &v) != nil {
			continue
		}
		if v.EndedAt == nil {
			now := n.opts.Now().UTC()
			v.State, v.EndedAt, v.CanCancel = "failed", &now, false
			v.Problem = &view.Problem{Kind: "unavailable", Text: "The app was closed before this was done.", Hint: "Start it again."}
		}
		o.all[v.ID] = &operation{view: v, cancel: func() {}}
		o.list = append(o.list, v.ID)
	}
	return o, nil
}

// progress is how work reports itself.
type progress func(phase string, done, total int64, unit string)

// start runs work as an operation; its result string is the id of what it made.
func (o *operations) start(kind, title, subject string, work func(ctx context.Context, p progress) (string, error)) view.Operation {
	ctx, cancel := context.WithCancel(o.n.ctx)
	op := &operation{cancel: cancel, view: view.Operation{
		ID: newHex(), Kind: kind, Title: title, Subject: subject, State: "running", StartedAt: o.n.opts.Now().UTC(), CanCancel: true,
	}}
	o.mu.Lock()
	o.all[op.view.ID] = op
	o.list = append(o.list, op.view.ID)
	v := op.view
	o.mu.Unlock()
	o.save(v)
	o.n.work.Go(func() {
		defer cancel()
		result, err := work(ctx, func(phase string, done, total int64, unit string) { o.report(op, phase, done, total, unit) })
		o.finish(op, result, err)
	})
	return v
}

func (o *operations) report(op *operation, phase string, done, total int64, unit string) {
	now := o.n.opts.Now().UTC()
	o.mu.Lock()
	op.view.Phase, op.view.Done, op.view.Total, op.view.Unit = phase, done, total, unit
	if spent := now.Sub(op.view.StartedAt); done > 0 && total > done && spent > time.Second {
		op.view.EtaMs = int64(float64(spent.Milliseconds()) * float64(total-done) / float64(done))
	}
	tell := now.Sub(op.told) > 200*time.Millisecond
	if tell {
		op.told = now
	}
	v := op.view
	o.mu.Unlock()
	if tell {
		o.n.publish("operation", v.ID, v)
	}
}

func (o *operations) finish(op *operation, result string, err error) {
	now := o.n.opts.Now().UTC()
	o.mu.Lock()
	op.view.EndedAt, op.view.CanCancel, op.view.EtaMs, op.view.Result, op.view.State = &now, false, 0, result, "done"
	switch {
	case errors.Is(err, context.Canceled):
		op.view.State = "cancelled"
	case err != nil:
		op.view.State, op.view.Problem = "failed", problem(err)
	}
	v := op.view
	o.trim()
	o.mu.Unlock()
	o.save(v)
}

// maxOperations bounds how many are kept in memory; what goes on is kept whatever.
const maxOperations = 200

// trim forgets the oldest that have ended; the caller has the lock.
func (o *operations) trim() {
	drop := len(o.list) - maxOperations
	o.list = slices.DeleteFunc(o.list, func(id string) bool {
		if drop <= 0 || o.all[id].view.EndedAt == nil {
			return false
		}
		drop--
		delete(o.all, id)
		return true
	})
}

func (o *operations) save(v view.Operation) {
	body, err := stored(v)
	if err == nil {
		err = o.n.db.PutOperation(context.WithoutCancel(o.n.ctx), query.PutOperationParams{ID: v.ID, Body: body, State: v.State, TimeMs: ms(v.StartedAt)})
	}
	if err != nil {
		o.n.opts.Log.Error("operation not saved", "kind", v.Kind, "error", err.Error())
	}
	o.n.publish("operation", v.ID, v)
}

// problem turns an error into what a person reads.
func problem(err error) *view.Problem {
	if err == nil {
		return nil
	}
	return &view.Problem{Kind: fed.KindOf(err).String(), Text: err.Error(), Hint: fed.HintOf(err)}
}

// Operations returns long work, newest first.
func (n *Node) Operations(context.Context) ([]view.Operation, error) {
	o := n.ops
	o.mu.Lock()
	defer o.mu.Unlock()
	out := []view.Operation{}
	for i := len(o.list) - 1; i >= 0 && len(out) < 100; i-- {
		out = append(out, o.all[o.list[i]].view)
	}
	return out, nil
}

// Operation returns one.
func (n *Node) Operation(_ context.Context, id string) (view.Operation, error) {
	n.ops.mu.Lock()
	defer n.ops.mu.Unlock()
	op, ok := n.ops.all[id]
	if !ok {
		return view.Operation{}, fed.Errorf(fed.NotFound, "Reload the list.", "there is no such operation")
	}
	return op.view, nil
}

// CancelOperation stops one at its next step.
func (n *Node) CancelOperation(ctx context.Context, id string) (view.Operation, error) {
	n.ops.mu.Lock()
	if op, ok := n.ops.all[id]; ok && op.view.CanCancel {
		op.cancel()
		op.view.Phase = "Stopping"
	}
	n.ops.mu.Unlock()
	return n.Operation(ctx, id)
}
