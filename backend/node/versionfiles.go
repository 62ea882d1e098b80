package node

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// keepVersion gets the files of a version that are not here, if a person has joined
// its project.
func (n *Node) keepVersion(contentID string) {
	refs, _ := n.registry.Missing(contentID)
	if v, _ := n.registry.Version(contentID); len(refs) == 0 || !n.takesPart(n.me(), v.Project) {
		return
	}
	n.errands.run("version "+contentID, func(ctx context.Context) {
		n.fetchVersion(ctx, contentID)
		n.then(func(ctx context.Context) {
			n.servings.follow(ctx)
			n.publish("model", contentID, nil)
		})
	})
}

// fetchVersion asks those who signed a version for its files.
func (n *Node) fetchVersion(ctx context.Context, contentID string) {
	refs, holders := n.registry.Missing(contentID)
	for _, ref := range refs {
		for _, h := range holders {
			if h == n.me() || !n.peers.isOnline(h) {
				continue
			}
			fctx, cancel := context.WithTimeout(ctx, time.Minute)
			err := n.fetch(fctx, h, ref)
			cancel()
			if err == nil {
				break
			}
			n.opts.Log.Info("file of a version not fetched", "error", err.Error())
		}
	}
}

// keepVersions tries again for all versions.
func (n *Node) keepVersions() {
	for _, m := range n.registry.Models() {
		for _, v := range m.Versions {
			n.keepVersion(v.ContentID)
		}
	}
}

// ExportVersion returns the folder of a version, with what bears it out, as a zip file.
func (n *Node) ExportVersion(ctx context.Context, model string, number int) ([]byte, error) {
	_, v, err := n.version(model, number)
	if err != nil {
		return nil, err
	}
	files, err := n.registry.Export(ctx, v.ContentID)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(path)
		if err == nil {
			_, err = w.Write(files[path])
		}
		if err != nil {
			return nil, fmt.Errorf("write zip: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("write zip: %w", err)
	}
	return buf.Bytes(), nil
}

// VersionCard returns the model card of a version as Markdown.
func (n *Node) VersionCard(ctx context.Context, model string, number int) ([]byte, error) {
	_, v, err := n.version(model, number)
	if err != nil {
		return nil, err
	}
	card, err := n.registry.Card(ctx, v.ContentID)
	return []byte(card), err
}
