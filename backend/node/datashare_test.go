package node

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/node/view"
)

var nanFigure = fed.Number(math.NaN())

// ward is the clinic with a column of one value.
func ward() string {
	lines := strings.Split(strings.TrimSpace(clinic()), "\n")
	lines[0] += ",country"
	for i := range lines[1:] {
		lines[i+1] += ",7"
	}
	return strings.Join(lines, "\n") + "\n"
}

// offered asks a node for its columns as the admin of a project does.
func (d *dataNode) offered(project string) map[string]string {
	d.t.Helper()
	raw := must(d.aligns.answer(d.t.Context(), d.me(), wire.Align{Project: fed.ProjectID(project), Step: stepOffer, Body: []byte("{}")}))(d.t)
	out := map[string]string{}
	for _, c := range must(dataset.ParseOffer(raw))(d.t).Columns {
		out[c.Name] = c.Role
	}
	return out
}

// told returns everything that is signed for others, as one text.
func (d *dataNode) told() string {
	var b strings.Builder
	for _, x := range d.docs("") {
		b.Write(x.Body)
	}
	return b.String()
}

func TestAProjectSeesNoColumnThatIsLeftOutOrHidden(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	ctx := t.Context()
	id := d.add(d.file("ward.csv", ward())).ID
	create := func() string {
		cfg := must(d.data.proposal(id))(t)
		cfg.Validation = nil // a fifth of these few rows is too few to speak of
		return must(d.CreateProject(ctx, view.ProjectCreate{Name: "Study", Purpose: "Learn.", DatasetID: id, Config: &cfg}))(t).ID
	}
	all := d.offered(create())
	same(t, "before", fmt.Sprint(all), "map[age:feature chol:feature country:drop outcome:label part:split ward:feature]")

	must(d.EditDataset(ctx, id, view.DatasetEdit{Roles: map[string]string{"ward": "drop"}, Levels: map[string]string{"chol": "none"}}))(t)
	project := create()
	same(t, "offered", fmt.Sprint(d.offered(project)), "map[age:feature country:drop outcome:label part:split]")
	p := must(d.project(project))(t)
	same(t, "configuration", line(p.Config.Drop, p.Config.Test.Column), "[country] part")
	sheet := must(d.ConsentSheet(ctx, project, id))(t)
	same(t, "columns on the sheet", line(sheet.Columns), "[age part outcome country]")
	must(d.PublishCard(ctx, id))(t)
	for _, name := range []string{"patient_id", "ward", "chol"} {
		if strings.Contains(d.told(), `"`+name+`"`) {
			t.Errorf("the name %q leaves", name)
		}
	}
	if !strings.Contains(d.told(), `"age"`) {
		t.Error("the test sees no names at all")
	}

	// sums of a hidden column are those of a party that does not have it
	draft := dataset.Preparation{Version: 1, Draft: true, Task: fed.TaskClassify, Target: "outcome", Scaling: "federated", Missing: "impute", Classes: []string{"0", "1"}, Features: []string{"age", "chol"}}
	for _, name := range draft.Features {
		draft.Columns = append(draft.Columns, dataset.PreparedColumn{Name: name, Type: dataset.Float, Low: nanFigure, High: nanFigure, Mean: nanFigure, SD: nanFigure, Fill: nanFigure})
	}
	body := must(json.Marshal(statsAsk{Draft: must(draft.Marshal())(t)}))(t)
	raw := must(d.aligns.answer(ctx, d.me(), wire.Align{Project: p.ID, Step: stepStats, Body: body}))(t)
	var reply statsReply
	if err := json.Unmarshal(raw, &reply); err != nil {
		t.Fatal(err)
	}
	stats := must(dataset.ParseStats(reply.Stats, &draft))(t)
	if stats.Columns[0].Count == 0 || stats.Columns[1].Count != 0 {
		t.Errorf("sums %+v, want some of age and none of chol", stats.Columns)
	}
	// and what rows for training are prepared from lacks it as well
	tab := must(d.data.projectTable(ctx, fed.DatasetID(id), p.Config))(t)
	same(t, "table", line(tab.Names()), "[age part outcome country]")
	same(t, "whole table", len(must(d.data.table(ctx, fed.DatasetID(id)))(t).Columns), 7)
}

func TestTheOwnerIsToldWhatNoProjectUses(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	ctx := t.Context()
	id := d.add(d.file("clinic.csv", clinic())).ID
	p := must(d.EditDataset(ctx, id, view.DatasetEdit{Roles: map[string]string{"ward": "drop"}, Levels: map[string]string{"chol": "none", "outcome": "none", "part": "none", "ward": "none"}}))(t)
	var found []string
	for _, f := range p.Findings {
		if strings.Contains(f.Text, "others see nothing") {
			found = append(found, f.Column+" "+f.Text)
		}
	}
	if len(found) != 3 || !strings.HasPrefix(found[0], "chol") || !strings.Contains(found[0], "no project") || !strings.Contains(found[2], "names it already") {
		t.Errorf("findings %q, want one each of chol, part and outcome", found)
	}
	hidden := must(d.PreviewCard(ctx, id))(t).Hidden
	for _, want := range []string{"patient_id: part of no project, because it is used as “Identifier”", "ward: part of no project, because it is used as “Not used”", "chol: part of no project, because you show nobody its name"} {
		if !slices.Contains(hidden, want) {
			t.Errorf("hidden %q lacks %q", hidden, want)
		}
	}
	// the target is told by the configuration of the owner's own project, the split
	// column is not
	project := must(d.CreateProject(ctx, view.ProjectCreate{Name: "Study", Purpose: "Learn.", DatasetID: id}))(t)
	same(t, "offered", fmt.Sprint(d.offered(project.ID)), "map[age:feature outcome:label]")
	same(t, "test rows", line(must(d.project(project.ID))(t).Config.Test), line(fed.TestSplit{Fraction: .2, Seed: 1}))
}

func TestAWideCardNamesFewColumnsAndAProjectAll(t *testing.T) {
	d := openDataNode(t, t.TempDir(), nil)
	var b strings.Builder
	for c := range 1200 {
		fmt.Fprintf(&b, "gene%04d,", c)
	}
	b.WriteString("outcome\n")
	for r := range 60 {
		for c := range 1200 {
			fmt.Fprintf(&b, "%d.5,", (r*7+c)%31)
		}
		fmt.Fprintf(&b, "%d\n", r%2)
	}
	id := d.add(d.file("genes.csv", b.String())).ID
	must(d.EditDataset(t.Context(), id, view.DatasetEdit{Levels: map[string]string{"gene0003": "full", "gene0004": "none"}}))(t)
	p := must(d.PreviewCard(t.Context(), id))(t)
	same(t, "columns of the card", len(p.Card.Columns), 2)
	if !slices.ContainsFunc(p.Hidden, func(s string) bool { return strings.Contains(s, "more than 1000 columns") }) {
		t.Errorf("hidden %q does not say why", p.Hidden)
	}
	tab := must(d.data.projectTable(t.Context(), fed.DatasetID(id), fed.RunConfig{Target: "outcome"}))(t)
	same(t, "columns of the project", len(tab.Columns), 1200)
}
