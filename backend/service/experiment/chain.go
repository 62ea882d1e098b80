package experiment

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/round"
)

// Why a record of a round or the end of a run is not taken; they are counted by these
// words.
var (
	errForm      = errors.New("out of form")
	errStranger  = errors.New("not by a member of the run")
	errAuthor    = errors.New("written in another's name")
	errMandate   = errors.New("its author is not proven to coordinate")
	errClaim     = errors.New("an update is not signed by its party")
	errOffChain  = errors.New("not on the chain of committed checkpoints")
	errUnfit     = errors.New("does not fit the run")
	errForeigner = errors.New("from another project")
)

// chain is what was proven about one run: by whom its records were written, in which
// terms. It is kept beside the run, since what is true of a record may only show
// when another arrives.
type chain struct {
	run     fed.Run
	members round.Members
	verify  fed.Verifier
	ballots map[uint64]fed.Ballot // proven, by term
	checked map[fed.Digest]bool   // mandates that were found right
	records []written
	places  map[place]bool // where there is a record
	ends    []ending
	stale   bool // more is known than the run says
}

// place is where one coordinator writes one record.
type place struct {
	n    int
	term uint64
}

type written struct {
	fed.RoundRecord
	timeMs int64
}

type ending struct {
	fed.RunEnd
	by     fed.PartyID
	timeMs int64
	key    string // the lowest stands
}

func newChain(r fed.Run, verify fed.Verifier) *chain {
	byRank := make([]fed.PartyID, len(r.Members))
	for _, m := range r.Members {
		byRank[m.Rank] = m.Party
	}
	return &chain{run: r, members: round.Elect(byRank), verify: verify, ballots: map[uint64]fed.Ballot{}, checked: map[fed.Digest]bool{}, places: map[place]bool{}}
}

// mandated returns nil when m proves that p coordinates in its term.
func (c *chain) mandated(p fed.PartyID, m fed.Mandate) error {
	if m.Run != c.run.ID || m.Candidate != p || m.Epoch != c.members.Epoch || m.Term == 0 || m.Acc.Digest != "" && m.Acc.Term >= m.Term {
		return errMandate
	}
	known, voted := c.ballots[m.Term]
	if voted && known != m.Ballot {
		return errMandate
	}
	id := m.SigningBytes()
	for _, v := range m.Votes {
		id = fmt.Appendf(id, " %x %x", v.Key, v.Sig)
	}
	if d := fed.DigestOf(id); !c.checked[d] {
		if err := m.Check(c.members.Voters, c.verify); err != nil {
			return errMandate
		}
		c.checked[d] = true
	}
	c.ballots[m.Term] = m.Ballot
	return nil
}

// record takes a record of a round that its author may write.
func (c *chain) record(by fed.PartyID, r fed.RoundRecord, timeMs int64) error {
	switch {
	case !isMember(c.run, by):
		return errStranger
	case r.Coordinator != by:
		return errAuthor
	case r.N < 0 || r.N > c.run.Config.Rounds || !r.Digest.Valid() || r.Mandate.Term != r.Term || (r.N == 0) != (r.Parent == ""):
		return errUnfit
	}
	if err := c.mandated(by, r.Mandate); err != nil {
		return err
	}
	if acc := r.Mandate.Acc; acc.Digest != "" && (r.N < acc.Round || r.N == acc.Round && r.Digest != acc.Digest || r.N == acc.Round+1 && r.Parent != acc.Digest) {
		return errOffChain
	}
	seen := map[fed.PartyID]bool{}
	for _, in := range r.In {
		m, ok := c.run.Member(in.Party)
		if !ok || m.Name != in.Name || seen[in.Party] {
			return errUnfit
		}
		seen[in.Party] = true
		if who, ok := c.verify(fed.ClaimDomain, in.Claimed(r.Run, r.N, r.Parent).SigningBytes(), in.Claim); !ok || who != in.Party {
			return errClaim
		}
	}
	if at := (place{r.N, r.Term}); !c.places[at] { // what its author wrote first stands
		c.places[at] = true
		c.records = append(c.records, written{r, timeMs})
	}
	return nil
}

// end takes the end of the run from who may write it: a coordinator, or its creator,
// who may not call it finished.
func (c *chain) end(e fed.RunEnd, creator fed.PartyID, d fed.Doc) error {
	finished := e.State == "finished"
	switch {
	case !finished && e.State != "failed" && e.State != "cancelled", finished && e.Rounds != c.run.Config.Rounds, e.Rounds < 0:
		return errUnfit
	case !isMember(c.run, d.Author) && d.Author != creator:
		return errStranger
	case e.Mandate != nil:
		if err := c.mandated(d.Author, *e.Mandate); err != nil {
			return err
		}
	case finished || d.Author != creator:
		return errMandate
	}
	// A finished run is never un-finished by a late cancel, and of two ends the one
	// with more parties' results stands, then the earlier: everywhere the same.
	key := "1" + string(d.Hash())
	if finished {
		key = fmt.Sprintf("0-%04d-%016d-%s", 9999-min(len(e.Results), 9999), d.TimeMs, d.Hash())
	}
	c.ends = append(c.ends, ending{e, d.Author, d.TimeMs, key})
	return nil
}

