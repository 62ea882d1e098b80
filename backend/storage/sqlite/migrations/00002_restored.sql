-- +goose Up
-- Of each chain with two documents in one place the one that came second.
CREATE TABLE fork (
  scope   TEXT NOT NULL,
  author  TEXT NOT NULL,
  seq     INTEGER NOT NULL,
  kind    TEXT NOT NULL,
  subject TEXT NOT NULL,
  prev    TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  body    BLOB NOT NULL,
  sig     BLOB NOT NULL,
  key     BLOB NOT NULL,
  PRIMARY KEY (scope, author)
) STRICT;

-- Grids in which this party may have voted before its folder was restored from an
-- old copy: it has no vote in them.
CREATE TABLE forgotten_vote (
  run TEXT PRIMARY KEY
) STRICT;

-- +goose Down
DROP TABLE forgotten_vote;
DROP TABLE fork;
