// Package catalog keeps the dataset cards that parties publish to each other, the
// search over them, and the requests to use a dataset.
//
// Everything here is a reduction of signed documents: the same documents give the
// same state at every party. The package holds no clock, disk or goroutine; the
// type to start from is [Catalog], which is safe for concurrent use. What a peer
// wrote is bounded and checked before it is kept, and cleaned for display; what is
// refused is counted by reason.
//
// The tiers, terms and states follow GA4GH Beacon v2, DUO and ODRL in spirit, not
// in format.
package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"math"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
)

// Card is the body of a fed.DocCard: everything that others learn of a dataset.
// The time of publication is the document's.
type Card struct {
	ID          string     `json:"id"`    // CardID(author, Nonce), 32 hex characters
	Nonce       string     `json:"nonce"` // 32 hex characters, chosen at random by the owner's app
	Version     int        `json:"version"`
	Previous    fed.Digest `json:"previous"` // hash of the document of the version before, or ""
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Keywords    []string   `json:"keywords"`
	Task        string     `json:"task"`
	Target      string     `json:"target"`
	Modality    string     `json:"modality"`
	RowBand     string     `json:"rowBand"`
	Rows        int        `json:"rows,omitempty"` // 0: not shared
	Floor       int        `json:"floor"`          // least count that the statistics show
	Columns     []Column   `json:"columns"`
	Terms       Terms      `json:"terms"`
	Compute     Compute    `json:"compute"`
	Fingerprint fed.Digest `json:"fingerprint"` // HMAC-SHA-256 of the file under the dataset's own secret
}

// Column is a column as declared. Columns whose level is none are not in a card.
type Column struct {
	Name        string         `json:"name"`
	Type        dataset.Type   `json:"type"`
	Role        string         `json:"role"`
	Level       dataset.Level  `json:"level"`
	Unit        string         `json:"unit,omitempty"`
	Description string         `json:"description,omitempty"`
	MissingBand string         `json:"missingBand"`
	Stats       *Stats         `json:"stats,omitempty"`
	Categories  []dataset.Cell `json:"categories,omitempty"`
	Histogram   []dataset.Cell `json:"histogram,omitempty"`
}

// Stats are the disclosed figures of a numeric column; NaN (null) does not leave.
type Stats struct {
	Mean   fed.Number `json:"mean"`
	SD     fed.Number `json:"sd"`
	P01    fed.Number `json:"p01"`
	Q25    fed.Number `json:"q25"`
	Median fed.Number `json:"median"`
	Q75    fed.Number `json:"q75"`
	P99    fed.Number `json:"p99"`
}

// Terms are what the owner asks of those who use the dataset.
type Terms struct {
	Licence     string   `json:"licence"`
	Purposes    []string `json:"purposes"`
	MinParties  int      `json:"minParties"`
	Families    []string `json:"families"`    // model families allowed; empty: any
	ExpiresDays int      `json:"expiresDays"` // longest access; 0: as asked
	Contact     string   `json:"contact"`
}

// Compute is the declared capacity of the party.
type Compute struct {
	Cores        int        `json:"cores"`
	MemoryMB     int        `json:"memoryMb"`
	Accelerator  string     `json:"accelerator"`
	SamplesPerS  fed.Number `json:"samplesPerSecond"`
	MeasuredDate string     `json:"measuredDate"`
	Grids        int        `json:"grids"`
}

// Gone is the body of a fed.DocCardGone: the tombstone of a card. A withdrawn id
// is never used again.
type Gone struct {
	ID       string     `json:"id"`
	Version  int        `json:"version"` // of the last version
	Previous fed.Digest `json:"previous"`
}

// CardID derives a card's id from its author and nonce, so that no party can take
// the id of another's card.
func CardID(author fed.PartyID, nonce string) string {
	sum := sha256.Sum256([]byte("synergos/card/1\n" + string(author) + "\n" + nonce))
	return hex.EncodeToString(sum[:16])
}

// ColumnOf turns a disclosed column into a card's column.
func ColumnOf(d dataset.DisclosedColumn, role string) Column {
	c := Column{Name: d.Name, Type: d.Type, Role: role, Level: d.Level, MissingBand: d.MissingBand, Categories: d.Categories, Histogram: d.Histogram}
	s := Stats{Mean: d.Mean, SD: d.SD, P01: d.P01, Q25: d.Q25, Median: d.Median, Q75: d.Q75, P99: d.P99}
	for _, v := range s.all() {
		if v.Finite() {
			c.Stats = &s
			break
		}
	}
	return c
}

// Figures returns the column's statistics, NaN where there are none.
func (c Column) Figures() Stats {
	if c.Stats != nil {
		return *c.Stats
	}
	nan := fed.Number(math.NaN())
	return Stats{nan, nan, nan, nan, nan, nan, nan}
}

func (s Stats) all() [7]fed.Number {
	return [7]fed.Number{s.Mean, s.SD, s.P01, s.Q25, s.Median, s.Q75, s.P99}
}

// Allows checks a run against the terms: the error is of kind Permission and
// names the term.
func (t Terms) Allows(run fed.Run) error {
	hint := "Ask the owner of the dataset to change its terms, or change the run."
	if n := len(run.Members); n < t.MinParties {
		return fed.Errorf(fed.Permission, hint, "its dataset may be used by at least %d parties together, and the run has %d", t.MinParties, n)
	}
	if len(t.Families) == 0 {
		return nil
	}
	for _, f := range t.Families {
		if f == run.Config.Model.Family {
			return nil
		}
	}
	return fed.Errorf(fed.Permission, hint, "its dataset may not be used for models of the family %q", run.Config.Model.Family)
}
