package dataset

import (
	"math"
	"regexp"
	"sort"
	"strings"
	"unicode"

	"synergos.app/desktop/backend/fed"
)

// nameTokens splits a column name into lower-case words and numbers:
// "cholMg_dL 2" gives chol, mg, d, l, 2 and "exang_0.0" gives exang, 0.
func nameTokens(name string) []string {
	var out []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			out = append(out, canonical(strings.ToLower(string(word))))
			word = word[:0]
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		inNumber := r == '.' && i > 0 && unicode.IsDigit(runes[i-1]) && i+1 < len(runes) && unicode.IsDigit(runes[i+1])
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !inNumber:
			flush()
			continue
		case i > 0 && unicode.IsUpper(r) && unicode.IsLower(runes[i-1]):
			flush()
		case i > 0 && len(word) > 0 && unicode.IsDigit(r) && unicode.IsLetter(runes[i-1]):
			flush()
		case i > 0 && unicode.IsLetter(r) && unicode.IsDigit(runes[i-1]):
			flush()
		}
		word = append(word, r)
	}
	flush()
	return out
}

func hasToken(name string, words ...string) bool {
	for _, t := range nameTokens(name) {
		for _, w := range words {
			if t == w {
				return true
			}
		}
	}
	return false
}

// targetWords in order of how surely they name a label.
var targetWords = [][]string{
	{"target", "label"}, {"class", "outcome", "diagnosis", "response"},
	{"disease", "status", "event", "result", "default", "churn", "survived", "died", "death", "mortality", "readmitted"},
}

// ProposeTarget names the column that most looks like a label: by name, else the
// last column with few values; "" when nothing fits.
func ProposeTarget(t *Table) string {
	for _, words := range targetWords {
		for i := len(t.Columns) - 1; i >= 0; i-- {
			c := t.Columns[i]
			if (hasToken(c.Name, words...) || strings.EqualFold(c.Name, "y")) && c.Type != Text && c.Type != Date && c.Distinct() > 1 {
				return c.Name
			}
		}
	}
	for i := len(t.Columns) - 1; i >= 0; i-- {
		c := t.Columns[i]
		if d := c.Distinct(); c.Type != Text && c.Type != Date && d >= 2 && d <= 10 && !splitColumn(c) {
			return c.Name
		}
	}
	return ""
}

// splitColumn recognises a column that says which rows are for training and test.
func splitColumn(c *Column) bool {
	if c.Type != Category || len(c.dict) < 2 || len(c.dict) > 4 {
		return false
	}
	train, test := false, false
	for _, s := range c.dict {
		switch strings.ToLower(s) {
		case "train", "training":
			train = true
		case "test", "testing", "valid", "validation":
			test = true
		default:
			return false
		}
	}
	return train && test
}

// idLike reports whether a column names rows rather than describing them: all
// values different, and called an id, or counting up, or texts.
func idLike(c *Column, distinct int) bool {
	present := c.Len() - c.nmiss
	if present < 20 || distinct < present || c.Type == Float || c.Type == Date || c.Type == Bool {
		return false
	}
	if hasToken(c.Name, "id", "uuid", "guid", "mrn", "key", "nr", "index", "number", "no", "identifier") {
		return true
	}
	if c.Type != Int {
		return true
	}
	for i := 1; i < len(c.values); i++ {
		if c.values[i] != c.values[i-1]+1 {
			return false
		}
	}
	return true
}

