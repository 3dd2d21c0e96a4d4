-- The ledger, sessions and drafts. Columns are BIGINT, TEXT and DOUBLE PRECISION only: one text for SQLite and PostgreSQL.
-- Times are microseconds since 1970 (UTC), hashes are hexadecimal, ids are ours.

-- What anybody did, row after row, each bound to the one before it. portal/src/audit/chain.rs says how a row is hashed.
CREATE TABLE audit (
    seq BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    happened BIGINT NOT NULL,
    actor TEXT NOT NULL,
    actor_groups TEXT NOT NULL,
    via TEXT NOT NULL,
    verb TEXT NOT NULL,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    resource_version TEXT NOT NULL,
    before_state TEXT NOT NULL,
    after_state TEXT NOT NULL,
    request_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    entry_key TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL
);
-- The same act is recorded once, however often its recording is tried.
CREATE UNIQUE INDEX audit_entry_key ON audit (entry_key);
CREATE INDEX audit_by_time ON audit (at, seq);
CREATE INDEX audit_by_actor ON audit (actor, seq);
CREATE INDEX audit_by_object ON audit (kind, namespace, name, seq);
CREATE INDEX audit_by_namespace ON audit (namespace, seq);
CREATE INDEX audit_by_verb ON audit (verb, seq);
CREATE INDEX audit_by_outcome ON audit (outcome, seq);

-- One row: the end of the chain. Writing it is the lock under which rows are appended, on both engines.
CREATE TABLE audit_head (
    id BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, at, hash) VALUES (1, 0, 0, '');

-- Who is signed in, by the digest of the token; the token itself is only in the browser.
CREATE TABLE sessions (
    digest TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    provider_session TEXT NOT NULL,
    contents TEXT NOT NULL,
    began BIGINT NOT NULL,
    used BIGINT NOT NULL
);
CREATE INDEX sessions_by_username ON sessions (username);
CREATE INDEX sessions_by_provider ON sessions (provider_session);
CREATE INDEX sessions_by_use ON sessions (used);

-- What somebody has begun to write and not submitted. `revision` tells a stale page from a fresh one.
CREATE TABLE drafts (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    purpose TEXT NOT NULL,
    title TEXT NOT NULL,
    contents TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created BIGINT NOT NULL,
    changed BIGINT NOT NULL
);
CREATE INDEX drafts_by_owner ON drafts (owner, changed);
