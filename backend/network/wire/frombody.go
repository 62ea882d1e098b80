package wire

import (
	"encoding/hex"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire/pb"
)

// fromBody returns the checked message of m, whose body is set; the complaints
// are in c.
func fromBody(c *checker, m *pb.Envelope) Message {
	for _, f := range []func(*checker, *pb.Envelope) Message{fromSession, fromPair, fromBook, fromVotes, fromRound, fromAsk, fromBlob} {
		if msg := f(c, m); msg != nil {
			return msg
		}
	}
	c.fail("body", "is unknown")
	return Bye{}
}

func fromSession(c *checker, m *pb.Envelope) Message {
	switch b := m.Body.(type) {
	case *pb.Envelope_Hello:
		return c.hello(b.Hello)
	case *pb.Envelope_HelloOk:
		return HelloOk{c.hello(b.HelloOk)}
	case *pb.Envelope_Ping:
		return Ping{b.Ping.GetNonce()}
	case *pb.Envelope_Pong:
		return Pong{b.Pong.GetNonce()}
	case *pb.Envelope_Bye:
		return Bye{c.text("reason", b.Bye.GetReason(), MaxText)}
	case *pb.Envelope_Error:
		e := b.Error
		kind := fed.Kind(e.GetKind())
		if kind > fed.Busy {
			kind = fed.Internal // a kind of a newer version
		}
		return Error{kind, c.text("message", e.GetMessage(), MaxText), c.text("hint", e.GetHint(), MaxText), c.text("about", e.GetAbout(), MaxLabel)}
	}
	return nil
}

// hello reads no more than the version when another major version speaks: the
// rest may mean something else, and the answer is to name both versions.
func (c *checker) hello(p *pb.Hello) Hello {
	if p.GetMajor() != Major {
		return Hello{Major: p.GetMajor(), Minor: p.GetMinor()}
	}
	h := Hello{
		Major: p.GetMajor(), Minor: p.GetMinor(), Software: c.text("software", p.GetSoftware(), MaxLabel),
		Features: c.texts("features", p.GetFeatures(), MaxFeatures, MaxLabel), Statement: c.signed("statement", p.GetStatement()),
		ClockMs: c.count("clock_ms", p.GetClockMs()), Instance: c.hex("instance", p.GetInstance()),
		Session: c.hex("session", p.GetSession()), Addrs: c.addrs(p.GetAddrs()),
	}
	if len(p.GetRevocations()) > MaxRevoked {
		c.fail("revocations", "has too many entries")
		return h
	}
	for _, r := range p.GetRevocations() {
		h.Revocations = append(h.Revocations, c.signed("revocations", r))
	}
	return h
}

func fromPair(c *checker, m *pb.Envelope) Message {
	switch b := m.Body.(type) {
	case *pb.Envelope_PairOpen:
		return c.pairOpen(b.PairOpen)
	case *pb.Envelope_PairAnswer:
		p := b.PairAnswer
		return PairAnswer{c.exact("nonce", p.GetNonce(), hashSize, true), c.signed("statement", p.GetStatement()), c.addrs(p.GetAddrs())}
	case *pb.Envelope_PairReveal:
		return PairReveal{c.exact("nonce", b.PairReveal.GetNonce(), hashSize, false)}
	case *pb.Envelope_PairConfirm:
		return PairConfirm{b.PairConfirm.GetSame()}
	}
	return nil
}

func (c *checker) pairOpen(p *pb.PairOpen) PairOpen {
	o := PairOpen{Mode: c.oneOf("mode", p.GetMode(), ModeInvite, ModeCode), Statement: c.signed("statement", p.GetStatement()), Addrs: c.addrs(p.GetAddrs())}
	if o.Mode == ModeInvite {
		o.Secret = c.exact("secret", p.GetSecret(), secretSize, false)
		o.Proof = c.exact("proof", p.GetProof(), hashSize, false)
	} else {
		o.Commit = c.exact("commit", p.GetCommit(), hashSize, false)
	}
	return o
}

func fromBook(c *checker, m *pb.Envelope) Message {
	switch b := m.Body.(type) {
	case *pb.Envelope_Doc:
		return Doc{c.doc(b.Doc)}
	case *pb.Envelope_DocVector:
		return DocVector{c.heads(b.DocVector)}
	case *pb.Envelope_DocWant:
		return DocWant{c.heads(b.DocWant)}
	}
	return nil
}

func (c *checker) doc(p *pb.Doc) fed.Doc {
	d := fed.Doc{
		Scope: c.scope(p.GetScope()), Author: c.party("author", p.GetAuthor()), Seq: p.GetSeq(), Kind: c.name("kind", p.GetKind()),
		Subject: c.text("subject", p.GetSubject(), MaxName), Prev: c.optDigest("prev", p.GetPrev()), TimeMs: c.count("time_ms", p.GetTimeMs()),
		Body: c.json("body", p.GetBody(), MaxDocBody), Sig: c.exact("sig", p.GetSig(), sigSize, false), Key: c.bytes("key", p.GetKey(), MaxKey),
	}
	c.want(d.Seq > 0 && d.Seq <= maxCount, "seq", "is out of range")
	c.want((d.Seq == 1) == (d.Prev == ""), "prev", "does not fit the sequence")
	c.want(len(d.Key) > 0 && fed.KeyDigest(d.Key) == string(d.Author), "key", "is not the author's")
	return d
}

