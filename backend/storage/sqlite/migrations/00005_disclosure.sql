-- +goose Up
ALTER TABLE consent ADD COLUMN fingerprint TEXT NOT NULL DEFAULT ''; -- keyed, of the file as it was consented

-- What was told of a column when a project was aligned: the same question gets the
-- same answer, another question of the same column none.
CREATE TABLE column_answer (
  sheet       TEXT NOT NULL,         -- digest of what was consented
  column_name TEXT NOT NULL,         -- '' for the offer of all columns
  question    TEXT NOT NULL,         -- digest of what was asked
  body        BLOB NOT NULL,
  time_ms     INTEGER NOT NULL,
  PRIMARY KEY (sheet, column_name, question)
) STRICT;

-- Selections of rows that sums were told of, so that no two differ by a few rows.
CREATE TABLE told_rows (
  dataset     TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  digest      TEXT NOT NULL,         -- of rows
  rows        BLOB NOT NULL,         -- row numbers, as differences in varints
  time_ms     INTEGER NOT NULL,
  PRIMARY KEY (dataset, fingerprint, digest)
) STRICT;

-- This party's own scaler of a run, where the project scales per party.
CREATE TABLE scaler (
  run  TEXT PRIMARY KEY,
  body TEXT NOT NULL
) STRICT;

-- +goose Down
DROP TABLE scaler;
DROP TABLE told_rows;
DROP TABLE column_answer;
ALTER TABLE consent DROP COLUMN fingerprint;
