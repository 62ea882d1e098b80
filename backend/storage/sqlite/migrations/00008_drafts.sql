-- +goose Up
-- The record of the round that this party proposes as coordinator, until it stands in
-- the book: who stops in between does not lose who took part.
CREATE TABLE round_draft (
  run  TEXT PRIMARY KEY,
  body TEXT NOT NULL               -- the record, as JSON
) STRICT;

-- +goose Down
DROP TABLE round_draft;
