package view

import (
	"time"

	"synergos.app/desktop/backend/fed"
)

// Model is a named model with its versions.
type Model struct {
	ID         string         `json:"id" doc:"name~project: names are unique within a project only"`
	Name       string         `json:"name"`
	ProjectID  string         `json:"projectId"`
	Project    string         `json:"project"`
	Versions   []ModelVersion `json:"versions" doc:"newest first"`
	Production int            `json:"production" doc:"number of the production version, 0: none"`
	Serving    bool           `json:"serving"`
	Tutorial   bool           `json:"tutorial"`
}

// ModelVersion is an immutable registry entry.
type ModelVersion struct {
	Model     string    `json:"model" doc:"its name"`
	ModelID   string    `json:"modelId" doc:"name~project"`
	Number    int       `json:"number" doc:"0: a draft without a number yet"`
	ContentID string    `json:"contentId"`
	Stage     string    `json:"stage" enum:"none,staging,production,archived"`
	RunID     string    `json:"runId"`
	Round     int       `json:"round"`
	Task      string    `json:"task"`
	Family    string    `json:"family"`
	Bytes     int64     `json:"bytes"`
	Metrics   MetricSet `json:"metrics"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"createdAt"`
	State     string    `json:"state" enum:"ready,receiving,disputed"`
	Sentence  string    `json:"sentence"`
}

// VersionDetail is the page of one version.
type VersionDetail struct {
	Version  ModelVersion   `json:"version"`
	Files    []VersionFile  `json:"files"`
	Results  []PartyResult  `json:"results"`
	Lineage  []LineageItem  `json:"lineage" doc:"file -> card -> run -> version -> deployment"`
	History  []Transition   `json:"history"`
	Requests []StageRequest `json:"requests" doc:"open ones"`
	Inputs   []InputField   `json:"inputs"`
	Classes  []string       `json:"classes"`
	Card     string         `json:"card" doc:"model card, Markdown"`
	Checks   []Check        `json:"checks" doc:"verification, one line per check"`
}

// VersionFile is one file of a version.
type VersionFile struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	Digest string `json:"digest"`
}

// LineageItem is one link of the chain.
type LineageItem struct {
	Kind  string `json:"kind" enum:"dataset,card,alignment,run,checkpoint,version,deployment"`
	ID    string `json:"id"`
	Title string `json:"title"`
	Text  string `json:"text"`
	Href  string `json:"href"`
}

