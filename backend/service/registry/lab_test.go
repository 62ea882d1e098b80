package registry

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/model"
	"synergos.app/desktop/backend/learning/tensor"
)

const projectID = fed.ProjectID("0123456789abcdef0123456789abcdef")

// party is one organisation with its own registry, blobs and chain.
type party struct {
	name  string
	id    fed.PartyID
	key   ed25519.PrivateKey
	spki  []byte
	chain []fed.Doc
	blobs memBlobs
	reg   *Registry
	world *world
}

// world is a project of some parties whose documents reach everybody at once.
type world struct {
	t        testing.TB
	parties  []*party
	policy   fed.Policy
	members  []fed.PartyID // accepted
	now      time.Time
	docs     []fed.Doc // all, in the order of writing
	revision int
}

func newWorld(t testing.TB, names ...string) *world {
	t.Helper()
	w := &world{t: t, now: time.UnixMilli(1_800_000_000_000), policy: fed.Policy{Currency: "EUR", Production: "majority", Mode: "open", Floor: 5}}
	for _, name := range names {
		key := ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%-32s", "seed of "+name)))
		spki, err := x509.MarshalPKIXPublicKey(key.Public())
		must(t, err)
		p := &party{name: name, id: fed.PartyID(fed.KeyDigest(spki)), key: key, spki: spki, blobs: memBlobs{}, world: w}
		p.reg = w.registry(p)
		w.parties = append(w.parties, p)
		w.members = append(w.members, p.id)
	}
	w.setPolicy(func(*fed.Policy) {})
	for _, p := range w.parties {
		p.write(fed.DocAccept, "", fed.AcceptDoc{})
	}
	return w
}

func (w *world) registry(p *party) *Registry {
	return New(Ports{
		Book: p, Blobs: p.blobs, Keys: p, Score: fakeScore, Now: func() time.Time { return w.now }, Name: w.name,
		Project: func(id fed.ProjectID) (fed.PartyID, []fed.PartyID, fed.Policy, bool) {
			return w.parties[0].id, w.members, w.policy, id == projectID
		},
	})
}

// setPolicy signs a new revision of the project.
func (w *world) setPolicy(change func(*fed.Policy)) {
	w.t.Helper()
	change(&w.policy)
	w.revision++
	a := w.parties[0]
	a.write(fed.DocProject, string(projectID), fed.ProjectDoc{ID: projectID, Name: "p", Revision: w.revision, Admin: a.id, Policy: w.policy})
}

func (w *world) name(id fed.PartyID) string {
	for _, p := range w.parties {
		if p.id == id {
			return p.name
		}
	}
	return "nobody"
}

func (p *party) Party() fed.PartyID { return p.id }

func (p *party) Verify(key []byte, domain string, body, sig []byte) bool {
	pub, err := x509.ParsePKIXPublicKey(key)
	if err != nil {
		return false
	}
	return ed25519.Verify(pub.(ed25519.PublicKey), append([]byte(domain), body...), sig)
}

func (p *party) Append(_ context.Context, scope, kind, subject string, body any) (fed.Doc, error) {
	raw, err := canonical(body)
	if err != nil {
		return fed.Doc{}, err
	}
	d := fed.Doc{Scope: scope, Author: p.id, Seq: uint64(len(p.chain)) + 1, Kind: kind, Subject: subject, TimeMs: p.world.now.UnixMilli(), Body: raw, Key: p.spki}
	if n := len(p.chain); n > 0 {
		d.Prev = p.chain[n-1].Hash()
	}
	p.sign(&d)
	p.chain = append(p.chain, d)
	p.world.docs = append(p.world.docs, d)
	for _, o := range p.world.parties {
		o.reg.Apply(d)
	}
	p.world.now = p.world.now.Add(time.Second)
	return d, nil
}

func (p *party) sign(d *fed.Doc) {
	d.Sig = ed25519.Sign(p.key, append([]byte(fed.DocDomain), d.SigningBytes()...))
}

