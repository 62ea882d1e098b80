-- name: GetSetting :one
SELECT value FROM setting WHERE key = ?;
-- name: ListSettings :many
SELECT * FROM setting ORDER BY key;
-- name: PutSetting :exec
INSERT INTO setting(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value;

-- name: ListPeers :many
SELECT * FROM peer ORDER BY paired_ms, device;
-- name: PutPeer :exec
INSERT INTO peer(device, party, name, org_key, statement, role, source, how, addrs, paired_ms, revoked_ms, seen_ms)
VALUES (?,?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT(device) DO UPDATE SET party=excluded.party, name=excluded.name, org_key=excluded.org_key, statement=excluded.statement,
  role=excluded.role, source=excluded.source, how=excluded.how, addrs=excluded.addrs, paired_ms=excluded.paired_ms, revoked_ms=excluded.revoked_ms, seen_ms=excluded.seen_ms;

-- name: PutInvite :exec
INSERT INTO invite(hash, federation, expires_ms) VALUES (?,?,?);
-- name: GetInvite :one
SELECT * FROM invite WHERE hash = ?;
-- name: ListInvites :many
SELECT * FROM invite ORDER BY expires_ms DESC;
-- name: CountInviteTry :exec
UPDATE invite SET tries = tries + 1 WHERE hash = ?;
-- name: UseInvite :execrows
UPDATE invite SET used_by = ? WHERE hash = ? AND used_by = '';
-- name: DeleteInvite :execrows
DELETE FROM invite WHERE hash = ?;

-- name: InsertDoc :exec
INSERT INTO doc(scope, author, seq, kind, subject, prev, time_ms, body, sig, key, hash) VALUES (?,?,?,?,?,?,?,?,?,?,?);
-- name: InsertFork :exec
INSERT INTO fork(scope, author, seq, kind, subject, prev, time_ms, body, sig, key) VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING;
-- name: ListForks :many
SELECT * FROM fork ORDER BY scope, author;
-- name: AllDocs :many
SELECT * FROM doc ORDER BY rowid;

-- name: LastEgress :one
SELECT * FROM egress ORDER BY seq DESC LIMIT 1;
-- name: InsertEgress :exec
INSERT INTO egress(seq, time_ms, peer, kind, purpose, subject, bytes, digest, consent, hash) VALUES (?,?,?,?,?,?,?,?,?,?);
-- name: ListEgress :many
SELECT * FROM egress WHERE seq < sqlc.arg(before) AND (peer = sqlc.arg(peer) OR sqlc.arg(peer) = '') AND (kind = sqlc.arg(kind) OR sqlc.arg(kind) = '')
ORDER BY seq DESC LIMIT sqlc.arg(n);
-- name: EgressAfter :many
SELECT * FROM egress WHERE seq > ? ORDER BY seq LIMIT ?;
-- name: EgressTotals :many
SELECT peer, kind, count(*) AS frames, CAST(sum(bytes) AS INTEGER) AS bytes FROM egress GROUP BY peer, kind ORDER BY peer, kind;
-- name: EgressSize :one
SELECT CAST(coalesce(sum(length(peer) + length(kind) + length(purpose) + length(subject) + length(digest) + length(consent) + length(hash) + 40), 0) AS INTEGER) FROM egress;
-- name: EgressPruned :one
SELECT * FROM egress_pruned;
-- name: PutEgressPruned :exec
INSERT INTO egress_pruned(id, seq, hash, time_ms, frames, bytes) VALUES (1,?,?,?,?,?)
ON CONFLICT(id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, time_ms = excluded.time_ms, frames = excluded.frames, bytes = excluded.bytes;
-- name: DeleteEgress :exec
DELETE FROM egress WHERE seq <= ?;
-- name: EgressForSubject :many
SELECT peer, CAST(sum(bytes) AS INTEGER) AS bytes FROM egress WHERE subject = ? GROUP BY peer;

-- name: ListDatasets :many
SELECT * FROM dataset ORDER BY added_ms, id;
-- name: GetDataset :one
SELECT * FROM dataset WHERE id = ?;
-- name: PutDataset :exec
INSERT INTO dataset(id, body, secret, added_ms, revision) VALUES (?,?,?,?,?)
ON CONFLICT(id) DO UPDATE SET body = excluded.body, revision = excluded.revision;
-- name: DeleteDataset :exec
DELETE FROM dataset WHERE id = ?;

-- name: PutConsent :exec
INSERT INTO consent(id, project, dataset, digest, limits, created_ms, until_ms, fingerprint) VALUES (?,?,?,?,?,?,?,?);
-- name: ListConsents :many
SELECT * FROM consent ORDER BY created_ms;
-- name: EndConsents :exec
UPDATE consent SET ended_ms = ? WHERE project = ? AND ended_ms = 0;

-- name: PutColumnAnswer :exec
INSERT INTO column_answer(sheet, column_name, question, body, time_ms) VALUES (?,?,?,?,?);
-- name: ColumnAnswers :many
SELECT question, body FROM column_answer WHERE sheet = ? AND column_name = ?;
-- name: PutToldRows :exec
INSERT INTO told_rows(dataset, fingerprint, digest, rows, time_ms) VALUES (?,?,?,?,?)
ON CONFLICT DO NOTHING;
-- name: ListToldRows :many
SELECT digest, rows FROM told_rows WHERE dataset = ? AND fingerprint = ?;
-- name: PutScaler :exec
INSERT INTO scaler(run, body) VALUES (?,?) ON CONFLICT DO NOTHING;
-- name: GetScaler :one
SELECT body FROM scaler WHERE run = ?;

-- name: PutRun :exec
INSERT INTO run(id, experiment, project, state, end_reason, problem, coordinator, started_ms, ended_ms, attempt, local)
VALUES (?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT(id) DO UPDATE SET state=excluded.state, end_reason=excluded.end_reason, problem=excluded.problem, coordinator=excluded.coordinator,
  started_ms=excluded.started_ms, ended_ms=excluded.ended_ms, attempt=excluded.attempt, local=excluded.local;
-- name: ListRuns :many
SELECT * FROM run ORDER BY started_ms, id;
-- name: PutGrid :exec
INSERT INTO grid(run, state) VALUES (?,?) ON CONFLICT(run) DO UPDATE SET state = excluded.state;
-- name: ForgetVote :exec
INSERT INTO forgotten_vote(run) VALUES (?) ON CONFLICT DO NOTHING;
-- name: ListForgottenVotes :many
SELECT run FROM forgotten_vote;
-- name: GetGrid :one
SELECT state FROM grid WHERE run = ?;
-- name: PutRoundDraft :exec
INSERT INTO round_draft(run, body) VALUES (?,?) ON CONFLICT(run) DO UPDATE SET body = excluded.body;
-- name: ListRoundDrafts :many
SELECT * FROM round_draft ORDER BY run;
-- name: DropRoundDraft :exec
DELETE FROM round_draft WHERE run = ?;
-- name: PutUpdate :exec
INSERT INTO round_update(run, round, body) VALUES (?,?,?) ON CONFLICT DO NOTHING;
-- name: GetUpdate :one
SELECT body FROM round_update WHERE run = ? AND round = ?;
-- name: PutAnswer :exec
INSERT INTO answer(run, round, purpose, about, body) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING;
-- name: GetAnswer :one
SELECT about, body FROM answer WHERE run = ? AND round = ? AND purpose = ?;
-- name: DropAnswers :exec
DELETE FROM answer WHERE run = ?;
-- name: PutRunEvent :exec
INSERT INTO run_event(run, time_ms, kind, text) VALUES (?,?,?,?);
-- name: ListRunEvents :many
SELECT * FROM run_event WHERE run = ? ORDER BY seq;

-- name: PutServing :exec
INSERT INTO serving(model, body, token_hash) VALUES (?,?,?) ON CONFLICT(model) DO UPDATE SET body = excluded.body, token_hash = excluded.token_hash;
-- name: ListServing :many
SELECT * FROM serving ORDER BY model;

-- name: PutServingUse :exec
INSERT INTO serving_use(model, body) VALUES (?,?) ON CONFLICT(model) DO UPDATE SET body = excluded.body;
-- name: ListServingUse :many
SELECT * FROM serving_use ORDER BY model;
-- name: DeleteServingUse :exec
DELETE FROM serving_use WHERE model = ?;

-- name: PutOperation :exec
INSERT INTO operation(id, body, state, time_ms) VALUES (?,?,?,?) ON CONFLICT(id) DO UPDATE SET body = excluded.body, state = excluded.state;
-- name: ListOperations :many
SELECT * FROM operation ORDER BY time_ms DESC LIMIT ?;

-- name: PutInbox :exec
INSERT INTO inbox(id, body, time_ms, done) VALUES (?,?,?,?) ON CONFLICT(id) DO UPDATE SET body = excluded.body, done = excluded.done;
-- name: ListInbox :many
SELECT * FROM inbox ORDER BY time_ms DESC LIMIT ?;
