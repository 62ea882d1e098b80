-- +goose Up
CREATE TABLE setting (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE peer (
  device    TEXT PRIMARY KEY,
  party     TEXT NOT NULL,
  name      TEXT NOT NULL,
  org_key   BLOB NOT NULL,
  statement BLOB NOT NULL,
  role      TEXT NOT NULL CHECK (role IN ('admin','coordinator','participant','observer')),
  source    TEXT NOT NULL,
  how       TEXT NOT NULL,
  addrs     TEXT NOT NULL,           -- JSON list of host:port, newest first
  paired_ms INTEGER NOT NULL,
  revoked_ms INTEGER NOT NULL DEFAULT 0,
  seen_ms   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX peer_party ON peer(party);

CREATE TABLE invite (
  hash       TEXT PRIMARY KEY,       -- SHA-256 of the secret; the secret is never stored
  federation TEXT NOT NULL,
  expires_ms INTEGER NOT NULL,
  tries      INTEGER NOT NULL DEFAULT 0,
  used_by    TEXT NOT NULL DEFAULT ''
) STRICT;

-- The book: signed documents, one append-only chain per (scope, author).
CREATE TABLE doc (
  rowid   INTEGER PRIMARY KEY,       -- order of arrival here
  scope   TEXT NOT NULL,
  author  TEXT NOT NULL,
  seq     INTEGER NOT NULL,
  kind    TEXT NOT NULL,
  subject TEXT NOT NULL,
  prev    TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  body    BLOB NOT NULL,
  sig     BLOB NOT NULL,
  key     BLOB NOT NULL,             -- the author's organisation key; its digest is the author
  hash    TEXT NOT NULL UNIQUE,
  UNIQUE (scope, author, seq)
) STRICT;

-- What left this machine: written before the frame, hash-chained.
CREATE TABLE egress (
  seq     INTEGER PRIMARY KEY,
  time_ms INTEGER NOT NULL,
  peer    TEXT NOT NULL,
  kind    TEXT NOT NULL,
  purpose TEXT NOT NULL,
  subject TEXT NOT NULL,
  bytes   INTEGER NOT NULL,
  digest  TEXT NOT NULL,
  consent TEXT NOT NULL,
  hash    TEXT NOT NULL
) STRICT;
CREATE INDEX egress_peer ON egress(peer, kind);

CREATE TABLE dataset (
  id       TEXT PRIMARY KEY,
  body     TEXT NOT NULL,            -- JSON of the owner's choices and last profile
  secret   BLOB NOT NULL,            -- key of the fingerprint; never leaves
  added_ms INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT;

CREATE TABLE consent (
  id         TEXT PRIMARY KEY,
  project    TEXT NOT NULL,
  dataset    TEXT NOT NULL,
  digest     TEXT NOT NULL,
  limits     TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  until_ms   INTEGER NOT NULL,
  ended_ms   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE run (
  id          TEXT PRIMARY KEY,
  experiment  TEXT NOT NULL,
  project     TEXT NOT NULL,
  state       TEXT NOT NULL,
  end_reason  TEXT NOT NULL,
  problem     TEXT NOT NULL,         -- JSON of view.Problem or ''
  coordinator TEXT NOT NULL,
  started_ms  INTEGER NOT NULL,
  ended_ms    INTEGER NOT NULL,
  attempt     INTEGER NOT NULL,
  local       TEXT NOT NULL          -- JSON: what this party alone knows (its baseline ...)
) STRICT;
CREATE INDEX run_state ON run(state);

-- The election's memory: one row per grid, written with full sync before any reply.
CREATE TABLE grid (
  run       TEXT PRIMARY KEY,
  state     BLOB NOT NULL
) STRICT;

-- A party's own update, saved before it is sent: a repeated task gets the same bytes.
CREATE TABLE sent_update (
  run  TEXT NOT NULL,
  base TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (run, base)
) STRICT;

CREATE TABLE run_event (
  seq     INTEGER PRIMARY KEY,
  run     TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  kind    TEXT NOT NULL,
  text    TEXT NOT NULL
) STRICT;
CREATE INDEX run_event_run ON run_event(run, seq);

CREATE TABLE serving (
  model      TEXT PRIMARY KEY,
  body       TEXT NOT NULL,
  token_hash TEXT NOT NULL
) STRICT;

CREATE TABLE operation (
  id       TEXT PRIMARY KEY,
  body     TEXT NOT NULL,
  state    TEXT NOT NULL,
  time_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE inbox (
  id      TEXT PRIMARY KEY,
  body    TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  done    INTEGER NOT NULL
) STRICT;

-- +goose Down
SELECT 'the first schema is not taken back' WHERE 0;
