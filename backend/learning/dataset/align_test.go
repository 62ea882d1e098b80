package dataset

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
)

func TestNames(t *testing.T) {
	for name, want := range map[string]string{"chol_mg_dl": "chol mg dl", "exang_0.0": "exang 0", "exang_0": "exang 0", "restingBP": "resting bp", "Age (years)": "age years", "x12": "x 12", "12": "12"} {
		if got := strings.Join(nameTokens(name), " "); got != want {
			t.Errorf("%q has tokens %q, want %q", name, got, want)
		}
	}
	// Winkler's published examples.
	for _, c := range []struct {
		a, b string
		want float64
	}{{"MARTHA", "MARHTA", .9611}, {"DWAYNE", "DUANE", .84}, {"DIXON", "DICKSONX", .8133}, {"", "A", 0}} {
		if got := jaroWinkler(c.a, c.b); math.Abs(got-c.want) > 5e-5 {
			t.Errorf("%s, %s: %.4f, want %.4f", c.a, c.b, got, c.want)
		}
	}
	for _, c := range [][2]string{{"exang_0", "exang_0.0"}, {"chol_mg_dl", "cholesterol"}, {"Gender", "sex"}, {"trest_bps", "trestbps"}, {"Age", "age_years"}} {
		if got := nameSimilarity(c[0], c[1]); got < .85 {
			t.Errorf("%s and %s are %.2f alike", c[0], c[1], got)
		}
	}
	for _, c := range [][2]string{{"feature_1", "feature_2"}, {"age", "chol"}, {"slope", "oldpeak"}, {"ca", "cp"}} {
		if got := nameSimilarity(c[0], c[1]); got >= matchLevel {
			t.Errorf("%s and %s are %.2f alike", c[0], c[1], got)
		}
	}
}

