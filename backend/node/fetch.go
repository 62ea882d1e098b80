package node

import (
	"context"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/storage/blob"
)

// blobs adapts the store to the services' interfaces.
func (n *Node) blobs() blobs { return blobs{n.store} }

type blobs struct{ *blob.Store }

// Get reads a blob of at most a gigabyte into memory.
func (b blobs) Get(_ context.Context, d fed.Digest) ([]byte, error) { return b.Store.Get(d) }

// fetch gets a blob unless it is here already. Callers that want the same blob at
// the same time share one transfer.
func (n *Node) fetch(ctx context.Context, from fed.PartyID, ref fed.BlobRef) error {
	for {
		if n.store.Has(ref.Digest) {
			return nil
		}
		if from == n.me() {
			return fed.Errorf(fed.NotFound, "", "blob %s is not here", ref.Digest.Short())
		}
		n.fetchMu.Lock()
		busy := n.fetching[ref.Digest]
		done := make(chan struct{})
		if busy == nil {
			n.fetching[ref.Digest] = done
		}
		n.fetchMu.Unlock()
		if busy == nil {
			return n.fetchNow(ctx, from, ref, done)
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (n *Node) fetchNow(ctx context.Context, from fed.PartyID, ref fed.BlobRef, done chan struct{}) error {
	defer func() {
		n.fetchMu.Lock()
		delete(n.fetching, ref.Digest)
		n.fetchMu.Unlock()
		close(done)
	}()
	if err := n.net.Fetch(ctx, from, ref, nil); err != nil {
		return err
	}
	n.counts.received(ref.Size)
	return nil
}
