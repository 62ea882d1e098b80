package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire/pb"
)

var update = flag.Bool("update", false, "write the golden bytes anew")

const (
	grid = fed.RunID("0123456789abcdef0123456789abcdef")
	hex2 = "fedcba9876543210fedcba9876543210"
)

var (
	key    = bytes.Repeat([]byte{0x30}, 44)
	author = fed.PartyID(fed.KeyDigest(key))
	second = fed.PartyID(fed.KeyDigest([]byte("second")))
	digest = fed.DigestOf([]byte("params"))
	parent = fed.DigestOf([]byte("parent"))
	ref    = fed.BlobRef{Digest: digest, Size: 3 << 20, Root: parent}
	acc    = fed.Checkpoint{Term: 3, Round: 7, Digest: digest, Parent: parent}
	sig    = bytes.Repeat([]byte{9}, 64)
	h32    = bytes.Repeat([]byte{5}, 32)
	vote   = fed.Signature{Key: key, Sig: sig}
	signed = Signed{Body: []byte("statement"), Sig: sig}
	sums   = fed.Sums{Examples: 10, Loss: 2.5, Correct: 8, Confusion: []int64{4, 1, 1, 4}, Scores: []int64{1, 0, 2}, Absolute: 1, Target: -2, TargetSq: 3, Residual2: 4}
)

func helloMessage() Hello {
	return Hello{
		Major: Major, Minor: 4, Software: "Synergos 1.0", Features: []string{"bf16", "int8"}, Statement: signed, ClockMs: 1_700_000_000_000,
		Instance: hex2, Session: string(grid), Addrs: []string{"10.0.0.1:4433"}, Revocations: []Signed{signed},
	}
}

// sample is one message of every kind with every field set, in the order of
// wire.proto.
func sample() []struct {
	plane Plane
	msg   Message
} {
	type entry = struct {
		plane Plane
		msg   Message
	}
	doc := fed.Doc{Scope: fed.ScopeFederation, Author: author, Seq: 2, Kind: "card", Subject: "Lung CT", Prev: parent, TimeMs: 1_700_000_000_001, Body: []byte(`{"a":1}`), Sig: sig, Key: key}
	heads := []fed.Head{{Scope: fed.ScopeFederation, Author: author, Seq: 2}, {Scope: fed.ScopeDirect(author, second), Author: second}}
	party := fed.RoundParty{Party: author, Name: "a", Examples: 5, Weight: 0.5, Loss: 0.25, Update: ref, Norm: fed.Number(math.NaN())}
	alone := sums
	return []entry{
		{OnControl, helloMessage()}, {OnControl, HelloOk{helloMessage()}}, {OnControl, Ping{7}}, {OnControl, Pong{7}}, {OnControl, Bye{"closing"}},
		{OnControl, Error{fed.Permission, "not allowed", "Ask the admin.", "vote"}},
		{OnPair, PairOpen{Mode: ModeInvite, Secret: bytes.Repeat([]byte{1}, 16), Proof: h32, Statement: signed, Addrs: []string{"[::1]:1"}}},
		{OnPair, PairOpen{Mode: ModeCode, Commit: h32, Statement: signed}},
		{OnPair, PairAnswer{Nonce: h32, Statement: signed, Addrs: []string{"h:1"}}}, {OnPair, PairReveal{h32}}, {OnPair, PairConfirm{true}},
		{OnControl, Doc{doc}}, {OnControl, DocVector{heads}}, {OnControl, DocWant{heads}},
		{OnControl, Prevote{grid, 2, 4, acc, true}}, {OnControl, PrevoteReply{grid, 2, 3, 4, true, 2, true}},
		{OnControl, Vote{grid, 2, 4, acc}}, {OnControl, VoteReply{grid, 2, 4, true, 5, true, vote}},
		{OnControl, Round{
			Grid: grid, Epoch: 2, Voters: []fed.PartyID{author, second}, Learners: []fed.PartyID{second}, Term: 4, Acc: acc, Committed: acc,
			CommittedEpoch: 1, Decision: 3, Held: true, Empty: true, Blob: ref, Task: "train", DeadlineMs: 60000,
			Mandate: fed.Mandate{Ballot: fed.Ballot{Run: grid, Epoch: 2, Term: 4, Candidate: author, Acc: acc}, Votes: []fed.Signature{vote, vote}},
		}},
		{OnControl, Ack{grid, 2, 4, acc, true, true, true, 3, true}}, {OnControl, Presence{grid, 4, true}},
		{OnControl, Update{fed.Update{Run: grid, Term: 4, Round: 8, Base: digest, Blob: ref, Examples: 10, Loss: 0.5, Valid: sums, Problem: "none", Claim: vote}, sig}},
		{OnControl, Control{grid, "takeover", "A is away"}},
		{OnControl, Align{fed.ProjectID(grid), "offer", []byte(`{}`)}}, {OnControl, Score{fed.ScoreAsk{Run: grid, Round: 8, Base: ref, In: []fed.RoundParty{party}}}},
		{OnControl, ScoreReply{grid, 8, []byte(`{"rows":1}`)}}, {OnControl, Eval{fed.EvalAsk{Run: grid, Round: 8, Params: ref, Part: "test", Alone: true}}},
		{OnControl, EvalReply{fed.EvalReply{Sums: sums, Alone: &alone, Train: 3, BytesIn: 4, BytesOut: 5}}},
		{OnControl, Query{"rows.count", []byte(`[]`)}}, {OnControl, Answer{[]byte(`1`)}},
		{OnControl, BlobDial{hex2}}, {OnBlob, BlobGet{ref}}, {OnBlob, BlobManifest{[]fed.Digest{digest, parent}}}, {OnBlob, BlobHave{[]byte{5}}},
		{OnBlob, BlobCredit{1 << 20}}, {OnBlob, BlobData{3, []byte("leaf")}}, {OnBlob, BlobEnd{}},
	}
}

