package api

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// OpenAPI returns the OpenAPI 3.1 document of the API as indented JSON that
// ends in a newline: what `synergos openapi` prints and what the typed client of
// the frontend is generated from.
func OpenAPI() ([]byte, error) {
	b, err := json.Marshal(New(Options{Version: "1", Screens: Screens(nil)}).API().OpenAPI())
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
