package registry

import (
	"context"
	"encoding/json"
	"fmt"

	"synergos.app/desktop/backend/fed"
)

// Check is one line of a verification.
type Check struct {
	Name string
	OK   bool
	Text string
}

// The names of the checks, as a person reads them.
const (
	checkNameList   = "List of files"
	checkNameFiles  = "Files"
	checkNameSigned = "Signature"
	checkNameVotes  = "Votes on its stage"
	checkNameSelf   = "Trial"
)

// subject is what a verification needs of a version, taken under the lock.
type subject struct {
	version Version
	docs    []signed[VersionDoc]
	history []Transition
	broken  string
}

func (r *Registry) subject(contentID string) (subject, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st, e := r.find(contentID)
	if e == nil {
		return subject{}, false
	}
	s := subject{version: st.version(e), broken: e.broken}
	s.docs = append(s.docs, st.shelf.versions[contentID]...)
	s.history = st.models[e.doc.body.Model].history
	return s, true
}

// Verify recomputes a version: manifest, digests, signatures, the chain of
// transitions and the self-test, one line per check. What it finds wrong makes
// the version disputed on this machine; a later clean run clears it.
func (r *Registry) Verify(ctx context.Context, contentID string) []Check {
	s, ok := r.subject(contentID)
	if !ok {
		return []Check{{Name: "Version", Text: "There is no such version."}}
	}
	files, digests := r.checkFiles(ctx, s.version)
	checks := []Check{checkManifest(s), digests, r.checkSignatures(s), checkChain(s), r.checkSelf(files, s.version)}
	r.remember(contentID, s.version, checks)
	return checks
}

// remember keeps the first thing that is wrong. Files that are only missing are
// no finding.
func (r *Registry) remember(contentID string, v Version, checks []Check) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.findings, contentID)
	if v.Have < v.Bytes {
		return
	}
	for _, c := range checks {
		if !c.OK && c.Name != checkNameVotes { // the reduction itself judges the chain
			r.findings[contentID] = c.Text
			return
		}
	}
}

func checkManifest(s subject) Check {
	if s.broken != "" {
		return Check{Name: checkNameList, Text: "Wrong: " + s.broken + "."}
	}
	return Check{Name: checkNameList, OK: true, Text: "The hash of the version is that of its list of files."}
}

// checkFiles reads every file and compares it with the manifest.
func (r *Registry) checkFiles(ctx context.Context, v Version) (map[string][]byte, Check) {
	files := map[string][]byte{}
	missing := 0
	for _, f := range v.Manifest.Files {
		if !r.ports.Blobs.Has(f.SHA256) {
			missing++
			continue
		}
		raw, err := r.ports.Blobs.Get(ctx, f.SHA256)
		if err != nil {
			return nil, Check{Name: checkNameFiles, Text: "Wrong: " + f.Path + " cannot be read."}
		}
		if fed.DigestOf(raw) != f.SHA256 || int64(len(raw)) != f.Bytes {
			return nil, Check{Name: checkNameFiles, Text: "Wrong: " + f.Path + " is not the file that was signed."}
		}
		files[f.Path] = raw
	}
	if missing > 0 {
		return nil, Check{Name: checkNameFiles, Text: fmt.Sprintf("Not yet: %d of %d files have not been received.", missing, len(v.Manifest.Files))}
	}
	return files, Check{Name: checkNameFiles, OK: true, Text: fmt.Sprintf("All %d files are those that were signed.", len(files))}
}

func (r *Registry) checkSignatures(s subject) Check {
	names := ""
	for _, d := range s.docs {
		if fed.KeyDigest(d.Key) != string(d.Author) || !r.ports.Keys.Verify(d.Key, fed.DocDomain, d.SigningBytes(), d.Sig) {
			return Check{Name: checkNameSigned, Text: "Wrong: the signature of " + r.ports.Name(d.Author) + " does not match."}
		}
		if names != "" {
			names += ", "
		}
		names += r.ports.Name(d.Author)
	}
	return Check{Name: checkNameSigned, OK: true, Text: "Signed by " + names + "."}
}

func checkChain(s subject) Check {
	verified := 0
	for i, t := range s.history {
		switch {
		case t.State == "":
			verified++
		case t.ContentID == s.version.ContentID && t.State == StateDisputed:
			return Check{Name: checkNameVotes, Text: fmt.Sprintf("Wrong: in change %d, %s.", i+1, t.Problem)}
		case t.ContentID == s.version.ContentID:
			return Check{Name: checkNameVotes, Text: fmt.Sprintf("Not yet: in change %d, %s.", i+1, t.Problem)}
		}
	}
	return Check{Name: checkNameVotes, OK: true, Text: fmt.Sprintf("Changes of stage that follow each other and have the approvals they need: %d.", verified)}
}

