package view

import (
	"time"

	"synergos.app/desktop/backend/fed"
)

// Project is a shared problem with its parties.
type Project struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Purpose   string         `json:"purpose"`
	Task      string         `json:"task"`
	Target    string         `json:"target"`
	Admin     string         `json:"admin"`
	AdminID   string         `json:"adminId"`
	Mine      bool           `json:"mine" doc:"this party is the admin"`
	State     string         `json:"state" enum:"invited,gathering,aligning,confirm,ready,left,archived"`
	Sentence  string         `json:"sentence"`
	Parties   []ProjectParty `json:"parties"`
	Policy    ProjectPolicy  `json:"policy"`
	DatasetID string         `json:"datasetId,omitempty" doc:"mine"`
	Config    fed.RunConfig  `json:"config" doc:"what every experiment of the project starts from"`
	CreatedAt time.Time      `json:"createdAt"`
	Runs      int            `json:"runs"`
	Tutorial  bool           `json:"tutorial"`
}

// ProjectParty is a member and its standing.
type ProjectParty struct {
	PartyID     string `json:"partyId"`
	Name        string `json:"name"`
	State       string `json:"state" enum:"invited,accepted,declined,left"`
	Online      bool   `json:"online"`
	Me          bool   `json:"me"`
	Dataset     string `json:"dataset" doc:"title of the card it brings"`
	RowBand     string `json:"rowBand"`
	Fingerprint string `json:"fingerprint"`
	Rank        int    `json:"rank" doc:"order in which parties may lead"`
}

// ProjectPolicy is what the members agreed on.
type ProjectPolicy struct {
	PoolCents  int64    `json:"poolCents" doc:"reward pool per run, in cents"`
	Currency   string   `json:"currency"`
	Approvers  []string `json:"approvers" doc:"party ids whose approval a stage needs; empty: the parties in the lineage"`
	Production string   `json:"production" enum:"majority,all,any"`
	Mode       string   `json:"mode" enum:"open" doc:"who sees single updates: open = the coordinator and scorers"`
	Basis      string   `json:"basis" enum:"pooled,peers" doc:"whose held-out rows decide what is paid: pooled = those of all parties, peers = those of the others"`
	Floor      int      `json:"floor" doc:"small-cell floor k"`
}

// ProjectCreate makes a project.
type ProjectCreate struct {
	Name      string         `json:"name" minLength:"1" maxLength:"120"`
	Purpose   string         `json:"purpose" maxLength:"2000"`
	DatasetID string         `json:"datasetId" doc:"mine; its proposal is where the configuration starts"`
	Invite    []string       `json:"invite" doc:"party ids"`
	Config    *fed.RunConfig `json:"config,omitempty"`
	Policy    ProjectPolicy  `json:"policy"`
}

// ConsentSheet says exactly what will leave this computer under a project.
type ConsentSheet struct {
	ProjectID string           `json:"projectId"`
	Digest    string           `json:"digest" doc:"consent covers exactly this"`
	Asker     string           `json:"asker"`
	Purpose   string           `json:"purpose"`
	Leaves    []ConsentLine    `json:"leaves"`
	Stays     []string         `json:"stays"`
	Sees      []string         `json:"sees" doc:"who sees what, in words"`
	Privacy   string           `json:"privacy"`
	Reward    string           `json:"reward"`
	Expires   string           `json:"expires"`
	Datasets  []ConsentDataset `json:"datasets" doc:"mine that could serve, best fit first"`
	Columns   []string         `json:"columns"`
}

// ConsentLine is one thing that leaves.
type ConsentLine struct {
	What  string `json:"what"`
	How   string `json:"how" doc:"how often and how many bytes"`
	Who   string `json:"who" doc:"who receives it"`
	Bytes int64  `json:"bytes" doc:"per occurrence, estimated"`
}

// ConsentDataset is a dataset of mine and how it fits.
type ConsentDataset struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Matched int    `json:"matched"`
	Of      int    `json:"of"`
	Note    string `json:"note"`
}

// Limits are what a party adds to its consent.
type Limits struct {
	MaxRuns    int `json:"maxRuns" doc:"0: no limit"`
	MaxRounds  int `json:"maxRounds" doc:"per run; 0: no limit"`
	MinParties int `json:"minParties"`
	Days       int `json:"days" doc:"consent ends after so many days; 0: 365"`
}

