package model_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
)

func layers(l ...fed.LayerSpec) fed.ModelSpec { return fed.ModelSpec{Family: model.Layers, Layers: l} }

func lin(out int) fed.LayerSpec { return fed.LayerSpec{Type: "Linear", Out: out} }

func newRand() *rand.Rand { return rand.New(rand.NewPCG(11, 7)) }

func build(t *testing.T, spec fed.ModelSpec, task string, features, classes int) *model.Model {
	t.Helper()
	m, err := model.New(spec, task, features, classes)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSizing(t *testing.T) {
	mlp := layers(lin(8), fed.LayerSpec{Type: "ReLU"}, fed.LayerSpec{Type: "LayerNorm"}, fed.LayerSpec{Type: "Linear", NoBias: true})
	for _, c := range []struct {
		name                     string
		spec                     fed.ModelSpec
		task                     string
		classes, outputs, params int
		names                    string
	}{
		{"binary", fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 2, 1, 6, "weight[1 5] bias[1]"},
		{"softmax", fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 4, 4, 24, "weight[4 5] bias[4]"},
		{"linear", fed.ModelSpec{Family: model.Linear}, fed.TaskRegress, 0, 1, 6, "weight[1 5] bias[1]"},
		{"layers", mlp, fed.TaskClassify, 3, 3, 48 + 16 + 24, "0.weight[8 5] 0.bias[8] 2.weight[8] 2.bias[8] 3.weight[3 8]"},
		{"layers, value", mlp, fed.TaskRegress, 0, 1, 48 + 16 + 8, "0.weight[8 5] 0.bias[8] 2.weight[8] 2.bias[8] 3.weight[1 8]"},
		{"two logits", layers(lin(2)), fed.TaskClassify, 2, 2, 12, "0.weight[2 5] 0.bias[2]"},
		{"final sigmoid", layers(lin(0), fed.LayerSpec{Type: "Sigmoid"}), fed.TaskClassify, 2, 1, 6, "0.weight[1 5] 0.bias[1]"},
		{"final softmax", layers(lin(0), fed.LayerSpec{Type: "Softmax"}), fed.TaskClassify, 3, 3, 18, "0.weight[3 5] 0.bias[3]"},
	} {
		m := build(t, c.spec, c.task, 5, c.classes)
		p := m.Init(newRand())
		if m.Outputs() != c.outputs || m.Parameters() != c.params || p.Len() != c.params {
			t.Errorf("%s: %d outputs, %d params, want %d, %d", c.name, m.Outputs(), m.Parameters(), c.outputs, c.params)
		}
		if got := describe(p); got != c.names {
			t.Errorf("%s: %s, want %s", c.name, got, c.names)
		}
		if err := m.Check(p); err != nil || !p.Finite() {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if mlp.Layers[0].In != 0 || mlp.Layers[3].Out != 0 {
		t.Error("New changed the caller's specification")
	}
	m := build(t, mlp, fed.TaskClassify, 5, 3)
	if l := m.Spec().Layers; l[0].In != 5 || l[3].In != 8 || l[3].Out != 3 {
		t.Errorf("sizes are not filled in: %+v", l)
	}
}

func describe(p tensor.Params) string {
	var names []string
	for _, x := range p {
		names = append(names, x.Name+fmt.Sprint(x.Shape))
	}
	return strings.Join(names, " ")
}

func TestNewNamesTheLayer(t *testing.T) {
	relu := fed.LayerSpec{Type: "ReLU"}
	for _, c := range []struct {
		name     string
		spec     fed.ModelSpec
		task     string
		features int
		classes  int
		text     string
		hint     string
	}{
		{"in differs from the data", layers(fed.LayerSpec{Type: "Linear", In: 7, Out: 3}, relu, lin(0)), fed.TaskClassify, 5, 2, "layer 0 (Linear) expects 7 columns but the data has 5", "set its in to 0 (sized for you) or 5"},
		{"in differs from the layer before", layers(lin(3), relu, fed.LayerSpec{Type: "Linear", In: 4}), fed.TaskClassify, 5, 2, "layer 2 (Linear) expects 4 columns but layer 1 (ReLU) gives 3", "or 3"},
		{"hidden out missing", layers(lin(0), relu, lin(0)), fed.TaskClassify, 5, 2, "layer 0 (Linear) has 0 outputs", "only the last"},
		{"hidden out negative", layers(lin(-3), relu, lin(0)), fed.TaskClassify, 5, 2, "layer 0 (Linear) has -3 outputs", ""},
		{"last out differs", layers(lin(7)), fed.TaskClassify, 5, 3, "layer 0 (Linear) has 7 outputs but the target needs 3", "0 (sized for you) or 3"},
		{"two outputs for a value", layers(lin(2)), fed.TaskRegress, 5, 0, "has 2 outputs but the target needs 1", ""},
		{"activation behind the logits", layers(lin(0), relu), fed.TaskClassify, 5, 2, "layer 1 (ReLU) stands behind the last Linear", "remove it"},
		{"sigmoid on many logits", layers(lin(0), fed.LayerSpec{Type: "Sigmoid"}), fed.TaskClassify, 5, 3, "layer 1 (Sigmoid) stands behind", ""},
		{"softmax inside", layers(fed.LayerSpec{Type: "Softmax"}, lin(0)), fed.TaskClassify, 5, 3, "layer 0 (Softmax) stands inside", "last layer"},
		{"dropout behind a value", layers(lin(0), fed.LayerSpec{Type: "Dropout"}), fed.TaskRegress, 5, 0, "layer 1 (Dropout) would spoil", ""},
		{"unknown", layers(fed.LayerSpec{Type: "LSTM"}, lin(0)), fed.TaskClassify, 5, 2, "layer 0 (LSTM) is not a known layer", "LayerNorm"},
		{"no Linear", layers(relu), fed.TaskClassify, 5, 2, "no Linear layer", "add a Linear"},
		{"norm width", layers(lin(4), fed.LayerSpec{Type: "LayerNorm", In: 9}, lin(0)), fed.TaskClassify, 5, 2, "layer 1 (LayerNorm) says 9 to 0 columns but receives 4", ""},
		{"all dropped", layers(fed.LayerSpec{Type: "Dropout", P: 1}, lin(0)), fed.TaskClassify, 5, 2, "layer 0 (Dropout) drops the share 1", ""},
		{"NaN dropped", layers(fed.LayerSpec{Type: "Dropout", P: math.NaN()}, lin(0)), fed.TaskClassify, 5, 2, "layer 0 (Dropout)", ""},
		{"wild slope", layers(fed.LayerSpec{Type: "LeakyReLU", Slope: math.Inf(1)}, lin(0)), fed.TaskClassify, 5, 2, "layer 0 (LeakyReLU)", ""},
		{"too wide", layers(lin(1<<20), lin(0)), fed.TaskClassify, 5, 2, "layer 0 (Linear) has 1048576 outputs", ""},
		{"too many params", layers(lin(1<<16), lin(1<<16), lin(0)), fed.TaskClassify, 5, 2, "layer 1 (Linear) takes the model above", "narrower"},
		{"too deep", layers(make([]fed.LayerSpec, 300)...), fed.TaskClassify, 5, 2, "300 layers", ""},
		{"logistic value", fed.ModelSpec{Family: model.Logistic}, fed.TaskRegress, 5, 0, "predicts classes", "linear"},
		{"linear class", fed.ModelSpec{Family: model.Linear}, fed.TaskClassify, 5, 2, "predicts values", "logistic"},
		{"family", fed.ModelSpec{Family: "forest"}, fed.TaskClassify, 5, 2, `family "forest"`, "logistic"},
		{"one class", fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 5, 1, "with 1 classes", ""},
		{"no features", fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 0, 2, "0 features", ""},
		{"task", fed.ModelSpec{Family: model.Logistic}, "rank", 5, 2, `task "rank"`, ""},
	} {
		_, err := model.New(c.spec, c.task, c.features, c.classes)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		if fed.KindOf(err) != fed.Invalid || !strings.Contains(err.Error(), c.text) || !strings.Contains(fed.HintOf(err), c.hint) || fed.HintOf(err) == "" {
			t.Errorf("%s: %v (hint %s), want %s (%s)", c.name, err, fed.HintOf(err), c.text, c.hint)
		}
	}
}

// He: variance 2/in before a ReLU; Glorot: variance 2/(in+out) otherwise.
func TestInit(t *testing.T) {
	m := build(t, layers(lin(200), fed.LayerSpec{Type: "ReLU"}, lin(300), fed.LayerSpec{Type: "Tanh"}, lin(0)), fed.TaskClassify, 400, 2)
	p := m.Init(newRand())
	for name, want := range map[string]float64{"0.weight": 2. / 400, "2.weight": 2. / 500} {
		x, _ := p.Find(name)
		var ss float64
		for _, v := range x.Data {
			ss += float64(v) * float64(v)
		}
		// 60,000 draws or more: the sample variance lies within 3 %.
		if got := ss / float64(len(x.Data)); math.Abs(got/want-1) > 0.03 {
			t.Errorf("%s: variance %v, want %v", name, got, want)
		}
	}
	if b, _ := p.Find("0.bias"); (tensor.Params{b}).Norm() != 0 {
		t.Error("biases do not start at 0")
	}
	if tensor.Hash(p) != tensor.Hash(m.Init(newRand())) {
		t.Error("the same generator gives other params")
	}
	if l := build(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 4, 2); l.Init(newRand()).Norm() != 0 {
		t.Error("logistic does not start at 0")
	}
}

func TestJudge(t *testing.T) {
	binary := build(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 1, 2)
	multi := build(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 1, 3)
	two := build(t, layers(lin(2)), fed.TaskClassify, 1, 2)
	value := build(t, fed.ModelSpec{Family: model.Linear}, fed.TaskRegress, 1, 0)
	ln3 := float32(math.Log(3))
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		name string
		m    *model.Model
		z    []float32
		y    float32
		want model.Row
	}{
		{"sigmoid 0", binary, []float32{0}, 1, model.Row{Loss: math.Ln2, Positive: 0.5}},
		{"sigmoid ln 3", binary, []float32{ln3}, 1, model.Row{Loss: math.Log(4. / 3), Predicted: 1, Positive: 0.75}},
		{"sigmoid far right", binary, []float32{1000}, 1, model.Row{Predicted: 1, Positive: 1}},
		{"sigmoid far wrong", binary, []float32{1000}, 0, model.Row{Loss: 1000, Predicted: 1, Positive: 1}},
		{"sigmoid NaN", binary, []float32{nan}, 0, model.Row{Loss: math.MaxFloat32}},
		{"sigmoid infinite", binary, []float32{inf}, 0, model.Row{Loss: math.MaxFloat32, Predicted: 1, Positive: 1}},
		{"softmax", multi, []float32{0, ln3, 0}, 1, model.Row{Loss: math.Log(5. / 3), Predicted: 1}},
		{"softmax far wrong", multi, []float32{-1000, 1000, 0}, 0, model.Row{Loss: 2000, Predicted: 1}},
		{"softmax NaN", multi, []float32{nan, 0, 1}, 2, model.Row{Loss: math.MaxFloat32}},
		{"two logits", two, []float32{0, ln3}, 0, model.Row{Loss: math.Log(4), Predicted: 1, Positive: 0.75}},
		{"squared error", value, []float32{2.5}, 1, model.Row{Loss: 2.25, Value: 2.5}},
		{"value infinite", value, []float32{-inf}, 0, model.Row{Loss: math.MaxFloat32 * math.MaxFloat32, Value: -math.MaxFloat32}},
	} {
		got := c.m.Judge(c.z, c.y)
		if got.Predicted != c.want.Predicted || !near(got.Loss, c.want.Loss) || !near(got.Positive, c.want.Positive) || !near(got.Value, c.want.Value) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// near allows for the rounding of a logit to float32.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-7*(1+math.Abs(b)) }

func TestPredict(t *testing.T) {
	binary := build(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 1, 2)
	p := binary.Zeros()
	p[0].Data[0] = float32(math.Log(3))
	if diff := cmp.Diff([]float32{0.25, 0.75, 0.5, 0.5}, binary.Predict(p, []float32{1, 0}, 2), closeTo); diff != "" {
		t.Error(diff)
	}
	multi := build(t, fed.ModelSpec{Family: model.Logistic}, fed.TaskClassify, 1, 3)
	p = multi.Zeros()
	p[1].Data[2] = float32(math.Log(2))
	if diff := cmp.Diff([]float32{0.25, 0.25, 0.5}, multi.Predict(p, []float32{9}, 1), closeTo); diff != "" {
		t.Error(diff)
	}
	value := build(t, fed.ModelSpec{Family: model.Linear}, fed.TaskRegress, 2, 0)
	p = value.Zeros()
	p.SetFlat([]float32{2, -1, 0.5})
	if diff := cmp.Diff([]float32{3.5, -0.5}, value.Predict(p, []float32{3, 3, 0, 1}, 2), closeTo); diff != "" {
		t.Error(diff)
	}
}

var closeTo = cmp.Comparer(func(a, b float32) bool { return near(float64(a), float64(b)) })
