package round

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
)

// lab is a grid of machines on a bench: every message waits until the test
// delivers or drops it, nothing is random, the clock stands still.
type lab struct {
	t       testing.TB
	now     time.Duration
	members Members
	timers  Timers
	mutant  mutant
	fixed   bool // the members never change
	m       map[fed.PartyID]*Machine
	disk    map[fed.PartyID]Persistent
	stands  map[fed.PartyID]bool
	forgot  map[fed.PartyID]bool
	wire    []posted
	out     strings.Builder
}

type posted struct {
	from, to fed.PartyID
	msg      Msg
}

func newLab(t testing.TB, mu mutant, names ...fed.PartyID) *lab {
	l := &lab{
		t: t, members: Elect(names), timers: Default(), mutant: mu, m: map[fed.PartyID]*Machine{},
		disk: map[fed.PartyID]Persistent{}, stands: map[fed.PartyID]bool{}, forgot: map[fed.PartyID]bool{},
	}
	for _, n := range names {
		l.add(n)
	}
	return l
}

func (l *lab) add(n fed.PartyID) {
	l.stands[n] = true
	l.disk[n] = Fresh(l.members)
	l.restart(n)
}

// testRun is the run of all grids of these tests.
const testRun = fed.RunID("0123456789abcdef0123456789abcdef")

// keysOf returns the configuration of a party with keys that stand in for Ed25519: a
// hash that anybody could make.
func keysOf(self fed.PartyID) Config {
	return Config{Self: self, Run: testRun, Sign: func(b fed.Ballot) fed.Signature { return signed(self, b) }, Verify: verify}
}

func signed(p fed.PartyID, b fed.Ballot) fed.Signature {
	return fed.Signature{Key: []byte(p), Sig: sign(p, fed.BallotDomain, b.SigningBytes())}
}

func sign(p fed.PartyID, domain string, body []byte) []byte {
	h := fnv.New64a()
	for _, b := range [...][]byte{[]byte(p), {0}, []byte(domain), {0}, body} {
		_, _ = h.Write(b)
	}
	return h.Sum(nil)
}

func verify(domain string, body []byte, s fed.Signature) (fed.PartyID, bool) {
	p := fed.PartyID(s.Key)
	return p, bytes.Equal(s.Sig, sign(p, domain, body))
}

// mandateOf is the mandate of a candidate with the votes of the named parties.
func mandateOf(b fed.Ballot, by ...fed.PartyID) fed.Mandate {
	m := fed.Mandate{Ballot: b}
	for _, p := range by {
		m.Votes = append(m.Votes, signed(p, b))
	}
	return m
}

// restart builds a party's machine again from its disk.
func (l *lab) restart(n fed.PartyID) {
	cfg := keysOf(n)
	cfg.Stands, cfg.Forgot, cfg.Timers, cfg.Changes = l.stands[n], l.forgot[n], l.timers, !l.fixed
	m, err := New(cfg, l.disk[n], func() float64 { return 0 }, origin.Add(l.now))
	if err != nil {
		l.t.Fatalf("restart %s: %v", n, err)
	}
	m.mutant = l.mutant
	l.m[n] = m
}

// step gives a party an input, saves, posts and prints.
func (l *lab) step(n fed.PartyID, in Input) Output {
	l.t.Helper()
	m, ok := l.m[n]
	if !ok {
		l.t.Fatalf("no party %q", n)
	}
	out := m.Step(origin.Add(l.now), in)
	if out.Err != nil {
		fmt.Fprintf(&l.out, "%s refuses: %v (%s)\n", n, out.Err, fed.KindOf(out.Err))
	}
	if out.Save != nil {
		l.disk[n] = *out.Save
		fmt.Fprintf(&l.out, "%s saves %s\n", n, printRecord(*out.Save))
	}
	for _, o := range out.Send {
		l.wire = append(l.wire, posted{n, o.To, o.Msg})
		fmt.Fprintf(&l.out, "%s -> %s %s\n", n, o.To, printMsg(o.Msg))
	}
	for _, e := range out.Tell {
		fmt.Fprintf(&l.out, "%s tells %s\n", n, printEvent(e))
	}
	for _, d := range out.Fetch {
		fmt.Fprintf(&l.out, "%s fetches %s\n", n, name(d))
	}
	return out
}

// deliver hands over the oldest message from one party to another.
func (l *lab) deliver(from, to fed.PartyID) {
	l.t.Helper()
	i := slices.IndexFunc(l.wire, func(p posted) bool { return p.from == from && p.to == to })
	if i < 0 {
		l.t.Fatalf("nothing on its way from %s to %s", from, to)
	}
	p := l.wire[i]
	l.wire = slices.Delete(l.wire, i, i+1)
	l.step(to, Received{from, p.msg})
}

// settle delivers messages among the named parties (all if none is named) until
// none is left, storing every blob at once; messages to others are dropped.
func (l *lab) settle(among ...fed.PartyID) {
	l.t.Helper()
	for n := 0; len(l.wire) > 0; n++ {
		if n > 10000 {
			l.t.Fatal("messages never end")
		}
		p := l.wire[0]
		l.wire = l.wire[1:]
		if len(among) > 0 && (!slices.Contains(among, p.to) || !slices.Contains(among, p.from)) {
			continue
		}
		for _, d := range l.step(p.to, Received{p.from, p.msg}).Fetch {
			l.step(p.to, Stored{d})
		}
	}
}

