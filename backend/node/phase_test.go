package node
import ("testing";"time")
func TestPhase(t *testing.T) {
	t0 := time.Now()
	lap := func(s string) { t.Logf("%6d ms %s", time.Since(t0).Milliseconds(), s) }
	l := NewLab(t, "Lakeview", "Hillcrest", "Seaside")
	lap("lab")
	cfg := CohortConfig(4)
	p := l.Project(cfg, nil)
	lap("project")
	id := l.Hospital[0].Queue(p, cfg)
	lap("queued")
	l.Hospital[0].round(id, 1)
	lap("round 1")
	l.Hospital[0].round(id, 3)
	lap("round 3")
	d := l.Hospital[0].Ended(id, "finished")
	lap("ended")
	l.OneTruth(p, id)
	lap("truth")
	t.Log(history(d))
	for _, h := range l.Hospital { h.stop(); lap("closed "+h.Name) }
}
