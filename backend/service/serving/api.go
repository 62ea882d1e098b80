package serving

import (
	"context"
	"io"

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
	Type     string     `json:"type"`             // int, float, bool, date, category
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
	Own() Own
}

// Own is how this party's own data has the columns of the model, as agreed before
// training. The zero value says nothing of it.
type Own struct {
	Renames map[string]string // its names to those of the model, where they differ
	Filled  []string          // columns that it has not, so that training filled them in, too
}

// Decode reads pipeline.json. Without a run it gives what the version is checked with
// on every machine, with a run what this party computes with: the two differ where
// each party scales the columns with its own figures.
type Decode func(raw []byte, run fed.RunID) (Pipeline, error)

// Open reads the beginning of CSV text, as training does.
type Open func(ctx context.Context, in io.Reader) (Table, error)

// Files are a version folder: bytes by path.
type Files map[string][]byte

// Info is what a loaded version says of itself.
type Info struct {
	Model     string
	Project   fed.ProjectID // its name is unique there
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
