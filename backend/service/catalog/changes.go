package catalog

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Changes says in words how a card differs from its version before.
func Changes(old, now Card) []string {
	out := []string{}
	text := func(what, a, b string) {
		switch {
		case a == b:
		case a == "":
			out = append(out, fmt.Sprintf("%s added: %s", what, Clean(b, 80)))
		case b == "":
			out = append(out, what+" removed")
		default:
			out = append(out, fmt.Sprintf("%s: %s instead of %s", what, Clean(b, 80), Clean(a, 80)))
		}
	}
	text("Title", old.Title, now.Title)
	text("Description", old.Description, now.Description)
	text("Keywords", strings.Join(old.Keywords, ", "), strings.Join(now.Keywords, ", "))
	text("Task", old.Task, now.Task)
	text("Target", old.Target, now.Target)
	text("Size", old.RowBand, now.RowBand)
	if old.Rows != now.Rows {
		text("Exact number of rows", count(old.Rows), count(now.Rows))
	}
	if !sameJSON(old.Terms, now.Terms) {
		out = append(out, "Terms changed")
	}
	if !sameJSON(old.Compute, now.Compute) {
		out = append(out, "Declared compute changed")
	}
	if old.Fingerprint != now.Fingerprint {
		out = append(out, "The file has changed (its keyed fingerprint)")
	}
	return append(out, columnChanges(old.cleaned().Columns, now.cleaned().Columns)...)
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func columnChanges(old, now []Column) []string {
	out := []string{}
	at := func(list []Column, name string) int {
		return slices.IndexFunc(list, func(c Column) bool { return c.Name == name })
	}
	for _, c := range now {
		i := at(old, c.Name)
		switch {
		case i < 0:
			out = append(out, fmt.Sprintf("Column %s: now shown (%s)", c.Name, c.Level))
		case old[i].Level != c.Level:
			out = append(out, fmt.Sprintf("Column %s: %s instead of %s", c.Name, c.Level, old[i].Level))
		case old[i].Type != c.Type || old[i].Role != c.Role:
			out = append(out, fmt.Sprintf("Column %s: %s, %s instead of %s, %s", c.Name, c.Type, c.Role, old[i].Type, old[i].Role))
		case !sameJSON(old[i], c):
			out = append(out, fmt.Sprintf("Column %s: other figures", c.Name))
		}
	}
	for _, c := range old {
		if at(now, c.Name) < 0 {
			out = append(out, fmt.Sprintf("Column %s: no longer shown", c.Name))
		}
	}
	const most = 200
	if len(out) > most {
		out = append(out[:most], fmt.Sprintf("and %d other columns", len(out)-most))
	}
	return out
}
