package coordinator

import (
	"encoding/json"

	"synergos.app/desktop/backend/fed"
)

// roomy is how large a record may become before its histograms are made coarser. A
// document that is too large could not be shared at all, and a run of many parties
// would never end.
const roomy = 90 << 10

// steps are how many of the 1,000 bins are put together, the next one when the one
// before did not help: figures that come from the bins are then off by at most as many
// thousandths.
var steps = [...]int{2, 5, 10, 20, 50, 100, 500}

func slimRound(r *fed.RoundRecord) {
	slim(r, func(coarser func(*fed.Sums)) {
		for name, s := range r.Valid {
			coarser(&s)
			r.Valid[name] = s
		}
	})
}

func slimEnd(e *fed.RunEnd) {
	slim(e, func(coarser func(*fed.Sums)) {
		for name, s := range e.Last {
			coarser(&s)
			e.Last[name] = s
		}
		for i := range e.Results {
			coarser(&e.Results[i].Test)
			if a := e.Results[i].Alone; a != nil {
				s := *a
				coarser(&s)
				e.Results[i].Alone = &s
			}
		}
	})
}

// slim makes the histograms of a document coarser, all of them alike, until it is no
// longer than roomy. What cannot be written is left to the book to refuse.
func slim(doc any, all func(coarser func(*fed.Sums))) {
	for _, k := range steps {
		raw, err := json.Marshal(doc)
		if err != nil || len(raw) <= roomy {
			return
		}
		all(func(s *fed.Sums) { s.Scores = s.Scores.Coarse(k) })
	}
}
