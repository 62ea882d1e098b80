package transport

import "synergos.app/desktop/backend/network/wire"

var purposes = map[wire.Kind]string{
	wire.KindDoc: "book", wire.KindDocVector: "book", wire.KindDocWant: "book",
	wire.KindPrevote: "training", wire.KindPrevoteReply: "training", wire.KindVote: "training", wire.KindVoteReply: "training",
	wire.KindRound: "training", wire.KindAck: "training", wire.KindPresence: "training", wire.KindUpdate: "training", wire.KindControl: "training",
	wire.KindAlign: "alignment", wire.KindScore: "scoring", wire.KindScoreReply: "scoring",
	wire.KindEval: "evaluation", wire.KindEvalReply: "evaluation", wire.KindQuery: "query", wire.KindAnswer: "query",
	wire.KindPairOpen: "pairing", wire.KindPairAnswer: "pairing", wire.KindPairReveal: "pairing", wire.KindPairConfirm: "pairing",
	wire.KindBlobDial: "blob", wire.KindBlobGet: "blob", wire.KindBlobManifest: "blob", wire.KindBlobHave: "blob",
	wire.KindBlobCredit: "blob", wire.KindBlobData: "blob", wire.KindBlobEnd: "blob",
}

// Purpose returns the word under which the ledger keeps a kind of message.
func Purpose(k wire.Kind) string {
	if p, ok := purposes[k]; ok {
		return p
	}
	return "session"
}

// Subject returns what a message is about: its run, project or scope, or "".
func Subject(m wire.Message) string {
	switch m := m.(type) {
	case wire.Doc:
		return m.Scope
	case wire.Prevote:
		return string(m.Grid)
	case wire.PrevoteReply:
		return string(m.Grid)
	case wire.Vote:
		return string(m.Grid)
	case wire.VoteReply:
		return string(m.Grid)
	case wire.Round:
		return string(m.Grid)
	case wire.Ack:
		return string(m.Grid)
	case wire.Presence:
		return string(m.Grid)
	case wire.Control:
		return string(m.Grid)
	case wire.Update:
		return string(m.Run)
	case wire.Align:
		return string(m.Project)
	case wire.Score:
		return string(m.Run)
	case wire.ScoreReply:
		return string(m.Grid)
	case wire.Eval:
		return string(m.Run)
	case wire.Query:
		return m.Name
	case wire.BlobGet:
		return string(m.Ref.Digest)
	}
	return ""
}
