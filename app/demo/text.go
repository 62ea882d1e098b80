package demo

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"synergos.app/desktop/backend/fed"
)

// writeText prints the report as plain tables.
func (r *Report) writeText(w io.Writer) error {
	t := &textReport{r: r}
	t.heading(r.Title)
	t.line(r.verdict())
	if r.Hint != "" {
		t.line(r.Hint)
	}
	t.line("Data: " + r.Data + ".")
	t.line(r.Discovery)
	t.parties()
	for i := range r.Runs {
		t.run(&r.Runs[i])
	}
	t.model()
	t.sent()
	t.stored()
	_, err := w.Write(t.b.Bytes())
	if err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}

type textReport struct {
	r *Report
	b bytes.Buffer
}

func (t *textReport) heading(s string) {
	fmt.Fprintf(&t.b, "\n%s\n%s\n", s, strings.Repeat("=", len([]rune(s))))
}

func (t *textReport) line(s string) {
	if s != "" {
		fmt.Fprintln(&t.b, s)
	}
}

// table prints rows of cells; the first row is the header.
func (t *textReport) table(rows [][]string) {
	tw := tabwriter.NewWriter(&t.b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(tw, strings.Join(row, "\t")) // a buffer takes everything
	}
	_ = tw.Flush()
}

func (t *textReport) parties() {
	if len(t.r.Parties) == 0 {
		return
	}
	t.heading("Hospitals")
	rows := [][]string{{"hospital", "file", "rows", "columns", "empty cells", "with disease"}}
	for _, p := range t.r.Parties {
		rows = append(rows, []string{p.Name, p.File, fmt.Sprint(p.Rows), fmt.Sprint(p.Columns), percent(p.Missing), percent(p.Positive)})
	}
	t.table(rows)
	for _, p := range t.r.Pairings {
		t.line(fmt.Sprintf("%s and %s were paired by %s.", p.A, p.B, p.How))
	}
	if n := len(t.r.Alignment.Features); n > 0 {
		t.line(fmt.Sprintf("%d columns became %d inputs of the model; column matches confirmed by a person: %d.", t.r.Alignment.Columns, n, t.r.Alignment.Confirmed))
	}
}

func (t *textReport) run(r *RunRow) {
	t.heading(fmt.Sprintf("Run %d: %s", r.Number, r.Name))
	t.line(fmt.Sprintf("%s %d rounds; the model is that of round %d. Result %s.", r.Why, r.Rounds, r.BestRound, short(r.ParamsHash)))
	rows := [][]string{{"hospital", "train", "test", "accuracy alone", "federated", "AUC alone", "federated", "contribution", "95% interval", "on others' rows", "share", "reward"}}
	for _, p := range r.Parties {
		rows = append(rows, []string{
			p.Name, fmt.Sprint(p.Train), fmt.Sprint(p.Test), metric(p.Alone, "accuracy"), metric(p.Federated, "accuracy"), metric(p.Alone, "auc"), metric(p.Federated, "auc"),
			nats(p.Value), nats(p.Low) + " to " + nats(p.High), nats(p.Peers), percent(float64(p.Share)), money(p.Cents),
		})
	}
	rows = append(rows, []string{"all test rows", "", "", "", metric(r.Metrics, "accuracy"), "", metric(r.Metrics, "auc"), nats(r.Gain), "", "", "", money(r.PoolCents)})
	t.table(rows)
	t.line(fmt.Sprintf("Contribution: how much lower a party made the loss per row (%s). Of the sum, %s belongs to no single party.", r.Method, nats(r.Remainder)))
	t.line(r.measured())
	t.line(r.Honesty)
}

func (t *textReport) model() {
	m, p := t.r.Model, t.r.Prediction
	if m.Name == "" {
		return
	}
	t.heading("Model")
	t.line(fmt.Sprintf("%s, version %d, from run %d, %s, content %s, stage %s.", m.Name, m.Number, m.Run, size(m.Bytes), short(m.ContentID), m.Stage))
	for _, s := range m.Stages {
		t.line(fmt.Sprintf("%s: approved by %s (%d needed).", s.Stage, joined(s.Yes), s.Needed))
	}
	if p.Label != "" {
		t.line(fmt.Sprintf("One prediction by %s: %q with probability %s, the same at %s.", p.By, p.Label, percent(float64(p.Probability[p.Label])), joined(p.At)))
	}
}

func (t *textReport) sent() {
	if len(t.r.Sent) == 0 {
		return
	}
	t.heading("What left each hospital")
	rows := [][]string{{"hospital", "bytes", "messages", "most of it"}}
	for _, s := range t.r.Sent {
		rows = append(rows, []string{s.Party, fed.Grouped(s.Bytes), fed.Grouped(s.Frames), s.Most()})
	}
	t.table(rows)
	t.line(t.r.Restart)
}

// kindWords are the commonest kinds of messages as people call them.
var kindWords = map[string]string{
	"blob_data": "files of models and rounds", "blob_get": "requests for files", "doc": "signed records", "round": "the shared model", "update": "updates of the model",
	"score": "questions about contributions", "score_reply": "contributions", "eval_reply": "results as totals", "align": "comparing the columns",
}

// Word is the kind as people call it.
func (k KindRow) Word() string {
	return cmp.Or(kindWords[k.Kind], k.Kind)
}

// Most names the three kinds with most bytes.
func (s SentRow) Most() string {
	var parts []string
	for _, k := range s.Kinds[:min(3, len(s.Kinds))] {
		parts = append(parts, fmt.Sprintf("%s %s", k.Word(), size(k.Bytes)))
	}
	return strings.Join(parts, ", ")
}

func (t *textReport) stored() {
	if len(t.r.Stored) == 0 {
		return
	}
	t.heading("Where everything is stored")
	for _, s := range t.r.Stored {
		t.line(s.Party + ": " + s.Home)
		if s.Data != "" {
			t.line("  data, read in place: " + s.Data)
		}
		var rows [][]string
		for _, item := range s.Items {
			rows = append(rows, []string{"  " + item.Name, size(item.Bytes), item.What})
		}
		t.table(rows)
	}
}
