package serving

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"synergos.app/desktop/backend/fed"
)

// BatchOptions describe a batch.
type BatchOptions struct {
	Mode     Mode // "": Reject, row by row
	Number   int  // of the version
	Progress func(rows, bytes int64)
}

// BatchResult counts a batch, also one that was cancelled.
type BatchResult struct {
	Rows     int64 // read, and written again
	Rejected int64 // of them without a prediction
}

// A block of rows is scored and written together: at most so many, and about so many
// bytes.
const (
	blockRows  = 512
	blockBytes = 4 << 20
)

// batch is a running batch.
type batch struct {
	p     *Predictor
	opt   BatchOptions
	in    *csvRows
	out   io.Writer
	comma byte // between cells
	quote byte // around cells that need it
	eol   string
	res   BatchResult

	x       []float32 // [n, d] of the accepted rows of the block
	results []Result  // of the accepted rows
	rows    []scored  // of the block
}

// scored is a row of the block.
type scored struct {
	raw    []byte // as it stood in the file, without its line end
	result int    // index, -1: refused
	why    string
}

// Batch scores a table that has the columns of the model, row by row in order,
// without keeping it in memory. out gets every row as it stands in the file, in UTF-8
// but else byte for byte, and after it prediction, one probability per class, model,
// version, warning and error; a name that the file uses already gets a number. A row
// that cannot be answered keeps its place with the reason in error. The results are those of the endpoint, bit for
// bit. Only a row of another length than the header is written anew: short ones are
// filled up, and what goes beyond the header stands in error. Progress is called
// after every block of rows. A cancelled batch has written whole rows only. Errors
// are of kind Invalid or Unavailable and name the line.
func Batch(ctx context.Context, in Table, out io.Writer, p *Predictor, opt BatchOptions) (BatchResult, error) {
	rows, err := newCSVRows(p, in, true)
	if err != nil {
		return BatchResult{}, err
	}
	if opt.Mode == "" {
		opt.Mode = Reject
	}
	b := &batch{p: p, opt: opt, in: rows, out: out, eol: "\n"}
	b.comma, b.quote, _ = in.Dialect()
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

// heads writes the header.
func (b *batch) heads() error {
	raw := bytes.Clone(b.in.table.Raw())
	switch {
	case bytes.HasSuffix(raw, []byte("\r\n")):
		b.eol = "\r\n"
	case bytes.HasSuffix(raw, []byte("\r")):
		b.eol = "\r"
	case len(raw) == 0:
		raw = b.cells(b.in.names)
	}
	more := []string{"prediction"}
	for _, c := range b.p.info.Classes {
		more = append(more, "probability_"+c)
	}
	more = append(more, "model", "version", "warning", "error")
	taken := map[string]bool{}
	for _, name := range b.in.names {
		taken[name] = true
	}
	for i, name := range more {
		for k := 2; taken[more[i]]; k++ {
			more[i] = fmt.Sprintf("%s_%d", name, k)
		}
		taken[more[i]] = true
	}
	var buf bytes.Buffer
	b.line(&buf, trimEnd(raw), more)
	return b.write(buf.Bytes())
}

// trimEnd takes the line end away.
func trimEnd(raw []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte("\n")), []byte("\r"))
}

// line writes a row as it stood, and cells after it.
func (b *batch) line(buf *bytes.Buffer, raw []byte, cells []string) {
	buf.Write(raw)
	buf.WriteByte(b.comma)
	buf.Write(b.cells(cells))
	buf.WriteString(b.eol)
}

// cells writes cells in quotes where they need them.
func (b *batch) cells(cells []string) []byte {
	var out []byte
	quote := string(b.quote)
	for i, cell := range cells {
		if i > 0 {
			out = append(out, b.comma)
		}
		if strings.HasPrefix(cell, " ") || strings.ContainsAny(cell, string(b.comma)+quote+"\r\n") {
			cell = quote + strings.ReplaceAll(cell, quote, quote+quote) + quote
		}
		out = append(out, cell...)
	}
	return out
}

