package fed

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// Task kinds of a run configuration.
const (
	TaskClassify = "classify"
	TaskRegress  = "regress"
)

// RunConfig is the whole configuration of one training: the document that the
// GUI exports and imports, that `simulate --config` reads, and that is frozen
// and hashed when a run leaves draft.
type RunConfig struct {
	Version     int               `json:"version"`
	Task        string            `json:"task"`
	Target      string            `json:"target"`
	Labels      map[string]string `json:"labels,omitempty"`      // raw label value -> class name; empty: the values themselves
	Drop        []string          `json:"drop,omitempty"`        // columns that never become features
	Categorical []string          `json:"categorical,omitempty"` // columns read as categories though they hold numbers
	Missing     string            `json:"missing,omitempty"`     // impute (default) | drop_rows
	Scaling     string            `json:"scaling,omitempty"`     // federated (default) | per_party | none
	Test        TestSplit         `json:"test"`
	Validation  *Validation       `json:"validation,omitempty"` // nil: none is held out
	Model       ModelSpec         `json:"model"`
	Train       TrainSpec         `json:"train"`
	Strategy    StrategySpec      `json:"strategy"`
	Rounds      int               `json:"rounds"`
	Seed        uint64            `json:"seed"`
	// DeadlineSeconds bounds a round; 0 means three times the median of recent
	// rounds and at least 60 s. Quorum is the least number of updates that close
	// a round at the deadline; 0 means ceil(2n/3).
	DeadlineSeconds int `json:"deadlineSeconds,omitempty"`
	Quorum          int `json:"quorum,omitempty"`
	// Contribution is "shapley" (default) or "none".
	Contribution string `json:"contribution,omitempty"`
}

// HoldOut returns the share of training rows held out for validation.
func (c RunConfig) HoldOut() float64 {
	if c.Validation == nil {
		return 0
	}
	return c.Validation.Fraction
}

// TestSplit says which rows of a party are its test rows: those where Column
// has Value, or a seeded fraction stratified by label.
type TestSplit struct {
	Fraction float64 `json:"fraction,omitempty"`
	Seed     uint64  `json:"seed,omitempty"`
	Column   string  `json:"column,omitempty"`
	Value    string  `json:"value,omitempty"`
}

// Validation says which share of the training rows is held out for the curves,
// for choosing the best round and for scoring contributions. Without it all
// training rows train, curves and scores use the test rows, and the last params are
// kept, since nothing may be chosen on test rows.
type Validation struct {
	Fraction float64 `json:"fraction"`
}

// ModelSpec is a model family with its architecture. Families: logistic
// (binary or softmax by the number of classes), linear, layers.
type ModelSpec struct {
	Family string      `json:"family"`
	Layers []LayerSpec `json:"layers,omitempty"`
}

// LayerSpec is one layer. Type is Linear, ReLU, LeakyReLU, Sigmoid, Tanh, GELU,
// Dropout or LayerNorm; In and Out of Linear may be 0 and are then sized from the
// aligned columns and classes.
type LayerSpec struct {
	Type   string  `json:"type"`
	In     int     `json:"in,omitempty"`
	Out    int     `json:"out,omitempty"`
	NoBias bool    `json:"noBias,omitempty"`
	P      float64 `json:"p,omitempty"`     // Dropout
	Slope  float64 `json:"slope,omitempty"` // LeakyReLU
}

// TrainSpec is how a party trains in one round: Epochs passes or exactly Steps
// optimiser steps (one of the two).
type TrainSpec struct {
	Optimizer   string  `json:"optimizer"` // sgd | adam
	LR          float64 `json:"lr"`
	Batch       int     `json:"batch"`
	Epochs      int     `json:"epochs,omitempty"`
	Steps       int     `json:"steps,omitempty"`
	Momentum    float64 `json:"momentum,omitempty"`
	WeightDecay float64 `json:"weightDecay,omitempty"` // L2, added to the gradient
	Clip        float64 `json:"clip,omitempty"`        // gradient norm; 0: none
}

// StrategySpec names the aggregation. Mu is FedProx's proximal weight.
type StrategySpec struct {
	Name string  `json:"name"` // fedavg | fedprox
	Mu   float64 `json:"mu,omitempty"`
}

// Sums are metrics as mergeable sums over rows (never means), so that parties'
// figures add up. Slices may be empty when they do not apply.
type Sums struct {
	Examples  int64   `json:"examples"`
	Loss      float64 `json:"loss"`      // summed log-loss (nats) or squared error
	Correct   int64   `json:"correct"`   // plain accuracy numerator
	Confusion []int64 `json:"confusion"` // [classes*classes] row = true class, column = predicted
	// Scores is a histogram of the positive score of a binary model on
	// len/2 equal bins of [0,1]: first the negatives' counts, then the positives'.
	Scores Histogram `json:"scores"`
	// Regression sums.
	Absolute  float64 `json:"absolute"`  // sum |y - f|
	Target    float64 `json:"target"`    // sum y
	TargetSq  float64 `json:"targetSq"`  // sum y*y
	Residual2 float64 `json:"residual2"` // sum (y-f)^2
}

// Metrics are finished figures by name: accuracy, auc, logLoss, balancedAccuracy,
// precision, recall, f1, brier; or r2, mse, mae, rmse. Undefined ones are absent.
type Metrics map[string]Number

// Checkpoint cites params and strategy state after a round.
type Checkpoint struct {
	Term   uint64 `json:"term"`
	Round  int    `json:"round"`
	Digest Digest `json:"digest"`
	Parent Digest `json:"parent"`
}

// Newer reports whether c is newer than o by (term, round).
func (c Checkpoint) Newer(o Checkpoint) bool {
	return c.Term > o.Term || c.Term == o.Term && c.Round > o.Round
}

// Rand returns the generator of one piece of randomness of a run, so that a run
// replays bit for bit: it depends only on the run's seed, the round, the party's
// name in the run (not its key, so that rehearsal and grid agree) and purpose.
func Rand(seed uint64, round int, party, purpose string) *rand.Rand {
	h := sha256.New()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], seed)
	binary.LittleEndian.PutUint64(b[8:], uint64(round))
	h.Write([]byte("synergos/rand/1"))
	h.Write(b[:])
	h.Write([]byte(party))
	h.Write([]byte{0})
	h.Write([]byte(purpose))
	var key [32]byte
	h.Sum(key[:0])
	return rand.New(rand.NewChaCha8(key))
}
