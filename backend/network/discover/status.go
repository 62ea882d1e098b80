package discover

import (
	"fmt"
	"maps"
	"runtime"
	"time"
)

// silentLimit is how many own queries must go unheard before multicast is said
// to be blocked; one may get lost.
const silentLimit = 2

// State says how discovery is doing as a whole.
type State string

// The states of discovery.
const (
	Stopped   State = "stopped"    // Run is not running
	NoNetwork State = "no_network" // no interface to look on
	Blocked   State = "blocked"    // our own queries do not even reach ourselves
	Looking   State = "looking"
)

// PairStatus tells about one interface and IP family.
type PairStatus struct {
	Interface string
	Family    int       // 4 or 6
	On        bool      // false: switched off by Error, tried again later
	Blocked   bool      // our queries go out without an error but are not heard by our own server
	Error     string    // of the system, empty if none
	Hint      string    // what to do, empty if all is well
	Queries   uint64    // sent since it was opened
	Answers   int       // to the last query, our own included
	LastQuery time.Time // zero: none yet
	LastHeard time.Time // when our own server last heard our query
}

// Status is what Diagnostics shows of discovery on the local network.
type Status struct {
	State        State
	Text         string // one sentence
	Hint         string // the next step, empty if none is needed
	Discoverable bool
	CanHear      bool // false: this system cannot tell whether multicast is blocked
	Peers        int
	Pairs        []PairStatus
	// Refused counts what was not believed, by reason: txt (malformed record),
	// name (instance is not the id's), address (none can be dialled), too many,
	// rate (questions over the limit), service, panic.
	Refused map[string]uint64
}

const (
	hintBlocked = "Type the address of the other computer, or use an invite link. For those who run the network: allow UDP port 5353 " +
		"to 224.0.0.251 and ff02::fb in the firewall of this computer, and multicast on the Wi-Fi or switch."
	hintNoNetwork = "Connect this computer to a network."
)

// Status returns how discovery is doing now.
func (m *MDNS) Status() Status {
	m.mu.Lock()
	links, listErr := m.links, m.listErr
	s := Status{
		Discoverable: m.discoverable.Load(), CanHear: m.radio.hearsItself(),
		Peers: len(m.peers.peers), Refused: maps.Clone(m.refused),
	}
	m.mu.Unlock()
	for _, l := range links {
		for _, p := range l.pairs {
			s.Pairs = append(s.Pairs, p.status(s.CanHear))
		}
	}
	s.State = m.state(s.Pairs)
	s.Text, s.Hint = s.sentence()
	if listErr != nil {
		s.Text, s.Hint = "The networks of this computer cannot be listed: "+listErr.Error()+".", hintNoNetwork
	}
	return s
}

// state judges all pairs: one that works is enough to look.
func (m *MDNS) state(pairs []PairStatus) State {
	switch {
	case !m.running.Load():
		return Stopped
	case len(pairs) == 0:
		return NoNetwork
	}
	for _, p := range pairs {
		if p.On && !p.Blocked {
			return Looking
		}
	}
	return Blocked
}

func (s Status) sentence() (text, hint string) {
	switch s.State {
	case Stopped:
		return "Not looking on the local network.", "Type the address of the other computer, or use an invite link."
	case NoNetwork:
		return "There is no network to look on.", hintNoNetwork
	case Blocked:
		return "This network does not let computers find each other.", hintBlocked
	}
	text = fmt.Sprintf("Looking on this network: %d computers seen.", s.Peers)
	if s.Peers == 1 {
		text = "Looking on this network: 1 computer seen."
	}
	if !s.Discoverable {
		return text + " Others cannot see this one.", "Let others find this app, under Settings, to be seen by them."
	}
	return text, ""
}

func (p *pair) status(canHear bool) PairStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PairStatus{
		Interface: p.iface.Name, Family: int(p.family), On: p.on, Queries: p.queries, Answers: p.answers,
		LastQuery: p.lastQuery, LastHeard: p.lastHeard, Blocked: canHear && p.on && p.silent >= silentLimit,
	}
	if p.err != nil {
		s.Error = p.err.Error()
		s.Hint = p.hint()
	}
	if s.Blocked {
		s.Hint = hintBlocked
	}
	return s
}

// hint names the usual cause of an error: the library asks the routing table
// even when it is told the interface.
func (p *pair) hint() string {
	if p.family == 4 && runtime.GOOS == "linux" {
		return "It is tried again by itself. If it stays, give this network a multicast route: sudo ip route add 224.0.0.0/4 dev " + p.iface.Name
	}
	return "It is tried again by itself; no step is needed while another line works."
}
