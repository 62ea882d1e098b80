package tensor_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/tensor"
)

// file builds a safetensors file of a header and n data bytes.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

func TestEncodeWritesTheFormat(t *testing.T) {
	p := tensor.Params{
		{Name: "b", Shape: []int{1, 2}, Data: []float32{1, -2}},
		{Name: "a\"", Shape: []int{}, Data: []float32{0.5}},
	}
	header := `{"__metadata__":{"a":"1","z":"2"},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},` +
		`"a\"":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}`
	header += strings.Repeat(" ", (8-len(header)%8)%8)
	want := file(header, 0)
	want = append(want, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f)
	if got := tensor.EncodeSafetensors(p, map[string]string{"z": "2", "a": "1"}); !bytes.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func genParams(t *rapid.T) tensor.Params {
	names := rapid.SliceOfNDistinct(rapid.StringN(0, 8, 40), 0, 5, rapid.ID).Draw(t, "names")
	var p tensor.Params
	for _, name := range names {
		if name == "__metadata__" {
			continue
		}
		x := tensor.New(name, rapid.SliceOfN(rapid.IntRange(0, 4), 0, 4).Draw(t, "shape")...)
		for i := range x.Data {
			x.Data[i] = math.Float32frombits(rapid.Uint32().Draw(t, "bits"))
		}
		p = append(p, x)
	}
	return p
}

// bits compares numbers by their bits, so that NaN equals itself.
var bits = cmp.Comparer(func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })

func TestDecodeReversesEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genParams(t)
		meta := rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "meta")
		b := tensor.EncodeSafetensors(p, meta)
		got, gotMeta, err := tensor.DecodeSafetensors(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, got, bits, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(meta, gotMeta, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		if !bytes.Equal(b, tensor.EncodeSafetensors(got, gotMeta)) {
			t.Fatal("encoding again gives other bytes")
		}
	})
}

func TestHashSeesOrderNameShapeAndBits(t *testing.T) {
	x := func(name string, v float32, shape ...int) tensor.Tensor {
		return tensor.Tensor{Name: name, Shape: shape, Data: []float32{v}}
	}
	seen := map[fed.Digest]int{}
	for i, p := range []tensor.Params{
		{x("a", 1, 1), x("b", 2, 1)}, {x("b", 2, 1), x("a", 1, 1)}, {x("a", 1, 1), x("c", 2, 1)},
		{x("a", 1, 1), x("b", 2, 1, 1)}, {x("a", 1, 1), x("b", 3, 1)},
		{x("a", 0, 1)}, {x("a", float32(math.Copysign(0, -1)), 1)},
	} {
		h := tensor.Hash(p)
		if j, dup := seen[h]; dup || !h.Valid() {
			t.Errorf("params %d and %d share the hash %s", i, j, h)
		}
		seen[h] = i
		if h != tensor.Hash(p.Clone()) {
			t.Errorf("params %d: the hash of a clone differs", i)
		}
	}
}

// Files written by other libraries list tensors in any order.
func TestDecodeOrdersByOffset(t *testing.T) {
	p, meta, err := tensor.DecodeSafetensors(file(`{"b":{"data_offsets":[4,8],"shape":[1],"dtype":"F32"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   `, 8))
	if err != nil || len(p) != 2 || p[0].Name != "a" || p[1].Name != "b" || len(meta) != 0 {
		t.Errorf("got %v, %v, %v", p, meta, err)
	}
}

