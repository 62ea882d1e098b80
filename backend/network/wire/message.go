package wire

import "synergos.app/desktop/backend/fed"

// Kind names a message in rules, ledgers and logs; it is the name of the field
// in wire.proto.
type Kind string

// Message is one of the structs of this package.
type Message interface{ Kind() Kind }

// Envelope is one WebSocket message. ID is not 0 when a reply is expected; Re
// is the ID that Msg answers. About is a label: the grid, project or scope.
type Envelope struct {
	ID, Re uint64
	About  string
	Msg    Message
}

// Signed is a statement of an organisation, opaque here: canonical bytes and
// the signature of its organisation key.
type Signed struct{ Body, Sig []byte }

// The messages of a session.
type (
	// Hello opens a session; the side that dialled sends it first.
	Hello struct {
		Major, Minor uint32
		Software     string
		Features     []string
		Statement    Signed // of the device that speaks
		ClockMs      int64  // the sender's clock, ms since 1970
		Instance     string // 32 hex characters, random per start of the program
		Session      string // 32 hex characters, chosen by the side that dialled
		Addrs        []string
		Revocations  []Signed
	}
	// HelloOk answers Hello.
	HelloOk struct{ Hello }
	// Ping asks for a Pong with the same Nonce.
	Ping struct{ Nonce uint64 }
	// Pong answers Ping.
	Pong struct{ Nonce uint64 }
	// Bye announces that the sender closes the session.
	Bye struct{ Reason string }
	// Error refuses a message. About is the Kind that was refused.
	Error struct {
		Code    fed.Kind
		Message string
		Hint    string
		About   string
	}
)

// Modes of pairing.
const (
	ModeInvite = "invite"
	ModeCode   = "code"
)

// The steps of pairing, on their own socket.
type (
	// PairOpen is sent by the side that dialled. Secret [16] and Proof [32] prove
	// the possession of an invite; Commit [32] opens a comparison of codes.
	PairOpen struct {
		Mode      string
		Secret    []byte
		Proof     []byte
		Commit    []byte
		Statement Signed
		Addrs     []string
	}
	// PairAnswer carries the answering side's Nonce [32] when codes are compared.
	PairAnswer struct {
		Nonce     []byte
		Statement Signed
		Addrs     []string
	}
	// PairReveal opens the commitment: Nonce [32].
	PairReveal struct{ Nonce []byte }
	// PairConfirm says what the person decided.
	PairConfirm struct{ Same bool }
)

// The messages of the book.
type (
	// Doc is a signed document; its form is checked here, its signature by the book.
	Doc struct{ fed.Doc }
	// DocVector says how far the sender's chains reach.
	DocVector struct{ Heads []fed.Head }
	// DocWant asks for what lies beyond Heads.
	DocWant struct{ Heads []fed.Head }
)

// The messages of a grid; see package round for their meaning. Why numbers the
// refusals there.
type (
	// Prevote asks for a promise that binds nobody.
	Prevote struct {
		Grid     fed.RunID
		Epoch    uint64
		Term     uint64
		Acc      fed.Checkpoint
		TakeOver bool
	}
	// PrevoteReply answers Prevote; For is the term that was asked about.
	PrevoteReply struct {
		Grid    fed.RunID
		Epoch   uint64
		Term    uint64
		For     uint64
		Granted bool
		Why     uint8
		Out     bool
	}
	// Vote asks for the one vote of Term.
	Vote struct {
		Grid  fed.RunID
		Epoch uint64
		Term  uint64
		Acc   fed.Checkpoint
	}
	// VoteReply answers Vote; Vote signs the ballot when it is granted.
	VoteReply struct {
		Grid    fed.RunID
		Epoch   uint64
		Term    uint64
		Granted bool
		Why     uint8
		Out     bool
		Vote    fed.Signature
	}
	// Round is the coordinator's checkpoint and task; Empty marks a heartbeat. Blob
	// cites Acc's params, or is zero. Mandate has no votes where the receiver knows it.
	Round struct {
		Grid           fed.RunID
		Epoch          uint64
		Voters         []fed.PartyID
		Learners       []fed.PartyID
		Term           uint64
		Acc            fed.Checkpoint
		Committed      fed.Checkpoint
		CommittedEpoch uint64
		Decision       uint64 // counts what persons decided about pausing; Held is the newest
		Held           bool
		Empty          bool
		Blob           fed.BlobRef
		Task           string
		DeadlineMs     int64 // time left for the round, 0 = none
		Mandate        fed.Mandate
	}
	// Ack answers Round.
	Ack struct {
		Grid     fed.RunID
		Epoch    uint64
		Term     uint64
		Acc      fed.Checkpoint
		Refused  bool
		NoVote   bool
		Out      bool
		Decision uint64
		Held     bool
	}
	// Presence says that a party leaves politely or is back.
	Presence struct {
		Grid   fed.RunID
		Term   uint64
		Absent bool
	}
	// Update is what a party returns for a round. Sig signs SigningBytes with the
	// organisation key under UpdateDomain.
	Update struct {
		fed.Update
		Sig []byte
	}
	// Control tells what a person decided about a grid.
	Control struct {
		Grid   fed.RunID
		Action string // cancel | pause | resume | leave | takeover
		Reason string
	}
)