func (p *party) write(kind, subject string, body any) fed.Doc {
	p.world.t.Helper()
	d, err := p.Append(context.Background(), fed.ScopeProject(projectID), kind, subject, body)
	must(p.world.t, err)
	return d
}

// settle lets the admin's node do what is pending.
func (w *world) settle() int {
	n := 0
	for a := w.parties[0]; ; n++ {
		due := a.reg.Pending(a.id)
		if len(due) == 0 {
			return n
		}
		for _, act := range due {
			a.write(act.Kind, act.Subject, act.Body)
		}
		if n > 100 {
			w.t.Fatal("pending actions never end")
		}
	}
}

// catchUp gives a new registry of p all documents, in an order drawn from seed
// that keeps each author's own.
func (w *world) catchUp(p *party, seed uint64) *Registry {
	r := w.registry(p)
	chains := map[fed.PartyID][]fed.Doc{}
	for _, d := range w.docs {
		chains[d.Author] = append(chains[d.Author], d)
	}
	rng := rand.New(rand.NewPCG(seed, 9))
	for len(chains) > 0 {
		ids := slices.Sorted(maps.Keys(chains))
		id := ids[rng.IntN(len(ids))]
		r.Apply(chains[id][0])
		if chains[id] = chains[id][1:]; len(chains[id]) == 0 {
			delete(chains, id)
		}
	}
	return r
}

type memBlobs map[fed.Digest][]byte

func (m memBlobs) PutBytes(_ context.Context, b []byte) (fed.BlobRef, error) {
	d := fed.DigestOf(b)
	m[d] = slices.Clone(b)
	return fed.BlobRef{Digest: d, Size: int64(len(b)), Root: d}, nil
}

func (m memBlobs) Get(_ context.Context, d fed.Digest) ([]byte, error) {
	b, ok := m[d]
	if !ok {
		return nil, fed.Errorf(fed.NotFound, "", "no such blob")
	}
	return b, nil
}

func (m memBlobs) Has(d fed.Digest) bool { return m[d] != nil }

// fakeScore is a logistic regression on the test preparation of testdata: numbers
// (v-50)/10, one indicator per value after the first.
func fakeScore(files map[string][]byte, rows []map[string]any) ([][]float64, error) {
	params, _, err := tensor.DecodeSafetensors(files[FileParams])
	if err != nil {
		return nil, err
	}
	var pipe struct{ Fields []Field }
	if err := json.Unmarshal(files[FilePipeline], &pipe); err != nil {
		return nil, err
	}
	var out [][]float64
	for _, row := range rows {
		z, at := float64(params[1].Data[0]), 0
		for _, f := range pipe.Fields {
			if f.Kind == "number" {
				v, ok := row[f.Name].(float64)
				if ok {
					z += float64(params[0].Data[at]) * (v - 50) / 10
				}
				at++
				continue
			}
			for _, known := range f.Values[1:] {
				if row[f.Name] == known {
					z += float64(params[0].Data[at])
				}
				at++
			}
		}
		p := 1 / (1 + math.Exp(-z))
		out = append(out, []float64{1 - p, p})
	}
	return out, nil
}

