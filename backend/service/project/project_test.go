package project

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

var projectID = fed.NewProjectID(id("A"), "n")

func key(name string) []byte     { return []byte("key of " + name) }
func id(name string) fed.PartyID { return fed.PartyID(fed.KeyDigest(key(name))) }

func member(name string) fed.Member {
	return fed.Member{Party: id(name), Name: name, Device: fed.DeviceID(fed.KeyDigest([]byte("device of " + name))), OrgKey: key(name), Statement: []byte("s"), Addrs: []string{"a:1"}}
}

// revision is a project of A with the named members.
func revision(n int, names ...string) fed.ProjectDoc {
	p := fed.ProjectDoc{ID: projectID, Nonce: "n", Name: fmt.Sprintf("Heart %d", n), Purpose: "Risk", Revision: n, Admin: id("A"), Policy: fed.Policy{PoolCents: int64(100 * n), Basis: "pooled"}}
	for _, m := range names {
		p.Members = append(p.Members, member(m))
	}
	return p
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

// doc is a document as package book hands it on.
func doc(t fataler, author string, seq int, kind string, body any) fed.Doc {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return fed.Doc{Scope: fed.ScopeProject(projectID), Author: id(author), Seq: uint64(seq), Kind: kind, TimeMs: int64(seq), Body: raw}
}

func states(ps *Projects) map[string]string {
	out := map[string]string{}
	p, _ := ps.Get(projectID)
	for _, s := range p.Standings {
		out[s.Name] = s.State
	}
	return out
}

func align(rev int, text string) fed.AlignmentDoc {
	return fed.AlignmentDoc{Revision: rev, Preparation: []byte(text), Digest: fed.DigestOf([]byte(text))}
}

func TestInvitationAnswerAndRevision(t *testing.T) {
	ps := New()
	if _, ok := ps.Get(projectID); ok || len(ps.All()) != 0 || ps.Reads(projectID, id("A")) || ps.TakesPart(projectID, id("A")) {
		t.Error("a project before its document")
	}
	apply := func(d fed.Doc, want fed.ProjectID) {
		t.Helper()
		if got := ps.Apply(d); got != want {
			t.Errorf("%s of revision or answer %d changed %q", d.Kind, d.Seq, got)
		}
	}
	apply(doc(t, "A", 1, fed.DocProject, revision(1, "A", "C", "B")), projectID)
	apply(doc(t, "A", 2, fed.DocAccept, fed.AcceptDoc{Title: "Cleveland"}), projectID)
	apply(doc(t, "B", 1, fed.DocAccept, fed.AcceptDoc{}), projectID)
	apply(doc(t, "C", 1, fed.DocDecline, fed.ReasonDoc{Reason: "no data"}), projectID)
	apply(doc(t, "A", 3, fed.DocCard, 1), "")
	if diff := cmp.Diff(map[string]string{"A": "accepted", "B": "accepted", "C": "declined"}, states(ps)); diff != "" {
		t.Error(diff)
	}
	p, _ := ps.Get(projectID)
	if c, _ := p.Standing(id("C")); c.Reason != "no data" || c.AtMs != 1 {
		t.Errorf("C stands as %+v", c)
	}
	if a, _ := p.Standing(id("A")); a.Accept.Title != "Cleveland" {
		t.Errorf("A stands as %+v", a)
	}
	if ps.Reads(projectID, id("C")) || !ps.Reads(projectID, id("B")) || ps.Reads(projectID, id("X")) || ps.TakesPart(projectID, id("C")) || !ps.TakesPart(projectID, id("B")) {
		t.Error("who declined still reads, or a member does not")
	}
	apply(doc(t, "C", 2, fed.DocAccept, fed.AcceptDoc{}), projectID) // changed its mind
	want := []fed.RunMember{{Party: id("A"), Name: "A", Rank: 0}, {Party: id("B"), Name: "B", Rank: 2}, {Party: id("C"), Name: "C", Rank: 1}}
	p, _ = ps.Get(projectID)
	if diff := cmp.Diff(want, p.RunMembers()); diff != "" {
		t.Errorf("members of a run, ranked as in the roster:\n%s", diff)
	}
	apply(doc(t, "B", 2, fed.DocLeave, fed.ReasonDoc{Reason: "merged"}), projectID)
	apply(doc(t, "A", 4, fed.DocProject, revision(2, "A", "B", "C", "D")), projectID)
	if diff := cmp.Diff(map[string]string{"A": "accepted", "B": "left", "C": "accepted", "D": "invited"}, states(ps)); diff != "" {
		t.Error(diff)
	}
	if ps.Reads(projectID, id("B")) || !ps.Reads(projectID, id("D")) || ps.TakesPart(projectID, id("D")) {
		t.Error("who left reads, or who is invited does not")
	}
	p, _ = ps.Get(projectID)
	if p.Name != "Heart 2" || p.CreatedMs != 1 || len(p.Accepted()) != 2 {
		t.Errorf("project %+v", p)
	}
	if len(p.Policies) != 2 || p.Policies[0].PoolCents != 100 || p.Policies[1].PoolCents != 200 {
		t.Errorf("rules so far %+v", p.Policies)
	}
}

// Only its admin revises a project, and only forward.
func TestOnlyTheAdminRevises(t *testing.T) {
	ps := New()
	ps.Apply(doc(t, "A", 1, fed.DocProject, revision(2, "A", "B")))
	takeover := revision(3, "B")
	takeover.Admin = id("B")
	for name, d := range map[string]fed.Doc{
		"another admin":  doc(t, "B", 1, fed.DocProject, takeover),
		"in A's name":    doc(t, "B", 1, fed.DocProject, revision(3, "A", "B")),
		"older":          doc(t, "A", 2, fed.DocProject, revision(1, "A")),
		"the same again": doc(t, "A", 2, fed.DocProject, revision(2, "A")),
		"B's alignment":  doc(t, "B", 1, fed.DocAlignment, align(1, "p")),
	} {
		if got := ps.Apply(d); got != "" {
			t.Errorf("%s changed the project", name)
		}
	}
	other := doc(t, "A", 2, fed.DocProject, revision(3, "A"))
	other.Scope = fed.ScopeProject(fed.ProjectID(strings.Repeat("0", 32)))
	federation := doc(t, "A", 2, fed.DocProject, revision(3, "A"))
	federation.Scope = fed.ScopeFederation
	if ps.Apply(other) != "" || ps.Apply(federation) != "" || len(ps.All()) != 1 {
		t.Error("a document of another scope founded or changed a project")
	}
	if p, _ := ps.Get(projectID); p.Revision != 2 || len(p.Members) != 2 {
		t.Errorf("project %+v", p)
	}
}

func TestReadRefuses(t *testing.T) {
	with := func(f func(*fed.ProjectDoc)) any { p := revision(1, "A", "B"); f(&p); return p }
	many := make([]string, MaxMembers)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for name, c := range map[string]struct {
		body any
		kind fed.Kind
	}{
		"no object":         {[]int{1}, fed.Invalid},
		"no id":             {with(func(p *fed.ProjectDoc) { p.ID = "" }), fed.Invalid},
		"no name":           {with(func(p *fed.ProjectDoc) { p.Name = "" }), fed.Invalid},
		"long name":         {with(func(p *fed.ProjectDoc) { p.Name = strings.Repeat("x", 201) }), fed.Invalid},
		"long purpose":      {with(func(p *fed.ProjectDoc) { p.Purpose = strings.Repeat("x", maxText+1) }), fed.Invalid},
		"revision 0":        {with(func(p *fed.ProjectDoc) { p.Revision = 0 }), fed.Invalid},
		"another admin":     {with(func(p *fed.ProjectDoc) { p.Admin = id("B") }), fed.Permission},
		"admin not in it":   {with(func(p *fed.ProjectDoc) { p.Members = p.Members[1:] }), fed.Invalid},
		"nobody":            {with(func(p *fed.ProjectDoc) { p.Members = nil }), fed.Invalid},
		"too many":          {revision(1, append([]string{"A"}, many...)...), fed.Invalid},
		"negative pool":     {with(func(p *fed.ProjectDoc) { p.Policy.PoolCents = -1 }), fed.Invalid},
		"no basis":          {with(func(p *fed.ProjectDoc) { p.Policy.Basis = "" }), fed.Invalid},
		"another basis":     {with(func(p *fed.ProjectDoc) { p.Policy.Basis = "own" }), fed.Invalid},
		"endless pool":      {with(func(p *fed.ProjectDoc) { p.Policy.PoolCents = 1e12 + 1 }), fed.Invalid},
		"same name":         {with(func(p *fed.ProjectDoc) { p.Members[1].Name = "A" }), fed.Invalid},
		"same party":        {with(func(p *fed.ProjectDoc) { p.Members = append(p.Members, member("B")); p.Members[2].Name = "C" }), fed.Invalid},
		"foreign key":       {with(func(p *fed.ProjectDoc) { p.Members[1].OrgKey = key("C") }), fed.Invalid},
		"no device":         {with(func(p *fed.ProjectDoc) { p.Members[1].Device = "x" }), fed.Invalid},
		"nameless member":   {with(func(p *fed.ProjectDoc) { p.Members[1].Name = "" }), fed.Invalid},
		"long member name":  {with(func(p *fed.ProjectDoc) { p.Members[1].Name = strings.Repeat("x", 121) }), fed.Invalid},
		"many addresses":    {with(func(p *fed.ProjectDoc) { p.Members[1].Addrs = make([]string, 17) }), fed.Invalid},
		"endless statement": {with(func(p *fed.ProjectDoc) { p.Members[1].Statement = make([]byte, 4097) }), fed.Invalid},
	} {
		d := doc(t, "A", 1, fed.DocProject, c.body)
		if _, err := Read(d); fed.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: %v", name, err)
		}
		if ps := New(); ps.Apply(d) != "" || len(ps.All()) != 0 {
			t.Errorf("%s: founded a project", name)
		}
	}
	if _, err := Read(doc(t, "A", 1, fed.DocProject, revision(1, "A", "B"))); err != nil {
		t.Error(err)
	}
}