// Alignment is the table of columns against parties.
type Alignment struct {
	ProjectID  string            `json:"projectId"`
	State      string            `json:"state" enum:"none,gathering,confirm,stats,agreed"`
	Sentence   string            `json:"sentence"`
	Parties    []string          `json:"parties" doc:"names, in order of the cells"`
	Columns    []AlignmentColumn `json:"columns"`
	Matches    []ColumnMatch     `json:"matches" doc:"proposed, to be confirmed by a person"`
	Digest     string            `json:"digest"`
	Features   []string          `json:"features" doc:"derived inputs of the model, in order"`
	Scaling    []ScalingRow      `json:"scaling"`
	Issues     []Finding         `json:"issues"`
	CanConfirm bool              `json:"canConfirm"`
}

// AlignmentColumn is one column of the union.
type AlignmentColumn struct {
	Name  string          `json:"name"`
	Type  string          `json:"type"`
	Role  string          `json:"role"`
	Cells []AlignmentCell `json:"cells"`
}

// AlignmentCell is how one party has a column.
type AlignmentCell struct {
	State string `json:"state" enum:"same,matched,filled,conflict"`
	Name  string `json:"name" doc:"what the party calls it"`
	Note  string `json:"note"`
}

// ColumnMatch is a proposal that a party's column is another's.
type ColumnMatch struct {
	Party     string     `json:"party"`
	From      string     `json:"from" doc:"the party's column"`
	To        string     `json:"to" doc:"the shared column"`
	Score     fed.Number `json:"score"`
	Why       string     `json:"why"`
	Confirmed bool       `json:"confirmed"`
}

// ScalingRow is the agreed scaling of a numeric column.
type ScalingRow struct {
	Column string     `json:"column"`
	Mean   fed.Number `json:"mean"`
	SD     fed.Number `json:"sd"`
	Fill   fed.Number `json:"fill"`
}

// Experiment is a question with its configurations.
type Experiment struct {
	ID        string               `json:"id"`
	ProjectID string               `json:"projectId"`
	Project   string               `json:"project"`
	Name      string               `json:"name"`
	Note      string               `json:"note"`
	Config    fed.RunConfig        `json:"config"`
	Space     map[string]Dimension `json:"space"`
	Method    string               `json:"method" enum:"single,grid,random"`
	Trials    int                  `json:"trials"`
	Objective string               `json:"objective"`
	Mine      bool                 `json:"mine" doc:"this party queues its runs"`
	State     string               `json:"state" enum:"queued,running,paused,finished,failed,cancelled"`
	Runs      []Run                `json:"runs"`
	CreatedAt time.Time            `json:"createdAt"`
}

// Dimension is one searched setting: {"_type":"choice","_value":[...]}.
type Dimension struct {
	Type  string `json:"_type" enum:"choice,uniform,quniform,loguniform,qloguniform,randint,qrandint,lograndint"`
	Value []any  `json:"_value"`
}

// ExperimentCreate makes an experiment and queues its runs.
type ExperimentCreate struct {
	ProjectID string               `json:"projectId"`
	Name      string               `json:"name" minLength:"1" maxLength:"120"`
	Note      string               `json:"note,omitempty"`
	Config    fed.RunConfig        `json:"config"`
	Space     map[string]Dimension `json:"space,omitempty" doc:"keys: lr, batch, epochs, steps, rounds, mu, strategy, optimizer, seed, hidden"`
	Method    string               `json:"method" enum:"single,grid,random"`
	Trials    int                  `json:"trials,omitempty"`
}

// ImportedConfig is a configuration document as an experiment of a project can use
// it.
type ImportedConfig struct {
	Config      fed.RunConfig      `json:"config" doc:"of the document, with what the parties agreed on as they agreed"`
	Differences []ConfigDifference `json:"differences" doc:"where the document says otherwise than the parties agreed"`
}

// ConfigDifference is one setting that the parties agreed on.
type ConfigDifference struct {
	Key    string `json:"key" doc:"dotted name, for example test.seed"`
	Given  string `json:"given" doc:"in the document; empty: not there"`
	Agreed string `json:"agreed" doc:"in the project; empty: not there"`
}

// Estimate is what a configuration would cost.
type Estimate struct {
	Runs            int        `json:"runs"`
	Parameters      int        `json:"parameters"`
	BytesPerRound   int64      `json:"bytesPerRound" doc:"in and out of one party"`
	SecondsPerRound fed.Number `json:"secondsPerRound"`
	TotalBytes      int64      `json:"totalBytes"`
	TotalSeconds    fed.Number `json:"totalSeconds"`
	Problems        []Finding  `json:"problems"`
}

