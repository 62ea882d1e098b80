package fed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
)

func TestIdentifiers(t *testing.T) {
	id := fed.KeyDigest([]byte("key"))
	for s, want := range map[string]bool{id: true, strings.ToLower(id): false, id[:51]: false, id + "A": false, strings.Repeat("1", 52): false, "": false} {
		if fed.ValidKeyID(s) != want {
			t.Errorf("ValidKeyID(%q) is not %v", s, want)
		}
	}
	hex := fed.NewHexID([16]byte{0xab, 15: 0x01})
	for s, want := range map[string]bool{hex: true, strings.ToUpper(hex): false, hex[:31]: false, "../" + hex[3:]: false} {
		if fed.ValidHexID(s) != want {
			t.Errorf("ValidHexID(%q) is not %v", s, want)
		}
	}
	if d := fed.DigestOf([]byte("abc")); d != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" || !d.Valid() || fed.Digest("x").Valid() {
		t.Errorf("digest of abc: %s", d)
	}
	if got := fed.Fingerprint("ABCDEFGHIJ"); got != "ABCD EFGH IJ" {
		t.Errorf("fingerprint %q", got)
	}
}

// Only the admin's own key leads to its project's id.
func TestProjectIDs(t *testing.T) {
	a, b := fed.PartyID(fed.KeyDigest([]byte("a"))), fed.PartyID(fed.KeyDigest([]byte("b")))
	id := fed.NewProjectID(a, "n")
	if !fed.ValidHexID(string(id)) || id != fed.NewProjectID(a, "n") || id == fed.NewProjectID(b, "n") || id == fed.NewProjectID(a, "m") {
		t.Errorf("project id %s", id)
	}
}

// No NaN or infinity reaches JSON, and null reads as NaN.
func TestNumber(t *testing.T) {
	for v, want := range map[fed.Number]string{0.1: "0.1", -3: "-3", 1e300: "1e+300", fed.Number(math.Inf(1)): "null", fed.Number(math.Inf(-1)): "null"} {
		raw, err := json.Marshal(v)
		if err != nil || string(raw) != want {
			t.Errorf("%v marshals to %s, %v", float64(v), raw, err)
		}
	}
	var n fed.Number
	if err := json.Unmarshal([]byte("null"), &n); err != nil || n.Finite() {
		t.Errorf("null reads as %v, %v", float64(n), err)
	}
	if err := json.Unmarshal([]byte("2.5"), &n); err != nil || n != 2.5 {
		t.Errorf("2.5 reads as %v, %v", float64(n), err)
	}
	if json.Unmarshal([]byte(`"x"`), &n) == nil {
		t.Error("a text reads as a number")
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("disk full")
	err := fmt.Errorf("save: %w", fed.Errorf(fed.Unavailable, "Free some space.", "the file cannot be written: %w", cause))
	if fed.KindOf(err) != fed.Unavailable || fed.HintOf(err) != "Free some space." || !errors.Is(err, cause) || err.Error() != "save: the file cannot be written: disk full" {
		t.Errorf("%v: %v, %q", err, fed.KindOf(err), fed.HintOf(err))
	}
	for e, want := range map[error]fed.Kind{context.Canceled: fed.Unavailable, context.DeadlineExceeded: fed.Timeout, cause: fed.Internal} {
		if got := fed.KindOf(e); got != want {
			t.Errorf("%v is %v, want %v", e, got, want)
		}
	}
	for k, want := range map[fed.Kind]string{fed.Internal: "internal", fed.Busy: "busy", 99: "internal", -1: "internal"} {
		if k.String() != want {
			t.Errorf("kind %d is %q", int(k), k.String())
		}
	}
}

func TestScopes(t *testing.T) {
	a, b := fed.PartyID(fed.KeyDigest([]byte("a"))), fed.PartyID(fed.KeyDigest([]byte("b")))
	direct := fed.ScopeDirect(a, b)
	if direct != fed.ScopeDirect(b, a) {
		t.Error("the scope of two parties depends on who names it")
	}
	project := fed.ScopeProject(fed.NewProjectID(a, "n"))
	for s, want := range map[string]bool{
		fed.ScopeFederation: true, project: true, direct: true, "": false, "project:": false, project + "0": false, "direct:x+y": false,
		"direct:" + string(a): false, fed.ScopeDirect(a, a): false,
	} {
		if fed.ValidScope(s) != want {
			t.Errorf("ValidScope(%q) is not %v", s, want)
		}
	}
}

// Every field is signed: changing any changes the hash.
func TestDocHash(t *testing.T) {
	d := fed.Doc{Scope: "s", Author: "a", Seq: 1, Kind: "k", Subject: "x", Prev: "p", TimeMs: 2, Body: []byte("{}")}
	seen := map[fed.Digest]bool{d.Hash(): true}
	for i, f := range []func(*fed.Doc){
		func(d *fed.Doc) { d.Scope = "t" }, func(d *fed.Doc) { d.Author = "b" }, func(d *fed.Doc) { d.Seq = 2 }, func(d *fed.Doc) { d.Kind = "l" },
		func(d *fed.Doc) { d.Subject = "y" }, func(d *fed.Doc) { d.Prev = "q" }, func(d *fed.Doc) { d.TimeMs = 3 }, func(d *fed.Doc) { d.Body = []byte("[]") },
		func(d *fed.Doc) { d.Kind, d.Subject = "kx", "" }, // the same bytes in a row, cut elsewhere
	} {
		c := d
		f(&c)
		if seen[c.Hash()] {
			t.Errorf("change %d does not change the hash", i)
		}
		seen[c.Hash()] = true
	}
}

// Randomness depends on seed, round, name and purpose, and on nothing else.
func TestRand(t *testing.T) {
	draw := func(seed uint64, round int, party, purpose string) uint64 {
		return fed.Rand(seed, round, party, purpose).Uint64()
	}
	first := draw(42, 1, "a", "train")
	if first != draw(42, 1, "a", "train") {
		t.Error("the same arguments gave another number")
	}
	for _, other := range []uint64{draw(43, 1, "a", "train"), draw(42, 2, "a", "train"), draw(42, 1, "b", "train"), draw(42, 1, "a", "init")} {
		if other == first {
			t.Error("another argument gave the same number")
		}
	}
}

func TestCheckpointOrder(t *testing.T) {
	for _, c := range []struct {
		a, b fed.Checkpoint
		want bool
	}{
		{fed.Checkpoint{Term: 2, Round: 1}, fed.Checkpoint{Term: 1, Round: 9}, true},
		{fed.Checkpoint{Term: 1, Round: 2}, fed.Checkpoint{Term: 1, Round: 1}, true},
		{fed.Checkpoint{Term: 1, Round: 1}, fed.Checkpoint{Term: 1, Round: 1}, false},
	} {
		if c.a.Newer(c.b) != c.want {
			t.Errorf("%v newer than %v: want %v", c.a, c.b, c.want)
		}
	}
}
