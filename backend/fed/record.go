package fed

import "fmt"

// The kinds of documents in the book whose bodies more than one service reads.
const (
	DocProject    = "project"     // body ProjectDoc, by the admin, one per revision
	DocAccept     = "accept"      // body AcceptDoc, by the member
	DocDecline    = "decline"     // body ReasonDoc, by the member
	DocLeave      = "leave"       // body ReasonDoc, by the member
	DocAlignment  = "alignment"   // body AlignmentDoc, by the admin
	DocExperiment = "experiment"  // body ExperimentDoc, by its creator
	DocRun        = "run"         // body Run, by its experiment's creator: frozen configuration
	DocRound      = "round"       // body RoundRecord, by the coordinator, after the commit
	DocRunEnd     = "run.end"     // body RunEnd, by the coordinator, or the creator before the start
	DocLedger     = "ledger"      // body: service/reward
	DocVersion    = "version"     // body: service/registry
	DocNumber     = "number"      // body: service/registry
	DocStageAsk   = "stage.ask"   // body: service/registry
	DocStageVote  = "stage.vote"  // body: service/registry
	DocStageBack  = "stage.back"  // body: service/registry, a withdrawn request
	DocStageDone  = "stage.done"  // body: service/registry
	DocCard       = "card"        // body: service/catalog
	DocCardGone   = "card.gone"   // body: service/catalog
	DocAccessAsk  = "access.ask"  // body: service/catalog
	DocAccessSay  = "access.say"  // body: service/catalog
	DocAccessStop = "access.stop" // body: service/catalog
)

// Policy is what the members of a project agree on by accepting it.
type Policy struct {
	PoolCents  int64     `json:"poolCents"` // reward pool per run
	Currency   string    `json:"currency"`
	Approvers  []PartyID `json:"approvers"`  // of stages; empty: the parties in the lineage
	Production string    `json:"production"` // majority | all | any
	Mode       string    `json:"mode"`       // open
	Basis      string    `json:"basis"`      // pooled | peers: whose rows decide what is paid
	Floor      int       `json:"floor"`      // small-cell floor k
}

// NewProjectID derives a project's identifier from its admin and a random text, so
// that nobody else can found a project under it.
func NewProjectID(admin PartyID, nonce string) ProjectID {
	return ProjectID(DigestOf([]byte("synergos/project/1\n" + string(admin) + "\n" + nonce))[:32])
}

// ProjectDoc is a revision of a project, signed by its admin.
type ProjectDoc struct {
	ID       ProjectID `json:"id"`    // NewProjectID(Admin, Nonce)
	Nonce    string    `json:"nonce"` // random
	Name     string    `json:"name"`
	Purpose  string    `json:"purpose"`
	Revision int       `json:"revision"`
	Admin    PartyID   `json:"admin"`
	Config   RunConfig `json:"config"`
	Policy   Policy    `json:"policy"`
	Members  []Member  `json:"members"` // in the order of rank; the admin is one of them
	Tutorial bool      `json:"tutorial,omitempty"`
}

// AcceptDoc says that a member joins with a dataset.
type AcceptDoc struct {
	Consent Digest `json:"consent"` // digest of the sheet that was read
	Card    string `json:"card"`    // card id, or "" when it has not been published
	Title   string `json:"title"`
	RowBand string `json:"rowBand"`
}

// ReasonDoc carries a sentence.
type ReasonDoc struct {
	Reason string `json:"reason"`
}

// NewExperimentID derives an experiment's identifier from its project, its author and
// a random text, so that nobody else can take it.
func NewExperimentID(p ProjectID, author PartyID, nonce string) ExperimentID {
	return ExperimentID(DigestOf([]byte("synergos/experiment/1\n" + string(p) + "\n" + string(author) + "\n" + nonce))[:32])
}

// NewRunID derives the identifier of an experiment's run number n, from 1.
func NewRunID(e ExperimentID, n int) RunID {
	return RunID(DigestOf(fmt.Appendf(nil, "synergos/run/1\n%s\n%d", e, n))[:32])
}

// ExperimentDoc is a question with its space of configurations.
type ExperimentDoc struct {
	ID     ExperimentID         `json:"id"`    // NewExperimentID(project, author, Nonce)
	Nonce  string               `json:"nonce"` // random
	Name   string               `json:"name"`
	Note   string               `json:"note"`
	Config RunConfig            `json:"config"`
	Space  map[string]Dimension `json:"space"`
	Method string               `json:"method"` // single | grid | random
	Trials int                  `json:"trials"`
}

// Dimension is one searched setting in the form of ranges.json.
type Dimension struct {
	Type  string `json:"_type"`
	Value []any  `json:"_value"`
}

// RunMember is a party's place in a run.
type RunMember struct {
	Party PartyID `json:"party"`
	Name  string  `json:"name"`
	Rank  int     `json:"rank"`
}

// Run is one training with its configuration frozen.
type Run struct {
	ID          RunID             `json:"id"` // NewRunID(Experiment, Number)
	Project     ProjectID         `json:"project"`
	Experiment  ExperimentID      `json:"experiment"`
	Number      int               `json:"number"` // within the experiment, from 1
	Config      RunConfig         `json:"config"`
	ConfigHash  Digest            `json:"configHash"`  // of the canonical JSON of Config
	Preparation Digest            `json:"preparation"` // of the project's alignment
	Members     []RunMember       `json:"members"`     // by name
	Settings    map[string]string `json:"settings"`    // what the space chose, as text
}

// Member returns the member with the given party, or false.
func (r Run) Member(p PartyID) (RunMember, bool) {
	for _, m := range r.Members {
		if m.Party == p {
			return m, true
		}
	}
	return RunMember{}, false
}

