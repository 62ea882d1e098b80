package model

import (
	"fmt"
	"math"
	"slices"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/tensor"
)

// Bounds of what a specification may ask for.
const (
	MaxLayers     = 256
	MaxWidth      = 1 << 16
	MaxClasses    = 1024
	MaxParameters = 1 << 27
)

// New builds the model of a specification for a task, features columns and
// classes classes (ignored for a regression). An impossible specification is of
// kind Invalid; for layers its text names the layer by index and type and its
// hint says what to change.
func New(spec fed.ModelSpec, task string, features, classes int) (*Model, error) {
	m := &Model{spec: spec, task: task, features: features, classes: classes, outputs: 1}
	switch task {
	case fed.TaskClassify:
		if classes < 2 || classes > MaxClasses {
			return nil, refuse(fmt.Sprintf("choose a target column with 2 to %d classes", MaxClasses), "a classification with %d classes", classes)
		}
		if classes > 2 {
			m.outputs = classes
		}
	case fed.TaskRegress:
		m.classes = 0
	default:
		return nil, refuse("choose classify or regress", "unknown task %q", task)
	}
	if features < 1 || features > MaxWidth {
		return nil, refuse(fmt.Sprintf("use 1 to %d feature columns", MaxWidth), "a model of %d features", features)
	}
	if err := m.build(); err != nil {
		return nil, err
	}
	m.head = headOf(task, m.outputs)
	return m, nil
}

func (m *Model) build() error {
	switch {
	case m.spec.Family == Logistic && m.task == fed.TaskClassify, m.spec.Family == Linear && m.task == fed.TaskRegress:
		if len(m.spec.Layers) > 0 {
			return refuse("remove the layers or choose the family layers", "a %s model has no layers", m.spec.Family)
		}
		return m.add(0, "", dense{in: m.features, out: m.outputs, bias: true}, m.features, m.outputs)
	case m.spec.Family == Logistic:
		return refuse("choose linear or layers for a regression", "a logistic model predicts classes, not values")
	case m.spec.Family == Linear:
		return refuse("choose logistic or layers for a classification", "a linear model predicts values, not classes")
	case m.spec.Family == Layers:
		return m.buildLayers()
	}
	return refuse("choose logistic, linear or layers", "unknown model family %q", m.spec.Family)
}

// add puts a layer on the stack and its tensors, named after prefix, into the
// template.
func (m *Model) add(index int, prefix string, l layer, in, out int) error {
	first := len(m.template)
	for _, t := range l.tensors() {
		size := 1
		for _, d := range t.shape {
			size *= d // each at most MaxWidth, at most two
		}
		if size > MaxParameters-m.Parameters() {
			return refuse("make the layers narrower", "layer %d (%s) takes the model above %d parameters", index, l.kind(), MaxParameters)
		}
		m.template = append(m.template, tensor.Tensor{Name: prefix + t.name, Shape: t.shape, Data: make([]float32, size)})
	}
	m.stack = append(m.stack, placed{layer: l, first: first, last: len(m.template), in: in, out: out})
	return nil
}

func (m *Model) buildLayers() error {
	specs := slices.Clone(m.spec.Layers)
	m.spec.Layers = specs
	last := -1
	for i, s := range specs {
		if s.Type == "Linear" {
			last = i
		}
	}
	if len(specs) > MaxLayers {
		return refuse(fmt.Sprintf("use at most %d layers", MaxLayers), "a model of %d layers", len(specs))
	}
	if last < 0 {
		return refuse("add a Linear layer that ends in the outputs", "the model has no Linear layer")
	}
	if err := m.sizeOutputs(last); err != nil {
		return err
	}
	width := m.features
	for i := range specs {
		out, err := m.buildLayer(i, last, width)
		if err != nil {
			return err
		}
		width = out
	}
	return nil
}

// sizeOutputs settles the outputs of the last Linear and of the model.
func (m *Model) sizeOutputs(last int) error {
	s := &m.spec.Layers[last]
	switch {
	case s.Out == 0:
		s.Out = m.outputs
	case s.Out == 2 && m.classes == 2:
		m.outputs = 2
	case s.Out != m.outputs:
		return refuseLayer(last, *s, fmt.Sprintf("set its out to 0 (sized for you) or %d", m.outputs),
			"has %d outputs but the target needs %d", s.Out, m.outputs)
	}
	return nil
}

