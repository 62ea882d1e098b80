package catalog

import (
	"math"
	"slices"
	"sort"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Weights of the fields in which a word is found.
const (
	inTitle       = 4
	inKeyword     = 3
	inColumn      = 2
	inDescription = 1
)

// index is an inverted index over the cards that are not withdrawn. It is built
// anew at the first search after a change: thousands of cards take milliseconds.
type index struct {
	cards []*Entry
	words []string           // sorted
	posts map[string][]place // by word, ascending by card
}

type place struct {
	card   int
	weight float64 // of the best field
}

func buildIndex(cards map[string]*Entry) *index {
	x := &index{posts: map[string][]place{}}
	for _, e := range cards {
		if !e.Withdrawn {
			x.cards = append(x.cards, e)
		}
	}
	slices.SortFunc(x.cards, func(a, b *Entry) int { return newestFirst(*a, *b) })
	for i, e := range x.cards {
		x.add(i, e.Card.Title, inTitle)
		for _, k := range e.Card.Keywords {
			x.add(i, k, inKeyword)
		}
		for _, c := range e.Card.Columns {
			x.add(i, c.Name, inColumn)
			x.add(i, c.Description, inDescription)
		}
		x.add(i, e.Card.Description, inDescription)
	}
	for w := range x.posts {
		x.words = append(x.words, w)
	}
	sort.Strings(x.words)
	return x
}

func (x *index) add(card int, text string, weight float64) {
	for _, w := range words(text) {
		p := x.posts[w]
		if k := len(p) - 1; k >= 0 && p[k].card == card {
			p[k].weight = math.Max(p[k].weight, weight)
			continue
		}
		x.posts[w] = append(p, place{card, weight})
	}
}

// words splits a text into lower-case words without accents.
func words(s string) []string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(s))
	return strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// find scores every card that has all words of the query: exactly, as a prefix, or,
// when neither occurs anywhere, within one or two typing errors.
func (x *index) find(query []string) map[int]float64 {
	var total map[int]float64
	for _, q := range query {
		got := x.lookup(q)
		if total == nil {
			total = got
			continue
		}
		for card, s := range total {
			if t, ok := got[card]; ok {
				total[card] = s + t
			} else {
				delete(total, card)
			}
		}
	}
	return total
}

func (x *index) lookup(q string) map[int]float64 {
	out := map[int]float64{}
	from := sort.SearchStrings(x.words, q)
	for _, w := range x.words[from:] {
		if !strings.HasPrefix(w, q) {
			break
		}
		quality := 1.0
		if w != q {
			quality = .5 + .4*float64(len(q))/float64(len(w))
		}
		x.collect(out, w, quality)
	}
	if len(out) == 0 {
		x.tolerant(out, q)
	}
	return out
}

func (x *index) collect(out map[int]float64, w string, quality float64) {
	posts := x.posts[w]
	n, df := float64(len(x.cards)), float64(len(posts))
	rarity := math.Log(1 + (n-df+.5)/(df+.5)) // as in BM25 (Robertson and Zaragoza 2009)
	for _, p := range posts {
		out[p.card] = math.Max(out[p.card], quality*p.weight*(rarity+.1))
	}
}

// tolerant looks for words within one typing error of q, two from eight letters
// on; words of less than four letters have to be right.
func (x *index) tolerant(out map[int]float64, q string) {
	letters := []rune(q)
	allowed := 0
	switch {
	case len(letters) >= 8:
		allowed = 2
	case len(letters) >= 4:
		allowed = 1
	default:
		return
	}
	for _, w := range x.words {
		if d := distance(letters, []rune(w), allowed); d <= allowed {
			x.collect(out, w, .6-.2*float64(d-1))
		}
	}
}

// distance is the number of insertions, deletions, exchanges and swaps of
// neighbours between a and b (optimal string alignment), or limit+1 when it is
// more than limit.
func distance(a, b []rune, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > limit {
			return limit + 1
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
