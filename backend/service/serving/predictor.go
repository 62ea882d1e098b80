package serving

import (
	"context"
	"fmt"
	"math"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
)

// chunk is how many rows pass through a model at once.
const chunk = 256

// Predictor answers rows with one version, from its files alone. It is immutable
// and safe for concurrent use.
type Predictor struct {
	info   Info
	target string
	model  *model.Model
	params tensor.Params
	pipe   Pipeline
	fields map[string]*column
	order  []*column
	// renames are of this party's own names of columns to those of the model.
	renames map[string]string
}

// Info describes the version.
func (p *Predictor) Info() Info { return p.info }

// Result is one answered row.
type Result struct {
	Label       string    // classification
	Value       float64   // regression, else NaN
	Probability []float32 // by class, in the order of Info.Classes
	Warnings    []string  // never nil
}

// Predict answers rows. Values may be float64, json.Number, string, bool, nil or
// integers; an absent value and NaN are missing. Unknown columns are ignored with
// a warning, a label column silently. Rows that are refused make an *InputError.
func (p *Predictor) Predict(ctx context.Context, rows []map[string]any, mode Mode) ([]Result, error) {
	x := make([]float32, 0, len(rows)*p.model.Features())
	out := make([]Result, len(rows))
	var refused InputError
	for i, row := range rows {
		if i%chunk == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r := p.encode(row, mode)
		for _, f := range r.refused {
			f.Row = i
			refused.add(f)
		}
		x, out[i].Warnings = append(x, r.x...), r.warnings
	}
	if len(refused.Fields) > 0 {
		return nil, &refused
	}
	if err := p.answer(ctx, x, out); err != nil {
		return nil, err
	}
	return out, nil
}

// encoded is one row ready for the model, or why it is refused.
type encoded struct {
	x        []float32
	warnings []string
	refused  []FieldError
}

func (p *Predictor) encode(row map[string]any, mode Mode) encoded {
	clean, warnings, refused := p.admit(row, mode)
	if len(refused) > 0 {
		return encoded{refused: refused}
	}
	x, more, err := p.pipe.Encode(clean)
	if err == nil && (len(x) != p.model.Features() || !finite(x)) {
		err = fmt.Errorf("the row cannot be prepared for the model")
	}
	if err != nil {
		return encoded{refused: []FieldError{{Reason: err.Error(), class: "type"}}}
	}
	return encoded{x: x, warnings: append(warnings, more...)}
}

func finite(x []float32) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}

// answer fills out [n] from x [n, d]. The arithmetic of a row does not depend on
// the rows beside it.
func (p *Predictor) answer(ctx context.Context, x []float32, out []Result) error {
	d, k := p.model.Features(), max(1, p.model.Classes())
	for from := 0; from < len(out); from += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(chunk, len(out)-from)
		y := p.model.Predict(p.params, x[from*d:(from+n)*d], n)
		for i := range n {
			if !p.finish(y[i*k:(i+1)*k], &out[from+i]) {
				return &InputError{Fields: []FieldError{{Row: from + i, Reason: "the values are too extreme: the model's answer is not a finite number", class: "range"}}}
			}
		}
	}
	return nil
}

// finish makes the result of a row from its probabilities [classes] or value [1];
// false when they are not finite.
func (p *Predictor) finish(y []float32, r *Result) bool {
	if r.Warnings == nil {
		r.Warnings = []string{}
	}
	if p.info.Task == fed.TaskRegress {
		r.Value = float64(y[0])
		return finite(y)
	}
	r.Value, r.Probability = math.NaN(), y
	best := 0
	for i, v := range r.Probability {
		if v > r.Probability[best] {
			best = i
		}
	}
	if len(r.Probability) == 2 {
		best = 0
		if float64(r.Probability[1]) > p.info.Threshold {
			best = 1
		}
	}
	r.Label = p.info.Classes[best]
	return finite(r.Probability)
}

// outputs returns class probabilities or the value of each row.
func (p *Predictor) outputs(rows []map[string]any) ([][]float64, error) {
	res, err := p.Predict(context.Background(), rows, Warn)
	if err != nil {
		return nil, err
	}
	out := make([][]float64, len(res))
	for i, r := range res {
		if p.info.Task == fed.TaskRegress {
			out[i] = []float64{r.Value}
			continue
		}
		for _, v := range r.Probability {
			out[i] = append(out[i], float64(v))
		}
	}
	return out, nil
}

// Score returns the outputs of rows from version files that may lack a manifest
// and examples: class probabilities, or the value. It is what a registry needs to
// make and to check the examples.
func Score(decode Decode) func(files map[string][]byte, rows []map[string]any) ([][]float64, error) {
	return func(files map[string][]byte, rows []map[string]any) ([][]float64, error) {
		p, err := open(files, decode)
		if err != nil {
			return nil, err
		}
		return p.outputs(rows)
	}
}