// The questions that want an answer.
type (
	// Align is a step of agreeing on columns; Body is JSON.
	Align struct {
		Project fed.ProjectID
		Step    string // offer_ask | offer | stats_ask | stats | plan
		Body    []byte
	}
	// Score asks for the utilities of the coalitions of a round's updates.
	Score struct{ fed.ScoreAsk }
	// ScoreReply answers Score; Body is JSON.
	ScoreReply struct {
		Grid  fed.RunID
		Round int
		Body  []byte
	}
	// Eval asks for sums of params on the receiver's rows.
	Eval struct{ fed.EvalAsk }
	// EvalReply answers Eval.
	EvalReply struct{ fed.EvalReply }
	// Query asks one of the questions that the receiver allows; Body is JSON.
	Query struct {
		Name string // a-z, 0-9, '.', '_' and '-'
		Body []byte
	}
	// Answer answers Query or Align; Body is JSON.
	Answer struct{ Body []byte }
)

// The messages of the blob socket, and the one that asks to open it.
type (
	// BlobDial asks the side that dialled the session to open a blob socket.
	BlobDial struct{ Ticket string }
	// BlobGet asks for a blob.
	BlobGet struct{ Ref fed.BlobRef }
	// BlobManifest carries the SHA-256 of every leaf.
	BlobManifest struct{ Leaves []fed.Digest }
	// BlobHave is one bit per leaf that the receiver holds, lowest bit first.
	BlobHave struct{ Bitmap []byte }
	// BlobCredit allows the sender that many more bytes.
	BlobCredit struct{ Bytes uint32 }
	// BlobData is one leaf. After Decode, Data is a part of the decoded buffer.
	BlobData struct {
		Leaf int
		Data []byte
	}
	// BlobEnd follows the last leaf.
	BlobEnd struct{}
)

// The kinds, as in wire.proto.
const (
	KindHello        Kind = "hello"
	KindHelloOk      Kind = "hello_ok"
	KindPing         Kind = "ping"
	KindPong         Kind = "pong"
	KindBye          Kind = "bye"
	KindError        Kind = "error"
	KindPairOpen     Kind = "pair_open"
	KindPairAnswer   Kind = "pair_answer"
	KindPairReveal   Kind = "pair_reveal"
	KindPairConfirm  Kind = "pair_confirm"
	KindDoc          Kind = "doc"
	KindDocVector    Kind = "doc_vector"
	KindDocWant      Kind = "doc_want"
	KindPrevote      Kind = "prevote"
	KindPrevoteReply Kind = "prevote_reply"
	KindVote         Kind = "vote"
	KindVoteReply    Kind = "vote_reply"
	KindRound        Kind = "round"
	KindAck          Kind = "ack"
	KindPresence     Kind = "presence"
	KindUpdate       Kind = "update"
	KindControl      Kind = "control"
	KindAlign        Kind = "align"
	KindScore        Kind = "score"
	KindScoreReply   Kind = "score_reply"
	KindEval         Kind = "eval"
	KindEvalReply    Kind = "eval_reply"
	KindQuery        Kind = "query"
	KindAnswer       Kind = "answer"
	KindBlobDial     Kind = "blob_dial"
	KindBlobGet      Kind = "blob_get"
	KindBlobManifest Kind = "blob_manifest"
	KindBlobHave     Kind = "blob_have"
	KindBlobCredit   Kind = "blob_credit"
	KindBlobData     Kind = "blob_data"
	KindBlobEnd      Kind = "blob_end"
)

// Kind implements Message.
func (Hello) Kind() Kind        { return KindHello }
func (HelloOk) Kind() Kind      { return KindHelloOk }
func (Ping) Kind() Kind         { return KindPing }
func (Pong) Kind() Kind         { return KindPong }
func (Bye) Kind() Kind          { return KindBye }
func (Error) Kind() Kind        { return KindError }
func (PairOpen) Kind() Kind     { return KindPairOpen }
func (PairAnswer) Kind() Kind   { return KindPairAnswer }
func (PairReveal) Kind() Kind   { return KindPairReveal }
func (PairConfirm) Kind() Kind  { return KindPairConfirm }
func (Doc) Kind() Kind          { return KindDoc }
func (DocVector) Kind() Kind    { return KindDocVector }
func (DocWant) Kind() Kind      { return KindDocWant }
func (Prevote) Kind() Kind      { return KindPrevote }
func (PrevoteReply) Kind() Kind { return KindPrevoteReply }
func (Vote) Kind() Kind         { return KindVote }
func (VoteReply) Kind() Kind    { return KindVoteReply }
func (Round) Kind() Kind        { return KindRound }
func (Ack) Kind() Kind          { return KindAck }
func (Presence) Kind() Kind     { return KindPresence }
func (Update) Kind() Kind       { return KindUpdate }
func (Control) Kind() Kind      { return KindControl }
func (Align) Kind() Kind        { return KindAlign }
func (Score) Kind() Kind        { return KindScore }
func (ScoreReply) Kind() Kind   { return KindScoreReply }
func (Eval) Kind() Kind         { return KindEval }
func (EvalReply) Kind() Kind    { return KindEvalReply }
func (Query) Kind() Kind        { return KindQuery }
func (Answer) Kind() Kind       { return KindAnswer }
func (BlobDial) Kind() Kind     { return KindBlobDial }
func (BlobGet) Kind() Kind      { return KindBlobGet }
func (BlobManifest) Kind() Kind { return KindBlobManifest }
func (BlobHave) Kind() Kind     { return KindBlobHave }
func (BlobCredit) Kind() Kind   { return KindBlobCredit }
func (BlobData) Kind() Kind     { return KindBlobData }
func (BlobEnd) Kind() Kind      { return KindBlobEnd }
