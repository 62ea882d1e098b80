// Package reward keeps the reward ledger of runs: what was measured, by whom, what
// it gives to whom, and that everybody checked it.
//
// Each run has one hash-chained ledger, written by its coordinators and replicated
// by the book. Every member recomputes all figures from the scorers' signed tables,
// and countersigns the head only if they agree. The type to start from is [Ledger]; it
// is safe for concurrent use. The arithmetic is in package contribution.
package reward

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/gowebpki/jcs"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/federation/contribution"
)

// The kinds of entries. Countersign and receipt stand beside the chain: Prev is
// the entry that they speak of, and K is 0.
const (
	KindTerms       = "terms"
	KindRound       = "round"
	KindScore       = "score"
	KindGrant       = "grant"
	KindClose       = "close"
	KindCountersign = "countersign"
	KindReceipt     = "receipt"
)

// Domain is the domain tag of entry signatures.
const Domain = "synergos/ledger/1"

// Entry is one line of a run's ledger.
type Entry struct {
	Run  fed.RunID       `json:"run"`
	K    int             `json:"k"`    // from 1
	Term uint64          `json:"term"` // of the reign in which it was written
	Prev fed.Digest      `json:"prev"`
	Hash fed.Digest      `json:"hash"`
	Kind string          `json:"kind"`
	Body json.RawMessage `json:"body"` // canonical JSON, with Kind in it
	By   fed.PartyID     `json:"by"`
	Key  []byte          `json:"key"` // of By
	Sig  []byte          `json:"sig"` // Ed25519 over Hash under Domain
}

// Terms fix the rules before the first round is scored.
type Terms struct {
	Method     string             `json:"method"`
	Basis      contribution.Basis `json:"basis"` // whose rows decide what is paid
	Utility    string             `json:"utility"`
	Weights    string             `json:"weights"`
	Ties       string             `json:"ties"` // each: every party takes its own share
	Mode       string             `json:"mode"`
	Rows       string             `json:"rows"`
	PoolCents  int64              `json:"poolCents"`
	Currency   string             `json:"currency"`
	Seed       uint64             `json:"seed"`
	ConfigHash fed.Digest         `json:"configHash"`
	Members    []fed.RunMember    `json:"members"`
}

// Round is one scored round: the figures, and where the tables behind them are.
type Round struct {
	Score    contribution.RoundScore `json:"score"` // without replicates
	Tables   fed.BlobRef             `json:"tables"`
	Rows     int64                   `json:"rows"`     // held-out rows of all scorers
	Scorers  []string                `json:"scorers"`  // whose tables count
	Unsigned []string                `json:"unsigned"` // whose tables are not signed for this round and do not count
}

// Score is the contribution over the run.
type Score struct {
	Standing contribution.Standing `json:"standing"`
	// Through is the round of the model that was delivered: later rounds are in no
	// model that anybody uses, and do not count.
	Through  int   `json:"through"`
	Unscored []int `json:"unscored"` // rounds up to Through that nobody could score
	Rows     int64 `json:"rows"`
	// Without is, by name, the gain of the others' updates alone: a diagnostic.
	Without map[string]fed.Number `json:"without"`
}

// Why a pool was divided as it was.
const (
	WhyContribution = "contribution" // in proportion to the contributions
	WhyUnscored     = "unscored"     // equally: no round was scored
	WhyNobody       = "nobody"       // equally: nobody's contribution is above 0
	WhyNoPool       = "no-pool"      // there is nothing to divide
)

// Grant is the split of the pool.
type Grant struct {
	Currency string           `json:"currency"`
	Pool     int64            `json:"pool"`
	Why      string           `json:"why"`
	Through  int              `json:"through"` // see Score
	Cents    map[string]int64 `json:"cents"`   // by name
}

// Countersign says whether a member found the closed ledger right.
type Countersign struct {
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// Receipt acknowledges a payment.
type Receipt struct {
	Cents int64 `json:"cents"`
}

// Genesis is h_0 of a run's ledger.
func Genesis(p fed.ProjectID, run fed.RunID) fed.Digest {
	return fed.DigestOf([]byte("synergos/reward/1" + string(p) + string(run)))
}

// Chain returns h_k from h_(k-1): SHA-256(h_(k-1) ‖ term ‖ len(body) ‖ body), with
// the previous hash as 32 raw bytes, term and length as 64-bit little-endian.
func Chain(prev fed.Digest, term uint64, body []byte) (fed.Digest, error) {
	raw, err := hex.DecodeString(string(prev))
	if err != nil || len(raw) != sha256.Size {
		return "", fed.Errorf(fed.Corrupt, "", "ledger entry follows no hash")
	}
	raw = binary.LittleEndian.AppendUint64(raw, term)
	raw = binary.LittleEndian.AppendUint64(raw, uint64(len(body)))
	return fed.DigestOf(append(raw, body...)), nil
}

func canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write ledger entry: %w", err)
	}
	return jcs.Transform(raw)
}

// withKind returns v as canonical JSON with its kind in it, so that the hash covers
// what the figures mean.
func withKind(kind string, v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write ledger entry: %w", err)
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("write ledger entry: %w", err)
	}
	if fields["kind"], err = json.Marshal(kind); err != nil {
		return nil, fmt.Errorf("write ledger entry: %w", err)
	}
	return canonical(fields)
}

func kindOf(body []byte) string {
	var b struct {
		Kind string `json:"kind"`
	}
	if json.Unmarshal(body, &b) != nil {
		return ""
	}
	return b.Kind
}

// Verifier checks a signature of a key given as SubjectPublicKeyInfo.
type Verifier func(key []byte, domain string, body, sig []byte) bool

// VerifyChain recomputes the hashes and signatures of a run's chained entries, in
// order, and returns the error of the first bad one, which it names.
func VerifyChain(p fed.ProjectID, run fed.RunID, entries []Entry, verify Verifier) error {
	prev, term := Genesis(p, run), uint64(0)
	for i, e := range entries {
		h, err := Chain(prev, e.Term, e.Body)
		switch {
		case err != nil:
			return err
		case e.Run != run || e.K != i+1 || e.Term < term:
			return fed.Errorf(fed.Corrupt, "Ask another member for its copy.", "entry %d of the ledger is out of order", i+1)
		case e.Prev != prev || e.Hash != h || kindOf(e.Body) != e.Kind:
			return fed.Errorf(fed.Corrupt, "Ask another member for its copy.", "entry %d of the ledger was changed", e.K)
		case fed.KeyDigest(e.Key) != string(e.By) || !verify(e.Key, Domain, []byte(e.Hash), e.Sig):
			return fed.Errorf(fed.Corrupt, "Ask another member for its copy.", "entry %d of the ledger is not signed by its author", e.K)
		}
		prev, term = h, e.Term
	}
	return nil
}
