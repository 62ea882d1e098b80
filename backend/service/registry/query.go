package registry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// The states of a version on this machine.
const (
	StateReady     = "ready"
	StateReceiving = "receiving" // files are still missing here
	StateDisputed  = "disputed"  // something does not verify: never served
)

// The states of a request.
const (
	AskProposed  = "proposed"
	AskApproved  = "approved" // enough yes; the admin's node has not recorded it yet
	AskRejected  = "rejected"
	AskWithdrawn = "withdrawn"
	AskExpired   = "expired" // or void: the policy or the stage has changed meanwhile
	AskApplied   = "applied"
)

// Model is a named model of a project.
type Model struct {
	Project    fed.ProjectID
	Name       string
	Versions   []Version // newest number first; drafts without a number before them
	Production int       // number of the production version, 0: none
}

// ID names the model among those of all projects.
func (m Model) ID() string { return ModelID(m.Project, m.Name) }

// ModelID names a model among those of all projects: "name~project". Both parts
// stand in a URL as they are, and "~" is in neither.
func ModelID(p fed.ProjectID, name string) string { return name + "~" + string(p) }

// SplitModelID takes an id apart; of a bare name the project is "".
func SplitModelID(id string) (p fed.ProjectID, name string) {
	name, project, _ := strings.Cut(id, "~")
	return fed.ProjectID(project), name
}

// Version is an immutable entry with its stage.
type Version struct {
	Project   fed.ProjectID
	Model     string
	Number    int // 0: a draft without a number yet
	ContentID string
	Stage     string
	Manifest  Manifest
	Files     []FileRef
	By        fed.PartyID   // who published it first
	Signers   []fed.PartyID // all who published this content, sorted
	AtMs      int64         // when By published it
	State     string        // ready, receiving, disputed
	Sentence  string        // what the state means; "" when ready
	Have      int64         // bytes of its files that are here
	Bytes     int64         // of all its files
}

// Vote is a party's answer to a request.
type Vote struct {
	Party  fed.PartyID
	Yes    bool
	Reason string
	AtMs   int64
	Hash   fed.Digest // of the signed document
}

// Transition is one recorded change of stage.
type Transition struct {
	ContentID string
	Number    int
	From, To  string
	By        fed.PartyID // the requester
	Reason    string
	Request   string
	AtMs      int64
	Votes     []Vote // the approvals, the requester's own first
	Archived  string // content id of the former production version
	Prev      fed.Digest
	Hash      fed.Digest
	// State is "" for a verified transition, "waiting" when cited documents have
	// not arrived, and "disputed" when they do not bear it out; Problem says why.
	State   string
	Problem string
}

// StageRequest proposes a stage.
type StageRequest struct {
	Project   fed.ProjectID
	ID        string
	Model     string
	Number    int
	ContentID string
	From, To  string
	Reason    string
	By        fed.PartyID
	AtMs      int64
	ExpiresMs int64
	State     string
	Votes     []Vote // one per party, by time; the requester's own first
	Needed    int    // yes votes
	Voters    []fed.PartyID
	Sentence  string
}

// VoteOf returns "yes", "no" or "none" (not voted yet) of a voter, and "notAsked"
// of anybody else.
func (q StageRequest) VoteOf(p fed.PartyID) string {
	for _, v := range q.Votes {
		if v.Party == p {
			return map[bool]string{true: "yes", false: "no"}[v.Yes]
		}
	}
	for _, v := range q.Voters {
		if v == p {
			return "none"
		}
	}
	return "notAsked"
}

// Open reports whether the request still waits for votes or its record.
func (q StageRequest) Open() bool { return q.State == AskProposed || q.State == AskApproved }

// Models returns all models, by project and name.
func (r *Registry) Models() []Model {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []Model{}
	for _, s := range r.shelves() {
		out = append(out, r.reduce(s).list()...)
	}
	return out
}

