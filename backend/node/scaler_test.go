package node

import (
	"os"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
)

// Where each party scales with its own figures, what serves a version is the scaler
// that trained it, though the file has changed since; a party without one is told why
// it cannot serve.
func TestOwnScalerServesWhatItTrained(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(2)
	cfg.Scaling = "per_party"
	project := l.Project(cfg, nil)
	a, b := l.Hospital[0], l.Hospital[1]
	run := a.Queue(project, cfg)
	l.OneTruth(project, run)
	must(a.RegisterModel(t.Context(), run, "own"))(t)
	Eventually(t, "the version at all", func() bool {
		for _, h := range l.Hospital {
			if m, err := h.Model(t.Context(), "own"); err != nil || len(m.Versions) != 1 || m.Versions[0].State != "ready" {
				return false
			}
		}
		return true
	})
	r, _ := a.tracker.Run(fed.RunID(run))
	p, _ := b.projects.Get(fed.ProjectID(project))
	trained := must(b.scalerOf(t.Context(), r.ID))(t)
	if trained == nil || trained.Validate(len(trained.Mean)) != nil {
		t.Fatalf("no scaler was kept: %+v", trained)
	}
	row := map[string]any{"age": 63.0, "sex": 1.0, "cp": "4", "trestbps": 145.0}
	encode := func(h *Hospital) []float32 {
		t.Helper()
		pipe, err := h.decodePipeline(p.Alignment.Preparation, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		x, _, err := pipe.Encode(row)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	before := line(encode(b))
	if before == line(encode(a)) {
		t.Error("two hospitals scale with the same figures")
	}
	rec, _ := b.data.get(fed.DatasetID(b.Data))
	file := string(must(os.ReadFile(rec.path))(t))
	lines := strings.SplitAfter(file, "\n")
	if err := os.WriteFile(rec.path, []byte(strings.Join(lines[:len(lines)/2], "")), 0o600); err != nil {
		t.Fatal(err)
	}
	b.reopen()
	same(t, "scaled after the file was cut and the app restarted", line(encode(b)), before)

	_, err := b.decodePipeline(p.Alignment.Preparation, fed.RunID(newHex()))
	if fed.KindOf(err) != fed.Unavailable || !strings.Contains(err.Error(), "did not train in the run") || fed.HintOf(err) == "" {
		t.Errorf("a party that did not train is told %v", err)
	}
}
