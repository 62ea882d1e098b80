package node

import (
	"testing"

	"synergos.app/desktop/backend/node/view"
)

// Figures stand beside those on the same rows only, and small ones do not become zero.
func TestFiguresSideBySide(t *testing.T) {
	m := view.MetricSet{"accuracy": 0.827, "mse": 2.25e-6, "mae": 1234.5678}
	got := figuresOf(view.Run{State: "finished", Metrics: m})
	same(t, "figures", line(got["accuracy"], got["mse"], got["mae"]), "0.827 2.25e-06 1234.6")
	for _, state := range []string{"running", "failed", "cancelled"} {
		same(t, "figures of a run that is "+state, len(figuresOf(view.Run{State: state, Metrics: m})), 0)
	}
}
