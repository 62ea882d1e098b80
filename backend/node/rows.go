package node

import (
	"context"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/learning/train"
	"synergos.app/desktop/backend/service/party"
)

// preparation returns the agreed preparation of a project, parsed once. digest ""
// takes the newest.
func (a *alignments) preparation(id fed.ProjectID, digest fed.Digest) (*dataset.Preparation, *fed.AlignmentDoc, error) {
	p, ok := a.n.projects.Get(id)
	if !ok || p.Alignment == nil {
		return nil, nil, fed.Errorf(fed.Unavailable, "Compare the columns on the project's page first.", "the parties have not agreed on their columns yet")
	}
	if digest != "" && digest != p.Alignment.Digest {
		return nil, nil, fed.Errorf(fed.Incompatible, "Start the experiment again.", "the columns were compared anew since")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if prep := a.preps[p.Alignment.Digest]; prep != nil {
		return prep, p.Alignment, nil
	}
	prep, err := dataset.ParsePreparation(p.Alignment.Preparation)
	if err != nil {
		return nil, nil, err
	}
	a.preps[p.Alignment.Digest] = prep
	return prep, p.Alignment, nil
}

// AgreedPreparation returns what a project agreed on, with the renames by party
// name; for rehearsals.
func (n *Node) AgreedPreparation(project string) (*dataset.Preparation, map[string]map[string]string, error) {
	prep, doc, err := n.aligns.preparation(fed.ProjectID(project), "")
	if err != nil {
		return nil, nil, err
	}
	return prep, doc.Renames, nil
}

// rowsOf opens this party's rows for a run under its consent, prepared as agreed.
func (n *Node) rowsOf(ctx context.Context, run fed.Run) (*party.Rows, error) {
	if err := n.consents(run); err != nil {
		return nil, err
	}
	n.aligns.mu.Lock()
	known := n.aligns.rows[run.ID]
	n.aligns.mu.Unlock()
	if known != nil {
		return known, nil
	}
	r, err := n.prepareRows(ctx, run)
	if err != nil {
		return nil, err
	}
	n.aligns.mu.Lock()
	defer n.aligns.mu.Unlock()
	if len(n.aligns.rows) >= 2*max(n.gridLimit(), 2) {
		clear(n.aligns.rows)
	}
	n.aligns.rows[run.ID] = r
	return r, nil
}

func (n *Node) prepareRows(ctx context.Context, run fed.Run) (*party.Rows, error) {
	prep, doc, err := n.aligns.preparation(run.Project, run.Preparation)
	if err != nil {
		return nil, err
	}
	c, err := n.consentOf(ctx, run.Project)
	if err != nil {
		return nil, err
	}
	t, err := n.data.projectTable(ctx, c.Dataset, run.Config)
	if err != nil {
		return nil, err
	}
	rec, _ := n.data.get(c.Dataset)
	m, err := n.modelOf(run)
	if err != nil {
		return nil, err
	}
	name := run.NameOf(n.me())
	out := &party.Rows{Model: m, Name: name, Secret: n.bootstrapSecret(rec.secret, name)}
	return out, Prepare(out, t, prep, run.Config, name, doc.Renames[name])
}

// Prepare fills in a party's rows: split, scaled and encoded as agreed.
func Prepare(out *party.Rows, t *dataset.Table, prep *dataset.Preparation, cfg fed.RunConfig, name string, rename map[string]string) error {
	return PrepareWith(out, t, prep, cfg, name, rename, nil)
}

// PrepareWith is Prepare with a given scaler where the project scales per party;
// nil fits the party's own.
func PrepareWith(out *party.Rows, t *dataset.Table, prep *dataset.Preparation, cfg fed.RunConfig, name string, rename map[string]string, own *dataset.Scaler) error {
	local := dataset.Local{Rename: rename}
	rows, err := dataset.Split(t, prep, cfg, name, local)
	if err != nil {
		return err
	}
	if prep.Scaling == "per_party" {
		local.Scaler = own
	}
	if prep.Scaling == "per_party" && own == nil {
		if local.Scaler, err = prep.FitLocal(t, rows.Train, local); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		rows []int
		to   *train.Data
	}{{rows.Train, &out.Train}, {rows.Valid, &out.Valid}, {rows.Test, &out.Test}} {
		x, err := prep.Apply(t, part.rows, local)
		if err != nil {
			return err
		}
		y, err := prep.Labels(t, part.rows, local)
		if err != nil {
			return err
		}
		*part.to = train.Data{X: x, Y: y, N: len(part.rows), D: prep.Inputs()}
	}
	return nil
}

// bootstrapSecret seeds what others must not replay. Virtual parties of a
// rehearsal have no secrets, so that a rehearsal repeats to the last bit.
func (n *Node) bootstrapSecret(secret []byte, name string) []byte {
	if n.virtual() {
		return []byte(name)
	}
	return secret
}
