package node

import (
	"slices"
	"testing"

	"synergos.app/desktop/backend/fed"
)

// A coordinator that stops between the commit of a round and its record tells, when it
// is back, who took part: its successor could not know.
func TestCoordinatorTellsLaterWhoTookPart(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	project := l.Project(CohortConfig(3), nil)
	run := l.Hospital[0].Queue(project, CohortConfig(3))
	d := l.OneTruth(project, run)
	x, _ := l.Hospital[0].tracker.Run(fed.RunID(run))
	last := x.Rounds[len(x.Rounds)-1]
	lead := l.Hospital[slices.IndexFunc(l.Hospital, func(h *Hospital) bool { return h.me() == last.Coordinator })]
	if _, kept := lead.grids.drafts.Kept(x.ID); kept {
		t.Error("the draft of a round that is in the book is kept")
	}
	must(0, lead.grids.drafts.Keep(t.Context(), x.Run, last))(t)
	lead.stop()
	lead.start()
	kept, ok := lead.grids.drafts.Kept(x.ID)
	same(t, "kept over a restart", line(ok, kept.N, len(kept.In)), line(true, last.N, len(last.In)))

	// A record that says who took part needs no more; one that does not is completed.
	lead.grids.drafts.recall(t.Context(), x)
	if _, kept := lead.grids.drafts.Kept(x.ID); !kept {
		t.Error("written beside a full record")
	}
	bare := x
	bare.Rounds = append(bare.Rounds[:len(bare.Rounds)-1:len(bare.Rounds)-1], fed.RoundRecord{N: last.N, Digest: last.Digest})
	before := len(allDocs(lead.Node))
	lead.grids.drafts.recall(t.Context(), bare)
	same(t, "documents written", len(allDocs(lead.Node))-before, 1)
	if _, kept := lead.grids.drafts.Kept(x.ID); kept {
		t.Error("kept when it is in the book")
	}
	same(t, "rounds", len(l.OneTruth(project, run).Rounds), len(d.Rounds))
}
