package app

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/sim"
)

func init() {
	register("simulate", "rehearse a run with virtual parties on this computer", simulate)
}

// partyFlags collects --party name=file flags.
type partyFlags []sim.Party

// String implements flag.Value.
func (p *partyFlags) String() string { return fmt.Sprint(len(*p)) }

// Set implements flag.Value.
func (p *partyFlags) Set(s string) error {
	name, path, ok := strings.Cut(s, "=")
	if !ok || name == "" || path == "" {
		return errors.New("write it like --party cleveland=a.csv")
	}
	*p = append(*p, sim.Party{Name: name, Path: path})
	return nil
}

func simulate(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var parties partyFlags
	f := flag.NewFlagSet("synergos simulate", flag.ContinueOnError)
	f.SetOutput(stderr)
	config := f.String("config", "", "run configuration (JSON, as exported by the app)")
	asJSON := f.Bool("json", false, "print the whole result as JSON")
	verbose := f.Bool("v", false, "print what happens to stderr")
	f.Var(&parties, "party", "a virtual party and its file, name=file.csv; give one per party")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case *config == "" || f.NArg() > 0:
		_, _ = fmt.Fprintln(stderr, "synergos simulate: name a configuration with --config run.json and at least two parties with --party name=file.csv")
		return 2
	}
	cfg, err := readConfig(*config)
	if err != nil {
		return complain(stderr, err)
	}
	opts := sim.Options{}
	if *verbose {
		opts.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	rep, err := sim.Simulate(ctx, cfg, parties, opts, func(r view.Run) {
		if !*asJSON {
			_, _ = fmt.Fprintf(stderr, "round %d of %d\n", r.Round, r.Rounds)
		}
	})
	if err != nil {
		return complain(stderr, err)
	}
	if *asJSON {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(rep)
	} else {
		err = printReport(stdout, rep)
	}
	if err != nil {
		return complain(stderr, err)
	}
	return 0
}

// readConfig reads the configuration in a file.
func readConfig(path string) (fed.RunConfig, error) {
	f, err := os.Open(path)
	if err != nil {
		return fed.RunConfig{}, fed.Errorf(fed.NotFound, "Check the name of the file.", "the configuration cannot be read: %w", err)
	}
	defer func() { _ = f.Close() }()
	c, err := fed.ReadConfig(f)
	if err != nil {
		return c, fed.Errorf(fed.Invalid, fed.HintOf(err)+" docs/run-config.schema.json describes all settings.", "the configuration %s is not valid: %w", path, err)
	}
	return c, nil
}

func printReport(w io.Writer, r *sim.Report) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "party\ttrain\ttest\tfederated\talone\tpooled\tcontribution\t95%% interval\t\n")
	for _, p := range r.Parties {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s to %s\t\n", p.Party, p.TrainExamples, p.TestExamples, headline(p.Test), headline(p.Alone), headline(p.Central),
			digits(p.Contribution.Value), digits(p.Contribution.Low), digits(p.Contribution.High))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nunion of the test sets: federated %s, trained on all rows pooled %s\nmean over parties:      federated %s\nthe model of round %d, params %s, %.1f s\n",
		headline(r.PooledTest), headline(r.PooledTraining.PooledTest), headline(r.ClientMean), r.BestRound, r.ParamsHash, float64(r.Seconds))
	return err
}

// headline is accuracy, or the root of the mean squared error.
func headline(m fed.Metrics) string {
	for _, k := range []string{"accuracy", "rmse"} {
		if v, ok := m[k]; ok {
			return digits(v)
		}
	}
	return "-"
}

func digits(v fed.Number) string {
	if !v.Finite() {
		return "-"
	}
	return fmt.Sprintf("%.4f", float64(v))
}
