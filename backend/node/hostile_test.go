package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/identity"
	"synergos.app/desktop/backend/network/wire"
)

// siege is a run under way with one party that lies to another.
type siege struct {
	t                *testing.T
	project, run     string
	lead, liar, mark *Hospital // mark is whom the liar lies to
}

// in returns the siege within a subtest.
func (s *siege) in(t *testing.T) *siege {
	c := *s
	c.t = t
	return &c
}

// net is the liar's network without what its own program would hold back.
func (s *siege) net() Network { return s.liar.net.(citing).Network }

// refusal sends a question and wants it refused and counted at the mark.
func (s *siege) refusal(what, reason string, m wire.Message) {
	s.t.Helper()
	before := s.mark.counted(reason)
	_, err := s.net().Request(s.t.Context(), s.mark.me(), m)
	if err == nil {
		s.t.Errorf("%s: answered", what)
	}
	s.counts(what, reason, before)
}

func (s *siege) counts(what, reason string, before int64) {
	s.t.Helper()
	Eventually(s.t, what+" to be counted as "+reason, func() bool { return s.mark.counted(reason) > before })
}

// document sends a document and wants it refused and counted at the mark.
func (s *siege) document(what, reason string, d fed.Doc) {
	s.t.Helper()
	before := s.mark.counted(reason)
	if err := s.liar.net.Send(s.t.Context(), s.mark.me(), wire.Doc{Doc: d}); err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
	s.counts(what, reason, before)
}

// A member that lies is refused, each time with a counted reason, and the grid goes
// on to the same result.
func TestMemberLies(t *testing.T) {
	t.Parallel()
	l := NewLab(t, trio...)
	cfg := CohortConfig(4)
	project := l.Project(cfg, nil)
	a := l.Hospital[0]
	want := a.Ended(a.Queue(project, cfg), "finished").Run.ParamsHash
	release := a.brake(2)
	run := a.Queue(project, cfg)
	lead, others := l.coordinator(run)
	lead.round(run, 1)
	others[1].round(run, 1)
	s := &siege{t: t, project: project, run: run, lead: lead, liar: others[1], mark: others[0]}
	t.Run("documents", s.lieInDocuments)
	t.Run("questions", s.askWithoutRight)
	t.Run("updates", s.lieInUpdates)
	t.Run("lead", s.usurp)
	t.Run("size", s.sendTooMuch)
	release()
	got := l.OneTruth(project, run)
	same(t, "params", got.Run.ParamsHash, want)
	for _, r := range got.Rounds[1:] {
		same(t, "parties of a round", len(r.Parties), 3)
	}
	if list := line(must(s.mark.Diagnostics(t.Context()))(t).Refusals); !strings.Contains(list, "score: permission") {
		t.Errorf("diagnostics shows %s", list)
	}
}

func (s *siege) lieInDocuments(t *testing.T) {
	s = s.in(t)
	all := allDocs(s.liar.Node)
	find := func(kind string, by *Hospital) fed.Doc {
		i := slices.IndexFunc(all, func(d fed.Doc) bool { return d.Kind == kind && d.Author == by.me() })
		if i < 0 {
			t.Fatalf("no document %s of %s", kind, by.Name)
		}
		return all[i]
	}
	altered := find(fed.DocAccept, s.mark)
	altered.Body = []byte(`{"consent":"","card":"","title":"all our rows","rowBand":""}`)
	s.document("an altered document", "document: permission", altered)

	foreign := fed.Doc{Scope: fed.ScopeProject(fed.ProjectID(newHex())), Author: s.liar.me(), Seq: 1, Kind: fed.DocRun, Subject: "x", TimeMs: 1, Body: []byte("{}"), Key: s.liar.identity().PublicKey()}
	foreign.Sig = s.liar.identity().Sign(fed.DocDomain, foreign.SigningBytes())
	s.document("a document of an unknown project", "document: the project is not known here", foreign)

	// What is well signed but not the liar's to say enters the book and changes nothing.
	scope, ctx := fed.ScopeProject(fed.ProjectID(s.project)), t.Context()
	p, _ := s.liar.projects.Get(fed.ProjectID(s.project))
	usurped := p.ProjectDoc
	usurped.Revision, usurped.Admin = 99, s.liar.me()
	must(s.liar.book.Append(ctx, scope, fed.DocProject, s.project, usurped))(t)
	align := *p.Alignment
	align.Revision = 99
	must(s.liar.book.Append(ctx, scope, fed.DocAlignment, s.project, align))(t)
	r, _ := s.liar.tracker.Run(fed.RunID(s.run))
	rec := r.Rounds[1]
	rec.DurationMs = 1
	must(s.liar.book.Append(ctx, scope, fed.DocRound, s.run, rec))(t)
	rec.Coordinator = s.liar.me()
	must(s.liar.book.Append(ctx, scope, fed.DocRound, s.run, rec))(t)
	end := fed.RunEnd{Run: r.ID, State: "finished", Rounds: r.Config.Rounds, Best: 1, Params: rec.Digest, Last: map[string]fed.Sums{}, Results: []fed.RunResult{}, Mandate: &rec.Mandate}
	must(s.liar.book.Append(ctx, scope, fed.DocRunEnd, s.run, end))(t)
	end.State, end.Mandate = "cancelled", nil
	must(s.liar.book.Append(ctx, scope, fed.DocRunEnd, s.run, end))(t)
	head := func(h *Hospital) uint64 {
		for _, x := range h.book.Vector(func(sc string, _ fed.PartyID) bool { return sc == scope }) {
			if x.Author == s.liar.me() {
				return x.Seq
			}
		}
		return 0
	}
	Eventually(t, "the documents to arrive", func() bool { return head(s.mark) == head(s.liar) })
	q, _ := s.mark.projects.Get(fed.ProjectID(s.project))
	same(t, "admin and alignment", line(q.Admin, q.Revision, q.Alignment.Revision), line(p.Admin, p.Revision, p.Alignment.Revision))
	m, _ := s.mark.tracker.Run(fed.RunID(s.run))
	same(t, "parties of round 1", len(m.Rounds[1].In), 3)
	same(t, "record of round 1", m.Rounds[1].Coordinator, s.lead.me())
	if m.Rounds[1].DurationMs == 1 || m.End != nil {
		t.Errorf("the liar's record stands, or its end: %+v", m.End)
	}
	for why, n := range map[string]int64{
		"record: round: written in another's name": 1, "record: round: its author is not proven to coordinate": 1,
		"record: run.end: its author is not proven to coordinate": 2,
	} {
		same(t, why, s.mark.counted(why), n)
	}
}

