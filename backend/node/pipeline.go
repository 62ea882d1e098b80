package node

import (
	"strconv"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/service/registry"
	"synergos.app/desktop/backend/service/serving"
)

// pipeline adapts the agreed preparation to serving.
type pipeline struct {
	enc    *dataset.RowEncoder
	fields []serving.Field
	class  []string
}

func (p pipeline) Encode(row map[string]any) ([]float32, []string, error) {
	x, notices, err := p.enc.Encode(row)
	if err != nil {
		return nil, nil, err
	}
	var warn []string
	for _, w := range notices {
		warn = append(warn, w.Text)
	}
	return x, warn, nil
}

func (p pipeline) Fields() []serving.Field { return p.fields }
func (p pipeline) Classes() []string       { return p.class }

// decodePipeline reads pipeline.json. own returns this party's scaler where the
// project scales per party; nil refuses such versions.
func (n *Node) decodePipeline(own func(*dataset.Preparation) (*dataset.Scaler, error)) serving.Decode {
	return func(raw []byte) (serving.Pipeline, error) {
		prep, err := dataset.ParsePreparation(raw)
		if err != nil {
			return nil, err
		}
		var sc *dataset.Scaler
		if prep.Scaling == "per_party" {
			if own == nil {
				return nil, fed.Errorf(fed.Unavailable, "Serve it from the model's page.", "this version scales with each party's own figures")
			}
			if sc, err = own(prep); err != nil {
				return nil, err
			}
		}
		enc, err := prep.Encoder(sc)
		if err != nil {
			return nil, err
		}
		p := pipeline{enc: enc, class: prep.Classes}
		for _, f := range fieldsOf(prep) {
			p.fields = append(p.fields, serving.Field{Name: f.Name, Kind: f.Kind, Values: f.Values, Low: f.Low, High: f.High, Typical: f.Typical})
		}
		return p, nil
	}
}

// fieldsOf lists the raw columns that a prediction takes.
func fieldsOf(prep *dataset.Preparation) []registry.Field {
	out := []registry.Field{}
	for _, c := range prep.Columns {
		f := registry.Field{Name: c.Name, Kind: "number", Type: string(c.Type), Low: c.Low, High: c.High}
		if c.Type == dataset.Category {
			f.Kind, f.Values, f.Typical = "category", c.Categories, c.FillCategory
		} else if c.Fill.Finite() {
			f.Typical = strconv.FormatFloat(float64(c.Fill), 'g', 4, 64)
		}
		out = append(out, f)
	}
	return out
}

// ownScaler fits this party's scaler from its training rows in a project.
func (n *Node) ownScaler(id fed.ProjectID) func(*dataset.Preparation) (*dataset.Scaler, error) {
	return func(prep *dataset.Preparation) (*dataset.Scaler, error) {
		p, err := n.project(string(id))
		if err != nil {
			return nil, err
		}
		t, err := n.aligns.table(n.ctx, p)
		if err != nil {
			return nil, err
		}
		local := dataset.Local{}
		name := n.aligns.myName(p)
		if p.Alignment != nil {
			local.Rename = p.Alignment.Renames[name]
		}
		rows, err := dataset.Split(t, prep, p.Config, name, local)
		if err != nil {
			return nil, err
		}
		return prep.FitLocal(t, rows.Train, local)
	}
}
