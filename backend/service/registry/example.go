package registry

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"synergos.app/desktop/backend/fed"
)

var nan = fed.Number(math.NaN())

// Tolerance of the self-test: an output may differ from the expected one by this
// much, relative to the larger of 1 and its size, which is what the same
// arithmetic on another processor stays below.
const Tolerance = 1e-6

// exampleCount is how many synthetic rows a version carries.
const exampleCount = 8

// examplesFile is examples.json: synthetic rows with what the version answers.
type examplesFile struct {
	Note    string           `json:"note"`
	Rows    []map[string]any `json:"rows"`
	Outputs [][]float64      `json:"outputs"` // class probabilities, or the value
}

func examplesOf(in BuildInput, files map[string][]byte) ([]byte, error) {
	e := examplesFile{Note: "synthetic rows made from published statistics; no row is real", Rows: exampleRows(in.Fields), Outputs: [][]float64{}}
	if in.Score != nil {
		out, err := in.Score(files, e.Rows)
		if err != nil {
			return nil, fmt.Errorf("score the example rows: %w", err)
		}
		if len(out) != len(e.Rows) {
			return nil, fmt.Errorf("score the example rows: %d answers for %d rows", len(out), len(e.Rows))
		}
		for _, row := range out {
			e.Outputs = append(e.Outputs, rounded(row))
		}
	}
	raw, err := canonical(e)
	if err != nil {
		return nil, fmt.Errorf("write the example rows: %w", err)
	}
	return raw, nil
}

// rounded keeps seven significant digits, so that the last bits of a processor's
// arithmetic do not become part of a version's identity.
func rounded(row []float64) []float64 {
	out := make([]float64, len(row))
	for i, v := range row {
		out[i], _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 7, 64), 64)
	}
	return out
}

// exampleRows builds rows from what the fields publish: the typical row, the ends
// and middles of the ranges, each category in turn, and missing values.
func exampleRows(fields []Field) []map[string]any {
	rows := make([]map[string]any, exampleCount)
	for i := range rows {
		row := map[string]any{}
		for j, f := range fields {
			if v := exampleValue(f, i, j); v != nil {
				row[f.Name] = v
			}
		}
		rows[i] = row
	}
	return rows
}

// exampleValue is the value of field j in row i, nil for missing: row 0 is
// typical, the last one has gaps.
func exampleValue(f Field, i, j int) any {
	switch {
	case i == 0 || i == exampleCount-1 && f.Required:
		return typical(f)
	case i == exampleCount-1:
		if j%2 == 0 {
			return nil
		}
		return typical(f)
	case f.Kind == "category":
		if len(f.Values) == 0 {
			return nil
		}
		return f.Values[(i+j)%len(f.Values)]
	case !f.Low.Finite() || !f.High.Finite():
		return typical(f)
	}
	steps := exampleCount - 3 // rows 1 to 6 walk the range in six points
	v := float64(f.Low) + (float64(f.High)-float64(f.Low))*float64((i+j-1)%(steps+1))/float64(steps)
	if f.Type == "int" || f.Type == "bool" {
		v = math.Round(v)
	}
	return rounded([]float64{v})[0]
}

func typical(f Field) any {
	if f.Kind == "category" {
		switch {
		case slices.Contains(f.Values, f.Typical):
			return f.Typical
		case len(f.Values) > 0:
			return f.Values[0]
		}
		return nil
	}
	if v, err := strconv.ParseFloat(f.Typical, 64); err == nil && fed.Number(v).Finite() {
		return v
	}
	if f.Low.Finite() && f.High.Finite() {
		return (float64(f.Low) + float64(f.High)) / 2
	}
	if f.Required {
		return 0.0
	}
	return nil
}

// selfTest answers the examples of a version again.
func selfTest(files map[string][]byte, score Scorer) error {
	var e examplesFile
	if err := json.Unmarshal(files[FileExamples], &e); err != nil {
		return fed.Errorf(fed.Corrupt, "", "the example rows cannot be read: %w", err)
	}
	if len(e.Outputs) == 0 || len(e.Outputs) != len(e.Rows) {
		return fed.Errorf(fed.Invalid, "", "the version has no example rows with outputs")
	}
	got, err := score(files, e.Rows)
	if err != nil {
		return fmt.Errorf("answer the example rows: %w", err)
	}
	for i, want := range e.Outputs {
		if i >= len(got) || !near(got[i], want) {
			return fed.Errorf(fed.Corrupt, "Ask another party for its copy.", "example row %d is not answered as when the version was made", i+1)
		}
	}
	return nil
}

func near(got, want []float64) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= Tolerance*math.Max(1, math.Abs(want[i]))) {
			return false
		}
	}
	return true
}
