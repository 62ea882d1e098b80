package serving

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// A column of whole numbers takes the truth values that another party has in it.
func TestTruthValuesOfWholeNumbers(t *testing.T) {
	fields := heartFields()
	fields[0] = Field{Name: "fbs", Kind: Number, Type: "int", Low: nan, High: nan}
	p, err := Load(folder(t, "heart", fields, []string{"healthy", "disease"}, 7), decodeTest)
	must(t, err)
	want := answers(t, p, "fbs,chest_pain,vessels\n1,none,1\n0,none,1\n")
	for _, text := range []string{"true,none,1\nfalse,none,1\n", "TRUE,none,1\nFalse,none,1\n"} {
		if got := answers(t, p, "fbs,chest_pain,vessels\n"+text); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	one, err := p.Predict(t.Context(), []map[string]any{{"fbs": 1, "vessels": "1"}}, Reject)
	must(t, err)
	for _, v := range []any{true, "true", " TRUE ", json.Number("1")} {
		res, err := p.Predict(t.Context(), []map[string]any{{"fbs": v, "vessels": "1"}}, Reject)
		if err != nil || !slices.Equal(res[0].Probability, one[0].Probability) {
			t.Errorf("%v: %v, %v, want %v", v, res, err, one)
		}
	}
	_, rows, err := p.decodeInfer([]byte(`{"inputs":[{"name":"fbs","shape":[2],"datatype":"BOOL","data":[true,false]}]}`), DefaultLimits())
	if err != nil || rows[0]["fbs"] != true {
		t.Errorf("%v, %v", rows, err)
	}
	if _, err := p.Predict(t.Context(), []map[string]any{{"fbs": "yes"}}, Reject); err == nil {
		t.Error("a word was taken")
	}
}
