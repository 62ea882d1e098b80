package serving

import (
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
)

// Counters go on after they were saved and read again, and over servers.
func TestStatsOutliveTheServer(t *testing.T) {
	s := start(t, nil)
	for range 3 {
		if status, answer, _ := ask(t, s, "POST", "/predict/heart", `{"rows":[{"age":50}]}`); status != 200 {
			t.Fatal(answer)
		}
	}
	if status, _, _ := ask(t, s, "POST", "/predict/heart", `{"rows":[{"age":"old"}]}`); status != 400 {
		t.Fatal("answered")
	}
	raw, err := s.stats.Save()
	must(t, err)
	restored, err := RestoreStats(raw)
	must(t, err)
	again, err := restored.Save()
	must(t, err)
	if string(again) != string(raw) {
		t.Errorf("saved again\n%s\nwas\n%s", again, raw)
	}
	next := start(t, func(c *Config) { c.Stats = restored })
	ask(t, next, "POST", "/predict/heart", `{"rows":[{"age":50},{"age":51}]}`)
	if st := next.Status(); st.Requests != 5 || st.Failures != 1 || st.Rows != 5 {
		t.Errorf("%d requests, %d failures, %d rows", st.Requests, st.Failures, st.Rows)
	}
	var b strings.Builder
	restored.write(&b, "heart", 0)
	for _, want := range []string{`requests_total{model="heart",version="3",code="200"} 4`, `code="400"} 1`, `reason="type"} 1`, `_count{model="heart"} 5`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
	for _, bad := range []string{"", "[]", `{"inferred":-1}`, `{"inferred":3,"durations":[1]}`} {
		_, err := RestoreStats([]byte(bad))
		wantKind(t, err, fed.Corrupt)
	}
}

// A stage that changes while a version is served shows, and may be named by it.
func TestRelabel(t *testing.T) {
	s := start(t, nil)
	s.Relabel("archived")
	if st := s.Status(); st.Stage != "archived" || st.Number != 3 {
		t.Errorf("%+v", st)
	}
	for target, want := range map[string]int{"/v2/models/heart@production/ready": 404, "/v2/models/heart@archived/ready": 200} {
		if status, answer, _ := ask(t, s, "GET", target, ""); status != want {
			t.Errorf("%s: %d %s", target, status, answer)
		}
	}
}