// block reads, scores and writes the next rows; false after the last.
func (b *batch) block(ctx context.Context) (more bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	b.x, b.results, b.rows = b.x[:0], b.results[:0], b.rows[:0]
	more = true
	for size := 0; len(b.rows) < blockRows && size < blockBytes && more; {
		row, err := b.in.next()
		switch {
		case errors.Is(err, io.EOF):
			more = false
		case err != nil:
			return false, err
		default:
			b.take(row)
			size += len(b.rows[len(b.rows)-1].raw)
		}
	}
	if err := b.score(ctx); err != nil {
		return false, err
	}
	if err := b.flush(); err != nil {
		return false, err
	}
	if b.opt.Progress != nil {
		b.opt.Progress(b.res.Rows, b.in.table.Taken())
	}
	return more, nil
}

// take prepares one row or says why not.
func (b *batch) take(row map[string]any) {
	b.res.Rows++
	r := scored{result: -1}
	r.raw, r.why = b.fitted()
	if r.why == "" {
		switch e := b.p.encode(row, b.opt.Mode); {
		case len(e.refused) > 0:
			r.why = reasons(e.refused)
		default:
			r.result = len(b.results)
			b.x = append(b.x, e.x...)
			b.results = append(b.results, Result{Warnings: e.warnings})
		}
	}
	b.rows = append(b.rows, r)
}

// fitted returns the row that was read last with as many cells as the header, and
// what was cut off, as a reason.
func (b *batch) fitted() (raw []byte, why string) {
	raw = trimEnd(bytes.Clone(b.in.table.Raw()))
	record, width := b.in.record, len(b.in.names)
	if len(record) > width {
		if !slices.ContainsFunc(record[width:], func(s string) bool { return s != "" }) {
			return b.cells(record[:width]), ""
		}
		return b.cells(record[:width]), "more values than the header has columns: " + strings.Join(record[width:], " | ")
	}
	for range width - len(record) {
		raw = append(raw, b.comma)
	}
	return raw, ""
}

// reasons is what is wrong with a row.
func reasons(fields []FieldError) string {
	var out []string
	for _, f := range fields {
		if f.Column == "" {
			out = append(out, f.Reason)
			continue
		}
		out = append(out, f.Column+": "+f.Reason)
	}
	return strings.Join(out, "; ")
}

// score answers the block. When an answer is not finite the rows are answered one
// by one, which gives the same bits, to refuse only those.
func (b *batch) score(ctx context.Context) error {
	err := b.p.answer(ctx, b.x, b.results)
	var input *InputError
	if !errors.As(err, &input) {
		return err
	}
	d := b.p.model.Features()
	for i := range b.rows {
		k := b.rows[i].result
		if k < 0 {
			continue
		}
		err := b.p.answer(ctx, b.x[k*d:(k+1)*d], b.results[k:k+1])
		switch {
		case errors.As(err, &input):
			b.rows[i].result, b.rows[i].why = -1, reasons(input.Fields)
		case err != nil:
			return err
		}
	}
	return nil
}

func (b *batch) flush() error {
	var buf bytes.Buffer
	version := strconv.Itoa(b.opt.Number)
	for _, r := range b.rows {
		cells := make([]string, 1+len(b.p.info.Classes), 5+len(b.p.info.Classes))
		warning := ""
		if r.result < 0 {
			b.res.Rejected++
		} else {
			answer := b.results[r.result]
			cells[0] = answer.Label
			if b.p.info.Task == fed.TaskRegress {
				cells[0] = float32Text(float32(answer.Value))
			}
			for i, v := range answer.Probability {
				cells[1+i] = float32Text(v)
			}
			warning = strings.Join(answer.Warnings, "; ")
		}
		b.line(&buf, r.raw, append(cells, b.p.info.Model, version, warning, r.why))
	}
	return b.write(buf.Bytes())
}

func (b *batch) write(p []byte) error {
	if _, err := b.out.Write(p); err != nil {
		return fed.Errorf(fed.Unavailable, "Check the free space of the disk.", "the results cannot be written: %w", err)
	}
	return nil
}

// float32Text prints the shortest digits that read back as the same number, as
// the JSON answers do.
func float32Text(v float32) string { return strconv.FormatFloat(float64(v), 'g', -1, 32) }
