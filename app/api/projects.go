package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// projectsEngine is what the Projects screen asks.
type projectsEngine interface {
	Projects(ctx context.Context) ([]view.Project, error)
	CreateProject(ctx context.Context, p view.ProjectCreate) (view.Project, error)
	Project(ctx context.Context, id string) (view.Project, error)
	InviteParties(ctx context.Context, id string, parties []string) (view.Project, error)
	ConsentSheet(ctx context.Context, id, datasetID string) (view.ConsentSheet, error)
	AcceptProject(ctx context.Context, id, datasetID, digest string, limits view.Limits) (view.Project, error)
	DeclineProject(ctx context.Context, id, reason string) (view.Project, error)
	LeaveProject(ctx context.Context, id, reason string) (view.Project, error)
	Alignment(ctx context.Context, id string) (view.Alignment, error)
	StartAlignment(ctx context.Context, id string) (view.Alignment, error)
	ConfirmAlignment(ctx context.Context, id string, matches []view.ColumnMatch) (view.Alignment, error)
}

// ProjectCreate makes a project.
type ProjectCreate struct {
	Name      string          `json:"name" minLength:"1" maxLength:"120"`
	Purpose   string          `json:"purpose,omitempty" maxLength:"2000"`
	DatasetID string          `json:"datasetId" minLength:"1" maxLength:"128" doc:"mine; its proposal is where the configuration starts"`
	Invite    []string        `json:"invite,omitempty" maxItems:"256" maxLength:"52" pattern:"^[A-Z2-7]{52}$" doc:"party ids"`
	Config    *runConfigInput `json:"config,omitempty"`
	Policy    *PolicyEdit     `json:"policy,omitempty" doc:"absent: the usual one"`
}

// PolicyEdit is what the members are asked to agree on; absent fields take the
// usual values.
type PolicyEdit struct {
	PoolCents  int64    `json:"poolCents,omitempty" minimum:"0" maximum:"1000000000000" doc:"reward pool per run, in cents"`
	Currency   string   `json:"currency,omitempty" maxLength:"8" doc:"for example EUR"`
	Approvers  []string `json:"approvers,omitempty" maxItems:"256" maxLength:"52" pattern:"^[A-Z2-7]{52}$" doc:"party ids whose approval a stage needs; empty: the parties in the lineage"`
	Production string   `json:"production,omitempty" enum:"majority,all,any"`
	Mode       string   `json:"mode,omitempty" enum:"open" doc:"who sees single updates: open = the coordinator and scorers"`
	Basis      string   `json:"basis,omitempty" enum:"pooled,peers" doc:"whose held-out rows decide what is paid: pooled = those of all parties, peers = those of the others"`
	Floor      int      `json:"floor,omitempty" minimum:"0" maximum:"1000" doc:"small-cell floor k"`
}

func (p ProjectCreate) view() view.ProjectCreate {
	out := view.ProjectCreate{
		Name: p.Name, Purpose: p.Purpose, DatasetID: p.DatasetID, Invite: p.Invite, Config: (*fed.RunConfig)(p.Config),
	}
	if p.Policy != nil {
		out.Policy = view.ProjectPolicy(*p.Policy)
	}
	return out
}

type createProject struct {
	Body ProjectCreate
}

type inviteParties struct {
	ByID
	Body struct {
		Parties []string `json:"parties" minItems:"1" maxItems:"256" maxLength:"52" pattern:"^[A-Z2-7]{52}$" doc:"party ids"`
	}
}

type consentQuery struct {
	ByID
	Dataset string `query:"dataset" maxLength:"128" pattern:"^[A-Za-z0-9._:@-]*$" doc:"mine; empty: the best fit"`
}

type acceptProject struct {
	ByID
	Body struct {
		DatasetID string     `json:"datasetId" minLength:"1" maxLength:"128"`
		Digest    string     `json:"digest" minLength:"1" maxLength:"128" doc:"of the consent sheet that was read"`
		Limits    LimitsEdit `json:"limits,omitempty"`
	}
}

// LimitsEdit is what a party adds to its consent; 0 is no limit of its own.
type LimitsEdit struct {
	MaxRuns    int `json:"maxRuns,omitempty" minimum:"0" maximum:"1000000"`
	MaxRounds  int `json:"maxRounds,omitempty" minimum:"0" maximum:"1000000" doc:"per run"`
	MinParties int `json:"minParties,omitempty" minimum:"0" maximum:"1000"`
	Days       int `json:"days,omitempty" minimum:"0" maximum:"36500" doc:"consent ends after so many days; 0: 365"`
}

