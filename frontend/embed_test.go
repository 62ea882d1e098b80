package frontend

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

func TestFilesHaveAnIndex(t *testing.T) {
	files, built := Files()
	page, err := fs.ReadFile(files, "index.html")
	if err != nil {
		t.Fatal(err)
	}
	if !built && !strings.Contains(string(page), "make run") {
		t.Error("the placeholder does not say how to build the page")
	}
}

func TestChoose(t *testing.T) {
	plain := fstest.MapFS{"placeholder/index.html": {Data: []byte("plain")}}
	for name, c := range map[string]struct {
		dist  fstest.MapFS
		built bool
		want  string
	}{
		"built":     {fstest.MapFS{"dist/index.html": {Data: []byte("page")}}, true, "page"},
		"not built": {fstest.MapFS{"dist/.gitkeep": {}}, false, "plain"},
	} {
		files, built := choose(c.dist, plain)
		got, err := fs.ReadFile(files, "index.html")
		if err != nil || built != c.built || string(got) != c.want {
			t.Errorf("%s: %q, %v, %v", name, got, built, err)
		}
	}
}
