package registry

import (
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
func (r *Registry) Models() []Model { panic("todo") }

// Model returns a model of a project, or false.
func (r *Registry) Model(p fed.ProjectID, name string) (Model, bool) { panic("todo") }

// Named returns the models of that name in all projects; names are unique only
// within a project.
func (r *Registry) Named(name string) []Model { panic("todo") }

// Version returns the version of a content id, or false.
func (r *Registry) Version(contentID string) (Version, bool) { panic("todo") }

// Production returns the production version of a model, or false.
func (r *Registry) Production(p fed.ProjectID, model string) (Version, bool) { panic("todo") }

// History returns the transitions of a model, oldest first, with those that
// could not be verified in their places.
func (r *Registry) History(p fed.ProjectID, model string) []Transition { panic("todo") }

// Requests returns the requests about a model, newest first.
func (r *Registry) Requests(p fed.ProjectID, model string) []StageRequest { panic("todo") }

// Request returns a request by its id, or false.
func (r *Registry) Request(id string) (StageRequest, bool) { panic("todo") }

// Waiting returns the open requests of all projects that party is asked about
// and has not answered, oldest first.
func (r *Registry) Waiting(party fed.PartyID) []StageRequest { panic("todo") }

// Containing returns the versions whose lineage has a party, by project, model
// and number.
func (r *Registry) Containing(party fed.PartyID) []Version { panic("todo") }
