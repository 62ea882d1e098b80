package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire"
)

// serveBlob accepts a blob socket of a live session: to fetch from, or, with a
// ticket, for a fetch of this side that waits for it.
func (h *Host) serveBlob(w http.ResponseWriter, r *http.Request, who Session) {
	proven(r)
	s, err := h.session(who.Party)
	if err != nil || s.device != who.Device || r.Header.Get(headerSession) != s.id {
		h.turnAway(w, http.StatusConflict, BadRequest, who)
		return
	}
	ticket := r.Header.Get(headerTicket)
	waiter, known := h.takeTicket(ticket)
	if ticket != "" && !known {
		h.turnAway(w, http.StatusNotFound, BadRequest, who)
		return
	}
	l := h.upgrade(w, r, wire.OnBlob, who)
	switch {
	case l == nil:
	case !s.adopt(l):
		h.refuse(TooManyFrom, who, "blob sockets")
		l.close()
	case known:
		waiter <- l // buffered: one per ticket
	default:
		if !h.spawn(func() { h.offer(s, l) }) {
			l.close()
		}
	}
}

func (h *Host) takeTicket(t string) (chan *link, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ch, ok := h.tickets[t]
	delete(h.tickets, t)
	return ch, ok
}

// dialBlob opens a blob socket that the peer asked for and serves on it.
func (h *Host) dialBlob(s *session, ticket string) {
	if !s.info.Dialled {
		return // it can dial itself
	}
	h.spawn(func() {
		ctx, cancel := context.WithTimeout(s.ctx, h.o.Timers.Dial+h.o.Timers.Hello)
		defer cancel()
		l, err := h.openBlob(ctx, s, ticket)
		if err != nil {
			h.o.Log.Info("blob socket not opened", "party", s.party.Short(), "error", err.Error())
			return
		}
		h.offer(s, l)
	})
}

// openBlob dials the blob socket of a session that this side dialled. A busy gate at
// the other end is tried again.
func (h *Host) openBlob(ctx context.Context, s *session, ticket string) (*link, error) {
	head := http.Header{headerSession: {s.id}}
	if ticket != "" {
		head.Set(headerTicket, ticket)
	}
	wait := 50 * time.Millisecond
	for {
		l, _, err := h.dial(ctx, only(s.device), s.addrs[:1], pathBlob, head)
		if err == nil {
			l.device, l.party = s.device, s.party
			if !s.adopt(l) {
				l.close()
				return nil, s.gone()
			}
			return l, nil
		}
		if wait > time.Second || fed.KindOf(err) != fed.Unavailable {
			return nil, err
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil, err
		case <-t.C:
		}
		wait *= 2
	}
}

// hearing reads a serving socket on its own goroutine, so that credit arrives while
// leaves are sent.
type hearing struct {
	got  chan wire.Message
	err  error // once got is closed
	stop chan struct{}
}

func (h *Host) hear(l *link, wg *sync.WaitGroup) *hearing {
	r := &hearing{got: make(chan wire.Message, 16), stop: make(chan struct{})}
	wg.Go(func() {
		defer close(r.got)
		for {
			e, err := l.read(5 * h.o.Timers.RateWindow)
			if err != nil {
				r.err = err
				return
			}
			select {
			case r.got <- e.Msg:
			case <-r.stop:
				return
			}
		}
	})
	return r
}

// next returns the next message that comes within wait.
func (r *hearing) next(ctx context.Context, wait time.Duration) (wire.Message, error) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case m, ok := <-r.got:
		if !ok {
			return nil, r.err
		}
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.C:
		return nil, errQuiet
	}
}

var errQuiet = fed.Errorf(fed.Timeout, "", "the receiver was silent for too long")

// offer serves blobs on a socket until it has been quiet for a while or breaks.
func (h *Host) offer(s *session, l *link) {
	var wg sync.WaitGroup
	in := h.hear(l, &wg)
	defer wg.Wait()
	defer s.release(l)
	defer l.close()
	defer close(in.stop)
	for {
		m, err := in.next(s.ctx, h.o.Timers.Read)
		if err == nil {
			err = h.offered(s, l, in, m)
		}
		if err != nil {
			if r := reasonOf(err); r == Oversized || r == Malformed && !errors.Is(err, errQuiet) {
				h.refuse(r, s.info, err.Error())
			}
			return
		}
	}
}

