package round

import (
	"fmt"
	"strings"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Facts is what the screen shows about a grid, in numbers; [Facts.Sentences] says
// it in words.
type Facts struct {
	At          time.Time
	State       State
	Self        fed.PartyID
	Coordinator fed.PartyID // "" when nobody is known
	Rank        int         // of the coordinator, 0 first; -1 when unknown
	Term        uint64
	Since       time.Time // when the coordinator was first heard, or the state began
	LastHeard   time.Time // of the coordinator; zero: never
	Epoch       uint64
	Round       int // of the newest accepted checkpoint
	Committed   int // newest committed round, -1 for none
	Voters      int
	Answering   int // voters that answer, this one included
	Waiting     []Waiting
	Standby     bool // another voter answers and could take over
	Held        bool
	Removed     bool
}

// Waiting is a party that has not answered what is open.
type Waiting struct {
	Party     fed.PartyID
	LastHeard time.Time // zero: never since this machine started
	Absent    bool      // it said goodbye
}

// Explain returns the facts at time now.
func (m *Machine) Explain(now time.Time) Facts {
	f := Facts{
		At: now, State: m.state, Self: m.cfg.Self, Coordinator: m.coordinator, Rank: -1,
		Term: m.p.Term, Since: m.since, Epoch: m.p.Epoch, Round: m.p.Acc.Round,
		Committed: m.p.CommittedRound, Voters: len(m.p.Voters), Held: m.p.Hold.Held, Removed: m.removed,
	}
	if m.coordinator != "" && m.state != Coordinator {
		f.LastHeard = m.heard
	}
	for i, v := range m.p.Voters {
		if v == m.coordinator {
			f.Rank = i
		}
		m.explainVoter(&f, v)
	}
	return f
}

func (m *Machine) explainVoter(f *Facts, v fed.PartyID) {
	if v == m.cfg.Self {
		f.Answering++
		return
	}
	last, ever := m.last[v]
	if ever && f.At.Sub(last) <= m.cfg.Lease && !m.absent[v] {
		f.Answering++
		f.Standby = true
	}
	if m.awaits(v) {
		f.Waiting = append(f.Waiting, Waiting{v, last, m.absent[v]})
	}
}

// awaits reports whether something open depends on v.
func (m *Machine) awaits(v fed.PartyID) bool {
	switch m.state {
	case Coordinator:
		return !m.has[v]
	case PreCandidate, Candidate:
		return !m.answered[v]
	case Paused:
		last, ever := m.last[v]
		return !ever || m.absent[v] || m.now.Sub(last) > m.cfg.Lease
	}
	return v == m.coordinator && m.lost
}

// Sentences returns the facts in words, names turned into text by name.
func (f Facts) Sentences(name func(fed.PartyID) string) []string {
	out := []string{f.headline(name)}
	for _, w := range f.Waiting {
		out = append(out, w.sentence(f.At, name))
	}
	if f.Held {
		out = append(out, "no new round is opened until somebody resumes the run")
	}
	if f.Voters > 1 && !f.Standby && f.State == Coordinator {
		out = append(out, "no standby reachable")
	}
	return out
}

func (f Facts) headline(name func(fed.PartyID) string) string {
	switch {
	case f.Removed:
		return "the grid went on without this party: join the run again"
	case f.State == Paused && f.Answering <= f.Voters/2:
		return fmt.Sprintf("paused: %d of %d voters", f.Answering, f.Voters)
	case f.State == PreCandidate || f.State == Candidate:
		return "asking the voters for the coordination"
	case f.Coordinator == "":
		return "waiting for a coordinator"
	case len(f.Waiting) > 0 && f.State == Follower:
		return name(f.Coordinator) + " stopped answering"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s leads since %s (term %d", name(f.Coordinator), f.Since.Format("15:04"), f.Term)
	if f.Rank >= 0 {
		fmt.Fprintf(&b, ", rank %d", f.Rank+1)
	}
	return b.String() + ")"
}

func (w Waiting) sentence(now time.Time, name func(fed.PartyID) string) string {
	switch {
	case w.Absent:
		return name(w.Party) + " left and has not returned"
	case w.LastHeard.IsZero():
		return "waiting for " + name(w.Party) + ", not heard yet"
	}
	return fmt.Sprintf("waiting for %s, last heard %d s ago", name(w.Party), int(now.Sub(w.LastHeard).Seconds()))
}