// Parties that call the same outcomes by other words would make a model of four
// classes that tells hospitals apart: the columns do not align until they agree.
func TestOutcomesBySeveralWords(t *testing.T) {
	file := func(words ...string) *Table {
		var lines []string
		for i := range 60 {
			lines = append(lines, fmt.Sprintf("%d,%s", 40+i%20, words[i%len(words)]))
		}
		return rows(t, "age,target", lines...)
	}
	for name, c := range map[string]struct {
		words, others []string
		labels        map[string]string
		want          string
	}{
		"the same":             {[]string{"0", "1"}, []string{"1", "0"}, nil, ""},
		"truth and numbers":    {[]string{"true", "false"}, []string{"0", "1"}, nil, Fault},
		"words and numbers":    {[]string{"sick", "well"}, []string{"0", "1"}, nil, Fault},
		"other words":          {[]string{"sick", "well"}, []string{"ill", "healthy"}, nil, Warning},
		"more of the same":     {[]string{"0", "1"}, []string{"0", "1", "2"}, nil, ""},
		"one each":             {[]string{"0"}, []string{"1"}, nil, ""},
		"named by the project": {[]string{"true", "false"}, []string{"0", "1"}, map[string]string{"true": "yes", "1": "yes", "false": "no", "0": "no"}, ""},
	} {
		cfg := fed.RunConfig{Task: fed.TaskClassify, Target: "target", Labels: c.labels}
		al, err := Propose(offersOf(t, map[string]*Table{"a": file(c.words...), "b": file(c.others...)}, cfg), cfg)
		if err != nil {
			t.Fatal(name, err)
		}
		got := ""
		for _, f := range al.Findings {
			if strings.Contains(f.Text, "has the outcomes") {
				got = f.Severity
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if _, err := al.Draft(); (fed.KindOf(err) == fed.Invalid) != (c.want == Fault) && name != "one each" {
			t.Errorf("%s: drafted with %v", name, err)
		}
	}
}

// A column that tells which rows train is never read the other way round.
func TestTestRowsAreNotThoseThatTrain(t *testing.T) {
	for first, want := range map[string]string{"validation,train": "validation", "train,valid": "valid", "valid,train,test": "test", "Training,Test": "Test", "b,train": "b", "train,a": "a"} {
		words := strings.Split(first, ",")
		var lines []string
		for i := range 30 {
			lines = append(lines, fmt.Sprintf("%d,%s", i, words[i%len(words)]))
		}
		if got := testValue(rows(t, "n,part", lines...).Column("part")); got != want {
			t.Errorf("%s: %q marks test rows, want %q", first, got, want)
		}
	}
}

func TestConflictsAndGaps(t *testing.T) {
	var a, b []string
	for i := range 40 {
		a = append(a, fmt.Sprintf("%d,%d,%d", i%7, i%20, i%2))
		b = append(b, fmt.Sprintf("%s,%d,%d", []string{"low", "high"}[i%2], i%20, i%2))
	}
	cfg := fed.RunConfig{Task: fed.TaskClassify, Target: "target"}
	offers := offersOf(t, map[string]*Table{"a": rows(t, "risk,age,target", a...), "b": rows(t, "risk,age,outcome_of_care", b...)}, cfg)
	al, err := Propose(offers, cfg)
	if err != nil {
		t.Fatal(err)
	}
	faults := map[string]bool{}
	for _, f := range al.Findings {
		if f.Severity == Fault {
			faults[f.Column] = f.Text != "" && f.Why != "" && f.Remedy != ""
		}
	}
	if !cmp.Equal(faults, map[string]bool{"risk": true, "target": true}) {
		t.Errorf("faults %v", faults)
	}
	if _, err := al.Draft(); fed.KindOf(err) != fed.Invalid {
		t.Error("a draft in spite of conflicts")
	}
	cfg.Categorical = []string{"risk"}
	al, err = Propose(offersOf(t, map[string]*Table{"a": rows(t, "risk,age,target", a...), "b": rows(t, "risk,age,outcome_of_care", b...)}, cfg), cfg)
	if err != nil {
		t.Fatal(err)
	}
	al, err = al.Confirm([]Match{{Party: "b", From: "outcome_of_care", To: "target"}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := al.Draft()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"age", "risk=low"}, p.Features); diff != "" {
		t.Error("values of fewer than ten rows (0-6 have five or six) must not be named:", diff)
	}
}

func TestConfirmRefuses(t *testing.T) {
	tables, cfg := parties(t)
	a, err := Propose(offersOf(t, tables, cfg), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string][]Match{
		"party": {{Party: "nobody", From: "age", To: "bp"}}, "column": {{Party: "beta", From: "nothing", To: "bp"}}, "own": {{Party: "alpha", From: "age", To: "bp"}},
		"nowhere": {{Party: "beta", From: "age", To: "height"}}, "twice": {{Party: "beta", From: "age", To: "bp"}, {Party: "beta", From: "site", To: "bp"}},
	} {
		if _, err := a.Confirm(m); fed.KindOf(err) != fed.Invalid || fed.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, err := a.Confirm([]Match{{Party: "beta", From: "age", To: "bp"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"age": "bp"}, b.Rename("beta")); diff != "" || a.Pending() != 0 {
		t.Error(diff)
	}
}

// TestOfferHidesSmallCells: rare values, identifiers and free text are not in
// the bytes that leave.
func TestOfferHidesSmallCells(t *testing.T) {
	var lines []string
	for i := range 60 {
		site := "main"
		if i < 9 {
			site = "rareclinic"
		}
		lines = append(lines, fmt.Sprintf("%s,p%d@mail.org,%d,%d", site, i, 1000+i, i%2))
	}
	table := rows(t, "site,contact,dose,target", lines...)
	o, err := MakeOffer(table, fed.RunConfig{Task: fed.TaskClassify, Target: "target"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := o.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"rareclinic", "mail", "contact", "1000", "1059", "60"} {
		if strings.Contains(string(b), secret) {
			t.Errorf("%q leaves in %s", secret, b)
		}
	}
	if c := o.column("site"); !c.Hidden || !cmp.Equal(c.Categories, []string{"main"}) {
		t.Errorf("site %+v", c)
	}
	if !cmp.Equal(o.Labels, []string{"0", "1"}) {
		t.Errorf("labels %v", o.Labels)
	}
}

// TestMatching renames, permutes and rescales the columns of a heart-like table
// by a seeded generator: at least 95 of 100 true pairs come first.
func TestMatching(t *testing.T) {
	variants := map[string][]string{
		"age": {"Age", "age_years", "AGE", "patientAge"}, "sex": {"Sex", "gender", "sex_1"}, "cp": {"CP", "cp_type", "cp_1.0"},
		"trestbps": {"trest_bps", "TrestBPS", "trestbps_mmHg", "trestbps_kpa"}, "chol": {"cholesterol", "chol_mg_dl", "Chol", "cholesterol_mmol_l"},
		"fbs": {"FBS", "fbs_1", "fbs_flag"}, "restecg": {"rest_ecg", "RestECG", "restecg_code"}, "thalach": {"thalach_bpm", "Thalach", "thal_ach"},
		"exang": {"exang_0", "Exang", "ex_ang"}, "oldpeak": {"old_peak", "OldPeak", "oldpeak_mm"}, "slope": {"Slope", "slope_code", "st_slope"}, "thal": {"Thal", "thal_code", "thal_0"},
	}
	names := []string{"age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak", "slope", "thal"}
	ranges := map[string][2]float64{"age": {34, 71}, "sex": {0, 1}, "cp": {1, 4}, "trestbps": {100, 180}, "chol": {150, 390}, "fbs": {0, 1}, "restecg": {0, 2}, "thalach": {90, 190},
		"exang": {0, 1}, "oldpeak": {0, 4}, "slope": {1, 3}, "thal": {3, 7}}
	rng := rand.New(rand.NewPCG(1, 2))
	right, all := 0, 0
	for range 50 {
		original, changed := &Offer{Version: 1}, &Offer{Version: 1}
		truth := map[string]string{}
		for _, n := range names {
			r := ranges[n]
			original.Columns = append(original.Columns, OfferColumn{Name: n, Type: Float, Role: RoleFeature, Low: fed.Number(r[0]), High: fed.Number(r[1])})
			v := variants[n][rng.IntN(len(variants[n]))]
			scale := 1.0
			if strings.Contains(v, "kpa") || strings.Contains(v, "mmol") {
				scale = .1
			}
			truth[v] = n
			changed.Columns = append(changed.Columns, OfferColumn{Name: v, Type: Float, Role: RoleFeature, Low: fed.Number(r[0] * scale), High: fed.Number(r[1] * scale)})
		}
		for _, c := range changed.Columns {
			all++
			if best := Candidates(c, original)[0]; best.Name == truth[c.Name] {
				right++
			} else {
				t.Logf("%s is taken for %s (%s)", c.Name, best.Name, best.Why)
			}
		}
	}
	if right*100 < 95*all {
		t.Errorf("%d of %d pairs come first", right, all)
	}
}
