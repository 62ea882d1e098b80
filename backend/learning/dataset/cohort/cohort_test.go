package cohort

import (
	"bytes"
	"encoding/csv"
	"testing"

	"synergos.app/desktop/backend/fed"
)

// TestCohort checks sizes, prevalences, the planted gaps and that a file replays.
func TestCohort(t *testing.T) {
	want := map[string]struct{ low, high float64 }{"riverside": {.3, .6}, "lakeview": {.15, .45}, "hillcrest": {.6, .9}, "seaside": {.5, .8}}
	for i, f := range All(1) {
		rows, err := csv.NewReader(bytes.NewReader(f.Data)).ReadAll()
		if err != nil || len(rows) != Rows[i]+1 {
			t.Fatalf("%s: %d rows, %v", f.Name, len(rows), err)
		}
		sick, missing := 0, 0
		at := len(rows[0]) - 1
		for _, r := range rows[1:] {
			if r[at] == "1" {
				sick++
			}
			for _, c := range r {
				if c == "" || c == "?" || c == "NA" {
					missing++
				}
			}
		}
		if p := float64(sick) / float64(Rows[i]); rows[0][at] != "target" || p < want[f.Hospital].low || p > want[f.Hospital].high || missing == 0 {
			t.Errorf("%s: prevalence %.2f, %d missing cells", f.Name, p, missing)
		} else {
			t.Logf("%s: %d rows, prevalence %.2f, %d missing cells, columns %v", f.Name, Rows[i], p, missing, rows[0])
		}
		again, err := Hospital(f.Hospital, Rows[i], 1)
		if err != nil || !bytes.Equal(again, f.Data) {
			t.Errorf("%s does not replay: %v", f.Name, err)
		}
		if other, _ := Hospital(f.Hospital, Rows[i], 2); bytes.Equal(other, f.Data) {
			t.Errorf("%s does not depend on the seed", f.Name)
		}
	}
	if _, err := Hospital("nowhere", 1, 1); fed.KindOf(err) != fed.NotFound {
		t.Error(err)
	}
}
