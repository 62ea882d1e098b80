package book_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/service/book"
)

func TestAppendSignsAChainPerScope(t *testing.T) {
	k := newSigner("A")
	b := open(t, &memory{}, k)
	project := fed.ScopeProject("0123456789abcdef0123456789abcdef")
	one := put(t, b, fed.ScopeFederation, "card", map[string]any{"b": 1, "a": "x"})
	two := put(t, b, project, "card", nil)
	three := put(t, b, fed.ScopeFederation, "card", 1.0)
	if string(one.Body) != `{"a":"x","b":1}` || one.TimeMs != clock().UnixMilli() {
		t.Errorf("body %s at %d is not canonical or not now", one.Body, one.TimeMs)
	}
	if one.Seq != 1 || one.Prev != "" || two.Seq != 1 || two.Prev != "" || three.Seq != 2 || three.Prev != one.Hash() {
		t.Errorf("the chains are %d %q, %d %q, %d %q", one.Seq, one.Prev, two.Seq, two.Prev, three.Seq, three.Prev)
	}
	for _, d := range []fed.Doc{one, two, three} {
		if !k.Verify(d.Key, fed.DocDomain, d.SigningBytes(), d.Sig) {
			t.Errorf("document %d of %s is not signed", d.Seq, d.Scope)
		}
	}
}

// What nobody would take must not enter the own chain: all later documents would
// be stuck behind it.
func TestAppendRefusesWhatPeersWould(t *testing.T) {
	b := open(t, &memory{}, newSigner("A"))
	for name, f := range map[string]func() error{
		"scope":   func() error { _, err := b.Append(ctx, "project:1", "card", "s", 1); return err },
		"no kind": func() error { _, err := b.Append(ctx, fed.ScopeFederation, "", "s", 1); return err },
		"kind": func() error {
			_, err := b.Append(ctx, fed.ScopeFederation, strings.Repeat("k", 41), "s", 1)
			return err
		},
		"subject": func() error {
			_, err := b.Append(ctx, fed.ScopeFederation, "card", strings.Repeat("s", 201), 1)
			return err
		},
		"body": func() error {
			_, err := b.Append(ctx, fed.ScopeFederation, "card", "s", strings.Repeat("b", fed.MaxDocBody))
			return err
		},
	} {
		if err := f(); fed.KindOf(err) != fed.Invalid {
			t.Errorf("%s out of form: %v", name, err)
		}
	}
	if _, err := b.Append(ctx, fed.ScopeFederation, "card", "s", func() {}); err == nil {
		t.Error("a body that is no JSON was appended")
	}
	if v := b.Vector(all); len(v) != 0 {
		t.Errorf("refused documents left traces: %v", v)
	}
}

// Entries that belong together make one piece of the chain, or nothing at all.
func TestAppendAllIsAllOrNone(t *testing.T) {
	s := &memory{}
	b := open(t, s, newSigner("A"))
	var told []uint64
	if err := b.Subscribe(ctx, func(d fed.Doc) { told = append(told, d.Seq) }); err != nil {
		t.Fatal(err)
	}
	first := put(t, b, fed.ScopeFederation, "card", 1)
	three := []book.Entry{{Kind: "card", Subject: "a", Body: 1}, {Kind: "card", Subject: "b", Body: 2}, {Kind: "card", Subject: "c", Body: 3}}
	docs, err := b.AppendAll(ctx, fed.ScopeFederation, three)
	if err != nil || len(docs) != 3 || docs[0].Prev != first.Hash() || docs[2].Seq != 4 || docs[2].Prev != docs[1].Hash() || docs[2].Subject != "c" {
		t.Fatalf("%v: %+v", err, docs)
	}
	if want := []uint64{1, 2, 3, 4}; !slices.Equal(told, want) {
		t.Errorf("subscribers saw %v, want %v", told, want)
	}
	for _, c := range []struct {
		name   string
		change func()
	}{
		{"one out of form", func() { three[2].Kind = "" }},
		{"one too large", func() { three[2] = book.Entry{Kind: "card", Body: strings.Repeat("b", fed.MaxDocBody)} }},
		{"one that is no JSON", func() { three[2].Body = func() {} }},
		{"a full disk", func() { three[2].Body, s.fail = 3, errors.New("the disk is full") }},
	} {
		c.change()
		if _, err := b.AppendAll(ctx, fed.ScopeFederation, three); err == nil || len(told) != 4 || len(s.docs) != 4 {
			t.Errorf("%s: %v, %d documents, %d told", c.name, err, len(s.docs), len(told))
		}
	}
	s.fail = nil
	if d := put(t, b, fed.ScopeFederation, "card", 5); d.Seq != 5 || d.Prev != docs[2].Hash() {
		t.Errorf("the chain goes on at %d after %q", d.Seq, d.Prev)
	}
	if docs, err := b.AppendAll(ctx, fed.ScopeFederation, nil); err != nil || len(docs) != 0 || len(s.docs) != 5 {
		t.Errorf("nothing to say: %v, %v", docs, err)
	}
}

