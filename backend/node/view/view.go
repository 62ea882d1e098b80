// Package view holds the records that the program around the engine shows: the
// bodies of the local HTTP API and of its events. They are plain data, derived
// from the engine's state by package node and never the other way round.
//
// Conventions: ids and int64 that may pass 2^53 are strings; times are RFC 3339
// in UTC; units stand in names (durationMs, bytesPerSecond); floats are
// fed.Number, so that a non-finite value travels as null; a list is never null.
package view

import (
	"time"

	"synergos.app/desktop/backend/fed"
)

// Status is the one plain sentence about everything, with the facts behind it.
type Status struct {
	Epoch    string `json:"epoch" doc:"random per start; a new one invalidates every cached answer"`
	Version  string `json:"version"`
	Ready    bool   `json:"ready"`
	Named    bool   `json:"named" doc:"false until the party has been named on first start"`
	Party    string `json:"party"`
	PartyID  string `json:"partyId"`
	Sentence string `json:"sentence" doc:"for example: Round 7 of 20, 3 of 4 parties in, about 12 min left"`
	State    string `json:"state" enum:"idle,working,waiting,attention,error"`
	Online   int    `json:"online" doc:"paired parties connected now"`
	Paired   int    `json:"paired"`
	Inbox    int    `json:"inbox" doc:"open inbox entries"`
	Running  int    `json:"running" doc:"runs in progress"`
	Serving  int    `json:"serving" doc:"models switched on"`
	Window   bool   `json:"window" doc:"true in the desktop window, false in a browser"`
}

// Home is what the first screen shows.
type Home struct {
	Status   Status         `json:"status"`
	Inbox    []InboxEntry   `json:"inbox"`
	Projects []Project      `json:"projects"`
	Runs     []Run          `json:"runs" doc:"running and latest, newest first"`
	Models   []Model        `json:"models"`
	Serving  []Serving      `json:"serving"`
	Rewards  []RewardTotal  `json:"rewards"`
	News     []CatalogEntry `json:"news" doc:"latest dataset cards of others"`
	Tutorial Tutorial       `json:"tutorial"`
}

// Tutorial is the guided federation of virtual parties.
type Tutorial struct {
	State string         `json:"state" enum:"none,running,done"`
	Steps []TutorialStep `json:"steps"`
	RunID string         `json:"runId,omitempty"`
}

// TutorialStep is one tick of the tutorial.
type TutorialStep struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Text  string `json:"text"`
	Done  bool   `json:"done"`
	Href  string `json:"href" doc:"the screen where the step happens, a hash route"`
}

// InboxEntry asks a person for something.
type InboxEntry struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind" enum:"pairing,invitation,alignment,access,stage,alarm,consent,notice"`
	Title   string    `json:"title"`
	Text    string    `json:"text"`
	From    string    `json:"from"`
	At      time.Time `json:"at"`
	Subject string    `json:"subject" doc:"id of what it is about"`
	Href    string    `json:"href" doc:"where it is answered, a hash route"`
	Done    bool      `json:"done"`
}

