package reward

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"synergos.app/desktop/backend/fed"
)

var ctx = context.Background()

func hexID(s string) string { return string(fed.DigestOf([]byte(s)))[:32] }

// signer is a party's key, derived from its name. It stands in for Ed25519, which
// package identity tests: a keyed hash, whose secret only this table knows.
type signer struct{ secret, public []byte }

var secrets sync.Map // public key -> secret

func newSigner(name string) signer {
	secret, public := sha256.Sum256([]byte("secret of "+name)), sha256.Sum256([]byte("key of "+name))
	secrets.Store(string(public[:]), secret[:])
	return signer{secret[:], public[:]}
}

func (s signer) Party() fed.PartyID { return fed.PartyID(fed.KeyDigest(s.public)) }
func (s signer) PublicKey() []byte  { return s.public }
func (s signer) Sign(domain string, body []byte) []byte {
	h := hmac.New(sha256.New, s.secret)
	h.Write([]byte(domain + "\n"))
	h.Write(body)
	return h.Sum(nil)
}
func (s signer) Verify(key []byte, domain string, body, sig []byte) bool {
	return verify(key, domain, body, sig)
}

func verify(key []byte, domain string, body, sig []byte) bool {
	secret, ok := secrets.Load(string(key))
	return ok && hmac.Equal(sig, signer{secret: secret.([]byte)}.Sign(domain, body))
}

// member is one party with its ledger, book and blobs.
type member struct {
	*Ledger
	signer
	t     *testing.T
	name  string
	world *world
	blobs map[fed.Digest][]byte
	seq   uint64
	kept  []fed.Doc // what it wrote while it was cut off
}

// pen is m's pen in its newest reign.
func (m *member) pen() Pen { return Pen{m.Ledger, m.world.terms[m.name]} }

func (m *member) Close(ctx context.Context, run fed.Run) error {
	return m.pen().Close(ctx, run, m.world.best)
}

// world is a run of A, B and C whose books reach each other at once, unless one
// is cut off.
type world struct {
	run      fed.Run
	rounds   []fed.RoundRecord
	policies []fed.Policy
	by       map[string]*member
	docs     []fed.Doc
	cut      map[string]bool
	terms    map[string]uint64 // in which a member leads; others never led
	best     int               // the delivered round
	running  bool              // the end is not known yet
}

func newWorld(t *testing.T) *world {
	w := &world{
		run:      fed.Run{ID: fed.RunID(hexID("run")), Project: fed.ProjectID(hexID("project")), ConfigHash: fed.DigestOf([]byte("configuration")), Config: fed.RunConfig{Task: fed.TaskClassify, Seed: 7, Rounds: 2}},
		policies: []fed.Policy{{PoolCents: 10_000, Currency: "EUR", Mode: "open", Basis: "pooled"}}, by: map[string]*member{}, cut: map[string]bool{},
		terms: map[string]uint64{"A": 1, "B": 2}, best: 2,
	}
	for i, name := range []string{"A", "B", "C"} {
		m := &member{signer: newSigner(name), t: t, name: name, world: w, blobs: map[fed.Digest][]byte{}}
		m.Ledger = New(Ports{
			Book: m, Blobs: m, Keys: m.signer, Fetch: m.fetch,
			Run:       func(id fed.RunID) (fed.Run, []fed.RoundRecord, bool) { return w.run, w.rounds, id == w.run.ID },
			Policies:  func(fed.ProjectID) []fed.Policy { return w.policies },
			Led:       w.led,
			Delivered: func(fed.RunID) (int, bool) { return w.best, !w.running },
		})
		w.by[name] = m
		w.run.Members = append(w.run.Members, fed.RunMember{Party: m.Party(), Name: name, Rank: i})
	}
	return w
}

func (w *world) led(_ fed.RunID, term uint64, by fed.PartyID) bool {
	for name, t := range w.terms {
		if w.by[name].Party() == by && t == term {
			return true
		}
	}
	return false
}

func (m *member) Append(_ context.Context, scope, kind, subject string, body any) (fed.Doc, error) {
	raw, err := canonical(body)
	m.seq++
	d := fed.Doc{Scope: scope, Author: m.Party(), Seq: m.seq, Kind: kind, Subject: subject, TimeMs: int64(m.seq), Body: raw}
	m.Apply(d)
	if m.world.cut[m.name] {
		m.kept = append(m.kept, d)
		return d, err
	}
	m.world.docs = append(m.world.docs, d)
	for _, o := range m.world.by {
		if o != m && !m.world.cut[o.name] {
			o.Apply(d)
		}
	}
	return d, err
}

