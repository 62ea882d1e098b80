package api

import (
	"context"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
	"synergos.app/desktop/backend/node/view"
)

// servingEngine is what the Serving screen asks.
type servingEngine interface {
	ServingList(ctx context.Context) ([]view.Serving, error)
	Serving(ctx context.Context, model string) (view.Serving, error)
	SwitchServing(ctx context.Context, model string, s view.ServingSwitch) (view.Serving, error)
	NewServingToken(ctx context.Context, model string) (view.Serving, error)
	TryPrediction(ctx context.Context, model string, rows []map[string]any) (view.Prediction, error)
	StartBatch(ctx context.Context, model, path, output string) (view.Operation, error)
	BatchResult(ctx context.Context, id string) ([]byte, error)
	ServingCertificate(ctx context.Context) ([]byte, error)
}

// ServingSwitch turns serving of a model on or off.
type ServingSwitch struct {
	On     bool     `json:"on"`
	Port   int      `json:"port,omitempty" minimum:"0" maximum:"65535" doc:"0: the last one or a free one"`
	Number int      `json:"number,omitempty" minimum:"0" maximum:"1000000" doc:"0: follow production"`
	Expose bool     `json:"expose,omitempty" doc:"to other computers, over TLS"`
	Allow  []string `json:"allow,omitempty" maxItems:"64" maxLength:"64" doc:"addresses and ranges that may call when exposed; none: all"`
	Accept bool     `json:"accept,omitempty" doc:"answer with what is in production now, when it follows production"`
}

type switchServing struct {
	ByModel
	Body ServingSwitch
}

type tryPrediction struct {
	ByModel
	Body struct {
		Rows []map[string]any `json:"rows" minItems:"1" maxItems:"1000" doc:"raw values by column"`
	}
}

type startBatch struct {
	Body struct {
		Model  string `json:"model" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f/\\\\]+$"`
		Path   string `json:"path" minLength:"1" maxLength:"4096" doc:"file to score, on this computer"`
		Output string `json:"output,omitempty" maxLength:"4096" doc:"where the result goes, a file that does not exist; empty: into the folder of exports"`
	}
}

func servingScreen(n servingEngine) Screen {
	return func(api huma.API) {
		serve(api, at(get, "/serving", "servingList", "Models and their switches", "serving"),
			func(ctx context.Context, _ *none) (List[view.Serving], error) { return items(n.ServingList(ctx)) })
		serve(api, at(get, "/serving/{model}", "serving", "The switch of one model", "serving"),
			func(ctx context.Context, in *ByModel) (view.Serving, error) { return n.Serving(ctx, in.Model) })
		serve(api, at(put, "/serving/{model}", "switchServing", "Turn serving on or off", "serving"),
			func(ctx context.Context, in *switchServing) (view.Serving, error) {
				return n.SwitchServing(ctx, in.Model, view.ServingSwitch(in.Body))
			})
		serve(api, at(post, "/serving/{model}/token", "newServingToken", "Make a new token; it is shown once", "serving").gives(201),
			func(ctx context.Context, in *ByModel) (view.Serving, error) { return n.NewServingToken(ctx, in.Model) })
		download(api, at(get, "/serving-certificate", "servingCertificate", "What callers on other computers trust, in PEM", "serving"),
			"application/x-pem-file", fixed[none]("synergos-serving.pem"),
			func(ctx context.Context, _ *none) ([]byte, error) { return n.ServingCertificate(ctx) })
		serve(api, at(post, "/serving/{model}/predict", "tryPrediction", "Try the model on rows", "serving").takes(largeBody),
			func(ctx context.Context, in *tryPrediction) (view.Prediction, error) {
				return n.TryPrediction(ctx, in.Model, in.Body.Rows)
			})
		serve(api, at(post, "/batches", "startBatch", "Score a whole file", "serving").gives(202),
			func(ctx context.Context, in *startBatch) (view.Operation, error) {
				return n.StartBatch(ctx, in.Body.Model, in.Body.Path, in.Body.Output)
			})
		download(api, at(get, "/batches/{id}/result", "batchResult", "The table with its predictions; id is that of the operation", "serving"),
			"text/csv", func(in *ByID) string { return fmt.Sprintf("predictions-%.8s.csv", in.ID) },
			func(ctx context.Context, in *ByID) ([]byte, error) { return n.BatchResult(ctx, in.ID) })
	}
}