// buildLayer adds layer i, whose input has width columns, and returns the width
// of its output.
func (m *Model) buildLayer(i, last, width int) (int, error) {
	s := &m.spec.Layers[i]
	if s.Type == "Linear" {
		return m.buildDense(i, width)
	}
	if s.In != 0 && s.In != width || s.Out != 0 && s.Out != width {
		return 0, refuseLayer(i, *s, "set its in and out to 0", "says %d to %d columns but receives %d", s.In, s.Out, width)
	}
	if i > last {
		done, err := m.afterLast(i)
		if done || err != nil {
			return width, err
		}
	}
	l, err := pointwiseLayer(i, *s, width)
	if err != nil {
		return 0, err
	}
	return width, m.add(i, fmt.Sprintf("%d.", i), l, width, width)
}

func (m *Model) buildDense(i, width int) (int, error) {
	s := &m.spec.Layers[i]
	if s.In == 0 {
		s.In = width
	}
	if s.In != width {
		from := "the data has"
		if i > 0 {
			from = fmt.Sprintf("layer %d (%s) gives", i-1, m.spec.Layers[i-1].Type)
		}
		return 0, refuseLayer(i, *s, fmt.Sprintf("set its in to 0 (sized for you) or %d", width),
			"expects %d columns but %s %d", s.In, from, width)
	}
	if s.Out < 1 || s.Out > MaxWidth {
		return 0, refuseLayer(i, *s, fmt.Sprintf("set its out to 1 to %d; only the last Linear may leave it 0", MaxWidth), "has %d outputs", s.Out)
	}
	return s.Out, m.add(i, fmt.Sprintf("%d.", i), dense{in: width, out: s.Out, bias: !s.NoBias}, width, s.Out)
}

// afterLast judges what stands behind the last Linear. Sigmoid and Softmax that
// only turn a classification's logits into probabilities are done: prediction
// applies them and the loss is computed before them.
func (m *Model) afterLast(i int) (done bool, err error) {
	s := m.spec.Layers[i]
	if m.task == fed.TaskClassify {
		final := i == len(m.spec.Layers)-1
		if final && (s.Type == "Sigmoid" && m.outputs == 1 || s.Type == "Softmax" && m.outputs > 1) {
			return true, nil
		}
		return false, refuseLayer(i, s, "remove it: the loss and the probabilities are computed on the outputs of the last Linear",
			"stands behind the last Linear")
	}
	if s.Type == "Dropout" || s.Type == "LayerNorm" {
		return false, refuseLayer(i, s, "move it before the last Linear", "would spoil the predicted value")
	}
	return false, nil
}

func pointwiseLayer(i int, s fed.LayerSpec, width int) (layer, error) {
	switch s.Type {
	case "ReLU":
		return relu{}, nil
	case "LeakyReLU":
		slope := s.Slope
		if slope == 0 {
			slope = 0.01
		}
		if !(math.Abs(slope) <= 1) {
			return nil, refuseLayer(i, s, "use a slope between 0 and 1, such as 0.01", "has the slope %v", s.Slope)
		}
		return relu{slope: float32(slope), leaky: true}, nil
	case "Sigmoid":
		return sigmoidLayer, nil
	case "Tanh":
		return tanhLayer, nil
	case "GELU":
		return geluLayer, nil
	case "Dropout":
		if !(s.P >= 0 && s.P < 1) {
			return nil, refuseLayer(i, s, "use a share from 0 to below 1, such as 0.5", "drops the share %v", s.P)
		}
		return dropout{p: s.P}, nil
	case "LayerNorm":
		return layerNorm{width: width}, nil
	case "Softmax":
		return nil, refuseLayer(i, s, "use it only as the last layer of a classification", "stands inside the model")
	}
	return nil, refuseLayer(i, s, "use Linear, ReLU, LeakyReLU, Sigmoid, Tanh, GELU, Dropout or LayerNorm", "is not a known layer")
}

func refuse(hint, format string, args ...any) error {
	return fed.Errorf(fed.Invalid, hint, format, args...)
}

func refuseLayer(i int, s fed.LayerSpec, hint, format string, args ...any) error {
	return refuse(hint, "layer %d (%.40s) %s", i, s.Type, fmt.Sprintf(format, args...))
}
