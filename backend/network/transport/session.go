package transport

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/wire"
)

// session is the control socket with one party and what hangs on it.
type session struct {
	*link
	info     Session // the fields that do not change
	instance string  // of the peer's program
	id       string
	addrs    []string // where the peer was dialled
	ctx      context.Context
	cancel   context.CancelFunc
	queue    chan frame
	inbox    chan wire.Envelope
	places   chan struct{} // one per request being handled
	lastIn   atomic.Int64  // ms since 1970, of the last message
	rtt      atomic.Int64  // ns
	pings    atomic.Uint64
	ponged   pongs
	leaving  atomic.Bool // the peer said farewell
	parting  atomic.Bool // this side did, and waits for the peer to close

	mu       sync.Mutex // guards what follows
	ended    bool
	replaced bool // by another session: nobody is told that it ended
	reason   Reason
	detail   string
	nextID   uint64
	waiting  map[uint64]chan wire.Message
	pinged   map[uint64]time.Time
	blobs    map[*link]bool
	idle     []*link // blob sockets that this side may fetch on
}

const (
	maxWaiting = 1024            // requests of this side without an answer
	farewell   = 3 * time.Second // for what is queued, and for the peer to close
)

func (h *Host) newSession(l *link, info Session, peer wire.Hello, id string) *session {
	s := &session{
		link: l, info: info, instance: peer.Instance, id: id,
		queue: make(chan frame, h.o.Limits.Queue), inbox: make(chan wire.Envelope, h.o.Limits.Inbox),
		places:  make(chan struct{}, h.o.Limits.Handling),
		waiting: map[uint64]chan wire.Message{}, pinged: map[uint64]time.Time{}, blobs: map[*link]bool{},
	}
	s.ctx, s.cancel = context.WithCancel(h.ctx)
	s.heard() // its HELLO; a doubt that comes before run must not take the start for a sign of life
	return s
}

// describe fills in what a session shows of a verified HELLO.
func (h *Host) describe(l *link, m wire.Hello, st identity.Statement, addr string, dialled bool) Session {
	at := h.o.Clock()
	return Session{
		Party: l.party, Device: l.device, Name: st.Name, Roles: st.Roles, Addr: addr, Dialled: dialled, Since: at,
		Skew: time.UnixMilli(m.ClockMs).Sub(at).Round(time.Millisecond), Features: m.Features,
		Version: fmt.Sprintf("%d.%d %s", m.Major, m.Minor, m.Software),
	}
}

func (s *session) snapshot() Session {
	v := s.info
	v.RTT, v.BytesIn, v.BytesOut = time.Duration(s.rtt.Load()), s.in.Load(), s.out.Load()
	return v
}

// run owns the session until it ends; all its goroutines have ended then.
func (s *session) run() {
	var wg sync.WaitGroup
	wg.Go(s.writeLoop)
	wg.Go(s.inboxLoop)
	wg.Go(s.pingLoop)
	s.readLoop(&wg)
	wg.Wait()
	s.h.forget(s)
}

// heard notes that the peer lives.
func (s *session) heard() { s.lastIn.Store(now().UnixMilli()) }

// end closes the session at once; the first reason counts.
func (s *session) end(r Reason, detail string) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	if r == Lost && s.parting.Load() {
		r, detail = Closed, ""
	}
	s.ended, s.reason, s.detail = true, r, detail
	links := s.idle
	for l := range s.blobs {
		links = append(links, l)
	}
	s.idle = nil
	s.mu.Unlock()
	s.cancel()
	s.close()
	for _, l := range links {
		l.close()
	}
}

// bye says farewell behind what waits in the queue, and leaves it to the peer to
// close: a socket that is closed while bytes of the peer wait unread in it is reset,
// and what was sent last is lost on the way. Best effort, since the peer may be gone
// or stuck.
func (s *session) bye(reason string) {
	f, err := s.seal(s.ctx, wire.Envelope{Msg: wire.Bye{Reason: reason}}, "")
	if err != nil {
		return
	}
	f.sent = make(chan struct{})
	patience := time.NewTimer(farewell)
	defer patience.Stop()
	s.parting.Store(true) // the peer may close as soon as it is queued
	select {
	case s.queue <- f:
	case <-s.ctx.Done():
		return
	case <-patience.C:
		return
	}
	for _, done := range [...]<-chan struct{}{f.sent, s.ctx.Done()} {
		select {
		case <-done:
		case <-s.ctx.Done():
		case <-patience.C:
			return
		}
	}
}

// send queues e. A queue that stays full is a peer too slow to keep.
func (s *session) send(ctx context.Context, e wire.Envelope) error {
	f, err := s.seal(ctx, e, "")
	if err != nil {
		return err
	}
	return s.enqueue(ctx, f)
}

