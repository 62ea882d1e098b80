-- +goose Up
-- One update of each round: a run commits one checkpoint per round, and whoever has
-- this party train from another one asks for more than was agreed.
CREATE TABLE round_update (
  run   TEXT NOT NULL,
  round INTEGER NOT NULL,
  body  TEXT NOT NULL,
  PRIMARY KEY (run, round)
) STRICT;
INSERT OR IGNORE INTO round_update(run, round, body)
  SELECT run, CAST(json_extract(body, '$.round') AS INTEGER), body FROM sent_update ORDER BY rowid;
DROP TABLE sent_update;

-- +goose Down
CREATE TABLE sent_update (
  run  TEXT NOT NULL,
  base TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (run, base)
) STRICT;
INSERT OR IGNORE INTO sent_update(run, base, body)
  SELECT run, json_extract(body, '$.base'), body FROM round_update;
DROP TABLE round_update;
