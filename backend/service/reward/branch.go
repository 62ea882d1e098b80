package reward

import (
	"cmp"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// branches are the entries of one run as they arrived. A coordinator that was cut
// off and its successor may both have written after the same entry, so what is
// chained is a tree; the ledger is its longest branch.
type branches struct {
	after  map[fed.Digest][]Entry // chained entries by their predecessor
	beside []Entry                // countersigns and receipts
	times  map[fed.Digest]int64
}

func newBranches() *branches {
	return &branches{after: map[fed.Digest][]Entry{}, times: map[fed.Digest]int64{}}
}

func (b *branches) add(e Entry, timeMs int64) {
	b.times[e.Hash] = timeMs
	if e.K == 0 {
		b.beside = append(b.beside, e)
		return
	}
	b.after[e.Prev] = append(b.after[e.Prev], e)
}

// chain returns the longest branch that members of the run wrote; of equal ones
// the one whose hash is smaller, so that every party settles on the same.
func (b *branches) chain(run fed.Run) []Entry {
	genesis := Genesis(run.Project, run.ID)
	heights := map[fed.Digest]int{}
	b.measure(run, genesis, 1, heights)
	var out []Entry
	for at := genesis; ; {
		next := b.next(run, at, len(out)+1)
		if len(next) == 0 {
			return out
		}
		e := slices.MinFunc(next, func(x, y Entry) int {
			return cmp.Or(cmp.Compare(heights[y.Hash], heights[x.Hash]), cmp.Compare(x.Hash, y.Hash), cmp.Compare(x.By, y.By))
		})
		out, at = append(out, e), e.Hash
		if e.Kind == KindClose {
			return out
		}
	}
}

// measure notes how many entries may follow each one.
func (b *branches) measure(run fed.Run, at fed.Digest, k int, heights map[fed.Digest]int) int {
	most := 0
	for _, e := range b.next(run, at, k) {
		if _, done := heights[e.Hash]; !done {
			heights[e.Hash] = 0
			if e.Kind != KindClose {
				heights[e.Hash] = b.measure(run, e.Hash, k+1, heights)
			}
		}
		most = max(most, 1+heights[e.Hash])
	}
	return most
}

// next returns the entries that may stand at place k after an entry.
func (b *branches) next(run fed.Run, at fed.Digest, k int) []Entry {
	var out []Entry
	for _, e := range b.after[at] {
		if _, ok := run.Member(e.By); ok && e.K == k {
			out = append(out, e)
		}
	}
	return out
}
