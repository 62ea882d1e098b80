package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"synergos.app/desktop/backend/node/view"
)

// rewardsEngine is what the Rewards screen asks.
type rewardsEngine interface {
	Rewards(ctx context.Context, project string) (view.Rewards, error)
	VerifyLedger(ctx context.Context, projectID string) ([]view.Check, error)
	AcknowledgeReward(ctx context.Context, runID string) (view.Rewards, error)
	ExportLedger(ctx context.Context, project string) ([]byte, error)
}

type verifyLedger struct {
	Body struct {
		ProjectID string `json:"projectId" minLength:"1" maxLength:"128"`
	}
}

type ledgerQuery struct {
	Project string `query:"project" required:"true" minLength:"1" maxLength:"128" pattern:"^[A-Za-z0-9._:@-]+$" doc:"whose ledger"`
}

func rewardsScreen(n rewardsEngine) Screen {
	return func(api huma.API) {
		serve(api, at(get, "/rewards", "rewards", "Who got what, and the signed record", "rewards"),
			func(ctx context.Context, in *OfProject) (view.Rewards, error) { return n.Rewards(ctx, in.Project) })
		serve(api, at(post, "/ledger/verify", "verifyLedger", "Check every signature and figure of a ledger", "rewards"),
			func(ctx context.Context, in *verifyLedger) (List[view.Check], error) {
				return items(n.VerifyLedger(ctx, in.Body.ProjectID))
			})
		serve(api, at(post, "/rewards/{runId}/receipt", "acknowledgeReward", "Sign that my grant arrived", "rewards").gives(201),
			func(ctx context.Context, in *ByRun) (view.Rewards, error) { return n.AcknowledgeReward(ctx, in.RunID) })
		download(api, at(get, "/ledger/export", "exportLedger", "The ledger, one signed line per entry", "rewards"),
			"application/jsonl", func(in *ledgerQuery) string { return "ledger-" + in.Project + ".jsonl" },
			func(ctx context.Context, in *ledgerQuery) ([]byte, error) { return n.ExportLedger(ctx, in.Project) })
	}
}
