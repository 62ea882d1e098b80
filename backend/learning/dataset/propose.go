package dataset

import (
	"fmt"
	"slices"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// leakLevel is from where on a single column is suspected to contain the label.
const leakLevel = .98

// proposeTask is classify for few-valued labels, regress for other numbers.
func proposeTask(label *Column, labels map[string]string) string {
	switch {
	case label == nil:
		return ""
	case len(labels) > 0 || label.Type == Bool || label.Type == Category:
		return fed.TaskClassify
	case label.Type == Int && label.Distinct() <= 20:
		return fed.TaskClassify
	case label.Type.Numeric() && label.Type != Date:
		return fed.TaskRegress
	}
	return fed.TaskClassify
}

// propose returns a run configuration that fits the table.
func propose(t *Table, p *Profile, labels map[string]string) fed.RunConfig {
	cfg := fed.RunConfig{Version: 1, Task: p.Task, Target: p.Target, Labels: labels, Missing: "impute", Scaling: "federated",
		Test: fed.TestSplit{Fraction: .2, Seed: 1}, Validation: &fed.Validation{Fraction: .2}, Model: fed.ModelSpec{Family: "logistic"},
		Train:    fed.TrainSpec{Optimizer: "sgd", LR: .1, Batch: 32, Epochs: 1},
		Strategy: fed.StrategySpec{Name: "fedavg"}, Rounds: 20, Seed: 1}
	if p.Task == fed.TaskRegress {
		cfg.Model.Family = "linear"
		cfg.Train.LR = .01
	}
	for i := range p.Columns {
		c := &p.Columns[i]
		switch c.Role {
		case "id", "drop":
			cfg.Drop = append(cfg.Drop, c.Name)
		case "split":
			cfg.Test = fed.TestSplit{Seed: 1, Column: c.Name, Value: testValue(t.Column(c.Name))}
		case "feature":
			if c.Leak >= leakLevel {
				cfg.Drop = append(cfg.Drop, c.Name)
			} else if c.Type == Int && smallCodes(c) {
				cfg.Categorical = append(cfg.Categorical, c.Name)
			}
		}
	}
	return cfg
}

// smallCodes recognises whole numbers that are codes rather than amounts: three
// to six values, each a small integer.
func smallCodes(c *ColumnProfile) bool {
	return c.Distinct >= 3 && c.Distinct <= 6 && c.Min >= 0 && c.Max <= 10
}

// testValue returns the value that marks test rows: one that says so, else one for
// rows that were held back, else the last that does not say that its rows train.
func testValue(c *Column) string {
	for _, want := range []string{"test", "testing", "valid", "validation"} {
		for _, s := range c.dict {
			if strings.EqualFold(s, want) {
				return s
			}
		}
	}
	for _, s := range slices.Backward(c.dict) {
		if !strings.HasPrefix(strings.ToLower(s), "train") {
			return s
		}
	}
	return c.dict[len(c.dict)-1]
}

func findings(t *Table, p *Profile, labels map[string]string) []Finding {
	out := labelFindings(t, p, labels)
	for i := range p.Columns {
		out = append(out, columnFindings(t, p, &p.Columns[i])...)
	}
	if p.Duplicates > 0 {
		out = append(out, Finding{Severity: Warning, Text: fmt.Sprintf("%s an earlier row in every cell", counted(p.Duplicates, "row", "repeats", "repeat")),
			Why:    "a row that is in both training and test makes the model look better than it is",
			Remedy: "remove what is repeated from the file if it is the same case"})
	}
	if p.Rows < 50 {
		out = append(out, Finding{Severity: Warning, Text: "the file has " + fed.Count(p.Rows, "row"),
			Why: "a test on so few rows says little", Remedy: "add rows if there are more"})
	}
	return out
}

func labelFindings(t *Table, p *Profile, labels map[string]string) []Finding {
	if p.Target == "" {
		return []Finding{{Severity: Warning, Text: "no column looks like an outcome", Why: "training needs a column to predict",
			Remedy: "choose the column to predict"}}
	}
	var out []Finding
	add := func(sev, text, why, remedy string) {
		out = append(out, Finding{Severity: sev, Column: p.Target, Text: text, Why: why, Remedy: remedy})
	}
	if m := t.Column(p.Target).nmiss; m > 0 {
		add(Warning, counted(m, "row", "has", "have")+" no outcome", "only rows with an outcome can be used for training and test", "complete the outcome in the file if it is known; rows without one are left out")
	}
	if other := p.MissingLabels - t.Column(p.Target).nmiss; other > 0 {
		add(Warning, counted(other, "row", "has", "have")+" an outcome that belongs to no class", "only rows with a known outcome can be used for training and test",
			"correct the value in the file")
	}
	if p.Task != fed.TaskClassify {
		return out
	}
	present, smallest := 0, p.Rows
	for _, n := range p.ClassCounts {
		if n > 0 {
			present++
			smallest = min(smallest, n)
		}
	}
	switch {
	case present == 0:
		add(Fault, "no row has an outcome of one of the classes", "nothing can be learned", "correct the classes or choose another column to predict")
	case present == 1:
		add(Warning, "all rows have the same outcome", "you can train with others, but a model of your own is impossible and your figures say little",
			"join parties that have the other class, or choose another column to predict")
	case smallest < 10:
		add(Info, "the rarest class has only "+fed.Count(smallest, "row"), "figures about that class will be uncertain", "read them with care")
	case float64(smallest) < .1*float64(p.Rows):
		add(Info, fmt.Sprintf("the classes are unequal: the rarest is %.0f%% of the rows", 100*share(smallest, p.Rows)),
			"plain accuracy looks good for a model that never finds the rare class", "compare balanced accuracy and AUC")
	}
	if len(labels) == 0 && len(p.Classes) > 2 && t.Column(p.Target).Type == Int && p.Classes[0] == "0" {
		add(Info, fmt.Sprintf("the outcomes are %s", strings.Join(head(p.Classes, 8), ", ")), "if they are grades of one condition, two classes are easier to learn",
			"make a column of two values in the file, and predict that one")
	}
	return out
}

// counted is a number of things with its verb: "1 row has", "2 rows have".
func counted(n int, noun, does, do string) string {
	return fed.Count(n, noun) + " " + fed.OneOr(n, does, do)
}

func head(s []string, n int) []string { return s[:min(n, len(s))] }

func columnFindings(t *Table, p *Profile, c *ColumnProfile) []Finding {
	var out []Finding
	add := func(sev, text, why, remedy string) {
		out = append(out, Finding{Severity: sev, Column: c.Name, Text: text, Why: why, Remedy: remedy})
	}
	if c.Identifier != "" {
		add(Fault, "it holds direct identifiers ("+c.Identifier+")", "it names people and must not reach a model or others", "drop the column; it is never shared")
	}
	if c.IDLike && c.Identifier == "" {
		add(Warning, "every value is different, like an identifier", "a model can only learn the rows by heart from it", "drop the column")
	}
	if c.Role == "label" {
		return out
	}
	switch {
	case c.Missing == p.Rows && p.Rows > 0:
		add(Warning, "every cell is missing", "it carries nothing here; in a federation it is filled with the agreed value", "leave it, or drop the column")
	case c.Constant:
		add(Info, "all cells have one value", "it carries nothing here", "drop the column unless other parties have other values")
	}
	if c.Missing < p.Rows && float64(c.MissingShare) > .5 {
		add(Warning, fmt.Sprintf("%.0f%% of the cells are missing", 100*float64(c.MissingShare)), "most of what the model sees is the filled-in value", "consider dropping the column")
	}
	if c.NonFinite > 0 {
		add(Info, counted(c.NonFinite, "cell", "holds", "hold")+" NaN, an infinity or a number too large", "such a cell is no measurement", "it is read as missing")
	}
	if c.Leak >= leakLevel {
		add(Warning, fmt.Sprintf("this column alone predicts the outcome almost perfectly (%.2f of 1)", float64(c.Leak)), "it may have been recorded after the outcome, or be the outcome in other words", "drop it unless it is known before the outcome")
	}
	if c.Type == Text && c.Identifier == "" && !c.IDLike {
		add(Info, "it is free text", "it is not used as an input and never leaves", "recode it to a few categories if it matters")
	}
	return append(out, valueFindings(t.Column(c.Name), c)...)
}

// valueFindings looks at the values themselves: mixed units, far outliers,
// ambiguous dates, numbers spoiled by a few texts.
func valueFindings(c *Column, p *ColumnProfile) []Finding {
	var out []Finding
	add := func(text, why, remedy string) {
		out = append(out, Finding{Severity: Info, Column: c.Name, Text: text, Why: why, Remedy: remedy})
	}
	if iqr := float64(p.Q75 - p.Q25); c.Type.Numeric() && c.Type != Date && iqr > 0 && p.Distinct > 20 {
		far := 0
		for _, v := range p.sorted {
			if v < float64(p.Q25)-6*iqr || v > float64(p.Q75)+6*iqr {
				far++
			}
		}
		if far > 0 {
			add(counted(far, "value", "lies", "lie")+" far outside the others", "a code such as 999 for missing, or another unit, pulls the mean", "check the cells")
		}
	}
	if c.Type.Numeric() || len(c.dict) == 0 {
		return out
	}
	numbers, slashes, odd := 0, 0, ""
	for _, s := range c.dict {
		if _, ok := textNumber(s); ok {
			numbers++
		} else if odd == "" {
			odd = s
		}
		if strings.Count(s, "/") == 2 {
			slashes++
		}
	}
	if n := len(c.dict) - numbers; numbers > 10 && n > 0 && n*10 < len(c.dict) {
		add(fmt.Sprintf("nearly all values are numbers, but %q is not", clip(odd, 30)), "one text makes the whole column a category", "correct those cells in the file")
	}
	if 2*slashes > len(c.dict) {
		add("dates are written so that day and month can be exchanged", "they cannot be read with certainty", "write them as year-month-day")
	}
	return out
}
