package node

import (
	"context"
	"encoding/json"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/node/view"
)

// alignTable is the part of an alignment that everybody sees.
type alignTable struct {
	Parties  []string                `json:"parties"`
	Columns  []dataset.AlignedColumn `json:"columns"`
	Matches  []dataset.Match         `json:"matches"`
	Findings []dataset.Finding       `json:"findings"`
}

// Alignment returns the table of columns against parties.
func (n *Node) Alignment(_ context.Context, id string) (view.Alignment, error) {
	p, err := n.project(id)
	if err != nil {
		return view.Alignment{}, err
	}
	v := view.Alignment{
		ProjectID: id, State: n.aligns.state(p), Parties: []string{}, Columns: []view.AlignmentColumn{}, Matches: []view.ColumnMatch{},
		Features: []string{}, Scaling: []view.ScalingRow{}, Issues: []view.Finding{},
	}
	n.aligns.mu.Lock()
	w := n.aligns.work[p.ID]
	var al *dataset.Alignment
	if w != nil {
		al = w.proposal
		if w.problem != nil {
			v.Issues = append(v.Issues, view.Finding{Severity: "error", Text: w.problem.Error(), Remedy: fed.HintOf(w.problem)})
		}
	}
	n.aligns.mu.Unlock()
	switch {
	case al != nil:
		fillTable(&v, alignTable{Parties: al.Parties, Columns: al.Columns, Matches: al.Matches, Findings: al.Findings})
	case w == nil && p.Alignment != nil:
		n.fillAgreed(&v, p.Alignment)
	}
	v.CanConfirm = v.State == "confirm" && p.Admin == n.me()
	_, v.Sentence = n.projectState(p)
	return v, nil
}

func fillTable(v *view.Alignment, t alignTable) {
	v.Parties = append(v.Parties, t.Parties...)
	for _, c := range t.Columns {
		col := view.AlignmentColumn{Name: c.Name, Type: string(c.Type), Role: c.Role, Cells: []view.AlignmentCell{}}
		for _, x := range c.Cells {
			col.Cells = append(col.Cells, view.AlignmentCell{State: x.Status, Name: x.Name, Note: x.Note})
		}
		v.Columns = append(v.Columns, col)
	}
	for _, m := range t.Matches {
		v.Matches = append(v.Matches, view.ColumnMatch{Party: m.Party, From: m.From, To: m.To, Score: fed.Number(m.Score), Why: m.Why, Confirmed: m.Confirmed})
	}
	for _, f := range t.Findings {
		v.Issues = append(v.Issues, findingView(f))
	}
}

func findingView(f dataset.Finding) view.Finding {
	return view.Finding{Severity: f.Severity, Column: f.Column, Row: f.Row, Text: f.Text, Why: f.Why, Remedy: f.Remedy}
}

func (n *Node) fillAgreed(v *view.Alignment, doc *fed.AlignmentDoc) {
	var t alignTable
	if json.Unmarshal(doc.Table, &t) == nil {
		fillTable(v, t)
	}
	prep, err := dataset.ParsePreparation(doc.Preparation)
	if err != nil {
		v.Issues = append(v.Issues, view.Finding{Severity: "error", Text: err.Error(), Remedy: "Ask the admin to compare the columns again."})
		return
	}
	v.Digest = string(doc.Digest)
	v.Features = append(v.Features, prep.Features...)
	for _, c := range prep.Columns {
		if c.Type.Numeric() {
			v.Scaling = append(v.Scaling, view.ScalingRow{Column: c.Name, Mean: c.Mean, SD: c.SD, Fill: c.Fill})
		}
	}
}
