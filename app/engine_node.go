package app

import (
	"context"
	"path/filepath"

	"synergos.app/desktop/backend/node"
	"synergos.app/desktop/backend/sim"
)

// openNode opens the party in cfg.Home.
func openNode(ctx context.Context, cfg EngineConfig) (Engine, error) {
	return node.Open(ctx, node.Options{
		Home: cfg.Home, Name: cfg.Name, Listen: cfg.PeerListen, Loopback: cfg.Loopback, Discover: cfg.Discovery, DataRoots: cfg.DataRoots,
		Publish: cfg.Publish, Log: cfg.Log, Version: cfg.Version, Window: cfg.Window, Epoch: cfg.Epoch,
		Tutorial: sim.Tutorial{Home: filepath.Join(cfg.Home, "tutorial"), Log: cfg.Log},
	})
}
