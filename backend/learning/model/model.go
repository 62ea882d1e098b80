// Package model turns a model specification into a function of params and rows:
// logits, losses, gradients and predictions.
//
// It knows the families logistic (binary or softmax regression), linear and
// layers (an ordered list of layers). It does not loop over data or hold
// optimiser state (package train does), and it holds no numbers itself: a
// [Model] is immutable and safe for concurrent use; what a call needs besides
// params lives in a [Workspace], which belongs to one goroutine. Start with
// [New].
//
// Every loss is computed on logits (fused), so that no probability of 0 or 1 is
// ever the argument of a logarithm.
package model

import (
	"math/rand/v2"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/tensor"
)

// Families of models.
const (
	Logistic = "logistic"
	Linear   = "linear"
	Layers   = "layers"
)

// Model is the function that a specification describes for a number of features
// d and classes. Its outputs k are 1 for a regression, 1 for two classes (the
// logit of class 1), and one logit per class otherwise. A layers model whose
// last Linear says Out 2 for two classes keeps its two logits.
type Model struct {
	spec     fed.ModelSpec
	task     string
	features int
	classes  int
	outputs  int
	head     head
	stack    []placed
	template tensor.Params
}

// placed is a layer with the params it owns and its widths.
type placed struct {
	layer
	first, last int // params [first, last)
	in, out     int
}

// Spec returns the specification with every size filled in.
func (m *Model) Spec() fed.ModelSpec { return m.spec }

// Task returns the task, fed.TaskClassify or fed.TaskRegress.
func (m *Model) Task() string { return m.task }

// Features returns d, the width of a row.
func (m *Model) Features() int { return m.features }

// Classes returns the number of classes, 0 for a regression.
func (m *Model) Classes() int { return m.classes }

// Outputs returns k, the number of logits or values per row.
func (m *Model) Outputs() int { return m.outputs }

// Parameters returns how many numbers the params hold.
func (m *Model) Parameters() int { return m.template.Len() }

// Zeros returns params of zeros with the model's names and shapes.
func (m *Model) Zeros() tensor.Params { return m.template.ZerosLike() }

// Check returns nil if p has the model's names and shapes, else an error of kind
// Incompatible that names the tensor. Params from a peer or a file pass here
// before any other method sees them.
func (m *Model) Check(p tensor.Params) error { return tensor.Same(m.template, p) }

// Init returns the params that training starts from: zeros for logistic and
// linear; for layers, weights by He et al. 2015 before ReLU, LeakyReLU and GELU
// and by Glorot and Bengio 2010 otherwise, biases 0, LayerNorm gains 1.
func (m *Model) Init(rng *rand.Rand) tensor.Params {
	p := m.Zeros()
	if m.spec.Family != Layers {
		return p
	}
	for i, l := range m.stack {
		gain := 1.0
		if i+1 < len(m.stack) {
			gain = m.stack[i+1].gain()
		}
		l.init(p[l.first:l.last], gain, rng)
	}
	return p
}

// Forward returns the logits or values [n, k] of rows x [n, d], without dropout.
func (m *Model) Forward(p tensor.Params, x []float32, n int) []float32 {
	return m.NewWorkspace().Forward(p, x, n)
}

// Predict returns, for rows x [n, d], the class probabilities [n, classes] or
// the values [n, 1] of a regression.
func (m *Model) Predict(p tensor.Params, x []float32, n int) []float32 {
	logits := m.Forward(p, x, n)
	if m.task == fed.TaskRegress {
		return logits
	}
	out := make([]float32, n*m.classes)
	for i := range n {
		m.head.probabilities(logits[i*m.outputs:(i+1)*m.outputs], out[i*m.classes:(i+1)*m.classes])
	}
	return out
}

// Row is what one prediction is worth against its target.
type Row struct {
	// Loss is the log-loss in nats or the squared error. It is always finite: a
	// prediction that is not a number costs math.MaxFloat32.
	Loss float64
	// Predicted is the class with the highest probability.
	Predicted int
	// Positive is the probability of class 1 of two classes.
	Positive float64
	// Value is the prediction of a regression, finite like Loss.
	Value float64
}

// Judge compares the logits or value [k] of one row with its target y, a class
// index or a value.
func (m *Model) Judge(logits []float32, y float32) Row { return m.head.judge(logits, y) }
