package blob

import (
	"bytes"
	"context"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// describe returns what a sender would announce of b.
func describe(b []byte) (fed.BlobRef, []fed.Digest) {
	m := newMeter()
	m.Write(b)
	ref, leaves := m.finish()
	return ref, digests(leaves)
}

func leaf(b []byte, i int) []byte {
	return b[i*LeafSize : min(len(b), (i+1)*LeafSize)]
}

func partial(t testing.TB, s *Store, ref fed.BlobRef) *Partial {
	t.Helper()
	p, err := s.Partial(ref)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// receive starts the reception of b and writes the given leaves.
func receive(t testing.TB, s *Store, b []byte, which ...int) *Partial {
	t.Helper()
	ref, leaves := describe(b)
	p := partial(t, s, ref)
	if err := p.SetManifest(leaves); err != nil {
		t.Fatal(err)
	}
	for _, i := range which {
		if err := p.WriteLeaf(i, leaf(b, i)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func commit(t *testing.T, p *Partial, b []byte) {
	t.Helper()
	if err := p.Commit(); err != nil {
		t.Fatal(err)
	}
	got, err := p.s.Get(p.ref.Digest)
	if err != nil || !bytes.Equal(got, b) {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
	if ref, err := p.s.Ref(p.ref.Digest); err != nil || ref != p.ref {
		t.Fatalf("ref %v, %v; want %v", ref, err, p.ref)
	}
	if got := files(t, p.s); len(got) != 1 {
		t.Fatalf("left behind: %v", got)
	}
}

func TestReceiveInAnyOrder(t *testing.T) {
	b := content(3*LeafSize+1, 1)
	p := receive(t, open(t), b, 2, 0, 3, 3, 1)
	commit(t, p, b)
	wantKind(t, p.Commit(), fed.Internal)
	wantKind(t, p.WriteLeaf(0, leaf(b, 0)), fed.Internal)
	_, err := p.s.Partial(p.ref)
	wantKind(t, err, fed.Exists)
}

func TestReceiveEmptyBlob(t *testing.T) {
	commit(t, receive(t, open(t), nil), nil)
}

func TestResumeAfterClose(t *testing.T) {
	s, b := open(t), content(3*LeafSize, 2)
	if err := receive(t, s, b, 0, 2).Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	ref, leaves := describe(b)
	p := partial(t, again, ref)
	if !p.Manifest() {
		t.Fatal("the manifest was forgotten")
	}
	if diff := cmp.Diff([]bool{true, false, true}, p.Have()); diff != "" {
		t.Fatal(diff)
	}
	if err := p.SetManifest(leaves); err != nil {
		t.Fatal(err)
	}
	if err := p.WriteLeaf(1, leaf(b, 1)); err != nil {
		t.Fatal(err)
	}
	commit(t, p, b)
}

// A crash is a Partial whose Close never ran: its file handle is given up, its
// store forgotten, and the directory opened anew.
func crash(t *testing.T, p *Partial) *Store {
	t.Helper()
	if err := p.f.Close(); err != nil {
		t.Fatal(err)
	}
	p.closed = true
	s, err := Open(p.s.dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCrashLosesAtMostWhatWasNotSynced(t *testing.T) {
	b := content(18*LeafSize, 3)
	all := make([]int, 17)
	for i := range all {
		all[i] = i
	}
	p := receive(t, open(t), b, all...)
	have := partial(t, crash(t, p), p.ref).Have()
	for i, ok := range have {
		if want := i < syncEvery/LeafSize; ok != want {
			t.Errorf("leaf %d: have %v, want %v", i, ok, want)
		}
	}
}

func TestCrashedPartial(t *testing.T) {
	b := content(3*LeafSize+77, 4)
	ref, leaves := describe(b)
	tests := []struct {
		name   string
		break_ func(t *testing.T, part, mapName string)
		known  bool   // the map survives
		have   []bool // after the manifest is set again
	}{
		{"nothing broken", func(*testing.T, string, string) {}, true, []bool{true, false, true, true}},
		{"map gone", func(t *testing.T, _, m string) { os.Remove(m) }, false, []bool{true, false, true, true}},
		{"map cut", func(t *testing.T, _, m string) { truncate(t, m, 100) }, false, []bool{true, false, true, true}},
		{"map empty", func(t *testing.T, _, m string) { truncate(t, m, 0) }, false, []bool{true, false, true, true}},
		{"bitmap torn", func(t *testing.T, _, m string) { rot(t, m, int64(mapLen(4)-33)) }, false, []bool{true, false, true, true}},
		{"leaf torn in the map", func(t *testing.T, _, m string) { rot(t, m, 60) }, false, []bool{true, false, true, true}},
		{"part cut", func(t *testing.T, p, _ string) { truncate(t, p, LeafSize+5) }, false, []bool{true, false, false, false}},
		{"part gone", func(t *testing.T, p, _ string) { os.Remove(p) }, false, []bool{false, false, false, false}},
		{"part rotten and map gone", func(t *testing.T, p, m string) { rot(t, p, 5); os.Remove(m) }, false, []bool{false, false, true, true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			receive(t, s, b, 0, 2, 3).Close()
			tt.break_(t, s.path(ref.Digest)+partSuffix, s.path(ref.Digest)+mapSuffix)
			p := partial(t, s, ref)
			if p.Manifest() != tt.known {
				t.Fatalf("manifest known: %v", p.Manifest())
			}
			if err := p.SetManifest(leaves); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.have, p.Have()); diff != "" {
				t.Fatal(diff)
			}
			for i, ok := range tt.have {
				if !ok {
					if err := p.WriteLeaf(i, leaf(b, i)); err != nil {
						t.Fatal(err)
					}
				}
			}
			commit(t, p, b)
		})
	}
}

func truncate(t *testing.T, name string, n int64) {
	t.Helper()
	if err := os.Truncate(name, n); err != nil {
		t.Fatal(err)
	}
}

func TestWrongLeafIsRefusedAndNotWritten(t *testing.T) {
	b := content(2*LeafSize+10, 5)
	p := receive(t, open(t), b)
	wrong := bytes.Clone(leaf(b, 1))
	wrong[99]++
	wantKind(t, p.WriteLeaf(1, wrong), fed.Corrupt)
	wantKind(t, p.WriteLeaf(1, leaf(b, 0)), fed.Corrupt)
	wantKind(t, p.WriteLeaf(2, append(bytes.Clone(leaf(b, 2)), 0)), fed.Corrupt)
	wantKind(t, p.WriteLeaf(0, nil), fed.Corrupt)
	wantKind(t, p.WriteLeaf(-1, leaf(b, 0)), fed.Invalid)
	wantKind(t, p.WriteLeaf(3, nil), fed.Invalid)
	if slices.Contains(p.Have(), true) {
		t.Fatal("a refused leaf counts")
	}
	onDisk, err := os.ReadFile(p.s.path(p.ref.Digest) + partSuffix)
	if err != nil || !bytes.Equal(onDisk, make([]byte, len(b))) {
		t.Fatalf("a refused leaf was written, %v", err)
	}
	wantKind(t, p.Commit(), fed.Invalid)
}

func TestWrongManifestIsRefused(t *testing.T) {
	b := content(2*LeafSize, 6)
	ref, leaves := describe(b)
	p := partial(t, open(t), ref)
	wantKind(t, p.WriteLeaf(0, leaf(b, 0)), fed.Invalid)
	wantKind(t, p.Commit(), fed.Invalid)
	wantKind(t, p.SetManifest(leaves[:1]), fed.Invalid)
	wantKind(t, p.SetManifest(append(slices.Clone(leaves), leaves[0])), fed.Invalid)
	wantKind(t, p.SetManifest([]fed.Digest{leaves[1], leaves[0]}), fed.Invalid)
	wantKind(t, p.SetManifest([]fed.Digest{leaves[0], "../../x"}), fed.Invalid)
	if err := p.SetManifest(leaves); err != nil {
		t.Fatal(err)
	}
	_, err := Root([]fed.Digest{"x"})
	wantKind(t, err, fed.Invalid)
}

func TestImpossibleReferencesAreRefused(t *testing.T) {
	s := open(t)
	d := fed.DigestOf([]byte("d"))
	for _, ref := range []fed.BlobRef{
		{Digest: d, Root: "", Size: 1}, {Digest: d, Root: d, Size: -1}, {Digest: d, Root: d, Size: 1 << 62},
	} {
		_, err := s.Partial(ref)
		wantKind(t, err, fed.Invalid)
	}
	if got := files(t, s); len(got) != 0 {
		t.Fatalf("left behind: %v", got)
	}
}

func TestOneReceptionAtATime(t *testing.T) {
	s, b := open(t), content(LeafSize, 7)
	p := receive(t, s, b)
	_, err := s.Partial(p.ref)
	wantKind(t, err, fed.Busy)
	if err := s.Delete(p.ref.Digest); err != nil { // does not pull the file away from under it
		t.Fatal(err)
	}
	if err := p.WriteLeaf(0, b); err != nil {
		t.Fatal(err)
	}
	commit(t, p, b)
}

func TestDiscardRemovesEverything(t *testing.T) {
	s := open(t)
	p := receive(t, s, content(2*LeafSize, 8), 1)
	if err := p.Discard(); err != nil {
		t.Fatal(err)
	}
	if got := files(t, s); len(got) != 0 {
		t.Fatalf("left behind: %v", got)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if q := partial(t, s, p.ref); q.Manifest() {
		t.Fatal("the new reception knows the old one")
	}
}

func TestRotBeforeCommitIsFetchedAgain(t *testing.T) {
	b := content(3*LeafSize, 9)
	p := receive(t, open(t), b, 0, 1, 2)
	rot(t, p.s.path(p.ref.Digest)+partSuffix, LeafSize+1)
	wantKind(t, p.Commit(), fed.Corrupt)
	if diff := cmp.Diff([]bool{true, false, true}, p.Have()); diff != "" {
		t.Fatal(diff)
	}
	if err := p.WriteLeaf(1, leaf(b, 1)); err != nil {
		t.Fatal(err)
	}
	commit(t, p, b)
}

func TestFalseReferenceIsDiscarded(t *testing.T) {
	b := content(LeafSize+4, 10)
	ref, leaves := describe(b)
	ref.Digest = fed.DigestOf([]byte("something else"))
	s := open(t)
	p := partial(t, s, ref)
	if err := p.SetManifest(leaves); err != nil {
		t.Fatal(err)
	}
	for i := range leaves {
		if err := p.WriteLeaf(i, leaf(b, i)); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, p.Commit(), fed.Corrupt)
	if s.Has(ref.Digest) || len(files(t, s)) != 0 {
		t.Fatalf("the lie was kept: %v", files(t, s))
	}
}

func TestPartialOfAnotherRootStartsAnew(t *testing.T) {
	s, b := open(t), content(2*LeafSize, 11)
	receive(t, s, b, 0).Close()
	lie, leaves := describe(content(2*LeafSize, 12))
	ref, _ := describe(b)
	lie.Digest = ref.Digest
	p := partial(t, s, lie)
	if p.Manifest() {
		t.Fatal("the map of another root was taken over")
	}
	if err := p.SetManifest(leaves); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(p.Have(), true) {
		t.Fatal("bytes of another root count")
	}
}

func TestConcurrentWriteLeaf(t *testing.T) {
	b := content(4*LeafSize, 13)
	p := receive(t, open(t), b)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := p.WriteLeaf(i%4, leaf(b, i%4)); err != nil {
				t.Error(err)
			}
			p.Have()
		})
	}
	wg.Wait()
	commit(t, p, b)
}

func TestFullDiskTellsWhatToDo(t *testing.T) {
	err := ioError("receive a blob", &os.PathError{Op: "write", Path: "secret", Err: syscall.ENOSPC})
	wantKind(t, err, fed.Unavailable)
}

func TestMapRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.Int64Range(0, 40*LeafSize).Draw(rt, "size")
		n := LeafCount(size)
		m := &partMap{size: size, leaves: make([]sum, n), have: make([]bool, n)}
		for i := range n {
			m.leaves[i] = sum{byte(i), rapid.Byte().Draw(rt, "leaf")}
			m.have[i] = rapid.Bool().Draw(rt, "have")
		}
		m.root = rootOf(m.leaves)
		ref := fed.BlobRef{Digest: fed.DigestOf(nil), Size: size, Root: m.root}
		b := m.encode()
		got, ok := decodeMap(b, ref)
		if !ok || !cmp.Equal(got, m, cmp.AllowUnexported(partMap{})) {
			rt.Fatalf("got %v, %v", got, ok)
		}
		at := rapid.IntRange(0, len(b)-1).Draw(rt, "torn at")
		b[at] ^= 1
		if _, ok := decodeMap(b, ref); ok {
			rt.Fatalf("a map torn at %d passes", at)
		}
	})
}

func FuzzDecodeMap(f *testing.F) {
	ref, leaves := describe([]byte("abc"))
	sums, _ := parseSums(leaves)
	f.Add((&partMap{size: 3, root: ref.Root, leaves: sums, have: []bool{true}}).encode())
	f.Add([]byte(mapMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := decodeMap(b, ref); ok && !bytes.Equal(m.encode()[:len(b)-33], b[:len(b)-33]) {
			t.Fatal("accepted a map that encodes otherwise")
		}
	})
}

func BenchmarkPut(b *testing.B) {
	s, data := open(b), content(8*LeafSize, 1)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := s.PutBytes(context.Background(), data); err != nil {
			b.Fatal(err)
		}
	}
}
