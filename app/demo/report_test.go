package demo

import (
	"bytes"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

var update = flag.Bool("update", false, "write the golden reports anew")

// fixedReport is a full report with every kind of trouble in its texts.
func fixedReport() *Report {
	nan := fed.Number(math.NaN())
	return &Report{
		Title: "Synergos demo: four hospitals, one model", Version: "0.1.0", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Seconds: 61.26, OK: true,
		Data: "test data", Discovery: "Found by multicast DNS.", Homes: "/tmp/x",
		Steps:    []StepRow{{Name: "Start four parties", Seconds: 1.25, OK: true, Note: "four homes"}, {Name: "Pair <b>", Seconds: .5, OK: true}},
		Parties:  []PartyRow{{Name: "Cleveland & Co", Fingerprint: "AAAA BBBB", File: "a.csv", Rows: 303, Columns: 14, Missing: .0014, Positive: .459}, {Name: "Zurich and Basel", File: "b.csv", Rows: 123, Columns: 14, Positive: .935}},
		Pairings: []PairingRow{{A: "Cleveland & Co", B: "Zurich and Basel", How: "invite link"}},
		Leaves:   []LeaveRow{{What: "updates", How: "once a round", Who: "the coordinator"}}, Stays: []string{"rows", "the file"},
		Alignment: AlignmentRow{Columns: 14, Features: []string{"age", "cp=1"}, Confirmed: 1, Notes: []string{"chol at Zurich: filled with the mean"}},
		Runs: []RunRow{{
			ID: "r", Number: 1, Name: "FedAvg (FedProx, mu 0)", Coordinator: "Cleveland & Co", Why: "Cleveland & Co coordinates: rank 1 of 2, chosen by a majority in term 1.", Rounds: 10, BestRound: 9,
			ParamsHash: "0123456789abcdef", Metrics: fed.Metrics{"accuracy": .8125, "auc": .9}, Method: "exact Shapley values", Honesty: "Values are estimates.",
			Gain: .25, Remainder: -.0125, PoolCents: 100_000, Basis: "pooled", Rows: "145 held-out rows", Scored: 9, Through: 9, Split: splitText["contribution"],
			Parties: []RunPartyRow{
				{Name: "Cleveland & Co", Train: 200, Test: 103, Federated: fed.Metrics{"accuracy": .81, "auc": .9}, Alone: fed.Metrics{"accuracy": .79, "auc": .88}, Value: .3, Low: .2, High: .4, Peers: .25, Share: 1, Rank: 1, Cents: 100_000},
				{Name: "Zurich and Basel", Train: 81, Test: 42, Federated: fed.Metrics{"accuracy": .9, "auc": nan}, Value: -.0375, Low: -.1, High: .025, Peers: -.05, Rank: 2},
			},
		}},
		Best: 1, Currency: "EUR", Checks: []view.Check{{Name: "chain", OK: true, Text: "unbroken"}},
		Model:      ModelRow{Name: "heart", Number: 1, ContentID: "sha256:fedcba9876543210", Run: 1, Bytes: 12_345, Stage: "production", Stages: []StageRow{{Stage: "staging", Needed: 1, Yes: []string{"Cleveland & Co"}}}},
		Prediction: PredictionRow{By: "curl", At: []string{"Cleveland & Co", "Zurich and Basel"}, Row: map[string]any{"age": 54.0, "cp": "typical"}, Label: "yes", Probability: map[string]fed.Number{"yes": .75, "no": .25}},
		Sent:       []SentRow{{Party: "Cleveland & Co", Bytes: 1_234_567, Frames: 1234, Kinds: []KindRow{{"update", 1_000_000, 20}, {"docs", 234_000, 1200}, {"beat", 500, 10}, {"other", 67, 4}}, Check: "all 1234 entries are unchanged"}},
		Restart:    "Zurich was killed and started again.",
		Stored:     []StoredRow{{Party: "Cleveland & Co", Home: "/tmp/x/cleveland", Data: "/data/a.csv", Items: []StoredItem{{"keys", 1200, "private keys of the party"}, {"x.db", 98_304, "database"}}}},
	}
}

func TestReportGolden(t *testing.T) {
	r := fixedReport()
	broken := &Report{Title: r.Title, Version: r.Version, Started: r.Started, Data: r.Data, Problem: `A: "x" <script>`, Hint: "do y", Steps: []StepRow{{Name: "Pair", Note: `"x"`, Hint: "do y"}}}
	for name, render := range map[string]func(io.Writer) error{
		"report.txt": r.writeText, "report.html": r.writeHTML, "report.json": r.writeJSON, "broken.txt": broken.writeText, "broken.html": broken.writeHTML,
	} {
		var b bytes.Buffer
		if err := render(&b); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), b.String()); d != "" {
			t.Errorf("%s differs (-want +got); if that is meant, run the test with -update:\n%s", name, d)
		}
	}
}

