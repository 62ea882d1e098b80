package fed

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// Histogram holds counts of equal bins. Most are zero, so its JSON is short: the
// number of bins, then the counts, where -n stands for n empty bins and those at the
// end are left out: [0, 0, 3, 1, 0] is [5,-2,3,1]. There is one form for each
// histogram; others are refused.
type Histogram []int64

const maxHistogram = 1 << 16

// MarshalJSON implements json.Marshaler.
func (h Histogram) MarshalJSON() ([]byte, error) {
	if h == nil {
		return []byte("null"), nil
	}
	b := strconv.AppendInt([]byte{'['}, int64(len(h)), 10)
	empty := int64(0)
	for _, n := range h {
		if n < 0 {
			return nil, fmt.Errorf("histogram with a count of %d", n)
		}
		if n == 0 {
			empty++
			continue
		}
		if empty > 0 {
			b = strconv.AppendInt(append(b, ','), -empty, 10)
			empty = 0
		}
		b = strconv.AppendInt(append(b, ','), n, 10)
	}
	return append(b, ']'), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *Histogram) UnmarshalJSON(raw []byte) error {
	var list []int64
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	if list == nil {
		*h = nil
		return nil
	}
	if len(list) == 0 || list[0] < 0 || list[0] > maxHistogram {
		return fmt.Errorf("histogram of an impossible length")
	}
	out, at := make(Histogram, list[0]), int64(0)
	for i, n := range list[1:] {
		switch {
		case n == 0, n < 0 && (list[i] < 0 || n < -list[0] || i+2 == len(list)), at >= list[0]:
			return fmt.Errorf("histogram out of form")
		case n < 0:
			at -= n
		default:
			out[at] = n
			at++
		}
	}
	*h = out
	return nil
}

// Coarse returns the histogram with the counts of every k neighbouring bins in the
// middle one, separately in both halves (the negatives' and the positives' bins): it
// says less and needs less room, and its length stays.
func (h Histogram) Coarse(k int) Histogram {
	out := slices.Clone(h)
	for _, part := range [...]Histogram{out[:len(out)/2], out[len(out)/2:]} {
		for len(part) > 0 {
			group, sum := part[:min(max(k, 1), len(part))], int64(0)
			for _, n := range group {
				sum += n
			}
			clear(group)
			group[(len(group)-1)/2] = sum
			part = part[len(group):]
		}
	}
	return out
}