func (c *checker) scope(s string) string {
	c.want(fed.ValidScope(s), "scope", "is none")
	return s
}

func (c *checker) heads(p *pb.Heads) []fed.Head {
	if len(p.GetHeads()) > MaxHeads {
		c.fail("heads", "has too many entries")
		return nil
	}
	var out []fed.Head
	for _, h := range p.GetHeads() {
		c.want(h.GetSeq() <= maxCount, "seq", "is out of range")
		out = append(out, fed.Head{Scope: c.scope(h.GetScope()), Author: c.party("author", h.GetAuthor()), Seq: h.GetSeq()})
	}
	return out
}

func fromVotes(c *checker, m *pb.Envelope) Message {
	switch b := m.Body.(type) {
	case *pb.Envelope_Prevote:
		p := b.Prevote
		return Prevote{c.grid(p.GetGrid()), c.term("epoch", p.GetEpoch()), c.term("term", p.GetTerm()), c.checkpoint("acc", p.GetAcc()), p.GetTakeOver()}
	case *pb.Envelope_Vote:
		p := b.Vote
		return Vote{c.grid(p.GetGrid()), c.term("epoch", p.GetEpoch()), c.term("term", p.GetTerm()), c.checkpoint("acc", p.GetAcc())}
	case *pb.Envelope_PrevoteReply:
		c.signature("vote", b.PrevoteReply.GetVote(), false)
		return c.voteReply(b.PrevoteReply)
	case *pb.Envelope_VoteReply:
		r := c.voteReply(b.VoteReply)
		c.want(r.For == 0, "for", "belongs to a prevote")
		return VoteReply{r.Grid, r.Epoch, r.Term, r.Granted, r.Why, r.Out, c.signature("vote", b.VoteReply.GetVote(), r.Granted)}
	}
	return nil
}

func (c *checker) voteReply(p *pb.VoteReply) PrevoteReply {
	c.want(p.GetWhy() <= 255, "why", "is out of range")
	return PrevoteReply{
		c.grid(p.GetGrid()), c.term("epoch", p.GetEpoch()), c.term("term", p.GetTerm()), c.term("for", p.GetFor()),
		p.GetGranted(), uint8(p.GetWhy()), p.GetOut(),
	}
}

func fromRound(c *checker, m *pb.Envelope) Message {
	switch b := m.Body.(type) {
	case *pb.Envelope_Round:
		return c.roundMsg(b.Round)
	case *pb.Envelope_Ack:
		p := b.Ack
		return Ack{c.grid(p.GetGrid()), c.term("epoch", p.GetEpoch()), c.term("term", p.GetTerm()), c.checkpoint("acc", p.GetAcc()), p.GetRefused(), p.GetNoVote(), p.GetOut(), c.term("decision", p.GetDecision()), p.GetHeld()}
	case *pb.Envelope_Presence:
		p := b.Presence
		return Presence{c.grid(p.GetGrid()), c.term("term", p.GetTerm()), p.GetAbsent()}
	case *pb.Envelope_Update:
		return c.update(b.Update)
	case *pb.Envelope_Control:
		p := b.Control
		return Control{c.grid(p.GetGrid()), c.oneOf("action", p.GetAction(), "cancel", "pause", "resume", "leave", "takeover"), c.text("reason", p.GetReason(), MaxText)}
	}
	return nil
}

func (c *checker) roundMsg(p *pb.Round) Round {
	return Round{
		Grid: c.grid(p.GetGrid()), Epoch: c.term("epoch", p.GetEpoch()),
		Voters: c.parties("voters", p.GetVoters(), MaxVoters), Learners: c.parties("learners", p.GetLearners(), MaxLearners),
		Term: c.term("term", p.GetTerm()), Acc: c.checkpoint("acc", p.GetAcc()), Committed: c.checkpoint("committed", p.GetCommitted()),
		CommittedEpoch: c.term("committed_epoch", p.GetCommittedEpoch()), Decision: c.term("decision", p.GetDecision()), Held: p.GetHeld(), Empty: p.GetEmpty(),
		Mandate: c.mandate(c.grid(p.GetGrid()), p.GetMandate()), Blob: c.blob("blob", p.GetBlob(), true), Task: c.text("task", p.GetTask(), MaxTask), DeadlineMs: c.count("deadline_ms", p.GetDeadlineMs()),
	}
}

