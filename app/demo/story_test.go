package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
)

// patience is how often a test looks before it gives up: more often than any
// truth of the world needs.
const patience = 12

func TestStoryToItsEnd(t *testing.T) {
	s, w, out := newTestStory(t, "")
	if err := s.tell(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.finish(nil)
	r := s.report
	if !r.OK || len(r.Steps) != len(steps) || strings.Count(out.String(), "✓") != len(steps) {
		t.Errorf("%d of %d steps are reported, ok %t:\n%s", len(r.Steps), len(steps), r.OK, out)
	}
	if len(r.Pairings) != 3 || len(r.Runs) != 2 || len(r.Parties) != 4 || len(r.Sent) != 4 || len(r.Stored) != 4 {
		t.Errorf("%d pairings, %d runs, %d parties, %d records, %d homes", len(r.Pairings), len(r.Runs), len(r.Parties), len(r.Sent), len(r.Stored))
	}
	if got := r.Runs[1].Why; got != "Hillcrest Medical Centre coordinates: rank 3 of 4." {
		t.Errorf("the coordinator led because %q", got)
	}
	if r.Best != 2 || r.Model.Stage != "production" || len(r.Model.Stages) != 2 || r.Prediction.Label != "yes" {
		t.Errorf("run %d was registered, its stage is %q, the prediction %q", r.Best, r.Model.Stage, r.Prediction.Label)
	}
	if p := r.Runs[0].Parties[3]; p.Cents != 50_000 || p.Value != .03 {
		t.Errorf("the last party got %d for %v", p.Cents, p.Value)
	}
	if len(w.killed) != 1 || w.killed[0] != "Seaside Hospital" {
		t.Errorf("killed were %v", w.killed)
	}
	if r.Stored[0].Items[1].Bytes != 2048 {
		t.Errorf("the home holds %v", r.Stored[0].Items)
	}
}

func TestStoryWithoutMulticast(t *testing.T) {
	s, _, out := newTestStory(t, "no multicast")
	if err := s.tell(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if s.discovered || !strings.Contains(s.report.Discovery, "static peers") || !strings.Contains(s.report.Discovery, "Multicast seems blocked") {
		t.Errorf("discovery is told as %q", s.report.Discovery)
	}
	if !strings.Contains(s.report.Pairings[0].How, "typed address") {
		t.Errorf("paired by %q", s.report.Pairings[0].How)
	}
}

// TestLiesAreNoticed plants one thing that did not really happen, and expects
// the step that claims it to fail and say so.
func TestLiesAreNoticed(t *testing.T) {
	for _, tc := range []struct{ lie, step, text string }{
		{"starts never", "start four parties", "the party to be ready"},
		{"code differs", "pair by six-digit code", "two different ones"},
		{"refuses", "pair by six-digit code", "the other side said no"},
		{"offline", "pair by six-digit code", "online false"},
		{"file broken", "add one file", "line 7 has two cells too many"},
		{"cards stay", "publish dataset cards", "in the catalog"},
		{"access lost", "ask for access", "it is submitted"},
		{"empty sheet", "read the consent sheets", "it has 0, 1 and 1 lines"},
		{"unaligned", "compare the columns", "the agreed columns"},
		{"stuck", "elect a coordinator and train", "round 0 of 3"},
		{"diverges", "elect a coordinator and train", "the loss grew without bound"},
		{"nobody leads", "elect a coordinator and train", "one of the four to lead"},
		{"no reason", "elect a coordinator and train", "why it led run 1"},
		{"other params", "elect a coordinator and train", "expected the result of run 1"},
		{"other value", "measure contributions", "to be that of the first party"},
		{"sum is off", "measure contributions", "add up"},
		{"remainder", "measure contributions", "expected no remainder"},
		{"unsigned scores", "measure contributions", "1 are unsigned"},
		{"fork", "measure contributions", "1 disputes"},
		{"unscored", "measure contributions", "0 count up to round 3"},
		{"cents lost", "split the rewards", "grants of 999.96 EUR"},
		{"unsigned", "split the rewards", "countersignatures"},
		{"disputed", "split the rewards", "a figure does not follow"},
		{"ledger changed", "split the rewards", "chain"},
		{"version lost", "register the better model", "the version to arrive"},
		{"other content", "register the better model", "it is foreign"},
		{"rejected", "promote to staging", "two said no"},
		{"no serving", "switch serving on", "the port is taken"},
		{"open door", "predict with curl", "without a token"},
		{"other prediction", "predict with curl", "as at the first party"},
		{"sent is off", "add up what left", "the totals say 1500"},
		{"record changed", "add up what left", "Record of what left"},
		{"forgets", "kill a party", "of its datasets"},
	} {
		t.Run(tc.lie, func(t *testing.T) {
			t.Parallel()
			s, _, out := newTestStory(t, tc.lie)
			err := s.tell(t.Context())
			if err == nil {
				t.Fatal("nobody noticed")
			}
			s.finish(err)
			if !strings.HasPrefix(err.Error(), tc.step) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("the error is %q", err)
			}
			if s.report.OK || s.report.Problem == "" || s.report.Hint == "" || s.report.Steps[len(s.report.Steps)-1].OK {
				t.Errorf("the report says ok %t, problem %q, hint %q", s.report.OK, s.report.Problem, s.report.Hint)
			}
			if !strings.Contains(out.String(), "✗") || !strings.Contains(out.String(), "msg=planted") {
				t.Errorf("the problem and the log are not shown:\n%s", out)
			}
		})
	}
}

func TestNoTokenIsShown(t *testing.T) {
	for _, lie := range []string{"", "other prediction"} {
		s, _, out := newTestStory(t, lie)
		s.finish(s.tell(t.Context()))
		var all bytes.Buffer
		all.WriteString(out.String())
		for _, write := range []func() error{func() error { return s.report.writeJSON(&all) }, func() error { return s.report.writeHTML(&all) }, func() error { return s.report.writeText(&all) }} {
			if err := write(); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range s.parties {
			if strings.Contains(all.String(), p.client.token) {
				t.Errorf("the token of %s is shown", p.name)
			}
		}
		if strings.Contains(all.String(), "secret-of-") {
			t.Error("a serving token is shown")
		}
	}
}

func TestInterruptEndsTheStory(t *testing.T) {
	s, _, _ := newTestStory(t, "stuck")
	s.looks, s.limit = 0, time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	err := s.tell(ctx)
	if fed.KindOf(err) != fed.Unavailable || !strings.Contains(err.Error(), "interrupted") && !strings.Contains(err.Error(), "canceled") {
		t.Errorf("the error is %v", err)
	}
}

func TestReportIsJSON(t *testing.T) {
	s, _, _ := newTestStory(t, "")
	s.finish(s.tell(t.Context()))
	var b bytes.Buffer
	if err := s.report.writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Runs) != 2 || back.Runs[1].Name != "FedProx, mu 0.1" || back.Runs[1].Parties[2].Cents != 33_333 {
		t.Errorf("read back: %+v", back.Runs)
	}
}
