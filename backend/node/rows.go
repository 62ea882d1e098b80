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
	p, err := n.project(string(run.Project))
	if err != nil {
		return nil, err
	}
	prep, doc, err := n.aligns.preparation(run.Project, run.Preparation)
	if err != nil {
		return nil, err
	}
	own, err := n.offered(ctx, p)
	if err != nil {
		return nil, err
	}
	name := run.NameOf(n.me())
	if err := own.follows(prep, p.Config, doc.Renames[name]); err != nil {
		n.counts.refuse(notAsAgreed)
		return nil, err
	}
	m, err := n.modelOf(run)
	if err != nil {
		return nil, err
	}
	out := &party.Rows{Model: m, Name: name, Secret: n.bootstrapSecret(own.secret, name), Floor: n.sheetOf(p).Floor}
	r := Recipe{Preparation: prep, Config: run.Config, Party: name, Rename: doc.Renames[name], Floor: out.Floor}
	rows, err := r.Split(own.table)
	if err == nil {
		err = n.tells(ctx, own.consent, out.Floor, rows.Train, rows.Valid, rows.Test)
	}
	if err == nil {
		r.Scaler, err = n.scalerOf(ctx, run.ID)
	}
	if err == nil {
		err = r.Fill(out, own.table, rows)
	}
	if err == nil && r.Scaler != nil {
		err = n.keepScaler(ctx, run.ID, r.Scaler)
	}
	if err != nil {
		n.note(ctx, run.ID, "data", "This party's data: "+err.Error()+".") // in its own history alone
		return nil, n.withheld(err)
	}
	return out, nil
}

// Recipe is what turns a table into a party's rows for a run.
type Recipe struct {
	Preparation *dataset.Preparation
	Config      fed.RunConfig
	Party       string            // its name in the run
	Rename      map[string]string // its own columns to the shared ones
	Scaler      *dataset.Scaler   // where the project scales per party; nil: the party's own is fitted
	Floor       int               // least rows of a part, see dataset.Rows.Floor
}

// Split divides the rows as agreed and refuses parts below the floor.
func (r Recipe) Split(t *dataset.Table) (*dataset.Rows, error) {
	rows, err := dataset.Split(t, r.Preparation, r.Config, r.Party, dataset.Local{Rename: r.Rename})
	if err != nil {
		return nil, err
	}
	return rows, rows.Floor(r.Floor)
}

// Fill fills in a party's rows: scaled and encoded as agreed. A scaler that it fits
// stays in the recipe.
func (r *Recipe) Fill(out *party.Rows, t *dataset.Table, rows *dataset.Rows) (err error) {
	local := dataset.Local{Rename: r.Rename}
	if r.Preparation.Scaling == dataset.ScalePerParty && r.Scaler == nil {
		if r.Scaler, err = r.Preparation.FitLocal(t, rows.Train, local); err != nil {
			return err
		}
	}
	local.Scaler = r.Scaler
	for _, part := range []struct {
		rows []int
		to   *train.Data
	}{{rows.Train, &out.Train}, {rows.Valid, &out.Valid}, {rows.Test, &out.Test}} {
		x, err := r.Preparation.Apply(t, part.rows, local)
		if err != nil {
			return err
		}
		y, err := r.Preparation.Labels(t, part.rows, local)
		if err != nil {
			return err
		}
		*part.to = train.Data{X: x, Y: y, N: len(part.rows), D: r.Preparation.Inputs()}
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