func (s *siege) askWithoutRight(t *testing.T) {
	s = s.in(t)
	r, _ := s.liar.tracker.Run(fed.RunID(s.run))
	base := fed.BlobRef{Digest: r.Rounds[0].Digest}
	if ref, err := s.liar.store.Ref(base.Digest); err == nil {
		base = ref
	}
	id := fed.RunID(s.run)
	s.refusal("scores", "score: permission", wire.Score{ScoreAsk: fed.ScoreAsk{Run: id, Round: 1, Base: base, In: r.Rounds[1].In}})
	s.refusal("sums", "eval: permission", wire.Eval{EvalAsk: fed.EvalAsk{Run: id, Params: base, Part: "test", Alone: true}})
	s.refusal("sums of an unknown run", "eval: not_found", wire.Eval{EvalAsk: fed.EvalAsk{Run: fed.RunID(newHex()), Params: base, Part: "test"}})
	s.refusal("columns", "align: permission", wire.Align{Project: fed.ProjectID(s.project), Step: stepOffer, Body: []byte("{}")})
	s.refusal("sums of columns", "align: permission", wire.Align{Project: fed.ProjectID(s.project), Step: stepStats, Body: []byte("{}")})
	body, _ := json.Marshal(r.Run)
	s.refusal("a run of another", "query: permission", wire.Query{Name: askOpen, Body: body})
	short, _ := json.Marshal(id)
	s.refusal("a start", "query: permission", wire.Query{Name: askStart, Body: short})
	s.refusal("a drop", "query: permission", wire.Query{Name: askDrop, Body: short})
	s.refusal("a question of its own", "connection: permission", wire.Query{Name: "rows.all", Body: []byte("{}")})
	before := s.mark.counted("control: invalid")
	if err := s.net().Send(t.Context(), s.mark.me(), wire.Control{Grid: id, Action: "cancel", Reason: "me"}); err != nil {
		t.Fatal(err)
	}
	s.counts("an act of its own", "control: invalid", before)
	x, _ := s.mark.run(s.run)
	if x.Run.EndedAt != nil || strings.Contains(history(x), "cancel") {
		t.Errorf("the act left a trace: %s\n%s", x.Run.Sentence, history(x))
	}
}

