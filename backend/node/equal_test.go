package node_test

import (
	"context"
	"testing"
	"time"

	"synergos.app/desktop/backend/node"
	"synergos.app/desktop/backend/sim"
)

// A rehearsal in one process and a federation of four parties over TLS are the
// same computation: from the same names, files and configuration comes the same
// model, to the last bit.
func TestGridEqualsRehearsal(t *testing.T) {
	t.Parallel()
	names := []string{"Lakeview", "Hillcrest", "Seaside", "Riverside"}
	cfg := node.CohortConfig(4)
	l := node.NewLab(t, names...)
	project := l.Project(cfg, nil)
	run := l.Hospital[0].Queue(project, cfg)

	var parties []sim.Party
	for i, path := range node.CohortFiles(t) {
		parties = append(parties, sim.Party{Name: names[i], Path: path})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	want, err := sim.Simulate(ctx, cfg, parties, sim.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := l.OneTruth(project, run)
	if got.Run.ParamsHash != want.ParamsHash || got.Run.ConfigHash != want.ConfigHash || got.Run.BestRound != want.BestRound {
		t.Errorf("grid: params %s of round %d; rehearsal: params %s of round %d", got.Run.ParamsHash, got.Run.BestRound, want.ParamsHash, want.BestRound)
	}
	for i, r := range want.Rounds {
		if g := got.Rounds[i+1]; g.Loss != r.Loss || len(g.Parties) != 4 {
			t.Errorf("round %d: loss %v of %v, want %v of all four", r.N, g.Loss, g.Parties, r.Loss)
		}
	}
}
