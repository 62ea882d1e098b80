package tensor

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"synergos.app/desktop/backend/fed"
)

const (
	// MaxHeader bounds the header of a safetensors file, in bytes.
	MaxHeader = 1 << 20
	// MaxRank bounds the dimensions of one tensor.
	MaxRank = 8

	metaKey = "__metadata__"
)

// Hash names params by the digest of their safetensors bytes without meta-data:
// equal names, shapes, order and bits give equal hashes.
func Hash(p Params) fed.Digest { return fed.DigestOf(EncodeSafetensors(p, nil)) }

// EncodeSafetensors returns p and meta in the safetensors format: an 8-byte
// little-endian header length, a JSON header padded with spaces to a multiple of
// eight, then the little-endian float32 data in the order of p without holes.
// Equal arguments give equal bytes. It panics on params that could not be read
// back: a name that is repeated, reserved or not UTF-8, data that do not fill
// their shape, more than MaxRank dimensions, or a header above MaxHeader.
func EncodeSafetensors(p Params, meta map[string]string) []byte {
	header := appendHeader(make([]byte, 8, 512), p, meta)
	for len(header)%8 != 0 {
		header = append(header, ' ')
	}
	if len(header)-8 > MaxHeader {
		panic("tensor: safetensors header too long")
	}
	binary.LittleEndian.PutUint64(header, uint64(len(header)-8))
	out := slices.Grow(header, 4*p.Len())
	for i := range p {
		for _, v := range p[i].Data {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
	}
	return out
}

func appendHeader(b []byte, p Params, meta map[string]string) []byte {
	b = append(b, '{')
	if len(meta) > 0 {
		b = appendMeta(b, meta)
	}
	seen := make(map[string]bool, len(p))
	offset := 0
	for i := range p {
		t := &p[i]
		n, ok := sizeOf(t.Shape)
		if !ok || n != len(t.Data) || len(t.Shape) > MaxRank || seen[t.Name] || t.Name == metaKey {
			panic("tensor: cannot encode tensor " + t.Name)
		}
		seen[t.Name] = true
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = appendString(b, t.Name)
		b = append(b, `:{"dtype":"F32","shape":[`...)
		for j, d := range t.Shape {
			if j > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(d), 10)
		}
		b = fmt.Appendf(b, `],"data_offsets":[%d,%d]}`, offset, offset+4*n)
		offset += 4 * n
	}
	return append(b, '}')
}

func appendMeta(b []byte, meta map[string]string) []byte {
	b = append(b, `"`+metaKey+`":{`...)
	for i, k := range slices.Sorted(maps.Keys(meta)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, k), ':')
		b = appendString(b, meta[k])
	}
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		panic("tensor: safetensors text is not UTF-8")
	}
	q, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return append(b, q...)
}

// DecodeSafetensors reads params and meta-data (never nil) from the bytes of a
// safetensors file. The tensors come in the order of their data. Only F32 is
// read; another type is refused by name with kind Incompatible. Anything else
// that is not well-formed is of kind Corrupt: a header above MaxHeader, repeated
// or unknown keys, shapes that overflow or do not fit their offsets, and data
// that overlap, leave holes or run past the end. Numbers are not inspected: see
// [Params.Finite].
func DecodeSafetensors(b []byte) (Params, map[string]string, error) {
	if len(b) < 8 {
		return nil, nil, corrupt("file of %d bytes is too short", len(b))
	}
	size := binary.LittleEndian.Uint64(b)
	if size > MaxHeader || size > uint64(len(b)-8) {
		return nil, nil, corrupt("header of %d bytes is too long", size)
	}
	header, data := b[8:8+size], b[8+size:]
	if !utf8.Valid(header) || len(header) == 0 || header[0] != '{' {
		return nil, nil, corrupt("header is not a JSON object")
	}
	entries, meta, err := parseHeader(header)
	if err != nil {
		return nil, nil, err
	}
	p, err := place(entries, data)
	if err != nil {
		return nil, nil, err
	}
	return p, meta, nil
}

