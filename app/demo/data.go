package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// target is the column to learn, in all files of the demo.
const target = "target"

// recordError is the error that a record carries.
func recordError(what string, p *view.Problem) error {
	if p == nil {
		return fed.Errorf(fed.Internal, "the log below may tell why", "%s", what)
	}
	return fed.Errorf(fed.Internal, p.Hint, "%s: %s", what, p.Text)
}

// addFiles gives each party its file and waits until it has been read.
func addFiles(ctx context.Context, s *story) (string, error) {
	rows := 0
	err := each(s.parties, func(p *party) error {
		if err := s.addFile(ctx, p); err != nil {
			return err
		}
		rows += p.dataset.Rows
		s.report.Parties = append(s.report.Parties, PartyRow{
			Name: p.name, Fingerprint: p.identity.Fingerprint, File: p.dataset.File, Rows: p.dataset.Rows, Columns: p.dataset.Columns,
			Missing: missingShare(p.profile), Positive: positiveShare(p.profile), Home: p.home,
		})
		return nil
	})
	return fmt.Sprintf("%d rows in four files; none of them leaves its hospital", rows), err
}

func (s *story) addFile(ctx context.Context, p *party) error {
	path, body := "/datasets", obj{"path": p.file, "name": "Heart disease, " + p.name}
	if p.sample != "" {
		path, body = "/datasets/sample", obj{"hospital": p.sample}
	}
	added, err := post[view.Dataset](ctx, p.client, path, body)
	if err != nil {
		return err
	}
	if err := s.awaitReady(ctx, p, added.ID); err != nil {
		return err
	}
	edited := obj{"target": target, "keywords": []string{"heart", "cardiology"}, "description": "Patients examined for coronary heart disease"}
	if err := p.client.do(ctx, http.MethodPatch, "/datasets/"+added.ID, edited, &p.profile); err != nil {
		return err
	}
	if err := s.awaitReady(ctx, p, added.ID); err != nil {
		return err
	}
	if p.profile, err = get[view.Profile](ctx, p.client, "/datasets/"+added.ID+"/profile"); err != nil {
		return err
	}
	if len(p.profile.Columns) < 2 || p.dataset.Target != target {
		return wrong(p, "see GET /datasets/{id}/profile", "expected several columns and the target %q; the profile has %d columns and the target %q", target, len(p.profile.Columns), p.dataset.Target)
	}
	return nil
}

func (s *story) awaitReady(ctx context.Context, p *party, id string) error {
	return s.await(ctx, p, "the file to be read", func(ctx context.Context) (err error) {
		if p.dataset, err = get[view.Dataset](ctx, p.client, "/datasets/"+id); err != nil {
			return err
		}
		switch d := p.dataset; {
		case d.State == "failed" || d.State == "missing":
			return recordError("the file is "+d.State, d.Problem)
		case d.State != "ready" || d.Rows == 0:
			return notYet("state %q with %d rows", d.State, d.Rows)
		}
		return nil
	})
}

// missingShare is the share of empty cells of a file, 0..1.
func missingShare(p view.Profile) float64 {
	empty := 0
	for _, c := range p.Columns {
		empty += c.Missing
	}
	if cells := len(p.Columns) * p.Dataset.Rows; cells > 0 {
		return float64(empty) / float64(cells)
	}
	return 0
}

// positiveShare is the share of rows of another class than the first, 0..1.
func positiveShare(p view.Profile) float64 {
	all, first := 0, 0
	for i, n := range p.ClassCount {
		all += n
		if i < len(p.Classes) && (p.Classes[i] == "0" || p.Classes[i] == "no") {
			first += n
		}
	}
	if all == 0 {
		return 0
	}
	return float64(all-first) / float64(all)
}

// publishCards publishes a card of each file, after a look at exactly what
// leaves, and waits until the parties find it in their catalogs: the first party
// those of all, each other one that of the first, with whom it is paired.
func publishCards(ctx context.Context, s *story) (string, error) {
	err := each(s.parties, func(p *party) (err error) {
		preview, err := get[view.CardPreview](ctx, p.client, "/datasets/"+p.dataset.ID+"/card")
		if err != nil {
			return err
		}
		if preview.Body == "" || preview.Bytes != len(preview.Body) {
			return wrong(p, "see GET /datasets/{id}/card", "expected to be shown all bytes that leave; shown are %d of %d", len(preview.Body), preview.Bytes)
		}
		if p.card, err = post[view.Card](ctx, p.client, "/datasets/"+p.dataset.ID+"/publish", nil); err != nil {
			return err
		}
		if p.card.ID == "" || p.card.Version < 1 {
			return wrong(p, "see POST /datasets/{id}/publish", "expected a card with an id and a version")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	for _, p := range s.others() {
		if err := s.finds(ctx, s.first(), p.card); err != nil {
			return "", err
		}
		if err := s.finds(ctx, p, s.first().card); err != nil {
			return "", err
		}
	}
	return "four cards; what leaves was shown before it left", nil
}

// finds waits until p's catalog search has the card.
func (s *story) finds(ctx context.Context, p *party, card view.Card) error {
	return s.await(ctx, p, fmt.Sprintf("the card %q in the catalog", card.Title), func(ctx context.Context) error {
		c, err := get[view.Catalog](ctx, p.client, "/catalog?"+url.Values{"dataset": {p.dataset.ID}}.Encode())
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(c.Items, func(e view.CatalogEntry) bool { return e.Card.ID == card.ID }) {
			return notYet("%d other cards", len(c.Items))
		}
		return nil
	})
}

// requestAccess asks the second party for its dataset, which approves.
func requestAccess(ctx context.Context, s *story) (string, error) {
	a, b := s.first(), s.parties[1]
	asked, err := post[view.AccessRequest](ctx, a.client, "/access-requests", obj{"cardId": b.card.ID, "purpose": "Learn together to recognise coronary heart disease", "days": 30})
	if err != nil {
		return "", at(a, err)
	}
	if err := s.awaitAccess(ctx, b, asked.ID, "submitted"); err != nil {
		return "", err
	}
	decision := obj{"approve": true, "reason": "agreed by the data board"}
	if _, err := post[view.AccessRequest](ctx, b.client, "/access-requests/"+asked.ID+"/decision", decision); err != nil {
		return "", at(b, err)
	}
	if err := s.awaitAccess(ctx, a, asked.ID, "approved"); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s asked %s for 30 days", a.name, b.name), nil
}

func (s *story) awaitAccess(ctx context.Context, p *party, id, state string) error {
	return s.await(ctx, p, "an access request that is "+state, func(ctx context.Context) error {
		requests, err := list[view.AccessRequest](ctx, p.client, "/access-requests")
		if err != nil {
			return err
		}
		i := slices.IndexFunc(requests, func(r view.AccessRequest) bool { return r.ID == id })
		switch {
		case i < 0:
			return notYet("%d other requests", len(requests))
		case requests[i].State != state:
			return notYet("it is %s %s", requests[i].State, strings.TrimSpace(requests[i].Reason))
		}
		return nil
	})
}
