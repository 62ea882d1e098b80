package node

import (
	"context"
	"encoding/json"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/service/project"
)

// statsAsk asks a member for its sums.
type statsAsk struct {
	Draft  json.RawMessage   `json:"draft"`
	Rename map[string]string `json:"rename"`
}

// statsReply carries sums and the number of training rows, rounded to tens.
type statsReply struct {
	Stats json.RawMessage `json:"stats"`
	Rows  int64           `json:"rows"`
}

// answer serves the admin's steps with what this party consented to tell.
func (a *alignments) answer(ctx context.Context, from fed.PartyID, m wire.Align) ([]byte, error) {
	p, ok := a.n.projects.Get(m.Project)
	if !ok || p.Admin != from {
		return nil, fed.Errorf(fed.Permission, "", "only the admin of a project aligns it")
	}
	own, err := a.n.offered(ctx, p)
	if err != nil {
		return nil, err
	}
	switch m.Step {
	case stepOffer:
		return own.offer.Marshal()
	case stepStats:
		return a.sums(ctx, p, own, m.Body)
	}
	return nil, fed.Errorf(fed.Invalid, "", "alignment step %q is not known", m.Step)
}

func (a *alignments) sums(ctx context.Context, p project.Project, own ownColumns, body []byte) ([]byte, error) {
	var ask statsAsk
	if err := json.Unmarshal(body, &ask); err != nil {
		return nil, fed.Errorf(fed.Invalid, "", "question for sums cannot be read: %w", err)
	}
	draft, err := dataset.ParsePreparation(ask.Draft)
	if err != nil {
		return nil, err
	}
	if err := own.follows(draft, p.Config, ask.Rename); err != nil {
		return nil, err
	}
	floor := a.n.sheetOf(p).Floor
	local := dataset.Local{Rename: ask.Rename}
	rows, err := dataset.Split(own.table, draft, p.Config, a.myName(p), local)
	if err != nil {
		return nil, a.n.withheld(err)
	}
	if err := rows.Floor(floor); err != nil {
		return nil, err
	}
	if err := a.n.tells(ctx, own.consent, floor, rows.Train); err != nil {
		return nil, err
	}
	st, err := a.n.columnSums(ctx, own.consent, own, draft, rows.Train, local, floor)
	if err != nil {
		return nil, err
	}
	raw, err := st.Marshal()
	if err != nil {
		return nil, err
	}
	return json.Marshal(statsReply{Stats: raw, Rows: int64((len(rows.Train) + 5) / 10 * 10)})
}

func (a *alignments) myName(p project.Project) string {
	s, _ := p.Standing(a.n.me())
	return s.Name
}
