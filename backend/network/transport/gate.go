package transport

import (
	"net"
	"sync"
	"time"
)

// gate is a listener that bounds the connections which have not yet proved to
// belong to a paired device. It wraps the raw listener, below TLS.
type gate struct {
	net.Listener
	total, each int
	refuse      func(Reason, string)

	mu   sync.Mutex
	open int
	from map[string]int
}

func newGate(ln net.Listener, total, each int, refuse func(Reason, string)) *gate {
	return &gate{Listener: ln, total: total, each: each, refuse: refuse, from: map[string]int{}}
}

// Accept implements net.Listener; connections above the limits are closed at once.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		ip := hostOf(c.RemoteAddr().String())
		if r := g.enter(ip); r != "" {
			c.Close()
			g.refuse(r, ip)
			continue
		}
		return &gated{Conn: c, leave: sync.OnceFunc(func() { g.leave(ip) })}, nil
	}
}

func (g *gate) enter(ip string) Reason {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.open >= g.total:
		return TooManyOpen
	case g.from[ip] >= g.each:
		return TooManyFrom
	}
	g.open++
	g.from[ip]++
	return ""
}

func (g *gate) leave(ip string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if g.from[ip]--; g.from[ip] == 0 {
		delete(g.from, ip)
	}
}

// gated is a connection that counts until leave is called.
type gated struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *gated) Close() error {
	c.leave()
	return c.Conn.Close()
}

func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}

// rate counts per address: at most tries within window, and pause between two.
type rate struct {
	window, pause time.Duration
	tries         int

	mu   sync.Mutex
	seen map[string][]time.Time
}

const maxRated = 4096 // addresses remembered

func newRate(window, pause time.Duration, tries int) *rate {
	return &rate{window: window, pause: pause, tries: tries, seen: map[string][]time.Time{}}
}

// full reports whether one more of ip is too many now.
func (r *rate) full(ip string, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fullLocked(ip, at)
}

func (r *rate) fullLocked(ip string, at time.Time) bool {
	list := r.seen[ip]
	for len(list) > 0 && at.Sub(list[0]) >= r.window {
		list = list[1:]
	}
	if len(list) == 0 {
		delete(r.seen, ip)
		return len(r.seen) >= maxRated
	}
	r.seen[ip] = list
	return len(list) >= r.tries || at.Sub(list[len(list)-1]) < r.pause
}

// take counts one more of ip unless it is too many.
func (r *rate) take(ip string, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fullLocked(ip, at) {
		r.sweep(at)
		return false
	}
	r.seen[ip] = append(r.seen[ip], at)
	return true
}

// sweep forgets addresses whose time has passed.
func (r *rate) sweep(at time.Time) {
	for ip, list := range r.seen {
		if at.Sub(list[len(list)-1]) >= r.window {
			delete(r.seen, ip)
		}
	}
}
