package dataset

import (
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// Whatever way a number is read, it is the float that strconv finds.
func TestNumbersAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[-+]?(0|[1-9][0-9]{0,14})?(\.[0-9]{0,15})?([eE][-+]?[0-9]{1,3})?`).Draw(t, "cell")
		v, kind := readCell([]byte(s))
		want, err := strconv.ParseFloat(s, 64)
		switch {
		case kind == cellNumber && (err != nil || math.Float64bits(v) != math.Float64bits(want)):
			t.Fatalf("%q is read as %v, strconv says %v, %v", s, v, want, err)
		case kind == cellNonFinite && !math.IsInf(want, 0):
			t.Fatalf("%q is read as too large, strconv says %v, %v", s, want, err)
		case kind == cellText && err == nil:
			t.Fatalf("%q is read as text and is the number %v", s, want)
		}
	})
}
