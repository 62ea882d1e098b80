package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/serving"
)

// StartBatch scores a CSV file into another one.
func (n *Node) StartBatch(ctx context.Context, model, path, output string) (view.Operation, error) {
	m, err := n.model(model)
	if err != nil {
		return view.Operation{}, err
	}
	p, number, err := n.predictor(ctx, m)
	if err != nil {
		return view.Operation{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return view.Operation{}, fed.Errorf(fed.NotFound, "Choose the file again.", "the file %s cannot be read: %w", filepath.Base(path), errors.Unwrap(err))
	}
	if output == "" {
		base := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		output = filepath.Join(n.opts.Home, "exports", fmt.Sprintf("%s-%s-%s.csv", base, m.Name, n.opts.Now().Format("20060102-150405")))
	}
	return n.ops.start("batch", "Scoring "+filepath.Base(path), m.ID(), func(ctx context.Context, pr progress) (string, error) {
		return output, scoreFile(ctx, path, output, p, number, func(rows int64) { pr("scoring", rows, 0, "rows") })
	}), errIf(info.IsDir(), "Choose a CSV file.", "%s is a folder", filepath.Base(path))
}

func errIf(bad bool, hint, format string, args ...any) error {
	if bad {
		return fed.Errorf(fed.Invalid, hint, format, args...)
	}
	return nil
}

// scoreFile writes beside the final name first, so that no half file is left.
func scoreFile(ctx context.Context, path, output string, p *serving.Predictor, number int, report func(int64)) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := os.MkdirAll(filepath.Dir(output), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(output+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	rejected, err := os.OpenFile(rejectedName(output), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return errors.Join(err, out.Close())
	}
	_, err = serving.Batch(ctx, in, out, rejected, p, serving.BatchOptions{Number: number, Progress: report})
	err = errors.Join(err, out.Sync(), out.Close(), rejected.Close())
	if err != nil {
		return errors.Join(err, os.Remove(output+".part"))
	}
	return os.Rename(output+".part", output)
}

func rejectedName(output string) string {
	return strings.TrimSuffix(output, filepath.Ext(output)) + "-rejected.csv"
}
