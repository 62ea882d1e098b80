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
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

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
// up to date. A file that is not a database is an error of kind Corrupt, one of a
// newer version of the app Incompatible, a folder that cannot be used or a file in
// use Unavailable; nothing is changed then.
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
		return nil, errors.Join(explain(err), db.Close())
	}
	return &DB{Queries: query.New(db), sql: db}, nil
}

// explain says what to do about a database that cannot be opened. Only damage
// sends a person to move the file away.
func explain(err error) error {
	const text = "the database of this party cannot be opened: %w"
	var known *fed.Error
	var code *driver.Error
	switch {
	case errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("open database: %w", err)
	case errors.As(err, &code) && passing(code.Code()&0xff):
		return fed.Errorf(fed.Unavailable, "Check that the folder of this party is there and may be written, that its disk is not full, and that no other program uses it.", text, err)
	}
	return fed.Errorf(fed.Corrupt, "Move the file synergos.db out of the folder and start again, or restore it from a backup; do not delete it.", text, err)
}

// passing reports whether a result code of SQLite is about the place of the file,
// not about its content.
func passing(code int) bool {
	switch code {
	case sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN:
		return true
	}
	return false
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
	have, known, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if have > known {
		return fed.Errorf(fed.Incompatible, "Start the newer version of the app again; this one would damage its data.",
			"the database of this party was made by a newer version of the app (%d, known here %d)", have, known)
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
	done := false
	defer func() {
		if !done { // f panicked: give the one connection back
			_ = tx.Rollback()
		}
	}()
	err = f(d.WithTx(tx))
	done = true
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// NoRows reports whether err says that a query for one row found none.
func NoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }
