package reward

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
)

// closed is a run of two rounds that A coordinated and closed.
func closed(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.by["A"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	w.by["A"].score(2, gains{"A": 0.1, "B": 0.2, "C": 0})
	if err := w.by["A"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	return w
}

// SHA-256("synergos/reward/1" ‖ project ‖ run), then SHA-256(h ‖ term ‖ length ‖ body).
func TestChainByHand(t *testing.T) {
	if got := Genesis("p", "r"); got != fed.DigestOf([]byte("synergos/reward/1pr")) {
		t.Errorf("genesis %s", got)
	}
	prev := fed.DigestOf([]byte("x"))
	raw := make([]byte, 0, 64)
	for i := 0; i < 64; i += 2 {
		var b byte
		if _, err := fmt.Sscanf(string(prev[i:i+2]), "%02x", &b); err != nil {
			t.Fatal(err)
		}
		raw = append(raw, b)
	}
	raw = append(raw, 7, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c')
	if got, err := Chain(prev, 7, []byte("abc")); err != nil || got != fed.DigestOf(raw) {
		t.Errorf("chain %s, %v", got, err)
	}
	if _, err := Chain("12", 1, nil); fed.KindOf(err) != fed.Corrupt {
		t.Errorf("a short predecessor: %v", err)
	}
}

func TestKindsInOrder(t *testing.T) {
	w := closed(t)
	var kinds []string
	for _, e := range w.by["B"].chain() {
		kinds = append(kinds, e.Kind)
	}
	if diff := cmp.Diff([]string{KindTerms, KindRound, KindRound, KindScore, KindGrant, KindClose}, kinds); diff != "" {
		t.Error(diff)
	}
	if err := VerifyChain(w.run.Project, w.run.ID, w.by["B"].chain(), verify); err != nil {
		t.Error(err)
	}
	if err := w.by["A"].Close(ctx, w.run); err != nil || len(w.by["A"].chain()) != 6 {
		t.Errorf("closed twice: %d entries, %v", len(w.by["A"].chain()), err)
	}
}

// rewards.md R15: change one byte anywhere in the export (one JSON line per
// entry); verification names the first bad entry.
func TestOneChangedByteIsNamed(t *testing.T) {
	w := closed(t)
	chain := w.by["A"].chain()
	for i, e := range chain {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		step := 1 + len(line)/700 // every byte of short entries, hundreds of long ones
		for at := 0; at < len(line); at += step {
			for _, flip := range []byte{1, 0x20} {
				changed := slices.Clone(line)
				changed[at] ^= flip
				var bad Entry
				if json.Unmarshal(changed, &bad) != nil {
					continue
				}
				if again, err := json.Marshal(bad); err != nil || bytes.Equal(again, line) {
					continue // it cannot be read, or reads as the same (letter case of a key, spare bits of base64)
				}
				all := slices.Clone(chain)
				all[i] = bad
				err := VerifyChain(w.run.Project, w.run.ID, all, verify)
				if fed.KindOf(err) != fed.Corrupt || !strings.Contains(err.Error(), fmt.Sprintf("entry %d ", i+1)) {
					t.Fatalf("entry %d, byte %d (%q): %v", i+1, at, line[max(0, at-20):min(len(line), at+20)], err)
				}
			}
		}
	}
}

func TestReplayReorderAndOmissionAreNamed(t *testing.T) {
	w := closed(t)
	chain := w.by["A"].chain()
	for name, c := range map[string]struct {
		entries []Entry
		bad     int
	}{
		"swapped":  {[]Entry{chain[0], chain[2], chain[1], chain[3]}, 2},
		"replayed": {[]Entry{chain[0], chain[1], chain[1], chain[2]}, 3},
		"left out": {[]Entry{chain[0], chain[1], chain[3]}, 3},
		"headless": {chain[1:], 1},
	} {
		err := VerifyChain(w.run.Project, w.run.ID, c.entries, verify)
		if fed.KindOf(err) != fed.Corrupt || !strings.Contains(err.Error(), fmt.Sprintf("entry %d ", c.bad)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := VerifyChain("another", w.run.ID, chain, verify); fed.KindOf(err) != fed.Corrupt {
		t.Errorf("in another project: %v", err)
	}
	if err := VerifyChain(w.run.Project, "another", chain, verify); fed.KindOf(err) != fed.Corrupt {
		t.Errorf("in another run: %v", err)
	}
	if err := VerifyChain(w.run.Project, w.run.ID, nil, verify); err != nil {
		t.Errorf("an empty ledger: %v", err)
	}
}

// Every order in which the documents of the authors may arrive gives the same
// ledger.
func TestArrivalOrderDoesNotMatter(t *testing.T) {
	w := newWorld(t)
	w.by["A"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	w.by["B"].score(2, gains{"A": 0.1, "B": 0.2, "C": 0})
	if err := w.by["B"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	if err := w.by["C"].Answer(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	want := w.by["B"].chain()
	late := newWorld(t).by["C"]
	for _, d := range slices.Backward(w.docs) {
		late.Apply(d)
	}
	if diff := cmp.Diff(want, late.chain()); diff != "" || len(late.said(KindCountersign)) != 1 {
		t.Errorf("backwards:\n%s", diff)
	}
}

// What is no entry of this run by one of its members never enters the chain.
func TestHostileEntriesStayOut(t *testing.T) {
	w := newWorld(t)
	b := w.by["B"]
	entry := func(by signer, k int, prev fed.Digest, kind string) Entry {
		body, err := withKind(kind, map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		h, err := Chain(prev, 2, body)
		if err != nil {
			t.Fatal(err)
		}
		return Entry{Run: w.run.ID, K: k, Term: 2, Prev: prev, Hash: h, Kind: kind, Body: body, By: by.Party(), Key: by.PublicKey(), Sig: by.Sign(Domain, []byte(h))}
	}
	genesis := Genesis(w.run.Project, w.run.ID)
	good := entry(b.signer, 1, genesis, KindTerms)
	with := func(f func(*Entry)) Entry { e := good; f(&e); return e }
	for name, c := range map[string]struct {
		e     Entry
		by    fed.PartyID
		scope string
	}{
		"a stranger's":        {entry(newSigner("X"), 1, genesis, KindTerms), newSigner("X").Party(), fed.ScopeProject(w.run.Project)},
		"in B's name":         {good, w.by["C"].Party(), fed.ScopeProject(w.run.Project)},
		"federation":          {good, b.Party(), fed.ScopeFederation},
		"wrong hash":          {with(func(e *Entry) { e.Hash = fed.DigestOf(nil) }), b.Party(), fed.ScopeProject(w.run.Project)},
		"other body":          {with(func(e *Entry) { e.Body = []byte(`{"kind":"terms","x":1}`) }), b.Party(), fed.ScopeProject(w.run.Project)},
		"other kind":          {with(func(e *Entry) { e.Kind = KindClose }), b.Party(), fed.ScopeProject(w.run.Project)},
		"other place":         {with(func(e *Entry) { e.K = 2 }), b.Party(), fed.ScopeProject(w.run.Project)},
		"another term":        {with(func(e *Entry) { e.Term = 1 }), b.Party(), fed.ScopeProject(w.run.Project)},
		"negative place":      {with(func(e *Entry) { e.K = -1 }), b.Party(), fed.ScopeProject(w.run.Project)},
		"bad run":             {with(func(e *Entry) { e.Run = "1" }), b.Party(), fed.ScopeProject(w.run.Project)},
		"other run":           {with(func(e *Entry) { e.Run = fed.RunID(hexID("other")) }), b.Party(), fed.ScopeProject(w.run.Project)},
		"no predecessor":      {with(func(e *Entry) { e.Prev = "" }), b.Party(), fed.ScopeProject(w.run.Project)},
		"unknown predecessor": {entry(b.signer, 1, fed.DigestOf(nil), KindTerms), b.Party(), fed.ScopeProject(w.run.Project)},
	} {
		raw, err := json.Marshal(c.e)
		if err != nil {
			t.Fatal(err)
		}
		w.by["A"].Apply(fed.Doc{Scope: c.scope, Author: c.by, Kind: fed.DocLedger, Body: raw})
		if n := len(w.by["A"].chain()); n != 0 {
			t.Fatalf("%s: entered the chain", name)
		}
	}
	w.by["A"].Apply(fed.Doc{Scope: fed.ScopeProject(w.run.Project), Author: b.Party(), Kind: fed.DocLedger, Body: []byte(`{"run":`)})
	w.by["A"].score(1, gains{"A": 0.3, "B": 0.2, "C": 0.1})
	if n := len(w.by["A"].chain()); n != 2 {
		t.Errorf("the honest ledger has %d entries", n)
	}
	if err := w.by["A"].Close(ctx, w.run); err != nil {
		t.Fatal(err)
	}
	head := w.by["A"].chain()[4].Hash
	raw, err := json.Marshal(entry(b.signer, 6, head, KindGrant))
	if err != nil {
		t.Fatal(err)
	}
	w.by["A"].Apply(fed.Doc{Scope: fed.ScopeProject(w.run.Project), Author: b.Party(), Kind: fed.DocLedger, Body: raw})
	if n := len(w.by["A"].chain()); n != 5 {
		t.Error("an entry follows the last one")
	}
}