// TestPageIsSelfContained: no script, nothing from elsewhere, every table with a
// caption and headers with a scope, every chart with its sentence.
func TestPageIsSelfContained(t *testing.T) {
	var b bytes.Buffer
	if err := fixedReport().writeHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, bad := range []string{"<script", "http://", "https://", "src=", "@import", "<b>", "ZgotmplZ", "NaN", "<no value>"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if tables, captions := strings.Count(page, "<table"), strings.Count(page, "<caption"); tables == 0 || tables != captions {
		t.Errorf("%d tables, %d captions", tables, captions)
	}
	if bare := regexp.MustCompile(`<th[ >]`).FindAllString(page, -1); len(bare) != strings.Count(page, "<th scope=") {
		t.Errorf("%d headers, %d with a scope", len(bare), strings.Count(page, "<th scope="))
	}
	if !strings.Contains(page, `role="img" aria-label="How much lower each party made the loss per row: Cleveland &amp; Co`) {
		t.Error("the chart does not say what it shows")
	}
}

func TestBarsStayInside(t *testing.T) {
	run := fixedReport().Runs[0]
	b := barsOf(run)
	if len(b.Rows) != 2 || b.Zero < barLeft || b.Zero > barLeft+barWidth {
		t.Fatalf("%+v", b)
	}
	for _, bar := range b.Rows {
		for _, x := range []float64{bar.X, bar.X + bar.Width, bar.Low, bar.High} {
			if x < barLeft-.01 || x > barLeft+barWidth+.01 {
				t.Errorf("%s reaches %v", bar.Name, x)
			}
		}
	}
	if neg := b.Rows[1]; math.Abs(neg.X+neg.Width-b.Zero) > .01 || neg.Low >= neg.High {
		t.Errorf("the negative bar does not end at zero: %+v", neg)
	}
	run.Parties[0].Value = fed.Number(math.NaN())
	if got := barsOf(run); len(got.Rows) != 1 {
		t.Errorf("a figure that is not finite has a bar: %+v", got)
	}
	if got := barsOf(RunRow{Parties: []RunPartyRow{{Name: "zero"}}}); len(got.Rows) != 1 || got.Rows[0].Width != 0 {
		t.Errorf("all zero: %+v", got)
	}
}

func TestWriteReport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "out")
	if err := fixedReport().write(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"demo-report.html", "demo-report.json"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	file := filepath.Join(dir, "demo-report.json")
	if err := fixedReport().write(file); fed.KindOf(err) != fed.Permission || fed.HintOf(err) == "" {
		t.Errorf("a file as folder gives %v", err)
	}
}

func TestAmounts(t *testing.T) {
	for got, want := range map[string]string{
		money(100_000): "1,000.00 EUR", money(-5): "-0.05 EUR", money(123_456_789): "1,234,567.89 EUR", fed.Grouped(-1234): "-1,234", fed.Grouped(12): "12",
		size(9_999): "9,999 B", size(12_345): "12.3 kB", size(12_345_678): "12.3 MB", percent(.4591): "45.9%", nats(-.05): "-0.0500",
		nats(fed.Number(math.Inf(1))): "-", metric(nil, "auc"): "-", joined([]string{"a", "b", "c"}): "a, b and c", joined(nil): "",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
