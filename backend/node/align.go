package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
	"synergos.app/desktop/backend/learning/train"
	"synergos.app/desktop/backend/network/wire"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/party"
	"synergos.app/desktop/backend/service/project"
)

// alignments agrees with the other members on columns and scaling, and keeps what
// was agreed, ready for use.
type alignments struct {
	n     *Node
	mu    sync.Mutex
	work  map[fed.ProjectID]*alignWork
	preps map[fed.Digest]*dataset.Preparation
	rows  map[fed.RunID]*party.Rows
}

// alignWork is an alignment in the making, at the admin.
type alignWork struct {
	state    string // gathering, confirm, stats
	proposal *dataset.Alignment
	problem  error
}

func newAlignments(n *Node) *alignments {
	return &alignments{n: n, work: map[fed.ProjectID]*alignWork{}, preps: map[fed.Digest]*dataset.Preparation{}, rows: map[fed.RunID]*party.Rows{}}
}

func (a *alignments) state(p project.Project) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.work[p.ID]; w != nil {
		return w.state
	}
	if p.Alignment != nil {
		return "agreed"
	}
	return "none"
}

// Steps of agreeing.
const (
	stepOffer = "offer_ask"
	stepStats = "stats_ask"
)

// statsAsk asks a member for its sums.
type statsAsk struct {
	Draft  json.RawMessage   `json:"draft"`
	Rename map[string]string `json:"rename"`
}

// statsReply carries sums and the number of training rows, rounded to tens.
type statsReply struct {
	Stats json.RawMessage `json:"stats"`
	Rows  int64           `json:"rows"`
}

// StartAlignment asks every member for its columns and proposes what belongs
// together. Only the admin does.
func (n *Node) StartAlignment(ctx context.Context, id string) (view.Alignment, error) {
	p, err := n.administered(id)
	if err != nil {
		return view.Alignment{}, err
	}
	if len(p.Accepted()) < 2 {
		return view.Alignment{}, fed.Errorf(fed.Invalid, "Wait until another party has accepted the invitation.", "a project needs at least two parties that have accepted")
	}
	if err := n.aligns.begin(p.ID); err != nil {
		return view.Alignment{}, err
	}
	n.ops.start("alignment", "Aligning columns in "+p.Name, id, func(ctx context.Context, pr progress) (string, error) {
		err := n.aligns.gather(ctx, p, pr)
		n.aligns.told(p.ID, err)
		return id, err
	})
	return n.Alignment(ctx, id)
}

func (a *alignments) begin(id fed.ProjectID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.work[id]; w != nil && (w.state == "gathering" || w.state == "stats") && w.problem == nil {
		return fed.Errorf(fed.Busy, "Wait until it is done.", "the alignment is under way")
	}
	a.work[id] = &alignWork{state: "gathering"}
	return nil
}

func (a *alignments) told(id fed.ProjectID, err error) {
	a.mu.Lock()
	if w := a.work[id]; w != nil {
		w.problem = err
	}
	a.mu.Unlock()
	a.n.publish("alignment", string(id), nil)
	if p, ok := a.n.projects.Get(id); ok {
		a.n.publish("project", string(id), a.n.projectView(p))
	}
}

func (a *alignments) set(id fed.ProjectID, f func(w *alignWork)) {
	a.mu.Lock()
	if w := a.work[id]; w != nil {
		f(w)
	}
	a.mu.Unlock()
	a.n.publish("alignment", string(id), nil)
}

// gather collects the offers; without open questions it goes on to the sums.
func (a *alignments) gather(ctx context.Context, p project.Project, pr progress) error {
	offers := map[string]*dataset.Offer{}
	members := p.Accepted()
	for i, m := range members {
		pr("asking "+m.Name+" for its columns", int64(i), int64(2*len(members)), "steps")
		raw, err := a.ask(ctx, m.Party, p.ID, stepOffer, nil)
		if err != nil {
			return fed.Errorf(fed.KindOf(err), hintOr(err, "Start the alignment again when it is online."), "%s could not tell its columns: %w", m.Name, err)
		}
		o, err := dataset.ParseOffer(raw)
		if err != nil {
			return fed.Errorf(fed.Invalid, fed.HintOf(err), "the columns of %s cannot be used: %w", m.Name, err)
		}
		offers[m.Name] = o
	}
	al, err := dataset.Propose(offers, p.Config)
	if err != nil {
		return err
	}
	waits := al.Pending() > 0
	a.set(p.ID, func(w *alignWork) {
		w.proposal, w.state = al, "stats"
		if waits {
			w.state = "confirm"
		}
	})
	if waits {
		a.n.inbox.ask(ctx, view.InboxEntry{
			ID: "alignment-" + string(p.ID) + "-" + newHex()[:8], Kind: "alignment", Subject: string(p.ID), From: p.Name, Title: "Columns to confirm in " + p.Name,
			Text: "Some parties name a column differently. Confirm which columns belong together.", Href: "/projects/" + string(p.ID),
		})
		return nil
	}
	return a.agree(ctx, p, al, pr)
}

func hintOr(err error, hint string) string {
	if h := fed.HintOf(err); h != "" {
		return h
	}
	return hint
}

// ask puts a step to a member, which may be this party.
func (a *alignments) ask(ctx context.Context, to fed.PartyID, id fed.ProjectID, step string, body []byte) ([]byte, error) {
	if body == nil {
		body = []byte("{}")
	}
	m := wire.Align{Project: id, Step: step, Body: body}
	if to == a.n.me() {
		return a.answer(ctx, to, m)
	}
	reply, err := a.n.net.Request(ctx, to, m)
	if err != nil {
		return nil, err
	}
	r, ok := reply.(wire.Answer)
	if !ok {
		return nil, errUnexpected(reply)
	}
	return r.Body, nil
}

// answer serves the admin's steps with what this party consented to tell.
func (a *alignments) answer(ctx context.Context, from fed.PartyID, m wire.Align) ([]byte, error) {
	p, ok := a.n.projects.Get(m.Project)
	if !ok || p.Admin != from {
		return nil, fed.Errorf(fed.Permission, "", "only the admin of a project aligns it")
	}
	t, err := a.table(ctx, p)
	if err != nil {
		return nil, err
	}
	switch m.Step {
	case stepOffer:
		o, err := dataset.MakeOffer(t, p.Config, p.Policy.Floor)
		if err != nil {
			return nil, err
		}
		return o.Marshal()
	case stepStats:
		return a.sums(p, t, m.Body)
	}
	return nil, fed.Errorf(fed.Invalid, "", "alignment step %q is not known", m.Step)
}