var same = cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b fed.Number) bool {
	return a == b || math.IsNaN(float64(a)) && math.IsNaN(float64(b))
})}

// The bytes of each message are part of the contract: see testdata.
func TestGoldenBytes(t *testing.T) {
	seen := map[Kind]bool{}
	for i, s := range sample() {
		name := string(s.msg.Kind())
		if seen[s.msg.Kind()] {
			name += "_2"
		}
		seen[s.msg.Kind()] = true
		e := Envelope{ID: uint64(i), Re: 99, About: "about", Msg: s.msg}
		if _, fast := s.msg.(BlobData); fast {
			e = Envelope{Msg: s.msg} // carries no envelope fields
		}
		b, err := Encode(s.plane, e)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		file := filepath.Join("testdata", name+".hex")
		if *update {
			if err := os.WriteFile(file, []byte(hex.EncodeToString(b)+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(b); got != strings.TrimSpace(string(want)) {
			t.Errorf("%s is written as\n%s, the contract says\n%s", name, got, want)
		}
		back, err := Decode(s.plane, b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(e, back, same...); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if n := (&pb.Envelope{}).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields().Len(); n != len(seen) {
		t.Fatalf("%d kinds have golden bytes, wire.proto knows %d", len(seen), n)
	}
}

// Every kind has the name of its field in wire.proto.
func TestKindsAreFieldNames(t *testing.T) {
	for _, s := range sample() {
		m := &pb.Envelope{}
		if err := toBody(m, s.msg); err != nil {
			t.Fatal(err)
		}
		r := m.ProtoReflect()
		f := r.WhichOneof(r.Descriptor().Oneofs().ByName("body"))
		if string(f.Name()) != string(s.msg.Kind()) {
			t.Errorf("%s is field %s", s.msg.Kind(), f.Name())
		}
	}
}

func TestUnknownFieldsAreTolerated(t *testing.T) {
	extra := protowire.AppendString(protowire.AppendTag(nil, 500, protowire.BytesType), "from the future")
	for _, s := range sample() {
		b, err := Encode(s.plane, Envelope{ID: 1, Msg: s.msg})
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(s.plane, append(b, extra...))
		if err != nil {
			t.Fatalf("%s: %v", s.msg.Kind(), err)
		}
		if d := cmp.Diff(s.msg, back.Msg, same...); d != "" {
			t.Errorf("%s: %s", s.msg.Kind(), d)
		}
	}
	e, err := Decode(OnControl, append(protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 42), extra...))
	if !errors.Is(err, ErrUnknownKind) || e.ID != 42 {
		t.Fatalf("%+v, %v", e, err)
	}
}

func TestPlanes(t *testing.T) {
	for _, s := range sample() {
		for _, p := range []Plane{OnControl, OnBlob, OnPair} {
			_, err := Encode(p, Envelope{Msg: s.msg})
			if ok := p == s.plane || s.msg.Kind() == KindError; (err == nil) != ok {
				t.Errorf("%s on plane %d: %v", s.msg.Kind(), p, err)
			}
		}
	}
}

func TestLimitsOfAPlane(t *testing.T) {
	if _, err := Decode(OnControl, make([]byte, MaxControl+1)); !errors.Is(err, ErrTooLarge) || fed.KindOf(err) != fed.Invalid {
		t.Fatal(err)
	}
	if _, err := Decode(OnBlob, make([]byte, MaxBlob+1)); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	b, err := Encode(OnBlob, Envelope{Msg: BlobData{maxLeafNumber - 1, make([]byte, LeafSize)}})
	if err != nil || len(b) > MaxBlob {
		t.Fatalf("the largest leaf takes %d bytes of %d: %v", len(b), MaxBlob, err)
	}
	leaves := make([]fed.Digest, maxLeafNumber)
	for i := range leaves {
		leaves[i] = digest
	}
	if _, err := Encode(OnBlob, Envelope{Msg: BlobManifest{leaves}}); err != nil {
		t.Fatal("the largest blob has no manifest:", err)
	}
}

// bad are messages with one field out of bounds each.
func bad() map[string]Message {
	h := func(f func(*Hello)) Hello { m := helloMessage(); f(&m); return m }
	d := func(f func(*fed.Doc)) Doc {
		m := fed.Doc{Scope: fed.ScopeFederation, Author: author, Seq: 1, Kind: "card", Body: []byte(`{}`), Sig: sig, Key: key}
		f(&m)
		return Doc{m}
	}
	u := func(f func(*fed.Update)) Update {
		m := fed.Update{Run: grid, Base: digest, Blob: ref, Claim: vote}
		f(&m)
		return Update{m, sig}
	}
	long := strings.Repeat("x", 300)
	many := make([]string, 100)
	return map[string]Message{
		"hello features": h(func(m *Hello) { m.Features = many }), "hello feature": h(func(m *Hello) { m.Features = []string{long} }),
		"hello session": h(func(m *Hello) { m.Session = "x" }), "hello instance": h(func(m *Hello) { m.Instance = "" }),
		"hello addrs": h(func(m *Hello) { m.Addrs = many }), "hello statement": h(func(m *Hello) { m.Statement = Signed{} }),
		"hello revocations": h(func(m *Hello) { m.Revocations = make([]Signed, 65) }), "hello software": h(func(m *Hello) { m.Software = long }),
		"bye control": Bye{"a\x1bb"}, "bye long": Bye{strings.Repeat("x", MaxText+1)},
		"pair mode": PairOpen{Mode: "trust me", Statement: signed}, "pair proof": PairOpen{Mode: ModeInvite, Secret: make([]byte, 16), Proof: h32[:31], Statement: signed},
		"pair secret": PairOpen{Mode: ModeInvite, Secret: make([]byte, 15), Proof: h32, Statement: signed}, "pair commit": PairOpen{Mode: ModeCode, Statement: signed},
		"doc scope": d(func(m *fed.Doc) { m.Scope = "all" }), "doc author": d(func(m *fed.Doc) { m.Author = second }), "doc seq": d(func(m *fed.Doc) { m.Seq = 0 }),
		"doc first prev": d(func(m *fed.Doc) { m.Prev = digest }), "doc body": d(func(m *fed.Doc) { m.Body = []byte("{") }),
		"doc large": d(func(m *fed.Doc) { m.Body = bytes.Repeat([]byte("1"), MaxDocBody+1) }), "doc sig": d(func(m *fed.Doc) { m.Sig = sig[1:] }),
		"doc kind": d(func(m *fed.Doc) { m.Kind = "Card!" }), "doc subject": d(func(m *fed.Doc) { m.Subject = long }),
		"heads": DocVector{make([]fed.Head, MaxHeads+1)}, "head scope": DocWant{[]fed.Head{{Scope: "x", Author: author}}},
		"vote grid": Vote{Grid: "x"}, "vote term": Vote{Grid: grid, Term: math.MaxUint64}, "vote digest": Vote{Grid: grid, Acc: fed.Checkpoint{Digest: "zz"}},
		"vote no digest": Vote{Grid: grid, Acc: fed.Checkpoint{Round: 3}}, "vote round": Vote{Grid: grid, Acc: fed.Checkpoint{Round: -1, Digest: digest}},
		"round voters": Round{Grid: grid, Voters: make([]fed.PartyID, 8)}, "round voter": Round{Grid: grid, Voters: []fed.PartyID{"x"}},
		"round blob": Round{Grid: grid, Blob: fed.BlobRef{Digest: digest, Size: -1, Root: digest}}, "round task": Round{Grid: grid, Task: strings.Repeat("x", MaxTask+1)},
		"mandate votes":     Round{Grid: grid, Mandate: fed.Mandate{Ballot: fed.Ballot{Run: grid, Candidate: author}, Votes: make([]fed.Signature, MaxVoters+1)}},
		"mandate vote":      Round{Grid: grid, Mandate: fed.Mandate{Ballot: fed.Ballot{Run: grid, Candidate: author}, Votes: make([]fed.Signature, 1)}},
		"mandate candidate": Round{Grid: grid, Mandate: fed.Mandate{Ballot: fed.Ballot{Run: grid}, Votes: []fed.Signature{{Key: []byte{1}, Sig: make([]byte, sigSize)}}}},
		"unsigned vote":     VoteReply{Grid: grid, Granted: true}, "vote not granted": VoteReply{Grid: grid, Vote: fed.Signature{Key: []byte{1}, Sig: make([]byte, sigSize)}},
		"vote key":       VoteReply{Grid: grid, Granted: true, Vote: fed.Signature{Key: make([]byte, MaxKey+1), Sig: make([]byte, sigSize)}},
		"round deadline": Round{Grid: grid, DeadlineMs: -1},
		"update loss":    u(func(m *fed.Update) { m.Loss = fed.Number(math.NaN()) }), "update infinite": u(func(m *fed.Update) { m.Valid.Residual2 = math.Inf(1) }),
		"update base": u(func(m *fed.Update) { m.Base = "" }), "update blob": u(func(m *fed.Update) { m.Blob = fed.BlobRef{} }),
		"update claim": u(func(m *fed.Update) { m.Claim = fed.Signature{} }), "update claim of nothing": u(func(m *fed.Update) { m.Problem, m.Blob = "none", fed.BlobRef{} }),
		"update huge": u(func(m *fed.Update) { m.Blob.Size = MaxBlobSize + 1 }), "update examples": u(func(m *fed.Update) { m.Examples = -1 }),
		"update counts": u(func(m *fed.Update) { m.Valid.Confusion = make([]int64, MaxCells+1) }), "update negative count": u(func(m *fed.Update) { m.Valid.Scores = []int64{-1} }),
		"control action": Control{grid, "format", ""}, "align step": Align{fed.ProjectID(grid), "x", nil}, "align project": Align{"", "offer", nil},
		"align body": Align{fed.ProjectID(grid), "offer", []byte("{]")}, "score in": Score{fed.ScoreAsk{Run: grid, Base: ref, In: make([]fed.RoundParty, MaxScored+1)}},
		"score weight": Score{fed.ScoreAsk{Run: grid, Base: ref, In: []fed.RoundParty{{Party: author, Update: ref, Weight: fed.Number(math.Inf(-1))}}}},
		"eval part":    Eval{fed.EvalAsk{Run: grid, Params: ref, Part: "train"}}, "query name": Query{Name: "a b"}, "query body": Query{"a", bytes.Repeat([]byte("1"), MaxBody+1)},
		"eval reply": EvalReply{fed.EvalReply{Train: -1}}, "dial ticket": BlobDial{"x"},
	}
}

func TestOutOfBoundsIsRefusedInBothDirections(t *testing.T) {
	for name, m := range bad() {
		plane := OnControl
		if strings.HasPrefix(string(m.Kind()), "pair_") {
			plane = OnPair
		}
		if _, err := Encode(plane, Envelope{Msg: m}); err == nil || fed.KindOf(err) != fed.Invalid {
			t.Errorf("%s was encoded: %v", name, err)
		}
		p := &pb.Envelope{}
		if err := toBody(p, m); err != nil {
			t.Fatal(err)
		}
		b, err := proto.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(plane, b); err == nil || fed.KindOf(err) != fed.Invalid {
			t.Errorf("%s was decoded: %v", name, err)
		}
	}
	for name, m := range map[string]Message{
		"get": BlobGet{}, "manifest": BlobManifest{[]fed.Digest{"x"}}, "have": BlobHave{make([]byte, maxLeafNumber)}, "credit": BlobCredit{math.MaxUint32},
		"leaf": BlobData{maxLeafNumber, []byte("x")}, "negative": BlobData{-1, []byte("x")}, "large": BlobData{0, make([]byte, LeafSize+1)},
	} {
		if _, err := Encode(OnBlob, Envelope{Msg: m}); err == nil {
			t.Errorf("%s was encoded", name)
		}
	}
	if _, err := Encode(OnControl, Envelope{About: strings.Repeat("x", MaxAbout+1), Msg: Bye{}}); err == nil {
		t.Error("a long label was encoded")
	}
	if _, err := Encode(OnControl, Envelope{}); err == nil {
		t.Error("nothing was encoded")
	}
}

// A list element may be two bytes on the wire and a hundred in memory: such a
// message is refused before it is decoded.
func TestAmplificationIsRefusedBeforeAllocating(t *testing.T) {
	var list []byte
	for range 100_000 {
		list = append(list, 0x0a, 0)
	}
	b := protowire.AppendBytes(protowire.AppendTag(nil, 31, protowire.BytesType), list)
	got := testing.AllocsPerRun(10, func() {
		if _, err := Decode(OnControl, b); fed.KindOf(err) != fed.Invalid {
			t.Fatal(err)
		}
	})
	if got > 200 {
		t.Fatalf("%v allocations for a message that is refused", got)
	}
}

// No message contains itself, so no input can nest deeper than the schema.
func TestSchemaIsNotRecursive(t *testing.T) {
	var walk func(d protoreflect.MessageDescriptor, path []protoreflect.FullName)
	walk = func(d protoreflect.MessageDescriptor, path []protoreflect.FullName) {
		if slices.Contains(path, d.FullName()) {
			t.Fatalf("%s contains itself", d.FullName())
		}
		for i := range d.Fields().Len() {
			if m := d.Fields().Get(i).Message(); m != nil {
				walk(m, append(path, d.FullName()))
			}
		}
	}
	walk((&pb.Envelope{}).ProtoReflect().Descriptor(), nil)
}

// The leaf of a BlobData is not copied, and the fast path writes what the generated
// code would.
func TestLeavesAreNotCopied(t *testing.T) {
	for _, d := range []BlobData{{0, []byte("x")}, {1, make([]byte, LeafSize)}, {maxLeafNumber - 1, bytes.Repeat([]byte{7}, 300)}} {
		fast, err := Encode(OnBlob, Envelope{Msg: d})
		if err != nil {
			t.Fatal(err)
		}
		slow, err := proto.MarshalOptions{Deterministic: true}.Marshal(&pb.Envelope{Body: &pb.Envelope_BlobData{BlobData: &pb.BlobData{Leaf: uint32(d.Leaf), Data: d.Data}}})
		if err != nil || !bytes.Equal(fast, slow) {
			t.Fatalf("leaf %d is written in two ways (%v)", d.Leaf, err)
		}
		e, err := Decode(OnBlob, fast)
		if err != nil {
			t.Fatal(err)
		}
		got := e.Msg.(BlobData)
		if got.Leaf != d.Leaf || !bytes.Equal(got.Data, d.Data) || &got.Data[len(got.Data)-1] != &fast[len(fast)-1] {
			t.Fatalf("leaf %d was copied or changed", d.Leaf)
		}
	}
}

func TestUpdateSignatureCoversEveryField(t *testing.T) {
	base := Update{fed.Update{Run: grid, Term: 4, Round: 8, Base: digest, Blob: ref, Examples: 10, Loss: 0.5, Valid: sums, Problem: "p"}, sig}
	want := base.SigningBytes()
	for name, change := range map[string]func(*fed.Update){
		"run": func(u *fed.Update) { u.Run = hex2 }, "term": func(u *fed.Update) { u.Term++ }, "round": func(u *fed.Update) { u.Round++ },
		"base": func(u *fed.Update) { u.Base = parent }, "digest": func(u *fed.Update) { u.Blob.Digest = parent }, "size": func(u *fed.Update) { u.Blob.Size++ },
		"root": func(u *fed.Update) { u.Blob.Root = digest }, "examples": func(u *fed.Update) { u.Examples++ }, "loss": func(u *fed.Update) { u.Loss++ },
		"problem": func(u *fed.Update) { u.Problem = "" }, "v.examples": func(u *fed.Update) { u.Valid.Examples++ }, "v.loss": func(u *fed.Update) { u.Valid.Loss++ },
		"v.correct": func(u *fed.Update) { u.Valid.Correct++ }, "v.confusion": func(u *fed.Update) { u.Valid.Confusion = []int64{4, 1, 1} },
		"v.scores": func(u *fed.Update) { u.Valid.Scores = []int64{1, 0, 3} }, "v.absolute": func(u *fed.Update) { u.Valid.Absolute++ },
		"v.target": func(u *fed.Update) { u.Valid.Target++ }, "v.targetSq": func(u *fed.Update) { u.Valid.TargetSq++ }, "v.residual2": func(u *fed.Update) { u.Valid.Residual2++ },
	} {
		u := base
		change(&u.Update)
		if bytes.Equal(u.SigningBytes(), want) {
			t.Errorf("%s is not signed", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range sample() {
		b, err := Encode(s.plane, Envelope{ID: 1, Re: 2, About: "about", Msg: s.msg})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(s.plane), b)
	}
	f.Fuzz(func(t *testing.T, plane uint8, b []byte) {
		p := Plane(plane % 3)
		e, err := Decode(p, b)
		if err != nil {
			if k := fed.KindOf(err); k != fed.Invalid && !errors.Is(err, ErrUnknownKind) {
				t.Fatalf("kind %v: %v", k, err)
			}
			return
		}
		again, err := Encode(p, e)
		if err != nil {
			if h, ok := e.Msg.(Hello); ok && h.Major != Major {
				return // of another version only the version is read
			}
			if h, ok := e.Msg.(HelloOk); ok && h.Major != Major {
				return
			}
			t.Fatalf("decoded but not encodable: %v", err)
		}
		back, err := Decode(p, again)
		if err != nil {
			t.Fatal(err)
		}
		if _, data := e.Msg.(BlobData); data {
			e = Envelope{Msg: e.Msg}
		}
		if d := cmp.Diff(e, back, same...); d != "" {
			t.Fatal(d)
		}
	})
}
