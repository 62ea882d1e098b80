-- +goose Up
CREATE TABLE serving_use (
  model TEXT PRIMARY KEY,
  body  TEXT NOT NULL               -- counters, as JSON
) STRICT;

CREATE TABLE egress_pruned (        -- what was taken off the beginning of the chain
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  seq     INTEGER NOT NULL,         -- of the last entry taken
  hash    TEXT NOT NULL,            -- of it: the first entry that is left follows it
  time_ms INTEGER NOT NULL,         -- of it
  frames  INTEGER NOT NULL,         -- taken in all
  bytes   INTEGER NOT NULL          -- that those frames had
) STRICT;

-- +goose Down
DROP TABLE egress_pruned;
DROP TABLE serving_use;