// drop loses what is on its way between two parties, "" standing for any.
func (l *lab) drop(from, to fed.PartyID) {
	l.wire = slices.DeleteFunc(l.wire, func(p posted) bool {
		return (from == "" || p.from == from) && (to == "" || p.to == to)
	})
}

// elect makes a party coordinator with the votes of the named ones, whatever the
// timers say, and drops what it proposes.
func (l *lab) elect(n fed.PartyID, with ...fed.PartyID) {
	l.t.Helper()
	l.step(n, TakeOver{})
	for range 2 {
		for _, v := range with {
			l.deliver(n, v)
			l.deliver(v, n)
		}
	}
	if l.m[n].State() != Coordinator {
		l.t.Fatalf("%s is %s after the votes of %v", n, l.m[n].State(), with)
	}
}

// propose makes a coordinator propose the checkpoint called d.
func (l *lab) propose(n fed.PartyID, d fed.Digest) error {
	acc := l.m[n].p.Acc
	c := fed.Checkpoint{Round: acc.Round + 1, Digest: d, Parent: acc.Digest}
	if acc.Digest == "" {
		c.Round = 0
	}
	return l.step(n, Propose{c}).Err
}

// named returns the digest for a short hexadecimal name of a transcript.
func named(s string) fed.Digest { return fed.Digest(strings.Repeat("0", 64-len(s)) + s) }

func name(d fed.Digest) string {
	if d == "" {
		return "nothing"
	}
	return strings.TrimLeft(string(d), "0")
}

func printCheckpoint(c fed.Checkpoint) string {
	if c.Digest == "" {
		return "none"
	}
	return fmt.Sprintf("%d/%d:%s", c.Term, c.Round, name(c.Digest))
}

func printRecord(p Persistent) string {
	vote := "nobody"
	if p.VotedFor != "" {
		vote = string(p.VotedFor)
	}
	mandate := ""
	if len(p.Mandate.Votes) > 0 {
		mandate = fmt.Sprintf(" mandate %d of %s", p.Mandate.Term, p.Mandate.Candidate)
	}
	hold := ""
	if p.Hold.Seq > 0 {
		hold = fmt.Sprintf(" decision %d%s", p.Hold.Seq, when(p.Hold.Held, " held"))
	}
	return fmt.Sprintf("epoch %d term %d vote %s acc %s committed %d%s%s", p.Epoch, p.Term, vote, printCheckpoint(p.Acc), p.CommittedRound, mandate, hold)
}

func printMsg(m Msg) string {
	switch m := m.(type) {
	case Prevote:
		return fmt.Sprintf("PREVOTE term %d acc %s%s", m.Term, printCheckpoint(m.Acc), when(m.TakeOver, " take over"))
	case PrevoteReply:
		return fmt.Sprintf("PREVOTE_REPLY for %d own term %d %s%s", m.For, m.Term, verdict(m.Granted, m.Why), when(m.Out, " out"))
	case Vote:
		return fmt.Sprintf("VOTE term %d acc %s", m.Term, printCheckpoint(m.Acc))
	case VoteReply:
		return fmt.Sprintf("VOTE_REPLY term %d %s%s", m.Term, verdict(m.Granted, m.Why), when(m.Out, " out"))
	case Round:
		return fmt.Sprintf("ROUND epoch %d term %d acc %s committed %s%s%s", m.Epoch, m.Term, printCheckpoint(m.Acc), printCheckpoint(m.Committed), when(m.Empty, " empty"), when(m.Hold.Held, " held"))
	case Ack:
		return fmt.Sprintf("ACK term %d acc %s%s%s%s", m.Term, printCheckpoint(m.Acc), when(m.Refused, " refused"), when(m.NoVote, " no vote"), when(m.Out, " out"))
	case Presence:
		return fmt.Sprintf("PRESENCE term %d%s", m.Term, when(m.Absent, " absent"))
	}
	return fmt.Sprintf("%T", m)
}

func when(b bool, s string) string {
	if b {
		return s
	}
	return ""
}

func verdict(granted bool, why Refusal) string {
	if granted {
		return "granted"
	}
	return "refused: " + why.String()
}

func printEvent(e Event) string {
	switch e := e.(type) {
	case Led:
		if e.Votes != nil {
			return fmt.Sprintf("led by %s in term %d with the votes of %v", e.Party, e.Term, e.Votes)
		}
		return fmt.Sprintf("led by %s in term %d", e.Party, e.Term)
	case Lost:
		return fmt.Sprintf("%s stopped answering at %v", e.Party, e.Heard.Sub(origin))
	case SteppedDown:
		return fmt.Sprintf("stepped down in term %d: %s", e.Term, e.Why)
	case Stopped:
		return fmt.Sprintf("paused: %d of %d voters", e.Answering, e.Voters)
	case Committed:
		return "committed " + printCheckpoint(e.Checkpoint)
	case Open:
		return fmt.Sprintf("open on %s under %s", printCheckpoint(e.Checkpoint), e.Coordinator)
	case Held:
		return fmt.Sprintf("held %t", e.Held)
	case Changed:
		return fmt.Sprintf("epoch %d with voters %v", e.Members.Epoch, e.Members.Voters)
	case Ousted:
		return fmt.Sprintf("ousted: the grid is in epoch %d, this party in %d", e.Epoch, e.Mine)
	case Away:
		return fmt.Sprintf("away %s %t", e.Party, e.Absent)
	case Refused:
		return fmt.Sprintf("refused from %s: %s", e.From, e.Why)
	}
	return fmt.Sprintf("%T", e)
}
