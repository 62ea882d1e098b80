package api

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write frontend/openapi.json anew")

// The typed client is generated from the committed document, so it must be the
// one that these types make: run the test with -update after a change.
func TestCommittedDocumentIsTheOneOfTheseTypes(t *testing.T) {
	const path = "../../frontend/openapi.json"
	want, err := OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date: run go test ./app/api -run Document -update", path)
	}
}
