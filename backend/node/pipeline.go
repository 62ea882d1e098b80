package node

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/service/project"
	"synergos.app/desktop/backend/service/registry"
	"synergos.app/desktop/backend/service/serving"
	"synergos.app/desktop/backend/storage/sqlite"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

// pipeline adapts the agreed preparation to serving.
type pipeline struct {
	enc    *dataset.RowEncoder
	fields []serving.Field
	class  []string
	own    serving.Own
}

func (p pipeline) Encode(row map[string]any) ([]float32, []string, error) {
	x, notices, err := p.enc.Encode(row)
	if err != nil {
		return nil, nil, err
	}
	var warn []string
	for _, w := range notices {
		warn = append(warn, fmt.Sprintf("column %q: %s", w.Column, w.Text))
	}
	return x, warn, nil
}

func (p pipeline) Fields() []serving.Field { return p.fields }
func (p pipeline) Classes() []string       { return p.class }
func (p pipeline) Own() serving.Own        { return p.own }

// decodePipeline reads pipeline.json, with this party's own names of columns and, where
// the project scales per party, its own scaler of the run. Without a run the agreed
// figures of all parties stand in, so that everybody can check a version.
func (n *Node) decodePipeline(raw []byte, run fed.RunID) (serving.Pipeline, error) {
	prep, err := dataset.ParsePreparation(raw)
	if err != nil {
		return nil, err
	}
	var sc *dataset.Scaler
	switch {
	case prep.Scaling == dataset.ScalePerParty && run == "":
		prep.Scaling = dataset.ScaleFederated
	case prep.Scaling == dataset.ScalePerParty:
		if sc, err = n.scalerOf(n.ctx, run); err != nil {
			return nil, err
		}
		if sc == nil {
			return nil, fed.Errorf(fed.Unavailable, "Have a party that trained in the run serve it, or train in a project that scales over all parties.",
				"this version scales the columns with each party's own figures, and this party has none: it did not train in the run")
		}
	}
	enc, err := prep.Encoder(sc)
	if err != nil {
		return nil, err
	}
	p := pipeline{enc: enc, class: prep.Classes, own: n.ownColumns(run, fed.DigestOf(raw))}
	for _, f := range fieldsOf(prep) {
		p.fields = append(p.fields, serving.Field{Name: f.Name, Kind: f.Kind, Values: f.Values, Low: f.Low, High: f.High, Typical: f.Typical})
	}
	return p, nil
}

// ownColumns returns how this party has the columns of the preparation that a run was
// trained with, as the parties have agreed; nothing when it does not know the run.
func (n *Node) ownColumns(id fed.RunID, prep fed.Digest) serving.Own {
	run, ok := n.tracker.Run(id)
	p, known := n.projects.Get(run.Project)
	if !ok || !known {
		return serving.Own{}
	}
	name := n.aligns.myName(p)
	if m, trained := run.Member(n.me()); trained {
		name = m.Name
	}
	doc := p.Alignment
	if doc == nil || doc.Digest != prep {
		doc = n.formerAlignment(p, prep)
	}
	if doc == nil {
		return serving.Own{}
	}
	return serving.Own{Renames: doc.Renames[name], Filled: filledAt(doc, name)}
}

// formerAlignment returns what a project had agreed on before, nil when it is not known.
func (n *Node) formerAlignment(p project.Project, prep fed.Digest) *fed.AlignmentDoc {
	all := func(string, fed.PartyID) bool { return true }
	docs, _ := n.book.Beyond([]fed.Head{{Scope: fed.ScopeProject(p.ID), Author: p.Admin}}, all, math.MaxInt, math.MaxInt64)
	for _, d := range slices.Backward(docs) {
		var a fed.AlignmentDoc
		if d.Kind == fed.DocAlignment && json.Unmarshal(d.Body, &a) == nil && a.Digest == prep {
			return &a
		}
	}
	return nil
}

// filledAt lists the columns that a party does not have: the agreed values fill them.
func filledAt(doc *fed.AlignmentDoc, party string) (names []string) {
	var t alignTable
	if json.Unmarshal(doc.Table, &t) != nil {
		return nil // a table that nobody can read excuses nothing
	}
	at := slices.Index(t.Parties, party)
	for _, c := range t.Columns {
		if at >= 0 && at < len(c.Cells) && c.Cells[at].Status == dataset.StatusFilled {
			names = append(names, c.Name)
		}
	}
	return names
}

// fieldsOf lists the raw columns that a prediction takes.
func fieldsOf(prep *dataset.Preparation) []registry.Field {
	out := []registry.Field{}
	for _, c := range prep.Columns {
		low, high := c.Seen()
		f := registry.Field{Name: c.Name, Kind: "number", Type: string(c.Type), Low: low, High: high}
		if c.Type == dataset.Category {
			f.Kind, f.Values, f.Typical = "category", c.Categories, c.FillCategory
		} else if c.Fill.Finite() {
			f.Typical = strconv.FormatFloat(float64(c.Fill), 'g', 4, 64)
		}
		out = append(out, f)
	}
	return out
}

// scalerOf returns this party's own scaler of a run, nil when it did not train in it.
func (n *Node) scalerOf(ctx context.Context, run fed.RunID) (*dataset.Scaler, error) {
	body, err := n.db.GetScaler(ctx, string(run))
	if sqlite.NoRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read scaler: %w", err)
	}
	sc := new(dataset.Scaler)
	if err := json.Unmarshal([]byte(body), sc); err != nil {
		return nil, fmt.Errorf("read scaler: %w", err)
	}
	return sc, nil
}

// keepScaler saves the scaler that this party trains with in a run: versions of the
// run are served with the same one.
func (n *Node) keepScaler(ctx context.Context, run fed.RunID, sc *dataset.Scaler) error {
	if err := n.db.PutScaler(context.WithoutCancel(ctx), query.PutScalerParams{Run: string(run), Body: toJSON(sc)}); err != nil {
		return fmt.Errorf("save scaler: %w", err)
	}
	return nil
}
