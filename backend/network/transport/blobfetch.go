package transport

import (
	"context"
	"errors"
	"fmt"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire"
)

// flight is a fetch under way; others who want the same blob wait for it.
type flight struct {
	done chan struct{}
	err  error
}

const (
	fetchTries = 3 // sockets that may break without progress
	maxIdle    = 2 // blob sockets kept per session
)

// Fetch implements Network. It returns fed.NotFound if the party does not give the
// blob, fed.Corrupt if what it gives is false, and fed.Unavailable when the
// connection breaks for good; what was received is kept for the next call.
func (h *Host) Fetch(ctx context.Context, from fed.PartyID, ref fed.BlobRef, progress func(done, total int64)) error {
	if h.o.Blobs == nil {
		return fed.Errorf(fed.Unavailable, "", "this app keeps no blobs")
	}
	if ref.Size < 0 || ref.Size > h.o.Limits.MaxBlob {
		return fed.Errorf(fed.Invalid, "Files this large cannot be exchanged.", "blob %s of %d bytes is larger than allowed", ref.Digest.Short(), ref.Size)
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	for {
		if h.o.Blobs.Has(ref.Digest) {
			progress(ref.Size, ref.Size)
			return nil
		}
		f, first := h.takeOff(ref.Digest)
		if first {
			f.err = h.fetch(ctx, from, ref, progress)
			h.land(ref.Digest, f)
			return f.err
		}
		select {
		case <-f.done: // look again: the other one may have failed for its own reasons
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *Host) takeOff(d fed.Digest) (f *flight, first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.fetching[d]; f != nil {
		return f, false
	}
	f = &flight{done: make(chan struct{})}
	h.fetching[d] = f
	return f, true
}

func (h *Host) land(d fed.Digest, f *flight) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.fetching, d)
	close(f.done)
}

// fetch receives ref over as many sockets as it takes while each brings something
// new.
func (h *Host) fetch(ctx context.Context, from fed.PartyID, ref fed.BlobRef, progress func(done, total int64)) (err error) {
	s, err := h.session(from)
	if err != nil {
		return err
	}
	part, err := h.o.Blobs.Partial(ref)
	if fed.KindOf(err) == fed.Exists && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	r := &reception{h: h, s: s, part: part, ref: ref, progress: progress}
	committed := false
	defer func() {
		if !committed {
			err = errors.Join(err, part.Close())
		}
	}()
	if err := r.receive(ctx); err != nil {
		return err
	}
	if err := part.Commit(); err != nil {
		if fed.KindOf(err) == fed.Corrupt {
			h.refuse(BadBlob, s.info, err.Error())
		}
		return err
	}
	committed = true
	return nil
}

// reception is one blob on its way in.
type reception struct {
	h        *Host
	s        *session
	part     Partial
	ref      fed.BlobRef
	progress func(done, total int64)
	left     int // leaves missing
	done     int64
}

// errBroken marks failures of the socket, after which another one may be tried.
var errBroken = errors.New("the blob socket broke")

func (r *reception) receive(ctx context.Context) error {
	tries, before := 0, -1
	for {
		l, pooled, err := r.socket(ctx)
		if err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, l.close)
		err = r.once(ctx, l)
		if err == nil && stop() {
			r.s.rest(l)
			return nil
		}
		stop()
		r.s.release(l)
		l.close()
		switch {
		case err == nil || ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, errBroken):
			return err
		case r.s.ctx.Err() != nil:
			return r.s.gone()
		}
		if tries++; pooled || r.left != before {
			tries = 0 // a stale socket, or progress
		}
		before = r.left
		if tries >= fetchTries {
			return fed.Errorf(fed.Unavailable, "It goes on from here when you try again.", "the transfer from party %s broke off: %w", r.s.party.Short(), err)
		}
	}
}

// once asks for the blob on one socket and takes what comes.
func (r *reception) once(ctx context.Context, l *link) error {
	subject := string(r.ref.Digest)
	say := func(m wire.Message) error {
		if err := l.say(ctx, wire.Envelope{Msg: m}, subject); err != nil {
			var e *fed.Error
			if errors.As(err, &e) {
				return err
			}
			return fmt.Errorf("%w: %w", errBroken, err)
		}
		return nil
	}
	if err := say(wire.BlobGet{Ref: r.ref}); err != nil {
		return err
	}
	l.setPace(false)
	m, err := r.next(l)
	if err != nil {
		return err
	}
	manifest, ok := m.(wire.BlobManifest)
	if !ok {
		return errStep(m)
	}
	if err := r.part.SetManifest(manifest.Leaves); err != nil {
		r.h.refuse(BadBlob, r.s.info, err.Error())
		return err
	}
	have := r.part.Have()
	r.count(have)
	if err := say(wire.BlobHave{Bitmap: bitmap(have)}); err != nil {
		return err
	}
	if err := say(wire.BlobCredit{Bytes: uint32(r.h.o.Limits.Credit)}); err != nil {
		return err
	}
	l.setPace(true)
	return r.take(l, have, say)
}