// Transition is one recorded change of stage.
type Transition struct {
	At     time.Time `json:"at"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Votes  []Vote    `json:"votes"`
	Hash   string    `json:"hash"`
}

// Vote is one party's answer to a stage request.
type Vote struct {
	Party  string    `json:"party"`
	Yes    bool      `json:"yes"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// StageRequest proposes a stage.
type StageRequest struct {
	ID        string    `json:"id"`
	Model     string    `json:"model" doc:"its name"`
	ModelID   string    `json:"modelId" doc:"name~project"`
	Number    int       `json:"number"`
	ContentID string    `json:"contentId"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	Reason    string    `json:"reason"`
	By        string    `json:"by" doc:"its name"`
	ByID      string    `json:"byId" doc:"the party that asks"`
	At        time.Time `json:"at"`
	Expires   time.Time `json:"expires"`
	State     string    `json:"state" enum:"proposed,approved,rejected,withdrawn,expired,applied"`
	Votes     []Vote    `json:"votes"`
	Needed    int       `json:"needed"`
	Voters    []string  `json:"voters"`
	MyVote    string    `json:"myVote" enum:"yes,no,none,notAsked"`
	Sentence  string    `json:"sentence"`
}

// InputField is a raw column that a prediction takes.
type InputField struct {
	Name     string     `json:"name"`
	Type     string     `json:"type" enum:"number,category"`
	Values   []string   `json:"values" doc:"of a category"`
	Low      fed.Number `json:"low"`
	High     fed.Number `json:"high"`
	Typical  string     `json:"typical" doc:"a sample value from published statistics"`
	Required bool       `json:"required"`
	Unit     string     `json:"unit"`
}

// Check is one line of a verification.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// Serving is the switch of one model.
type Serving struct {
	ID          string         `json:"id" doc:"of the model: name~project"`
	Model       string         `json:"model" doc:"its name"`
	ProjectID   string         `json:"projectId"`
	Project     string         `json:"project"`
	State       string         `json:"state" enum:"off,loading,warming,on,error"`
	Number      int            `json:"number"`
	Stage       string         `json:"stage"`
	ContentID   string         `json:"contentId"`
	Follow      bool           `json:"follow" doc:"follows production"`
	Offered     int            `json:"offered" doc:"number of the production version when this party has not agreed to it and another is served, 0: none"`
	Address     string         `json:"address" doc:"http://127.0.0.1:port"`
	Port        int            `json:"port"`
	Exposed     bool           `json:"exposed" doc:"other computers may call, over TLS"`
	Allow       []string       `json:"allow" doc:"addresses and ranges that may call when exposed; none: all"`
	Addresses   []string       `json:"addresses" doc:"where other computers find it when exposed"`
	Fingerprint string         `json:"fingerprint" doc:"SHA-256 of the certificate that callers trust when exposed"`
	TokenHint   string         `json:"tokenHint"`
	Token       string         `json:"token,omitempty" doc:"shown once after it is made"`
	Problem     *Problem       `json:"problem,omitempty"`
	Inputs      []InputField   `json:"inputs"`
	Classes     []string       `json:"classes"`
	Curl        string         `json:"curl"`
	Python      string         `json:"python"`
	Requests    int64          `json:"requests"`
	Failures    int64          `json:"failures"`
	Rows        int64          `json:"rows"`
	P50Ms       fed.Number     `json:"p50Ms"`
	P95Ms       fed.Number     `json:"p95Ms"`
	Bytes       int64          `json:"bytes" doc:"memory held"`
	Recent      []RequestLog   `json:"recent" doc:"never values, predictions or callers"`
	Available   []ModelVersion `json:"available" doc:"versions that may be served"`
}

// RequestLog is one served request, without any payload.
type RequestLog struct {
	At     time.Time  `json:"at"`
	ID     string     `json:"id"`
	Path   string     `json:"path"`
	Rows   int        `json:"rows"`
	Status int        `json:"status"`
	Ms     fed.Number `json:"ms"`
}

// ServingSwitch turns serving of a model on or off.
type ServingSwitch struct {
	On     bool     `json:"on"`
	Port   int      `json:"port,omitempty" doc:"0: the last one or a free one"`
	Number int      `json:"number,omitempty" doc:"0: follow production"`
	Expose bool     `json:"expose,omitempty"`
	Allow  []string `json:"allow,omitempty"`
	Accept bool     `json:"accept,omitempty" doc:"answer with what is in production now"`
}

// Prediction answers a try-it form.
type Prediction struct {
	Model   string         `json:"model"`
	Version int            `json:"version"`
	Rows    []PredictedRow `json:"rows"`
}

// PredictedRow is one predicted row.
type PredictedRow struct {
	Label       string                `json:"label,omitempty"`
	Value       fed.Number            `json:"value" doc:"regression only, else null"`
	Probability map[string]fed.Number `json:"probability"`
	Threshold   fed.Number            `json:"threshold"`
	Warnings    []string              `json:"warnings"`
}

// RewardTotal is what one party got in a project.
type RewardTotal struct {
	ProjectID string     `json:"projectId"`
	Project   string     `json:"project"`
	PartyID   string     `json:"partyId"`
	Party     string     `json:"party"`
	Me        bool       `json:"me"`
	Runs      int        `json:"runs"`
	Share     fed.Number `json:"share" doc:"of the project's money, or of the contributions when no money is divided"`
	Cents     int64      `json:"cents"`
	Currency  string     `json:"currency"`
	Receipts  int64      `json:"receiptCents" doc:"acknowledged by the receiver"`
}

// Rewards is the Rewards screen.
type Rewards struct {
	Totals  []RewardTotal  `json:"totals"`
	Runs    []Contribution `json:"runs" doc:"newest first, without the per-round part"`
	Entries []LedgerEntry  `json:"entries" doc:"newest first"`
	Chain   Check          `json:"chain"`

	Disputes []Dispute `json:"disputes" doc:"of all these runs"`
	Unsigned int       `json:"unsigned" doc:"scorers' tables without a valid signature, in all these runs"`
}

// LedgerEntry is one signed line.
type LedgerEntry struct {
	K        int       `json:"k"`
	RunID    string    `json:"runId"`
	Project  string    `json:"project"`
	Kind     string    `json:"kind" enum:"terms,round,flag,score,grant,receipt,correction,close,countersign"`
	Text     string    `json:"text"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Hash     string    `json:"hash"`
	Verified bool      `json:"verified"`
}

// EgressFrame is one thing that left this machine.
type EgressFrame struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	To      string    `json:"to"`
	ToID    string    `json:"toId"`
	Kind    string    `json:"kind"`
	Purpose string    `json:"purpose"`
	Subject string    `json:"subject"`
	Bytes   int64     `json:"bytes"`
	Digest  string    `json:"digest"`
	Consent string    `json:"consent"`
}

// Activity is the egress ledger with totals.
type Activity struct {
	Items   []EgressFrame `json:"items" doc:"newest first"`
	Next    string        `json:"next,omitempty"`
	Totals  []EgressTotal `json:"totals"`
	Bytes   int64         `json:"bytes"`
	Frames  int64         `json:"frames"`
	Chain   Check         `json:"chain"`
	Removed EgressRemoved `json:"removed"`
}

// EgressRemoved is what the record no longer lists, since it was too old or too much.
type EgressRemoved struct {
	Frames int64      `json:"frames" doc:"0: none"`
	Bytes  int64      `json:"bytes"`
	Until  *time.Time `json:"until,omitempty" doc:"when the last of them was sent"`
}

// EgressTotal adds frames up by receiver and kind.
type EgressTotal struct {
	To     string `json:"to" doc:"its name"`
	ToID   string `json:"toId"`
	Kind   string `json:"kind"`
	Frames int64  `json:"frames"`
	Bytes  int64  `json:"bytes"`
}

// Setting is one setting with its default and bounds.
type Setting struct {
	Key     string   `json:"key"`
	Group   string   `json:"group"`
	Title   string   `json:"title"`
	Help    string   `json:"help"`
	Kind    string   `json:"kind" enum:"text,number,switch,choice"`
	Value   string   `json:"value"`
	Default string   `json:"default"`
	Choices []string `json:"choices"`
	Low     int      `json:"low"`
	High    int      `json:"high"`
}

// Diagnosis is one line of the doctor.
type Diagnosis struct {
	Name   string `json:"name"`
	Result string `json:"result" enum:"pass,fail,unknown"`
	Text   string `json:"text"`
	Fix    string `json:"fix"`
}

// Diagnostics is the doctor's report.
type Diagnostics struct {
	Items    []Diagnosis       `json:"items"`
	Refusals []Refusal         `json:"refusals" doc:"what was refused from peers, counted by reason"`
	Log      []string          `json:"log" doc:"newest last, without paths or values"`
	Build    map[string]string `json:"build"`
}

// Refusal counts one reason.
type Refusal struct {
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}
