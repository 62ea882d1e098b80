package wire

import (
	"encoding/binary"
	"math"
)

// UpdateDomain is the domain tag of the signature of an Update.
const UpdateDomain = "synergos/update/1"

// SigningBytes returns what Update.Sig signs: every field but Sig, texts and
// lists prefixed by their length, numbers little-endian.
func (u Update) SigningBytes() []byte {
	var b []byte
	num := func(ns ...uint64) {
		for _, n := range ns {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
	}
	text := func(ss ...string) {
		for _, s := range ss {
			num(uint64(len(s)))
			b = append(b, s...)
		}
	}
	list := func(ns []int64) {
		num(uint64(len(ns)))
		for _, n := range ns {
			num(uint64(n))
		}
	}
	float := func(fs ...float64) {
		for _, f := range fs {
			num(math.Float64bits(f + 0)) // as fed.Plain
		}
	}
	v := u.Update
	text(string(v.Run), string(v.Base), string(v.Blob.Digest), string(v.Blob.Root), v.Problem)
	num(v.Term, uint64(v.Round), uint64(v.Blob.Size), uint64(v.Examples))
	float(float64(v.Loss))
	num(uint64(v.Valid.Examples), uint64(v.Valid.Correct))
	float(v.Valid.Loss, v.Valid.Absolute, v.Valid.Target, v.Valid.TargetSq, v.Valid.Residual2)
	list(v.Valid.Confusion)
	list(v.Valid.Scores)
	return b
}
