// Package project keeps who works on which problem together: the signed project
// documents, the invitations and answers of the members, and this party's consents.
//
// The type to start from is [Projects], a reduction of the book's documents. Every
// party computes the same state from the same documents; only the admin's revisions
// change the roster.
package project

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"

	"synergos.app/desktop/backend/fed"
)

// Limits of what a project document may hold.
const (
	MaxMembers = 64
	maxText    = 4000
)

// Standing is a member's answer.
type Standing struct {
	fed.Member
	State  string // invited, accepted, declined, left
	Accept fed.AcceptDoc
	Reason string
	AtMs   int64
}

// Project is what the book says of one project.
type Project struct {
	fed.ProjectDoc
	CreatedMs int64
	Policies  []fed.Policy // of all revisions, the present one last
	Standings []Standing   // in the order of the roster
	Alignment *fed.AlignmentDoc
	AlignedMs int64
}

// Standing returns a member's standing, or false.
func (p Project) Standing(id fed.PartyID) (Standing, bool) {
	for _, s := range p.Standings {
		if s.Party == id {
			return s, true
		}
	}
	return Standing{}, false
}

// Accepted returns the members that joined, in the order of the roster.
func (p Project) Accepted() []Standing {
	var out []Standing
	for _, s := range p.Standings {
		if s.State == "accepted" {
			out = append(out, s)
		}
	}
	return out
}

