package registry

import (
	"context"
	"fmt"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// Register builds a version, keeps its files and publishes it. The same content
// again returns the version that exists. Its number comes from the project's
// admin. in.Score is filled from the ports when it is nil.
func (r *Registry) Register(ctx context.Context, in BuildInput) (Version, error) {
	if in.Score == nil {
		in.Score = r.ports.Score
	}
	m, files, err := Build(in)
	if err != nil {
		return Version{}, err
	}
	id := contentPrefix + string(fed.DigestOf(files[FileManifest]))
	doc := VersionDoc{Model: m.Model, ContentID: id, Manifest: m}
	for _, f := range m.Files {
		ref, err := r.ports.Blobs.PutBytes(ctx, files[f.Path])
		if err != nil {
			return Version{}, fmt.Errorf("keep %s: %w", f.Path, err)
		}
		doc.Files = append(doc.Files, FileRef{Path: f.Path, Blob: ref})
	}
	if v, ok := r.Version(id); ok && v.State != StateDisputed {
		return v, nil
	}
	if _, err := r.ports.Book.Append(ctx, fed.ScopeProject(m.Project), fed.DocVersion, id, doc); err != nil {
		return Version{}, fmt.Errorf("publish the version: %w", err)
	}
	v, ok := r.Version(id)
	if !ok {
		return Version{}, fed.Errorf(fed.Permission, "Join the project first.", "only a member of the project can register a version")
	}
	return v, nil
}

// Ask proposes a stage for a version, which is at the same time this party's own
// yes when it is one of the voters. Errors are of kind Invalid (a reason shorter
// than MinReason characters, an impossible stage), NotFound, Exists (an open
// request for the same), Corrupt (a disputed version) or Permission.
func (r *Registry) Ask(ctx context.Context, contentID, to, reason string) (StageRequest, error) {
	scope, a, err := r.proposal(contentID, to, reason)
	if err != nil {
		return StageRequest{}, err
	}
	d, err := r.ports.Book.Append(ctx, scope, fed.DocStageAsk, contentID, a)
	if err != nil {
		return StageRequest{}, fmt.Errorf("ask for a stage: %w", err)
	}
	q, ok := r.Request(requestID(d.Hash()))
	if !ok {
		return StageRequest{}, fmt.Errorf("ask for a stage: the request was not taken")
	}
	return q, nil
}

func (r *Registry) proposal(contentID, to, reason string) (string, AskDoc, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st, e := r.find(contentID)
	if e == nil {
		return "", AskDoc{}, fed.Errorf(fed.NotFound, "", "there is no such version")
	}
	if err := st.mayAsk(e, to, reason); err != nil {
		return "", AskDoc{}, err
	}
	voters := st.electorate(st.facts.policy, e.doc.body.Manifest, e.stage, to, max(st.nowMs, e.doc.body.Manifest.CreatedMs))
	if len(voters) == 0 {
		return "", AskDoc{}, fed.Errorf(fed.Permission, "Invite the parties again.", "no party is left who could decide")
	}
	return fed.ScopeProject(st.shelf.project), AskDoc{
		Model: e.doc.body.Model, ContentID: contentID, From: e.stage, To: to, Reason: reason,
		Policy: st.facts.digest, Voters: voters, ExpiresMs: st.nowMs + askMs,
	}, nil
}

// mayAsk says why a request makes no sense now.
func (st *state) mayAsk(e *entry, to, reason string) error {
	self := st.reg.ports.Keys.Party()
	switch {
	case e.broken != "" || e.dispute != "":
		return fed.Errorf(fed.Corrupt, "Ask another party for its copy, then verify it again.", "the version does not verify")
	case !validStage(to) || to == StageNone:
		return fed.Errorf(fed.Invalid, "Choose staging, production or archived.", "%.40q is not a stage that can be asked for", to)
	case to == e.stage:
		return fed.Errorf(fed.Invalid, "", "the version is in %s already", to)
	case !validReason(reason):
		return fed.Errorf(fed.Invalid, fmt.Sprintf("Write why, in %d to %d characters: it stays in the history.", MinReason, MaxReason), "the reason is too short or too long")
	case e.number == 0:
		return fed.Errorf(fed.Unavailable, "Wait until the project's admin was online once.", "the version has no number yet")
	case !slices.Contains(st.facts.members, self):
		return fed.Errorf(fed.Permission, "Join the project first.", "only a member of the project can ask for a stage")
	}
	for _, a := range st.sortedAsks() {
		if a.body.ContentID == e.doc.body.ContentID && a.body.To == to && st.judgeAsk(a).fine() && st.request(a).Open() {
			return fed.Errorf(fed.Exists, "Vote on that one, or wait until it is settled.", "there is an open request for %s already", to)
		}
	}
	return nil
}

// Vote answers a request, once. Errors are of kind NotFound, Permission (not
// asked), Exists (answered before, or settled) or Invalid.
func (r *Registry) Vote(ctx context.Context, request string, yes bool, reason string) error {
	q, ask, err := r.openRequest(request)
	if err != nil {
		return err
	}
	switch q.VoteOf(r.ports.Keys.Party()) {
	case "notAsked":
		return fed.Errorf(fed.Permission, "", "this party is not asked about the request")
	case "yes", "no":
		return fed.Errorf(fed.Exists, "", "this party has answered already")
	}
	if len(reason) > MaxReason {
		return fed.Errorf(fed.Invalid, "Shorten it.", "the reason is longer than %d characters", MaxReason)
	}
	_, err = r.ports.Book.Append(ctx, fed.ScopeProject(q.Project), fed.DocStageVote, q.ID, VoteDoc{
		Request: q.ID, Ask: ask, Model: q.Model, ContentID: q.ContentID, To: q.To, Yes: yes, Reason: reason,
	})
	if err != nil {
		return fmt.Errorf("vote: %w", err)
	}
	return nil
}

// Withdraw takes this party's own request back.
func (r *Registry) Withdraw(ctx context.Context, request, reason string) error {
	q, ask, err := r.openRequest(request)
	if err != nil {
		return err
	}
	if q.By != r.ports.Keys.Party() {
		return fed.Errorf(fed.Permission, "Vote no instead.", "only who asked can take a request back")
	}
	if len(reason) > MaxReason {
		return fed.Errorf(fed.Invalid, "Shorten it.", "the reason is longer than %d characters", MaxReason)
	}
	if _, err = r.ports.Book.Append(ctx, fed.ScopeProject(q.Project), fed.DocStageBack, q.ID, BackDoc{Request: q.ID, Ask: ask, Reason: reason}); err != nil {
		return fmt.Errorf("withdraw: %w", err)
	}
	return nil
}

func (r *Registry) openRequest(id string) (StageRequest, fed.Digest, error) {
	q, ok := r.Request(id)
	if !ok {
		return q, "", fed.Errorf(fed.NotFound, "", "there is no such request")
	}
	if !q.Open() {
		return q, "", fed.Errorf(fed.Exists, "", "the request is settled: %s", q.State)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for h := range r.projects[q.Project].asks {
		if requestID(h) == id {
			return q, h, nil
		}
	}
	return q, "", fed.Errorf(fed.NotFound, "", "there is no such request")
}
