package node

import (
	"context"
	"fmt"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/registry"
)

// appendPending appends what this party owes as the admin of projects.
func (n *Node) appendPending(ctx context.Context) {
	if err := n.appendPendingNow(ctx); err != nil {
		n.opts.Log.Error("registry record not written", "error", err.Error())
	}
}

func (n *Node) appendPendingNow(ctx context.Context) error {
	n.pendingMu.Lock()
	defer n.pendingMu.Unlock()
	for {
		acts := n.registry.Pending(n.me())
		if len(acts) == 0 {
			return nil
		}
		for _, a := range acts {
			if _, err := n.book.Append(ctx, a.Scope, a.Kind, a.Subject, a.Body); err != nil {
				return err
			}
		}
	}
}

// registryFollow is what a new registry document leads to.
func (n *Node) registryFollow(ctx context.Context, d fed.Doc) {
	n.appendPending(ctx)
	if d.Kind == fed.DocVersion {
		n.keepVersion(d.Subject)
	}
	for _, q := range n.registry.Waiting(n.me()) {
		n.inbox.ask(ctx, view.InboxEntry{
			ID: "stage-" + q.ID, Kind: "stage", Subject: q.ID, From: n.nameOf(string(q.By)), Href: "/models/" + registry.ModelID(q.Project, q.Model),
			Title: fmt.Sprintf("Move %s, version %d, to %s?", q.Model, q.Number, q.To), Text: q.Reason,
		})
	}
	if d.Kind == fed.DocStageDone {
		n.servings.follow(ctx)
	}
	n.publish("model", d.Subject, nil)
	n.publish("stage", d.Subject, nil)
	n.statusChanged()
}

func (n *Node) transitionView(t registry.Transition) view.Transition {
	v := view.Transition{At: at(t.AtMs), From: t.From, To: t.To, By: n.nameOf(string(t.By)), Reason: t.Reason, Votes: n.votes(t.Votes), Hash: string(t.Hash)}
	if t.State != "" {
		v.Reason += " (" + t.State + ": " + t.Problem + ")"
	}
	return v
}

func (n *Node) votes(vs []registry.Vote) []view.Vote {
	out := []view.Vote{}
	for _, x := range vs {
		out = append(out, view.Vote{Party: n.nameOf(string(x.Party)), Yes: x.Yes, Reason: x.Reason, At: at(x.AtMs)})
	}
	return out
}

func (n *Node) requestView(q registry.StageRequest) view.StageRequest {
	v := view.StageRequest{
		ID: q.ID, Model: q.Model, ModelID: registry.ModelID(q.Project, q.Model), Number: q.Number, ContentID: q.ContentID, From: q.From, To: q.To, Reason: q.Reason, By: n.nameOf(string(q.By)), ByID: string(q.By),
		At: at(q.AtMs), Expires: at(q.ExpiresMs), State: q.State, Votes: n.votes(q.Votes), Needed: q.Needed, Voters: []string{}, MyVote: q.VoteOf(n.me()), Sentence: q.Sentence,
	}
	for _, p := range q.Voters {
		v.Voters = append(v.Voters, n.nameOf(string(p)))
	}
	return v
}

// StageRequests returns the requests of all models, newest first.
func (n *Node) StageRequests(context.Context) ([]view.StageRequest, error) {
	out := []view.StageRequest{}
	for _, m := range n.shownModels() {
		for _, q := range n.registry.Requests(m.Project, m.Name) {
			out = append(out, n.requestView(q))
		}
	}
	slices.SortStableFunc(out, func(a, b view.StageRequest) int { return b.At.Compare(a.At) })
	return out, nil
}

// RequestStage proposes a stage for a version.
func (n *Node) RequestStage(ctx context.Context, model string, number int, to, reason string) (view.StageRequest, error) {
	_, v, err := n.version(model, number)
	if err != nil {
		return view.StageRequest{}, err
	}
	q, err := n.registry.Ask(ctx, v.ContentID, to, reason)
	if err != nil {
		return view.StageRequest{}, err
	}
	if err := n.appendPendingNow(ctx); err != nil {
		return view.StageRequest{}, err
	}
	return n.stageRequest(q.ID)
}

func (n *Node) stageRequest(id string) (view.StageRequest, error) {
	q, ok := n.registry.Request(id)
	if !ok {
		return view.StageRequest{}, fed.Errorf(fed.NotFound, "Reload the model's page.", "there is no such request here")
	}
	return n.requestView(q), nil
}

// VoteStage answers a request.
func (n *Node) VoteStage(ctx context.Context, id string, yes bool, reason string) (view.StageRequest, error) {
	if err := n.registry.Vote(ctx, id, yes, reason); err != nil {
		return view.StageRequest{}, err
	}
	n.inbox.answered(ctx, "stage", id)
	if err := n.appendPendingNow(ctx); err != nil {
		return view.StageRequest{}, err
	}
	return n.stageRequest(id)
}

// WithdrawStage takes this party's own request back.
func (n *Node) WithdrawStage(ctx context.Context, id string) (view.StageRequest, error) {
	if err := n.registry.Withdraw(ctx, id, "withdrawn"); err != nil {
		return view.StageRequest{}, err
	}
	return n.stageRequest(id)
}