// Model returns a model of a project, or false.
func (r *Registry) Model(p fed.ProjectID, name string) (Model, bool) {
	for _, m := range r.Models() {
		if m.Project == p && m.Name == name {
			return m, true
		}
	}
	return Model{}, false
}

// Named returns the models of that name in all projects; names are unique only
// within a project.
func (r *Registry) Named(name string) []Model {
	return slices.DeleteFunc(r.Models(), func(m Model) bool { return m.Name != name })
}

// Version returns the version of a content id, or false.
func (r *Registry) Version(contentID string) (Version, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st, e := r.find(contentID)
	if e == nil {
		return Version{}, false
	}
	return st.version(e), true
}

// find returns the state that holds a version. The caller holds the lock.
func (r *Registry) find(contentID string) (*state, *entry) {
	for _, s := range r.shelves() {
		if len(s.versions[contentID]) == 0 {
			continue
		}
		if st := r.reduce(s); st.versions[contentID] != nil {
			return st, st.versions[contentID]
		}
	}
	return nil, nil
}

// Production returns the production version of a model, or false.
func (r *Registry) Production(p fed.ProjectID, model string) (Version, bool) {
	m, ok := r.Model(p, model)
	for _, v := range m.Versions {
		if ok && v.Stage == StageProduction {
			return v, true
		}
	}
	return Version{}, false
}

// History returns the transitions of a model, oldest first, with those that
// could not be verified in their places.
func (r *Registry) History(p fed.ProjectID, model string) []Transition {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.projects[p]
	if s == nil {
		return nil
	}
	if m := r.reduce(s).models[model]; m != nil {
		return m.history
	}
	return nil
}

// Requests returns the requests about a model, newest first.
func (r *Registry) Requests(p fed.ProjectID, model string) []StageRequest {
	return r.requests(func(q StageRequest) bool { return q.Project == p && q.Model == model })
}

// Request returns a request by its id, or false.
func (r *Registry) Request(id string) (StageRequest, bool) {
	for _, q := range r.requests(func(q StageRequest) bool { return q.ID == id }) {
		return q, true
	}
	return StageRequest{}, false
}

// Waiting returns the open requests of all projects that party is asked about
// and has not answered, newest first.
func (r *Registry) Waiting(party fed.PartyID) []StageRequest {
	return r.requests(func(q StageRequest) bool { return q.State == AskProposed && q.VoteOf(party) == "none" })
}

// requests returns those that pass, newest first.
func (r *Registry) requests(pass func(StageRequest) bool) []StageRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []StageRequest{}
	for _, s := range r.shelves() {
		st := r.reduce(s)
		for _, a := range st.sortedAsks() {
			if q := st.request(a); pass(q) {
				out = append(out, q)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b StageRequest) int { return cmp.Compare(b.AtMs, a.AtMs) })
	return out
}

// list returns the project's models, by name.
func (st *state) list() []Model {
	out := []Model{}
	for _, name := range slices.Sorted(maps.Keys(st.models)) {
		m := Model{Project: st.shelf.project, Name: name}
		for _, e := range st.versions {
			if e.doc.body.Model == name {
				m.Versions = append(m.Versions, st.version(e))
			}
		}
		if len(m.Versions) == 0 {
			continue // a number or request without a version here yet
		}
		slices.SortFunc(m.Versions, newestFirst)
		if e := st.versions[st.models[name].production]; e != nil {
			m.Production = e.number
		}
		out = append(out, m)
	}
	return out
}

func newestFirst(a, b Version) int {
	if (a.Number == 0) != (b.Number == 0) {
		return cmp.Compare(a.Number, b.Number) // drafts first
	}
	return cmp.Or(cmp.Compare(b.Number, a.Number), cmp.Compare(b.AtMs, a.AtMs), strings.Compare(a.ContentID, b.ContentID))
}

