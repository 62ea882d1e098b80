package registry

import (
	"fmt"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// AskDays is how long a request waits for votes.
const AskDays = 14

const askMs = AskDays * 24 * 3600 * 1000

// weighty reports whether a change of stage touches production: it then needs
// the parties whose data is in the lineage, or the policy's approvers.
func weighty(from, to string) bool { return to == StageProduction || from == StageProduction }

// needed returns how many of n voters must say yes.
func needed(p fed.Policy, from, to string, n int) int {
	switch {
	case weighty(from, to):
		switch p.Production {
		case "all":
			return n
		case "any":
			return 1
		}
		return n/2 + 1
	case to == StageArchived || n <= 2:
		return 1
	}
	return 2
}

// facts are what the registry is told of a project.
type facts struct {
	admin   fed.PartyID
	members []fed.PartyID
	policy  fed.Policy
	digest  fed.Digest
}

// policyOf returns the policy of a digest: the current one, or one that the admin
// signed before.
func (st *state) policyOf(d fed.Digest) (fed.Policy, bool) {
	if d == st.facts.digest {
		return st.facts.policy, true
	}
	p, ok := st.shelf.policies[st.facts.admin][d]
	return p, ok
}

// memberAt reports whether p had joined and not left at a time, by its own
// documents, or by the roster when none are known.
func (st *state) memberAt(p fed.PartyID, timeMs int64) bool {
	answers := st.shelf.answers[p]
	if len(answers) == 0 {
		return slices.Contains(st.facts.members, p)
	}
	joined := false
	for _, a := range answers {
		if a.timeMs <= timeMs {
			joined = a.joined
		}
	}
	return joined
}

// everJoined reports whether p is or once was a member.
func (st *state) everJoined(p fed.PartyID) bool {
	return slices.Contains(st.facts.members, p) || slices.ContainsFunc(st.shelf.answers[p], func(a answer) bool { return a.joined })
}

// wasMember reports whether p was a member when it wrote the document in the
// given place of its chain; no clock takes part.
func (st *state) wasMember(p fed.PartyID, seq uint64) bool {
	answers := st.shelf.answers[p]
	if len(answers) == 0 {
		return slices.Contains(st.facts.members, p)
	}
	joined := false
	for _, a := range answers {
		if a.seq < seq {
			joined = a.joined
		}
	}
	return joined
}

// electorate returns who decides on a change of stage at a time, sorted: for
// production the approvers, or the parties of the lineage; otherwise, and when
// none of those is a member any more, all members.
func (st *state) electorate(p fed.Policy, m Manifest, from, to string, timeMs int64) []fed.PartyID {
	base := st.everybody()
	if weighty(from, to) {
		base = p.Approvers
		if len(base) == 0 {
			base = m.Parties
		}
	}
	out := slices.DeleteFunc(slices.Clone(base), func(p fed.PartyID) bool { return !st.memberAt(p, timeMs) })
	if len(out) == 0 && weighty(from, to) {
		out = slices.DeleteFunc(st.everybody(), func(p fed.PartyID) bool { return !st.memberAt(p, timeMs) })
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// everybody returns all who are or were members.
func (st *state) everybody() []fed.PartyID {
	out := slices.Clone(st.facts.members)
	for p, answers := range st.shelf.answers {
		if slices.ContainsFunc(answers, func(a answer) bool { return a.joined }) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// verdict is what checking a request or a transition found: nothing, a document
// that has not arrived yet, or something wrong.
type verdict struct {
	waiting, wrong string
}

func (v verdict) fine() bool { return v == verdict{} }

func waitFor(format string, args ...any) verdict {
	return verdict{waiting: fmt.Sprintf(format, args...)}
}
func wrong(format string, args ...any) verdict { return verdict{wrong: fmt.Sprintf(format, args...)} }

// judgeAsk checks that a request may be decided by the voters that it names.
func (st *state) judgeAsk(a signed[AskDoc]) verdict {
	v, ok := st.versions[a.body.ContentID]
	if !ok {
		return waitFor("its version has not arrived yet")
	}
	policy, ok := st.policyOf(a.body.Policy)
	switch {
	case v.broken != "":
		return wrong("its version does not verify")
	case v.doc.body.Model != a.body.Model:
		return wrong("it names another model than its version does")
	case !st.wasMember(a.Author, a.Seq):
		return wrong("its author was not a member")
	case a.body.ExpiresMs <= a.TimeMs || a.body.ExpiresMs-a.TimeMs > askMs:
		return wrong("it does not expire within %d days", AskDays)
	case !ok:
		return waitFor("the policy that it names is not known here")
	}
	return st.judgeVoters(a, policy, v.doc.body.Manifest)
}

// judgeVoters compares the frozen roster with who had to be asked. A voter more
// only makes a quorum harder; nobody may be left out who was a member. The roster
// is taken at the later of the request and the end of the run, so that a request
// with an early date asks nobody less.
func (st *state) judgeVoters(a signed[AskDoc], p fed.Policy, m Manifest) verdict {
	want := st.electorate(p, m, a.body.From, a.body.To, max(a.TimeMs, m.CreatedMs))
	allowed := st.everybody()
	if weighty(a.body.From, a.body.To) && len(want) > 0 {
		base := p.Approvers
		if len(base) == 0 {
			base = m.Parties
		}
		if slices.ContainsFunc(want, func(p fed.PartyID) bool { return slices.Contains(base, p) }) {
			allowed = base
		}
	}
	for _, p := range a.body.Voters {
		if !st.everJoined(p) {
			return waitFor("a voter that it names has not joined, as far as is known here")
		}
		if !slices.Contains(allowed, p) {
			return wrong("it names a voter who does not decide")
		}
	}
	for _, p := range want {
		if !slices.Contains(a.body.Voters, p) {
			return wrong("it does not ask %s", st.reg.ports.Name(p))
		}
	}
	return verdict{}
}

// counts reports whether a vote counts for a request.
func (st *state) counts(a signed[AskDoc], v signed[VoteDoc]) bool {
	return v.body.Ask == a.hash && v.body.Model == a.body.Model && v.body.ContentID == a.body.ContentID && v.body.To == a.body.To &&
		v.Author != a.Author && slices.Contains(a.body.Voters, v.Author) && v.TimeMs <= a.body.ExpiresMs && st.wasMember(v.Author, v.Seq)
}

// ballot returns the votes that count, one per party: the requester's own first,
// then each party's first one, by time.
func (st *state) ballot(a signed[AskDoc]) []Vote {
	first := map[fed.PartyID]signed[VoteDoc]{}
	for _, h := range st.shelf.voted[a.hash] {
		v := st.shelf.votes[h]
		old, ok := first[v.Author]
		if st.counts(a, v) && (!ok || v.Seq < old.Seq) {
			first[v.Author] = v
		}
	}
	out := []Vote{}
	if slices.Contains(a.body.Voters, a.Author) {
		out = append(out, Vote{Party: a.Author, Yes: true, Reason: a.body.Reason, AtMs: a.TimeMs, Hash: a.hash})
	}
	var rest []Vote
	for _, v := range first {
		rest = append(rest, Vote{Party: v.Author, Yes: v.body.Yes, Reason: v.body.Reason, AtMs: v.TimeMs, Hash: v.hash})
	}
	slices.SortFunc(rest, byTime)
	return append(out, rest...)
}
