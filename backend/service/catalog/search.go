package catalog

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// Query is a search. Empty fields do not filter.
type Query struct {
	Text                          string
	Task, Party, RowBand, Licence string // Party is an id or a name
	// Columns are those of the searcher's own dataset; cards that have more of
	// them rank higher.
	Columns []string
	NowMs   int64
	// Name gives a party's name; nil: its id.
	Name func(fed.PartyID) string
}

// Hit is a card found. Matched counts the columns shared with Query.Columns, of Of.
type Hit struct {
	Entry
	Matched, Of int
	Score       float64
}

// FacetCount is a value of a facet with the number of cards that have it.
type FacetCount struct {
	Value string
	Count int
}

// facetNames in the order of facetsOf's result.
var facetNames = [...]string{"task", "party", "rowBand", "licence"}

const maxQueryWords = 16

// Search returns the cards that answer the query, best first, and for each facet
// (task, party, rowBand, licence) how many cards each value would leave, the other
// filters applied.
func (c *Catalog) Search(q Query) ([]Hit, map[string][]FacetCount) {
	if q.Name == nil {
		q.Name = func(p fed.PartyID) string { return string(p) }
	}
	c.mu.Lock()
	if c.index == nil {
		c.index = buildIndex(c.cards)
	}
	x := c.index
	c.mu.Unlock()

	terms := words(q.Text)
	terms = terms[:min(len(terms), maxQueryWords)]
	scores := x.find(terms)
	mine := columnSet(q.Columns)
	hits := []Hit{}
	counts := [len(facetNames)]map[string]int{}
	for i := range counts {
		counts[i] = map[string]int{}
	}
	for i, e := range x.cards {
		score, ok := scores[i]
		if len(terms) > 0 && !ok {
			continue
		}
		values := q.facetsOf(e)
		failed := q.failed(e, values)
		for f := range facetNames {
			if failed == 0 || failed == 1<<f {
				counts[f][values[f]]++
			}
		}
		if failed == 0 {
			hits = append(hits, q.hit(e, mine, score))
		}
	}
	slices.SortStableFunc(hits, func(a, b Hit) int { return cmp.Compare(b.Score, a.Score) })
	return hits, facets(counts)
}

func (q Query) facetsOf(e *Entry) [len(facetNames)]string {
	return [...]string{e.Card.Task, q.Name(e.Author), e.Card.RowBand, e.Card.Terms.Licence}
}

// failed returns a bit per facet whose filter the card does not pass.
func (q Query) failed(e *Entry, values [len(facetNames)]string) int {
	bits := 0
	for f, want := range [...]string{q.Task, q.Party, q.RowBand, q.Licence} {
		if want == "" || want == values[f] || facetNames[f] == "party" && want == string(e.Author) {
			continue
		}
		bits |= 1 << f
	}
	return bits
}

// hit scores a card: how well the words fit, raised by the share of my columns that
// it has, and a little by freshness.
func (q Query) hit(e *Entry, mine map[string]bool, score float64) Hit {
	h := Hit{Entry: *e, Of: len(mine)}
	for _, c := range e.Card.Columns {
		if mine[columnKey(c.Name)] {
			h.Matched++
		}
	}
	h.Matched = min(h.Matched, h.Of)
	coverage := 0.0
	if h.Of > 0 {
		coverage = float64(h.Matched) / float64(h.Of)
	}
	years := math.Max(0, float64(q.NowMs-e.PublishedMs)/(365*msPerDay))
	h.Score = score*(1+coverage) + coverage + .1*math.Exp(-years)
	return h
}

func columnSet(columns []string) map[string]bool {
	out := make(map[string]bool, len(columns))
	for _, c := range columns {
		out[columnKey(c)] = true
	}
	return out
}

// columnKey is the spelling under which column names compare: words in lower case
// and numbers in one form, so that exang_0 is exang_0.0.
func columnKey(name string) string {
	parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune(" _-/()[]%", r) })
	for i, p := range parts {
		if f, err := strconv.ParseFloat(p, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			parts[i] = strconv.FormatFloat(f, 'g', -1, 64)
		}
	}
	return strings.Join(parts, "_")
}

func facets(counts [len(facetNames)]map[string]int) map[string][]FacetCount {
	out := map[string][]FacetCount{}
	for f, name := range facetNames {
		list := []FacetCount{}
		for v, n := range counts[f] {
			if v != "" {
				list = append(list, FacetCount{v, n})
			}
		}
		slices.SortFunc(list, func(a, b FacetCount) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
		})
		out[name] = list
	}
	return out
}
