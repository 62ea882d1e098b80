package round

import "synergos.app/desktop/backend/fed"

// hold pauses or resumes the opening of rounds. What a follower sets holds only
// until the coordinator says otherwise.
func (m *Machine) hold(held bool) {
	if m.held == held {
		return
	}
	m.held = held
	m.tell(Held{Held: held})
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