func TestAlignment(t *testing.T) {
	ps := New()
	ps.Apply(doc(t, "A", 1, fed.DocProject, revision(1, "A", "B")))
	wrong := align(1, "first")
	wrong.Preparation = []byte("other")
	for i, c := range []struct {
		body any
		want string
	}{{wrong, ""}, {align(1, "first"), "first"}, {align(1, "again"), "first"}, {align(3, "third"), "third"}, {align(2, "second"), "third"}, {"x", "third"}} {
		ps.Apply(doc(t, "A", i+2, fed.DocAlignment, c.body))
		p, _ := ps.Get(projectID)
		got := ""
		if p.Alignment != nil {
			got = string(p.Alignment.Preparation)
		}
		if got != c.want {
			t.Errorf("after alignment %d: %q, want %q", i, got, c.want)
		}
	}
}

// The answers of the parties arrive in any order, also before the roster that
// names them, and an old answer may arrive after a newer one.
func TestArrivalOrderDoesNotMatter(t *testing.T) {
	chains := map[string][]fed.Doc{
		"A": {doc(t, "A", 1, fed.DocProject, revision(1, "A", "B")), doc(t, "A", 2, fed.DocAccept, fed.AcceptDoc{}), doc(t, "A", 3, fed.DocProject, revision(2, "A", "B", "C")), doc(t, "A", 4, fed.DocAlignment, align(1, "p"))},
		"B": {doc(t, "B", 1, fed.DocAccept, fed.AcceptDoc{Title: "x"}), doc(t, "B", 2, fed.DocLeave, fed.ReasonDoc{}), doc(t, "B", 3, fed.DocAccept, fed.AcceptDoc{Title: "y"})},
		"C": {doc(t, "C", 1, fed.DocDecline, fed.ReasonDoc{}), doc(t, "C", 2, fed.DocAccept, fed.AcceptDoc{})},
	}
	reduce := func(order []string) Project {
		ps, next := New(), map[string]int{}
		for _, a := range order {
			ps.Apply(chains[a][next[a]])
			next[a]++
		}
		ps.Apply(chains["B"][0]) // once more, late
		p, _ := ps.Get(projectID)
		return p
	}
	inOrder := []string{"A", "A", "A", "A", "B", "B", "B", "C", "C"}
	want := reduce(inOrder)
	if len(want.Accepted()) != 3 || want.Standings[1].Accept.Title != "y" || want.Alignment == nil {
		t.Fatalf("in order: %+v", want)
	}
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation(inOrder).Draw(t, "order")
		if diff := cmp.Diff(want, reduce(order)); diff != "" {
			t.Fatalf("%v:\n%s", order, diff)
		}
	})
}

