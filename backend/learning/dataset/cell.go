package dataset

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
)

// cellKind is what one cell of a file holds.
type cellKind uint8

const (
	cellText cellKind = iota
	cellNumber
	cellMissing
	cellNonFinite // NaN, an infinity, or a number too large: read as missing and counted
)

var pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// readCell classifies a trimmed cell. A digit string with a leading zero (a
// postcode) or with more than 15 digits (an identifier) is text: as a number it
// would lose what it says.
func readCell(b []byte) (float64, cellKind) {
	if len(b) == 0 {
		return 0, cellMissing
	}
	if c := b[0]; c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' {
		if v, ok := fastNumber(b); ok {
			return v, cellNumber
		}
		return slowNumber(b)
	}
	return 0, wordKind(b)
}

// fastNumber reads plain decimals of at most 15 digits exactly: an integer below
// 2^53 divided by an exact power of ten rounds once (Clinger 1990).
func fastNumber(b []byte) (float64, bool) {
	neg := b[0] == '-'
	if neg || b[0] == '+' {
		b = b[1:]
	}
	if len(b) > 16 {
		return 0, false // 15 digits and a point
	}
	m, i := digits(0, b)
	if i > 1 && b[0] == '0' {
		return 0, false
	}
	v, n := float64(m), i
	if i < len(b) {
		if b[i] != '.' {
			return 0, false
		}
		var f int
		m, f = digits(m, b[i+1:])
		if n += f; i+1+f < len(b) {
			return 0, false
		}
		v = float64(m) / pow10[f]
	}
	if n == 0 || n > 15 {
		return 0, false
	}
	if neg {
		v = -v
	}
	return v, true
}

// digits reads on from m as far as there are digits, and returns how many. At
// most 16 of them do not overflow.
func digits(m uint64, b []byte) (uint64, int) {
	for i, c := range b {
		d := c - '0'
		if d > 9 {
			return m, i
		}
		m = m*10 + uint64(d)
	}
	return m, len(b)
}

// slowNumber reads what fastNumber left: exponents, long decimals, dates, codes.
func slowNumber(b []byte) (float64, cellKind) {
	if len(b) > 64 {
		return 0, cellText
	}
	body := bytes.TrimLeft(b, "+-")
	if len(body)+1 < len(b) || len(body) == 0 || !numeral(body) {
		return 0, wordKind(b)
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if math.IsInf(v, 0) {
		return 0, cellNonFinite
	}
	if err != nil {
		return 0, cellText
	}
	return v, cellNumber
}

// numeral reports whether body, without sign, has the grammar of a decimal
// number that loses nothing when read as one.
func numeral(body []byte) bool {
	if len(body) > 1 && body[0] == '0' && body[1] >= '0' && body[1] <= '9' {
		return false
	}
	real := bytes.ContainsAny(body, ".eE")
	if !real && len(body) > 15 {
		return false
	}
	for i, c := range body {
		digit := c >= '0' && c <= '9' || c == '.'
		exp := i > 0 && (c == 'e' || c == 'E')
		sign := i > 0 && (c == '+' || c == '-') && (body[i-1] == 'e' || body[i-1] == 'E')
		if !digit && !exp && !sign {
			return false
		}
	}
	return true
}

// wordKind recognises the words for a missing cell, in any case.
func wordKind(b []byte) cellKind {
	if len(b) > 9 {
		return cellText
	}
	switch strings.ToLower(string(b)) {
	case "?", "na", "n/a", "#n/a", "null", "none":
		return cellMissing
	case "nan", "-nan", "+nan", "inf", "+inf", "-inf", "infinity", "-infinity", "+infinity":
		return cellNonFinite
	}
	return cellText
}

// textNumber reads a dictionary text as a number.
func textNumber(s string) (float64, bool) {
	if v, kind := readCell([]byte(s)); kind == cellNumber {
		return v, true
	}
	switch s {
	case "true":
		return 1, true
	case "false":
		return 0, true
	}
	// A person who retypes a code with leading zeros wants the number.
	if t := strings.TrimLeft(s, "0"); t != s && len(s) <= 15 {
		v, err := strconv.ParseFloat(s, 64)
		return v, err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
	}
	return 0, false
}

// canonical returns the spelling under which a category or label value compares:
// numbers in one form, truth words in lower case.
func canonical(s string) string {
	s = strings.TrimSpace(s)
	if v, kind := readCell([]byte(s)); kind == cellNumber {
		return NumberText(v)
	}
	if len(s) == 4 || len(s) == 5 {
		if l := strings.ToLower(s); l == "true" || l == "false" {
			return l
		}
	}
	return s
}

// dateForms are those that can be read in one way only.
var dateForms = []string{"2006-01-02", "2006/01/02", "02.01.2006", time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04"}

const secondsPerDay = 86400

// readDate returns days since 1970-01-01 and which form the text has.
func readDate(s string) (days float64, form int, ok bool) {
	if len(s) < 8 || len(s) > 35 || s[0] < '0' || s[0] > '9' {
		return 0, 0, false
	}
	for i, f := range dateForms {
		if t, err := time.Parse(f, s); err == nil {
			return float64(t.Unix()) / secondsPerDay, i, true
		}
	}
	return 0, 0, false
}

func dateText(days float64) string {
	t := time.Unix(int64(math.Round(days*secondsPerDay)), 0).UTC()
	if t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 {
		return t.Format("2006-01-02")
	}
	return t.Format("2006-01-02 15:04:05")
}
