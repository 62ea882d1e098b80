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
	"synergos.app/desktop/backend/storage/datafile"
)

// StartBatch scores a CSV file into another one, which is made anew: nothing that
// exists is written over, and least of all the file itself.
func (n *Node) StartBatch(ctx context.Context, model, path, output string) (view.Operation, error) {
	m, err := n.model(model)
	if err != nil {
		return view.Operation{}, err
	}
	path, err = n.data.admit(path)
	if err != nil {
		return view.Operation{}, err
	}
	if output, err = n.outputFor(path, output, m.Name); err != nil {
		return view.Operation{}, err
	}
	p, number, err := n.predictor(ctx, m)
	if err != nil {
		return view.Operation{}, err
	}
	return n.ops.start("batch", "Scoring "+filepath.Base(path), m.ID(), func(ctx context.Context, pr progress) (string, error) {
		return output, scoreFile(ctx, path, output, p, number, pr)
	}), nil
}

// outputFor is where the results of a file go: into the folder of exports under a
// name of their own, unless the caller says where.
func (n *Node) outputFor(path, output, model string) (string, error) {
	if output == "" {
		base := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		dir := filepath.Join(n.opts.Home, "exports")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", fed.Errorf(fed.Unavailable, "Check the free space of the disk.", "the folder of exports cannot be made: %w", err)
		}
		output = filepath.Join(dir, fmt.Sprintf("%s-%s-%s.csv", base, model, n.opts.Now().Format("20060102-150405")))
		for k := 2; exists(output); k++ {
			output = filepath.Join(dir, fmt.Sprintf("%s-%s-%s-%d.csv", base, model, n.opts.Now().Format("20060102-150405"), k))
		}
		return output, nil
	}
	switch {
	case !filepath.IsAbs(output) || strings.ContainsRune(output, 0):
		return "", fed.Errorf(fed.Invalid, "Give the whole path of the file, from the root.", "the path of the result is not absolute")
	case exists(output):
		return "", fed.Errorf(fed.Exists, "Choose another name for the result.", "there is a file %s already", filepath.Base(output))
	case !n.data.permits(filepath.Join(resolved(filepath.Dir(output)), filepath.Base(output))):
		return "", fed.Errorf(fed.Permission, "Leave out where the result goes.", "%s is outside the folders that may be used", filepath.Base(output))
	}
	return output, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// scoreFile writes beside the final name first, so that no half file looks whole.
func scoreFile(ctx context.Context, path, output string, p *serving.Predictor, number int, report progress) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return fed.Errorf(fed.NotFound, "Choose the file again.", "%s cannot be read", filepath.Base(path))
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	info, err := in.Stat()
	if err != nil {
		return fed.Errorf(fed.Unavailable, "Choose the file again.", "%s cannot be read", filepath.Base(path))
	}
	rows, err := datafile.OpenRows(ctx, in, filepath.Base(path), info.Size(), datafile.Options{})
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(output), partPrefix+"*"+partSuffix)
	if err != nil {
		return fed.Errorf(fed.Unavailable, "Check the folder of the result and the free space of the disk.", "the results cannot be written: %w", errors.Unwrap(err))
	}
	_, err = serving.Batch(ctx, rows, out, p, serving.BatchOptions{Number: number, Progress: func(rows, bytes int64) {
		report(fmt.Sprintf("%d rows scored", rows), bytes, max(bytes, info.Size()), "bytes")
	}})
	err = errors.Join(err, out.Sync(), out.Close())
	if err == nil {
		err = os.Link(out.Name(), output) // which, unlike a renaming, spares a file that came meanwhile
		if errors.Is(err, os.ErrExist) {
			err = fed.Errorf(fed.Exists, "Choose another name for the result.", "there is a file %s already", filepath.Base(output))
		} else if err != nil && !exists(output) { // a disk without links
			err = os.Rename(out.Name(), output)
		}
	}
	if rerr := os.Remove(out.Name()); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

// maxResult bounds the result that the page can be given, in bytes.
const maxResult = 1 << 30

// A result that is being written is named so.
const (
	partPrefix = ".synergos-"
	partSuffix = ".part"
)

// BatchResult returns the file that a batch has made.
func (n *Node) BatchResult(ctx context.Context, id string) ([]byte, error) {
	op, err := n.Operation(ctx, id)
	if err != nil {
		return nil, err
	}
	if op.Kind != "batch" || op.State != "done" {
		return nil, fed.Errorf(fed.NotFound, "Wait until it is done.", "there is no result of “%s”", op.Title)
	}
	base := filepath.Base(op.Result)
	info, err := os.Stat(op.Result)
	if err == nil && info.Size() > maxResult {
		return nil, fed.Errorf(fed.Invalid, "Take it from the folder "+filepath.Dir(op.Result)+".", "%s is too large to be sent", base)
	}
	var content []byte
	if err == nil {
		content, err = os.ReadFile(op.Result)
	}
	if err != nil {
		return nil, fed.Errorf(fed.NotFound, "It may have been moved. Score the table again.", "%s is not there any more", base)
	}
	return content, nil
}

// sweepParts removes what batches that were cut off have left in the folder of exports.
func sweepParts(home string) {
	dir := filepath.Join(home, "exports")
	left, _ := os.ReadDir(dir) // no folder: nothing is left
	for _, e := range left {
		if strings.HasPrefix(e.Name(), partPrefix) && strings.HasSuffix(e.Name(), partSuffix) {
			_ = os.Remove(filepath.Join(dir, e.Name())) // tried again at the next start
		}
	}
}
