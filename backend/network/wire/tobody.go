package wire

import (
	"encoding/hex"
	"fmt"
	"math"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire/pb"
)

// toBody sets the body of m. The bounds are checked afterwards, by the same code
// that checks what peers send.
func toBody(m *pb.Envelope, msg Message) error {
	for _, f := range []func(*pb.Envelope, Message) bool{toSession, toPair, toBook, toGrid, toAsk, toBlob} {
		if f(m, msg) {
			return nil
		}
	}
	return fmt.Errorf("wire: %T is no message", msg)
}

func toSession(m *pb.Envelope, msg Message) bool {
	switch v := msg.(type) {
	case Hello:
		m.Body = &pb.Envelope_Hello{Hello: pbHello(v)}
	case HelloOk:
		m.Body = &pb.Envelope_HelloOk{HelloOk: pbHello(v.Hello)}
	case Ping:
		m.Body = &pb.Envelope_Ping{Ping: &pb.Ping{Nonce: v.Nonce}}
	case Pong:
		m.Body = &pb.Envelope_Pong{Pong: &pb.Pong{Nonce: v.Nonce}}
	case Bye:
		m.Body = &pb.Envelope_Bye{Bye: &pb.Bye{Reason: v.Reason}}
	case Error:
		m.Body = &pb.Envelope_Error{Error: &pb.Error{Kind: uint32(v.Code), Message: v.Message, Hint: v.Hint, About: v.About}}
	default:
		return false
	}
	return true
}

func pbHello(v Hello) *pb.Hello {
	h := &pb.Hello{
		Major: v.Major, Minor: v.Minor, Software: v.Software, Features: v.Features, Statement: pbSigned(v.Statement),
		ClockMs: v.ClockMs, Instance: v.Instance, Session: v.Session, Addrs: v.Addrs,
	}
	for _, r := range v.Revocations {
		h.Revocations = append(h.Revocations, pbSigned(r))
	}
	return h
}

func pbSigned(s Signed) *pb.Signed { return &pb.Signed{Body: s.Body, Sig: s.Sig} }

func toPair(m *pb.Envelope, msg Message) bool {
	switch v := msg.(type) {
	case PairOpen:
		m.Body = &pb.Envelope_PairOpen{PairOpen: &pb.PairOpen{
			Mode: v.Mode, Secret: v.Secret, Proof: v.Proof, Commit: v.Commit, Statement: pbSigned(v.Statement), Addrs: v.Addrs,
		}}
	case PairAnswer:
		m.Body = &pb.Envelope_PairAnswer{PairAnswer: &pb.PairAnswer{Nonce: v.Nonce, Statement: pbSigned(v.Statement), Addrs: v.Addrs}}
	case PairReveal:
		m.Body = &pb.Envelope_PairReveal{PairReveal: &pb.PairReveal{Nonce: v.Nonce}}
	case PairConfirm:
		m.Body = &pb.Envelope_PairConfirm{PairConfirm: &pb.PairConfirm{Same: v.Same}}
	default:
		return false
	}
	return true
}

func toBook(m *pb.Envelope, msg Message) bool {
	switch v := msg.(type) {
	case Doc:
		d := v.Doc
		m.Body = &pb.Envelope_Doc{Doc: &pb.Doc{
			Scope: d.Scope, Author: string(d.Author), Seq: d.Seq, Kind: d.Kind, Subject: d.Subject,
			Prev: string(d.Prev), TimeMs: d.TimeMs, Body: d.Body, Sig: d.Sig, Key: d.Key,
		}}
	case DocVector:
		m.Body = &pb.Envelope_DocVector{DocVector: pbHeads(v.Heads)}
	case DocWant:
		m.Body = &pb.Envelope_DocWant{DocWant: pbHeads(v.Heads)}
	default:
		return false
	}
	return true
}

func pbHeads(list []fed.Head) *pb.Heads {
	h := &pb.Heads{}
	for _, e := range list {
		h.Heads = append(h.Heads, &pb.Head{Scope: e.Scope, Author: string(e.Author), Seq: e.Seq})
	}
	return h
}

