package catalog

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
)

func TestVersionsGrowByOneAndFollowEachOther(t *testing.T) {
	c, a := New(), &chain{t: t, author: party("a")}
	one := card(a.author, "Heart")
	d1 := a.publish(one)
	want(t, "first", c.Apply(d1), Change{Card: one.ID})

	skip := next(one, d1)
	skip.Version = 3
	stranger := next(one, d1)
	stranger.Previous = fed.DigestOf([]byte("another"))
	for _, k := range []Card{one, skip, stranger} {
		want(t, "refused version", c.Apply(a.publish(k)).Changed(), false)
	}
	want(t, "replay", c.Apply(d1).Changed(), false)

	two := next(one, d1)
	two.Title = "Heart, corrected"
	d2 := a.publish(two)
	want(t, "second", c.Apply(d2), Change{Card: one.ID})
	e, _ := c.Card(one.ID)
	want(t, "title", e.Card.Title, "Heart, corrected")
	want(t, "doc", e.Doc, d2.Hash())
	want(t, "refused", refusals(c), "map[version:4]")
}

func TestOnlyTheAuthorSpeaksForACard(t *testing.T) {
	c, a, b := New(), &chain{t: t, author: party("a")}, &chain{t: t, author: party("b")}
	mine := card(a.author, "Heart")
	// B takes A's id before A's card is known here: the id is not B's to use.
	want(t, "squatted", c.Apply(b.publish(mine)).Changed(), false)
	d := a.publish(mine)
	c.Apply(d)
	want(t, "new version by B", c.Apply(b.publish(next(mine, d))).Changed(), false)
	want(t, "tombstone by B", c.Apply(b.doc(fed.ScopeFederation, fed.DocCardGone, mine.ID, Gone{mine.ID, 1, d.Hash()})).Changed(), false)
	e, ok := c.Card(mine.ID)
	if !ok || e.Withdrawn || e.Author != a.author {
		t.Errorf("card = %+v, want A's", e)
	}
	want(t, "refused", refusals(c), "map[author:3]")
}

func TestAWithdrawnCardStaysWithdrawn(t *testing.T) {
	c, a := New(), &chain{t: t, author: party("a")}
	k := card(a.author, "Heart")
	d := a.publish(k)
	c.Apply(d)
	want(t, "older tombstone", c.Apply(a.doc(fed.ScopeFederation, fed.DocCardGone, k.ID, Gone{k.ID, 2, d.Hash()})).Changed(), false)
	gone := a.doc(fed.ScopeFederation, fed.DocCardGone, k.ID, Gone{k.ID, 1, d.Hash()})
	want(t, "tombstone", c.Apply(gone), Change{Card: k.ID})
	want(t, "new version", c.Apply(a.publish(next(k, gone))).Changed(), false)
	want(t, "again", c.Apply(gone).Changed(), false)
	e, _ := c.Card(k.ID)
	if !e.Withdrawn || len(e.Card.Columns) != 0 {
		t.Errorf("card = %+v, want a tombstone without columns", e)
	}
	hits, _ := c.Search(Query{})
	want(t, "found", len(hits), 0)
	want(t, "refused", refusals(c), "map[version:1 withdrawn:2]")
}