func (st *state) version(e *entry) Version {
	v := Version{
		Project: st.shelf.project, Model: e.doc.body.Model, Number: e.number, ContentID: e.doc.body.ContentID, Stage: e.stage, Manifest: e.doc.body.Manifest,
		Files: slices.Clone(e.doc.body.Files), By: e.doc.Author, Signers: e.signers, AtMs: e.doc.TimeMs, State: StateReady,
	}
	for _, f := range v.Files {
		v.Bytes += f.Blob.Size
		if st.reg.ports.Blobs.Has(f.Blob.Digest) {
			v.Have += f.Blob.Size
		}
	}
	switch {
	case e.broken != "" || e.dispute != "":
		v.State, v.Sentence = StateDisputed, cmp.Or(e.broken, e.dispute)
	case v.Have < v.Bytes:
		v.State, v.Sentence = StateReceiving, fmt.Sprintf("Files not received yet: %d of %d bytes are here.", v.Have, v.Bytes)
	case e.number == 0:
		v.Sentence = fmt.Sprintf("A draft: %s has not numbered it yet.", st.reg.ports.Name(st.facts.admin))
	}
	return v
}

// request works out how a request stands.
func (st *state) request(a signed[AskDoc]) StageRequest {
	q := StageRequest{
		Project: st.shelf.project, ID: requestID(a.hash), Model: a.body.Model, ContentID: a.body.ContentID, From: a.body.From, To: a.body.To, Reason: a.body.Reason,
		By: a.Author, AtMs: a.TimeMs, ExpiresMs: a.body.ExpiresMs, Votes: st.ballot(a), Voters: slices.Clone(a.body.Voters),
	}
	policy, _ := st.policyOf(a.body.Policy)
	q.Needed = needed(policy, a.body.From, a.body.To, len(a.body.Voters))
	e := st.versions[a.body.ContentID]
	if e != nil {
		q.Number = e.number
	}
	yes, no := 0, 0
	for _, v := range q.Votes {
		if v.Yes {
			yes++
		} else {
			no++
		}
	}
	q.State, q.Sentence = st.standing(a, q, e, yes, no)
	return q
}

func (st *state) standing(a signed[AskDoc], q StageRequest, e *entry, yes, no int) (state, sentence string) {
	found := st.judgeAsk(a)
	withdrawn := slices.ContainsFunc(st.shelf.backs[a.hash], func(b signed[BackDoc]) bool { return b.Author == a.Author })
	switch {
	case st.applied[a.hash]:
		return AskApplied, "Approved and applied."
	case withdrawn:
		return AskWithdrawn, "Withdrawn by " + st.reg.ports.Name(a.Author) + "."
	case found.wrong != "":
		return AskRejected, "Void: " + found.wrong + "."
	case found.waiting != "":
		return AskProposed, "Waiting: " + found.waiting + "."
	case a.body.Policy != st.facts.digest:
		return AskExpired, "Void: the policy of the project has changed. Ask again."
	case e.stage != a.body.From:
		return AskExpired, "Void: the version's stage has changed. Ask again."
	case st.nowMs > a.body.ExpiresMs:
		return AskExpired, fmt.Sprintf("Expired with %d of %d approvals.", yes, q.Needed)
	case yes >= q.Needed && e.number == 0:
		return AskProposed, "Approved, but the version has no number yet."
	case yes >= q.Needed:
		return AskApproved, fmt.Sprintf("Approved; %s records it.", st.reg.ports.Name(st.facts.admin))
	case len(q.Voters)-no < q.Needed:
		return AskRejected, fmt.Sprintf("Rejected: %d of %d voters said no.", no, len(q.Voters))
	}
	return AskProposed, fmt.Sprintf("%d of %d approvals; waiting for %s.", yes, q.Needed, st.open(q))
}

// open names the voters who have not answered.
func (st *state) open(q StageRequest) string {
	var names []string
	for _, p := range q.Voters {
		if q.VoteOf(p) == "none" {
			names = append(names, st.reg.ports.Name(p))
		}
	}
	if len(names) > 4 {
		names = append(names[:4], fmt.Sprintf("%d more", len(names)-4))
	}
	return strings.Join(names, ", ")
}
