package discover

import (
	"net"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"

	"synergos.app/desktop/backend/fed"
)

const (
	service   = "_synergos._tcp"
	domain    = "local"
	question  = service + "." + domain + "."
	letters   = 16 // of the question, whose case is free
	quietBit  = 1
	nonceMask = 1<<letters - 1 - quietBit
)

// stamp writes 16 bits into the case of the question's letters. DNS compares
// names without case, and a query keeps its spelling on the wire, so a computer
// recognises its own queries among those of others (the library shows a
// responder nothing but the question). Bit 0 asks others not to look round in
// answer.
func stamp(bits uint16) string {
	b := []byte(question)
	n := 0
	for i, c := range b {
		if c < 'a' || c > 'z' {
			continue
		}
		if bits&(1<<n) != 0 {
			b[i] = c - 'a' + 'A'
		}
		n++
	}
	return string(b)
}

// unstamp reads the bits of a question for our service; ok is false for another.
func unstamp(name string) (bits uint16, ok bool) {
	if len(name) != len(question) || !strings.EqualFold(name, question) {
		return 0, false
	}
	n := 0
	for _, c := range []byte(name) {
		switch {
		case c >= 'A' && c <= 'Z':
			bits |= 1 << n
			n++
		case c >= 'a' && c <= 'z':
			n++
		}
	}
	return bits, true
}

// Answers per second that a zone gives at most, and at once. Anybody can make a
// computer answer, also with a forged sender.
const (
	answerRate  = 100
	answerBurst = 200
)

// zone answers queries; the library calls it from its own goroutines.
type zone struct {
	now     func() time.Time
	refused func(reason string)
	foreign func() // a newcomer's query was heard

	mu       sync.Mutex
	answers  *mdns.MDNSService // nil: not discoverable or nothing to tell
	own      map[uint16]func() // our open queries; called when heard
	tokens   float64
	filledAt time.Time
}

func newZone(now func() time.Time, refused func(string), foreign func()) *zone {
	return &zone{now: now, refused: refused, foreign: foreign, own: map[uint16]func(){}, tokens: answerBurst, filledAt: now()}
}

// announce sets what is told; nil tells nothing.
func (z *zone) announce(s *mdns.MDNSService) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.answers = s
}

// expect registers an own query; heard is called if it comes back. It reports
// false if another open query has these bits.
func (z *zone) expect(bits uint16, heard func()) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.own[bits] != nil {
		return false
	}
	z.own[bits] = heard
	return true
}

func (z *zone) done(bits uint16) {
	z.mu.Lock()
	defer z.mu.Unlock()
	delete(z.own, bits)
}

// Records implements mdns.Zone.
func (z *zone) Records(q dns.Question) (rrs []dns.RR) {
	defer func() {
		if recover() != nil {
			z.refused("panic")
			rrs = nil
		}
	}()
	if bits, ok := unstamp(q.Name); ok {
		z.heard(bits)
	}
	answers := z.answering(q.Name)
	if answers == nil {
		return nil
	}
	q.Name = respell(q.Name, answers)
	return answers.Records(q)
}

func (z *zone) heard(bits uint16) {
	z.mu.Lock()
	heard := z.own[bits]
	z.mu.Unlock()
	switch {
	case heard != nil:
		heard()
	case bits&quietBit == 0:
		z.foreign()
	}
}

// answering returns what to answer from, or nil if the question is not for us or
// too many were asked.
func (z *zone) answering(name string) *mdns.MDNSService {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.answers == nil || !concerns(name, z.answers) {
		return nil
	}
	now := z.now()
	z.tokens = min(answerBurst, z.tokens+answerRate*now.Sub(z.filledAt).Seconds())
	z.filledAt = now
	if z.tokens < 1 {
		z.refused("rate")
		return nil
	}
	z.tokens--
	return z.answers
}

func names(s *mdns.MDNSService) []string {
	return []string{question, s.Instance + "." + question, s.HostName, "_services._dns-sd._udp." + domain + "."}
}

func concerns(name string, s *mdns.MDNSService) bool { return respell(name, s) != "" }

// respell returns name in the spelling that the library compares with, or "".
func respell(name string, s *mdns.MDNSService) string {
	for _, n := range names(s) {
		if strings.EqualFold(n, name) {
			return n
		}
	}
	return ""
}

// instance returns the name under which a device answers: the first 16
// characters of its id.
func instance(id fed.DeviceID) string { return string(id[:16]) }

// newService builds the records of a. Host name and addresses are given, so the
// library asks the system for neither; the host name is the instance.
func newService(a Announcement) (*mdns.MDNSService, error) {
	ips := make([]net.IP, 0, len(a.Addrs))
	for _, addr := range a.Addrs[:min(len(a.Addrs), MaxAddrs)] {
		ips = append(ips, addr.AsSlice())
	}
	name := instance(a.ID)
	return mdns.NewMDNSService(name, service, domain+".", name+"."+domain+".", int(a.Port), ips, a.TXT())
}