// Run is one training.
type Run struct {
	ID            string            `json:"id"`
	ExperimentID  string            `json:"experimentId"`
	Experiment    string            `json:"experiment"`
	ProjectID     string            `json:"projectId"`
	Project       string            `json:"project"`
	Number        int               `json:"number" doc:"1, 2, 3 ... within the experiment"`
	State         string            `json:"state" enum:"draft,queued,preparing,running,finishing,finished,pausing,paused,cancelling,cancelled,failed"`
	EndReason     string            `json:"endReason"`
	Problem       *Problem          `json:"problem,omitempty"`
	Sentence      string            `json:"sentence"`
	ConfigHash    string            `json:"configHash"`
	Params        map[string]string `json:"params" doc:"settings as text, for comparing"`
	Round         int               `json:"round" doc:"last committed"`
	Rounds        int               `json:"rounds"`
	Coordinator   string            `json:"coordinator" doc:"name"`
	CoordinatorID string            `json:"coordinatorId"`
	Why           string            `json:"why" doc:"why this party leads, in words"`
	Term          string            `json:"term"`
	BestRound     int               `json:"bestRound"`
	Metrics       MetricSet         `json:"metrics" doc:"pooled, on held-out rows of all parties"`
	StartedAt     *time.Time        `json:"startedAt,omitempty"`
	EndedAt       *time.Time        `json:"endedAt,omitempty"`
	EtaMs         int64             `json:"etaMs"`
	Mine          bool              `json:"mine"`
	Version       string            `json:"version,omitempty" doc:"such as \"heart, version 2\", when registered"`
	VersionHref   string            `json:"versionHref,omitempty" doc:"its page, a hash route"`
	ParamsHash    string            `json:"paramsHash"`
	Tutorial      bool              `json:"tutorial"`
}

// RunDetail is the live view of a run.
type RunDetail struct {
	Run         Run           `json:"run"`
	Config      fed.RunConfig `json:"config"`
	Parties     []RunParty    `json:"parties"`
	Series      []Series      `json:"series" doc:"valid.loss, valid.accuracy ... pooled and per party"`
	Rounds      []Round       `json:"rounds"`
	Results     []PartyResult `json:"results" doc:"filled when the run has finished"`
	Failed      []FailedParty `json:"failed" doc:"where a run failed, as far as it was one party's"`
	Pooled      PartyResult   `json:"pooled" doc:"all parties' test rows together"`
	ClientMean  MetricSet     `json:"clientMean" doc:"mean over parties"`
	Central     *PartyResult  `json:"central,omitempty" doc:"trained on all rows pooled: in rehearsal only"`
	Steps       []RunStep     `json:"steps" doc:"what happened, newest last: elections, commits, absences"`
	CanPause    bool          `json:"canPause"`
	CanResume   bool          `json:"canResume"`
	CanCancel   bool          `json:"canCancel"`
	CanRegister bool          `json:"canRegister"`
}

// FailedParty is a party at which a run failed.
type FailedParty struct {
	Party string `json:"party"`
	Why   string `json:"why" doc:"its own reason"`
}

// RunParty is a party of a run, live.
type RunParty struct {
	PartyID     string     `json:"partyId"`
	Name        string     `json:"name"`
	Me          bool       `json:"me"`
	Role        string     `json:"role" enum:"coordinator,party"`
	State       string     `json:"state" enum:"idle,download,train,upload,score,done,late,absent,offline"`
	Progress    fed.Number `json:"progress" doc:"0..1 of the local work of this round"`
	LastHeardMs int64      `json:"lastHeardMs"`
	BytesIn     int64      `json:"bytesIn"`
	BytesOut    int64      `json:"bytesOut"`
	Examples    int64      `json:"examples"`
	Rounds      int        `json:"rounds" doc:"rounds it contributed to"`
}

// Round is one closed round.
type Round struct {
	N           int        `json:"n"`
	Digest      string     `json:"digest"`
	Term        string     `json:"term"`
	Coordinator string     `json:"coordinator"`
	DurationMs  int64      `json:"durationMs"`
	Parties     []string   `json:"parties" doc:"names that were in"`
	Absent      []string   `json:"absent" doc:"names with the reason in brackets"`
	Loss        fed.Number `json:"loss" doc:"validation, pooled"`
	Metrics     MetricSet  `json:"metrics"`
	Result      string     `json:"result" enum:"closed,short,failed"`
}

// RunStep is one line of a run's history.
type RunStep struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	Text string    `json:"text"`
}

