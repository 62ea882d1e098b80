package registry

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// state is what a project's documents amount to.
type state struct {
	reg      *Registry
	shelf    *shelf
	facts    facts
	nowMs    int64
	versions map[string]*entry // by content id
	models   map[string]*record
	applied  map[fed.Digest]bool   // asks with a verified transition
	pending  map[fed.Digest]string // asks with an unverified one, and why
}

// entry is one version.
type entry struct {
	doc     signed[VersionDoc] // the first one that verifies
	signers []fed.PartyID
	broken  string // why no document of it verifies
	number  int
	stage   string
	dispute string // an unverifiable transition, or what the own check found
}

// record is one model.
type record struct {
	name       string
	numbered   []string // content ids by number - 1
	production string
	head       fed.Digest
	history    []Transition
}

func byTime(a, b Vote) int {
	return cmp.Or(cmp.Compare(a.AtMs, b.AtMs), cmp.Compare(a.Party, b.Party))
}

func (r *Registry) shelves() []*shelf {
	var out []*shelf
	for _, id := range slices.Sorted(maps.Keys(r.projects)) {
		out = append(out, r.projects[id])
	}
	return out
}

// reduce draws the conclusions. It reads nothing but documents, the project's
// facts and the clock (for expiry only).
func (r *Registry) reduce(s *shelf) *state {
	st := &state{
		reg: r, shelf: s, nowMs: r.ports.Now().UnixMilli(), versions: map[string]*entry{}, models: map[string]*record{},
		applied: map[fed.Digest]bool{}, pending: map[fed.Digest]string{},
	}
	admin, members, policy, ok := r.ports.Project(s.project)
	if ok {
		st.facts = facts{admin: admin, members: members, policy: policy, digest: PolicyDigest(policy)}
	}
	for id, docs := range s.versions {
		if e := st.entry(id, docs); e != nil {
			st.versions[id] = e
		}
	}
	for _, n := range s.numbers {
		if n.Author == admin {
			st.number(n)
		}
	}
	for _, d := range s.done {
		if d.Author == admin {
			st.transition(d)
		}
	}
	return st
}

// entry chooses the version's document: of those that verify, the earliest.
func (st *state) entry(id string, docs []signed[VersionDoc]) *entry {
	docs = slices.DeleteFunc(slices.Clone(docs), func(d signed[VersionDoc]) bool { return !st.wasMember(d.Author, d.Seq) })
	slices.SortFunc(docs, func(a, b signed[VersionDoc]) int {
		return cmp.Or(cmp.Compare(a.TimeMs, b.TimeMs), cmp.Compare(a.Author, b.Author), cmp.Compare(a.Seq, b.Seq))
	})
	if len(docs) == 0 {
		return nil
	}
	e := &entry{doc: docs[0], stage: StageNone, broken: st.brokenVersion(docs[0].body), dispute: st.reg.findings[id]}
	for _, d := range docs {
		if why := st.brokenVersion(d.body); why == "" {
			if e.broken != "" {
				e.doc, e.broken = d, ""
			}
			e.signers = append(e.signers, d.Author)
		}
	}
	slices.Sort(e.signers)
	e.signers = slices.Compact(e.signers)
	st.model(e.doc.body.Model)
	return e
}

// brokenVersion compares a version's document with its manifest.
func (st *state) brokenVersion(v VersionDoc) string {
	switch {
	case v.Manifest.Model != v.Model:
		return "the manifest belongs to another model"
	case len(v.Files) != len(v.Manifest.Files):
		return "the files are not those of the manifest"
	}
	for i, f := range v.Manifest.Files {
		if g := v.Files[i]; g.Path != f.Path || g.Blob.Digest != f.SHA256 || g.Blob.Size != f.Bytes {
			return "the file " + f.Path + " is not the one of the manifest"
		}
	}
	return ""
}

func (st *state) model(name string) *record {
	m := st.models[name]
	if m == nil {
		m = &record{name: name}
		st.models[name] = m
	}
	return m
}

