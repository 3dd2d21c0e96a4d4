-- Figures over time, and what is to be told to people.

-- A point sums up the samples of its stretch: `grain` is its length in seconds, `at` its beginning in microseconds.
CREATE TABLE history (
    series TEXT NOT NULL,
    grain BIGINT NOT NULL,
    at BIGINT NOT NULL,
    samples BIGINT NOT NULL,
    total DOUBLE PRECISION NOT NULL,
    low DOUBLE PRECISION NOT NULL,
    high DOUBLE PRECISION NOT NULL
);
CREATE UNIQUE INDEX history_point ON history (series, grain, at);
CREATE INDEX history_by_age ON history (grain, at);

-- What is to be told, by which channel, to whom, and how that went. `cause` keeps one message from being sent twice.
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    cause TEXT NOT NULL,
    channel TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due BIGINT NOT NULL,
    created BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    problem TEXT NOT NULL
);
CREATE UNIQUE INDEX outbox_cause ON outbox (cause);
CREATE INDEX outbox_due ON outbox (state, channel, due);
CREATE INDEX outbox_newest ON outbox (created);
