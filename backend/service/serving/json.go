package serving

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// decodeStrict reads exactly one JSON value.
func decodeStrict(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if len(bytes.TrimSpace(body[dec.InputOffset():])) > 0 {
		return fmt.Errorf("text after the end")
	}
	return nil
}

// jsonReason says what is wrong with JSON without repeating any of it.
func jsonReason(err error) string {
	switch e := err.(type) {
	case *json.SyntaxError:
		return fmt.Sprintf("bad JSON at byte %d", e.Offset)
	case *json.UnmarshalTypeError:
		return fmt.Sprintf("a %.20s stands where it cannot, at byte %d", kindWord(e.Value), e.Offset)
	}
	return "bad or incomplete JSON"
}

// kindWord keeps the kind of "number 12" and drops the value.
func kindWord(s string) string {
	for i, r := range s {
		if r == ' ' {
			return s[:i]
		}
	}
	return s
}

// eachElement walks a JSON array without holding it; read must take exactly one
// value from the decoder.
func eachElement(raw []byte, name string, read func(*json.Decoder) error) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if tok, err := dec.Token(); err != nil || tok != json.Delim('[') {
		return invalid("%s is not a list", name)
	}
	for dec.More() {
		if err := read(dec); err != nil {
			return err
		}
	}
	return nil
}