func TestCardsOutOfBoundsAreRefused(t *testing.T) {
	long := strings.Repeat("x", 30_000)
	for name, spoil := range map[string]func(*Card){
		"no title":         func(k *Card) { k.Title = "" },
		"long title":       func(k *Card) { k.Title = long },
		"long description": func(k *Card) { k.Description = long },
		"many keywords":    func(k *Card) { k.Keywords = make([]string, 65) },
		"long keyword":     func(k *Card) { k.Keywords = []string{long} },
		"task":             func(k *Card) { k.Task = "cluster" },
		"row band":         func(k *Card) { k.RowBand = "about 17" },
		"negative rows":    func(k *Card) { k.Rows = -1 },
		"floor below ten":  func(k *Card) { k.Floor = 1 },
		"fingerprint":      func(k *Card) { k.Fingerprint = "heart.csv" },
		"version zero":     func(k *Card) { k.Version = 0 },
		"previous":         func(k *Card) { k.Previous = fed.DigestOf(nil) },
		"hidden column":    func(k *Card) { k.Columns[0].Level = dataset.LevelNone },
		"column type":      func(k *Card) { k.Columns[0].Type = "blob" },
		"column role":      func(k *Card) { k.Columns[0].Role = "owner" },
		"same names":       func(k *Card) { k.Columns[1].Name = "age" },
		"empty name":       func(k *Card) { k.Columns[1].Name = "" },
		"many columns":     func(k *Card) { k.Columns = make([]Column, MaxColumns+1) },
		"count":            func(k *Card) { k.Columns[2].Categories[0].Count = "three" },
		"many cells":       func(k *Card) { k.Columns[2].Histogram = make([]dataset.Cell, 65) },
		"min parties":      func(k *Card) { k.Terms.MinParties = -1 },
		"days":             func(k *Card) { k.Terms.ExpiresDays = 1e6 },
		"cores":            func(k *Card) { k.Compute.Cores = -1 },
		"measured":         func(k *Card) { k.Compute.MeasuredDate = "yesterday" },
	} {
		t.Run(name, func(t *testing.T) {
			c, a := New(), &chain{t: t, author: party("a")}
			k := card(a.author, "Heart")
			spoil(&k)
			want(t, "change", c.Apply(a.publish(k)).Changed(), false)
			want(t, "refused", refusals(c), "map[form:1]")
		})
	}
}

func TestDocumentsOutOfFormAreRefused(t *testing.T) {
	c, a := New(), &chain{t: t, author: party("a")}
	k := card(a.author, "Heart")
	elsewhere := a.publish(k)
	elsewhere.Scope = fed.ScopeDirect(a.author, party("b"))
	infinite := a.publish(k)
	infinite.Body = []byte(strings.Replace(string(infinite.Body), `"samplesPerSecond":0`, `"samplesPerSecond":1e999`, 1))
	for _, d := range []fed.Doc{elsewhere, infinite,
		{Scope: fed.ScopeFederation, Author: a.author, Kind: fed.DocCard, Subject: k.ID, Body: []byte(`{"id":7}`)},
		{Scope: fed.ScopeFederation, Author: a.author, Kind: fed.DocCard, Subject: k.ID, Body: []byte(`[`)},
		{Scope: fed.ScopeFederation, Author: a.author, Kind: fed.DocCardGone, Subject: k.ID, Body: []byte(`{}`)}} {
		want(t, "change", c.Apply(d).Changed(), false)
	}
	want(t, "refused", refusals(c), "map[form:5]")
	want(t, "other kinds", c.Apply(a.doc(fed.ScopeFederation, fed.DocLedger, "", "x")).Changed(), false)
	want(t, "refused", refusals(c), "map[form:5]")
}

func TestTextsOfPeersAreCleaned(t *testing.T) {
	c, a := New(), &chain{t: t, author: party("a")}
	k := card(a.author, "Heart")
	k.Title = "Safe \u202Egpj.exe\u202C\x1b[31m" + strings.Repeat("x", 500)
	k.Description = "line one\nline\u200b two\u2066"
	k.Keywords = []string{"\u200f", " a \t b "}
	k.Columns[0].Name = "a\u00adge"
	c.Apply(a.publish(k))
	e, ok := c.Card(k.ID)
	if !ok {
		t.Fatal("card refused")
	}
	want(t, "title", strings.HasPrefix(e.Card.Title, "Safe gpj.exe[31mxxx") && len([]rune(e.Card.Title)) == 121, true)
	want(t, "description", e.Card.Description, "line one\nline two")
	want(t, "keywords", strings.Join(e.Card.Keywords, "|"), "a b")
	want(t, "column", e.Card.Columns[0].Name, "age")
}

func TestCleanIsSafeAndIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		got := Clean(s, 40)
		if strings.ContainsAny(got, "\u202A\u202B\u202C\u202D\u202E\u2066\u2067\u2068\u2069\u200B\n\r\x00\x1b") || len([]rune(got)) > 41 {
			t.Fatalf("Clean(%q) = %q", s, got)
		}
		if !strings.HasSuffix(got, "…") && Clean(got, 40) != got {
			t.Fatalf("Clean(%q) = %q, and again %q", s, got, Clean(got, 40))
		}
	})
}

// The catalogue of a party does not depend on how the chains of others interleave.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := []string{"a", "b", "c"}
		chains := make([][]fed.Doc, len(names))
		for i, n := range names {
			ch := &chain{t: t, author: party(n), nowMs: int64(i)}
			k := card(ch.author, "Heart "+n)
			d := ch.publish(k)
			d2 := ch.publish(next(k, d))
			chains[i] = []fed.Doc{d, d2}
			if n == "b" {
				chains[i] = append(chains[i], ch.doc(fed.ScopeFederation, fed.DocCardGone, k.ID, Gone{k.ID, 2, d2.Hash()}))
			}
		}
		inOrder, shuffled := New(), New()
		for _, ch := range chains {
			for _, d := range ch {
				inOrder.Apply(d)
			}
		}
		at := make([]int, len(chains))
		for {
			var open []int
			for i := range chains {
				if at[i] < len(chains[i]) {
					open = append(open, i)
				}
			}
			if len(open) == 0 {
				break
			}
			i := rapid.SampledFrom(open).Draw(rt, "chain")
			shuffled.Apply(chains[i][at[i]])
			at[i]++
		}
		all, _ := inOrder.Search(Query{})
		too, _ := shuffled.Search(Query{})
		x, _ := json.Marshal(all)
		y, _ := json.Marshal(too)
		if string(x) != string(y) || len(all) != 2 {
			rt.Fatalf("cards differ:\n%s\n%s", x, y)
		}
	})
}

func TestNobodyFillsTheCatalog(t *testing.T) {
	c, a, b := New(), &chain{t: t, author: party("a")}, &chain{t: t, author: party("b")}
	size := len(a.publish(card(a.author, "Heart 0")).Body)
	c.maxBytes = 3*size + size/2
	kept := 0
	for i := range 8 {
		if c.Apply(a.publish(card(a.author, "Heart "+string(rune('0'+i))))).Changed() {
			kept++
		}
	}
	want(t, "kept", kept, 3)
	want(t, "refused", refusals(c), "map[limit:5]")
	want(t, "another party", c.Apply(b.publish(card(b.author, "Heart 0"))).Changed(), true)
	// Withdrawing makes room.
	e, _ := c.Card(card(a.author, "Heart 1").ID)
	c.Apply(a.doc(fed.ScopeFederation, fed.DocCardGone, e.Card.ID, Gone{e.Card.ID, 1, e.Doc}))
	want(t, "after withdrawing", c.Apply(a.publish(card(a.author, "Heart 9"))).Changed(), true)
}

func TestTermsAllow(t *testing.T) {
	run := fed.Run{Members: make([]fed.RunMember, 2), Config: fed.RunConfig{Model: fed.ModelSpec{Family: "layers"}}}
	if err := (Terms{}).Allows(run); err != nil {
		t.Errorf("no terms: %v", err)
	}
	if err := (Terms{MinParties: 2, Families: []string{"logistic", "layers"}}).Allows(run); err != nil {
		t.Errorf("met terms: %v", err)
	}
	for _, terms := range []Terms{{MinParties: 3}, {Families: []string{"logistic"}}} {
		err := terms.Allows(run)
		if fed.KindOf(err) != fed.Permission || fed.HintOf(err) == "" {
			t.Errorf("%+v: error = %v, want Permission with a hint", terms, err)
		}
	}
}