func TestAllNewestFirst(t *testing.T) {
	ps := New()
	first, second := "x", "y" // found in one millisecond: the smaller id comes first
	if fed.NewProjectID(id("A"), first) > fed.NewProjectID(id("A"), second) {
		first, second = second, first
	}
	for i, nonce := range []string{second, first, "newest"} {
		p := revision(1, "A")
		p.Nonce, p.ID = nonce, fed.NewProjectID(id("A"), nonce)
		d := doc(t, "A", 1, fed.DocProject, p)
		d.Scope, d.TimeMs = fed.ScopeProject(p.ID), int64(i/2)
		ps.Apply(d)
	}
	var got []string
	for _, p := range ps.All() {
		got = append(got, p.Nonce)
	}
	if want := []string{"newest", first, second}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

// Nobody founds a project under another's id.
func TestIDIsItsAdmins(t *testing.T) {
	p := revision(1, "B")
	p.Admin = id("B")
	if _, err := Read(doc(t, "B", 1, fed.DocProject, p)); fed.KindOf(err) != fed.Permission {
		t.Errorf("B founded A's project: %v", err)
	}
}

func TestConsentLimits(t *testing.T) {
	run := fed.Run{Config: fed.RunConfig{Rounds: 10}, Members: make([]fed.RunMember, 3)}
	for _, c := range []struct {
		limits  Limits
		runs    int
		nowMs   int64
		refused string
	}{
		{Limits{}, 1000, 100, ""},
		{Limits{}, 0, 101, "expired"},
		{Limits{MaxRuns: 2}, 1, 100, ""},
		{Limits{MaxRuns: 2}, 2, 100, "2 runs"},
		{Limits{MaxRounds: 10}, 0, 100, ""},
		{Limits{MaxRounds: 9}, 0, 100, "9 rounds"},
		{Limits{MinParties: 3}, 0, 100, ""},
		{Limits{MinParties: 4}, 0, 100, "4 parties"},
	} {
		err := Consent{Limits: c.limits, UntilMs: 100}.Allows(run, c.runs, c.nowMs)
		if c.refused == "" && err != nil || c.refused != "" && (fed.KindOf(err) != fed.Permission || !strings.Contains(err.Error(), c.refused) || fed.HintOf(err) == "") {
			t.Errorf("%+v after %d runs at %d: %v", c.limits, c.runs, c.nowMs, err)
		}
	}
}

// Who was only invited, declined or left says nothing of a project but its answer;
// who answers anew speaks again.
func TestWhoSpeaks(t *testing.T) {
	ps := New()
	if ps.Speaks(doc(t, "A", 1, fed.DocRun, 1)) {
		t.Error("a party speaks of an unknown project")
	}
	ps.Apply(doc(t, "A", 1, fed.DocProject, revision(1, "A", "B", "C")))
	for i, c := range []struct {
		kind   string
		speaks bool
	}{{fed.DocProject, false}, {fed.DocAccept, true}, {fed.DocLeave, false}, {fed.DocAccept, true}, {fed.DocDecline, false}} {
		d := doc(t, "B", i+1, c.kind, fed.ReasonDoc{})
		if c.kind != fed.DocProject {
			if !ps.Speaks(d) {
				t.Errorf("the answer %s is not heard", c.kind)
			}
			ps.Apply(d)
		}
		for _, kind := range []string{fed.DocRun, fed.DocRunEnd, fed.DocRound, fed.DocStageVote} {
			if got := ps.Speaks(doc(t, "B", i+2, kind, 1)); got != c.speaks {
				t.Errorf("after %s, %s is heard: %v", c.kind, kind, got)
			}
		}
	}
	if ps.Speaks(doc(t, "X", 1, fed.DocRun, 1)) {
		t.Error("a stranger speaks")
	}
	card := doc(t, "X", 1, fed.DocCard, 1)
	card.Scope = fed.ScopeFederation
	if !ps.Speaks(card) {
		t.Error("a document outside of projects is not heard")
	}
}

// An invitation neither brings back who left nor makes an answer younger; who is off
// the roster takes no part.
func TestAnInvitationOverridesNoAnswer(t *testing.T) {
	ps := New()
	ps.Apply(doc(t, "A", 1, fed.DocProject, revision(1, "A", "B", "C")))
	ps.Apply(doc(t, "B", 2, fed.DocAccept, fed.AcceptDoc{}))
	ps.Apply(doc(t, "C", 3, fed.DocAccept, fed.AcceptDoc{}))
	ps.Apply(doc(t, "C", 4, fed.DocLeave, fed.ReasonDoc{}))
	ps.Apply(doc(t, "A", 5, fed.DocProject, revision(2, "A")))
	if ps.TakesPart(projectID, id("B")) || ps.Reads(projectID, id("B")) {
		t.Error("who is off the roster takes part")
	}
	if !ps.Listed(projectID, id("B")) || ps.Listed(projectID, id("X")) {
		t.Error("who was on the roster is no part of its history, or a stranger is")
	}
	ps.Apply(doc(t, "A", 6, fed.DocProject, revision(3, "A", "B", "C")))
	p, _ := ps.Get(projectID)
	for _, s := range p.Standings {
		want := map[string]int64{"A": 0, "B": 2, "C": 4}[s.Name]
		if s.AtMs != want {
			t.Errorf("%s has answered at %d, want %d", s.Name, s.AtMs, want)
		}
	}
	if ps.TakesPart(projectID, id("C")) || !ps.TakesPart(projectID, id("B")) {
		t.Error("the invitation has changed an answer")
	}
}
