package api

import (
	"context"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// experimentsEngine is what the Experiments and Runs screens ask.
type experimentsEngine interface {
	Experiments(ctx context.Context, project string) ([]view.Experiment, error)
	CreateExperiment(ctx context.Context, e view.ExperimentCreate) (view.Experiment, error)
	Experiment(ctx context.Context, id string) (view.Experiment, error)
	ExperimentConfig(ctx context.Context, id string) (fed.RunConfig, error)
	ReadConfig(ctx context.Context, project, text string) (view.ImportedConfig, error)
	CancelExperiment(ctx context.Context, id string) error
	Estimate(ctx context.Context, e view.ExperimentCreate) (view.Estimate, error)
	Runs(ctx context.Context, project, experiment string, limit int) ([]view.Run, error)
	Run(ctx context.Context, id string) (view.RunDetail, error)
	Contribution(ctx context.Context, runID string) (view.Contribution, error)
	PauseRun(ctx context.Context, id, reason string) (view.Run, error)
	ResumeRun(ctx context.Context, id, reason string) (view.Run, error)
	CancelRun(ctx context.Context, id, reason string) (view.Run, error)
	TakeOver(ctx context.Context, id, reason string) (view.Run, error)
	Compare(ctx context.Context, runs []string) (view.Comparison, error)
}

// ExperimentDraft is a question before it has a name.
type ExperimentDraft struct {
	ProjectID string                    `json:"projectId" minLength:"1" maxLength:"128"`
	Note      string                    `json:"note,omitempty" maxLength:"4000"`
	Config    runConfigInput            `json:"config"`
	Space     map[string]DimensionInput `json:"space,omitempty" maxProperties:"32" doc:"keys: lr, batch, epochs, steps, rounds, mu, strategy, optimizer, seed, hidden"`
	Method    string                    `json:"method,omitempty" enum:"single,grid,random" doc:"absent: single"`
	Trials    int                       `json:"trials,omitempty" minimum:"0" maximum:"10000" doc:"of a random search"`
}

// DimensionInput is one searched setting: {"_type":"choice","_value":[...]}.
type DimensionInput struct {
	Type  string `json:"_type" enum:"choice,uniform,quniform,loguniform,qloguniform,randint,qrandint,lograndint"`
	Value []any  `json:"_value" minItems:"1" maxItems:"1000"`
}

// ExperimentCreate makes an experiment and queues its runs.
type ExperimentCreate struct {
	ExperimentDraft
	Name string `json:"name" minLength:"1" maxLength:"120"`
}

// EstimateInput asks what an experiment would cost; it needs no name yet.
type EstimateInput struct {
	ExperimentDraft
	Name string `json:"name,omitempty" maxLength:"120"`
}

func (d ExperimentDraft) view(name string) view.ExperimentCreate {
	out := view.ExperimentCreate{
		ProjectID: d.ProjectID, Name: name, Note: d.Note, Config: fed.RunConfig(d.Config), Method: d.Method, Trials: d.Trials,
	}
	if out.Method == "" {
		out.Method = "single"
	}
	if d.Space != nil {
		out.Space = make(map[string]view.Dimension, len(d.Space))
	}
	for key, dim := range d.Space {
		out.Space[key] = view.Dimension(dim)
	}
	return out
}

// readConfig carries a document as the text that it is, so that the engine sees what
// a person wrote and can say where the mistake is.
type readConfig struct {
	ByID
	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"204800" doc:"the document, as exported or as simulate --config takes it"`
	}
}

type createExperiment struct {
	Body ExperimentCreate
}

type estimate struct {
	Body EstimateInput
}

type runsQuery struct {
	OfProject
	Experiment string `query:"experiment" maxLength:"128" pattern:"^[A-Za-z0-9._:@-]*$" doc:"only of this experiment"`
	Limit      int    `query:"limit" minimum:"1" maximum:"5000" default:"500" doc:"at most so many, newest first"`
}

type comparisonQuery struct {
	Runs string `query:"runs" required:"true" minLength:"1" maxLength:"2000" pattern:"^[A-Za-z0-9._:@-]+(,[A-Za-z0-9._:@-]+){0,15}$" doc:"ids of at most 16 runs with commas between"`
}

func experimentsScreen(n experimentsEngine) Screen {
	return func(api huma.API) {
		experimentRoutes(api, n)
		runRoutes(api, n)
		runActRoutes(api, n)
	}
}

func experimentRoutes(api huma.API, n experimentsEngine) {
	serve(api, at(get, "/experiments", "experiments", "Questions of a project", "experiments"),
		func(ctx context.Context, in *OfProject) (List[view.Experiment], error) {
			return items(n.Experiments(ctx, in.Project))
		})
	serve(api, at(post, "/experiments", "createExperiment", "Make an experiment and queue its runs", "experiments").gives(201).takes(largeBody),
		func(ctx context.Context, in *createExperiment) (view.Experiment, error) {
			return n.CreateExperiment(ctx, in.Body.view(in.Body.Name))
		})
	serve(api, at(get, "/experiments/{id}", "experiment", "One question with its runs", "experiments"),
		func(ctx context.Context, in *ByID) (view.Experiment, error) { return n.Experiment(ctx, in.ID) })
	serve(api, at(get, "/experiments/{id}/config", "experimentConfig", "The configuration as a document to keep", "experiments"),
		func(ctx context.Context, in *ByID) (fed.RunConfig, error) { return n.ExperimentConfig(ctx, in.ID) })
	serve(api, at(post, "/projects/{id}/config", "readConfig", "Read a configuration document for a new experiment", "experiments").takes(largeBody),
		func(ctx context.Context, in *readConfig) (view.ImportedConfig, error) {
			return n.ReadConfig(ctx, in.ID, in.Body.Text)
		})
	act(api, at(post, "/experiments/{id}/cancel", "cancelExperiment", "Cancel the runs that are left", "experiments"),
		func(ctx context.Context, in *ByID) error { return n.CancelExperiment(ctx, in.ID) })
	serve(api, at(post, "/estimate", "estimate", "What a configuration would cost", "experiments").takes(largeBody),
		func(ctx context.Context, in *estimate) (view.Estimate, error) {
			return n.Estimate(ctx, in.Body.view(in.Body.Name))
		})
}

func runRoutes(api huma.API, n experimentsEngine) {
	serve(api, at(get, "/runs", "runs", "Trainings, newest first", "runs"),
		func(ctx context.Context, in *runsQuery) (List[view.Run], error) {
			return items(n.Runs(ctx, in.Project, in.Experiment, in.Limit))
		})
	serve(api, at(get, "/runs/{id}", "run", "One training, live", "runs"),
		func(ctx context.Context, in *ByID) (view.RunDetail, error) { return n.Run(ctx, in.ID) })
	serve(api, at(get, "/runs/{id}/contribution", "contribution", "Who helped how much", "runs"),
		func(ctx context.Context, in *ByID) (view.Contribution, error) { return n.Contribution(ctx, in.ID) })
	serve(api, at(get, "/comparison", "compare", "Runs side by side", "runs"),
		func(ctx context.Context, in *comparisonQuery) (view.Comparison, error) {
			return n.Compare(ctx, strings.Split(in.Runs, ","))
		})
}

func runActRoutes(api huma.API, n experimentsEngine) {
	serve(api, at(post, "/runs/{id}/pause", "pauseRun", "Pause after this round", "runs").gives(202),
		func(ctx context.Context, in *ByIDWithReason) (view.Run, error) {
			return n.PauseRun(ctx, in.ID, in.reason())
		})
	serve(api, at(post, "/runs/{id}/resume", "resumeRun", "Go on with a paused run", "runs").gives(202),
		func(ctx context.Context, in *ByIDWithReason) (view.Run, error) {
			return n.ResumeRun(ctx, in.ID, in.reason())
		})
	serve(api, at(post, "/runs/{id}/cancel", "cancelRun", "End a run now", "runs").gives(202),
		func(ctx context.Context, in *ByIDWithReason) (view.Run, error) {
			return n.CancelRun(ctx, in.ID, in.reason())
		})
	serve(api, at(post, "/runs/{id}/takeover", "takeOver", "Lead the run in place of a lost coordinator", "runs").gives(202),
		func(ctx context.Context, in *ByIDWithReason) (view.Run, error) {
			return n.TakeOver(ctx, in.ID, in.reason())
		})
}
