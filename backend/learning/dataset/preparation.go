package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"unicode"
	"unicode/utf8"

	"github.com/gowebpki/jcs"

	"synergos.app/desktop/backend/fed"
)

// Limits of what may arrive from a peer.
const (
	MaxColumns    = 10_000
	maxCategories = 1_000
	maxClasses    = 1_000
	maxFeatures   = 100_000
	maxName       = 200
	maxText       = 200
	maxJSON       = 8 << 20
)

// Ways of scaling.
const (
	ScaleFederated = "federated"
	ScalePerParty  = "per_party"
	ScaleNone      = "none"
)

// Preparation is the agreed recipe from raw named columns to the model's inputs.
// It is agreed once per project, stored in every model version and never derived
// again. A draft has columns and dictionaries but no figures yet; [Preparation.Finish]
// adds them. It holds no party's own names or figures (those are [Local]).
type Preparation struct {
	Version  int               `json:"version"` // 1
	Draft    bool              `json:"draft,omitempty"`
	Task     string            `json:"task"`
	Target   string            `json:"target"`
	Columns  []PreparedColumn  `json:"columns"`           // raw feature columns, sorted by name
	Scaling  string            `json:"scaling"`           // federated, per_party, none
	Missing  string            `json:"missing"`           // impute, drop_rows
	LabelMap map[string]string `json:"labels,omitempty"`  // canonical raw value to class
	Classes  []string          `json:"classes,omitempty"` // in order; the last is the positive class of two
	// Features are the derived inputs in order: a numeric column by its name, a
	// category as "column=value" for every value but the first.
	Features []string `json:"features"`
}

// PreparedColumn is one raw column. A numeric one has Mean, SD and Fill in raw
// units; a category has its dictionary and FillCategory.
type PreparedColumn struct {
	Name         string     `json:"name"`
	Type         Type       `json:"type"` // int, float, bool, date or category
	Nullable     bool       `json:"nullable"`
	Low          fed.Number `json:"low"`  // of the usual range, null: unknown
	High         fed.Number `json:"high"` // values outside are warned about
	Mean         fed.Number `json:"mean"`
	SD           fed.Number `json:"sd"` // unbiased; 1 where there is no spread
	Fill         fed.Number `json:"fill"`
	Categories   []string   `json:"categories,omitempty"` // codes 0, 1, ...; the unseen code is -1: all zeros
	FillCategory string     `json:"fillCategory,omitempty"`
}

// Inputs returns d, the number of derived features.
func (p *Preparation) Inputs() int { return len(p.Features) }

// Column returns the prepared column of that name, or nil.
func (p *Preparation) Column(name string) *PreparedColumn {
	i := sort.Search(len(p.Columns), func(i int) bool { return p.Columns[i].Name >= name })
	if i < len(p.Columns) && p.Columns[i].Name == name {
		return &p.Columns[i]
	}
	return nil
}

// width is how many features the column gives.
func (c *PreparedColumn) width() int {
	if c.Type.Numeric() {
		return 1
	}
	return max(len(c.Categories)-1, 0)
}

// deriveFeatures names the features in column order.
func (p *Preparation) deriveFeatures() []string {
	out := []string{}
	for i := range p.Columns {
		c := &p.Columns[i]
		if c.Type.Numeric() {
			out = append(out, c.Name)
			continue
		}
		for k := range c.width() {
			out = append(out, c.Name+"="+c.Categories[k+1])
		}
	}
	return out
}

// FeaturesOf names the features that a column gives.
func (p *Preparation) FeaturesOf(c PreparedColumn) []string {
	one := Preparation{Columns: []PreparedColumn{c}}
	return one.deriveFeatures()
}

// Marshal returns the canonical JSON of a valid preparation (RFC 8785).
func (p *Preparation) Marshal() ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return canonicalJSON(p)
}

// Digest names the preparation: SHA-256 of its canonical JSON.
func (p *Preparation) Digest() (fed.Digest, error) {
	b, err := p.Marshal()
	if err != nil {
		return "", err
	}
	return fed.DigestOf(b), nil
}