// input is a finished run of all parties of w; seed makes its params.
func (w *world) input(seed uint64) BuildInput {
	w.t.Helper()
	fields := []Field{
		{Name: "age", Kind: "number", Type: "float", Low: 29, High: 77, Typical: "54", Required: true, Unit: "years"},
		{Name: "chest_pain", Kind: "category", Type: "category", Values: []string{"asymptomatic", "typical"}, Low: nan, High: nan, Typical: "typical"},
		{Name: "vessels", Kind: "category", Type: "category", Values: []string{"0", "1", "2"}, Low: nan, High: nan},
	}
	classes := []string{"healthy", "disease"}
	cfg := fed.RunConfig{Task: fed.TaskClassify, Target: "num", Model: fed.ModelSpec{Family: model.Logistic}, Train: fed.TrainSpec{Optimizer: "sgd", LR: .1, Batch: 16, Epochs: 1}, Validation: &fed.Validation{Fraction: .2}, Strategy: fed.StrategySpec{Name: "fedavg"}, Rounds: 20, Seed: 1<<63 + 5}
	m, err := model.New(cfg.Model, cfg.Task, 4, 2)
	must(w.t, err)
	params, rng := m.Zeros(), rand.New(rand.NewPCG(seed, 1))
	for i := range params {
		for j := range params[i].Data {
			params[i].Data[j] = float32(rng.IntN(200)-100) / 64
		}
	}
	raw := tensor.EncodeSafetensors(params, nil)
	pipe, err := canonical(map[string]any{"fields": fields, "classes": classes, "mean": map[string]float64{"age": 50}})
	must(w.t, err)
	in := BuildInput{
		Model: "heart", CreatedMs: 1_800_000_100_000, Params: raw, Pipeline: pipe, Features: 4, Fields: fields, Classes: classes, Score: fakeScore,
		Run: fed.Run{ID: "fedcba9876543210fedcba9876543210", Project: projectID, Experiment: "00112233445566778899aabbccddeeff", Number: 1, Config: cfg, ConfigHash: fed.DigestOf([]byte("c")), Preparation: fed.DigestOf(pipe)},
		End: fed.RunEnd{Run: "fedcba9876543210fedcba9876543210", State: "finished", Reason: "completed", Rounds: 20, Best: 17, Params: fed.DigestOf(raw)},
		Metrics: MetricsFile{
			Pooled: fed.Metrics{"accuracy": .8125, "auc": .9}, Macro: fed.Metrics{"accuracy": .8}, Worst: fed.Metrics{"accuracy": .75},
			Parties: []PartyMetrics{{Name: "Alpha", Train: 100, Test: 16, Metrics: fed.Metrics{"accuracy": .8125, "auc": .9}}},
		},
		Contribution: map[string]fed.Number{"Alpha": .5},
	}
	for _, p := range w.parties {
		in.Parties = append(in.Parties, LineageParty{Party: p.id, Name: p.name, Title: p.name + " | records", Rows: "100-199"})
	}
	slices.SortFunc(in.Parties, func(a, b LineageParty) int { return cmp.Compare(a.Name, b.Name) })
	return in
}

// register publishes a version by p and gives everybody its files.
func (w *world) register(p *party, seed uint64) Version {
	w.t.Helper()
	v, err := p.reg.Register(context.Background(), w.input(seed))
	must(w.t, err)
	for _, o := range w.parties {
		maps.Copy(o.blobs, p.blobs)
	}
	w.settle()
	v, ok := p.reg.Version(v.ContentID)
	if !ok {
		w.t.Fatal("the version is gone")
	}
	return v
}

func (p *party) ask(contentID, to string) StageRequest {
	p.world.t.Helper()
	q, err := p.reg.Ask(context.Background(), contentID, to, "because the tests say so")
	must(p.world.t, err)
	return q
}

func (p *party) vote(q StageRequest, yes bool) {
	p.world.t.Helper()
	must(p.world.t, p.reg.Vote(context.Background(), q.ID, yes, ""))
}

func (w *world) stage(contentID string) string {
	w.t.Helper()
	stage := ""
	for _, p := range w.parties {
		v, ok := p.reg.Version(contentID)
		if !ok {
			w.t.Fatalf("%s does not know the version", p.name)
		}
		if stage != "" && v.Stage != stage {
			w.t.Fatalf("%s says %s, others %s", p.name, v.Stage, stage)
		}
		stage = v.Stage
	}
	return stage
}

func (w *world) request(p *party, id string) StageRequest {
	w.t.Helper()
	q, ok := p.reg.Request(id)
	if !ok {
		w.t.Fatalf("%s does not know the request", p.name)
	}
	return q
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t testing.TB, err error, k fed.Kind) {
	t.Helper()
	if err == nil || fed.KindOf(err) != k {
		t.Fatalf("error %v of kind %v, want %v", err, fed.KindOf(err), k)
	}
}
