// Package demo tells the whole story with four real parties: it starts four
// serve processes of this program, each with its own home and ports, and drives
// them through the public HTTP API only, from pairing to a served prediction.
//
// Start with [Main]. A story is a list of steps; every step checks what it
// claims at every party it concerns and returns an error that says what was
// expected and what was seen. The package knows the API's records (package view)
// and nothing of the engine behind it.
package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"synergos.app/desktop/backend/fed"
)

// Options are the flags of the demo.
type Options struct {
	Data   string // folder of the four files; "" looks for one, "synthetic" takes the built-in cohort
	Out    string // folder for demo-report.html and demo-report.json
	Homes  string // folder for the four homes; "" makes one among the temporary files
	Rounds int    // of every run
	Keep   bool   // leave the four parties running
	JSON   bool   // print the report as JSON instead of text

	Version string // of the program
}

// synthetic is the --data that asks for the built-in cohort.
const synthetic = "synthetic"

// Main is the demo face: it parses args, tells the story and returns the exit
// code, 0 only if every step really happened.
func Main(ctx context.Context, version string, args []string, stdout, stderr io.Writer) int {
	o, code, ok := parse(args, stderr)
	if !ok {
		return code
	}
	o.Version = version
	if err := o.run(ctx, stdout, stderr); err != nil {
		complain(stderr, err)
		return 1
	}
	return 0
}

// parse reads the flags; ok is false when the face must end with code.
func parse(args []string, stderr io.Writer) (o Options, code int, ok bool) {
	f := flag.NewFlagSet("synergos demo", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.Data, "data", "", "folder with processed.{cleveland,hungarian,switzerland,va}.data, or \"synthetic\" for the built-in cohort\n(default: $SYNERGOS_DATA/heart or ../shared/data/heart if present, else synthetic)")
	f.StringVar(&o.Out, "out", ".", "folder for demo-report.html and demo-report.json")
	f.StringVar(&o.Homes, "homes", "", "new or empty folder for the homes of the four parties (default: a new temporary folder)")
	f.IntVar(&o.Rounds, "rounds", 10, "rounds of every run")
	f.BoolVar(&o.Keep, "keep", false, "leave the four parties running and print their addresses")
	f.BoolVar(&o.JSON, "json", false, "print the report as JSON")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return o, 0, false
	case err != nil:
		return o, 2, false
	}
	if f.NArg() > 0 || o.Rounds < 1 || o.Rounds > 1000 {
		_, _ = fmt.Fprintln(stderr, "synergos demo: it takes flags only, and 1 to 1000 rounds")
		return o, 2, false
	}
	return o, 0, true
}

// run tells the story and writes the report, also of a story that failed.
func (o Options) run(ctx context.Context, stdout, stderr io.Writer) error {
	cohort, err := findCohort(o.Data)
	if err != nil {
		return err
	}
	homes, err := makeHomes(o.Homes)
	if err != nil {
		return err
	}
	children, err := newChildren(o.Keep)
	if err != nil {
		return err
	}
	progress := stdout
	if o.JSON {
		progress = stderr
	}
	s := newStory(cohort, homes, children, progress)
	s.rounds, s.report.Version = o.Rounds, o.Version
	failed := s.tell(ctx)
	s.finish(failed)
	keep := o.Keep && failed == nil
	if !keep {
		failed = errors.Join(failed, children.stop())
	}
	if err := errors.Join(failed, s.report.write(o.Out), o.print(s, stdout)); err != nil {
		return err
	}
	if keep {
		s.printAddresses(progress, children)
	}
	return nil
}

// print writes the report to w as the flags ask.
func (o Options) print(s *story, w io.Writer) error {
	if o.JSON {
		return s.report.writeJSON(w)
	}
	if err := s.report.writeText(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nThe same report: %s and %s\n", filepath.Join(o.Out, reportName+".html"), filepath.Join(o.Out, reportName+".json"))
	return err
}

// makeHomes returns the absolute path of an empty folder for the homes.
func makeHomes(dir string) (string, error) {
	if dir == "" {
		made, err := os.MkdirTemp("", "synergos-demo-")
		if err != nil {
			return "", fed.Errorf(fed.Permission, "name a folder with --homes", "no folder for the parties can be made: %w", err)
		}
		return made, nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fed.Errorf(fed.Invalid, "name another folder with --homes", "the folder %s cannot be used: %w", dir, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return "", fed.Errorf(fed.Permission, "name a folder that you may write to with --homes", "the folder for the parties cannot be made: %w", err)
	}
	entries, err := os.ReadDir(abs)
	if err != nil {
		return "", fed.Errorf(fed.Permission, "name another folder with --homes", "the folder for the parties cannot be read: %w", err)
	}
	if len(entries) > 0 {
		return "", fed.Errorf(fed.Exists, "name a new or empty folder with --homes; the demo starts from nothing", "the folder %s is not empty", abs)
	}
	return abs, nil
}

// complain prints an error with its hint.
func complain(w io.Writer, err error) {
	_, _ = fmt.Fprintf(w, "synergos demo: %v\n", err)
	if hint := fed.HintOf(err); hint != "" {
		_, _ = fmt.Fprintf(w, "  %s\n", hint)
	}
}

// since is the time from start in seconds, to a tenth.
func since(start time.Time) float64 {
	return float64(time.Since(start).Round(100*time.Millisecond)) / float64(time.Second)
}