// offered answers what came between two transfers.
func (h *Host) offered(s *session, l *link, in *hearing, m wire.Message) error {
	switch m := m.(type) {
	case wire.BlobGet:
		return h.give(s, l, in, m.Ref)
	case wire.BlobCredit: // of the transfer that has just ended
		return nil
	}
	return errStep(m)
}

func errStep(m wire.Message) error {
	return fed.Errorf(fed.Invalid, "Update the app on both sides.", "%s is out of place in a transfer", m.Kind())
}

// give sends one blob. The error is nil when the socket can go on: a refusal was
// told, not a break.
func (h *Host) give(s *session, l *link, in *hearing, ref fed.BlobRef) error {
	subject := string(ref.Digest)
	select {
	case h.serving <- struct{}{}:
		defer func() { <-h.serving }()
	default:
		return l.sayError(s.ctx, 0, wire.KindBlobGet, fed.Errorf(fed.Busy, "Try again in a moment.", "too many transfers at once"))
	}
	file, leaves, err := OpenBlob(h.o.Blobs, h.o.MayFetch, s.party, ref)
	if err != nil {
		return l.sayError(s.ctx, 0, wire.KindBlobGet, err)
	}
	defer file.Close()
	if err := l.say(s.ctx, wire.Envelope{Msg: wire.BlobManifest{Leaves: leaves}}, subject); err != nil {
		return err
	}
	have, err := in.next(s.ctx, h.o.Timers.Read)
	if err != nil {
		return err
	}
	m, ok := have.(wire.BlobHave)
	if !ok || len(m.Bitmap) != (len(leaves)+7)/8 {
		return errStep(have)
	}
	if err := h.stream(s, l, in, file, subject, missing(m.Bitmap, len(leaves))); err != nil {
		return err
	}
	return l.say(s.ctx, wire.Envelope{Msg: wire.BlobEnd{}}, subject)
}

// OpenBlob finds a blob that a party may have. It returns fed.NotFound alike for
// what is not there and what the party may not have.
func OpenBlob(store BlobStore, may func(fed.PartyID, fed.Digest) bool, party fed.PartyID, ref fed.BlobRef) (BlobFile, []fed.Digest, error) {
	absent := fed.Errorf(fed.NotFound, "Fetch it from another party.", "blob %s is not here", ref.Digest.Short())
	if store == nil || may != nil && !may(party, ref.Digest) || !store.Has(ref.Digest) {
		return nil, nil, absent
	}
	leaves, err := store.Leaves(ref.Digest)
	if err != nil {
		return nil, nil, err
	}
	f, err := store.Open(ref.Digest)
	if err != nil {
		return nil, nil, err
	}
	if f.Size() != ref.Size || len(leaves) != leafCount(ref.Size) {
		f.Close()
		return nil, nil, absent
	}
	return f, leaves, nil
}

// stream sends the wanted leaves within the credit that the receiver grants, one
// leaf in memory at a time.
func (h *Host) stream(s *session, l *link, in *hearing, f BlobFile, subject string, want []int) error {
	buf := make([]byte, wire.LeafSize)
	credit := 0
	for _, i := range want {
		n := leafLen(f.Size(), i)
		for credit < n || len(in.got) > 0 {
			c, err := h.credit(s, in)
			if err != nil {
				return err
			}
			if credit += c; credit > maxOutstanding {
				return fed.Errorf(fed.Invalid, "", "the receiver grants an impossible amount")
			}
		}
		if _, err := f.ReadAt(buf[:n], int64(i)*wire.LeafSize); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read a blob: %w", err)
		}
		if err := l.say(s.ctx, wire.Envelope{Msg: wire.BlobData{Leaf: i, Data: buf[:n]}}, subject); err != nil {
			return err
		}
		credit -= n
	}
	return nil
}

const maxOutstanding = 128 << 20 // bytes of credit that make sense

// credit waits for the next grant.
func (h *Host) credit(s *session, in *hearing) (int, error) {
	m, err := in.next(s.ctx, h.o.Timers.RateWindow)
	if errors.Is(err, errQuiet) {
		h.refuse(SlowPeer, s.info, "blob")
	}
	if err != nil {
		return 0, err
	}
	c, ok := m.(wire.BlobCredit)
	if !ok {
		return 0, errStep(m)
	}
	return int(c.Bytes), nil
}