func (r *Registry) checkSelf(files map[string][]byte, v Version) Check {
	switch {
	case files == nil && v.Have < v.Bytes:
		return Check{Name: checkNameSelf, Text: "Not yet: files have not been received."}
	case files == nil:
		return Check{Name: checkNameSelf, Text: "Not run: the files are not those that were signed."}
	case r.ports.Score == nil:
		return Check{Name: checkNameSelf, Text: "Not run: this copy of Synergos cannot compute with the version."}
	}
	if err := selfTest(files, r.ports.Score); err != nil {
		return Check{Name: checkNameSelf, Text: "Wrong: " + err.Error() + "."}
	}
	return Check{Name: checkNameSelf, OK: true, Text: "The model answers its made-up example rows as it did when it was kept."}
}

// Missing returns the files of a version that are not here, and the parties that
// signed it and should have them, who published it first in front.
func (r *Registry) Missing(contentID string) (refs []fed.BlobRef, holders []fed.PartyID) {
	v, ok := r.Version(contentID)
	if !ok || v.State == StateDisputed {
		return nil, nil
	}
	for _, f := range v.Files {
		if !r.ports.Blobs.Has(f.Blob.Digest) {
			refs = append(refs, f.Blob)
		}
	}
	if len(refs) == 0 {
		return nil, nil
	}
	holders = []fed.PartyID{v.By}
	for _, p := range v.Signers {
		if p != v.By {
			holders = append(holders, p)
		}
	}
	return refs, holders
}

// Files loads the files of a version by path, manifest.json included, and checks
// every digest. It refuses a version that is not ready: kind Unavailable while
// files are missing, Corrupt when something is wrong.
func (r *Registry) Files(ctx context.Context, contentID string) (map[string][]byte, error) {
	v, ok := r.Version(contentID)
	switch {
	case !ok:
		return nil, fed.Errorf(fed.NotFound, "", "there is no such version")
	case v.State == StateDisputed:
		return nil, fed.Errorf(fed.Corrupt, "Verify it again, or ask another party for its copy.", "the version is disputed: %s", v.Sentence)
	case v.State == StateReceiving:
		return nil, fed.Errorf(fed.Unavailable, "Wait until a party that has them is online.", "files of the version have not been received yet")
	}
	files, check := r.checkFiles(ctx, v)
	if !check.OK {
		r.remember(contentID, v, []Check{check})
		return nil, fed.Errorf(fed.Corrupt, "Verify it again, or ask another party for its copy.", "the version cannot be loaded: %s", check.Text)
	}
	raw, err := canonical(v.Manifest)
	if err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	files[FileManifest] = raw
	return files, nil
}

// Metrics returns the figures of a version. Errors of this and the following are
// of kind NotFound, Unavailable or Corrupt.
func (r *Registry) Metrics(ctx context.Context, contentID string) (m MetricsFile, err error) {
	err = r.read(ctx, contentID, FileMetrics, &m)
	return m, err
}

// Lineage returns what a version was made from.
func (r *Registry) Lineage(ctx context.Context, contentID string) (l Lineage, err error) {
	err = r.read(ctx, contentID, FileLineage, &l)
	return l, err
}

// Signature returns the raw columns that a prediction takes and its outputs.
func (r *Registry) Signature(ctx context.Context, contentID string) (s Signature, err error) {
	err = r.read(ctx, contentID, FileSignature, &s)
	return s, err
}

// Card returns the model card as Markdown.
func (r *Registry) Card(ctx context.Context, contentID string) (string, error) {
	raw, err := r.file(ctx, contentID, FileCard)
	return string(raw), err
}

func (r *Registry) read(ctx context.Context, contentID, path string, v any) error {
	raw, err := r.file(ctx, contentID, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fed.Errorf(fed.Corrupt, "", "%s of the version cannot be read: %w", path, err)
	}
	return nil
}

// file reads one file of a version, whatever else is missing.
func (r *Registry) file(ctx context.Context, contentID, path string) ([]byte, error) {
	v, ok := r.Version(contentID)
	if !ok {
		return nil, fed.Errorf(fed.NotFound, "", "there is no such version")
	}
	for _, f := range v.Manifest.Files {
		if f.Path != path {
			continue
		}
		if !r.ports.Blobs.Has(f.SHA256) {
			return nil, fed.Errorf(fed.Unavailable, "Wait until a party that has it is online.", "%s has not been received yet", path)
		}
		raw, err := r.ports.Blobs.Get(ctx, f.SHA256)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		if fed.DigestOf(raw) != f.SHA256 {
			return nil, fed.Errorf(fed.Corrupt, "Verify the version.", "%s is not what the manifest says", path)
		}
		return raw, nil
	}
	return nil, fed.Errorf(fed.NotFound, "", "the version has no %s", path)
}

// Used reports whether a blob belongs to a version, so that it is kept.
func (r *Registry) Used(d fed.Digest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.projects {
		for _, docs := range s.versions {
			for _, doc := range docs {
				for _, f := range doc.body.Files {
					if f.Blob.Digest == d {
						return true
					}
				}
			}
		}
	}
	return false
}
