package api

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// CheckTypes walks everything that the operations of api may answer and returns
// what breaks the rules of this API: a float that is not a fed.Number (a NaN in
// it would cost the whole answer), a list or object that may be null, an
// operation without id or summary. Nil means that all is well. The types named
// are not looked into: documents that came as JSON, which knows no NaN.
func CheckTypes(api huma.API, documents ...reflect.Type) []string {
	c := checker{registry: api.OpenAPI().Components.Schemas, seen: map[string]bool{}, skip: documents}
	for _, op := range Operations(api) {
		where := op.Method + " " + op.Path
		if op.OperationID == "" || op.Summary == "" {
			c.found = append(c.found, where+": no operation id or summary")
		}
		for _, status := range sortedKeys(op.Responses) {
			for _, media := range sortedKeys(op.Responses[status].Content) {
				c.schema(where+" "+status, op.Responses[status].Content[media].Schema)
			}
		}
	}
	return c.found
}

type checker struct {
	registry huma.Registry
	seen     map[string]bool
	skip     []reflect.Type
	found    []string
}

func (c *checker) schema(where string, s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Ref != "" {
		if !c.seen[s.Ref] && !slices.Contains(c.skip, c.registry.TypeFromRef(s.Ref)) {
			c.seen[s.Ref] = true
			c.schema(s.Ref[strings.LastIndex(s.Ref, "/")+1:], c.registry.SchemaFromRef(s.Ref))
		}
		return
	}
	switch {
	case s.Type == huma.TypeNumber && !s.Nullable:
		c.found = append(c.found, where+": a bare float; use fed.Number")
	case (s.Type == huma.TypeArray || s.Type == huma.TypeObject) && s.Nullable:
		c.found = append(c.found, where+": a list or object that may be null")
	}
	c.schema(where+"[]", s.Items)
	for _, name := range sortedKeys(s.Properties) {
		c.schema(where+"."+name, s.Properties[name])
	}
	if more, ok := s.AdditionalProperties.(*huma.Schema); ok {
		c.schema(where+"{}", more)
	}
}

// CheckAnswer compares a decoded JSON answer with the description of its
// operation and returns the differences: a nil list, a missing field, a value
// outside its enum.
func CheckAnswer(api huma.API, op *huma.Operation, status int, body any) []string {
	answer := op.Responses[fmt.Sprint(status)]
	if answer == nil {
		return []string{fmt.Sprintf("%s %s: status %d is not described", op.Method, op.Path, status)}
	}
	media := answer.Content["application/json"]
	if media == nil {
		return nil
	}
	var res huma.ValidateResult
	pb := huma.NewPathBuffer([]byte{}, 0)
	huma.Validate(api.OpenAPI().Components.Schemas, media.Schema, pb, huma.ModeReadFromServer, body, &res)
	var out []string
	for _, err := range res.Errors {
		out = append(out, fmt.Sprintf("%s %s: %v", op.Method, op.Path, err))
	}
	return out
}