// signed makes the document that a party's own program would never write.
func signed(k signer, d fed.Doc) fed.Doc {
	d.Author, d.Key = k.Party(), k.PublicKey()
	d.Sig = k.Sign(fed.DocDomain, d.SigningBytes())
	return d
}

func TestReceiveRefuses(t *testing.T) {
	a, b := newSigner("A"), newSigner("B")
	good := signed(a, fed.Doc{Scope: fed.ScopeFederation, Seq: 1, Kind: "card", Body: []byte("{}")})
	with := func(f func(*fed.Doc)) fed.Doc { d := good; f(&d); return d }
	resigned := func(f func(*fed.Doc)) fed.Doc { d := good; f(&d); return signed(a, d) }
	p, q := a.Party(), b.Party()
	if p > q {
		p, q = q, p
	}
	for name, c := range map[string]struct {
		doc  fed.Doc
		kind fed.Kind
	}{
		"altered body":             {with(func(d *fed.Doc) { d.Body = []byte("[]") }), fed.Permission},
		"altered kind":             {with(func(d *fed.Doc) { d.Kind = "run" }), fed.Permission},
		"altered subject":          {with(func(d *fed.Doc) { d.Subject = "x" }), fed.Permission},
		"altered time":             {with(func(d *fed.Doc) { d.TimeMs++ }), fed.Permission},
		"altered scope":            {with(func(d *fed.Doc) { d.Scope = fed.ScopeDirect(p, q) }), fed.Permission},
		"altered number":           {with(func(d *fed.Doc) { d.Seq = 2 }), fed.Permission},
		"altered predecessor":      {with(func(d *fed.Doc) { d.Prev = fed.DigestOf(nil) }), fed.Permission},
		"moved between fields":     {with(func(d *fed.Doc) { d.Kind, d.Subject = "car", "d" }), fed.Permission},
		"no signature":             {with(func(d *fed.Doc) { d.Sig = nil }), fed.Permission},
		"forged signature":         {with(func(d *fed.Doc) { d.Sig = b.Sign(fed.DocDomain, d.SigningBytes()) }), fed.Permission},
		"signature of a statement": {with(func(d *fed.Doc) { d.Sig = a.Sign("synergos/statement/1", d.SigningBytes()) }), fed.Permission},
		"foreign key":              {with(func(d *fed.Doc) { d.Key = b.PublicKey(); d.Sig = b.Sign(fed.DocDomain, d.SigningBytes()) }), fed.Permission},
		"foreign author":           {with(func(d *fed.Doc) { d.Author = b.Party(); d.Sig = a.Sign(fed.DocDomain, d.SigningBytes()) }), fed.Permission},
		"no key":                   {with(func(d *fed.Doc) { d.Key = nil }), fed.Permission},
		"number 0":                 {resigned(func(d *fed.Doc) { d.Seq = 0 }), fed.Invalid},
		"no kind":                  {resigned(func(d *fed.Doc) { d.Kind = "" }), fed.Invalid},
		"long kind":                {resigned(func(d *fed.Doc) { d.Kind = strings.Repeat("k", 41) }), fed.Invalid},
		"long subject":             {resigned(func(d *fed.Doc) { d.Subject = strings.Repeat("s", fed.MaxDocName+1) }), fed.Invalid},
		"no JSON":                  {resigned(func(d *fed.Doc) { d.Body = []byte("{") }), fed.Invalid},
		"empty body":               {resigned(func(d *fed.Doc) { d.Body = nil }), fed.Invalid},
		"two JSON values":          {resigned(func(d *fed.Doc) { d.Body = []byte("{}{}") }), fed.Invalid},
		"large body":               {resigned(func(d *fed.Doc) { d.Body = bytes.Repeat([]byte(" "), fed.MaxDocBody+1) }), fed.Invalid},
		"first with predecessor":   {resigned(func(d *fed.Doc) { d.Prev = fed.DigestOf(nil) }), fed.Corrupt},
		"unknown scope":            {resigned(func(d *fed.Doc) { d.Scope = "everything" }), fed.Invalid},
		"short project":            {resigned(func(d *fed.Doc) { d.Scope = "project:12" }), fed.Invalid},
		"upper-case project":       {resigned(func(d *fed.Doc) { d.Scope = "project:" + strings.Repeat("A", 32) }), fed.Invalid},
		"direct to one":            {resigned(func(d *fed.Doc) { d.Scope = "direct:" + string(p) }), fed.Invalid},
		"direct to itself":         {resigned(func(d *fed.Doc) { d.Scope = fed.ScopeDirect(p, p) }), fed.Invalid},
		"direct in another order":  {resigned(func(d *fed.Doc) { d.Scope = "direct:" + string(q) + "+" + string(p) }), fed.Invalid},
	} {
		m := &memory{}
		if isNew, err := open(t, m, b).Receive(ctx, c.doc); isNew || fed.KindOf(err) != c.kind {
			t.Errorf("%s: new %v, error %v of kind %v, want %v", name, isNew, err, fed.KindOf(err), c.kind)
		}
		if len(m.docs) != 0 {
			t.Errorf("%s: was saved", name)
		}
	}
	if isNew, err := open(t, &memory{}, b).Receive(ctx, good); !isNew || err != nil {
		t.Errorf("the unaltered document: new %v, error %v", isNew, err)
	}
}

