-- How far the recorder is, what it saw last of each object, and whom the hub's audit log names.

-- `source` is `watch/<kind>` (a resourceVersion) or `hub-audit` (inode and offset of the log file).
CREATE TABLE positions (
    source TEXT NOT NULL PRIMARY KEY,
    position TEXT NOT NULL,
    changed BIGINT NOT NULL
);

-- The last recorded state of each object: a gap in a watch is bridged by comparing with it.
CREATE TABLE observed (
    uid TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    resource_version TEXT NOT NULL,
    state TEXT NOT NULL
);
CREATE INDEX observed_by_kind ON observed (kind, uid);

-- Who wrote which version of which object, as the hub's audit log has it; kept for hours, the ledger keeps what matters.
CREATE TABLE witnesses (
    audit_id TEXT NOT NULL PRIMARY KEY,
    uid TEXT NOT NULL,
    resource_version TEXT NOT NULL,
    verb TEXT NOT NULL,
    username TEXT NOT NULL,
    acting_as TEXT NOT NULL,
    groups_digest TEXT NOT NULL,
    via TEXT NOT NULL,
    happened BIGINT NOT NULL
);
CREATE INDEX witnesses_by_version ON witnesses (uid, resource_version);
CREATE INDEX witnesses_by_time ON witnesses (happened);
