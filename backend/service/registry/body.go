package registry

import (
	"encoding/json"
	"regexp"
	"unicode/utf8"

	"synergos.app/desktop/backend/fed"
)

// The stages of a version.
const (
	StageNone       = "none"
	StageStaging    = "staging"
	StageProduction = "production"
	StageArchived   = "archived"
)

// Bounds of what a document may hold.
const (
	MinReason   = 10
	MaxReason   = 2000
	maxFiles    = 64
	maxPath     = 200
	maxParties  = 64
	maxParents  = 32
	maxMetrics  = 64
	maxFileSize = 1 << 40
)

// ValidModelName says which names a model may have.
var validModelName = regexp.MustCompile(`^[A-Za-z0-9][\w.\-]{0,127}$`)

// ValidModelName reports whether s may name a model: a letter or digit, then up
// to 127 letters, digits, '_', '.' or '-'.
func ValidModelName(s string) bool { return validModelName.MatchString(s) }

// FileRef is where one file of a version is kept.
type FileRef struct {
	Path string      `json:"path"`
	Blob fed.BlobRef `json:"blob"`
}

// VersionDoc is the body of fed.DocVersion: a version folder. Its Subject is the
// content id. Several members may publish the same content; all then sign it.
type VersionDoc struct {
	Model     string    `json:"model"`
	ContentID string    `json:"contentId"`
	Manifest  Manifest  `json:"manifest"`
	Files     []FileRef `json:"files"` // in the order of the manifest
}

// NumberDoc is the body of fed.DocNumber, by the project's admin. Its Subject is
// the content id.
type NumberDoc struct {
	Model     string `json:"model"`
	ContentID string `json:"contentId"`
	Number    int    `json:"number"`
}

// AskDoc is the body of fed.DocStageAsk. Its Subject is the content id. Signing
// it is its author's own yes, when the author is one of the voters. The request's
// id is the first 32 characters of the document's hash.
type AskDoc struct {
	Model     string        `json:"model"`
	ContentID string        `json:"contentId"`
	From      string        `json:"from"`
	To        string        `json:"to"`
	Reason    string        `json:"reason"`
	Policy    fed.Digest    `json:"policy"`    // of the project's policy
	Voters    []fed.PartyID `json:"voters"`    // sorted; frozen
	ExpiresMs int64         `json:"expiresMs"` // votes and the transition come before
}

// VoteDoc is the body of fed.DocStageVote. Its Subject is the request's id. Ask
// is the hash of the document asked about, and with it of all that it says.
type VoteDoc struct {
	Request   string     `json:"request"`
	Ask       fed.Digest `json:"ask"`
	Model     string     `json:"model"`
	ContentID string     `json:"contentId"`
	To        string     `json:"to"`
	Yes       bool       `json:"yes"`
	Reason    string     `json:"reason"`
}

// BackDoc is the body of fed.DocStageBack, by the requester. Its Subject is the
// request's id.
type BackDoc struct {
	Request string     `json:"request"`
	Ask     fed.Digest `json:"ask"`
	Reason  string     `json:"reason"`
}

// DoneDoc is the body of fed.DocStageDone, by the project's admin. Its Subject is
// the model's name. The document's hash is the transition's.
type DoneDoc struct {
	Model     string       `json:"model"`
	ContentID string       `json:"contentId"`
	From      string       `json:"from"`
	To        string       `json:"to"`
	Reason    string       `json:"reason"`
	Requester fed.PartyID  `json:"requester"`
	Request   string       `json:"request"`
	Ask       fed.Digest   `json:"ask"`
	Policy    fed.Digest   `json:"policy"`
	Votes     []fed.Digest `json:"votes"` // hashes of the yes votes beside the ask, sorted
	Archived  string       `json:"archived"`
	Prev      fed.Digest   `json:"prev"` // hash of the model's transition before, "" for the first
}

func validStage(s string) bool {
	return s == StageNone || s == StageStaging || s == StageProduction || s == StageArchived
}

// requestID is the short name of the request with the given document.
func requestID(ask fed.Digest) string { return string(ask[:32]) }

func validReason(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) >= MinReason && len(s) <= MaxReason
}

func readVersion(d fed.Doc) (VersionDoc, bool) {
	var v VersionDoc
	ok := json.Unmarshal(d.Body, &v) == nil && ValidContentID(v.ContentID) && d.Subject == v.ContentID &&
		ValidModelName(v.Model) && v.Manifest.valid() && len(v.Files) <= maxFiles
	return v, ok
}

func readNumber(d fed.Doc) (NumberDoc, bool) {
	var n NumberDoc
	ok := json.Unmarshal(d.Body, &n) == nil && ValidContentID(n.ContentID) && ValidModelName(n.Model) && n.Number > 0 && n.Number < 1<<31
	return n, ok
}

func readAsk(d fed.Doc) (AskDoc, bool) {
	var a AskDoc
	ok := json.Unmarshal(d.Body, &a) == nil && d.Subject == a.ContentID && ValidModelName(a.Model) && ValidContentID(a.ContentID) &&
		validStage(a.From) && validStage(a.To) && a.To != StageNone && a.From != a.To && validReason(a.Reason) && a.Policy.Valid() && validVoters(a.Voters)
	return a, ok
}

func validVoters(v []fed.PartyID) bool {
	if len(v) == 0 || len(v) > maxParties {
		return false
	}
	for i, p := range v {
		if !fed.ValidKeyID(string(p)) || i > 0 && v[i-1] >= p {
			return false
		}
	}
	return true
}

func readVote(d fed.Doc) (VoteDoc, bool) {
	var v VoteDoc
	ok := json.Unmarshal(d.Body, &v) == nil && v.Ask.Valid() && v.Request == requestID(v.Ask) && d.Subject == v.Request && len(v.Reason) <= MaxReason
	return v, ok
}

func readBack(d fed.Doc) (BackDoc, bool) {
	var b BackDoc
	ok := json.Unmarshal(d.Body, &b) == nil && b.Ask.Valid() && b.Request == requestID(b.Ask) && len(b.Reason) <= MaxReason
	return b, ok
}

func readDone(d fed.Doc) (DoneDoc, bool) {
	var s DoneDoc
	ok := json.Unmarshal(d.Body, &s) == nil && ValidModelName(s.Model) && ValidContentID(s.ContentID) && s.Ask.Valid() && s.Request == requestID(s.Ask) &&
		validStage(s.From) && validStage(s.To) && len(s.Votes) <= maxParties
	return s, ok
}
