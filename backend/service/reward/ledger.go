package reward

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"synergos.app/desktop/backend/fed"
)

// Book appends signed documents to a project.
type Book interface {
	Append(ctx context.Context, scope, kind, subject string, body any) (fed.Doc, error)
}

// Blobs keeps the scorers' tables.
type Blobs interface {
	PutBytes(ctx context.Context, b []byte) (fed.BlobRef, error)
	Get(ctx context.Context, d fed.Digest) ([]byte, error)
	Has(d fed.Digest) bool
}

// Keys signs as this party.
type Keys interface {
	Party() fed.PartyID
	PublicKey() []byte
	Sign(domain string, body []byte) []byte
	Verify(key []byte, domain string, body, sig []byte) bool
}

// Ports are what a ledger needs.
type Ports struct {
	Book  Book
	Blobs Blobs
	Keys  Keys
	// Fetch gets a blob from a member.
	Fetch func(ctx context.Context, from fed.PartyID, ref fed.BlobRef) error
	// Run looks up what the book says, with the committed rounds.
	Run func(fed.RunID) (fed.Run, []fed.RoundRecord, bool)
	// Policies are the rules that a project has had, the present ones last.
	Policies func(fed.ProjectID) []fed.Policy
	// Led reports whether a party led a run in a term, as the committed records show.
	Led func(run fed.RunID, term uint64, by fed.PartyID) bool
	// Delivered returns the round of the model that a finished run delivered, or false
	// before its end is known.
	Delivered func(fed.RunID) (int, bool)
}

// Ledger holds the ledgers of all runs.
type Ledger struct {
	Ports
	mu   sync.Mutex
	runs map[fed.RunID]*branches
}

// New returns an empty ledger.
func New(p Ports) *Ledger { return &Ledger{Ports: p, runs: map[fed.RunID]*branches{}} }

// Apply takes a document of the book and returns the run that it changed, or "".
func (l *Ledger) Apply(d fed.Doc) fed.RunID {
	if _, ok := fed.ProjectOf(d.Scope); !ok || d.Kind != fed.DocLedger {
		return ""
	}
	var e Entry
	if json.Unmarshal(d.Body, &e) != nil || e.By != d.Author || !fed.ValidHexID(string(e.Run)) {
		return ""
	}
	if h, err := Chain(e.Prev, e.Term, e.Body); err != nil || h != e.Hash || kindOf(e.Body) != e.Kind {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.runs[e.Run]
	if r == nil {
		r = newBranches()
		l.runs[e.Run] = r
	}
	r.add(e, d.TimeMs)
	return e.Run
}

// Entries returns the chained entries of a run, then those beside the chain. There
// are none before the run itself is known. Of entries that compete for one place,
// see [Ledger.Forks].
func (l *Ledger) Entries(run fed.RunID) (chain, beside []Entry) {
	chain, _, beside = l.walk(run)
	return chain, beside
}

// Forks returns what competed with the entries of a run's chain and does not count.
func (l *Ledger) Forks(run fed.RunID) []Fork {
	_, forks, _ := l.walk(run)
	return forks
}

func (l *Ledger) walk(run fed.RunID) (chain []Entry, forks []Fork, beside []Entry) {
	known, _, ok := l.Run(run)
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.runs[run]
	if r == nil || !ok {
		return nil, nil, nil
	}
	type reign struct {
		term uint64
		by   fed.PartyID
	}
	led := map[reign]bool{}
	chain, forks = r.chain(known, func(term uint64, by fed.PartyID) bool {
		yes, asked := led[reign{term, by}]
		if !asked {
			yes = l.Led(run, term, by)
			led[reign{term, by}] = yes
		}
		return yes
	})
	return chain, forks, slices.Clone(r.beside)
}

// TimeMs returns when an entry was written.
func (l *Ledger) TimeMs(run fed.RunID, h fed.Digest) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.runs[run]; r != nil {
		return r.times[h]
	}
	return 0
}

// Runs returns the runs that have a ledger.
func (l *Ledger) Runs() []fed.RunID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.runs))
}

// Terms returns the terms of a run, or false before its first entry.
func (l *Ledger) Terms(run fed.RunID) (Terms, bool) {
	var t Terms
	return t, l.last(run, KindTerms, &t)
}

// Grant returns the split of a run's pool, or false before the run has closed.
func (l *Ledger) Grant(run fed.RunID) (Grant, bool) {
	var g Grant
	return g, l.last(run, KindGrant, &g)
}

// Score returns the contribution over a run, or false before it has closed.
func (l *Ledger) Score(run fed.RunID) (Score, bool) {
	var s Score
	return s, l.last(run, KindScore, &s)
}

func (l *Ledger) last(run fed.RunID, kind string, v any) bool {
	chain, _ := l.Entries(run)
	for _, e := range slices.Backward(chain) {
		if e.Kind == kind {
			return json.Unmarshal(e.Body, v) == nil
		}
	}
	return false
}

// Rounds returns the scored rounds of a run so far.
func (l *Ledger) Rounds(run fed.RunID) []Round {
	chain, _ := l.Entries(run)
	var out []Round
	for _, e := range chain {
		var r Round
		if e.Kind == KindRound && json.Unmarshal(e.Body, &r) == nil {
			out = append(out, r)
		}
	}
	return out
}
