package registry

import (
	"synergos.app/desktop/backend/fed"
)

// The files of a version folder.
const (
	FileManifest  = "manifest.json"
	FileParams    = "model.safetensors"
	FileSpec      = "spec.json"
	FilePipeline  = "pipeline.json"
	FileLabels    = "labels.json"
	FileSignature = "signature.json"
	FileExamples  = "examples.json"
	FileMetrics   = "metrics.json"
	FileLineage   = "lineage.json"
	FileCard      = "card.md"
)

// Format is the version of the folder's layout.
const Format = 1

// File is one file by its content.
type File struct {
	Path   string     `json:"path"`
	SHA256 fed.Digest `json:"sha256"`
	Bytes  int64      `json:"bytes"`
}

// Manifest names everything in a version. Its canonical JSON (RFC 8785) is
// manifest.json, whose digest is the version's content id.
type Manifest struct {
	Format     int           `json:"format"`
	Model      string        `json:"model"`
	Project    fed.ProjectID `json:"project"`
	Task       string        `json:"task"`
	Family     string        `json:"family"`
	CreatedMs  int64         `json:"createdMs"` // when the run ended
	Run        fed.RunID     `json:"run"`
	Round      int           `json:"round"`
	ConfigHash fed.Digest    `json:"configHash"`
	Parents    []string      `json:"parents"` // content ids
	Parties    []fed.PartyID `json:"parties"` // whose data is in the lineage, sorted
	Metrics    fed.Metrics   `json:"metrics"` // pooled, on the test rows
	Files      []File        `json:"files"`   // by path, without manifest.json
}

// Field is a raw column that a prediction takes.
type Field struct {
	Name     string     `json:"name"`
	Kind     string     `json:"kind"`             // number | category
	Type     string     `json:"type"`             // int, float, bool, date, category
	Values   []string   `json:"values,omitempty"` // of a category
	Low      fed.Number `json:"low"`              // published range, null: unknown
	High     fed.Number `json:"high"`
	Typical  string     `json:"typical"`  // a sample value from published statistics
	Required bool       `json:"required"` // a missing value is refused
	Unit     string     `json:"unit,omitempty"`
}

// Signature is signature.json: typed inputs and outputs.
type Signature struct {
	Inputs  []Field  `json:"inputs"`
	Outputs []string `json:"outputs"` // probability, label | value
	Classes []string `json:"classes"`
}

// PartyMetrics are one party's figures of a version.
type PartyMetrics struct {
	Party   fed.PartyID  `json:"party"`
	Name    string       `json:"name"`
	Train   int64        `json:"train"` // rows
	Test    int64        `json:"test"`
	Metrics fed.Metrics  `json:"metrics"`
	Alone   *fed.Metrics `json:"alone"` // of the party's own model on the same rows
}

// MetricsFile is metrics.json.
type MetricsFile struct {
	Pooled  fed.Metrics    `json:"pooled"` // weighted by rows
	Macro   fed.Metrics    `json:"macro"`  // mean over parties
	Worst   fed.Metrics    `json:"worst"`  // worst party
	Parties []PartyMetrics `json:"parties"`
}

// LineageParty is one party's part of the lineage.
type LineageParty struct {
	Party fed.PartyID `json:"party"`
	Name  string      `json:"name"`
	Card  string      `json:"card"` // dataset card, "" when it has not been published
	Title string      `json:"title"`
	Rows  string      `json:"rows"` // band
}

// Lineage is lineage.json.
type Lineage struct {
	Project      fed.ProjectID         `json:"project"`
	Experiment   fed.ExperimentID      `json:"experiment"`
	Run          fed.RunID             `json:"run"`
	Rounds       int                   `json:"rounds"`
	Round        int                   `json:"round"`  // whose params these are
	Params       fed.Digest            `json:"params"` // of the checkpoint
	Alignment    fed.Digest            `json:"alignment"`
	ConfigHash   fed.Digest            `json:"configHash"`
	Seed         string                `json:"seed"`
	Strategy     string                `json:"strategy"`
	Privacy      string                `json:"privacy"` // mechanism, clipping, noise, epsilon, delta in words
	Parties      []LineageParty        `json:"parties"`
	Contribution map[string]fed.Number `json:"contribution"` // by name
}

// CardInput is what people, or the project, say for the model card. Empty texts
// are filled in.
type CardInput struct {
	Title       string
	IntendedUse string
	OutOfScope  string
	Limits      string
	Ethics      string
	Contact     string
	Licence     string
}

// BuildInput is everything that a version is made from.
type BuildInput struct {
	Model     string
	Run       fed.Run
	End       fed.RunEnd
	CreatedMs int64  // when the run ended, as its document says
	Params    []byte // safetensors of End.Params
	// Pipeline is the canonical preparation of the project; Fields its raw columns
	// in order, Classes the class names in order (the last of two is the positive).
	Pipeline []byte
	Features int // width of an encoded row
	Fields   []Field
	Classes  []string
	Parents  []string
	// Metrics of the result: pooled and per party, finished from End.Results.
	Metrics      MetricsFile
	Parties      []LineageParty // by name
	Contribution map[string]fed.Number
	Privacy      string
	Card         CardInput
	// Score computes the outputs of the example rows. Nil: the examples are left
	// without expected outputs, and so is the self-test.
	Score Scorer
}
