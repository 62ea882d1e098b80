package sqlite

import (
	"context"
	"testing"
)

// Pragma reads a setting of the open connection.
func (d *DB) Pragma(ctx context.Context, t *testing.T, name string) string {
	t.Helper()
	var v string
	if err := d.sql.QueryRowContext(ctx, "PRAGMA "+name).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
