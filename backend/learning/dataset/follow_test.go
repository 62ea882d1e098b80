package dataset

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

// What the parties of the tests agree on is followed by what each of them is asked.
func TestPreparationFollowsWhatWasAgreed(t *testing.T) {
	tables, cfg := parties(t)
	offers := offersOf(t, tables, cfg)
	prep, _ := prepared(t, tables, cfg)
	for name, o := range offers {
		if err := prep.Follow(cfg, o, nil, cfg.Target); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	tables["beta"].Columns[0].Name = "outcome"
	renamed := newTable("beta", tables["beta"].rows, tables["beta"].Columns)
	o, err := MakeOffer(renamed, cfg, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := prep.Follow(cfg, o, map[string]string{"outcome": "target"}, "outcome"); err != nil {
		t.Errorf("a label under another name: %v", err)
	}
}

func TestPreparationOfAChangedProgram(t *testing.T) {
	tables, cfg := parties(t)
	offer := offersOf(t, tables, cfg)["alpha"]
	prep, _ := prepared(t, tables, cfg)
	for what, c := range map[string]struct {
		text   string
		change func(p *Preparation, cfg *fed.RunConfig, rename map[string]string)
	}{
		"task":         {"target", func(p *Preparation, _ *fed.RunConfig, _ map[string]string) { p.Task = fed.TaskRegress }},
		"target":       {"target", func(p *Preparation, _ *fed.RunConfig, _ map[string]string) { p.Target = "age" }},
		"scaling":      {"scaling", func(p *Preparation, _ *fed.RunConfig, _ map[string]string) { p.Scaling = ScaleNone }},
		"missing":      {"missing", func(p *Preparation, _ *fed.RunConfig, _ map[string]string) { p.Missing = "drop_rows" }},
		"label map":    {"classes", func(p *Preparation, _ *fed.RunConfig, _ map[string]string) { p.LabelMap = map[string]string{"0": "no"} }},
		"order":        {"classes", func(p *Preparation, _ *fed.RunConfig, _ map[string]string) { slices.Reverse(p.Classes) }},
		"dropped":      {`"bp" is left out`, func(_ *Preparation, c *fed.RunConfig, _ map[string]string) { c.Drop = []string{"bp"} }},
		"split column": {`"site" is left out`, func(_ *Preparation, c *fed.RunConfig, _ map[string]string) { c.Test.Column = "site" }},
		"category":     {`"age" is a category`, func(_ *Preparation, c *fed.RunConfig, _ map[string]string) { c.Categorical = []string{"age"} }},
		"class": {`class "0"`, func(p *Preparation, c *fed.RunConfig, _ map[string]string) {
			c.Labels, p.LabelMap, p.Classes = nil, nil, []string{"no", "yes"}
		}},
		"number":        {"offered as category", func(p *Preparation, _ *fed.RunConfig, _ map[string]string) { p.Column("site").Type = Float }},
		"values":        {"asked for as category", func(p *Preparation, _ *fed.RunConfig, _ map[string]string) { p.Column("age").Type = Category }},
		"not offered":   {`"name" was not offered`, func(_ *Preparation, _ *fed.RunConfig, r map[string]string) { r["name"] = "age" }},
		"two for one":   {"two columns", func(_ *Preparation, _ *fed.RunConfig, r map[string]string) { r["age"], r["bp"] = "x", "x" }},
		"label renamed": {"target", func(_ *Preparation, _ *fed.RunConfig, r map[string]string) { r["target"] = "age" }},
		"other label":   {"target", func(_ *Preparation, _ *fed.RunConfig, r map[string]string) { r["site"] = "target" }},
	} {
		p, x, rename := *prep, cfg, map[string]string{}
		p.Columns, p.Classes, p.LabelMap = slices.Clone(p.Columns), slices.Clone(p.Classes), maps.Clone(p.LabelMap)
		o := *offer
		if what == "class" {
			o.Labels = []string{"0", "1", "2"}
		}
		c.change(&p, &x, rename)
		err := p.Follow(x, &o, rename, "target")
		if fed.KindOf(err) != fed.Permission || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %v, want a refusal with %s", what, err, c.text)
		}
	}
	// An identifier is offered by its name alone.
	o := *offer
	o.Columns = slices.Clone(o.Columns)
	o.Columns[slices.IndexFunc(o.Columns, func(c OfferColumn) bool { return c.Name == "age" })].Role = RoleID
	if err := prep.Follow(cfg, &o, nil, "target"); fed.KindOf(err) != fed.Permission {
		t.Errorf("an identifier as a feature: %v", err)
	}
	if err := prep.Follow(cfg, &o, map[string]string{"age": "old"}, "target"); fed.KindOf(err) != fed.Permission {
		t.Errorf("an identifier under another name: %v", err)
	}
}

func TestOfferedLeavesOutWhatWasNotNamed(t *testing.T) {
	tables, cfg := parties(t)
	offer := offersOf(t, tables, cfg)["alpha"]
	offer.Columns = slices.DeleteFunc(offer.Columns, func(c OfferColumn) bool { return c.Name == "bp" })
	if got := offer.Offered(tables["alpha"]).Names(); !slices.Equal(got, []string{"age", "site", "target"}) {
		t.Error(got)
	}
}

func TestFloorOfParts(t *testing.T) {
	rows := func(n int) []int { return make([]int, n) }
	for _, c := range []struct {
		train, valid, test, floor int
		part                      string
	}{
		{10, 0, 0, 10, ""}, {10, 10, 10, 10, ""}, {9, 0, 0, 10, "train"}, {0, 0, 0, 10, "train"}, {50, 9, 0, 10, "validation"},
		{50, 1, 20, 10, "validation"}, {50, 10, 9, 10, "test"}, {50, 0, 1, 10, "test"}, {9, 0, 0, 1, "train"}, {30, 19, 0, 20, "validation"},
	} {
		err := (&Rows{Train: rows(c.train), Valid: rows(c.valid), Test: rows(c.test)}).Floor(c.floor)
		if c.part == "" && err == nil {
			continue
		}
		if c.part == "" || fed.KindOf(err) != fed.Permission || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Two selections are apart exactly when their symmetric difference is empty or of
// the floor.
func TestApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := rapid.SliceOfNDistinct(rapid.IntRange(0, 30), 0, 25, rapid.ID[int])
		a, b, k := pick.Draw(t, "a"), pick.Draw(t, "b"), rapid.IntRange(1, 12).Draw(t, "k")
		slices.Sort(a)
		slices.Sort(b)
		n := 0
		for i := range 31 {
			if slices.Contains(a, i) != slices.Contains(b, i) {
				n++
			}
		}
		if got := Apart(a, b, k); got != (n == 0 || n >= k) {
			t.Fatalf("%d rows in one of them, floor %d: %v", n, k, got)
		}
	})
}
