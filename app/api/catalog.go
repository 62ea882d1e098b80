package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"synergos.app/desktop/backend/node/view"
)

// catalogEngine is what the Catalog screen asks.
type catalogEngine interface {
	Catalog(ctx context.Context, q view.CatalogQuery) (view.Catalog, error)
	CatalogCard(ctx context.Context, cardID string) (view.CatalogEntry, error)
	AccessRequests(ctx context.Context) ([]view.AccessRequest, error)
	RequestAccess(ctx context.Context, cardID, purpose string, days int) (view.AccessRequest, error)
	DecideAccess(ctx context.Context, id string, approve bool, reason string) (view.AccessRequest, error)
	RevokeAccess(ctx context.Context, id, reason string) error
}

type catalogQuery struct {
	Q       string `query:"q" maxLength:"200" doc:"words to look for"`
	Task    string `query:"task" maxLength:"64" doc:"only this task"`
	Party   string `query:"party" maxLength:"128" doc:"only of this party"`
	RowBand string `query:"rowBand" maxLength:"64" doc:"only of this size"`
	Licence string `query:"licence" maxLength:"120" doc:"only under this licence"`
	Dataset string `query:"dataset" maxLength:"128" pattern:"^[A-Za-z0-9._:@-]*$" doc:"mine; counts the columns shared with it"`
}

type requestAccess struct {
	Body struct {
		CardID  string `json:"cardId" minLength:"1" maxLength:"128"`
		Purpose string `json:"purpose" minLength:"1" maxLength:"2000"`
		Days    int    `json:"days" minimum:"1" maximum:"3650" doc:"how long the access is needed"`
	}
}

type decideAccess struct {
	ByID
	Body struct {
		Approve bool   `json:"approve"`
		Reason  string `json:"reason,omitempty" maxLength:"1000"`
	}
}

func catalogScreen(n catalogEngine) Screen {
	return func(api huma.API) {
		serve(api, at(get, "/catalog", "catalog", "Search the dataset cards of all parties", "catalog"),
			func(ctx context.Context, in *catalogQuery) (view.Catalog, error) {
				return n.Catalog(ctx, view.CatalogQuery(*in))
			})
		serve(api, at(get, "/catalog/{cardId}", "catalogCard", "One dataset card", "catalog"),
			func(ctx context.Context, in *ByCard) (view.CatalogEntry, error) { return n.CatalogCard(ctx, in.CardID) })
		accessRoutes(api, n)
	}
}

func accessRoutes(api huma.API, n catalogEngine) {
	serve(api, at(get, "/access-requests", "accessRequests", "Requests of mine and of others", "catalog"),
		func(ctx context.Context, _ *none) (List[view.AccessRequest], error) {
			return items(n.AccessRequests(ctx))
		})
	serve(api, at(post, "/access-requests", "requestAccess", "Ask an owner for the use of a dataset", "catalog").gives(201),
		func(ctx context.Context, in *requestAccess) (view.AccessRequest, error) {
			return n.RequestAccess(ctx, in.Body.CardID, in.Body.Purpose, in.Body.Days)
		})
	serve(api, at(post, "/access-requests/{id}/decision", "decideAccess", "Approve or refuse a request", "catalog"),
		func(ctx context.Context, in *decideAccess) (view.AccessRequest, error) {
			return n.DecideAccess(ctx, in.ID, in.Body.Approve, in.Body.Reason)
		})
	act(api, at(post, "/access-requests/{id}/revoke", "revokeAccess", "Take an approval back", "catalog"),
		func(ctx context.Context, in *ByIDWithReason) error { return n.RevokeAccess(ctx, in.ID, in.reason()) })
}