// Operation is long work.
type Operation struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"`
	Title     string     `json:"title"`
	Subject   string     `json:"subject"`
	State     string     `json:"state" enum:"queued,running,waiting,paused,done,failed,cancelled"`
	Phase     string     `json:"phase"`
	Done      int64      `json:"done"`
	Total     int64      `json:"total"`
	Unit      string     `json:"unit"`
	EtaMs     int64      `json:"etaMs" doc:"0 when unknown"`
	StartedAt time.Time  `json:"startedAt"`
	CanCancel bool       `json:"canCancel"`
	Problem   *Problem   `json:"problem,omitempty"`
	Result    string     `json:"result,omitempty" doc:"id of what it made"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
}

// Problem is an error as shown: a sentence and what to do.
type Problem struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	Hint string `json:"hint"`
}

// Identity is this party.
type Identity struct {
	Party       string   `json:"party"`
	PartyID     string   `json:"partyId"`
	DeviceID    string   `json:"deviceId"`
	Fingerprint string   `json:"fingerprint"`
	Addresses   []string `json:"addresses" doc:"host:port where peers reach this app"`
	Home        string   `json:"home" doc:"folder that holds everything of this party"`
	Discovery   string   `json:"discovery" enum:"on,off,blocked"`
	KeyStore    string   `json:"keyStore" doc:"where the private key is kept, in words"`
	Restart     bool     `json:"restart,omitempty" doc:"a party has been restored; the next start of the app opens it"`
}

// Backup is a sealed copy of a party's key and peers, ready to be fetched.
type Backup struct {
	ID    string `json:"id"`
	Name  string `json:"name" doc:"file name to save it under"`
	Bytes int    `json:"bytes"`
	Peers int    `json:"peers" doc:"computers of others in it"`
}

// Peer is another computer seen, pending or paired.
type Peer struct {
	DeviceID    string     `json:"deviceId"`
	PartyID     string     `json:"partyId,omitempty"`
	Name        string     `json:"name" doc:"empty until paired: the LAN learns no names"`
	State       string     `json:"state" enum:"seen,pending,paired,revoked"`
	Online      bool       `json:"online"`
	Role        string     `json:"role" enum:"none,admin,coordinator,participant,observer"`
	Fingerprint string     `json:"fingerprint"`
	Addresses   []string   `json:"addresses"`
	Source      string     `json:"source" doc:"mdns, static, invite, project"`
	LastSeen    *time.Time `json:"lastSeen,omitempty"`
	RTTMs       fed.Number `json:"rttMs"`
	Version     string     `json:"version"`
	BytesIn     int64      `json:"bytesIn"`
	BytesOut    int64      `json:"bytesOut"`
	How         string     `json:"how" doc:"how it was verified, in words"`
}

// PeerList is the Peers screen.
type PeerList struct {
	Items     []Peer    `json:"items"`
	Pairings  []Pairing `json:"pairings"`
	Invites   []Invite  `json:"invites"`
	Discovery Discovery `json:"discovery"`
	Identity  Identity  `json:"identity"`
}

// Discovery says how looking for others on the network goes.
type Discovery struct {
	State      string   `json:"state" enum:"on,off,blocked"`
	Sentence   string   `json:"sentence"`
	Hint       string   `json:"hint"`
	Interfaces []string `json:"interfaces"`
}

// Pairing is one attempt of two people to pair their apps.
type Pairing struct {
	ID          string    `json:"id"`
	Mode        string    `json:"mode" enum:"code,invite"`
	Incoming    bool      `json:"incoming"`
	State       string    `json:"state" enum:"waiting,compare,confirmed,done,refused,failed,expired"`
	Code        string    `json:"code" doc:"six digits to compare; empty for an invite"`
	Name        string    `json:"name" doc:"the organisation the other side claims"`
	DeviceID    string    `json:"deviceId"`
	PartyID     string    `json:"partyId,omitempty"`
	Fingerprint string    `json:"fingerprint"`
	Confirmed   bool      `json:"confirmed" doc:"this side has said the code is the same"`
	At          time.Time `json:"at"`
	Problem     *Problem  `json:"problem,omitempty"`
}

// Invite is an open invite link.
type Invite struct {
	ID      string    `json:"id"`
	Link    string    `json:"link,omitempty" doc:"shown once, when it is made"`
	Expires time.Time `json:"expires"`
	Used    bool      `json:"used"`
	Tries   int       `json:"tries"`
}

// Series is one curve: values by round.
type Series struct {
	Name   string       `json:"name"`
	Party  string       `json:"party,omitempty" doc:"empty: all parties pooled"`
	Rounds []int        `json:"rounds"`
	Values []fed.Number `json:"values"`
}

// MetricSet is finished figures by name.
type MetricSet = fed.Metrics

// ActivityQuery filters the egress ledger.
type ActivityQuery struct {
	Limit int
	After string
	To    string
	Kind  string
}

// CatalogQuery is a search over cards; Dataset scores coverage against mine.
type CatalogQuery struct {
	Q, Task, Party, RowBand, Licence, Dataset string
}