func (m *member) PutBytes(_ context.Context, b []byte) (fed.BlobRef, error) {
	d := fed.DigestOf(b)
	m.blobs[d] = b
	return fed.BlobRef{Digest: d, Size: int64(len(b)), Root: d}, nil
}

func (m *member) Get(_ context.Context, d fed.Digest) ([]byte, error) {
	if b, ok := m.blobs[d]; ok {
		return b, nil
	}
	return nil, fed.Errorf(fed.Corrupt, "", "blob %s is damaged", d.Short())
}

func (m *member) Has(d fed.Digest) bool { _, ok := m.blobs[d]; return ok }

func (m *member) fetch(_ context.Context, from fed.PartyID, ref fed.BlobRef) error {
	for _, o := range m.world.by {
		if b, ok := o.blobs[ref.Digest]; ok && o.Party() == from {
			m.blobs[ref.Digest] = b
			return nil
		}
	}
	return fed.Errorf(fed.Unavailable, "", "party %s is not connected", from.Short())
}

// chain returns the chained entries as m sees them.
func (m *member) chain() []Entry {
	c, _ := m.Entries(m.world.run.ID)
	return c
}

func (m *member) said(kind string) (out []Entry) {
	_, beside := m.Entries(m.world.run.ID)
	for _, e := range beside {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// verdict returns what a member's countersign of the current head says.
func (m *member) verdict(by string) (c Countersign, ok bool) {
	chain := m.chain()
	for _, e := range m.said(KindCountersign) {
		if e.By == m.world.by[by].Party() && e.Prev == chain[len(chain)-1].Hash {
			return c, json.Unmarshal(e.Body, &c) == nil
		}
	}
	return c, false
}

// gains are the utilities of the parties alone in one round; a coalition gains the
// sum, so contributions are exactly these.
type gains map[string]float64

// score has m record a round with everybody's tables of a noisy additive game.
func (m *member) score(n int, g gains) {
	m.t.Helper()
	if err := m.pen().Scored(ctx, m.world.run, ask(m.world, n, g), replies(m.world, n, g)); err != nil {
		m.t.Fatal(err)
	}
}

// ask records round n with the updates of those who gain in it, unless it is
// recorded already, and returns what its scorers are asked.
func ask(w *world, n int, g gains) fed.ScoreAsk {
	i := slices.IndexFunc(w.rounds, func(r fed.RoundRecord) bool { return r.N == n })
	if i < 0 {
		i = len(w.rounds)
		w.rounds = append(w.rounds, fed.RoundRecord{N: n})
	}
	r := &w.rounds[i]
	if len(r.In) == 0 {
		r.Run, r.Parent = w.run.ID, fed.DigestOf([]byte{byte(n)})
		for _, name := range slices.Sorted(maps.Keys(g)) {
			r.In = append(r.In, fed.RoundParty{Party: w.by[name].Party(), Name: name, Weight: 1, Update: fed.BlobRef{Digest: fed.DigestOf([]byte(name))}})
		}
	}
	return AskOf(*r)
}

// replies are the signed tables of all members for what ask asks.
func replies(w *world, n int, g gains) map[fed.PartyID]fed.ScoreReply {
	out := map[fed.PartyID]fed.ScoreReply{}
	for i, scorer := range []string{"A", "B", "C"} {
		rng := rand.New(rand.NewPCG(uint64(n), uint64(i)))
		r := fed.ScoreReply{Rows: int64(100 * (i + 1)), Table: table(g, 0, rng)}
		for range 50 {
			var row []float32
			for _, v := range table(g, 0.01, rng) {
				row = append(row, float32(v))
			}
			r.Replicates = append(r.Replicates, row)
		}
		out[w.by[scorer].Party()] = w.by[scorer].signs(ask(w, n, g), r)
	}
	return out
}

// signs has m sign a table for a round.
func (m *member) signs(a fed.ScoreAsk, r fed.ScoreReply) fed.ScoreReply {
	r.Key, r.Sig = m.PublicKey(), m.signer.Sign(fed.ScoreDomain, r.SigningBytes(a))
	return r
}

// table sums the members' gains, each with noise.
func table(g gains, noise float64, rng *rand.Rand) []float64 {
	names := slices.Sorted(maps.Keys(g))
	noisy := make([]float64, len(names))
	for i, n := range names {
		noisy[i] = g[n] + noise*rng.NormFloat64()
	}
	out := make([]float64, 1<<len(names))
	for s := range out {
		for i := range names {
			if s>>i&1 == 1 {
				out[s] += noisy[i]
			}
		}
	}
	return out
}
