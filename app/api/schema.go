package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// describe tells the document of api how records of other packages look: it runs
// before the screens register, because huma reads a type once.
func describe(api huma.API) {
	r := api.OpenAPI().Components.Schemas
	r.RegisterTypeAlias(reflect.TypeFor[view.Problem](), reflect.TypeFor[RecordProblem]())
	r.RegisterTypeAlias(reflect.TypeFor[runConfigInput](), reflect.TypeFor[RunConfigInput]())
}

// RecordProblem is the problem inside a record; the [Problem] of an answer has
// the other name.
type RecordProblem view.Problem

// runConfigInput is a fed.RunConfig as it comes from a client.
type runConfigInput fed.RunConfig

// RunConfigInput describes and bounds a run configuration from a client; a test
// holds its keys equal to those of fed.RunConfig. Only what no default can
// replace is required; whether the values fit together is the engine's question.
type RunConfigInput struct {
	Version         int               `json:"version,omitempty" minimum:"0" maximum:"1000" doc:"of the document; absent: the present one"`
	Task            string            `json:"task" enum:"classify,regress"`
	Target          string            `json:"target" minLength:"1" maxLength:"256" doc:"column to learn"`
	Labels          map[string]string `json:"labels,omitempty" maxProperties:"10000" doc:"raw value to class name; absent: the values themselves"`
	Drop            []string          `json:"drop,omitempty" maxItems:"10000" maxLength:"256" doc:"columns that never become features"`
	Categorical     []string          `json:"categorical,omitempty" maxItems:"10000" maxLength:"256" doc:"columns read as categories though they hold numbers"`
	Missing         string            `json:"missing,omitempty" enum:"impute,drop_rows" doc:"absent: impute"`
	Scaling         string            `json:"scaling,omitempty" enum:"federated,per_party,none" doc:"absent: federated"`
	Test            TestInput         `json:"test,omitempty"`
	Validation      *ValidationInput  `json:"validation,omitempty" doc:"absent: a fifth of the training rows"`
	Model           ModelInput        `json:"model"`
	Train           TrainInput        `json:"train"`
	Strategy        StrategyInput     `json:"strategy,omitempty"`
	Rounds          int               `json:"rounds" minimum:"1" maximum:"100000"`
	Seed            uint64            `json:"seed,omitempty"`
	DeadlineSeconds int               `json:"deadlineSeconds,omitempty" minimum:"0" maximum:"604800" doc:"of a round; absent: from recent rounds"`
	Quorum          int               `json:"quorum,omitempty" minimum:"0" maximum:"10000" doc:"updates that close a round at the deadline; absent: two thirds"`
	Contribution    string            `json:"contribution,omitempty" enum:"shapley,none" doc:"absent: shapley"`
}

// TestInput says which rows are test rows: by column and value, or a fraction.
type TestInput struct {
	Fraction plainNumber `json:"fraction,omitempty" minimum:"0" maximum:"1"`
	Seed     uint64      `json:"seed,omitempty"`
	Column   string      `json:"column,omitempty" maxLength:"256"`
	Value    string      `json:"value,omitempty" maxLength:"256"`
}

// ValidationInput is the share of training rows held out for scoring rounds.
type ValidationInput struct {
	Fraction plainNumber `json:"fraction" minimum:"0" maximum:"1"`
}

// ModelInput is a model family with its layers.
type ModelInput struct {
	Family string       `json:"family" minLength:"1" maxLength:"64" doc:"logistic, linear or layers"`
	Layers []LayerInput `json:"layers,omitempty" maxItems:"256"`
}

// LayerInput is one layer of a network.
type LayerInput struct {
	Type   string      `json:"type" enum:"Linear,ReLU,LeakyReLU,Sigmoid,Tanh,GELU,Dropout,LayerNorm,Softmax"`
	In     int         `json:"in,omitempty" minimum:"0" maximum:"1000000" doc:"0: from the columns"`
	Out    int         `json:"out,omitempty" minimum:"0" maximum:"1000000" doc:"0: from the classes"`
	NoBias bool        `json:"noBias,omitempty"`
	P      plainNumber `json:"p,omitempty" minimum:"0" maximum:"1" doc:"of Dropout"`
	Slope  plainNumber `json:"slope,omitempty" doc:"of LeakyReLU"`
}

// TrainInput is how a party trains in one round: epochs or steps.
type TrainInput struct {
	Optimizer   string      `json:"optimizer,omitempty" enum:"sgd,adam"`
	LR          plainNumber `json:"lr" minimum:"0" doc:"learning rate"`
	Batch       int         `json:"batch" minimum:"1" maximum:"10000000"`
	Epochs      int         `json:"epochs,omitempty" minimum:"0" maximum:"1000000"`
	Steps       int         `json:"steps,omitempty" minimum:"0" maximum:"10000000"`
	Momentum    plainNumber `json:"momentum,omitempty" minimum:"0" maximum:"1"`
	WeightDecay plainNumber `json:"weightDecay,omitempty" minimum:"0"`
	Clip        plainNumber `json:"clip,omitempty" minimum:"0" doc:"gradient norm; 0: none"`
}

// StrategyInput names the aggregation.
type StrategyInput struct {
	Name string      `json:"name,omitempty" maxLength:"64" doc:"fedavg or fedprox"`
	Mu   plainNumber `json:"mu,omitempty" minimum:"0" doc:"proximal weight of fedprox"`
}

// plainNumber stands for a float64 in an input: a number, never null.
type plainNumber struct{}

// Schema implements huma.SchemaProvider.
func (plainNumber) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber}
}
