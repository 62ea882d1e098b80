package catalog

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
)

// party returns a well-formed party id.
func party(name string) fed.PartyID {
	sum := sha256.Sum256([]byte(name))
	return fed.PartyID(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

func hexID(s string) string { return string(fed.DigestOf([]byte(s)))[:32] }

// chain writes documents as a party would, without the signatures that package
// book checks before a document gets here.
type chain struct {
	t      *testing.T
	author fed.PartyID
	seq    uint64
	nowMs  int64
}

func (c *chain) doc(scope, kind, subject string, body any) fed.Doc {
	c.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	c.seq++
	return fed.Doc{Scope: scope, Author: c.author, Seq: c.seq, Kind: kind, Subject: subject, TimeMs: c.nowMs, Body: raw}
}

// card returns a valid first version.
func card(author fed.PartyID, name string) Card {
	nonce := hexID(name)
	return Card{
		ID: CardID(author, nonce), Nonce: nonce, Version: 1, Title: name, Task: fed.TaskClassify, Target: "num", Modality: "tabular",
		RowBand: "250-999", Floor: 10, Fingerprint: fed.DigestOf([]byte(name)), Keywords: []string{"cardiology"},
		Terms: Terms{Licence: "CC BY 4.0", Purposes: []string{}, Families: []string{}},
		Columns: []Column{
			{Name: "age", Type: dataset.Int, Role: "feature", Level: dataset.LevelCoarse, MissingBand: "<5 %"},
			{Name: "exang_0.0", Type: dataset.Int, Role: "feature", Level: dataset.LevelCoarse, MissingBand: "<5 %"},
			{Name: "num", Type: dataset.Int, Role: "label", Level: dataset.LevelFull, MissingBand: "<10 rows",
				Categories: []dataset.Cell{{Name: "0", Count: "160"}, {Name: "1", Count: "140"}}},
		},
	}
}

func (c *chain) publish(k Card) fed.Doc { return c.doc(fed.ScopeFederation, fed.DocCard, k.ID, k) }

// next returns the version after the one in d.
func next(k Card, d fed.Doc) Card {
	k.Version++
	k.Previous = d.Hash()
	return k
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func refusals(c *Catalog) string { return fmt.Sprint(c.Refused()) }
