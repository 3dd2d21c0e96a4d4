-- What people are told in the portal, what they have read of it, where else they are told, and what the authority announces.

-- `recipient` is `User/<name>` or `Group/<name>`; `topic` and `figures` are worded in the reader's language.
CREATE TABLE notices (
    id TEXT NOT NULL PRIMARY KEY,
    cause TEXT NOT NULL,
    recipient TEXT NOT NULL,
    topic TEXT NOT NULL,
    figures TEXT NOT NULL,
    href TEXT NOT NULL,
    created BIGINT NOT NULL
);
CREATE UNIQUE INDEX notices_cause ON notices (cause);
CREATE INDEX notices_newest ON notices (recipient, created);

CREATE TABLE notices_read (
    notice TEXT NOT NULL,
    person TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE UNIQUE INDEX notices_read_once ON notices_read (notice, person);

CREATE TABLE contacts (
    person TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    phone TEXT NOT NULL,
    changed BIGINT NOT NULL
);

CREATE TABLE bulletins (
    id TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    author TEXT NOT NULL,
    public BIGINT NOT NULL,
    starts BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    created BIGINT NOT NULL,
    changed BIGINT NOT NULL
);
CREATE INDEX bulletins_by_end ON bulletins (ends);
