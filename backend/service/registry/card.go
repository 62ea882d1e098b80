package registry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// cardOf writes the model card in Markdown (after Mitchell et al. 2019) from what
// is known, with the texts that people gave in their places.
func cardOf(in BuildInput, lin Lineage) string {
	c, cfg := in.Card, in.Run.Config
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", line(cmp.Or(c.Title, in.Model)))
	section(&b, "Intended use", cmp.Or(c.IntendedUse, fmt.Sprintf("Predicts the column %q from %d others, for the purpose that the project's members agreed on.", cfg.Target, len(in.Fields))))
	section(&b, "Out of scope", cmp.Or(c.OutOfScope, "Decisions without a person; populations and measurements that differ from those of the parties below."))
	section(&b, "Limits", cmp.Or(c.Limits, "Checked on held-out rows of the same parties only, not on other parties and not over time. Values outside the published ranges are extrapolated."))
	section(&b, "Task and model", taskText(in))
	section(&b, "Parties and data", partiesText(lin))
	section(&b, "Training", trainingText(in, lin))
	section(&b, "Privacy", cmp.Or(in.Privacy, "Rows never left their owners. No noise was added to the updates, so no epsilon is claimed."))
	section(&b, "Results on test rows", resultsText(in.Metrics))
	section(&b, "Threshold", thresholdText(in))
	section(&b, "Ethical notes", cmp.Or(c.Ethics, "None were written. Compare the parties' results above before relying on the model for one of them."))
	section(&b, "Licence and terms", cmp.Or(c.Licence, "As the terms of the datasets and of the project say."))
	section(&b, "Contact", cmp.Or(c.Contact, "The admin of the project."))
	section(&b, "Lineage", fmt.Sprintf("Run `%s`, round %d of %d, params `%s`, alignment `%s`, configuration `%s`.", lin.Run, lin.Round, lin.Rounds, lin.Params, lin.Alignment, lin.ConfigHash))
	return b.String()
}

func section(b *strings.Builder, title, text string) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n", title, strings.TrimSpace(text))
}

// line keeps a text on one line and out of Markdown's tables.
func line(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "|", "/")), " ")
}

func taskText(in BuildInput) string {
	cfg := in.Run.Config
	kind := "A regression"
	if len(in.Classes) > 0 {
		kind = fmt.Sprintf("A classification into %s", line(strings.Join(in.Classes, ", ")))
	}
	var names []string
	for _, f := range in.Fields {
		names = append(names, line(f.Name))
	}
	return fmt.Sprintf("%s by a model of the family %s with %d derived features from the columns %s.", kind, cfg.Model.Family, in.Features, strings.Join(names, ", "))
}

func partiesText(lin Lineage) string {
	var b strings.Builder
	b.WriteString("| party | dataset | rows |\n|---|---|---|\n")
	for _, p := range lin.Parties {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", line(p.Name), line(cmp.Or(p.Title, p.Card, "not published")), line(cmp.Or(p.Rows, "not stated")))
	}
	return b.String()
}

func trainingText(in BuildInput, lin Lineage) string {
	t := in.Run.Config.Train
	length := fmt.Sprintf("%d epochs", t.Epochs)
	if t.Steps > 0 {
		length = fmt.Sprintf("%d steps", t.Steps)
	}
	s := fmt.Sprintf("%d rounds of %s; each party trained %s per round with %s, learning rate %v, batches of %d. The params are those of round %d, which had the least validation loss.",
		lin.Rounds, line(lin.Strategy), length, line(t.Optimizer), t.LR, t.Batch, lin.Round)
	if len(lin.Contribution) == 0 {
		return s
	}
	s += "\n\n| party | contribution |\n|---|---|\n"
	for _, name := range slices.Sorted(maps.Keys(lin.Contribution)) {
		s += fmt.Sprintf("| %s | %s |\n", line(name), figure(lin.Contribution[name]))
	}
	return s
}

func resultsText(m MetricsFile) string {
	names := slices.Sorted(maps.Keys(m.Pooled))
	if len(names) == 0 {
		return "None were measured."
	}
	var b strings.Builder
	b.WriteString("| | test rows | " + strings.Join(names, " | ") + " |\n|---|---|" + strings.Repeat("---|", len(names)) + "\n")
	var rows int64
	for _, p := range m.Parties {
		rows += p.Test
	}
	put := func(title string, n int64, of fed.Metrics) {
		count := ""
		if n > 0 {
			count = fmt.Sprint(n)
		}
		fmt.Fprintf(&b, "| %s | %s |", title, count)
		for _, k := range names {
			v, ok := of[k]
			if !ok {
				v = nan
			}
			fmt.Fprintf(&b, " %s |", figure(v))
		}
		b.WriteString("\n")
	}
	put("all parties pooled", rows, m.Pooled)
	for _, p := range m.Parties {
		put(line(p.Name), p.Test, p.Metrics)
		if p.Alone != nil {
			put(line(p.Name)+" with its own data alone", p.Test, *p.Alone)
		}
	}
	return b.String()
}

func thresholdText(in BuildInput) string {
	if len(in.Classes) != 2 {
		return "None."
	}
	return fmt.Sprintf("%s above a probability of %v. It was not tuned; choose another one by the cost of each kind of error.", line(in.Classes[1]), Threshold)
}

func figure(v fed.Number) string {
	if !v.Finite() {
		return "-"
	}
	return fmt.Sprintf("%.4g", float64(v))
}
