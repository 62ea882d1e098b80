package api

import (
	"context"
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"synergos.app/desktop/backend/node/view"
)

// modelsEngine is what the Models screen asks.
type modelsEngine interface {
	Models(ctx context.Context) ([]view.Model, error)
	RegisterModel(ctx context.Context, runID, name string) (view.ModelVersion, error)
	Model(ctx context.Context, model string) (view.Model, error)
	Version(ctx context.Context, model string, number int) (view.VersionDetail, error)
	ExportVersion(ctx context.Context, model string, number int) ([]byte, error)
	VersionCard(ctx context.Context, model string, number int) ([]byte, error)
	StageRequests(ctx context.Context) ([]view.StageRequest, error)
	RequestStage(ctx context.Context, model string, number int, to, reason string) (view.StageRequest, error)
	VoteStage(ctx context.Context, id string, yes bool, reason string) (view.StageRequest, error)
	WithdrawStage(ctx context.Context, id string) (view.StageRequest, error)
}

type registerModel struct {
	Body struct {
		RunID string `json:"runId" minLength:"1" maxLength:"128"`
		Name  string `json:"name" minLength:"1" maxLength:"120" pattern:"^[^\\x00-\\x1f\\x7f/\\\\]+$" doc:"of the model; a known name gets a new version"`
	}
}

type requestStage struct {
	Body struct {
		Model  string `json:"model" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f/\\\\]+$"`
		Number int    `json:"number" minimum:"0" maximum:"1000000" doc:"of the version"`
		To     string `json:"to" enum:"none,staging,production,archived"`
		Reason string `json:"reason,omitempty" maxLength:"1000"`
	}
}

type voteStage struct {
	ByID
	Body struct {
		Yes    bool   `json:"yes"`
		Reason string `json:"reason,omitempty" maxLength:"1000"`
	}
}

func modelsScreen(n modelsEngine) Screen {
	return func(api huma.API) {
		modelRoutes(api, n)
		stageRoutes(api, n)
	}
}

// plainName is the part of a model's id that people gave it.
func plainName(model string) string {
	name, _, _ := strings.Cut(model, "~")
	return name
}

func modelRoutes(api huma.API, n modelsEngine) {
	serve(api, at(get, "/models", "models", "Named models with their versions", "models"),
		func(ctx context.Context, _ *none) (List[view.Model], error) { return items(n.Models(ctx)) })
	serve(api, at(post, "/models", "registerModel", "Keep the model of a run under a name", "models").gives(201),
		func(ctx context.Context, in *registerModel) (view.ModelVersion, error) {
			return n.RegisterModel(ctx, in.Body.RunID, in.Body.Name)
		})
	serve(api, at(get, "/models/{model}", "model", "One named model", "models"),
		func(ctx context.Context, in *ByModel) (view.Model, error) { return n.Model(ctx, in.Model) })
	serve(api, at(get, "/models/{model}/versions/{number}", "version", "One version with its lineage", "models"),
		func(ctx context.Context, in *ByVersion) (view.VersionDetail, error) {
			return n.Version(ctx, in.Model, in.Number)
		})
	download(api, at(get, "/models/{model}/versions/{number}/export", "exportVersion", "All files of a version", "models"),
		"application/zip", func(in *ByVersion) string { return fmt.Sprintf("%s-%d.zip", plainName(in.Model), in.Number) },
		func(ctx context.Context, in *ByVersion) ([]byte, error) {
			return n.ExportVersion(ctx, in.Model, in.Number)
		})
	download(api, at(get, "/models/{model}/versions/{number}/card", "versionCard", "The model card of a version, in Markdown", "models"),
		"text/markdown", func(in *ByVersion) string { return fmt.Sprintf("%s-%d-card.md", plainName(in.Model), in.Number) },
		func(ctx context.Context, in *ByVersion) ([]byte, error) {
			return n.VersionCard(ctx, in.Model, in.Number)
		})
}

func stageRoutes(api huma.API, n modelsEngine) {
	serve(api, at(get, "/stage-requests", "stageRequests", "Proposed changes of stage", "models"),
		func(ctx context.Context, _ *none) (List[view.StageRequest], error) {
			return items(n.StageRequests(ctx))
		})
	serve(api, at(post, "/stage-requests", "requestStage", "Propose a stage for a version", "models").gives(201),
		func(ctx context.Context, in *requestStage) (view.StageRequest, error) {
			return n.RequestStage(ctx, in.Body.Model, in.Body.Number, in.Body.To, in.Body.Reason)
		})
	serve(api, at(post, "/stage-requests/{id}/vote", "voteStage", "Answer a proposed stage", "models"),
		func(ctx context.Context, in *voteStage) (view.StageRequest, error) {
			return n.VoteStage(ctx, in.ID, in.Body.Yes, in.Body.Reason)
		})
	serve(api, at(post, "/stage-requests/{id}/withdraw", "withdrawStage", "Take a proposal back", "models"),
		func(ctx context.Context, in *ByID) (view.StageRequest, error) { return n.WithdrawStage(ctx, in.ID) })
}