var (
	emailForm    = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$`)
	phoneForm    = regexp.MustCompile(`^(\+|00|0)[0-9][0-9 ()/.\-]{6,18}$`)
	nationalForm = regexp.MustCompile(`^([0-9]{3}-[0-9]{2}-[0-9]{4}|[A-Z]{2}[0-9]{6}[A-Z]|756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2})$`)
	personForm   = regexp.MustCompile(`^\p{Lu}[\p{L}'\-]+,?( \p{Lu}[\p{L}'\-.]*)+$`)
)

// identifier names the kind of direct identifier that a column holds, "" for
// none: more than half of up to 500 values have the form, or the name says so.
func identifier(c *Column) string {
	byName := ""
	switch {
	case hasToken(c.Name, "email", "mail"):
		byName = "email"
	case hasToken(c.Name, "phone", "telephone", "mobile", "fax"):
		byName = "phone"
	case hasToken(c.Name, "surname", "firstname", "lastname", "forename") || hasToken(c.Name, "name") && hasToken(c.Name, "first", "last", "patient", "full", "family"):
		byName = "name"
	case hasToken(c.Name, "ssn", "nhs", "passport"):
		byName = "national id"
	}
	if c.Type.Numeric() {
		if c.Type == Int && byName != "name" {
			return byName
		}
		return ""
	}
	seen := min(len(c.dict), 500)
	if seen == 0 {
		return ""
	}
	for _, form := range []struct {
		kind string
		re   *regexp.Regexp
	}{{"email", emailForm}, {"national id", nationalForm}, {"phone", phoneForm}, {"name", personForm}} {
		hits := 0
		for _, s := range c.dict[:seen] {
			if form.re.MatchString(s) {
				hits++
			}
		}
		needed := 2*hits > seen
		if form.kind == "name" {
			needed = needed && seen > 20 && (byName == "name" || hasToken(c.Name, "name", "person", "patient"))
		}
		if needed {
			return form.kind
		}
	}
	return byName
}

// leak returns how well c alone gives the label: for two classes the AUC of its
// order (either way), for codes the accuracy of the commonest class per value,
// for regression |r|. NaN when that says nothing.
func leak(c, label *Column, y []int32, p *Profile) float64 {
	switch {
	case c.Type == Text || c.nmiss == c.Len():
		return math.NaN()
	case p.Task != fed.TaskClassify:
		return correlation(c, label)
	case c.Type.Numeric() && len(p.Classes) == 2:
		return auc(c, y)
	}
	return purity(c, y, len(p.Classes))
}

// auc is the area under the ROC curve of the column's order, ties at half, the
// better of the two directions (Mann and Whitney 1947).
func auc(c *Column, y []int32) float64 {
	type pair struct {
		v float64
		y int32
	}
	var s []pair
	for i, k := range y {
		if v, ok := c.Number(i); ok && k >= 0 {
			s = append(s, pair{v, k})
		}
	}
	sort.Slice(s, func(i, j int) bool { return s[i].v < s[j].v })
	var pos, neg, sum float64
	for i := 0; i < len(s); {
		j, p := i, 0.0
		for ; j < len(s) && s[j].v == s[i].v; j++ {
			p += float64(s[j].y)
		}
		n := float64(j-i) - p
		sum += p * (neg + n/2)
		pos, neg = pos+p, neg+n
		i = j
	}
	if pos < 5 || neg < 5 {
		return math.NaN()
	}
	a := sum / (pos * neg)
	return math.Max(a, 1-a)
}

// purity is the accuracy of guessing each value's commonest class, NaN when the
// values are too many for the rows or one class is nearly all there is.
func purity(c *Column, y []int32, classes int) float64 {
	by := make(map[string][]int)
	all := make([]int, classes)
	n := 0
	for i, k := range y {
		s, ok := c.Text(i)
		if !ok || k < 0 {
			continue
		}
		if by[s] == nil {
			by[s] = make([]int, classes)
		}
		by[s][k]++
		all[k]++
		n++
	}
	if n < 20 || len(by)*10 > n || float64(largest(all)) > .95*float64(n) {
		return math.NaN()
	}
	right := 0
	for _, counts := range by {
		right += largest(counts)
	}
	return float64(right) / float64(n)
}

func largest(x []int) int {
	m := 0
	for _, v := range x {
		m = max(m, v)
	}
	return m
}

// correlation is |r| of Pearson over rows where both are present.
func correlation(c, label *Column) float64 {
	if c == nil || label == nil || !c.Type.Numeric() {
		return math.NaN()
	}
	var xs, ys []float64
	for i := range c.Len() {
		x, okx := c.Number(i)
		y, oky := label.Number(i)
		if okx && oky {
			xs, ys = append(xs, x), append(ys, y)
		}
	}
	if len(xs) < 10 {
		return math.NaN()
	}
	mx, sx := meanSD(xs)
	my, sy := meanSD(ys)
	var sum float64
	for i := range xs {
		sum += (xs[i] - mx) * (ys[i] - my)
	}
	return math.Abs(sum / (float64(len(xs)-1) * sx * sy))
}