// place cuts data into the tensors that entries describe.
func place(entries []entry, data []byte) (Params, error) {
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	at := 0
	for _, e := range entries {
		n, ok := sizeOf(e.shape)
		if !ok {
			return nil, corrupt("tensor %q has the impossible shape %v", e.name, e.shape)
		}
		if e.begin != at || e.end < e.begin || e.end-e.begin != 4*n || e.end > len(data) {
			return nil, corrupt("tensor %q of shape %v cannot lie at bytes %d to %d", e.name, e.shape, e.begin, e.end)
		}
		at = e.end
	}
	if at != len(data) {
		return nil, corrupt("%d bytes after the last tensor", len(data)-at)
	}
	p := make(Params, len(entries))
	for i, e := range entries {
		p[i] = Tensor{Name: e.name, Shape: e.shape, Data: alloc(int(e.end-e.begin) / 4)}
		for j := range p[i].Data {
			p[i].Data[j] = math.Float32frombits(binary.LittleEndian.Uint32(data[e.begin+4*j:]))
		}
	}
	return p, nil
}

func corrupt(format string, args ...any) error {
	return fed.Errorf(fed.Corrupt, "ask for the file again or choose another one", "safetensors: "+format, args...)
}

// entry is what the header says about one tensor; begin and end are byte offsets.
type entry struct {
	name       string
	shape      []int
	begin, end int
}

// headerParser reads the header as a token stream, so that repeated keys are
// seen and nothing nests deeper than the format does.
type headerParser struct{ dec *json.Decoder }

func parseHeader(header []byte) ([]entry, map[string]string, error) {
	h := headerParser{json.NewDecoder(bytes.NewReader(header))}
	h.dec.UseNumber()
	var entries []entry
	meta := map[string]string{}
	err := h.object("header", func(key string) error {
		if key == metaKey {
			return h.object(key, func(k string) (err error) {
				meta[k], err = h.text(k)
				return err
			})
		}
		e, err := h.entry(key)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if rest := bytes.TrimRight(header[h.dec.InputOffset():], " "); len(rest) > 0 {
		return nil, nil, corrupt("text after the header")
	}
	return entries, meta, nil
}

func (h headerParser) entry(name string) (entry, error) {
	e := entry{name: name, begin: -1}
	typed, shaped := false, false
	err := h.object(name, func(key string) error {
		switch key {
		case "dtype":
			typed = true
			return h.dtype(name)
		case "shape":
			shape, err := h.ints(name, MaxRank)
			e.shape, shaped = shape, true
			return err
		case "data_offsets":
			off, err := h.ints(name, 2)
			if err == nil && len(off) != 2 {
				err = corrupt("tensor %q needs two offsets", name)
			}
			if err == nil {
				e.begin, e.end = off[0], off[1]
			}
			return err
		}
		return corrupt("tensor %q has the unknown key %q", name, key)
	})
	if err == nil && (!typed || !shaped || e.begin < 0) {
		err = corrupt("tensor %q lacks its dtype, shape or data_offsets", name)
	}
	return e, err
}

func (h headerParser) dtype(name string) error {
	s, err := h.text(name)
	if err == nil && s != "F32" {
		return fed.Errorf(fed.Incompatible, "convert the tensors to 32-bit floats (F32)", "safetensors: tensor %q has type %q, only F32 is read", name, s)
	}
	return err
}

// object reads {"key": value, ...}; value is called to read each value.
func (h headerParser) object(of string, value func(key string) error) error {
	if err := h.delim(of, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for h.dec.More() {
		key, err := h.text(of)
		if err != nil {
			return err
		}
		if seen[key] {
			return corrupt("%q stands twice in %q", key, of)
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	return h.delim(of, '}')
}

// ints reads an array of at most limit non-negative integers.
func (h headerParser) ints(of string, limit int) ([]int, error) {
	if err := h.delim(of, '['); err != nil {
		return nil, err
	}
	out := []int{}
	for h.dec.More() {
		t, err := h.dec.Token()
		num, ok := t.(json.Number)
		if err != nil || !ok {
			return nil, corrupt("%q does not hold a list of numbers", of)
		}
		v, err := strconv.ParseUint(num.String(), 10, strconv.IntSize-1)
		if err != nil || len(out) == limit {
			return nil, corrupt("%q holds the list entry %.20q, which is not a size or one too many", of, num.String())
		}
		out = append(out, int(v))
	}
	return out, h.delim(of, ']')
}

func (h headerParser) text(of string) (string, error) {
	t, err := h.dec.Token()
	s, ok := t.(string)
	if err != nil || !ok {
		return "", corrupt("%q lacks a text", of)
	}
	return s, nil
}

func (h headerParser) delim(of string, want json.Delim) error {
	t, err := h.dec.Token()
	if d, ok := t.(json.Delim); err != nil || !ok || d != want {
		return corrupt("%q lacks a %q", of, want.String())
	}
	return nil
}
