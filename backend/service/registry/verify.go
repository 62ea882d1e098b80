package registry

import (
	"context"

	"synergos.app/desktop/backend/fed"
)

// Check is one line of a verification.
type Check struct {
	Name string
	OK   bool
	Text string
}

// Verify recomputes a version: manifest, digests, signatures, the chain of
// transitions and the self-test, one line per check. What it finds wrong makes
// the version disputed on this machine; a later clean run clears it.
func (r *Registry) Verify(ctx context.Context, contentID string) []Check { panic("todo") }

// Missing returns the files of a version that are not here, and the parties that
// signed it and should have them.
func (r *Registry) Missing(contentID string) (refs []fed.BlobRef, holders []fed.PartyID) {
	panic("todo")
}

// Files loads the files of a version by path, manifest.json included, and checks
// every digest. It refuses a version that is not ready: kind Unavailable while
// files are missing, Corrupt when something is wrong.
func (r *Registry) Files(ctx context.Context, contentID string) (map[string][]byte, error) {
	panic("todo")
}

// Metrics, Lineage and Card read the files of those names. An error is of kind
// NotFound, Unavailable or Corrupt.
func (r *Registry) Metrics(ctx context.Context, contentID string) (MetricsFile, error) { panic("todo") }

// Lineage returns what a version was made from.
func (r *Registry) Lineage(ctx context.Context, contentID string) (Lineage, error) { panic("todo") }

// Card returns the model card as Markdown.
func (r *Registry) Card(ctx context.Context, contentID string) (string, error) { panic("todo") }

// Inputs returns the raw columns that a prediction takes, from signature.json.
func (r *Registry) Inputs(ctx context.Context, contentID string) (Signature, error) { panic("todo") }

// Used reports whether a blob belongs to a version, so that it is kept.
func (r *Registry) Used(d fed.Digest) bool { panic("todo") }
