package serving

import (
	"synergos.app/desktop/backend/fed"
)

// Kinds of raw columns.
const (
	Number   = "number"
	Category = "category"
)

// Field is a raw column that a prediction takes.
type Field struct {
	Name     string     `json:"name"`
	Kind     string     `json:"kind"`             // number | category
	Values   []string   `json:"values,omitempty"` // of a category, canonical
	Low      fed.Number `json:"low"`              // published range; outside is warned about
	High     fed.Number `json:"high"`
	Typical  string     `json:"typical"`
	Required bool       `json:"required"` // a missing value is refused
	Unit     string     `json:"unit,omitempty"`
}

// Pipeline is the preparation inside a version: it encodes one raw row. Values
// of row are float64 for number columns and string for categories; a missing
// value is absent or nil. Encode must be deterministic and safe for concurrent
// use; what it returns is not kept by it.
type Pipeline interface {
	Encode(row map[string]any) (x []float32, warnings []string, err error)
	Fields() []Field
	Classes() []string // nil for a regression, or when it does not say
}

// Decode reads pipeline.json.
type Decode func(raw []byte) (Pipeline, error)

// Files are a version folder: bytes by path.
type Files map[string][]byte

// Info is what a loaded version says of itself.
type Info struct {
	Model     string
	ContentID string
	Task      string
	Family    string
	Classes   []string
	Positive  string  // of two classes
	Threshold float64 // of the positive class; NaN unless there are two classes
	Fields    []Field
	Params    int   // numbers
	Bytes     int64 // memory held, about
	Examples  int   // of the self-test
}

// Predictor answers rows with one version, from its files alone. It is immutable
// and safe for concurrent use.
type Predictor struct{}

// Load opens a version folder: every digest of the manifest, the specification,
// the params, the preparation and the labels are checked and the self-test is
// run. A folder that does not verify is of kind Corrupt, one that this program is
// too old for Incompatible.
func Load(files Files, decode Decode) (*Predictor, error) { panic("todo") }

// Info describes the version.
func (p *Predictor) Info() Info { panic("todo") }

// Mode is what happens to a value that a column does not take.
type Mode string

// The modes. Reject refuses the request; Warn takes an unknown category as
// unseen and anything else as missing, with a warning; Coerce first tries to read
// texts as numbers and numbers as categories.
const (
	Reject Mode = "reject"
	Warn   Mode = "warn"
	Coerce Mode = "coerce"
)

// Result is one answered row.
type Result struct {
	Label       string    // classification
	Value       float64   // regression, else NaN
	Probability []float32 // by class, in the order of Info.Classes
	Warnings    []string  // never nil
}

// Predict answers rows. Values may be float64, json.Number, string, bool, nil or
// integers. Unknown columns are ignored with a warning, a label column silently.
// Rows that are refused make an *InputError.
func (p *Predictor) Predict(rows []map[string]any, mode Mode) ([]Result, error) { panic("todo") }

// Score returns the outputs of rows from version files that may lack a manifest
// and examples: class probabilities, or the value. It is what a registry needs to
// make and to check the examples.
func Score(decode Decode) func(files map[string][]byte, rows []map[string]any) ([][]float64, error) {
	panic("todo")
}

// FieldError is one refused value. It never holds the value itself.
type FieldError struct {
	Row    int    `json:"row"` // from 0
	Column string `json:"column"`
	Reason string `json:"reason"` // the class of the value and what is allowed
}

// InputError says which values were refused. It unwraps to an error of kind
// Invalid.
type InputError struct {
	Fields []FieldError // at most 100
	More   int          // refused values beyond them
}

// Error implements error.
func (e *InputError) Error() string { panic("todo") }

// Unwrap returns the sentence with its kind.
func (e *InputError) Unwrap() error { panic("todo") }
