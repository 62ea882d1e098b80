package round

import "synergos.app/desktop/backend/fed"

// hold takes a person's decision. It stands, also after a restart, until another is
// known here.
func (m *Machine) hold(held bool) {
	if m.p.Hold.Held != held {
		m.setHold(Hold{m.p.Hold.Seq + 1, held})
	}
}

// decided takes a decision that another party knows of, if it is newer than this
// party's. One that was overtaken while its party was away changes nothing.
func (m *Machine) decided(from fed.PartyID, h Hold) {
	switch {
	case !m.p.Hold.less(h):
	case h.Seq > m.p.Hold.Seq+maxLeap:
		m.refuse(from, "count of decisions out of range")
	default:
		m.setHold(h)
	}
}

func (m *Machine) setHold(h Hold) {
	changed := m.p.Hold.Held != h.Held
	m.p.Hold, m.dirty = h, true
	if !changed {
		return
	}
	m.tell(Held{Held: h.Held})
	if m.state == Coordinator {
		m.broadcast()
		m.open()
	}
}

// leave says goodbye to all. Until it returns the party neither stands nor
// stores checkpoints; it still votes when asked.
func (m *Machine) leave() {
	if m.left {
		return
	}
	m.left, m.pending = true, nil
	m.sendPresence(m.left)
	m.heard = m.now.Add(-2 * m.cfg.Lease)
	if m.state != Follower && m.state != Paused {
		m.stepDown(Follower, LeftPolitely)
	}
}

func (m *Machine) comeBack() {
	if !m.left {
		return
	}
	m.left = false
	m.sendPresence(m.left)
	m.rearm()
}

func (m *Machine) sendPresence(absent bool) {
	for _, p := range m.everybody() {
		m.send(p, Presence{Term: m.p.Term, Absent: absent})
	}
}

// presence notes that a party left or is back. When the coordinator leaves,
// nobody waits for its lease.
func (m *Machine) presence(from fed.PartyID, p Presence) {
	m.setAbsent(from, p.Absent)
	if !p.Absent || from != m.coordinator || p.Term < m.p.Term || m.state != Follower {
		return
	}
	m.coordinator, m.lost = "", false
	m.heard = m.now.Add(-2 * m.cfg.Lease)
	m.rearmFresh()
	m.since = m.now
}

func (m *Machine) setAbsent(p fed.PartyID, absent bool) {
	if m.absent[p] == absent {
		return
	}
	m.absent[p] = absent
	m.tell(Away{Party: p, Absent: absent})
}
