// Package sqlite keeps the party's records in one SQLite file.
//
// The schema lives in migrations (goose), the statements in queries, from which
// sqlc generates package query: run `go generate` after a change. Large things
// are files in package blob, cited here by digest. The one type to start from is
// [DB]; it is safe for concurrent use.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the pure Go driver

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

//go:generate ../../../.tools/sqlc generate

//go:embed migrations/*.sql
var migrations embed.FS

// DB is an open database. The embedded queries run outside a transaction.
type DB struct {
	*query.Queries
	sql *sql.DB
}

// Options tune an open database.
type Options struct {
	// Volatile gives up durability for speed; for rehearsals whose home is thrown
	// away. Votes and checkpoints of a real federation need the default, full sync.
	Volatile bool
}

// Open opens or makes the database file synergos.db in dir and brings its schema
// up to date. A file that is not a database, or one of a newer version of the
// app, is an error of kind Corrupt or Incompatible; nothing is changed then.
func Open(ctx context.Context, dir string, opts Options) (*DB, error) {
	path := filepath.Join(dir, "synergos.db")
	sync := "FULL"
	if opts.Volatile {
		sync = "OFF"
	}
	q := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "foreign_keys(1)", "synchronous(" + sync + ")"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	// One connection: writers never collide, and reads are microseconds here.
	db.SetMaxOpenConns(1)
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(fed.Errorf(fed.Corrupt,
			"Move the file synergos.db out of the folder and start again, or restore it from a backup; do not delete it.",
			"the database of this party cannot be opened: %w", err), db.Close())
	}
	return &DB{Queries: query.New(db), sql: db}, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// Close closes the database.
func (d *DB) Close() error { return d.sql.Close() }

// Tx runs f in one transaction: all of it is on disk when Tx returns nil.
func (d *DB) Tx(ctx context.Context, f func(q *query.Queries) error) error {
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := f(d.WithTx(tx)); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// NoRows reports whether err says that a query for one row found none.
func NoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }
