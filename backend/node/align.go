package node

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/learning/dataset"
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
	asked    *dataset.Alignment // what a person was asked to confirm; nil when all columns had one name
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

// failed reports whether the last comparison failed.
func (a *alignments) failed(id fed.ProjectID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.work[id]
	return w != nil && w.problem != nil
}

// Steps of agreeing.
const (
	stepOffer = "offer_ask"
	stepStats = "stats_ask"
)

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
	n.ops.start("alignment", "Comparing the columns of "+p.Name, id, func(ctx context.Context, pr progress) (string, error) {
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
		return fed.Errorf(fed.Busy, "Wait until it is done.", "the columns are being compared")
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
		pr("Asking "+m.Name+" for its columns", int64(i), int64(2*len(members)), "steps")
		raw, err := a.ask(ctx, m.Party, p.ID, stepOffer, nil)
		if err != nil {
			return fed.Errorf(fed.KindOf(err), hintOr(err, "Compare the columns again when it is online."), "%s could not tell its columns: %w", m.Name, err)
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
			w.asked, w.state = al, "confirm"
		}
	})
	if waits {
		a.n.inbox.ask(ctx, view.InboxEntry{
			ID: "alignment-" + string(p.ID) + "-" + newHex()[:8], Kind: "alignment", Subject: string(p.ID), From: p.Name, Title: "Columns to confirm in " + p.Name,
			Text: "Some parties name a column differently. Confirm which columns belong together.", Href: "/projects/" + string(p.ID) + "?tab=alignment",
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

// askTries is how often a member is asked whose connection is not there: it may come
// up, or be replaced by another, at that moment. Answers are kept, so that a question
// that arrived twice tells nothing more.
const askTries = 6

// ask puts a step to a member, which may be this party.
func (a *alignments) ask(ctx context.Context, to fed.PartyID, id fed.ProjectID, step string, body []byte) ([]byte, error) {
	if body == nil {
		body = []byte("{}")
	}
	m := wire.Align{Project: id, Step: step, Body: body}
	if to == a.n.me() {
		return a.answer(ctx, to, m)
	}
	pause := time.NewTicker(a.n.opts.Timers.Heartbeat)
	defer pause.Stop()
	for try := 1; ; try++ {
		reply, err := a.n.net.Request(ctx, to, m)
		if err == nil {
			r, ok := reply.(wire.Answer)
			if !ok {
				return nil, errUnexpected(reply)
			}
			return r.Body, nil
		}
		if fed.KindOf(err) != fed.Unavailable || try == askTries {
			return nil, err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, err
		}
	}
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
		return nil, fed.Errorf(fed.Invalid, "Compare the columns first.", "there is nothing to confirm")
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
		if err != nil { // a question stays open, and can be answered again
			a.set(p.ID, func(w *alignWork) {
				if w.asked != nil {
					w.proposal, w.state = w.asked, "confirm"
				}
			})
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
		pr("Adding up the sums of "+m.Name, int64(len(members)+i), int64(2*len(members)), "steps")
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
		return memberSums{}, fed.Errorf(fed.KindOf(err), hintOr(err, "Compare the columns again when it is online."), "%s could not add up its columns: %w", m.Name, err)
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
