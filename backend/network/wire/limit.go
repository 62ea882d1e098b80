package wire

import "synergos.app/desktop/backend/fed"

// Version of the protocol. Peers of the same Major talk; a higher Minor only
// adds named features.
const (
	Major = 1
	Minor = 0
)

// Limits in bytes of one WebSocket message.
const (
	MaxControl = 256 << 10 // control and pairing sockets
	MaxBlob    = 1<<20 + 64
	LeafSize   = 1 << 20 // of a blob, all but the last
)

// Limits of fields: bytes of texts and bodies, elements of lists.
const (
	MaxBody       = 240 << 10 // JSON bodies of Align, Query, Answer, ScoreReply
	MaxDocBody    = fed.MaxDocBody
	MaxTask       = 16 << 10
	MaxText       = 1 << 10 // reasons, messages, hints
	MaxName       = 200     // names of organisations, subjects of documents
	MaxLabel      = 64      // features, software, steps
	MaxAbout      = 256
	MaxAddr       = 255
	MaxAddrs      = 16
	MaxFeatures   = 32
	MaxRevoked    = 64
	MaxStatement  = 2 << 10
	MaxKey        = 256
	MaxHeads      = 1024
	MaxVoters     = 7
	MaxLearners   = 4096
	MaxCells      = 32 << 10 // confusion and score counts of Sums
	MaxScored     = 64       // updates in a Score
	MaxBlobSize   = 16 << 30
	maxElements   = 16 << 10 // repeated non-numeric elements of one message
	sigSize       = 64       // Ed25519
	hashSize      = 32       // SHA-256, nonces, commitments, proofs
	secretSize    = 16       // of an invite
	maxTerm       = 1 << 48
	maxRound      = 1 << 30
	maxCount      = 1 << 53
	maxCredit     = 64 << 20
	maxLeafNumber = MaxBlobSize / LeafSize
)
