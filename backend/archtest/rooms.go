package archtest

import (
	"slices"
	"strings"
)

// room is a row of the table "who may import whom".
type room struct {
	prefix   string   // folder, with everything below it
	may      []string // folders of ours, with everything below them
	inside   map[string][]string
	siblings bool // packages of the room may import each other
	// exact takes may literally, without what is below.
	exact   bool
	pure    bool
	never   []string // packages of the standard library, with everything below
	foreign []string // modules of others
}

const (
	fedDir    = "backend/fed"
	tensorDir = "backend/learning/tensor"
)

// impureStd is what rooms 0 to 2 never import.
var impureStd = []string{"net", "os", "database/sql", "log", "syscall", "runtime/debug", "plugin"}

// rooms is the table, the most specific folder first.
var rooms = []room{
	{prefix: fedDir, pure: true, never: impureStd},
	{
		prefix: "backend/learning", may: []string{fedDir}, pure: true, never: impureStd,
		inside: map[string][]string{
			"tensor": {}, "dataset": {"tensor"}, "model": {"tensor"}, "metric": {"tensor"},
			"train": {"tensor", "dataset", "model", "metric"},
		},
		foreign: []string{"gonum.org/v1/gonum", "github.com/gowebpki/jcs", "golang.org/x/text"},
	},
	{
		prefix: "backend/federation", may: []string{fedDir, tensorDir, "backend/learning/metric"}, pure: true, never: impureStd,
		foreign: []string{"gonum.org/v1/gonum", "github.com/gowebpki/jcs"},
	},
	{
		prefix: "backend/network", may: []string{fedDir, tensorDir},
		inside: map[string][]string{
			"wire": {}, "identity": {}, "transport": {"wire", "identity"}, "discover": {"wire", "identity"},
		},
		foreign: []string{
			"github.com/gorilla/websocket", "github.com/hashicorp/mdns", "github.com/miekg/dns", "google.golang.org/protobuf",
			"github.com/gowebpki/jcs", "golang.org/x/sys", "golang.org/x/text", "golang.org/x/net", "golang.org/x/crypto", "filippo.io/age",
		},
	},
	{
		prefix: "backend/storage", may: []string{fedDir, "backend/learning/dataset"},
		foreign: []string{"modernc.org/sqlite", "github.com/pressly/goose/v3", "golang.org/x/sys", "golang.org/x/text", "github.com/gowebpki/jcs"},
	},
	{
		prefix: "backend/service", may: []string{fedDir, "backend/learning", "backend/federation"},
		foreign: []string{"github.com/gowebpki/jcs", "golang.org/x/text", "gonum.org/v1/gonum"},
	},
	{prefix: "backend/node/view", may: []string{fedDir}},
	{
		prefix: "backend/node", siblings: true,
		may:     []string{fedDir, "backend/learning", "backend/federation", "backend/network", "backend/storage", "backend/service", "backend/node"},
		foreign: []string{"github.com/gofrs/flock", "github.com/gowebpki/jcs", "golang.org/x/sys", "golang.org/x/text"},
	},
	{prefix: "backend/sim", may: []string{"backend"}, siblings: true},
	{prefix: "backend/archtest"},
	{
		prefix: "app/api", may: []string{fedDir, "backend/node"},
		foreign: []string{"github.com/danielgtaylor/huma/v2"},
	},
	{
		// sim: rehearsals from the command line, and the virtual hospitals that the
		// tutorial puts beside the user's party
		prefix: "app", may: []string{"app", fedDir, "backend/node", "backend/sim", "frontend"}, siblings: true,
		foreign: []string{"github.com/gofrs/flock", "golang.org/x/sys", "golang.org/x/text"},
	},
	{prefix: "frontend"},
	{prefix: "", may: []string{"app"}, exact: true},
}

// foreignOfOneFile are modules that exactly one file may import.
var foreignOfOneFile = map[string]string{"github.com/wailsapp/wails/v2": "app/window.go"}

// roomOf returns the room of a folder, nil if there is none. The root is a room
// of its own, not the parent of unknown folders.
func roomOf(dir string) *room {
	for i := range rooms {
		r := &rooms[i]
		if r.prefix == "" && dir != "" {
			continue
		}
		if within(dir, r.prefix) {
			return r
		}
	}
	return nil
}

// within reports whether dir is root or below it.
func within(dir, root string) bool {
	return dir == root || root != "" && strings.HasPrefix(dir, root+"/")
}

// refuses says why a package of the room in folder from may not import the
// folder to; "" means that it may.
func (r *room) refuses(from, to string) string {
	if r.exact {
		if slices.Contains(r.may, to) {
			return ""
		}
		return "only " + strings.Join(r.may, ", ") + " is allowed here"
	}
	if !within(to, r.prefix) {
		for _, dir := range r.may {
			if within(to, dir) {
				return ""
			}
		}
		return "not in the list of this room"
	}
	mine, other := branch(from, r.prefix), branch(to, r.prefix)
	switch {
	case r.siblings || mine == other:
		return ""
	case r.inside == nil:
		return "siblings of a room do not know each other"
	case slices.Contains(r.inside[mine], other):
		return ""
	}
	return "against the order inside the room"
}

// branch is the package of a room that a folder belongs to: its first part below
// the room.
func branch(dir, prefix string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(dir, prefix), "/"), "/")
	return first
}

func (r *room) refusesStandard(imp string) string {
	for _, p := range r.never {
		if within(imp, p) && imp != "net/netip" {
			return "never in this room"
		}
	}
	return ""
}

func refusesForeign(r *room, file, imp string) string {
	for module, only := range foreignOfOneFile {
		if within(imp, module) {
			if file == only {
				return ""
			}
			return "only " + only + " may"
		}
	}
	for _, module := range r.foreign {
		if within(imp, module) {
			return ""
		}
	}
	return "not in the list of modules of this room"
}