type confirmAlignment struct {
	ByID
	Body struct {
		Matches []MatchChoice `json:"matches" maxItems:"10000"`
	}
}

// MatchChoice is a person's answer to a proposed match of columns.
type MatchChoice struct {
	Party     string     `json:"party" maxLength:"120"`
	From      string     `json:"from" maxLength:"256" doc:"the party's column"`
	To        string     `json:"to" maxLength:"256" doc:"the shared column"`
	Score     fed.Number `json:"score,omitempty"`
	Why       string     `json:"why,omitempty" maxLength:"1000"`
	Confirmed bool       `json:"confirmed"`
}

func matches(choices []MatchChoice) []view.ColumnMatch {
	out := make([]view.ColumnMatch, len(choices))
	for i, c := range choices {
		out[i] = view.ColumnMatch(c)
	}
	return out
}

func projectsScreen(n projectsEngine) Screen {
	return func(api huma.API) {
		projectRoutes(api, n)
		memberRoutes(api, n)
		alignmentRoutes(api, n)
	}
}

func projectRoutes(api huma.API, n projectsEngine) {
	serve(api, at(get, "/projects", "projects", "Shared problems of this party", "projects"),
		func(ctx context.Context, _ *none) (List[view.Project], error) { return items(n.Projects(ctx)) })
	serve(api, at(post, "/projects", "createProject", "Start a shared problem", "projects").gives(201).takes(largeBody),
		func(ctx context.Context, in *createProject) (view.Project, error) {
			return n.CreateProject(ctx, in.Body.view())
		})
	serve(api, at(get, "/projects/{id}", "project", "One shared problem", "projects"),
		func(ctx context.Context, in *ByID) (view.Project, error) { return n.Project(ctx, in.ID) })
	serve(api, at(post, "/projects/{id}/invite", "inviteParties", "Invite parties", "projects"),
		func(ctx context.Context, in *inviteParties) (view.Project, error) {
			return n.InviteParties(ctx, in.ID, in.Body.Parties)
		})
}

func memberRoutes(api huma.API, n projectsEngine) {
	serve(api, at(get, "/projects/{id}/consent", "consentSheet", "Exactly what would leave this computer", "projects"),
		func(ctx context.Context, in *consentQuery) (view.ConsentSheet, error) {
			return n.ConsentSheet(ctx, in.ID, in.Dataset)
		})
	serve(api, at(post, "/projects/{id}/accept", "acceptProject", "Consent and join", "projects"),
		func(ctx context.Context, in *acceptProject) (view.Project, error) {
			return n.AcceptProject(ctx, in.ID, in.Body.DatasetID, in.Body.Digest, view.Limits(in.Body.Limits))
		})
	serve(api, at(post, "/projects/{id}/decline", "declineProject", "Do not join", "projects"),
		func(ctx context.Context, in *ByIDWithReason) (view.Project, error) {
			return n.DeclineProject(ctx, in.ID, in.reason())
		})
	serve(api, at(post, "/projects/{id}/leave", "leaveProject", "Leave and end the consent", "projects"),
		func(ctx context.Context, in *ByIDWithReason) (view.Project, error) {
			return n.LeaveProject(ctx, in.ID, in.reason())
		})
}

func alignmentRoutes(api huma.API, n projectsEngine) {
	serve(api, at(get, "/projects/{id}/alignment", "alignment", "Columns against parties", "projects"),
		func(ctx context.Context, in *ByID) (view.Alignment, error) { return n.Alignment(ctx, in.ID) })
	serve(api, at(post, "/projects/{id}/alignment", "startAlignment", "Gather the columns of all parties", "projects").gives(202),
		func(ctx context.Context, in *ByID) (view.Alignment, error) { return n.StartAlignment(ctx, in.ID) })
	serve(api, at(post, "/projects/{id}/alignment/confirm", "confirmAlignment", "Answer the proposed matches", "projects").gives(202).takes(largeBody),
		func(ctx context.Context, in *confirmAlignment) (view.Alignment, error) {
			return n.ConfirmAlignment(ctx, in.ID, matches(in.Body.Matches))
		})
}