func (c *checker) update(p *pb.Update) Update {
	u := fed.Update{
		Run: c.grid(p.GetGrid()), Term: c.term("term", p.GetTerm()), Round: c.round(p.GetRound()), Base: c.digest("base", p.GetBase()),
		Examples: c.count("examples", p.GetExamples()), Loss: fed.Number(c.finite("loss", p.GetLoss())),
		Valid: c.sums("valid", p.GetValid()), Problem: c.text("problem", p.GetProblem(), MaxText),
	}
	u.Blob = c.blob("blob", p.GetBlob(), u.Problem != "")
	u.Claim = c.signature("claim", p.GetClaim(), u.Blob.Digest != "")
	return Update{u, c.exact("sig", p.GetSig(), sigSize, true)}
}

func fromAsk(c *checker, m *pb.Envelope) Message {
	switch b := m.Body.(type) {
	case *pb.Envelope_Align:
		p := b.Align
		return Align{fed.ProjectID(c.hex("project", p.GetProject())), c.oneOf("step", p.GetStep(), "offer_ask", "offer", "stats_ask", "stats", "plan"), c.json("body", p.GetBody(), MaxBody)}
	case *pb.Envelope_Score:
		return Score{c.score(b.Score)}
	case *pb.Envelope_ScoreReply:
		p := b.ScoreReply
		return ScoreReply{c.grid(p.GetGrid()), c.round(p.GetRound()), c.json("body", p.GetBody(), MaxBody)}
	case *pb.Envelope_Eval:
		p := b.Eval
		return Eval{fed.EvalAsk{Run: c.grid(p.GetGrid()), Round: c.round(p.GetRound()), Params: c.blob("params", p.GetParams(), false), Part: c.oneOf("part", p.GetPart(), "valid", "test"), Alone: p.GetAlone()}}
	case *pb.Envelope_EvalReply:
		return EvalReply{c.evalReply(b.EvalReply)}
	case *pb.Envelope_Query:
		return Query{c.name("name", b.Query.GetName()), c.json("body", b.Query.GetBody(), MaxBody)}
	case *pb.Envelope_Answer:
		return Answer{c.json("body", b.Answer.GetBody(), MaxBody)}
	}
	return nil
}

func (c *checker) score(p *pb.Score) fed.ScoreAsk {
	s := fed.ScoreAsk{Run: c.grid(p.GetGrid()), Round: c.round(p.GetRound()), Base: c.blob("base", p.GetBase(), false)}
	if len(p.GetIn()) > MaxScored {
		c.fail("in", "has too many entries")
		return s
	}
	for _, r := range p.GetIn() {
		s.In = append(s.In, fed.RoundParty{
			Party: c.party("party", r.GetParty()), Name: c.text("name", r.GetName(), MaxName), Examples: c.count("examples", r.GetExamples()),
			Weight: c.number("weight", r.Weight), Loss: c.number("loss", r.Loss), Norm: c.number("norm", r.Norm),
			Update: c.blob("update", r.GetUpdate(), false),
		})
	}
	return s
}

func (c *checker) evalReply(p *pb.EvalReply) fed.EvalReply {
	r := fed.EvalReply{
		Sums: c.sums("sums", p.GetSums()), Train: c.count("train", p.GetTrain()),
		BytesIn: c.count("bytes_in", p.GetBytesIn()), BytesOut: c.count("bytes_out", p.GetBytesOut()),
	}
	if p.GetAlone() != nil {
		alone := c.sums("alone", p.GetAlone())
		r.Alone = &alone
	}
	return r
}

func fromBlob(c *checker, m *pb.Envelope) Message {
	switch b := m.Body.(type) {
	case *pb.Envelope_BlobDial:
		return BlobDial{c.hex("ticket", b.BlobDial.GetTicket())}
	case *pb.Envelope_BlobGet:
		return BlobGet{c.blob("ref", b.BlobGet.GetRef(), false)}
	case *pb.Envelope_BlobManifest:
		return BlobManifest{c.leaves(b.BlobManifest.GetLeaves())}
	case *pb.Envelope_BlobHave:
		return BlobHave{c.bytes("bitmap", b.BlobHave.GetBitmap(), maxLeafNumber/8)}
	case *pb.Envelope_BlobCredit:
		c.want(b.BlobCredit.GetBytes() <= maxCredit, "bytes", "is out of range")
		return BlobCredit{b.BlobCredit.GetBytes()}
	case *pb.Envelope_BlobData:
		d := b.BlobData
		c.want(d.GetLeaf() < maxLeafNumber, "leaf", "is out of range")
		return BlobData{int(d.GetLeaf()), c.bytes("data", d.GetData(), LeafSize)}
	case *pb.Envelope_BlobEnd:
		return BlobEnd{}
	}
	return nil
}

func (c *checker) leaves(raw []byte) []fed.Digest {
	if len(raw)%hashSize != 0 || len(raw) > hashSize*maxLeafNumber {
		c.fail("leaves", "has the wrong length")
		return nil
	}
	out := make([]fed.Digest, 0, len(raw)/hashSize)
	for ; len(raw) > 0; raw = raw[hashSize:] {
		out = append(out, fed.Digest(hex.EncodeToString(raw[:hashSize])))
	}
	return out
}
