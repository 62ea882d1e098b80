package discover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// inFlight is how many queries of one pair may await answers at once.
const inFlight = 2

// link is one interface: a server, and a pair for each IP family.
type link struct {
	iface   iface
	err     error // why there is no server
	retryAt time.Time
	stop    func()
	pairs   []*pair
	cancel  context.CancelFunc
	ended   sync.WaitGroup
}

// open starts the server of an interface and asks on it; without a server the
// link rests, since nobody there could know that multicast works.
func (m *MDNS) open(ctx context.Context, i iface) *link {
	l := &link{iface: i}
	for _, f := range i.families() {
		l.pairs = append(l.pairs, &pair{m: m, iface: i, family: f, kick: make(chan struct{}, 1), on: true})
	}
	if l.stop, l.err = m.radio.serve(i, m.zone); l.err != nil {
		l.retryAt = m.cfg.Now().Add(m.cfg.Retry)
		for _, p := range l.pairs {
			p.fail(l.err)
		}
		return l
	}
	ctx, l.cancel = context.WithCancel(ctx)
	for _, p := range l.pairs {
		l.ended.Go(func() { p.run(ctx) })
	}
	return l
}

// close ends the server and waits for the queries that are out.
func (l *link) close() {
	if l.err != nil {
		return
	}
	l.cancel()
	l.stop()
	l.ended.Wait()
}

func (l *link) due(now time.Time) bool { return l.err != nil && !now.Before(l.retryAt) }

// serves reports whether i is the interface of the link, unchanged in its
// families.
func (l *link) serves(i iface) bool {
	return i.Name == l.iface.Name && i.Index == l.iface.Index && len(i.families()) == len(l.pairs) &&
		(len(l.pairs) == 0 || i.families()[0] == l.pairs[0].family)
}

// pair is one interface and IP family.
type pair struct {
	m      *MDNS
	iface  iface
	family family
	kick   chan struct{} // capacity 1: ask now

	mu        sync.Mutex
	on        bool
	err       error
	queries   uint64
	answers   int
	silent    int // queries since one was heard by ourselves
	lastQuery time.Time
	lastHeard time.Time
}

// run asks on schedule until ctx ends. After an error it rests, then begins
// anew as if the interface had just come up.
func (p *pair) run(ctx context.Context) {
	for {
		err := p.session(ctx)
		if ctx.Err() != nil {
			return
		}
		p.fail(err)
		rest := time.NewTimer(p.m.cfg.Retry)
		select {
		case <-ctx.Done():
			rest.Stop()
			return
		case <-rest.C:
		}
	}
}

// session asks until an error or the end of ctx, and returns when all its
// queries have returned.
func (p *pair) session(ctx context.Context) error {
	var asked sync.WaitGroup
	defer asked.Wait()
	slots := make(chan struct{}, inFlight)
	errs := make(chan error, inFlight)
	ask := func(loud bool) {
		select {
		case slots <- struct{}{}:
		default:
			return
		}
		asked.Go(func() {
			err := p.ask(ctx, loud)
			<-slots
			if err != nil {
				select {
				case errs <- err:
				default:
				}
			}
		})
	}
	plan := schedule{cfg: &p.m.cfg, slow: p.m.slow.Load}
	next := time.NewTimer(plan.next())
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-errs:
			return err
		case <-p.kick:
			ask(false)
		case <-next.C:
			loud := plan.bursting()
			next.Reset(plan.next())
			ask(loud)
		}
	}
}

// schedule yields the pauses between queries: first the burst, then periods.
type schedule struct {
	cfg  *Config
	slow func() bool
	n    int // pauses yielded
}

// next returns the pause before the next query.
func (s *schedule) next() time.Duration {
	n := s.n
	s.n++
	switch {
	case n == 0:
		return s.cfg.Burst[0]
	case n < len(s.cfg.Burst):
		return s.cfg.Burst[n] - s.cfg.Burst[n-1]
	}
	return s.cfg.jittered(s.cfg.period(s.slow()))
}

// bursting reports whether the query after the last pause is one of a newcomer.
func (s *schedule) bursting() bool { return s.n <= len(s.cfg.Burst) }

// ask sends one query and admits its answers. A loud one asks those who hear it
// to look round as well; the others are quiet, or queries would breed queries.
func (p *pair) ask(ctx context.Context, loud bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			p.m.refuse("panic")
			err = fmt.Errorf("discovery panicked: %v", r)
		}
	}()
	var heard atomic.Bool
	bits, free := p.stampBits(loud, func() { heard.Store(true) })
	if !free {
		return nil
	}
	defer p.m.zone.done(bits)
	p.sent()
	entries, err := p.m.radio.query(ctx, p.iface, p.family, stamp(bits), p.m.cfg.Window)
	if ctx.Err() != nil {
		return nil
	}
	for _, e := range entries {
		p.m.admit(p.iface, e)
	}
	p.returned(len(entries), heard.Load(), err)
	return err
}

// stampBits registers an unused stamp for a query; heard is called when our own
// server hears it.
func (p *pair) stampBits(loud bool, heard func()) (bits uint16, free bool) {
	for range 8 {
		bits = uint16(p.m.cfg.Random()*(1<<letters)) & nonceMask
		if !loud {
			bits |= quietBit
		}
		if p.m.zone.expect(bits, heard) {
			return bits, true
		}
	}
	return 0, false
}

func (p *pair) sent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queries++
	p.lastQuery = p.m.cfg.Now()
}

func (p *pair) returned(answers int, heard bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		return // session says so
	}
	p.on, p.err, p.answers = true, nil, answers
	p.silent++
	if heard {
		p.silent, p.lastHeard = 0, p.lastQuery
	}
}

func (p *pair) fail(err error) {
	if err == nil {
		err = errors.New("discovery ended")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on, p.err = false, err
}
