-- +goose Up
-- What this party has answered about a round of a run: asked again, it says the same,
-- and it says nothing about other params.
CREATE TABLE answer (
  run      TEXT NOT NULL,
  round    INTEGER NOT NULL,
  purpose  TEXT NOT NULL,   -- valid, test, score
  about    TEXT NOT NULL,   -- digest of what was asked about
  body     TEXT NOT NULL,   -- JSON of the answer
  PRIMARY KEY (run, round, purpose)
) STRICT;

-- +goose Down
DROP TABLE answer;