// number takes the admin's next number. One that is out of order, or for content
// that has a number in the model, is ignored; so nothing is ever renumbered. The
// number stays taken when its version turns out not to verify.
func (st *state) number(n signed[NumberDoc]) {
	m := st.model(n.body.Model)
	if n.body.Number != len(m.numbered)+1 || slices.Contains(m.numbered, n.body.ContentID) {
		return
	}
	m.numbered = append(m.numbered, n.body.ContentID)
	if v := st.versions[n.body.ContentID]; v != nil && v.number == 0 && v.broken == "" && v.doc.body.Model == n.body.Model {
		v.number = n.body.Number
	}
}

// transition applies the admin's next change of stage, if it verifies.
func (st *state) transition(d signed[DoneDoc]) {
	m := st.model(d.body.Model)
	t := Transition{
		ContentID: d.body.ContentID, Number: 1 + slices.Index(m.numbered, d.body.ContentID), From: d.body.From, To: d.body.To, By: d.body.Requester, Reason: d.body.Reason,
		Request: d.body.Request, AtMs: d.TimeMs, Votes: st.cited(d), Archived: d.body.Archived, Prev: d.body.Prev, Hash: d.hash,
	}
	found := st.judgeDone(m, d)
	switch e := st.versions[d.body.ContentID]; {
	case found.wrong != "":
		t.State, t.Problem = StateDisputed, found.wrong
		if e != nil {
			e.dispute = "a change of its stage does not verify: " + found.wrong
		}
	case found.waiting != "":
		t.State, t.Problem = "waiting", found.waiting
		st.pending[d.body.Ask] = found.waiting
	default:
		if a := st.versions[d.body.Archived]; a != nil {
			a.stage = StageArchived
		}
		if m.production == e.doc.body.ContentID {
			m.production = ""
		}
		if d.body.To == StageProduction {
			m.production = d.body.ContentID
		}
		e.stage, m.head = d.body.To, d.hash
		if st.reg.findings[d.body.ContentID] == "" {
			e.dispute = ""
		}
		st.applied[d.body.Ask] = true
	}
	m.history = append(m.history, t)
}

// judgeDone checks a transition: its place in the model's chain, its request and
// the votes that it cites.
func (st *state) judgeDone(m *record, d signed[DoneDoc]) verdict {
	a, known := st.shelf.asks[d.body.Ask]
	e := st.versions[d.body.ContentID]
	switch {
	case st.shelf.forged[d.hash]:
		return wrong("its signature does not match")
	case !known:
		return waitFor("its request has not arrived yet")
	case e == nil:
		return waitFor("its version has not arrived yet")
	case st.applied[a.hash]:
		return wrong("its request was applied before")
	case !sameAsk(d.body, a):
		return wrong("it says something else than its request")
	case e.number == 0:
		return wrong("its version has no number")
	case d.TimeMs > a.body.ExpiresMs:
		return wrong("its request had expired")
	}
	if v := st.judgeAsk(a); !v.fine() {
		return v
	}
	if v := st.judgeVotes(a, d); !v.fine() {
		return v
	}
	return st.judgePlace(m, e, d)
}

func (st *state) judgePlace(m *record, e *entry, d signed[DoneDoc]) verdict {
	archived := ""
	if d.body.To == StageProduction {
		archived = m.production
	}
	switch {
	case d.body.Prev != m.head:
		if slices.ContainsFunc(m.history, func(t Transition) bool { return t.State == "waiting" && t.Hash == d.body.Prev }) {
			return waitFor("the transition before it waits")
		}
		return wrong("it does not follow the transition before it")
	case d.body.From != e.stage:
		return wrong("its version had another stage")
	case d.body.Archived != archived:
		return wrong("it does not archive the former production version")
	}
	return verdict{}
}

func sameAsk(d DoneDoc, a signed[AskDoc]) bool {
	return d.Model == a.body.Model && d.ContentID == a.body.ContentID && d.From == a.body.From && d.To == a.body.To &&
		d.Reason == a.body.Reason && d.Requester == a.Author && d.Policy == a.body.Policy
}

