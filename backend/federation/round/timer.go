package round

import "time"

// Next returns when the next Tick has something to do.
func (m *Machine) Next() time.Time {
	switch m.state {
	case Coordinator:
		return m.sent.Add(m.cfg.Heartbeat)
	case PreCandidate, Candidate:
		return earlier(m.ballotEnd, m.sent.Add(m.cfg.Heartbeat))
	}
	next := m.now.Add(m.cfg.Lease)
	if m.mayStand() {
		next = m.due
	}
	if m.coordinator != "" && !m.lost {
		next = earlier(next, m.heard.Add(m.cfg.Lease+time.Nanosecond))
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (m *Machine) majority() int {
	k := len(m.p.Voters)
	if m.mutant&minorityQuorum != 0 {
		return max(1, k/2)
	}
	return k/2 + 1
}

// rank counts the voters before this one that are not known to be away.
func (m *Machine) rank() int {
	r := 0
	for _, v := range m.p.Voters {
		if v == m.cfg.Self {
			return r
		}
		if !m.absent[v] {
			r++
		}
	}
	return r
}

func (m *Machine) redraw() {
	m.jitter = time.Duration(m.draw() * float64(m.cfg.Jitter))
}

// rearm sets the election timer from now: a lease and the rank's share, or the
// short fresh delay when nobody ever led.
func (m *Machine) rearm() {
	m.redraw()
	if m.p.Term == 0 && m.heard.IsZero() {
		m.rearmFresh()
		return
	}
	m.extend()
}

func (m *Machine) extend() {
	m.due = m.now.Add(m.cfg.Lease + time.Duration(m.rank())*m.cfg.RankStep + m.jitter)
}

// rearmFresh sets the timer when nobody can be alive: rank times a small delay.
func (m *Machine) rearmFresh() {
	r := m.rank()
	m.due = m.now.Add(time.Duration(r) * m.cfg.FreshStep)
	if r > 0 {
		m.due = m.due.Add(time.Duration(m.draw() * float64(m.cfg.FreshStep) / 2))
	}
}

// retry sets the timer after an attempt that found no majority. The lease has
// passed already.
func (m *Machine) retry() {
	m.redraw()
	if m.p.Term == 0 && m.heard.IsZero() {
		m.rearmFresh()
		m.due = m.due.Add(m.cfg.FreshStep)
		return
	}
	m.due = m.now.Add(m.cfg.Heartbeat + time.Duration(m.rank())*m.cfg.RankStep + m.jitter)
}
