package dataset

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// findSpellings compares what the parties call the outcomes. Parties of several
// outcomes each that share none have either different cases, or different words for
// the same ones; where one writes numbers and the other does not, they are words.
func (a *Alignment) findSpellings() {
	for i, party := range a.Parties {
		for _, other := range a.Parties[:i] {
			x, y := a.Offers[other].Labels, a.Offers[party].Labels
			if len(x) < 2 || len(y) < 2 || slices.ContainsFunc(x, func(s string) bool { return contains(y, s) }) {
				continue
			}
			severity := Warning
			if numbers(x) != numbers(y) {
				severity = Fault
			}
			a.Findings = append(a.Findings, Finding{
				Severity: severity, Column: a.Config.Target, Text: fmt.Sprintf("%s has the outcomes %s, and %s has %s", other, quoted(x), party, quoted(y)),
				Why: "each word is a class of its own, so that the model would learn who has a row", Remedy: "write the outcomes in the same way in all files",
			})
		}
	}
}

func numbers(values []string) bool {
	return !slices.ContainsFunc(values, func(s string) bool {
		_, err := strconv.ParseFloat(s, 64)
		return err != nil
	})
}

// quoted lists a few values.
func quoted(values []string) string {
	const most = 4
	out := make([]string, 0, most+1)
	for _, s := range values[:min(len(values), most)] {
		out = append(out, "“"+s+"”")
	}
	if len(values) > most {
		out = append(out, "…")
	}
	return strings.Join(out, ", ")
}
