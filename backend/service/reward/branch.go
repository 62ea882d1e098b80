package reward

import (
	"cmp"
	"encoding/json"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// branches are the entries of one run as they arrived. A coordinator that was cut
// off and its successor may both have written after the same entry, and a lying one
// may have signed two: what is chained is a tree, and the ledger is one branch of
// it. What lost against it is kept and shown, see [Fork].
type branches struct {
	after  map[fed.Digest][]Entry // chained entries by their predecessor
	beside []Entry                // countersigns and receipts
	times  map[fed.Digest]int64
	found  map[fed.PartyID]fed.Digest // the first head that each party found right
}

// Fork is a place of the ledger for which entries compete. Kept counts, Other does
// not. Two of one author are a lie; one of an earlier reign is what a coordinator
// wrote while it was cut off.
type Fork struct {
	Kept, Other Entry
}

// Lie reports whether one party signed two entries for one place.
func (f Fork) Lie() bool { return f.Kept.By == f.Other.By }

func newBranches() *branches {
	return &branches{after: map[fed.Digest][]Entry{}, times: map[fed.Digest]int64{}, found: map[fed.PartyID]fed.Digest{}}
}

func (b *branches) add(e Entry, timeMs int64) {
	if e.K > 0 {
		b.times[e.Hash] = timeMs
		b.after[e.Prev] = append(b.after[e.Prev], e)
		return
	}
	b.times[e.Hash] = timeMs
	b.beside = append(b.beside, e)
	var c Countersign
	if e.Kind == KindCountersign && b.found[e.By] == "" && json.Unmarshal(e.Body, &c) == nil && c.OK {
		b.found[e.By] = e.Prev
	}
}

// walk is a way through the tree of one run.
type walk struct {
	*branches
	run    fed.Run
	led    func(term uint64, by fed.PartyID) bool
	merits map[fed.Digest]merit
}

// merit is what speaks for an entry beside its term.
type merit struct {
	signed int // members that found a closed ledger with it right, each by its first word
	height int // entries up to the end of the longest branch
}

// chain returns the branch that counts and what competed with it. Only entries of
// parties that led the run in the entry's term are followed. Of several, the one
// counts whose closed ledger more members countersigned, so that nothing replaces
// what the members have found right; then the one of the later reign, the longer
// one, the smaller hash: everywhere the same.
func (b *branches) chain(run fed.Run, led func(term uint64, by fed.PartyID) bool) (chain []Entry, forks []Fork) {
	w := walk{b, run, led, map[fed.Digest]merit{}}
	at := Entry{Hash: Genesis(run.Project, run.ID)}
	for at.Kind != KindClose {
		next := w.next(at)
		if len(next) == 0 {
			break
		}
		for _, e := range next {
			w.weigh(e)
		}
		slices.SortFunc(next, func(x, y Entry) int {
			a, b := w.merits[x.Hash], w.merits[y.Hash]
			return cmp.Or(cmp.Compare(b.signed, a.signed), cmp.Compare(y.Term, x.Term), cmp.Compare(b.height, a.height), cmp.Compare(x.Hash, y.Hash), cmp.Compare(x.By, y.By))
		})
		for _, e := range next[1:] {
			if e.Hash != next[0].Hash {
				forks = append(forks, Fork{Kept: next[0], Other: e})
			}
		}
		at = next[0]
		chain = append(chain, at)
	}
	return chain, forks
}

// weigh returns the merit of an entry.
func (w *walk) weigh(e Entry) merit {
	if m, done := w.merits[e.Hash]; done {
		return m
	}
	m := merit{height: 1}
	if e.Kind == KindClose {
		for by, head := range w.found {
			if _, member := w.run.Member(by); member && head == e.Hash {
				m.signed++
			}
		}
	} else {
		for _, n := range w.next(e) {
			after := w.weigh(n)
			m.signed, m.height = max(m.signed, after.signed), max(m.height, 1+after.height)
		}
	}
	w.merits[e.Hash] = m
	return m
}

// next returns the entries that may follow at: in the next place, by a party that
// led the run in their term, and in no earlier term.
func (w *walk) next(at Entry) []Entry {
	var out []Entry
	for _, e := range w.after[at.Hash] {
		if _, member := w.run.Member(e.By); member && e.K == at.K+1 && e.Term >= at.Term && w.led(e.Term, e.By) {
			out = append(out, e)
		}
	}
	return out
}
