package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
)

const (
	tailLines = 20
	pollEvery = 100 * time.Millisecond
)

// party is one of the four as the demo sees it.
type party struct {
	hospital
	home   string
	folder string // of the data files; "" for built-in data
	client *client
	pid    int

	identity view.Identity
	dataset  view.Dataset
	profile  view.Profile
	card     view.Card
	serving  view.Serving
}

// story is the state of a telling: the cast and what the steps found out.
type story struct {
	cohort  cohort
	parties []*party // the first one invites the others and leads the project
	procs   launcher
	out     io.Writer // progress
	rounds  int
	limit   time.Duration // of one wait
	every   time.Duration // between two looks
	looks   int           // most looks of one wait; 0: as many as fit into limit
	curl    string        // program for the prediction; "" when there is none

	discovered bool // the parties saw each other by multicast
	project    view.Project
	experiment view.Experiment
	runs       []view.RunDetail
	best       int // index in runs
	version    view.ModelVersion

	report Report
}

// step is one part of the story. do returns a note for the progress line.
type step struct {
	name string
	do   func(ctx context.Context, s *story) (note string, err error)
}

// steps are the story, in order.
var steps = []step{
	{"Start four parties", startParties},
	{"Look for each other on the network", discover},
	{"Pair by six-digit code", pairByCode},
	{"Pair by invite link and approval", pairByInvite},
	{"Pair by a typed address and code", pairByAddress},
	{"Add one file at each hospital", addFiles},
	{"Publish dataset cards", publishCards},
	{"Ask for access and approve it", requestAccess},
	{"Create the project and invite", createProject},
	{"Read the consent sheets and accept", acceptProject},
	{"Compare the columns", align},
	{"Queue two configurations", createExperiment},
	{"Elect a coordinator and train", train},
	{"Measure contributions", measure},
	{"Split the rewards and verify the ledger", reward},
	{"Compare the runs", compare},
	{"Register the better model", register},
	{"Promote to staging", promoteTo("staging")},
	{"Promote to production", promoteTo("production")},
	{"Switch serving on at every party", serve},
	{"Predict with curl", predict},
	{"Add up what left each party", account},
	{"Kill a party and start it again", restart},
	{"List where everything is stored", inventory},
}

func newStory(c cohort, homes string, procs launcher, out io.Writer) *story {
	s := &story{cohort: c, procs: procs, out: out, rounds: 10, limit: time.Minute, every: pollEvery, curl: findCurl()}
	for _, h := range c.hospitals {
		s.parties = append(s.parties, &party{hospital: h, folder: c.folder, home: filepath.Join(homes, h.key)})
	}
	s.report = Report{Title: "Synergos demo: four hospitals, one model", Started: time.Now().UTC(), Data: c.source, Homes: homes}
	return s
}

// tell does all steps until one fails.
func (s *story) tell(ctx context.Context) error {
	_, _ = fmt.Fprintf(s.out, "Four hospitals learn one model together, with %s.\n\n", s.cohort.source)
	for _, st := range steps {
		start := time.Now()
		note, err := st.do(ctx, s)
		if err == nil {
			err = context.Cause(ctx) // a step that did not wait does not notice
		}
		row := StepRow{Name: st.name, Seconds: since(start), Note: note, OK: err == nil}
		if err != nil {
			row.Note = s.redact(err.Error())
			row.Hint = fed.HintOf(err)
		}
		s.report.Steps = append(s.report.Steps, row)
		s.printStep(row)
		if err != nil {
			s.printLog(err)
			return fmt.Errorf("%s: %w", strings.ToLower(st.name[:1])+st.name[1:], err)
		}
	}
	return nil
}

func (s *story) printStep(r StepRow) {
	mark := "✓"
	if !r.OK {
		mark = "✗"
	}
	_, _ = fmt.Fprintf(s.out, "%s %5.1f s  %s\n", mark, r.Seconds, r.Name)
	if r.Note != "" {
		_, _ = fmt.Fprintf(s.out, "           %s\n", r.Note)
	}
	if r.Hint != "" {
		_, _ = fmt.Fprintf(s.out, "           %s\n", r.Hint)
	}
}

// printLog shows the last lines of the log of the party that an error concerns.
func (s *story) printLog(err error) {
	var at *partyError
	if !errors.As(err, &at) || errors.Is(err, context.Canceled) {
		return
	}
	lines := s.procs.tail(at.party, tailLines)
	_, _ = fmt.Fprintf(s.out, "\nThe last lines of the log of %s:\n", at.party.name)
	for _, line := range lines {
		_, _ = fmt.Fprintln(s.out, "  "+s.redact(line))
	}
}

// redact takes the tokens of the parties out of a text.
func (s *story) redact(text string) string {
	for _, p := range s.parties {
		if p.client != nil && p.client.token != "" {
			text = strings.ReplaceAll(text, p.client.token, "[token]")
		}
	}
	return text
}

// finish completes the report.
func (s *story) finish(err error) {
	r := &s.report
	r.Seconds = since(r.Started)
	r.OK = err == nil
	if err != nil {
		r.Problem, r.Hint = s.redact(err.Error()), fed.HintOf(err)
	}
}

// printAddresses tells how to open the four pages of parties that stay. It goes
// to the terminal only: the addresses carry the tokens.
func (s *story) printAddresses(w io.Writer, c *children) {
	_, _ = fmt.Fprint(w, "\nThe four parties are still running. Open them in a browser on this computer:\n")
	var pids []string
	for _, p := range s.parties {
		_, _ = fmt.Fprintf(w, "  %-32s %s/#t=%s\n", p.name, p.client.base, p.client.token)
		pids = append(pids, fmt.Sprint(c.running[p].cmd.Process.Pid))
	}
	_, _ = fmt.Fprintf(w, "End them with: kill %s\n", strings.Join(pids, " "))
}

// others are all parties but the first.
func (s *story) others() []*party { return s.parties[1:] }

// first is the party that invites, and administers the project.
func (s *story) first() *party { return s.parties[0] }

// named returns the party that the others call name.
func (s *story) named(name string) (*party, bool) {
	i := slices.IndexFunc(s.parties, func(p *party) bool { return p.name == name })
	if i < 0 {
		return nil, false
	}
	return s.parties[i], true
}