// table returns what a project may use of this party's dataset.
func (a *alignments) table(ctx context.Context, p project.Project) (*dataset.Table, error) {
	c, err := a.n.consentOf(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	return a.n.data.projectTable(ctx, c.Dataset, p.Config)
}

func (a *alignments) sums(p project.Project, t *dataset.Table, body []byte) ([]byte, error) {
	var ask statsAsk
	if err := json.Unmarshal(body, &ask); err != nil {
		return nil, fed.Errorf(fed.Invalid, "", "question for sums cannot be read: %w", err)
	}
	draft, err := dataset.ParsePreparation(ask.Draft)
	if err != nil {
		return nil, err
	}
	local := dataset.Local{Rename: ask.Rename}
	rows, err := dataset.Split(t, draft, p.Config, a.myName(p), local)
	if err != nil {
		return nil, err
	}
	st, err := dataset.LocalStats(t, draft, rows.Train, local, p.Policy.Floor)
	if err != nil {
		return nil, err
	}
	raw, err := st.Marshal()
	if err != nil {
		return nil, err
	}
	return json.Marshal(statsReply{Stats: raw, Rows: int64((len(rows.Train) + 5) / 10 * 10)})
}

func (a *alignments) myName(p project.Project) string {
	s, _ := p.Standing(a.n.me())
	return s.Name
}

// ConfirmAlignment takes a person's decision about the proposed matches and goes
// on to the sums.
func (n *Node) ConfirmAlignment(ctx context.Context, id string, matches []view.ColumnMatch) (view.Alignment, error) {
	p, err := n.administered(id)
	if err != nil {
		return view.Alignment{}, err
	}
	al, err := n.aligns.confirm(p.ID, matches)
	if err != nil {
		return view.Alignment{}, err
	}
	n.inbox.answered(ctx, "alignment", id)
	n.ops.start("alignment", "Agreeing on scaling in "+p.Name, id, func(ctx context.Context, pr progress) (string, error) {
		err := n.aligns.agree(ctx, p, al, pr)
		n.aligns.told(p.ID, err)
		return id, err
	})
	return n.Alignment(ctx, id)
}

func (a *alignments) confirm(id fed.ProjectID, matches []view.ColumnMatch) (*dataset.Alignment, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.work[id]
	if w == nil || w.proposal == nil || w.state != "confirm" {
		return nil, fed.Errorf(fed.Invalid, "Start the alignment first.", "there is nothing to confirm")
	}
	var ms []dataset.Match
	for _, m := range matches {
		if m.Confirmed {
			ms = append(ms, dataset.Match{Party: m.Party, From: m.From, To: m.To, Confirmed: true, Why: m.Why, Score: zeroNaN(float64(m.Score))})
		}
	}
	al, err := w.proposal.Confirm(ms)
	if err != nil {
		return nil, err
	}
	w.proposal, w.state, w.problem = al, "stats", nil
	return al, nil
}

// agree fits the shared scaling from the members' sums and signs the result.
func (a *alignments) agree(ctx context.Context, p project.Project, al *dataset.Alignment, pr progress) (err error) {
	defer func() {
		if err != nil { // the question stays open, and can be answered again
			a.set(p.ID, func(w *alignWork) { w.state = "confirm" })
		}
	}()
	draft, err := al.Draft()
	if err != nil {
		return err
	}
	raw, err := draft.Marshal()
	if err != nil {
		return err
	}
	stats, doc := map[string]*dataset.Stats{}, fed.AlignmentDoc{Renames: map[string]map[string]string{}, Rows: map[string]int64{}}
	members := p.Accepted()
	for i, m := range members {
		pr("adding up the sums of "+m.Name, int64(len(members)+i), int64(2*len(members)), "steps")
		doc.Renames[m.Name] = al.Rename(m.Name)
		if doc.Renames[m.Name] == nil {
			doc.Renames[m.Name] = map[string]string{}
		}
		reply, err := a.statsOf(ctx, p.ID, m, draft, raw, doc.Renames[m.Name])
		if err != nil {
			return err
		}
		stats[m.Name], doc.Rows[m.Name] = reply.stats, reply.rows
	}
	prep, findings, err := draft.Finish(stats)
	if err != nil {
		return err
	}
	if doc.Preparation, err = prep.Marshal(); err != nil {
		return err
	}
	doc.Digest, doc.Revision = fed.DigestOf(doc.Preparation), 1
	if p.Alignment != nil {
		doc.Revision = p.Alignment.Revision + 1
	}
	if doc.Table, err = json.Marshal(alignTable{Parties: al.Parties, Columns: al.Columns, Matches: al.Matches, Findings: append(slices.Clone(al.Findings), findings...)}); err != nil {
		return err
	}
	if _, err := a.n.book.Append(ctx, fed.ScopeProject(p.ID), fed.DocAlignment, string(p.ID), doc); err != nil {
		return err
	}
	a.mu.Lock()
	delete(a.work, p.ID)
	a.mu.Unlock()
	return nil
}

// alignTable is the part of an alignment that everybody sees.
type alignTable struct {
	Parties  []string                `json:"parties"`
	Columns  []dataset.AlignedColumn `json:"columns"`
	Matches  []dataset.Match         `json:"matches"`
	Findings []dataset.Finding       `json:"findings"`
}

type memberSums struct {
	stats *dataset.Stats
	rows  int64
}

func (a *alignments) statsOf(ctx context.Context, id fed.ProjectID, m project.Standing, draft *dataset.Preparation, raw []byte, rename map[string]string) (memberSums, error) {
	body, err := json.Marshal(statsAsk{Draft: raw, Rename: rename})
	if err != nil {
		return memberSums{}, err
	}
	out, err := a.ask(ctx, m.Party, id, stepStats, body)
	if err != nil {
		return memberSums{}, fed.Errorf(fed.KindOf(err), hintOr(err, "Confirm again when it is online."), "%s could not add up its columns: %w", m.Name, err)
	}
	var r statsReply
	if err := json.Unmarshal(out, &r); err != nil {
		return memberSums{}, fed.Errorf(fed.Invalid, "", "the sums of %s cannot be read: %w", m.Name, err)
	}
	st, err := dataset.ParseStats(r.Stats, draft)
	if err != nil {
		return memberSums{}, fed.Errorf(fed.Invalid, fed.HintOf(err), "the sums of %s do not fit: %w", m.Name, err)
	}
	return memberSums{st, min(max(r.Rows, 0), 1<<40)}, nil
}

// Alignment returns the table of columns against parties.
func (n *Node) Alignment(_ context.Context, id string) (view.Alignment, error) {
	p, err := n.project(id)
	if err != nil {
		return view.Alignment{}, err
	}
	v := view.Alignment{
		ProjectID: id, State: n.aligns.state(p), Parties: []string{}, Columns: []view.AlignmentColumn{}, Matches: []view.ColumnMatch{},
		Features: []string{}, Scaling: []view.ScalingRow{}, Issues: []view.Finding{},
	}
	n.aligns.mu.Lock()
	w := n.aligns.work[p.ID]
	var al *dataset.Alignment
	if w != nil {
		al = w.proposal
		if w.problem != nil {
			v.Issues = append(v.Issues, view.Finding{Severity: "error", Text: w.problem.Error(), Remedy: fed.HintOf(w.problem)})
		}
	}
	n.aligns.mu.Unlock()
	switch {
	case al != nil:
		fillTable(&v, alignTable{Parties: al.Parties, Columns: al.Columns, Matches: al.Matches, Findings: al.Findings})
	case w == nil && p.Alignment != nil:
		n.fillAgreed(&v, p.Alignment)
	}
	v.CanConfirm = v.State == "confirm" && p.Admin == n.me()
	_, v.Sentence = n.projectState(p)
	return v, nil
}

func fillTable(v *view.Alignment, t alignTable) {
	v.Parties = append(v.Parties, t.Parties...)
	for _, c := range t.Columns {
		col := view.AlignmentColumn{Name: c.Name, Type: string(c.Type), Role: c.Role, Cells: []view.AlignmentCell{}}
		for _, x := range c.Cells {
			col.Cells = append(col.Cells, view.AlignmentCell{State: x.Status, Name: x.Name, Note: x.Note})
		}
		v.Columns = append(v.Columns, col)
	}
	for _, m := range t.Matches {
		v.Matches = append(v.Matches, view.ColumnMatch{Party: m.Party, From: m.From, To: m.To, Score: fed.Number(m.Score), Why: m.Why, Confirmed: m.Confirmed})
	}
	for _, f := range t.Findings {
		v.Issues = append(v.Issues, findingView(f))
	}
}

func findingView(f dataset.Finding) view.Finding {
	return view.Finding{Severity: f.Severity, Column: f.Column, Row: f.Row, Text: f.Text, Why: f.Why, Remedy: f.Remedy}
}

func (n *Node) fillAgreed(v *view.Alignment, doc *fed.AlignmentDoc) {
	var t alignTable
	if json.Unmarshal(doc.Table, &t) == nil {
		fillTable(v, t)
	}
	prep, err := dataset.ParsePreparation(doc.Preparation)
	if err != nil {
		v.Issues = append(v.Issues, view.Finding{Severity: "error", Text: err.Error(), Remedy: "Ask the admin to align again."})
		return
	}
	v.Digest = string(doc.Digest)
	v.Features = append(v.Features, prep.Features...)
	for _, c := range prep.Columns {
		if c.Type.Numeric() {
			v.Scaling = append(v.Scaling, view.ScalingRow{Column: c.Name, Mean: c.Mean, SD: c.SD, Fill: c.Fill})
		}
	}
}

// preparation returns the agreed preparation of a project, parsed once. digest ""
// takes the newest.
func (a *alignments) preparation(id fed.ProjectID, digest fed.Digest) (*dataset.Preparation, *fed.AlignmentDoc, error) {
	p, ok := a.n.projects.Get(id)
	if !ok || p.Alignment == nil {
		return nil, nil, fed.Errorf(fed.Unavailable, "Align the columns on the project's page first.", "the parties have not agreed on their columns yet")
	}
	if digest != "" && digest != p.Alignment.Digest {
		return nil, nil, fed.Errorf(fed.Incompatible, "Start the experiment again.", "the columns were aligned anew since")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if prep := a.preps[p.Alignment.Digest]; prep != nil {
		return prep, p.Alignment, nil
	}
	prep, err := dataset.ParsePreparation(p.Alignment.Preparation)
	if err != nil {
		return nil, nil, err
	}
	a.preps[p.Alignment.Digest] = prep
	return prep, p.Alignment, nil
}

// AgreedPreparation returns what a project agreed on, with the renames by party
// name; for rehearsals.
func (n *Node) AgreedPreparation(project string) (*dataset.Preparation, map[string]map[string]string, error) {
	prep, doc, err := n.aligns.preparation(fed.ProjectID(project), "")
	if err != nil {
		return nil, nil, err
	}
	return prep, doc.Renames, nil
}

// rowsOf opens this party's rows for a run under its consent, prepared as agreed.
func (n *Node) rowsOf(ctx context.Context, run fed.Run) (*party.Rows, error) {
	if err := n.consents(run); err != nil {
		return nil, err
	}
	n.aligns.mu.Lock()
	known := n.aligns.rows[run.ID]
	n.aligns.mu.Unlock()
	if known != nil {
		return known, nil
	}
	r, err := n.prepareRows(ctx, run)
	if err != nil {
		return nil, err
	}
	n.aligns.mu.Lock()
	defer n.aligns.mu.Unlock()
	if len(n.aligns.rows) >= 2*max(n.gridLimit(), 2) {
		clear(n.aligns.rows)
	}
	n.aligns.rows[run.ID] = r
	return r, nil
}

func (n *Node) prepareRows(ctx context.Context, run fed.Run) (*party.Rows, error) {
	prep, doc, err := n.aligns.preparation(run.Project, run.Preparation)
	if err != nil {
		return nil, err
	}
	c, err := n.consentOf(ctx, run.Project)
	if err != nil {
		return nil, err
	}
	t, err := n.data.projectTable(ctx, c.Dataset, run.Config)
	if err != nil {
		return nil, err
	}
	rec, _ := n.data.get(c.Dataset)
	m, err := n.modelOf(run)
	if err != nil {
		return nil, err
	}
	name := run.NameOf(n.me())
	out := &party.Rows{Model: m, Name: name, Secret: n.bootstrapSecret(rec.secret, name)}
	return out, Prepare(out, t, prep, run.Config, name, doc.Renames[name])
}

// Prepare fills in a party's rows: split, scaled and encoded as agreed.
func Prepare(out *party.Rows, t *dataset.Table, prep *dataset.Preparation, cfg fed.RunConfig, name string, rename map[string]string) error {
	return PrepareWith(out, t, prep, cfg, name, rename, nil)
}

// PrepareWith is Prepare with a given scaler where the project scales per party;
// nil fits the party's own.
func PrepareWith(out *party.Rows, t *dataset.Table, prep *dataset.Preparation, cfg fed.RunConfig, name string, rename map[string]string, own *dataset.Scaler) error {
	local := dataset.Local{Rename: rename}
	rows, err := dataset.Split(t, prep, cfg, name, local)
	if err != nil {
		return err
	}
	if prep.Scaling == "per_party" {
		local.Scaler = own
	}
	if prep.Scaling == "per_party" && own == nil {
		if local.Scaler, err = prep.FitLocal(t, rows.Train, local); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		rows []int
		to   *train.Data
	}{{rows.Train, &out.Train}, {rows.Valid, &out.Valid}, {rows.Test, &out.Test}} {
		x, err := prep.Apply(t, part.rows, local)
		if err != nil {
			return err
		}
		y, err := prep.Labels(t, part.rows, local)
		if err != nil {
			return err
		}
		*part.to = train.Data{X: x, Y: y, N: len(part.rows), D: prep.Inputs()}
	}
	return nil
}

// bootstrapSecret seeds what others must not replay. Virtual parties of a
// rehearsal have no secrets, so that a rehearsal repeats to the last bit.
func (n *Node) bootstrapSecret(secret []byte, name string) []byte {
	if n.virtual() {
		return []byte(name)
	}
	return secret
}

// ConsentSheet says exactly what will leave this computer under a project.
func (n *Node) ConsentSheet(_ context.Context, id, datasetID string) (view.ConsentSheet, error) {
	p, err := n.project(id)
	if err != nil {
		return view.ConsentSheet{}, err
	}
	names := []string{}
	for _, s := range p.Standings {
		if s.Party != n.me() {
			names = append(names, s.Name)
		}
	}
	inputs := 20 // a guess without a dataset; a category makes more than one input
	columns, err := n.data.projectColumns(datasetID, p.Config)
	if err != nil {
		columns = []string{}
	} else {
		inputs = 2 * len(columns)
	}
	params := int64(inputs+1)*4 + 300
	v := view.ConsentSheet{
		ProjectID: id, Asker: n.nameOf(string(p.Admin)), Purpose: p.Purpose,
		Leaves: []view.ConsentLine{
			{What: "Names, types, missing bands, rounded ranges and frequent values of the columns", How: "once, when the columns are aligned", Who: n.nameOf(string(p.Admin)) + "; the table of columns goes to all members", Bytes: 4096},
			{What: fmt.Sprintf("Count, sum and sum of squares per number column and counts per category, over the training rows; nothing below %d", p.Policy.Floor), How: "once, for the shared scaling", Who: n.nameOf(string(p.Admin)) + "; the resulting means and deviations go to all members", Bytes: 2048},
			{What: "Changes of the model's numbers after training here", How: "once per round", Who: "the coordinator of the run and, for scoring, all members", Bytes: params},
			{What: "Sums of errors of the shared model on held-out rows (counts, loss, confusion table, score histogram)", How: "once per round and once at the end", Who: "all members", Bytes: 5000},
			{What: "How much each combination of updates improves the model on held-out rows", How: "once per round", Who: "all members", Bytes: 40_000},
		},
		Stays:   []string{"Every row, label and identifier", "The file itself, its name and folder", "Predictions for single rows"},
		Sees:    []string{"Members: " + list(names), "Mode open: the coordinator and the scorers see this party's update of each round"},
		Privacy: "No differential privacy guarantee in this mode. Updates of a model can, in principle, tell something about the rows they were trained on, and sums of a column something about a single value that is far larger than all others together.",
		Reward:  fmt.Sprintf("A pool of %.2f %s per finished run is divided by measured contribution. The app records who is owed what; it moves no money.", float64(p.Policy.PoolCents)/100, p.Policy.Currency),
		Expires: "in 365 days unless you choose less; you can leave at any time", Datasets: n.fitting(p), Columns: columns,
	}
	raw, err := json.Marshal(struct {
		Doc     fed.ProjectID
		Config  fed.RunConfig
		Policy  fed.Policy
		Purpose string
		Leaves  []view.ConsentLine
	}{p.ID, p.Config, p.Policy, p.Purpose, v.Leaves})
	if err != nil {
		return v, fmt.Errorf("digest the sheet: %w", err)
	}
	v.Digest = string(fed.DigestOf(raw))
	return v, nil
}

// fitting lists this party's datasets by how many columns they share with what is
// known of the project.
func (n *Node) fitting(p project.Project) []view.ConsentDataset {
	want := n.projectColumns(p)
	out := []view.ConsentDataset{}
	for _, r := range n.data.byFit(want) {
		if r.tutorial && !n.isPractice(p) {
			continue
		}
		have := map[string]bool{}
		for _, c := range r.usable {
			have[c] = true
		}
		v := view.ConsentDataset{ID: string(r.id), Name: r.title(), Of: len(want)}
		for _, c := range want {
			v.Matched += fromBool(have[c])
		}
		if !have[p.Config.Target] {
			v.Note = fmt.Sprintf("has no column %q; it may have another name", p.Config.Target)
		}
		out = append(out, v)
	}
	return out
}

// projectColumns is what is known of a project's columns: target and those that
// its configuration names, and those of the admin's card.
func (n *Node) projectColumns(p project.Project) []string {
	set := map[string]bool{p.Config.Target: true}
	for _, c := range p.Config.Categorical {
		set[c] = true
	}
	for _, s := range p.Standings {
		for _, c := range n.cardColumns(s.Accept.Card) {
			set[c] = true
		}
	}
	for _, d := range p.Config.Drop {
		delete(set, d)
	}
	return slices.Sorted(maps.Keys(set))
}
