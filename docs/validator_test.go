package docs

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

type object = map[string]any

// schema is a JSON Schema 2020-12 document, of which the keywords below are
// understood; another one fails the test rather than being passed over.
type schema struct {
	t    *testing.T
	root object
}

// annotations say something to people and nothing to a validator.
var annotations = []string{"$schema", "$id", "$defs", "title", "description", "default", "then", "else"}

func child(o object, key string) object {
	c, _ := o[key].(object)
	return c
}

// resolve follows a reference to a definition.
func (s *schema) resolve(node object) object {
	ref, ok := node["$ref"].(string)
	if !ok {
		return node
	}
	name, local := strings.CutPrefix(ref, "#/$defs/")
	target := child(child(s.root, "$defs"), name)
	if !local || target == nil {
		s.t.Fatalf("the schema refers to %s, which it does not have", ref)
	}
	return target
}

// errors returns what is wrong with a document, nothing if it is valid.
func (s *schema) errors(doc any) []string { return s.check("$", s.root, doc) }

func (s *schema) valid(node object, v any) bool { return len(s.check("", node, v)) == 0 }

func (s *schema) check(path string, node object, v any) (found []string) {
	node = s.resolve(node)
	for key, arg := range node {
		if slices.Contains(annotations, key) {
			continue
		}
		found = append(found, s.keyword(path, node, key, arg, v)...)
	}
	return found
}

func (s *schema) keyword(path string, node object, key string, arg, v any) []string {
	one := func(ok bool) []string {
		if ok {
			return nil
		}
		return []string{fmt.Sprintf("%s: %s %v", path, key, arg)}
	}
	switch key {
	case "type":
		return one(typeOf(v) == arg || arg == "number" && typeOf(v) == "integer")
	case "const":
		return one(v == arg)
	case "enum":
		return one(slices.Contains(arg.([]any), v))
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		x, isNumber := v.(float64)
		return one(!isNumber || within(key, x, arg.(float64)))
	case "minLength":
		text, isText := v.(string)
		return one(!isText || len(text) >= int(arg.(float64)))
	case "minItems", "maxItems":
		list, isList := v.([]any)
		return one(!isList || within(key, float64(len(list)), arg.(float64)))
	case "oneOf":
		return one(s.count(arg.([]any), v) == 1)
	case "allOf":
		return one(s.count(arg.([]any), v) == len(arg.([]any)))
	case "if":
		branch := "else"
		if s.valid(arg.(object), v) {
			branch = "then"
		}
		return s.check(path, child(node, branch), v)
	}
	return s.structure(path, node, key, arg, v)
}

// structure checks the keywords that go into objects and lists.
func (s *schema) structure(path string, node object, key string, arg, v any) (found []string) {
	o, isObject := v.(object)
	switch key {
	case "items":
		list, _ := v.([]any)
		for i, x := range list {
			found = append(found, s.check(fmt.Sprintf("%s[%d]", path, i), arg.(object), x)...)
		}
	case "required":
		for _, k := range arg.([]any) {
			if _, ok := o[k.(string)]; isObject && !ok {
				found = append(found, fmt.Sprintf("%s: %s is missing", path, k))
			}
		}
	case "properties":
		for k, sub := range arg.(object) {
			if x, ok := o[k]; ok {
				found = append(found, s.check(path+"."+k, sub.(object), x)...)
			}
		}
	case "additionalProperties":
		for k, x := range o {
			if _, known := child(node, "properties")[k]; known {
				continue
			}
			if sub, ok := arg.(object); ok {
				found = append(found, s.check(path+"."+k, sub, x)...)
			} else if arg == false {
				found = append(found, fmt.Sprintf("%s: unknown key %s", path, k))
			}
		}
	default:
		s.t.Fatalf("%s: the keyword %s is not understood here", path, key)
	}
	return found
}

func (s *schema) count(list []any, v any) int {
	n := 0
	for _, sub := range list {
		if s.valid(sub.(object), v) {
			n++
		}
	}
	return n
}

func within(key string, x, bound float64) bool {
	switch key {
	case "minimum", "minItems":
		return x >= bound
	case "maximum", "maxItems":
		return x <= bound
	case "exclusiveMinimum":
		return x > bound
	}
	return x < bound
}

func typeOf(v any) string {
	switch v := v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case object:
		return "object"
	case float64:
		if v == math.Trunc(v) {
			return "integer"
		}
		return "number"
	}
	return "null"
}