// RunMembers returns the accepted members as members of a run: sorted by name,
// ranked in the order of the roster.
func (p Project) RunMembers() []fed.RunMember {
	var out []fed.RunMember
	for i, s := range p.Accepted() {
		out = append(out, fed.RunMember{Party: s.Party, Name: s.Name, Rank: i})
	}
	slices.SortFunc(out, func(a, b fed.RunMember) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

type answer struct {
	kind   string
	accept fed.AcceptDoc
	reason string
	atMs   int64
	seq    uint64
}

type entry struct {
	doc       fed.ProjectDoc
	createdMs int64
	policies  []fed.Policy
	align     *fed.AlignmentDoc
	alignedMs int64
	answers   map[fed.PartyID]answer
	listed    map[fed.PartyID]bool // on any roster so far
}

// Projects reduces documents to projects. It is safe for concurrent use; what it
// returns is a copy.
type Projects struct {
	mu  sync.Mutex
	all map[fed.ProjectID]*entry
}

// New returns an empty reduction.
func New() *Projects { return &Projects{all: map[fed.ProjectID]*entry{}} }

// Apply takes a document and returns the project that it changed, or "".
func (ps *Projects) Apply(d fed.Doc) fed.ProjectID {
	id, ok := fed.ProjectOf(d.Scope)
	if !ok {
		return ""
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	changed := false
	switch d.Kind {
	case fed.DocProject:
		changed = ps.revise(id, d)
	case fed.DocAlignment:
		changed = ps.align(id, d)
	case fed.DocAccept, fed.DocDecline, fed.DocLeave:
		changed = ps.answer(id, d)
	}
	if !changed {
		return ""
	}
	return id
}

func (ps *Projects) at(id fed.ProjectID) *entry {
	e := ps.all[id]
	if e == nil {
		e = &entry{answers: map[fed.PartyID]answer{}, listed: map[fed.PartyID]bool{}}
		ps.all[id] = e
	}
	return e
}

func (ps *Projects) revise(id fed.ProjectID, d fed.Doc) bool {
	doc, err := Read(d)
	if err != nil || doc.ID != id {
		return false
	}
	e := ps.at(id)
	if e.doc.ID != "" && (e.doc.Admin != d.Author || doc.Revision <= e.doc.Revision) {
		return false
	}
	if e.doc.ID == "" {
		e.createdMs = d.TimeMs
	}
	e.doc, e.policies = doc, append(e.policies, doc.Policy)
	for _, m := range doc.Members {
		e.listed[m.Party] = true
	}
	return true
}

// Read checks a project document: form, bounds, and that its author is its admin
// and on the roster, every party once under a name of its own. Errors are of kind Invalid or Permission.
func Read(d fed.Doc) (fed.ProjectDoc, error) {
	var p fed.ProjectDoc
	if err := json.Unmarshal(d.Body, &p); err != nil {
		return p, fed.Errorf(fed.Invalid, "", "project document cannot be read: %w", err)
	}
	switch {
	case !fed.ValidHexID(string(p.ID)) || len(p.Name) == 0 || len(p.Name) > 200 || len(p.Purpose) > maxText || len(p.Members) > MaxMembers || p.Revision < 1:
		return p, fed.Errorf(fed.Invalid, "", "project document out of form")
	case p.ID != fed.NewProjectID(p.Admin, p.Nonce):
		return p, fed.Errorf(fed.Permission, "", "project document speaks of another admin's project")
	case p.Admin != d.Author:
		return p, fed.Errorf(fed.Permission, "", "project document is not signed by its admin")
	case p.Policy.PoolCents < 0 || p.Policy.PoolCents > 1e12:
		return p, fed.Errorf(fed.Invalid, "", "reward pool out of range")
	case p.Policy.Basis != "pooled" && p.Policy.Basis != "peers":
		return p, fed.Errorf(fed.Invalid, "Update the app on both sides.", "the project's basis of rewards is not known")
	}
	admin, names, parties := false, map[string]bool{}, map[fed.PartyID]bool{}
	for _, m := range p.Members {
		if fed.KeyDigest(m.OrgKey) != string(m.Party) || parties[m.Party] || !fed.ValidKeyID(string(m.Device)) || m.Name == "" || len(m.Name) > 120 || names[m.Name] || len(m.Addrs) > 16 || len(m.Statement) > 4096 {
			return p, fed.Errorf(fed.Invalid, "", "member %q of the project is out of form", m.Name)
		}
		names[m.Name], parties[m.Party] = true, true
		admin = admin || m.Party == p.Admin
	}
	if !admin {
		return p, fed.Errorf(fed.Invalid, "", "the admin is not a member of the project")
	}
	return p, nil
}

func (ps *Projects) align(id fed.ProjectID, d fed.Doc) bool {
	var a fed.AlignmentDoc
	e := ps.at(id)
	if json.Unmarshal(d.Body, &a) != nil || fed.DigestOf(a.Preparation) != a.Digest || e.doc.Admin != d.Author || e.align != nil && a.Revision <= e.align.Revision {
		return false
	}
	e.align, e.alignedMs = &a, d.TimeMs
	return true
}

func (ps *Projects) answer(id fed.ProjectID, d fed.Doc) bool {
	a := answer{kind: d.Kind, atMs: d.TimeMs, seq: d.Seq}
	var err error
	if d.Kind == fed.DocAccept {
		err = json.Unmarshal(d.Body, &a.accept)
	} else {
		var r fed.ReasonDoc
		err = json.Unmarshal(d.Body, &r)
		a.reason = r.Reason
	}
	e := ps.at(id)
	if err != nil || e.answers[d.Author].seq > d.Seq {
		return false
	}
	e.answers[d.Author] = a
	return true
}

var answerStates = map[string]string{fed.DocAccept: "accepted", fed.DocDecline: "declined", fed.DocLeave: "left"}

func (e *entry) project() Project {
	p := Project{ProjectDoc: e.doc, CreatedMs: e.createdMs, Policies: slices.Clone(e.policies), Alignment: e.align, AlignedMs: e.alignedMs}
	for _, m := range e.doc.Members {
		s := Standing{Member: m, State: "invited"}
		if a, ok := e.answers[m.Party]; ok {
			s.State, s.Accept, s.Reason, s.AtMs = answerStates[a.kind], a.accept, a.reason, a.atMs
		}
		p.Standings = append(p.Standings, s)
	}
	return p
}

// Get returns a project, or false when no document of its admin is known.
func (ps *Projects) Get(id fed.ProjectID) (Project, bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	e := ps.all[id]
	if e == nil || e.doc.ID == "" {
		return Project{}, false
	}
	return e.project(), true
}

// All returns every project, newest first.
func (ps *Projects) All() []Project {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	out := []Project{}
	for _, e := range ps.all {
		if e.doc.ID != "" {
			out = append(out, e.project())
		}
	}
	slices.SortFunc(out, func(a, b Project) int {
		return cmp.Or(cmp.Compare(b.CreatedMs, a.CreatedMs), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Listed reports whether a party is or was on the roster of a project: its documents
// are part of the project's history.
func (ps *Projects) Listed(id fed.ProjectID, p fed.PartyID) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	e := ps.all[id]
	return e != nil && e.listed[p]
}

// Reads reports whether a party may read the documents of a project: it is on the
// roster and has neither declined nor left.
func (ps *Projects) Reads(id fed.ProjectID, p fed.PartyID) bool {
	pr, ok := ps.Get(id)
	if !ok {
		return false
	}
	s, ok := pr.Standing(p)
	return ok && s.State != "declined" && s.State != "left"
}

// TakesPart reports whether a party has accepted a project, has not left it since,
// and is on its roster now.
func (ps *Projects) TakesPart(id fed.ProjectID, p fed.PartyID) bool {
	pr, ok := ps.Get(id)
	if !ok {
		return false
	}
	s, ok := pr.Standing(p)
	return ok && s.State == "accepted"
}

// Speaks reports whether the author of a document had accepted the project when it
// wrote it. Both are in one chain, so that everybody finds the same, whatever came
// first of other chains. Invitations and answers need no acceptance. Apply must have
// taken the author's earlier documents.
func (ps *Projects) Speaks(d fed.Doc) bool {
	id, ok := fed.ProjectOf(d.Scope)
	if !ok {
		return true
	}
	switch d.Kind {
	case fed.DocProject, fed.DocAccept, fed.DocDecline, fed.DocLeave:
		return true
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	e := ps.all[id]
	return e != nil && e.answers[d.Author].kind == fed.DocAccept
}

// Consent is this party's own record of what it agreed to.
type Consent struct {
	ID        string        `json:"id"`
	Project   fed.ProjectID `json:"project"`
	Dataset   fed.DatasetID `json:"dataset"`
	Digest    fed.Digest    `json:"digest"` // of the sheet
	File      fed.Digest    `json:"file"`   // keyed fingerprint of the file that was consented
	Limits    Limits        `json:"limits"`
	CreatedMs int64         `json:"createdMs"`
	UntilMs   int64         `json:"untilMs"`
}

// Limits are what a party adds to its consent; 0 means no limit.
type Limits struct {
	MaxRuns    int `json:"maxRuns"`
	MaxRounds  int `json:"maxRounds"`
	MinParties int `json:"minParties"`
}

// Allows checks a run against the consent: runs is how many runs of the project
// have been joined before. The error is of kind Permission and names the limit.
func (c Consent) Allows(run fed.Run, runs int, nowMs int64) error {
	hint := "Ask the party to open the project, What leaves, and consent again."
	switch {
	case nowMs > c.UntilMs:
		return fed.Errorf(fed.Permission, hint, "its consent has expired")
	case c.Limits.MaxRuns > 0 && runs >= c.Limits.MaxRuns:
		return fed.Errorf(fed.Permission, hint, "its consent covers %s, %s used", fed.Count(c.Limits.MaxRuns, "run"), fed.OneOr(c.Limits.MaxRuns, "which was", "all of which were"))
	case c.Limits.MaxRounds > 0 && run.Config.Rounds > c.Limits.MaxRounds:
		return fed.Errorf(fed.Permission, hint, "its consent covers runs of at most %s", fed.Count(c.Limits.MaxRounds, "round"))
	case len(run.Members) < c.Limits.MinParties:
		return fed.Errorf(fed.Permission, hint, "its consent asks for at least %s", fed.Count(c.Limits.MinParties, "party"))
	}
	return nil
}
