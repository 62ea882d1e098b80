package transport

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	leaving  atomic.Bool // the peer said farewell

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

const maxWaiting = 1024 // requests of this side without an answer

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

// bye says farewell behind what waits in the queue; best effort, since the peer may
// be gone or stuck.
func (s *session) bye(reason string) {
	f, err := s.seal(s.ctx, wire.Envelope{Msg: wire.Bye{Reason: reason}}, "")
	if err != nil {
		return
	}
	f.sent = make(chan struct{})
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case s.queue <- f:
	case <-s.ctx.Done():
		return
	case <-patience.C:
		return
	}
	select {
	case <-f.sent:
	case <-s.ctx.Done():
	case <-patience.C:
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

// request sends m and waits for the message that answers it.
func (s *session) request(ctx context.Context, m wire.Message) (wire.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, s.h.o.Timers.Request)
	defer cancel()
	id, ch, err := s.expect()
	if err != nil {
		return nil, err
	}
	defer s.unexpect(id)
	if err := s.send(ctx, wire.Envelope{ID: id, About: Subject(m), Msg: m}); err != nil {
		return nil, err
	}
	select {
	case r := <-ch:
		if e, ok := r.(wire.Error); ok {
			return nil, Remote(e)
		}
		return r, nil
	case <-s.ctx.Done():
		return nil, s.gone()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the answer of party %s to %s: %w", s.party.Short(), m.Kind(), ctx.Err())
	}
}

func (s *session) expect() (uint64, chan wire.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) >= maxWaiting {
		return 0, nil, fed.Errorf(fed.Busy, "Try again in a moment.", "too many questions to party %s are open", s.party.Short())
	}
	s.nextID++
	ch := make(chan wire.Message, 1)
	s.waiting[s.nextID] = ch
	return s.nextID, ch, nil
}

func (s *session) unexpect(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, id)
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
		s.reply(wire.Envelope{Msg: wire.Pong(m)})
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

// answered hands an answer to who waits for it; one that comes too late is
// dropped.
func (s *session) answered(e wire.Envelope) {
	s.mu.Lock()
	ch := s.waiting[e.Re]
	delete(s.waiting, e.Re)
	s.mu.Unlock()
	if ch != nil {
		ch <- e.Msg
	}
}

// ask handles a request beside others, up to a limit.
func (s *session) ask(wg *sync.WaitGroup, e wire.Envelope) {
	select {
	case s.places <- struct{}{}:
	default:
		s.h.refuse(TooManyAsked, s.info, string(e.Msg.Kind()))
		s.answerError(e, e.Msg.Kind(), fed.Errorf(fed.Busy, "Try again in a moment.", "too many requests at once"))
		return
	}
	wg.Go(func() {
		defer func() { <-s.places }()
		s.handleOne(e)
	})
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

// handleOne calls the handler and sends what it says. Errors are never answered,
// so that two programs cannot quarrel forever.
func (s *session) handleOne(e wire.Envelope) {
	kind := e.Msg.Kind()
	var reply wire.Message
	err := s.permitted(e.Msg)
	if err == nil {
		reply, err = s.h.handle(s.ctx, s.party, e.Msg)
	}
	switch {
	case kind == wire.KindError || s.ctx.Err() != nil:
	case err != nil:
		s.answerError(e, kind, err)
	case reply != nil:
		about := Subject(reply)
		if about == "" {
			about = e.About
		}
		s.reply(wire.Envelope{Re: e.ID, About: about, Msg: reply})
	case e.ID != 0:
		s.answerError(e, kind, fed.Errorf(fed.Invalid, "", "message %s has no answer", kind))
	}
}

func (s *session) permitted(m wire.Message) error {
	if err := Permitted(s.h.o.Permit, s.h.o.Queries, s.party, m); err != nil {
		s.h.refuse(NotPermitted, s.info, string(m.Kind()))
		return err
	}
	return nil
}

// Permitted checks the role of a party (permit nil allows all) and the list of
// queries. It returns fed.Permission.
func Permitted(permit func(fed.PartyID, wire.Kind) bool, queries []string, from fed.PartyID, m wire.Message) error {
	if permit != nil && !permit(from, m.Kind()) {
		return fed.Errorf(fed.Permission, "Ask the admin of the federation for a role that allows it.", "message %s is not allowed in this role", m.Kind())
	}
	q, ok := m.(wire.Query)
	if !ok {
		return nil
	}
	if slices.Contains(queries, q.Name) {
		return nil
	}
	return fed.Errorf(fed.Permission, "Update the app on both sides.", "the question %q is not answered here", q.Name)
}

func (s *session) answerError(e wire.Envelope, kind wire.Kind, err error) {
	s.reply(wire.Envelope{Re: e.ID, About: e.About, Msg: ErrorMessage(kind, err)})
}

// reply sends what the peer waits for; if that fails the session has ended or
// ends, except for a reply out of bounds, of which the log tells.
func (s *session) reply(e wire.Envelope) {
	err := s.send(s.ctx, e)
	if err == nil || s.ctx.Err() != nil {
		return
	}
	s.h.o.Log.Warn("answer not sent", "kind", string(e.Msg.Kind()), "error", err.Error())
	if _, ok := e.Msg.(wire.Error); !ok && e.Re != 0 {
		s.reply(wire.Envelope{Re: e.Re, Msg: ErrorMessage(e.Msg.Kind(), fed.Errorf(fed.KindOf(err), "", "the answer could not be sent"))})
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