// usurp has the liar pass for the coordinator of a newer term: without a mandate,
// with its own vote alone, and with the mandate of who leads.
func (s *siege) usurp(t *testing.T) {
	s = s.in(t)
	id := fed.RunID(s.run)
	st := s.liar.grids.get(id).session.State()
	r, _ := s.liar.tracker.Run(id)
	acc := st.Committed
	acc.Term = st.Term + 5
	m := wire.Round{Grid: id, Epoch: 1, Term: acc.Term, Acc: acc, Blob: must(s.liar.store.Ref(acc.Digest))(t)}
	for _, p := range []*Hospital{s.lead, s.mark, s.liar} {
		x, _ := r.Member(p.me())
		for len(m.Voters) <= x.Rank {
			m.Voters = append(m.Voters, "")
		}
		m.Voters[x.Rank] = p.me()
	}
	ballot := fed.Ballot{Run: id, Epoch: 1, Term: acc.Term, Candidate: s.liar.me(), Acc: st.Committed}
	own := s.liar.keys().Signed(fed.BallotDomain, ballot.SigningBytes())
	for why, mandate := range map[string]fed.Mandate{
		"grid: no mandate to coordinate": {}, "grid: mandate not proven": {Ballot: ballot, Votes: []fed.Signature{own, own}},
	} {
		m.Mandate = mandate
		before := s.mark.counted(why)
		if err := s.liar.net.Send(t.Context(), s.mark.me(), m); err != nil {
			t.Fatal(err)
		}
		s.counts("a lead without votes", why, before)
	}
	before := s.mark.counted("grid: mandate not proven")
	m.Mandate = st.Mandate
	m.Term, m.Acc.Term, m.Mandate.Term = acc.Term, acc.Term, acc.Term
	if err := s.liar.net.Send(t.Context(), s.mark.me(), m); err != nil {
		t.Fatal(err)
	}
	s.counts("a lead with another's votes", "grid: mandate not proven", before)
	if x := s.mark.grids.get(id).session.State(); x.Leader != s.lead.me() || x.Term != st.Term {
		t.Errorf("%s is led by %s in term %d", s.mark.Name, x.Leader.Short(), x.Term)
	}
	s.refusal("sums for a usurper", "eval: permission", wire.Eval{EvalAsk: fed.EvalAsk{Run: id, Round: acc.Round, Params: m.Blob, Part: "test"}})
}

// lieInUpdates lies to the coordinator.
func (s *siege) lieInUpdates(t *testing.T) {
	s = s.in(t)
	mark := s.mark
	s.mark = s.lead
	x := s.liar.grids.get(fed.RunID(s.run)).session.State()
	ref := must(s.liar.store.PutBytes(t.Context(), []byte("no params at all")))(t)
	u := wire.Update{Update: fed.Update{Run: fed.RunID(s.run), Term: x.Term, Round: x.Committed.Round + 1, Base: x.Committed.Digest, Blob: ref, Examples: 1 << 40, Valid: fed.Sums{}}}
	u.Claim = s.liar.keys().Signed(fed.ClaimDomain, u.Claimed().SigningBytes())
	u.Sig = mark.identity().Sign(wire.UpdateDomain, u.SigningBytes())
	s.refusal("an update of another party", "update: permission", u)
	u.Sig = bytes.Repeat([]byte{1}, 64)
	s.refusal("an update with a bad signature", "update: permission", u)
	u.Run = fed.RunID(newHex())
	u.Sig = s.liar.identity().Sign(wire.UpdateDomain, u.SigningBytes())
	s.refusal("an update of an unknown run", "update: unavailable", u)
}

func (s *siege) sendTooMuch(t *testing.T) {
	s = s.in(t)
	junk := slices.Concat([]byte{'"'}, bytes.Repeat([]byte("x"), 200<<10), []byte{'"'})
	s.refusal("junk", "query: invalid", wire.Query{Name: askLive, Body: junk})
	s.refusal("junk as a run", "query: invalid", wire.Query{Name: askOpen, Body: junk})

	// Its own app dials again meanwhile and may win the place before the message is
	// read: then it is sent again.
	before := s.mark.counted("connection: oversized")
	Eventually(t, "a message over the limit to be counted", func() bool {
		s.shout(make([]byte, 2*wire.MaxControl))
		return s.mark.counted("connection: oversized") > before
	})
	(&Lab{T: t}).together(s.liar, s.mark, s.lead)
}

// shout opens a session as the liar, outside its app, sends raw bytes and returns
// when the mark has cut the connection.
func (s *siege) shout(b []byte) {
	s.t.Helper()
	self := s.liar.identity()
	_, cfg := identity.TLS(self, func(fed.DeviceID) bool { return true })
	d := websocket.Dialer{TLSClientConfig: cfg, HandshakeTimeout: 20 * time.Second}
	ws, resp, err := d.Dial("wss://"+s.mark.address()+"/v1/control", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = errors.Join(resp.Body.Close(), ws.Close()) }()
	hello := wire.Hello{Major: wire.Major, Statement: wire.Signed(self.Signed()), ClockMs: time.Now().UnixMilli(), Instance: newHex(), Session: newHex()}
	raw, err := wire.Encode(wire.OnControl, wire.Envelope{Msg: hello})
	if err != nil {
		s.t.Fatal(err)
	}
	_ = ws.WriteMessage(websocket.BinaryMessage, raw)
	for sent := false; ; sent = true {
		_ = ws.SetReadDeadline(time.Now().Add(patience))
		if _, _, err := ws.ReadMessage(); err != nil {
			return
		}
		if !sent { // after HELLO_OK
			_ = ws.WriteMessage(websocket.BinaryMessage, b)
		}
	}
}
