package memnet

import (
	"context"
	"errors"
	"io"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/transport"
	"synergos.app/desktop/backend/network/wire"
)

// Fetch implements transport.Network, leaf by leaf through the wire.
func (d *Node) Fetch(ctx context.Context, from fed.PartyID, ref fed.BlobRef, progress func(done, total int64)) error {
	if d.o.Blobs == nil {
		return fed.Errorf(fed.Unavailable, "", "this node keeps no blobs")
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	land, err := d.takeOff(ctx, ref.Digest)
	if err != nil {
		return err
	}
	defer land()
	if d.o.Blobs.Has(ref.Digest) {
		progress(ref.Size, ref.Size)
		return nil
	}
	o, p, err := d.peer(from)
	if err != nil {
		return err
	}
	part, err := d.o.Blobs.Partial(ref)
	if err != nil {
		return err
	}
	if err := d.receive(ctx, o, p, ref, part, progress); err != nil {
		return errors.Join(err, part.Close())
	}
	if err := part.Commit(); err != nil {
		return errors.Join(err, part.Close())
	}
	return nil
}

// takeOff waits until no other fetch of d runs and returns the end of this one.
func (d *Node) takeOff(ctx context.Context, digest fed.Digest) (land func(), err error) {
	for {
		d.mu.Lock()
		busy := d.flights[digest]
		if busy == nil {
			done := make(chan struct{})
			d.flights[digest] = done
			d.mu.Unlock()
			return func() {
				d.mu.Lock()
				delete(d.flights, digest)
				d.mu.Unlock()
				close(done)
			}, nil
		}
		d.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (d *Node) receive(ctx context.Context, o *Node, p *pipe, ref fed.BlobRef, part transport.Partial, progress func(done, total int64)) error {
	if _, err := d.carry(ctx, o, wire.OnBlob, wire.BlobGet{Ref: ref}); err != nil {
		return err
	}
	file, leaves, err := transport.OpenBlob(o.o.Blobs, o.o.MayFetch, d.party, ref)
	if err != nil {
		return transport.Remote(transport.ErrorMessage(wire.KindBlobGet, err))
	}
	defer file.Close()
	m, err := o.carry(ctx, d, wire.OnBlob, wire.BlobManifest{Leaves: leaves})
	if err != nil {
		return err
	}
	if err := part.SetManifest(m.(wire.BlobManifest).Leaves); err != nil {
		return err
	}
	buf := make([]byte, wire.LeafSize)
	var done int64
	progress(0, ref.Size)
	for i, have := range part.Have() {
		n := min(wire.LeafSize, ref.Size-int64(i)*wire.LeafSize)
		if !have {
			if err := d.leaf(ctx, o, p, file, buf[:n], i, part); err != nil {
				return err
			}
		}
		done += n
		progress(done, ref.Size)
	}
	return nil
}

func (d *Node) leaf(ctx context.Context, o *Node, p *pipe, file io.ReaderAt, buf []byte, i int, part transport.Partial) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if p.ctx.Err() != nil {
		return p.gone(o.party)
	}
	if _, err := file.ReadAt(buf, int64(i)*wire.LeafSize); err != nil && !errors.Is(err, io.EOF) {
		return fed.Errorf(fed.Unavailable, "Try again.", "the other side cannot read the blob")
	}
	m, err := o.carry(ctx, d, wire.OnBlob, wire.BlobData{Leaf: i, Data: buf})
	if err != nil {
		return err
	}
	data := m.(wire.BlobData)
	return part.WriteLeaf(data.Leaf, data.Data)
}
