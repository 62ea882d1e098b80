package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"synergos.app/desktop/backend/fed"
)

// FileVerify is the note in an exported version that says how to check it.
const FileVerify = "VERIFY.txt"

// exported is a signed document of an export: what a stranger needs to check it, and
// what it says.
type exported struct {
	Hash      fed.Digest      `json:"hash"` // SHA-256 of signed, by which others cite it
	Author    fed.PartyID     `json:"author"`
	Key       []byte          `json:"key"` // SubjectPublicKeyInfo
	Domain    string          `json:"domain"`
	Signature []byte          `json:"signature"`
	Signed    []byte          `json:"signed"`
	Kind      string          `json:"kind"`
	Subject   string          `json:"subject"`
	Seq       uint64          `json:"seq"`
	TimeMs    int64           `json:"timeMs"`
	Body      json.RawMessage `json:"body"`
}

const verifyText = `How to check this version without the program that wrote it

1. The content id is "sha256:" and the SHA-256 of manifest.json. The manifest names the
   SHA-256 of every other file, except those of signatures, stages, policies and this note.
2. Each file in signatures and stages is a document that one party has signed.
   "signed" are the signed bytes, "hash" is their SHA-256. "author" is the SHA-256 of
   "key" in base32 (RFC 4648, without padding). "signature" is Ed25519 by that key over:
   the text synergos/sign/1, one byte with the length of "domain", "domain", and
   "signed". Binary fields are in base64. "body" is what the document says; the same
   bytes stand at the end of "signed".
3. Those who have published this content have signed the documents in signatures.
4. stages has the model's whole history in order. A "stage.ask" proposes a stage; it
   names who decides, and signing it is its author's own yes when the author is one of
   them. A "stage.vote" cites it by "ask". A "stage.done" is the record of the change:
   "ask" and "votes" are the hashes of what it rests on, "prev" is the hash of the
   record before it. All of them, and the numbers, have one author: who admits parties
   to the project. policies has the rules by which votes were counted, by the SHA-256
   that an "ask" names as "policy".
Whether a party is who it says it is nobody can tell from here: compare its "author"
with what it tells you itself.
`

// Export returns the folder of a version with what bears it out, outside of its
// content id: the signed documents of those who published it, and those of the
// model's changes of stage in order, with the policies that they name. Errors are
// those of Files.
func (r *Registry) Export(ctx context.Context, contentID string) (map[string][]byte, error) {
	files, err := r.Files(ctx, contentID)
	if err != nil {
		return nil, err
	}
	out := maps.Clone(files)
	out[FileVerify] = []byte(verifyText)
	r.mu.Lock()
	defer r.mu.Unlock()
	st, e := r.find(contentID)
	for _, d := range st.shelf.versions[contentID] {
		if slices.Contains(e.signers, d.Author) {
			if err := putDoc(out, "signatures/"+string(d.Author)+".json", d.Doc, d.hash); err != nil {
				return nil, err
			}
		}
	}
	return out, st.exportStages(out, e.doc.body.Model)
}

// exportStages adds the history of a model.
func (st *state) exportStages(out map[string][]byte, model string) error {
	var docs []signed[struct{}]
	add := func(d fed.Doc, h fed.Digest) { docs = append(docs, signed[struct{}]{Doc: d, hash: h}) }
	for _, n := range st.shelf.numbers {
		if n.body.Model == model && n.Author == st.facts.admin {
			add(n.Doc, n.hash)
		}
	}
	for _, t := range st.shelf.done {
		a, known := st.shelf.asks[t.body.Ask]
		if t.body.Model != model || t.Author != st.facts.admin || !st.applied[t.body.Ask] || !known {
			continue
		}
		add(a.Doc, a.hash)
		for _, h := range t.body.Votes {
			if v, ok := st.shelf.votes[h]; ok {
				add(v.Doc, h)
			}
		}
		add(t.Doc, t.hash)
		if p, ok := st.policyOf(a.body.Policy); ok {
			p.Approvers = orEmpty(p.Approvers)
			raw, err := canonical(p)
			if err != nil {
				return fmt.Errorf("write a policy: %w", err)
			}
			out["policies/"+string(a.body.Policy)+".json"] = raw
		}
	}
	for i, d := range docs {
		if err := putDoc(out, fmt.Sprintf("stages/%04d-%s.json", i+1, d.Kind), d.Doc, d.hash); err != nil {
			return err
		}
	}
	return nil
}

func putDoc(out map[string][]byte, path string, d fed.Doc, hash fed.Digest) error {
	raw, err := canonical(exported{
		Hash: hash, Author: d.Author, Key: d.Key, Domain: fed.DocDomain, Signature: d.Sig, Signed: d.SigningBytes(),
		Kind: d.Kind, Subject: d.Subject, Seq: d.Seq, TimeMs: d.TimeMs, Body: d.Body,
	})
	if err != nil {
		return fmt.Errorf("write a signature: %w", err)
	}
	out[path] = raw
	return nil
}
