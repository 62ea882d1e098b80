package serving

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// BatchOptions describe a batch.
type BatchOptions struct {
	Mode     Mode   // "": Reject, row by row
	Number   int    // of the version
	Key      string // column to copy to the output, "": none
	Progress func(rows int64)
}

// BatchResult counts a batch, also one that was cancelled.
type BatchResult struct {
	Rows     int64 // read
	Written  int64
	Rejected int64
}

// block is how many rows are scored and written together.
const block = 512

// batch is a running batch.
type batch struct {
	p             *Predictor
	opt           BatchOptions
	in            *csvRows
	out, rejected *csv.Writer
	key           int // index of the key column, -1: none
	res           BatchResult

	x       []float32 // [n, d] of the accepted rows of the block
	results []Result
	rows    []int64 // their numbers
	keys    []string
}

// Batch scores a CSV file with a header, row by row in order, without keeping it
// in memory. out gets row (from 1), the key column, label or value, one
// probability per class, model, version and warning; rejected, which may be nil,
// gets row, column and reason. The results are those of the endpoint, bit for bit.
// Progress is called after every block of rows. A cancelled batch has written
// whole rows only. Errors are of kind Invalid or Unavailable and name the line.
func Batch(ctx context.Context, in io.Reader, out, rejected io.Writer, p *Predictor, opt BatchOptions) (BatchResult, error) {
	rows, err := newCSVRows(p, in)
	if err != nil {
		return BatchResult{}, err
	}
	if rejected == nil {
		rejected = io.Discard
	}
	if opt.Mode == "" {
		opt.Mode = Reject
	}
	b := &batch{p: p, opt: opt, in: rows, out: csv.NewWriter(out), rejected: csv.NewWriter(rejected), key: slices.Index(rows.header, opt.Key)}
	if opt.Key == "" {
		b.key = -1
	} else if b.key < 0 {
		return BatchResult{}, invalid("the key column %.100q is not in the file", opt.Key)
	}
	if err := b.heads(); err != nil {
		return BatchResult{}, err
	}
	for more := true; more; {
		if more, err = b.block(ctx); err != nil {
			return b.res, err
		}
	}
	return b.res, nil
}

func (b *batch) heads() error {
	head := []string{"row"}
	if b.key >= 0 {
		head = append(head, b.opt.Key)
	}
	if b.p.info.Task == fed.TaskRegress {
		head = append(head, "value")
	} else {
		head = append(head, "label")
		for _, c := range b.p.info.Classes {
			head = append(head, "probability_"+c)
		}
	}
	return errors.Join(b.out.Write(append(head, "model", "version", "warning")), b.rejected.Write([]string{"row", "column", "reason"}))
}

// block reads, scores and writes the next rows; false after the last.
func (b *batch) block(ctx context.Context) (more bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	b.x, b.results, b.rows, b.keys = b.x[:0], b.results[:0], b.rows[:0], b.keys[:0]
	more = true
	for n := 0; n < block && more; n++ {
		row, err := b.in.next()
		switch {
		case errors.Is(err, io.EOF):
			more = false
		case err != nil:
			return false, err
		default:
			b.take(row)
		}
	}
	if err := b.score(ctx); err != nil {
		return false, err
	}
	if err := b.flush(); err != nil {
		return false, err
	}
	if b.opt.Progress != nil {
		b.opt.Progress(b.res.Rows)
	}
	return more, nil
}

// take prepares one row or rejects it.
func (b *batch) take(row map[string]any) {
	b.res.Rows++
	e := b.p.encode(row, b.opt.Mode)
	if len(e.refused) > 0 {
		b.reject(b.res.Rows, e.refused)
		return
	}
	b.x = append(b.x, e.x...)
	b.results = append(b.results, Result{Warnings: e.warnings})
	b.rows = append(b.rows, b.res.Rows)
	if b.key >= 0 {
		key := ""
		if b.key < len(b.in.record) {
			key = strings.Clone(b.in.record[b.key])
		}
		b.keys = append(b.keys, key)
	}
}

func (b *batch) reject(row int64, why []FieldError) {
	b.res.Rejected++
	for _, f := range why {
		_ = b.rejected.Write([]string{strconv.FormatInt(row, 10), f.Column, f.Reason}) // Flush reports errors
	}
}

// score answers the block. When an answer is not finite the rows are answered one
// by one, which gives the same bits, to reject only those.
func (b *batch) score(ctx context.Context) error {
	err := b.p.answer(ctx, b.x, b.results)
	var input *InputError
	if !errors.As(err, &input) {
		return err
	}
	d := b.p.model.Features()
	for i := range b.results {
		err := b.p.answer(ctx, b.x[i*d:(i+1)*d], b.results[i:i+1])
		switch {
		case errors.As(err, &input):
			b.reject(b.rows[i], input.Fields)
			b.rows[i] = 0
		case err != nil:
			return err
		}
	}
	return nil
}

func (b *batch) flush() error {
	for i, r := range b.results {
		if b.rows[i] == 0 {
			continue
		}
		line := []string{strconv.FormatInt(b.rows[i], 10)}
		if b.key >= 0 {
			line = append(line, b.keys[i])
		}
		if b.p.info.Task == fed.TaskRegress {
			line = append(line, float32Text(float32(r.Value)))
		} else {
			line = append(line, r.Label)
			for _, v := range r.Probability {
				line = append(line, float32Text(v))
			}
		}
		line = append(line, b.p.info.Model, strconv.Itoa(b.opt.Number), strings.Join(r.Warnings, "; "))
		_ = b.out.Write(line) // Flush reports errors
		b.res.Written++
	}
	b.out.Flush()
	b.rejected.Flush()
	if err := errors.Join(b.out.Error(), b.rejected.Error()); err != nil {
		return fed.Errorf(fed.Unavailable, "Check the free space of the disk.", "the results cannot be written: %w", err)
	}
	return nil
}

// float32Text prints the shortest digits that read back as the same number, as
// the JSON answers do.
func float32Text(v float32) string { return strconv.FormatFloat(float64(v), 'g', -1, 32) }