func TestReceiveGapAgainAndFork(t *testing.T) {
	a := newSigner("A")
	mine := open(t, &memory{}, a)
	one, two := put(t, mine, fed.ScopeFederation, "card", 1), put(t, mine, fed.ScopeFederation, "card", 2)
	copied := open(t, &memory{}, a) // the folder of A on a second computer
	fork := put(t, copied, fed.ScopeFederation, "card", "another")
	after := put(t, copied, fed.ScopeFederation, "card", 2)

	b := open(t, &memory{}, newSigner("B"))
	receive := func(d fed.Doc, isNew bool, kind fed.Kind, gap bool) {
		t.Helper()
		got, err := b.Receive(ctx, d)
		if got != isNew || errors.Is(err, book.ErrGap) != gap || !gap && (err != nil) != (kind != 0) || err != nil && fed.KindOf(err) != kind {
			t.Errorf("document %d: new %v, error %v", d.Seq, got, err)
		}
	}
	receive(two, false, 0, true)
	receive(one, true, 0, false)
	receive(one, false, 0, false)
	receive(fork, false, fed.Corrupt, false)
	receive(one, false, 0, false)
	receive(after, false, fed.Corrupt, false)
	receive(two, false, fed.Corrupt, false) // the chain is closed
	if diff := cmp.Diff([]fed.Head{{Scope: fed.ScopeFederation, Author: a.Party(), Seq: fed.ClosedSeq}}, b.Vector(all)); diff != "" {
		t.Errorf("heads:\n%s", diff)
	}
}

