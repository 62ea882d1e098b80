package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/storage/sqlite"
	"synergos.app/desktop/backend/storage/sqlite/query"
)

var ctx = context.Background()

func open(t *testing.T, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func set(t *testing.T, q *query.Queries, key, value string) {
	t.Helper()
	if err := q.PutSetting(ctx, query.PutSettingParams{Key: key, Value: value}); err != nil {
		t.Fatal(err)
	}
}

// raw opens the file beside the package.
func raw(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "synergos.db"))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestOpenMakesAndKeeps(t *testing.T) {
	for _, name := range []string{"plain", "with space", "50% #1?x=y&z", "Größe"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for i, value := range []string{"first", "second"} {
			db, err := sqlite.Open(ctx, dir, sqlite.Options{Volatile: i == 1})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := db.GetSetting(ctx, "theme")
			if i == 0 && !sqlite.NoRows(err) || i == 1 && (err != nil || got != "first") {
				t.Errorf("%s: opening %d finds %q, %v", name, i+1, got, err)
			}
			set(t, db.Queries, "theme", value)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "synergos.db")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Votes and checkpoints are on disk when the call returns; a rehearsal need not.
func TestPragmas(t *testing.T) {
	for _, c := range []struct {
		opts sqlite.Options
		sync int64
	}{{sqlite.Options{}, 2}, {sqlite.Options{Volatile: true}, 0}} {
		dir := t.TempDir()
		db, err := sqlite.Open(ctx, dir, c.opts)
		if err != nil {
			t.Fatal(err)
		}
		for pragma, want := range map[string]string{"synchronous": string(rune('0' + c.sync)), "journal_mode": "wal", "foreign_keys": "1", "busy_timeout": "10000"} {
			if got := db.Pragma(ctx, t, pragma); got != want {
				t.Errorf("%+v: %s is %s, want %s", c.opts, pragma, got, want)
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A file that is damaged is left as it is, with a way out for the person.
func TestCorruptFileIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	set(t, db.Queries, "theme", "dark")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "synergos.db")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	overwritten := bytes.Clone(good)
	for i := range 200 {
		overwritten[i] ^= 0x5a
	}
	for name, content := range map[string][]byte{
		"text": []byte(strings.Repeat("this is no database\n", 100)), "overwritten": overwritten, "cut short": good[:len(good)/2-100],
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := sqlite.Open(ctx, dir, sqlite.Options{})
		if fed.KindOf(err) != fed.Corrupt || !strings.Contains(fed.HintOf(err), "synergos.db") {
			t.Errorf("%s: %v, hint %q", name, err, fed.HintOf(err))
		}
		if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, content) {
			t.Errorf("%s: the file was changed (%v)", name, err)
		}
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := open(t, dir).GetSetting(ctx, "theme"); err != nil || got != "dark" {
		t.Errorf("the restored file holds %q, %v", got, err)
	}
}

// A database of a newer version of the app is not opened by an older one.
func TestNewerDatabaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	set(t, db.Queries, "theme", "dark")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r := raw(t, dir)
	if _, err := r.Exec("INSERT INTO goose_db_version(version_id, is_applied) VALUES (999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(ctx, dir, sqlite.Options{}); fed.KindOf(err) != fed.Incompatible || fed.HintOf(err) == "" {
		t.Errorf("a newer database: %v, hint %q", err, fed.HintOf(err))
	}
}

// What is no damage must not be called so: a person would move the file away.
func TestFolderThatCannotBeUsed(t *testing.T) {
	if _, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "missing"), sqlite.Options{}); err == nil || fed.KindOf(err) == fed.Corrupt || fed.HintOf(err) == "" {
		t.Errorf("a missing folder: %v, hint %q", err, fed.HintOf(err))
	}
	cctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := sqlite.Open(cctx, t.TempDir(), sqlite.Options{}); err == nil || fed.KindOf(err) == fed.Corrupt {
		t.Errorf("a cancelled start: %v", err)
	}
}

func TestTxIsAllOrNothing(t *testing.T) {
	db := open(t, t.TempDir())
	set(t, db.Queries, "theme", "dark")
	stop := errors.New("stop")
	err := db.Tx(ctx, func(q *query.Queries) error {
		set(t, q, "theme", "light")
		set(t, q, "language", "en")
		if got, err := q.GetSetting(ctx, "theme"); err != nil || got != "light" {
			t.Errorf("inside the transaction: %q, %v", got, err)
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("the transaction ended with %v", err)
	}
	if got, err := db.GetSetting(ctx, "theme"); err != nil || got != "dark" {
		t.Errorf("after a rollback: %q, %v", got, err)
	}
	if _, err := db.GetSetting(ctx, "language"); !sqlite.NoRows(err) {
		t.Errorf("a rolled back row: %v", err)
	}
	if err := db.Tx(ctx, func(q *query.Queries) error { set(t, q, "theme", "light"); return nil }); err != nil {
		t.Fatal(err)
	}
	if got, err := db.GetSetting(ctx, "theme"); err != nil || got != "light" {
		t.Errorf("after a commit: %q, %v", got, err)
	}
}

// A panic inside a transaction must not keep the one connection for ever.
func TestTxGivesBackItsConnection(t *testing.T) {
	db := open(t, t.TempDir())
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		err := db.Tx(ctx, func(q *query.Queries) error { set(t, q, "theme", "light"); panic("bug") })
		t.Error("not reached", err)
	}()
	tctx, cancel := context.WithTimeout(ctx, 5e9)
	defer cancel()
	if _, err := db.GetSetting(tctx, "theme"); !sqlite.NoRows(err) {
		t.Errorf("after a panic: %v", err)
	}
}

// The first update saved for a round stays: a repeated task gets the same bytes.
func TestUpdateStays(t *testing.T) {
	db := open(t, t.TempDir())
	for _, body := range []string{"first", "second"} {
		if err := db.PutUpdate(ctx, query.PutUpdateParams{Run: "r", Round: 1, Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := db.GetUpdate(ctx, query.GetUpdateParams{Run: "r", Round: 1}); err != nil || got != "first" {
		t.Errorf("kept %q, %v", got, err)
	}
	if _, err := db.GetUpdate(ctx, query.GetUpdateParams{Run: "r", Round: 2}); !sqlite.NoRows(err) {
		t.Errorf("an update of another round: %v", err)
	}
}

// A secret of an invitation is used once, whoever comes second.
func TestInviteIsUsedOnce(t *testing.T) {
	db := open(t, t.TempDir())
	if err := db.PutInvite(ctx, query.PutInviteParams{Hash: "h", Federation: "f", ExpiresMs: 1}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{1, 0} {
		if n, err := db.UseInvite(ctx, query.UseInviteParams{UsedBy: "p", Hash: "h"}); err != nil || n != want {
			t.Errorf("use %d: %d rows, %v", i+1, n, err)
		}
	}
}
