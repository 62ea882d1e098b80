package transport

import (
	"net"
	"net/netip"
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
		ip := source(c.RemoteAddr().String())
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

// source is what counts as one address: an IPv4 address, or the /64 network that an
// IPv6 address is in, since one computer may use all of it.
func source(addr string) string {
	host := hostOf(addr)
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip.Unmap().Is4() {
		return ip.Unmap().String()
	}
	net, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return net.String()
}

// tally bounds how many of something a source has open.
type tally[K comparable] struct {
	most int
	mu   sync.Mutex
	open map[K]int
}

func newTally[K comparable](most int) *tally[K] { return &tally[K]{most: most, open: map[K]int{}} }

// enter counts one more of k unless that is too many.
func (t *tally[K]) enter(k K) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[k] >= t.most {
		return false
	}
	t.open[k]++
	return true
}

func (t *tally[K]) leave(k K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[k]--; t.open[k] <= 0 {
		delete(t.open, k)
	}
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
