package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
)

func open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// content returns n reproducible bytes that differ between leaves.
func content(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(b)
	return b
}

func put(t testing.TB, s *Store, b []byte) fed.BlobRef {
	t.Helper()
	ref, err := s.PutBytes(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func wantKind(t testing.TB, err error, k fed.Kind) {
	t.Helper()
	if err == nil || fed.KindOf(err) != k {
		t.Fatalf("got %v (%v), want kind %v", err, fed.KindOf(err), k)
	}
	if fed.HintOf(err) == "" {
		t.Fatalf("%v has no hint", err)
	}
}

// files lists the regular files of the store below its directory.
func files(t testing.TB, s *Store) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(s.dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(s.dir, p)
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDigestSizeAndRoot(t *testing.T) {
	// Digests by sha256sum(1); the roots by the formula in the comment of Root.
	tests := []struct {
		name   string
		bytes  []byte
		digest fed.Digest
		leaves int
	}{
		{"empty", nil, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0},
		{"abc", []byte("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 1},
		{"one MiB of zeros", make([]byte, 1<<20), "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58", 1},
		{"one MiB and a byte", append(make([]byte, 1<<20), 7), "", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			ref := put(t, s, tt.bytes)
			h := sha256.New()
			io.WriteString(h, "synergos/blob-root/1")
			var leaves []fed.Digest
			for b := tt.bytes; len(b) > 0; b = b[min(len(b), 1<<20):] {
				l := sha256.Sum256(b[:min(len(b), 1<<20)])
				h.Write(l[:])
				leaves = append(leaves, fed.Digest(hex.EncodeToString(l[:])))
			}
			want := fed.BlobRef{Digest: tt.digest, Size: int64(len(tt.bytes)), Root: fed.Digest(hex.EncodeToString(h.Sum(nil)))}
			if want.Digest == "" {
				want.Digest = fed.DigestOf(tt.bytes)
			}
			if diff := cmp.Diff(want, ref); diff != "" {
				t.Fatal(diff)
			}
			got, err := s.Leaves(ref.Digest)
			if err != nil || len(got) != tt.leaves || len(got) != len(leaves) {
				t.Fatalf("leaves %v, %v; want %d", got, err, tt.leaves)
			}
			for i := range got {
				if got[i] != leaves[i] {
					t.Fatalf("leaf %d is %s, want %s", i, got[i], leaves[i])
				}
			}
			if root, err := Root(got); err != nil || root != ref.Root {
				t.Fatalf("root %s, %v", root, err)
			}
		})
	}
}

func TestGetReturnsWhatWasPut(t *testing.T) {
	s := open(t)
	rapid.Check(t, func(rt *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 4096).Draw(rt, "content")
		chunk := rapid.IntRange(1, 700).Draw(rt, "read size")
		ref, err := s.Put(context.Background(), &chunked{b: b, n: chunk})
		if err != nil {
			rt.Fatal(err)
		}
		got, err := s.Get(ref.Digest)
		if err != nil || !bytes.Equal(got, b) {
			rt.Fatalf("got %d bytes, %v; want %d", len(got), err, len(b))
		}
		again, err := s.Ref(ref.Digest)
		if err != nil || again != ref {
			rt.Fatalf("ref %v, %v; want %v", again, err, ref)
		}
	})
}

// chunked yields b in pieces of n.
type chunked struct {
	b []byte
	n int
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	k := copy(p[:min(len(p), c.n)], c.b)
	c.b = c.b[k:]
	return k, nil
}

func TestMeterDoesNotDependOnTheSizeOfWrites(t *testing.T) {
	b := content(2*LeafSize+12345, 1)
	whole := newMeter()
	whole.Write(b)
	want, wantLeaves := whole.finish()
	pieces := newMeter()
	r := rand.New(rand.NewPCG(1, 2))
	for rest := b; len(rest) > 0; {
		k := min(len(rest), 1+r.IntN(LeafSize+5))
		pieces.Write(rest[:k])
		rest = rest[k:]
	}
	got, gotLeaves := pieces.finish()
	if got != want || !cmp.Equal(gotLeaves, wantLeaves) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestRefIsReadFromDiskByANewStore(t *testing.T) {
	s := open(t)
	ref := put(t, s, content(LeafSize+1, 2))
	again, err := Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Ref(ref.Digest); err != nil || got != ref {
		t.Fatalf("ref %v, %v; want %v", got, err, ref)
	}
}

func TestOpenReadsAtOffsets(t *testing.T) {
	s := open(t)
	b := content(3000, 3)
	f, err := s.Open(put(t, s, b).Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, 100)
	if _, err := f.ReadAt(got, 2000); err != nil || !bytes.Equal(got, b[2000:2100]) || f.Size() != 3000 {
		t.Fatalf("read %x, %v, size %d", got, err, f.Size())
	}
}

func TestDigestFromThePeerIsNeverAPath(t *testing.T) {
	s := open(t)
	secret := filepath.Join(filepath.Dir(s.dir), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, d := range []fed.Digest{"", "a", "../secret", fed.Digest("../" + strings.Repeat("a", 61)), fed.Digest(strings.Repeat("A", 64)), fed.Digest(strings.Repeat("a", 63) + "/")} {
		if s.Has(d) {
			t.Fatalf("%q is there", d)
		}
		_, err := s.Get(d)
		wantKind(t, err, fed.Invalid)
		_, err = s.Open(d)
		wantKind(t, err, fed.Invalid)
		_, err = s.Ref(d)
		wantKind(t, err, fed.Invalid)
		wantKind(t, s.Delete(d), fed.Invalid)
		_, err = s.Partial(fed.BlobRef{Digest: d, Root: fed.DigestOf(nil)})
		wantKind(t, err, fed.Invalid)
	}
	if _, err := os.Stat(secret); err != nil {
		t.Fatal(err)
	}
}

func TestMissingBlobIsNotFound(t *testing.T) {
	s := open(t)
	_, err := s.Get(fed.DigestOf([]byte("nobody")))
	wantKind(t, err, fed.NotFound)
	_, err = s.Leaves(fed.DigestOf([]byte("nobody")))
	wantKind(t, err, fed.NotFound)
}

func TestDamagedBlobIsSetAside(t *testing.T) {
	for _, name := range []string{"get", "leaves"} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			ref := put(t, s, content(5000, 4))
			rot(t, s.path(ref.Digest), 4321)
			if name == "get" {
				_, err := s.Get(ref.Digest)
				wantKind(t, err, fed.Corrupt)
			} else {
				later := time.Now().Add(time.Hour) // the remembered manifest is of the file as it was
				if err := os.Chtimes(s.path(ref.Digest), later, later); err != nil {
					t.Fatal(err)
				}
				_, err := s.Leaves(ref.Digest)
				wantKind(t, err, fed.Corrupt)
			}
			if s.Has(ref.Digest) {
				t.Fatal("the damaged blob is still offered")
			}
			if _, err := os.Stat(s.path(ref.Digest) + ".bad"); err != nil {
				t.Fatal(err)
			}
			put(t, s, content(5000, 4))
			if _, err := s.Get(ref.Digest); err != nil {
				t.Fatalf("after storing it again: %v", err)
			}
		})
	}
}

func TestPutHealsARottenCopy(t *testing.T) {
	s := open(t)
	ref := put(t, s, content(5000, 4))
	rot(t, s.path(ref.Digest), 17)
	put(t, s, content(5000, 4))
	if _, err := s.Get(ref.Digest); err != nil {
		t.Fatal(err)
	}
}

// rot flips one byte of a file.
func rot(t *testing.T, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x40
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func TestFailedPutLeavesNothing(t *testing.T) {
	cfg := Default()
	cfg.MaxSize = 1000
	s, err := OpenConfig(t.TempDir(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Put(context.Background(), io.MultiReader(bytes.NewReader(content(900, 1)), iotest.ErrReader(errors.New("cable pulled"))))
	wantKind(t, err, fed.Internal)
	_, err = s.PutBytes(context.Background(), content(1001, 1))
	wantKind(t, err, fed.Invalid)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err = s.PutBytes(ctx, content(10, 1)); !errors.Is(err, context.Canceled) || fed.KindOf(err) != fed.Unavailable {
		t.Fatalf("got %v, want canceled", err)
	}
	if got := files(t, s); len(got) != 0 {
		t.Fatalf("left behind: %v", got)
	}
	put(t, s, content(1000, 1))
}

func TestGetRefusesMoreThanItsLimit(t *testing.T) {
	cfg := Default()
	cfg.MaxGet = 100
	s, err := OpenConfig(t.TempDir(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(put(t, s, content(100, 1)).Digest); err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(put(t, s, content(101, 1)).Digest)
	wantKind(t, err, fed.Invalid)
}

func TestOpenCleansTemporaryFilesOnly(t *testing.T) {
	s := open(t)
	ref := put(t, s, content(10, 1))
	p := receive(t, s, content(LeafSize+9, 2), 0)
	p.Close()
	if err := os.WriteFile(filepath.Join(s.dir, tmpDir, "put-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.dir); err != nil {
		t.Fatal(err)
	}
	want := []string{
		filepath.Join(string(ref.Digest[:2]), string(ref.Digest)),
		filepath.Join(string(p.ref.Digest[:2]), string(p.ref.Digest)+".map"),
		filepath.Join(string(p.ref.Digest[:2]), string(p.ref.Digest)+".part"),
	}
	if diff := cmp.Diff(fmt.Sprint(sorted(want)), fmt.Sprint(sorted(files(t, s)))); diff != "" {
		t.Fatal(diff)
	}
}

func TestConcurrentPutOfTheSameContent(t *testing.T) {
	s := open(t)
	b := content(200_000, 5)
	var wg sync.WaitGroup
	refs := make([]fed.BlobRef, 8)
	for i := range refs {
		wg.Go(func() {
			ref, err := s.PutBytes(context.Background(), b)
			if err != nil {
				t.Error(err)
			}
			got, err := s.Get(ref.Digest)
			if err != nil || !bytes.Equal(got, b) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			refs[i] = ref
		})
	}
	wg.Wait()
	for _, ref := range refs {
		if ref != refs[0] {
			t.Fatalf("%v and %v", ref, refs[0])
		}
	}
	if got := files(t, s); len(got) != 1 {
		t.Fatalf("files: %v", got)
	}
}

func TestSweep(t *testing.T) {
	cfg := Default()
	now := time.Now()
	cfg.Now = func() time.Time { return now }
	s, err := OpenConfig(t.TempDir(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	kept, dropped := put(t, s, content(10, 1)), put(t, s, content(20, 2))
	p := receive(t, s, content(LeafSize+9, 3), 0)
	defer p.Close()
	keep := func(d fed.Digest) bool { return d == kept.Digest }
	if n, _, err := s.Sweep(time.Now(), keep); err != nil || n != 0 {
		t.Fatalf("within the grace %d files went, %v", n, err)
	}
	now = now.Add(2 * time.Hour)
	if n, size, err := s.Sweep(time.Now(), keep); err != nil || n != 1 || size != 20 {
		t.Fatalf("%d files, %d bytes, %v", n, size, err)
	}
	if !s.Has(kept.Digest) || s.Has(dropped.Digest) {
		t.Fatal("the wrong blob went")
	}
	p.Close()
	if n, _, err := s.Sweep(time.Now(), keep); err != nil || n != 2 {
		t.Fatalf("the abandoned partial: %d files, %v", n, err)
	}
	if err := s.Delete(kept.Digest); err != nil || s.Has(kept.Digest) {
		t.Fatal(err)
	}
	if err := s.Delete(kept.Digest); err != nil {
		t.Fatalf("deleting twice: %v", err)
	}
}

func TestFullDisk(t *testing.T) {
	cfg := Default()
	cfg.MinFree = 1 << 60
	s, err := OpenConfig(t.TempDir(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.PutBytes(context.Background(), []byte("x"))
	wantKind(t, err, fed.Unavailable)
	_, err = s.Partial(fed.BlobRef{Digest: fed.DigestOf([]byte("x")), Size: 1, Root: fed.DigestOf(nil)})
	wantKind(t, err, fed.Unavailable)
	if !strings.Contains(fed.HintOf(err), "Free disk") {
		t.Fatalf("hint %q", fed.HintOf(err))
	}
}

func TestErrorsNameNoPath(t *testing.T) {
	s := open(t)
	ref := put(t, s, []byte("x"))
	if err := os.Remove(s.path(ref.Digest)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.path(ref.Digest), 0o700); err != nil {
		t.Fatal(err)
	}
	err := s.Delete(ref.Digest) // removes the empty directory
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(s.dir, tmpDir)); err != nil {
		t.Fatal(err)
	}
	_, err = s.PutBytes(context.Background(), []byte("x"))
	wantKind(t, err, fed.Internal)
	if strings.Contains(err.Error(), s.dir) {
		t.Fatalf("%v names a path", err)
	}
}

func TestConfigValidate(t *testing.T) {
	for i, change := range []func(*Config){
		func(c *Config) { c.MaxSize = 0 }, func(c *Config) { c.MaxSize = 1 << 50 }, func(c *Config) { c.MaxGet = 0 },
		func(c *Config) { c.MinFree = -1 }, func(c *Config) { c.SweepGrace = -1 }, func(c *Config) { c.Now = nil },
	} {
		cfg := Default()
		change(&cfg)
		if fed.KindOf(cfg.Validate()) != fed.Invalid {
			t.Errorf("change %d passes", i)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
}
