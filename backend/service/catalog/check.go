package catalog

import (
	"encoding/json"
	"regexp"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
)

// Bounds of a card, in bytes and counts. A card beyond them is refused; texts
// within them are still cleaned and shortened for display.
const (
	MaxColumns = 5000
	maxName    = 1024 // a column name or category
	maxLine    = 1024
	maxText    = 20_000
	maxList    = 64
	maxCells   = 64
)

var (
	countForm = regexp.MustCompile(`^<?[0-9]{1,12}$`)
	bandForm  = regexp.MustCompile(`^[<>0-9kM+-]{1,12}$`)
	dateForm  = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2})?$`)
	roles     = map[string]bool{"feature": true, "label": true, "id": true, "split": true, "drop": true}
)

// ReadCard reads and checks the body of a card document: form, bounds, and that
// the id is its author's. Errors are of kind Invalid or Permission.
func ReadCard(d fed.Doc) (Card, error) {
	var c Card
	if len(d.Body) > fed.MaxDocBody {
		return c, fed.Errorf(fed.Invalid, "", "card is too large")
	}
	if err := json.Unmarshal(d.Body, &c); err != nil {
		return c, fed.Errorf(fed.Invalid, "", "card cannot be read: %w", err)
	}
	if c.ID != CardID(d.Author, c.Nonce) || d.Subject != c.ID {
		return c, fed.Errorf(fed.Permission, "", "the card's id is not its author's")
	}
	if d.Scope != fed.ScopeFederation {
		return c, fed.Errorf(fed.Invalid, "", "a card in another scope than the federation's")
	}
	return c, c.Check()
}

// Check checks form and bounds. The error is of kind Invalid and names the field;
// the hint is for the card's owner.
func (c Card) Check() error {
	bad := func(hint, format string, args ...any) error { return fed.Errorf(fed.Invalid, hint, format, args...) }
	switch {
	case !fed.ValidHexID(c.ID) || !fed.ValidHexID(c.Nonce) || c.Version < 1 || c.Version > 1e9:
		return bad("", "card out of form: id or version")
	case c.Previous != "" && !c.Previous.Valid() || (c.Previous == "") != (c.Version == 1):
		return bad("", "card out of form: the version before")
	case c.Title == "" || len(c.Title) > maxLine:
		return bad("Give the dataset a name of at most 120 characters.", "the card's title is empty or too long")
	case len(c.Description) > maxText:
		return bad("Shorten the description.", "the card's description is too long")
	case c.Task != "" && c.Task != fed.TaskClassify && c.Task != fed.TaskRegress:
		return bad("", "card out of form: task")
	case len(c.Target) > maxName || len(c.Modality) > 40 || !bandForm.MatchString(c.RowBand):
		return bad("", "card out of form: target, modality or rows")
	case c.Rows < 0 || c.Rows > 1e12 || c.Floor < dataset.DefaultFloor || c.Floor > 1e6:
		return bad("", "card out of form: rows or floor")
	case !c.Fingerprint.Valid():
		return bad("", "card out of form: fingerprint")
	case len(c.Columns) > MaxColumns:
		return bad("Show fewer columns: set what others see of the rest to “Nothing”.", "the card has %d columns of at most %d", len(c.Columns), MaxColumns)
	}
	if err := checkList(c.Keywords, "keywords"); err != nil {
		return err
	}
	if err := c.Terms.check(); err != nil {
		return err
	}
	if err := c.Compute.check(); err != nil {
		return err
	}
	return checkColumns(c.Columns)
}

func checkList(list []string, what string) error {
	if len(list) > maxList {
		return fed.Errorf(fed.Invalid, "Use fewer.", "the card has too many %s", what)
	}
	for _, s := range list {
		if len(s) > maxLine {
			return fed.Errorf(fed.Invalid, "Shorten it.", "one of the card's %s is too long", what)
		}
	}
	return nil
}

func (t Terms) check() error {
	switch {
	case len(t.Licence) > maxLine || len(t.Contact) > maxLine:
		return fed.Errorf(fed.Invalid, "Shorten it.", "the licence or the contact of the card is too long")
	case t.MinParties < 0 || t.MinParties > 1000 || t.ExpiresDays < 0 || t.ExpiresDays > 36_500:
		return fed.Errorf(fed.Invalid, "Use 0 to 1000 parties and 0 to 36500 days.", "the card's terms are out of range")
	}
	if err := checkList(t.Purposes, "purposes"); err != nil {
		return err
	}
	return checkList(t.Families, "model families")
}

func (c Compute) check() error {
	s := float64(c.SamplesPerS)
	if c.Cores < 0 || c.Cores > 1e6 || c.MemoryMB < 0 || c.MemoryMB > 1e9 || c.Grids < 0 || c.Grids > 1e4 ||
		len(c.Accelerator) > maxLine || !dateForm.MatchString(c.MeasuredDate) || c.SamplesPerS.Finite() && (s < 0 || s > 1e15) {
		return fed.Errorf(fed.Invalid, "", "card out of form: compute")
	}
	return nil
}

func checkColumns(cols []Column) error {
	seen := make(map[string]bool, len(cols))
	for _, c := range cols {
		switch {
		case c.Name == "" || len(c.Name) > maxName || seen[c.Name]:
			return fed.Errorf(fed.Invalid, "Give each column its own name of at most 256 characters.", "a column of the card has no name, a long one or another's")
		case !c.Type.Valid() || !roles[c.Role] || c.Level != dataset.LevelCoarse && c.Level != dataset.LevelFull:
			return fed.Errorf(fed.Invalid, "", "column %q of the card is out of form", Clean(c.Name, 60))
		case len(c.Unit) > maxLine || len(c.Description) > maxLine || len(c.MissingBand) > 40:
			return fed.Errorf(fed.Invalid, "Shorten it.", "column %q of the card has a text that is too long", Clean(c.Name, 60))
		case len(c.Categories) > maxCells || len(c.Histogram) > maxCells || !countsOK(c.Categories) || !countsOK(c.Histogram):
			return fed.Errorf(fed.Invalid, "Set the level of the column to coarse.", "the counts of column %q of the card are out of form", Clean(c.Name, 60))
		}
		seen[c.Name] = true
	}
	return nil
}

func countsOK(cells []dataset.Cell) bool {
	for _, c := range cells {
		if len(c.Name) > maxName || !countForm.MatchString(c.Count) {
			return false
		}
	}
	return true
}

// cleaned returns the card as it is kept and shown.
func (c Card) cleaned() Card {
	c.Title, c.Description = Clean(c.Title, 120), CleanText(c.Description, 4000)
	if c.Title == "" {
		c.Title = "Untitled"
	}
	c.Keywords = cleanList(c.Keywords, 64)
	c.Target, c.Modality = Clean(c.Target, 256), Clean(c.Modality, 40)
	c.Terms.Licence, c.Terms.Contact = Clean(c.Terms.Licence, 120), Clean(c.Terms.Contact, 200)
	c.Terms.Purposes, c.Terms.Families = cleanList(c.Terms.Purposes, 200), cleanList(c.Terms.Families, 64)
	c.Compute.Accelerator = Clean(c.Compute.Accelerator, 120)
	cols := make([]Column, len(c.Columns))
	for i, col := range c.Columns {
		col.Name, col.Unit, col.Description = Clean(col.Name, 256), Clean(col.Unit, 40), Clean(col.Description, 400)
		col.MissingBand = Clean(col.MissingBand, 40)
		col.Categories, col.Histogram = cleanCells(col.Categories), cleanCells(col.Histogram)
		cols[i] = col
	}
	c.Columns = cols
	return c
}

func cleanCells(in []dataset.Cell) []dataset.Cell {
	if in == nil {
		return nil
	}
	out := make([]dataset.Cell, len(in))
	for i, c := range in {
		out[i] = dataset.Cell{Name: Clean(c.Name, 120), Count: c.Count}
	}
	return out
}
