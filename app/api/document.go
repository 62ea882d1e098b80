package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// OpenAPI returns the OpenAPI 3.1 document of the API as indented JSON that
// ends in a newline: what `synergos openapi` prints and what the typed client of
// the frontend is generated from.
func OpenAPI() ([]byte, error) {
	huma.DefaultArrayNullable = false
	c := huma.DefaultConfig("Synergos Desktop", "1")
	c.CreateHooks = nil
	c.DocsPath = ""
	c.Components.Schemas = NewRegistry()
	api := humago.NewWithPrefix(http.NewServeMux(), "/api/v1", c)
	for _, register := range Screens(nil) {
		register(api)
	}
	b, err := json.Marshal(api.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("marshal the OpenAPI document: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return nil, fmt.Errorf("indent the OpenAPI document: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
