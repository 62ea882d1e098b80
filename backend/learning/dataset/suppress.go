package dataset

// The number of missing cells of a column is the one count that a release could
// give back: it is the row count less the column's published counts. protect
// plays that attacker, and coarsens a table until every small number of missing
// cells is possible.

// rounding bases, finest first; after the last a table is withheld.
var bases = []int{10, 20, 50, 100}

// bounds returns what the published counts say of the exact total.
func (r *released) bounds() (lo, hi int) {
	for _, c := range r.cells {
		p := roundTo(c.n, r.base)
		lo += max(p-r.base/2, 1)
		hi += p + r.base - r.base/2 - 1
	}
	return lo, hi
}

// protect chooses the rounding of each table. rows is known to lie in [lo, hi];
// every table narrows that, so it repeats until nothing changes.
func protect(tables []*released, lo, hi, k int) {
	for changed := true; changed; {
		changed = false
		rlo, rhi := rowRange(tables, lo, hi, k)
		for _, t := range tables {
			if t.base != 0 && t.missing < k && !t.hides(rlo, rhi, k) {
				t.coarsen()
				changed = true
			}
		}
	}
}

// rowRange is what the release says of the number of rows. A table with at least
// k missing cells bounds it through its missing band.
func rowRange(tables []*released, lo, hi, k int) (int, int) {
	for _, t := range tables {
		if t.base == 0 {
			continue
		}
		tlo, thi := t.bounds()
		if t.missing < k {
			lo, hi = max(lo, tlo), min(hi, thi+k-1)
			continue
		}
		lo = max(lo, tlo+k)
		switch s := share(t.missing, t.missing+sum(t.cells)); {
		case s < .05:
			hi = min(hi, thi*20/19)
		case s < .2:
			lo, hi = max(lo, tlo*20/19), min(hi, thi*5/4)
		case s < .5:
			lo, hi = max(lo, tlo*5/4), min(hi, thi*2)
		default:
			lo = max(lo, tlo*2)
		}
	}
	return lo, hi
}

// hides reports whether each number of missing cells from 0 to k-1 agrees with
// some number of rows in [lo, hi].
func (r *released) hides(lo, hi, k int) bool {
	tlo, thi := r.bounds()
	for m := range k {
		if tlo+m > hi || thi+m < lo {
			return false
		}
	}
	return true
}

func (r *released) coarsen() {
	for _, b := range bases {
		if b > r.base {
			r.base = b
			return
		}
	}
	r.base = 0
}
