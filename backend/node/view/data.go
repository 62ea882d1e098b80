package view

import (
	"time"

	"synergos.app/desktop/backend/fed"
)

// Dataset is one file of this party.
type Dataset struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	File        string    `json:"file" doc:"base name; the folder stays private to this computer"`
	Path        string    `json:"path" doc:"shown only on this computer"`
	Rows        int       `json:"rows"`
	Columns     int       `json:"columns"`
	Bytes       int64     `json:"bytes"`
	Target      string    `json:"target"`
	Task        string    `json:"task" enum:"classify,regress,"`
	State       string    `json:"state" enum:"reading,ready,changed,missing,failed"`
	Problem     *Problem  `json:"problem,omitempty"`
	BadRows     int       `json:"badRows" doc:"rows left out because they could not be read"`
	CardVersion int       `json:"cardVersion" doc:"0: not published"`
	CardStale   bool      `json:"cardStale"`
	UsedIn      []string  `json:"usedIn" doc:"project names"`
	AddedAt     time.Time `json:"addedAt"`
	Revision    int       `json:"revision"`
	Sample      bool      `json:"sample" doc:"built-in synthetic data"`
	OperationID string    `json:"operationId,omitempty"`
}

// Column is a column of a dataset with its profile.
type Column struct {
	Name        string         `json:"name"`
	Type        string         `json:"type" enum:"int,float,category,bool,date,text"`
	Role        string         `json:"role" enum:"feature,label,id,split,drop"`
	Level       string         `json:"level" enum:"none,coarse,full" doc:"what others see of it"`
	Description string         `json:"description"`
	Unit        string         `json:"unit"`
	Missing     int            `json:"missing"`
	Distinct    int            `json:"distinct"`
	Mean        fed.Number     `json:"mean"`
	SD          fed.Number     `json:"sd"`
	Min         fed.Number     `json:"min"`
	Q25         fed.Number     `json:"q25"`
	Median      fed.Number     `json:"median"`
	Q75         fed.Number     `json:"q75"`
	Max         fed.Number     `json:"max"`
	Histogram   []HistogramBin `json:"histogram"`
}

// HistogramBin is one bar: counts in the order of Profile.Classes, one number
// when there is no class label.
type HistogramBin struct {
	Label  string     `json:"label"`
	Low    fed.Number `json:"low"`
	High   fed.Number `json:"high"`
	Counts []int      `json:"counts"`
}

// Finding is something the data doctor noticed.
type Finding struct {
	Severity string `json:"severity" enum:"info,warning,error"`
	Column   string `json:"column"`
	Row      int    `json:"row" doc:"0: not about one row"`
	Text     string `json:"text"`
	Why      string `json:"why"`
	Remedy   string `json:"remedy"`
}

// Profile is what the Data screen shows of one dataset; it never leaves.
type Profile struct {
	Dataset    Dataset       `json:"dataset"`
	Columns    []Column      `json:"columns"`
	Classes    []string      `json:"classes"`
	ClassCount []int         `json:"classCount"`
	Duplicates int           `json:"duplicates"`
	Findings   []Finding     `json:"findings"`
	Proposal   fed.RunConfig `json:"proposal" doc:"a run configuration that fits this file"`
	Preview    [][]string    `json:"preview" doc:"first rows, on this computer only"`
}

// DatasetEdit changes how a file is read and declared; nil fields stay.
type DatasetEdit struct {
	IfRevision  int               `json:"ifRevision,omitempty"`
	Name        *string           `json:"name,omitempty"`
	Target      *string           `json:"target,omitempty"`
	Types       map[string]string `json:"types,omitempty"`
	Roles       map[string]string `json:"roles,omitempty"`
	Levels      map[string]string `json:"levels,omitempty"`
	Description *string           `json:"description,omitempty"`
	Keywords    []string          `json:"keywords,omitempty"`
	Terms       *Terms            `json:"terms,omitempty"`
	ExactRows   *bool             `json:"exactRows,omitempty"`
}

// Terms are what an owner asks of those who use a dataset.
type Terms struct {
	Licence     string   `json:"licence"`
	Purposes    []string `json:"purposes"`
	MinParties  int      `json:"minParties"`
	Families    []string `json:"families" doc:"model families allowed; empty: any"`
	ExpiresDays int      `json:"expiresDays"`
	Contact     string   `json:"contact"`
}

