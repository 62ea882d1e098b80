package experiment

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
)

// id returns a well-formed party id.
func id(name string) fed.PartyID {
	sum := sha256.Sum256([]byte(name))
	return fed.PartyID(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

// signed is a signature that stands in for Ed25519: a hash that anybody could make.
func signed(name, domain string, body []byte) fed.Signature {
	return fed.Signature{Key: []byte(id(name)), Sig: []byte(fed.DigestOf(fmt.Appendf(nil, "%s %s %x", id(name), domain, body)))}
}

func verify(domain string, body []byte, s fed.Signature) (fed.PartyID, bool) {
	want := fed.DigestOf(fmt.Appendf(nil, "%s %s %x", s.Key, domain, body))
	return fed.PartyID(s.Key), string(s.Sig) == string(want)
}

// mandate is that of a party in a term, elected with the checkpoint acc by A and B.
func mandate(r fed.Run, by string, term uint64, acc fed.Checkpoint) fed.Mandate {
	m := fed.Mandate{Ballot: fed.Ballot{Run: r.ID, Epoch: 1, Term: term, Candidate: id(by), Acc: acc}}
	for _, n := range []string{"A", "B"} {
		m.Votes = append(m.Votes, signed(n, fed.BallotDomain, m.SigningBytes()))
	}
	return m
}

// refusals counts why a tracker refused documents.
type refusals map[string]int

func (r refusals) add(why string) { r[why]++ }

func newTracker() *Tracker { return NewTracker(verify, refusals{}.add) }

func hexID(s string) string { return string(fed.DigestOf([]byte(s)))[:32] }

var project = fed.ProjectID(hexID("project"))

// config is a configuration that a run can use.
func config() fed.RunConfig {
	return fed.RunConfig{
		Version: 1, Task: fed.TaskClassify, Target: "num", Rounds: 3, Seed: 7, Model: fed.ModelSpec{Family: "logistic"},
		Train: fed.TrainSpec{Optimizer: "sgd", LR: 0.1, Batch: 8, Epochs: 1}, Strategy: fed.StrategySpec{Name: "fedavg"},
		Test: fed.TestSplit{Fraction: 0.2},
	}
}

func members() []fed.RunMember {
	return []fed.RunMember{{Party: id("A"), Name: "A", Rank: 1}, {Party: id("B"), Name: "B", Rank: 0}, {Party: id("C"), Name: "C", Rank: 2}}
}

// question is an experiment of one run that A asks.
func question(name string) fed.ExperimentDoc { return questionBy("A", name) }

func questionBy(author, name string) fed.ExperimentDoc {
	return fed.ExperimentDoc{ID: fed.NewExperimentID(project, id(author), name), Nonce: name, Name: name, Config: config()}
}

// frozen returns the only run of an experiment.
func frozen(t fataler, e fed.ExperimentDoc) fed.Run {
	t.Helper()
	runs, err := Freeze(project, e, fed.DigestOf(nil), members())
	if err != nil {
		t.Fatal(err)
	}
	return runs[0]
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

// doc is a document as package book hands it on; the time counts its author's
// documents.
func doc(t fataler, author string, seq int, kind string, body any) fed.Doc {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return fed.Doc{Scope: fed.ScopeProject(project), Author: id(author), Seq: uint64(seq), Kind: kind, TimeMs: int64(1000 * seq), Body: raw}
}

func wantInvalid(t *testing.T, what string, err error, names ...string) {
	t.Helper()
	if fed.KindOf(err) != fed.Invalid || fed.HintOf(err) == "" {
		t.Errorf("%s: error %v, hint %q", what, err, fed.HintOf(err))
		return
	}
	for _, n := range names {
		if !strings.Contains(err.Error(), n) {
			t.Errorf("%s: %q does not name %q", what, err, n)
		}
	}
}
