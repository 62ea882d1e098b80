package app

import (
	"context"
	"log/slog"

	"synergos.app/desktop/app/api"
)

// Engine is what the program needs of package node: everything that the screens
// ask, and its life.
type Engine interface {
	api.Engine
	// Start opens ports and peers and returns when requests can be answered. It
	// is called once, after the window or the listener exists.
	Start(ctx context.Context) error
	// Busy is one sentence about work that ending the program would interrupt,
	// "" when there is none. It answers at once.
	Busy() string
	// Close stops accepting, saves, says goodbye to the peers and returns when
	// all goroutines have ended, at the latest when ctx ends.
	Close(ctx context.Context) error
}

// EngineConfig is what the program tells the engine.
type EngineConfig struct {
	Home       string   // absolute path of the data folder, locked by the caller
	Version    string   // of the program
	Epoch      string   // of the event hub, shown in the status
	Window     bool     // there is a desktop window
	DataRoots  []string // folders whose files a browser may pick
	PeerListen string   // host:port for peers; "" means any free port
	Loopback   bool     // stay on this computer: peers and discovery
	Name       string   // of the party, when the folder is new; "" asks the user
	Discovery  bool     // look for peers on the local network
	// Publish tells the screens that something changed, after it was saved.
	Publish func(kind, subject string, data any)
	Log     *slog.Logger
}

// openEngine opens the engine on a locked folder, without ports and peers. It is
// a variable so that tests put a small engine in its place.
var openEngine = openNode
