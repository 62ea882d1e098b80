package fed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// MaxConfig bounds a configuration document, in bytes: it travels in a [Doc].
const MaxConfig = MaxDocBody

// requiredKeys are what no default can replace.
var requiredKeys = map[reflect.Type][]string{
	reflect.TypeFor[RunConfig]():    {"version", "task", "target", "model", "train", "strategy", "rounds"},
	reflect.TypeFor[Validation]():   {"fraction"},
	reflect.TypeFor[ModelSpec]():    {"family"},
	reflect.TypeFor[LayerSpec]():    {"type"},
	reflect.TypeFor[TrainSpec]():    {"optimizer", "lr", "batch"},
	reflect.TypeFor[StrategySpec](): {"name"},
}

// ReadConfig reads a configuration document, the one that the app exports, that
// `simulate --config` takes and that docs/run-config.schema.json describes. It is
// strict, because a mistyped setting would otherwise be passed over in silence: a
// document of more than [MaxConfig] bytes, unknown, double or missing keys, and
// values of another type are errors of kind Invalid that name the places by dotted
// keys, lists counted from 1: "model.layers.2.out". Whether the values make sense
// together is the question of those who train.
func ReadConfig(r io.Reader) (RunConfig, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxConfig+1))
	if err != nil {
		return RunConfig{}, Errorf(Invalid, "Check the file and try again.", "the settings cannot be read: %w", err)
	}
	if len(raw) > MaxConfig {
		return RunConfig{}, Errorf(Invalid, "Use a file that the app saved.", "the settings are larger than %d KiB", MaxConfig>>10)
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff")) // some editors put a mark in front
	var whole json.RawMessage
	if err := json.Unmarshal(raw, &whole); err != nil {
		return RunConfig{}, Errorf(Invalid, "Use a file that the app saved, or correct it there.", "the settings are not JSON%s", placeIn(raw, err))
	}
	var c RunConfig
	var d configDecoder
	d.value("", whole, reflect.ValueOf(&c).Elem())
	if len(d.wrong) > 0 {
		return RunConfig{}, d.err()
	}
	return c, nil
}

// placeIn says where in a text a syntax error is.
func placeIn(raw []byte, err error) string {
	var s *json.SyntaxError
	if !errors.As(err, &s) {
		return ""
	}
	before := raw[:min(max(int(s.Offset)-1, 0), len(raw))]
	line := bytes.Count(before, []byte("\n")) + 1
	return fmt.Sprintf(": there is a mistake in line %d, column %d", line, len(before)-bytes.LastIndexByte(before, '\n'))
}

// configDecoder fills a value from JSON and collects what is wrong with it.
type configDecoder struct {
	wrong []string
	hint  string // of the first
}

// mostTold bounds how many mistakes one error names.
const mostTold = 5

func (d *configDecoder) bad(hint, format string, args ...any) {
	if len(d.wrong) == 0 {
		d.hint = hint
	}
	d.wrong = append(d.wrong, fmt.Sprintf(format, args...))
}

func (d *configDecoder) err() error {
	text := strings.Join(d.wrong[:min(len(d.wrong), mostTold)], "; ")
	if more := len(d.wrong) - mostTold; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return Errorf(Invalid, d.hint, "%s", text)
}

// value reads raw, which is valid JSON, into v, whose place is path.
func (d *configDecoder) value(path string, raw json.RawMessage, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if !fits(raw[0], v.Kind()) {
		d.mistyped(path, raw, v.Kind())
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.fields(path, raw, v)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		d.members(path, raw, func(key, at string, x json.RawMessage) {
			e := reflect.New(v.Type().Elem()).Elem()
			d.value(at, x, e)
			v.SetMapIndex(reflect.ValueOf(key), e)
		})
	case reflect.Slice:
		var xs []json.RawMessage
		_ = json.Unmarshal(raw, &xs)
		v.Set(reflect.MakeSlice(v.Type(), len(xs), len(xs)))
		for i, x := range xs {
			d.value(join(path, strconv.Itoa(i+1)), x, v.Index(i))
		}
	default:
		if json.Unmarshal(raw, v.Addr().Interface()) != nil { // a fraction, a sign or a size that the type does not hold
			d.mistyped(path, raw, v.Kind())
		}
	}
}

func (d *configDecoder) fields(path string, raw json.RawMessage, v reflect.Value) {
	place := map[string]int{}
	for i := range v.NumField() {
		key, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		place[key] = i
	}
	missing := slices.Clone(requiredKeys[v.Type()])
	d.members(path, raw, func(key, at string, x json.RawMessage) {
		i, known := place[key]
		if !known {
			d.bad("Remove it, or correct its spelling.", "%s is not a known setting", at)
			return
		}
		missing = slices.DeleteFunc(missing, func(k string) bool { return k == key })
		d.value(at, x, v.Field(i))
	})
	for _, key := range missing {
		d.bad("Add it.", "%s is missing", join(path, key))
	}
}

// members calls f for each member of an object in order, double ones once.
func (d *configDecoder) members(path string, raw json.RawMessage, f func(key, at string, x json.RawMessage)) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	_, _ = dec.Token()
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		key, _ := t.(string)
		var x json.RawMessage
		if err != nil || dec.Decode(&x) != nil {
			return // raw was checked whole
		}
		at := join(path, key)
		if seen[key] {
			d.bad("Keep one of them.", "%s stands twice", at)
			continue
		}
		seen[key] = true
		f(key, at, x)
	}
}

// join writes a place; what a stranger typed is shortened and harmless in a line.
func join(path, key string) string {
	key = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, key)
	if rs := []rune(key); len(rs) > 60 {
		key = string(rs[:60]) + "…"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func fits(first byte, k reflect.Kind) bool {
	switch first {
	case '{':
		return k == reflect.Struct || k == reflect.Map
	case '[':
		return k == reflect.Slice
	case '"':
		return k == reflect.String
	case 't', 'f':
		return k == reflect.Bool
	case 'n':
		return false
	}
	return k == reflect.Float64 || k == reflect.Int || k == reflect.Uint64
}

var kindWords = map[reflect.Kind]string{
	reflect.Struct: "a group of settings in { }", reflect.Map: "a group of names in { }", reflect.Slice: "a list in [ ]", reflect.String: "a text in quotes",
	reflect.Bool: "true or false", reflect.Float64: "a number", reflect.Int: "a whole number", reflect.Uint64: "a whole number of 0 or more",
}

func (d *configDecoder) mistyped(path string, raw json.RawMessage, want reflect.Kind) {
	if path == "" {
		path = "the document"
	}
	if raw[0] == 'n' {
		d.bad("Leave it out, or give it a value.", "%s is empty (null), but should be %s", path, kindWords[want])
		return
	}
	got := string(raw)
	switch raw[0] {
	case '{':
		got = "a group in { }"
	case '[':
		got = "a list"
	case '"':
		got = "a text"
	default:
		got = got[:min(len(got), 30)]
	}
	d.bad("Correct the value.", "%s should be %s, but is %s", path, kindWords[want], got)
}