// PartyResult is how models do on one party's test rows.
type PartyResult struct {
	PartyID       string    `json:"partyId"`
	Party         string    `json:"party"`
	TrainExamples int64     `json:"trainExamples"`
	TestExamples  int64     `json:"testExamples"`
	Test          MetricSet `json:"test" doc:"the federated model"`
	Alone         MetricSet `json:"alone" doc:"the party's own model, trained on its rows only"`
	Central       MetricSet `json:"central" doc:"trained on all rows pooled: rehearsal only"`
	BytesIn       int64     `json:"bytesIn"`
	BytesOut      int64     `json:"bytesOut"`
}

// Comparison sets runs side by side.
type Comparison struct {
	Runs    []Run              `json:"runs"`
	Differs []ComparisonRow    `json:"differs" doc:"only the settings that differ"`
	Same    []ComparisonRow    `json:"same"`
	Metrics []ComparisonRow    `json:"metrics"`
	Series  []ComparisonSeries `json:"series"`
}

// ComparisonRow is a setting or figure with one value per run.
type ComparisonRow struct {
	Key    string   `json:"key"`
	Values []string `json:"values"`
}

// ComparisonSeries is one run's pooled curves.
type ComparisonSeries struct {
	RunID  string   `json:"runId"`
	Series []Series `json:"series"`
}

// Contribution is who helped how much in a run, and what it was given for it.
type Contribution struct {
	RunID     string              `json:"runId"`
	State     string              `json:"state" enum:"none,scoring,done"`
	Reason    string              `json:"reason,omitempty" enum:"off,too_many,too_few,pending" doc:"why there are no figures"`
	Method    string              `json:"method"`
	Basis     string              `json:"basis" enum:"pooled,peers" doc:"whose held-out rows decide what is paid"`
	Through   int                 `json:"through" doc:"round of the delivered model: later ones do not count; 0: not known yet"`
	Scored    int                 `json:"scored" doc:"rounds that count"`
	Unscored  int                 `json:"unscored" doc:"rounds that should count and could not be scored"`
	Unsigned  int                 `json:"unsigned" doc:"scorers' tables without a valid signature: they do not count"`
	Disputes  []Dispute           `json:"disputes"`
	PoolCents int64               `json:"poolCents" doc:"what was divided, 0: nothing"`
	Currency  string              `json:"currency"`
	Why       string              `json:"why,omitempty" enum:"contribution,unscored,nobody,no-pool" doc:"why the money was divided as it was; absent before the end"`
	Rows      string              `json:"rows" doc:"on which rows, in words"`
	Coarse    bool                `json:"coarse"`
	Honesty   string              `json:"honesty" doc:"what is proven and what is not"`
	Parties   []PartyContribution `json:"parties"`
	Rounds    []RoundContribution `json:"rounds"`
	Remainder fed.Number          `json:"remainder"`
	Total     fed.Number          `json:"total"`
}

// PartyContribution is one party's figure over the run.
type PartyContribution struct {
	PartyID   string     `json:"partyId"`
	Party     string     `json:"party"`
	Value     fed.Number `json:"value" doc:"nats per row"`
	SE        fed.Number `json:"se"`
	Low       fed.Number `json:"low"`
	High      fed.Number `json:"high"`
	Share     fed.Number `json:"share" doc:"of the positive total, 0..1"`
	Rank      int        `json:"rank" doc:"tied parties have one rank"`
	Tied      []string   `json:"tied" doc:"names it cannot be told apart from"`
	Peers     fed.Number `json:"peers" doc:"the same measured on the other parties' rows only"`
	Present   int        `json:"present"`
	Of        int        `json:"of"`
	Cents     int64      `json:"cents"`
	WithoutIt fed.Number `json:"withoutIt" doc:"diagnostic: value of the others alone, rebuilt from updates"`
}

// Dispute is a doubt about a run's ledger.
type Dispute struct {
	RunID string `json:"runId"`
	Kind  string `json:"kind" enum:"two,cut_off,verdict" doc:"two: one party signed two entries for one place; cut_off: an entry that a later coordinator's replaced; verdict: a member found the ledger wrong"`
	K     int    `json:"k" doc:"place in the ledger"`
	By    string `json:"by" doc:"who wrote what does not count, or who disputes"`
	Kept  string `json:"kept" doc:"who wrote what counts"`
	Text  string `json:"text" doc:"what a member found"`
}

// RoundContribution is one round of the timeline.
type RoundContribution struct {
	Round    int          `json:"round"`
	Values   []fed.Number `json:"values" doc:"in the order of Contribution.Parties"`
	SE       []fed.Number `json:"se"`
	Excluded []string     `json:"excluded" doc:"name and reason, in words"`
}
