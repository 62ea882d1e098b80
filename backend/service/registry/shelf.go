package registry

import (
	"cmp"
	"encoding/json"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// signed is a document with its body and its hash.
type signed[T any] struct {
	fed.Doc
	body T
	hash fed.Digest
}

type place struct {
	author fed.PartyID
	seq    uint64
}

// answer is a member's joining or leaving.
type answer struct {
	seq    uint64
	timeMs int64
	joined bool
}

// shelf holds the verified documents of one project, by what they speak of. It
// draws no conclusions, so that it does not matter in which order they came.
type shelf struct {
	project  fed.ProjectID
	verify   func(key []byte, domain string, body, sig []byte) bool
	places   map[place]bool
	versions map[string][]signed[VersionDoc] // by content id
	numbers  []signed[NumberDoc]
	asks     map[fed.Digest]signed[AskDoc]
	votes    map[fed.Digest]signed[VoteDoc]
	voted    map[fed.Digest][]fed.Digest // ask -> votes
	backs    map[fed.Digest][]signed[BackDoc]
	done     []signed[DoneDoc]
	forged   map[fed.Digest]bool // transitions whose signature does not match
	answers  map[fed.PartyID][]answer
	policies map[fed.PartyID]map[fed.Digest]fed.Policy // by the signer of the revision
}

func newShelf(p fed.ProjectID, verify func(key []byte, domain string, body, sig []byte) bool) *shelf {
	return &shelf{
		project: p, verify: verify, places: map[place]bool{}, versions: map[string][]signed[VersionDoc]{}, asks: map[fed.Digest]signed[AskDoc]{},
		votes: map[fed.Digest]signed[VoteDoc]{}, voted: map[fed.Digest][]fed.Digest{}, backs: map[fed.Digest][]signed[BackDoc]{},
		forged: map[fed.Digest]bool{}, answers: map[fed.PartyID][]answer{}, policies: map[fed.PartyID]map[fed.Digest]fed.Policy{},
	}
}

// keep takes a document and returns the model that it speaks of, and whether it
// was of use.
func (s *shelf) keep(d fed.Doc) (model string, ok bool) {
	switch d.Kind {
	case fed.DocProject, fed.DocAccept, fed.DocDecline, fed.DocLeave:
		return "", s.keepFacts(d)
	case fed.DocVersion, fed.DocNumber, fed.DocStageAsk, fed.DocStageVote, fed.DocStageBack, fed.DocStageDone:
	default:
		return "", false
	}
	at := place{d.Author, d.Seq}
	if s.places[at] {
		return "", false // known, or a fork of its author's chain
	}
	genuine := fed.KeyDigest(d.Key) == string(d.Author) && s.verify(d.Key, fed.DocDomain, d.SigningBytes(), d.Sig)
	s.places[at] = genuine // a forged one keeps no place from the true one
	if d.Kind == fed.DocStageDone {
		return s.keepDone(d, genuine)
	}
	if !genuine {
		return "", false
	}
	switch d.Kind {
	case fed.DocVersion:
		return s.keepVersion(d)
	case fed.DocNumber:
		return s.keepNumber(d)
	case fed.DocStageAsk:
		if a, ok := readAsk(d); ok {
			h := d.Hash()
			s.asks[h] = signed[AskDoc]{d, a, h}
			return a.Model, true
		}
	case fed.DocStageVote:
		return s.keepVote(d)
	case fed.DocStageBack:
		if b, ok := readBack(d); ok {
			s.backs[b.Ask] = append(s.backs[b.Ask], signed[BackDoc]{d, b, d.Hash()})
			return s.asks[b.Ask].body.Model, true
		}
	}
	return "", false
}

// keepVersion takes a version whose content id is the digest of its manifest, which
// names this project: nobody can take the id of a version of another project, or one
// that is still to come, by writing it onto something else.
func (s *shelf) keepVersion(d fed.Doc) (string, bool) {
	v, ok := readVersion(d)
	if id, err := ContentID(v.Manifest); err != nil || id != v.ContentID || v.Manifest.Project != s.project {
		ok = false
	}
	if ok {
		s.versions[v.ContentID] = append(s.versions[v.ContentID], signed[VersionDoc]{d, v, d.Hash()})
	}
	return v.Model, ok
}

func (s *shelf) keepNumber(d fed.Doc) (string, bool) {
	n, ok := readNumber(d)
	if ok {
		s.numbers = append(s.numbers, signed[NumberDoc]{d, n, d.Hash()})
		slices.SortFunc(s.numbers, func(a, b signed[NumberDoc]) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	return n.Model, ok
}

func (s *shelf) keepVote(d fed.Doc) (string, bool) {
	v, ok := readVote(d)
	if ok {
		h := d.Hash()
		s.votes[h] = signed[VoteDoc]{d, v, h}
		s.voted[v.Ask] = append(s.voted[v.Ask], h)
	}
	return s.asks[v.Ask].body.Model, ok
}

func (s *shelf) keepDone(d fed.Doc, genuine bool) (string, bool) {
	t, ok := readDone(d)
	if ok {
		h := d.Hash()
		s.forged[h] = !genuine
		s.done = append(s.done, signed[DoneDoc]{d, t, h})
		slices.SortFunc(s.done, func(a, b signed[DoneDoc]) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	return t.Model, ok
}

// keepFacts remembers who joined and left, and which policies were signed, so
// that old transitions can be verified after both have changed.
func (s *shelf) keepFacts(d fed.Doc) bool {
	if d.Kind != fed.DocProject {
		a := answer{seq: d.Seq, timeMs: d.TimeMs, joined: d.Kind == fed.DocAccept}
		list := append(s.answers[d.Author], a)
		slices.SortFunc(list, func(a, b answer) int { return cmp.Compare(a.seq, b.seq) })
		s.answers[d.Author] = list
		return true
	}
	var p fed.ProjectDoc
	if json.Unmarshal(d.Body, &p) != nil || p.ID != s.project || p.Admin != d.Author {
		return false
	}
	if s.policies[d.Author] == nil {
		s.policies[d.Author] = map[fed.Digest]fed.Policy{}
	}
	s.policies[d.Author][PolicyDigest(p.Policy)] = p.Policy
	return true
}

// PolicyDigest names a policy: the digest of its canonical JSON.
func PolicyDigest(p fed.Policy) fed.Digest {
	p.Approvers = orEmpty(p.Approvers)
	raw, err := canonical(p)
	if err != nil {
		return "" // a struct of plain fields always marshals
	}
	return fed.DigestOf(raw)
}
