package dataset

import (
	"errors"
	"fmt"
	"math"
	"sort"

	"synergos.app/desktop/backend/fed"
)

// Roles of a column in an offer and an alignment.
const (
	RoleFeature = "feature"
	RoleLabel   = "label"
	RoleSplit   = "split"
	RoleID      = "id"
	RoleDrop    = "drop"
)

// Offer is what a party tells the coordinator of its columns so that they can be
// aligned: names, kinds, bands and frequent values, never a row or a small count.
type Offer struct {
	Version int           `json:"version"` // 1
	RowBand string        `json:"rowBand"`
	Columns []OfferColumn `json:"columns"` // sorted by name
	// Labels are the class names, or without a label map the raw label values,
	// that at least the floor of rows have; names of the map always.
	Labels []string `json:"labels,omitempty"`
	// Unmapped is the band of rows whose label the map does not name, "" for none.
	Unmapped string `json:"unmapped,omitempty"`
}

// OfferColumn is one column of an offer.
type OfferColumn struct {
	Name       string     `json:"name"`
	Type       Type       `json:"type"`
	Role       string     `json:"role"`             // feature, label, split, id, drop
	Missing    string     `json:"missing"`          // band
	Sparse     bool       `json:"sparse,omitempty"` // fewer present cells than the floor
	Categories []string   `json:"categories,omitempty"`
	Hidden     bool       `json:"hidden,omitempty"` // there are rarer values, not named
	Low        fed.Number `json:"low"`              // rounded 1st percentile, at least k rows below; null: not told
	High       fed.Number `json:"high"`
}

// MakeOffer describes t for the alignment of a project. k is the small-cell
// floor; below 10 it is 10. Columns with direct identifiers are not named; free
// text and identifiers of rows are named with their role only. Returns an Invalid
// error when the target is absent and no rename can be expected to supply it.
func MakeOffer(t *Table, cfg fed.RunConfig, k int) (*Offer, error) {
	k = max(k, DefaultFloor)
	o := &Offer{Version: 1, RowBand: RowBand(t.rows)}
	if len(t.Columns) > MaxColumns {
		return nil, fed.Errorf(fed.Invalid, "keep the columns that matter", "%s has more than %d columns", t.Name, MaxColumns)
	}
	drop := nameSet(cfg.Drop)
	category := nameSet(cfg.Categorical)
	for _, c := range t.Columns {
		if identifier(c) != "" && c.Name != cfg.Target {
			continue
		}
		out := OfferColumn{Name: c.Name, Type: c.Type, Missing: missingBand(c.nmiss, t.rows, k), Sparse: sparse(c, k), Low: nan, High: nan,
			Role: offerRole(c, cfg, drop)}
		if !goodName(c.Name) {
			return nil, fed.Errorf(fed.Invalid, "shorten the name in the file", "column %q has a name that is too long or has control characters", clip(c.Name, 40))
		}
		if out.Role == RoleFeature {
			out.describe(c, category[c.Name], k)
		}
		o.Columns = append(o.Columns, out)
	}
	sort.Slice(o.Columns, func(i, j int) bool { return o.Columns[i].Name < o.Columns[j].Name })
	o.labels(t.Column(cfg.Target), cfg, t.rows, k)
	return o, o.Validate()
}