// held is the least that the coordinators elected in a term or later had been elected
// with.
type held struct {
	term   uint64
	none   bool       // one had nothing
	round  int        // the lowest
	digest fed.Digest // of it
	mixed  bool       // not the same for all of them
}

// reigns returns what later coordinators held, by term.
func (c *chain) reigns() []held {
	out := make([]held, len(c.ballots))
	for i, t := range slices.Sorted(maps.Keys(c.ballots)) {
		acc := c.ballots[t].Acc
		out[i] = held{term: t, none: acc.Digest == "", round: acc.Round, digest: acc.Digest}
	}
	for i := len(out) - 2; i >= 0; i-- {
		h, after := &out[i], out[i+1]
		h.none = h.none || after.none
		switch {
		case after.round < h.round:
			h.round, h.digest, h.mixed = after.round, after.digest, after.mixed
		case after.round == h.round:
			h.mixed = after.mixed || after.digest != h.digest
		}
	}
	return out
}

// overtaken reports whether a later coordinator was elected without round n, or with
// another checkpoint of it: then what was written about it in term never was
// committed. digest may be empty where it is not known.
func overtaken(reigns []held, term uint64, n int, digest fed.Digest) bool {
	i, _ := slices.BinarySearchFunc(reigns, term+1, func(h held, t uint64) int { return cmp.Compare(h.term, t) })
	if i == len(reigns) {
		return false
	}
	h := reigns[i]
	return h.none || n > h.round || n == h.round && digest != "" && (h.mixed || digest != h.digest)
}

// fill puts what stands into the run: of each round one record, each following the
// one before, and the end. The order in which all of it arrived does not matter.
func (c *chain) fill(r *Run) {
	r.Rounds, r.ClosedMs, r.StartedMs, r.End, r.EndBy, r.EndedMs = nil, nil, 0, nil, "", 0
	reigns := c.reigns()
	var standing []written
	for _, w := range c.records {
		if !overtaken(reigns, w.Term, w.N, w.Digest) {
			standing = append(standing, w)
		}
	}
	slices.SortFunc(standing, func(a, b written) int {
		return cmp.Or(cmp.Compare(a.N, b.N), better(b.RoundRecord, a.RoundRecord))
	})
	for _, w := range standing {
		if k := len(r.Rounds); k > 0 {
			before := r.Rounds[k-1]
			if w.N == before.N || w.N == before.N+1 && w.Parent != before.Digest {
				continue
			}
		}
		r.Rounds, r.ClosedMs = append(r.Rounds, w.RoundRecord), append(r.ClosedMs, w.timeMs)
	}
	for _, w := range standing {
		if w.N == 0 && w.Digest == r.Rounds[0].Digest && (r.StartedMs == 0 || w.timeMs < r.StartedMs) {
			r.StartedMs = w.timeMs
		}
	}
	c.fillEnd(r, reigns)
	c.stale = false
}

func (c *chain) fillEnd(r *Run, reigns []held) {
	var best *ending
	for i, e := range c.ends {
		if e.Mandate != nil && overtaken(reigns, e.Mandate.Term, e.Rounds, "") || e.State == "finished" && !resultOf(r, e.RunEnd) {
			continue
		}
		if best == nil || e.key < best.key {
			best = &c.ends[i]
		}
	}
	if best != nil {
		end := best.RunEnd
		r.End, r.EndBy, r.EndedMs = &end, best.by, best.timeMs
	}
}

// resultOf reports whether the result of a finished run is that of its best round, as
// far as its record is known.
func resultOf(r *Run, e fed.RunEnd) bool {
	for _, rec := range r.Rounds {
		if rec.N == e.Best {
			return rec.Digest == e.Params
		}
	}
	return e.Best >= 0 && e.Best <= e.Rounds
}

// better orders two records of one round: the fuller one stands, since a
// successor may only know that a round was committed; then the newer term's.
func better(a, b fed.RoundRecord) int {
	return cmp.Or(cmp.Compare(len(a.In), len(b.In)), cmp.Compare(a.Term, b.Term), cmp.Compare(a.Coordinator, b.Coordinator), cmp.Compare(a.Digest, b.Digest))
}
