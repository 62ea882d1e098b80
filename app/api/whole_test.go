package api

import (
	"encoding/json"
	"strings"
	"testing"

	"synergos.app/desktop/backend/node/view"
)

func TestWholeLeavesTheEnginesMemoryAlone(t *testing.T) {
	parties := []view.ProjectParty{{Name: "A"}}
	shared := []view.Project{{Name: "full", Parties: parties}, {Name: "empty"}}
	table := map[string][]view.Facet{"task": nil}
	problem := &view.Problem{Text: "x"}
	got := whole(view.Home{Projects: shared, Runs: []view.Run{{Problem: problem}}})
	if shared[1].Parties != nil || shared[0].Policy.Approvers != nil {
		t.Error("the shared slice was written to")
	}
	if got.Projects[1].Parties == nil || got.Projects[0].Policy.Approvers == nil || got.Inbox == nil {
		t.Errorf("lists are still nil: %+v", got)
	}
	if &got.Projects[0].Parties[0] != &parties[0] || got.Runs[0].Problem != problem {
		t.Error("what needed no change was copied")
	}
	if facets := whole(view.Catalog{Facets: table}).Facets["task"]; facets == nil || table["task"] != nil {
		t.Errorf("facets %v, shared %v", facets, table)
	}
}

func TestWholeKeepsAbsentWhatIsOmitted(t *testing.T) {
	b, err := json.Marshal(whole(view.Project{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{"null", `"labels"`, `"drop"`, `"validation"`} {
		if strings.Contains(string(b), absent) {
			t.Errorf("%s in %s", absent, b)
		}
	}
}