func toGrid(m *pb.Envelope, msg Message) bool {
	switch v := msg.(type) {
	case Prevote:
		m.Body = &pb.Envelope_Prevote{Prevote: &pb.Prevote{Grid: string(v.Grid), Epoch: v.Epoch, Term: v.Term, Acc: pbCheckpoint(v.Acc), TakeOver: v.TakeOver}}
	case PrevoteReply:
		m.Body = &pb.Envelope_PrevoteReply{PrevoteReply: &pb.VoteReply{
			Grid: string(v.Grid), Epoch: v.Epoch, Term: v.Term, For: v.For, Granted: v.Granted, Why: uint32(v.Why), Out: v.Out,
		}}
	case Vote:
		m.Body = &pb.Envelope_Vote{Vote: &pb.Vote{Grid: string(v.Grid), Epoch: v.Epoch, Term: v.Term, Acc: pbCheckpoint(v.Acc)}}
	case VoteReply:
		m.Body = &pb.Envelope_VoteReply{VoteReply: &pb.VoteReply{Grid: string(v.Grid), Epoch: v.Epoch, Term: v.Term, Granted: v.Granted, Why: uint32(v.Why), Out: v.Out, Vote: pbSignature(v.Vote)}}
	case Round:
		m.Body = &pb.Envelope_Round{Round: pbRound(v)}
	case Ack:
		m.Body = &pb.Envelope_Ack{Ack: &pb.Ack{
			Grid: string(v.Grid), Epoch: v.Epoch, Term: v.Term, Acc: pbCheckpoint(v.Acc), Refused: v.Refused, NoVote: v.NoVote, Out: v.Out, Decision: v.Decision, Held: v.Held,
		}}
	case Presence:
		m.Body = &pb.Envelope_Presence{Presence: &pb.Presence{Grid: string(v.Grid), Term: v.Term, Absent: v.Absent}}
	case Update:
		m.Body = &pb.Envelope_Update{Update: pbUpdate(v)}
	case Control:
		m.Body = &pb.Envelope_Control{Control: &pb.Control{Grid: string(v.Grid), Action: v.Action, Reason: v.Reason}}
	default:
		return false
	}
	return true
}

func pbRound(v Round) *pb.Round {
	return &pb.Round{
		Grid: string(v.Grid), Epoch: v.Epoch, Voters: pbParties(v.Voters), Learners: pbParties(v.Learners), Term: v.Term,
		Acc: pbCheckpoint(v.Acc), Committed: pbCheckpoint(v.Committed), CommittedEpoch: v.CommittedEpoch,
		Decision: v.Decision, Held: v.Held, Empty: v.Empty, Blob: pbBlob(v.Blob), Task: v.Task, DeadlineMs: v.DeadlineMs, Mandate: pbMandate(v.Mandate),
	}
}

func pbSignature(s fed.Signature) *pb.Signature {
	if len(s.Key) == 0 && len(s.Sig) == 0 {
		return nil
	}
	return &pb.Signature{Key: s.Key, Sig: s.Sig}
}

// pbMandate leaves out a mandate without votes: it is none. The grid is the
// message's.
func pbMandate(m fed.Mandate) *pb.Mandate {
	if len(m.Votes) == 0 {
		return nil
	}
	p := &pb.Mandate{Epoch: m.Epoch, Term: m.Term, Candidate: string(m.Candidate), Acc: pbCheckpoint(m.Acc)}
	for _, v := range m.Votes {
		p.Votes = append(p.Votes, &pb.Signature{Key: v.Key, Sig: v.Sig})
	}
	return p
}

func pbUpdate(v Update) *pb.Update {
	u := v.Update
	return &pb.Update{
		Grid: string(u.Run), Term: u.Term, Round: uint64(u.Round), Base: string(u.Base), Blob: pbBlob(u.Blob),
		Examples: u.Examples, Loss: float64(u.Loss), Valid: pbSums(u.Valid), Problem: u.Problem, Sig: v.Sig, Claim: pbSignature(u.Claim),
	}
}

func pbParties(list []fed.PartyID) []string {
	var out []string
	for _, p := range list {
		out = append(out, string(p))
	}
	return out
}

func pbCheckpoint(c fed.Checkpoint) *pb.Checkpoint {
	if c == (fed.Checkpoint{}) {
		return nil
	}
	return &pb.Checkpoint{Term: c.Term, Round: uint64(c.Round), Digest: string(c.Digest), Parent: string(c.Parent)}
}

