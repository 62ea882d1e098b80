package demo

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"synergos.app/desktop/backend/fed"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"money": money, "size": size, "grouped": fed.Grouped[int64], "metric": metric, "nats": nats, "joined": joined, "bars": barsOf, "measured": RunRow.measured,
	"percent": func(v any) string {
		switch x := v.(type) {
		case float64:
			return percent(x)
		case fed.Number:
			return percent(float64(x))
		}
		return ""
	},
	"number": func(f float64) string { return fmt.Sprintf("%.1f", f) },
	"short":  short,
}).Parse(reportPage))

// Verdict is the report in one sentence, for the page.
func (r *Report) Verdict() string { return r.verdict() }

// writeHTML writes the report as one page without script or foreign content.
func (r *Report) writeHTML(w io.Writer) error {
	if err := reportTemplate.Execute(w, r); err != nil {
		return fmt.Errorf("write the report as a page: %w", err)
	}
	return nil
}

// Dimensions of the chart of contributions, in CSS pixels.
const (
	barLeft, barWidth = 200.0, 420.0
	barPitch          = 32.0
)

// Bars is a chart of contributions with their intervals.
type Bars struct {
	Summary       string
	Width, Height float64
	Zero          float64 // x of 0
	Rows          []Bar
}

// Bar is one party's bar, in CSS pixels.
type Bar struct {
	Name, Value string
	X, Y, Width float64 // the bar
	Low, High   float64 // x of the interval's ends
	Text, Mid   float64 // y of the name's baseline and of the interval
}

// barsOf lays the contributions of a run out. Without a finite figure there is
// no bar.
func barsOf(r RunRow) Bars {
	low, high := 0.0, 0.0
	for _, p := range r.Parties {
		for _, v := range []fed.Number{p.Value, p.Low, p.High} {
			if v.Finite() {
				low, high = math.Min(low, float64(v)), math.Max(high, float64(v))
			}
		}
	}
	span := high - low
	if span == 0 {
		span = 1
	}
	x := func(v float64) float64 { return barLeft + (v-low)/span*barWidth }
	b := Bars{Width: barLeft + barWidth + 90, Height: barPitch * float64(len(r.Parties)), Zero: x(0)}
	var parts []string
	for i, p := range r.Parties {
		if !p.Value.Finite() {
			continue
		}
		v, y := float64(p.Value), barPitch*float64(i)
		bar := Bar{Name: p.Name, Value: nats(p.Value), X: math.Min(x(0), x(v)), Y: y + 6, Width: math.Abs(x(v) - x(0)), Text: y + 21, Mid: y + 16, Low: x(v), High: x(v)}
		if p.Low.Finite() && p.High.Finite() {
			bar.Low, bar.High = x(float64(p.Low)), x(float64(p.High))
		}
		b.Rows = append(b.Rows, bar)
		parts = append(parts, p.Name+" "+bar.Value)
	}
	b.Summary = "How much lower each party made the loss per row: " + strings.Join(parts, ", ")
	return b
}
