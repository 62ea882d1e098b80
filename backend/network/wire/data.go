package wire

import "google.golang.org/protobuf/encoding/protowire"

// The field numbers of the fast path, as in wire.proto; a test compares them with
// the generated code.
const (
	tagData     = protowire.Number(85)
	tagDataLeaf = protowire.Number(1)
	tagDataBody = protowire.Number(2)
)

// appendData writes a BlobData as the generated code would, copying the leaf once.
func appendData(dst []byte, d BlobData) ([]byte, error) {
	if d.Leaf < 0 || d.Leaf >= maxLeafNumber || len(d.Data) == 0 || len(d.Data) > LeafSize {
		return nil, invalid("part of a blob is out of bounds")
	}
	size := protowire.SizeTag(tagDataBody) + protowire.SizeBytes(len(d.Data))
	if d.Leaf > 0 {
		size += protowire.SizeTag(tagDataLeaf) + protowire.SizeVarint(uint64(d.Leaf))
	}
	dst = protowire.AppendTag(dst, tagData, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(size))
	if d.Leaf > 0 {
		dst = protowire.AppendTag(dst, tagDataLeaf, protowire.VarintType)
		dst = protowire.AppendVarint(dst, uint64(d.Leaf))
	}
	dst = protowire.AppendTag(dst, tagDataBody, protowire.BytesType)
	return protowire.AppendBytes(dst, d.Data), nil
}

// parseData reads exactly the form that appendData writes, without copying the
// leaf; anything else goes the general way.
func parseData(b []byte) (BlobData, bool) {
	b, ok := field(b, tagData)
	if !ok || len(b) == 0 {
		return BlobData{}, false
	}
	var d BlobData
	if num, typ, n := protowire.ConsumeTag(b); num == tagDataLeaf && typ == protowire.VarintType {
		v, m := protowire.ConsumeVarint(b[n:])
		if m < 0 || v == 0 || v >= maxLeafNumber {
			return BlobData{}, false
		}
		d.Leaf, b = int(v), b[n+m:]
	}
	d.Data, ok = field(b, tagDataBody)
	return d, ok && len(d.Data) > 0 && len(d.Data) <= LeafSize
}

// field returns the content of b if it is exactly one field of bytes.
func field(b []byte, want protowire.Number) ([]byte, bool) {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 || num != want || typ != protowire.BytesType {
		return nil, false
	}
	v, m := protowire.ConsumeBytes(b[n:])
	return v, m >= 0 && n+m == len(b)
}
