package dataset

import (
	"fmt"
	"math"
	"sort"
	"strings"
)

// Match says that a party's column is the shared column of another name. Only a
// person confirms it.
type Match struct {
	Party     string  `json:"party"`
	From      string  `json:"from"` // the party's column
	To        string  `json:"to"`   // the shared name
	Score     float64 `json:"score"`
	Why       string  `json:"why"`
	Confirmed bool    `json:"confirmed"`
}

// matchLevel is the score from where on a match is proposed.
const matchLevel = .72

// Candidate is a column of another offer with how well it fits.
type Candidate struct {
	Name  string
	Score float64
	Why   string
}

// Candidates ranks the columns of o by how well they fit c: best first, ties by
// name.
func Candidates(c OfferColumn, o *Offer) []Candidate {
	out := make([]Candidate, 0, len(o.Columns))
	for _, other := range o.Columns {
		s, why := similarity(&c, &other)
		out = append(out, Candidate{Name: other.Name, Score: s, Why: why})
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Score > out[j].Score })
	return out
}

// similarity scores two columns in [0, 1]: the name, then kind and values lower
// or raise it.
func similarity(a, b *OfferColumn) (float64, string) {
	name := nameSimilarity(a.Name, b.Name)
	kind, reason := kindFit(a, b)
	values, overlap := valueFit(a, b)
	score := math.Min(1, name*kind*(.85+.2*values))
	why := fmt.Sprintf("names %.0f%% alike, %s", 100*name, reason)
	if overlap != "" {
		why += ", " + overlap
	}
	return score, why
}

func kindFit(a, b *OfferColumn) (float64, string) {
	switch {
	case a.Sparse || b.Sparse:
		return .98, "too few values to compare kinds"
	case a.Type == b.Type:
		return 1, "same type"
	case a.Type.Numeric() && b.Type.Numeric() && a.Type != Date && b.Type != Date:
		return .97, "both numbers"
	}
	return .6, "different types"
}

// valueFit compares ranges or category sets: 0 apart, 1 the same, .5 unknown.
func valueFit(a, b *OfferColumn) (float64, string) {
	switch {
	case a.Low.Finite() && b.Low.Finite():
		lo, hi := math.Max(float64(a.Low), float64(b.Low)), math.Min(float64(a.High), float64(b.High))
		span := math.Max(float64(a.High), float64(b.High)) - math.Min(float64(a.Low), float64(b.Low))
		if span <= 0 {
			return 1, "same values"
		}
		f := math.Max(0, hi-lo) / span
		if f == 0 {
			return 0, "ranges apart (another unit?)"
		}
		return f, fmt.Sprintf("ranges overlap %.0f%%", 100*f)
	case len(a.Categories) > 0 && len(b.Categories) > 0:
		in := nameSet(a.Categories)
		both := 0
		for _, s := range b.Categories {
			if in[s] {
				both++
			}
		}
		f := float64(both) / float64(len(a.Categories)+len(b.Categories)-both)
		return f, fmt.Sprintf("%d values in common", both)
	}
	return .5, ""
}

// unitWords and fillWords say nothing about what a column is.
var unitWords = nameSet([]string{"mg", "dl", "mmol", "mol", "l", "kg", "g", "cm", "mm", "m", "hg", "mmhg", "bpm", "years", "year", "yrs", "yr", "y",
	"pct", "percent", "perc", "ms", "s", "sec", "min", "kpa", "c", "f", "umol", "ug", "ng", "ml", "iu", "unit", "units", "value", "val", "the", "of", "in", "at"})

var sameWord = map[string]string{"gender": "sex"}

// nameParts returns the telling words and the numbers of a name.
func nameParts(name string) (words, numbers []string) {
	tokens := nameTokens(name)
	for _, t := range tokens {
		switch {
		case t[0] >= '0' && t[0] <= '9' || t[0] == '.':
			numbers = append(numbers, t)
		case !unitWords[t]:
			if s := sameWord[t]; s != "" {
				t = s
			}
			words = append(words, t)
		}
	}
	if len(words) == 0 {
		for _, t := range tokens {
			if t[0] < '0' || t[0] > '9' {
				words = append(words, t)
			}
		}
	}
	return words, numbers
}

// nameSimilarity compares names in [0, 1] by their joined words and by best
// partners of single words; unequal numbers in the names lower it.
func nameSimilarity(a, b string) float64 {
	if a == b {
		return 1
	}
	wa, na := nameParts(a)
	wb, nb := nameParts(b)
	s := math.Max(jaroWinkler(strings.Join(wa, ""), strings.Join(wb, "")), .97*wordPartners(wa, wb))
	switch {
	case len(na) == 0 && len(nb) == 0:
	case strings.Join(na, " ") == strings.Join(nb, " "):
		if len(wa)+len(wb) == 0 {
			s = 1
		}
	case len(na) == 0 || len(nb) == 0:
		s *= .93
	default:
		s *= .5
	}
	return math.Min(s, .99)
}

// wordPartners is the mean best similarity of the words of the shorter name.
func wordPartners(a, b []string) float64 {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) == 0 {
		return 0
	}
	var total float64
	for _, x := range a {
		best := 0.0
		for _, y := range b {
			best = math.Max(best, wordSimilarity(x, y))
		}
		total += best
	}
	extra := float64(len(b)-len(a)) / float64(len(b))
	return total / float64(len(a)) * (1 - .12*extra)
}

// wordSimilarity raises an abbreviation ("chol" of "cholesterol") above mere
// likeness.
func wordSimilarity(x, y string) float64 {
	if len(x) > len(y) {
		x, y = y, x
	}
	s := jaroWinkler(x, y)
	if len(x) >= 3 && strings.HasPrefix(y, x) {
		s = math.Max(s, .9)
	}
	return s
}

// jaroWinkler is the Jaro-Winkler similarity with prefix scale 0.1 and at most
// four prefix letters (Winkler 1990).
func jaroWinkler(s, t string) float64 {
	a, b := []rune(s), []rune(t)
	j := jaro(a, b)
	prefix := 0
	for prefix < min(len(a), len(b), 4) && a[prefix] == b[prefix] {
		prefix++
	}
	return j + .1*float64(prefix)*(1-j)
}

func jaro(a, b []rune) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	window := max(max(len(a), len(b))/2-1, 0)
	inA, inB := make([]bool, len(a)), make([]bool, len(b))
	m := 0
	for i, r := range a {
		for k := max(0, i-window); k < min(len(b), i+window+1); k++ {
			if !inB[k] && b[k] == r {
				inA[i], inB[k] = true, true
				m++
				break
			}
		}
	}
	if m == 0 {
		return 0
	}
	swaps, k := 0, 0
	for i := range a {
		if !inA[i] {
			continue
		}
		for !inB[k] {
			k++
		}
		if a[i] != b[k] {
			swaps++
		}
		k++
	}
	n := float64(m)
	return (n/float64(len(a)) + n/float64(len(b)) + (n-float64(swaps)/2)/n) / 3
}
