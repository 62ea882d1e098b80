package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/contribution"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/project"
)

// The sentences of a sheet that are the same for every project.
const (
	sheetPrivacy = "Nothing hides a single update, and no noise is added (no differential privacy). From updates, the rows that they were trained on can in part be reconstructed, and it can be tested whether a known person's row was used. The sum of a column can tell about one value that is far larger than all the others together."
	sheetDays    = "After 365 days, unless you choose fewer. You can leave at any time."
	sheetSees    = "Updates are sent openly: the coordinator and the other parties of a run see your update of each round."
	sheetAdds    = "The admin may add parties later, who then see the same."
)

// ConsentSheet says exactly what will leave this computer under a project.
func (n *Node) ConsentSheet(_ context.Context, id, datasetID string) (view.ConsentSheet, error) {
	p, err := n.project(id)
	if err != nil {
		return view.ConsentSheet{}, err
	}
	names := []string{}
	for _, s := range p.Standings {
		if s.Party != n.me() {
			names = append(names, s.Name)
		}
	}
	inputs := 20 // a guess without a dataset; a category makes more than one input
	columns, err := n.data.projectColumns(datasetID, p.Config)
	if err != nil {
		columns = []string{}
	} else {
		inputs = 2 * len(columns)
	}
	params := int64(inputs+1)*4 + 300
	v := view.ConsentSheet{
		ProjectID: id, Asker: n.nameOf(string(p.Admin)), Purpose: p.Purpose,
		Leaves:  n.leaves(p, params),
		Stays:   []string{"Every row, with its outcome and its identifiers", "The file itself, its name and its folder", "Predictions for single rows"},
		Sees:    []string{"The other parties: " + list(names) + ".", sheetAdds, sheetSees},
		Privacy: sheetPrivacy,
		Reward:  rewardSentence(p.Policy),
		Expires: sheetDays, Datasets: n.fitting(p), Columns: columns,
	}
	digest, err := n.sheetDigest(p, datasetID)
	v.Digest = string(digest)
	return v, err
}

// leaves lists what leaves under a project with the given inputs of its model. Every
// line is part of what a consent is for.
func (n *Node) leaves(p project.Project, params int64) []view.ConsentLine {
	admin := n.nameOf(string(p.Admin))
	floor := n.sheetOf(p).Floor
	return []view.ConsentLine{
		{What: fmt.Sprintf("A description of each column: name, type, roughly how many cells are missing, rounded range, and the values found in at least %d rows", floor), How: "Once, when the columns are compared", Who: admin + "; all parties see the table of columns", Bytes: 4096},
		{What: fmt.Sprintf("Sums over your training rows, for the shared scaling: count, sum and sum of squares of each number column, count of each category; no count below %d", floor), How: "Once, when the columns are compared", Who: admin + "; all parties see the common means and spreads", Bytes: 2048},
		{What: fmt.Sprintf("The update: how training here, on at least %d rows, changed the model's numbers", floor), How: fmt.Sprintf("Once per round, of which a run has at most %s", fed.Grouped(experiment.MaxRounds)), Who: "The coordinator of the run; all its parties, to measure contributions", Bytes: params},
		{What: fmt.Sprintf("How well the shared model does on your held-out rows, as totals: rows, errors, right and wrong answers per class; nothing of fewer than %d rows, and nothing per class when a class has fewer", floor), How: "Once per round and once at the end", Who: "All parties of the run", Bytes: 5000},
		{What: "How much each combination of the parties' updates improves the model on your held-out rows", How: "Once per round", Who: "All parties of the run", Bytes: 40_000},
	}
}

// sheetDigest names everything that a consent is for: the project with its
// configuration and rules, what leaves, and the columns and the file of the dataset.
// Who is a member is not part of it; the sheet says that the admin may add members.
func (n *Node) sheetDigest(p project.Project, datasetID string) (fed.Digest, error) {
	columns, err := n.data.projectColumns(datasetID, p.Config)
	if err != nil {
		columns = []string{}
	}
	rec, _ := n.data.get(fed.DatasetID(datasetID))
	var leaves []string
	for _, l := range n.leaves(p, 0) {
		leaves = append(leaves, l.What, l.How)
	}
	raw, err := json.Marshal(struct {
		Project             fed.ProjectID
		Name, Purpose       string
		Config              fed.RunConfig
		Policy              fed.Policy
		Leaves, Columns     []string
		Dataset, Read       string
		File                fed.Digest
		Privacy, Days, Sees string
	}{p.ID, p.Name, p.Purpose, p.Config, p.Policy, leaves, columns, datasetID, rec.read, rec.file, sheetPrivacy, sheetDays, sheetSees})
	if err != nil {
		return "", fmt.Errorf("digest the sheet: %w", err)
	}
	return fed.DigestOf(raw), nil
}

// fitting lists this party's datasets by how many columns they share with what is
// known of the project.
func (n *Node) fitting(p project.Project) []view.ConsentDataset {
	want := n.projectColumns(p)
	out := []view.ConsentDataset{}
	for _, r := range n.data.byFit(want) {
		if r.tutorial && !n.isPractice(p) {
			continue
		}
		have := map[string]bool{}
		for _, c := range r.usable {
			have[c] = true
		}
		v := view.ConsentDataset{ID: string(r.id), Name: r.title(), Of: len(want)}
		for _, c := range want {
			v.Matched += fromBool(have[c])
		}
		if !have[p.Config.Target] {
			v.Note = fmt.Sprintf("has no column %q; it may have another name", p.Config.Target)
		}
		out = append(out, v)
	}
	return out
}

// projectColumns is what is known of a project's columns: target and those that
// its configuration names, and those of the admin's card.
func (n *Node) projectColumns(p project.Project) []string {
	set := map[string]bool{p.Config.Target: true}
	for _, c := range p.Config.Categorical {
		set[c] = true
	}
	for _, s := range p.Standings {
		for _, c := range n.cardColumns(s.Accept.Card) {
			set[c] = true
		}
	}
	for _, d := range p.Config.Drop {
		delete(set, d)
	}
	return slices.Sorted(maps.Keys(set))
}

// rewardSentence says what a party can expect for its contribution.
func rewardSentence(p fed.Policy) string {
	rows := "Contributions are measured on the held-out rows of all parties, each party's own among them."
	if p.Basis == string(contribution.Peers) {
		rows = "Each party's contribution is measured on the other parties' held-out rows."
	}
	if p.PoolCents == 0 {
		return "No money is divided; contributions are measured and shown as shares. " + rows
	}
	return fmt.Sprintf("A pool of %s per finished run is divided by measured contribution. %s Synergos records who is owed what; it moves no money.", fed.Money(p.PoolCents, p.Currency), rows)
}