// NameOf returns the party's name in the run, or its short id.
func (r Run) NameOf(p PartyID) string {
	if m, ok := r.Member(p); ok {
		return m.Name
	}
	return p.Short()
}

// RoundRecord is a committed round. The metrics are those of the params that the
// round started from, summed over the members' validation rows; the last params
// get theirs from RunEnd.
type RoundRecord struct {
	Run         RunID             `json:"run"`
	N           int               `json:"n"` // 0 is the start
	Term        uint64            `json:"term"`
	Digest      Digest            `json:"digest"` // params after the round
	Parent      Digest            `json:"parent"`
	Coordinator PartyID           `json:"coordinator"`
	DurationMs  int64             `json:"durationMs"`
	In          []RoundParty      `json:"in"`      // by name
	Absent      map[string]string `json:"absent"`  // name -> reason
	Valid       map[string]Sums   `json:"valid"`   // name -> validation sums of the params of round N-1
	Result      string            `json:"result"`  // closed | short
	Mandate     Mandate           `json:"mandate"` // of the coordinator in Term
}

// Claimed returns what Claim of an update signs, of a round that started from base.
func (p RoundParty) Claimed(run RunID, n int, base Digest) Claim {
	return Claim{Run: run, Round: n, Base: base, Update: p.Update.Digest, Examples: p.Examples}
}

// RoundParty is an admitted update of a round.
type RoundParty struct {
	Party    PartyID   `json:"party"`
	Name     string    `json:"name"`
	Examples int64     `json:"examples"`
	Weight   Number    `json:"weight"`
	Loss     Number    `json:"loss"` // mean local training loss
	Update   BlobRef   `json:"update"`
	Norm     Number    `json:"norm"`
	Claim    Signature `json:"claim"` // the party's own, of this update
}

// RunEnd closes a run.
type RunEnd struct {
	Run     RunID  `json:"run"`
	State   string `json:"state"`  // finished | failed | cancelled
	Reason  string `json:"reason"` // completed, user, diverged, quorum_lost, consent_denied, incompatible, internal
	Problem string `json:"problem"`
	Hint    string `json:"hint"`
	// At says where a run failed: the names of members with their own reasons.
	At        map[string]string `json:"at,omitempty"`
	Rounds    int               `json:"rounds"`
	Best      int               `json:"best"`   // round with the least validation loss
	Params    Digest            `json:"params"` // of that round: the result
	ParamsRef BlobRef           `json:"paramsRef"`
	Last      map[string]Sums   `json:"last"` // validation sums of the last params
	Results   []RunResult       `json:"results"`
	Mandate   *Mandate          `json:"mandate,omitempty"` // of a coordinator; its creator ends a run without
}

// RunResult is one party's part of a finished run.
type RunResult struct {
	Party    PartyID `json:"party"`
	Name     string  `json:"name"`
	Train    int64   `json:"train"` // rows
	Test     Sums    `json:"test"`  // of the result, on the party's test rows
	Alone    *Sums   `json:"alone"` // of the party's own model, or absent when its label has one class
	BytesIn  int64   `json:"bytesIn"`
	BytesOut int64   `json:"bytesOut"`
}

// AlignmentDoc is the agreed preparation of a project's data.
type AlignmentDoc struct {
	Revision    int                          `json:"revision"`
	Digest      Digest                       `json:"digest"`      // of Preparation
	Preparation []byte                       `json:"preparation"` // canonical JSON, package dataset
	Renames     map[string]map[string]string `json:"renames"`     // member name -> its column -> shared column
	Table       []byte                       `json:"table"`       // canonical JSON of the alignment as shown
	Rows        map[string]int64             `json:"rows"`        // member name -> training rows, rounded to 10
}

// Update is what a party returns for a round.
type Update struct {
	Run      RunID     `json:"run"`
	Term     uint64    `json:"term"`
	Round    int       `json:"round"` // the round that it helps to close
	Base     Digest    `json:"base"`  // params it was trained from
	Blob     BlobRef   `json:"blob"`  // safetensors of the delta
	Examples int64     `json:"examples"`
	Loss     Number    `json:"loss"`
	Valid    Sums      `json:"valid"` // of the base params on the party's validation rows
	Claim    Signature `json:"claim"` // of what the record says of it
	// Problem says, instead of a blob, why this party cannot train: it then counts
	// as absent with that reason.
	Problem string `json:"problem,omitempty"`
}

// Claimed returns what Claim signs.
func (u Update) Claimed() Claim {
	return Claim{Run: u.Run, Round: u.Round, Base: u.Base, Update: u.Blob.Digest, Examples: u.Examples}
}

// Incoming is an update with its sender, as authenticated by the network.
type Incoming struct {
	From   PartyID
	Update Update
}

// EvalAsk asks a party for sums of params on its own rows.
type EvalAsk struct {
	Run    RunID   `json:"run"`
	Round  int     `json:"round"` // whose params they are
	Params BlobRef `json:"params"`
	Part   string  `json:"part"` // valid | test
	Alone  bool    `json:"alone"`
}

// EvalReply answers EvalAsk: sums, never rows.
type EvalReply struct {
	Sums     Sums  `json:"sums"`
	Alone    *Sums `json:"alone,omitempty"` // of a model trained on the party's rows only
	Train    int64 `json:"train"`           // training rows
	BytesIn  int64 `json:"bytesIn"`
	BytesOut int64 `json:"bytesOut"`
}

// ScoreAsk asks a party to score every coalition of a round's updates on its own
// held-out rows.
type ScoreAsk struct {
	Run   RunID        `json:"run"`
	Round int          `json:"round"`
	Base  BlobRef      `json:"base"`
	In    []RoundParty `json:"in"` // admitted updates, by name
}
