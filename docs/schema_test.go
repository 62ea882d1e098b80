// Package docs holds the written documents. Its tests keep them true: the schema
// has exactly the keys of the Go types and refuses what the app refuses, the
// examples are valid, links lead somewhere and every dependency has its reason.
package docs

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/strategy"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/train"
	"synergos.app/desktop/backend/service/experiment"
)

func readSchema(t *testing.T) *schema {
	t.Helper()
	raw, err := os.ReadFile("run-config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s := &schema{t: t}
	if err := json.Unmarshal(raw, &s.root); err != nil {
		t.Fatal(err)
	}
	return s
}

// Every JSON key of fed.RunConfig and of what it holds stands in the schema with
// the right type, and the reverse.
func TestSchemaHasTheKeysOfTheTypes(t *testing.T) {
	s := readSchema(t)
	s.compare("$", reflect.TypeFor[fed.RunConfig](), s.root)
}

// compare reports where the properties of node and the fields of typ differ.
func (s *schema) compare(path string, typ reflect.Type, node object) {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	node = s.resolve(node)
	want := map[reflect.Kind]string{
		reflect.String: "string", reflect.Float64: "number", reflect.Int: "integer", reflect.Uint64: "integer", reflect.Bool: "boolean",
		reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object",
	}[typ.Kind()]
	if constant, ok := node["const"]; ok {
		if _, number := constant.(float64); !number || want != "integer" {
			s.t.Errorf("%s: the constant %v is no %s", path, constant, want)
		}
	} else if node["type"] != want {
		s.t.Errorf("%s: the schema says %v, the Go type is %s", path, node["type"], typ)
	}
	switch typ.Kind() {
	case reflect.Slice:
		s.compare(path+"[]", typ.Elem(), child(node, "items"))
	case reflect.Map:
		s.compare(path+".*", typ.Elem(), child(node, "additionalProperties"))
	case reflect.Struct:
		s.compareFields(path, typ, node)
	}
}

func (s *schema) compareFields(path string, typ reflect.Type, node object) {
	if node["additionalProperties"] != false {
		s.t.Errorf("%s: unknown keys are not refused", path)
	}
	left := child(node, "properties")
	known := map[string]bool{}
	for i := range typ.NumField() {
		key, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		if key == "" {
			s.t.Errorf("%s: the field %s has no JSON key", path, typ.Field(i).Name)
			continue
		}
		known[key] = true
		if _, ok := left[key]; !ok {
			s.t.Errorf("%s.%s is missing in the schema", path, key)
			continue
		}
		s.compare(path+"."+key, typ.Field(i).Type, child(left, key))
	}
	for key := range left {
		if !known[key] {
			s.t.Errorf("%s.%s stands in the schema but not in %s", path, key, typ)
		}
	}
}

// refused returns why the app does not take a configuration document, nil if it
// does: the checks of reading, of experiments, of training and of models.
func refused(raw []byte) error {
	c, err := fed.ReadConfig(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	if err := experiment.Check(c); err != nil {
		return err
	}
	if err := train.ValidSpec(c.Train); err != nil {
		return err
	}
	if _, err := strategy.New(c.Strategy); err != nil {
		return err
	}
	_, err = model.New(c.Model, c.Task, 12, 2)
	return err
}

// What the schema takes the app takes, and the reverse, one change of a good
// configuration at a time.
func TestSchemaAgreesWithTheApp(t *testing.T) {
	s := readSchema(t)
	good := example(t)
	if err := refused(good); err != nil || len(s.errors(parse(t, good))) > 0 {
		t.Fatalf("the example is refused: %v, %v", err, s.errors(parse(t, good)))
	}
	for _, c := range []struct {
		path, value string
		ok          bool
	}{
		{"version", "2", false}, {"unknown", "1", false}, {"target", `""`, false}, {"target", "null", false}, {"labels", `{"0":1}`, false},
		{"task", `"regress"`, false}, {"task", `"cluster"`, false}, {"model", `{"family":"linear"}`, false}, {"model", `{"family":"trees"}`, false},
		{"missing", `"drop_rows"`, true}, {"missing", `"zero"`, false}, {"scaling", `"per_party"`, true}, {"scaling", `"none"`, true}, {"scaling", `"minmax"`, false},
		{"contribution", `"none"`, true}, {"contribution", `"shapley"`, true}, {"contribution", `"loo"`, false},
		{"rounds", "0", false}, {"rounds", "10000", true}, {"rounds", "10001", false}, {"rounds", "1.5", false}, {"seed", "-1", false}, {"seed", "0", true},
		{"test.fraction", "0.9", true}, {"test.fraction", "0.95", false}, {"test.fraction", "-0.1", false}, {"test", `{"column":"split","value":"test"}`, true},
		{"validation", "null", true}, {"validation.fraction", "0", true}, {"validation.fraction", "0.91", false}, {"validation.rows", "3", false},
		{"train.lr", "0", false}, {"train.lr", "101", false}, {"train.batch", "0", false}, {"train.batch", "1048577", false},
		{"train.epochs", "0", false}, {"train.epochs", "10001", false}, {"train.steps", "5", false}, {"train.optimizer", `"adam"`, true}, {"train.optimizer", `"lamb"`, false},
		{"train.momentum", "1", false}, {"train.momentum", "0.9", true}, {"train.weightDecay", "-1", false}, {"train.clip", "-1", false}, {"train.clip", "1", true},
		{"strategy", `{"name":"fedprox","mu":0.1}`, true}, {"strategy", `{"name":"fedprox","mu":-1}`, false}, {"strategy", `{"name":"fedavg","mu":1}`, true}, {"strategy", `{"name":"scaffold"}`, false},
		{"model", `{"family":"layers","layers":[{"type":"Linear","out":8},{"type":"ReLU"},{"type":"Dropout","p":0.5},{"type":"LayerNorm"},{"type":"Linear"}]}`, true},
		{"model", `{"family":"layers","layers":[{"type":"Linear","out":8},{"type":"GELU"},{"type":"Tanh"},{"type":"LeakyReLU","slope":0.2},{"type":"Linear"},{"type":"Sigmoid"}]}`, true},
		{"model", `{"family":"layers","layers":[{"type":"Conv"},{"type":"Linear"}]}`, false}, {"model", `{"family":"layers","layers":[]}`, false},
		{"model", `{"family":"layers","layers":[{"type":"Dropout","p":1},{"type":"Linear"}]}`, false}, {"model", `{"family":"layers","layers":[{"type":"LeakyReLU","slope":2},{"type":"Linear"}]}`, false},
		{"model", `{"family":"logistic","layers":[{"type":"Linear"}]}`, false},
	} {
		doc := change(t, good, c.path, c.value)
		app, found := refused(doc), s.errors(parse(t, doc))
		if (app == nil) != c.ok || (len(found) == 0) != c.ok {
			t.Errorf("%s = %s: want accepted %v; the app says %v, the schema %v", c.path, c.value, c.ok, app, found)
		}
	}
}

// A required key that is left out is refused by both.
func TestSchemaRequires(t *testing.T) {
	s := readSchema(t)
	for _, key := range s.root["required"].([]any) {
		doc := change(t, example(t), key.(string), "")
		if app, found := refused(doc), s.errors(parse(t, doc)); app == nil || len(found) == 0 {
			t.Errorf("without %s: the app says %v, the schema %v", key, app, found)
		}
	}
}

func example(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("examples", "heart.json"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parse(t *testing.T, raw []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// change sets the value at a dotted path of a document; "" and null remove it.
func change(t *testing.T, doc []byte, path, value string) []byte {
	t.Helper()
	root := parse(t, doc).(object)
	at := root
	keys := strings.Split(path, ".")
	for _, k := range keys[:len(keys)-1] {
		at = at[k].(object)
	}
	last := keys[len(keys)-1]
	if value == "" || value == "null" {
		delete(at, last)
	} else {
		at[last] = parse(t, []byte(value))
	}
	raw, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
