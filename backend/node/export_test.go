package node

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
)

// checkExport checks an exported version as VERIFY.txt in it says, with nothing of this
// program: it returns the content id and the stages that the records move it to.
func checkExport(t *testing.T, raw []byte) (content string, moves []string) {
	t.Helper()
	files := map[string][]byte{}
	z := must(zip.NewReader(bytes.NewReader(raw), int64(len(raw))))(t)
	for _, f := range z.File {
		r := must(f.Open())(t)
		files[f.Name] = must(io.ReadAll(r))(t)
		_ = r.Close()
	}
	sum := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	content = "sha256:" + sum(files["manifest.json"])
	var manifest struct {
		Files []struct{ Path, SHA256 string }
	}
	must(0, json.Unmarshal(files["manifest.json"], &manifest))(t)
	named := map[string]bool{"manifest.json": true, "VERIFY.txt": true}
	for _, f := range manifest.Files {
		named[f.Path] = true
		same(t, f.Path, sum(files[f.Path]), f.SHA256)
	}
	type record struct {
		Hash, Author, Domain, Kind string
		Key, Signature, Signed     []byte
		Body                       json.RawMessage
	}
	known, admin, prev, signers := map[string]record{}, map[string]bool{}, "", 0
	for _, path := range slices.Sorted(maps.Keys(files)) {
		folder, _, _ := strings.Cut(path, "/")
		switch {
		case named[path]:
			continue
		case folder == "policies":
			same(t, path, path, "policies/"+sum(files[path])+".json")
			continue
		case folder != "signatures" && folder != "stages":
			t.Errorf("%s is in no manifest", path)
			continue
		}
		var d record
		must(0, json.Unmarshal(files[path], &d))(t)
		digest := sha256.Sum256(d.Key)
		same(t, path+": author", base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(digest[:]), d.Author)
		same(t, path+": hash", sum(d.Signed), d.Hash)
		same(t, path+": body", bytes.HasSuffix(d.Signed, d.Body), true)
		key := must(x509.ParsePKIXPublicKey(d.Key))(t).(ed25519.PublicKey)
		framed := fmt.Appendf(nil, "synergos/sign/1%c%s%s", len(d.Domain), d.Domain, d.Signed)
		same(t, path+": signature", ed25519.Verify(key, framed, d.Signature), true)
		known[d.Hash] = d
		if folder == "signatures" {
			signers++
			continue
		}
		var b struct {
			ContentID, To, Ask, Prev, Policy string
			Voters, Votes                    []string
			Yes                              bool
		}
		must(0, json.Unmarshal(d.Body, &b))(t)
		switch d.Kind {
		case "number":
			admin[d.Author] = true
		case "stage.ask":
			same(t, path+": policy", files["policies/"+b.Policy+".json"] != nil, true)
		case "stage.vote":
			same(t, path+": yes to a known request", line(b.Yes, known[b.Ask].Kind), "true stage.ask")
		case "stage.done":
			admin[d.Author] = true
			same(t, path+": after", b.Prev, prev)
			same(t, path+": request", known[b.Ask].Kind, "stage.ask")
			for _, v := range b.Votes {
				same(t, path+": vote", known[v].Kind, "stage.vote")
			}
			prev = d.Hash
			if b.ContentID == content {
				moves = append(moves, b.To)
			}
		default:
			t.Errorf("%s has the kind %s", path, d.Kind)
		}
	}
	same(t, "publishers, and who keeps the records", line(signers > 0, len(admin)), "true 1")
	return content, moves
}
