package dataset

import (
	"sort"

	"synergos.app/desktop/backend/fed"
)

// maxPairs bounds the comparisons of names; beyond it nothing is proposed and a
// person matches by hand.
const maxPairs = 2_000_000

// node is a column name with the parties that have it.
type node struct {
	name    string
	columns map[string]*OfferColumn
	gone    bool // renamed
	kept    bool // others were renamed to it
}

// proposeMatches pairs names that no party has both of, best score first, each
// name once. The name of fewer parties is renamed to that of more.
func proposeMatches(offers map[string]*Offer, cfg fed.RunConfig) []Match {
	nodes := partial(offers, cfg)
	if len(nodes)*len(nodes)*len(offers) > maxPairs {
		return nil
	}
	type pair struct {
		to, from *node
		score    float64
		why      string
	}
	var pairs []pair
	for i, a := range nodes {
		for _, b := range nodes[i+1:] {
			to, from := a, b
			if len(b.columns) > len(a.columns) && a.name != cfg.Target || b.name == cfg.Target {
				to, from = b, a
			}
			if !apart(a, b) || from.name == cfg.Target {
				continue
			}
			if s, why := nodeSimilarity(to, from); s >= matchLevel {
				pairs = append(pairs, pair{to, from, s, why})
			}
		}
	}
	sort.SliceStable(pairs, func(i, j int) bool { return pairs[i].score > pairs[j].score })
	var out []Match
	for _, p := range pairs {
		if p.to.gone || p.from.gone || p.from.kept || !apart(p.to, p.from) {
			continue
		}
		p.from.gone, p.to.kept = true, true
		for party, c := range p.from.columns {
			p.to.columns[party] = c
			out = append(out, Match{Party: party, From: p.from.name, To: p.to.name, Score: significant(p.score, 3), Why: p.why})
		}
	}
	return sortMatches(out)
}

// partial returns the columns that some party lacks and that may be matched, by
// name.
func partial(offers map[string]*Offer, cfg fed.RunConfig) []*node {
	by := make(map[string]*node)
	for party, o := range offers {
		for i := range o.Columns {
			c := &o.Columns[i]
			if c.Role == RoleID || c.Role == RoleSplit || contains(cfg.Drop, c.Name) {
				continue
			}
			if by[c.Name] == nil {
				by[c.Name] = &node{name: c.Name, columns: make(map[string]*OfferColumn)}
			}
			by[c.Name].columns[party] = c
		}
	}
	var out []*node
	for _, n := range by {
		if len(n.columns) < len(offers) {
			out = append(out, n)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out
}

func apart(a, b *node) bool {
	for party := range a.columns {
		if b.columns[party] != nil {
			return false
		}
	}
	return true
}

// nodeSimilarity is the best similarity of any two offered columns of the nodes.
func nodeSimilarity(a, b *node) (best float64, why string) {
	for _, x := range a.parties() {
		for _, y := range b.parties() {
			if s, w := similarity(a.columns[x], b.columns[y]); s > best {
				best, why = s, w
			}
		}
	}
	return best, why
}

func (n *node) parties() []string {
	out := make([]string, 0, len(n.columns))
	for p := range n.columns {
		out = append(out, p)
	}
	sort.Strings(out)
	return out
}

func sortMatches(m []Match) []Match {
	sort.Slice(m, func(i, j int) bool {
		a, b := m[i], m[j]
		if a.To != b.To {
			return a.To < b.To
		}
		if a.Party != b.Party {
			return a.Party < b.Party
		}
		return a.From < b.From
	})
	return m
}
