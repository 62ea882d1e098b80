package fed

import (
	"fmt"
	"strconv"
	"strings"
)

// whole is what can be counted.
type whole interface{ ~int | ~int64 }

// Count is a number of things in words: "1 row", "2 rows", "1,000 entries". The noun
// is given for one thing.
func Count[T whole](n T, noun string) string {
	many := noun + "s"
	switch stem, y := strings.CutSuffix(noun, "y"); {
	case y && !strings.ContainsAny(stem[max(len(stem)-1, 0):], "aeiou"):
		many = stem + "ies"
	case strings.HasSuffix(noun, "s"):
		many = noun + "es"
	}
	return Grouped(n) + " " + OneOr(n, noun, many)
}

// OneOr returns the word that goes with one thing, or that with another number: "is"
// or "are".
func OneOr[T whole](n T, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Grouped writes a number with commas between thousands.
func Grouped[T whole](n T) string {
	digits, negative := strings.CutPrefix(strconv.FormatInt(int64(n), 10), "-")
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if negative {
		return "-" + digits
	}
	return digits
}

// Money writes cents, exactly: "1,234.05 EUR". Without a currency it is the amount
// alone.
func Money(cents int64, currency string) string {
	sign, size := "", uint64(cents)
	if cents < 0 {
		sign, size = "-", -size
	}
	return strings.TrimSpace(fmt.Sprintf("%s%s.%02d %s", sign, Grouped(int64(size/100)), size%100, currency))
}