// ParsePreparation reads a preparation that came from a peer or a file. Returns
// an Invalid error for anything but a valid one.
func ParsePreparation(b []byte) (*Preparation, error) {
	p := new(Preparation)
	if err := strictJSON(b, p); err != nil {
		return nil, fed.Errorf(fed.Invalid, "ask the coordinator to send the preparation again", "the preparation cannot be read: %w", err)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

func canonicalJSON(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	out, err := jcs.Transform(b)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	return out, nil
}

// strictJSON reads exactly one document without unknown fields.
func strictJSON(b []byte, v any) error {
	if len(b) > maxJSON {
		return fmt.Errorf("%d bytes are more than the limit of %d", len(b), maxJSON)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is text after the end")
	}
	return nil
}

// Validate returns an Invalid error that names the first field that is wrong.
func (p *Preparation) Validate() error {
	bad := func(format string, args ...any) error {
		return fed.Errorf(fed.Invalid, "agree the columns of the project again", "the preparation is not valid: "+format, args...)
	}
	switch {
	case p.Version != 1:
		return bad("version %d is not known", p.Version)
	case p.Task != fed.TaskClassify && p.Task != fed.TaskRegress:
		return bad("task %q is not known", clip(p.Task, 40))
	case p.Scaling != ScaleFederated && p.Scaling != ScalePerParty && p.Scaling != ScaleNone:
		return bad("scaling %q is not known", clip(p.Scaling, 40))
	case p.Missing != "impute" && p.Missing != "drop_rows":
		return bad("missing policy %q is not known", clip(p.Missing, 40))
	case !goodName(p.Target):
		return bad("the target has no proper name")
	case len(p.Columns) > MaxColumns:
		return bad("%d columns are more than the limit of %d", len(p.Columns), MaxColumns)
	}
	if err := p.validateLabels(); err != nil {
		return bad("%w", err)
	}
	width := 0
	for i := range p.Columns {
		c := &p.Columns[i]
		if err := c.validate(p.Draft); err != nil {
			return bad("column %q: %w", clip(c.Name, 40), err)
		}
		if i > 0 && p.Columns[i-1].Name >= c.Name {
			return bad("column %q is not in order or twice", clip(c.Name, 40))
		}
		if c.Name == p.Target {
			return bad("the target %q is among the features", c.Name)
		}
		if width += c.width(); width > maxFeatures {
			return bad("there are more than %d derived features", maxFeatures)
		}
	}
	return p.validateFeatures(bad)
}

func (p *Preparation) validateFeatures(bad func(string, ...any) error) error {
	want := p.deriveFeatures()
	if len(want) != len(p.Features) {
		return bad("%d derived features are named, the columns give %d", len(p.Features), len(want))
	}
	seen := make(map[string]bool, len(want))
	for i := range want {
		if want[i] != p.Features[i] {
			return bad("derived feature %d is %q, the columns give %q", i+1, clip(p.Features[i], 40), clip(want[i], 40))
		}
		if seen[want[i]] {
			return bad("two derived features are called %q", clip(want[i], 40))
		}
		seen[want[i]] = true
	}
	if !p.Draft && len(want) == 0 {
		return bad("there is no feature")
	}
	return nil
}

func (p *Preparation) validateLabels() error {
	if p.Task == fed.TaskRegress {
		if len(p.Classes)+len(p.LabelMap) > 0 {
			return errors.New("a regression has no classes")
		}
		return nil
	}
	if len(p.Classes) < 2 || len(p.Classes) > maxClasses || len(p.LabelMap) > maxCategories {
		return fmt.Errorf("%d classes: there must be 2 to %d", len(p.Classes), maxClasses)
	}
	class := make(map[string]bool, len(p.Classes))
	for _, c := range p.Classes {
		if !goodText(c) || class[c] {
			return fmt.Errorf("class %q is empty, twice or too long", clip(c, 40))
		}
		class[c] = true
	}
	for raw, name := range p.LabelMap {
		if !goodText(raw) || canonical(raw) != raw || !class[name] {
			return fmt.Errorf("label %q does not lead to a class", clip(raw, 40))
		}
	}
	return nil
}

func (c *PreparedColumn) validate(draft bool) error {
	switch {
	case !goodName(c.Name):
		return errors.New("the name is empty, too long or has control characters")
	case !c.Type.Valid() || c.Type == Text:
		return fmt.Errorf("type %q cannot be a feature", clip(string(c.Type), 40))
	case c.Low.Finite() && c.High.Finite() && c.Low > c.High:
		return errors.New("the range is upside down")
	}
	if !c.Type.Numeric() {
		return c.validateCategories(draft)
	}
	switch {
	case len(c.Categories) > 0 || c.FillCategory != "":
		return errors.New("a number has no categories")
	case draft:
		return nil
	case !c.Mean.Finite() || !c.Fill.Finite() || !c.SD.Finite() || c.SD <= 0:
		return errors.New("mean, standard deviation and fill must be numbers, the deviation above 0")
	}
	return nil
}

func (c *PreparedColumn) validateCategories(draft bool) error {
	if c.Mean.Finite() || c.SD.Finite() || c.Fill.Finite() {
		return errors.New("a category has no mean")
	}
	if len(c.Categories) > maxCategories {
		return fmt.Errorf("%d categories are more than the limit of %d", len(c.Categories), maxCategories)
	}
	fill := draft
	for i, s := range c.Categories {
		if !goodText(s) || canonical(s) != s {
			return fmt.Errorf("category %q is empty, too long or not in its one spelling", clip(s, 40))
		}
		if i > 0 && !lessValue(c.Categories[i-1], s) {
			return fmt.Errorf("category %q is not in order or twice", clip(s, 40))
		}
		fill = fill || s == c.FillCategory
	}
	if !fill {
		return errors.New("the fill is not one of the categories")
	}
	return nil
}

// goodName accepts column names: 1 to 200 bytes of printable UTF-8.
func goodName(s string) bool { return s != "" && len(s) <= maxName && printable(s) }

// goodText accepts category values and class names.
func goodText(s string) bool { return s != "" && len(s) <= maxText && printable(s) }

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// labels returns the label map of the preparation.
func (p *Preparation) labels() *labelMap {
	m := &labelMap{raw: canonicalLabels(p.LabelMap), classes: p.Classes, index: make(map[string]int, len(p.Classes))}
	for i, c := range p.Classes {
		m.index[c] = i
	}
	return m
}

// label returns the class index or the number in row i of the label column.
func (p *Preparation) label(c *Column, m *labelMap, i int) (float64, bool) {
	if p.Task == fed.TaskRegress {
		return c.Number(i)
	}
	s, ok := c.Text(i)
	if !ok {
		return 0, false
	}
	k := m.code(s)
	return float64(k), k >= 0
}

var nan = fed.Number(math.NaN())