func nameSet(names []string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

func offerRole(c *Column, cfg fed.RunConfig, drop map[string]bool) string {
	switch {
	case c.Name == cfg.Target:
		return RoleLabel
	case c.Name == cfg.Test.Column:
		return RoleSplit
	case drop[c.Name]:
		return RoleDrop
	case c.Type == Text:
		return RoleID
	case idLike(c, c.Distinct()):
		return RoleID
	}
	return RoleFeature
}

// describe adds what is told of a feature's values.
func (o *OfferColumn) describe(c *Column, asCategory bool, k int) {
	if asCategory || !c.Type.Numeric() {
		o.Type = Category
		codes, dict := c.asCodes()
		o.Categories, o.Hidden = frequent(codes, dict, k)
		return
	}
	if s := c.present(); len(s) >= 2*k && c.Type != Date {
		lo, hi, _ := outer(s, k)
		o.Low, o.High = fed.Number(lo), fed.Number(hi)
	}
}

// frequent returns the values of at least k rows in value order, the most
// frequent ones when there are too many, and whether others are left out.
func frequent(codes []int32, dict []string, k int) ([]string, bool) {
	n := make([]int, len(dict))
	for _, c := range codes {
		if c >= 0 {
			n[c]++
		}
	}
	var kept []cellCount
	hidden := false
	for c, s := range dict {
		switch {
		case n[c] >= k && goodText(s):
			kept = append(kept, cellCount{name: s, n: n[c]})
		case n[c] > 0:
			hidden = true
		}
	}
	sort.Slice(kept, func(i, j int) bool {
		return kept[i].n > kept[j].n || kept[i].n == kept[j].n && lessValue(kept[i].name, kept[j].name)
	})
	if len(kept) > maxCategories {
		kept, hidden = kept[:maxCategories], true
	}
	out := make([]string, len(kept))
	for i, c := range kept {
		out[i] = c.name
	}
	sortValues(out)
	return out, hidden
}

func (o *Offer) labels(c *Column, cfg fed.RunConfig, rows, k int) {
	if c == nil || cfg.Task != fed.TaskClassify {
		return
	}
	codes, dict := c.asCodes()
	if len(cfg.Labels) == 0 {
		o.Labels, _ = frequent(codes, dict, k)
		return
	}
	m := newLabelMap(cfg.Labels, nil)
	seen := make([]bool, len(m.classes))
	unmapped := 0
	for _, code := range codes {
		if code < 0 {
			continue
		}
		if y := m.code(dict[code]); y >= 0 {
			seen[y] = true
		} else {
			unmapped++
		}
	}
	for y, name := range m.classes {
		if seen[y] {
			o.Labels = append(o.Labels, name)
		}
	}
	if unmapped > 0 {
		o.Unmapped = missingBand(unmapped, rows, k)
	}
}

// Values returns the values of a category that the offer names.
func (o *Offer) Values(column string) []string {
	if c := o.column(column); c != nil {
		return c.Categories
	}
	return nil
}

// Marshal returns the canonical JSON of the offer: the bytes that leave.
func (o *Offer) Marshal() ([]byte, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return canonicalJSON(o)
}

// ParseOffer reads an offer that came from a peer.
func ParseOffer(b []byte) (*Offer, error) {
	o := new(Offer)
	if err := strictJSON(b, o); err != nil {
		return nil, fed.Errorf(fed.Invalid, "compare the columns again", "the offer cannot be read: %w", err)
	}
	return o, o.Validate()
}

// Validate returns an Invalid error that names the first column that is wrong.
func (o *Offer) Validate() error {
	bad := func(format string, args ...any) error {
		return fed.Errorf(fed.Invalid, "compare the columns again", "the offer is not valid: "+format, args...)
	}
	switch {
	case o.Version != 1:
		return bad("version %d is not known", o.Version)
	case len(o.Columns) == 0 || len(o.Columns) > MaxColumns:
		return bad("%d columns: there must be 1 to %d", len(o.Columns), MaxColumns)
	case len(o.Labels) > maxClasses:
		return bad("%d label values are more than the limit of %d", len(o.Labels), maxClasses)
	case len(o.RowBand) > 40 || len(o.Unmapped) > 40:
		return bad("a band is too long")
	}
	for _, s := range o.Labels {
		if !goodText(s) {
			return bad("label value %q is empty, too long or has control characters", clip(s, 40))
		}
	}
	total := 0
	for i := range o.Columns {
		c := &o.Columns[i]
		if err := c.validate(); err != nil {
			return bad("column %q: %w", clip(c.Name, 40), err)
		}
		if i > 0 && o.Columns[i-1].Name >= c.Name {
			return bad("column %q is not in order or twice", clip(c.Name, 40))
		}
		if total += len(c.Categories); total > maxFeatures {
			return bad("there are more than %d category values", maxFeatures)
		}
	}
	return nil
}

func (o *OfferColumn) validate() error {
	switch {
	case !goodName(o.Name):
		return errors.New("the name is empty, too long or has control characters")
	case !o.Type.Valid():
		return fmt.Errorf("type %q is not known", clip(string(o.Type), 40))
	case len(o.Missing) > 40:
		return errors.New("the band is too long")
	case o.Role != RoleFeature && o.Role != RoleLabel && o.Role != RoleSplit && o.Role != RoleID && o.Role != RoleDrop:
		return fmt.Errorf("role %q is not known", clip(o.Role, 40))
	case o.Type != Category && len(o.Categories) > 0 || len(o.Categories) > maxCategories:
		return errors.New("too many categories, or a number with categories")
	case o.Low.Finite() != o.High.Finite() || o.Low > o.High || math.IsInf(float64(o.Low), 0) || math.IsInf(float64(o.High), 0):
		return errors.New("the range is half open or upside down")
	}
	for i, s := range o.Categories {
		if !goodText(s) || canonical(s) != s {
			return fmt.Errorf("category %q is empty, too long or not in its one spelling", clip(s, 40))
		}
		if i > 0 && !lessValue(o.Categories[i-1], s) {
			return fmt.Errorf("category %q is not in order or twice", clip(s, 40))
		}
	}
	return nil
}
