package fed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const goodConfig = `{
  "version": 1, "task": "classify", "target": "ill", "labels": {"0": "no", "1": "yes"}, "drop": ["id"],
  "test": {"fraction": 0.2, "seed": 7}, "validation": {"fraction": 0.25},
  "model": {"family": "layers", "layers": [{"type": "Linear", "out": 8, "noBias": true}, {"type": "ReLU"}, {"type": "Linear"}]},
  "train": {"optimizer": "sgd", "lr": 0.1, "batch": 32, "epochs": 2},
  "strategy": {"name": "fedprox", "mu": 0.5}, "rounds": 20, "seed": 9007199254740991
}`

func TestReadConfig(t *testing.T) {
	want := RunConfig{
		Version: 1, Task: "classify", Target: "ill", Labels: map[string]string{"0": "no", "1": "yes"}, Drop: []string{"id"},
		Test: TestSplit{Fraction: 0.2, Seed: 7}, Validation: &Validation{Fraction: 0.25},
		Model: ModelSpec{Family: "layers", Layers: []LayerSpec{{Type: "Linear", Out: 8, NoBias: true}, {Type: "ReLU"}, {Type: "Linear"}}},
		Train: TrainSpec{Optimizer: "sgd", LR: 0.1, Batch: 32, Epochs: 2}, Strategy: StrategySpec{Name: "fedprox", Mu: 0.5}, Rounds: 20, Seed: 1<<53 - 1,
	}
	for name, text := range map[string]string{"as it is": goodConfig, "with a mark in front": "\ufeff" + goodConfig, "with space behind": goodConfig + " \n"} {
		got, err := ReadConfig(strings.NewReader(text))
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %v\n%s", name, err, cmp.Diff(want, got))
		}
	}
}

