package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/network/wire/pb"
)

// checker turns raw fields into typed ones and keeps the first complaint.
type checker struct{ err error }

func (c *checker) fail(field, what string) {
	if c.err == nil {
		c.err = invalid(fmt.Sprintf("field %s %s", field, what))
	}
}

func (c *checker) want(ok bool, field, what string) {
	if !ok {
		c.fail(field, what)
	}
}

// text refuses what is too long or holds control characters.
func (c *checker) text(field, s string, limit int) string {
	c.want(len(s) <= limit, field, "is too long")
	c.want(utf8.ValidString(s), field, "is no text")
	c.want(!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }), field, "holds control characters")
	return s
}

func (c *checker) texts(field string, list []string, count, limit int) []string {
	if len(list) > count {
		c.fail(field, "has too many entries")
		return nil
	}
	for _, s := range list {
		c.text(field, s, limit)
	}
	return list
}

// name is a lower-case label.
func (c *checker) name(field, s string) string {
	ok := len(s) > 0 && len(s) <= MaxLabel
	for _, r := range []byte(s) {
		ok = ok && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
	}
	c.want(ok, field, "is no name")
	return s
}

func (c *checker) oneOf(field, s string, choices ...string) string {
	for _, o := range choices {
		if s == o {
			return s
		}
	}
	c.fail(field, "is none of its choices")
	return s
}

func (c *checker) hex(field, s string) string {
	c.want(fed.ValidHexID(s), field, "is no identifier")
	return s
}

func (c *checker) grid(s string) fed.RunID { return fed.RunID(c.hex("grid", s)) }

func (c *checker) party(field, s string) fed.PartyID {
	c.want(fed.ValidKeyID(s), field, "is no party")
	return fed.PartyID(s)
}

func (c *checker) parties(field string, list []string, limit int) []fed.PartyID {
	if len(list) > limit {
		c.fail(field, "has too many entries")
		return nil
	}
	var out []fed.PartyID
	for _, s := range list {
		out = append(out, c.party(field, s))
	}
	return out
}

func (c *checker) digest(field, s string) fed.Digest {
	c.want(fed.Digest(s).Valid(), field, "is no digest")
	return fed.Digest(s)
}

func (c *checker) optDigest(field, s string) fed.Digest {
	if s == "" {
		return ""
	}
	return c.digest(field, s)
}

// exact is bytes of one length, or none where opt.
func (c *checker) exact(field string, b []byte, size int, opt bool) []byte {
	c.want(len(b) == size || opt && len(b) == 0, field, "has the wrong length")
	return b
}

func (c *checker) bytes(field string, b []byte, limit int) []byte {
	c.want(len(b) <= limit, field, "is too long")
	return b
}

// json is a bounded body; an empty one is allowed.
func (c *checker) json(field string, b []byte, limit int) []byte {
	c.bytes(field, b, limit)
	c.want(len(b) == 0 || c.err == nil && json.Valid(b), field, "is no JSON")
	return b
}

func (c *checker) count(field string, n int64) int64 {
	c.want(n >= 0 && n <= maxCount, field, "is out of range")
	return n
}

func (c *checker) term(field string, n uint64) uint64 {
	c.want(n <= maxTerm, field, "is out of range")
	return n
}

func (c *checker) round(n uint64) int {
	if n > maxRound {
		c.fail("round", "is out of range")
		return 0
	}
	return int(n)
}

// finite refuses NaN and infinities at the door.
func (c *checker) finite(field string, f float64) float64 {
	c.want(!math.IsNaN(f) && !math.IsInf(f, 0), field, "is not finite")
	return f
}

// number is a figure that may be unknown: absent reads as NaN.
func (c *checker) number(field string, f *float64) fed.Number {
	if f == nil {
		return fed.Number(math.NaN())
	}
	return fed.Number(c.finite(field, *f))
}

func (c *checker) checkpoint(field string, p *pb.Checkpoint) fed.Checkpoint {
	if p == nil {
		return fed.Checkpoint{}
	}
	out := fed.Checkpoint{Term: c.term(field, p.Term), Round: c.round(p.Round), Digest: c.optDigest(field, p.Digest), Parent: c.optDigest(field, p.Parent)}
	c.want(out.Digest != "" || out == fed.Checkpoint{}, field, "has no digest")
	return out
}

// blob reads a reference; absent is the zero reference where opt.
func (c *checker) blob(field string, p *pb.Blob, opt bool) fed.BlobRef {
	if p == nil {
		c.want(opt, field, "is missing")
		return fed.BlobRef{}
	}
	c.want(p.Size >= 0 && p.Size <= MaxBlobSize, field, "has an impossible size")
	return fed.BlobRef{Digest: c.digest(field, p.Digest), Size: p.Size, Root: c.digest(field, p.Root)}
}

func (c *checker) signed(field string, p *pb.Signed) Signed {
	if p == nil {
		c.fail(field, "is missing")
		return Signed{}
	}
	c.want(len(p.Body) > 0, field, "is empty")
	return Signed{Body: c.bytes(field, p.Body, MaxStatement), Sig: c.exact(field, p.Sig, sigSize, false)}
}

// signature reads a signature with its key where one is wanted, and refuses it
// elsewhere.
func (c *checker) signature(field string, p *pb.Signature, want bool) fed.Signature {
	c.want(want == (p != nil), field, "has no place here, or is missing")
	if p == nil {
		return fed.Signature{}
	}
	c.want(len(p.Key) > 0, field, "has no key")
	return fed.Signature{Key: c.bytes(field, p.Key, MaxKey), Sig: c.exact(field, p.Sig, sigSize, false)}
}

// mandate reads the mandate of a grid; absent is none.
func (c *checker) mandate(grid fed.RunID, p *pb.Mandate) fed.Mandate {
	if p == nil {
		return fed.Mandate{}
	}
	m := fed.Mandate{Ballot: fed.Ballot{
		Run: grid, Epoch: c.term("mandate", p.Epoch), Term: c.term("mandate", p.Term), Candidate: c.party("mandate", p.Candidate), Acc: c.checkpoint("mandate", p.Acc),
	}}
	if len(p.Votes) == 0 || len(p.Votes) > MaxVoters {
		c.fail("mandate", "has too few or too many votes")
		return m
	}
	for _, v := range p.Votes {
		m.Votes = append(m.Votes, c.signature("mandate", v, true))
	}
	return m
}

func (c *checker) addrs(list []string) []string {
	return c.texts("addrs", list, MaxAddrs, MaxAddr)
}

func (c *checker) cells(field string, list []int64) []int64 {
	c.want(len(list) <= MaxCells, field, "is too long")
	for _, n := range list {
		c.count(field, n)
	}
	return list
}

func (c *checker) sums(field string, p *pb.Sums) fed.Sums {
	if p == nil {
		return fed.Sums{}
	}
	s := fed.Sums{
		Examples: c.count(field, p.Examples), Loss: c.finite(field, p.Loss), Correct: c.count(field, p.Correct),
		Confusion: c.cells(field, p.Confusion), Scores: c.cells(field, p.Scores),
		Absolute: c.finite(field, p.Absolute), Target: c.finite(field, p.Target),
		TargetSq: c.finite(field, p.TargetSq), Residual2: c.finite(field, p.Residual2),
	}
	return s
}