// judgeVotes counts the cited approvals.
func (st *state) judgeVotes(a signed[AskDoc], d signed[DoneDoc]) verdict {
	yes := map[fed.PartyID]bool{}
	if slices.Contains(a.body.Voters, a.Author) {
		yes[a.Author] = true
	}
	for _, h := range d.body.Votes {
		v, ok := st.shelf.votes[h]
		switch {
		case !ok:
			return waitFor("a vote that it cites has not arrived yet")
		case !v.body.Yes || !st.counts(a, v):
			return wrong("it cites a vote that does not count")
		case yes[v.Author]:
			return wrong("it counts %s twice", st.reg.ports.Name(v.Author))
		}
		yes[v.Author] = true
	}
	policy, _ := st.policyOf(a.body.Policy)
	if n := needed(policy, a.body.From, a.body.To, len(a.body.Voters)); len(yes) < n {
		return wrong("it has %d of the %d approvals needed", len(yes), n)
	}
	return verdict{}
}

// cited returns the approvals that a transition names, as far as they are here.
func (st *state) cited(d signed[DoneDoc]) []Vote {
	out := []Vote{}
	if a, ok := st.shelf.asks[d.body.Ask]; ok && slices.Contains(a.body.Voters, a.Author) {
		out = append(out, Vote{Party: a.Author, Yes: true, Reason: a.body.Reason, AtMs: a.TimeMs, Hash: a.hash})
	}
	var rest []Vote
	for _, h := range d.body.Votes {
		if v, ok := st.shelf.votes[h]; ok {
			rest = append(rest, Vote{Party: v.Author, Yes: v.body.Yes, Reason: v.body.Reason, AtMs: v.TimeMs, Hash: h})
		}
	}
	slices.SortFunc(rest, byTime)
	return append(out, rest...)
}

// numbersDue lists the numbers that the admin has to give, oldest version first.
func numbersDue(st *state) []Action {
	var due []*entry
	for id, e := range st.versions {
		if e.broken == "" && !slices.Contains(st.model(e.doc.body.Model).numbered, id) {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.doc.body.Manifest.CreatedMs, b.doc.body.Manifest.CreatedMs), cmp.Compare(a.doc.TimeMs, b.doc.TimeMs), strings.Compare(a.doc.body.ContentID, b.doc.body.ContentID))
	})
	next := map[string]int{}
	var out []Action
	for _, e := range due {
		v := e.doc.body
		next[v.Model]++
		out = append(out, Action{
			Scope: fed.ScopeProject(st.shelf.project), Kind: fed.DocNumber, Subject: v.ContentID,
			Body: NumberDoc{Model: v.Model, ContentID: v.ContentID, Number: len(st.model(v.Model).numbered) + next[v.Model]},
		})
	}
	return out
}

// transitionsDue lists the approved requests to record, the earliest of each
// model: the next one depends on its hash.
func transitionsDue(st *state) []Action {
	taken := map[string]bool{}
	for name, m := range st.models {
		if slices.ContainsFunc(m.history, func(t Transition) bool { return t.State == "waiting" }) {
			taken[name] = true // not before the chain is whole here
		}
	}
	var out []Action
	for _, a := range st.sortedAsks() {
		q := st.request(a)
		if q.State != AskApproved || taken[q.Model] {
			continue
		}
		taken[q.Model] = true
		out = append(out, Action{Scope: fed.ScopeProject(st.shelf.project), Kind: fed.DocStageDone, Subject: q.Model, Body: st.record(a, q)})
	}
	return out
}

func (st *state) record(a signed[AskDoc], q StageRequest) DoneDoc {
	m := st.model(q.Model)
	d := DoneDoc{
		Model: q.Model, ContentID: q.ContentID, From: q.From, To: q.To, Reason: q.Reason, Requester: q.By, Request: q.ID,
		Ask: a.hash, Policy: a.body.Policy, Votes: []fed.Digest{}, Prev: m.head,
	}
	if q.To == StageProduction {
		d.Archived = m.production
	}
	for _, v := range q.Votes {
		if v.Yes && v.Party != a.Author {
			d.Votes = append(d.Votes, v.Hash)
		}
	}
	slices.Sort(d.Votes)
	return d
}

// sortedAsks returns the requests, oldest first.
func (st *state) sortedAsks() []signed[AskDoc] {
	return slices.SortedFunc(maps.Values(st.shelf.asks), func(a, b signed[AskDoc]) int {
		return cmp.Or(cmp.Compare(a.TimeMs, b.TimeMs), cmp.Compare(a.hash, b.hash))
	})
}
