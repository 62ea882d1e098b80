package node

import (
	"context"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/service/experiment"
	"synergos.app/desktop/backend/service/project"
)

// notAsAgreed is the counted reason for refusing what a project did not agree.
const notAsAgreed = "run: not as agreed"

// sheetOf is what the members of a project agreed that its runs may ask.
func (n *Node) sheetOf(p project.Project) experiment.Sheet {
	return experiment.Sheet{Config: p.Config, Floor: max(p.Policy.Floor, dataset.DefaultFloor)}
}

// ownColumns are what a project may use of this party's dataset: the columns that
// the party offers, and nothing else of the file.
type ownColumns struct {
	consent project.Consent
	table   *dataset.Table
	offer   *dataset.Offer
	target  string   // what this party calls the label
	splits  []string // its columns that say which rows are for the test
	secret  []byte
}

// offered opens this party's dataset under its consent for a project.
func (n *Node) offered(ctx context.Context, p project.Project) (ownColumns, error) {
	c, err := n.consentOf(ctx, p.ID)
	if err != nil {
		return ownColumns{}, err
	}
	if err := n.stands(ctx, p, c); err != nil {
		return ownColumns{}, err
	}
	if err := n.barred(c.Dataset, p.Admin); err != nil {
		return ownColumns{}, err
	}
	t, err := n.data.projectTable(ctx, c.Dataset, p.Config)
	if err != nil {
		return ownColumns{}, n.withheld(err)
	}
	o, err := dataset.MakeOffer(t, p.Config, n.sheetOf(p).Floor)
	if err != nil {
		return ownColumns{}, n.withheld(err)
	}
	rec, _ := n.data.get(c.Dataset)
	own := ownColumns{consent: c, table: o.Offered(t), offer: o, target: rec.target, splits: n.data.splitColumns(c.Dataset), secret: rec.secret}
	if t.Column(p.Config.Target) != nil {
		own.target = p.Config.Target
	}
	return own, nil
}

// follows refuses a preparation that asks for more than was agreed and offered, and
// test rows that are chosen by a column made for something else: they would count
// the rows of any value.
func (o ownColumns) follows(prep *dataset.Preparation, cfg fed.RunConfig, rename map[string]string) error {
	if err := prep.Follow(cfg, o.offer, rename, o.target); err != nil {
		return err
	}
	if cfg.Test.Column == "" {
		return nil
	}
	by := cfg.Test.Column
	for own, shared := range rename {
		if shared == cfg.Test.Column {
			by = own
		}
	}
	if slices.Contains(o.splits, by) {
		return nil
	}
	return fed.Errorf(fed.Permission, "If the column was made to split the rows, its owner sets “Used as” to “Marks test rows” under My data.", "column %q does not say there which rows are for the test", by)
}

// splitColumns returns the columns that say which rows are for training and test,
// by their owner or by their values.
func (b *dataBook) splitColumns(id fed.DatasetID) []string {
	o, err := b.find(string(id))
	if err != nil {
		return nil
	}
	s, _ := b.snap(o)
	if s.Profile == nil {
		return nil
	}
	var out []string
	for i := range s.Profile.Columns {
		if c := &s.Profile.Columns[i]; s.role(c) == dataset.RoleSplit {
			out = append(out, c.Name)
		}
	}
	return out
}
