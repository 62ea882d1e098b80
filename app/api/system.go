package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"synergos.app/desktop/backend/node/view"
)

// systemEngine is what operations, settings, diagnostics and activity ask.
type systemEngine interface {
	Operations(ctx context.Context) ([]view.Operation, error)
	Operation(ctx context.Context, id string) (view.Operation, error)
	CancelOperation(ctx context.Context, id string) (view.Operation, error)
	Settings(ctx context.Context) ([]view.Setting, error)
	ChangeSettings(ctx context.Context, values map[string]string) ([]view.Setting, error)
	Diagnostics(ctx context.Context) (view.Diagnostics, error)
	ClientError(ctx context.Context, message, stack, url string) error
	Activity(ctx context.Context, q view.ActivityQuery) (view.Activity, error)
	VerifyActivity(ctx context.Context) (view.Check, error)
	ExportActivity(ctx context.Context) ([]byte, error)
}

type settingsChange struct {
	Body struct {
		Values map[string]string `json:"values" minProperties:"1" maxProperties:"200" doc:"new values by key"`
	}
}

type clientError struct {
	Body struct {
		Message string `json:"message" maxLength:"4000"`
		Stack   string `json:"stack,omitempty" maxLength:"32000"`
		URL     string `json:"url,omitempty" maxLength:"4000"`
	}
}

type activityQuery struct {
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"rows of a page"`
	After string `query:"after" maxLength:"128" pattern:"^[A-Za-z0-9._:@-]*$" doc:"cursor: next of the page before"`
	To    string `query:"to" maxLength:"128" doc:"only to this receiver"`
	Kind  string `query:"kind" maxLength:"64" doc:"only of this kind"`
}

func systemScreen(n systemEngine) Screen {
	return func(api huma.API) {
		operationRoutes(api, n)
		settingRoutes(api, n)
		activityRoutes(api, n)
	}
}

func operationRoutes(api huma.API, n systemEngine) {
	serve(api, at(get, "/operations", "operations", "Long work, newest first", "system"),
		func(ctx context.Context, _ *none) (List[view.Operation], error) { return items(n.Operations(ctx)) })
	serve(api, at(get, "/operations/{id}", "operation", "How far long work is", "system"),
		func(ctx context.Context, in *ByID) (view.Operation, error) { return n.Operation(ctx, in.ID) })
	serve(api, at(post, "/operations/{id}/cancel", "cancelOperation", "Stop long work", "system").gives(202),
		func(ctx context.Context, in *ByID) (view.Operation, error) { return n.CancelOperation(ctx, in.ID) })
}

func settingRoutes(api huma.API, n systemEngine) {
	serve(api, at(get, "/settings", "settings", "All settings with their bounds", "system"),
		func(ctx context.Context, _ *none) (List[view.Setting], error) { return items(n.Settings(ctx)) })
	serve(api, at(patch, "/settings", "changeSettings", "Change settings", "system"),
		func(ctx context.Context, in *settingsChange) (List[view.Setting], error) {
			return items(n.ChangeSettings(ctx, in.Body.Values))
		})
	serve(api, at(get, "/diagnostics", "diagnostics", "What works on this computer and what does not", "system"),
		func(ctx context.Context, _ *none) (view.Diagnostics, error) { return n.Diagnostics(ctx) })
	act(api, at(post, "/client-errors", "clientError", "Report an error of the screen", "system"),
		func(ctx context.Context, in *clientError) error {
			return n.ClientError(ctx, in.Body.Message, in.Body.Stack, in.Body.URL)
		})
}

func activityRoutes(api huma.API, n systemEngine) {
	serve(api, at(get, "/activity", "activity", "What left this computer, newest first", "activity"),
		func(ctx context.Context, in *activityQuery) (view.Activity, error) {
			return n.Activity(ctx, view.ActivityQuery(*in))
		})
	serve(api, at(post, "/activity/verify", "verifyActivity", "Check the chain of the record", "activity"),
		func(ctx context.Context, _ *none) (view.Check, error) { return n.VerifyActivity(ctx) })
	download(api, at(get, "/activity/export", "exportActivity", "The record as a table", "activity"),
		"text/csv", fixed[none]("activity.csv"),
		func(ctx context.Context, _ *none) ([]byte, error) { return n.ExportActivity(ctx) })
}
