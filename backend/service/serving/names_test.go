package serving

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"synergos.app/desktop/backend/fed"
)

// named is heart at a party that calls two of the columns and the label otherwise.
func named(t testing.TB) *Predictor {
	t.Helper()
	p, err := Load(folder(t, "heart", heartFields(), []string{"healthy", "disease"}, 7), func(raw []byte, run fed.RunID) (Pipeline, error) {
		pipe, err := decodeTest(raw, run)
		if err == nil {
			pipe.(*testPipe).O = &Own{Renames: map[string]string{"years": "age", "brust": "chest_pain", "krank": "disease"}}
		}
		return pipe, err
	})
	must(t, err)
	return p
}

// A party's own file is read by the names that it has agreed for its columns.
func TestBatchReadsOwnNames(t *testing.T) {
	p := named(t)
	want := answers(t, heart(t), "age,chest_pain,vessels\n63,typical,2\n41,none,1\n")
	if want[0][3]+want[0][4] != "" || slices.Equal(want[0], want[1]) {
		t.Fatalf("%q", want)
	}
	for _, header := range []string{"age,chest_pain,vessels", "years,chest_pain,vessels", "years,brust,vessels"} {
		if got := answers(t, p, header+"\n63,typical,2\n41,none,1\n"); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	for header, want := range map[string]string{
		"age,years,chest_pain,vessels": `the columns "age" and "years" are both the model's column "age"`,
		"years,vessels":                `the column "chest_pain" (here also "brust") of the model is missing`,
	} {
		_, err := score(t.Context(), header+"\n1,1\n", new(bytes.Buffer), p, BatchOptions{})
		if err == nil || fed.KindOf(err) != fed.Invalid || err.Error() != want || fed.HintOf(err) == "" {
			t.Errorf("%s: %v", header, err)
		}
	}
}

// Two columns whose names are exchanged are read as agreed.
func TestBatchReadsExchangedNames(t *testing.T) {
	p := heart(t)
	p.pipe.(*testPipe).O = &Own{Renames: map[string]string{"age": "vessels", "vessels": "age"}}
	p.setOwn()
	got := answers(t, p, "vessels,age,chest_pain\n63,2,none\n")
	if want := answers(t, heart(t), "age,vessels,chest_pain\n63,2,none\n"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// What a party never had was filled in training, too, and so in its files, with a word
// about it in every row; what it had must be there.
func TestBatchFillsWhatAPartyDoesNotHave(t *testing.T) {
	p := heart(t)
	p.pipe.(*testPipe).O = &Own{Filled: []string{"vessels", "unknown"}}
	p.setOwn()
	for _, row := range answers(t, p, "age,chest_pain\n63,typical\n41,none\n") {
		if row[0] == "" || row[3] != "vessels was filled" || row[4] != "" {
			t.Errorf("%q", row)
		}
	}
	_, err := score(t.Context(), "age,vessels\n63,2\n", new(bytes.Buffer), p, BatchOptions{})
	wantKind(t, err, fed.Invalid)
}

// Rows may use either name; the model's wins, and neither its party's name nor that of
// its label is called unused.
func TestRowsReadOwnNames(t *testing.T) {
	p := named(t)
	predict := func(row map[string]any) Result {
		t.Helper()
		res, err := p.Predict(t.Context(), []map[string]any{row}, Reject)
		must(t, err)
		return res[0]
	}
	want := predict(map[string]any{"age": 63, "chest_pain": "typical", "vessels": "2"})
	got := predict(map[string]any{"years": 63, "brust": "typical", "vessels": "2", "krank": "1"})
	if !slices.Equal(got.Probability, want.Probability) || len(got.Warnings) > 0 {
		t.Errorf("%+v, want %+v", got, want)
	}
	got = predict(map[string]any{"age": 63, "years": 20, "brust": "typical", "vessels": "2"})
	if !slices.Equal(got.Probability, want.Probability) || fmt.Sprint(got.Warnings) != `[the column "years" is not used]` {
		t.Errorf("%+v, want %+v", got, want)
	}
}