func (r *reception) count(have []bool) {
	r.left, r.done = 0, 0
	for i, ok := range have {
		if ok {
			r.done += int64(leafLen(r.ref.Size, i))
		} else {
			r.left++
		}
	}
	r.progress(r.done, r.ref.Size)
}

// take writes leaves until the end and grants credit as they are on disk, a quarter
// of the window at a time.
func (r *reception) take(l *link, have []bool, say func(wire.Message) error) error {
	grant := 0
	for {
		m, err := r.next(l)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case wire.BlobEnd:
			if r.left > 0 {
				return fed.Errorf(fed.Corrupt, "Fetch it from another party.", "party %s ended the blob with %d parts missing", r.s.party.Short(), r.left)
			}
			l.setPace(false)
			return nil
		case wire.BlobData:
			if m.Leaf >= len(have) || have[m.Leaf] {
				return errStep(m)
			}
			if err := r.part.WriteLeaf(m.Leaf, m.Data); err != nil {
				if fed.KindOf(err) == fed.Corrupt {
					r.h.refuse(BadBlob, r.s.info, err.Error())
				}
				return err
			}
			have[m.Leaf] = true
			r.left--
			r.done += int64(len(m.Data))
			r.progress(r.done, r.ref.Size)
			if grant += len(m.Data); grant >= r.h.o.Limits.Credit/4 && r.left > 0 {
				if err := say(wire.BlobCredit{Bytes: uint32(grant)}); err != nil {
					return err
				}
				grant = 0
			}
		default:
			return errStep(m)
		}
	}
}

// next returns the next message; a refusal becomes an error, and a failure of the
// socket is marked.
func (r *reception) next(l *link) (wire.Message, error) {
	e, err := l.read(max(r.h.o.Timers.Read, r.h.o.Timers.RateWindow))
	if err != nil {
		if reason := reasonOf(err); reason == Oversized || reason == Malformed {
			r.h.refuse(reason, r.s.info, err.Error())
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	if m, ok := e.Msg.(wire.Error); ok {
		return nil, Remote(m)
	}
	return e.Msg, nil
}

// socket returns a blob socket to fetch on: a rested one, a dialled one, or one that
// the peer dials on request.
func (r *reception) socket(ctx context.Context) (l *link, pooled bool, err error) {
	if l := r.s.rested(); l != nil {
		return l, true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.h.o.Timers.Dial+r.h.o.Timers.Hello)
	defer cancel()
	defer context.AfterFunc(r.s.ctx, cancel)()
	if r.s.info.Dialled {
		l, err = r.h.openBlob(ctx, r.s, "")
		return l, false, err
	}
	l, err = r.h.callBlob(ctx, r.s)
	return l, false, err
}

// callBlob asks the peer, which dialled the session, to dial a blob socket too.
func (h *Host) callBlob(ctx context.Context, s *session) (*link, error) {
	ticket, ch := randomID(), make(chan *link, 1)
	h.mu.Lock()
	h.tickets[ticket] = ch
	h.mu.Unlock()
	err := s.send(ctx, wire.Envelope{Msg: wire.BlobDial{Ticket: ticket}})
	if err == nil {
		select {
		case l := <-ch:
			return l, nil
		case <-ctx.Done():
			err = fed.Errorf(fed.Unavailable, "Try again in a moment.", "party %s did not open a socket for the transfer", s.party.Short())
		}
	}
	h.mu.Lock()
	delete(h.tickets, ticket)
	h.mu.Unlock()
	select {
	case l := <-ch: // it came too late
		s.release(l)
		l.close()
	default:
	}
	return nil, err
}

// rest keeps a socket for the next fetch.
func (s *session) rest(l *link) {
	s.mu.Lock()
	keep := !s.ended && len(s.idle) < maxIdle
	if keep {
		s.idle = append(s.idle, l)
	}
	delete(s.blobs, l)
	s.mu.Unlock()
	if !keep {
		l.close()
	}
}

func (s *session) rested() *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if s.ended || n == 0 {
		return nil
	}
	l := s.idle[n-1]
	s.idle = s.idle[:n-1]
	s.blobs[l] = true
	return l
}

// leafCount and leafLen follow from the size of a blob in bytes.
func leafCount(size int64) int { return int((size + wire.LeafSize - 1) / wire.LeafSize) }

func leafLen(size int64, i int) int { return int(min(wire.LeafSize, size-int64(i)*wire.LeafSize)) }

func bitmap(have []bool) []byte {
	out := make([]byte, (len(have)+7)/8)
	for i, ok := range have {
		if ok {
			out[i/8] |= 1 << (i % 8)
		}
	}
	return out
}

// missing returns the leaves whose bit is not set.
func missing(bits []byte, n int) []int {
	var out []int
	for i := range n {
		if bits[i/8]&(1<<(i%8)) == 0 {
			out = append(out, i)
		}
	}
	return out
}
