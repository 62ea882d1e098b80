package catalog

import (
	"fmt"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
)

func library(t *testing.T) *Catalog {
	c := New()
	for i, s := range []struct{ owner, title, band, licence, task, columns string }{
		{"a", "Heart disease Cleveland", "250-999", "CC BY 4.0", "classify", "age chol thalach exang num"},
		{"b", "Heart disease Hungary", "250-999", "CC0", "classify", "age chol exang_0 num"},
		{"b", "Diabète registry", "1k-9k", "CC0", "regress", "hba1c glucose age"},
		{"c", "Length of stay", "100-249", "", "regress", "ward cardiology days"},
	} {
		ch := &chain{t: t, author: party(s.owner), nowMs: int64(i)}
		k := card(ch.author, s.title)
		k.RowBand, k.Terms.Licence, k.Task, k.Columns, k.Keywords = s.band, s.licence, s.task, nil, nil
		for _, name := range strings.Fields(s.columns) {
			k.Columns = append(k.Columns, Column{Name: name, Type: dataset.Int, Role: "feature", Level: dataset.LevelCoarse, Description: "described"})
		}
		if s.owner == "a" {
			k.Keywords = []string{"cardiology"}
		}
		if !c.Apply(ch.publish(k)).Changed() {
			t.Fatalf("%s refused: %v", s.title, c.Refused())
		}
	}
	return c
}

func titles(hits []Hit) string {
	var out []string
	for _, h := range hits {
		out = append(out, h.Card.Title)
	}
	return strings.Join(out, ", ")
}

func TestSearchFindsWords(t *testing.T) {
	c := library(t)
	for _, x := range []struct{ text, want string }{
		{"hungary", "Heart disease Hungary"},
		{"HEART cleve", "Heart disease Cleveland"},                 // prefix, any case
		{"clevland", "Heart disease Cleveland"},                    // one letter missing
		{"diabete", "Diabète registry"},                            // accents
		{"cardiolgoy", "Heart disease Cleveland, Length of stay"},  // two neighbours swapped; keyword before column
		{"glucose", "Diabète registry"},                            // column name
		{"hert", "Heart disease Hungary, Heart disease Cleveland"}, // one error in four letters
		{"xyz", ""},                          // nothing
		{"agf", ""},                          // short words have to be right
		{"heart glucose", ""},                // all words are needed
		{"described stay", "Length of stay"}, // description
		{"?!", "Length of stay, Diabète registry, Heart disease Hungary, Heart disease Cleveland"}, // no word: all, newest first
	} {
		hits, _ := c.Search(Query{Text: x.text})
		want(t, x.text, titles(hits), x.want)
	}
}

func TestSearchFiltersAndFacets(t *testing.T) {
	c := library(t)
	name := func(p fed.PartyID) string {
		if p == party("b") {
			return "Budapest"
		}
		return "Elsewhere"
	}
	hits, facets := c.Search(Query{Party: "Budapest", Name: name})
	want(t, "of Budapest", titles(hits), "Diabète registry, Heart disease Hungary")
	byID, _ := c.Search(Query{Party: string(party("b")), Name: name})
	want(t, "by id", titles(byID), titles(hits))
	// A facet ignores its own filter and obeys the others.
	want(t, "party", fmt.Sprint(facets["party"]), "[{Budapest 2} {Elsewhere 2}]")
	want(t, "task", fmt.Sprint(facets["task"]), "[{classify 1} {regress 1}]")
	want(t, "rowBand", fmt.Sprint(facets["rowBand"]), "[{1k-9k 1} {250-999 1}]")
	want(t, "licence", fmt.Sprint(facets["licence"]), "[{CC0 2}]")
	hits, facets = c.Search(Query{Text: "heart", Licence: "CC0", RowBand: "250-999", Task: "classify"})
	want(t, "all filters", titles(hits), "Heart disease Hungary")
	want(t, "licences of hearts", fmt.Sprint(facets["licence"]), "[{CC BY 4.0 1} {CC0 1}]")
}

func TestCoverageRanks(t *testing.T) {
	c := library(t)
	hits, _ := c.Search(Query{Text: "heart", Columns: []string{"AGE", "chol", "exang_0.0", "num", "slope"}})
	want(t, "first", hits[0].Card.Title, "Heart disease Hungary")
	want(t, "matched", fmt.Sprint(hits[0].Matched, hits[0].Of, hits[1].Matched), "4 5 3")
	without, _ := c.Search(Query{Text: "hungary"})
	if hits[0].Score <= without[0].Score {
		t.Errorf("score with coverage %v is not above %v without", hits[0].Score, without[0].Score)
	}
}

func TestDistance(t *testing.T) {
	for _, x := range []struct {
		a, b        string
		limit, want int
	}{
		{"heart", "heart", 1, 0}, {"heart", "hert", 1, 1}, {"heart", "haert", 1, 1}, {"heart", "hearts", 1, 1},
		{"heart", "hxaxt", 1, 2}, {"cardiology", "cardiolgyo", 2, 2}, {"abcd", "dcba", 2, 3}, {"", "a", 1, 1},
	} {
		want(t, x.a+" "+x.b, distance([]rune(x.a), []rune(x.b), x.limit), x.want)
	}
}

func BenchmarkSearch(b *testing.B) {
	c := New()
	t := &testing.T{}
	for i := range 5000 {
		ch := &chain{t: t, author: party(fmt.Sprint(i % 50)), nowMs: int64(i)}
		k := card(ch.author, fmt.Sprintf("Cohort %d of ward %d", i, i%97))
		c.Apply(ch.publish(k))
	}
	c.Search(Query{})
	for b.Loop() {
		c.Search(Query{Text: "cohrt ward 9", Columns: []string{"age", "num"}})
	}
}