// Compute is the declared capacity of a party.
type Compute struct {
	Cores        int        `json:"cores"`
	MemoryMB     int        `json:"memoryMb"`
	Accelerator  string     `json:"accelerator"`
	SamplesPerS  fed.Number `json:"samplesPerSecond" doc:"measured on a fixed small model"`
	MeasuredDate string     `json:"measuredDate"`
	Grids        int        `json:"grids" doc:"runs at once"`
}

// CardColumn is a column as declared to others.
type CardColumn struct {
	Name        string         `json:"name"`
	Type        string         `json:"type"`
	Role        string         `json:"role"`
	Unit        string         `json:"unit"`
	Description string         `json:"description"`
	Level       string         `json:"level"`
	MissingBand string         `json:"missingBand"`
	Mean        fed.Number     `json:"mean"`
	SD          fed.Number     `json:"sd"`
	P01         fed.Number     `json:"p01"`
	Median      fed.Number     `json:"median"`
	P99         fed.Number     `json:"p99"`
	Categories  []CardCategory `json:"categories"`
	Histogram   []CardCategory `json:"histogram"`
}

// CardCategory is a named count after suppression; Count "<10" or a rounded figure.
type CardCategory struct {
	Name  string `json:"name"`
	Count string `json:"count"`
}

// Card is a dataset card: exactly what others receive.
type Card struct {
	ID          string       `json:"id"`
	Version     int          `json:"version"`
	PartyID     string       `json:"partyId"`
	Party       string       `json:"party"`
	Title       string       `json:"title"`
	Description string       `json:"description"`
	Keywords    []string     `json:"keywords"`
	Task        string       `json:"task"`
	Target      string       `json:"target"`
	Modality    string       `json:"modality"`
	RowBand     string       `json:"rowBand"`
	Rows        int          `json:"rows" doc:"0 unless the owner shares the exact count"`
	Columns     []CardColumn `json:"columns"`
	Terms       Terms        `json:"terms"`
	Compute     Compute      `json:"compute"`
	Fingerprint string       `json:"fingerprint" doc:"keyed; says nothing about the file to others"`
	Published   time.Time    `json:"published"`
	Withdrawn   bool         `json:"withdrawn"`
}

// CardPreview is what publishing would send, before it is sent.
type CardPreview struct {
	Card    Card     `json:"card"`
	Body    string   `json:"body" doc:"the very bytes that leave, as text"`
	Bytes   int      `json:"bytes"`
	Changed []string `json:"changed" doc:"differences since the last version, in words"`
	Hidden  []string `json:"hidden" doc:"what is suppressed and why, in words"`
}

// CatalogEntry is a card with its standing for this party.
type CatalogEntry struct {
	Card    Card       `json:"card"`
	Mine    bool       `json:"mine"`
	Online  bool       `json:"online"`
	AsOf    time.Time  `json:"asOf"`
	Matched int        `json:"matched" doc:"columns shared with my dataset of the search"`
	Of      int        `json:"of"`
	Access  string     `json:"access" enum:"own,none,asked,approved,refused,expired,revoked"`
	Score   fed.Number `json:"score"`
}

// Catalog is a search answer with its facets.
type Catalog struct {
	Items  []CatalogEntry     `json:"items"`
	Facets map[string][]Facet `json:"facets" doc:"task, party, rowBand, licence"`
	Total  int                `json:"total"`
}

// Facet is a value with how many cards have it.
type Facet struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// AccessRequest asks an owner for the use of a dataset.
type AccessRequest struct {
	ID       string     `json:"id"`
	CardID   string     `json:"cardId"`
	Title    string     `json:"title"`
	From     string     `json:"from"`
	FromID   string     `json:"fromId"`
	Owner    string     `json:"owner"`
	OwnerID  string     `json:"ownerId"`
	Incoming bool       `json:"incoming"`
	Purpose  string     `json:"purpose"`
	Days     int        `json:"days"`
	State    string     `json:"state" enum:"submitted,approved,refused,expired,revoked,withdrawn"`
	Reason   string     `json:"reason"`
	At       time.Time  `json:"at"`
	Until    *time.Time `json:"until,omitempty"`
}

// Upload is a file being copied in from a browser.
type Upload struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
	Path   string `json:"path,omitempty" doc:"set when complete; give it to POST /datasets"`
}

// Folder is a listing under a root that the operator allowed.
type Folder struct {
	Path    string       `json:"path"`
	Parent  string       `json:"parent"`
	Entries []FolderItem `json:"entries"`
}

// FolderItem is one entry of a Folder.
type FolderItem struct {
	Name  string `json:"name"`
	Path  string `json:"path"`
	Dir   bool   `json:"dir"`
	Bytes int64  `json:"bytes"`
}