func pbBlob(r fed.BlobRef) *pb.Blob {
	if r == (fed.BlobRef{}) {
		return nil
	}
	return &pb.Blob{Digest: string(r.Digest), Size: r.Size, Root: string(r.Root)}
}

func pbSums(s fed.Sums) *pb.Sums {
	return &pb.Sums{
		Examples: s.Examples, Loss: s.Loss, Correct: s.Correct, Confusion: s.Confusion, Scores: s.Scores,
		Absolute: s.Absolute, Target: s.Target, TargetSq: s.TargetSq, Residual2: s.Residual2,
	}
}

func toAsk(m *pb.Envelope, msg Message) bool {
	switch v := msg.(type) {
	case Align:
		m.Body = &pb.Envelope_Align{Align: &pb.Align{Project: string(v.Project), Step: v.Step, Body: v.Body}}
	case Score:
		m.Body = &pb.Envelope_Score{Score: pbScore(v.ScoreAsk)}
	case ScoreReply:
		m.Body = &pb.Envelope_ScoreReply{ScoreReply: &pb.Body{Grid: string(v.Grid), Round: uint64(v.Round), Body: v.Body}}
	case Eval:
		m.Body = &pb.Envelope_Eval{Eval: &pb.Eval{Grid: string(v.Run), Round: uint64(v.Round), Params: pbBlob(v.Params), Part: v.Part, Alone: v.Alone}}
	case EvalReply:
		r := &pb.EvalReply{Sums: pbSums(v.Sums), Train: v.Train, BytesIn: v.BytesIn, BytesOut: v.BytesOut}
		if v.Alone != nil {
			r.Alone = pbSums(*v.Alone)
		}
		m.Body = &pb.Envelope_EvalReply{EvalReply: r}
	case Query:
		m.Body = &pb.Envelope_Query{Query: &pb.Query{Name: v.Name, Body: v.Body}}
	case Answer:
		m.Body = &pb.Envelope_Answer{Answer: &pb.Body{Body: v.Body}}
	default:
		return false
	}
	return true
}

func pbScore(v fed.ScoreAsk) *pb.Score {
	s := &pb.Score{Grid: string(v.Run), Round: uint64(v.Round), Base: pbBlob(v.Base)}
	for _, p := range v.In {
		s.In = append(s.In, &pb.RoundParty{
			Party: string(p.Party), Name: p.Name, Examples: p.Examples, Update: pbBlob(p.Update),
			Weight: pbNumber(p.Weight), Loss: pbNumber(p.Loss), Norm: pbNumber(p.Norm),
		})
	}
	return s
}

// pbNumber maps NaN, "not known", to absence.
func pbNumber(n fed.Number) *float64 {
	f := float64(n)
	if math.IsNaN(f) {
		return nil
	}
	return &f
}

func toBlob(m *pb.Envelope, msg Message) bool {
	switch v := msg.(type) {
	case BlobDial:
		m.Body = &pb.Envelope_BlobDial{BlobDial: &pb.BlobDial{Ticket: v.Ticket}}
	case BlobGet:
		m.Body = &pb.Envelope_BlobGet{BlobGet: &pb.BlobGet{Ref: pbBlob(v.Ref)}}
	case BlobManifest:
		m.Body = &pb.Envelope_BlobManifest{BlobManifest: &pb.BlobManifest{Leaves: rawDigests(v.Leaves)}}
	case BlobHave:
		m.Body = &pb.Envelope_BlobHave{BlobHave: &pb.BlobHave{Bitmap: v.Bitmap}}
	case BlobCredit:
		m.Body = &pb.Envelope_BlobCredit{BlobCredit: &pb.BlobCredit{Bytes: v.Bytes}}
	case BlobData:
		m.Body = &pb.Envelope_BlobData{BlobData: &pb.BlobData{Leaf: uint32(v.Leaf), Data: v.Data}}
	case BlobEnd:
		m.Body = &pb.Envelope_BlobEnd{BlobEnd: &pb.BlobEnd{}}
	default:
		return false
	}
	return true
}

// rawDigests joins digests as raw bytes; a malformed one yields a length that the
// check refuses.
func rawDigests(list []fed.Digest) []byte {
	var out []byte
	for _, d := range list {
		raw, err := hex.DecodeString(string(d))
		if err != nil || len(raw) != hashSize {
			return []byte{0}
		}
		out = append(out, raw...)
	}
	return out
}
