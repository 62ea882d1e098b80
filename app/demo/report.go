package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

// reportName is the base name of the report's files.
const reportName = "demo-report"

// Report is what the demo found, as demo-report.json holds it. It never holds a
// token. Parts that the story did not reach are empty.
type Report struct {
	Title     string    `json:"title"`
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Seconds   float64   `json:"seconds"`
	OK        bool      `json:"ok"`
	Problem   string    `json:"problem,omitempty"`
	Hint      string    `json:"hint,omitempty"`
	Data      string    `json:"data"`
	Discovery string    `json:"discovery"`
	Homes     string    `json:"homes"`

	Steps      []StepRow     `json:"steps"`
	Parties    []PartyRow    `json:"parties"`
	Pairings   []PairingRow  `json:"pairings"`
	Leaves     []LeaveRow    `json:"leaves"`
	Stays      []string      `json:"stays"`
	Alignment  AlignmentRow  `json:"alignment"`
	Runs       []RunRow      `json:"runs"`
	Best       int           `json:"best"` // number of the run that was registered
	Currency   string        `json:"currency"`
	Checks     []view.Check  `json:"checks"` // of the reward ledger
	Model      ModelRow      `json:"model"`
	Prediction PredictionRow `json:"prediction"`
	Sent       []SentRow     `json:"sent"`
	Restart    string        `json:"restart"`
	Stored     []StoredRow   `json:"stored"`
}

// StepRow is one step of the story.
type StepRow struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	OK      bool    `json:"ok"`
	Note    string  `json:"note"` // what happened, or the problem
	Hint    string  `json:"hint,omitempty"`
}

// PartyRow is a hospital with its file.
type PartyRow struct {
	Name        string  `json:"name"`
	Fingerprint string  `json:"fingerprint"`
	File        string  `json:"file"`
	Rows        int     `json:"rows"`
	Columns     int     `json:"columns"`
	Missing     float64 `json:"missing"`  // share of empty cells, 0..1
	Positive    float64 `json:"positive"` // share of rows with the disease, 0..1
	Home        string  `json:"home"`
}

// PairingRow says how two parties were paired.
type PairingRow struct {
	A   string `json:"a"`
	B   string `json:"b"`
	How string `json:"how"`
}

// LeaveRow is a line of the consent sheet: one thing that leaves.
type LeaveRow struct {
	What string `json:"what"`
	How  string `json:"how"`
	Who  string `json:"who"`
}

// AlignmentRow is what the alignment came to.
type AlignmentRow struct {
	Columns   int      `json:"columns"`
	Features  []string `json:"features"`
	Confirmed int      `json:"confirmed"` // matches that a person confirmed
	Digest    string   `json:"digest"`
	Notes     []string `json:"notes"` // cells that are not the same
}

// RunRow is one run with its figures.
type RunRow struct {
	ID          string        `json:"id"`
	Number      int           `json:"number"`
	Name        string        `json:"name"`
	Coordinator string        `json:"coordinator"`
	Why         string        `json:"why"`
	Rounds      int           `json:"rounds"`
	BestRound   int           `json:"bestRound"`
	ParamsHash  string        `json:"paramsHash"`
	Metrics     fed.Metrics   `json:"metrics"` // pooled over all test rows
	Parties     []RunPartyRow `json:"parties"`
	Method      string        `json:"method"`
	Honesty     string        `json:"honesty"`
	Gain        fed.Number    `json:"gain"`      // nats per row
	Remainder   fed.Number    `json:"remainder"` // gain minus the sum of the values
	Basis       string        `json:"basis"`     // pooled | peers: whose rows decide what is paid
	Rows        string        `json:"rows"`      // on which rows, in words
	Scored      int           `json:"scored"`    // rounds that count
	Through     int           `json:"through"`   // round of the delivered model: the last that counts
	Split       string        `json:"split"`     // how the pool was divided, in words
	PoolCents   int64         `json:"poolCents"`
}

// RunPartyRow is a hospital in a run.
type RunPartyRow struct {
	Name      string      `json:"name"`
	Train     int64       `json:"train"` // rows
	Test      int64       `json:"test"`  // rows
	Federated fed.Metrics `json:"federated"`
	Alone     fed.Metrics `json:"alone"` // empty when a model of its own is impossible
	Value     fed.Number  `json:"value"` // contribution, nats per row
	Low       fed.Number  `json:"low"`   // 95% interval
	High      fed.Number  `json:"high"`
	Peers     fed.Number  `json:"peers"` // on the others' rows only
	Share     fed.Number  `json:"share"` // 0..1
	Rank      int         `json:"rank"`
	Cents     int64       `json:"cents"`
}

// ModelRow is the registered version.
type ModelRow struct {
	Name      string     `json:"name"`
	Number    int        `json:"number"`
	ContentID string     `json:"contentId"`
	Run       int        `json:"run"`
	Bytes     int64      `json:"bytes"`
	Stage     string     `json:"stage"`
	Stages    []StageRow `json:"stages"`
}

// StageRow is one promotion.
type StageRow struct {
	Stage  string   `json:"stage"`
	Needed int      `json:"needed"`
	Yes    []string `json:"yes"`
}