var hostile = []struct {
	name string
	b    []byte
	kind fed.Kind
	want string
}{
	{"empty", nil, fed.Corrupt, "too short"},
	{"header beyond the file", binary.LittleEndian.AppendUint64(nil, 9), fed.Corrupt, "too long"},
	{"header length 2^63", binary.LittleEndian.AppendUint64(nil, 1<<63), fed.Corrupt, "too long"},
	{"header above 1 MiB", file("{}"+strings.Repeat(" ", 1<<20), 0), fed.Corrupt, "too long"},
	{"no header", file("", 0), fed.Corrupt, "not a JSON object"},
	{"not JSON", file("{nope}", 0), fed.Corrupt, "lacks"},
	{"not UTF-8", file("{\"\xff\":{}}", 0), fed.Corrupt, "not a JSON object"},
	{"truncated", file(`{"w":{"dtype":"F32","shape":[1],"data_off`, 4), fed.Corrupt, "lacks"},
	{"text after", file(`{}{}`, 0), fed.Corrupt, "after the header"},
	{"F16", file(`{"w":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, 4), fed.Incompatible, `tensor "w" has type "F16"`},
	{"repeated tensor", file(`{"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0), fed.Corrupt, "twice"},
	{"repeated key", file(`{"w":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0), fed.Corrupt, "twice"},
	{"unknown key", file(`{"w":{"dtype":"F32","code":"x"}}`, 0), fed.Corrupt, `unknown key "code"`},
	{"no shape", file(`{"w":{"dtype":"F32","data_offsets":[0,4]}}`, 4), fed.Corrupt, "lacks its"},
	{"one offset", file(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[4]}}`, 4), fed.Corrupt, "two offsets"},
	{"hole before", file(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), fed.Corrupt, "cannot lie"},
	{"hole after", file(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 8), fed.Corrupt, "after the last tensor"},
	{"overlap", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), fed.Corrupt, "cannot lie"},
	{"beyond the end", file(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 4), fed.Corrupt, "cannot lie"},
	{"backwards", file(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4), fed.Corrupt, "cannot lie"},
	{"shape and offsets differ", file(`{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, 8), fed.Corrupt, "cannot lie"},
	{"shape overflows", file(`{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0), fed.Corrupt, "impossible shape"},
	{"size overflows int64", file(`{"w":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,0]}}`, 0), fed.Corrupt, "not a size"},
	{"negative size", file(`{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}`, 0), fed.Corrupt, "not a size"},
	{"fraction", file(`{"w":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}`, 4), fed.Corrupt, "not a size"},
	{"nine dimensions", file(`{"w":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}`, 4), fed.Corrupt, "one too many"},
	{"meta-data not text", file(`{"__metadata__":{"a":1}}`, 0), fed.Corrupt, "lacks a text"},
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range hostile {
		p, _, err := tensor.DecodeSafetensors(c.b)
		if err == nil || fed.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) || fed.HintOf(err) == "" {
			t.Errorf("%s: params %v, error %v (%v), want %v %q", c.name, p, err, fed.KindOf(err), c.kind, c.want)
		}
	}
}

func TestEncodeRefusesWhatCannotBeRead(t *testing.T) {
	one := tensor.New("w", 1)
	long := tensor.New(strings.Repeat("n", tensor.MaxHeader), 1)
	for name, p := range map[string]tensor.Params{
		"repeated":  {one, one},
		"reserved":  {tensor.New("__metadata__", 1)},
		"unfilled":  {{Name: "w", Shape: []int{2}, Data: []float32{1}}},
		"not UTF-8": {tensor.New("\xff", 1)},
		"rank":      {tensor.New("w", 1, 1, 1, 1, 1, 1, 1, 1, 1)},
		"header":    {long},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			tensor.EncodeSafetensors(p, nil)
		}()
	}
}

func FuzzDecodeSafetensors(f *testing.F) {
	for _, c := range hostile {
		if len(c.b) < 1<<10 {
			f.Add(c.b)
		}
	}
	f.Add(tensor.EncodeSafetensors(tensor.Params{tensor.New("weight", 2, 3), tensor.New("bias", 2)}, map[string]string{"format": "pt"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, meta, err := tensor.DecodeSafetensors(b)
		if err != nil {
			return
		}
		again, meta2, err := tensor.DecodeSafetensors(tensor.EncodeSafetensors(p, meta))
		if err != nil {
			t.Fatalf("accepted but not its own encoding: %v", err)
		}
		if diff := cmp.Diff(p, again, bits, cmpopts.EquateEmpty()) + cmp.Diff(meta, meta2); diff != "" {
			t.Fatal(diff)
		}
		if 4*p.Len() > len(b) {
			t.Fatalf("%d numbers from %d bytes", p.Len(), len(b))
		}
	})
}
