package serving

import (
	"context"
	"io"
)

// BatchOptions describe a batch.
type BatchOptions struct {
	Mode     Mode   // "": Reject, row by row
	Number   int    // of the version
	Key      string // column to copy to the output, "": none
	Progress func(rows int64)
}

// BatchResult counts a finished batch.
type BatchResult struct {
	Rows     int64 // read
	Written  int64
	Rejected int64
}

// Batch scores a CSV file with a header, row by row in order, without keeping it
// in memory. out gets row (from 1), the key column, label or value, one
// probability per class, model, version and warning; rejected gets row, column and
// reason. The results are those of the endpoint, bit for bit. rejected may be nil.
// Progress is called after every block of rows.
func Batch(ctx context.Context, in io.Reader, out, rejected io.Writer, p *Predictor, opt BatchOptions) (BatchResult, error) {
	panic("todo")
}
