package catalog

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes a peer's text fit for one line on a screen: valid UTF-8, without
// control, bidirectional, zero-width and other format characters, white space
// collapsed, and at most limit characters long.
func Clean(s string, limit int) string { return clean(s, limit, false) }

// CleanText is Clean for texts of several lines: line ends stay.
func CleanText(s string, limit int) string { return clean(s, limit, true) }

func clean(s string, limit int, lines bool) string {
	var b strings.Builder
	space, n := false, 0
	for _, r := range strings.TrimSpace(s) {
		switch {
		case r == '\n' && lines:
			b.WriteByte('\n')
			space = false
			n++
		case unicode.IsSpace(r):
			space = true
			continue
		case r == utf8.RuneError, unicode.IsControl(r), invisible(r):
			continue
		default:
			if space && b.Len() > 0 {
				b.WriteByte(' ')
				n++
			}
			space = false
			b.WriteRune(r)
			n++
		}
		if n >= limit {
			return strings.TrimSpace(b.String()) + "…"
		}
	}
	return strings.TrimSpace(b.String())
}

// invisible recognises format characters (bidirectional controls, zero-width
// joiners, tags), private use and the fillers that show nothing.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) ||
		unicode.Is(unicode.Variation_Selector, r) || r == 'ㅤ' || r == 'ᅟ' || r == 'ᅠ' || r == 'ﾠ' || r == '\u034F'
}

func cleanList(in []string, limit int) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		if s = Clean(s, limit); s != "" {
			out = append(out, s)
		}
	}
	return out
}
