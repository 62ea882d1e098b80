package registry

import (
	"context"

	"synergos.app/desktop/backend/fed"
)

// Register builds a version, keeps its files and publishes it. The same content
// again returns the version that exists. Its number comes from the project's
// admin.
func (r *Registry) Register(ctx context.Context, in BuildInput) (Version, error) { panic("todo") }

// Ask proposes a stage for a version, which is at the same time this party's own
// yes. Errors are of kind Invalid (a reason shorter than MinReason, an impossible
// stage), NotFound, Exists (an open request for the same) or Permission.
func (r *Registry) Ask(ctx context.Context, contentID, to, reason string) (StageRequest, error) {
	panic("todo")
}

// Vote answers a request, once.
func (r *Registry) Vote(ctx context.Context, request string, yes bool, reason string) error {
	panic("todo")
}

// Withdraw takes this party's own request back.
func (r *Registry) Withdraw(ctx context.Context, request, reason string) error { panic("todo") }

var _ = fed.DocStageAsk
