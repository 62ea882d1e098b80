package dataset

import "synergos.app/desktop/backend/fed"

// Floor returns nil when nothing told of these rows speaks of too few: there are at
// least k training rows, and validation and test rows are none or at least k. The
// error is of kind Permission and names the part without its count. k below
// [DefaultFloor] is taken as that.
func (r *Rows) Floor(k int) error {
	k = max(k, DefaultFloor)
	hint := "Take part with more rows, or agree on another split."
	for _, part := range []struct {
		name  string
		rows  int
		empty bool
	}{{"to train on", len(r.Train), false}, {"for validation", len(r.Valid), true}, {"for the test", len(r.Test), true}} {
		if part.rows < k && !(part.empty && part.rows == 0) {
			return fed.Errorf(fed.Permission, hint, "it has fewer than %d rows %s, and nothing is told of so few", k, part.name)
		}
	}
	return nil
}

// Apart reports whether two selections of rows of one table, ascending, can be told
// side by side: they are the same, or at least k rows are in exactly one of them.
// Otherwise the difference of two sums would speak of fewer than k rows.
func Apart(a, b []int, k int) bool {
	i, j, only := 0, 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case j == len(b) || i < len(a) && a[i] < b[j]:
			i++
			only++
		case i == len(a) || b[j] < a[i]:
			j++
			only++
		default:
			i++
			j++
		}
	}
	return only == 0 || only >= k
}