func (s *session) enqueue(ctx context.Context, f frame) error {
	select {
	case s.queue <- f:
		return nil
	default:
	}
	patience := time.NewTimer(s.h.o.Timers.Queue)
	defer patience.Stop()
	select {
	case s.queue <- f:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return s.gone()
	case <-patience.C:
		s.h.refuse(SlowPeer, s.info, "")
		s.end(SlowPeer, "it did not take messages")
		return fed.Errorf(fed.Busy, "Check its network connection.", "party %s takes messages too slowly and was disconnected", s.party.Short())
	}
}

func (s *session) gone() error {
	return fed.Errorf(fed.Unavailable, "Wait until it is online again.", "the connection with party %s ended", s.party.Short())
}

func (s *session) writeLoop() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case f := <-s.queue:
			err := s.write(f)
			if f.sent != nil {
				close(f.sent)
			}
			if err != nil {
				if !s.leaving.Load() { // else what it sent before its farewell is handled first
					s.end(reasonOf(err), err.Error())
				}
				return
			}
		}
	}
}

// readLoop takes messages until the session ends. What is malformed ends the
// session; an unknown kind, which a newer version may send, is answered.
func (s *session) readLoop(wg *sync.WaitGroup) {
	for {
		e, err := s.read(s.h.o.Timers.Read)
		s.heard()
		switch {
		case errors.Is(err, wire.ErrUnknownKind):
			s.h.refuse(UnknownKind, s.info, "")
			s.answerError(e, "unknown", fed.Errorf(fed.Incompatible, "Update the app on both sides.", "this app does not know that kind of message"))
			continue
		case err != nil:
			r := reasonOf(err)
			if r == Oversized || r == Malformed {
				s.h.refuse(r, s.info, err.Error())
			}
			s.end(r, err.Error())
			return
		}
		if !s.route(wg, e) {
			return
		}
	}
}

// route gives one message to whom it concerns; false ends the session.
func (s *session) route(wg *sync.WaitGroup, e wire.Envelope) bool {
	switch m := e.Msg.(type) {
	case wire.Ping:
		if s.mayPong() {
			s.reply(wire.Envelope{Msg: wire.Pong(m)})
		}
		return true
	case wire.Pong:
		s.pong(m.Nonce)
		return true
	case wire.Bye:
		s.leaving.Store(true)
		select { // behind what it sent before
		case s.inbox <- e:
		case <-s.ctx.Done():
		}
		return false
	case wire.Hello, wire.HelloOk:
		s.h.refuse(Malformed, s.info, "a second HELLO")
		s.end(Malformed, "a second HELLO")
		return false
	case wire.BlobDial:
		s.h.dialBlob(s, m.Ticket)
		return true
	}
	switch {
	case e.Re != 0:
		s.answered(e)
	case e.ID != 0:
		s.ask(wg, e)
	default:
		select {
		case s.inbox <- e:
		case <-s.ctx.Done():
			return false
		}
	}
	return true
}

// pongs counts the answers to pings since a time; only the reader uses it.
type pongs struct {
	since time.Time
	n     int
}

// mostPongs is how many pings are answered within the time in which an honest peer
// sends about one: each answer is a line of the record of what left.
const mostPongs = 8

func (s *session) mayPong() bool {
	p := &s.ponged
	if t := now(); t.Sub(p.since) >= s.h.o.Timers.Ping {
		p.since, p.n = t, 0
	}
	if p.n++; p.n > mostPongs {
		s.h.refuse(TooManyAsked, s.info, string(wire.Ping{}.Kind()))
		return false
	}
	return true
}

func (s *session) inboxLoop() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case e := <-s.inbox:
			if m, ok := e.Msg.(wire.Bye); ok {
				s.end(SaidBye, m.Reason)
				return
			}
			s.handleOne(e)
		}
	}
}

func (s *session) pingLoop() {
	t := time.NewTicker(s.h.o.Timers.Ping)
	defer t.Stop()
	for {
		s.ping()
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (s *session) ping() {
	nonce := s.pings.Add(1)
	s.mu.Lock()
	if len(s.pinged) > 8 {
		clear(s.pinged)
	}
	s.pinged[nonce] = now()
	s.mu.Unlock()
	s.reply(wire.Envelope{Msg: wire.Ping{Nonce: nonce}})
}

func (s *session) pong(nonce uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.pinged[nonce]; ok {
		s.rtt.Store(int64(max(time.Since(at), 1)))
		delete(s.pinged, nonce)
	}
}

// probe doubts the session: it ends unless the peer is heard soon.
func (s *session) probe() {
	before := s.lastIn.Load()
	s.ping()
	t := time.NewTimer(s.h.o.Timers.Probe)
	defer t.Stop()
	select {
	case <-s.ctx.Done():
	case <-t.C:
		if s.lastIn.Load() == before {
			s.end(Silent, "it did not answer")
		}
	}
}

// adopt ties a blob socket to the session; false if the session has ended or has too
// many.
func (s *session) adopt(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || len(s.blobs) >= s.h.o.Limits.Blobs {
		return false
	}
	l.in, l.out = s.in, s.out
	s.blobs[l] = true
	return true
}

func (s *session) release(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blobs, l)
}