// Each mistake is named with its place and what is wrong there.
func TestReadConfigNamesThePlace(t *testing.T) {
	for _, c := range []struct{ old, new, want, hint string }{
		{`"lr": 0.1`, `"lrr": 0.1, "lr": 0.1`, "train.lrr is not a known setting", "Remove it, or correct its spelling."},
		{`"lr": 0.1`, `"LR": 0.1`, "train.LR is not a known setting; train.lr is missing", "Remove it, or correct its spelling."},
		{`"rounds": 20`, `"rounds": "20"`, "rounds should be a whole number, but is a text", "Correct the value."},
		{`"rounds": 20`, `"rounds": 1.5`, "rounds should be a whole number, but is 1.5", "Correct the value."},
		{`"rounds": 20`, `"rounds": 1e30`, "rounds should be a whole number, but is 1e30", "Correct the value."},
		{`"lr": 0.1`, `"lr": 1e999`, "train.lr should be a number, but is 1e999", "Correct the value."},
		{`"rounds": 20, `, ``, "rounds is missing", "Add it."},
		{`"seed": 7`, `"seed": -7`, "test.seed should be a whole number of 0 or more, but is -7", "Correct the value."},
		{`"out": 8`, `"out": [8]`, "model.layers.1.out should be a whole number, but is a list", "Correct the value."},
		{`"noBias": true`, `"noBias": 1`, "model.layers.1.noBias should be true or false, but is 1", "Correct the value."},
		{`{"type": "ReLU"}`, `{"kind": "ReLU"}`, "model.layers.2.kind is not a known setting; model.layers.2.type is missing", "Remove it, or correct its spelling."},
		{`{"fraction": 0.25}`, `null`, "validation is empty (null), but should be a group of settings in { }", "Leave it out, or give it a value."},
		{`"labels": {"0": "no"`, `"labels": {"0": 0`, "labels.0 should be a text in quotes, but is 0", "Correct the value."},
		{`["id"]`, `"id"`, "drop should be a list in [ ], but is a text", "Correct the value."},
		{`"version": 1`, `"version": 1, "version": 1`, "version stands twice", "Keep one of them."},
		{`"labels": {"0": "no"`, `"labels": {"0": "no", "0": "yes"`, "labels.0 stands twice", "Keep one of them."},
		{`"rounds": 20`, `"rounds": 20, "a\nb\u0007": 1`, "ab is not a known setting", "Remove it, or correct its spelling."},
		{`"rounds": 20`, `"rounds": 20, "` + strings.Repeat("ä", 99) + `": 1`, strings.Repeat("ä", 60) + "… is not a known setting", "Remove it, or correct its spelling."},
		{`"rounds": 20`, `"rounds": 20, "a":1, "b":1, "c":1, "d":1, "e":1, "f":1, "g":1`, "a is not a known setting; b is not a known setting; c is not a known setting; d is not a known setting; e is not a known setting; and 2 more", "Remove it, or correct its spelling."},
		{`"rounds": 20`, `"rounds" 20`, "the settings are not JSON: there is a mistake in line 6, column 56", "Use a file that the app saved, or correct it there."},
		{goodConfig, ``, "the settings are not JSON: there is a mistake in line 1, column 1", "Use a file that the app saved, or correct it there."},
		{goodConfig, `[]`, "the document should be a group of settings in { }, but is a list", "Correct the value."},
		{goodConfig, goodConfig + `{}`, "the settings are not JSON: there is a mistake in line 7, column 2", "Use a file that the app saved, or correct it there."},
		{goodConfig, strings.Repeat(" ", MaxConfig) + `{}`, "the settings are larger than 200 KiB", "Use a file that the app saved."},
	} {
		text := strings.Replace(goodConfig, c.old, c.new, 1)
		if text == goodConfig {
			t.Fatalf("%s does not stand in the document", c.old)
		}
		got, err := ReadConfig(strings.NewReader(text))
		if err == nil || err.Error() != c.want || HintOf(err) != c.hint || KindOf(err) != Invalid {
			t.Errorf("%s:\n got %v (%s)\nwant %s (%s)", c.new[:min(len(c.new), 60)], err, HintOf(err), c.want, c.hint)
		}
		if !cmp.Equal(got, RunConfig{}) {
			t.Errorf("%s: half a configuration came back", c.want)
		}
	}
	if _, err := ReadConfig(iotest.ErrReader(errors.New("torn"))); KindOf(err) != Invalid || !strings.Contains(err.Error(), "torn") {
		t.Errorf("a file that breaks off: %v", err)
	}
	if _, err := ReadConfig(endless{}); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a file without end: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

var _ io.Reader = endless{}

// What is written is read again, whatever it holds.
func TestReadConfigReadsWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want RunConfig
		fill(t, reflect.ValueOf(&want).Elem(), "c")
		raw, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadConfig(strings.NewReader(string(raw)))
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if again, _ := json.Marshal(got); string(again) != string(raw) {
			t.Fatalf("%s\nbecame %s", raw, again)
		}
	})
}

func fill(t *rapid.T, v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, name) {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), name)
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(rapid.MapOf(rapid.String(), rapid.String()).Draw(t, name)))
	case reflect.Slice:
		n := rapid.IntRange(0, 3).Draw(t, name)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(t, v.Index(i), fmt.Sprint(name, i))
		}
	case reflect.String:
		v.SetString(rapid.String().Draw(t, name))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, name))
	case reflect.Float64:
		v.SetFloat(rapid.Float64().Draw(t, name))
	case reflect.Int:
		v.SetInt(int64(rapid.Int().Draw(t, name)))
	case reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, name))
	}
}

// No text makes the reader fail in another way than by an error of kind Invalid.
func FuzzReadConfig(f *testing.F) {
	f.Add(goodConfig)
	f.Add(`{"model":{"layers":[null,{"p":1e999}]},"labels":{"\ud800":""}}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ReadConfig(strings.NewReader(text))
		if err != nil {
			if KindOf(err) != Invalid || HintOf(err) == "" || err.Error() == "" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if _, err := json.Marshal(c); err != nil {
			t.Errorf("%q cannot be written again: %v", text, err)
		}
	})
}