// PredictionRow is the prediction that was asked of two parties.
type PredictionRow struct {
	By          string                `json:"by"`
	At          []string              `json:"at"`
	Row         map[string]any        `json:"row"`
	Label       string                `json:"label"`
	Probability map[string]fed.Number `json:"probability"`
}

// SentRow is what left one party.
type SentRow struct {
	Party  string    `json:"party"`
	Bytes  int64     `json:"bytes"`
	Frames int64     `json:"frames"`
	Kinds  []KindRow `json:"kinds"`
	Check  string    `json:"check"`
}

// KindRow adds frames of one kind up.
type KindRow struct {
	Kind   string `json:"kind"`
	Bytes  int64  `json:"bytes"`
	Frames int64  `json:"frames"`
}

// StoredRow is what lies in one home.
type StoredRow struct {
	Party string       `json:"party"`
	Home  string       `json:"home"`
	Data  string       `json:"data,omitempty"` // the hospital's file, which stayed where it was
	Items []StoredItem `json:"items"`
}

// StoredItem is a file or folder of a home.
type StoredItem struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	What  string `json:"what"`
}

// runRow makes the row of a finished run, still without contributions.
func runRow(d view.RunDetail) RunRow {
	r := d.Run
	row := RunRow{
		ID: r.ID, Number: r.Number, Name: strategyName(d.Config.Strategy), Coordinator: r.Coordinator, Why: r.Why,
		Rounds: r.Round, BestRound: r.BestRound, ParamsHash: r.ParamsHash, Metrics: r.Metrics,
	}
	for _, p := range d.Results {
		row.Parties = append(row.Parties, RunPartyRow{Name: p.Party, Train: p.TrainExamples, Test: p.TestExamples, Federated: p.Test, Alone: p.Alone})
	}
	return row
}

// strategyName says what a strategy is; FedProx with mu 0 is FedAvg.
func strategyName(s fed.StrategySpec) string {
	switch {
	case s.Name == "fedprox" && s.Mu == 0:
		return "FedAvg (FedProx, mu 0)"
	case s.Name == "fedprox":
		return fmt.Sprintf("FedProx, mu %g", s.Mu)
	}
	return s.Name
}

// setContribution puts the contributions into the rows of the parties.
func (r *RunRow) setContribution(c view.Contribution) {
	r.Method, r.Honesty, r.Gain, r.Remainder = c.Method, c.Honesty, c.Total, c.Remainder
	r.Basis, r.Rows, r.Scored, r.Through = c.Basis, c.Rows, c.Scored, c.Through
	for i := range r.Parties {
		for _, p := range c.Parties {
			if p.Party == r.Parties[i].Name {
				row := &r.Parties[i]
				row.Value, row.Low, row.High, row.Peers, row.Share, row.Rank, row.Cents = p.Value, p.Low, p.High, p.Peers, p.Share, p.Rank, p.Cents
			}
		}
	}
}

// splitText says how a pool was divided.
var splitText = map[string]string{
	"contribution": "in proportion to the contributions",
	"unscored":     "equally, since no round was scored",
	"nobody":       "equally, since nobody's contribution is above zero",
}

// measured says on what the contributions rest.
func (r RunRow) measured() string {
	text := fmt.Sprintf("Measured on %s (%s), over %d rounds up to round %d of the delivered model.", r.Rows, r.Basis, r.Scored, r.Through)
	if r.Split != "" {
		text += fmt.Sprintf(" The pool is divided %s.", r.Split)
	}
	return text
}

// write puts the report into the folder as JSON and as a page.
func (r *Report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fed.Errorf(fed.Permission, "name another folder with --out", "the folder for the report cannot be made: %w", err)
	}
	for ext, render := range map[string]func(io.Writer) error{".json": r.writeJSON, ".html": r.writeHTML} {
		if err := writeFile(filepath.Join(dir, reportName+ext), render); err != nil {
			return fed.Errorf(fed.Permission, "name another folder with --out", "the report cannot be written: %w", err)
		}
	}
	return nil
}

func writeFile(path string, render func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return errors.Join(render(f), f.Close())
}

func (r *Report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("write the report as JSON: %w", err)
	}
	return nil
}

// verdict is the report in one sentence.
func (r *Report) verdict() string {
	if !r.OK {
		return "The demo did not get to its end: " + r.Problem
	}
	return fmt.Sprintf("All %d steps happened, in %.0f s.", len(r.Steps), r.Seconds)
}

// money writes cents with two decimals and the demo's currency.
func money(cents int64) string { return fed.Money(cents, currency) }

// size writes bytes in the unit that suits them.
func size(n int64) string {
	switch {
	case n < 10_000:
		return fed.Grouped(n) + " B"
	case n < 10_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}

// percent writes a share of 0..1.
func percent(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }

// metric writes a figure with three decimals, or a dash when it is undefined.
func metric(m fed.Metrics, key string) string {
	v, ok := m[key]
	if !ok || !v.Finite() {
		return "-"
	}
	return fmt.Sprintf("%.3f", float64(v))
}

// short writes the beginning of a digest.
func short(digest string) string { return fmt.Sprintf("%.12s", strings.TrimPrefix(digest, "sha256:")) }

// nats writes a contribution.
func nats(v fed.Number) string {
	if !v.Finite() {
		return "-"
	}
	return strings.Replace(fmt.Sprintf("%+.4f", float64(v)), "-0.0000", "+0.0000", 1)
}