// Nothing is told before it is on disk, and what could not be saved is not known.
func TestSaveBeforeTell(t *testing.T) {
	m := &memory{}
	b := open(t, m, newSigner("A"))
	told := 0
	if err := b.Subscribe(ctx, func(d fed.Doc) {
		told++
		if !slices.ContainsFunc(m.docs, func(o fed.Doc) bool { return o.Hash() == d.Hash() }) {
			t.Errorf("document %d was told before it was saved", d.Seq)
		}
	}); err != nil {
		t.Fatal(err)
	}
	put(t, b, fed.ScopeFederation, "card", 1)
	m.fail = errors.New("disk full")
	if _, err := b.Append(ctx, fed.ScopeFederation, "card", "s", 2); !errors.Is(err, m.fail) {
		t.Errorf("append with a full disk: %v", err)
	}
	m.fail = nil
	if d := put(t, b, fed.ScopeFederation, "card", 3); d.Seq != 2 || told != 2 {
		t.Errorf("after a failure the next document is number %d, %d were told", d.Seq, told)
	}
}

// A document that is saved while a subscriber reads the past is not missed.
func TestSubscribeMissesNothing(t *testing.T) {
	m := &memory{}
	b := open(t, m, newSigner("A"))
	done := make(chan error, 1)
	m.read = func() {
		m.read = nil
		go func() {
			_, err := b.Append(ctx, fed.ScopeFederation, "card", "s", 1)
			done <- err
		}()
		select { // a book that does not lock saves it now
		case err := <-done:
			done <- err
		case <-time.After(20 * time.Millisecond):
		}
	}
	told := make(chan uint64, 2)
	if err := b.Subscribe(ctx, func(d fed.Doc) { told <- d.Seq }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	select {
	case <-told:
	default:
		t.Error("the document was saved but never told")
	}
}

func TestVectorAndBeyondHideOtherScopes(t *testing.T) {
	a, other := newSigner("A"), newSigner("B")
	b := open(t, &memory{}, a)
	secret := fed.ScopeDirect(a.Party(), other.Party())
	put(t, b, secret, "card", 1)
	for i := range 3 {
		put(t, b, fed.ScopeFederation, "card", i)
	}
	public := func(s string, _ fed.PartyID) bool { return s == fed.ScopeFederation }
	head := fed.Head{Scope: fed.ScopeFederation, Author: a.Party(), Seq: 3}
	if diff := cmp.Diff([]fed.Head{head}, b.Vector(public)); diff != "" {
		t.Errorf("vector:\n%s", diff)
	}
	seqs := func(docs []fed.Doc) (out []uint64) {
		for _, d := range docs {
			if d.Scope != fed.ScopeFederation {
				t.Errorf("a document of %s left", d.Scope)
			}
			out = append(out, d.Seq)
		}
		return out
	}
	for _, c := range []struct {
		have, max int
		want      []uint64
	}{{0, 10, []uint64{1, 2, 3}}, {1, 10, []uint64{2, 3}}, {0, 2, []uint64{1, 2}}, {3, 10, nil}, {9, 10, nil}, {0, 0, []uint64{1}}} {
		h := head
		h.Seq = uint64(c.have)
		if diff := cmp.Diff(c.want, seqs(lacks(b, []fed.Head{h}, public, c.max))); diff != "" {
			t.Errorf("a peer with %d documents, at most %d:\n%s", c.have, c.max, diff)
		}
	}
	huge := fed.Head{Scope: fed.ScopeFederation, Author: a.Party(), Seq: 1<<64 - 1}
	if got := lacks(b, []fed.Head{huge}, public, 10); len(got) != 0 {
		t.Errorf("a head beyond the chain got %d documents", len(got))
	}
}

func TestDecode(t *testing.T) {
	var v struct{ A int }
	if err := book.Decode(fed.Doc{Kind: "card", Body: []byte(`{"a":1,"newer":2}`)}, &v); err != nil || v.A != 1 {
		t.Errorf("a body of a newer version: %v, %v", v, err)
	}
	for _, body := range []string{`{"a":"x"}`, `{`, ``, `{"a":1}{"a":2}`} {
		if err := book.Decode(fed.Doc{Kind: "card", Body: []byte(body)}, &v); fed.KindOf(err) != fed.Invalid || !strings.Contains(err.Error(), "card") {
			t.Errorf("body %q: %v", body, err)
		}
	}
}
