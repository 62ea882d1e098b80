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
	section(&b, "Intended use", cmp.Or(c.IntendedUse, fmt.Sprintf("Predicts the column %q from %d others, for the purpose that the parties of the project agreed on.", cfg.Target, len(in.Fields))))
	section(&b, "Out of scope", cmp.Or(c.OutOfScope, "Decisions without a person; populations and measurements that differ from those of the parties below."))
	section(&b, "Limits", cmp.Or(c.Limits, "Measured on held-out rows of the same parties only, not at other parties and not over time. For values outside the ranges that the parties have published, its answers are guesses."))
	section(&b, "Task and model", taskText(in))
	section(&b, "Parties and data", partiesText(lin))
	section(&b, "Training", trainingText(in, lin))
	section(&b, "Privacy", cmp.Or(in.Privacy, "Rows never left their owners. No noise was added to the updates (no differential privacy)."))
	section(&b, "Results on test rows", resultsText(in.Metrics))
	section(&b, "Threshold", thresholdText(in))
	section(&b, "Ethical notes", cmp.Or(c.Ethics, "None were written. Compare the results of the parties above before relying on the model for one of them."))
	section(&b, "Licence and terms", cmp.Or(c.Licence, "See the terms of the datasets and of the project."))
	section(&b, "Contact", cmp.Or(c.Contact, "The admin of the project."))
	section(&b, "Where it comes from", fmt.Sprintf("- Run `%s`, round %d of %d\n- Model `%s`\n- Agreed columns `%s`\n- Settings `%s`", lin.Run, lin.Round, lin.Rounds, lin.Params, lin.Alignment, lin.ConfigHash))
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
	kind := "Predicts a number"
	if len(in.Classes) > 0 {
		kind = "Sorts rows into the classes " + line(strings.Join(in.Classes, ", "))
	}
	var names []string
	for _, f := range in.Fields {
		names = append(names, line(f.Name))
	}
	return fmt.Sprintf("%s, by %s with %d inputs. They are made from the columns %s.", kind, familyName(cfg.Model.Family), in.Features, strings.Join(names, ", ")) + scalingText(cfg)
}

// metricNames are the metrics as the screens call them.
var metricNames = map[string]string{
	"accuracy": "Accuracy", "auc": "AUC", "averagePrecision": "Average precision", "balancedAccuracy": "Balanced accuracy",
	"brier": "Brier score", "f1": "F1", "logLoss": "Log loss", "prAuc": "Area under the precision-recall curve",
	"precision": "Precision", "recall": "Recall", "r2": "R²", "mse": "Mean squared error", "mae": "Mean absolute error",
	"rmse": "Root mean squared error",
}

func familyName(family string) string {
	switch family {
	case "logistic":
		return "a logistic regression"
	case "linear":
		return "a linear regression"
	case "layers":
		return "a neural network"
	}
	return line(family)
}

func strategyWords(strategy string) string {
	switch strategy {
	case "fedavg":
		return "averaging (FedAvg)"
	case "fedprox":
		return "averaging, held close (FedProx)"
	}
	return line(strategy)
}

// scalingText says what a version cannot bring along.
func scalingText(cfg fed.RunConfig) string {
	if cfg.Scaling != "per_party" {
		return ""
	}
	return " Each party scales the columns with its own figures, which never leave it: only a party that trained in the run can compute with this version."
}

func partiesText(lin Lineage) string {
	var b strings.Builder
	b.WriteString("| Party | Dataset | Rows |\n|---|---|---|\n")
	for _, p := range lin.Parties {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", line(p.Name), line(cmp.Or(p.Title, p.Card, "not published")), line(cmp.Or(p.Rows, "not stated")))
	}
	return b.String()
}

func trainingText(in BuildInput, lin Lineage) string {
	t := in.Run.Config.Train
	length := "went through its training rows " + fed.OneOr(t.Epochs, "once", fed.Count(t.Epochs, "time"))
	if t.Steps > 0 {
		length = "made " + fed.Count(t.Steps, "step")
	}
	why := "the last one"
	if in.Run.Config.HoldOut() > 0 {
		why = "which had the lowest validation loss"
	}
	s := fmt.Sprintf("%s of %s. In each round every party %s, with %s a step (%s, learning rate %v). The model is that of round %d, %s.",
		fed.Count(lin.Rounds, "round"), strategyWords(lin.Strategy), length, fed.Count(t.Batch, "row"), line(t.Optimizer), t.LR, lin.Round, why)
	if len(lin.Contribution) == 0 {
		return s
	}
	s += "\n\n| Party | Contribution: how much lower it made the loss per row |\n|---|---|\n"
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
	words := []string{}
	for _, k := range names {
		words = append(words, cmp.Or(metricNames[k], k))
	}
	var b strings.Builder
	b.WriteString("| | Test rows | " + strings.Join(words, " | ") + " |\n|---|---|" + strings.Repeat("---|", len(names)) + "\n")
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
	put("All test rows", rows, m.Pooled)
	for _, p := range m.Parties {
		put(line(p.Name), p.Test, p.Metrics)
		if p.Alone != nil {
			put(line(p.Name)+", trained alone", p.Test, *p.Alone)
		}
	}
	return b.String()
}

func thresholdText(in BuildInput) string {
	if len(in.Classes) != 2 {
		return "None."
	}
	return fmt.Sprintf("A row is called %s from a probability of %v. This was not tuned; choose another one by the cost of each kind of error.", line(in.Classes[1]), Threshold)
}

func figure(v fed.Number) string {
	if !v.Finite() {
		return "-"
	}
	return fmt.Sprintf("%.4g", float64(v))
}
